"""Who is reminded of what: requests that wait, the next day's jobs, visits to come, reviews to write.

Each verb is a step of a job: it puts a batch of messages into the outbox and says where to go on. What
a message lists is read when it is sent, so nothing is told that is no longer true.
"""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Select, and_, exists, func, literal, or_, select, union
from sqlalchemy.orm import joinedload

from domain import clock, outbox
from domain.job_runs import Step
from domain.outbox import Notice
from domain.transitions import UNANSWERED
from extensions import db, settings
from models import Approval, Booking, BookingOffer, OfferStatus, Professional, Review, Status, User

BATCH = 500
DAY_BEFORE = timedelta(hours=24)
HOURS_BEFORE = timedelta(hours=2)
REVIEW_AFTER = timedelta(hours=24)
# A request that nobody answered is told of for so long after it ended.
MISSED = timedelta(days=1)
# A request is answered within a day at most, so what expired since yesterday was asked since then.
LONGEST_WAIT = timedelta(days=2)
# Without a watermark, what closed before this is too old to ask about.
FIRST_LOOK_BACK = timedelta(days=2)
# A watermark further ahead was not made by a clock that was set back a little since.
FURTHEST_AHEAD = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


# -- Professionals, once a day ----------------------------------------------------------------


def requests_waiting(period: str, cursor: int) -> Step:
    """One message to each professional who has requests to answer, or missed some while away."""
    asked = union(*_directly_asked(), *_offered()).subquery()
    people = (
        select(User.id)
        .join(Professional, Professional.id == User.id)
        .where(
            User.id.in_(select(asked.c.professional_id)),
            User.id > cursor,
            User.active,
            Professional.approval == Approval.APPROVED,
        )
        .order_by(User.id)
        .limit(BATCH)
    )
    return _to_each(db.session.scalars(people).all(), "requests_waiting", f"requests_waiting:{period}")


def tomorrow(period: str, cursor: int) -> Step:
    """One message to each professional who has agreed to jobs on the day after the period's."""
    day = date.fromisoformat(period) + timedelta(1)
    people = (
        select(Booking.professional_id)
        .join(User, User.id == Booking.professional_id)
        .where(*_agreed_on(day), Booking.professional_id > cursor, User.active)
        .distinct()
        .order_by(Booking.professional_id)
        .limit(BATCH)
    )
    found = db.session.scalars(people).all()
    return _to_each(found, "tomorrow", f"tomorrow:{period}", day=day.isoformat())


# -- Customers, every minute ------------------------------------------------------------------


def day_before(period: str, cursor: int) -> Step:
    """A message to the customer of each agreed booking that is a day away."""
    # What is two hours away already is the other reminder's.
    return _before_the_visit("day_before", cursor, HOURS_BEFORE, DAY_BEFORE)


def hours_before(period: str, cursor: int) -> Step:
    """A message to the customer of each agreed booking that is two hours away."""
    return _before_the_visit("hours_before", cursor, timedelta(0), HOURS_BEFORE)


def review_prompts(period: str, cursor: int) -> Step:
    """A message to the customer of each booking that closed a day ago and has no review."""
    now = clock.now()
    cursor = _believed(cursor, now - REVIEW_AFTER)
    oldest = now - timedelta(days=settings.policy.review_window_days)
    after = max(_moment(cursor), oldest) if cursor else now - REVIEW_AFTER - FIRST_LOOK_BACK
    until = now - REVIEW_AFTER
    closed = select(Booking.id, Booking.customer_id).where(
        Booking.status == Status.CLOSED, ~exists().where(Review.booking_id == Booking.id)
    )
    rows, reached = _between(closed, Booking.closed_at, after, until)
    outbox.publish_each(
        "review_prompt",
        [Notice(row.customer_id, f"review_prompt:{row.id}", row.id, {}) for row in rows],
    )
    return Step(len(rows), max(cursor, _mark(reached)))


# -- What a message lists when it is sent ------------------------------------------------------


def requests_of(professional_id: int) -> list[Booking]:
    """The requests that a professional can answer now, the most urgent first."""
    offered = select(BookingOffer.booking_id).where(
        BookingOffer.professional_id == professional_id, BookingOffer.status == OfferStatus.OPEN
    )
    mine = or_(Booking.professional_id == professional_id, Booking.id.in_(offered))
    return _listed(
        select(Booking)
        .where(mine, UNANSWERED, Booking.respond_by > clock.now())
        .order_by(Booking.respond_by, Booking.id)
    )


def missed_by(professional_id: int) -> list[Booking]:
    """The requests that came and expired while a professional was away, the latest first."""
    offered = select(BookingOffer.booking_id).where(BookingOffer.professional_id == professional_id)
    mine = or_(Booking.professional_id == professional_id, Booking.id.in_(offered))
    return _listed(
        select(Booking)
        .join(User, User.id == professional_id)
        .where(mine, _expired_unseen())
        .order_by(Booking.respond_by.desc(), Booking.id)
    )


