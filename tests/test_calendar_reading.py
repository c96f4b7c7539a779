"""Reading calendars elsewhere: from a real server over https, past what servers do to those who ask."""

import gzip
import multiprocessing
import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

import calendar_reading
import jobs
from calendar_reading import Unread
from domain import clock, feeds, outside_calendars
from extensions import db
from models import Status, TimeOff
from models_integrations import OutsideCalendar
from tests import factories
from tests.gateway import Server, names_lead_to, say
from tests.test_busy_times import MEETING, calendar
from tests.test_gateways import HERE, PRIVATE

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(120)]

NAME = "calendar.example.com"
URL = f"https://{NAME}/private/basic.ics"


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, names=(NAME,)) as running:
        running.answer = say(200, calendar(MEETING).decode())
        yield running


@pytest.fixture
def guard(server):
    import egress

    return egress.Guard(networks=HERE, authorities=str(server.authority))


@pytest.fixture
def fetch(site, server, guard, monkeypatch):
    """fetch() asks for the calendar; every name of the world leads to the server of the test, or to `places`."""

    def ask(url=URL, *, places=None, guard=guard):
        with site.app_context(), names_lead_to(monkeypatch, *(places or [(server.address, server.port)])):
            return calendar_reading.fetch(url, guard)

    return ask


def refused(fetch, **given):
    with pytest.raises(Unread) as refusal:
        fetch(**given)
    return refusal.value.kind


# -- Fetching ---------------------------------------------------------------------------------


def test_a_calendar_is_fetched_without_cookies_or_anything_of_ours(fetch, server):
    assert fetch() == calendar(MEETING)
    (request,) = server.requests
    assert request["path"] == "/private/basic.ics"
    assert not {"Cookie", "Authorization", "Referer"} & set(request["headers"])


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_not_asked(fetch, server, address):
    assert refused(fetch, places=[(address, server.port)], guard=None) == "unreachable"
    assert server.requests == []


def test_a_name_that_leads_elsewhere_once_it_was_approved_is_not_asked(fetch, server):
    # What is connected to is the address that was looked at, and not what the name says next.
    places = [("8.8.8.8", server.port), ("127.0.0.1", server.port)]
    assert refused(fetch, places=places, guard=None) in ("unreachable", "slow")
    assert server.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://localhost:8443/",
        "https://me:secret@calendar.example.com/",
        "https://[::1/",
        "file:///etc/passwd",
        "//[",
        "https://calendar.example.com\\@127.0.0.1/",
    ],
)
def test_a_redirect_to_where_nobody_may_be_sent_is_not_followed(fetch, server, target):
    server.answer = say(302, Location=target)
    assert refused(fetch) in ("away", "unreachable")
    assert len(server.requests) == 1


def test_a_redirect_to_a_private_address_is_not_followed(fetch, server, tmp_path):
    import egress

    server.answer = say(302, Location="https://inside.example.com/")
    only_first = egress.Guard(networks=("127.0.0.1/32",), authorities=str(server.authority))
    places = [("127.0.0.1", server.port), ("127.0.0.2", server.port)]
    assert refused(fetch, places=places, guard=only_first) == "unreachable"
    assert len(server.requests) == 1


def test_a_redirect_to_a_public_place_is_followed_and_a_ring_of_them_is_not(fetch, server):
    def moved(handler):
        handler.path == "/new" or say(301, Location="/new")(handler)
        handler.path != "/new" or say(200, "here")(handler)

    server.answer = moved
    assert fetch() == b"here"
    server.answer = say(302, Location=URL)
    assert refused(fetch) == "away"
    assert len(server.requests) == 2 + 4


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "gone"), (410, "gone"), (401, "private"), (500, "failing"), (304, "failing")]
)
def test_an_answer_that_says_no_is_told_in_words(fetch, server, status, kind):
    server.answer = say(status)
    assert refused(fetch) == kind
    assert str(outside_calendars.FAULTS[kind])


def test_a_server_with_a_certificate_of_its_own_is_not_believed(fetch, server):
    import egress

    assert refused(fetch, guard=egress.Guard(networks=HERE)) == "untrusted"


def test_a_large_calendar_is_refused_however_it_is_packed(fetch, server):
    server.answer = say(200, "x" * (calendar_reading.MOST_BYTES + 1))
    assert refused(fetch) == "too_much"

    def bomb(handler):
        packed = gzip.compress(b"x" * 300_000_000, compresslevel=1)
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(packed)

    server.answer = bomb
    assert refused(fetch) == "too_much"


@pytest.mark.parametrize("headers_first", [True, False])
def test_a_server_that_speaks_slowly_is_left_in_time(fetch, server, monkeypatch, headers_first):
    monkeypatch.setattr(calendar_reading, "SECONDS_A_FETCH", 1.0)

    def drip(handler):
        if headers_first:
            handler.send_response(200)
            handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"X")
            handler.wfile.flush()
            time.sleep(0.1)

    server.answer = drip
    began = time.monotonic()
    assert refused(fetch) == "slow"
    assert time.monotonic() - began < 3


def test_a_production_site_takes_no_guard_of_a_test(site, guard, monkeypatch):
    with site.app_context():
        monkeypatch.setattr(calendar_reading, "settings", type("Settings", (), {"production": True}))
        with pytest.raises(RuntimeError):
            calendar_reading.fetch(URL, guard)


