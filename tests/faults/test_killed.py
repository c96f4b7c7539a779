"""The server is killed while people book: what was acknowledged is there, whole, and it goes on."""

import os
import signal
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import select

from extensions import db
from models import Booking
from tests import databases, factories, invariants
from tests.faults.asking import Crowd, Visitor
from tests.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.realtime]
CUSTOMERS = 6
MORE = 12


def test_a_killed_server_loses_nothing_that_it_acknowledged(customer, run, wishes, worker_name):
    emails = [factories.customer(email=f"customer{number}@example.com").email for number in range(CUSTOMERS)]
    before, url = invariants.Look(), databases.url(worker_name)
    site = run(url)
    crowd = Crowd([Visitor(site.address, one) for one in emails], _wanted_by_two(wishes))
    crowd.start(site.address)

    # Without its worker the master starts another, and people go on by themselves.
    wait_for(lambda: len(crowd.told) >= MORE)
    os.kill(int(site.worker), signal.SIGKILL)
    known = len(crowd.told)
    wait_for(lambda: len(crowd.told) >= known + MORE)
    site.kill()
    crowd.stop()
    assert crowd.statuses <= {200, 201, 409, 422}
    prove(crowd, before)

    again = run(url)
    visitor = Visitor(again.address, customer.email)
    answers = (visitor.call(f"{again.address}/api/service-requests", wish) for wish in reversed(wishes))
    made = next(answer for answer in answers if answer.status == 201)
    crowd.told[made.json["id"]] = "pending"
    prove(crowd, before)


def prove(crowd, before):
    with closing(sqlite3.connect(db.engine.url.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    there = dict(db.session.execute(select(Booking.id, Booking.status)).all())
    lost = {one: status for one, status in crowd.told.items() if there.get(one) != status and one not in crowd.unsure}
    assert not lost
    assert crowd.unsure <= there.keys()
    assert invariants.faults(before, invariants.Look()) == []
    db.session.remove()
    db.engine.dispose()


def _wanted_by_two(wishes):
    return [wish for wish in wishes for _one in range(2)]
