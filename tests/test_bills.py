"""The pages of prices: extras on both sides, rate cards, coupons, and what is issued, on a page and on paper."""

import dataclasses
import io
import re
from datetime import timedelta

import pytest
from pypdf import PdfReader

from domain import bookings, coupons, disputes, extras, payments
from extensions import db
from models import Booking, PaymentMethod, Status
from models_money import Coupon, Document
from tests import factories


@pytest.fixture
def job(customer, professional):
    return factories.booking(customer, professional, status=Status.IN_PROGRESS)


# -- Extras -----------------------------------------------------------------------------------


def test_a_professional_proposes_by_hand_and_the_customer_approves(as_, job, customer, professional):
    answer = as_(professional).post(
        f"/professional/jobs/{job.id}/extras", data={"label": "Filter", "price": "120", "quantity": "2"}
    )
    assert answer.status_code == 303
    waits = as_(professional).get(f"/professional/jobs/{job.id}").text
    assert "Waits for the customer’s approval" in waits
    assert f"/professional/jobs/{job.id}/complete" not in waits
    page = as_(customer).get(f"/bookings/{job.id}").text
    assert "2 × Filter" in page
    assert "₹830.72 instead of ₹547.52" in page
    extra_id = job.extras[0].id
    as_(customer).post(f"/bookings/{job.id}/extras/approve", data={"extra_ids": extra_id})
    page = as_(customer).get(f"/bookings/{job.id}").text
    assert "₹830.72" in page
    assert "You earn ₹689.00" in as_(professional).get(f"/professional/jobs/{job.id}").text


def test_an_item_of_the_rate_card_brings_its_price(as_, job, professional):
    item = extras.add_item(professional, "Water filter", 12_000)
    db.session.commit()
    form = {"item_id": item.id, "label": "ignored", "price": "1", "quantity": "3"}
    as_(professional).post(f"/professional/jobs/{job.id}/extras", data=form)
    assert [(one.label, one.price, one.quantity) for one in job.extras] == [("Water filter", 12_000, 3)]


def test_the_card_of_another_is_no_choice(as_, job, professional, other_professional):
    item = extras.add_item(other_professional, "Water filter", 12_000)
    db.session.commit()
    answer = as_(professional).post(
        f"/professional/jobs/{job.id}/extras", data={"item_id": item.id, "quantity": "1"}
    )
    assert answer.status_code == 422
    assert job.extras == []


def test_what_is_wrong_stays_in_the_form(as_, job, professional):
    answer = as_(professional).post(
        f"/professional/jobs/{job.id}/extras", data={"label": "Filter", "price": "0", "quantity": "2"}
    )
    assert answer.status_code == 422
    assert 'value="Filter"' in answer.text
    assert 'id="price-error"' in answer.text


def test_who_answers_what_was_taken_back_sees_the_page_as_it_is_now(as_, job, customer, professional):
    gone = extras.propose(job, professional, "Filter", 12_000)
    extras.propose(job, professional, "Pipe", 5_000)
    extras.withdraw(job, professional, gone.id)
    db.session.commit()
    answer = as_(customer).post(f"/bookings/{job.id}/extras/approve", data={"extra_ids": gone.id})
    assert answer.status_code == 409
    assert "Pipe" in answer.text


def test_a_rate_card_is_kept_on_its_page(as_, professional):
    browser = as_(professional)
    browser.post("/professional/rate-card", data={"label": "Water filter", "price": "120"})
    page = browser.get("/professional/rate-card").text
    assert "Water filter" in page
    item = extras.rate_card(professional.id)[0]
    browser.post(f"/professional/rate-card/{item.id}", data={"label": "Filter", "price": "130.50"})
    assert "₹130.50" in browser.get("/professional/rate-card").text
    browser.post(f"/professional/rate-card/{item.id}/remove")
    assert "Nothing on it yet" in browser.get("/professional/rate-card").text


# -- Coupons ----------------------------------------------------------------------------------


@pytest.fixture
def welcome(admin):
    made = coupons.create(admin, code="WELCOME", amount=5_000)
    db.session.commit()
    return made


