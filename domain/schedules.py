"""A professional's time: working hours, time off, the jobs planned in it, and which of them a change touches.

A change of hours or time off never breaks a booking already made: it only says which it touches.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from flask_babel import gettext as _
from sqlalchemy import Select, and_, delete, insert, or_, select
from sqlalchemy.orm import joinedload

from domain import clock, news, waits
from domain.errors import Invalid, NotAllowed, NotFound
from domain.transitions import BLOCKING
from extensions import db, settings
from models import (
    Booking,
    BookingEvent,
    BookingOffer,
    OfferStatus,
    Professional,
    Service,
    Status,
    TimeOff,
    User,
    WorkingHours,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MOST_RANGES = 3
MOST_TIME_OFF = 50
LONGEST_NOTE = 200
STEP_MINUTES = 15
# A job that nobody finished stays in sight for so long.
FORGOTTEN_DAYS = 30

OPEN = (Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS)
DONE = (Status.COMPLETED, Status.CLOSED, Status.DISPUTED)
# From here on the customer's door and telephone are the professional's business.
AGREED = frozenset({*OPEN, *DONE})
OVER = (*DONE, Status.REJECTED, Status.EXPIRED, Status.CANCELLED, Status.NO_SHOW)
DETAILS = (
    joinedload(Booking.service).joinedload(Service.category),
    joinedload(Booking.customer),
    joinedload(Booking.pin),
)

# {weekday: [(first minute, last minute), ...]}, Monday is 0 and minutes count from midnight.
Hours = dict[int, list[tuple[int, int]]]


@dataclass(frozen=True)
class Day:
    """One date of a calendar: when work begins and ends, what is off, and what is planned."""

    date: date
    hours: list[tuple[datetime, datetime]]
    time_off: list[TimeOff]
    bookings: list[Booking]


# -- What is planned --------------------------------------------------------------------------


def waiting(user: User) -> Select:
    """The requests that a professional can still answer, their own and those on offer to them."""
    offered = select(BookingOffer.booking_id).where(
        BookingOffer.professional_id == user.id, BookingOffer.status == OfferStatus.OPEN
    )
    return select(Booking).where(
        or_(Booking.professional_id == user.id, Booking.id.in_(offered)),
        Booking.status == Status.PENDING,
        Booking.respond_by > clock.now(),
    )


def jobs(professional_id: int, opens: datetime, closes: datetime | None = None) -> list[Booking]:
    """What is agreed from a moment on, and what is older and still not finished, in order of time."""
    wanted = select(Booking).where(
        Booking.professional_id == professional_id,
        Booking.starts_at >= opens - timedelta(days=FORGOTTEN_DAYS),
        or_(
            and_(Booking.starts_at >= opens, Booking.status.in_((*OPEN, *DONE))),
            Booking.status.in_(OPEN),
        ),
    )
    if closes is not None:
        wanted = wanted.where(Booking.starts_at < closes)
    return list(db.session.scalars(wanted.options(*DETAILS).order_by(Booking.starts_at, Booking.id)))


def calendar(professional: Professional, first: date, days: int) -> list[Day]:
    """Some dates with their hours, time off, jobs, and requests that still wait for an answer."""
    hours, time_off = hours_of(professional), time_off_of(professional.id)
    planned = _planned(professional.id, first, days)
    return [
        Day(
            day,
            [(_wall(day, starts), _wall(day, ends)) for starts, ends in hours.get(day.weekday(), ())],
            [off for off in time_off if off.starts_at < _wall(day, 1440) and _wall(day, 0) < off.ends_at],
            [booking for booking in planned if clock.local(booking.starts_at).date() == day],
        )
        for day in (first + timedelta(n) for n in range(days))
    ]


def _planned(professional_id, first, days):
    pending = and_(Booking.status == Status.PENDING, Booking.respond_by > clock.now())
    return list(
        db.session.scalars(
            select(Booking)
            .where(
                Booking.professional_id == professional_id,
                Booking.starts_at >= clock.start_of(first),
                Booking.starts_at < clock.start_of(first + timedelta(days)),
                or_(Booking.status.in_((*OPEN, *DONE)), pending),
            )
            .options(*DETAILS)
            .order_by(Booking.starts_at, Booking.id)
        )
    )


def history(professional_id: int, status: Status | None = None) -> Select:
    """The bookings of a professional that are over, of one shown status if asked."""
    overdue = and_(Booking.status == Status.PENDING, Booking.respond_by <= clock.now())
    if status is None:
        over = or_(Booking.status.in_(OVER), overdue)
    elif status is Status.EXPIRED:
        over = or_(Booking.status == status, overdue)
    else:
        over = Booking.status == status
    return select(Booking).where(Booking.professional_id == professional_id, over).options(*DETAILS)


def upcoming(professional_id: int) -> list[Booking]:
    """The bookings ahead that hold time of a professional, requests included."""
    now = clock.now()
    return list(
        db.session.scalars(
            select(Booking)
            .where(
                Booking.professional_id == professional_id,
                Booking.starts_at > now,
                Booking.status.in_(BLOCKING),
                or_(Booking.status != Status.PENDING, Booking.respond_by > now),
            )
            .options(*DETAILS)
            .order_by(Booking.starts_at, Booking.id)
        )
    )


def story(booking: Booking) -> list[BookingEvent]:
    """What happened since the professional was asked: what went before concerns others."""
    asked = [number for number, event in enumerate(booking.events) if event.verb == "cascade"]
    return booking.events[asked[-1] :] if asked else booking.events


# -- Working hours ----------------------------------------------------------------------------


def hours_of(professional: Professional) -> Hours:
    """The working hours as they are now."""
    hours = {}
    for one in professional.hours:
        hours.setdefault(one.weekday, []).append((one.starts_minute, one.ends_minute))
    return hours


def set_hours(professional: Professional, by: User, hours: Hours) -> None:
    """Work in exactly these ranges. Raises Invalid naming the weekday at fault."""
    _must_be(professional, by)
    rows = [
        {"professional_id": professional.id, "weekday": weekday, "starts_minute": starts, "ends_minute": ends}
        for weekday, ranges in _checked(hours).items()
        for starts, ends in ranges
    ]
    _lock(professional)
    db.session.execute(delete(WorkingHours).where(WorkingHours.professional_id == professional.id))
    if rows:
        db.session.execute(insert(WorkingHours), rows)
    db.session.expire(professional, ["hours"])
    news.of_slots(professional.id)
    waits.opened(professional.id)


def touched_by_hours(professional: Professional, hours: Hours) -> list[Booking]:
    """The bookings ahead that lie in the hours now and would not in these. Raises Invalid like set_hours."""
    before, after = hours_of(professional), _checked(hours)
    ahead = upcoming(professional.id)
    return [booking for booking in ahead if _fits(booking, before) and not _fits(booking, after)]


def outside(professional: Professional, ahead: list[Booking], time_off: list[TimeOff]) -> list[Booking]:
    """Which of the bookings ahead lie outside the hours or on time off; they stand all the same."""
    hours = hours_of(professional)
    return [
        booking
        for booking in ahead
        if not _fits(booking, hours) or any(_overlaps(booking, off.starts_at, off.ends_at) for off in time_off)
    ]


# -- Time off ---------------------------------------------------------------------------------


def time_off_of(professional_id: int) -> list[TimeOff]:
    """The time off that is not over yet, with the busy times of calendars elsewhere."""
    return list(
        db.session.scalars(
            select(TimeOff)
            .where(TimeOff.professional_id == professional_id, TimeOff.ends_at > clock.now())
            .order_by(TimeOff.starts_at, TimeOff.id)
        )
    )


def own(time_off: list[TimeOff]) -> list[TimeOff]:
    """What the professional took, and no calendar elsewhere says."""
    return [off for off in time_off if off.calendar_id is None]


def whole_days(off: TimeOff) -> tuple[date, date] | None:
    """The first and the last date of time off that is made of whole days."""
    first, end = clock.local(off.starts_at), clock.local(off.ends_at)
    whole = first.time() == end.time() == time()
    return (first.date(), end.date() - timedelta(1)) if whole else None


def add_time_off(
    professional: Professional, by: User, starts_at: datetime, ends_at: datetime, note: str = ""
) -> TimeOff:
    """Be away: no new booking can be made then."""
    _must_be(professional, by)
    note = note.strip()
    if starts_at >= ends_at:
        raise Invalid(_("The end must be later than the beginning."), "last_day")
    if ends_at <= clock.now():
        raise Invalid(_("That is over already. Choose a time ahead."), "last_day")
    if len(note) > LONGEST_NOTE:
        raise Invalid(_("Keep the note under %(most)s characters.", most=LONGEST_NOTE), "note")
    _lock(professional)
    known = own(time_off_of(professional.id))
    if any(off.starts_at <= starts_at and ends_at <= off.ends_at for off in known):
        raise Invalid(_("You are already away for all of that time."), "first_day")
    if len(known) >= MOST_TIME_OFF:
        raise Invalid(_("You have %(most)s times off planned. Remove one first.", most=MOST_TIME_OFF))
    off = TimeOff(professional_id=professional.id, starts_at=starts_at, ends_at=ends_at, note=note)
    db.session.add(off)
    db.session.flush()
    news.of_slots(professional.id)
    return off


def remove_time_off(professional: Professional, by: User, time_off_id: int) -> None:
    """Work then after all."""
    _must_be(professional, by)
    removed = db.session.execute(
        delete(TimeOff).where(
            TimeOff.id == time_off_id, TimeOff.professional_id == professional.id, TimeOff.calendar_id.is_(None)
        )
    )
    if not removed.rowcount:
        raise NotFound(_("There is no such time off. You may have removed it already."))
    news.of_slots(professional.id)
    waits.opened(professional.id)


def touched_by_time_off(professional: Professional, starts_at: datetime, ends_at: datetime) -> list[Booking]:
    """The bookings ahead that lie, in part or whole, in this time."""
    return [booking for booking in upcoming(professional.id) if _overlaps(booking, starts_at, ends_at)]


# -- Small print ------------------------------------------------------------------------------


def _checked(hours):
    """The ranges in order, with those that touch made one. Raises Invalid naming the weekday."""
    return {weekday: _joined(weekday, sorted(ranges)) for weekday, ranges in hours.items() if ranges}


def _joined(weekday, ranges):
    if weekday not in range(7):
        raise Invalid(_("There are seven weekdays."))
    field = WEEKDAYS[weekday]
    if len(ranges) > MOST_RANGES:
        raise Invalid(_("Use at most %(most)s ranges a day.", most=MOST_RANGES), field)
    joined = []
    for starts, ends in ranges:
        if not 0 <= starts < ends <= 1440:
            raise Invalid(_("The end must be later than the beginning. For midnight, end at 12:00 am."), field)
        if starts % STEP_MINUTES or ends % STEP_MINUTES:
            raise Invalid(_("Use full quarter-hours, such as 9:00, 9:15 or 9:30."), field)
        if joined and starts < joined[-1][1]:
            raise Invalid(_("Two of these ranges overlap. Make them one, or leave a gap."), field)
        if joined and starts == joined[-1][1]:
            joined[-1] = (joined[-1][0], ends)
        else:
            joined.append((starts, ends))
    return joined


def _wall(day, minute):
    """A time on the clock of the site, as a moment."""
    if minute == 1440:
        return clock.start_of(day + timedelta(1))
    return datetime.combine(day, time(minute // 60, minute % 60), settings.zone).astimezone(UTC)


def _fits(booking, hours):
    starts = clock.local(booking.starts_at)
    first = starts.hour * 60 + starts.minute
    last = first + (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    return any(opens <= first and last <= closes for opens, closes in hours.get(starts.weekday(), ()))


def _overlaps(booking, starts_at, ends_at):
    return booking.starts_at < ends_at and starts_at < booking.ends_at


def _lock(professional):
    """Two changes at once of one schedule come one after the other (SQLite has one writer anyway)."""
    db.session.execute(select(Professional.id).where(Professional.id == professional.id).with_for_update())


def _must_be(professional, by):
    if professional.id != by.id:
        raise NotAllowed(_("You can only change your own schedule."))
