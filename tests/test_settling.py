"""What the site asks gateways by itself: about payments whose message was lost, and for refunds."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

import settling
from domain import billing, bookings, checkouts, ledger, payments
from extensions import db
from models import PaymentMethod, Status
from models_lifecycle import Refund, RefundState
from models_money import CheckoutStatus
from payment_gateways import GATEWAYS, Order
from tests import factories
from tests.tills import Tills


@pytest.fixture
def tills(gateways, set_up):
    with Tills() as here:
        set_up(stripe_api=here.url, razorpay_api=here.url)
        yield here


@pytest.fixture(params=payments.GATEWAYS)
def checkout(request, tills, customer, professional):
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))
    made = checkouts.begin(job, customer, request.param)
    order = Order(made.key, made.amount, made.currency, "Tap", "https://doorstep.example/", made.expires_at)
    checkouts.opened(made.id, *GATEWAYS[request.param].open(order))
    db.session.commit()
    return made


def drain(app):
    db.session.commit()
    asked = settling.drain(app, threading.Event())
    db.session.expire_all()
    return asked


def sound():
    return [*ledger.faults(), *billing.faults(), *payments.faults()]


@pytest.fixture
def refund(app, tills, checkout, frozen):
    tills.pay(checkout.reference)
    frozen.shift(timedelta(minutes=2))
    drain(app)
    bookings.cancel(checkout.booking, checkout.booking.customer)
    db.session.commit()
    return db.session.scalars(select(Refund)).one()


def test_nothing_is_asked_when_nothing_is_due(app, tills, checkout):
    tills.asked.clear()
    assert drain(app) == 0
    assert tills.asked == []


def test_a_lost_message_is_found(app, tills, checkout, frozen):
    tills.pay(checkout.reference)
    frozen.shift(timedelta(minutes=2))
    assert drain(app) == 1
    assert (checkout.status, checkout.booking.due) == (CheckoutStatus.PAID, 0)
    assert sound() == []


def test_an_order_that_ended_is_found(app, tills, checkout, frozen):
    tills.end(checkout.reference)
    frozen.shift(timedelta(minutes=2))
    drain(app)
    assert (checkout.status, checkout.booking.paid) == (CheckoutStatus.ENDED, 0)


def test_a_gateway_in_trouble_is_asked_again_later(app, tills, checkout, frozen):
    tills.pay(checkout.reference)
    tills.fail = [(500, "api_error")]
    frozen.shift(timedelta(minutes=2))
    drain(app)
    assert checkout.booking.paid == 0
    frozen.shift(timedelta(minutes=2))
    drain(app)
    assert checkout.booking.due == 0


def test_a_refund_is_asked_for_and_sent(app, tills, refund):
    assert drain(app) == 1
    assert (refund.state, sum(one["amount"] for one in tills.refunds.values())) == (RefundState.DONE, refund.amount)
    assert drain(app) == 0
    assert sound() == []


@pytest.mark.parametrize("failure", [(500, "api_error"), (503, "SERVER_ERROR")])
def test_a_refund_that_got_no_answer_is_asked_for_again_and_sent_once(app, tills, refund, frozen, failure):
    tills.fail = [failure]
    drain(app)
    assert (refund.state, refund.tries) == (RefundState.ASKED, 1)
    frozen.shift(timedelta(minutes=2))
    drain(app)
    assert (refund.state, len(tills.refunds)) == (RefundState.DONE, 1)


def test_a_refund_whose_answer_was_lost_is_sent_once(app, tills, refund, frozen, monkeypatch):
    def crash(*_args):
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(checkouts, "refunded", crash)
        drain(app)
    db.session.rollback()
    db.session.expire_all()
    assert refund.state is RefundState.ASKED
    tills._answers.clear()
    frozen.shift(timedelta(minutes=2))
    drain(app)
    assert (refund.state, len(tills.refunds)) == (RefundState.DONE, 1)
    assert sound() == []


def test_a_refund_on_its_way_is_looked_at_until_it_is_there(app, tills, refund, frozen):
    tills.pending = True
    drain(app)
    assert refund.state is RefundState.ASKED
    for one in tills.refunds.values():
        one["status"] = "succeeded" if refund.payment.method is PaymentMethod.STRIPE else "processed"
    frozen.shift(timedelta(minutes=2))
    drain(app)
    assert (refund.state, len(tills.refunds)) == (RefundState.DONE, 1)


def test_a_refund_that_is_declined_is_an_admins(app, tills, refund):
    tills.fail = [(400, "BAD_REQUEST_ERROR" if refund.payment.method is PaymentMethod.RAZORPAY else "x")]
    drain(app)
    assert (refund.state, checkouts.is_by_hand(refund)) == (RefundState.FAILED, True)
    assert refund.error
    assert sound() == []


def test_nothing_more_is_asked_of_a_gateway_that_is_off(app, tills, refund, set_up):
    set_up(stripe_secret_key="", razorpay_key_id="")
    tills.asked.clear()
    drain(app)
    assert tills.asked == []
    assert refund.state is RefundState.ASKED
