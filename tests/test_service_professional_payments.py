"""What a professional says of payments to their own UPI address."""

import pytest
from sqlalchemy import select

from domain import payments
from extensions import db
from models import Status
from models_money import Payment, PaymentStatus
from tests import factories


@pytest.fixture
def browser(as_, professional):
    return as_(professional)


@pytest.fixture
def job(customer, professional):
    professional.professional.upi_id = "dev@okbank"
    return factories.booking(customer, professional, status=Status.CLOSED)


@pytest.fixture
def claimed(job, customer):
    payments.claim(job, customer, "412345678901")
    db.session.commit()
    return db.session.scalars(select(Payment)).one()


def page(job, tail=""):
    return f"/professional/jobs/{job.id}{tail}"


def test_the_job_asks_whether_the_money_came(browser, job, claimed):
    answer = browser.get(page(job)).text
    assert "under the UTR number 412345678901" in answer
    browser.post(page(job, f"/payments/{claimed.id}/verify"))
    assert (claimed.status, job.due) == (PaymentStatus.VERIFIED, 0)
    assert "under the UTR number" not in browser.get(page(job)).text


def test_what_did_not_come_is_refused_with_a_reason(browser, job, claimed):
    tail = f"/payments/{claimed.id}/refuse"
    assert browser.get(page(job, tail)).status_code == 200
    assert browser.post(page(job, tail), data={"reason": " "}).status_code == 422
    browser.post(page(job, tail), data={"reason": "Nothing came."})
    assert (claimed.status, claimed.reason, job.paid) == (PaymentStatus.REFUSED, "Nothing came.", 0)


def test_what_was_answered_is_not_answered_again(browser, job, claimed):
    browser.post(page(job, f"/payments/{claimed.id}/verify"))
    assert browser.post(page(job, f"/payments/{claimed.id}/verify")).status_code == 409
    assert browser.get(page(job, f"/payments/{claimed.id}/refuse")).status_code == 409


def test_what_the_bank_has_is_not_theirs_to_say(browser, job, customer, set_up):
    set_up(upi_id="doorstep@okbank")
    claimed = payments.claim(job, customer, "412345678901")
    assert browser.post(page(job, f"/payments/{claimed.id}/verify")).status_code == 403
    assert "I have the money" not in browser.get(page(job)).text


def test_another_professional_says_nothing(as_, other_professional, job, claimed):
    assert as_(other_professional).post(page(job, f"/payments/{claimed.id}/verify")).status_code == 404
    assert job.paid == 0


def test_only_ways_that_are_on_are_noted(browser, job, set_up):
    set_up(cash=False)
    answer = browser.get(page(job)).text
    assert 'value="upi"' in answer
    assert 'value="cash"' not in answer
    assert browser.post(page(job, "/payment"), data={"method": "cash"}).status_code == 422


@pytest.mark.parametrize("method", ["stripe", "razorpay"])
def test_what_a_gateway_has_no_professional_notes(browser, job, gateways, method):
    assert browser.post(page(job, "/payment"), data={"method": method}).status_code == 422
    assert job.paid == 0
