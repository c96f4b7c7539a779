"""The admin's pages of money: revenue, the ledger, commission, and payouts from the preview to the bank."""

import csv
import io
import re

import pytest
from sqlalchemy import select

from domain import payout_accounts, payouts, users
from extensions import db
from models import AuditEntry
from models_money import Payout, PayoutStatus, PayoutWay
from tests import factories

PAGE = "/admin/payouts"


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def owed(customer, professional):
    payout_accounts.save(professional, PayoutWay.UPI, holder="Dev Menon", upi="dev.menon@okbank")
    return factories.paid_job(customer, professional)


def sent(page):
    """What the form of the preview sends."""
    names = ("until", "mark")
    return {name: re.search(rf'type="hidden" name="{name}" value="([^"]+)"', page.text)[1] for name in names}


def only():
    db.session.rollback()
    return db.session.scalars(select(Payout).execution_options(populate_existing=True)).one()


# -- Payouts ----------------------------------------------------------------------------------


def test_a_batch_is_seen_made_given_to_the_bank_and_paid(browser, owed):
    preview = browser.get(f"{PAGE}/new")
    assert "Make 1 payout of ₹499.00" in preview.text
    made = browser.post(f"{PAGE}/new", data=sent(preview), follow_redirects=True)
    assert "Batch 1 is made." in made.text
    file = browser.post(f"{PAGE}/1/file")
    assert file.headers["Content-Disposition"] == "attachment; filename=payouts-1.csv"
    assert file.headers["Cache-Control"] == "private, no-store"
    [row] = csv.DictReader(io.StringIO(file.text))
    assert (row["upi_id"], row["amount"]) == ("dev.menon@okbank", "499.00")
    assert "1 payout is marked as paid." in browser.post(f"{PAGE}/1/paid", follow_redirects=True).text
    assert only().status is PayoutStatus.PAID
    assert "dev.menon@okbank" not in browser.get(f"{PAGE}/1").text
    assert "Batch 1" in browser.get(PAGE).text
    acts = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert acts == ["make_payouts", "download_payouts", "settle_payouts"]
    assert browser.get("/admin/audit").status_code == 200


def test_a_double_click_makes_one_batch(browser, owed):
    form = sent(browser.get(f"{PAGE}/new"))
    assert browser.post(f"{PAGE}/new", data=form).status_code == 302
    again = browser.post(f"{PAGE}/new", data=form)
    assert again.status_code == 409
    assert "What is owed has changed." in again.text
    assert only().amount == 49_900


def test_two_clicks_on_paid_pay_once(browser, owed, professional, admin):
    payout = make(admin)
    for expected in (302, 409):
        assert browser.post(f"{PAGE}/{payout.batch_id}/{payout.id}/paid").status_code == expected
    for verb in ("paid", "file"):
        assert browser.post(f"{PAGE}/{payout.batch_id}/{verb}").status_code == 409


def make(admin):
    day = payouts.clock.today()
    payouts.make(admin, day, payouts.preview(day).mark)
    db.session.commit()
    return only()


def test_a_failure_is_explained_and_owed_again(browser, owed, admin):
    payout = make(admin)
    path = f"{PAGE}/{payout.batch_id}/{payout.id}/failed"
    assert "Mark as failed" in browser.get(path).text
    refused = browser.post(path, data={"reason": " "})
    assert refused.status_code == 422
    assert "Say why, in a few words: the professional reads it." in refused.text
    page = browser.post(path, data={"reason": "No such account"}, follow_redirects=True).text
    assert "“No such account”" in page
    assert browser.post(path, data={"reason": "Again"}).status_code == 409
    assert "Make 1 payout of" in browser.get(f"{PAGE}/new").text


def test_who_is_blocked_stands_out(browser, owed, professional, admin):
    payout = make(admin)
    users.block(professional, admin, "Fraud")
    db.session.commit()
    assert "Blocked" in browser.get(f"{PAGE}/{payout.batch_id}").text
    assert browser.post(f"{PAGE}/{payout.batch_id}/file").status_code == 409
    assert browser.post(f"{PAGE}/{payout.batch_id}/paid").status_code == 409
    assert browser.post(f"{PAGE}/{payout.batch_id}/{payout.id}/paid").status_code == 302


