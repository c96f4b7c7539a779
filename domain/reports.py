"""What an admin reads about the site: this week, what waits, and what was requested in a range of days,
beside the range before it.

Everything is counted by the database, in a number of statements that does not depend on the data. What is
counted of many bookings is in one index (see models.Booking), so their rows are not read for it.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate

from flask_babel import gettext as _
from sqlalchemy import CTE, Integer, case, false, func, literal, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from domain import appeals, clock, comments, disputes, guides, lookups, message_reports, ratings
from domain.errors import Invalid
from domain.transitions import UNANSWERED
from extensions import db
from models import Approval, Booking, Professional, Review, Status, Tally, User, UTCDateTime

USUAL_DAYS = 30
MOST_DAYS = 366
# A longer range is drawn by the week: so many bars can't be told apart.
MOST_DAY_BARS = 62
MOST_COUNTED = 1000
_OVERDUE = -1
# The edges of a chart of waiting times, in minutes.
WAIT_CLASSES = (5, 15, 60, 240)
# A chart tells five colours apart; the states that mean the same to an admin share one.
GROUPS = (
    ("done", (Status.COMPLETED, Status.CLOSED)),
    ("pending", (Status.PENDING,)),
    ("agreed", (Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS)),
    ("unanswered", (Status.REJECTED, Status.EXPIRED)),
    ("cancelled", (Status.CANCELLED, Status.NO_SHOW, Status.DISPUTED)),
)


class seconds_between(GenericFunction):
    """How many seconds the second moment is after the first."""

    type = Integer()
    inherit_cache = True


@compiles(seconds_between, "sqlite")
def _seconds_on_sqlite(element, compiler, **kw):
    first, second = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(ROUND((julianday({second}) - julianday({first})) * 86400) AS INTEGER)"


@compiles(seconds_between)
def _seconds(element, compiler, **kw):
    first, second = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(EXTRACT(EPOCH FROM {second} - {first}) AS INTEGER)"


@dataclass(frozen=True)
class Period:
    """A range of days on the site's clock, both ends included."""

    first: date
    last: date

    @property
    def starts(self) -> datetime:
        return clock.start_of(self.first)

    @property
    def ends(self) -> datetime:
        return clock.start_of(self.last + timedelta(days=1))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def bar_days(self) -> int:
        """How many days one bar of a chart stands for."""
        return 1 if self.days <= MOST_DAY_BARS else 7

    @property
    def before(self) -> "Period":
        """What it is compared with: as many days before it, and before whole months as many months."""
        last = self.first - timedelta(days=1)
        if self.first.day == 1 and (self.last + timedelta(days=1)).day == 1:
            months = 12 * (self.last.year - self.first.year) + self.last.month - self.first.month + 1
            return Period(month_before(self.first, months), last)
        return Period(self.first - timedelta(days=self.days), last)

    def bars(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range(0, self.days, self.bar_days)]

    def both(self) -> CTE:
        """This range and the one before it as rows of a query: number 1 and number 0."""
        return spans([self.before.first, self.first], self.ends)


def period(first: date | None = None, last: date | None = None) -> Period:
    """The days that were asked for; without an answer, the last 30. Raises Invalid."""
    if any(day and not 2000 <= day.year < 2100 for day in (first, last)):
        raise Invalid(_("Choose days of this century."), "first")
    last = last or clock.today()
    first = first or last - timedelta(days=USUAL_DAYS - 1)
    if first > last:
        raise Invalid(_("The first day must not be after the last."), "first")
    if (last - first).days >= MOST_DAYS:
        raise Invalid(_("Choose at most one year."), "first")
    return Period(first, last)


def presets() -> dict[str, Period]:
    """The ranges that are asked for most."""
    today = clock.today()
    month = today.replace(day=1)
    return {
        "week": last_days(),
        "month": last_days(USUAL_DAYS),
        "quarter": last_days(90),
        "this_month": Period(month, today),
        "last_month": Period(month_before(month), month - timedelta(days=1)),
        "year": last_days(365),
    }


def month_before(month: date, months: int = 1) -> date:
    """The first day of the month so many months before another."""
    number = month.year * 12 + month.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


# -- The overview -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Overview:
    """The numbers of this week, from Monday to now, and what waits for somebody."""

    requested: int
    requested_before: int
    closed: int
    rating_sum: int
    rating_count: int
    to_approve: int
    oldest_application: datetime | None
    expiring: int
    overdue: int
    locked: int

    @property
    def change(self) -> int | None:
        """Per cent more or less than last week by this time; unknown when that was nothing."""
        if not self.requested_before:
            return None
        return round(100 * (self.requested - self.requested_before) / self.requested_before)

    @property
    def closed_share(self) -> int | None:
        return round(100 * self.closed / self.requested) if self.requested else None

    @property
    def rating(self) -> float | None:
        return self.rating_sum / self.rating_count if self.rating_count else None


