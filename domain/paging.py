"""Pages of 20 that stay right while rows come and go: each begins after the last row of the one before.

A cursor holds the sort values of that row. It is no secret and no promise: one that was made up
asks for a strange place in the list, or is refused, and never breaks a page.
"""

import base64
import json
import math
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from flask_babel import gettext as _
from sqlalchemy import Select, and_, false, or_, tuple_

from domain.errors import Invalid
from extensions import db

SIZE = 20
MAX_CURSOR = 1000
MAX_TEXT = 300
BIGGEST = 2**63 - 1


@dataclass(frozen=True)
class Page:
    """Some rows of a list; `next_cursor` is None at its end."""

    items: list
    next_cursor: str | None

    def __iter__(self):
        return iter(self.items)

    def __len__(self):
        return len(self.items)


def keyset(statement: Select, order: list[tuple], after: str | None = None, size: int = SIZE) -> Page:
    """The rows after a cursor, sorted by [(column, "asc" or "desc"), ...].

    The columns are never NULL and the last one makes the order unique. A statement of one entity
    gives entities, any other gives rows. Raises Invalid for a cursor that cannot be read.
    """
    columns = [column for column, _direction in order]
    one_thing = len(statement.column_descriptions) == 1
    statement = statement.add_columns(*(column.label(f"key_{n}") for n, column in enumerate(columns)))
    statement = statement.order_by(*(getattr(column, direction)() for column, direction in order))
    if after:
        statement = statement.where(following(order, decode(after, [_type(column) for column in columns])))
    rows = db.session.execute(statement.limit(size + 1)).all()
    more = len(rows) > size
    rows = rows[:size]
    cursor = encode([getattr(rows[-1], f"key_{n}") for n in range(len(columns))]) if more else None
    return Page([row[0] for row in rows] if one_thing else list(rows), cursor)


def following(order: list[tuple], values: list):
    """The condition that a row comes after the one with these sort values."""
    if len({direction for _column, direction in order}) == 1 and len(order) > 1:
        # Compared as one value, which an index over these columns can begin at.
        row, bound = tuple_(*(column for column, _direction in order)), tuple_(*values)
        return row > bound if order[0][1] == "asc" else row < bound
    condition = false()
    for (column, direction), value in reversed(list(zip(order, values, strict=True))):
        beyond = column > value if direction == "asc" else column < value
        condition = or_(beyond, and_(column == value, condition))
    # Said once more for the first column alone, which is what an index can use.
    (column, direction), value = order[0], values[0]
    return and_(column >= value if direction == "asc" else column <= value, condition)


def encode(values: list) -> str:
    """An opaque text, safe in a URL, of the sort values of a row."""
    text = json.dumps([_plain(value) for value in values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode(cursor: str, types: list[type]) -> list:
    """The sort values in a cursor. Raises Invalid unless they are of these types."""
    try:
        if len(cursor) > MAX_CURSOR:
            raise ValueError
        text = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        values = json.loads(text)
        if not isinstance(values, list):
            raise ValueError
        return [_typed(value, kind) for value, kind in zip(values, types, strict=True)]
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise Invalid(_("That page of the list cannot be found. Start again from the first page.")) from None


def _plain(value):
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, date) else value


def _typed(value, kind):
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if kind is int and type(value) is int and abs(value) <= BIGGEST:
        return value
    if kind is str and type(value) is str and len(value) <= MAX_TEXT and value.isprintable():
        return value
    if kind is datetime and type(value) is str:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not None and 1970 <= moment.year <= 9000:
            return moment
    if kind is date and type(value) is str:
        return date.fromisoformat(value)
    if issubclass(kind, Enum):
        return kind(value)
    raise ValueError


def _type(column) -> type:
    return column.type.python_type
