"""Who says that something was paid, when it counts, and what becomes of what was paid beyond what is due."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from domain import billing, bookings, ledger, payments, users
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from extensions import db, settings
from models import AuditEntry, Notification, PaymentMethod, Status
from models_lifecycle import Refund, RefundState
from models_money import Payment, PaymentStatus
from tests import factories

UTR = "412345678901"


@pytest.fixture
def job(customer, professional):
    """Done, and nothing of it is paid."""
    professional.professional.upi_id = "dev@okbank"
    return done(customer, professional)


def done(customer, professional):
    job = factories.booking(customer, professional, status=Status.IN_PROGRESS)
    bookings.complete(job, professional)
    db.session.commit()
    return job


@pytest.fixture
def to_the_bank(set_up):
    set_up(upi_id="doorstep@okbank")


def sound():
    return [*ledger.faults(), *billing.faults(), *payments.faults()]


def told(person):
    return {one.kind for one in db.session.scalars(select(Notification).where(Notification.user_id == person.id))}


def acts():
    return {one.action for one in db.session.scalars(select(AuditEntry))}


def refunds():
    return [(one.amount, one.holder, one.state) for one in db.session.scalars(select(Refund).order_by(Refund.id))]


# -- Claimed and verified ---------------------------------------------------------------------


def test_what_is_claimed_does_not_count(job, customer, professional):
    payment = payments.claim(job, customer, " 4123 4567 8901 ")
    assert (payment.status, payment.amount, payment.reference) == (PaymentStatus.CLAIMED, job.total, UTR)
    assert job.paid == 0
    assert payments.open_amount(job) == 0
    assert "payment_claimed" in told(professional)
    assert sound() == []


def test_what_is_verified_counts(job, customer, professional):
    payments.verify(payments.claim(job, customer, UTR), professional)
    assert job.due == 0
    assert ledger.balance(ledger.customer(customer.id)) == 0
    assert "payment_verified" in told(customer)
    assert sound() == []


def test_what_the_bank_received_is_verified_by_an_admin(to_the_bank, job, customer, professional, admin):
    payment = payments.claim(job, customer, UTR)
    with pytest.raises(NotAllowed):
        payments.verify(payment, professional)
    payments.verify(payment, admin)
    assert ledger.balance(ledger.BANK) == job.total == job.paid
    assert "verify_payment" in acts()
    assert sound() == []


def test_what_a_professional_received_no_admin_verifies(job, customer, admin, other_professional):
    payment = payments.claim(job, customer, UTR)
    for person in (admin, customer, other_professional):
        with pytest.raises(NotAllowed):
            payments.verify(payment, person)


def test_a_claim_is_answered_once(job, customer, professional):
    payment = payments.claim(job, customer, UTR)
    payments.verify(payment, professional)
    answers = lambda: payments.verify(payment, professional), lambda: payments.refuse(payment, professional, "No")
    for answer in answers:
        with pytest.raises(InvalidTransition):
            answer()
    assert job.paid == job.total


def test_a_claim_that_was_answered_meanwhile_is_left_alone(job, customer, professional):
    payment = payments.claim(job, customer, UTR)
    db.session.execute(Payment.__table__.update().values(status="refused"))
    with pytest.raises(InvalidTransition):
        payments.verify(payment, professional)
    assert job.paid == 0


def test_a_refused_claim_says_why_and_frees_its_number(job, customer, professional):
    payments.refuse(payments.claim(job, customer, UTR), professional, "Nothing came.")
    assert (job.paid, payments.open_amount(job)) == (0, job.total)
    assert "payment_refused" in told(customer)
    payments.verify(payments.claim(job, customer, UTR), professional)
    assert job.due == 0


def test_a_refusal_needs_a_reason(job, customer, professional):
    payment = payments.claim(job, customer, UTR)
    for reason in ("  ", "x" * 501):
        with pytest.raises(Invalid):
            payments.refuse(payment, professional, reason)


def test_a_number_pays_once_for_the_whole_site(job, customer, professional, other_customer):
    payments.claim(job, customer, UTR)
    with pytest.raises(Conflict):
        payments.claim(done(other_customer, professional), other_customer, UTR)


@pytest.mark.parametrize("reference", ["", "41234567890", "4123456789012", "41234567890x", "４１２３４５６７８９０１"])
def test_a_utr_number_has_twelve_digits(job, customer, reference):
    with pytest.raises(Invalid):
        payments.claim(job, customer, reference)


def test_only_the_customer_claims(job, professional, other_customer):
    for person in (professional, other_customer):
        with pytest.raises(NotAllowed):
            payments.claim(job, person, UTR)


def test_nothing_is_claimed_that_is_not_open(job, customer):
    payments.claim(job, customer, UTR)
    with pytest.raises(InvalidTransition):
        payments.claim(job, customer, "412345678902")


def test_a_part_in_cash_leaves_the_rest_to_upi(job, customer, professional):
    bookings.record_payment(job, professional, PaymentMethod.CASH, 10_000)
    payment = payments.claim(job, customer, UTR)
    assert payment.amount == job.total - 10_000
    payments.verify(payment, professional)
    assert job.due == 0
    assert sound() == []


# -- Whom and when ----------------------------------------------------------------------------


def test_a_professional_is_paid_for_work_that_was_done(customer, professional):
    professional.professional.upi_id = "dev@okbank"
    ahead = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=3))
    assert payments.payee(ahead) is None
    assert payments.payee(done(customer, professional)).upi_id == "dev@okbank"


def test_the_site_is_paid_from_the_moment_a_job_is_agreed(to_the_bank, gateways, customer, professional):
    everything = [PaymentMethod.UPI, PaymentMethod.STRIPE, PaymentMethod.RAZORPAY]
    ahead = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=3))
    asked = factories.booking(customer, professional, starts_at=factories.at(15, days=2))
    assert payments.ways(ahead) == everything
    assert payments.ways(asked) == []


def test_what_is_switched_off_is_no_way(job, set_up):
    assert payments.ways(job) == [PaymentMethod.UPI]
    set_up(upi=False, cash=False)
    assert payments.ways(job) == []
    assert payments.methods_noted() == []


def test_what_is_switched_off_is_not_noted(job, professional, set_up):
    set_up(cash=False)
    with pytest.raises(Invalid):
        bookings.record_payment(job, professional, PaymentMethod.CASH)


# -- Beyond what is due -----------------------------------------------------------------------


def test_a_gateway_payment_counts_once(gateways, job, professional):
    assert payments.credit(job, PaymentMethod.STRIPE, "pi_1", job.total)
    assert payments.credit(job, PaymentMethod.STRIPE, "pi_1", job.total) is None
    assert job.due == 0
    assert ledger.balance(ledger.gateway("stripe")) == job.total
    assert "paid_online" in told(professional)
    assert sound() == []


def test_what_was_paid_twice_goes_back_the_way_it_came(job, customer, professional):
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    payments.credit(job, PaymentMethod.RAZORPAY, "pay_1", job.total)
    assert job.paid == job.total
    assert refunds() == [(job.total, "gateway:razorpay", RefundState.ASKED)]
    assert ledger.balance(ledger.REFUNDS) == -job.total
    assert "overpaid" in told(customer)
    assert sound() == []


def test_a_claim_that_brought_more_is_counted_as_what_came(to_the_bank, job, customer, admin):
    payments.verify(payments.claim(job, customer, UTR), admin, job.total + 500)
    assert job.paid == job.total
    assert refunds() == [(500, "bank", RefundState.ASKED)]
    assert sound() == []


def test_a_claim_that_brought_less_leaves_the_rest_open(to_the_bank, job, customer, admin):
    payments.verify(payments.claim(job, customer, UTR), admin, job.total - 500)
    assert payments.open_amount(job) == 500
    assert sound() == []


def test_a_claim_of_a_cancelled_job_goes_back_but_for_the_fee(to_the_bank, customer, professional, admin, frozen):
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    payment = payments.claim(job, customer, UTR)
    frozen.shift(timedelta(minutes=6))
    bookings.cancel(job, customer)
    payments.verify(payment, admin)
    assert job.paid == job.total == settings.late_fee
    assert refunds() == [(payment.amount - settings.late_fee, "bank", RefundState.ASKED)]
    assert sound() == []


def test_a_fee_that_the_gateway_keeps_is_the_sites(job):
    payments.credit(job, PaymentMethod.RAZORPAY, "pay_1", job.total, fee=1_200)
    assert ledger.balance(ledger.gateway("razorpay")) == job.total - 1_200
    assert sound() == []


# -- Paid ahead -------------------------------------------------------------------------------


@pytest.fixture
def ahead(customer, professional):
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))
    payments.credit(job, PaymentMethod.STRIPE, "pi_ahead", job.total)
    db.session.commit()
    return job


def test_what_was_paid_ahead_pays_the_bill(ahead, professional):
    db.session.execute(ahead.__table__.update().values(status="in_progress"))
    db.session.refresh(ahead)
    bookings.complete(ahead, professional)
    assert ahead.due == 0
    assert ledger.balance(ledger.customer(ahead.customer_id)) == 0
    assert sound() == []


@pytest.mark.parametrize("who", ["customer", "professional", "admin"])
def test_what_was_paid_ahead_goes_back_when_it_is_called_off(request, ahead, who):
    whole = ahead.paid
    bookings.cancel(ahead, request.getfixturevalue(who), "Sorry")
    assert ahead.paid == 0
    assert refunds() == [(whole, "gateway:stripe", RefundState.ASKED)]
    assert sound() == []


def test_what_was_paid_ahead_stays_while_somebody_else_is_asked_and_goes_back_when_nobody_can(
    ahead, professional, other_professional, frozen
):
    ahead.cascade = True
    db.session.commit()
    whole = ahead.paid
    bookings.cancel(ahead, professional)
    assert (ahead.status, ahead.professional_id, ahead.paid) == (Status.PENDING, other_professional.id, whole)
    assert refunds() == []
    bookings.reject(ahead, other_professional, "I am away.")
    assert (ahead.status, ahead.paid) == (Status.REJECTED, 0)
    assert refunds() == [(whole, "gateway:stripe", RefundState.ASKED)]
    assert sound() == []


def test_what_was_paid_ahead_goes_back_when_nobody_answers(ahead, professional, other_professional, frozen):
    ahead.cascade = True
    db.session.commit()
    bookings.cancel(ahead, professional)
    frozen.move_to(ahead.respond_by + timedelta(minutes=1))
    bookings.expire_due()
    db.session.refresh(ahead)
    assert (ahead.status, ahead.paid) == (Status.EXPIRED, 0)
    assert len(refunds()) == 1
    assert sound() == []


def test_a_payment_that_comes_when_all_is_over_goes_back(ahead, professional):
    bookings.cancel(ahead, professional)
    payments.credit(ahead, PaymentMethod.STRIPE, "pi_late", 10_000)
    assert ahead.paid == 0
    assert (10_000, "gateway:stripe", RefundState.ASKED) in refunds()
    assert sound() == []


# -- What the customer says of cash -----------------------------------------------------------


@pytest.fixture
def noted(job, professional):
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    db.session.commit()
    return db.session.scalars(select(Payment)).one()


def test_cash_is_confirmed_by_the_customer(noted, customer):
    payments.confirm(noted, customer)
    assert noted.confirmed_at
    assert not payments.is_to_confirm(noted, customer)
    with pytest.raises(InvalidTransition):
        payments.deny(noted, customer)


def test_cash_that_is_denied_still_counts_until_an_admin_decides(noted, job, customer, professional):
    payments.deny(noted, customer)
    assert noted.disputed
    assert job.due == 0
    assert "payment_denied" in told(professional)
    with pytest.raises(InvalidTransition):
        payments.confirm(noted, customer)


def test_a_denied_payment_may_stand(noted, job, customer, professional, admin):
    payments.deny(noted, customer)
    payments.keep(noted, admin, "There is a photo of it.")
    assert not noted.disputed
    assert job.due == 0
    assert "payment_decided" in told(customer) & told(professional)
    with pytest.raises(InvalidTransition):
        payments.take_back(noted, admin, "On second thoughts")
    assert sound() == []


def test_a_denied_payment_may_be_taken_back(noted, job, customer, admin):
    payments.deny(noted, customer)
    payments.take_back(noted, admin, "It was another customer.")
    assert (noted.status, job.paid, job.due) == (PaymentStatus.REFUSED, 0, job.total)
    assert "take_back_payment" in acts()
    assert sound() == []


def test_only_what_was_denied_is_decided(noted, admin):
    for decide in (payments.keep, payments.take_back):
        with pytest.raises(InvalidTransition):
            decide(noted, admin, "Why not")


def test_only_the_customer_answers(noted, professional, admin, other_customer):
    for person in (professional, admin, other_customer):
        with pytest.raises(InvalidTransition):
            payments.confirm(noted, person)


def test_what_went_back_in_part_was_paid(noted, customer, admin):
    payments.give_back(noted, admin, 1_000, "A scratch")
    payments.deny(noted, customer)
    with pytest.raises(InvalidTransition):
        payments.take_back(noted, admin, "Never paid")


# -- Refunds by an admin ----------------------------------------------------------------------


@pytest.fixture
def online(job):
    payments.credit(job, PaymentMethod.STRIPE, "pi_1", job.total)
    db.session.commit()
    return db.session.scalars(select(Payment)).one()


def test_a_part_goes_back_and_is_no_longer_charged(online, job, customer, admin):
    before = job.total
    payments.give_back(online, admin, 10_000, "A scratch")
    assert (job.total, job.paid, job.due) == (before - 10_000, before - 10_000, 0)
    assert "money_back" in told(customer)
    assert "refund_payment" in acts()
    assert sound() == []


def test_all_goes_back_in_parts_and_no_more(online, job, admin):
    for part in (10_000, online.amount - 10_000):
        payments.give_back(online, admin, part, "Sorry")
    assert (job.total, job.paid) == (0, 0)
    with pytest.raises(Invalid):
        payments.give_back(online, admin, 1, "More")
    assert sound() == []


@pytest.mark.parametrize("amount", [0, -5, 10**9])
def test_no_more_goes_back_than_was_paid(online, admin, amount):
    with pytest.raises(Invalid):
        payments.give_back(online, admin, amount, "Why not")


def test_more_than_was_paid_that_went_back_is_found(online, job, admin):
    payments.give_back(online, admin, job.total - 100, "It leaks")
    assert payments.faults() == []
    db.session.execute(update(Refund).values(amount=Refund.amount + 101))
    [fault] = payments.faults()
    assert fault == f"Payment {online.id} of {online.amount} is verified, and {online.amount + 1} of it went back."


def test_what_went_back_of_a_payment_that_never_was_is_found(online, job, admin):
    payments.give_back(online, admin, 100, "It leaks")
    db.session.execute(update(Payment).values(status=PaymentStatus.REFUSED))
    assert payments.faults() == [f"Payment {online.id} of {online.amount} is refused, and 100 of it went back."]


def test_before_the_work_the_price_stays(ahead, admin):
    payment = ahead.payments[0]
    payments.give_back(payment, admin, payment.amount, "Another card")
    assert (ahead.paid, ahead.due) == (0, ahead.total)
    assert payments.ways(ahead) == []
    assert sound() == []


def test_a_late_fee_that_goes_back_is_not_the_professionals_any_more(customer, professional, admin, frozen):
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    payments.credit(job, PaymentMethod.STRIPE, "pi_1", job.total)
    frozen.shift(timedelta(minutes=6))
    bookings.cancel(job, customer)
    payments.give_back(job.payments[0], admin, job.paid, "It was an emergency")
    assert (job.total, job.paid) == (0, 0)
    assert ledger.balance(ledger.professional(professional.id)) == 0
    assert sound() == []


def test_who_is_gone_is_paid_no_more(customer, professional, admin):
    professional.professional.upi_id = "dev@okbank"
    job = factories.booking(customer, professional, status=Status.CLOSED)
    assert payments.payee(job)
    users.anonymise(professional, admin, "Asked for it")
    assert professional.professional.upi_id is None
    assert payments.payee(job) is None