def jobs_on(professional_id: int, day: date) -> list[Booking]:
    """The jobs that a professional has agreed to for a date and not begun, in order of time."""
    return _listed(
        select(Booking)
        .where(*_agreed_on(day), Booking.professional_id == professional_id)
        .order_by(Booking.starts_at, Booking.id)
    )


def is_still_ahead(booking: Booking | None, starts_at: datetime) -> bool:
    """Whether a booking is agreed and begins when its reminder says, and that is not past."""
    return (
        booking is not None
        and booking.status is Status.ACCEPTED
        and booking.starts_at == starts_at
        and starts_at > clock.now()
    )


def can_be_reviewed(booking: Booking | None) -> bool:
    """Whether a closed booking has no review yet and may still get one."""
    if booking is None or booking.status is not Status.CLOSED or booking.review is not None:
        return False
    return clock.now() <= booking.closed_at + timedelta(days=settings.policy.review_window_days)


# -- Small print ------------------------------------------------------------------------------


def _directly_asked() -> tuple[Select, Select]:
    """Professionals with requests of their own that wait, or that they missed."""
    waiting = select(Booking.professional_id).where(
        Booking.professional_id.is_not(None), UNANSWERED, Booking.respond_by > clock.now()
    )
    missed = select(Booking.professional_id).join(User, User.id == Booking.professional_id).where(_expired_unseen())
    return waiting, missed


def _offered() -> tuple[Select, Select]:
    """Professionals to whom requests are on offer, or were while they were away."""
    theirs = select(BookingOffer.professional_id).join(Booking, Booking.id == BookingOffer.booking_id)
    waiting = theirs.where(BookingOffer.status == OfferStatus.OPEN, UNANSWERED, Booking.respond_by > clock.now())
    missed = theirs.join(User, User.id == BookingOffer.professional_id).where(_expired_unseen())
    return waiting, missed


def _expired_unseen():
    """The condition that a request ended lately without an answer, and came after the last visit."""
    now = clock.now()
    return and_(
        Booking.status.in_((Status.PENDING, Status.EXPIRED)),
        Booking.created_at > now - LONGEST_WAIT,
        Booking.respond_by > now - MISSED,
        Booking.respond_by <= now,
        Booking.created_at > func.coalesce(User.last_seen_at, literal(_EPOCH, Booking.created_at.type)),
    )


def _agreed_on(day):
    return (
        Booking.status == Status.ACCEPTED,
        Booking.starts_at >= max(clock.start_of(day), clock.now()),
        Booking.starts_at < clock.start_of(day + timedelta(1)),
    )


def _before_the_visit(kind, cursor, nearest, farthest):
    now = clock.now()
    cursor = _believed(cursor, now + farthest)
    agreed = select(Booking.id, Booking.customer_id, Booking.starts_at).where(Booking.status == Status.ACCEPTED)
    rows, reached = _between(agreed, Booking.starts_at, max(_moment(cursor), now + nearest), now + farthest)
    notices = [
        # With the start in the key, a booking that was moved is told of again.
        Notice(row.customer_id, f"{kind}:{row.id}:{_mark(row.starts_at)}", row.id, {"time": row.starts_at.isoformat()})
        for row in rows
    ]
    outbox.publish_each(kind, notices)
    return Step(len(rows), max(cursor, _mark(reached)))


def _between(wanted, column, after, until):
    """The rows with a moment in (after, until], and how far they reach: about a batch of them, with
    all of the last moment, because many visits begin at the same full hour."""
    wanted = wanted.where(column > after, column <= until)
    last_of_batch = wanted.with_only_columns(column).order_by(column).limit(1).offset(BATCH - 1)
    end = func.coalesce(last_of_batch.scalar_subquery().correlate(None), literal(until, column.type))
    rows = db.session.execute(wanted.add_columns(column.label("moment")).where(column <= end).order_by(column)).all()
    full = len(rows) >= BATCH
    return rows, rows[-1].moment if full else until


def _believed(cursor, until):
    """A watermark, unless a clock that ran ahead has left it: nobody would be told until that day."""
    return 0 if _moment(cursor) > until + FURTHEST_AHEAD else cursor


def _to_each(people, kind, cause, **data):
    outbox.publish(people, kind, cause, **data)
    return Step(len(people), people[-1] if len(people) == BATCH else None)


def _listed(wanted):
    return list(
        db.session.scalars(
            wanted.options(joinedload(Booking.service), joinedload(Booking.customer), joinedload(Booking.pin))
        )
    )


def _mark(moment: datetime) -> int:
    """A moment as a cursor: microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def _moment(mark: int) -> datetime:
    return _EPOCH + mark * _MICROSECOND
