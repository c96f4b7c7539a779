"""When a professional is free, and the claims that make a slot somebody's.

Time is counted in buckets: quarter-hours since 1970-01-01 00:00 UTC. A slot is free when all the
buckets of the work and of the buffer after it are unclaimed; the primary key of SlotClaim, not a
check made here, is what keeps two bookings apart.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flask_babel import gettext as _
from sqlalchemy import bindparam, delete, exists, insert, literal, select, union_all
from sqlalchemy.exc import IntegrityError

from domain import clock, travel
from domain.errors import Conflict, Invalid
from domain.travel import BUCKET_MINUTES
from extensions import Prepared, db, settings
from models import Booking, PinCode, Professional, SlotClaim, TimeOff, User, WorkingHours

BUCKET_SECONDS = BUCKET_MINUTES * 60
# Most professionals are free within three days: only the others cost a second look.
NEAR_DAYS = 3
FAR_DAYS = 14


@dataclass(frozen=True)
class Slot:
    starts_at: datetime
    taken: bool


@dataclass(frozen=True)
class Day:
    """A date and the starts that lie in the working hours, free or taken."""

    date: date
    slots: tuple[Slot, ...]

    @property
    def free(self) -> int:
        return sum(not slot.taken for slot in self.slots)


@dataclass
class _Calendar:
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


# Tables and not classes: a statement of classes goes the longer way through the ORM.
_hours, _off, _claims = WorkingHours.__table__.c, TimeOff.__table__.c, SlotClaim.__table__.c

_CLAIMS = select(_claims.professional_id, _claims.bucket, _claims.booking_id).where(
    _claims.professional_id.in_(bindparam("ids", expanding=True)),
    _claims.bucket >= bindparam("first"),
    _claims.bucket < bindparam("last"),
)
_HOURS_AND_CLAIMS = union_all(
    select(
        _hours.professional_id,
        _hours.weekday,
        _hours.starts_minute,
        _hours.ends_minute,
    ).where(_hours.professional_id.in_(bindparam("ids", expanding=True))),
    select(_claims.professional_id, literal(-1), _claims.bucket, _claims.booking_id).where(
        _claims.professional_id.in_(bindparam("ids", expanding=True)),
        _claims.bucket >= bindparam("first"),
        _claims.bucket < bindparam("last"),
    ),
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
)
# Whether a professional works then, and is away then: columns for a query of its own or another's.
OPENNESS = (
    exists()
    .where(
        _hours.professional_id == bindparam("professional"),
        _hours.weekday == bindparam("weekday"),
        _hours.starts_minute <= bindparam("first_minute"),
        _hours.ends_minute >= bindparam("last_minute"),
    )
    .label("works"),
    exists()
    .where(
        _off.professional_id == bindparam("professional"),
        _off.starts_at < bindparam("ends_at"),
        _off.ends_at > bindparam("starts_at"),
    )
    .label("away"),
)
_OPENNESS = select(*OPENNESS)
_claim = Prepared(insert(SlotClaim.__table__), "professional_id", "bucket", "booking_id")
_RELEASE = delete(SlotClaim.__table__).where(SlotClaim.booking_id == bindparam("booking"))


def free_slots(
    professional_id: int, duration_minutes: int, from_day: date, days: int, at=None, ignoring: Booking | None = None
) -> list[Day]:
    """The starts of one professional on each of `days` dates from `from_day`, in two queries.

    `at` is where the work is, if that is known (anything with lat and lon): then what can't be
    reached from the job before is taken, and so is that from where the next can't be.
    Claims of `ignoring` do not count: a booking that moves is not in its own way.
    """
    return shared_slots([professional_id], duration_minutes, from_day, days, at, ignoring)


def shared_slots(
    ids: list[int], duration_minutes: int, from_day: date, days: int, at=None, ignoring: Booking | None = None
) -> list[Day]:
    """The starts at which any of several professionals works, taken when none of them is free."""
    calendars = _calendars(ids, from_day, days, at=at, but=ignoring.id if ignoring else 0)
    return [_shared_day(calendars.values(), from_day + timedelta(n), duration_minutes) for n in range(days)]


def next_slots(durations: dict[int, int], at=None) -> dict[int, datetime | None]:
    """The next free start within 14 days of each professional, given {id: minutes of work}.

    Two queries when everybody is free within three days, and else a third for the later claims.
    """
    today, later = clock.today(), clock.today() + timedelta(NEAR_DAYS)
    window = _bookable()
    calendars = _calendars(durations, today, NEAR_DAYS, FAR_DAYS, at)
    found = {
        person: _first_of(calendars[person], today, NEAR_DAYS, minutes, *window)
        for person, minutes in durations.items()
    }
    busy = [person for person, start in found.items() if start is None]
    if busy:
        _add_claims(calendars, busy, later, FAR_DAYS - NEAR_DAYS, at)
    for person in busy:
        found[person] = _first_of(calendars[person], later, FAR_DAYS - NEAR_DAYS, durations[person], *window)
    return found


def free_between(durations: dict[int, int], opens: datetime, closes: datetime, at=None) -> dict[int, datetime]:
    """The first free start from `opens` up to, but not at, `closes` of those who have one."""
    first = clock.local(opens).date()
    days = (clock.local(closes).date() - first).days + 1
    found = _first_free(durations, first, days, opens.timestamp(), closes.timestamp() - 1, at)
    return {person: start for person, start in found.items() if start is not None}


def check_open(professional_id: int, starts_at: datetime, ends_at: datetime) -> None:
    """Raises Invalid when the time is outside the professional's hours, on time off or off the grid."""
    asked = openness_parameters(professional_id, starts_at, ends_at)
    refuse_closed(db.session.connection().execute(_OPENNESS, asked).one(), starts_at)


