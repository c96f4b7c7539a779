"""What is in an exported file: the bookings, or every table, as lines of CSV, a piece at a time.

Each piece is read by one statement that answers a single value, the finished lines of some hundred
rows: Python only waits for it, and threads that serve pages go on meanwhile.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Float,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import aliased

from domain import cells, clock
from domain.tables import SHOWN
from extensions import db
from models import (
    FIRST_REFERENCE,
    Booking,
    BookingEvent,
    BookingLine,
    Category,
    ExportKind,
    LineKind,
    PinCode,
    Review,
    Service,
    Status,
    User,
    UTCDateTime,
)

# Some thirty milliseconds of the database, and half a megabyte.
ROWS_IN_A_PIECE = 1_000


@dataclass(frozen=True)
class Part:
    """One CSV file: a `line` for each row of a table that meets the conditions, in the order of its key."""

    name: str
    heading: str
    table: Table
    lines: Select
    conditions: tuple[ColumnElement, ...] = ()

    def count(self) -> int:
        """How many lines there will be after the heading, if nothing changes meanwhile."""
        return db.session.scalar(select(func.count()).select_from(self.table).where(*self.conditions))

    def pieces(self) -> Iterator[tuple[str, int]]:
        """Some lines, and how many; then the next. The transaction may end between two pieces."""
        steps, after, more = _Steps(self), None, True
        while more:
            until = steps.end(after)
            lines, number = steps.read(after, until)
            yield (lines + cells.END if number else ""), number
            after, more = until, until is not None


def parts(kind: ExportKind, filters: dict) -> list[Part]:
    """The files of an export: one of bookings, or one of each table."""
    if kind is ExportKind.BOOKINGS:
        return [_bookings(filters)]
    return [_whole_table(db.metadata.tables[name], names.split()) for name, names in SHOWN.items()]


class _Steps:
    """The way through a table in the order of its key; each kind of statement is built once.

    A step has so many rows of the table, wanted or not, so that each costs about the same whatever
    is asked for, and reads one range of the key.
    """

    def __init__(self, part: Part):
        self._keys = list(part.table.primary_key)
        self._lines = part.lines.where(*part.conditions)
        self._statements = {}

    def end(self, after: tuple | None) -> tuple | None:
        """The key of the last row of the step that begins after this key; None when it is the last step."""
        found = self._execute(self._end, after, None).one_or_none()
        return found and tuple(found)

    def read(self, after: tuple | None, until: tuple | None) -> tuple[str | None, int]:
        return self._execute(self._read, after, until).one()

    def _execute(self, build, after, until):
        kind = build.__name__, after is None, until is None
        if kind not in self._statements:
            self._statements[kind] = build(self._between(after, until))
        given = [("after", after), ("until", until)]
        return db.session.execute(
            self._statements[kind],
            {f"{side}_{n}": value for side, key in given for n, value in enumerate(key or ())},
        )

    def _end(self, between):
        return select(*self._keys).where(*between).order_by(*self._keys).offset(ROWS_IN_A_PIECE - 1).limit(1)

    def _read(self, between):
        lines = self._lines.where(*between).order_by(*self._keys).subquery()
        return select(cells.joined(lines.c.line), func.count()).select_from(lines)

    def _between(self, after, until):
        key = tuple_(*self._keys)
        if after is not None:
            yield key > tuple_(*(bindparam(f"after_{n}", type_=one.type) for n, one in enumerate(self._keys)))
        if until is not None:
            yield key <= tuple_(*(bindparam(f"until_{n}", type_=one.type) for n, one in enumerate(self._keys)))


# -- Bookings ---------------------------------------------------------------------------------


def _bookings(filters):
    customer, professional = aliased(User), aliased(User)
    columns = _booking_columns(customer, professional)
    lines = (
        select(cells.row(list(columns.values())).label("line"))
        .select_from(Booking)
        .join(Service, Service.id == Booking.service_id)
        .join(Category, Category.id == Service.category_id)
        .join(customer, customer.id == Booking.customer_id)
        .join(PinCode, PinCode.pincode == Booking.pincode)
        .outerjoin(professional, professional.id == Booking.professional_id)
        .outerjoin(Review, Review.booking_id == Booking.id)
    )
    table = Booking.__table__
    return Part("bookings.csv", cells.heading(list(columns)), table, lines, tuple(_conditions(filters)))


def _booking_columns(customer, professional):
    at = _site_times()
    started = select(func.min(BookingEvent.at)).where(
        BookingEvent.booking_id == Booking.id, BookingEvent.to_status == Status.IN_PROGRESS.value
    )
    return {
        # The five that the first papers of the site asked for.
        "service_id": cells.number(Booking.service_id),
        "customer_id": cells.number(Booking.customer_id),
        "professional_id": cells.number(Booking.professional_id),
        "date_of_request": at(Booking.created_at),
        "remarks": cells.text(Booking.remarks),
        "booking_id": cells.number(Booking.id),
        "reference": literal("DS-").concat(cast(Booking.id + FIRST_REFERENCE, Text)),
        "status": cells.word(Booking.status),
        "service": cells.text(Service.name),
        "category": cells.text(Category.name),
        "customer": cells.text(customer.name),
        "professional": cells.text(professional.name),
        "pin_code": cells.text(Booking.pincode),
        "place": cells.text(PinCode.place),
        "district": cells.text(PinCode.district),
        "state": cells.text(PinCode.state),
        "starts_at": at(Booking.starts_at),
        "ends_at": at(Booking.ends_at),
        "accepted_at": at(Booking.accepted_at),
        "started_at": at(started.scalar_subquery()),
        "completed_at": at(Booking.completed_at),
        "closed_at": at(Booking.closed_at),
        **{f"price_{kind.value}": cells.amount(_sum_of(kind)) for kind in LineKind},
        "currency": cells.word(Booking.currency),
        "total": cells.amount(Booking.total),
        "paid": cells.amount(Booking.paid),
        "rating": cells.number(Review.rating),
        "review": cells.text(Review.comment),
    }


def _sum_of(kind):
    lines = select(func.sum(BookingLine.amount))
    return lines.where(BookingLine.booking_id == Booking.id, BookingLine.kind == kind).scalar_subquery()


def _site_times():
    """How a moment of a booking is written, in the offsets from UTC that held since the first of them."""
    first = db.session.scalar(select(func.min(Booking.created_at))) or clock.now()
    last = db.session.scalar(select(func.max(Booking.starts_at))) or clock.now()
    changes = cells.offsets(first, max(last, clock.now()) + timedelta(days=2))
    return lambda column: cells.moment(column, changes)


def _conditions(filters):
    if statuses := filters.get("statuses"):
        yield or_(*(Booking.status == Status(value) for value in statuses))
    if first := filters.get("first"):
        yield Booking.starts_at >= clock.start_of(date.fromisoformat(first))
    if last := filters.get("last"):
        yield Booking.starts_at < clock.start_of(date.fromisoformat(last) + timedelta(days=1))
    if professional_id := filters.get("professional_id"):
        yield Booking.professional_id == professional_id
    if service_id := filters.get("service_id"):
        yield Booking.service_id == service_id


# -- Everything -------------------------------------------------------------------------------


def _whole_table(table, names):
    columns = [_plain(table.c[name]) for name in names]
    return Part(f"{table.name}.csv", cells.heading(names), table, select(cells.row(columns).label("line")))


def _plain(column):
    if isinstance(column.type, UTCDateTime):
        return cells.utc(column)
    return cells.number(column) if isinstance(column.type, (Integer, Float, Boolean)) else cells.text(column)
