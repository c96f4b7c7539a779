"""How a value becomes a cell of a CSV file, said in SQL: the database does the work while Python serves pages.

Cells are those of RFC 4180. A text that a spreadsheet would run as a formula gets an apostrophe in
front of it; numbers stay numbers.
"""

import functools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Boolean, Integer, String, Text, and_, case, cast, func, literal_column, or_
from sqlalchemy.sql.elements import ColumnElement

from extensions import db, settings

END = "\r\n"
MARK = "'"
# What begins a formula, full-width and other forms of the same signs too.
FORMULA = "=+-@\t\r\n＝＋－＠﹦﹢﹣﹫−"
# What may be gone before a spreadsheet looks at the first sign: blanks, quotes, commas, and the unseen.
SKIPPED = (
    " \"',;`‘’‚‛“”„‟«»＂＇｀\u00a0\u00ad\u1680\u2028\u2029\u202f\u205f\u3000\ufeff\x7f\x85"
    + "".join(map(chr, range(0x2000, 0x2010)))
    + "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2060, 0x2070)]))
    + "".join(map(chr, [*range(0x01, 0x09), 0x0B, 0x0C, *range(0x0E, 0x20)]))
)

_QUOTE = literal_column("'\"'", Text)
_QUOTE_AND_MARK = literal_column("'\"'''", Text)
_COMMA = literal_column("','", Text)


def row(cells: list[ColumnElement]) -> ColumnElement:
    """A line of the file, without its end."""
    return functools.reduce(lambda line, cell: line.concat(_COMMA).concat(cell), cells)


def joined(line) -> ColumnElement:
    """All lines of a query with an end between each two."""
    return (func.group_concat if _on_sqlite() else func.string_agg)(line, END)


def heading(names: list[str]) -> str:
    """The first line of the file. The names are ours and need no quotes."""
    return ",".join(names) + END


def text(column) -> ColumnElement:
    """Any words. Nothing at all is an empty cell, an empty text is an empty pair of quotes."""
    column = column if type(column.type) in (String, Text) else cast(column, Text)
    first = func.substr(func.ltrim(column, SKIPPED), 1, 1)
    # A first sign that is cut away leaves nothing; blanks alone have none, nor has SQLite's NUL.
    runs = and_(func.ltrim(first, FORMULA) == "", column != "")
    # Most texts begin with a letter or a digit, which is found out at a tenth of the cost.
    code = func.unicode(column) if _on_sqlite() else func.ascii(column)
    usual = or_(code.between(65, 90), code.between(97, 122), code.between(48, 57))
    mark = case((usual, _QUOTE), (runs, _QUOTE_AND_MARK), else_=_QUOTE)
    return func.coalesce(mark.concat(func.replace(column, '"', '""')).concat(_QUOTE), "")


def number(column) -> ColumnElement:
    """A number, or a truth as 1 or 0."""
    column = cast(column, Integer) if isinstance(column.type, Boolean) else column
    return func.coalesce(cast(column, Text), "")


def word(column) -> ColumnElement:
    """One of our own words, such as a state: it needs no quotes."""
    return func.coalesce(cast(column, Text), "")


def amount(column) -> ColumnElement:
    """An amount in minor units as a decimal of the currency: 349.00. Nothing is 0.00."""
    units = settings.minor_units
    digits = len(str(units)) - 1
    amount = func.coalesce(column, 0) / units
    return func.printf(f"%.{digits}f", amount) if _on_sqlite() else cast(func.round(amount, digits), Text)


def line(*values: str) -> str:
    """A line of a short file that Python writes itself: texts as text() writes them."""
    return ",".join(map(_quoted, values)) + END


def decimal(minor: int) -> str:
    """As amount() writes it, for such a line."""
    units = settings.minor_units
    return f"{Decimal(minor) / units:.{len(str(units)) - 1}f}"


def _quoted(value):
    # As there, what has no first sign that is seen gets one too.
    runs = value and value.lstrip(SKIPPED)[:1] in FORMULA
    doubled = value.replace('"', '""')
    return f'"{MARK}{doubled}"' if runs else f'"{doubled}"'


def moment(column, changes: list[tuple[datetime, timedelta]]) -> ColumnElement:
    """A moment on the site's clock: 2026-11-24T11:00:00+05:30. `changes` come from offsets()."""
    later = [(column >= since, _shifted(column, offset)) for since, offset in reversed(changes[1:])]
    shown = _shifted(column, changes[0][1])
    return func.coalesce(case(*later, else_=shown) if later else shown, "")


def utc(column) -> ColumnElement:
    """A moment in UTC to the microsecond: 2026-11-24T05:30:00.000000Z."""
    if _on_sqlite():
        return func.coalesce(func.replace(cast(column, Text), " ", "T").concat("Z"), "")
    return func.coalesce(func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), "")


def offsets(first: datetime, last: datetime) -> list[tuple[datetime, timedelta]]:
    """From when on which offset from UTC holds at the site, between two moments."""
    zone, day = settings.zone, timedelta(days=1)
    since = first.astimezone(UTC)
    found = [(since, since.astimezone(zone).utcoffset())]
    while since < last:
        before, since = since, since + day
        offset = since.astimezone(zone).utcoffset()
        if offset != found[-1][1]:
            found.append((_change(before, since, zone), offset))
    return found


def _change(before, after, zone):
    """The second at which the clock of a zone is set, between two moments."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _shifted(column, offset):
    minutes = int(offset.total_seconds()) // 60
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    written = f"{sign}{hours:02}:{rest:02}"
    if _on_sqlite():
        return func.strftime(f"%Y-%m-%dT%H:%M:%S{written}", column, f"{minutes:+} minutes")
    there = func.timezone("UTC", column) + timedelta(minutes=minutes)
    return func.to_char(there, f'YYYY-MM-DD"T"HH24:MI:SS"{written}"')


def _on_sqlite():
    return db.engine.dialect.name == "sqlite"
