"""What is issued: when, with which number, and that it stays as it was."""

import dataclasses
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from domain import billing, bookings, clock, coupons, disputes, documents, extras, ledger, no_shows, requests, users
from domain.errors import NotFound
from extensions import db
from models import PaymentMethod, Status
from models_money import Document, DocumentKind
from tests import factories


@pytest.fixture
def job(customer, professional):
    return factories.booking(customer, professional, status=Status.IN_PROGRESS)


def issued(booking):
    """(number, amount) of what was issued about a booking, in order."""
    found = db.session.query(Document).filter_by(booking_id=booking.id).order_by(Document.id)
    return [(one.number, one.amount) for one in found]


def last(booking):
    return db.session.query(Document).filter_by(booking_id=booking.id).order_by(Document.id.desc()).first()


def test_finished_work_is_invoiced_once(job, professional):
    total = job.total
    assert issued(job) == []
    bookings.complete(job, professional)
    billing.settle(job)
    assert issued(job) == [("2026-27/000001", total)]


def test_each_payment_has_its_receipt(job, professional):
    bookings.complete(job, professional)
    bookings.record_payment(job, professional, PaymentMethod.CASH, 10_000)
    bookings.record_payment(job, professional, PaymentMethod.UPI)
    assert issued(job)[1:] == [("R-2026-27/000001", 10_000), ("R-2026-27/000002", job.total - 10_000)]
    assert last(job).content["method"] == "upi"


def test_a_refund_has_its_credit_note(job, professional, customer, admin):
    bookings.complete(job, professional)
    disputes.begin(job, customer, "The tap drips again.")
    disputes.answer(job, professional, "It was dry when I left.")
    disputes.refund(job, admin, "It does", 10_000)
    assert issued(job)[1:] == [("C-2026-27/000001", -10_000)]
    assert last(job).content["about"] == "2026-27/000001"
    assert [line[0] for line in last(job).content["lines"]] == ["refund"]
    assert billing.faults() == []


def test_a_late_fee_is_invoiced_without_the_work_that_was_not_done(customer, professional, frozen):
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    frozen.shift(timedelta(minutes=6))
    bookings.cancel(job, customer)
    assert issued(job) == [("2026-27/000001", job.total)]
    assert [line[0] for line in last(job).content["lines"]] == ["late_fee"]


def test_what_costs_nothing_is_not_invoiced(customer, professional):
    free = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(8))
    no_shows.report(free, customer)
    assert issued(free) == []


def test_work_for_which_the_site_pays_is_invoiced_with_its_tax(job, professional, admin, customer):
    coupons.create(admin, code="WELCOME", amount=10_000_00)
    booking_id = requests.request(
        customer, job.service_id, professional.id, factories.at(15, days=3), customer.addresses[0].id, coupon="WELCOME"
    )
    free = db.session.get(type(job), booking_id)
    free.status = Status.IN_PROGRESS
    db.session.flush()
    bookings.complete(free, professional)
    assert issued(free) == [("2026-27/000001", 0)]
    content = last(free).content
    assert content["professional_has"] + content["platform_has"] + content["tax"] == 0
    assert content["tax"] > 0


def test_extras_are_on_the_invoice_and_its_parts_are_those_of_the_ledger(job, professional, customer):
    extras.approve(job, customer, [extras.propose(job, professional, "Filter", 12_000).id])
    bookings.complete(job, professional)
    document, content = last(job), last(job).content
    assert ["extra", "Filter", 12_000, 0] in content["lines"]
    assert document.amount == sum(amount for _kind, _label, amount, _tax in content["lines"]) == job.total
    assert content["tax"] == sum(tax for *_rest, tax in content["lines"])
    books = ledger.balances([ledger.professional(professional.id), ledger.PLATFORM, ledger.TAX])
    assert [*books.values()] == [-content["professional_has"], -content["platform_has"], -content["tax"]]


def test_each_kind_counts_for_itself_and_a_rolled_back_number_is_given_again(professional, customer):
    for n in range(3):
        job = factories.booking(
            customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(11, days=2 + n)
        )
        bookings.complete(job, professional)
        if n == 1:
            db.session.rollback()
        else:
            bookings.record_payment(job, professional, PaymentMethod.CASH)
            db.session.commit()
    found = db.session.query(Document).order_by(Document.id)
    assert [one.number for one in found] == [
        *("2026-27/000001", "R-2026-27/000001"),
        *("2026-27/000002", "R-2026-27/000002"),
    ]


@pytest.mark.parametrize(
    "start, day, year",
    [
        (4, date(2026, 11, 23), "2026-27"),
        (4, date(2027, 3, 31), "2026-27"),
        (4, date(2027, 4, 1), "2027-28"),
        (4, date(2099, 12, 1), "2099-00"),
        (1, date(2026, 1, 1), "2026"),
        (7, date(2026, 6, 30), "2025-26"),
    ],
)
def test_a_financial_year_begins_where_the_site_says(app, monkeypatch, settings, start, day, year):
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(settings, financial_year_start=start))
    assert documents.financial_year(day) == year


