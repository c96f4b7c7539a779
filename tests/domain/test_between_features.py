"""Where two features of the lifecycle meet: what one leaves behind must not surprise the other."""

from datetime import timedelta

import pytest

from domain import (
    amendments,
    availability,
    blocked_pairs,
    bookings,
    choices,
    clock,
    disputes,
    listings,
    no_shows,
    notifications,
    pauses,
    professionals,
    proposals,
    requests,
    schedules,
    series,
    services,
    transitions,
    users,
    waits,
)
from domain.errors import Invalid, InvalidTransition
from extensions import db
from models import BookingEvent, BookingOffer, Every, Notification, OfferStatus, Professional, Status, WaitStatus
from models_lifecycle import ProposalStatus
from tests import factories


def told(person):
    return [one.kind for one in db.session.query(Notification).filter_by(user_id=person.id).order_by(Notification.id)]


# -- Offers -----------------------------------------------------------------------------------


@pytest.fixture
def on_offer(customer, professional, other_professional):
    booking = factories.booking(customer, None)
    factories.offered(booking, professional, other_professional)
    return booking


@pytest.mark.parametrize("by", ["customer", "admin"])
def test_a_cancelled_request_is_on_offer_to_nobody(request, on_offer, professional, other_professional, by):
    bookings.cancel(on_offer, request.getfixturevalue(by), "Plans changed")
    assert {offer.status for offer in db.session.query(BookingOffer)} == {OfferStatus.LOST}
    [kind] = told(professional)
    assert [kind] == told(other_professional) == ["cancelled" if by == "customer" else "cancelled_by_admin"]
    assert bookings.available_actions(on_offer, professional) == []


@pytest.mark.parametrize("side", ["customer", "professional"])
def test_who_does_not_meet_the_customer_again_takes_none_of_their_requests(
    request, on_offer, customer, professional, other_professional, side
):
    """Whether the offer or the wish was first."""
    met = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(9, days=-3))
    blocked_pairs.block(met, request.getfixturevalue(side))
    assert bookings.available_actions(on_offer, professional) == ["reject"]
    with pytest.raises(InvalidTransition):
        bookings.accept(on_offer, professional)
    bookings.accept(on_offer, other_professional)


# -- Proposals --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["customer", "professional"])
def test_a_no_show_ends_what_was_proposed(request, customer, professional, frozen, by):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(12))
    proposals.propose(booking, customer, factories.at(15))
    frozen.move_to(booking.starts_at)
    no_shows.knock(booking, professional)
    frozen.shift(timedelta(minutes=30))
    no_shows.report(booking, request.getfixturevalue(by))
    assert [one.status for one in booking.proposals] == [ProposalStatus.WITHDRAWN]
    assert proposals.lapse_due() == 0


def test_a_booking_given_to_somebody_else_leaves_no_proposal_to_them(
    customer, professional, other_professional, admin
):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    proposal = proposals.propose(booking, professional, factories.at(15, days=1))
    bookings.reassign(booking, admin, other_professional.id, "The van broke down")
    db.session.expire_all()
    assert "agree" not in bookings.available_actions(booking, customer)
    with pytest.raises(InvalidTransition):
        proposals.agree(booking, customer, proposal.id)
    assert transitions.open_proposal(booking) is None


# -- Series -----------------------------------------------------------------------------------


@pytest.fixture
def last_visit(customer, professional):
    """The eighth of a weekly series: farther ahead than single bookings can be made."""
    wish = professional.id, factories.service().id, (), factories.at(11, days=1), customer.addresses[0].id
    asked = series.Wish(*wish, Every.WEEK, 8)
    made = series.request(customer, asked, {visit.starts_at for visit in series.plan(customer, asked)})
    db.session.commit()
    return series.visits(made, customer)[-1]


def test_a_visit_far_ahead_can_be_moved_to_the_days_around_it(customer, last_visit):
    times = choices.before_moving(last_visit)
    assert times.day.date == clock.local(last_visit.starts_at).date()
    assert times.day.free
    later = last_visit.starts_at + timedelta(hours=2)
    amendments.shift(last_visit, customer, later)
    assert last_visit.starts_at == later


def test_both_sides_can_agree_to_another_time_for_a_visit_far_ahead(customer, professional, last_visit):
    bookings.accept(last_visit, professional)
    later = last_visit.starts_at + timedelta(hours=2)
    proposal = proposals.propose(last_visit, professional, later)
    proposals.agree(last_visit, customer, proposal.id)
    assert last_visit.starts_at == later


def test_who_was_given_one_visit_sees_that_one_of_the_series(
    professional, other_professional, admin, last_visit
):
    bookings.accept(last_visit, professional)
    bookings.reassign(last_visit, admin, other_professional.id, "The van broke down")
    seen = series.get(last_visit.series_id, other_professional)
    assert series.visits(seen, other_professional) == [last_visit]
    assert len(series.visits(seen, professional)) == 7


# -- The line for a full day ------------------------------------------------------------------


