"""The ledger under the life of a booking: what stands to whose account after each event."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DatabaseError

from domain import billing, bookings, disputes, ledger, no_shows
from extensions import db
from models import Booking, BookingLine, PaymentMethod, Status
from models_lifecycle import RefundState
from tests import factories


@pytest.fixture
def job(customer, professional):
    """One that is under way: 349 for the work, 15 for the site and 65.52 tax, as settings are in tests."""
    return factories.booking(customer, professional, status=Status.IN_PROGRESS)


def books(job):
    accounts = [ledger.customer(job.customer_id), ledger.professional(job.professional_id), ledger.PLATFORM, ledger.TAX]
    return [*ledger.balances(accounts).values()]


def parts(job):
    """The services, the site's fee and the tax of a bill."""
    lines = {line.kind.value: line.amount for line in job.lines}
    return job.subtotal, lines.get("platform_fee", 0), lines.get("tax", 0)


def sound():
    return ledger.faults() + billing.faults()


def test_nobody_owes_anything_before_the_work_is_done(job):
    billing.settle(job)
    assert books(job) == [0, 0, 0, 0]


def test_finished_work_is_owed_by_the_customer_to_everybody_else(job, professional):
    bookings.complete(job, professional)
    work, fee, tax = parts(job)
    assert books(job) == [work + fee + tax, -work, -fee, -tax]
    assert sound() == []


def test_the_site_keeps_its_commission(job, professional):
    job.commission = 1250
    bookings.complete(job, professional)
    work, fee, tax = parts(job)
    share = (work * 1250 + 5000) // 10_000
    assert books(job) == [work + fee + tax, -(work - share), -(fee + share), -tax]


def test_cash_is_held_by_the_professional_who_took_it(job, professional):
    bookings.complete(job, professional)
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    _work, fee, tax = parts(job)
    assert books(job) == [0, fee + tax, -fee, -tax]
    assert sound() == []


def test_a_bill_is_settled_once_however_often(job, professional):
    bookings.complete(job, professional)
    before = books(job)
    billing.settle(job)
    assert books(job) == before


def test_a_late_fee_goes_to_who_lost_the_time(customer, professional, frozen):
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    frozen.shift(timedelta(minutes=6))
    bookings.cancel(job, customer)
    assert job.total > 0
    assert books(job) == [job.total, -job.total, 0, 0]
    assert sound() == []


def test_who_did_not_come_is_owed_nothing(customer, professional, frozen):
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(8))
    no_shows.report(job, customer)
    assert books(job) == [0, 0, 0, 0]
    assert sound() == []


@pytest.mark.parametrize("how_much", ["a part", "more than the work", "all"])
def test_a_refund_takes_from_the_work_first_and_from_the_tax_at_last(job, professional, customer, admin, how_much):
    bookings.complete(job, professional)
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    work, fee, tax = parts(job)
    back = {"a part": 10_000, "more than the work": work + 500, "all": work + fee + tax}[how_much]
    disputes.begin(job, customer, "The tap drips again.")
    disputes.answer(job, professional, "It was dry when I left.")
    disputes.refund(job, admin, "It does", back)
    left = max(work - back, 0)
    tax_left = tax - max(back - work - fee, 0)
    fee_left = work + fee + tax - back - left - tax_left
    assert books(job) == [0, fee_left + tax_left, -fee_left, -tax_left]
    assert sound() == []


def test_an_entry_has_to_balance(app):
    with pytest.raises(ValueError, match="does not balance"):
        ledger.post("wrong", "bill", {"platform": 1, "tax": -2})


def test_an_event_is_written_once(app):
    assert ledger.post("gift", "gift", {"bank": 5, "platform": -5})
    assert not ledger.post("gift", "gift", {"bank": 7, "platform": -7})
    assert ledger.balance(ledger.BANK) == 5


@pytest.mark.parametrize(
    "act", ["UPDATE ledger_lines SET amount = 7", "DELETE FROM ledger_lines", "DELETE FROM ledger_entries"]
)
def test_the_database_lets_nobody_change_the_books(app, act):
    ledger.post("gift", "gift", {"bank": 5, "platform": -5})
    db.session.commit()
    with pytest.raises(DatabaseError, match="append only"):
        db.session.execute(text(act))


def test_books_that_say_something_else_than_a_bill_are_found(job, professional):
    bookings.complete(job, professional)
    ledger.post("slip", billing.BILL, {ledger.TAX: -1, ledger.PLATFORM: 1}, job.id)
    assert any(job.reference in fault for fault in sound())


@pytest.fixture
def jobs(customer, professional):
    """Three that are done and paid, which are looked at in two parts."""
    found = []
    for hour in (9, 11, 13):
        job = factories.booking(customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(hour))
        bookings.complete(job, professional)
        bookings.record_payment(job, professional, PaymentMethod.CASH)
        found.append(job)
    assert sound() == []
    return found


FAULTS = {
    "the lines": (lambda job: update(BookingLine).where(BookingLine.booking_id == job.id).values(tax=0), "its bill"),
    "the total": (lambda job: update(Booking).where(Booking.id == job.id).values(total=Booking.total + 1), "its bill"),
    "the refund": (lambda job: update(Booking).where(Booking.id == job.id).values(refunded=100), "its bill says"),
    "the commission": (lambda job: update(Booking).where(Booking.id == job.id).values(commission=9), "its bill says"),
    "the payment": (lambda job: update(Booking).where(Booking.id == job.id).values(paid=1), "is paid with 1"),
}


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("what", FAULTS)
def test_a_booking_that_says_something_else_than_the_ledger_is_found(jobs, monkeypatch, what, which):
    monkeypatch.setattr(billing, "AT_ONCE", 2)
    spoil, said = FAULTS[what]
    db.session.execute(spoil(jobs[which]))
    db.session.expire_all()
    [fault] = sound()
    assert said in fault
    assert jobs[which].reference in fault


def test_work_without_a_line_in_the_ledger_is_found(jobs, customer, professional):
    forgotten = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(15))
    [fault] = sound()
    assert fault.startswith(f"The ledger has {{}} for {forgotten.reference}, and its bill says {{'customer:")


def test_what_is_paid_ahead_without_a_payment_is_found(jobs, customer, professional):
    ahead = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15))
    ahead.paid = 500
    db.session.flush()
    assert sound() == [f"{ahead.reference} is paid with 500, and the ledger says 0."]


def test_the_books_of_many_are_proved_in_five_questions(jobs, count_queries):
    with count_queries() as seen:
        assert billing.faults() == []
    assert seen.count == 5


def test_the_command_says_so(app, job, professional):
    bookings.complete(job, professional)
    db.session.commit()
    runner = app.test_cli_runner()
    assert "balance" in runner.invoke(args=["ledger", "check"]).output
    ledger.post("slip", billing.BILL, {ledger.TAX: -1, ledger.PLATFORM: 1}, job.id)
    db.session.commit()
    assert runner.invoke(args=["ledger", "check"]).exit_code == 1


def test_what_was_before_the_ledger_is_taken_into_it_once(customer, professional):
    job = factories.booking(customer, professional, status=Status.CLOSED)
    payment = factories.payment(job)
    factories.refund(payment, amount=5_000, state=RefundState.DONE)
    ahead = factories.booking(customer, professional, starts_at=factories.at(15), status=Status.ACCEPTED)
    factories.payment(ahead, amount=1_000)
    assert sound() != []
    assert billing.adopt() == 2
    assert sound() == []
    assert [one.amount for one in job.documents] == [job.total, job.total]
    assert billing.adopt() == 0
