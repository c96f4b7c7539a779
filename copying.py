"""Carries all rows of one database into an empty one of the same schema, and proves that they are the same.

Both ways between SQLite and PostgreSQL: a site moves, and a backup is a file of SQLite whatever the site runs on.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import Enum
from functools import partial
from typing import NamedTuple

import alembic.command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Column, Connection, Engine, Table, Text, cast, insert, inspect, literal, select, text
from sqlalchemy.types import TypeDecorator

from extensions import db, migrate

BATCH = 2_000
# A sum of hashes does not depend on the order, in which two databases sort differently.
_MODULUS = 2**256
_FOREIGN_KEYS = (
    "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"
)


class NotPossible(Exception):
    """A copy that was not made; the message says why, and the target is as it was."""


class Seen(NamedTuple):
    """What was read of a table: how many rows, and their checksum."""

    table: str
    rows: int
    checksum: str


def copy(source: Engine, target: Engine, tell: Callable[[Seen], None] = lambda _seen: None) -> list[Seen]:
    """Copy every table as it stands at one moment, in one transaction of the target; tell of each that agrees.

    Raises NotPossible unless both are at the newest migration and the target has no rows, and when
    what arrived is not what left.
    """
    copied = []
    with _at_one_moment(source) as old, _filling(target) as new:
        _must_fit(old, new)
        for table in tables():
            left = _read(old, table, partial(_write, new, table))
            arrived = _read(new, table)
            if left != arrived:
                raise NotPossible(f"{table.name}: {left.rows} rows left and {arrived.rows} arrived, or not the same.")
            _count_on(new, table)
            tell(left)
            copied.append(left)
    return copied


def tables() -> list[Table]:
    return db.metadata.sorted_tables


def counts(engine: Engine) -> dict[str, int]:
    """How many rows each table of a database has, of whatever version it is."""
    with _at_one_moment(engine) as connection:
        names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
        return {name: connection.exec_driver_sql(_counted(name)).scalar_one() for name in names}


def head_of(engine: Engine) -> str | None:
    """The migration at which a database is; None before the first."""
    with engine.connect() as connection:
        return _head(connection)


def newest() -> str:
    """The migration that this version of the site is made for."""
    return _scripts().get_current_head()


def is_known(head: str) -> bool:
    """Whether this version of the site has a migration."""
    return head in {script.revision for script in _scripts().walk_revisions()}


def upgrade(engine: Engine) -> None:
    """Bring a database to the newest migration, and one without tables into being."""
    settings = migrate.get_config()
    settings.attributes["engine"] = engine
    alembic.command.upgrade(settings, "head")


def _scripts():
    return ScriptDirectory.from_config(migrate.get_config())


def _head(connection):
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _must_fit(old, new):
    for connection, name in ((old, "The database to copy from"), (new, "The database to copy to")):
        if (head := _head(connection)) != newest():
            raise NotPossible(f"{name} is at migration {head}, not at {newest()}: run flask db upgrade on it.")
    for table in tables():
        if new.execute(select(literal(1)).select_from(table).limit(1)).first():
            raise NotPossible(f"The database to copy to is not empty: there are rows in {table.name}.")


@contextmanager
def _at_one_moment(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the database as it is when it first reads, whatever others write."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection


@contextmanager
def _filling(engine: Engine) -> Iterator[Connection]:
    """A transaction into which rows come in any order: what refers to what is looked at in the end."""
    keys = _later_on_postgresql if engine.dialect.name == "postgresql" else _later_on_sqlite
    with engine.connect() as connection, keys(connection):
        yield connection


@contextmanager
def _later_on_postgresql(connection):
    with connection.begin():
        keys = connection.exec_driver_sql(_FOREIGN_KEYS).all()
        for table, name, _definition in keys:
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        yield
        for table, name, definition in keys:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")


@contextmanager
def _later_on_sqlite(connection):
    driver = connection.connection.driver_connection
    # It heeds the switch outside of a transaction only.
    driver.execute("PRAGMA foreign_keys=OFF").close()
    try:
        with connection.begin():
            yield
            if orphans := connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise NotPossible(f"A row of {orphans[0]} refers to one that is not there.")
    finally:
        driver.execute("PRAGMA foreign_keys=ON").close()


def _read(connection, table, keep=lambda _rows: None) -> Seen:
    """Read a table, batch after batch; `keep` gets each."""
    number = total = 0
    columns = [cast(column, Text).label(column.name) if _is_json(column) else column for column in table.c]
    with connection.execute(select(*columns).execution_options(yield_per=BATCH)) as result:
        for rows in result.partitions():
            keep(rows)
            number += len(rows)
            total += sum(_hash(row) for row in rows)
    return Seen(table.name, number, f"{total % _MODULUS:064x}")


def _write(connection, table, rows):
    dialect = connection.dialect
    bind = [_binder(column, dialect) for column in table.c]
    bound = [tuple(one(value) for one, value in zip(bind, row, strict=True)) for row in rows]
    if dialect.name == "sqlite":
        connection.exec_driver_sql(str(insert(table).compile(dialect=dialect)), bound)
        return
    names = ", ".join(dialect.identifier_preparer.quote(column.name) for column in table.c)
    order = f"COPY {_quoted(table)} ({names}) FROM STDIN"
    with connection.connection.driver_connection.cursor() as cursor, cursor.copy(order) as stream:
        for row in bound:
            stream.write_row(row)


def _binder(column: Column, dialect) -> Callable:
    # JSON stays the text that it is: `null` in it and no value at all are two things.
    process = None if _is_json(column) else column.type.dialect_impl(dialect).bind_processor(dialect)
    return process or _same


def _same(value):
    return value


def _is_json(column):
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    return isinstance(kind, JSON)


def _hash(row) -> int:
    return int.from_bytes(hashlib.sha256(repr([_plain(value) for value in row]).encode()).digest())


def _plain(value):
    """A value so that it reads the same from either database."""
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, date) else value


def _count_on(connection, table):
    """Have new rows numbered after those that came: SQLite looks by itself, PostgreSQL is told."""
    if connection.dialect.name != "postgresql":
        return
    for column in table.primary_key:
        counter = connection.execute(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": _quoted(table), "column": column.name}
        ).scalar()
        if counter:
            last = f"SELECT max({column.name}) FROM {_quoted(table)}"  # noqa: S608 (names of ours)  # nosec B608
            connection.execute(
                text(f"SELECT setval(:counter, coalesce(({last}), 1), ({last}) IS NOT NULL)"), {"counter": counter}
            )


def _counted(name):
    return f'SELECT count(*) FROM "{name}"'  # noqa: S608 (a name of ours)  # nosec B608


def _quoted(table):
    return f'"{table.name}"'
