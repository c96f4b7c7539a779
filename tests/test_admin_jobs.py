"""The admin's Jobs page: what the site does by itself, and how it went."""

from datetime import timedelta

import pytest
from sqlalchemy import select

import jobs
from domain import job_runs, leases, timetable
from domain.job_runs import Step
from extensions import db
from models import AuditEntry, JobRun, RunStatus


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


def test_a_site_that_never_ran_a_job_says_that_nobody_does(browser):
    page = browser.get("/admin/jobs").text
    assert "No job runs" in page
    for job in timetable.TIMETABLE:
        assert str(job.title) in page.replace("&#39;", "'")


def test_the_page_says_who_runs_the_jobs_and_warns_when_nobody_was_heard_of_for_a_minute(browser, frozen):
    leases.take_over("house, process 7, abcdef", None)
    db.session.commit()
    assert "It is run by house, process 7, since today, 9:00 am." in browser.get("/admin/jobs").text
    frozen.shift(timedelta(seconds=61))
    page = browser.get("/admin/jobs").text
    assert "No job runs" in page
    assert "The last sign of whoever ran it: today, 9:00 am." in page


def test_a_run_shows_what_it_did_and_a_failure_why(app, browser, monkeypatch):
    jobs.run(app, timetable.find("tomorrow"), "2026-11-22")
    run = job_runs.begin("purge_files", "2026-11-23")
    job_runs.fail(run, OSError("the disk is full"), again=True)
    db.session.commit()
    page = browser.get("/admin/jobs").text
    assert "0 done in" in page
    assert "OSError: the disk is full" in page
    assert "today, 9:01 am" in page  # when it is tried again
    assert "today, 6:00 pm" in page  # when tomorrow's list comes next


def test_run_now_has_the_next_look_at_the_timetable_run_it(app, browser, admin):
    answer = browser.post("/admin/jobs/requests_waiting/run", follow_redirects=True)
    assert "this begins within seconds" in answer.text
    assert "asked for, within seconds" in answer.text
    run = job_runs.find("requests_waiting", "2026-11-22")
    assert timetable.due()[0][0].name == "requests_waiting"
    acts = db.session.scalars(select(AuditEntry)).all()
    assert [(act.actor_id, act.action, act.subject_id) for act in acts] == [(admin.id, "run_job", run.id)]
    assert "Ran a job at once" in browser.get("/admin/audit").text


def test_run_now_takes_the_evening_of_today_when_yesterdays_is_done_and_then_refuses(app, browser):
    job = timetable.find("tomorrow")
    jobs.run(app, job, "2026-11-22")
    browser.post("/admin/jobs/tomorrow/run")
    assert (job, "2026-11-23") in timetable.due()
    jobs.run(app, job, "2026-11-23")
    answer = browser.post("/admin/jobs/tomorrow/run")
    assert answer.status_code == 409
    assert "It runs again on Tue 24 Nov, 6:00 pm." in answer.text
    assert db.session.scalars(select(JobRun.period).where(JobRun.runs > 0)).all() == ["2026-11-22", "2026-11-23"]


def test_what_is_running_is_not_run_again(browser):
    job_runs.advance(job_runs.begin("tomorrow", "2026-11-22"), Step(500, 500), 1.0)
    db.session.commit()
    answer = browser.post("/admin/jobs/tomorrow/run")
    assert answer.status_code == 409
    assert "This job is running already." in answer.text


def test_what_runs_every_minute_can_always_be_run(app, browser):
    for _ in range(2):
        assert browser.post("/admin/jobs/expire/run").status_code == 302
        assert ("expire", "2026-11-23") in [(job.name, period) for job, period in timetable.due()]
        jobs.run(app, timetable.find("expire"), "2026-11-23")
        db.session.rollback()
        assert "expire" not in [job.name for job, _period in timetable.due()]
    assert job_runs.find("expire", "2026-11-23").runs == 2


def test_what_failed_is_tried_at_once_when_asked(app, browser):
    job_runs.fail(job_runs.begin("tomorrow", "2026-11-22"), OSError("no"), again=True)
    db.session.commit()
    assert "tomorrow" not in [job.name for job, _period in timetable.due()]
    browser.post("/admin/jobs/tomorrow/run")
    assert "tomorrow" in [job.name for job, _period in timetable.due()]


def test_each_job_has_a_history_in_pages(app, browser):
    for day in range(1, 23):
        jobs.run(app, timetable.find("tomorrow"), f"2026-11-{day:02}")
    jobs.run(app, timetable.find("activity_reports"), "2026-11")
    first = browser.get("/admin/jobs/tomorrow").text
    assert "22 Nov 2026" in first
    assert "2 Nov 2026" not in first.replace("22 Nov", "").replace("12 Nov", "")
    assert "November 2026" in browser.get("/admin/jobs/activity_reports").text
    assert "Passed over" in browser.get("/admin/jobs/activity_reports").text
    assert "Not run yet" in browser.get("/admin/jobs/earnings_statements").text


def test_there_is_no_page_of_a_job_that_is_none(browser):
    assert browser.get("/admin/jobs/nonesuch").status_code == 404
    assert browser.post("/admin/jobs/nonesuch/run").status_code == 404


def test_a_period_that_was_passed_over_shows_as_such(app, browser):
    jobs.run(app, timetable.find("tomorrow"), "2026-11-22")
    assert job_runs.find("tomorrow", "2026-11-21").status is RunStatus.DONE
    assert "Passed over" in browser.get("/admin/jobs/tomorrow").text
