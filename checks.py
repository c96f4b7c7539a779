"""Whether the site can serve: what it stands on, each thing by its name.

What has failed keeps it from serving; what is degraded an operator should see to.
"""

import functools
import os
import shutil
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from config import ROOT
from domain import clock, deliveries, files, leases, timetable
from extensions import db, settings

MEGABYTE = 1024 * 1024
# Below the first nothing should be written any more; below the second it is time to make room.
LEAST_FREE, LOW = 100 * MEGABYTE, 1024 * MEGABYTE
LATE = timedelta(minutes=15)


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


def readiness() -> dict[str, State]:
    """The state of everything the site stands on."""
    return {**_in_the_database(), "disk": _disk(), "uploads": State.OK if files.can_store() else State.FAILED}


def overall(found: dict[str, State]) -> State:
    """The worst of them."""
    return max(found.values(), key=list(State).index)


def schema() -> str | None:
    """The migration that the database is at."""
    return db.session.scalar(text("SELECT version_num FROM alembic_version"))


@functools.cache
def newest_schema() -> str:
    """The migration that this code was written for."""
    return ScriptDirectory(str(ROOT / "migrations")).get_current_head()


def free_bytes() -> int:
    """What is free where the database, the uploads and the exports are, where there is least."""
    folders = (settings.instance, settings.upload_dir, settings.export_dir)
    return min(shutil.disk_usage(_existing(folder)).free for folder in folders)


def before_deployment() -> list[str]:
    """What a site that is about to go into production lacks on this machine, one sentence each."""
    found, faults = readiness(), []
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


def _in_the_database():
    answers = _asked(lambda: bool(db.session.execute(text("SELECT 1"))))
    newest = answers and _asked(lambda: schema() == newest_schema())
    return {
        "database": State.OK if answers else State.FAILED,
        "migrations": State.OK if newest else State.FAILED,
        # In a database of another schema there may be no table to ask.
        "scheduler": State.OK if newest and timetable.is_led(leases.find()) else State.DEGRADED,
        "outbox": State.OK if newest and not _is_late() else State.DEGRADED,
    }


def _asked(question):
    """What the database answers, or False when it does not."""
    try:
        return question()
    except SQLAlchemyError:
        db.session.rollback()
        return False


def _is_late():
    oldest = deliveries.health().oldest
    return oldest is not None and clock.now() - oldest > LATE


def _disk():
    free = free_bytes()
    if free < LEAST_FREE:
        return State.FAILED
    return State.DEGRADED if free < LOW else State.OK


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    return next(one for one in (folder, *folder.parents) if one.exists())