def openness_parameters(professional_id: int | None, starts_at: datetime, ends_at: datetime) -> dict:
    """The parameters of OPENNESS. Minutes are those of the wall clock, days that jump included."""
    starts = clock.local(starts_at)
    first = starts.hour * 60 + starts.minute
    return {
        "professional": professional_id,
        "weekday": starts.weekday(),
        "first_minute": first,
        "last_minute": first + (ends_at - starts_at) // timedelta(minutes=1),
        "starts_at": starts_at,
        "ends_at": ends_at,
    }


def refuse_closed(openness, starts_at: datetime) -> None:
    """Raises Invalid by a row that has the columns of OPENNESS."""
    starts = clock.local(starts_at)
    off_grid = starts.minute % settings.policy.slot_step_minutes or starts.second or starts.microsecond
    if off_grid or not openness.works:
        raise Invalid(_("The professional does not work at that time. Choose one of the free slots."), "starts_at")
    if openness.away:
        raise Invalid(_("The professional is away at that time. Choose another day."), "starts_at")


def check_bookable(starts_at: datetime) -> None:
    """Raises Invalid when a start is past, inside the lead time or beyond the horizon."""
    policy = settings.policy
    now = clock.now()
    if starts_at <= now:
        raise Invalid(_("That time has passed. Choose a later one."), "starts_at")
    if starts_at < now + timedelta(minutes=policy.lead_minutes):
        raise Invalid(
            _("That is too soon: choose a time at least %(minutes)s minutes from now.", minutes=policy.lead_minutes),
            "starts_at",
        )
    if starts_at > now + timedelta(days=policy.horizon_days):
        raise Invalid(
            _("That is too far ahead: choose a time within the next %(days)s days.", days=policy.horizon_days),
            "starts_at",
        )


def is_free(professional_id: int, booking_id: int, starts_at: datetime, duration_minutes: int) -> bool:
    """Whether nobody but the booking itself claims the buckets of a time."""
    buckets = claimed_buckets(starts_at, duration_minutes)
    taken = select(_claims.bucket).where(
        _claims.professional_id == professional_id,
        _claims.bucket >= buckets.start,
        _claims.bucket < buckets.stop,
        _claims.booking_id.is_distinct_from(booking_id),
    )
    return db.session.execute(taken.limit(1)).first() is None


