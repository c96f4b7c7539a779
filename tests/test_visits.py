"""When somebody was last here: once an hour, after the page, and never at a page's cost."""

import sqlite3
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

import visits
from domain import bookings, clock, files
from extensions import SQLITE_BUSY_MILLISECONDS, db
from models import FileKind, Status, User
from models_money import Document
from tests import factories
from tests.conftest import MONDAY

PAGE = "/customer-dashboard"


def visit(client, path=PAGE, **kwargs):
    """A page and its end, as a server would have it."""
    response = client.get(path, **kwargs)
    response.close()
    return response


def seen(person):
    db.session.rollback()  # what was read before is not read again
    return db.session.get(User, person.id, populate_existing=True).last_seen_at


def test_a_visit_is_noted_after_the_page(as_, customer):
    response = as_(customer).get(PAGE)
    assert seen(customer) is None
    response.close()
    assert seen(customer) == MONDAY


def test_a_second_visit_within_the_hour_is_not_noted(as_, customer, frozen):
    browser = as_(customer)
    visit(browser)
    frozen.shift(timedelta(minutes=59))
    visit(browser)
    assert seen(customer) == MONDAY
    frozen.shift(timedelta(minutes=1))
    visit(browser)
    assert seen(customer) == MONDAY + timedelta(hours=1)


def test_who_only_downloads_files_was_here_too(as_, customer, professional, admin, settings):
    bookings.complete(factories.booking(customer, professional, status=Status.IN_PROGRESS), professional)
    photo = files.store(files.Checked(FileKind.PHOTO, files.JPEG, b"a photo"), professional)
    settings.export_dir.mkdir(parents=True, exist_ok=True)
    (settings.export_dir / "9-x.csv").write_text("a,b")
    export = factories.export(admin, status="done", file_name="9-x.csv", expires_at=clock.now() + timedelta(days=1))
    db.session.commit()
    files_of = {
        customer: f"/documents/{db.session.scalar(select(Document.id))}/pdf",
        professional: f"/files/{photo.id}",
        admin: f"/admin/exports/{export.id}/download",
    }
    for person, path in files_of.items():
        browser = as_(person)
        response = browser.post(path) if person is admin else browser.get(path)
        assert (response.status_code, seen(person)) == (200, None), path
        assert response.data
        response.close()
        assert seen(person) == MONDAY, path


def test_two_pages_at_once_are_one_visit(as_, customer, frozen):
    first, second = as_(customer).get(PAGE), as_(customer).get(PAGE)
    first.close()
    with db.engine.connect() as connection:
        before = connection.exec_driver_sql("SELECT last_seen_at FROM users").all()
    second.close()
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT last_seen_at FROM users").all() == before


def test_what_a_page_fetches_by_itself_is_no_visit(as_, customer):
    visit(as_(customer), "/notifications/bell", headers={"HX-Request": "true"})
    as_(customer).get("/live").close()
    assert seen(customer) is None


def test_strangers_and_pages_that_ask_nobody_note_nothing(client, customer):
    visit(client, "/")
    visit(client, "/static/favicon.svg")
    assert seen(customer) is None


def test_a_page_costs_no_query_more_for_it(as_, customer, count_queries, frozen):
    browser = as_(customer)
    visit(browser)
    with count_queries() as after_a_visit:
        browser.get(PAGE)
    frozen.shift(timedelta(hours=2))
    with count_queries() as when_one_is_due:
        browser.get(PAGE)
    assert after_a_visit.count == when_one_is_due.count
    assert not any("last_seen_at =" in query for query in when_one_is_due.queries)


def test_a_refused_click_is_a_page_too_and_asks_nothing_for_it(as_, customer):
    browser = as_(customer)
    response = browser.post("/bookings/999/close")
    assert response.status_code == 404
    response.close()


@pytest.mark.realtime
def test_a_locked_database_keeps_nobody_waiting(app, as_, customer):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite locks all of it")
    response = as_(customer).get(PAGE)
    other = sqlite3.connect(db.engine.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    response.close()
    assert time.monotonic() - began < 5 * visits.PATIENCE_MILLISECONDS / 1000
    other.execute("ROLLBACK")
    other.close()
    assert response.status_code == 200
    assert seen(customer) is None
    visit(as_(customer))
    assert seen(customer) is not None


def test_connections_go_back_as_patient_as_they_were(app, as_, customer):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("SQLite's own")
    visit(as_(customer))
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == SQLITE_BUSY_MILLISECONDS
    assert seen(customer) == clock.now()
