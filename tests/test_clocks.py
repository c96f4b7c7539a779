"""The clock of a real process is moved: it neither skips nor repeats a period, and never falls asleep."""

import importlib.util
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from extensions import db
from tests import databases
from tests.processes import STEPS, Database, Process, wait_for

INDIA = ZoneInfo("Asia/Kolkata")


class Clock:
    """The system's clock as libfaketime shows it to a process: its offset stands in a file."""

    def __init__(self, folder):
        self._file = folder / "clock"
        package = Path(importlib.util.find_spec("libfaketime").origin).parent
        library = package / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            # A stopwatch goes on whatever happens to the clock, and waiting goes by it.
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def move_to(self, moment):
        offset = (moment - datetime.now(UTC)).total_seconds()
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset:+.0f}")
        new.replace(self._file)


@pytest.fixture
def clock(tmp_path):
    clock = Clock(tmp_path)
    # Time for a busy machine to start it before the evening comes.
    clock.move_to(at(17, 59, 20))
    return clock


@pytest.fixture
def site(admin, worker_name, tmp_path, clock):
    db.session.remove()
    db.engine.dispose()
    url = databases.url(worker_name)
    process = Process(tmp_path / "process", url, UPLOAD_DIR=str(tmp_path / "uploads"), **clock.environment)
    database = Database(url)
    yield database
    database.close()
    assert process.stop() == 0
    assert "Traceback" not in process.log


def at(hour, minute=0, second=0, day="2026-11-23"):
    return datetime.fromisoformat(day).replace(hour=hour, minute=minute, second=second, tzinfo=INDIA)


@pytest.mark.slow
@pytest.mark.realtime
@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform != "linux", reason="libfaketime is loaded as on Linux")
def test_a_process_whose_clock_is_set_runs_each_period_once(site, clock):
    # The evening comes by itself.
    wait_for(lambda: site.runs("tomorrow", "2026-11-23"))
    minutes = site.runs("expire")

    # Two hours back: nothing comes again, and the minutes go on by the stopwatch.
    clock.move_to(at(16, 0, 10))
    assert wait_for(lambda: site.runs("expire") == minutes + 2, seconds=150) > 55
    assert site.runs("tomorrow") == 2  # of the evening before, made up for at the start, and of this one

    # On to the next evening, back into the afternoon, and on over the end of the month.
    clock.move_to(at(18, 0, 5, "2026-11-24"))
    wait_for(lambda: site.runs("tomorrow", "2026-11-24"))
    clock.move_to(at(13, 0, 5, "2026-11-24"))
    clock.move_to(at(6, 0, 5, "2026-12-01"))
    wait_for(lambda: site.runs("activity_reports", "2026-12") and site.runs("told", "2026-12-01"))
    clock.move_to(at(23, 0, 5, "2026-11-30"))
    minutes = site.runs("expire")
    wait_for(lambda: site.runs("expire") > minutes, seconds=100)

    assert site.repeated() == []
    days = ("2026-11-23", "2026-11-24", "2026-12-01")
    # The clock may be moved while a day is being told; its other steps come beside those of the next.
    assert sorted(site.told()) == [f"{day} {step}" for day in days for step in range(STEPS)]
    evenings = "SELECT period FROM job_runs WHERE job = 'tomorrow' AND runs = 1 ORDER BY period"
    assert [period for (period,) in site.rows(evenings)] == ["2026-11-22", "2026-11-23", "2026-11-24", "2026-11-30"]
    assert site.runs("activity_reports") == 2
    assert site.runs("expire") * timedelta(minutes=1) < timedelta(minutes=10)
