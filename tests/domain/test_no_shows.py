"""When one side was not there: who may say so, from when on, and what it costs."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import availability, bookings, deadlines, no_shows
from domain.errors import Invalid, InvalidTransition, NotAllowed
from extensions import db, settings
from models import BookingEvent, LineKind, Notification, OutboxMessage, SlotClaim, Status
from models_lifecycle import Refund
from tests import factories

MINUTE = timedelta(minutes=1)


@pytest.fixture
def job(customer, professional):
    """Agreed for 11:00 today."""
    return factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))


@pytest.fixture
def at(frozen, job):
    """at(30) is half an hour after the job was to begin."""
    return lambda minutes: frozen.move_to(job.starts_at + minutes * MINUTE)


def kinds_for(person):
    return list(db.session.scalars(select(Notification.kind).where(Notification.user_id == person.id)))


def messages_for(person):
    return list(db.session.scalars(select(OutboxMessage.kind).where(OutboxMessage.user_id == person.id)))


def amounts(booking):
    db.session.refresh(booking)
    return [(line.kind, line.label, line.amount) for line in booking.lines[-2:]]


# -- At the door ------------------------------------------------------------------------------


def test_a_knock_reaches_the_customer_in_the_app_and_by_mail(job, customer, professional, at):
    at(-15)
    no_shows.knock(job, professional)
    assert job.status is Status.ACCEPTED
    assert kinds_for(customer) == messages_for(customer) == ["knocked"]
    assert job.events[-1].verb == "knock"
    assert deadlines.last_knock(job) == job.starts_at - 15 * MINUTE


def test_nobody_knocks_earlier_than_a_quarter_of_an_hour_before(job, professional, at):
    at(-16)
    with pytest.raises(InvalidTransition, match="too early"):
        no_shows.knock(job, professional)


def test_between_two_knocks_are_five_minutes(job, professional, customer, at):
    at(0)
    no_shows.knock(job, professional)
    at(4)
    with pytest.raises(InvalidTransition, match="wait until"):
        no_shows.knock(job, professional)
    at(5)
    no_shows.knock(job, professional)
    assert kinds_for(customer) == ["knocked", "knocked"]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.ACCEPTED, Status.EN_ROUTE}))
def test_only_who_is_to_come_or_on_the_way_knocks(customer, professional, status):
    booking = factories.booking(customer, professional, status=status, starts_at=factories.at(9))
    with pytest.raises(InvalidTransition):
        no_shows.knock(booking, professional)


def test_nobody_else_knocks(job, customer, other_professional, admin, at):
    at(0)
    for stranger in (customer, other_professional, admin):
        with pytest.raises(NotAllowed):
            no_shows.knock(job, stranger)


# -- The customer was absent ------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.EN_ROUTE])
def test_an_absent_customer_owes_the_late_fee(job, customer, professional, at, status):
    job.status = status
    cost = job.total
    at(0)
    no_shows.knock(job, professional)
    at(30)
    no_shows.report(job, professional, "Rang twice, and called.")
    assert job.status is Status.NO_SHOW
    assert (job.total, job.due) == (settings.late_fee, settings.late_fee)
    assert amounts(job) == [
        (LineKind.REVERSAL, "No-show", -cost),
        (LineKind.LATE_FEE, "No-show fee", settings.late_fee),
    ]
    assert sum(line.amount for line in job.lines) == job.total
    assert job.events[-1].reason == "Rang twice, and called."
    assert kinds_for(customer) == ["knocked", "customer_absent"]
    assert kinds_for(professional) == ["absence_noted"]
    assert db.session.scalars(select(SlotClaim)).all() == []


def test_who_is_absent_when_work_is_done_again_owes_nothing_and_is_told_so(job, customer, professional, at):
    job.rework_of_id = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(9)).id
    at(0)
    no_shows.knock(job, professional)
    at(30)
    no_shows.report(job, professional)
    assert job.total == 0
    assert kinds_for(customer) == ["knocked", "customer_absent_free"]


def test_half_an_hour_is_waited_for_a_customer(job, professional, at):
    at(0)
    no_shows.knock(job, professional)
    at(29)
    with pytest.raises(InvalidTransition, match="too early"):
        no_shows.report(job, professional)


def test_a_customer_who_was_told_nothing_is_not_absent(job, professional, at):
    at(30)
    with pytest.raises(InvalidTransition, match="at the door"):
        no_shows.report(job, professional)


def test_a_knock_for_another_time_does_not_count(job, professional, at):
    at(0)
    no_shows.knock(job, professional)
    job.starts_at += timedelta(hours=3)
    job.ends_at += timedelta(hours=3)
    db.session.flush()
    at(30)
    with pytest.raises(InvalidTransition, match="at the door"):
        no_shows.report(job, professional)


def test_a_knock_of_the_one_before_does_not_count(job, professional, other_professional, at):
    at(0)
    no_shows.knock(job, professional)
    availability.release(job.id)
    job.professional_id = other_professional.id
    db.session.flush()
    at(30)
    with pytest.raises(InvalidTransition, match="at the door"):
        no_shows.report(job, other_professional)


def test_what_an_absent_customer_had_paid_beyond_the_fee_goes_back(job, professional, at):
    pay(job)
    at(0)
    no_shows.knock(job, professional)
    at(30)
    no_shows.report(job, professional)
    refund = db.session.scalars(select(Refund)).one()
    assert (job.total, job.paid, job.due) == (settings.late_fee, settings.late_fee, 0)
    assert job.paid == sum(payment.amount for payment in job.payments) - refund.amount


def test_absence_from_work_that_is_done_again_costs_nothing(job, customer, professional, at):
    before = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(9))
    job.rework_of_id, job.total, job.subtotal = before.id, 0, 0
    db.session.flush()
    at(0)
    no_shows.knock(job, professional)
    at(30)
    no_shows.report(job, professional)
    assert (job.total, job.due) == (0, 0)


# -- The professional was absent --------------------------------------------------------------


def test_an_absent_professional_costs_the_customer_nothing(job, customer, professional, at):
    at(30)
    no_shows.report(job, customer)
    assert job.status is Status.NO_SHOW
    assert (job.total, job.due) == (0, 0)
    assert sum(line.amount for line in job.lines) == 0
    assert kinds_for(professional) == messages_for(professional) == ["professional_absent"]
    assert kinds_for(customer)[0] == "absence_noted"
    assert db.session.scalars(select(SlotClaim)).all() == []


def test_all_that_was_paid_for_nothing_goes_back(job, customer, professional, at):
    paid = pay(job)
    at(30)
    no_shows.report(job, customer)
    refund = db.session.scalars(select(Refund)).one()
    assert (refund.amount, refund.recorded_by_id) == (paid, customer.id)
    assert (job.total, job.paid) == (0, 0)


def test_half_an_hour_is_waited_for_a_professional(job, customer, at):
    at(29)
    with pytest.raises(InvalidTransition, match="too early"):
        no_shows.report(job, customer)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.ACCEPTED}))
def test_only_who_had_agreed_can_be_missed_by_the_customer(customer, professional, frozen, status):
    booking = factories.booking(customer, professional, status=status, starts_at=factories.at(9))
    frozen.shift(timedelta(hours=1))
    with pytest.raises(InvalidTransition):
        no_shows.report(booking, customer)


# -- Refusals of both -------------------------------------------------------------------------


def test_nobody_else_reports_an_absence(job, other_customer, other_professional, admin, at):
    at(30)
    for stranger in (other_customer, other_professional, admin):
        with pytest.raises(NotAllowed):
            no_shows.report(job, stranger)


def test_a_note_has_an_end(job, customer, at):
    at(30)
    with pytest.raises(Invalid, match="500") as refused:
        no_shows.report(job, customer, "x" * 501)
    assert refused.value.field == "note"


def test_the_second_to_report_is_too_late(job, customer, professional, at):
    at(0)
    no_shows.knock(job, professional)
    at(30)
    no_shows.report(job, customer)
    with pytest.raises(InvalidTransition, match="No-show"):
        no_shows.report(job, professional)
    assert job.total == 0


def test_the_pages_offer_what_can_be_done(job, customer, professional, at):
    at(0)
    assert "knock" in bookings.available_actions(job, professional)
    assert "no_show" not in bookings.available_actions(job, customer)
    no_shows.knock(job, professional)
    assert "knock" not in bookings.available_actions(job, professional)
    at(30)
    assert "no_show" in bookings.available_actions(job, professional)
    assert "no_show" in bookings.available_actions(job, customer)


def test_a_late_cancellation_gives_back_what_was_paid_beyond_the_fee(job, customer, professional, at):
    pay(job)
    at(-5)
    bookings.cancel(job, customer)
    refund = db.session.scalars(select(Refund)).one()
    assert (job.total, job.paid) == (settings.late_fee, settings.late_fee)
    assert refund.amount == sum(payment.amount for payment in job.payments) - settings.late_fee


def test_an_event_says_who_reported_it(job, customer, at):
    at(30)
    no_shows.report(job, customer)
    event = db.session.scalars(select(BookingEvent).where(BookingEvent.verb == "no_show")).one()
    assert (event.actor_id, event.from_status, event.to_status) == (customer.id, "accepted", "no_show")


def pay(booking):
    """All of it, ahead of the work."""
    return factories.payment(booking).amount
