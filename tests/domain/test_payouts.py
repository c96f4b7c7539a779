"""Payouts: who is owed what, and that nothing goes out twice."""

import csv
import io
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from domain import billing, bookings, clock, disputes, ledger, notifications, payout_accounts, payouts, users
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from extensions import db
from models import AuditEntry, Notification, PaymentMethod, Status
from models_money import Payout, PayoutStatus, PayoutWay
from tests import factories

TODAY = date(2026, 11, 23)


@pytest.fixture
def account(professional):
    details = {"holder": "=Dev Menon", "number": "001234567890", "code": "HDFC0001234"}
    return payout_accounts.save(professional, PayoutWay.BANK, **details)


@pytest.fixture
def paid_job(customer, professional):
    """paid_job() is a job that the customer paid to the site, and earned 499.00."""

    def done(who=None, **values):
        return factories.paid_job(customer, who or professional, **values)

    return done


@pytest.fixture
def make(admin):
    """make() makes the batch that an admin sees."""

    def made(until=TODAY):
        return payouts.make(admin, until, payouts.preview(until).mark)

    return made


def only():
    return db.session.scalars(select(Payout).execution_options(populate_existing=True)).one()


def balances(professional):
    return [*ledger.balances([ledger.professional(professional.id), ledger.TRANSIT, ledger.BANK]).values()]


def sound():
    return [*ledger.faults(), *billing.faults(), *payouts.faults()] == []


# -- Who is owed what -------------------------------------------------------------------------


def test_what_customers_paid_to_the_site_is_owed(paid_job, professional):
    paid_job()
    standing = payouts.standing(professional.id)
    assert standing == payouts.Standing(ready=49_900, fees=0, sent=0, waits=0)
    assert standing.owed == 49_900


def test_what_a_customer_still_owes_waits(paid_job, professional, make, account):
    job = paid_job(paid=False)
    assert payouts.standing(professional.id) == payouts.Standing(0, 0, 0, waits=49_900)
    with pytest.raises(Conflict, match="Nobody"):
        make()
    billing.paid(factories.payment(job, holder=ledger.gateway("stripe")))
    assert payouts.standing(professional.id).owed == 49_900


def test_what_is_in_dispute_waits(paid_job, professional, customer):
    job = paid_job()
    disputes.begin(job, customer, "The tap drips again.")
    assert payouts.standing(professional.id) == payouts.Standing(0, 0, 0, waits=49_900)


def test_the_fees_of_cash_jobs_are_owed_to_the_site_and_set_off(paid_job, professional, customer):
    cash = factories.booking(customer, professional, status=Status.IN_PROGRESS)
    bookings.complete(cash, professional)
    bookings.record_payment(cash, professional, PaymentMethod.CASH)
    fees = cash.total - cash.subtotal
    assert payouts.standing(professional.id).owed == -fees
    paid_job()
    assert payouts.standing(professional.id) == payouts.Standing(ready=49_900, fees=fees, sent=0, waits=0)
    assert payouts.standing(professional.id).owed == 49_900 - fees


def test_a_standing_adds_up_to_the_balance(paid_job, professional, customer, make, account):
    paid_job()
    make()
    paid_job(paid=False)
    job = paid_job()
    disputes.begin(job, customer, "The tap drips again.")
    standing = payouts.standing(professional.id)
    assert standing.owed + standing.waits == -ledger.balance(ledger.professional(professional.id))


def test_little_is_kept_until_it_is_enough(paid_job, make, account, monkeypatch, app):
    paid_job(price=9_999)
    assert payouts.preview(TODAY).payable == []
    paid_job(price=1)
    assert [one.amount for one in payouts.preview(TODAY).payable] == [10_000]


def test_only_what_was_earned_by_the_day_is_paid_and_later_debts_are_set_off(
    paid_job, professional, customer, admin, make, account, frozen
):
    first = paid_job()
    frozen.shift(timedelta(days=1))
    paid_job()
    assert [one.amount for one in payouts.preview(TODAY).payable] == [49_900]
    disputes.begin(first, customer, "The tap drips again.")
    disputes.answer(first, factories.person(first.professional_id), "It was dry when I left.")
    disputes.refund(first, admin, "It does", 10_000)
    assert [one.amount for one in payouts.preview(TODAY).payable] == [39_900]


