"""How much was wanted, of what, where and when: counted once from the bookings into rows that forecasts read.

A visit counts at the hour of its day for which it was asked, whoever took it or nobody did: a request that
was declined or ran out was wanted too. What was called off was not, nor was work done again.
"""

from collections import defaultdict
from datetime import date, timedelta

from sqlalchemy import Date, delete, func, insert, literal, select, union_all

from domain import clock
from domain.reports import seconds_between
from extensions import db
from models import Booking, PinCode, Service, Status, UTCDateTime
from models_forecast import Demand

# The rows of all cities together.
EVERYWHERE = ""
# As long as forecasts look back.
KEPT_DAYS = 728
# In these a service was wanted in a city, or is not forecast there.
RECENT_DAYS = 91
LAST_HOUR = 23
HOUR = 3600

# {(district, service id): {day: number}}
Counts = dict[tuple[str, int], dict[date, int]]


def count(first: date, end: date) -> int:
    """Count the days from one to before another anew; answer how many visits there were."""
    within = Demand.day >= first, Demand.day < end
    db.session.execute(delete(Demand).where(*within).execution_options(synchronize_session=False))
    days = _spans(first, end)
    hour = func.coalesce(seconds_between(days.c.starts, Booking.starts_at) // HOUR, 0)
    # A day on which clocks are set back has an hour more.
    hour = func.min(hour, LAST_HOUR) if db.engine.dialect.name == "sqlite" else func.least(hour, LAST_HOUR)
    found = (
        select(PinCode.district, Booking.service_id, days.c.day, hour.label("hour"), func.count().label("number"))
        .select_from(days)
        .join(Booking, (Booking.starts_at >= days.c.starts) & (Booking.starts_at < days.c.ends))
        .join(PinCode, PinCode.pincode == Booking.pincode)
        .where(Booking.status != Status.CANCELLED, Booking.rework_of_id.is_(None))
        .group_by(PinCode.district, Booking.service_id, days.c.day, hour)
    )
    columns = ["district", "service_id", "day", "hour", "number"]
    db.session.execute(insert(Demand).from_select(columns, found))
    summed = (
        select(literal(EVERYWHERE), Demand.service_id, Demand.day, Demand.hour, func.sum(Demand.number))
        .where(*within)
        .group_by(Demand.service_id, Demand.day, Demand.hour)
    )
    db.session.execute(insert(Demand).from_select(columns, summed))
    everywhere = select(func.coalesce(func.sum(Demand.number), 0)).where(*within, Demand.district == EVERYWHERE)
    return db.session.scalar(everywhere)


def forget(before: date) -> int:
    """Delete what lies before a day."""
    old = delete(Demand).where(Demand.day < before).execution_options(synchronize_session=False)
    return db.session.execute(old).rowcount


def first_day() -> date | None:
    """The day of the first visit that is still counted."""
    return db.session.scalar(select(func.min(Demand.day)))


def first_visit() -> date | None:
    """The day of the first booking there is."""
    starts_at = db.session.scalar(select(func.min(Booking.starts_at)))
    return starts_at and clock.local(starts_at).date()


def pairs(today: date) -> dict[str, dict[int, int]]:
    """Where what was wanted lately: of each district its services, with how often."""
    found = defaultdict(dict)
    recent = Demand.day >= today - timedelta(days=RECENT_DAYS), Demand.day < today, Demand.district != EVERYWHERE
    of = Demand.district, Demand.service_id
    for district, service_id, number in db.session.execute(
        select(*of, func.sum(Demand.number)).where(*recent).group_by(*of).order_by(*of)
    ):
        found[district][service_id] = number
    return dict(found)


def counts(districts: list[str], first: date, end: date) -> Counts:
    """How much was wanted on each day between two."""
    of = Demand.district, Demand.service_id, Demand.day
    found = defaultdict(dict)
    for district, service_id, day, number in db.session.execute(
        select(*of, func.sum(Demand.number))
        .where(Demand.district.in_(districts), Demand.day >= first, Demand.day < end)
        .group_by(*of)
    ):
        found[district, service_id][day] = number
    return found


def on(day: date) -> dict[tuple[str, int], int]:
    """What came on a day."""
    of = Demand.district, Demand.service_id
    rows = db.session.execute(select(*of, func.sum(Demand.number)).where(Demand.day == day).group_by(*of))
    return {(district, service_id): number for district, service_id, number in rows}


def hours(districts: list[str], first: date, end: date) -> dict[tuple[str, int], list[int]]:
    """How much was wanted at each hour of working days, and then of days of the weekend."""
    of = Demand.district, Demand.service_id, Demand.day, Demand.hour
    found = defaultdict(lambda: [0] * 48)
    for district, service_id, day, hour, number in db.session.execute(
        select(*of, Demand.number).where(Demand.district.in_(districts), Demand.day >= first, Demand.day < end)
    ):
        found[district, service_id][hour + 24 * is_weekend(day)] += number
    return found


def is_weekend(day: date) -> bool:
    return day.weekday() >= 5


def categories() -> dict[int, int]:
    """The category of each service."""
    return dict(db.session.execute(select(Service.id, Service.category_id)).all())


def _spans(first, end):
    """The days as rows of a query."""
    return union_all(
        *(
            select(
                literal(day, Date).label("day"),
                literal(clock.start_of(day), UTCDateTime()).label("starts"),
                literal(clock.start_of(day + timedelta(days=1)), UTCDateTime()).label("ends"),
            )
            for day in (first + timedelta(days=n) for n in range((end - first).days))
        )
    ).cte("days")
