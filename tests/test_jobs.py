"""What the site does by itself: overdue requests expire, finished jobs close, and one process sees to it."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

import jobs
from domain import bookings, clock
from extensions import db
from models import Booking, BookingEvent, Status
from tests import factories


def test_an_overdue_request_expires(app, customer, professional, frozen):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by + timedelta(seconds=1))
    jobs.run(app, bookings.expire_due)
    assert _status(booking.id) is Status.EXPIRED


def test_a_request_that_can_be_answered_stays(app, customer, professional):
    booking = factories.booking(customer, professional)
    jobs.run(app, bookings.expire_due)
    assert _status(booking.id) is Status.PENDING


def test_a_finished_job_closes_after_a_day(app, customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.COMPLETED)
    frozen.shift(timedelta(hours=23, minutes=59))
    jobs.run(app, bookings.close_due)
    assert _status(booking.id) is Status.COMPLETED
    frozen.shift(timedelta(minutes=2))
    jobs.run(app, bookings.close_due)
    assert _status(booking.id) is Status.CLOSED


def test_a_job_that_runs_twice_acts_once(app, customer, professional, frozen):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by)
    for _ in range(2):
        jobs.run(app, bookings.expire_due)
    expired = select(BookingEvent).where(BookingEvent.booking_id == booking.id, BookingEvent.verb == "expire")
    assert len(db.session.scalars(expired).all()) == 1


def test_a_job_that_fails_is_logged_and_keeps_nothing(app, customer, professional, frozen, caplog):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by)

    def half_done():
        bookings.expire_due()
        raise OSError("the disk is full")

    jobs.run(app, half_done)
    assert "the job half_done failed" in caplog.text
    assert _status(booking.id) is Status.PENDING


@pytest.mark.realtime
def test_one_process_runs_the_timetable_and_stops_it(app, customer, professional):
    booking = factories.booking(customer, professional, respond_by=clock.now() - timedelta(minutes=1))
    db.session.remove()
    timetable = jobs.start(app)
    try:
        assert jobs.start(app) is None
        _wait_for(lambda: _status(booking.id) is Status.EXPIRED)
    finally:
        timetable.stop()
    assert not timetable.scheduler.running
    successor = jobs.start(app)
    assert successor is not None
    successor.stop()


def test_an_application_alone_runs_no_jobs(app, monkeypatch):
    monkeypatch.setattr(jobs.BackgroundScheduler, "start", lambda *_: pytest.fail("a timetable was started"))
    app.test_client().get("/")
    app.test_cli_runner().invoke(args=["run-timers"])


def _status(booking_id):
    db.session.rollback()
    return db.session.scalar(select(Booking.status).where(Booking.id == booking_id))


def _wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)
