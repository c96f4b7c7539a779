"""What somebody reports about a message that they got, how an admin decides, and what admins may read for it.

An admin reads a conversation only when a message of it was reported, or the booking is or was disputed.
"""

from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import joinedload

from domain import audit, clock, conversations, news
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from domain.paging import Page, keyset
from extensions import db
from models import Booking, Professional, User
from models_live import Message, MessageReport

MOST_REASON = 500
MOST_COUNTED = 1000
AROUND = 20


@dataclass(frozen=True)
class Excerpt:
    """A part of a conversation as an admin reads it; `older` and `newer` say whether it goes on."""

    messages: list[Message]
    older: bool
    newer: bool = False


# -- The two sides ----------------------------------------------------------------------------


def report(message: Message, by: User, reason: str) -> MessageReport:
    """Have an admin look at what one was sent, once."""
    if message.sender_id == by.id:
        raise NotAllowed(_("This message is your own."))
    reason = _checked(reason, _("Say what is wrong with it."))
    if is_reported(message):
        raise Conflict(_("You have reported this message already."))
    made = MessageReport(message_id=message.id, by_id=by.id, reason=reason, created_at=clock.now())
    db.session.add(made)
    db.session.flush()
    news.tell_admins(news.COUNTERS)
    return made


def is_reported(message: Message) -> bool:
    return db.session.scalar(select(exists().where(MessageReport.message_id == message.id)))


# -- Admins -----------------------------------------------------------------------------------


def page(decided: bool = False, after: str | None = None) -> Page:
    """A page of reports: those that wait, the oldest first, or those decided, the newest first."""
    wanted = MessageReport.decided_at.is_not(None) if decided else MessageReport.decided_at.is_(None)
    return keyset(_whole().where(wanted), [(MessageReport.id, "desc" if decided else "asc")], after)


def get(report_id: int) -> MessageReport:
    """One report with its message and its people. Raises NotFound."""
    found = db.session.scalar(_whole().where(MessageReport.id == report_id))
    if found is None:
        raise NotFound(_("There is no such report."))
    return found


def waiting_number():
    """How many reports wait, counted up to 1,001, as a column of a query."""
    waiting = select(MessageReport.id).where(MessageReport.decided_at.is_(None)).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(waiting).scalar_subquery()


def hide(one: MessageReport, by: User, reason: str) -> None:
    """Nobody of the two reads the message any more; both read why."""
    reason = _checked(reason, _("Give a reason: both sides will read it."))
    _decide(one, by)
    one.message.hidden_at, one.message.hidden_reason = clock.now(), reason
    db.session.flush()
    audit.record(by, "hide_message", "booking", one.message.booking_id, reason=reason, message=one.message_id)
    people = one.message.booking.customer_id, one.message.professional_id
    news.tell(people, news.talk(one.message.booking_id), news.TALKS)


def dismiss(one: MessageReport, by: User) -> None:
    """The message stays as it is."""
    _decide(one, by)
    audit.record(by, "dismiss_report", "booking", one.message.booking_id, message=one.message_id)


def around(message: Message) -> Excerpt:
    """A reported message and what was said just before and after it."""
    talk = conversations.of(message.booking_id, message.professional_id).options(joinedload(Message.sender))
    before = talk.where(Message.id <= message.id).order_by(Message.id.desc()).limit(AROUND + 2)
    after = talk.where(Message.id > message.id).order_by(Message.id).limit(AROUND + 1)
    older, newer = db.session.scalars(before).all(), db.session.scalars(after).all()
    return Excerpt([*older[: AROUND + 1][::-1], *newer[:AROUND]], len(older) > AROUND + 1, len(newer) > AROUND)


def may_read(booking: Booking) -> bool:
    """Whether admins have a reason to read what is said about a booking."""
    reported = exists().where(MessageReport.message_id == Message.id, Message.booking_id == booking.id)
    return booking.dispute is not None or db.session.scalar(select(reported))


def read(booking: Booking, before: int | None = None) -> Excerpt:
    """The newest of a conversation, or what was before a message, for an admin. Raises NotAllowed."""
    if not may_read(booking):
        raise NotAllowed(_("You can read a conversation once a message of it is reported, or in a dispute."))
    messages, older = conversations.latest(booking, before)
    return Excerpt(messages, older, newer=before is not None)


# -- Small print ------------------------------------------------------------------------------


def _whole():
    message = joinedload(MessageReport.message)
    booking = message.joinedload(Message.booking)
    return select(MessageReport).options(
        joinedload(MessageReport.by),
        message.joinedload(Message.sender),
        booking.joinedload(Booking.service),
        booking.joinedload(Booking.customer),
        booking.joinedload(Booking.professional).joinedload(Professional.user),
    )


def _decide(one, by):
    """Compare and set, so that of two admins at once one is too late."""
    decided = db.session.execute(
        update(MessageReport)
        .where(MessageReport.id == one.id, MessageReport.decided_at.is_(None))
        .values(decided_at=clock.now(), decided_by_id=by.id)
        .execution_options(synchronize_session=False)
    )
    if not decided.rowcount:
        raise Conflict(_("Another admin has decided about this already."))
    db.session.refresh(one)
    news.tell_admins(news.COUNTERS)


def _checked(reason, missing):
    reason = reason.strip()
    if not reason:
        raise Invalid(missing, "reason")
    if len(reason) > MOST_REASON:
        raise Invalid(_("Keep the reason under %(most)s characters.", most=MOST_REASON), "reason")
    return reason
