"""The gateways that take money for the site: Stripe's Checkout and Razorpay's payment links, each behind the
same four calls. The customer pays on the gateway's own page, so none of its scripts runs on ours.

Their SDKs are imported when the first of these calls is made: they take their time.
"""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Protocol

from extensions import settings

SECONDS_A_CALL = 10
# How far the stamp of a message may be from our clock.
MOST_SECONDS_OFF = 5 * 60
# Razorpay stamps an event once and sends it again for a day, should it not be taken.
MOST_SECONDS_OLD = 25 * 60 * 60
PAID, ENDED, REFUNDED, NOT_REFUNDED, NOTHING = "paid", "ended", "refunded", "not_refunded", ""


class Unanswered(Exception):
    """The gateway could not be asked. Ask again, with the same key."""


class Declined(Exception):
    """The gateway says no, and will say so again."""


class Forged(Exception):
    """A message that the gateway did not sign, or not now."""


class Order(NamedTuple):
    """What is to be paid, in minor units; `key` names it at the gateway and gives it once."""

    key: str
    amount: int
    currency: str
    title: str
    back: str
    expires_at: datetime


class Opened(NamedTuple):
    """What the gateway calls an order, and where the customer pays it."""

    reference: str
    url: str


class Notice(NamedTuple):
    """What a gateway says: an order is paid or ended, money has gone back or will not, or nothing of these.

    `event` is its identity, `key` ours of the order or the refund, `payment` or `refund` the gateway's.
    """

    kind: str
    event: str = ""
    key: str = ""
    reference: str = ""
    payment: str = ""
    refund: str = ""
    amount: int = 0
    currency: str = ""
    fee: int = 0


class Gateway(Protocol):
    def open(self, order: Order) -> Opened:
        """Have the gateway ask for an amount. Raises Unanswered or Declined, as the next two do."""

    def look(self, reference: str) -> Notice:
        """How an order stands."""

    def give_back(self, payment: str, amount: int, key: str, again: bool) -> Notice:
        """Have money go back; `again` looks first whether it does already. NOTHING is a refund on its way."""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Notice:
        """A message as it came. Raises Forged unless the gateway signed these very bytes just now."""


class Stripe:
    def open(self, order):
        item = {"currency": order.currency.lower(), "unit_amount": order.amount}
        known = {"key": order.key}
        session = self._ask(
            lambda stripe: stripe.checkout.sessions.create(
                params={
                    "mode": "payment",
                    "line_items": [{"quantity": 1, "price_data": {**item, "product_data": {"name": order.title}}}],
                    "client_reference_id": order.key,
                    "payment_intent_data": {"metadata": known},
                    "success_url": order.back,
                    "cancel_url": order.back,
                    "expires_at": int(order.expires_at.timestamp()),
                },
                options={"idempotency_key": order.key},
            )
        )
        return Opened(session["id"], session["url"])

    def look(self, reference):
        return self._of_session(self._ask(lambda stripe: stripe.checkout.sessions.retrieve(reference)))

    def give_back(self, payment, amount, key, again):
        asked = {"payment_intent": payment}
        if again:
            known = self._ask(lambda stripe: stripe.refunds.list(params={**asked, "limit": 100}))
            for refund in known["data"]:
                if (refund["metadata"] or {}).get("key") == key:
                    return self._of_refund(refund)
        params = {**asked, "amount": amount, "metadata": {"key": key}}
        return self._of_refund(
            self._ask(lambda stripe: stripe.refunds.create(params=params, options={"idempotency_key": key}))
        )

    def read(self, body, headers):
        import stripe

        signature = headers.get("Stripe-Signature", "")
        try:
            stripe.WebhookSignature.verify_header(body, signature, settings.stripe_webhook_secret, MOST_SECONDS_OFF)
            stamp = int(next(part[2:] for part in signature.split(",") if part.startswith("t=")))
        except (stripe.SignatureVerificationError, ValueError, TypeError):
            raise Forged from None
        # The SDK takes stamps of the future.
        _in_time(stamp, MOST_SECONDS_OFF)
        return _understood(self._of_event, body)

    def _of_event(self, said, _body):
        kind, thing = said["type"], said["data"]["object"]
        notice = Notice(NOTHING)
        if kind.startswith("checkout.session."):
            notice = self._of_session(thing)
        elif kind == "payment_intent.succeeded":
            notice = self._of_intent(thing)
        elif thing.get("object") == "refund":
            notice = self._of_refund(thing)
        return notice._replace(event=said["id"])

    def _of_session(self, session):
        notice = Notice(NOTHING, key=session["client_reference_id"] or "", reference=session["id"])
        if session["payment_status"] == "paid":
            currency = session["currency"].upper()
            money = {"payment": session["payment_intent"], "amount": session["amount_total"], "currency": currency}
            return notice._replace(kind=PAID, **money)
        return notice._replace(kind=ENDED) if session["status"] == "expired" else notice

    def _of_intent(self, intent):
        """The same money as of its session, which may be told of first or last."""
        amount = intent.get("amount_received", intent["amount"])
        money = {"amount": amount, "currency": intent["currency"].upper()}
        return Notice(PAID, key=(intent["metadata"] or {}).get("key", ""), payment=intent["id"], **money)

    def _of_refund(self, refund):
        kinds = {"succeeded": REFUNDED, "failed": NOT_REFUNDED, "canceled": NOT_REFUNDED}
        kind, metadata = kinds.get(refund["status"], NOTHING), refund["metadata"] or {}
        return Notice(kind, key=metadata.get("key", ""), refund=refund["id"], amount=refund["amount"])

    def _ask(self, question):
        import stripe

        client = stripe.StripeClient(
            settings.stripe_secret_key,
            base_addresses={"api": settings.stripe_api},
            http_client=stripe.RequestsClient(timeout=SECONDS_A_CALL),
            max_network_retries=0,
        )
        try:
            return question(client.v1).to_dict()
        except stripe.InvalidRequestError as no:
            raise Declined(no.user_message or no.code or "") from None
        except stripe.StripeError as fault:
            raise Unanswered(type(fault).__name__) from None


