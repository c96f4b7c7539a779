"""Where a professional on the way is, for the customer of that one booking.

They say themselves that they share it; then the newest position is kept, in a row that goes in the same
transaction as the state "On the way". Nobody else is shown it, not even the site's admins.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import delete, exists, or_, select, update

from domain import arrivals, clock, consents, news, places
from domain.errors import Invalid, InvalidTransition, NotAllowed
from domain.job_runs import Step
from extensions import db
from models import Booking, Status, User
from models_live import Position

# Whoever forgets to press anything shares no longer than this.
LONGEST = timedelta(hours=6)
# What comes sooner after the last is dropped.
PAUSE = timedelta(seconds=3)
# After this a position says where somebody was, and no longer when they come.
FRESH = timedelta(minutes=2)
# A position that may be so many metres off says nothing of the time either.
VAGUE_METRES = 2000
FARTHEST_OFF = 40_000_000
DECIMALS = 5


# A page that is open in these may come to show where somebody is without being loaded again.
TO_COME = frozenset({Status.PENDING, Status.ACCEPTED, Status.EN_ROUTE})


@dataclass(frozen=True)
class Whereabouts:
    """What the customer is told. `arrives_at` is rounded as `minutes` are, and neither is there when
    nobody can say."""

    lat: float
    lon: float
    accuracy: int
    seen_at: datetime
    km: float
    minutes: int | None
    arrives_at: datetime | None

    @property
    def vague(self) -> bool:
        return self.accuracy > VAGUE_METRES


def begin(booking: Booking, by: User) -> None:
    """The professional wants to show the customer where they are, until the work starts."""
    # Whoever leaves the state at this moment deletes the row, or this sees that they have left.
    db.session.execute(select(Booking.id).where(Booking.id == booking.id).with_for_update())
    db.session.refresh(booking, ["status", "professional_id"])
    _must_be_on_the_way(booking, by)
    _forget(booking)
    db.session.add(Position(booking_id=booking.id, since=clock.now()))
    consents.note(by, consents.POSITION, given=True)
    _changed(booking)


def share(booking: Booking, by: User, lat: float, lon: float, accuracy: float) -> None:
    """The newest position. One that comes too soon after the last is dropped."""
    _must_be_on_the_way(booking, by)
    lat, lon = _number(lat, -90, 90), _number(lon, -180, 180)
    accuracy = math.ceil(_number(accuracy, 0, FARTHEST_OFF))
    known = _of(booking)
    if known is None or _is_over(known):
        raise InvalidTransition(_("You do not share your position for this job."))
    now = clock.now()
    values = {"lat": round(lat, DECIMALS), "lon": round(lon, DECIMALS), "accuracy": accuracy, "at": now}
    if known.set_off_at is None and accuracy <= VAGUE_METRES:
        values |= {"set_off_at": now, "set_off_km": _km(booking, lat, lon)}
    due = or_(Position.at.is_(None), Position.at <= now - PAUSE)
    kept = db.session.execute(
        update(Position)
        .where(Position.booking_id == booking.id, due)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if kept.rowcount:
        _changed(booking)


def stop(booking: Booking, by: User) -> None:
    """Share no longer; what was shared is forgotten. It may be said at any time."""
    _must_be_its_professional(booking, by)
    if _forget(booking):
        consents.note(by, consents.POSITION, given=False)
        _changed(booking)


def end(booking: Booking) -> None:
    """The way is over, however it ended. If somebody arrived, the site learns how long it took."""
    gone = _forget(booking)
    if gone is None or gone.set_off_at is None:
        return
    knocks = (one.at for one in booking.events if one.verb == "knock" and one.at >= gone.set_off_at)
    arrived_at = min(knocks, default=clock.now() if booking.status is Status.IN_PROGRESS else None)
    if arrived_at is not None:
        arrivals.keep(booking.pincode, gone.set_off_at, gone.set_off_km, arrived_at)


def sharing_since(booking: Booking, by: User) -> datetime | None:
    """Since when the professional has shared their position for this booking, if they do."""
    shared = booking.position
    if by.id != booking.professional_id or booking.status is not Status.EN_ROUTE or shared is None:
        return None
    return None if _is_over(shared) else shared.since


def whereabouts(booking: Booking, by: User) -> Whereabouts | None:
    """Where the professional was last, for the customer while it is shown to them."""
    seen = booking.position
    if by.id != booking.customer_id or booking.status is not Status.EN_ROUTE:
        return None
    if seen is None or seen.at is None or _is_over(seen):
        return None
    km = _km(booking, seen.lat, seen.lon)
    fresh = clock.now() - seen.at <= FRESH and seen.accuracy <= VAGUE_METRES
    minutes = arrivals.minutes(km, booking.pincode, seen.at) if fresh else None
    arrival = (None, None) if minutes is None else _rounded(minutes, seen.at)
    return Whereabouts(seen.lat, seen.lon, seen.accuracy, seen.at, km, *arrival)


def purge(period: str, cursor: int) -> Step:
    """Forget positions that nobody shares any more, should there be any, and old trips."""
    on_the_way = exists().where(Booking.id == Position.booking_id, Booking.status == Status.EN_ROUTE)
    stale = or_(Position.since <= clock.now() - LONGEST, ~on_the_way)
    gone = db.session.execute(delete(Position).where(stale).execution_options(synchronize_session=False)).rowcount
    trips = arrivals.forget_old()
    return Step(gone + trips, cursor + trips if trips == arrivals.BATCH else None)


# -- Small print ------------------------------------------------------------------------------


def _must_be_its_professional(booking, by):
    if by.id != booking.professional_id:
        raise NotAllowed(_("Only the professional who comes can share where they are."))


def _must_be_on_the_way(booking, by):
    _must_be_its_professional(booking, by)
    if booking.status is not Status.EN_ROUTE:
        raise InvalidTransition(_("You share your position only while you are on the way."))


def _number(value, low, high):
    if not math.isfinite(value) or not low <= value <= high:
        raise Invalid(_("That is no place on earth."))
    return value


def _of(booking):
    known = select(Position).where(Position.booking_id == booking.id)
    return db.session.scalar(known.execution_options(populate_existing=True))


def _forget(booking):
    """What is deleted: when and how far away they set off, if they did."""
    return db.session.execute(
        delete(Position)
        .where(Position.booking_id == booking.id)
        .returning(Position.set_off_at, Position.set_off_km)
        .execution_options(synchronize_session=False)
    ).one_or_none()


def _is_over(position):
    return clock.now() >= position.since + LONGEST


def _km(booking, lat, lon):
    return places.distance_km(lat, lon, booking.pin.lat, booking.pin.lon)


def _rounded(minutes, at):
    """Whole minutes up to ten, then fives; and the time of day in the same steps."""
    step = 1 if minutes < 10 else 5
    spoken = max(step * round(minutes / step), 1)
    seconds = round((at + timedelta(minutes=minutes)).timestamp() / (60 * step)) * 60 * step
    return spoken, datetime.fromtimestamp(seconds, at.tzinfo)


def _changed(booking):
    news.tell([booking.customer_id], f"position-{booking.id}")
