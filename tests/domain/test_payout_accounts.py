"""Where professionals are paid: what is taken, what is shown of it, and when it is gone."""

import dataclasses

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from domain import ledger, payout_accounts, payouts, sealing, users
from domain.errors import Conflict, Invalid, NotAllowed
from extensions import db
from models import Notification, OutboxMessage
from models_money import Payout, PayoutAccount, PayoutWay
from tests import factories

BANK = {"holder": "Dev  Menon", "number": "0012 3456-7890", "code": "hdfc0001234"}


def save(person, way=PayoutWay.BANK, **details):
    return payout_accounts.save(person, way, **details)


def test_a_bank_account_is_sealed_and_only_its_end_is_shown(professional):
    account = save(professional, **BANK)
    assert account.hint == "•••• 7890"
    assert "7890" not in account.sealed
    assert payout_accounts.unseal(account.sealed) == payout_accounts.Details("Dev Menon", "001234567890", "HDFC0001234")


@pytest.mark.parametrize("upi, hint", [("dev.menon@okbank", "de•••@okbank"), ("ann@upi", "•••@upi")])
def test_a_upi_id_shows_its_bank(professional, upi, hint):
    account = save(professional, PayoutWay.UPI, holder="Dev Menon", upi=f" {upi} ")
    assert (account.way, account.hint) == (PayoutWay.UPI, hint)
    assert payout_accounts.unseal(account.sealed).upi == upi


@pytest.mark.parametrize(
    "field, way, details",
    [
        ("holder", PayoutWay.BANK, {**BANK, "holder": "  "}),
        ("holder", PayoutWay.BANK, {**BANK, "holder": "x" * 121}),
        ("number", PayoutWay.BANK, {**BANK, "number": "12"}),
        ("number", PayoutWay.BANK, {**BANK, "number": "=1+1"}),
        ("code", PayoutWay.BANK, {**BANK, "code": "HDFC1001234"}),
        ("code", PayoutWay.BANK, {**BANK, "code": ""}),
        ("upi", PayoutWay.UPI, {"holder": "Dev", "upi": "dev"}),
        ("upi", PayoutWay.UPI, {"holder": "Dev", "upi": "=cmd@bank"}),
    ],
)
def test_what_no_transfer_can_use_is_refused_beside_its_field(professional, field, way, details):
    with pytest.raises(Invalid) as refused:
        save(professional, way, **details)
    assert refused.value.field == field
    assert payout_accounts.get(professional.id) is None


def test_elsewhere_banks_have_other_codes_and_nobody_has_upi(professional, app, monkeypatch):
    abroad = dataclasses.replace(app.config["SETTINGS"], country="DE", currency="EUR")
    monkeypatch.setitem(app.config, "SETTINGS", abroad)
    account = save(professional, holder="Dev", number="DE89 3704 0044 0532 0130 00", code="COBADEFFXXX")
    assert account.hint == "•••• 3000"
    with pytest.raises(Invalid) as refused:
        save(professional, PayoutWay.UPI, holder="Dev", upi="dev@bank")
    assert refused.value.field == "way"


def test_who_is_no_professional_is_not_paid_out(customer, admin):
    for person in (customer, admin):
        with pytest.raises(NotAllowed):
            save(person, **BANK)


def test_every_change_is_told_by_mail_too(professional):
    save(professional, **BANK)
    payout_accounts.remove(professional)
    told = db.session.scalars(select(Notification).where(Notification.kind == "payout_account")).all()
    assert [note.data["account"] for note in told] == ["•••• 7890", "–"]
    mails = db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "payout_account")).all()
    assert [mail.channel for mail in mails] == ["mail"] * 1, "both at the same frozen moment"


def test_what_is_gone_cannot_be_removed_again(professional):
    with pytest.raises(Conflict):
        payout_accounts.remove(professional)


def test_under_another_key_it_cannot_be_read(professional, monkeypatch):
    account = save(professional, **BANK)
    monkeypatch.setattr(sealing, "_cipher", lambda: Fernet(Fernet.generate_key()))
    assert payout_accounts.unseal(account.sealed) is None


def test_who_is_erased_leaves_no_account_behind(professional, admin):
    save(professional, **BANK)
    payout = factories.payout(professional, admin)
    payouts.pay_one(payout, admin)
    users.anonymise(professional, admin, "They asked for it")
    assert db.session.scalar(select(PayoutAccount)) is None
    kept = db.session.scalars(select(Payout).execution_options(populate_existing=True)).one()
    assert (kept.hint, kept.sealed, kept.amount) == ("", "", payout.amount)
    assert ledger.faults() == []


def test_nobody_is_erased_while_money_is_on_its_way(professional, admin):
    save(professional, **BANK)
    factories.payout(professional, admin)
    with pytest.raises(Conflict):
        users.anonymise(professional, admin, "They asked for it")
