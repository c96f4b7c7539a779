"""Every verb by everybody in every state, against the table."""

from itertools import product

import pytest

from domain import bookings, transitions
from domain.errors import InvalidTransition, NotAllowed
from domain.transitions import BLOCKING, CHANGEABLE, RULES, Party
from extensions import db
from models import Booking, BookingOffer, SlotClaim, Status
from tests import factories
from tests.circumstances import Circumstances

VERBS = sorted({rule.verb for rule in RULES})
PARTIES = ["customer", "professional", "offered", "admin", "clock", "stranger", "colleague"]

# The rules of the house, line by line: who may do what, and from which states to which (None: it
# stays). The table is held against it; whoever changes one has to mean the other.
WRITTEN = {
    ("accept", "professional"): ({"pending"}, "accepted"),
    ("accept", "offered"): ({"pending"}, "accepted"),
    ("reject", "professional"): ({"pending"}, "rejected"),
    ("reject", "offered"): ({"pending"}, "rejected"),
    ("expire", "clock"): ({"pending"}, "expired"),
    ("edit", "customer"): ({"pending", "accepted"}, None),
    ("move", "customer"): ({"pending"}, None),
    ("propose", "customer"): ({"pending", "accepted"}, None),
    ("propose", "professional"): ({"pending", "accepted"}, None),
    ("agree", "customer"): ({"pending", "accepted"}, "accepted"),
    ("agree", "professional"): ({"pending", "accepted"}, "accepted"),
    ("decline_time", "customer"): ({"pending", "accepted"}, None),
    ("decline_time", "professional"): ({"pending", "accepted"}, None),
    ("withdraw", "customer"): ({"pending", "accepted"}, None),
    ("withdraw", "professional"): ({"pending", "accepted"}, None),
    ("lapse", "clock"): ({"pending", "accepted"}, None),
    ("cancel", "customer"): ({"pending", "accepted", "en_route"}, "cancelled"),
    ("cancel", "professional"): ({"accepted", "en_route"}, "cancelled"),
    ("cancel", "admin"): ({"pending", "accepted", "en_route", "in_progress"}, "cancelled"),
    ("reassign", "admin"): ({"accepted"}, None),
    ("renew_code", "customer"): ({"accepted", "en_route"}, None),
    ("depart", "professional"): ({"accepted"}, "en_route"),
    ("start", "professional"): ({"accepted", "en_route"}, "in_progress"),
    ("override_code", "admin"): ({"accepted", "en_route"}, "in_progress"),
    ("knock", "professional"): ({"accepted", "en_route"}, None),
    ("no_show", "professional"): ({"accepted", "en_route"}, "no_show"),
    ("no_show", "customer"): ({"accepted"}, "no_show"),
    # Half an hour after the start, when a no-show is noted, nobody else can be asked for that time.
    ("cascade", "clock"): ({"rejected", "expired", "cancelled"}, "pending"),
    ("propose_extra", "professional"): ({"in_progress"}, None),
    ("approve_extra", "customer"): ({"in_progress"}, None),
    ("decline_extra", "customer"): ({"in_progress"}, None),
    ("withdraw_extra", "professional"): ({"in_progress"}, None),
    ("complete", "professional"): ({"in_progress"}, "completed"),
    ("record_payment", "professional"): ({"completed", "closed"}, None),
    ("close", "customer"): ({"completed"}, "closed"),
    ("close", "clock"): ({"completed"}, "closed"),
    ("dispute", "customer"): ({"completed", "closed"}, "disputed"),
    ("answer_dispute", "professional"): ({"disputed"}, None),
    ("resolve", "admin"): ({"disputed"}, "closed"),
    ("review", "customer"): ({"completed", "closed"}, None),
}


@pytest.fixture
def cast(customer, other_customer, professional, other_professional, admin):
    """Who acts in what quality: the stranger and the colleague have nothing to do with the booking."""
    return {
        "customer": customer,
        "professional": professional,
        "offered": other_professional,
        "admin": admin,
        "clock": None,
        "stranger": other_customer,
        "colleague": other_professional,
    }


@pytest.fixture
def the_booking(cast, frozen):
    """the_booking(status, verb, party) is one for which nothing but the state is in the way."""
    return lambda status, verb, party: Circumstances(verb, party, cast, frozen).become(status)


def test_the_table_says_what_the_rules_say():
    table = {
        (rule.verb, rule.by.value): ({status.value for status in rule.sources}, rule.target and rule.target.value)
        for rule in RULES
    }
    assert table == WRITTEN
    assert len(RULES) == len(WRITTEN), "a line is there twice"


@pytest.mark.parametrize("verb, party", [pytest.param(*pair, id=" by ".join(pair)) for pair in product(VERBS, PARTIES)])
def test_everybody_is_allowed_exactly_what_is_written(cast, frozen, verb, party):
    person = cast[party]
    circumstances = Circumstances(verb, party, cast, frozen)
    sources, target = WRITTEN.get((verb, party), (set(), None))
    for status in Status:
        booking = circumstances.become(status)
        if (verb, party) not in WRITTEN:
            with pytest.raises(NotAllowed):
                transitions.rule_for(verb, booking, person)
        elif status.value in sources:
            rule = transitions.rule_for(verb, booking, person)
            assert (rule.verb, rule.by.value, rule.target) == (verb, party, target), status
        else:
            with pytest.raises(InvalidTransition):
                transitions.rule_for(verb, booking, person)
        if person is not None:
            assert (verb in bookings.available_actions(booking, person)) is (status.value in sources), status


@pytest.mark.parametrize("verb, party", [pytest.param(*pair, id=" by ".join(pair)) for pair in WRITTEN])
def test_what_is_available_is_what_is_allowed(cast, frozen, verb, party):
    """Of all verbs, and for everybody, in the circumstances that one of them needs."""
    circumstances = Circumstances(verb, party, cast, frozen)
    for status in Status:
        booking = circumstances.become(status)
        for person in {one.id: one for one in cast.values() if one}.values():
            allowed = {one for one in VERBS if _is_allowed(one, booking, person)}
            available = bookings.available_actions(booking, person)
            assert (set(available), len(available)) == (allowed, len(allowed)), (status, person.name)


def _is_allowed(verb, booking, person):
    try:
        return bool(transitions.rule_for(verb, booking, person))
    except (NotAllowed, InvalidTransition):
        return False


def test_every_move_of_a_state_goes_by_the_table():
    """No verb leads out of where nothing leads to, and from every state but the last there is a way on."""
    reached = {"pending"} | {target for _sources, target in WRITTEN.values() if target}
    left = set().union(*(sources for sources, target in WRITTEN.values() if target))
    assert reached == {status.value for status in Status}
    assert reached - left == {"no_show"}


def test_another_time_is_agreed_until_the_professional_sets_off():
    assert {status.value for status in CHANGEABLE} == {"pending", "accepted"}


def test_states_that_hold_a_slot_are_those_of_the_rules():
    assert {status.value for status in BLOCKING} == {"pending", "accepted", "en_route", "in_progress"}


def test_every_state_has_a_name_for_people():
    assert set(transitions.LABELS) == set(Status)


def test_who_lost_the_offer_is_told_so(cast, the_booking):
    booking = the_booking(Status.PENDING, "accept", "offered")
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