class Razorpay:
    def open(self, order):
        link = self._ask(
            lambda client, **how: client.payment_link.create(
                {
                    "amount": order.amount,
                    "currency": order.currency,
                    "accept_partial": False,
                    "reference_id": order.key,
                    "description": order.title,
                    "callback_url": order.back,
                    "callback_method": "get",
                    "expire_by": int(order.expires_at.timestamp()),
                    "reminder_enable": False,
                },
                **how,
            )
        )
        return Opened(link["id"], link["short_url"])

    def look(self, reference):
        link = self._ask(lambda client, **how: client.payment_link.fetch(reference, **how))
        captured = [one for one in link.get("payments") or [] if one["status"] == "captured"]
        return self._of_link(link, {**captured[0], "id": captured[0]["payment_id"]} if captured else {})

    def give_back(self, payment, amount, key, again):
        if again:
            known = self._ask(lambda client, **how: client.payment.fetch_multiple_refund(payment, **how))
            for refund in known["items"]:
                if refund["notes"] and refund["notes"].get("key") == key:
                    return self._of_refund(refund)
        data = {"amount": amount, "notes": {"key": key}}
        headers = {"X-Refund-Idempotency": key}
        return self._of_refund(
            self._ask(lambda client, **how: client.payment.refund(payment, data, headers=headers, **how))
        )

    def read(self, body, headers):
        import razorpay

        signature = headers.get("X-Razorpay-Signature", "")
        try:
            utility = razorpay.Utility()
            utility.verify_webhook_signature(body.decode(), signature, settings.razorpay_webhook_secret)
        except (razorpay.errors.SignatureVerificationError, ValueError, TypeError):
            raise Forged from None
        return _understood(self._of_event, body)

    def _of_event(self, said, body):
        _in_time(said["created_at"], MOST_SECONDS_OLD)
        kind, payload = said["event"], said["payload"]
        notice = Notice(NOTHING)
        if kind.startswith("payment_link."):
            payment = payload.get("payment", {}).get("entity", {})
            notice = self._of_link(payload["payment_link"]["entity"], payment)
        elif kind.startswith("refund."):
            notice = self._of_refund(payload["refund"]["entity"])
        # The id of an event comes beside the text and is not signed.
        return notice._replace(event=sha256(body).hexdigest())

    def _of_link(self, link, payment):
        notice = Notice(NOTHING, key=link["reference_id"] or "", reference=link["id"])
        if link["status"] == "paid" and payment:
            money = {"payment": payment["id"], "amount": payment["amount"], "fee": payment.get("fee") or 0}
            return notice._replace(kind=PAID, currency=payment.get("currency") or link["currency"], **money)
        return notice._replace(kind=ENDED) if link["status"] in ("expired", "cancelled") else notice

    def _of_refund(self, refund):
        kind = {"processed": REFUNDED, "failed": NOT_REFUNDED}.get(refund["status"], NOTHING)
        # Without notes this is an empty list.
        key = (refund["notes"] or {}).get("key", "")
        return Notice(kind, key=key, refund=refund["id"], amount=refund["amount"])

    def _ask(self, question):
        import razorpay
        import requests

        with requests.Session() as session:
            auth = settings.razorpay_key_id, settings.razorpay_key_secret
            client = razorpay.Client(session, auth, base_url=settings.razorpay_api)
            try:
                return question(client, timeout=SECONDS_A_CALL)
            except razorpay.errors.BadRequestError as no:
                raise Declined(str(no)) from None
            except (razorpay.errors.GatewayError, razorpay.errors.ServerError, OSError, ValueError) as fault:
                raise Unanswered(type(fault).__name__) from None


GATEWAYS: dict[str, Gateway] = {"stripe": Stripe(), "razorpay": Razorpay()}


def _in_time(stamp, most_old):
    if not -most_old <= stamp - time.time() <= MOST_SECONDS_OFF:
        raise Forged


def _understood(read, body):
    """What a signed message says; what we do not know says nothing."""
    try:
        return read(json.loads(body), body)
    except (KeyError, AttributeError, TypeError, ValueError):
        return Notice(NOTHING, event=sha256(body).hexdigest())
