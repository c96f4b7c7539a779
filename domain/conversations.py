"""The conversation of a booking: its customer and its professional, from the acceptance on.

It belongs to the two who have the booking now: who got the job from somebody else begins with an empty
page, and who gave it away reads and writes no more. It is kept with the booking, and closed for writing
some days after the booking is over. Who does not want to meet the other again still talks about this one.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import NamedTuple

from flask_babel import gettext as _
from sqlalchemy import func, literal, literal_column, or_, select, union_all, update
from sqlalchemy.orm import joinedload

from domain import bookings, clock, files, news, notifications
from domain.errors import Invalid, InvalidTransition, NotFound
from domain.paging import Page, keyset
from domain.transitions import tell
from extensions import db, settings
from models import Booking, BookingEvent, Professional, Status, User
from models_live import Message, MessageReport, TalkSide

LONGEST = 2000
AT_ONCE = 30
# What a page may have missed and gets in one answer; it asks for the rest.
MOST_MISSED = 200
MOST_UNREAD = 100
OVER = frozenset({Status.CLOSED, Status.CANCELLED, Status.NO_SHOW})
# Who has the page open has read it by then, and gets no mail.
MINUTES_BEFORE_MAIL = 2
# As a literal: SQLite chooses a partial index only for what it can read.
_UNREAD = literal_column("talk_sides.unread > 0")


class Sides(NamedTuple):
    """How far a conversation reached the reader, and how far the other one; None before the first message."""

    mine: TalkSide | None
    theirs: TalkSide | None


# -- Reading ----------------------------------------------------------------------------------


def has_begun(booking: Booking) -> bool:
    """Whether the professional who has the booking now has accepted it."""
    return booking.accepted_at is not None


def get(booking_id: int, user: User) -> Booking:
    """A booking of whose conversation this person is a side. Raises NotFound."""
    booking = bookings.get(booking_id, user)
    if user.id not in (booking.customer_id, booking.professional_id):
        raise NotFound(_("There is no such conversation, or it is not yours."))
    if not has_begun(booking):
        raise NotFound(_("You can write to each other once the booking is accepted."))
    return booking


def closes_at(booking: Booking) -> datetime | None:
    """Until when one can write; None while the booking is not over."""
    if booking.status not in OVER:
        return None
    ended = db.session.scalar(
        select(func.max(BookingEvent.at)).where(
            BookingEvent.booking_id == booking.id,
            BookingEvent.to_status == booking.status.value,
            BookingEvent.from_status.is_distinct_from(BookingEvent.to_status),
        )
    )
    return ended + timedelta(days=settings.policy.chat_days)


def latest(booking: Booking, before: int | None = None) -> tuple[list[Message], bool]:
    """The newest messages, or those before one, in their order; and whether there are older ones."""
    found = of(booking.id, booking.professional_id).options(joinedload(Message.sender))
    if before is not None:
        found = found.where(Message.id < before)
    messages = db.session.scalars(found.order_by(Message.id.desc()).limit(AT_ONCE + 1)).all()
    return messages[:AT_ONCE][::-1], len(messages) > AT_ONCE


def after(booking: Booking, message_id: int, most: int = MOST_MISSED) -> tuple[list[Message], bool]:
    """What is newer than a message, in its order; and whether there is still more."""
    found = of(booking.id, booking.professional_id).options(joinedload(Message.sender))
    found = found.where(Message.id > message_id).order_by(Message.id)
    messages = db.session.scalars(found.limit(most + 1)).all()
    return messages[:most], len(messages) > most


def hidden(booking: Booking, upto: int) -> list[Message]:
    """What a page may still show that was hidden meanwhile."""
    found = of(booking.id, booking.professional_id).options(joinedload(Message.sender))
    return list(db.session.scalars(found.where(Message.id <= upto, Message.hidden_at.is_not(None))))


def of(booking_id: int, professional_id: int):
    """The messages of a conversation."""
    return select(Message).where(Message.booking_id == booking_id, Message.professional_id == professional_id)


def sides(booking: Booking, user: User) -> Sides:
    found = {side.user_id: side for side in db.session.scalars(_sides(booking))}
    return Sides(found.get(user.id), found.get(other_side(booking, user)))


def other_side(booking: Booking, user: User) -> int:
    return booking.professional_id if user.id == booking.customer_id else booking.customer_id


def page_of(user: User, after: str | None = None) -> Page:
    """A page of a person's conversations, the one with the newest message first."""
    mine = _present(select(TalkSide)).where(TalkSide.user_id == user.id)
    people = joinedload(TalkSide.booking)
    mine = mine.options(
        people.joinedload(Booking.service),
        people.joinedload(Booking.customer),
        people.joinedload(Booking.professional).joinedload(Professional.user),
        joinedload(TalkSide.newest),
    )
    return keyset(mine, [(TalkSide.newest_id, "desc")], after)


def unread_of(user: User) -> dict[int, int]:
    """How many messages of which bookings a person has not read, of the latest of them."""
    return dict(db.session.execute(_unread(user)).all())


def bell_and_unread_of(user: User) -> tuple[notifications.Bell, dict[int, int]]:
    """The numbers on the bell, and those of unread_of, in one query: every page shows the first."""
    # No booking has these ids.
    unread, newest = 0, -1
    rows = union_all(
        select(literal(unread), notifications.UNREAD),
        select(literal(newest), notifications.NEWEST),
        select(_unread(user).subquery()),
    )
    found = dict(db.session.execute(rows, {"user": user.id}).all())
    return notifications.Bell(found.pop(unread), found.pop(newest)), found


# -- Writing ----------------------------------------------------------------------------------


