"""The clock is set by two hours, ahead and back: no hold, request, token or session is lost, and nothing comes twice.

Jobs, leaders, reminders and messages have tests of their own for this, beside the others about them.
"""

from datetime import date, timedelta

import pytest

from api import tokens
from domain import api_sessions, bookings, clock, requests, waits
from domain.errors import Conflict, NotAuthenticated
from extensions import db
from models import Booking, BookingEvent, Notification, Status, Wait, WaitStatus
from tests import factories

TWO_HOURS = timedelta(hours=2)
TUESDAY = date(2026, 11, 24)


@pytest.fixture
def line(customer, other_customer):
    """Two who wait for a day whose only time has just become free: it is held for the first of them."""
    service = factories.service(name="A long hour", duration_minutes=60)
    busy = factories.professional(name="Busy Rao", services=[service], hours=((9 * 60, 10 * 60),))
    taken = factories.booking(factories.customer(), busy, service=service, starts_at=factories.at(9, days=1))
    for person in (customer, other_customer):
        waits.join(person, busy.id, service.id, person.addresses[0].id, TUESDAY)
    bookings.cancel(taken, taken.customer)
    db.session.commit()
    return busy, service


def states():
    return [wait.status for wait in db.session.query(Wait).order_by(Wait.id)]


def told(kind):
    return [one.user_id for one in db.session.query(Notification).filter_by(kind=kind).order_by(Notification.id)]


def book(person, busy, service):
    made = requests.request(person, service.id, busy.id, factories.at(9, days=1), person.addresses[0].id)
    db.session.commit()
    return db.session.get_one(Booking, made)


def lapse():
    """What the timetable does each minute about holds; answer how many ended."""
    ended = waits.lapse_due()
    db.session.commit()
    return ended


# -- Holds and requests -----------------------------------------------------------------------


def test_a_hold_outlives_a_clock_that_is_set_back_and_nobody_gets_in_between(line, customer, other_customer, frozen):
    frozen.shift(-TWO_HOURS)
    assert lapse() == 0
    with pytest.raises(Conflict):
        book(other_customer, *line)
    db.session.rollback()
    assert book(customer, *line).status is Status.PENDING
    assert told("slot_held") == [customer.id]


def test_a_clock_that_ran_ahead_passes_a_hold_on_once(line, customer, other_customer, frozen):
    frozen.shift(TWO_HOURS)
    assert [lapse(), lapse()] == [1, 0]
    frozen.shift(-TWO_HOURS)
    assert lapse() == 0
    assert states() == [WaitStatus.LAPSED, WaitStatus.HELD]
    assert told("slot_held") == [customer.id, other_customer.id]
    assert book(other_customer, *line).status is Status.PENDING


def test_a_request_expires_once_and_its_time_is_free_again(customer, professional, frozen):
    asked = factories.booking(customer, professional, respond_by=clock.now() + TWO_HOURS)
    for step in (TWO_HOURS, -TWO_HOURS, TWO_HOURS, -TWO_HOURS):
        frozen.shift(step)
        bookings.expire_due()
        db.session.commit()
    assert asked.status is Status.EXPIRED
    verbs = [event.verb for event in db.session.query(BookingEvent).order_by(BookingEvent.id)]
    assert verbs == ["request", "expire"]
    assert told("expired").count(customer.id) == 1
    made = requests.request(customer, asked.service_id, professional.id, asked.starts_at, customer.addresses[0].id)
    db.session.commit()
    assert db.session.get_one(Booking, made).status is Status.PENDING


# -- Sessions and tokens ----------------------------------------------------------------------


@pytest.mark.parametrize("step", [TWO_HOURS, -TWO_HOURS])
def test_whoever_is_logged_in_stays_so_and_their_form_is_taken(as_, customer, professional, frozen, step):
    asked = factories.booking(customer, professional)
    browser = as_(customer)
    assert browser.get(f"/bookings/{asked.id}").status_code == 200
    frozen.shift(step)
    assert browser.get(f"/bookings/{asked.id}").status_code == 200
    assert browser.post(f"/bookings/{asked.id}/cancel", data={"reason": "No"}).status_code in (302, 303)
    db.session.refresh(asked)
    assert asked.status is Status.CANCELLED


def test_a_session_from_far_ahead_is_none(as_, customer, frozen):
    browser = as_(customer)
    frozen.shift(-clock.SET_BACK - timedelta(seconds=1))
    assert browser.get("/bookings").status_code == 302


def test_a_session_still_ends_after_its_time(as_, customer, frozen):
    browser = as_(customer)
    frozen.shift(timedelta(days=31))
    assert browser.get("/bookings").status_code == 302


def test_a_program_goes_on_with_its_token(customer, frozen):
    api_token = tokens.issue(customer.id, 1, tokens.new_jti())["access_token"]
    for step in (-TWO_HOURS, TWO_HOURS):
        frozen.shift(step)
        assert tokens.read(api_token).user_id == customer.id
    frozen.shift(-clock.SET_BACK - timedelta(seconds=1))
    with pytest.raises(NotAuthenticated):
        tokens.read(api_token)


def test_a_token_runs_out_ahead_and_its_refresh_token_does_not(customer, frozen):
    jti = tokens.new_jti()
    begun = api_sessions.begin(customer, jti)
    db.session.commit()
    pair = tokens.issue(customer.id, begun.id, jti)
    frozen.shift(TWO_HOURS)
    with pytest.raises(NotAuthenticated):
        tokens.read(pair["access_token"])
    assert tokens.read(pair["refresh_token"], "refresh").jti == jti
    assert api_sessions.caller(begun.id, customer.id) == customer