@pytest.fixture
def service(app):
    return factories.service("A long hour", duration_minutes=60)


@pytest.fixture
def one_a_day(service):
    """Somebody who works from 9 to 10: one job makes the day full."""
    return factories.professional(name="Busy Rao", services=[service], hours=((9 * 60, 10 * 60),))


@pytest.fixture
def taken(one_a_day):
    taker = factories.customer()
    return factories.booking(taker, one_a_day, status=Status.ACCEPTED, starts_at=factories.at(9, days=1))


def join(person, professional, days=1):
    wish = professional.id, factories.service("A long hour").id, person.addresses[0].id
    return waits.join(person, *wish, factories.at(9, days=days).date())


def ask(person, professional, days):
    wish = factories.service("A long hour").id, professional.id, factories.at(9, days=days), person.addresses[0].id
    return requests.request(person, *wish)


def test_who_books_another_day_leaves_what_was_held_to_the_next(customer, other_customer, one_a_day, taken):
    first, second = join(customer, one_a_day), join(other_customer, one_a_day)
    bookings.cancel(taken, taken.customer)
    assert first.status is WaitStatus.HELD
    ask(customer, one_a_day, days=2)
    assert (first.status, second.status) == (WaitStatus.TAKEN, WaitStatus.HELD)
    assert told(other_customer) == ["slot_held"]


def test_who_books_what_was_held_leaves_nothing_to_the_next(customer, other_customer, one_a_day, taken):
    first, second = join(customer, one_a_day), join(other_customer, one_a_day)
    bookings.cancel(taken, taken.customer)
    ask(customer, one_a_day, days=1)
    assert (first.status, second.status) == (WaitStatus.TAKEN, WaitStatus.WAITING)


def test_nothing_is_held_with_somebody_who_takes_no_bookings(customer, one_a_day, taken):
    wait = join(customer, one_a_day)
    professionals.set_pause(db.session.get(Professional, one_a_day.id), one_a_day, True)
    bookings.cancel(taken, one_a_day)
    assert wait.status is WaitStatus.WAITING
    assert told(customer) == []


@pytest.mark.parametrize("how", [users.block, users.anonymise])
def test_nothing_is_held_for_somebody_who_cannot_come_any_more(
    customer, other_customer, one_a_day, taken, admin, how
):
    first, second = join(customer, one_a_day), join(other_customer, one_a_day)
    how(customer, admin, "They wished it")
    bookings.cancel(taken, taken.customer)
    assert first.status is not WaitStatus.HELD
    assert second.status is WaitStatus.HELD


def test_what_is_held_for_somebody_who_is_erased_goes_to_the_next(
    customer, other_customer, one_a_day, taken, admin
):
    first, second = join(customer, one_a_day), join(other_customer, one_a_day)
    bookings.cancel(taken, taken.customer)
    users.anonymise(customer, admin, "They wished it")
    assert (first.status, second.status) == (WaitStatus.LEFT, WaitStatus.HELD)


def test_nobody_waits_for_somebody_who_is_erased(customer, one_a_day, taken, admin):
    wait = join(customer, one_a_day)
    bookings.cancel(taken, taken.customer)
    users.anonymise(one_a_day, admin, "They wished it")
    assert wait.status is WaitStatus.LEFT


def test_nothing_is_held_for_a_service_that_is_not_offered_any_more(customer, one_a_day, taken, admin, service):
    wait = join(customer, one_a_day)
    services.retire_service(service, admin)
    bookings.cancel(taken, taken.customer)
    assert wait.status is WaitStatus.WAITING


def test_who_takes_bookings_again_is_held_for_the_line(customer, one_a_day, taken):
    wait = join(customer, one_a_day)
    person = db.session.get(Professional, one_a_day.id)
    professionals.set_pause(person, one_a_day, True)
    bookings.cancel(taken, one_a_day)
    professionals.set_pause(person, one_a_day, False)
    assert wait.status is WaitStatus.HELD


def test_a_pause_of_the_site_that_ends_serves_the_line(customer, one_a_day, taken):
    wait = join(customer, one_a_day)
    person = db.session.get(Professional, one_a_day.id)
    person.suspended_at = clock.now()
    listings.refresh(person.id)
    bookings.cancel(taken, one_a_day)
    pauses.forgive(person)
    assert wait.status is WaitStatus.HELD


def test_time_off_that_is_taken_back_is_held_for_the_line(customer, one_a_day, taken):
    wait = join(customer, one_a_day)
    person = db.session.get(Professional, one_a_day.id)
    off = schedules.add_time_off(person, one_a_day, factories.at(0, days=1), factories.at(0, days=2))
    bookings.cancel(taken, one_a_day)
    assert wait.status is WaitStatus.WAITING
    schedules.remove_time_off(person, one_a_day, off.id)
    assert wait.status is WaitStatus.HELD


def test_longer_hours_are_held_for_the_line(customer, one_a_day, taken):
    wait = join(customer, one_a_day)
    schedules.set_hours(
        db.session.get(Professional, one_a_day.id), one_a_day, {day: [(9 * 60, 12 * 60)] for day in range(6)}
    )
    assert (wait.status, wait.starts_at) == (WaitStatus.HELD, factories.at(10, 30, days=1))


