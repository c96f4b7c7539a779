"""Every verb of the API in every state and by everybody, against the table that the pages are held to.

The cast, the scenes and what is expected of them are those of tests/test_verbs.py, so that pages and API
cannot disagree.
"""

from datetime import timedelta

import pytest

from domain import bookings, clock, start_codes
from extensions import db
from models import Booking, Role, Status
from tests.test_access import is_call
from tests.test_verbs import WORDS, cast, everything, expected, quality, scene, written

__all__ = ["cast", "scene"]

PLACE = {"line1": "12, 3rd Cross", "pincode": "560001"}
# The calls of each verb by whoever uses it.
CALLS = {
    ("edit", "customer"): ["PUT"],
    ("move", "customer"): ["PUT"],
    ("cancel", "customer"): ["PUT cancel"],
    ("close", "customer"): ["PUT close"],
    ("review", "customer"): ["POST review"],
    ("accept", "professional"): ["PUT accept"],
    ("accept", "offered"): ["PUT accept"],
    ("reject", "professional"): ["PUT reject"],
    ("reject", "offered"): ["PUT reject"],
    ("cancel", "professional"): ["PUT cancel"],
    ("depart", "professional"): ["PUT depart"],
    ("start", "professional"): ["PUT start"],
    ("complete", "professional"): ["PUT complete", "PUT close"],
    ("cancel", "admin"): ["PUT cancel"],
}
# They leave a booking as it is.
BESIDE = {"PUT position", "DELETE position", "POST messages"}
ROLES_OF = {"PUT cancel": frozenset(Role), "PUT close": frozenset({Role.CUSTOMER, Role.PROFESSIONAL})}
CASES = [
    pytest.param(verb, party, call, id=f"{verb} by {party}: {call}")
    for (verb, party), calls in CALLS.items()
    for call in calls
]
WHO = ("other customer", "other professional", "customer", "professional", "admin")


@pytest.fixture
def programs(api, cast):
    """Who tries everything, strangers first: {name: (person, program)}."""
    return {name: (cast[name], api(cast[name])) for name in WHO}


def body(verb, here):
    """What a program would send, such that nothing of it is at fault."""
    later = clock.local(here.booking.starts_at + timedelta(hours=4)).isoformat()
    return {
        "edit": {"address": PLACE},
        "move": {"starts_at": later},
        "review": {"rating": 5},
        "reject": {"reason": WORDS},
        "cancel": {"reason": WORDS},
        "start": {"code": start_codes.code_of(here.booking)},
    }.get(verb)


def send(program, call, verb, here):
    method, _space, name = call.partition(" ")
    return program.call(method, f"/service-requests/{here.booking.id}" + (name and f"/{name}"), json=body(verb, here))


def answers(call, verb, party, here, person):
    """How a call has to be answered. Two calls answer to several roles, each with a verb of its own."""
    if call not in ROLES_OF:
        return expected(verb, party, here, person)
    if person.role not in ROLES_OF[call]:
        return "403"
    if (met := quality(here, person)) is None:
        return "404"
    if met == "offered":
        # Who is merely asked has no such verb at all.
        return "403"
    if call == "PUT close":
        verb = "complete" if met == "professional" else "close"
    return "done" if here.booking.status.value in written(verb, met)[0] else "409"


def test_every_call_about_a_booking_is_a_verb(site):
    calls = {
        f"{method} {rule.rule.partition('<int:booking_id>')[2].strip('/')}".strip()
        for rule in site.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS", "GET"}
        if "booking_id" in rule.arguments and is_call(site, rule)
    }
    assert calls == {call for calls in CALLS.values() for call in calls} | BESIDE


@pytest.mark.parametrize("verb, party, call", CASES)
def test_what_the_table_refuses_changes_nothing(scene, programs, verb, party, call):
    here = scene(verb, party)
    for status in Status:
        here.become(status)
        before = everything()
        for name, (person, program) in programs.items():
            answer = answers(call, verb, party, here, person)
            if answer != "done":
                assert str(send(program, call, verb, here).status_code) == answer, (status, name)
                assert everything() == before, (status, name)


@pytest.mark.parametrize("verb, party, call", CASES)
def test_what_the_table_allows_is_done(scene, api, cast, verb, party, call):
    program = api(cast[party])
    sources, target = written(verb, party)
    for status in filter(lambda status: status.value in sources, Status):
        here = scene(verb, party)
        booking = here.become(status)
        known = len(booking.events)
        response = send(program, call, verb, here)
        assert response.status_code < 300, (status, response.text)
        booking = db.session.get(Booking, booking.id)
        assert booking.status == (target or status)
        new = [event for event in booking.events[known:] if event.verb == verb]
        assert [(one.from_status, one.to_status) for one in new] == [(status, target or status)]


@pytest.mark.parametrize("verb, party", [pytest.param(*pair, id=" by ".join(pair)) for pair in CALLS])
def test_the_actions_that_are_told_are_those_that_can_be_used(scene, api, cast, verb, party):
    here, person = scene(verb, party), cast[party]
    program = api(person)
    for status in Status:
        here.become(status)
        response = program.get(f"/service-requests/{here.booking.id}")
        if response.status_code == 404:
            continue
        told = response.json["allowed_actions"]
        assert told == bookings.available_actions(here.booking, person)
        assert (verb in told) == (status.value in written(verb, quality(here, person))[0]), (status, told)
