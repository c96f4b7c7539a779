"""Where time is short: what professionals offer beside what is expected, and the hours that would help."""

from datetime import timedelta

import pytest

from domain import clock, schedules, shortages
from extensions import db
from models import Approval
from tests import factories

CITY = "Bengaluru Urban"
MORNING = [0.25 if hour % 24 in (8, 9, 10, 11) else 0.0 for hour in range(48)]


@pytest.fixture
def one(app):
    """45 minutes, an hour with what lies between two jobs."""
    return factories.service("Kettle repair", duration_minutes=45)


def short(expected, hours=MORNING, services=None):
    """What is short on Monday and the days after, at so many visits a day of each service."""
    today = clock.today()
    supply = shortages.read([CITY], today, 7)
    keys = [(CITY, service.id) for service in services]
    numbers = expected if isinstance(expected, list) else [expected] * len(keys)
    wanted = {key: [float(number)] * 7 for key, number in zip(keys, numbers, strict=True)}
    found = shortages.find(supply, today, wanted, dict.fromkeys(keys, hours))
    return {(row["key"][1], (row["day"] - today).days): row for row in found}


def test_hours_that_are_enough_are_no_line(one):
    factories.professional(services=[one])
    assert set(short(6, services=[one])) == {(one.id, 6)}


def test_what_is_missing_is_said_with_the_hours_to_open(one):
    factories.professional(services=[one], hours=((10 * 60, 14 * 60),))
    row = short(8, services=[one])[one.id, 0]
    assert (row["needed"], row["offered"], row["missing"]) == (480, 180, 300)
    # Two visits in each hour from 8 to 12; three quarters of one are offered from 10 on.
    assert row["hours"] == [[8, 12, 390]]


def test_nobody_there_at_all_is_short_of_everything(one):
    row = short(2, services=[one])[one.id, 0]
    assert (row["offered"], row["missing"]) == (0, 120)


def test_little_is_not_worth_a_line(one):
    assert short(0.4, services=[one]) == {}


def test_who_offers_two_services_can_do_one_at_a_time(one):
    other = factories.service("Roof repair", duration_minutes=45)
    factories.professional(services=[one, other])
    found = short([6, 6], services=[one, other])
    assert found[one.id, 0]["missing"] == pytest.approx(360 - 405 / 2, abs=2)
    assert found[other.id, 0]["missing"] == pytest.approx(360 - 405 / 2, abs=2)


def test_who_can_do_both_goes_where_nobody_else_is(one):
    other = factories.service("Roof repair", duration_minutes=45)
    factories.professional(services=[one])
    factories.professional(services=[one, other])
    found = short([6, 6], services=[one, other])
    assert found[other.id, 0]["missing"] < 120


def test_time_off_is_not_offered(one):
    person = factories.professional(services=[one])
    day = clock.today()
    schedules.add_time_off(person.professional, person, clock.start_of(day), clock.start_of(day + timedelta(days=2)))
    found = short(3, services=[one])
    assert {days for _service, days in found} == {0, 1, 6}


@pytest.mark.parametrize("state", [{"paused": True}, {"approval": Approval.PENDING}, {"base_pincode": "400001"}])
def test_who_cannot_be_booked_there_offers_nothing(one, state):
    person = factories.professional(services=[one])
    for name, value in state.items():
        setattr(person.professional, name, value)
    db.session.flush()
    factories.listings.refresh(person.id)
    assert (one.id, 0) in short(3, services=[one])
