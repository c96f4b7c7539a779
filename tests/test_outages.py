"""What passes by itself is told from a fault of the code, and whoever asked is told to come back."""

import errno
import logging
import sqlite3
from contextlib import closing

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

import outages
from domain import bookings, catalogue, files
from extensions import db
from models import Booking, Status
from tests import factories, html

WORDS = "database is locked"


def of_sqlite(code):
    fault = sqlite3.OperationalError(WORDS)
    fault.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, fault)


def raises(fault):
    def act(*_arguments, **_options):
        raise fault

    return act


# -- Which they are ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        *map(of_sqlite, (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_FULL)),
        *map(of_sqlite, (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY_DBMOVED, sqlite3.SQLITE_CANTOPEN)),
        of_sqlite(sqlite3.SQLITE_BUSY).orig,
        *(OperationalError("", {}, kind()) for kind in (psycopg.OperationalError, psycopg.errors.AdminShutdown)),
        *(OperationalError("", {}, kind()) for kind in (psycopg.errors.DiskFull, psycopg.errors.TooManyConnections)),
        DBAPIError("", {}, psycopg.errors.ReadOnlySqlTransaction()),
        DBAPIError("", {}, psycopg.InterfaceError("the connection is closed"), connection_invalidated=True),
        NoConnectionFree("all connections are in use"),
        TimeoutError(),
        *(OSError(code, "") for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)),
    ],
    ids=repr,
)
def test_a_database_or_a_disk_that_cannot_just_now_passes(fault):
    assert outages.is_one(fault)


@pytest.mark.parametrize(
    "fault",
    [
        *map(of_sqlite, (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CONSTRAINT_UNIQUE)),
        DBAPIError("", {}, sqlite3.ProgrammingError("closed")),
        DBAPIError("", {}, psycopg.errors.UndefinedTable()),
        DBAPIError("", {}, psycopg.errors.UniqueViolation()),
        OSError(errno.ECONNREFUSED, ""),
        ValueError("x"),
        None,
    ],
    ids=repr,
)
def test_a_fault_of_the_code_does_not(fault):
    assert not outages.is_one(fault)


def test_a_statement_that_is_wrong_is_none_though_the_driver_calls_it_operational(app):
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.OperationalError) as found:
        connection.execute("SELECT nothing FROM nowhere")
    assert not outages.is_one(found.value)


# -- What is said -----------------------------------------------------------------------------


def test_a_page_says_when_to_come_back_and_asks_the_database_nothing(as_, customer, monkeypatch, count_queries, caplog):
    browser = as_(customer)
    monkeypatch.setattr(db.session, "scalar", raises(of_sqlite(sqlite3.SQLITE_BUSY)))
    with count_queries() as seen:
        page = browser.get("/services?x=1")
    assert seen.count == 0
    assert (page.status_code, page.headers["Retry-After"], page.headers["Cache-Control"]) == (503, "10", "no-store")
    assert "We will be right back" in page.text
    assert 'href="/services?x=1"' in page.text
    assert html.faults(page.text) == []
    assert WORDS not in page.text
    assert "Traceback" not in caplog.text
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == f"GET /services cannot be answered now: {WORDS}"


def test_in_the_language_of_the_browser(as_, customer, monkeypatch):
    monkeypatch.setattr(db.session, "scalar", raises(of_sqlite(sqlite3.SQLITE_BUSY)))
    page = as_(customer).get("/services", headers={"Accept-Language": "hi"})
    assert 'lang="hi"' in page.text


def test_a_form_that_could_not_be_kept_says_so_and_leaves_nothing(as_, customer, professional, monkeypatch):
    asked = factories.booking(customer, professional)
    browser = as_(professional)
    done = bookings.accept

    def half(*arguments, **options):
        done(*arguments, **options)
        raise of_sqlite(sqlite3.SQLITE_FULL)

    monkeypatch.setattr(bookings, "accept", half)
    page = browser.post(f"/professional/jobs/{asked.id}/accept")
    assert page.status_code == 503
    assert "most likely not kept" in page.text
    assert "Try again</a>" not in page.text
    assert db.session.get_one(Booking, asked.id).status is Status.PENDING


def test_a_program_gets_a_problem(monkeypatch, client):
    monkeypatch.setattr(catalogue, "matching", raises(of_sqlite(sqlite3.SQLITE_IOERR)))
    answer = client.get("/api/services?q=tap")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.json["detail"] == "This cannot be done just now. Try again in a few seconds."
    assert answer.headers["Retry-After"] == "10"


def test_a_part_of_a_page_stays_as_it_is(as_, customer, monkeypatch):
    monkeypatch.setattr(db.session, "scalar", raises(of_sqlite(sqlite3.SQLITE_BUSY)))
    answer = as_(customer).get("/notifications/bell", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.text) == (503, "")
    assert answer.headers["Retry-After"] == "10"


def test_a_fault_of_the_code_is_still_a_500_and_asks_for_nobody_either(as_, customer, monkeypatch):
    monkeypatch.setattr(db.session, "scalar", raises(ValueError("x")))
    page = as_(customer).get("/services")
    assert page.status_code == 500
    assert "Retry-After" not in page.headers


# -- What is kept -----------------------------------------------------------------------------


def test_a_file_that_does_not_fit_leaves_no_half(app, settings, monkeypatch):
    monkeypatch.setattr("storage.os.fsync", raises(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        files.kept().put("0" * 32, b"x" * 1000)
    assert [path for path in settings.upload_dir.rglob("*") if path.is_file()] == []


def test_whose_code_cannot_be_used_up_is_not_logged_in(client, customer, monkeypatch):
    locked = [of_sqlite(sqlite3.SQLITE_BUSY)]
    monkeypatch.setattr("identity.People.commit", lambda _people: locked and raises(locked.pop())())
    answer = client.post("/login", data={"email": customer.email, "password": factories.PASSWORD})
    assert answer.status_code == 503
    assert client.get("/bookings").status_code == 302