def overview() -> Overview:
    now, week = clock.now(), this_week().starts
    pending = Booking.status == Status.PENDING
    a_week = timedelta(days=7)
    row = db.session.execute(
        select(
            _number(Booking.created_at >= week),
            _number(Booking.created_at >= week - a_week, Booking.created_at <= now - a_week),
            _number(Booking.created_at >= week, of=_status_is(Status.CLOSED)),
            _tally(ratings.SUM),
            _tally(ratings.COUNT),
            _waiting_number(),
            select(func.min(Professional.applied_at)).where(*_waiting()).scalar_subquery(),
            _capped(pending, Booking.respond_by > now, Booking.respond_by <= now + timedelta(hours=1)),
            _capped(lookups.late()),
            _capped(lookups.code_locked()),
        )
    ).one()
    return Overview(*row)


def this_week() -> Period:
    return Period(clock.week_start(clock.today()), clock.today())


def last_days(days: int = 7) -> Period:
    return Period(clock.today() - timedelta(days=days - 1), clock.today())


def to_decide() -> tuple[int, ...]:
    """How many professionals, disputes, appeals, reported messages, guides and comments wait for an answer, each
    up to 1,001."""
    kinds = disputes, appeals, message_reports, guides, comments
    waiting = select(_waiting_number(), *(one.waiting_number() for one in kinds))
    return tuple(db.session.execute(waiting).one())


# -- What was requested -----------------------------------------------------------------------


@dataclass(frozen=True)
class Requests:
    """What was requested in a range: for each bar and for each state, how many. `called_off` is what was
    accepted and then cancelled, or missed by somebody."""

    bars: list[tuple[date, list[int]]]
    by_status: dict[Status, int]
    accepted: int
    called_off: int

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    @property
    def answerable(self) -> int:
        """What was accepted, declined or left unanswered; not what still waits, or was cancelled before."""
        return self.accepted + self.by_status[Status.REJECTED] + self.by_status[Status.EXPIRED]

    @property
    def acceptance(self) -> float | None:
        return self.accepted / self.answerable if self.answerable else None

    @property
    def done(self) -> int:
        return sum(self.by_status[status] for status in (Status.COMPLETED, Status.CLOSED, Status.DISPUTED))

    @property
    def completion(self) -> float | None:
        """How much of what was accepted and is over came to work that was done."""
        over = self.done + self.called_off
        return self.done / over if over else None


def requests_by_day(asked: Period) -> Requests:
    """Bookings by the day on which they were requested and by the state they are in now."""
    bars = asked.bars()
    return _requests(bars, _counted(spans(bars, asked.ends)))


def requests_beside(asked: Period) -> tuple[Requests, Requests]:
    """Those of a range, and those of the one before it as a single bar."""
    bars = asked.bars()
    counted = _counted(spans([asked.before.first, *bars], asked.ends))
    before = [row for row in counted if not row[0]]
    return _requests(bars, [(bar - 1, *rest) for bar, *rest in counted if bar]), _requests([asked.before.first], before)


def _counted(days):
    """(bar, status, whether it was accepted, number). An overdue request counts as expired, even when no job
    has moved it yet: these few are counted again by themselves, so that the others are in one index."""
    within = (Booking.created_at >= days.c.starts) & (Booking.created_at < days.c.ends)
    accepted = case((Booking.accepted_at.is_not(None), 1), else_=0)
    all_of_them = (
        select(days.c.bar, Booking.status, accepted.label("accepted"), func.count())
        .join_from(days, Booking, within)
        .group_by(days.c.bar, Booking.status, accepted)
    )
    overdue = (
        select(days.c.bar, literal(Status.EXPIRED, Booking.status.type), literal(_OVERDUE), func.count())
        .join_from(days, Booking, within)
        .where(UNANSWERED, Booking.respond_by <= clock.now())
        .group_by(days.c.bar)
    )
    counted = []
    for bar, status, mark, number in db.session.execute(union_all(all_of_them, overdue)):
        counted.append((bar, status, mark == 1, number))
        if mark == _OVERDUE:
            counted.append((bar, Status.PENDING, False, -number))
    return counted


def _requests(bars, counted):
    columns = [[0] * len(GROUPS) for _bar in bars]
    by_status = dict.fromkeys(Status, 0)
    group_of = {status: place for place, (_name, members) in enumerate(GROUPS) for status in members}
    accepted = called_off = 0
    for bar, status, was_accepted, number in counted:
        columns[bar][group_of[status]] += number
        by_status[status] += number
        accepted += number * was_accepted
        called_off += number * was_accepted * (status in (Status.CANCELLED, Status.NO_SHOW))
    return Requests(list(zip(bars, columns, strict=True)), by_status, accepted, called_off)


