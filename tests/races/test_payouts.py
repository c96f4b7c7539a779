"""Payouts that are made, paid and marked as failed at once, by processes of their own: each goes out once."""

import os
from collections import Counter

import pytest
from sqlalchemy import select

from domain import clock, ledger, payout_accounts, payouts, users
from extensions import begin_write, db
from models import User
from models_money import Payout, PayoutBatch, PayoutStatus, PayoutWay
from tests.races.conftest import ROUNDS

pytestmark = [pytest.mark.race, pytest.mark.timeout(600)]

AMOUNT = 50_000
FEW_ROUNDS = max(ROUNDS // 4, 10)


@pytest.fixture
def owed(professional):
    """owed(n) has the site owe the professional once more, as round n begins."""
    payout_accounts.save(professional, PayoutWay.UPI, holder="Dev Menon", upi="dev.menon@okbank")
    db.session.commit()
    account = ledger.professional(professional.id)

    def owe(number):
        begin_write()
        ledger.post(f"gift:{number}", "gift", {account: -AMOUNT, ledger.BANK: AMOUNT})
        db.session.commit()

    owe("first")
    return owe


def making(admin_id):
    def act():
        today = clock.today()
        mark = payouts.preview(today).mark
        # What was seen was seen in a transaction of its own, as a page is.
        begin_write()
        payouts.make(db.session.get(User, admin_id), today, mark)
        return "made"

    return act


def erasing(professional_id, admin_id):
    def act():
        users.anonymise(db.session.get(User, professional_id), db.session.get(User, admin_id), "They asked for it")
        return "erased"

    return act


def settling(verb, admin_id, *words):
    """Pay or fail the newest payout."""

    def act():
        admin = db.session.get(User, admin_id)
        payout = db.session.scalars(select(Payout).order_by(Payout.id.desc()).limit(1)).one()
        batch = db.session.get(PayoutBatch, payout.batch_id)
        getattr(payouts, verb)(batch if verb == "pay" else payout, admin, *words)
        return verb

    return act


def test_of_batches_at_once_one_pays(processes, owed, admin, professional):
    outcomes = Counter()

    def between(number, results):
        outcomes.update(results)
        assert results.count("made") == 1, results
        assert set(results) <= {"made", "Conflict"}, results
        db.session.expire_all()
        assert db.session.query(Payout).count() == number + 1
        assert {payout.amount for payout in db.session.scalars(select(Payout))} == {AMOUNT}
        assert ledger.balance(ledger.professional(professional.id)) == 0
        db.session.rollback()
        owed(number)

    processes([making(admin.id)] * 4, FEW_ROUNDS, between)
    assert outcomes["made"] == FEW_ROUNDS


def test_control_what_is_read_before_and_paid_after_goes_out_several_times(processes, owed, admin, professional):
    """What happens when a batch is not numbered first: everybody pays the balance that they saw."""
    seen = payouts.preview(clock.today()).payable
    admin_id, professional_id = admin.id, professional.id

    def act():
        batch = PayoutBatch(id=os.getpid(), until=clock.today(), made_by_id=admin_id, made_at=clock.now())
        db.session.add(batch)
        db.session.flush()
        payout = Payout(batch_id=batch.id, professional_id=professional_id, amount=seen[0].amount, hint="", sealed="")
        db.session.add(payout)
        db.session.flush()
        return "made"

    def between(_number, results):
        assert results.count("made") > 1, results

    processes([act] * 4, 1, between)


def test_a_payout_is_paid_once_and_fails_once(processes, owed, admin, professional):
    begin_write()
    payouts.make(admin, clock.today(), payouts.preview(clock.today()).mark)
    db.session.commit()
    ends = Counter()

    def between(number, results):
        paid, failed = results.count("pay") + results.count("pay_one"), results.count("fail")
        # What was paid may be sent back a moment later.
        assert max(paid, failed) == 1, results
        db.session.expire_all()
        newest = db.session.scalars(select(Payout).order_by(Payout.id.desc()).limit(1)).one()
        ends[newest.status] += 1
        owed_again = AMOUNT if newest.status is PayoutStatus.FAILED else 0
        assert -ledger.balance(ledger.professional(professional.id)) == owed_again
        assert ledger.balance(ledger.TRANSIT) == 0
        assert [*ledger.faults(), *payouts.faults()] == []
        db.session.rollback()
        if not owed_again:
            owed(number)
        begin_write()
        payouts.make(admin, clock.today(), payouts.preview(clock.today()).mark)
        db.session.commit()

    acts = [settling("pay", admin.id), settling("pay_one", admin.id), settling("fail", admin.id, "Refused")]
    processes(acts, FEW_ROUNDS, between)
    assert sum(ends.values()) == FEW_ROUNDS


def test_nobody_is_erased_while_a_batch_is_made_for_them(at_once, owed, admin, professional):
    """Either the batch has their account and the erasure is refused, or the account is gone and so is the batch."""
    results = at_once([making(admin.id), erasing(professional.id, admin.id)])
    db.session.expire_all()
    made = db.session.query(Payout).count()
    erased = db.session.get(User, professional.id).anonymised_at is not None
    assert made + erased == 1, results
