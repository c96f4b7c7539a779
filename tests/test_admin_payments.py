"""The admin's pages of payments: the list, a payment, refunds, and the bank's statement."""

import io
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import bookings, ledger, payments
from extensions import db
from models import PaymentMethod, Status
from models_lifecycle import Refund, RefundState
from models_money import GatewayEvent, Payment, PaymentStatus
from tests import factories

UTR = "412345678901"


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def job(customer, professional, set_up):
    set_up(upi_id="doorstep@okbank")
    return done(customer, professional)


def done(customer, professional):
    job = factories.booking(customer, professional, status=Status.IN_PROGRESS)
    bookings.complete(job, professional)
    db.session.commit()
    return job


@pytest.fixture
def claimed(job, customer):
    payments.claim(job, customer, UTR)
    db.session.commit()
    return db.session.scalars(select(Payment)).one()


def page(payment, tail=""):
    return f"/admin/payments/{payment.id}{tail}"


# -- The list ---------------------------------------------------------------------------------


@pytest.fixture
def three(job, professional, claimed, frozen):
    payments.credit(job, PaymentMethod.STRIPE, "pi_1", 10_000)
    frozen.shift(timedelta(days=2))
    bookings.record_payment(job, professional, PaymentMethod.CASH, 500)
    db.session.commit()


@pytest.mark.parametrize(
    ("asked", "amounts"),
    [
        ("", {"₹547.52", "₹100.00", "₹5.00"}),
        ("?method=stripe", {"₹100.00"}),
        ("?status=claimed", {"₹547.52"}),
        ("?status=verified", {"₹100.00", "₹5.00"}),
        (f"?reference={UTR}", {"₹547.52"}),
        ("?reference=pi_1", {"₹100.00"}),
        ("?from=2026-11-24", {"₹5.00"}),
        ("?to=2026-11-23", {"₹547.52", "₹100.00"}),
        ("?method=razorpay", set()),
    ],
)
def test_the_list_is_narrowed(browser, three, asked, amounts):
    answer = browser.get(f"/admin/payments{asked}").text
    assert {amount for amount in ("₹547.52", "₹100.00", "₹5.00") if f"{amount}</a>" in answer} == amounts


def test_the_list_finds_a_booking(browser, three, job):
    assert browser.get(f"/admin/payments?reference={job.reference}").text.count(f">{job.reference}<") == 3


@pytest.mark.parametrize("asked", ["?method=gold", "?status=maybe", "?from=soon"])
def test_an_odd_filter_is_refused(browser, asked):
    assert browser.get(f"/admin/payments{asked}").status_code == 422


def test_a_long_list_has_pages(browser, customer, professional):
    job = factories.booking(customer, professional, status=Status.CLOSED)
    for _number in range(21):
        factories.payment(job, amount=100)
    first = browser.get("/admin/payments").text
    assert first.count("₹1.00</a>") == 20
    assert "after=" in first


# -- One payment ------------------------------------------------------------------------------


def test_what_came_is_verified_as_it_came(browser, claimed, job):
    assert "It came" in browser.get(page(claimed)).text
    browser.post(page(claimed, "/verify"), data={"amount": "500"})
    assert (claimed.status, claimed.amount, job.paid) == (PaymentStatus.VERIFIED, 50_000, 50_000)


@pytest.mark.parametrize("amount", ["", "0", "x", "-5"])
def test_what_came_is_an_amount(browser, claimed, amount):
    answer = browser.post(page(claimed, "/verify"), data={"amount": amount})
    assert answer.status_code == 422
    assert claimed.status is PaymentStatus.CLAIMED


def test_what_did_not_come_is_refused_with_a_reason(browser, claimed):
    assert browser.post(page(claimed, "/refuse"), data={"reason": ""}).status_code == 422
    browser.post(page(claimed, "/refuse"), data={"reason": "Nothing came."})
    assert claimed.status is PaymentStatus.REFUSED
    assert browser.get(page(claimed, "/refuse")).status_code == 409


@pytest.mark.parametrize(("tail", "status"), [("/keep", PaymentStatus.VERIFIED), ("/take-back", PaymentStatus.REFUSED)])
def test_what_was_denied_is_decided(browser, job, customer, professional, tail, status):
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    noted = job.payments[0]
    assert browser.get(page(noted, tail)).status_code == 409
    payments.deny(noted, customer)
    db.session.commit()
    assert "says that they did not pay" in browser.get(page(noted)).text
    browser.post(page(noted, tail), data={"reason": "There is a receipt."})
    assert (noted.status, noted.disputed) == (status, False)


@pytest.fixture
def online(job, gateways):
    payments.credit(job, PaymentMethod.STRIPE, "pi_1", job.total)
    db.session.commit()
    return db.session.scalars(select(Payment)).one()


def test_a_part_is_refunded_with_a_reason(browser, online, job):
    assert browser.get(page(online, "/refund")).status_code == 200
    browser.post(page(online, "/refund"), data={"amount": "100", "reason": "A scratch"})
    assert (job.total, job.paid) == (online.amount - 10_000, online.amount - 10_000)
    assert "On its way" in browser.get(page(online)).text


@pytest.mark.parametrize(
    "sent",
    [{"amount": "547.53", "reason": "x"}, {"amount": "0", "reason": "x"}, {"amount": "5", "reason": ""}],
    ids=str,
)
def test_no_more_is_refunded_than_was_paid_and_never_without_a_reason(browser, online, sent):
    answer = browser.post(page(online, "/refund"), data=sent)
    assert answer.status_code == 422
    assert f'value="{sent["amount"]}"' in answer.text
    assert db.session.scalar(select(Refund)) is None


