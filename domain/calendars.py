"""What several professionals' days look like: hours, time off, claims, and the ways between jobs.

Time is counted in buckets: quarter-hours since 1970-01-01 00:00 UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, exists, func, literal, or_, select, union_all

from domain import clock, travel
from domain.travel import BUCKET_MINUTES
from extensions import db, settings
from models import Address, Booking, PinCode, Professional, SlotClaim, TimeOff, Wait, WaitStatus, WorkingHours

BUCKET_SECONDS = BUCKET_MINUTES * 60

# Tables and not classes: a statement of classes goes the longer way through the ORM.
_hours, _off, _claims = WorkingHours.__table__.c, TimeOff.__table__.c, SlotClaim.__table__.c
_waits = Wait.__table__.c
# Who holds a claim: the booking's id, or minus the id of a wait. A hold that has run out is none.
_HOLDER = func.coalesce(_claims.booking_id, -_claims.wait_id)


def stands(now) -> ColumnElement[bool]:
    """The condition that a claim is a booking's, or a hold that has not run out at a moment."""
    return or_(_claims.wait_id.is_(None), exists().where(_waits.id == _claims.wait_id, _waits.held_until > now))


_CLAIMED = (
    _claims.professional_id.in_(bindparam("ids", expanding=True)),
    _claims.bucket >= bindparam("first"),
    _claims.bucket < bindparam("last"),
    stands(bindparam("now")),
)
_CLAIMS = select(_claims.professional_id, _claims.bucket, _HOLDER).where(*_CLAIMED)
_HOURS_AND_CLAIMS = union_all(
    select(
        _hours.professional_id,
        _hours.weekday,
        _hours.starts_minute,
        _hours.ends_minute,
    ).where(_hours.professional_id.in_(bindparam("ids", expanding=True))),
    select(_claims.professional_id, literal(-1), _claims.bucket, _HOLDER).where(*_CLAIMED),
)
_TIME_OFF = select(_off.professional_id, _off.starts_at, _off.ends_at).where(
    _off.professional_id.in_(bindparam("ids", expanding=True)),
    _off.ends_at > bindparam("from_moment"),
    _off.starts_at < bindparam("to_moment"),
)
# Where the bookings are, too; those without claims are left aside by whoever reads it.
_HOURS_CLAIMS_AND_PLACES = union_all(
    *(branch.add_columns(literal(0.0), literal(0.0)) for branch in _HOURS_AND_CLAIMS.selects),
    select(Booking.professional_id, literal(-2), Booking.id, Professional.speed_kmh, PinCode.lat, PinCode.lon)
    .join(PinCode, PinCode.pincode == Booking.pincode)
    .join(Professional, Professional.id == Booking.professional_id)
    .where(
        Booking.professional_id.in_(bindparam("ids", expanding=True)),
        # Jobs that begin the day before may last until after midnight.
        Booking.starts_at > bindparam("opens"),
        Booking.starts_at < bindparam("closes"),
    ),
    select(Wait.professional_id, literal(-2), -Wait.id, Professional.speed_kmh, PinCode.lat, PinCode.lon)
    .join(Address, Address.id == Wait.address_id)
    .join(PinCode, PinCode.pincode == Address.pincode)
    .join(Professional, Professional.id == Wait.professional_id)
    .where(Wait.professional_id.in_(bindparam("ids", expanding=True)), Wait.status == WaitStatus.HELD),
)


@dataclass
class Calendar:
    """What one professional's days look like: hours by weekday, claims, and time off, in buckets."""

    hours: dict[int, list[tuple[int, int]]]
    claimed: set[int]
    off: list[tuple[int, int]]
    # Of each booking: the first and the last bucket; where it is and how fast one gets there.
    spans: dict[int, list[int]]
    places: dict[int, tuple[travel.Point, int]]

    def claim(self, bucket: int, booking_id: int | None) -> None:
        self.claimed.add(bucket)
        span = self.spans.setdefault(booking_id, [bucket, bucket])
        span[0], span[1] = min(span[0], bucket), max(span[1], bucket)

    def add_ways(self, at, buffer: int) -> None:
        """Claim the ways between a place and the jobs too, for as long as somebody looks."""
        for booking_id, (point, speed) in self.places.items():
            span = self.spans.get(booking_id)
            if span is not None:
                way = travel.buckets(at, point, speed)
                self.claimed.update(travel.stretched(span[0], span[1] + 1, way, buffer))


def read(ids, from_day: date, days: int, days_off: int = 0, at=None, but: int = 0) -> dict[int, Calendar]:
    """The calendars of several professionals over a window, in two queries; time off and places may
    be known for longer than claims are. Claims of the booking `but` are left out."""
    calendars = {person: Calendar({}, set(), [], {}, {}) for person in ids}
    opens, closes = clock.start_of(from_day), clock.start_of(from_day + timedelta(days_off or days))
    known = {"ids": list(ids), "now": clock.now(), **_claims_between(from_day, days)}
    connection = db.session.connection()
    if at is None:
        rows = connection.execute(_HOURS_AND_CLAIMS, known)
    else:
        day = timedelta(days=1)
        rows = connection.execute(_HOURS_CLAIMS_AND_PLACES, {**known, "opens": opens - day, "closes": closes + day})
    for person, weekday, start, end, *point in rows:
        calendar = calendars[person]
        if weekday >= 0:
            calendar.hours.setdefault(weekday, []).append((start, end))
        elif weekday == -2:
            calendar.places[start] = travel.Point(*point), end
        elif end != but:
            calendar.claim(start, end)
    away = {"ids": list(ids), "from_moment": opens, "to_moment": closes}
    for person, starts_at, ends_at in connection.execute(_TIME_OFF, away):
        calendars[person].off.append((bucket_of(starts_at), -(-int(ends_at.timestamp()) // BUCKET_SECONDS)))
    if at is not None:
        for calendar in calendars.values():
            calendar.add_ways(at, buffer())
    return calendars


def add_claims(calendars: dict[int, Calendar], ids, from_day: date, days: int, at) -> None:
    """What is claimed on later days, for calendars that are known otherwise."""
    later = {"ids": ids, "now": clock.now(), **_claims_between(from_day, days)}
    for person, bucket, booking_id in db.session.connection().execute(_CLAIMS, later):
        calendars[person].claim(bucket, booking_id)
    if at is not None:
        for person in ids:
            calendars[person].add_ways(at, buffer())


def bucket_of(moment: datetime) -> int:
    return int(moment.timestamp()) // BUCKET_SECONDS


def moment_of(bucket: int) -> datetime:
    return datetime.fromtimestamp(bucket * BUCKET_SECONDS, UTC)


def buffer() -> int:
    """The buckets that stay free after each job."""
    return -(-settings.policy.buffer_minutes // BUCKET_MINUTES)


def _claims_between(from_day, days):
    # A day more, because work and its buffer may end after midnight.
    opens, closes = clock.start_of(from_day), clock.start_of(from_day + timedelta(days))
    return {"first": bucket_of(opens), "last": bucket_of(closes) + 96}