def test_a_slot_that_is_taken_while_it_frees_stops_nobody_from_cancelling(customer, one_a_day, taken, monkeypatch):
    """Somebody books it at this moment: the line goes on waiting, and the booking is cancelled."""
    wait = join(customer, one_a_day)
    other = factories.booking(taken.customer, one_a_day, starts_at=factories.at(9, days=2))
    seen = [availability.Day(wait.day, (availability.Slot(other.starts_at, taken=False),))]
    monkeypatch.setattr(availability, "free_slots", lambda *_wish: seen)
    bookings.cancel(taken, taken.customer)
    assert (taken.status, wait.status) == (Status.CANCELLED, WaitStatus.WAITING)
    assert told(customer) == []


def test_a_proposal_of_what_is_held_for_somebody_is_refused(customer, other_customer, one_a_day, taken):
    """A freed slot is for whoever stood in line, not for a proposal that was made while it was free."""
    moving = factories.booking(customer, one_a_day, status=Status.ACCEPTED, starts_at=factories.at(9, days=2))
    join(other_customer, one_a_day)
    bookings.cancel(taken, taken.customer)
    with pytest.raises(Invalid, match="taken"):
        proposals.propose(moving, customer, factories.at(9, days=1))


# -- Disputes ---------------------------------------------------------------------------------


def test_what_the_clock_would_close_can_be_disputed_and_is_not_closed_then(customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))
    frozen.shift(timedelta(days=1))
    disputes.begin(booking, customer, "The tap still drips.")
    assert bookings.close_due() == 0
    assert booking.status is Status.DISPUTED


def test_what_the_clock_has_closed_can_still_be_disputed(customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))
    frozen.shift(timedelta(days=1))
    assert bookings.close_due() == 1
    disputes.begin(booking, customer, "The tap still drips.")
    assert booking.status is Status.DISPUTED


def test_after_a_whole_refund_there_is_nothing_to_pay_and_nothing_to_dispute(customer, professional, admin):
    booking = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))
    disputes.begin(booking, customer, "The tap still drips.")
    disputes.answer(booking, professional, "It did not when I left.")
    disputes.refund(booking, admin, "It drips.", booking.total)
    assert (booking.status, booking.due) == (Status.CLOSED, 0)
    assert "record_payment" not in bookings.available_actions(booking, professional)
    assert "dispute" not in bookings.available_actions(booking, customer)


# -- Deadlines --------------------------------------------------------------------------------


def test_an_expired_request_with_an_open_proposal_is_answered_by_nobody(customer, professional, frozen):
    booking = factories.booking(customer, professional)
    proposal = proposals.propose(booking, customer, factories.at(15, days=1))
    frozen.move_to(booking.respond_by)
    for person in (customer, professional):
        assert bookings.available_actions(booking, person) == []
    with pytest.raises(InvalidTransition):
        proposals.agree(booking, professional, proposal.id)
    bookings.expire_due()
    db.session.expire_all()
    assert proposal.status is ProposalStatus.LAPSED


# -- Who is erased ----------------------------------------------------------------------------


def read(person):
    """The words of all that somebody was told in the app."""
    return " ".join(
        notifications.message(one, str) for one in db.session.query(Notification).filter_by(user_id=person.id)
    )


def test_who_is_erased_leaves_no_words_about_their_bookings(customer, professional, admin):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    proposal = proposals.propose(booking, customer, factories.at(15, days=1), "Ravi next door has the key")
    proposals.decline(booking, professional, proposal.id, "Then I am at my mother's")
    bookings.cancel(booking, customer, "Ravi is away")
    users.anonymise(customer, admin, "They wished it")
    db.session.expire_all()
    assert proposal.note == ""
    written = {one.reason for one in db.session.query(BookingEvent).filter_by(booking_id=booking.id)}
    assert written == {"", "Then I am at my mother's"}


@pytest.mark.parametrize("how", ["reassigned", "went on"])
def test_who_is_erased_is_not_named_to_the_customer_of_a_job_they_gave_away(
    customer, professional, other_professional, admin, how
):
    booking = factories.booking(customer, professional, cascade=True)
    bookings.accept(booking, professional)
    if how == "reassigned":
        bookings.reassign(booking, admin, other_professional.id, "The van broke down")
    else:
        bookings.cancel(booking, professional)
    assert professional.name in read(customer)
    users.anonymise(professional, admin, "They wished it")
    assert "Dev Menon" not in read(customer)
    assert (other_professional.name in read(customer)) is (how == "reassigned")


def test_who_is_erased_is_not_named_to_those_who_waited_for_them(customer, one_a_day, taken, admin):
    join(customer, one_a_day)
    bookings.cancel(taken, taken.customer)
    assert "Busy Rao" in read(customer)
    users.anonymise(one_a_day, admin, "They wished it")
    assert read(customer) == ""
