"""What an admin reads about the site: this week, what waits, and the summary of a range of days.

Everything is counted by the database, in a number of statements that does not depend on the data.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import CTE, Integer, case, false, func, literal, or_, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from domain import appeals, clock, comments, disputes, guides, lookups, message_reports, ratings
from domain.errors import Invalid
from extensions import db
from models import Approval, Booking, Professional, Review, Service, Status, Tally, User, UTCDateTime

USUAL_DAYS = 30
MOST_DAYS = 366
# A longer range is drawn by the week: so many bars can't be told apart.
MOST_DAY_BARS = 62
MOST_COUNTED = 1000
TOP = 10
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

    def bars(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range(0, self.days, self.bar_days)]


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


# -- The summary ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Requests:
    """What was requested in a range: for each bar and for each state, how many."""

    bars: list[tuple[date, list[int]]]
    by_status: dict[Status, int]

    @property
    def total(self) -> int:
        return sum(self.by_status.values())


def requests_by_day(asked: Period) -> Requests:
    """Bookings by the day on which they were requested and by the state they are in now."""
    bars = asked.bars()
    days = spans(bars, asked.ends)
    status = _status_now().label("status")
    counted = db.session.execute(
        select(days.c.bar, status, func.count())
        .join_from(days, Booking, (Booking.created_at >= days.c.starts) & (Booking.created_at < days.c.ends))
        .group_by(days.c.bar, status)
    )
    columns = [[0] * len(GROUPS) for _bar in bars]
    by_status = dict.fromkeys(Status, 0)
    group_of = {status: place for place, (_name, members) in enumerate(GROUPS) for status in members}
    for bar, value, number in counted:
        columns[bar][group_of[Status(value)]] += number
        by_status[Status(value)] += number
    return Requests(list(zip(bars, columns, strict=True)), by_status)


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
class Median:
    """The middle of how long it took to accept, in seconds, and from how many it was taken."""

    seconds: int | None
    number: int


def time_to_accept(asked: Period) -> Median:
    """Of the requests of a range that somebody accepted."""
    waited = (
        select(seconds_between(Booking.created_at, Booking.accepted_at).label("waited"))
        .where(*_requested_in(asked), Booking.accepted_at.is_not(None))
        .subquery()
    )
    placed = select(
        waited.c.waited,
        func.row_number().over(order_by=waited.c.waited).label("place"),
        func.count().over().label("number"),
    ).subquery()
    middle = or_(placed.c.place == (placed.c.number + 1) // 2, placed.c.place == (placed.c.number + 2) // 2)
    seconds, number = db.session.execute(
        select(func.avg(placed.c.waited), func.max(placed.c.number)).where(middle)
    ).one()
    return Median(None if seconds is None else round(seconds), number or 0)


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


def top_services(asked: Period) -> list:
    """The services that were requested most: id, name, number, done."""
    number = func.count().label("number")
    return db.session.execute(
        select(Service.id, Service.name, number, _done().label("done"))
        .join(Booking, Booking.service_id == Service.id)
        .where(*_requested_in(asked))
        .group_by(Service.id, Service.name)
        .order_by(number.desc(), Service.id)
        .limit(TOP)
    ).all()


def top_professionals(asked: Period) -> list:
    """Who did most of what was requested: id, name, number, done, rating_sum, rating_count."""
    done = _done().label("done")
    people = (Professional.id, User.name, Professional.rating_sum, Professional.rating_count)
    return db.session.execute(
        select(*people, func.count().label("number"), done)
        .join(Booking, Booking.professional_id == Professional.id)
        .join(User, User.id == Professional.id)
        .where(*_requested_in(asked))
        .group_by(*people)
        .order_by(done.desc(), func.count().desc(), Professional.id)
        .limit(TOP)
    ).all()


# -- Small print ------------------------------------------------------------------------------


def _requested_in(asked):
    return (Booking.created_at >= asked.starts, Booking.created_at < asked.ends)


def _status_now():
    """An overdue request counts as expired, even when no job has moved it yet."""
    overdue = (Booking.status == Status.PENDING) & (Booking.respond_by <= clock.now())
    return case((overdue, Status.EXPIRED.value), else_=Booking.status)


def _done():
    return _status_is(Status.COMPLETED, Status.CLOSED)


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
