"""When a professional is free, and the claims that make a slot somebody's.

Time is counted in buckets: quarter-hours since 1970-01-01 00:00 UTC. A slot is free when all the
buckets of the work and of the buffer after it are unclaimed; the primary key of SlotClaim, not a
check made here, is what keeps two bookings apart.
"""

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flask_babel import gettext as _
from sqlalchemy import bindparam, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError

from domain import calendars, clock, news, travel
from domain.calendars import BUCKET_SECONDS
from domain.calendars import bucket_of as bucket_of
from domain.calendars import moment_of as moment_of
from domain.errors import Conflict, Invalid
from domain.travel import BUCKET_MINUTES
from extensions import Prepared, db, settings
from models import SlotClaim, TimeOff, User, Wait, WorkingHours

# Most professionals are free within three days: only the others cost a second look.
NEAR_DAYS = 3
FAR_DAYS = 14
# 25 hours, when clocks are set back.
BUCKETS_OF_A_LONG_DAY = 100


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


# Tables and not classes: a statement of classes goes the longer way through the ORM.
_hours, _off, _claims = WorkingHours.__table__.c, TimeOff.__table__.c, SlotClaim.__table__.c
_waits = Wait.__table__.c

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
_claim = Prepared(insert(SlotClaim.__table__), "professional_id", "bucket", "booking_id", "wait_id")
# The holds of a professional that have run out, in somebody's way until a job ends them.
_DROP_OVERDUE = delete(SlotClaim.__table__).where(
    _claims.professional_id == bindparam("professional"),
    _claims.wait_id.in_(
        select(_waits.id).where(
            _waits.professional_id == bindparam("professional"), _waits.held_until <= bindparam("now")
        )
    ),
)
_RELEASE = delete(SlotClaim.__table__).where(SlotClaim.booking_id == bindparam("booking"))


def free_slots(
    professional_id: int,
    duration_minutes: int,
    from_day: date,
    days: int,
    at=None,
    ignoring: int = 0,
    horizon_days: int | None = None,
) -> list[Day]:
    """The starts of one professional on each of `days` dates from `from_day`, in two queries.

    `at` is where the work is, if that is known (anything with lat and lon): then what can't be
    reached from the job before is taken, and so is that from where the next can't be.
    Claims of the booking `ignoring` do not count, because one that moves is not in its own way; nor,
    for minus its id, do those of a wait, whose slot is held for whoever looks. `horizon_days` is how
    far ahead starts may be, where that is not the policy's.
    """
    return shared_slots([professional_id], duration_minutes, from_day, days, at, ignoring, horizon_days)


def shared_slots(
    ids: list[int],
    duration_minutes: int,
    from_day: date,
    days: int,
    at=None,
    ignoring: int = 0,
    horizon_days: int | None = None,
) -> list[Day]:
    """The starts at which any of several professionals works, taken when none of them is free."""
    theirs = calendars.read(ids, from_day, days, at=at, but=ignoring).values()
    window = _bookable(horizon_days)
    return [_shared_day(theirs, from_day + timedelta(n), duration_minutes, *window) for n in range(days)]


def free_among(professional_id: int, starts: list[datetime], duration_minutes: int, at) -> set[datetime]:
    """Those of some starts, in order, at which a professional is free, in two queries; however far
    ahead they are."""
    first, last = clock.local(starts[0]).date(), clock.local(starts[-1]).date()
    [theirs] = calendars.read([professional_id], first, (last - first).days + 1, at=at).values()
    length = _length(duration_minutes)
    return {
        start
        for start in starts
        if bucket_of(start) in _starts(theirs, clock.local(start).date(), duration_minutes)
        and _unclaimed(theirs, bucket_of(start), length)
    }


def next_slots(durations: dict[int, int], at=None) -> dict[int, datetime | None]:
    """The next free start within 14 days of each professional, given {id: minutes of work}.

    Two queries when everybody is free within three days, and else a third for the later claims.
    """
    today, later = clock.today(), clock.today() + timedelta(NEAR_DAYS)
    window = _bookable()
    theirs = calendars.read(durations, today, NEAR_DAYS, FAR_DAYS, at)
    found = {
        person: _first_of(theirs[person], today, NEAR_DAYS, minutes, *window)
        for person, minutes in durations.items()
    }
    busy = [person for person, start in found.items() if start is None]
    if busy:
        calendars.add_claims(theirs, busy, later, FAR_DAYS - NEAR_DAYS, at)
    for person in busy:
        found[person] = _first_of(theirs[person], later, FAR_DAYS - NEAR_DAYS, durations[person], *window)
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


