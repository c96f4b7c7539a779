"""The gateways' own SDKs: what is signed, and what is asked of servers that speak as the gateways do."""

import hashlib
import hmac
import json
import time
from datetime import timedelta

import pytest
import stripe

from domain import clock
from extensions import settings
from payment_gateways import (
    ENDED,
    GATEWAYS,
    NOTHING,
    PAID,
    REFUNDED,
    Declined,
    Forged,
    Order,
    Unanswered,
)
from tests.tills import CARD, LINK, Tills

BOTH = ("stripe", "razorpay")


@pytest.fixture
def tills(gateways, set_up):
    with Tills() as here:
        set_up(stripe_api=here.url, razorpay_api=here.url)
        yield here


@pytest.fixture(params=BOTH)
def gateway(request, gateways):
    return GATEWAYS[request.param]


def order(**changed):
    known = {"key": "k" * 32, "amount": 54_752, "currency": "INR", "title": "Tap, DS-10042"}
    known |= {"back": "https://doorstep.example/bookings/42", "expires_at": clock.now() + timedelta(hours=1)}
    return Order(**{**known, **changed})


# -- Asking -----------------------------------------------------------------------------------


def test_an_order_is_opened_paid_and_looked_at(tills, gateway):
    opened = gateway.open(order())
    assert opened.url.startswith((CARD, LINK))
    assert gateway.look(opened.reference).kind == NOTHING
    payment = tills.pay(opened.reference)
    seen = gateway.look(opened.reference)
    assert (seen.kind, seen.key, seen.payment, seen.amount, seen.currency) == (PAID, "k" * 32, payment, 54_752, "INR")


def test_what_is_asked_is_the_servers_price_and_no_more(tills, gateway):
    gateway.open(order(amount=1, currency="JPY"))
    (asked,) = tills.orders.values()
    assert (asked["amount"], asked["currency"].upper()) == (1, "JPY")


def test_an_order_that_was_not_paid_in_time_has_ended(tills, gateway):
    opened = gateway.open(order())
    tills.end(opened.reference)
    assert gateway.look(opened.reference).kind == ENDED


def test_the_same_order_of_stripe_is_opened_once(tills):
    assert GATEWAYS["stripe"].open(order()) == GATEWAYS["stripe"].open(order())
    assert len(tills.orders) == 1


def test_money_goes_back_once_for_a_key(tills, gateway):
    payment = tills.pay(gateway.open(order()).reference)
    for again in (False, False, True, True):
        notice = gateway.give_back(payment, 10_000, "r1", again)
        assert (notice.kind, notice.key, notice.amount) == (REFUNDED, "r1", 10_000)
    assert len(tills.refunds) == 1
    gateway.give_back(payment, 44_752, "r2", again=False)
    assert sum(one["amount"] for one in tills.refunds.values()) == 54_752


def test_a_gateway_that_forgot_the_key_is_asked_what_it_has_done(tills, gateway):
    payment = tills.pay(gateway.open(order()).reference)
    gateway.give_back(payment, 10_000, "r1", again=False)
    tills._answers.clear()
    gateway.give_back(payment, 10_000, "r1", again=True)
    assert len(tills.refunds) == 1


def test_more_than_was_paid_is_declined(tills, gateway):
    payment = tills.pay(gateway.open(order()).reference)
    with pytest.raises(Declined):
        gateway.give_back(payment, 54_753, "r1", again=False)


def test_a_refund_on_its_way_is_not_sent_yet(tills, gateway):
    payment = tills.pay(gateway.open(order()).reference)
    tills.pending = True
    assert gateway.give_back(payment, 10_000, "r1", again=False).kind == NOTHING


@pytest.mark.parametrize("failure", [(500, "api_error"), (502, "GATEWAY_ERROR"), (429, "rate_limit"), (401, "x")])
def test_a_gateway_in_trouble_is_asked_again_later(tills, gateway, failure):
    tills.fail = [failure]
    with pytest.raises(Unanswered):
        gateway.open(order())


def test_a_gateway_that_is_away_is_asked_again_later(gateways, set_up, gateway):
    set_up(stripe_api="http://127.0.0.1:9", razorpay_api="http://127.0.0.1:9")
    with pytest.raises(Unanswered):
        gateway.look("cs_1")


def test_what_is_kept_secret_is_in_no_error(gateways, set_up, gateway):
    set_up(stripe_api="http://127.0.0.1:9", razorpay_api="http://127.0.0.1:9")
    with pytest.raises(Unanswered) as fault:
        gateway.look("cs_1")
    assert settings.stripe_secret_key not in str(fault.value)


# -- Listening --------------------------------------------------------------------------------


