"""Finding professionals and their free times through the API, as anybody may."""

from datetime import timedelta

import pytest

from domain import clock, users
from extensions import db
from tests import factories


@pytest.fixture
def find(api):
    def ask(**query):
        return api().get("/professionals", {"service_id": factories.service().id, **query})

    return ask


@pytest.fixture
def slots(api, professional):
    def ask(**query):
        return api().get(f"/professionals/{professional.id}/slots", {"service_id": factories.service().id, **query})

    return ask


def names(answer):
    return [one["name"] for one in answer.json["items"]]


def test_a_result_tells_what_is_needed_to_choose(find, professional):
    [found] = find(pincode=factories.NEAR_PIN).json["items"]
    assert 0 < found.pop("distance_km") < 15
    service = factories.service()
    assert found == {
        "id": professional.id,
        "name": "Dev Menon",
        "rating": None,
        "rating_count": 0,
        "experience_years": 5,
        "place": professional.professional.base.place,
        "price": {"amount": service.base_price, "currency": "INR"},
        "next_slot": "2026-11-23T10:00:00+05:30",
    }


def test_without_a_place_there_is_no_distance(find, professional):
    assert find().json["items"][0]["distance_km"] is None


def test_filters_narrow_it_down(find, professional, other_professional, frozen):
    other = other_professional.professional
    other.rating_sum, other.rating_count = 9, 2
    factories.offer(other_professional, factories.service("Another", base_price=100))
    assert names(find(min_rating=4)) == ["Esha Nair"]
    assert names(find(pincode=factories.FAR_PIN)) == []
    assert names(find(pincode=factories.NEAR_PIN, radius_km=1)) == []
    assert set(names(find(pincode=factories.NEAR_PIN, radius_km=12.5))) == {"Dev Menon", "Esha Nair"}


def test_who_is_free_at_a_time_is_found(find, customer, professional, other_professional):
    factories.booking(customer, professional, starts_at=factories.at(11, days=1))
    at = clock.local(factories.at(11, days=1)).isoformat()
    answer = find(available_at=at)
    assert names(answer) == ["Esha Nair"]
    assert answer.json["items"][0]["next_slot"] == at


@pytest.mark.parametrize("timed", [{}, {"available_at": "2026-11-24T11:00:00+05:30"}])
def test_pages_follow_each_other(find, professional, timed):
    for number in range(4):
        factories.professional(name=f"More {number}", rank=3 + number / 10)
    found, cursor = [], None
    while cursor is not None or not found:
        page = find(limit=2, **timed, **({"cursor": cursor} if cursor else {}))
        assert len(page.json["items"]) <= 2
        found += names(page)
        cursor = page.json["next_cursor"]
    assert found == ["Dev Menon", "More 3", "More 2", "More 1", "More 0"]


@pytest.mark.parametrize(
    "field, query",
    [
        ("service_id", {"service_id": 10**6}),
        ("service_id", {"service_id": "odd"}),
        ("pincode", {"pincode": "999999"}),
        ("pincode", {"sort": "distance"}),
        ("sort", {"sort": "odd"}),
        ("radius_km", {"radius_km": 0}),
        ("radius_km", {"radius_km": "nan"}),
        ("min_rating", {"min_rating": 6}),
        ("available_at", {"available_at": "2026-11-24T11:00:00"}),
        ("available_at", {"available_at": "2026-11-22T11:00:00+05:30"}),
        ("available_at", {"available_at": "2027-11-22T11:00:00+05:30"}),
        ("available_at", {"available_at": "9999-12-31T23:59:59-12:00"}),
        ("limit", {"limit": 1000}),
        ("near", {"near": "x"}),
    ],
)
def test_a_filter_that_cannot_be_used_is_named(find, refused, field, query):
    refused(find(**query), 422, field)


def test_a_service_has_to_be_named(api, refused):
    refused(api().get("/professionals"), 422, "service_id")


def test_a_professional_is_shown(api, professional):
    told = api().get(f"/professionals/{professional.id}").json
    service = factories.service()
    assert (told["name"], told["radius_km"], told["rating"]) == ("Dev Menon", 15, None)
    assert told["services"] == [
        {
            "id": service.id,
            "name": service.name,
            "price": {"amount": service.base_price, "currency": "INR"},
            "duration_minutes": service.duration_minutes,
        }
    ]
    assert professional.email not in str(told)
    assert professional.phone not in str(told)


def test_who_cannot_be_booked_is_not_shown(api, admin, professional, unapproved_professional, refused):
    refused(api().get(f"/professionals/{unapproved_professional.id}"), 404)
    refused(api().get(f"/professionals/{unapproved_professional.id}/slots", {"service_id": 1}), 404)
    users.block(professional, by=admin, reason="Complaints")
    db.session.commit()
    refused(api().get(f"/professionals/{professional.id}"), 404)
    refused(api().get(f"/professionals/{admin.id}"), 404)


def test_free_starts_come_by_day(slots, customer, professional):
    factories.booking(customer, professional, starts_at=factories.at(11, days=1))
    told = slots(days=2).json
    assert told["timezone"] == "Asia/Kolkata"
    assert [day["date"] for day in told["days"]] == ["2026-11-23", "2026-11-24"]
    tomorrow = told["days"][1]["slots"]
    assert "2026-11-24T09:00:00+05:30" in tomorrow
    assert "2026-11-24T11:00:00+05:30" not in tomorrow


def test_a_week_is_told_unless_asked_otherwise(slots):
    assert len(slots().json["days"]) == 7
    [day] = slots(**{"from": "2026-11-29", "days": 1}).json["days"]
    assert day == {"date": "2026-11-29", "slots": []}


@pytest.mark.parametrize(
    "field, query",
    [
        ("service_id", {"service_id": 10**6}),
        ("from", {"from": "2026-11-22"}),
        ("from", {"from": "2027-11-22"}),
        ("from", {"from": "odd"}),
        ("days", {"days": 0}),
        ("days", {"days": 15}),
    ],
)
def test_days_that_cannot_be_told_are_refused(slots, refused, field, query):
    refused(slots(**query), 422, field)


def test_a_slot_that_is_listed_can_be_booked(api, customer, professional, slots, frozen):
    frozen.shift(timedelta(hours=3, minutes=10))
    first = slots().json["days"][0]["slots"][0]
    wish = {"service_id": factories.service().id, "professional_id": professional.id, "starts_at": first}
    wish["address"] = {"line1": "12, 3rd Cross", "pincode": factories.CITY_PIN}
    assert api(customer).post("/service-requests", wish).json["starts_at"] == first