@pytest.mark.parametrize("until", ["2026-11-24", "1999-01-01", "x"])
def test_a_day_that_cannot_be_is_refused_on_both_ways(browser, owed, until):
    assert browser.get(f"{PAGE}/new?until={until}").status_code == 422
    page = browser.post(f"{PAGE}/new", data={"until": until, "mark": "x"})
    assert page.status_code in (409, 422)
    assert db.session.query(Payout).count() == 0


def test_without_anybody_to_pay_the_pages_say_so(browser):
    assert "Nothing was paid out yet" in browser.get(PAGE).text
    assert "Nobody to pay" in browser.get(f"{PAGE}/new").text


@pytest.mark.parametrize("path", [f"{PAGE}/9", f"{PAGE}/9/1/failed"])
def test_what_is_not_there_is_not_found(browser, path):
    assert browser.get(path).status_code == 404


# -- Revenue and the ledger -------------------------------------------------------------------


def test_revenue_shows_the_parts_and_comes_as_a_table(browser, owed):
    page = browser.get("/admin/revenue").text
    assert "Bengaluru Urban" in page
    assert "₹499.00" in page
    table = browser.get("/admin/revenue/csv?from=2026-11-01&to=2026-11-23")
    assert table.headers["Content-Disposition"] == "attachment; filename=revenue-2026-11-01-2026-11-23.csv"
    [row] = csv.DictReader(io.StringIO(table.text))
    assert (row["billed"], row["professionals"], row["site"]) == ("499.00", "499.00", "0.00")


@pytest.mark.parametrize("path", ["/admin/revenue", "/admin/revenue/csv"])
def test_days_that_are_none_are_refused(browser, path):
    for days in ("from=x", "from=2026-11-20&to=2026-11-01", "from=2020-01-01&to=2026-01-01"):
        assert browser.get(f"{path}?{days}").status_code == 422


def test_the_ledger_leads_to_each_account_and_each_booking(browser, owed, professional):
    assert "Nothing is written here" in browser.get("/admin/ledger/nobody").text
    page = browser.get("/admin/ledger").text
    for words in ("Customers", "Professionals", "Held by Stripe"):
        assert words in page
    account = browser.get(f"/admin/ledger/professional:{professional.id}").text
    assert "Balance: -₹499.00." in account
    assert f'href="/admin/bookings/{owed.id}"' in account
    ledger_of = f"/admin/bookings/{owed.id}/ledger"
    assert ledger_of in browser.get(f"/admin/bookings/{owed.id}").text
    assert "Held by Stripe" in browser.get(ledger_of).text
    person = browser.get(f"/admin/people/{professional.id}").text
    assert f'href="/admin/ledger/professional:{professional.id}"' in person


def test_an_empty_ledger_says_so(browser, customer, professional):
    new = factories.booking(customer, professional)
    assert "Nothing is written here" in browser.get(f"/admin/bookings/{new.id}/ledger").text
    assert "Nothing is written yet" in browser.get("/admin/ledger").text


# -- Commission -------------------------------------------------------------------------------


def test_a_professional_is_given_a_rate(browser, professional):
    path = f"/admin/professionals/{professional.id}/commission"
    assert "that of the site: 0 %" in browser.get(path).text
    page = browser.post(path, data={"commission": "12.5 %"}, follow_redirects=True).text
    assert "12.5 %" in page
    assert "none → 12.5 %" in page
    assert 'value="12.5"' in browser.get(path).text
    browser.post(path, data={"commission": ""})
    assert professional.professional.commission is None


@pytest.mark.parametrize("typed", ["x", "-1", "100.01", "1.005", "NaN", "9" * 400])
def test_a_rate_that_is_none_is_refused_and_stays_typed(browser, professional, typed):
    page = browser.post(f"/admin/professionals/{professional.id}/commission", data={"commission": typed})
    assert page.status_code == 422
    assert "Enter a percentage such as 12.5." in page.text
    assert f'value="{typed}"' in page.text


def test_a_category_is_given_a_rate(browser):
    category = factories.service().category
    path = f"/service-list/categories/{category.id}"
    data = {"name": category.name, "slug": category.slug}
    browser.post(path, data={**data, "commission": "15"})
    assert category.commission == 1500
    assert 'value="15"' in browser.get(path).text
    assert browser.post(path, data={**data, "commission": "150"}).status_code == 422


def test_nobody_has_a_commission_who_does_not_work(browser, customer):
    assert browser.get(f"/admin/professionals/{customer.id}/commission").status_code == 404
