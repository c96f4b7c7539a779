"""What a professional earned: the work of finished jobs less what was refunded of it and the site's
commission, and the late fees of those that were called off, by the date on which each began."""

from dataclasses import dataclass, fields
from datetime import date, timedelta

from sqlalchemy import Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import joinedload

from domain import clock
from domain.pricing import round_half_up
from extensions import db
from models import Booking, BookingLine, LineKind, Service, Status, WorkingHours

# A job in dispute was done, but what it earns is not settled.
EARNING = (Status.COMPLETED, Status.CLOSED)
CALLED_OFF = (Status.CANCELLED, Status.NO_SHOW)
CHART_DAYS = 7
WEEKS_IN_A_YEAR, MONTHS = 52, 12
# Booking.earned and domain.commissions.net for the database.
WORTH = case((Booking.subtotal > Booking.refunded, Booking.subtotal - Booking.refunded), else_=0)
COMMISSION = round_half_up(WORTH, Booking.commission)
# What is left of the price of a job that was called off is the late fee, if there is one.
HAS_FEE = exists().where(BookingLine.booking_id == Booking.id, BookingLine.kind == LineKind.LATE_FEE)
EARNED = case((Booking.status.in_(EARNING), WORTH - COMMISSION), (HAS_FEE, Booking.total), else_=0)


@dataclass(frozen=True)
class Summary:
    """Amounts in minor units; `days` are the last seven dates, today last."""

    today: int
    week: int
    month: int
    days: tuple[tuple[date, int], ...]


@dataclass(frozen=True)
class Total:
    """What some dates earned in minor units: the worth of the finished jobs, the commission on it, and late
    fees. `disputed` is what jobs in dispute would bring, and `due` what customers still have to pay."""

    jobs: int = 0
    worth: int = 0
    commission: int = 0
    fees: int = 0
    disputed: int = 0
    due: int = 0

    @property
    def earned(self) -> int:
        return self.worth - self.commission + self.fees

    def __add__(self, other: "Total") -> "Total":
        return Total(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Total)))


@dataclass(frozen=True)
class Reckoning:
    """What so many hours a week at a rate would bring: in a week and in a month, before and after commission."""

    week: int
    month: int
    week_net: int
    month_net: int


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
        ).where(*_begun(professional_id, first, today), Booking.status.in_((*EARNING, *CALLED_OFF)))
    ).one()
    by_day = [int(amount) for amount in sums[2:]]
    return Summary(by_day[-1], int(sums[0]), int(sums[1]), tuple(zip(days, by_day, strict=True)))


def by_service(professional_id: int, first: date, last: date) -> dict[str, Total]:
    """What each service brought from one date to another, both included, the best first; in one query.

    A visit for several services counts for its first.
    """
    earning, disputed = Booking.status.in_(EARNING), Booking.status == Status.DISPUTED
    rows = db.session.execute(
        select(
            Service.name,
            _sum_of(earning, 1),
            _sum_of(earning, WORTH),
            _sum_of(earning, COMMISSION),
            _sum_of(_is_called_off(), Booking.total),
            _sum_of(disputed, WORTH - COMMISSION),
            func.sum(Booking.total - Booking.paid),
        )
        .join(Service, Service.id == Booking.service_id)
        .where(*_begun(professional_id, first, last), or_(earning, disputed, and_(_is_called_off(), HAS_FEE)))
        .group_by(Service.id, Service.name)
    )
    found = [(name, Total(*map(int, sums))) for name, *sums in rows]
    return dict(sorted(found, key=lambda one: (-one[1].earned, one[0])))


def total(professional_id: int, first: date, last: date) -> Total:
    """The sum of some dates, both included."""
    return sum(by_service(professional_id, first, last).values(), Total())


def jobs(professional_id: int, first: date, last: date) -> Select:
    """The finished jobs of some dates, for a list."""
    return (
        select(Booking)
        .where(*_begun(professional_id, first, last), Booking.status.in_(EARNING))
        .options(joinedload(Booking.service), joinedload(Booking.customer))
    )


# -- The calculator ---------------------------------------------------------------------------


def weekly_minutes(professional_id: int) -> int:
    """How long a professional works in a week, by their working hours."""
    length = func.sum(WorkingHours.ends_minute - WorkingHours.starts_minute)
    return db.session.scalar(select(length).where(WorkingHours.professional_id == professional_id)) or 0


def reckon(rate: int, minutes: int, basis_points: int) -> Reckoning:
    """What an hourly rate brings at so many minutes a week; a month is a twelfth of 52 weeks."""
    week = (rate * minutes + 30) // 60
    month = (rate * minutes * WEEKS_IN_A_YEAR + 30 * MONTHS) // (60 * MONTHS)
    return Reckoning(
        week, month, week - round_half_up(week, basis_points), month - round_half_up(month, basis_points)
    )


# -- Small print ------------------------------------------------------------------------------


def _begun(professional_id, first, last):
    return (
        Booking.professional_id == professional_id,
        Booking.starts_at >= clock.start_of(first),
        Booking.starts_at < clock.start_of(last + timedelta(1)),
    )


def _is_called_off():
    return Booking.status.in_(CALLED_OFF)


def _sum(first, end):
    within = and_(Booking.starts_at >= clock.start_of(first), Booking.starts_at < clock.start_of(end))
    return func.coalesce(func.sum(case((within, EARNED), else_=0)), 0)


def _sum_of(condition, amount):
    return func.coalesce(func.sum(case((condition, amount), else_=0)), 0)