def test_what_a_gateway_will_not_send_is_asked_again_or_sent_by_hand(browser, online, admin):
    payments.give_back(online, admin, 10_000, "A scratch")
    refund = online.refunds[0]
    refund.state, refund.error = RefundState.FAILED, "The balance is too low."
    db.session.commit()
    assert "The balance is too low." in browser.get("/admin/reconciliation").text
    browser.post(f"/admin/refunds/{refund.id}/again")
    assert refund.state is RefundState.ASKED
    assert browser.post(f"/admin/refunds/{refund.id}/sent", data={"reference": UTR}).status_code == 409
    refund.state = RefundState.FAILED
    db.session.commit()
    assert browser.post(f"/admin/refunds/{refund.id}/sent", data={"reference": ""}).status_code == 422
    browser.post(f"/admin/refunds/{refund.id}/sent", data={"reference": UTR})
    assert (refund.state, refund.reference) == (RefundState.DONE, UTR)
    assert ledger.balance(ledger.REFUNDS) == 0


# -- Reconciliation ---------------------------------------------------------------------------


def upload(browser, text, name="statement"):
    sent = {name: (io.BytesIO(text if isinstance(text, bytes) else text.encode()), "statement.csv")}
    return browser.post("/admin/reconciliation/statement", data=sent, content_type="multipart/form-data")


def test_all_that_waits_is_on_one_page(browser, claimed, job, customer, professional):
    factories.checkout(job)
    said = GatewayEvent(method="stripe", event="evt_1", kind="paid", fault="pi_9 does not fit.", at=job.created_at)
    db.session.add(said)
    db.session.commit()
    answer = browser.get("/admin/reconciliation").text
    assert UTR in answer
    assert "pi_9 does not fit." in answer
    assert "asked about again" in answer


def test_a_statement_is_shown_before_anything_is_written(browser, claimed, job, customer, professional):
    other = payments.claim(done_later(customer, professional), customer, "412345678902")
    db.session.commit()
    answer = upload(
        browser,
        "Date,Narration,Debit,Credit\n"
        f'23/11/2026,"UPI/{UTR}/ASHA/DS-10001",,547.52\n'
        "23/11/2026,UPI/412345678902/BILAL,,\"1,000.00\"\n"
        "23/11/2026,UPI/999999999999/WHO,,5.00\n"
        f"23/11/2026,UPI/{UTR}/AGAIN,,547.52\n"
        "23/11/2026,RENT,5000.00,\n",
    )
    assert answer.status_code == 200
    for words in ("Matched", "Different amount", "Unknown", "Counted already", "Verify 1 payment"):
        assert words in answer.text
    assert (claimed.status, other.status) == (PaymentStatus.CLAIMED, PaymentStatus.CLAIMED)
    browser.post("/admin/reconciliation/verify", data={"matched": f"{UTR}:54752"})
    assert (claimed.status, other.status, job.due) == (PaymentStatus.VERIFIED, PaymentStatus.CLAIMED, 0)
    assert ledger.balance(ledger.BANK) == 54_752


def done_later(customer, professional):
    return factories.booking(customer, professional, status=Status.CLOSED)


def test_a_second_click_verifies_nothing_twice(browser, claimed, job):
    for _time in range(2):
        browser.post("/admin/reconciliation/verify", data={"matched": f"{UTR}:54752"})
    assert job.paid == 54_752
    assert db.session.scalar(select(func.count()).select_from(Payment)) == 1


@pytest.mark.parametrize("packed", [f"{UTR}:1", f"{UTR}:54753", "999999999999:54752"])
def test_a_changed_page_verifies_nothing(browser, claimed, packed):
    browser.post("/admin/reconciliation/verify", data={"matched": packed})
    assert claimed.status is PaymentStatus.CLAIMED


@pytest.mark.parametrize("packed", ["", "x", f"{UTR}:-5", f"{UTR}", "DROP TABLE"])
def test_what_the_page_did_not_write_is_refused(browser, claimed, packed):
    assert browser.post("/admin/reconciliation/verify", data={"matched": packed}).status_code == 422


@pytest.mark.parametrize(
    "text",
    [
        f"\ufeffValue date;Reference;Deposit amt\r\n23.11.2026;{UTR};547.52\r\n",
        f"Some Bank\nStatement of November\nDate\tDetails\tAmount (INR)\n23/11\tUPI-{UTR}-x\t₹547.52\n",
        f"Ref,Credit\n{UTR},547.520\n".encode("latin-1"),
        f"Account,Ref,Credit\n987654321098,UPI {UTR},547.52\n",
    ],
    ids=["semicolons", "tabs and a head", "latin-1", "an account number of 12 digits"],
)
def test_statements_of_many_banks_are_read(browser, claimed, text):
    assert "Verify 1 payment" in upload(browser, text).text


@pytest.mark.parametrize("text", ["", "no columns here", b"\x00\x01\x02", f"Date,Ref\n1,{UTR}\n"], ids=repr)
def test_what_is_no_statement_is_refused(browser, claimed, text):
    assert upload(browser, text).status_code == 422


def test_no_file_is_refused(browser):
    assert browser.post("/admin/reconciliation/statement", data={}).status_code == 422


def test_money_that_left_or_is_not_a_payment_is_left_out(browser, claimed):
    answer = upload(browser, f"Ref,Credit\n{UTR},-547.52\n{UTR},nan\nRENT,5.00\n")
    assert "No UPI payments in this file" in answer.text