def check_open(booking: Booking) -> None:
    """Raises InvalidTransition when the conversation is closed: ask before looking into a photo, which is slow."""
    closes = closes_at(booking)
    if closes and closes <= clock.now():
        raise InvalidTransition(_("This conversation is closed since %(time)s.", time=clock.spoken(closes)))


def send(booking: Booking, by: User, text: str, photo: files.Checked | None = None, key: str | None = None) -> Message:
    """Write to the other side; the same words under the same one-time key are sent once."""
    check_open(booking)
    text = _checked(text, photo)
    _hold(booking)
    mark = _mark(key, text, photo)
    again = select(Message).where(Message.booking_id == booking.id, Message.sender_id == by.id, Message.mark == mark)
    if (sent := db.session.scalar(again)) is not None:
        return sent
    message = Message(
        booking_id=booking.id,
        professional_id=booking.professional_id,
        sender_id=by.id,
        mark=mark,
        text=text,
        file_id=files.store(photo, by).id if photo else None,
        created_at=clock.now(),
    )
    db.session.add(message)
    db.session.flush()
    _count(booking, by, message)
    return message


def seen(booking: Booking, by: User, upto: int, *, read: bool) -> None:
    """Note up to which message the other's words have reached one's page, or were shown on it."""
    _hold(booking)
    mine = sides(booking, by).mine
    theirs = of(booking.id, booking.professional_id).where(Message.sender_id != by.id)
    last = db.session.scalar(theirs.where(Message.id <= upto).with_only_columns(func.max(Message.id)))
    if mine is None or last is None or last <= (mine.read_id if read else mine.received_id):
        return
    if last > mine.received_id:
        mine.received_id, mine.received_at = last, clock.now()
    if read:
        mine.read_id, mine.read_at = last, clock.now()
        left = theirs.where(Message.id > last).with_only_columns(func.count())
        mine.unread = db.session.scalar(left)
        notifications.read_about(by, "message", booking.id)
        news.tell([by.id], news.TALKS, news.BOOKINGS)
    db.session.flush()
    news.tell([other_side(booking, by)], news.talk(booking.id))


def typing(booking: Booking, by: User) -> None:
    """Let the other side know, if they look, that something is being written."""
    check_open(booking)
    news.tell([other_side(booking, by)], news.typing(booking.id))


def message(booking: Booking, message_id: int) -> Message:
    """One message of a conversation. Raises NotFound."""
    found = db.session.scalar(of(booking.id, booking.professional_id).where(Message.id == message_id))
    if found is None:
        raise NotFound(_("There is no such message in this conversation."))
    return found


def forget(user: User) -> None:
    """Of somebody who is erased no word is left, said by them or against them; that there were some stays."""
    quiet = {"synchronize_session": False}
    wrote = Message.sender_id == user.id
    about = select(Message.id).where(wrote)
    said = or_(MessageReport.by_id == user.id, MessageReport.message_id.in_(about))
    emptied = update(Message).where(wrote).values(text="", file_id=None, hidden_reason="")
    db.session.execute(emptied.execution_options(**quiet))
    db.session.execute(update(MessageReport).where(said).values(reason="").execution_options(**quiet))
    moments = update(TalkSide).where(TalkSide.user_id == user.id).values(received_at=None, read_at=None, unread=0)
    db.session.execute(moments.execution_options(**quiet))


# -- Small print ------------------------------------------------------------------------------


def _unread(user):
    mine = _present(select(TalkSide.booking_id, TalkSide.unread)).where(TalkSide.user_id == user.id, _UNREAD)
    return mine.order_by(TalkSide.newest_id.desc()).limit(MOST_UNREAD)


def _present(statement):
    """Only conversations of those who still have the booking."""
    return statement.join(Booking, Booking.id == TalkSide.booking_id).where(
        Booking.professional_id == TalkSide.professional_id, Booking.accepted_at.is_not(None)
    )


def _sides(booking):
    mine = TalkSide.booking_id == booking.id, TalkSide.professional_id == booking.professional_id
    return select(TalkSide).where(*mine).options(joinedload(TalkSide.newest))


def _hold(booking):
    """One after the other: who asks for what came after a message must not miss one that was begun before it."""
    db.session.execute(select(Booking.id).where(Booking.id == booking.id).with_for_update())


def _count(booking, by, message):
    """What a new message changes for each side; the other one is told, unless they know of unread ones."""
    other = other_side(booking, by)
    known = {side.user_id: side for side in db.session.scalars(_sides(booking))}
    for user_id in (by.id, other):
        side = known.get(user_id)
        if side is None:
            side = TalkSide(
                booking_id=booking.id,
                professional_id=booking.professional_id,
                user_id=user_id,
                newest_id=message.id,
                unread=0,
            )
            db.session.add(side)
        side.newest_id = message.id
        side.unread += user_id == other
        if user_id == other and side.unread == 1:
            due = clock.now() + timedelta(minutes=MINUTES_BEFORE_MAIL)
            tell([other], "message", booking, by.name, cause=f"message:{message.id}", due_at=due)
    db.session.flush()
    news.tell((by.id, other), news.talk(booking.id), news.TALKS)
    news.tell([other], news.BOOKINGS)


def _checked(text, photo):
    text = text.strip()
    if not text and photo is None:
        raise Invalid(_("Write something, or choose a photo."), "text")
    if len(text) > LONGEST:
        raise Invalid(_("Write at most %(most)s characters.", most=LONGEST), "text")
    return text


def _mark(key, text, photo):
    parts = ((key or secrets.token_hex()).encode(), text.encode(), photo.content if photo else b"")
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
