"""What gateways say, twice and in any order; and what they are asked when they say nothing."""

import itertools
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import billing, bookings, checkouts, ledger, payments
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from extensions import db
from models import PaymentMethod, Status
from models_lifecycle import Refund, RefundState
from models_money import CheckoutStatus, GatewayEvent, Payment
from payment_gateways import ENDED, NOT_REFUNDED, NOTHING, PAID, REFUNDED, Notice
from tests import factories

STRIPE, RAZORPAY = PaymentMethod.STRIPE, PaymentMethod.RAZORPAY


@pytest.fixture
def job(gateways, customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))


@pytest.fixture
def checkout(job, customer):
    made = checkouts.begin(job, customer, STRIPE)
    checkouts.opened(made.id, "cs_1", "https://checkout.example.com/cs_1")
    return made


def paid(checkout, event="evt_1", payment="pi_1", **changed):
    known = {"key": checkout.key, "reference": checkout.reference, "payment": payment, "event": event}
    return Notice(PAID, **{**known, "amount": checkout.amount, "currency": checkout.currency, **changed})


def ended(checkout, event="evt_end"):
    return Notice(ENDED, event=event, key=checkout.key, reference=checkout.reference)


def credits():
    return db.session.scalar(select(func.count()).select_from(Payment))


def fault():
    return db.session.scalars(select(GatewayEvent.fault).order_by(GatewayEvent.id.desc())).first()


def sound():
    return [*ledger.faults(), *billing.faults(), *payments.faults()]


# -- Begun ------------------------------------------------------------------------------------


def test_all_that_is_open_is_asked_for(checkout, job):
    assert (checkout.amount, checkout.currency, checkout.status) == (job.total, job.currency, CheckoutStatus.OPEN)
    assert checkouts.is_payable(checkout)
    assert (job.paid, credits()) == (0, 0)


def test_what_is_begun_is_taken_up_again(checkout, job, customer, frozen):
    assert checkouts.begin(job, customer, STRIPE) is checkout
    assert checkouts.begin(job, customer, RAZORPAY) is not checkout
    frozen.shift(timedelta(minutes=50))
    assert checkouts.begin(job, customer, STRIPE) is not checkout


def test_another_amount_is_begun_anew(checkout, job, customer):
    payments.credit(job, RAZORPAY, "pay_1", 10_000)
    again = checkouts.begin(job, customer, STRIPE)
    assert again is not checkout
    assert again.amount == job.total - 10_000


def test_only_the_customer_begins(job, professional, other_customer):
    for person in (professional, other_customer):
        with pytest.raises(NotAllowed):
            checkouts.begin(job, person, STRIPE)


@pytest.mark.parametrize("method", [PaymentMethod.CASH, PaymentMethod.UPI])
def test_only_gateways_take_orders(job, customer, method, set_up):
    set_up(upi_id="doorstep@okbank")
    with pytest.raises(InvalidTransition):
        checkouts.begin(job, customer, method)


def test_a_gateway_that_is_off_takes_none(job, customer, set_up):
    set_up(stripe_secret_key="")
    with pytest.raises(InvalidTransition):
        checkouts.begin(job, customer, STRIPE)


def test_what_is_paid_is_not_begun(job, customer):
    payments.credit(job, STRIPE, "pi_0", job.total)
    with pytest.raises(InvalidTransition):
        checkouts.begin(job, customer, STRIPE)


def test_a_payment_of_another_booking_is_not_found(checkout, customer, professional):
    other = factories.booking(customer, professional, starts_at=factories.at(15, days=3))
    with pytest.raises(NotFound):
        checkouts.get(other, checkout.id)


# -- Told -------------------------------------------------------------------------------------


def test_a_paid_order_counts(checkout, job):
    assert checkouts.take_event(STRIPE, paid(checkout))
    assert (job.paid, checkout.status) == (job.total, CheckoutStatus.PAID)
    assert fault() == ""
    assert sound() == []


def test_the_same_event_counts_once(checkout, job):
    checkouts.take_event(STRIPE, paid(checkout))
    assert not checkouts.take_event(STRIPE, paid(checkout))
    assert credits() == 1


def test_another_event_of_the_same_money_counts_once(checkout, job):
    checkouts.take_event(STRIPE, paid(checkout))
    assert checkouts.take_event(STRIPE, paid(checkout, event="evt_2", reference=""))
    assert credits() == 1
    assert sound() == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_events_in_any_order_come_to_the_same(checkout, job, order):
    events = [paid(checkout), ended(checkout), paid(checkout, event="evt_2", reference="")]
    for number in order:
        checkouts.take_event(STRIPE, events[number])
    assert (job.paid, checkout.status, credits()) == (job.total, CheckoutStatus.PAID, 1)
    assert sound() == []