def check_bookable(starts_at: datetime, horizon_days: int | None = None) -> None:
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
    horizon_days = horizon_days or policy.horizon_days
    if starts_at > now + timedelta(days=horizon_days):
        raise Invalid(
            _("That is too far ahead: choose a time within the next %(days)s days.", days=horizon_days),
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
        calendars.stands(clock.now()),
    )
    return db.session.execute(taken.limit(1)).first() is None


def claim(
    professional_id: int, booking_id: int, starts_at: datetime, duration_minutes: int, *, swept: bool = False
) -> None:
    """Take the buckets of the work and its buffer. Raises Conflict when one is somebody else's.

    After a Conflict the transaction can only be rolled back. `swept` says that the holds which have
    run out are gone already.
    """
    if not swept:
        drop_overdue_holds(professional_id)
    _take(professional_id, starts_at, duration_minutes, booking_id=booking_id, wait_id=None)


def hold(professional_id: int, wait_id: int, starts_at: datetime, duration_minutes: int) -> None:
    """Take a slot for somebody who waits, as claim() takes it for a booking."""
    drop_overdue_holds(professional_id)
    _take(professional_id, starts_at, duration_minutes, booking_id=None, wait_id=wait_id)


def drop_overdue_holds(professional_id: int) -> None:
    """Let the slots go that were held for somebody who did not come in time."""
    db.session.execute(_DROP_OVERDUE, {"professional": professional_id, "now": clock.now()})


def _take(professional_id, starts_at, duration_minutes, **holder):
    buckets = claimed_buckets(starts_at, duration_minutes)
    rows = [{"professional_id": professional_id, "bucket": bucket, **holder} for bucket in buckets]
    try:
        _claim(db.session.connection(), rows)
        news.of_slots(professional_id)
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
    if not travel.reaches(connection, professional_id, at, wanted, calendars.buffer(), except_for):
        raise Invalid(_("The professional can't get there in time. Choose one of the free slots."), "starts_at")


def who_reaches(ids: list[int], at, starts_at: datetime, ends_at: datetime) -> set[int]:
    """Those of several professionals who get to a place in time, and to their next job."""
    wanted = claimed_buckets(starts_at, (ends_at - starts_at) // timedelta(minutes=1))
    return travel.reaching(db.session.connection(), ids, at, wanted, calendars.buffer())


def release(booking_id: int) -> None:
    """Give back what a booking claimed."""
    db.session.execute(_RELEASE, {"booking": booking_id})


def claimed_buckets(starts_at: datetime, duration_minutes: int) -> range:
    """The buckets that a booking claims: ceil(minutes / 15), and the buffer after them."""
    first = bucket_of(starts_at)
    return range(first, first + _length(duration_minutes))


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
            calendars.stands(clock.now()),
        ),
    )


def _length(duration_minutes):
    return -(-duration_minutes // BUCKET_MINUTES) + calendars.buffer()


def _bookable(horizon_days=None):
    now = clock.now().timestamp()
    policy = settings.policy
    return now + policy.lead_minutes * 60, now + (horizon_days or policy.horizon_days) * 86_400


def _first_free(durations, from_day, days, earliest, latest, at):
    opens, closes = _bookable()
    earliest, latest = max(opens, earliest), min(closes, latest)
    theirs = calendars.read(durations, from_day, days, at=at)
    return {
        person: _first_of(theirs[person], from_day, days, minutes, earliest, latest)
        for person, minutes in durations.items()
    }


def _shared_day(theirs, day, duration_minutes, earliest, latest):
    length = _length(duration_minutes)
    taken = {}
    for calendar in theirs:
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
    # Of a busy calendar elsewhere there can be a thousand.
    off = [(start, end) for start, end in calendar.off if midnight < end and start < midnight + BUCKETS_OF_A_LONG_DAY]
    for opens, closes in sorted(ranges):
        for minute in range(-(-opens // step) * step, closes - duration_minutes + 1, step):
            bucket = midnight + minute // BUCKET_MINUTES if steady else _wall_bucket(day, minute)
            if bucket is not None and not any(bucket < end and start < bucket + needed for start, end in off):
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
