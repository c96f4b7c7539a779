"""Every verb by everybody in every state, against the table."""

from datetime import timedelta

import pytest

from domain import bookings, transitions
from domain.errors import InvalidTransition, NotAllowed
from domain.transitions import BLOCKING, RULES, Party
from extensions import db
from models import Booking, BookingOffer, SlotClaim, Status
from tests import factories

VERBS = sorted({rule.verb for rule in RULES})
PARTIES = ["customer", "professional", "offered", "admin", "clock", "stranger"]

# booking.md, line by line: who may do what, and from which states. The table is held against it.
WRITTEN = {
    ("accept", "professional"): {"pending"},
    ("accept", "offered"): {"pending"},
    ("reject", "professional"): {"pending"},
    ("reject", "offered"): {"pending"},
    ("expire", "clock"): {"pending"},
    ("edit", "customer"): {"pending", "accepted"},
    ("move", "customer"): {"pending"},
    ("cancel", "customer"): {"pending", "accepted", "en_route"},
    ("cancel", "professional"): {"accepted", "en_route"},
    ("cancel", "admin"): {"pending", "accepted", "en_route", "in_progress"},
    ("reassign", "admin"): {"accepted"},
    ("renew_code", "customer"): {"accepted", "en_route"},
    ("depart", "professional"): {"accepted"},
    ("start", "professional"): {"accepted", "en_route"},
    ("override_code", "admin"): {"accepted", "en_route"},
    ("complete", "professional"): {"in_progress"},
    ("record_payment", "professional"): {"completed", "closed"},
    ("close", "customer"): {"completed"},
    ("close", "clock"): {"completed"},
    ("review", "customer"): {"completed", "closed"},
}


@pytest.fixture
def cast(customer, other_customer, professional, other_professional, admin):
    """Who acts in what quality on the booking of `the_booking`."""
    return {
        "customer": customer,
        "professional": professional,
        "offered": other_professional,
        "admin": admin,
        "clock": None,
        "stranger": other_customer,
    }


@pytest.fixture
def the_booking(cast, frozen):
    """the_booking(status, party) is one for which no deadline or time of day is in the way."""

    def make(status, party):
        starts_at = factories.at(11)
        open_offer = party == "offered" and status is Status.PENDING
        booking = factories.booking(
            cast["customer"],
            None if open_offer else cast["professional"],
            status=status,
            starts_at=starts_at,
            respond_by=starts_at,
        )
        if party == "offered":
            db.session.add(
                BookingOffer(
                    booking_id=booking.id,
                    professional_id=cast["offered"].id,
                    position=1,
                    created_at=booking.created_at,
                )
            )
            db.session.commit()
        if party == "clock":
            frozen.shift(timedelta(days=2))
        else:
            frozen.move_to(starts_at - timedelta(minutes=30))
        return booking

    return make


def test_the_table_says_what_the_rules_say():
    assert {(rule.verb, rule.by.value): {s.value for s in rule.sources} for rule in RULES} == WRITTEN


@pytest.mark.parametrize("status", list(Status), ids=lambda status: status.value)
@pytest.mark.parametrize("party", PARTIES)
def test_everybody_is_allowed_exactly_what_is_written(cast, the_booking, party, status):
    booking = the_booking(status, party)
    offered_elsewhere = party == "offered" and status is not Status.PENDING
    for verb in VERBS:
        sources = WRITTEN.get((verb, party))
        if sources is None:
            with pytest.raises(NotAllowed):
                transitions.rule_for(verb, booking, cast[party])
        elif status.value in sources and not offered_elsewhere:
            assert transitions.rule_for(verb, booking, cast[party]).verb == verb
        else:
            with pytest.raises(InvalidTransition):
                transitions.rule_for(verb, booking, cast[party])
    if party != "clock":
        allowed = {verb for (verb, who), sources in WRITTEN.items() if who == party and status.value in sources}
        assert set(bookings.available_actions(booking, cast[party])) == allowed


def test_states_that_hold_a_slot_are_those_of_the_rules():
    assert {status.value for status in BLOCKING} == {"pending", "accepted", "en_route", "in_progress"}


def test_every_state_has_a_name_for_people():
    assert set(transitions.LABELS) == set(Status)


def test_who_lost_the_offer_is_told_so(cast, the_booking):
    booking = the_booking(Status.PENDING, "offered")
    offer = db.session.get(BookingOffer, (booking.id, cast["offered"].id))
    offer.status = "lost"
    db.session.commit()
    with pytest.raises(InvalidTransition, match="first"):
        transitions.rule_for("accept", booking, cast["offered"])


def test_a_move_that_comes_second_changes_nothing(customer, professional):
    booking = factories.booking(customer, professional)
    rule = transitions.rule_for("cancel", booking, customer)
    # Meanwhile, in another window:
    meanwhile = db.update(Booking).values(status=Status.ACCEPTED)
    db.session.execute(meanwhile, execution_options={"synchronize_session": False})
    with pytest.raises(InvalidTransition, match="Accepted"):
        transitions.move(booking, rule, customer)
    assert db.session.query(SlotClaim).count() > 0


def test_a_move_that_ends_the_booking_gives_its_claims_back(customer, professional):
    booking = factories.booking(customer, professional)
    bookings.reject(booking, professional, "Away")
    assert db.session.query(SlotClaim).count() == 0


def test_admins_act_as_admins_even_on_an_offer(admin, customer, professional):
    booking = factories.booking(customer, professional)
    assert transitions.parties(booking, admin) == {Party.ADMIN}
