"""What a professional earned: the service amount of finished jobs less what was refunded of it, by the
date on which each began."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Select, and_, case, func, select
from sqlalchemy.orm import joinedload

from domain import clock
from extensions import db
from models import Booking, Status

# A job in dispute was done, but what it earns is not settled.
EARNING = (Status.COMPLETED, Status.CLOSED)
CHART_DAYS = 7
# Booking.earned for the database.
EARNED = case((Booking.subtotal > Booking.refunded, Booking.subtotal - Booking.refunded), else_=0)


@dataclass(frozen=True)
class Summary:
    """Amounts in minor units; `days` are the last seven dates, today last."""

    today: int
    week: int
    month: int
    days: tuple[tuple[date, int], ...]


@dataclass(frozen=True)
class Total:
    """What some dates earned, and what their customers still have to pay, in minor units."""

    jobs: int
    earned: int
    due: int


def summary(professional_id: int) -> Summary:
    """Today, this week (from Monday), this month and the last seven days, in one query."""
    today = clock.today()
    tomorrow = today + timedelta(1)
    days = [tomorrow - timedelta(n) for n in range(CHART_DAYS, 0, -1)]
    week, month = clock.week_start(today), today.replace(day=1)
    first = min(days[0], week, month)
    sums = db.session.execute(
        select(
            _sum(week, tomorrow),
            _sum(month, tomorrow),
            *(_sum(day, day + timedelta(1)) for day in days),
        ).where(*_earned_by(professional_id, first, today))
    ).one()
    by_day = [int(amount) for amount in sums[2:]]
    return Summary(by_day[-1], int(sums[0]), int(sums[1]), tuple(zip(days, by_day, strict=True)))


def total(professional_id: int, first: date, last: date) -> Total:
    """The sum of the finished jobs from one date to another, both included."""
    jobs, earned, due = db.session.execute(
        select(
            func.count(),
            func.coalesce(func.sum(EARNED), 0),
            func.coalesce(func.sum(Booking.total - Booking.paid), 0),
        ).where(*_earned_by(professional_id, first, last))
    ).one()
    return Total(jobs, int(earned), int(due))


def jobs(professional_id: int, first: date, last: date) -> Select:
    """The finished jobs of some dates, for a list."""
    return (
        select(Booking)
        .where(*_earned_by(professional_id, first, last))
        .options(joinedload(Booking.service), joinedload(Booking.customer))
    )


def _earned_by(professional_id, first, last):
    return (
        Booking.professional_id == professional_id,
        Booking.status.in_(EARNING),
        Booking.starts_at >= clock.start_of(first),
        Booking.starts_at < clock.start_of(last + timedelta(1)),
    )


def _sum(first, end):
    within = and_(Booking.starts_at >= clock.start_of(first), Booking.starts_at < clock.start_of(end))
    return func.coalesce(func.sum(case((within, EARNED), else_=0)), 0)
