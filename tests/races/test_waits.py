"""A slot that frees for somebody who waits, at the moment when another asks for it."""

import os
from collections import Counter

import pytest
from sqlalchemy import delete, select, update

from domain import bookings, clock, requests, transitions, waits
from extensions import db
from models import Booking, SlotClaim, Status, User, Wait, WaitStatus
from tests import factories

pytestmark = [pytest.mark.race, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("RACE_ROUNDS", "50"))


class Day:
    """Tuesday has one slot, somebody's booking takes it, and a customer waits for it."""

    def __init__(self, waiting, asking):
        self.service = factories.service(name="A long hour", duration_minutes=60)
        busy = factories.professional(name="Busy Rao", services=[self.service], hours=((9 * 60, 10 * 60),))
        taker = factories.customer(name="Early Bird", email="early@example.com")
        self.busy_id, self.taker_id, self.service_id = busy.id, taker.id, self.service.id
        self.waiting_id, self.asking_id = waiting.id, asking.id
        self.addresses = {one.id: one.addresses[0].id for one in (waiting, asking)}
        self.starts_at = factories.at(9, days=1)

    def begin(self, held=False):
        person = db.session.get
        taken = factories.booking(
            person(User, self.taker_id),
            person(User, self.busy_id),
            service=db.session.merge(self.service),
            starts_at=self.starts_at,
            status=Status.ACCEPTED,
        )
        address_id = self.addresses[self.waiting_id]
        waits.join(person(User, self.waiting_id), self.busy_id, self.service_id, address_id, _day())
        if held:
            bookings.cancel(taken, person(User, self.taker_id))
        db.session.commit()
        db.session.remove()

    def end(self):
        """Whose the slot became: of the one who waits, by a hold or a booking, or of the one who asked."""
        claims = db.session.execute(select(SlotClaim.booking_id, SlotClaim.wait_id).distinct()).all()
        owners = []
        for booking_id, wait_id in claims:
            owner = db.session.get(Booking, booking_id) if booking_id else db.session.get(Wait, wait_id)
            owners.append("waiting" if owner.customer_id == self.waiting_id else "asking")
        db.session.execute(delete(SlotClaim))
        db.session.execute(update(Booking).values(status=Status.CANCELLED))
        db.session.execute(update(Wait).values(status=WaitStatus.LEFT))
        db.session.commit()
        db.session.remove()
        return owners

    # -- What the processes do ----------------------------------------------------------------

    def cancel(self):
        taken = db.session.scalar(select(Booking).where(Booking.status == Status.ACCEPTED))
        bookings.cancel(taken, db.session.get(User, self.taker_id))
        return "cancel"

    def ask(self):
        return self._book(self.asking_id, "ask")

    def book(self):
        return self._book(self.waiting_id, "book")

    def leave(self):
        person = db.session.get(User, self.waiting_id)
        waits.leave(waits.open_ones(person)[0], person)
        return "leave"

    def _book(self, person_id, name):
        person, place = db.session.get(User, person_id), self.addresses[person_id]
        requests.request(person, self.service_id, self.busy_id, self.starts_at, place)
        return name


def _day():
    return clock.local(factories.at(9, days=1)).date()


def play(processes, day, acts, rounds, held=False):
    """Play the rounds; answers how often each outcome came, and whose the slot was then."""
    outcomes = Counter()
    day.begin(held)

    def between(number, results):
        outcomes[(*sorted(results), *day.end())] += 1
        if number < rounds - 1:
            day.begin(held)

    processes(acts, rounds, between)
    return outcomes


def test_what_frees_is_held_for_who_waits_whoever_asks_at_that_moment(processes, customer, other_customer):
    day = Day(customer, other_customer)
    outcomes = play(processes, day, [day.cancel, day.ask], ROUNDS)
    assert set(outcomes) == {("Conflict", "cancel", "waiting")}


def test_control_when_the_hold_comes_after_the_commit_somebody_else_can_have_it(
    processes, customer, other_customer, monkeypatch
):
    """The slot is freed in one transaction and held in another: between the two it is anybody's."""
    monkeypatch.setattr(transitions.waits, "slot_freed", lambda *_: None)
    day = Day(customer, other_customer)

    def cancel_then_hold():
        day.cancel()
        db.session.commit()
        day.ask()
        return "asked in between"

    outcomes = play(processes, day, [cancel_then_hold], 1)
    assert set(outcomes) == {("asked in between", "asking")}


def test_the_holder_and_another_never_both_have_the_slot(processes, customer, other_customer):
    day = Day(customer, other_customer)
    outcomes = play(processes, day, [day.book, day.ask], ROUNDS, held=True)
    assert set(outcomes) == {("Conflict", "book", "waiting")}


def test_who_leaves_while_another_asks_gives_it_once(processes, customer, other_customer):
    day = Day(customer, other_customer)
    outcomes = play(processes, day, [day.leave, day.ask], ROUNDS, held=True)
    assert set(outcomes) <= {("Conflict", "leave"), ("ask", "leave", "asking")}
