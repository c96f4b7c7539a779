"""What a month was: a customer's report and a professional's statement, and to whom they are mailed.

A customer's month counts what was asked, closed and called off in it. A professional's counts the
jobs that began in it, as the earnings do.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import joinedload

from domain import clock, earnings, outbox
from domain.errors import NotFound
from domain.job_runs import Step
from extensions import db, settings
from models import Booking, BookingEvent, BookingLine, LineKind, Professional, Review, Service, Status, User

BATCH = 500
CHART_MONTHS = 6
LISTED_MONTHS = 24
MOST_TO_REVIEW = 10
# How a booking ends without work, for which a customer may owe a fee.
CALLED_OFF = (Status.CANCELLED, Status.NO_SHOW)
_CALLS_OFF = ("cancel", "no_show")
# Nobody looks for a month before this in a database of bookings.
FIRST_YEAR = 2000
# What the site paid of a bill, which is neither fee nor tax.
_DISCOUNT = (
    select(func.coalesce(-func.sum(BookingLine.amount), 0))
    .where(BookingLine.booking_id == Booking.id, BookingLine.kind == LineKind.DISCOUNT)
    .scalar_subquery()
    .label("discount")
)


@dataclass(frozen=True)
class Count:
    """What a customer did in a month, or of one service in it; `spent` is in minor units."""

    requested: int = 0
    closed: int = 0
    cancelled: int = 0
    spent: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.requested or self.closed or self.cancelled or self.spent)


@dataclass(frozen=True)
class Report:
    """A customer's month. `fees` is what late cancellations and visits without the customer cost, and
    part of what was spent."""

    month: date
    total: Count
    fees: int
    services: tuple[tuple[str, Count], ...]
    months: tuple[tuple[date, Count], ...]
    to_review: tuple[Booking, ...]

    @property
    def is_empty(self) -> bool:
        return self.total.is_empty and not self.to_review


@dataclass(frozen=True)
class Earned:
    """Finished jobs, and those called off at a late fee; amounts in minor units. `earned` is after commission
    and with late fees, `fees` is what customers paid beside the work: fee and tax."""

    jobs: int = 0
    earned: int = 0
    fees: int = 0
    due: int = 0
    commission: int = 0
    late_fees: int = 0


@dataclass(frozen=True)
class Statement:
    """A professional's month. A week is named by its Monday."""

    month: date
    total: Earned
    services: tuple[tuple[str, Earned], ...]
    days: tuple[tuple[date, int], ...]
    weeks: tuple[tuple[date, Earned], ...]
    cancelled: int
    reviews: int
    rating: float | None
    overall: float | None

    @property
    def is_empty(self) -> bool:
        return not (self.total.jobs or self.cancelled or self.reviews)


# -- Months -----------------------------------------------------------------------------------


def this_month() -> date:
    return clock.today().replace(day=1)


def month_of(period: str) -> date:
    """The month before a job's period, as its first day: the one that it reports on."""
    return shifted(date.fromisoformat(f"{period}-01"), -1)


