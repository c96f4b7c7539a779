"""What the timetable has done is written once, moved on only from where it was seen, and not forgotten."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import clock, job_runs
from domain.job_runs import Step
from extensions import db
from models import JobRun, RunStatus

pytestmark = pytest.mark.usefixtures("app")


def begun(period="2026-11-23", job="reminders"):
    return job_runs.begin(job, period)


def test_a_period_has_one_run():
    assert begun().id == begun().id
    assert db.session.scalars(select(JobRun)).one().status is RunStatus.RUNNING


def test_a_step_moves_the_run_on_and_the_last_one_ends_it():
    job_runs.advance(begun(), Step(500, 77), 0.5)
    run = begun()
    assert (run.status, run.cursor, run.count, run.runs, run.finished_at) == (RunStatus.RUNNING, 77, 500, 0, None)
    job_runs.advance(run, Step(3), 0.25)
    run = begun()
    assert (run.status, run.cursor, run.count, run.runs) == (RunStatus.DONE, 77, 503, 1)
    assert (run.seconds, run.finished_at) == (0.75, clock.now())


def test_a_step_that_another_process_has_done_is_refused():
    run = begun()
    db.session.expunge(run)
    job_runs.advance(begun(), Step(500, 77), 0.5)
    with pytest.raises(job_runs.Overtaken):
        job_runs.advance(run, Step(500, 77), 0.5)


def test_what_is_complete_is_not_completed_again():
    run = begun()
    db.session.expunge(run)
    job_runs.advance(begun(), Step(1), 0.5)
    with pytest.raises(job_runs.Overtaken):
        job_runs.advance(run, Step(1), 0.5)


def test_a_new_period_ends_the_older_ones():
    failed = begun("2026-11-21")
    job_runs.fail(failed, OSError("no"), again=True)
    job_runs.begin("reminders", "2026-11-23", passed_over="2026-11-22")
    runs = db.session.scalars(select(JobRun).order_by(JobRun.period).execution_options(populate_existing=True)).all()
    assert [(run.period, run.status, run.retry_at) for run in runs] == [
        ("2026-11-21", RunStatus.FAILED, None),
        ("2026-11-22", RunStatus.DONE, None),
        ("2026-11-23", RunStatus.RUNNING, None),
    ]


def test_a_failure_waits_twice_as_long_each_time_up_to_an_hour():
    pauses = []
    for _ in range(9):
        job_runs.fail(begun(), OSError("no"), again=True)
        pauses.append((begun().retry_at - clock.now()) // timedelta(minutes=1))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_long_error_is_cut():
    job_runs.fail(begun(), ValueError("x" * 2000), again=False)
    assert begun().error == "ValueError: " + "x" * 488


@pytest.mark.parametrize(("ahead", "may"), [(-1, True), (0, True), (1, False), (60, False), (61, True)])
def test_a_moment_that_no_pause_reaches_keeps_nothing_waiting(ahead, may):
    run = begun()
    run.retry_at = clock.now() + timedelta(minutes=ahead)
    assert job_runs.may_begin(run) is may


def test_what_was_asked_for_may_begin():
    run = begun()
    job_runs.ask(run)
    assert job_runs.may_begin(run)


def test_the_last_run_of_each_job_comes_in_one_question(count_queries):
    for job in ("one", "two"):
        for period in ("2026-11-22", "2026-11-23"):
            job_runs.advance(begun(period, job), Step(1), 0.1)
    job_runs.begin("three", "2026-11-23", passed_over="2026-11-22")
    with count_queries() as seen:
        latest = job_runs.latest()
    assert {name: run.period for name, run in latest.items()} == {"one": "2026-11-23", "two": "2026-11-23"}
    assert seen.count == 1


def test_the_history_comes_in_pages_the_newest_first():
    for day in range(1, 26):
        job_runs.advance(begun(f"2026-11-{day:02}"), Step(1), 0.1)
    begun(job="another")
    first = job_runs.history("reminders")
    rest = job_runs.history("reminders", first.next_cursor)
    periods = [run.period for run in (*first, *rest)]
    assert periods == [f"2026-11-{day:02}" for day in range(25, 0, -1)]
    assert rest.next_cursor is None


def test_the_last_runs_of_each_job_are_kept_whatever_the_clock_says(frozen, monkeypatch):
    monkeypatch.setattr(job_runs, "KEPT", 3)
    for job in ("one", "two"):
        for day in range(1, 6 if job == "one" else 3):
            begun(f"2026-11-{day:02}", job)
    frozen.shift(timedelta(days=10_000))
    assert job_runs.purge("2026-11-23", 0) == Step(2)
    left = db.session.execute(select(JobRun.job, JobRun.period).order_by(JobRun.job, JobRun.period)).all()
    kept = [("one", "2026-11-03"), ("one", "2026-11-04"), ("one", "2026-11-05")]
    assert left == [*kept, ("two", "2026-11-01"), ("two", "2026-11-02")]
