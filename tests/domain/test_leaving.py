"""How somebody has their own account erased."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import api_keys, audit, billing, clock, deliveries, feeds, leaving, ledger, outbox, users
from domain.errors import Conflict, Invalid, NotAllowed
from extensions import db
from models import AuditEntry, Notification, OutboxMessage, PaymentMethod, Status, User
from tests import factories


def leave(person):
    leaving.ask(person, by=person)
    db.session.commit()


def night(frozen, days=7):
    frozen.shift(timedelta(days=days, seconds=1))
    step = leaving.erase_due("2026-12-01", 0)
    db.session.commit()
    db.session.expire_all()
    return step


def test_an_account_is_closed_at_once_and_erased_a_week_later(customer, frozen):
    session, key = customer.fs_uniquifier, factories.key(customer)
    feeds.renew(customer, by=customer)
    leave(customer)
    assert customer.erase_at == clock.now() + timedelta(days=7)
    assert customer.fs_uniquifier != session
    assert customer.feed_salt is None
    db.session.refresh(key)
    assert key.revoked_at is not None
    assert night(frozen, days=6).count == 0
    assert customer.name == "Asha Rao"
    assert night(frozen, days=1).count == 1
    assert (customer.name, customer.active, customer.erase_at) == ("Former customer", False, None)


def test_whoever_thinks_better_of_it_keeps_everything(customer, frozen):
    leave(customer)
    leaving.keep(customer, by=customer)
    db.session.commit()
    assert night(frozen).count == 0
    assert customer.name == "Asha Rao"
    with pytest.raises(Conflict):
        leaving.keep(customer, by=customer)


def test_where_there_are_no_days_it_is_erased_at_once(set_up, customer):
    set_up(erase_after_days=0)
    leave(customer)
    assert customer.anonymised_at == clock.now()


def test_one_mail_says_that_it_was_done_and_its_address_goes_when_it_is_sent(customer, frozen):
    leave(customer)
    night(frozen)
    (mail,) = db.session.scalars(select(OutboxMessage)).all()
    assert (mail.address, mail.user_id) == ("asha@example.com", None)
    assert "is erased" in outbox.unsealed(mail)
    assert deliveries.claim("mine", 1, ["mail"]) == [mail.id]
    assert deliveries.sent(mail.id, "mine", "Your account is erased")
    db.session.commit()
    db.session.refresh(mail)
    assert (mail.address, mail.data) == (None, {})


@pytest.mark.parametrize("status", [Status.PENDING, Status.ACCEPTED, Status.COMPLETED, Status.DISPUTED])
def test_nobody_leaves_while_a_booking_is_under_way(customer, professional, status):
    factories.booking(customer, professional, status=status)
    for person in (customer, professional):
        with pytest.raises(Conflict, match="under way"):
            leaving.ask(person, by=person)


def test_nobody_leaves_while_money_is_due(customer, professional):
    job = factories.paid_job(customer, professional, paid=False)
    with pytest.raises(Conflict, match="still due"):
        leaving.ask(customer, by=customer)
    with pytest.raises(Conflict, match="still due"):
        leaving.ask(professional, by=professional)
    paid = factories.payment(job, method=PaymentMethod.CASH)
    billing.paid(paid)
    assert leaving.obstacles(customer) == []
    assert ledger.balance(ledger.professional(professional.id)) == 0
    leave(customer)
    leave(professional)


@pytest.mark.parametrize("made", ["payment", "checkout", "refund"])
def test_nobody_leaves_while_money_is_on_its_way(customer, professional, made):
    job = factories.booking(customer, professional, status=Status.CLOSED)
    if made == "payment":
        factories.payment(job, status="claimed")
    elif made == "checkout":
        factories.checkout(job)
    else:
        factories.refund(factories.payment(job))
    with pytest.raises(Conflict, match="on its way"):
        leaving.ask(customer, by=customer)


def test_no_professional_leaves_while_a_payout_is_on_its_way(professional, admin):
    factories.payout(professional, admin)
    with pytest.raises(Conflict, match="payout"):
        leaving.ask(professional, by=professional)


def test_a_professional_who_leaves_gets_no_new_requests(professional):
    leave(professional)
    assert professional.professional.paused
    assert not any(offering.listed for offering in professional.professional.offerings)


def test_the_last_admin_stays(admin):
    with pytest.raises(Conflict, match="last admin"):
        leaving.ask(admin, by=admin)
    other = factories.admin()
    leave(admin)
    with pytest.raises(Conflict, match="last admin"):
        leaving.ask(other, by=other)


def test_what_came_in_between_is_waited_for(customer, professional, frozen):
    leave(customer)
    job = factories.booking(customer, professional, status=Status.COMPLETED)
    assert night(frozen).count == 0
    assert customer.name == "Asha Rao"
    job.status = Status.CLOSED
    assert night(frozen, days=1).count == 1


def test_one_who_cannot_go_does_not_keep_the_others(customer, other_customer, professional, frozen, monkeypatch):
    monkeypatch.setattr(leaving, "IN_A_STEP", 1)
    leave(customer)
    leave(other_customer)
    factories.booking(customer, professional, status=Status.COMPLETED)
    frozen.shift(timedelta(days=8))
    assert leaving.erase_due("2026-12-01", 0) == (0, customer.id)
    assert leaving.erase_due("2026-12-01", customer.id) == (1, other_customer.id)
    assert leaving.erase_due("2026-12-01", other_customer.id) == (0, None)


def test_only_its_owner_closes_an_account_and_once(customer, other_customer, admin):
    for stranger in (other_customer, admin):
        with pytest.raises(NotAllowed):
            leaving.ask(customer, by=stranger)
    leave(customer)
    with pytest.raises(Conflict):
        leaving.ask(customer, by=customer)
    with pytest.raises(NotAllowed):
        leaving.keep(customer, by=admin)


def test_the_words_must_be_written(app):
    leaving.check_words("  Erase my ACCOUNT ")
    for wrong in ("", "yes", "erase"):
        with pytest.raises(Invalid):
            leaving.check_words(wrong)


def test_what_a_person_does_themselves_is_not_in_the_trail_of_admins(customer, frozen):
    leave(customer)
    night(frozen)
    assert db.session.scalar(select(AuditEntry)) is None
    assert db.session.scalar(select(Notification)) is None


def test_an_admin_erases_at_once_also_who_waits_to_be_erased(customer, admin):
    leave(customer)
    users.anonymise(customer, by=admin, reason="They asked by letter")
    db.session.commit()
    assert db.session.get(User, customer.id).erase_at is None
    assert audit.of("user", customer.id)[0].action == "anonymise"
    assert api_keys.of(customer) == []