def shifted(month: date, by: int) -> date:
    """The first day of the month so many months later."""
    number = month.year * 12 + month.month - 1 + by
    return date(number // 12, number % 12 + 1, 1)


def checked(month: date) -> date:
    """A month that has begun. Raises NotFound."""
    if not date(FIRST_YEAR, 1, 1) <= month <= this_month():
        raise NotFound(_("There is no report for that month."))
    return month


def neighbours(month: date) -> dict[str, date | None]:
    """The months before and after one; a month that has not begun is none."""
    return {"before": shifted(month, -1), "after": shifted(month, 1) if month < this_month() else None}


# -- Customers --------------------------------------------------------------------------------


def report(customer_id: int, month: date, months: int = CHART_MONTHS) -> Report:
    """A customer's month, with the months up to it for comparison; in two queries."""
    shown = [shifted(month, -back) for back in reversed(range(months))]
    moves = _moves(customer_id, shown[0], shifted(month, 1))
    this = [one for one in moves if one.month == month]
    services = Counter()
    for one in this:
        services[one.service] += one.amount
    return Report(
        month,
        _count(this),
        sum(one.amount for one in this if one.kind in ("cancelled", "missed")),
        tuple((name, _count(one for one in this if one.service == name)) for name, _amount in services.most_common()),
        tuple((first, _count(one for one in moves if one.month == first)) for first in shown),
        tuple(_to_review(customer_id, shifted(month, 1))),
    )


def months_of_customer(customer_id: int) -> list[tuple[date, Count]]:
    """A customer's months with something in them, the latest first, two years back."""
    last = this_month()
    moves = _moves(customer_id, shifted(last, 1 - LISTED_MONTHS), shifted(last, 1))
    firsts = sorted({one.month for one in moves} | {last}, reverse=True)
    return [(first, _count(one for one in moves if one.month == first)) for first in firsts]


@dataclass(frozen=True)
class _Move:
    """One thing that counts: a request, a closing, a cancellation or a no-show, and what it cost."""

    kind: str
    service: str
    month: date
    amount: int = 0


def _moves(customer_id, first, end):
    """What a customer did from one month until before another."""
    opens, closes = clock.start_of(first), clock.start_of(end)
    # What one professional gave back and another took was called off once, by whoever did it last.
    last = select(func.max(BookingEvent.at)).where(
        BookingEvent.booking_id == Booking.id, BookingEvent.verb.in_(_CALLS_OFF)
    )
    called_off_at = case((Booking.status.in_(CALLED_OFF), last.scalar_subquery()))
    rows = db.session.execute(
        select(
            Service.name,
            Booking.status,
            Booking.created_at,
            Booking.closed_at,
            called_off_at.label("called_off_at"),
            Booking.total,
        )
        .join(Service, Service.id == Booking.service_id)
        .where(
            Booking.customer_id == customer_id,
            or_(_within(moment, opens, closes) for moment in (Booking.created_at, Booking.closed_at, called_off_at)),
        )
        .order_by(Booking.id)
    )
    found = []
    for row in rows:
        for kind, at, amount in (
            ("requested", row.created_at, 0),
            ("closed", row.closed_at, row.total),
            # What is left of the price of work that was called off is the fee for it.
            ("missed" if row.status is Status.NO_SHOW else "cancelled", row.called_off_at, row.total),
        ):
            if at is not None and opens <= at < closes:
                found.append(_Move(kind, row.name, _month(at), amount))
    return found


def _count(moves):
    moves = list(moves)
    kinds = Counter(one.kind for one in moves)
    return Count(kinds["requested"], kinds["closed"], kinds["cancelled"], sum(one.amount for one in moves))


def _to_review(customer_id, end):
    """The bookings closed before the end of a month that can still be reviewed, the latest first."""
    since = clock.now() - timedelta(days=settings.policy.review_window_days)
    return db.session.scalars(
        select(Booking)
        .where(
            Booking.customer_id == customer_id,
            Booking.status == Status.CLOSED,
            Booking.closed_at >= since,
            Booking.closed_at < clock.start_of(end),
            ~exists().where(Review.booking_id == Booking.id),
        )
        .options(joinedload(Booking.service), joinedload(Booking.professional).joinedload(Professional.user))
        .order_by(Booking.closed_at.desc(), Booking.id.desc())
        .limit(MOST_TO_REVIEW)
    ).all()


# -- Professionals ----------------------------------------------------------------------------


def statement(professional_id: int, month: date) -> Statement:
    """A professional's month, in two queries."""
    opens, closes = clock.start_of(month), clock.start_of(shifted(month, 1))
    rows = _jobs(professional_id, opens, closes)
    done = _earning(rows)
    by_day = Counter()
    for row in done:
        by_day[clock.local(row.starts_at).date()] += row.earned
    weeks = sorted({clock.week_start(day) for day in _days(month)})
    services = sorted({row.name for row in done})
    reviews, stars, overall_sum, overall_count = _ratings(professional_id, opens, closes)
    return Statement(
        month,
        _sum(done),
        tuple(
            sorted(
                ((name, _sum(row for row in done if row.name == name)) for name in services),
                key=lambda service: -service[1].earned,
            )
        ),
        tuple((day, by_day[day]) for day in _days(month)),
        tuple((week, _sum(row for row in done if _week(row.starts_at) == week)) for week in weeks),
        sum(row.status is Status.CANCELLED for row in rows),
        reviews,
        stars / reviews if reviews else None,
        overall_sum / overall_count if overall_count else None,
    )


def months_of_professional(professional_id: int) -> list[tuple[date, Earned]]:
    """A professional's months with finished jobs, the latest first, two years back."""
    last = this_month()
    opens, closes = clock.start_of(shifted(last, 1 - LISTED_MONTHS)), clock.start_of(shifted(last, 1))
    done = _earning(_jobs(professional_id, opens, closes))
    firsts = sorted({_month(row.starts_at) for row in done} | {last}, reverse=True)
    return [(first, _sum(row for row in done if _month(row.starts_at) == first)) for first in firsts]


def _jobs(professional_id, opens, closes):
    return db.session.execute(
        select(
            Booking.starts_at,
            Booking.status,
            earnings.EARNED.label("earned"),
            earnings.WORTH.label("worth"),
            Booking.total,
            Booking.paid,
            _DISCOUNT,
            Service.name,
        )
        .join(Service, Service.id == Booking.service_id)
        .where(
            Booking.professional_id == professional_id,
            Booking.starts_at >= opens,
            Booking.starts_at < closes,
            Booking.status.in_((*earnings.EARNING, *earnings.CALLED_OFF)),
        )
        .order_by(Booking.starts_at, Booking.id)
    ).all()


def _earning(rows):
    return [row for row in rows if row.status in earnings.EARNING or row.earned]


def _sum(rows):
    rows = list(rows)
    done = [row for row in rows if row.status in earnings.EARNING]
    earned = sum(row.earned for row in rows)
    by_work = sum(row.earned for row in done)
    return Earned(
        len(done),
        earned,
        fees=sum(row.total + row.discount - row.worth for row in done),
        due=sum(row.total - row.paid for row in rows),
        commission=sum(row.worth for row in done) - by_work,
        late_fees=earned - by_work,
    )


def _ratings(professional_id, opens, closes):
    """How many reviews came in a time, their stars, and the sum and number of all there are."""
    told = and_(Review.professional_id == professional_id, Review.hidden_at.is_(None))
    mine = select(Review.rating).where(told, _within(Review.created_at, opens, closes)).subquery()
    return db.session.execute(
        select(
            select(func.count()).select_from(mine).scalar_subquery(),
            select(func.coalesce(func.sum(mine.c.rating), 0)).scalar_subquery(),
            Professional.rating_sum,
            Professional.rating_count,
        ).where(Professional.id == professional_id)
    ).one()


# -- Once a month -----------------------------------------------------------------------------


def activity_reports(period: str, cursor: int) -> Step:
    """One message to each customer who did something in the month before the period's."""
    month = month_of(period)
    span = clock.start_of(month), clock.start_of(shifted(month, 1))
    called_off = exists().where(
        BookingEvent.booking_id == Booking.id, BookingEvent.verb.in_(_CALLS_OFF), _within(BookingEvent.at, *span)
    )
    active = or_(
        _within(Booking.created_at, *span),
        _within(Booking.closed_at, *span),
        and_(Booking.status.in_(CALLED_OFF), called_off),
    )
    return _to_each(Booking.customer_id, active, cursor, "activity_report", f"activity_reports:{period}", month)


def earnings_statements(period: str, cursor: int) -> Step:
    """One message to each professional with jobs, done or called off, in the month before the period's."""
    month = month_of(period)
    active = and_(
        _within(Booking.starts_at, clock.start_of(month), clock.start_of(shifted(month, 1))),
        Booking.status.in_((*earnings.EARNING, Status.CANCELLED)),
    )
    cause = f"earnings_statements:{period}"
    return _to_each(Booking.professional_id, active, cursor, "earnings_statement", cause, month)


def _to_each(side, active, cursor, kind, cause, month):
    # A walk along people's own bookings: every step goes on where the one before stopped.
    somebody = exists().where(side == User.id, active)
    people = select(User.id).where(User.id > cursor, User.active, somebody).order_by(User.id).limit(BATCH)
    found = db.session.scalars(people).all()
    outbox.publish(found, kind, cause, month=f"{month:%Y-%m}")
    return Step(len(found), found[-1] if len(found) == BATCH else None)


# -- Small print ------------------------------------------------------------------------------


def _within(moment, opens, closes):
    return and_(moment >= opens, moment < closes)


def _month(moment: datetime) -> date:
    return clock.local(moment).date().replace(day=1)


def _week(moment: datetime) -> date:
    return clock.week_start(clock.local(moment).date())


def _days(month: date) -> list[date]:
    return [month + timedelta(n) for n in range((shifted(month, 1) - month).days)]
