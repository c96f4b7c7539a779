"""A professional's monthly statements: the list, the page and the paper."""

import io
from datetime import timedelta

import pytest
from pypdf import PdfReader

from domain import clock
from extensions import db
from models import Status
from tests import factories


@pytest.fixture
def done(customer, professional):
    return factories.booking(customer, professional, status=Status.CLOSED, starts_at=clock.now() - timedelta(hours=5))


def words(response):
    pages = PdfReader(io.BytesIO(response.data)).pages
    return "\n".join(page.extract_text() for page in pages)


def test_the_list_leads_to_each_month_and_the_earnings_lead_to_it(as_, professional, done):
    assert 'href="/professional/statements/2026-11"' in as_(professional).get("/professional/statements").text
    assert 'href="/professional/statements"' in as_(professional).get("/professional/earnings").text


def test_a_month_shows_what_was_earned(as_, professional, done):
    factories.review(done, rating=4)
    page = as_(professional).get("/professional/statements/2026-11").text
    assert "Your earnings in November 2026" in page
    assert "₹449" in page
    assert "from 1 review in this month" in page
    assert "₹547.52 not paid yet" in page
    assert done.service.name in page


def test_the_navigation_still_counts_the_requests(as_, customer, professional):
    factories.booking(customer, professional)
    assert '<span class="count">1</span>' in as_(professional).get("/professional/statements/2026-11").text


def test_an_empty_month_says_so(as_, professional):
    assert "Nothing in this month" in as_(professional).get("/professional/statements/2026-09").text


@pytest.mark.parametrize("month", ["2026-13", "2026-12", "2026-1", "x", "1999-12", "9999-99"])
def test_what_is_no_month_or_one_ahead_is_not_found(as_, professional, month):
    assert as_(professional).get(f"/professional/statements/{month}").status_code == 404
    assert as_(professional).get(f"/professional/statements/{month}/pdf").status_code == 404


def test_nobody_sees_what_others_earned(as_, other_professional, customer, done):
    assert "Nothing in this month" in as_(other_professional).get("/professional/statements/2026-11").text
    assert as_(customer).get("/professional/statements/2026-11").status_code == 403


def test_the_paper_says_what_the_page_says(as_, professional, done):
    done.paid = done.total
    db.session.commit()
    answer = as_(professional).get("/professional/statements/2026-11/pdf")
    text = words(answer)
    for part in ("Your earnings in November 2026", "Dev Menon", "₹449.00", done.service.name, "Mon 23 Nov"):
        assert part in text
    assert "Not paid" not in text
    assert answer.headers["Content-Disposition"] == "attachment; filename=statement-2026-11.pdf"
