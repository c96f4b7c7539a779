"""The page of a professional's other calendars: adding, reading again, removing, and what it says of each."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import clock, outside_calendars
from extensions import db
from models import TimeOff
from models_integrations import OutsideCalendar
from tests import factories

URL = "https://calendar.example.com/secret/basic.ics"


@pytest.fixture
def browser(as_, professional):
    return as_(professional)


def calendars():
    db.session.expire_all()
    return db.session.scalars(select(OutsideCalendar)).all()


def test_a_calendar_is_added_read_soon_and_removed(browser):
    added = browser.post("/professional/calendars", data={"name": "Family", "url": URL}, follow_redirects=True)
    assert "Family" in added.text
    assert "It is read in a few seconds." in added.text
    assert URL not in added.text
    (calendar,) = calendars()
    assert browser.post(f"/professional/calendars/{calendar.id}/read").status_code == 302
    removed = browser.post(f"/professional/calendars/{calendar.id}/remove", follow_redirects=True)
    assert "Family" not in removed.text
    assert calendars() == []


def test_a_refusal_keeps_what_was_typed(browser):
    answer = browser.post("/professional/calendars", data={"name": "Family", "url": "http://example.com/a.ics"})
    assert answer.status_code == 422
    assert "Copy the whole address" in answer.text
    assert 'value="http://example.com/a.ics"' in answer.text
    assert calendars() == []


def test_the_page_says_what_became_of_each(browser, professional):
    calendar = outside_calendars.add(professional.professional, professional, "Family", URL)
    outside_calendars.claim("mine", 1)
    outside_calendars.replace(calendar.id, "mine", [])
    db.session.commit()
    page = browser.get("/professional/calendars").text
    assert "Last read just now." in page
    refused = browser.post(f"/professional/calendars/{calendar.id}/read")
    assert refused.status_code == 409
    assert "Wait a minute" in refused.text
    (calendar,) = calendars()
    calendar.error, calendar.due_at = "gone", clock.now() + timedelta(minutes=30)
    db.session.commit()
    page = browser.get("/professional/calendars").text
    assert "There is no calendar at this address any more." in page
    assert "We try again in 30 minutes." in page


@pytest.mark.parametrize("fault", outside_calendars.FAULTS)
def test_every_fault_has_words(browser, professional, fault):
    calendar = outside_calendars.add(professional.professional, professional, "Family", URL)
    calendar.error = fault
    db.session.commit()
    words = str(outside_calendars.FAULTS[fault])
    assert words in browser.get("/professional/calendars").text


def test_nobody_reaches_the_calendars_of_somebody_else(as_, professional, other_professional):
    calendar = outside_calendars.add(professional.professional, professional, "Family", URL)
    db.session.commit()
    stranger = as_(other_professional)
    assert "Family" not in stranger.get("/professional/calendars").text
    for verb in ("read", "remove"):
        assert stranger.post(f"/professional/calendars/{calendar.id}/{verb}").status_code == 404
    assert len(calendars()) == 1


def test_busy_times_are_marked_in_the_calendar_and_not_listed_as_time_off(browser, professional):
    calendar = outside_calendars.add(professional.professional, professional, "Family", URL)
    busy = {"starts_at": factories.at(10, days=1), "ends_at": factories.at(12, days=1), "note": ""}
    db.session.add(TimeOff(professional_id=professional.id, calendar_id=calendar.id, **busy))
    db.session.commit()
    assert "Busy in another calendar: Tomorrow, 10:00 am" in browser.get("/professional/calendar").text
    page = browser.get("/professional/hours").text
    assert "None planned." in page
    assert "/professional/time-off/" not in page