def test_a_day_to_come_is_no_day(app):
    for day in (TODAY + timedelta(days=1), date(1999, 1, 1)):
        with pytest.raises(Invalid) as refused:
            payouts.preview(day)
        assert refused.value.field == "until"


def test_who_is_blocked_or_has_not_said_where_to_is_left_out(
    paid_job, professional, other_professional, admin, account
):
    paid_job()
    paid_job(other_professional)
    users.block(professional, admin, "Fraud")
    preview = payouts.preview(TODAY)
    assert preview.payable == []
    assert {(one.name, one.active, one.hint) for one in preview.left_out} == {
        ("Dev Menon", False, "•••• 7890"),
        ("Esha Nair", True, None),
    }


# -- A batch ----------------------------------------------------------------------------------


def test_a_batch_takes_what_is_owed_onto_its_way(paid_job, professional, admin, make, account):
    paid_job()
    batch = make()
    payout = only()
    assert (batch.id, payout.amount, payout.status, payout.hint) == (1, 49_900, PayoutStatus.MADE, "•••• 7890")
    assert balances(professional) == [0, -49_900, 0]
    assert payouts.standing(professional.id) == payouts.Standing(49_900, 0, 49_900, 0)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "make_payouts")).one()
    assert (entry.subject_id, entry.detail) == (1, {"count": 1, "amount": 49_900})
    assert sound()


def test_a_second_click_pays_nothing(paid_job, admin, account):
    paid_job()
    mark = payouts.preview(TODAY).mark
    payouts.make(admin, TODAY, mark)
    db.session.commit()
    with pytest.raises(Conflict):
        payouts.make(admin, TODAY, mark)
    db.session.rollback()
    assert only().amount == 49_900


def test_what_changed_since_it_was_seen_is_looked_at_again(paid_job, admin, account):
    paid_job()
    mark = payouts.preview(TODAY).mark
    paid_job()
    with pytest.raises(Conflict, match="changed"):
        payouts.make(admin, TODAY, mark)


def test_what_is_earned_afterwards_comes_with_the_next(paid_job, make, account):
    paid_job()
    make()
    paid_job(price=20_000)
    assert make().id == 2
    assert [one.amount for one in db.session.scalars(select(Payout).order_by(Payout.id))] == [49_900, 20_000]
    assert sound()


def test_a_batch_has_its_limit_and_the_others_come_with_the_next(paid_job, make, account, monkeypatch):
    monkeypatch.setattr(payouts, "MOST_IN_A_BATCH", 1)
    another = factories.professional()
    payout_accounts.save(another, PayoutWay.UPI, holder="Ann", upi="ann@bank")
    paid_job()
    paid_job(another)
    make()
    assert only().amount == 49_900
    make()
    assert db.session.query(Payout).count() == 2


def test_only_admins_pay(paid_job, professional, customer, make, account):
    paid_job()
    batch = make()
    for person in (professional, customer):
        for verb in (
            lambda who: payouts.make(who, TODAY, ""),
            lambda who: payouts.bank_file(batch, who),
            lambda who: payouts.pay(batch, who),
            lambda who: payouts.pay_one(only(), who),
            lambda who: payouts.fail(only(), who, "No"),
        ):
            with pytest.raises(NotAllowed):
                verb(person)


def test_the_bank_is_told_all_of_the_account_and_no_cell_runs(paid_job, admin, make, account):
    paid_job()
    [row] = csv.DictReader(io.StringIO(payouts.bank_file(make(), admin)))
    assert row == {
        "reference": f"PO-1-{only().id}",
        "name": "'=Dev Menon",
        "account_number": "001234567890",
        "bank_code": "HDFC0001234",
        "upi_id": "",
        "amount": "499.00",
        "currency": "INR",
    }
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "download_payouts")).one()
    assert entry.detail == {"count": 1}


def test_a_payout_goes_where_it_was_sent_even_if_the_account_changes(paid_job, professional, admin, make, account):
    paid_job()
    batch = make()
    payout_accounts.save(professional, PayoutWay.UPI, holder="Thief", upi="thief@bank")
    assert "thief" not in payouts.bank_file(batch, admin)


