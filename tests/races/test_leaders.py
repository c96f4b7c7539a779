"""Several processes run one timetable: one leads, another takes over, and each period comes once."""

import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

import jobs
from domain import job_runs
from domain.timetable import Daily, Job
from extensions import begin_write, db
from models import JobRun, Notification, RunStatus
from tests import databases
from tests.processes import GUNICORN, SCHEDULER, STEPS, Database, Process, set_ahead, tell, wait_for

TOLD = Job("told", Daily(0), tell, "Tell", "Tells an admin.")
PERIOD = "2026-11-23"


@pytest.fixture
def three(admin, worker_name, tmp_path):
    """Three web processes on one database, and the clock that they have in common."""
    db.session.remove()
    db.engine.dispose()
    ahead = tmp_path / "ahead"
    set_ahead(ahead, 0)
    url = databases.url(worker_name)
    database = Database(url)
    environment = {"AHEAD": str(ahead), "UPLOAD_DIR": str(tmp_path / "uploads")}
    processes = [Process(tmp_path / f"process{number}", url, **environment) for number in range(3)]
    yield processes, database, ahead
    for process in processes:
        process.stop()
    database.close()


@pytest.fixture
def leaders(app):
    """leaders(number, act) has so many threads, with sessions of their own, do it at the same moment."""

    def run(number, act):
        db.session.remove()
        gate = threading.Barrier(number)

        def one(_number):
            gate.wait(10)
            return act()

        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(one, range(number)))

    return run


def leading(processes, database):
    holder = database.holder
    return next((one for one in processes if one.leads(holder)), None)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.realtime
@pytest.mark.timeout(300)
def test_when_the_leader_is_killed_another_goes_on_within_a_minute_and_each_period_comes_once(
    three, record_property
):
    processes, database, ahead = three
    wait_for(lambda: leading(processes, database))
    today = datetime.now(UTC) + timedelta(hours=5, minutes=30)
    periods = [(today.date() + timedelta(days=n)).isoformat() for n in range(3)]
    wait_for(lambda: database.runs("told", periods[0]))
    leader = leading(processes, database)
    done = database.runs("expire")
    leader.kill()
    processes.remove(leader)
    seconds = wait_for(lambda: leading(processes, database) and database.runs("expire") > done)
    record_property("seconds after the kill", round(seconds, 1))
    assert seconds < 60

    set_ahead(ahead, 86_400)
    wait_for(lambda: database.runs("told", periods[1]))
    leader = leading(processes, database)
    leaving = time.monotonic()
    assert leader.stop() == 0
    processes.remove(leader)
    wait_for(lambda: leading(processes, database))
    seconds = time.monotonic() - leaving
    record_property("seconds after the leave", round(seconds, 1))
    assert seconds < 15
    set_ahead(ahead, 2 * 86_400)
    wait_for(lambda: database.runs("told", periods[2]))

    assert database.told() == [f"{period} {step}" for period in periods for step in range(STEPS)]
    assert database.repeated() == []
    with urllib.request.urlopen(f"{processes[0].address}/healthz") as answer:
        assert answer.status == 200
    for process in (*processes, leader):
        assert "Traceback" not in process.log, process.log


@pytest.mark.slow
@pytest.mark.realtime
@pytest.mark.parametrize("command", [GUNICORN, SCHEDULER], ids=["gunicorn", "flask scheduler"])
@pytest.mark.parametrize("ends", ["by SIGTERM", "by Ctrl-C"])
def test_a_process_that_is_asked_to_leave_lets_go_of_the_timetable(admin, worker_name, tmp_path, command, ends):
    db.session.remove()
    db.engine.dispose()
    url = databases.url(worker_name)
    database = Database(url)
    process = Process(tmp_path / "process", url, command, UPLOAD_DIR=str(tmp_path / "uploads"), SCHEDULER="web")
    try:
        wait_for(lambda: database.runs("told"))
        if ends == "by Ctrl-C":
            process.interrupt()
    finally:
        code = process.end() if ends == "by Ctrl-C" else process.stop()
    assert code == 0, process.log
    assert database.rows("SELECT holder FROM leases") == [(None,)]
    assert len(database.told()) == STEPS
    assert "Traceback" not in process.log
    database.close()


@pytest.mark.race
@pytest.mark.realtime
def test_twenty_leaders_at_once_do_each_step_of_a_period_once(leaders, app, admin):
    """Also when all of them believe that they lead."""
    for number in range(10):
        period = (date(2026, 1, 1) + timedelta(days=number)).isoformat()
        outcome = leaders(20, partial(jobs.run, app, TOLD, period))
        assert sum(outcome) == STEPS, outcome
        assert told() == [f"{period} {step}" for step in range(STEPS)]
        run = job_runs.find("told", period)
        assert (run.status, run.count, run.runs, run.tries) == (RunStatus.DONE, STEPS, 1, 0)
        db.session.execute(Notification.__table__.delete())
        db.session.commit()


@pytest.mark.race
@pytest.mark.realtime
def test_without_the_row_in_the_transaction_two_leaders_repeat_the_period(leaders, app, admin):
    """The control: who looks first and writes down afterwards does it twice."""
    both_looked = threading.Barrier(2)

    def look_then_do():
        with app.app_context():
            done = db.session.scalar(select(JobRun.id).where(JobRun.job == "told"))
            db.session.rollback()
            both_looked.wait(10)
            if done is None:
                begin_write()
                tell(PERIOD, STEPS - 1)
                db.session.commit()
                begin_write()
                job_runs.begin("told", PERIOD)
                db.session.commit()

    leaders(2, look_then_do)
    assert told() == [f"{PERIOD} {STEPS - 1}"] * 2


def told():
    db.session.rollback()
    notes = db.session.scalars(select(Notification).order_by(Notification.id))
    return [note.data["period"] for note in notes]
