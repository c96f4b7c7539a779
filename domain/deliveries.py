"""Which messages are sent next, who has one in hand, and what became of it.

Whoever sends holds a message by a lease: an end that is written down without it changes nothing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import NamedTuple
from urllib.parse import urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import and_, case, delete, func, literal, or_, select, update
from sqlalchemy.orm import joinedload

from domain import audit, clock, outbox
from domain.errors import NotFound
from domain.job_runs import Step
from domain.outbox import Topic
from domain.paging import Page, keyset
from extensions import db, settings
from models import Booking, Channel, Delivery, OutboxMessage, Professional, User
from models_integrations import Webhook

# Counting stops here.
MOST_COUNTED = 1000
MOST_AT_ONCE = 500
DAYS_OF_FAILED = 90
OVER = (Delivery.SENT, Delivery.KEPT, Delivery.DROPPED)
LONGEST_ERROR = 500

# Why a message was dropped; the word is what its row keeps.
REASONS = {
    "over": _l("What it says was no longer true."),
    "closed": _l("The account is blocked or erased."),
    "unwanted": _l("The person switched these messages off."),
    "unreachable": _l("The person has no such channel any more."),
    "paused": _l("The webhook was paused or removed."),
    "restored": _l("It waited when the backup was made from which the site was restored."),
}

# Said as it stands and not as a parameter, because the index of what waits is a partial one.
_WAITING = OutboxMessage.status == literal(Delivery.WAITING, OutboxMessage.status.type, literal_execute=True)
_BOOKING = joinedload(OutboxMessage.booking)
_WHOLE = select(OutboxMessage).options(
    joinedload(OutboxMessage.user),
    joinedload(OutboxMessage.webhook.of_type(Webhook)),
    _BOOKING.joinedload(Booking.service),
    _BOOKING.joinedload(Booking.pin),
    _BOOKING.joinedload(Booking.customer),
    _BOOKING.joinedload(Booking.professional).joinedload(Professional.user),
)

# What kinds of messages are called where they are listed.
_TOPICS = {
    Topic.ACCOUNT: _l("Account and security"),
    Topic.BOOKINGS: _l("Bookings"),
    Topic.PROGRESS: _l("On the day"),
    Topic.MESSAGES: _l("Messages"),
    Topic.REMINDERS: _l("Reminders"),
    Topic.REVIEWS: _l("Reviews"),
    Topic.REPORTS: _l("Monthly report"),
    Topic.SITE: _l("The site"),
}


@dataclass(frozen=True)
class Terms:
    """How long somebody may have a message in hand, and how often and when it is tried again."""

    lease: timedelta = timedelta(minutes=2)
    tries: int = 8
    first_pause: timedelta = timedelta(seconds=30)
    longest_pause: timedelta = timedelta(hours=6)

    def pause(self, tries: int) -> timedelta:
        """How long to wait after so many tries: up to twice as long each time, and nobody at once."""
        longest = min(self.longest_pause, self.first_pause * 2 ** min(tries - 1, 40))
        return longest * SystemRandom().random()


USUAL = Terms()


class Health(NamedTuple):
    """`oldest` is when the message that waits longest was written; counts go up to 1000."""

    oldest: datetime | None
    waiting: int
    failed: int


# -- Sending ----------------------------------------------------------------------------------


def anything_due(channels: Iterable[Channel], terms: Terms = USUAL) -> bool:
    """Whether there is something to claim. Only reads."""
    return db.session.scalar(_claimable(channels, terms).limit(1)) is not None


def claim(lease: str, most: int, channels: Iterable[Channel], terms: Terms = USUAL) -> list[int]:
    """Take the messages that are due longest in hand, for the time of the terms; answer their ids."""
    # On PostgreSQL two who claim at once get different ones; on SQLite one waits for the other.
    ids = db.session.scalars(_claimable(channels, terms).limit(most).with_for_update(skip_locked=True)).all()
    if ids:
        _update(OutboxMessage.id.in_(ids), lease=lease, leased_until=clock.now() + terms.lease)
    return list(ids)


def in_hand(message_id: int, lease: str) -> OutboxMessage | None:
    """A message with all it is about, unless somebody else has it by now."""
    return db.session.scalar(_WHOLE.where(OutboxMessage.id == message_id, *_held(lease)))


def obstacle(message: OutboxMessage) -> str | None:
    """Why a message is not to be sent, as a key of REASONS."""
    person, hook = message.user, message.webhook
    if hook is not None:
        return "paused" if hook.paused_at or hook.removed_at else None
    if message.address:
        return None
    if person is None or not person.active or person.anonymised_at is not None:
        return "closed"
    topic = outbox.TOPIC_OF.get(message.kind)
    if topic not in outbox.ESSENTIAL and message.channel not in outbox.channels(person.message_choices, topic):
        return "unwanted"
    return None


def sent(message_id: int, lease: str, subject: str) -> bool:
    """It has left. Its text is not kept, and neither is what it was made of."""
    return _settle(message_id, lease, status=Delivery.SENT, subject=subject, data={}, error="", sent_at=clock.now())


def kept(message_id: int, lease: str, subject: str, body: str | None) -> bool:
    """There is no mail server: whoever runs the site reads it here. No body for a secret."""
    known = {"subject": subject, "body": body, "data": {}, "error": ""}
    return _settle(message_id, lease, status=Delivery.KEPT, sent_at=clock.now(), **known)


def dropped(message_id: int, lease: str, reason: str) -> bool:
    """It is not to be sent any more."""
    assert reason in REASONS, reason
    return _settle(message_id, lease, status=Delivery.DROPPED, error=reason, data={})


def drop_waiting(reason: str) -> int:
    """Nothing that waits is to be sent; answer how much that was."""
    assert reason in REASONS, reason
    waiting = OutboxMessage.status == Delivery.WAITING
    dropped = {"status": Delivery.DROPPED, "error": reason, "data": {}, "lease": None, "leased_until": None}
    return _update(waiting, **dropped)


def failed(message_id: int, lease: str, error: str, terms: Terms = USUAL) -> bool:
    """This try did not succeed: wait for the next, or give it to the admin after the last."""
    message = in_hand(message_id, lease)
    if message is None:
        return False
    tries = message.tries + 1
    last = tries >= terms.tries
    after = {"status": Delivery.FAILED} if last else {"due_at": clock.now() + terms.pause(tries)}
    return _settle(message_id, lease, tries=tries, error=error[:LONGEST_ERROR], **after)


def put_off(message_id: int, lease: str, pause: timedelta) -> bool:
    """It was not tried, because of what is known of where it goes: it waits, and has lost no try."""
    return _settle(message_id, lease, due_at=clock.now() + pause)


def give_back(message_ids: list[int], lease: str, error: str | None = None) -> int:
    """Let others send what was claimed and not tried; `error` says what is in the way of all."""
    note = {} if error is None else {"error": error[:LONGEST_ERROR]}
    return _update(OutboxMessage.id.in_(message_ids), *_held(lease), lease=None, leased_until=None, **note)


def digest(message: OutboxMessage) -> str:
    """What names a message outside: the same at every try, and nothing can be read from it."""
    return hashlib.sha256(message.key.encode()).hexdigest()[:32]


def message_id(message: OutboxMessage) -> str:
    """The Message-ID of a mail."""
    return f"<{digest(message)}@{urlsplit(settings.site_url).hostname or 'localhost'}>"


def file_name(message: OutboxMessage) -> str:
    """The name of the file in which a mail is kept where there is no mail server."""
    return f"{message.id:010}-{digest(message)[:12]}.eml"


# -- Looking after them -----------------------------------------------------------------------


def health() -> Health:
    """How long the oldest message waits, and how many wait and failed."""
    began = or_(OutboxMessage.tries > 0, OutboxMessage.due_at <= clock.now())
    oldest = (
        select(OutboxMessage.created_at)
        .where(OutboxMessage.status == Delivery.WAITING, began)
        .order_by(OutboxMessage.id)
        .limit(1)
    )
    counts = [_count(state).scalar_subquery() for state in (Delivery.WAITING, Delivery.FAILED)]
    return Health(*db.session.execute(select(oldest.scalar_subquery(), *counts)).one())


def page(state: Delivery, after: str | None = None) -> Page:
    """A page of the messages in a state: those that wait oldest first, the others newest first."""
    found = select(OutboxMessage).where(OutboxMessage.status == state).options(
        joinedload(OutboxMessage.user), joinedload(OutboxMessage.webhook)
    )
    return keyset(found, [(OutboxMessage.id, "asc" if state is Delivery.WAITING else "desc")], after)


def get(message_id: int) -> OutboxMessage:
    found = db.session.scalar(_WHOLE.where(OutboxMessage.id == message_id))
    if found is None:
        raise NotFound(_("There is no such message."))
    return found


def topic_name(message: OutboxMessage) -> str:
    """What kind of message it is, in words."""
    return _("Webhook") if message.channel is Channel.WEBHOOK else str(_TOPICS[outbox.TOPIC_OF[message.kind]])


def resend(message: OutboxMessage, by: User) -> bool:
    """Try a failed message from the start; False when it has not failed, or no longer."""
    if not _wait_again(OutboxMessage.id == message.id):
        return False
    audit.record(by, "resend", "message", message.id)
    return True


def resend_all(by: User) -> int:
    """Try the messages that failed from the start, the oldest 500 of them; answer how many."""
    failures = select(OutboxMessage.id).where(OutboxMessage.status == Delivery.FAILED).order_by(OutboxMessage.id)
    ids = db.session.scalars(failures.limit(MOST_AT_ONCE)).all()
    count = _wait_again(OutboxMessage.id.in_(ids)) if ids else 0
    if count:
        audit.record(by, "resend_all", "message", ids[0], count=count)
    return count


def purge(period: str, cursor: int) -> Step:
    """Forget messages after OUTBOX_DAYS, failed ones after 90 days; what waits is never forgotten."""
    now = clock.now()
    old = now - timedelta(days=settings.outbox_days)
    very_old = now - timedelta(days=max(DAYS_OF_FAILED, settings.outbox_days))
    failed_long_ago = and_(OutboxMessage.status == Delivery.FAILED, OutboxMessage.created_at < very_old)
    found = select(OutboxMessage.id).where(
        OutboxMessage.created_at < old, or_(OutboxMessage.status.in_(OVER), failed_long_ago)
    )
    ids = db.session.scalars(found.order_by(OutboxMessage.created_at).limit(MOST_AT_ONCE)).all()
    _execute(delete(OutboxMessage).where(OutboxMessage.id.in_(ids)))
    if not cursor:
        _remove_files(old)
    return Step(len(ids), cursor + 1 if len(ids) == MOST_AT_ONCE else None)


def _claimable(channels, terms):
    """Due, and with nobody: a lease that ran out is none, and neither is one that lies further ahead
    than clocks of two machines differ, which is what a clock that was set back leaves behind."""
    now = clock.now()
    free = or_(
        OutboxMessage.leased_until.is_(None),
        OutboxMessage.leased_until <= now,
        OutboxMessage.leased_until > now + 2 * terms.lease,
    )
    due = _WAITING, OutboxMessage.due_at <= now
    found = select(OutboxMessage.id).where(*due, OutboxMessage.channel.in_(list(channels)), free)
    return found.order_by(OutboxMessage.due_at, OutboxMessage.id)


def _held(lease):
    return OutboxMessage.status == Delivery.WAITING, OutboxMessage.lease == lease


def _settle(message_id, lease, **values):
    if "due_at" not in values and values.get("status") is not Delivery.FAILED:
        # To whoever has no account any more; it is over, and where it went is nobody's business.
        values["address"] = case((OutboxMessage.user_id.is_(None), None), else_=OutboxMessage.address)
    found = OutboxMessage.id == message_id, *_held(lease)
    return bool(_update(*found, lease=None, leased_until=None, **values))


def _wait_again(which):
    values = {"tries": 0, "due_at": clock.now(), "lease": None, "leased_until": None}
    count = _update(which, OutboxMessage.status == Delivery.FAILED, status=Delivery.WAITING, **values)
    if count:
        outbox.nudge()
    return count


def _update(*conditions, **values):
    return _execute(update(OutboxMessage).where(*conditions).values(**values))


def _execute(statement):
    return db.session.execute(statement.execution_options(synchronize_session=False)).rowcount


def _count(state):
    capped = select(OutboxMessage.id).where(OutboxMessage.status == state).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(capped)


def _remove_files(before):
    """The files of mails that were kept for want of a server, whatever became of their rows."""
    for path in (settings.instance / "outbox").glob("*.eml"):
        if path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)
