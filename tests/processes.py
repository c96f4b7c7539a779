"""Sites that run by themselves, in processes of their own on one database: what is served, started and ended.

One job is added to the timetable whose effect can be counted: it tells an admin something each day, and
nothing but the timetable keeps it from doing so twice.
"""

import os
import re
import signal
import time
from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import create_engine, select, text

import app as application
from domain import clock, timetable
from domain.job_runs import Step
from extensions import db
from models import Notification, Role, User
from tests import forks

PATIENCE_SECONDS = 60
STEPS = 3


def create_app() -> Flask:
    """The site with one more job, on a clock that a file sets ahead by some seconds."""
    timetable.TIMETABLE += (timetable.Job("told", timetable.Daily(0), tell, "Tell", "Tells an admin."),)
    real, ahead = clock.now, Path(os.environ["AHEAD"]) if "AHEAD" in os.environ else None
    if ahead is not None:
        clock.now = lambda: real() + timedelta(seconds=float(ahead.read_text()))
    return application.create_app()


def set_ahead(path: Path, seconds: int) -> None:
    """Set that clock; the file is replaced and not rewritten, so that nobody reads half of it."""
    new = path.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(path)


def tell(period: str, cursor: int) -> Step:
    """Tell the admin the period, in three steps."""
    admin_id = db.session.scalar(select(User.id).where(User.role == Role.ADMIN))
    note = {"user_id": admin_id, "kind": "approved", "data": {"period": f"{period} {cursor}"}}
    db.session.add(Notification(**note, created_at=clock.now()))
    db.session.flush()
    return Step(1, cursor + 1 if cursor + 1 < STEPS else None)


GUNICORN = ("gunicorn", "--bind", "127.0.0.1:0", "tests.processes:create_app()")
SCHEDULER = ("flask", "--app", "tests.processes:create_app()", "scheduler")


class Process:
    """A gunicorn with one worker, at a free port, or the command that only runs the timetable."""

    def __init__(self, folder: Path, database_url: str, command=GUNICORN, **environment: str):
        folder.mkdir(parents=True)
        self.folder = folder
        self._log = folder / "log"
        self._log.touch()
        self._process = forks.start(
            command,
            {
                "PATH": os.environ["PATH"],
                "INSTANCE_DIR": str(folder / "instance"),
                "DATABASE_URL": database_url,
                "SECRET_KEY": "only for tests: 0123456789abcdefghij",
                "RATELIMIT_ENABLED": "0",
                **environment,
            },
            self._log,
        )
        if command is GUNICORN:
            wait_for(lambda: self.worker or not self._process.is_alive())
            assert self.worker, self.log

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def worker(self) -> str | None:
        """The number of the process that serves."""
        found = re.search(r"Booting worker with pid: (\d+)", self.log)
        return found and found[1]

    @property
    def address(self) -> str:
        return re.search(r"Doorstep is at (http://\S+)", self.log)[1]

    def leads(self, holder: str | None) -> bool:
        return holder is not None and f"process {self.worker}," in holder

    def kill(self) -> None:
        """End it and its worker on the spot."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join(PATIENCE_SECONDS)

    def interrupt(self) -> None:
        """Type Ctrl-C at its terminal, which all of its processes hear."""
        os.killpg(self._process.pid, signal.SIGINT)

    def stop(self) -> int | None:
        """Ask it to end, and wait until it has; answer how it ended."""
        self._process.terminate()
        return self.end()

    def end(self) -> int | None:
        """Wait until it has ended by itself; answer how, or None when it goes on."""
        self._process.join(PATIENCE_SECONDS)
        return self._process.exitcode


class Database:
    """What the processes leave in their database, seen from outside."""

    def __init__(self, url: str):
        self._engine = create_engine(url)

    def rows(self, statement: str, **values) -> list:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def one(self, statement: str, **values):
        found = self.rows(statement, **values)
        return found[0][0] if found else None

    @property
    def holder(self) -> str | None:
        return self.one("SELECT holder FROM leases")

    def runs(self, job: str, period: str | None = None) -> int:
        """How often a job was run to its end."""
        asked = "SELECT coalesce(sum(runs), 0) FROM job_runs WHERE job = :job AND period LIKE :period"
        return self.one(asked, job=job, period=period or "%")

    def repeated(self) -> list[tuple[str, str]]:
        """The job and period of what was run again, though its period is run to an end once."""
        endless = {job.name for job in timetable.TIMETABLE if job.endless}
        rows = self.rows("SELECT job, period FROM job_runs WHERE runs > 1")
        return [(job, period) for job, period in rows if job not in endless]

    def told(self) -> list[str]:
        """What the admin was told, in order."""
        rows = self.rows("SELECT data FROM notifications WHERE kind = 'approved' ORDER BY id")
        return [re.search(r"\d{4}-\d\d-\d\d \d", str(data))[0] for (data,) in rows]

    def close(self) -> None:
        self._engine.dispose()


def wait_for(condition, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until something holds; answer how many seconds it took."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < seconds, f"nothing happened for {waited:.0f} s"
        time.sleep(0.1)
    return time.monotonic() - began
