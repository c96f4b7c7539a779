"""The job behind suggestions: each night it counts what closed since the last one, then writes the ideas anew of
the customers whose bookings those were.

Two watermarks say how far each of that has come. They move in the transaction of what they stand for, so it
can stop anywhere, and nothing is counted twice.
"""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import case, delete, exists, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from domain import clock, editions, tastes
from domain.job_runs import Step
from domain.tastes import Visit
from extensions import db
from models import Booking, PinCode, Review, Tally, User
from models_taste import AreaProfessional, AreaService, Recommendation, ServicePair, TasteChoice

# Bookings of a step: some tenths of a second, in which nobody else writes on SQLite.
BATCH = 500
COUNTED, WRITTEN = "suggestions counted", "suggestions written"
# The whole site, among the districts.
EVERYWHERE = ("", "")
# Seasons of which it is known how many households booked what.
KEPT_SEASONS = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def learn(period: str, cursor: int) -> Step:
    """A step towards suggestions from all that closed before the day of the period."""
    until = clock.start_of(date.fromisoformat(period))
    editions.changed(editions.PLACES)
    for mark, work in ((COUNTED, _count), (WRITTEN, _write)):
        after = _moment(mark)
        if after < until:
            end = _end_of_batch(after, until)
            done = work(after, end, until)
            _move(mark, end)
            return Step(done, cursor + 1)
    _forget_old_seasons(period)
    return Step(_write_again(until))


def _count(after, end, _until):
    """Add what households had between two moments and not before to what is counted of all."""
    pairs, places, people = Counter(), Counter(), Counter()
    histories = _histories(_closed(after, end), end)
    for rows in histories.values():
        before, now = [row for row in rows if row.closed_at <= after], [row for row in rows if row.closed_at > after]
        pairs.update(_new_pairs({row.service_id for row in before}, {row.service_id for row in now}))
        places.update({key for row in now for key in _seasons(row)} - {key for row in before for key in _seasons(row)})
        people.update(_people(now) - _people(before))
    _add(ServicePair, pairs)
    _add(AreaService, places)
    _add(AreaProfessional, people)
    return len(histories)


def _write(after, end, until):
    """Write the ideas of customers whose last booking closed between two moments."""
    later = aliased(Booking)
    again = exists().where(
        later.customer_id == Booking.customer_id, later.closed_at > end, later.closed_at <= until
    )
    return _write_ideas(_closed(after, end).where(~again), until)


def _write_again(until):
    """The ideas of those who want some again."""
    back = select(TasteChoice.customer_id).where(TasteChoice.off.is_(False))
    written = _write_ideas(back, until)
    db.session.execute(delete(TasteChoice).where(TasteChoice.off.is_(False)))
    return written


def _write_ideas(customers, until):
    histories = _histories(customers, until)
    if not histories:
        return 0
    likeness = tastes.Likeness(
        {(row.service_id, row.other_id): row.households for row in db.session.execute(select(*_columns(ServicePair)))}
    )
    rows = []
    for customer, visits in histories.items():
        found = tastes.ideas([_visit(row) for row in visits], likeness)
        rows += [{"customer_id": customer, "position": n, **vars(idea)} for n, idea in enumerate(found)]
    table = Recommendation.__table__
    db.session.execute(delete(table).where(table.c.customer_id.in_(histories)))
    if rows:
        db.session.execute(table.insert(), rows)
    return len(histories)


# -- What was booked --------------------------------------------------------------------------


def _closed(after, end):
    """The customers with a booking that closed between two moments, who don't mind and were not erased since."""
    return select(Booking.customer_id).where(
        Booking.closed_at > after,
        Booking.closed_at <= end,
        ~exists().where(TasteChoice.customer_id == Booking.customer_id, TasteChoice.off),
        ~exists().where(User.id == Booking.customer_id, User.anonymised_at.is_not(None)),
    )


def _histories(customers, until):
    """All finished bookings of some customers, as rows by customer; a professional who was erased is nobody."""
    rows = db.session.execute(
        select(
            Booking.customer_id,
            Booking.service_id,
            case((User.anonymised_at.is_(None), Booking.professional_id)).label("professional_id"),
            Booking.starts_at,
            Booking.closed_at,
            PinCode.state,
            PinCode.district,
            Review.rating,
        )
        .join(PinCode, PinCode.pincode == Booking.pincode)
        .join(User, User.id == Booking.professional_id)
        .outerjoin(Review, Review.booking_id == Booking.id)
        .where(
            Booking.customer_id.in_(customers),
            Booking.closed_at <= until,
            # The work that is done again was wanted once.
            Booking.rework_of_id.is_(None),
        )
    )
    found = defaultdict(list)
    for row in rows:
        found[row.customer_id].append(row)
    return found


def _end_of_batch(after, until):
    """The moment up to which a step goes: about a batch of bookings, with all of the last moment."""
    closed = select(Booking.closed_at).where(Booking.closed_at > after, Booking.closed_at <= until)
    last = closed.order_by(Booking.closed_at).limit(1).offset(BATCH - 1)
    return db.session.scalar(last) or until


def _visit(row):
    return Visit(row.service_id, row.professional_id, clock.local(row.starts_at).date(), row.rating)


# -- What is counted --------------------------------------------------------------------------


def _new_pairs(before, now):
    """The pairs of services, both ways, that a household has now and had not before."""
    new = now - before
    for one in new:
        for other in before | new:
            yield one, other
            if other in before:
                yield other, one


def _seasons(row):
    season = tastes.season_of(clock.local(row.starts_at).date())
    return [(*place, season, row.service_id) for place in ((row.state, row.district), EVERYWHERE)]


def _people(rows):
    return {(row.state, row.district, row.service_id, row.professional_id) for row in rows if row.professional_id}


def _columns(model):
    return model.__table__.c


def _add(model, counts):
    """Add households to the rows of a table; the counts are by its key, in the order of its columns."""
    if not counts:
        return
    table, names = model.__table__, [column.name for column in model.__table__.primary_key]
    adding = _insert()(table)
    more = {"households": table.c.households + adding.excluded.households}
    rows = [dict(zip(names, key, strict=True), households=count) for key, count in sorted(counts.items())]
    db.session.execute(adding.on_conflict_do_update(index_elements=names, set_=more), rows)


def _forget_old_seasons(period):
    oldest = tastes.season_of(date.fromisoformat(period)) - KEPT_SEASONS
    db.session.execute(delete(AreaService).where(AreaService.season < oldest))


# -- How far it has come ----------------------------------------------------------------------


def _moment(mark):
    value = db.session.scalar(select(func.coalesce(func.max(Tally.value), literal(0))).where(Tally.name == mark))
    return _EPOCH + value * _MICROSECOND


def _move(mark, moment):
    value = (moment - _EPOCH) // _MICROSECOND
    row = _insert()(Tally.__table__).values(name=mark, value=value)
    db.session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def _insert():
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[db.session.connection().dialect.name]
