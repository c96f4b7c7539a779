"""Offers and cascades at the moment when somebody else acts: one wins, and nobody holds what is not theirs.

Everybody looks first and acts later, as people do: what they saw is old when they click.
"""

import multiprocessing
import os
import time
from collections import Counter

import pytest
from sqlalchemy import delete, func, select, update

from domain import availability, bookings, cascades, clock, requests, transitions
from domain.offers import make
from extensions import begin_write, db
from models import Booking, BookingOffer, OfferStatus, SlotClaim, Status, User
from tests import factories
from tests.races.unguarded import set_at_once

pytestmark = [pytest.mark.race, pytest.mark.timeout(900)]

# A round takes several transactions more than those of the other races; RACE_ROUNDS=500 plays 500.
ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))


@pytest.fixture
def second(app):
    """Who is asked after the first."""
    return factories.professional(name="Second Best", pincode="560034")


@pytest.fixture
def looking_first():
    """looking_first(n) makes acts for n processes that wait for each other between the look and the click."""

    def make_acts(count):
        gate = multiprocessing.get_context("fork").Barrier(count)

        def act_of(person_id, verb, late=0.0):
            def act():
                db.session.rollback()  # nobody holds a lock while they look
                person = db.session.get(User, person_id)
                booking = bookings.get(db.session.scalar(select(func.max(Booking.id))), person)
                db.session.commit()
                gate.wait(60)
                time.sleep(late)
                begin_write()
                verb(booking, person)
                return verb.__name__

            return act

        return act_of

    return make_acts


def accept(booking, person):
    bookings.accept(booking, person)


def reject(booking, person):
    bookings.reject(booking, person, "At a wedding")


def cancel(booking, person):
    bookings.cancel(booking, person)


def faults_of(booking):
    """What two people who acted at once have broken."""
    minutes = (booking.ends_at - booking.starts_at).total_seconds() // 60
    holds = booking.status in transitions.BLOCKING and booking.professional_id is not None
    length = len(availability.claimed_buckets(booking.starts_at, int(minutes))) if holds else 0
    held = Counter(db.session.scalars(select(SlotClaim.professional_id).filter_by(booking_id=booking.id)))
    if held != (Counter({booking.professional_id: length}) if holds else Counter()):
        yield f"{booking.status} of {booking.professional_id} is held by {dict(held)}"
    for before, after in zip(booking.events, booking.events[1:], strict=False):
        if before.to_status != after.from_status:
            yield f"{after.verb} from {after.from_status} after {before.to_status}"
    taken = [offer for offer in booking.offers if offer.status is OfferStatus.ACCEPTED]
    if [event.verb for event in booking.events].count("accept") > 1 or len(taken) > 1:
        yield "accepted twice"


def play(processes, begin, acts, rounds):
    """Play the rounds; answers how often each outcome came, with the states in which they ended."""
    outcomes, made = Counter(), [begin()]

    def between(number, results):
        booking = db.session.get(Booking, made[-1])
        faults = list(faults_of(booking))
        assert not faults, (faults, [event.verb for event in booking.events], results)
        outcomes[(*sorted(map(str, results)), booking.status.value)] += 1
        db.session.execute(update(Booking).values(status=Status.CANCELLED))
        db.session.execute(delete(SlotClaim))
        db.session.commit()
        db.session.remove()
        if number < rounds - 1:
            made.append(begin())

    processes(acts, rounds, between)
    return outcomes


def offered_to(customer, people):
    """Begin a round with a booking that is on offer to people."""
    customer_id, ids = customer.id, [person.id for person in people]

    def begin():
        booking = factories.booking(db.session.get(User, customer_id), None, starts_at=factories.at(11, days=2))
        make(booking.id, ids)
        db.session.commit()
        booking_id = booking.id
        db.session.remove()
        return booking_id

    return begin


def asked_of(customer, professional, **values):
    """Begin a round with a request to one professional that may go on to others."""
    customer_id, professional_id = customer.id, professional.id

    def begin():
        people = (db.session.get(User, person) for person in (customer_id, professional_id))
        booking = factories.booking(*people, starts_at=factories.at(11, days=2), cascade=True, **values)
        booking_id = booking.id
        db.session.remove()
        return booking_id

    return begin