def test_an_order_that_ended_is_over(checkout):
    checkouts.take_event(STRIPE, ended(checkout))
    assert checkout.status is CheckoutStatus.ENDED
    assert credits() == 0


def test_money_that_came_twice_goes_back_once(checkout, job):
    checkouts.take_event(STRIPE, paid(checkout))
    checkouts.take_event(STRIPE, paid(checkout, event="evt_2", payment="pi_2"))
    assert (job.paid, credits()) == (job.total, 2)
    assert db.session.scalars(select(Refund.amount)).all() == [checkout.amount]
    assert sound() == []


def test_news_before_the_call_has_come_back_counts(job, customer):
    checkout = checkouts.begin(job, customer, STRIPE)
    checkouts.take_event(STRIPE, paid(checkout, reference="cs_9"))
    checkouts.opened(checkout.id, "cs_9", "https://checkout.example.com/cs_9")
    assert (job.paid, checkout.status) == (job.total, CheckoutStatus.PAID)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 1},
        {"amount": 10**9},
        {"currency": "USD"},
        {"currency": "inr"},
        {"key": "made-up"},
        {"key": ""},
        {"reference": "cs_other"},
    ],
    ids=str,
)
def test_what_does_not_fit_pays_for_nothing_and_is_shown(checkout, job, changed):
    checkouts.take_event(STRIPE, paid(checkout, **changed))
    assert (job.paid, credits(), checkout.status) == (0, 0, CheckoutStatus.OPEN)
    assert fault()


def test_the_other_gateway_pays_for_nothing(checkout, job):
    checkouts.take_event(RAZORPAY, paid(checkout))
    assert (job.paid, credits()) == (0, 0)
    assert "was not begun here" in fault()


def test_what_says_nothing_changes_nothing(checkout, job):
    assert checkouts.take_event(STRIPE, Notice(NOTHING, event="evt_1"))
    assert (job.paid, fault()) == (0, "")


# -- Asked ------------------------------------------------------------------------------------


def test_a_lost_message_is_found_by_asking(checkout, job, frozen):
    assert not checkouts.anything_due()
    frozen.shift(timedelta(minutes=2))
    assert checkouts.anything_due()
    assert checkouts.claim_checkouts(10) == [(checkout.id, STRIPE, "cs_1")]
    assert checkouts.claim_checkouts(10) == []
    checkouts.looked(checkout.id, paid(checkout, event=""))
    assert (job.paid, checkout.status) == (job.total, CheckoutStatus.PAID)
    frozen.shift(timedelta(days=1))
    assert checkouts.claim_checkouts(10) == []


def test_an_answer_after_the_message_changes_nothing(checkout, job):
    checkouts.take_event(STRIPE, paid(checkout))
    checkouts.looked(checkout.id, paid(checkout, event=""))
    checkouts.looked(checkout.id, ended(checkout))
    assert (credits(), checkout.status) == (1, CheckoutStatus.PAID)


def test_it_is_asked_less_and_less_and_given_up_at_last(checkout, frozen):
    asked = 0
    while checkout.status is CheckoutStatus.OPEN:
        frozen.shift(timedelta(minutes=1))
        for found in checkouts.claim_checkouts(10):
            asked += 1
            checkouts.looked(found[0], Notice(NOTHING))
    assert 4 < asked < 10
    assert checkout.status is CheckoutStatus.ENDED


def test_what_was_never_opened_is_given_up(job, customer, frozen):
    made = checkouts.begin(job, customer, STRIPE)
    frozen.shift(timedelta(hours=3))
    assert checkouts.claim_checkouts(10) == []
    assert made.status is CheckoutStatus.ENDED


def test_an_answer_that_does_not_fit_is_shown_once(checkout, job):
    for _time in range(2):
        checkouts.looked(checkout.id, paid(checkout, amount=1))
    assert (job.paid, checkout.status) == (0, CheckoutStatus.ENDED)
    assert db.session.scalar(select(func.count()).select_from(GatewayEvent)) == 1


# -- Given back -------------------------------------------------------------------------------


@pytest.fixture
def refund(checkout, job, customer):
    """Called off in time: all of it goes back."""
    checkouts.take_event(STRIPE, paid(checkout))
    bookings.cancel(job, customer)
    db.session.commit()
    return db.session.scalars(select(Refund)).one()


def back(refund, kind=REFUNDED, event="evt_r", **changed):
    return Notice(kind, **{"event": event, "key": refund.key, "refund": "re_1", "amount": refund.amount, **changed})


