"""Answers that cross: two professionals accept one offer, an accept meets a cancel."""

from collections import Counter

import pytest
from sqlalchemy import delete, select, update

from domain import bookings, clock
from domain.errors import DomainError, InvalidTransition
from extensions import begin_write, db
from models import Booking, BookingOffer, SlotClaim, Status, User
from tests import factories
from tests.races.conftest import ROUNDS

pytestmark = [pytest.mark.race, pytest.mark.timeout(600)]


def _acting(verb, booking_id, person_id):
    def act():
        person = db.session.get(User, person_id)
        getattr(bookings, verb)(bookings.get(booking_id, person), person)
        return verb

    return act


def _offer(customer, people):
    booking = factories.booking(customer, None)
    for position, person in enumerate(people, 1):
        db.session.add(
            BookingOffer(
                booking_id=booking.id, professional_id=person.id, position=position, created_at=clock.now()
            )
        )
    db.session.commit()
    return booking.id


def _cancel_by_admin(booking_id, admin):
    begin_write()
    bookings.cancel(bookings.get(booking_id, admin), admin, "Next round")
    db.session.commit()


def test_an_offer_is_accepted_by_one(at_once, customer, admin):
    people = [factories.professional() for _ in range(5)]
    for _ in range(ROUNDS):
        booking_id = _offer(customer, people)
        results = at_once([_acting("accept", booking_id, person.id) for person in people])
        outcome = Counter(result if isinstance(result, str) else type(result) for result in results)
        assert outcome == {"accept": 1, InvalidTransition: 4}, results
        holders = set(db.session.scalars(select(SlotClaim.professional_id)))
        db.session.expire_all()
        assert holders == {db.session.get(Booking, booking_id).professional_id}
        _cancel_by_admin(booking_id, admin)


def test_control_an_offer_checked_before_and_taken_after_is_taken_twice(app, at_once, customer):
    """What happens when the state is looked at first and set later, as elsewhere: everybody wins."""
    people = [factories.professional() for _ in range(5)]
    booking_id = _offer(customer, people)
    assert db.session.get(Booking, booking_id).status is Status.PENDING

    def take(person_id):
        def act():
            taken = update(Booking).where(Booking.id == booking_id)
            db.session.execute(taken.values(status=Status.ACCEPTED, professional_id=person_id))
            return "accept"

        return act

    results = at_once([take(person.id) for person in people])
    assert results == ["accept"] * 5


def _declining(booking_id, person_id):
    def act():
        person = db.session.get(User, person_id)
        bookings.reject(bookings.get(booking_id, person), person, "Away")
        return "reject"

    return act


def test_when_the_last_decline_at_once_it_is_over(at_once, customer):
    """Otherwise each sees the other's offer still open, and the customer waits for nobody."""
    people = [factories.professional() for _ in range(3)]
    for _ in range(max(ROUNDS // 5, 20)):
        booking_id = _offer(customer, people)
        assert at_once([_declining(booking_id, person.id) for person in people]) == ["reject"] * 3
        db.session.expire_all()
        booking = db.session.get(Booking, booking_id)
        assert booking.status is Status.REJECTED
        verbs = [event.verb for event in booking.events]
        assert verbs == ["request", "decline_offer", "decline_offer", "reject"]


def test_an_offer_that_one_accepts_and_another_declines_is_accepted(at_once, customer, admin):
    accepting, declining = factories.professional(), factories.professional()
    for _ in range(max(ROUNDS // 5, 20)):
        booking_id = _offer(customer, [accepting, declining])
        first, second = at_once(
            [_acting("accept", booking_id, accepting.id), _declining(booking_id, declining.id)]
        )
        assert first == "accept"
        assert second == "reject" or isinstance(second, InvalidTransition)
        db.session.expire_all()
        states = [event.to_status for event in db.session.get(Booking, booking_id).events]
        assert states == sorted(states, key=["pending", "accepted"].index)
        offers = dict(db.session.execute(select(BookingOffer.professional_id, BookingOffer.status)).all())
        assert offers[declining.id] == ("declined" if second == "reject" else "lost")
        _cancel_by_admin(booking_id, admin)
        db.session.execute(delete(BookingOffer))
        db.session.commit()


def test_accept_and_cancel_leave_one_truth(at_once, customer, professional, admin):
    ends = Counter()
    for _ in range(ROUNDS):
        booking_id = factories.booking(customer, professional).id
        results = at_once(
            [_acting("accept", booking_id, professional.id), _acting("cancel", booking_id, customer.id)]
        )
        assert all(isinstance(result, str | DomainError) for result in results), results
        db.session.expire_all()
        booking = db.session.get(Booking, booking_id)
        path = [(event.verb, event.from_status, event.to_status) for event in booking.events[1:]]
        assert path in (
            [("accept", "pending", "accepted")],
            [("accept", "pending", "accepted"), ("cancel", "accepted", "cancelled")],
            [("cancel", "pending", "cancelled")],
        )
        assert booking.status == path[-1][2]
        held = db.session.query(SlotClaim).filter_by(booking_id=booking_id).count()
        assert bool(held) == (booking.status is Status.ACCEPTED)
        ends[booking.status] += 1
        if booking.status is Status.ACCEPTED:
            _cancel_by_admin(booking_id, admin)
    assert ends[Status.CANCELLED] > 0


def test_an_acceptance_and_an_expiry_leave_one_truth(at_once, customer, professional, admin, frozen):
    """The clock acts on a request at the moment when its professional does."""
    for _ in range(50):
        booking = factories.booking(customer, professional)
        booking_id, deadline = booking.id, booking.respond_by
        before = clock.now()
        frozen.move_to(deadline)
        results = at_once([_acting("accept", booking_id, professional.id), lambda: bookings.expire_due()])
        db.session.expire_all()
        assert db.session.get(Booking, booking_id).status is Status.EXPIRED
        assert isinstance(results[0], InvalidTransition)
        frozen.move_to(before)