@pytest.fixture
def without_guards(monkeypatch):
    """The booking is set without a look at what it is, and an offer counts as open."""

    monkeypatch.setattr(bookings, "move", set_at_once)
    monkeypatch.setattr(cascades, "move", set_at_once)
    monkeypatch.setattr(transitions, "offer_of", lambda _booking, _user: OfferStatus.OPEN)


# -- Two offers accepted at once ----------------------------------------------------------------


def test_of_two_who_accept_an_offer_at_once_one_has_it(processes, looking_first, customer, professional, second):
    act_of = looking_first(2)
    acts = [act_of(person.id, accept) for person in (professional, second)]
    outcomes = play(processes, offered_to(customer, [professional, second]), acts, ROUNDS)
    assert outcomes == {("InvalidTransition", "accept", "accepted"): ROUNDS}


def test_control_without_its_guards_an_offer_is_accepted_by_both(
    processes, looking_first, customer, professional, second, without_guards
):
    act_of = looking_first(2)
    acts = [act_of(person.id, accept) for person in (professional, second)]
    with pytest.raises(AssertionError, match=r"held by|accepted twice"):
        play(processes, offered_to(customer, [professional, second]), acts, 1)


# -- A cascade against the customer's cancellation ----------------------------------------------


def test_a_cascade_and_a_cancellation_leave_one_truth(processes, looking_first, customer, professional, second):
    """Who comes second looks again: at a request to somebody else, or at a cancelled booking."""
    act_of = looking_first(2)
    acts = [act_of(professional.id, reject), act_of(customer.id, cancel)]
    outcomes = play(processes, asked_of(customer, professional), acts, ROUNDS)
    assert set(outcomes) <= {
        ("InvalidTransition", "reject", "pending"),
        ("InvalidTransition", "cancel", "cancelled"),
    }
    assert sum(outcomes.values()) == ROUNDS


def test_a_job_that_is_given_back_and_cancelled_at_once_is_one_or_the_other(
    processes, looking_first, customer, professional, second
):
    def give_back(booking, person):
        bookings.cancel(booking, person, "The van broke down")

    act_of = looking_first(2)
    acts = [act_of(professional.id, give_back), act_of(customer.id, cancel)]
    outcomes = play(processes, asked_of(customer, professional, status=Status.ACCEPTED), acts, ROUNDS)
    assert set(outcomes) <= {
        ("InvalidTransition", "give_back", "pending"),
        ("InvalidTransition", "cancel", "cancelled"),
    }


def test_control_without_its_guards_a_cancelled_booking_comes_back(
    processes, looking_first, customer, professional, second, without_guards
):
    act_of = looking_first(2)
    acts = [act_of(professional.id, reject, late=0.5), act_of(customer.id, cancel)]
    with pytest.raises(AssertionError, match="reject from pending after cancelled"):
        play(processes, asked_of(customer, professional), acts, 1)


# -- A cascade against everything else ----------------------------------------------------------


def test_two_clocks_ask_the_next_once(processes, customer, professional, second):
    begin = asked_of(customer, professional, respond_by=clock.now())
    outcomes = play(processes, begin, [bookings.expire_due, bookings.expire_due], ROUNDS)
    assert outcomes == {("0", "1", "pending"): ROUNDS}
    asked = select(func.count()).select_from(BookingOffer).where(BookingOffer.status == OfferStatus.EXPIRED)
    assert db.session.scalar(asked) == ROUNDS


def test_a_rejection_never_fails_because_the_next_was_just_taken(
    processes, customer, professional, second, other_customer
):
    """The second has the slot from the first customer or from the other one, and never from both."""
    wish = (factories.service().id, second.id, factories.at(11, days=2), other_customer.addresses[0].id)
    asking_id, rejecting_id = other_customer.id, professional.id

    def ask():
        requests.request(db.session.get(User, asking_id), *wish)
        return "ask"

    def decline():
        person = db.session.get(User, rejecting_id)
        mine = select(func.max(Booking.id)).where(Booking.professional_id == rejecting_id)
        reject(bookings.get(db.session.scalar(mine), person), person)
        return "reject"

    outcomes = play(processes, asked_of(customer, professional), [ask, decline], ROUNDS)
    assert set(outcomes) <= {("Conflict", "reject", "pending"), ("ask", "reject", "rejected")}