def test_the_numbers_begin_anew_with_the_year_of_the_sites_clock(job, professional, frozen):
    # A quarter of an hour after midnight in India it is still March in UTC.
    frozen.move_to(datetime.fromisoformat("2027-03-31T18:45:00+00:00"))
    bookings.complete(job, professional)
    assert issued(job)[0][0] == "2027-28/000001"


def test_what_was_issued_says_what_was_true_then(job, professional, customer, admin, app, monkeypatch, settings):
    bookings.complete(job, professional)
    bookings.close(job, customer)
    db.session.commit()
    before = last(job).content
    assert (before["customer"], before["professional"]) == ("Asha Rao", "Dev Menon")
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(settings, site_name="Other", tax_number="X"))
    job.service.name = "Something else"
    users.anonymise(customer, admin, "They asked for it.")
    users.anonymise(professional, admin, "They asked for it.")
    db.session.commit()
    db.session.expire_all()
    assert last(job).content == before


@pytest.mark.parametrize("act", ["UPDATE documents SET amount = 1", "DELETE FROM documents"])
def test_the_database_lets_nobody_change_it(job, professional, act):
    bookings.complete(job, professional)
    db.session.commit()
    with pytest.raises(DatabaseError, match="stays as it is"):
        db.session.execute(text(act))


CHANGES = {
    "another name": {"customer": "Somebody else"},
    "another place": {"address": "2, Other Road"},
    "no seller": {"seller": ""},
    "other lines": {"lines": []},
    "no name and another day": {"customer": "", "day": "2020-01-01"},
    "something new": {"note": "paid"},
}


@pytest.mark.parametrize("how", CHANGES)
def test_the_database_lets_nobody_change_what_it_says(job, professional, how):
    bookings.complete(job, professional)
    last(job).content = last(job).content | CHANGES[how]
    with pytest.raises(DatabaseError, match="stays as it is"):
        db.session.flush()


def test_nothing_else_changes_while_a_name_is_taken_out(job, professional):
    bookings.complete(job, professional)
    last(job).content = last(job).content | {"customer": ""}
    last(job).amount = 1
    with pytest.raises(DatabaseError, match="stays as it is"):
        db.session.flush()


def names(booking):
    """Whose name and place a document of a booking says."""
    db.session.expire_all()
    return [last(booking).content[key] for key in ("customer", "address", "professional")]


def years_later(frozen, **more):
    frozen.shift(timedelta(days=8 * 365, **more))
    done = documents.forget_names("", 0)
    db.session.commit()
    return done.count


def test_the_name_of_who_is_erased_leaves_an_invoice_when_the_law_lets_go(job, professional, customer, frozen):
    bookings.complete(job, professional)
    bookings.close(job, customer)
    users.erase(customer)
    db.session.commit()
    before = last(job)
    number, amount, lines = before.number, before.amount, before.content["lines"]
    address = before.content["address"]
    assert years_later(frozen) == 0
    assert names(job) == ["Asha Rao", address, "Dev Menon"]
    frozen.shift(timedelta(seconds=1))
    assert (documents.forget_names("", 0).count, documents.forget_names("", 0).count) == (1, 0)
    db.session.commit()
    assert names(job) == ["", "", "Dev Menon"]
    assert (last(job).number, last(job).amount, last(job).content["lines"]) == (number, amount, lines)
    assert billing.faults() == []
    users.erase(professional)
    assert documents.forget_names("", 0).count == 1
    assert names(job) == ["", "", ""]


def test_who_has_an_account_keeps_their_name_on_invoices(job, professional, frozen):
    bookings.complete(job, professional)
    assert years_later(frozen, weeks=100) == 0


def test_an_operator_says_how_long_invoices_keep_names(job, professional, customer, frozen, set_up, settings):
    set_up(keep_days=dataclasses.replace(settings.keep_days, invoices=3650))
    bookings.complete(job, professional)
    bookings.close(job, customer)
    users.erase(customer)
    assert years_later(frozen, seconds=1) == 0


def test_many_invoices_are_gone_through_in_steps(job, professional, customer, frozen, monkeypatch):
    monkeypatch.setattr(documents, "BATCH", 1)
    bookings.complete(job, professional)
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    bookings.close(job, customer)
    users.erase(customer)
    frozen.shift(timedelta(days=3000))
    first = documents.forget_names("", 0)
    second = documents.forget_names("", first.cursor)
    assert (first.count, second.count, documents.forget_names("", second.cursor).count) == (1, 1, 0)


def test_only_those_it_is_about_and_admins_see_it(
    job, professional, customer, admin, other_customer, other_professional
):
    bookings.complete(job, professional)
    document = last(job)
    for person in (customer, professional, admin):
        assert documents.get(document.id, person) is document
        assert documents.page(person).items == [document]
    for person in (other_customer, other_professional):
        assert documents.page(person).items == []
        with pytest.raises(NotFound):
            documents.get(document.id, person)


def test_an_invoice_that_says_something_else_than_the_ledger_is_found(job, professional):
    bookings.complete(job, professional)
    slip = last(job)
    copied = {name: getattr(slip, name) for name in ("booking_id", "customer_id", "professional_id", "year", "content")}
    db.session.add(
        Document(**copied, kind=DocumentKind.INVOICE, serial=9, number="9", amount=1, issued_at=clock.now())
    )
    db.session.flush()
    assert any("invoices" in fault for fault in billing.faults())
