"""The Flask extensions, made here and wired in app.py, and how a transaction begins."""

import functools
import sqlite3
import threading
import time
from collections import namedtuple
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from flask import current_app, g
from flask_babel import Babel
from flask_bootstrap import Bootstrap5
from flask_caching import Cache
from flask_compress import Compress
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_mail import Mail
from flask_migrate import Migrate
from flask_security import Security
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData, event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase
from werkzeug.local import LocalProxy

import metrics

# Who wants to write waits so long for others to end, and is told then to come back.
SQLITE_BUSY_MILLISECONDS = 5_000


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Counter(Limiter):
    """Counts where a view says so, or is asked to; it does not look at all other requests."""

    def _check_request_limit(self, callable_name=None, in_middleware=True):
        if not in_middleware:
            super()._check_request_limit(callable_name, in_middleware)


# Sessions live for one request, so what was read before a commit may be shown after it.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate(render_as_batch=True)
security = Security()
csrf = CSRFProtect()
mail = Mail()
babel = Babel()
bootstrap = Bootstrap5()
compress = Compress()
cache = Cache()
limiter = Counter(key_func=get_remote_address)

settings = LocalProxy(lambda: current_app.config["SETTINGS"])


def begin_write() -> None:
    """Start the session's transaction as one that will write.

    On SQLite that is BEGIN IMMEDIATE: a transaction that reads first and writes later would
    otherwise fail with "database is locked" whenever somebody else wrote in between. Call it
    before the first query; what was read in an earlier transaction is read again.
    """
    session = db.session()
    if session.in_transaction():
        if session.new or session.dirty or session.deleted:
            raise RuntimeError("begin_write() would lose unflushed changes")
        session.rollback()
    session.connection(execution_options={"write": True})


def written(verb, *arguments):
    """Do one verb of the domain in a write transaction of its own; answer its result."""
    begin_write()
    result = verb(*arguments)
    db.session.commit()
    return result


def when_committed(mark: str, act) -> None:
    """Do something with what a transaction left under a mark in the session's `info`, after its commit.

    The end of a savepoint is not the end of the transaction.
    """

    @event.listens_for(db.session, "after_commit")
    def look(session):
        if not session.in_nested_transaction() and (left := session.info.pop(mark, None)):
            act(left)

    @event.listens_for(db.session, "after_rollback")
    def forget(session):
        if not session.in_nested_transaction():
            session.info.pop(mark, None)


def end_refused(refusal) -> None:
    """End the transaction of a domain refusal: nothing is kept, unless the refusal is recorded."""
    if refusal.recorded:
        db.session.commit()
    else:
        db.session.rollback()


def begins_late(view):
    """Mark a view that hashes, sends or re-encodes first, and calls begin_write() afterwards."""
    view.begins_late = True
    return view


def takes_up_to(megabytes: int):
    """Mark a view whose form may be larger than those of the others, because of its pictures."""

    def mark(view):
        view.most_bytes = megabytes * 1024 * 1024
        return view

    return mark


def takes_raw(kilobytes: int):
    """Mark a view that programs send something else to than a form."""

    def mark(view):
        view.raw_bytes = kilobytes * 1024
        return view

    return mark


@contextmanager
def out_of_turn():
    """While a request waits for somebody else's server, another one may have its turn (see app.py)."""
    turns = g.get("turns", ())
    for turn in turns:
        turn.release()
    try:
        yield
    finally:
        for turn in turns:
            turn.acquire()


def unless_written(read):
    """A function that reads rows, which answers the same ones again until somebody has committed something.

    SQLite tells at next to no cost whether anybody has; other databases are read each time. Call it
    before anything else is read, for what a transaction sees stays as it was.
    """
    known = WeakKeyDictionary()

    @functools.wraps(read)
    def answer():
        engine = db.engine
        if engine.dialect.name != "sqlite":
            return read()
        version = _version_of_sqlite(engine)
        seen, rows = known.get(engine, (None, None))
        if seen != version:
            rows = read()
            known[engine] = version, rows
        return rows

    return answer


