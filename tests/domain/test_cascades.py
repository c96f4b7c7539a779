"""A booking that its professional does not take goes on to the next, at the same time and price."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import availability, blocked_pairs, bookings, cascades, clock, offers, requests, start_codes, users
from domain.errors import Conflict, InvalidTransition
from domain.transitions import rule_for
from extensions import db
from models import (
    Booking,
    BookingOffer,
    LineKind,
    Notification,
    OfferStatus,
    SlotClaim,
    Status,
)
from models_lifecycle import BookingService
from tests import factories


@pytest.fixture
def second(app):
    """Who is asked after the first: as good, but less near."""
    return factories.professional(name="Second Best", pincode="560034")


@pytest.fixture
def third(app):
    return factories.professional(name="Third Best", pincode="560034", rank=3.0)


@pytest.fixture
def book(customer, professional):
    """book(...) is a booking of tomorrow at 11:00 that may go on to others."""

    def book(status=Status.PENDING, **values):
        return factories.booking(customer, professional, **{"status": status, "cascade": True, **values})

    return book


@pytest.fixture
def ask(customer, professional):
    """ask(...) requests tomorrow at 11:00 as a customer does, for any professional unless told."""

    def ask(professional_id=None, **values):
        wish = {
            "service_id": factories.service().id,
            "professional_id": professional_id,
            "starts_at": factories.at(11, days=1),
            "address_id": customer.addresses[0].id,
            **values,
        }
        booking_id = requests.request(customer, **wish)
        db.session.commit()
        return db.session.get(Booking, booking_id)

    return ask


def claims(booking):
    """How many quarter-hours each professional holds for it."""
    held = {}
    for claim in db.session.scalars(select(SlotClaim).where(SlotClaim.booking_id == booking.id)):
        held[claim.professional_id] = held.get(claim.professional_id, 0) + 1
    return held


def told(user):
    return [
        note.kind
        for note in db.session.scalars(select(Notification).order_by(Notification.id))
        if note.user_id == user.id
    ]


def visit(booking, more):
    """Make it a booking of two services."""
    for position, service_id in enumerate((booking.service_id, more.id)):
        db.session.add(
            BookingService(
                booking_id=booking.id, service_id=service_id, position=position, price=100, duration_minutes=30
            )
        )
    db.session.commit()


def path(booking):
    db.session.expire(booking)
    return [(event.verb, event.from_status, event.to_status) for event in booking.events[1:]]


def asked(booking):
    """Whom each step says it asked."""
    db.session.expire(booking)
    return [event.reason for event in booking.events if event.verb == "cascade"]


def offers_of(booking):
    db.session.expire(booking)
    return [(offer.professional_id, offer.status) for offer in booking.offers]


# -- On to the next ---------------------------------------------------------------------------


def test_a_rejected_booking_goes_on_to_the_next_best(book, customer, professional, second, third):
    booking = book()
    price, code = booking.total, start_codes.code_of(booking)
    bookings.reject(booking, professional, "I am at a wedding")
    assert (booking.status, booking.professional_id) == (Status.PENDING, second.id)
    assert path(booking) == [("reject", "pending", "rejected"), ("cascade", "rejected", "pending")]
    assert claims(booking) == {second.id: 6}
    assert booking.total == price == sum(line.amount for line in booking.lines)
    assert start_codes.code_of(booking) != code
    assert told(customer) == ["cascaded"]
    assert told(second) == ["requested"]
    assert offers_of(booking) == [(professional.id, OfferStatus.DECLINED)]


def test_the_next_has_their_own_time_to_answer(book, professional, second, frozen):
    booking = book(respond_by=clock.now() + timedelta(hours=2))
    frozen.shift(timedelta(hours=1))
    bookings.reject(booking, professional, "No")
    assert booking.respond_by == offers.answer_by(clock.now(), booking.starts_at) > clock.now() + timedelta(hours=20)


def test_an_expired_booking_goes_on_to_the_next_best(book, customer, professional, second, frozen):
    booking = book(respond_by=clock.now() + timedelta(hours=2))
    frozen.shift(timedelta(hours=2))
    assert bookings.expire_due() == 1
    assert (booking.status, booking.professional_id) == (Status.PENDING, second.id)
    assert path(booking) == [("expire", "pending", "expired"), ("cascade", "expired", "pending")]
    assert offers_of(booking) == [(professional.id, OfferStatus.EXPIRED)]
    assert (told(customer), told(professional), told(second)) == (["cascaded"], ["expired"], ["requested"])
    assert bookings.expire_due() == 0


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.EN_ROUTE])
def test_a_booking_that_its_professional_cancelled_goes_on_as_if_nothing_was(
    book, customer, professional, second, status
):
    booking = book(status)
    price = booking.total
    bookings.cancel(booking, professional, "The van broke down")
    assert (booking.status, booking.professional_id, booking.accepted_at) == (Status.PENDING, second.id, None)
    assert path(booking) == [("cancel", status, "cancelled"), ("cascade", "cancelled", "pending")]
    assert LineKind.REVERSAL not in [line.kind for line in booking.lines]
    assert booking.total == price == sum(line.amount for line in booking.lines)
    assert offers_of(booking) == [(professional.id, OfferStatus.ACCEPTED)]
    assert (told(customer), told(second)) == (["cascaded"], ["requested"])


def test_each_is_asked_once_and_then_it_ends(book, customer, professional, second, third, frozen):
    booking = book()
    for one in (professional, second, third):
        frozen.shift(timedelta(minutes=1))
        assert booking.professional_id == one.id
        bookings.reject(booking, one, "Not me")
    assert (booking.status, booking.professional_id, claims(booking)) == (Status.REJECTED, third.id, {})
    assert told(customer) == ["cascaded", "cascaded", "nobody"]
    assert [verb for verb, *_states in path(booking)] == ["reject", "cascade", "reject", "cascade", "reject"]
    assert asked(booking) == ["Second Best", "Third Best"]


def test_the_next_accepts_and_does_the_work(book, customer, professional, second, frozen):
    booking = book()
    bookings.reject(booking, professional, "No")
    bookings.accept(booking, second)
    frozen.move_to(booking.starts_at)
    bookings.start(booking, second, bookings.start_code(booking, customer))
    bookings.complete(booking, second)
    assert (booking.status, booking.professional_id) == (Status.COMPLETED, second.id)


def test_who_had_it_can_do_nothing_with_it_any_more(book, professional, second):
    booking = book(Status.ACCEPTED)
    bookings.cancel(booking, professional)
    assert bookings.available_actions(booking, professional) == []
    with pytest.raises(InvalidTransition):
        bookings.accept(booking, professional)
    assert bookings.get(booking.id, professional) is booking


def test_an_answer_counts_for_whoever_gave_it(book, professional, second):
    booking = book()
    bookings.reject(booking, professional, "No")
    bookings.accept(booking, second)
    db.session.expire_all()
    for person, accepted in ((professional, 0), (second, 1)):
        assert (person.professional.offers_answered, person.professional.offers_accepted) == (1, accepted)


# -- Who is not asked, and when nobody is -------------------------------------------------------


def test_without_consent_it_ends(book, customer, professional, second):
    booking = book(cascade=False)
    bookings.reject(booking, professional, "No")
    assert (booking.status, booking.professional_id, claims(booking)) == (Status.REJECTED, professional.id, {})
    assert told(customer) == ["rejected"]
    assert offers_of(booking) == []


def test_a_cancellation_that_nobody_follows_is_reversed_as_ever(book, customer, professional):
    booking = book(Status.ACCEPTED)
    bookings.cancel(booking, professional, "Ill")
    assert (booking.status, booking.total) == (Status.CANCELLED, 0)
    assert sum(line.amount for line in booking.lines) == 0
    assert told(customer) == ["cancelled_nobody"]


@pytest.mark.parametrize("status", [Status.PENDING, Status.ACCEPTED])
def test_what_the_customer_or_an_admin_cancels_stays_so(book, customer, admin, second, status):
    for by in (customer, admin):
        booking = book(status)
        bookings.cancel(booking, by, "No longer needed")
        assert booking.status is Status.CANCELLED
        with pytest.raises(InvalidTransition):
            rule_for("cascade", booking, None)


def test_who_is_busy_then_is_passed_over(book, other_customer, professional, second, third):
    factories.booking(other_customer, second)
    booking = book()
    bookings.reject(booking, professional, "No")
    assert booking.professional_id == third.id


def test_who_does_not_come_so_far_is_passed_over(book, professional, third):
    factories.professional(name="Near only", pincode="560034", radius_km=1)
    booking = book()
    bookings.reject(booking, professional, "No")
    assert booking.professional_id == third.id


def test_who_does_not_meet_the_customer_again_is_passed_over(book, customer, professional, second, third):
    earlier = factories.booking(customer, second, status=Status.CLOSED, starts_at=factories.at(11))
    blocked_pairs.block(earlier, second)
    booking = book()
    bookings.reject(booking, professional, "No")
    assert booking.professional_id == third.id


def test_who_does_not_do_all_of_a_visit_is_passed_over(book, professional, second, third):
    more = factories.service("Tap repair")
    factories.offer(third, more)
    booking = book()
    visit(booking, more)
    bookings.reject(booking, professional, "No")
    assert booking.professional_id == third.id


def test_no_admin_gives_a_visit_to_somebody_who_does_not_do_all_of_it(book, second, third):
    more = factories.service("Tap repair")
    factories.offer(third, more)
    booking = book(Status.ACCEPTED)
    visit(booking, more)
    assert [candidate.professional_id for candidate in bookings.replacements(booking)] == [third.id]


def test_who_was_just_taken_is_passed_over(book, other_customer, professional, second, third, monkeypatch):
    """Between looking and taking somebody else may have been quicker: nobody loses by it."""
    booking, free = book(), cascades.matching.candidates

    def candidates(*wish, **values):
        found = free(*wish, **values)
        factories.booking(other_customer, second)
        return found

    monkeypatch.setattr(cascades.matching, "candidates", candidates)
    bookings.reject(booking, professional, "No")
    assert (booking.status, booking.professional_id, claims(booking)) == (Status.PENDING, third.id, {third.id: 6})


@pytest.mark.parametrize("minutes, followed", [(61, True), (60, False), (30, False)])
def test_nobody_is_asked_when_there_is_no_lead_time_left(book, professional, second, frozen, minutes, followed):
    booking = book(respond_by=factories.at(11, days=1))
    frozen.move_to(booking.starts_at - timedelta(minutes=minutes))
    bookings.reject(booking, professional, "No")
    assert booking.status is (Status.PENDING if followed else Status.REJECTED)
    assert cascades.follow(booking) is False


def test_a_no_show_comes_too_late_for_the_same_time(book, customer, professional, second, frozen):
    booking = book(Status.NO_SHOW)
    frozen.move_to(booking.starts_at + timedelta(minutes=31))
    assert cascades.follow(booking) is False
    assert booking.status is Status.NO_SHOW


def test_a_request_that_meets_an_overdue_one_gets_its_professional(
    ask, book, other_customer, professional, second, frozen
):
    """The overdue one goes on to somebody else, and not into the slot that a customer is asking for."""
    overdue = book(respond_by=clock.now() + timedelta(hours=1))
    frozen.shift(timedelta(hours=1))
    wanted = requests.request(
        other_customer, overdue.service_id, second.id, overdue.starts_at, other_customer.addresses[0].id
    )
    db.session.commit()
    assert db.session.get(Booking, wanted).professional_id == second.id
    assert overdue.status is Status.EXPIRED


# -- For any professional ---------------------------------------------------------------------


def test_any_professional_means_that_others_may_be_asked(ask, professional):
    assert ask().cascade
    assert not ask(professional.id, starts_at=factories.at(15, days=1)).cascade
    assert ask(professional.id, starts_at=factories.at(9, days=2), cascade=True).cascade


def test_consent_is_part_of_what_was_asked_for(ask, professional):
    first = ask(professional.id, key="once", cascade=True)
    assert ask(professional.id, key="once", cascade=True) is first
    with pytest.raises(Conflict):
        ask(professional.id, key="once")


def test_when_all_five_declined_the_next_five_are_asked(ask, customer, professional):
    people = [professional, *(factories.professional(rank=3.9 - n / 10) for n in range(6))]
    booking = ask()
    first = [offer.professional_id for offer in booking.offers]
    assert first == [person.id for person in people[:5]]
    for person in people[:5]:
        assert booking.status is Status.PENDING
        bookings.reject(booking, person, "No")
    db.session.expire_all()
    assert booking.status is Status.PENDING
    assert offers_of(booking)[5:] == [(person.id, OfferStatus.OPEN) for person in people[5:]]
    assert told(customer) == ["cascaded_to_several"]
    assert told(people[6]) == ["offered"]
    with pytest.raises(InvalidTransition):
        bookings.accept(booking, professional)
    bookings.accept(booking, people[6])
    assert (booking.status, booking.professional_id) == (Status.ACCEPTED, people[6].id)
    assert asked(booking) == [""]


def test_when_nobody_of_five_answered_the_next_five_are_asked(ask, professional, frozen):
    people = [professional, *(factories.professional(rank=3.9 - n / 10) for n in range(5))]
    booking = ask()
    frozen.move_to(booking.respond_by)
    # The next day's deadline is an hour before the start: here it lies a day ahead of the work.
    booking.starts_at += timedelta(days=1)
    booking.ends_at += timedelta(days=1)
    db.session.commit()
    assert bookings.expire_due() == 1
    assert booking.status is Status.PENDING
    assert offers_of(booking) == [
        *((person.id, OfferStatus.EXPIRED) for person in people[:5]),
        (people[5].id, OfferStatus.OPEN),
    ]
    with pytest.raises(InvalidTransition):
        bookings.accept(booking, professional)


def test_when_everybody_declined_it_is_over(ask, customer, professional, second):
    booking = ask()
    bookings.reject(booking, professional, "No")
    bookings.reject(booking, second, "No")
    assert (booking.status, booking.professional_id) == (Status.REJECTED, None)
    assert told(customer) == ["nobody"]


def test_who_gives_back_what_any_may_do_is_followed_by_a_round(ask, customer, professional):
    """Those who were asked before, and were too late, are not asked again."""
    people = [professional, *(factories.professional(rank=3.9 - n / 10) for n in range(6))]
    booking = ask()
    bookings.accept(booking, professional)
    assert claims(booking)
    bookings.cancel(booking, professional, "Ill")
    assert (booking.status, booking.professional_id, claims(booking)) == (Status.PENDING, None, {})
    assert offers_of(booking)[5:] == [(person.id, OfferStatus.OPEN) for person in people[5:]]
    bookings.accept(booking, people[5])
    assert booking.professional_id == people[5].id
    assert told(customer) == ["accepted", "cascaded_to_several", "accepted"]


def test_a_booking_that_an_admin_gave_away_goes_on_from_there(book, admin, professional, second, third):
    booking = book()
    bookings.accept(booking, professional)
    bookings.reassign(booking, admin, second.id, "The first is ill")
    bookings.cancel(booking, second)
    assert (booking.status, booking.professional_id) == (Status.PENDING, third.id)
    assert asked(booking) == ["Third Best"]


def test_whom_a_step_asked_is_forgotten_with_them(book, admin, professional, second):
    booking = book()
    bookings.reject(booking, professional, "No")
    bookings.reject(booking, second, "Nor I")
    users.anonymise(second, admin, "They asked for it")
    assert asked(booking) == [""]


# -- Other times ------------------------------------------------------------------------------


def test_the_nearest_other_times_are_real_and_free(book, professional):
    booking = book(Status.REJECTED, starts_at=factories.at(11, days=1))
    found = [other.starts_at for other in cascades.alternatives(booking)]
    assert found == [factories.at(10, days=1), factories.at(10, 30, days=1), factories.at(11, 30, days=1)]
    free = availability.free_slots(professional.id, 60, clock.today(), 3)
    assert set(found) <= {slot.starts_at for day in free for slot in day.slots if not slot.taken}


def test_times_that_are_taken_or_that_the_customer_has_planned_are_left_out(
    book, customer, other_customer, professional
):
    elsewhere = factories.professional(services=[factories.service("Tap repair")])
    factories.booking(customer, elsewhere, starts_at=factories.at(10, days=1), status=Status.ACCEPTED)
    factories.booking(other_customer, professional, starts_at=factories.at(12, days=1))
    booking = book(Status.REJECTED, starts_at=factories.at(11, days=1))
    minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    length = timedelta(minutes=minutes)
    busy = [(one.starts_at, one.ends_at) for one in db.session.scalars(select(Booking)) if one is not booking]
    found = [other.starts_at for other in cascades.alternatives(booking)]
    assert len(found) == 3
    for start in found:
        assert not any(starts < start + length and start < ends for starts, ends in busy)


def test_other_times_of_a_visit_are_those_of_somebody_who_does_all_of_it(book, professional, second, third):
    more = factories.service("Tap repair")
    factories.offer(third, more)
    booking = book(Status.REJECTED)
    visit(booking, more)
    found = cascades.alternatives(booking)
    assert len(found) == 3
    assert {(other.professional_id, other.more) for other in found} == {(third.id, (more.id,))}


def test_where_nobody_is_near_there_are_no_other_times(customer, professional):
    booking = factories.booking(customer, professional, status=Status.REJECTED, pincode=factories.FAR_PIN)
    assert cascades.alternatives(booking) == []


def test_nobody_who_does_not_meet_the_customer_again_makes_a_time_free(book, customer, professional):
    booking = book(Status.REJECTED)
    blocked_pairs.block(booking, professional)
    assert cascades.alternatives(booking) == []


def test_a_time_long_past_needs_no_other(book, frozen):
    booking = book(Status.REJECTED)
    frozen.shift(timedelta(days=3))
    assert cascades.alternatives(booking) == []


def test_an_offer_that_was_left_open_can_be_listed(ask, professional):
    booking = ask()
    assert offers.open_to(booking) == [professional.id]
    assert db.session.get(BookingOffer, (booking.id, professional.id)).status is OfferStatus.OPEN