@pytest.fixture
def wish(customer, professional):
    return {
        "service_id": factories.service().id,
        "professional_id": professional.id,
        "starts_at": factories.at(11, days=2).isoformat(),
        "address_id": customer.addresses[0].id,
        "remarks": "Third floor",
    }


def test_the_price_with_a_code_is_seen_before_the_click(as_, customer, welcome, wish):
    answer = as_(customer).post("/book", data={**wish, "coupon": "welcome", "check": "1"})
    assert answer.status_code == 200
    assert "Discount with WELCOME" in answer.text
    assert "₹497.52" in answer.text
    assert "Third floor" in answer.text
    assert db.session.query(Booking).count() == welcome.uses == 0


def test_booking_with_a_code_costs_what_was_shown(as_, customer, welcome, wish):
    assert as_(customer).post("/book", data={**wish, "coupon": "welcome"}).status_code == 303
    assert db.session.query(Booking).one().total == 49_752
    assert db.session.query(Coupon).one().uses == 1


@pytest.mark.parametrize("check", [{}, {"check": "1"}])
def test_a_wrong_code_is_told_beside_its_field_and_nothing_is_booked(as_, customer, welcome, wish, check):
    answer = as_(customer).post("/book", data={**wish, "coupon": "WRONG", **check})
    assert answer.status_code == 422
    assert answer.text.count('id="coupon-error"') == 1
    assert 'value="WRONG"' in answer.text
    assert "₹547.52" in answer.text
    assert db.session.query(Booking).count() == 0


def test_who_guesses_codes_has_to_wait(as_, customer, other_customer, welcome, wish, rate_limited):
    browser = as_(customer)
    for n in range(20):
        assert browser.post("/book", data={**wish, "coupon": f"GUESS{n}", "check": "1"}).status_code == 422
    assert browser.post("/book", data={**wish, "coupon": "WELCOME", "check": "1"}).status_code == 429
    assert browser.get("/book", query_string={**wish, "coupon": "WELCOME"}).status_code == 429
    assert browser.get("/book", query_string=wish).status_code == 200
    assert as_(other_customer).post("/book", data={**wish, "coupon": "WELCOME", "check": "1"}).status_code == 200


def test_who_types_a_good_code_often_is_not_guessing(as_, customer, welcome, wish, rate_limited):
    browser = as_(customer)
    for _ in range(25):
        assert browser.post("/book", data={**wish, "coupon": "WELCOME", "check": "1"}).status_code == 200


def test_an_admin_makes_a_coupon_sees_who_used_it_and_switches_it_off(as_, admin, customer, professional, wish):
    browser = as_(admin)
    form = {"code": "ten-percent", "percent": "10", "most": "30", "limit_all": "5", "category_id": "0"}
    made = browser.post("/admin/coupons/new", data=form)
    assert made.status_code == 302
    as_(customer).post("/book", data={**wish, "coupon": "TEN-PERCENT"})
    page = browser.get(made.location).text
    assert "10 %, at most ₹30.00" in page
    assert customer.name in page
    assert "1 of 5" in browser.get("/admin/coupons").text
    assert browser.post(f"{made.location}/off").status_code == 302
    assert browser.post(f"{made.location}/off").status_code == 409
    assert "Off" in browser.get(made.location).text


def test_a_coupon_that_makes_no_sense_is_refused_beside_its_field(as_, admin, welcome):
    answer = as_(admin).post("/admin/coupons/new", data={"code": "welcome", "amount": "10"})
    assert answer.status_code == 422
    assert 'id="code-error"' in answer.text
    assert 'value="10"' in answer.text


# -- Documents --------------------------------------------------------------------------------


@pytest.fixture(params=["added", "inclusive"])
def finished(request, app, monkeypatch, settings, customer, professional, admin):
    """A job with an extra, a discount, a part payment and a part refund, on a site with either kind of prices."""
    seller = {"business_address": "1, MG Road, Bengaluru", "tax_number": "29ABCDE1234F1Z5"}
    there = dataclasses.replace(settings, tax_mode=request.param, commission_basis_points=1_250, **seller)
    monkeypatch.setitem(app.config, "SETTINGS", there)
    job = factories.booking(customer, professional, status=Status.IN_PROGRESS)
    extras.approve(job, customer, [extras.propose(job, professional, "पानी का फ़िल्टर", 12_345, 3).id])
    bookings.complete(job, professional)
    bookings.record_payment(job, professional, PaymentMethod.UPI, 30_000)
    disputes.begin(job, customer, "The filter leaks a little.")
    disputes.answer(job, professional, "It did not when I left.")
    disputes.refund(job, admin, "It does", 10_001)
    db.session.commit()
    return job


