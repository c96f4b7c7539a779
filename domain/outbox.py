"""What leaves the site: messages written beside what they tell, and by which ways each person gets them."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from domain import clock, sealing
from extensions import Prepared, db, settings
from models import Channel, Delivery, OutboxMessage, User


class Topic(StrEnum):
    """A kind of message as people choose by: each topic has its own channels."""

    ACCOUNT = "account"
    BOOKINGS = "bookings"
    PROGRESS = "progress"
    MESSAGES = "messages"
    REMINDERS = "reminders"
    REVIEWS = "reviews"
    REPORTS = "reports"
    SITE = "site"


# The channels of a person who chose none. Progress is told in the app alone: a mail comes too late.
USUAL = dict.fromkeys(Topic, (Channel.MAIL,)) | {Topic.PROGRESS: ()}
# What nobody can switch off altogether: an account's safety, and what was agreed with somebody.
ESSENTIAL = frozenset({Topic.ACCOUNT, Topic.BOOKINGS})
TOPIC_OF = {
    "requested": Topic.BOOKINGS,
    "series_requested": Topic.BOOKINGS,
    "offered": Topic.BOOKINGS,
    "accepted": Topic.BOOKINGS,
    "rejected": Topic.BOOKINGS,
    "nobody": Topic.BOOKINGS,
    "cascaded": Topic.BOOKINGS,
    "cascaded_to_several": Topic.BOOKINGS,
    "cancelled_nobody": Topic.BOOKINGS,
    "expired": Topic.BOOKINGS,
    "edited": Topic.BOOKINGS,
    "moved": Topic.BOOKINGS,
    "proposed": Topic.BOOKINGS,
    "time_agreed": Topic.BOOKINGS,
    "time_declined": Topic.BOOKINGS,
    "time_withdrawn": Topic.BOOKINGS,
    "time_lapsed": Topic.BOOKINGS,
    "cancelled": Topic.BOOKINGS,
    "cancelled_by_admin": Topic.BOOKINGS,
    "extra_proposed": Topic.BOOKINGS,
    "extra_approved": Topic.PROGRESS,
    "extra_declined": Topic.PROGRESS,
    "extra_withdrawn": Topic.PROGRESS,
    "completed": Topic.BOOKINGS,
    "reassigned": Topic.BOOKINGS,
    "given": Topic.BOOKINGS,
    "taken_away": Topic.BOOKINGS,
    "knocked": Topic.BOOKINGS,
    "customer_absent": Topic.BOOKINGS,
    "customer_absent_free": Topic.BOOKINGS,
    "professional_absent": Topic.BOOKINGS,
    "disputed": Topic.BOOKINGS,
    "dispute_answered": Topic.BOOKINGS,
    "dispute_rework": Topic.BOOKINGS,
    "dispute_refund": Topic.BOOKINGS,
    "dispute_dismissed": Topic.BOOKINGS,
    "absence_noted": Topic.PROGRESS,
    "slot_held": Topic.BOOKINGS,
    "hold_lapsed": Topic.PROGRESS,
    "departed": Topic.PROGRESS,
    "started": Topic.PROGRESS,
    "code_renewed": Topic.PROGRESS,
    "closed": Topic.PROGRESS,
    "auto_closed": Topic.PROGRESS,
    "paid": Topic.PROGRESS,
    "payment_claimed": Topic.BOOKINGS,
    "payment_verified": Topic.PROGRESS,
    "payment_refused": Topic.BOOKINGS,
    "payment_denied": Topic.BOOKINGS,
    "payment_decided": Topic.BOOKINGS,
    "paid_online": Topic.PROGRESS,
    "overpaid": Topic.BOOKINGS,
    "money_back": Topic.BOOKINGS,
    "reviewed": Topic.REVIEWS,
    "replied": Topic.REVIEWS,
    "review_prompt": Topic.REVIEWS,
    "approved": Topic.ACCOUNT,
    "not_approved": Topic.ACCOUNT,
    "conduct_warned": Topic.ACCOUNT,
    "conduct_paused": Topic.ACCOUNT,
    "conduct_cleared": Topic.ACCOUNT,
    "conduct_resumed": Topic.ACCOUNT,
    "guide_approved": Topic.ACCOUNT,
    "guide_sent_back": Topic.ACCOUNT,
    "guide_unpublished": Topic.ACCOUNT,
    "appeal_granted": Topic.ACCOUNT,
    "appeal_refused": Topic.ACCOUNT,
    "pause_ended": Topic.ACCOUNT,
    "paid_out": Topic.ACCOUNT,
    "payout_failed": Topic.ACCOUNT,
    "payout_account": Topic.ACCOUNT,
    "copy_ready": Topic.ACCOUNT,
    "copy_failed": Topic.ACCOUNT,
    "leaving": Topic.ACCOUNT,
    "stayed": Topic.ACCOUNT,
    "sealed": Topic.ACCOUNT,
    "test_message": Topic.ACCOUNT,
    "message": Topic.MESSAGES,
    "requests_waiting": Topic.REMINDERS,
    "tomorrow": Topic.REMINDERS,
    "day_before": Topic.REMINDERS,
    "hours_before": Topic.REMINDERS,
    "activity_report": Topic.REPORTS,
    "earnings_statement": Topic.REPORTS,
    "export_ready": Topic.SITE,
    "export_failed": Topic.SITE,
}

LONGEST_SUBJECT = 200
_COLUMNS = ("key", "kind", "channel", "user_id", "address", "booking_id", "data", "status", "tries")
_COLUMNS += ("due_at", "subject", "error", "created_at", "webhook_id")
# What was published for the same cause stays as it is.
_insert = {
    kind.dialect.name: Prepared(kind.insert(OutboxMessage.__table__).on_conflict_do_nothing(), *_COLUMNS)
    for kind in (sqlite, postgresql)
}
_CHOICES = select(User.id, User.message_choices).where(
    User.id.in_(bindparam("ids", expanding=True)), User.message_choices.is_not(None)
)


def publish(
    user_ids: Iterable[int],
    kind: str,
    cause: str,
    booking_id: int | None = None,
    *,
    usual: bool = False,
    due_at: datetime | None = None,
    **data,
) -> None:
    """Write a message to each person for each channel they chose for the kind's topic.

    `cause` names the event, or the job and its period: with the recipient and the channel it is the
    key, and the same one is written once. `usual` says that none of them chose channels.
    `data` is JSON, of which domain.letters makes the words when the message is sent.
    """
    notices = [Notice(user_id, cause, booking_id, data) for user_id in user_ids]
    publish_each(kind, notices, usual=usual, due_at=due_at)


class Notice(NamedTuple):
    """What one person is told by a message of a kind; see publish for `cause` and `data`."""

    user_id: int
    cause: str
    booking_id: int | None
    data: dict


def publish_each(kind: str, notices: list[Notice], *, usual: bool = False, due_at: datetime | None = None) -> None:
    """Write messages of one kind, each with a cause of its own."""
    topic = TOPIC_OF[kind]
    ids = [notice.user_id for notice in notices]
    chosen = {} if usual or not ids else dict(db.session.execute(_CHOICES, {"ids": ids}).all())
    rows = [
        _row(
            f"{notice.cause}:{notice.user_id}:{channel}",
            kind,
            channel,
            due_at,
            user_id=notice.user_id,
            booking_id=notice.booking_id,
            data=notice.data,
        )
        for notice in notices
        for channel in channels(chosen.get(notice.user_id), topic)
    ]
    if rows:
        _write(rows)


def publish_by(ways: Iterable[Channel], user_id: int, kind: str, cause: str, **data) -> None:
    """Write a message to one person by these channels, whatever they chose."""
    _write([_row(f"{cause}:{user_id}:{way}", kind, way, None, user_id=user_id, data=data) for way in ways])


def publish_to_webhooks(webhook_ids: Iterable[int], cause: str, subject: str, data: dict) -> None:
    """Write an event for each of these webhooks; `data` is what is sent (see domain.webhooks)."""
    _write(
        [
            _row(f"webhook:{one}:{cause}", "webhook", Channel.WEBHOOK, None, data=data, subject=subject, webhook_id=one)
            for one in webhook_ids
        ]
    )


def publish_sealed(address: str, subject: str, body: str, user_id: int | None = None) -> str:
    """Write a mail whose text is a secret, such as a link to set a new password; answer its key.

    It is kept encrypted, so that neither a copy of the database nor an admin can read it, and is
    removed when it was sent.
    """
    # Each is an event of its own, even if it says the same: a password may be changed twice.
    key = f"sealed:{secrets.token_hex(16)}"
    data = {"sealed": sealing.sealed(body)}
    _write([_row(key, "sealed", Channel.MAIL, None, user_id, address, data=data, subject=subject[:LONGEST_SUBJECT])])
    return key


def pretend_sealed(address: str, subject: str, body: str) -> None:
    """All the work of writing a sealed mail, of which nothing is left: for an address without an account."""
    key = publish_sealed(address, subject, body)
    db.session.execute(delete(OutboxMessage).where(OutboxMessage.key == key))


def unsealed(message: OutboxMessage) -> str:
    """The text of a sealed message. Raises cryptography.fernet.InvalidToken under another SECRET_KEY."""
    return sealing.unsealed(message.data["sealed"])


def channels(choices: dict | None, topic: Topic) -> tuple[str, ...]:
    """By which channels a person with these choices gets messages of a topic."""
    if choices is None or topic not in choices:
        return USUAL[topic]
    # An operator may have switched SMS off since it was chosen.
    chosen = tuple(one for one in choices[topic] if one != Channel.SMS or settings.sms_url)
    return chosen or (USUAL[topic] if topic in ESSENTIAL else ())


def nudge() -> None:
    """Have whoever delivers look at once when this transaction is committed (see mail.py)."""
    db.session.info["published"] = True


def _row(
    key, kind, channel, due_at, user_id=None, address=None, booking_id=None, data=None, subject="", webhook_id=None
):
    now = clock.now()
    return {
        "key": key,
        "kind": kind,
        "channel": channel,
        "user_id": user_id,
        "address": address,
        "booking_id": booking_id,
        "data": data or {},
        "status": Delivery.WAITING,
        "tries": 0,
        "due_at": due_at or now,
        "subject": subject,
        "error": "",
        "created_at": now,
        "webhook_id": webhook_id,
    }


def _write(rows):
    connection = db.session.connection()
    _insert[connection.dialect.name](connection, rows)
    nudge()
