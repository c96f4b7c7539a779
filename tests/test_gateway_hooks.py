"""What arrives at the addresses that gateways call: signed messages count once, everything else not at all."""

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from domain import billing, checkouts, ledger, payments
from extensions import db
from models import Booking, PaymentMethod, Status
from models_money import Checkout, CheckoutStatus, GatewayEvent, LedgerEntry, Payment
from tests import factories
from tests.test_payment_gateways import link_event, session_event, sign

EVENTS, TIMES, THREADS = 200, 3, 4


@pytest.fixture
def job(gateways, customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))


def begun(job, method=PaymentMethod.STRIPE, reference="cs_1"):
    made = checkouts.begin(job, job.customer, method)
    checkouts.opened(made.id, reference, f"https://pay.example.com/{reference}")
    db.session.commit()
    return made


def message(checkout, payment="pi_1", event="evt_1", **changed):
    """The text of a message that an order is paid."""
    if checkout.method is PaymentMethod.STRIPE:
        known = {"id": checkout.reference, "client_reference_id": checkout.key, "amount_total": checkout.amount}
        return json.dumps({**session_event(**{**known, "payment_intent": payment, **changed}), "id": event}).encode()
    said = link_event(id=checkout.reference, reference_id=checkout.key)
    said["payload"]["payment"]["entity"] |= {"id": payment, "amount": checkout.amount, **changed}
    return json.dumps(said).encode()


def send(client, body, name="stripe", headers=None):
    # A gateway has no token of ours.
    client.csrf = False
    signed = sign(name, body) if headers is None else headers
    return client.post(f"/webhooks/{name}", data=body, content_type="application/json", headers=signed)


def nothing_written():
    counts = [db.session.scalar(select(func.count()).select_from(one)) for one in (GatewayEvent, Payment, LedgerEntry)]
    return counts == [0, 0, 0] and db.session.scalar(select(Booking.paid)) == 0


def sound():
    return [*ledger.faults(), *billing.faults(), *payments.faults()]


@pytest.mark.parametrize("method", payments.GATEWAYS)
def test_a_signed_message_pays(client, job, method):
    checkout = begun(job, method)
    body = message(checkout)
    assert send(client, body, method.value).status_code == 204
    assert (job.paid, checkout.status) == (job.total, CheckoutStatus.PAID)
    assert sound() == []


@pytest.mark.parametrize("method", payments.GATEWAYS)
def test_a_message_that_comes_again_is_thanked_for_and_changes_nothing(client, job, method):
    body = message(begun(job, method))
    for _time in range(3):
        assert send(client, body, method.value).status_code == 204
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 1
    assert sound() == []


@pytest.mark.parametrize("method", payments.GATEWAYS)
@pytest.mark.parametrize("fault", ["missing", "corrupted", "written anew", "another secret", "an hour ahead"])
def test_what_is_not_signed_is_refused_and_nothing_is_written(client, job, frozen, method, fault):
    body = message(begun(job, method))
    if fault == "an hour ahead":
        frozen.shift(3600)
        body = message(db.session.scalars(select(Checkout)).one())
    headers = sign(method.value, body, secret="another" if fault == "another secret" else None)
    if fault == "an hour ahead":
        frozen.shift(-3600)
    headers = {} if fault == "missing" else headers
    if fault == "corrupted":
        body = body.replace(str(job.total).encode(), b"1")
    if fault == "written anew":
        body = json.dumps(json.loads(body), separators=(",", ":")).encode()
    assert send(client, body, method.value, headers).status_code == 400
    assert nothing_written()


@pytest.mark.parametrize(
    "changed", [{"amount_total": 1}, {"currency": "usd"}, {"client_reference_id": "another"}], ids=str
)
def test_the_servers_price_stands(client, job, changed):
    assert send(client, message(begun(job), **changed)).status_code == 204
    assert job.paid == 0
    assert db.session.scalars(select(GatewayEvent.fault)).one()


def test_another_booking_is_not_paid_by_a_message(client, job, customer, professional):
    other = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=3))
    send(client, message(begun(job), metadata={"booking": other.id, "key": "another"}))
    assert (job.paid, other.paid) == (job.total, 0)


def test_a_gateway_that_is_off_is_not_there(client, customer, professional):
    assert client.post("/webhooks/stripe", data=b"{}").status_code == 404
    assert client.post("/webhooks/paypal", data=b"{}").status_code == 404


def test_no_more_is_read_than_a_gateway_says(client, gateways):
    assert send(client, b"x" * (256 * 1024 + 1), headers={}).status_code == 413


def test_nobody_looks_there(client, gateways):
    assert client.get("/webhooks/stripe").status_code == 405


@pytest.mark.slow
def test_two_hundred_events_thrice_in_any_order_from_four_threads_count_once_each(
    app, gateways, customer, professional
):
    """Of each booking one order; half of them by each gateway."""
    bodies = {}
    for number in range(EVENTS):
        job = factories.booking(customer, professional, status=Status.CLOSED)
        method = payments.GATEWAYS[number % 2]
        checkout = begun(job, method, f"order_{number}")
        body = message(checkout, payment=f"payment_{number}", event=f"evt_{number}")
        bodies[number] = method.value, body
    order = [*bodies] * TIMES
    random.Random(7).shuffle(order)

    def deliver(number):
        name, body = bodies[number]
        with app.app_context():
            return send(app.test_client(), body, name).status_code

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(deliver, order)) == {204}
    db.session.expire_all()
    assert db.session.scalar(select(func.count()).select_from(Payment)) == EVENTS
    assert db.session.scalar(select(func.count()).select_from(GatewayEvent)) == EVENTS
    assert db.session.scalar(select(func.sum(Booking.total - Booking.paid))) == 0
    held = ledger.balances(ledger.gateway(one.value) for one in payments.GATEWAYS)
    # The fees that Razorpay's messages name are its own.
    assert sum(held.values()) == db.session.scalar(select(func.sum(Booking.total))) - EVENTS // 2 * 1_292
    assert ledger.faults() == []


def test_what_is_written_by_a_message_is_written_whole_or_not_at_all(client, job, monkeypatch):
    body = message(begun(job))

    def stumble(*_args):
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(billing, "paid", stumble)
        assert send(client, body).status_code == 500
    assert nothing_written()
    assert send(client, body).status_code == 204
    assert job.paid == job.total

