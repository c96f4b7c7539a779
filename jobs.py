"""The timetable: what the site does by itself while it is served. Each job calls one domain verb.

Only a serving process starts it (see gunicorn.conf.py), and of several processes on one machine
only the one that holds the lock. Whatever a job does is also evaluated on read, so a site whose
timetable stood still shows nothing wrong.
"""

import fcntl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from domain import bookings
from extensions import begin_write, db

EVERY_MINUTE = (bookings.expire_due, bookings.close_due)
# A run that is late by less than this is made up for, once.
GRACE_SECONDS = 3600


@dataclass
class Timetable:
    """The jobs of this process while they run, and the lock that keeps others from running them."""

    scheduler: BackgroundScheduler
    lock: IO

    def stop(self) -> None:
        """Let the running job finish, start no other, and let another process take over."""
        self.scheduler.shutdown()
        self.lock.close()


def start(app: Flask) -> Timetable | None:
    """Begin the timetable; None when another process runs it already."""
    lock = _lock(app)
    if lock is None:
        return None
    scheduler = BackgroundScheduler(timezone=UTC)
    for verb in EVERY_MINUTE:
        scheduler.add_job(
            run,
            "interval",
            (app, verb),
            minutes=1,
            id=verb.__name__,
            coalesce=True,
            misfire_grace_time=GRACE_SECONDS,
            next_run_time=datetime.now(UTC),
        )
    scheduler.start()
    return Timetable(scheduler, lock)


def run(app: Flask, verb: Callable[[], int]) -> None:
    """Do one verb in a transaction of its own. An error is logged; the next minute tries again."""
    with app.app_context():
        try:
            begin_write()
            verb()
            db.session.commit()
        except Exception:
            db.session.rollback()
            app.logger.exception("the job %s failed", verb.__name__)


def _lock(app):
    folder = app.config["SETTINGS"].instance
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(folder / "timetable.lock", "a")  # noqa: SIM115 (held for the life of the process)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock
