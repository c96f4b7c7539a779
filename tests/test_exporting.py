"""The writer of exports as a process of its own, which is killed in the middle."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, select

from config import ROOT
from domain import exports
from extensions import db
from models import Booking, Export, ExportStatus, Notification, Status
from tests import factories
from tests.csv_files import files_left, read
from tests.test_queries import _booking

MANY = 6_000
# Slow enough to be met in the middle of a file.
SLOWLY = "0.15"
WRITER = """
import os, sys, threading, time
import config, exporting
from app import create_app
from domain import extracts
extracts.ROWS_IN_A_PIECE, exporting.SECONDS_BETWEEN_NOTES = 100, 0.05
stop = threading.Event()
stop.wait = lambda _seconds: time.sleep(float(sys.argv[1]))
sys.exit(exporting.drain(create_app(config.load()), stop, f"process {os.getpid()}") - 1)
"""


@pytest.fixture
def writer(app, settings):
    """writer() starts a process that writes all exports there are; with SLOWLY it rests long between steps."""
    started = []
    environment = {
        **os.environ,
        "APP_ENV": "testing",
        "SECRET_KEY": settings.secret_key,
        "INSTANCE_DIR": str(settings.instance),
        "DATABASE_URL": settings.database_url,
    }

    def start(rest="0"):
        db.session.commit()
        started.append(subprocess.Popen([sys.executable, "-c", WRITER, rest], cwd=ROOT, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def export(admin, customer, professional):
    """An export of thousands of bookings, which waits."""
    first = factories.booking(customer, professional, status=Status.CLOSED)
    one = {"service_id": first.service_id, "customer_id": customer.id, "professional_id": professional.id}
    rows = [_booking(first.id + n, one, Status.CLOSED, first.starts_at) for n in range(1, MANY)]
    db.session.execute(Booking.__table__.insert(), rows)
    return factories.export(admin)


def wait_until(happened):
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "that did not happen"
        time.sleep(0.02)


def progress_of(export_id):
    found = db.session.execute(select(Export.status, Export.done, Export.holder).where(Export.id == export_id)).one()
    db.session.commit()
    return found


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.realtime
def test_a_writer_that_is_killed_leaves_an_export_that_the_next_writes_whole(writer, export, admin):
    for _kill in range(3):
        process = writer(SLOWLY)
        mine = f"process {process.pid}"
        wait_until(lambda holder=mine: progress_of(export.id).holder == holder and progress_of(export.id).done > 500)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = progress_of(export.id)
        assert (found.status, found.holder) == (ExportStatus.RUNNING, mine)
        assert 0 < found.done < MANY
        (part,) = files_left()
        assert part.endswith(".part")

    assert writer().wait(60) == 0
    db.session.expire_all()
    export = exports.get(export.id)
    assert (export.status, export.done, export.total) == (ExportStatus.DONE, MANY, MANY)
    assert files_left() == [export.file_name]
    ids = [int(row["booking_id"]) for row in read(exports.download(export, admin))]
    assert len(ids) == len(set(ids)) == MANY
    assert ids == sorted(ids)
    assert db.session.scalar(select(func.count()).select_from(Notification)) == 1


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.realtime
def test_two_processes_at_once_make_one_file(writer, export):
    first = writer(SLOWLY)
    wait_until(lambda: progress_of(export.id).done > 500)
    second = writer()

    # The first was replaced: it wrote nothing whole. The second did.
    assert (first.wait(60), second.wait(60)) == (255, 0)
    db.session.expire_all()
    found = exports.get(export.id)
    assert (found.status, found.holder) == (ExportStatus.DONE, f"process {second.pid}")
    assert files_left() == [found.file_name]
    assert len(read(exports.folder() / found.file_name)) == MANY
    assert db.session.scalar(select(func.count()).select_from(Notification)) == 1
