"""Another time by agreement, answered at the moment when something else happens: one of the two is too late.

Everybody looks first and acts later, as people do: what they saw is old when they click.
"""

import multiprocessing
import os
from collections import Counter

import pytest
from sqlalchemy import func, select, text, update

from domain import amendments, availability, bookings, proposals, requests, transitions
from extensions import begin_write, db
from models import Booking, Professional, SlotClaim, Status, User
from models_lifecycle import Proposal, ProposalStatus
from tests import factories
from tests.races.unguarded import set_at_once

pytestmark = [pytest.mark.race, pytest.mark.timeout(900)]

# A round takes several transactions more than those of the other races; `make soak` plays 2,000.
ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))
FEW = max(ROUNDS // 10, 5)
TOO_LATE = {"InvalidTransition", "Conflict"}


@pytest.fixture
def looking_first():
    """looking_first(n) makes acts for n processes that wait for each other between the look and the click."""

    def make(count):
        gate = multiprocessing.get_context("fork").Barrier(count)

        def act_of(person_id, verb):
            def act():
                db.session.rollback()  # nobody holds a lock while they look
                person = db.session.get(User, person_id)
                booking = bookings.get(db.session.scalar(select(func.max(Booking.id))), person)
                seen = transitions.open_proposal(booking)
                db.session.commit()
                gate.wait(60)
                begin_write()
                verb(booking, person, seen)
                return verb.__name__

            return act

        return act_of

    return make


def agree(booking, person, seen):
    proposals.agree(booking, person, seen.id)


def decline(booking, person, seen):
    proposals.decline(booking, person, seen.id)


def withdraw(booking, person, seen):
    proposals.withdraw(booking, person, seen.id)


def propose(booking, person, seen):
    proposals.propose(booking, person, factories.at(16, days=2))


def cancel(booking, person, seen):
    bookings.cancel(booking, person)


def reject(booking, person, seen):
    bookings.reject(booking, person, "Fully booked")


def accept(booking, person, seen):
    bookings.accept(booking, person)


def shift(booking, person, seen):
    amendments.shift(booking, person, factories.at(12, days=2))


class Round:
    """What each round begins with: one booking of the day after tomorrow at 11:00, and perhaps 15:00 proposed."""

    def __init__(self, customer, professional, status=Status.ACCEPTED, proposed_by=None):
        self.customer_id, self.professional_id = customer.id, professional.id
        self.status = status
        self.proposed_by = proposed_by and proposed_by.id

    def begin(self):
        customer, professional = self._person(self.customer_id), self._person(self.professional_id)
        day = 2
        booking = factories.booking(
            customer, professional, status=self.status, starts_at=factories.at(11, days=day)
        )
        if self.proposed_by:
            proposals.propose(booking, self._person(self.proposed_by), factories.at(15, days=day))
        db.session.commit()
        self.booking_id = booking.id
        db.session.remove()

    def end(self):
        """The booking as it became, and out of the way of the next round."""
        booking = db.session.get(Booking, self.booking_id)
        faults = list(what_is_wrong_with(booking))
        verbs = [event.verb for event in booking.events]
        db.session.execute(update(Booking).values(status=Status.CANCELLED))
        db.session.execute(SlotClaim.__table__.delete())
        db.session.execute(update(Proposal).values(status=ProposalStatus.WITHDRAWN))
        db.session.commit()
        db.session.remove()
        return faults, verbs

    def _person(self, person_id):
        return db.session.get(User, person_id)


def what_is_wrong_with(booking):
    """The faults of a booking that two people changed at once."""
    minutes = (booking.ends_at - booking.starts_at).total_seconds() // 60
    due = booking.status in transitions.BLOCKING
    buckets = set(availability.claimed_buckets(booking.starts_at, int(minutes))) if due else set()
    held = list(db.session.scalars(select(SlotClaim.bucket).filter_by(booking_id=booking.id)))
    if sorted(held) != sorted(buckets):
        yield f"{booking.status} holds {len(held)} buckets of {len(buckets)}"
    left = [one for one in booking.proposals if one.status is ProposalStatus.OPEN]
    if len(left) > (booking.status in transitions.CHANGEABLE):
        yield f"{booking.status} has {len(left)} open proposals"
    agreed = [one for one in booking.proposals if one.status is ProposalStatus.AGREED]
    told = [event.verb for event in booking.events]
    if not booking.moves == len(agreed) == told.count("agree"):
        yield f"{booking.moves} moves, {len(agreed)} agreed proposals and {told.count('agree')} events"
    for before, after in zip(booking.events, booking.events[1:], strict=False):
        if before.to_status != after.from_status:
            yield f"{after.verb} from {after.from_status} after {before.to_status}"


def play(processes, round_, acts, rounds, allowed):
    """Play the rounds; answers how often each outcome came."""
    outcomes = Counter()
    round_.begin()

    def between(number, results):
        faults, verbs = round_.end()
        assert not faults, (faults, verbs, results)
        assert set(results) <= allowed, results
        outcomes[tuple(sorted(results))] += 1
        if number < rounds - 1:
            round_.begin()

    processes(acts, rounds, between)
    return outcomes


# -- Agree against cancel ---------------------------------------------------------------------


def test_agreeing_and_cancelling_leave_one_truth(processes, looking_first, customer, professional):
    act_of = looking_first(2)
    acts = [act_of(professional.id, agree), act_of(customer.id, cancel)]
    round_ = Round(customer, professional, proposed_by=customer)
    outcomes = play(processes, round_, acts, ROUNDS, {"agree", "cancel", *TOO_LATE})
    assert set(outcomes) <= {("InvalidTransition", "agree"), ("InvalidTransition", "cancel")}


def test_control_without_compare_and_set_a_cancelled_booking_is_agreed(
    processes, looking_first, customer, professional, monkeypatch
):
    """The same race when the booking is set without a look at what it is: both believe they were in time."""

    monkeypatch.setattr(proposals, "move", set_at_once)
    monkeypatch.setattr(bookings, "move", set_at_once)
    act_of = looking_first(2)
    with pytest.raises(AssertionError, match=r"after|holds"):
        play(
            processes,
            Round(customer, professional, proposed_by=customer),
            [act_of(professional.id, agree), act_of(customer.id, cancel)],
            ROUNDS,  # whoever agrees first does no harm: it takes a round in which the other cancels first
            {"agree", "cancel"},
        )


# -- Into a slot that is being booked ---------------------------------------------------------


@pytest.fixture
def asking(customer, professional, other_customer):
    """Another customer asks for the time that is being agreed."""
    starts_at, service_id = factories.at(15, days=2), factories.service().id
    person_id, address_id, professional_id = other_customer.id, other_customer.addresses[0].id, professional.id

    def ask():
        requests.request(db.session.get(User, person_id), service_id, professional_id, starts_at, address_id)
        return "ask"

    return ask


def agreeing(professional):
    person_id = professional.id

    def act():
        person = db.session.get(User, person_id)
        booking = bookings.get(db.session.scalar(select(func.min(Booking.id)).where(_alive())), person)
        proposals.agree(booking, person, transitions.open_proposal(booking).id)
        return "agree"

    return act


def _alive():
    return Booking.status.in_(transitions.BLOCKING)


def test_a_slot_is_agreed_or_booked_but_not_both(processes, customer, professional, asking):
    outcomes = play(
        processes,
        Round(customer, professional, proposed_by=customer),
        [agreeing(professional), asking],
        ROUNDS,
        {"agree", "ask", "Conflict"},
    )
    assert set(outcomes) <= {("Conflict", "agree"), ("Conflict", "ask")}


def test_control_without_the_primary_key_a_slot_is_agreed_and_booked(processes, customer, professional, asking):
    db.session.execute(text("DROP TABLE slot_claims"))
    columns = "professional_id BIGINT, bucket INTEGER, booking_id BIGINT, wait_id BIGINT"
    db.session.execute(text(f"CREATE TABLE slot_claims ({columns})"))
    db.session.commit()
    outcomes = play(
        processes,
        Round(customer, professional, proposed_by=customer),
        [agreeing(professional), asking],
        1,
        {"agree", "ask", "Conflict"},
    )
    assert outcomes == {("agree", "ask"): 1}


# -- Two answers, two proposals ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "proposed_by", "first", "second"),
    [
        (Status.ACCEPTED, "customer", ("professional", agree), ("customer", withdraw)),
        (Status.ACCEPTED, "customer", ("professional", decline), ("customer", withdraw)),
        (Status.ACCEPTED, "customer", ("professional", agree), ("professional", decline)),
        (Status.ACCEPTED, "customer", ("professional", agree), ("professional", agree)),
        (Status.ACCEPTED, "customer", ("professional", agree), ("professional", propose)),
        (Status.ACCEPTED, "customer", ("professional", propose), ("customer", withdraw)),
        (Status.ACCEPTED, "professional", ("customer", agree), ("professional", cancel)),
        (Status.ACCEPTED, None, ("professional", propose), ("customer", propose)),
        (Status.ACCEPTED, None, ("customer", propose), ("customer", propose)),
        (Status.PENDING, "customer", ("professional", agree), ("professional", reject)),
        (Status.PENDING, "customer", ("professional", agree), ("professional", accept)),
        (Status.PENDING, "professional", ("customer", agree), ("customer", shift)),
        (Status.PENDING, "professional", ("customer", agree), ("professional", accept)),
        (Status.PENDING, "professional", ("customer", decline), ("customer", cancel)),
        (Status.PENDING, "professional", ("customer", shift), ("customer", cancel)),
        (Status.PENDING, "customer", ("professional", reject), ("professional", accept)),
    ],
    ids=lambda value: value[1].__name__ if isinstance(value, tuple) else str(value),
)
def test_of_two_at_once_one_is_too_late(
    processes, looking_first, customer, professional, status, proposed_by, first, second
):
    cast = {"customer": customer, "professional": professional, None: None}
    act_of = looking_first(2)
    acts = [act_of(cast[who].id, verb) for who, verb in (first, second)]
    verbs = {verb.__name__ for _who, verb in (first, second)}
    # Declining changes nothing that cancelling depends on: the two may well follow one another.
    both = verbs == {"decline", "cancel"}
    before = _answered(professional)
    outcomes = play(processes, Round(customer, professional, status, cast[proposed_by]), acts, FEW, verbs | TOO_LATE)
    if not both:
        assert all(len(TOO_LATE.intersection(outcome)) == 1 for outcome in outcomes), outcomes
    assert _answered(professional) - before <= FEW


def _answered(professional):
    return db.session.scalar(select(Professional.offers_answered).where(Professional.id == professional.id))


def test_control_without_the_index_both_sides_have_an_open_proposal(
    processes, looking_first, customer, professional
):
    db.session.execute(text("DROP INDEX uq_proposals_open"))
    db.session.commit()
    act_of = looking_first(2)
    with pytest.raises(AssertionError, match="2 open proposals"):
        play(
            processes,
            Round(customer, professional),
            [act_of(professional.id, propose), act_of(customer.id, propose)],
            1,
            {"propose"},
        )


def test_control_without_its_own_compare_and_set_a_proposal_is_declined_and_withdrawn(
    processes, looking_first, customer, professional, monkeypatch
):
    def answer_at_once(proposal, status):
        db.session.execute(update(Proposal).where(Proposal.id == proposal.id).values(status=status))

    monkeypatch.setattr(proposals, "_answer", answer_at_once)
    act_of = looking_first(2)
    acts = [act_of(professional.id, decline), act_of(customer.id, withdraw)]
    outcomes = play(
        processes, Round(customer, professional, proposed_by=customer), acts, 1, {"decline", "withdraw"}
    )
    assert outcomes == {("decline", "withdraw"): 1}