def session_event(**changed):
    thing = {"id": "cs_1", "object": "checkout.session", "client_reference_id": "k", "payment_status": "paid"}
    thing |= {"status": "complete", "payment_intent": "pi_1", "amount_total": 54_752, "currency": "inr"}
    return {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": thing | changed}}


def link_event(**changed):
    link = {"id": "plink_1", "reference_id": "k", "status": "paid", "currency": "INR", "amount": 54_752}
    payment = {"id": "pay_1", "amount": 54_752, "currency": "INR", "fee": 1_292}
    payload = {"payment_link": {"entity": link | changed}, "payment": {"entity": payment}}
    return {"event": "payment_link.paid", "created_at": int(time.time()), "payload": payload}


def sign(name, body, secret=None, at=None):
    """The head of a message, signed as the gateway does."""
    text = body if isinstance(body, str) else body.decode()
    if name == "stripe":
        secret = secret or settings.stripe_webhook_secret
        return {"Stripe-Signature": stripe.WebhookSignature.generate_signature_header(text, secret, at)}
    key = (secret or settings.razorpay_webhook_secret).encode()
    return {"X-Razorpay-Signature": hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}


def event(name):
    return json.dumps(session_event() if name == "stripe" else link_event()).encode()


@pytest.mark.parametrize("name", BOTH)
def test_what_the_gateway_signed_is_understood(gateways, name):
    body = event(name)
    notice = GATEWAYS[name].read(body, sign(name, body))
    assert (notice.kind, notice.key, notice.amount, notice.currency) == (PAID, "k", 54_752, "INR")
    assert notice.event


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "forgery",
    [
        lambda name, body: (body, {}),
        lambda name, body: (body, dict.fromkeys(sign(name, body), "")),
        lambda name, body: (body, {head: value[:-1] + "é" for head, value in sign(name, body).items()}),
        lambda name, body: (body, dict.fromkeys(sign(name, body), "t=x,v1=y")),
        lambda name, body: (body.replace(b"54752", b"1"), sign(name, body)),
        lambda name, body: (json.dumps(json.loads(body), indent=1).encode(), sign(name, body)),
        lambda name, body: (body + b" ", sign(name, body)),
        lambda name, body: (body, sign(name, body, secret="another")),
        lambda name, body: (b"\xff\xfe", sign(name, body)),
    ],
    ids=["missing", "empty", "corrupted", "odd", "changed", "written anew", "longer", "another secret", "no text"],
)
def test_what_it_did_not_sign_is_refused(gateways, name, forgery):
    with pytest.raises(Forged):
        GATEWAYS[name].read(*forgery(name, event(name)))


@pytest.mark.parametrize("seconds", [-3600, -301, 301, 3600])
def test_a_stamp_of_stripe_is_of_now(gateways, seconds):
    body = event("stripe")
    with pytest.raises(Forged):
        GATEWAYS["stripe"].read(body, sign("stripe", body, at=int(time.time()) + seconds))


def test_a_second_stamp_makes_an_old_message_no_younger(gateways):
    body = event("stripe")
    old = sign("stripe", body, at=int(time.time()) - 3600)["Stripe-Signature"]
    for header in (f"t={int(time.time())},{old}", f"{old},t={int(time.time())}"):
        with pytest.raises(Forged):
            GATEWAYS["stripe"].read(body, {"Stripe-Signature": header})


@pytest.mark.parametrize("seconds", [-26 * 3600, 301, 3600])
def test_a_stamp_of_razorpay_is_of_today(gateways, seconds):
    body = json.dumps({**link_event(), "created_at": int(time.time()) + seconds}).encode()
    with pytest.raises(Forged):
        GATEWAYS["razorpay"].read(body, sign("razorpay", body))


def test_what_razorpay_sends_again_for_a_day_is_taken(gateways):
    body = json.dumps({**link_event(), "created_at": int(time.time()) - 23 * 3600}).encode()
    assert GATEWAYS["razorpay"].read(body, sign("razorpay", body)).kind == PAID


def test_an_event_of_razorpay_is_known_by_what_is_signed(gateways):
    body = event("razorpay")
    one, other = (
        GATEWAYS["razorpay"].read(body, {**sign("razorpay", body), "X-Razorpay-Event-Id": name}) for name in "ab"
    )
    assert one.event == other.event


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (session_event(payment_status="unpaid"), NOTHING),
        (session_event(payment_status="unpaid", status="expired"), ENDED),
        ({"id": "evt_2", "type": "customer.created", "data": {"object": {"object": "customer"}}}, NOTHING),
        ({"id": "evt_3"}, NOTHING),
        ([], NOTHING),
    ],
    ids=["unpaid", "expired", "something else", "nothing at all", "a list"],
)
def test_what_is_not_paid_is_not_said_to_be(gateways, said, kind):
    body = json.dumps(said).encode()
    assert GATEWAYS["stripe"].read(body, sign("stripe", body)).kind == kind


def test_a_payment_alone_names_its_order_too(gateways):
    intent = {"id": "pi_1", "object": "payment_intent", "amount": 900, "amount_received": 500, "currency": "inr"}
    said = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": intent | {"metadata": {"key": "k"}}}}
    body = json.dumps(said).encode()
    notice = GATEWAYS["stripe"].read(body, sign("stripe", body))
    assert (notice.kind, notice.key, notice.payment, notice.reference) == (PAID, "k", "pi_1", "")
    assert notice.amount == 500
