"""Another program holds SQLite's lock for ten seconds: who wants to write is told to come back, and reading goes on."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from extensions import SQLITE_BUSY_MILLISECONDS, db
from models import Booking, BookingEvent, Status
from models_live import Message
from tests import databases
from tests.faults.asking import ask

pytestmark = [pytest.mark.slow, pytest.mark.realtime]
HELD_SECONDS = 10
# What a busy machine may add.
SLACK = 5


@contextmanager
def held(path, seconds):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE bookings SET remarks = 'Somebody else was here.'")
    began = time.monotonic()
    yield
    time.sleep(max(0, seconds - (time.monotonic() - began)))
    other.execute("COMMIT")
    other.close()


def test_while_another_program_writes_nobody_waits_for_long_and_nothing_is_kept_by_halves(
    run, visitors, wishes, jobs, worker_name
):
    (asked, agreed), path = jobs, db.engine.url.database
    site = run(databases.url(worker_name))
    asha, dev = visitors(site.address)
    accept = f"{site.address}/professional/jobs/{asked}/accept"
    # More than one of them: they wait for each other in the process, and must not do so one after the other.
    writing = [
        lambda: dev.send(accept),
        lambda: asha.call(f"{site.address}/api/service-requests", wishes[0]),
        lambda: dev.send(f"{site.address}/conversations/{agreed}", {"HX-Request": "true"}, text="On my way", key="k"),
    ]
    with held(path, HELD_SECONDS), ThreadPoolExecutor(len(writing)) as pool:
        waiting = [pool.submit(act) for act in writing]
        for page in ("/services", "/healthz", "/readyz"):
            assert ask(f"{site.address}{page}").status == 200
        assert asha.look(f"{site.address}/bookings/{asked}").status == 200
        assert not any(one.done() for one in waiting), "readers had to wait for the writers"
        page, call, fragment = (one.result() for one in waiting)
        assert page.is_sorry
        assert "most likely not kept" in page.text
        assert call.is_sorry
        assert (fragment.status, fragment.text, "Retry-After" in fragment.headers) == (503, "", True)
        for one in (page, call, fragment):
            bound = SQLITE_BUSY_MILLISECONDS / 1000
            assert bound - 1 < one.seconds < bound + SLACK, one.seconds
    assert kept() == [2, 0, Status.PENDING]

    made = [act() for act in writing]
    assert [one.status for one in made] == [200, 201, 204]
    assert kept() == [4, 1, Status.ACCEPTED]


def kept():
    """How many events and messages there are, and how the first booking stands."""
    counts = [len(db.session.scalars(select(kind.id)).all()) for kind in (BookingEvent, Message)]
    status = db.session.scalar(select(Booking.status).order_by(Booking.id))
    db.session.remove()
    return [*counts, status]