def claim(professional_id: int, booking_id: int, starts_at: datetime, duration_minutes: int) -> None:
    """Take the buckets of the work and its buffer. Raises Conflict when one is somebody else's.

    After a Conflict the transaction can only be rolled back.
    """
    rows = [
        {"professional_id": professional_id, "bucket": bucket, "booking_id": booking_id}
        for bucket in claimed_buckets(starts_at, duration_minutes)
    ]
    try:
        _claim(db.session.connection(), rows)
    except IntegrityError as taken:
        raise Conflict(_("Somebody else has just taken that slot. Choose another one.")) from taken


def lock_day(professional_id: int) -> None:
    """Let nobody else plan a professional's ways meanwhile; on SQLite the write transaction sees to it."""
    db.session.execute(select(User.id).where(User.id == professional_id).with_for_update(key_share=True))


def check_way(
    connection, professional_id: int, at, starts_at: datetime, duration_minutes: int, except_for: int = 0
) -> None:
    """Raises Invalid when the professional can't get to a place in time, or to the next job from there."""
    wanted = claimed_buckets(starts_at, duration_minutes)
    if not travel.reaches(connection, professional_id, at, wanted, _buffer(), except_for):
        raise Invalid(_("The professional can't get there in time. Choose one of the free slots."), "starts_at")


