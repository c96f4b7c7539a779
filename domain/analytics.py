"""What an admin reads about cancellations, returning customers, services, professionals and places, each for a
range of days beside the range before it (see domain.reports).

Each is one statement, or two, that group in the database; what they count of bookings is in one index.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from sqlalchemy import and_, case, func, select, text

from domain import clock, reports
from domain.reports import Period
from extensions import db
from models import Booking, BookingEvent, PinCode, Role, Service, Status, User

TOP = 20
# So many places are drawn and listed; the file has them all.
MOST_DRAWN = 1500
COHORT_MONTHS = 12
BY = (Role.CUSTOMER, Role.PROFESSIONAL, Role.ADMIN)
# As a literal: a bound value might be another verb, for which the index has nothing.
_CANCELLED = text("booking_events.verb = 'cancel'")


class Beside(NamedTuple):
    """A number of a range and that of the range before it."""

    now: int = 0
    before: int = 0


# -- Cancellations ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Cancellations:
    """How often bookings were called off in a range: by bar and who, and by who and cause. A cause that was not
    said is None."""

    bars: list[tuple[date, list[int]]]
    causes: list[tuple[Role, str | None, Beside]]

    def by(self, *roles: Role) -> Beside:
        rows = [numbers for role, _cause, numbers in self.causes if role in roles]
        return Beside(sum(one.now for one in rows), sum(one.before for one in rows))

    @property
    def total(self) -> Beside:
        return self.by(*BY)


def cancellations(asked: Period) -> Cancellations:
    """On the day on which they were called off. What one professional gave back and another took over counts."""
    bars = asked.bars()
    days = reports.spans([asked.before.first, *bars], asked.ends)
    rows = db.session.execute(
        select(days.c.bar, User.role, BookingEvent.cause, func.count())
        .join_from(days, BookingEvent, and_(BookingEvent.at >= days.c.starts, BookingEvent.at < days.c.ends))
        .join(User, User.id == BookingEvent.actor_id)
        .where(_CANCELLED)
        .group_by(days.c.bar, User.role, BookingEvent.cause)
    ).all()
    columns = [[0] * len(BY) for _bar in bars]
    now, before = Counter(), Counter()
    for bar, role, cause, number in rows:
        (now if bar else before)[role, cause] += number
        if bar:
            columns[bar - 1][BY.index(role)] += number
    found = [(role, cause, Beside(now[role, cause], before[role, cause])) for role, cause in now.keys() | before.keys()]
    found.sort(key=lambda row: (BY.index(row[0]), -row[2].now, -row[2].before, row[1] or ""))
    return Cancellations(list(zip(bars, columns, strict=True)), found)


# -- Customers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Returning:
    """How many customers booked in a range, and how many of them had booked before it."""

    customers: Beside
    returning: Beside

    @property
    def share(self) -> float | None:
        return self.returning.now / self.customers.now if self.customers.now else None

    @property
    def share_before(self) -> float | None:
        return self.returning.before / self.customers.before if self.customers.before else None


def returning(asked: Period) -> Returning:
    days = asked.both()
    active = _active(days).subquery()
    came_before = _came_before(active, active.c.starts)
    found = dict.fromkeys((0, 1), (0, 0))
    for bar, number, again in db.session.execute(
        select(active.c.bar, func.count(), func.sum(case((came_before, 1), else_=0))).group_by(active.c.bar)
    ):
        found[bar] = number, int(again)
    return Returning(Beside(found[1][0], found[0][0]), Beside(found[1][1], found[0][1]))


@dataclass(frozen=True)
class Cohort:
    """The customers who booked for the first time in a month, and how many of them booked again so many months
    after it. None are the months that are still to come."""

    month: date
    customers: int
    again: list[int | None]

    def share(self, after: int) -> float | None:
        number = self.again[after - 1]
        return None if number is None or not self.customers else number / self.customers


def cohorts(asked: Period) -> list[Cohort]:
    """Of the twelve months up to the one in which a range ends."""
    last = asked.last.replace(day=1)
    months = [reports.month_before(last, back) for back in reversed(range(COHORT_MONTHS))]
    spans = reports.spans(months, clock.start_of(reports.month_before(last, -1)))
    active = _active(spans).cte("active")
    came_before = _came_before(active, clock.start_of(months[0]))
    first = (
        select(active.c.customer_id, func.min(active.c.bar).label("bar"))
        .group_by(active.c.customer_id)
        .having(~came_before)
        .cte("first")
    )
    rows = db.session.execute(
        select(first.c.bar, active.c.bar - first.c.bar, func.count())
        .join_from(first, active, active.c.customer_id == first.c.customer_id)
        .group_by(first.c.bar, active.c.bar - first.c.bar)
    )
    found = {(month, after): number for month, after, number in rows}
    return [
        Cohort(
            month,
            found.get((place, 0), 0),
            [found.get((place, n), 0) if place + n < COHORT_MONTHS else None for n in range(1, COHORT_MONTHS)],
        )
        for place, month in enumerate(months)
    ]


def _came_before(active, moment):
    """Whether somebody had booked before; of their bookings only what is in the index is read."""
    theirs = select(Booking.customer_id).where(Booking.customer_id == active.c.customer_id)
    return theirs.where(Booking.created_at < moment).correlate(active).exists()


def _active(days):
    """Who booked in which of the spans, once each."""
    return (
        select(Booking.customer_id, days.c.bar, days.c.starts)
        .join_from(days, Booking, _within(days))
        .group_by(days.c.bar, Booking.customer_id, days.c.starts)
    )


# -- What was booked most, by whom it was done, and where -------------------------------------


class Booked(NamedTuple):
    """A service, a professional or a place: how often it was asked for, and how much of that was done."""

    id: int | str
    name: str
    requests: Beside
    done: Beside


def top_services(asked: Period, most: int | None = TOP) -> list[Booked]:
    """The services that were requested most."""
    return _named(_counted(asked, Booking.service_id, most), Service.id, Service.name)


def top_professionals(asked: Period, most: int | None = TOP) -> list[Booked]:
    """Who did most of what was requested."""
    return _named(_counted(asked, Booking.professional_id, most, by="done"), User.id, User.name)


class Spot(NamedTuple):
    """A PIN code with its place and point, and what was asked for there."""

    pincode: str
    place: str
    district: str
    lat: float
    lon: float
    requests: Beside
    done: Beside


def spots(asked: Period, most: int | None = MOST_DRAWN) -> list[Spot]:
    """Where most was asked for."""
    rows = _counted(asked, Booking.pincode, most).subquery()
    pin = (PinCode.pincode, PinCode.place, PinCode.district, PinCode.lat, PinCode.lon)
    found = select(*pin, rows).join_from(rows, PinCode, PinCode.pincode == rows.c.id).order_by(rows.c.rank)
    rows = db.session.execute(found)
    return [Spot(*row[:5], Beside(row.requests, row.before), Beside(row.done, row.done_before)) for row in rows]


_NUMBERS = ("requests", "before", "done", "done_before")


def _counted(asked, column, most, by="requests"):
    """(id, rank, requests, before, done, done_before), those with most in the range first."""
    days = asked.both()
    done = Booking.status.in_((Status.COMPLETED, Status.CLOSED, Status.DISPUTED))
    now, before = days.c.bar == 1, days.c.bar == 0
    numbers = dict(zip(_NUMBERS, map(_sum, (now, before, and_(now, done), and_(before, done))), strict=True))
    others = [numbers[name].desc() for name in _NUMBERS if name != by]
    order = (numbers[by].desc(), *others, column)
    return (
        select(column.label("id"), func.row_number().over(order_by=order).label("rank"), *_labelled(numbers))
        .join_from(days, Booking, _within(days))
        .where(column.is_not(None))
        .group_by(column)
        .order_by(*order)
        .limit(most)
    )


def _labelled(numbers):
    return [number.label(name) for name, number in numbers.items()]


def _named(counted, key, name):
    rows = counted.subquery()
    found = select(name, rows).join_from(rows, key.class_, key == rows.c.id).order_by(rows.c.rank)
    return [
        Booked(row.id, row.name, Beside(row.requests, row.before), Beside(row.done, row.done_before))
        for row in db.session.execute(found)
    ]


def _sum(condition):
    return func.sum(case((condition, 1), else_=0))


def _within(days):
    return and_(Booking.created_at >= days.c.starts, Booking.created_at < days.c.ends)
