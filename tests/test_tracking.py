"""Sharing a position over the pages: who may, what is refused, and what each side is shown."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

import app as application
from domain import clock, tracking
from extensions import db
from models import Status
from models_live import Position
from tests import factories

TILES = "https://tiles.example.com:8443/{z}/{x}/{y}.png"
HERE = {"lat": "12.9716", "lon": "77.5946", "accuracy": "8"}


@pytest.fixture
def job(customer, professional, frozen):
    made = factories.booking(customer, professional, status=Status.EN_ROUTE, starts_at=factories.at(11))
    frozen.move_to(factories.at(10))
    return made


@pytest.fixture
def pages(job):
    """The addresses of the job: its page, to begin, to share and to stop; and the customer's page."""
    page = f"/professional/jobs/{job.id}"
    return {
        "job": page,
        "begin": f"{page}/sharing",
        "share": f"{page}/position",
        "stop": f"{page}/sharing/stop",
        "booking": f"/bookings/{job.id}",
    }


@pytest.fixture
def sharing(as_, professional, pages):
    """The professional's browser, which shares."""
    browser = as_(professional)
    browser.post(pages["begin"])
    return browser


def position():
    return db.session.scalar(select(Position).execution_options(populate_existing=True))


def card(client, page, part):
    html = client.get(page).text
    found = re.search(rf'<section[^>]* id="{part}".*?</section>', html, re.DOTALL)
    return found and " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


# -- The way through --------------------------------------------------------------------------


def test_a_position_goes_from_the_one_to_the_other(as_, sharing, customer, pages):
    assert sharing.post(pages["share"], data=HERE).status_code == 204
    shown = card(as_(customer), pages["booking"], "whereabouts")
    assert "Where Dev Menon is" in shown
    assert "Seen just now, about 1 km away" in shown
    assert "Around 10:" in shown


def test_the_customer_is_told_before_anything_is_shared(as_, customer, pages):
    assert "If Dev Menon shares their position" in card(as_(customer), pages["booking"], "whereabouts")


def test_the_professional_is_asked_and_then_told(as_, professional, pages):
    browser = as_(professional)
    assert "Share your position with Asha Rao until you start" in card(browser, pages["job"], "sharing")
    assert browser.post(pages["begin"]).location == pages["job"]
    assert "You have shared your position since 10:00 am" in card(browser, pages["job"], "sharing")
    page = browser.post(pages["stop"], follow_redirects=True).text
    assert "You no longer share your position. It is deleted." in page
    assert position() is None


def test_nothing_of_it_is_shown_before_and_after(as_, customer, professional, pages, job):
    for status in (Status.ACCEPTED, Status.IN_PROGRESS, Status.CLOSED):
        job.status = status
        db.session.commit()
        assert card(as_(customer), pages["booking"], "whereabouts") is None
        assert card(as_(professional), pages["job"], "sharing") is None


def test_an_old_position_says_when_it_was(as_, sharing, customer, pages, frozen):
    sharing.post(pages["share"], data=HERE)
    frozen.shift(timedelta(minutes=4))
    shown = card(as_(customer), pages["booking"], "whereabouts")
    assert "Seen 4 minutes ago" in shown
    assert "Around" not in shown


def test_a_position_is_news_for_the_customer_alone(site, sharing, customer, professional, pages, job):
    hub = site.extensions["live"].hub
    theirs = hub.open("one", [f"person:{customer.id}"], hub.last, hub.last)
    others = hub.open("other", [f"person:{professional.id}", "admins"], hub.last, hub.last)
    sharing.post(pages["share"], data=HERE)
    assert theirs.take(0)[1] == [f"position-{job.id}"]
    assert others.take(0)[1] == []
    sharing.post(pages["share"], data=HERE)
    assert theirs.take(0)[1] == []
    hub.close(theirs)
    hub.close(others)


# -- Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["begin", "share", "stop"])
def test_a_stranger_has_no_such_job(as_, other_professional, pages, verb):
    assert as_(other_professional).post(pages[verb], data=HERE).status_code == 404
    assert position() is None


@pytest.mark.parametrize("verb", ["begin", "share", "stop"])
def test_the_customer_and_the_admin_share_nothing(as_, customer, admin, pages, verb):
    for person in (customer, admin):
        assert as_(person).post(pages[verb], data=HERE).status_code == 403


