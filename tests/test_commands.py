"""The operator's commands."""

import pytest

from domain import clock, timetable, users
from extensions import db
from models import Role, Status
from tests import factories

PASSWORD = "four brass kettles"


@pytest.fixture
def run(app):
    return app.test_cli_runner().invoke


def test_the_first_admin_is_made_from_the_environment(run, client):
    done = run(args=["create-admin"], env={"ADMIN_EMAIL": "Boss@Example.com ", "ADMIN_PASSWORD": PASSWORD})
    assert done.exit_code == 0, done.output
    admin = users.find("boss@example.com")
    assert (admin.role, admin.demo) == (Role.ADMIN, False)
    assert client.post("/login", data={"email": "boss@example.com", "password": PASSWORD}).status_code == 302


def test_the_first_admin_is_asked_for_address_and_password(run):
    done = run(args=["create-admin"], input=f"boss@example.com\n{PASSWORD}\n{PASSWORD}\n")
    assert "boss@example.com can log in as admin now." in done.output
    assert PASSWORD not in done.output
    assert users.find("boss@example.com").is_admin


@pytest.mark.parametrize(
    "email, password, said",
    [
        ("boss@example.com", "short", "at least 8 characters"),
        ("boss@example.com", "password123", "Choose another"),
        ("nobody", PASSWORD, "Enter an e-mail address"),
        ("asha@example.com", PASSWORD, "has an account already"),
    ],
)
def test_an_admin_is_not_made_of_bad_input(run, customer, email, password, said):
    done = run(args=["create-admin", "--email", email], env={"ADMIN_PASSWORD": password})
    assert done.exit_code == 1
    assert said in done.output
    assert customer.role is Role.CUSTOMER
    assert users.find("boss@example.com") is None


def test_ratings_are_checked_and_made_right(run, customer, professional):
    assert run(args=["check-ratings"]).exit_code == 0
    factories.review(factories.booking(customer, professional))
    assert run(args=["check-ratings"]).exit_code == 1
    assert str(professional.id) in run(args=["recompute-ratings"]).output
    assert run(args=["check-ratings"]).exit_code == 0


def test_the_jobs_are_listed_with_what_they_did(run):
    run(args=["jobs", "run", "tomorrow"])
    listed = run(args=["jobs", "list"]).output
    assert "expire                  every minute\n" in listed
    assert "tomorrow                every day at 6:00 pm\n" in listed
    assert "activity_reports        on the 1st of each month at 6:00 am\n" in listed
    assert "2026-11-22: 0 done, the last run took " in listed


def test_a_job_is_run_by_hand_and_what_is_done_is_not_done_again(run, customer, professional):
    factories.booking(customer, professional, respond_by=clock.now())
    db.session.commit()
    assert run(args=["jobs", "run", "expire"]).output.startswith("expire 2026-11-23: 1 done, the last run took ")
    assert "1 done" in run(args=["jobs", "run", "expire"]).output
    for period in ("2026-11-22", "2026-11-23"):
        assert f"tomorrow {period}: 0 done" in run(args=["jobs", "run", "tomorrow"]).output
    again = run(args=["jobs", "run", "tomorrow"])
    assert (again.exit_code, "It runs again on Tue 24 Nov, 6:00 pm." in again.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tomorrow", "--period", "2026-11-24"], "This period has not begun yet."),
        (["tomorrow", "--period", "2026-11"], "Write the period of this job as 2026-11-22."),
        (["activity_reports", "--period", "soon"], "Write the period of this job as 2026-11."),
        (["expire", "--period", "2026-11-22"], "This job only knows the present date."),
        (["nonesuch"], "There is no such job."),
    ],
)
def test_a_job_is_not_run_for_a_period_that_makes_no_sense(run, arguments, said):
    refused = run(args=["jobs", "run", *arguments])
    assert refused.exit_code == 1
    assert said in refused.output


def test_an_older_period_is_run_by_hand_once(run):
    run(args=["jobs", "run", "activity_reports"])
    for period in ("2026-10", "2026-03"):  # the first of them was passed over
        done = run(args=["jobs", "run", "activity_reports", "--period", period])
        assert done.output.startswith(f"activity_reports {period}: 0 done, the last run took ")
        again = run(args=["jobs", "run", "activity_reports", "--period", period])
        assert again.exit_code == 1
        assert f"This job has done its work for {period}." in again.output


def test_a_job_that_fails_by_hand_says_why(run, monkeypatch, caplog):
    def verb(period, cursor):
        raise OSError("the disk is full")

    monkeypatch.setattr(timetable, "TIMETABLE", (timetable.Job("failing", timetable.Daily(3), verb, "", ""),))
    failed = run(args=["jobs", "run", "failing"])
    assert failed.exit_code == 1
    assert "failing 2026-11-23: failed: OSError: the disk is full" in failed.output
    assert "the job failing failed" in caplog.text


def test_the_books_are_proved_and_filled_from_what_was_before(run, customer, professional):
    factories.booking(customer, professional, status=Status.CLOSED)
    refused = run(args=["ledger", "check"])
    assert (refused.exit_code, "and its bill says" in refused.output) == (1, True)
    assert run(args=["ledger", "adopt"]).output == "1 bookings are in the books now.\n"
    assert run(args=["ledger", "adopt"]).output == "0 bookings are in the books now.\n"
    proved = run(args=["ledger", "check"])
    assert (proved.exit_code, proved.output) == (0, "The books balance.\n")