# -- All of it --------------------------------------------------------------------------------


@pytest.fixture
def tomorrow():
    """From eleven to twelve on some working day ahead, as the time of a meeting."""
    day = clock.today() + timedelta(days=1)
    day += timedelta(days=day.weekday() == 6)
    start = clock.start_of(day) + timedelta(hours=11)
    return start, start + timedelta(hours=1)


@pytest.fixture
def added(app, professional):
    made = outside_calendars.add(professional.professional, professional, "Family", URL)
    db.session.commit()
    db.session.remove()
    return made.id


@pytest.fixture
def drain(app, server, guard, monkeypatch):
    """drain() reads what is due now."""

    def work():
        with names_lead_to(monkeypatch, (server.address, server.port)):
            return calendar_reading.drain(app, threading.Event(), guard)

    return work


def event(start, end):
    return f"DTSTART:{start.astimezone(UTC):%Y%m%dT%H%M%SZ}\nDTEND:{end.astimezone(UTC):%Y%m%dT%H%M%SZ}\n"


def busy():
    db.session.remove()
    return [tuple(row) for row in db.session.execute(select(TimeOff.starts_at, TimeOff.ends_at))]


def again():
    db.session.remove()
    db.session.scalars(select(OutsideCalendar)).one().due_at = clock.now()
    db.session.commit()


def state():
    db.session.remove()
    return db.session.scalars(select(OutsideCalendar)).one()


def test_what_is_due_is_read_once_and_written_down(app, drain, added, server, tomorrow):
    server.answer = say(200, calendar(event(*tomorrow)).decode())
    assert drain() == 1
    assert busy() == [tomorrow]
    assert (state().error, state().failures, state().lease) == ("", 0, None)
    assert drain() == 0
    server.answer = say(200, calendar().decode())
    again()
    assert drain() == 1
    assert busy() == []


def test_a_fault_is_noted_and_what_was_read_stays(app, drain, added, server, tomorrow):
    server.answer = say(200, calendar(event(*tomorrow)).decode())
    drain()
    for answer, kind in ((say(404), "gone"), (say(200, "<html>"), "not_a_calendar")):
        server.answer = answer
        again()
        drain()
        assert state().error == kind
        assert busy() == [tomorrow]
    assert state().failures == 2


def test_whatever_goes_wrong_the_calendar_is_given_back(app, drain, added, monkeypatch):
    monkeypatch.setattr(calendar_reading.busy_times, "read", lambda *_: 1 / 0)
    assert drain() == 1
    assert (state().error, state().lease) == ("broken", None)


def test_our_own_feed_keeps_nobody_busy(app, drain, added, server, professional, customer):
    person = db.session.merge(professional)
    factories.booking(customer, person, status=Status.ACCEPTED)
    feeds.renew(person, by=person)
    db.session.commit()
    content = app.test_client().get(f"/calendar/{feeds.token(person)}.ics").text
    assert "BEGIN:VEVENT" in content
    server.answer = say(200, content)
    assert drain() == 1
    assert state().error == ""
    assert busy() == []


def test_nothing_is_open_while_a_server_is_waited_for(app, drain, added, server, tomorrow):
    written = []

    def meanwhile(handler):
        with app.app_context():
            calendar = db.session.scalars(select(OutsideCalendar)).one()
            calendar.name = "Work"
            db.session.commit()
            written.append(calendar.lease)
        say(200, app_calendar)(handler)

    app_calendar = calendar(event(*tomorrow)).decode()
    server.answer = meanwhile
    drain()
    assert written[0] is not None
    assert state().name == "Work"
    assert busy() == [tomorrow]


def test_who_ends_between_fetching_and_writing_loses_nothing(app, drain, added, server, tomorrow, monkeypatch):
    server.answer = say(200, calendar(event(*tomorrow)).decode())
    db.session.remove()
    db.engine.dispose()

    def die():
        # The threads that look up names are not in a fork.
        monkeypatch.setattr(calendar_reading, "fetch", lambda *_: calendar(event(*tomorrow)))
        monkeypatch.setattr(outside_calendars, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        drain()

    child = multiprocessing.get_context("fork").Process(target=die)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert busy() == []
    assert state().lease is not None
    assert drain() == 0
    held = db.session.scalars(select(OutsideCalendar)).one()
    held.leased_until = clock.now()
    db.session.commit()
    assert drain() == 1
    assert busy() == [tomorrow]


def test_the_process_that_runs_the_timetable_reads_and_no_other(app, added, tomorrow, monkeypatch):
    monkeypatch.setattr(calendar_reading, "fetch", lambda *_: calendar(event(*tomorrow)))
    process = jobs.Timetable(app)
    process.read_calendars()
    assert busy() == []
    process.turn()
    process.read_calendars()
    assert busy() == [tomorrow]
    process.leadership.resign()


def test_a_stop_ends_the_reading(app, added):
    stop = threading.Event()
    stop.set()
    assert calendar_reading.drain(app, stop) == 0


def test_the_window_is_as_wide_as_one_can_book(app):
    first, last = outside_calendars.window()
    assert first < datetime.now(UTC) - timedelta(days=1) + timedelta(hours=1)
    assert last > datetime.now(UTC) + timedelta(days=31)
