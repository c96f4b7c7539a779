"""Every call that reads asks the database the same number of questions on a small site and on a big one."""

from datetime import timedelta

import pytest

from domain import clock
from models import Status
from tests import client as browser
from tests import factories, test_access, test_queries
from tests.api.test_access import expected

FEW, MANY = 120, 2_000


def grow(size, cast, ids):
    """As on the pages, with requests on offer to the professional, who sees them before all others."""
    test_queries.grow(size, cast, ids)
    for number in range(size // 20):
        customer = factories.customer()
        times = {"starts_at": factories.at(11, days=2 + number % 20), "respond_by": clock.now() + timedelta(minutes=30)}
        booking = factories.booking(customer, None, **times)
        factories.offered(booking, cast["pro"])


def calls(ids):
    """(who, path) of every call that reads, by each of those whom it answers."""
    for call, answers in expected().items():
        method, rule = call.split()
        if method == "GET":
            people = [who for who, one in zip(test_access.PEOPLE, answers, strict=True) if one == "in"]
            for who in people if "anonymous" not in people else ["anonymous"]:
                yield who, test_access.fill(rule, ids)
    asked = f"?service_id={ids['service_id']}"
    yield "anonymous", f"/api/professionals{asked}&pincode={factories.CITY_PIN}&limit=100"
    yield "anonymous", f"/api/professionals{asked}&available_at=2026-11-24T11:00:00%2B05:30"
    yield "anonymous", f"/api/professionals/{ids['professional_id']}/slots{asked}&days=14"
    yield "anonymous", "/api/services?q=cleaning"
    for status in Status:
        for who in ("customer", "pro", "admin"):
            yield who, f"/api/service-requests?status={status}"
    yield "admin", "/api/admin/users?role=customer&q=crowd"


def questions(programs, ids):
    counts = {}
    for who, path in calls(ids):
        with browser.count_queries() as seen:
            response = programs[who].get(path)
        assert response.status_code in (200, 409, 422), (path, response.text)
        counts[who, path] = seen.count
    return counts


@pytest.mark.slow
def test_calls_ask_as_much_of_two_thousand_professionals_as_of_a_hundred(api):
    cast = test_access.make_cast()
    ids = test_access.make_things(cast)
    grow(FEW, cast, ids)
    programs = {who: api(person) for who, person in cast.items() if who != "blocked"}
    on_a_small_site = questions(programs, ids)
    grow(MANY, cast, ids)
    on_a_big_site = questions(programs, ids)
    # What is kept while nobody writes is asked for less often the second time.
    assert {call for call, count in on_a_big_site.items() if count > on_a_small_site[call]} == set()
    assert {call: count for call, count in on_a_big_site.items() if count > browser.MOST_QUERIES} == {}
    assert len(on_a_big_site) > 50
