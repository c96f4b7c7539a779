"""Which other programs of the operator's are told of bookings: where they are, of what, and signed how."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy import exists, func, select

import gateways
from domain import audit, clock, deliveries, outbox, sealing
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from domain.paging import Page, keyset
from extensions import db
from models import Booking, OutboxMessage, Service, User, reference_of
from models_integrations import Webhook

# What each verb that leaves an event is called outside.
EVENTS = {
    "request": "booking.requested",
    "accept": "booking.accepted",
    "reject": "booking.rejected",
    "decline_offer": "booking.offer_declined",
    "expire": "booking.expired",
    "edit": "booking.edited",
    "move": "booking.moved",
    "propose": "booking.time_proposed",
    "agree": "booking.time_agreed",
    "decline_time": "booking.time_declined",
    "withdraw": "booking.time_withdrawn",
    "lapse": "booking.time_lapsed",
    "cancel": "booking.cancelled",
    "cascade": "booking.passed_on",
    "reassign": "booking.reassigned",
    "renew_code": "booking.code_renewed",
    "depart": "booking.departed",
    "knock": "booking.knocked",
    "start": "booking.started",
    "override_code": "booking.started_without_code",
    "no_show": "booking.no_show",
    "propose_extra": "booking.extra_proposed",
    "approve_extra": "booking.extra_approved",
    "decline_extra": "booking.extra_declined",
    "withdraw_extra": "booking.extra_withdrawn",
    "complete": "booking.completed",
    "record_payment": "booking.paid",
    "claim_payment": "booking.payment_claimed",
    "refuse_payment": "booking.payment_refused",
    "confirm_payment": "booking.payment_confirmed",
    "deny_payment": "booking.payment_denied",
    "close": "booking.closed",
    "dispute": "booking.disputed",
    "answer_dispute": "booking.dispute_answered",
    "resolve": "booking.resolved",
    "rework": "booking.rework_booked",
    "refund": "booking.refunded",
    "review": "booking.reviewed",
}
TEST = "test"
MOST_WEBHOOKS = 10
LONGEST_URL = 500
SECONDS_TO_LOOK_UP = 5.0

_hooks, _bookings, _services = Webhook.__table__, Booking.__table__, Service.__table__
_LISTENS = _hooks.c.paused_at.is_(None), _hooks.c.removed_at.is_(None)
# For a query that is made anyway: whether an event has anybody to be told to.
ANY_LISTENS = exists().where(*_LISTENS)
_LISTENING = select(_hooks.c.id, _hooks.c.verbs).where(*_LISTENS).order_by(_hooks.c.id)
_FACTS = select(
    _bookings.c.status,
    _bookings.c.starts_at,
    _bookings.c.ends_at,
    _bookings.c.customer_id,
    _bookings.c.professional_id,
    _bookings.c.service_id,
    _services.c.name,
).join_from(_bookings, _services, _services.c.id == _bookings.c.service_id)


@dataclass(frozen=True)
class Call:
    """One delivery as it leaves: what is posted where, under which headers."""

    webhook_id: int
    url: str
    headers: dict[str, str]
    body: bytes


# -- What is told -----------------------------------------------------------------------------


def tell(booking_id: int, verb: str, event_id: int) -> None:
    """Write a message to each webhook that listens to this, in the transaction of the event."""
    hooks = [hook_id for hook_id, verbs in db.session.execute(_LISTENING) if not verbs or verb in verbs]
    if hooks:
        said = _event(f"evt_{event_id}", EVENTS[verb], _facts(booking_id))
        subject = f"{EVENTS[verb]} {reference_of(booking_id)}"
        outbox.publish_to_webhooks(hooks, str(event_id), subject, said)


def call(message: OutboxMessage) -> Call:
    """A message as it is posted now. Raises cryptography.fernet.InvalidToken under another SECRET_KEY."""
    hook, body = message.webhook, json.dumps(message.data).encode()
    sent_at = int(clock.now().timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Doorstep-Webhooks/1",
        "Doorstep-Event": message.data["type"],
        "Doorstep-Delivery": deliveries.digest(message),
        "Doorstep-Signature": f"t={sent_at},v1={_signature(hook, sent_at, body)}",
    }
    return Call(hook.id, hook.url, headers, body)


def _event(name, kind, data):
    return {"id": name, "type": kind, "created_at": _moment(clock.now()), "data": data}


def _facts(booking_id):
    """A booking as it stands in this transaction: who and where it is about stays in the house."""
    found = db.session.execute(_FACTS.where(_bookings.c.id == booking_id)).one()
    return {
        "booking": booking_id,
        "reference": reference_of(booking_id),
        "status": found.status,
        "starts_at": _moment(found.starts_at),
        "ends_at": _moment(found.ends_at),
        "service": {"id": found.service_id, "name": found.name},
        "customer_id": found.customer_id,
        "professional_id": found.professional_id,
    }


def _moment(moment):
    return clock.local(moment).isoformat(timespec="seconds")


def _signature(hook, sent_at, body):
    secret = sealing.unsealed(hook.secret)
    return hmac.new(secret.encode(), b"%d.%b" % (sent_at, body), hashlib.sha256).hexdigest()


# -- What admins do ---------------------------------------------------------------------------


def listed() -> list[Webhook]:
    """The webhooks that were not removed, in the order in which they were added."""
    return list(db.session.scalars(select(Webhook).where(Webhook.removed_at.is_(None)).order_by(Webhook.id)))


def get(webhook_id: int) -> Webhook:
    hook = db.session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.removed_at.is_(None)))
    if hook is None:
        raise NotFound(_("There is no such webhook."))
    return hook


def deliveries_of(hook: Webhook, after: str | None = None) -> Page:
    """What was and is to be sent to a webhook, the newest first."""
    sent = select(OutboxMessage).where(OutboxMessage.webhook_id == hook.id)
    return keyset(sent, [(OutboxMessage.id, "desc")], after)


def checked_url(text: str) -> str:
    """An address that events may go to. Looks its name up, so call it before a transaction begins.

    Raises Invalid unless it is one of https at a public address of the internet.
    """
    url = text.strip()
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid(_("Use at most 500 plain characters without spaces for the address."), "url")
    if not gateways.is_secure_url(url):
        raise Invalid(_("Enter an address that begins with https:// and has no password in it."), "url")
    if not gateways.leads_to_public_address(url, SECONDS_TO_LOOK_UP):
        raise Invalid(_("This address does not lead to a server on the public internet. Check its name."), "url")
    return url


def add(by: User, url: str, verbs: list[str]) -> tuple[Webhook, str]:
    """A new webhook at a checked address, and its secret, which nobody can see again.

    It is told of these verbs, or of everything if there are none.
    """
    _must_be_admin(by)
    if db.session.scalar(select(func.count()).where(Webhook.removed_at.is_(None))) >= MOST_WEBHOOKS:
        raise Conflict(_("There are 10 webhooks. Remove one first."))
    secret, sealed = _new_secret()
    hook = Webhook(url=url, secret=sealed, verbs=_verbs(verbs), created_by_id=by.id, created_at=clock.now())
    db.session.add(hook)
    db.session.flush()
    _record(by, "add_webhook", hook)
    return hook, secret


def change(hook: Webhook, by: User, url: str, verbs: list[str]) -> None:
    """Another checked address, or other verbs. What still waits goes to the new address."""
    _must_be_admin(by)
    hook.url, hook.verbs = url, _verbs(verbs)
    _record(by, "edit_webhook", hook)


def replace_secret(hook: Webhook, by: User) -> str:
    """A new secret, which nobody can see again; the old one signs nothing any more."""
    _must_be_admin(by)
    secret, hook.secret = _new_secret()
    _record(by, "replace_webhook_secret", hook)
    return secret


def pause(hook: Webhook, by: User) -> None:
    """Send nothing from now on, also not later what happens meanwhile."""
    _must_be_admin(by)
    if hook.paused_at is not None:
        raise Conflict(_("This webhook is paused already."))
    hook.paused_at = clock.now()
    _record(by, "pause_webhook", hook)


def resume(hook: Webhook, by: User) -> None:
    _must_be_admin(by)
    if hook.paused_at is None:
        raise Conflict(_("This webhook is not paused."))
    hook.paused_at = None
    _record(by, "resume_webhook", hook)


def remove(hook: Webhook, by: User) -> None:
    """Send nothing any more, and forget the secret."""
    _must_be_admin(by)
    hook.removed_at, hook.secret = clock.now(), ""
    _record(by, "remove_webhook", hook)


def send_test(hook: Webhook, by: User) -> None:
    """An event that says nothing, to see whether it arrives. Raises Conflict for a paused webhook."""
    _must_be_admin(by)
    if hook.paused_at is not None:
        raise Conflict(_("This webhook is paused. Resume it first."))
    name = f"test_{secrets.token_hex(8)}"
    outbox.publish_to_webhooks([hook.id], name, TEST, _event(name, TEST, {}))


def _new_secret():
    secret = f"whsec_{secrets.token_urlsafe(32)}"
    return secret, sealing.sealed(secret)


def _verbs(verbs):
    if set(verbs) - EVENTS.keys():
        raise Invalid(_("Choose from the list of events."), "verbs")
    return [] if set(verbs) == EVENTS.keys() else [verb for verb in EVENTS if verb in verbs]


def _record(by, action, hook):
    db.session.flush()
    audit.record(by, action, "webhook", hook.id, name=hook.host)


def _must_be_admin(by):
    if not by.is_admin:
        raise NotAllowed(_("Only admins may do this."))