def test_without_the_press_of_the_button_nothing_is_kept(as_, professional, pages):
    assert as_(professional).post(pages["share"], data=HERE).status_code == 409
    assert position() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"lat": "91"},
        {"lon": "-181"},
        {"accuracy": "-1"},
        {"lat": "nan"},
        {"lon": "inf"},
        {"accuracy": "1e999"},
        {"lat": ""},
        {"lat": "north"},
        {"lon": "\x00"},
        {"accuracy": "9" * 400},
    ],
)
def test_bad_numbers_are_refused(sharing, pages, wrong):
    assert sharing.post(pages["share"], data=HERE | wrong).status_code == 422
    assert position().at is None


def test_an_empty_form_is_refused(sharing, pages):
    assert sharing.post(pages["share"]).status_code == 422


@pytest.mark.parametrize("verb", ["begin", "share"])
def test_a_late_click_shows_the_job_as_it_is(sharing, job, pages, verb):
    job.status = Status.CANCELLED
    db.session.commit()
    answer = sharing.post(pages[verb], data=HERE)
    assert answer.status_code == 409
    assert "only while you are on the way" in answer.text


def test_what_comes_too_soon_is_dropped_and_is_no_error(sharing, pages, frozen):
    sharing.post(pages["share"], data=HERE)
    frozen.shift(timedelta(seconds=1))
    assert sharing.post(pages["share"], data=HERE | {"lat": "13"}).status_code == 204
    assert position().lat == 12.9716


# -- What pages may ask of the browser --------------------------------------------------------


def test_only_the_page_of_a_job_to_come_may_ask_where_it_is(as_, professional, customer, pages, job):
    browser = as_(professional)
    assert "geolocation=(self)" in browser.get(pages["job"]).headers["Permissions-Policy"]
    for person, page in ((professional, "/professional-dashboard"), (customer, pages["booking"])):
        assert "geolocation=()" in as_(person).get(page).headers["Permissions-Policy"]
    job.status = Status.IN_PROGRESS
    db.session.commit()
    assert "geolocation=()" in browser.get(pages["job"]).headers["Permissions-Policy"]


def test_without_the_setting_there_is_no_map(as_, sharing, customer, pages):
    sharing.post(pages["share"], data=HERE)
    answer = as_(customer).get(pages["booking"])
    assert "data-map" not in answer.text
    assert "img-src 'self' data:;" in answer.headers["Content-Security-Policy"]


@pytest.fixture
def mapped(site, app, settings, monkeypatch):
    """The same site as an operator has it who has set a map."""
    kept = replace(settings, map_tiles_url=TILES, map_attribution="© Somebody, https://example.com/copyright")
    other = application.create_app(kept)
    db.engine.dispose()
    return other


def test_with_the_setting_only_a_booking_to_come_may_show_the_pictures_of_the_map(mapped, job, customer, professional):
    tracking.begin(job, professional)
    tracking.share(job, professional, 12.9716, 77.5946, 8)
    db.session.commit()
    client = mapped.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = customer.name_of_session(), True
    answer = client.get(f"/bookings/{job.id}")
    policy = answer.headers["Content-Security-Policy"]
    assert "img-src https://tiles.example.com:8443 'self' data:;" in policy
    assert "style-src 'self';" in policy
    assert f'data-map="{TILES}"' in answer.text
    assert 'href="https://example.com/copyright"' in answer.text
    assert answer.headers["Referrer-Policy"] == "same-origin"
    for page in ("/customer-dashboard", "/bookings"):
        assert "tiles.example.com" not in client.get(page).headers["Content-Security-Policy"]


# -- Presence ---------------------------------------------------------------------------------


def test_each_side_reads_when_the_other_was_here(as_, customer, professional, pages, job):
    customer.last_seen_at = clock.now() - timedelta(hours=2)
    professional.last_seen_at = clock.now() - timedelta(minutes=10)
    db.session.commit()
    assert "Active in the last hour" in as_(customer).get(pages["booking"]).text
    assert "Active today" in as_(professional).get(pages["job"]).text
    assert "Active in the last hour" in as_(customer).get(f"/professionals/{professional.id}").text


def test_when_the_job_is_over_the_professional_no_longer_reads_it(as_, customer, professional, pages, job):
    customer.last_seen_at, job.status = clock.now(), Status.CANCELLED
    db.session.commit()
    assert "Active" not in as_(professional).get(pages["job"]).text
