"""Whether the site can serve: what it stands on, each thing by its name.

What has failed keeps it from serving; what is degraded an operator should see to.
"""

import functools
import os
import platform
import shutil
from datetime import timedelta
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config import ROOT
from domain import clock, deliveries, files, leases, timetable
from extensions import db, limiter, settings

MEGABYTE = 1024 * 1024
# Below the first nothing should be written any more; below the second it is time to make room.
LEAST_FREE, LOW = 100 * MEGABYTE, 1024 * MEGABYTE
LATE = timedelta(minutes=15)
_SCHEMA = "SELECT version_num FROM alembic_version"


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


class Look(NamedTuple):
    """What was found: the state of everything the site stands on, and of the messages if they could be asked for."""

    states: dict[str, State]
    messages: deliveries.Health | None

    @property
    def overall(self) -> State:
        """The worst of them."""
        return max(self.states.values(), key=list(State).index)


def look() -> Look:
    """See how everything stands that the site stands on."""
    newest = _asked(lambda: db.session.scalar(text(_SCHEMA)) == newest_schema())
    answers = newest or _asked(lambda: bool(db.session.scalar(text("SELECT 1"))))
    # In a database of another schema there may be no table to ask.
    led = newest and _asked(lambda: timetable.is_led(leases.find()))
    messages = (newest and _asked(deliveries.health)) or None
    states = {
        "database": State.OK if answers else State.FAILED,
        "migrations": State.OK if newest else State.FAILED,
        "disk": _disk(),
        "uploads": State.OK if files.can_store() else State.FAILED,
        "scheduler": State.OK if led else State.DEGRADED,
        "outbox": State.DEGRADED if messages is None or _is_late(messages) else State.OK,
    }
    if settings.redis_url:
        states["redis"] = State.OK if limiter.storage.check() else State.DEGRADED
    return Look(states, messages)


@functools.cache
def newest_schema() -> str:
    """The migration that this code was written for."""
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head()


def free_bytes() -> int:
    """What is free where the database, the uploads and the exports are, where there is least."""
    folders = (settings.instance, settings.upload_dir, settings.export_dir)
    return min(shutil.disk_usage(_existing(folder)).free for folder in folders)


def database_bytes() -> int:
    """The size of the database."""
    if db.engine.dialect.name == "postgresql":
        return db.session.scalar(text("SELECT pg_database_size(current_database())"))
    return os.stat(db.engine.url.database).st_size


def versions() -> dict[str, str]:
    """What the site is made of, by name."""
    server = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[db.engine.dialect.name]
    packages = {name: version(name) for name in ("Flask", "SQLAlchemy", "gunicorn")}
    its_version = ".".join(map(str, db.engine.dialect.server_version_info))
    return {"Python": platform.python_version(), server: its_version, **packages}


def before_deployment() -> list[str]:
    """What a site that is about to go into production lacks on this machine, one sentence each."""
    found, faults = look().states, []
    if found["database"] is State.FAILED:
        faults.append("The database does not answer: see DATABASE_URL.")
    elif found["migrations"] is State.FAILED:
        faults.append("The database is not at the newest migration: run init_db.py, or flask db upgrade.")
    if found["disk"] is State.FAILED:
        faults.append(f"Less than {LEAST_FREE // MEGABYTE} MB are free where the data is kept.")
    if found["uploads"] is State.FAILED:
        faults.append("Uploads cannot be kept: UPLOAD_DIR is not writable.")
    if int(os.environ.get("WEB_CONCURRENCY") or 1) > 1 and not settings.redis_url:
        faults.append("WEB_CONCURRENCY is above 1 without REDIS_URL: each process would count tries by itself.")
    return faults


def _asked(question):
    """What the database answers, or False when it does not."""
    try:
        return question()
    except SQLAlchemyError:
        db.session.rollback()
        return False


def _is_late(messages):
    return messages.oldest is not None and clock.now() - messages.oldest > LATE


def _disk():
    free = free_bytes()
    if free < LEAST_FREE:
        return State.FAILED
    return State.DEGRADED if free < LOW else State.OK


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    return next(one for one in (folder, *folder.parents) if one.exists())