def spans(bars: list[date], ends: datetime) -> CTE:
    """The bars of a chart as rows of a query: its number, and the moments between which each is."""
    edges = [clock.start_of(day) for day in bars] + [ends]
    return union_all(
        *(
            select(
                literal(number).label("bar"),
                literal(edges[number], UTCDateTime()).label("starts"),
                literal(edges[number + 1], UTCDateTime()).label("ends"),
            )
            for number in range(len(bars))
        )
    ).cte("days")


@dataclass(frozen=True)
class Waits:
    """How long it took to accept, as (whole minutes, how many), the quickest first."""

    minutes: tuple[tuple[int, int], ...] = ()

    @property
    def number(self) -> int:
        return sum(number for _minutes, number in self.minutes)

    @property
    def median(self) -> int | None:
        """The middle, in seconds; of two middles half-way between them."""
        if not self.number:
            return None
        return 30 * (self._at((self.number + 1) // 2) + self._at((self.number + 2) // 2))

    @property
    def ninetieth(self) -> int | None:
        """So many seconds or less nine of ten took."""
        return 60 * self._at(-(-9 * self.number // 10)) if self.number else None

    def classes(self) -> list[int]:
        """How many took up to each of WAIT_CLASSES, and how many longer."""
        found = [0] * (len(WAIT_CLASSES) + 1)
        for minutes, number in self.minutes:
            found[bisect_right(WAIT_CLASSES, minutes)] += number
        return found

    def _at(self, place):
        upto = accumulate(number for _minutes, number in self.minutes)
        return next(wait for (wait, _number), last in zip(self.minutes, upto, strict=True) if last >= place)


def time_to_accept(asked: Period) -> Waits:
    """Of the requests of a range that somebody accepted."""
    return _waits(spans([asked.first], asked.ends), 1)[0]


def time_to_accept_beside(asked: Period) -> tuple[Waits, Waits]:
    """That of a range, and of the one before it."""
    before, now = _waits(asked.both(), 2)
    return now, before


def _waits(days, bars):
    """By the minute: that is as exact as it is shown, and few rows of many bookings."""
    minutes = (seconds_between(Booking.created_at, Booking.accepted_at) // 60).label("minutes")
    rows = db.session.execute(
        select(days.c.bar, minutes, func.count())
        .join_from(days, Booking, (Booking.created_at >= days.c.starts) & (Booking.created_at < days.c.ends))
        .where(Booking.accepted_at.is_not(None))
        .group_by(days.c.bar, minutes)
        .order_by(days.c.bar, minutes)
    ).all()
    return [Waits(tuple((wait, n) for one, wait, n in rows if one == bar)) for bar in range(bars)]


@dataclass(frozen=True)
class Stars:
    """How many of the reviews of a range gave one star, two, up to five."""

    numbers: tuple[int, ...]

    @property
    def count(self) -> int:
        return sum(self.numbers)

    @property
    def mean(self) -> float | None:
        stars = sum(value * number for value, number in enumerate(self.numbers, start=1))
        return stars / self.count if self.count else None


def stars(asked: Period) -> Stars:
    """The visible reviews that were written in a range."""
    found = dict(
        db.session.execute(
            select(Review.rating, func.count())
            .where(Review.created_at >= asked.starts, Review.created_at < asked.ends, Review.hidden_at.is_(None))
            .group_by(Review.rating)
        ).all()
    )
    return Stars(tuple(found.get(value, 0) for value in range(1, 6)))


# -- Small print ------------------------------------------------------------------------------


def _status_is(*statuses):
    return func.coalesce(func.sum(case((Booking.status.in_(statuses), 1), else_=0)), 0)


def _number(*conditions, of=None):
    """How many bookings meet the conditions, or what else to count of them."""
    counted = func.count() if of is None else of
    return select(counted).select_from(Booking).where(*conditions).scalar_subquery()


def _capped(*conditions):
    found = select(Booking.id).where(*conditions).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(found).scalar_subquery()


def _tally(name):
    return func.coalesce(select(Tally.value).where(Tally.name == name).scalar_subquery(), 0)


def _waiting():
    blocked = select(User.id).where(User.id == Professional.id, User.active.is_(false())).exists()
    return (Professional.approval == Approval.PENDING, ~blocked)


def _waiting_number():
    found = select(Professional.id).where(*_waiting()).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(found).scalar_subquery()