def test_a_refund_is_asked_for_with_its_key(refund, frozen):
    assert checkouts.anything_due()
    asked = (refund.id, STRIPE, "pi_1", refund.amount, refund.key)
    assert checkouts.claim_refunds(10) == [(*asked, False)]
    assert checkouts.claim_refunds(10) == []
    frozen.shift(timedelta(minutes=2))
    # After a crash, or no answer: the gateway is asked first whether it has it.
    assert checkouts.claim_refunds(10) == [(*asked, True)]


def test_a_refund_that_was_sent_is_done(refund):
    checkouts.refunded(refund.id, back(refund))
    assert (refund.state, refund.reference) == (RefundState.DONE, "re_1")
    assert ledger.balances([ledger.REFUNDS, ledger.gateway("stripe")]) == {"refunds": 0, "gateway:stripe": 0}
    assert sound() == []


def test_a_refund_is_sent_once_whoever_says_so_first(refund):
    checkouts.take_event(STRIPE, back(refund))
    checkouts.refunded(refund.id, back(refund))
    checkouts.take_event(STRIPE, back(refund, event="evt_r2"))
    assert ledger.balance(ledger.gateway("stripe")) == 0
    assert sound() == []


def test_a_refund_on_its_way_waits(refund):
    checkouts.refunded(refund.id, back(refund, NOTHING))
    assert (refund.state, refund.reference) == (RefundState.ASKED, "re_1")


def test_what_the_gateway_will_not_give_back_an_admin_sends(refund, admin):
    checkouts.not_refunded(refund.id, "The balance is too low.")
    assert (refund.state, refund.error) == (RefundState.FAILED, "The balance is too low.")
    assert ledger.balance(ledger.REFUNDS) == -refund.amount
    checkouts.send_by_hand(refund, admin, "UTR 412345678901")
    assert refund.state is RefundState.DONE
    with pytest.raises(Conflict):
        checkouts.send_by_hand(refund, admin, "UTR 412345678901")
    assert sound() == []


def test_a_gateway_that_said_no_is_asked_again_under_a_new_key(refund, admin):
    key = refund.key
    checkouts.not_refunded(refund.id, "No")
    checkouts.ask_again(refund, admin)
    assert (refund.state, refund.key == key) == (RefundState.ASKED, False)
    assert checkouts.claim_refunds(10)[0][-1] is True
    with pytest.raises(InvalidTransition):
        checkouts.ask_again(refund, admin)


def test_a_gateway_that_never_answers_is_given_up_and_asked_again_under_the_same_key(refund, admin, frozen):
    key = refund.key
    while refund.state is RefundState.ASKED:
        checkouts.claim_refunds(10)
        frozen.shift(timedelta(hours=1))
    assert refund.state is RefundState.FAILED
    checkouts.ask_again(refund, admin)
    assert refund.key == key


def test_what_a_gateway_is_asked_for_no_admin_sends(refund, admin):
    with pytest.raises(Conflict):
        checkouts.send_by_hand(refund, admin, "UTR 412345678901")


@pytest.mark.parametrize("reference", ["", "  ", "x" * 61])
def test_a_transfer_has_a_number(refund, admin, reference):
    checkouts.not_refunded(refund.id, "No")
    with pytest.raises(Invalid):
        checkouts.send_by_hand(refund, admin, reference)


@pytest.mark.parametrize("changed", [{"key": "made-up"}, {"key": ""}, {"amount": 1}], ids=str)
def test_a_refund_that_does_not_fit_is_shown(refund, changed):
    checkouts.take_event(STRIPE, back(refund, **changed))
    assert refund.state is RefundState.ASKED
    assert fault()


def test_a_refund_that_comes_back_is_shown(refund):
    checkouts.refunded(refund.id, back(refund))
    checkouts.take_event(STRIPE, back(refund, NOT_REFUNDED))
    assert refund.state is RefundState.DONE
    assert "has not arrived" in fault()


def test_a_refund_that_failed_after_all_is_an_admins(refund):
    checkouts.refunded(refund.id, back(refund, NOT_REFUNDED))
    assert refund.state is RefundState.FAILED
    assert checkouts.is_by_hand(refund)


def test_money_at_the_bank_goes_back_by_hand(set_up, customer, professional, admin):
    set_up(upi_id="doorstep@okbank")
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))
    payments.verify(payments.claim(job, customer, "412345678901"), admin)
    bookings.cancel(job, customer)
    refund = db.session.scalars(select(Refund)).one()
    assert (refund.state, checkouts.anything_due(), checkouts.claim_refunds(10)) == (RefundState.ASKED, False, [])
    checkouts.send_by_hand(refund, admin, "412345678999")
    assert ledger.balance(ledger.BANK) == 0
    assert sound() == []

