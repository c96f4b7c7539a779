"""The pages of the admin's reports and their files, and why something was cancelled as people see it."""

import re
from datetime import timedelta

import pytest

from domain import clock, report_tables
from extensions import db
from models import BookingEvent, Status
from tests import factories
from tests.domain.test_search_misses import look

PAGES = ("cancellations", "customers", "most-booked", "places", "searches")
DAYS = "from=2026-11-17&to=2026-11-23"


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def agreed(customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=2))


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


def why():
    db.session.rollback()
    return db.session.query(BookingEvent.cause).filter(BookingEvent.verb == "cancel").scalar()


@pytest.mark.parametrize("page", ["/admin/summary", "/admin/revenue", *(f"/admin/reports/{page}" for page in PAGES)])
def test_every_report_leads_to_the_others_with_its_days(browser, customer, professional, page):
    factories.booking(customer, professional, status=Status.CLOSED, created_at=clock.now())
    answer = browser.get(f"{page}?{DAYS}")
    assert answer.status_code == 200
    for other in PAGES:
        assert f'href="/admin/reports/{other}?from=2026-11-17&amp;to=2026-11-23"' in answer.text
    assert 'aria-current="true">7 days' in answer.text
    assert "beside 10 Nov 2026 to 16 Nov 2026" in text_of(answer)
    assert 'href="/admin/summary" aria-current="page"' in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_impossible_days_are_refused(browser, page):
    for days in ("from=2026-11-23&to=2026-11-01", "from=yesterday", "to=9999-12-31", "from=2001-01-01"):
        answer = browser.get(f"/admin/reports/{page}?{days}")
        assert answer.status_code == 422
        assert "Please check the form" in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_site_says_so(browser, page):
    answer = browser.get(f"/admin/reports/{page}?{DAYS}")
    assert answer.status_code == 200
    assert "None" not in text_of(answer)


def test_a_change_is_said_in_signs_and_in_words(browser, customer, professional):
    for days_ago in (8, 8, 9, 9, 1, 1, 1):
        made = clock.now() - timedelta(days=days_ago)
        factories.booking(customer, professional, status=Status.CLOSED, created_at=made, starts_at=made)
    page = browser.get(f"/admin/summary?{DAYS}")
    assert '<span class="text-nowrap" aria-hidden="true">−1 (−25 %)</span>' in page.text
    assert "1 less than in the days before, which is 25 per cent less" in page.text


@pytest.mark.parametrize("name", report_tables.TABLES)
def test_every_table_is_a_file_of_its_days(browser, name):
    answer = browser.get(f"/admin/reports/tables/{name}?{DAYS}")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}-2026-11-17-2026-11-23.csv"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_a_table_of_no_name_or_impossible_days_is_refused(browser):
    assert browser.get("/admin/reports/tables/secrets").status_code == 404
    for days in ("from=yesterday", "from=2026-11-23&to=2026-11-01"):
        assert browser.get(f"/admin/reports/tables/requests?{days}").status_code == 422


def test_the_map_has_a_dot_for_each_place_and_needs_no_script(browser, customer, professional):
    for pincode in (factories.CITY_PIN, "400001"):
        factories.booking(customer, professional, pincode=pincode, status=Status.CLOSED, created_at=clock.now())
    page = browser.get(f"/admin/reports/places?{DAYS}").text
    assert page.count("<circle cx") == 2
    assert "2 requests from 2 PIN codes" in page
    assert "<title>400001 " in page


def test_what_was_searched_for_in_vain_is_a_row(browser, client):
    look(client, 3, q="<b>submarine</b>", near="560001")
    page = text_of(browser.get(f"/admin/reports/searches?{DAYS}"))
    assert "b submarine b No such service Bengaluru Urban 3 +3" in page


# -- Why ----------------------------------------------------------------------------------------


def test_a_customer_chooses_why_and_both_sides_and_the_site_read_it(as_, admin, customer, professional, agreed):
    page = as_(customer).get(f"/bookings/{agreed.id}/cancel")
    assert "Found somebody else" in page.text
    assert "Misuse" not in page.text
    as_(customer).post(f"/bookings/{agreed.id}/cancel", data={"cause": "plans_changed", "reason": "A wedding"})
    assert why() == "plans_changed"
    for person, story in (
        (customer, f"/bookings/{agreed.id}"),
        (professional, f"/professional/jobs/{agreed.id}"),
        (admin, f"/admin/bookings/{agreed.id}"),
    ):
        assert "Plans changed: A wedding" in as_(person).get(story).text
    assert "Plans changed By customers 1" in text_of(as_(admin).get(f"/admin/reports/cancellations?{DAYS}"))


def test_a_professional_and_an_admin_have_lists_of_their_own(as_, admin, customer, professional, agreed):
    page = as_(professional).get(f"/professional/jobs/{agreed.id}").text
    assert "Another job at that time" in page
    as_(professional).post(f"/professional/jobs/{agreed.id}/cancel", data={"cause": "ill"})
    assert why() == "ill"
    another = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=3))
    assert "Misuse" in as_(admin).get(f"/admin/bookings/{another.id}/cancel").text
    as_(admin).post(f"/admin/bookings/{another.id}/cancel", data={"cause": "misuse", "reason": "A prank"})
    assert "Misuse: A prank" in as_(customer).get(f"/bookings/{another.id}").text


def test_nobody_has_to_say_why_and_nobody_can_say_anything_else(as_, admin, customer, agreed):
    answer = as_(customer).post(f"/bookings/{agreed.id}/cancel", data={"cause": "ill"})
    assert answer.status_code == 422
    assert "Choose one of the list." in answer.text
    assert as_(customer).post(f"/bookings/{agreed.id}/cancel", data={"cause": ""}).status_code == 303
    assert why() is None
    assert "Not said By customers 1" in text_of(as_(admin).get(f"/admin/reports/cancellations?{DAYS}"))
