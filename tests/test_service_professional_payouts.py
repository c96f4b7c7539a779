"""The professional's pages of payouts, the account they go to, any range on paper, and the calculator."""

import io
from datetime import timedelta

import pytest
from pypdf import PdfReader

from domain import bookings, payout_accounts, payouts
from extensions import db
from models import PaymentMethod, Status
from models_money import PayoutAccount, PayoutWay
from tests import factories

PAGE = "/professional/payouts"
BANK = {"way": "bank", "holder": "Dev Menon", "number": "001234567890", "code": "HDFC0001234"}


@pytest.fixture
def browser(as_, professional):
    return as_(professional)


def account_of(person):
    db.session.rollback()
    return db.session.get(PayoutAccount, person.id, populate_existing=True)


def test_an_account_is_saved_and_never_shown_again(browser, professional):
    page = browser.post(f"{PAGE}/account", data=BANK, follow_redirects=True)
    assert "The next payout goes there." in page.text
    assert payout_accounts.unseal(account_of(professional).sealed).number == BANK["number"]
    for path in (PAGE, f"{PAGE}/account"):
        text = browser.get(path).text
        assert "•••• 7890" in text
        assert BANK["number"] not in text


@pytest.mark.parametrize(
    "sent, said",
    [
        ({**BANK, "number": "12"}, "Enter the account number with all its digits."),
        ({**BANK, "code": "?"}, "Enter the code of your bank"),
        ({**BANK, "holder": ""}, "Enter the name as the bank has it."),
        ({"way": "upi", "holder": "Dev", "upi": "dev"}, "Enter a UPI id such as name@bank."),
        ({"way": "cheque", "holder": "Dev"}, "Choose one of the list."),
    ],
)
def test_what_is_wrong_stands_beside_it_and_the_typing_stays(browser, professional, sent, said):
    page = browser.post(f"{PAGE}/account", data=sent)
    assert page.status_code == 422
    assert said in page.text
    if sent["holder"]:
        assert f'value="{sent["holder"]}"' in page.text
    assert account_of(professional) is None


def test_the_password_is_asked_again_first(app, professional):
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = professional.name_of_session(), True
    for method in ("GET", "POST"):
        answer = client.open(f"{PAGE}/account", method=method, data=BANK if method == "POST" else None)
        assert answer.status_code == 302
        assert "/verify" in answer.location
    assert client.post(f"{PAGE}/account/remove").status_code == 302
    assert account_of(professional) is None


def test_an_account_is_removed_once(browser, professional):
    browser.post(f"{PAGE}/account", data=BANK)
    assert "not paid out until" in browser.post(f"{PAGE}/account/remove", follow_redirects=True).text
    assert browser.post(f"{PAGE}/account/remove").status_code == 409


def test_the_page_says_what_is_owed_and_what_became_of_it(browser, professional, admin):
    payout = factories.payout(professional, admin)
    page = browser.get(PAGE).text
    assert "₹499.00" in page
    assert "On its way" in page
    payouts.fail(payout, admin, "No such account")
    db.session.commit()
    page = browser.get(PAGE).text
    assert "“No such account”" in page
    assert "It comes with the next batch." in page


def test_what_they_owe_the_site_is_said_and_set_off(browser, professional, customer):
    job = factories.booking(customer, professional, status=Status.IN_PROGRESS)
    bookings.complete(job, professional)
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    db.session.commit()
    assert "You owe the site" in browser.get(PAGE).text
    assert "It is set off in your next payouts." in browser.get("/professional/earnings").text


def test_who_is_no_longer_approved_still_sees_what_they_are_owed(as_, unapproved_professional, customer):
    assert as_(unapproved_professional).get(PAGE).status_code == 200


def test_nobody_sees_the_payouts_of_others(as_, professional, other_professional, admin):
    factories.payout(professional, admin)
    page = as_(other_professional).get(PAGE).text
    assert "Nothing was paid out yet." in page
    assert "₹499" not in page


# -- Earnings ---------------------------------------------------------------------------------


def test_a_job_says_its_commission_before_and_after_it_was_accepted(browser, professional, customer):
    job = factories.booking(customer, professional, starts_at=factories.at(11))
    professional.professional.commission = 1250
    db.session.commit()
    net = f"You earn ₹{(job.subtotal - (job.subtotal * 1250 + 5000) // 10_000) / 100:.2f}."
    path = f"/professional/jobs/{job.id}"
    assert net in (page := browser.get(path).text)
    assert "is the commission of the site (12.5 %)" in page
    refused = browser.post(f"{path}/accept", data={"commission": "1000"})
    assert refused.status_code == 409
    assert "The commission has changed" in refused.text
    assert browser.post(f"{path}/accept", data={"commission": "1250"}).status_code == 302
    professional.professional.commission = 5000
    db.session.commit()
    assert net in browser.get(path).text


def test_any_days_come_on_paper(browser, professional, customer, admin):
    payout = factories.payout(professional, admin)
    payouts.pay_one(payout, admin)
    factories.paid_job(customer, professional, price=100_000, commission=1000)
    answer = browser.get("/professional/earnings/pdf?from=2026-11-01&to=2026-11-23")
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.data)).pages)
    assert "Your earnings from 1 Nov 2026 to 23 Nov 2026" in text
    for part in ("₹1,499.00", "-₹100.00", "₹1,399.00", "₹499.00", "₹900.00"):
        assert part in text, part
    assert answer.headers["Content-Disposition"] == "attachment; filename=earnings-2026-11-01-2026-11-23.pdf"


def test_days_that_are_none_lead_back_to_the_page_that_says_so(browser):
    answer = browser.get("/professional/earnings/pdf?from=2026-11-20&to=2026-11-01&endpoint=x")
    assert answer.location == "/professional/earnings?from=2026-11-20&to=2026-11-01"


# -- The calculator ---------------------------------------------------------------------------


def test_it_begins_with_their_own_rate_and_hours(browser, professional):
    assert "<table" not in browser.get("/professional/calculator").text, "without a rate there is nothing to say"
    professional.professional.hourly_rate, professional.professional.commission = 30_000, 1000
    db.session.commit()
    page = browser.get("/professional/calculator").text
    assert 'value="54"' in page
    for amount in ("₹16,200.00", "₹14,580.00", "₹70,200.00", "₹63,180.00"):
        assert amount in page


def test_another_rate_and_other_hours_are_reckoned(browser):
    page = browser.get("/professional/calculator?rate=1,000&hours=37.5").text
    assert "₹37,500.00" in page


@pytest.mark.parametrize(
    "asked", ["rate=&hours=8", "rate=x&hours=8", "rate=100&hours=169", "rate=100&hours=NaN", "rate=1"]
)
def test_what_cannot_be_reckoned_is_said(browser, asked):
    answer = browser.get(f"/professional/calculator?{asked}")
    assert answer.status_code == 422
    assert "<table" not in answer.text


def test_a_payout_of_upi_is_named_on_the_page(browser, professional):
    payout_accounts.save(professional, PayoutWay.UPI, holder="Dev", upi="dev.menon@okbank")
    db.session.commit()
    assert "de•••@okbank" in browser.get(PAGE).text


def test_long_lists_have_pages(browser, professional, admin, frozen):
    for _ in range(21):
        factories.payout(professional, admin, 10_000)
        frozen.shift(timedelta(minutes=1))
    page = browser.get(PAGE).text
    assert "Show more" in page