def amounts(lines):
    return [round(float(found.replace(",", "")) * 100) for found in re.findall(r"₹([\d,]+\.\d\d)", "\n".join(lines))]


def text_of(response):
    assert response.headers["Content-Type"] == "application/pdf"
    reader = PdfReader(io.BytesIO(response.data))
    return "\n".join(page.extract_text() for page in reader.pages)


def test_the_papers_sums_are_right_and_the_ledgers(as_, finished, customer):
    invoice, receipt, credit_note = finished.documents
    lines = text_of(as_(customer).get(f"/documents/{invoice.id}/pdf")).split("\n")
    words = "\n".join(lines)
    for said in (invoice.number, "29ABCDE1234F1Z5", "1, MG Road", customer.name, "Dev Menon", finished.reference):
        assert said in words
    total = next(n for n, line in enumerate(lines) if line.startswith("Total"))
    head = next(n for n, line in enumerate(lines) if line.startswith("What"))
    assert sum(amounts(lines[head:total])) == amounts(lines[total : total + 1])[0] == invoice.amount
    tax = next(line for line in lines if line.startswith("Tax in it"))
    assert amounts([tax]) == [invoice.content["tax"]]
    whose = next(n for n, line in enumerate(lines) if line.startswith("Whose"))
    assert sum(amounts(lines[whose:])) == invoice.amount
    assert "30,000" not in words
    assert amounts(text_of(as_(customer).get(f"/documents/{receipt.id}/pdf")).split("\n"))[0] == 30_000
    credited = text_of(as_(customer).get(f"/documents/{credit_note.id}/pdf"))
    assert f"Changes {invoice.number}" in " ".join(credited.split())
    assert "₹100.01" in credited
    assert invoice.amount + credit_note.amount == finished.total


def test_a_receipt_of_a_payment_that_never_was_says_so(as_, finished, customer, professional, admin):
    receipt = finished.documents[1]
    page = f"/documents/{receipt.id}"
    assert "This payment was not made" not in as_(customer).get(page).text
    payment = finished.payments[0]
    payments.deny(payment, customer)
    payments.take_back(payment, admin, "It was another customer.")
    db.session.commit()
    assert "This payment was not made" in as_(customer).get(page).text
    assert "This payment was not made" in text_of(as_(professional).get(f"{page}/pdf"))


def test_the_page_says_what_the_paper_says(as_, finished, professional):
    invoice = finished.documents[0]
    page = as_(professional).get(f"/documents/{invoice.id}").text
    paper = text_of(as_(professional).get(f"/documents/{invoice.id}/pdf"))
    assert amounts([page]) == amounts([paper])
    assert "पानी का फ़िल्टर" in page


def test_documents_are_listed_where_people_look_for_them(as_, finished, customer, professional, admin):
    number = finished.documents[0].number
    for person, page in (
        (customer, f"/bookings/{finished.id}"),
        (professional, f"/professional/jobs/{finished.id}"),
        (admin, f"/admin/bookings/{finished.id}"),
    ):
        assert number in as_(person).get(page).text
        assert number in as_(person).get("/documents").text


def test_strangers_find_nothing(as_, finished, other_customer, other_professional):
    invoice = finished.documents[0]
    for person in (other_customer, other_professional):
        assert "Nothing issued yet" in as_(person).get("/documents").text
        for page in ("", "/pdf"):
            assert as_(person).get(f"/documents/{invoice.id}{page}").status_code == 404


def test_a_bill_with_its_tax_in_it_says_how_much(as_, app, monkeypatch, settings, customer, professional):
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(settings, tax_mode="inclusive"))
    job = factories.booking(customer, professional, starts_at=factories.at(11) + timedelta(days=1))
    page = as_(customer).get(f"/bookings/{job.id}").text
    assert "GST 18 % in it" in page
    assert "₹70.78" in page
    assert "₹464.00" in page
    assert db.session.query(Document).count() == 0
