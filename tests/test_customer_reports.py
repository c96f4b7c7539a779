"""A customer's monthly reports: the list, the page and the paper."""

import io
from datetime import timedelta

import pytest
from pypdf import PdfReader

from domain import clock
from extensions import db
from models import Status
from tests import factories

BAD_MONTHS = ("2026-13", "2026-00", "2026-1", "2026-123", "0000-01", "abcd-ef", "2026-11-01", "२०२६-११", "1999-12")


@pytest.fixture
def done(customer, professional):
    return factories.booking(customer, professional, status=Status.CLOSED, starts_at=clock.now() - timedelta(hours=5))


def words(response):
    assert response.mimetype == "application/pdf"
    pages = PdfReader(io.BytesIO(response.data)).pages
    return "\n".join(page.extract_text() for page in pages)


def test_the_list_leads_to_each_month(as_, customer, done):
    page = as_(customer).get("/reports")
    assert 'href="/reports/2026-11"' in page.text
    assert "November 2026" in page.text


def test_the_bookings_lead_to_the_list(as_, customer):
    assert 'href="/reports"' in as_(customer).get("/bookings").text


def test_a_month_shows_its_numbers_services_and_reviews_due(as_, customer, done):
    page = as_(customer).get("/reports/2026-11").text
    assert "Your activity in November 2026" in page
    assert done.service.name in page
    assert "₹547.52" in page
    assert f"/bookings/{done.id}/review" in page
    assert 'href="/reports/2026-10"' in page
    assert 'href="/reports/2026-12"' not in page


def test_an_empty_month_says_so(as_, customer):
    page = as_(customer).get("/reports/2026-10").text
    assert "Nothing in this month" in page
    assert 'href="/reports/2026-11"' in page


@pytest.mark.parametrize("month", BAD_MONTHS)
@pytest.mark.parametrize("ending", ["", "/pdf"])
def test_what_is_no_month_is_not_found(as_, customer, month, ending):
    assert as_(customer).get(f"/reports/{month}{ending}").status_code == 404


def test_a_month_ahead_is_not_found(as_, customer):
    assert as_(customer).get("/reports/2026-12").status_code == 404
    assert as_(customer).get("/reports/2026-12/pdf").status_code == 404


def test_nobody_sees_what_others_did(as_, other_customer, professional, done):
    assert "Nothing in this month" in as_(other_customer).get("/reports/2026-11").text
    assert done.service.name not in words(as_(other_customer).get("/reports/2026-11/pdf"))
    assert as_(professional).get("/reports/2026-11").status_code == 403


def test_the_paper_says_what_the_page_says(as_, customer, done):
    answer = as_(customer).get("/reports/2026-11/pdf")
    text = words(answer)
    for part in ("Your activity in November 2026", "Asha Rao", done.service.name, "₹547.52", "By service", "Nov 2026"):
        assert part in text
    assert answer.headers["Content-Disposition"] == "attachment; filename=report-2026-11.pdf"
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_paper_is_in_the_readers_language(as_, customer, done):
    text = words(as_(customer).get("/reports/2026-11/pdf", headers={"Accept-Language": "hi"}))
    assert "नवंबर" in text


@pytest.mark.parametrize("name", ["張偉 👩🏽‍🔧", "கவிதா", "שלום", "Zoë Łukasz", "a\u202eb\u0007c", "x" * 120, "आशा राव"])
def test_a_name_in_any_script_fits_on_the_paper(as_, customer, done, name):
    customer.name = name
    db.session.commit()
    assert "Your activity" in words(as_(customer).get("/reports/2026-11/pdf"))


def test_a_long_month_takes_several_pages(as_, customer, professional):
    for number in range(40):
        one = factories.service(f"Service number {number}", base_price=1_000_000_00)
        starts_at = clock.now() - timedelta(hours=2 + 2 * number)
        factories.booking(customer, professional, status=Status.CLOSED, service=one, starts_at=starts_at)
    answer = as_(customer).get("/reports/2026-11/pdf")
    assert len(PdfReader(io.BytesIO(answer.data)).pages) == 3
    assert "Service number 39" in words(answer)