def test_an_account_that_cannot_be_read_is_named(paid_job, admin, make, account):
    paid_job()
    batch = make()
    only().sealed = "gAAAA"
    db.session.flush()
    with pytest.raises(Conflict, match="Dev Menon"):
        payouts.bank_file(batch, admin)


# -- What became of it ------------------------------------------------------------------------


def test_what_was_paid_is_with_the_bank_and_the_professional_knows(paid_job, professional, admin, make, account):
    paid_job()
    batch = make()
    assert payouts.pay(batch, admin) == 1
    assert only().status is PayoutStatus.PAID
    assert balances(professional) == [0, 0, -49_900]
    note = db.session.scalars(select(Notification).where(Notification.kind == "paid_out")).one()
    assert notifications.message(note, str) == "₹499.00 was paid out to your account •••• 7890."
    assert payouts.paid_between(professional.id, TODAY, TODAY) == 49_900
    assert sound()


def test_what_is_paid_is_paid_once(paid_job, admin, make, account):
    paid_job()
    batch = make()
    payouts.pay(batch, admin)
    with pytest.raises(InvalidTransition):
        payouts.pay(batch, admin)
    with pytest.raises(InvalidTransition):
        payouts.pay_one(only(), admin)
    assert ledger.balance(ledger.BANK) == -49_900


@pytest.mark.parametrize("before", ["it was paid", "it was sent back"])
def test_what_failed_is_owed_again(paid_job, professional, admin, make, account, before):
    paid_job()
    batch = make()
    if before == "it was sent back":
        payouts.pay(batch, admin)
    payouts.fail(only(), admin, " No such account ")
    assert balances(professional) == [-49_900, 0, 0]
    assert (only().status, only().reason) == (PayoutStatus.FAILED, "No such account")
    note = db.session.scalars(select(Notification).where(Notification.kind == "payout_failed")).one()
    assert notifications.message(note, str).endswith("failed: No such account")
    assert payouts.standing(professional.id).owed == 49_900
    make()
    assert sound()


def test_what_failed_once_fails_no_more_and_is_not_paid(paid_job, admin, make, account):
    paid_job()
    batch = make()
    payouts.fail(only(), admin, "No such account")
    for verb in (lambda: payouts.fail(only(), admin, "Again"), lambda: payouts.pay_one(only(), admin)):
        with pytest.raises(InvalidTransition):
            verb()
    for verb in (lambda: payouts.pay(batch, admin), lambda: payouts.bank_file(batch, admin)):
        with pytest.raises((InvalidTransition, Conflict)):
            verb()


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_failure_has_a_reason(paid_job, admin, make, account, reason):
    paid_job()
    make()
    with pytest.raises(Invalid) as refused:
        payouts.fail(only(), admin, reason)
    assert refused.value.field == "reason"


def test_who_is_blocked_meanwhile_is_left_out_of_the_file_and_stays_on_the_way(
    paid_job, professional, admin, make, account
):
    another = factories.professional()
    payout_accounts.save(another, PayoutWay.UPI, holder="Ann", upi="ann@bank")
    paid_job()
    paid_job(another)
    batch = make()
    users.block(professional, admin, "Fraud")
    assert "ann@bank" in (text := payouts.bank_file(batch, admin))
    assert "001234567890" not in text
    assert payouts.pay(batch, admin) == 1
    theirs = payouts.of_professional(professional.id).items[0]
    assert theirs.status is PayoutStatus.MADE
    payouts.fail(theirs, admin, "Blocked")
    assert payouts.standing(professional.id).owed == 49_900
    assert sound()


def test_money_on_its_way_that_the_payouts_do_not_know_is_found(app):
    ledger.post("slip", "payout", {ledger.professional(1): 5, ledger.TRANSIT: -5})
    assert payouts.faults() == ["Payouts on their way are 0, and the ledger says 5."]


def test_nothing_depends_on_how_much_there_was(paid_job, professional, count_queries):
    paid_job()
    db.session.commit()
    seen = []
    for _ in range(2):
        with count_queries() as few:
            payouts.standing(professional.id)
            payouts.preview(clock.today())
        seen.append(few.count)
        paid_job()
        paid_job()
        db.session.commit()
    assert seen == [3, 3]