class Prepared:
    """A statement that is compiled once a dialect and given to the driver as it stands.

    Core looks for the compiled form of a statement at each execution and describes each result anew,
    which on the hot way of a request costs more than SQLite needs for the row. Values go in as the
    columns' types write them; what comes out is as the driver reads it. An INSERT names its columns,
    and every row all of them: defaults of the models do not apply.
    """

    def __init__(self, statement, *columns: str):
        self._statement = statement
        self._columns = columns or None
        self._compiled = {}

    def __call__(self, connection, values: dict | list[dict]) -> list:
        """The rows of one execution, or none of one for each of several."""
        dialect = connection.dialect
        sql, bind = self._compiled.get(dialect.name) or self._compile(dialect)
        bound = bind(values) if isinstance(values, dict) else [*map(bind, values)]
        if dialect.name == "sqlite":
            return _rows_of_sqlite(connection, sql, bound)
        result = connection.exec_driver_sql(sql, bound)
        return result.all() if result.returns_rows else []

    def _compile(self, dialect):
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)
        fixed, processors = {}, []
        for name, bind in compiled.binds.items():
            process = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if not bind.required:
                fixed[name] = process(bind.value) if process else bind.value
            elif process:
                processors.append((name, process))

        def by_name(values):
            bound = values | fixed
            for name, process in processors:
                bound[name] = process(bound[name])
            return bound

        def by_position(values):
            return tuple(map(by_name(values).__getitem__, compiled.positiontup))

        self._compiled[dialect.name] = str(compiled), by_position if compiled.positional else by_name
        return self._compiled[dialect.name]


def _rows_of_sqlite(connection, sql, bound):
    cursor, many = connection.connection.dbapi_connection.cursor(), isinstance(bound, list)
    # Who counts the statements hears of this one too.
    for hear in connection.dispatch.before_cursor_execute:
        hear(connection, cursor, sql, bound, None, many)
    try:
        (cursor.executemany if many else cursor.execute)(sql, bound)
        return [*map(_row(cursor.description)._make, cursor.fetchall())] if cursor.description else []
    except sqlite3.Error as fault:
        raise DBAPIError.instance(sql, None, fault, sqlite3.Error, hide_parameters=True) from fault


@functools.cache
def _row(description):
    return namedtuple("Row", [name for name, *_rest in description], rename=True)


# One writer at a time per process: SQLite allows only one anyway, and waiting on a lock of
# ours is fair, while its busy handler sleeps and tries again.
_writer = threading.Lock()


@event.listens_for(Engine, "connect")
def _prepare_sqlite(dbapi_connection, _record):
    if not _is_sqlite(dbapi_connection):
        return
    dbapi_connection.isolation_level = None
    for pragma in (
        f"busy_timeout={SQLITE_BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "cache_size=-4096",
        # What is deleted is overwritten, so that nothing of somebody who is erased stays in the file.
        "secure_delete=ON",
    ):
        dbapi_connection.execute(f"PRAGMA {pragma}").close()


@event.listens_for(Engine, "begin")
def _begin_sqlite(connection):
    if connection.dialect.name != "sqlite":
        return
    if not connection.get_execution_options().get("write"):
        connection.exec_driver_sql("BEGIN")
        return
    began = time.perf_counter()
    try:
        if _writer.acquire(timeout=SQLITE_BUSY_MILLISECONDS / 1000):
            connection.info["writer"] = True
        _lock(connection, SQLITE_BUSY_MILLISECONDS - round((time.perf_counter() - began) * 1000))
    finally:
        metrics.waited_to_write(time.perf_counter() - began)


def _lock(connection, milliseconds):
    """Take the lock of SQLite, for which other programs are waited for only as long as there is time."""
    if milliseconds > SQLITE_BUSY_MILLISECONDS - 100:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {max(0, milliseconds)}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {SQLITE_BUSY_MILLISECONDS}")


# One connection for each database, which only looks: those of the pool do not hear of what they
# have written themselves, and many threads that ask at once would wait for each other.
_watchers = WeakKeyDictionary()
_watching = threading.Lock()


def _version_of_sqlite(engine):
    with _watching:
        if engine not in _watchers:
            _watchers[engine] = engine.raw_connection()
            _watchers[engine].detach()
        return _watchers[engine].execute("PRAGMA data_version").fetchone()


@event.listens_for(Engine, "engine_disposed")
def _look_no_more(engine):
    if watcher := _watchers.pop(engine, None):
        watcher.close()


@event.listens_for(Engine, "checkin")
@event.listens_for(Engine, "invalidate")
def _let_the_next_writer_in(_dbapi_connection, record, *_):
    if record.info.pop("writer", False):
        _writer.release()


@event.listens_for(Engine, "handle_error")
def _leave_out_the_row(context):
    # PostgreSQL quotes the row at fault, and what people typed has no place in a log of errors.
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\nDETAIL:")[0], *error.args[1:])


def _is_sqlite(dbapi_connection) -> bool:
    return type(dbapi_connection).__module__.startswith("sqlite3")