def who_reaches(ids: list[int], at, starts_at: datetime, ends_at: datetime) -> set[int]:
    """Those of several professionals who get to a place in time, and to their next job."""
    wanted = claimed_buckets(starts_at, (ends_at - starts_at) // timedelta(minutes=1))
    return travel.reaching(db.session.connection(), ids, at, wanted, _buffer())


def release(booking_id: int) -> None:
    """Give back what a booking claimed."""
    db.session.execute(_RELEASE, {"booking": booking_id})


def claimed_buckets(starts_at: datetime, duration_minutes: int) -> range:
    """The buckets that a booking claims: ceil(minutes / 15), and the buffer after them."""
    first = bucket_of(starts_at)
    return range(first, first + _length(duration_minutes))


def bucket_of(moment: datetime) -> int:
    return int(moment.timestamp()) // BUCKET_SECONDS


def moment_of(bucket: int) -> datetime:
    return datetime.fromtimestamp(bucket * BUCKET_SECONDS, UTC)


def free_then(professional_id, starts_at: datetime, ends_at: datetime) -> tuple:
    """SQL conditions that the professional in a column is working, not away and not claimed."""
    starts = clock.local(starts_at)
    first = starts.hour * 60 + starts.minute
    minutes = (ends_at - starts_at) // timedelta(minutes=1)
    buckets = claimed_buckets(starts_at, minutes)
    return (
        exists().where(
            WorkingHours.professional_id == professional_id,
            WorkingHours.weekday == starts.weekday(),
            WorkingHours.starts_minute <= first,
            WorkingHours.ends_minute >= first + minutes,
        ),
        ~exists().where(
            TimeOff.professional_id == professional_id,
            TimeOff.starts_at < ends_at,
            TimeOff.ends_at > starts_at,
        ),
        ~exists().where(
            SlotClaim.professional_id == professional_id,
            SlotClaim.bucket >= buckets.start,
            SlotClaim.bucket < buckets.stop,
        ),
    )


def _length(duration_minutes):
    return -(-duration_minutes // BUCKET_MINUTES) + _buffer()


def _buffer():
    return -(-settings.policy.buffer_minutes // BUCKET_MINUTES)


def _bookable():
    now = clock.now().timestamp()
    policy = settings.policy
    return now + policy.lead_minutes * 60, now + policy.horizon_days * 86_400


def _calendars(ids, from_day, days, days_off=0, at=None, but=0):
    """The calendars of several professionals over a window, in two queries; time off and places may
    be known for longer than claims are. Claims of the booking `but` are left out."""
    calendars = {person: _Calendar({}, set(), [], {}, {}) for person in ids}
    opens, closes = clock.start_of(from_day), clock.start_of(from_day + timedelta(days_off or days))
    known = {"ids": list(ids), **_claims_between(from_day, days)}
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
            calendar.add_ways(at, _buffer())
    return calendars


def _add_claims(calendars, ids, from_day, days, at):
    """What is claimed on later days, for calendars that are known otherwise."""
    later = {"ids": ids, **_claims_between(from_day, days)}
    for person, bucket, booking_id in db.session.connection().execute(_CLAIMS, later):
        calendars[person].claim(bucket, booking_id)
    if at is not None:
        for person in ids:
            calendars[person].add_ways(at, _buffer())


def _claims_between(from_day, days):
    # A day more, because work and its buffer may end after midnight.
    opens, closes = clock.start_of(from_day), clock.start_of(from_day + timedelta(days))
    return {"first": bucket_of(opens), "last": bucket_of(closes) + 96}


def _first_free(durations, from_day, days, earliest, latest, at):
    opens, closes = _bookable()
    earliest, latest = max(opens, earliest), min(closes, latest)
    calendars = _calendars(durations, from_day, days, at=at)
    return {
        person: _first_of(calendars[person], from_day, days, minutes, earliest, latest)
        for person, minutes in durations.items()
    }


def _shared_day(calendars, day, duration_minutes):
    earliest, latest = _bookable()
    length = _length(duration_minutes)
    taken = {}
    for calendar in calendars:
        for bucket in _starts(calendar, day, duration_minutes):
            if earliest <= bucket * BUCKET_SECONDS <= latest and taken.get(bucket, True):
                taken[bucket] = not _unclaimed(calendar, bucket, length)
    return Day(day, tuple(Slot(moment_of(bucket), taken[bucket]) for bucket in sorted(taken)))


def _first_of(calendar, from_day, days, duration_minutes, earliest, latest):
    length = _length(duration_minutes)
    for n in range(days):
        for bucket in _starts(calendar, from_day + timedelta(n), duration_minutes):
            if earliest <= bucket * BUCKET_SECONDS <= latest and _unclaimed(calendar, bucket, length):
                return moment_of(bucket)
    return None


def _starts(calendar, day, duration_minutes):
    """The buckets of a date's starts in order: every half hour of the hours that leaves room for the
    work, without those on time off."""
    ranges = calendar.hours.get(day.weekday())
    if not ranges:
        return
    step = settings.policy.slot_step_minutes
    needed = -(-duration_minutes // BUCKET_MINUTES)
    midnight, steady = _midnight(day, settings.timezone)
    for opens, closes in sorted(ranges):
        for minute in range(-(-opens // step) * step, closes - duration_minutes + 1, step):
            bucket = midnight + minute // BUCKET_MINUTES if steady else _wall_bucket(day, minute)
            if bucket is not None and not any(bucket < end and start < bucket + needed for start, end in calendar.off):
                yield bucket


def _unclaimed(calendar, bucket, length):
    return calendar.claimed.isdisjoint(range(bucket, bucket + length))


@functools.lru_cache(maxsize=256)
def _midnight(day, _timezone):
    """The bucket at which a date begins, and whether its clock runs without a jump."""
    first, last = clock.start_of(day), clock.start_of(day + timedelta(1))
    return bucket_of(first), last - first == timedelta(days=1)


def _wall_bucket(day, minute):
    """The bucket of a time on the wall clock of a day with a jump; None when it is skipped."""
    wall = datetime.combine(day, time(minute // 60, minute % 60), settings.zone)
    moment = wall.astimezone(UTC)
    return bucket_of(moment) if clock.local(moment).replace(tzinfo=None) == wall.replace(tzinfo=None) else None
