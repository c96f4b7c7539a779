"""The secret address at which a calendar program finds a person's bookings, and which of them it finds.

The address is derived from the site's secret and the person's salt: it can be shown again at any
time, and what is stored opens nothing.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import joinedload

from domain import clock
from domain.errors import NotAllowed, NotFound
from extensions import db, settings
from models import Booking, BookingEvent, Professional, Status, User

DAYS_BACK = 30
# A booking that ended without work is shown as cancelled for so long, so that every program sees it.
DAYS_OF_ENDED = 14
MOST_ENTRIES = 500
ENDED = frozenset({Status.REJECTED, Status.EXPIRED, Status.CANCELLED, Status.NO_SHOW})

_OF_BOOKING = BookingEvent.booking_id == Booking.id


@dataclass(frozen=True)
class Entry:
    """A booking as a calendar shows it. `changes` rises with each step, and `changed_at` is the last one's."""

    booking: Booking
    changes: int
    changed_at: datetime


def token(user: User) -> str | None:
    """What stands for a person in the address of their calendar; None while they have none."""
    if user.feed_salt is None:
        return None
    digest = hmac.digest(settings.secret_key.encode(), f"feed:{user.id}:{user.feed_salt}".encode(), hashlib.sha256)
    return f"{user.id}-{base64.urlsafe_b64encode(digest[:24]).decode()}"


def renew(user: User, by: User) -> None:
    """Have a new address, at which the calendar is found from now on; the old one leads nowhere."""
    _must_be(user, by)
    user.feed_salt = secrets.token_hex(16)
    db.session.flush()


def switch_off(user: User, by: User) -> None:
    """Have no address any more."""
    _must_be(user, by)
    user.feed_salt = None
    db.session.flush()


def owner(given: str) -> User:
    """Whose calendar an address is. Raises NotFound when it is nobody's, or the person is gone."""
    number = given.partition("-")[0]
    # Longer than any id that a database can hold.
    known = number.isascii() and number.isdecimal() and len(number) <= 18
    user = db.session.get(User, int(number)) if known else None
    if user is None or not user.active or user.anonymised_at is not None or not _is_token(given, user):
        raise NotFound(_("There is no such calendar, or it has a new address."))
    return user


def entries(user: User) -> list[Entry]:
    """The bookings of a person that their calendar shows, those furthest ahead first."""
    now = clock.now()
    mine = Booking.professional_id == user.id if user.is_professional else Booking.customer_id == user.id
    lately = exists().where(_OF_BOOKING, BookingEvent.at > now - timedelta(DAYS_OF_ENDED))
    rows = db.session.execute(
        select(
            Booking,
            select(func.count()).where(_OF_BOOKING).scalar_subquery(),
            select(func.max(BookingEvent.at)).where(_OF_BOOKING).scalar_subquery(),
        )
        .where(
            mine, Booking.starts_at > now - timedelta(DAYS_BACK), or_(Booking.status.not_in(ENDED), lately)
        )
        .options(
            joinedload(Booking.service),
            joinedload(Booking.pin),
            joinedload(Booking.customer),
            joinedload(Booking.professional).joinedload(Professional.user),
        )
        .order_by(Booking.starts_at.desc(), Booking.id.desc())
        .limit(MOST_ENTRIES)
    )
    return [_entry(*row) for row in rows]


def entry(booking: Booking) -> Entry:
    """One booking as a calendar shows it."""
    moments = [event.at for event in booking.events]
    return _entry(booking, len(moments), max(moments))


def _entry(booking, changes, changed_at):
    if booking.shown_status is booking.status:
        return Entry(booking, changes, changed_at)
    # The clock has moved it on already, and the job that writes it down counts no second time.
    return Entry(booking, changes + 1, booking.respond_by)


def _is_token(given, user):
    mine = token(user)
    return mine is not None and hmac.compare_digest(mine.encode(), given.encode(errors="replace"))


def _must_be(user, by):
    if user.id != by.id:
        raise NotAllowed(_("You can only change your own account."))
