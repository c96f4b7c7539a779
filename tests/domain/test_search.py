"""Who is found, in which order, and at what cost."""

from datetime import timedelta

import pytest

from domain import availability, clock, listings, places, professionals, ratings, search
from domain.errors import Invalid
from extensions import db
from models import Offering, PinCode, Professional
from tests import factories
from tests.factories import CITY_PIN, FAR_PIN, NEAR_PIN

SERVICE = "Tap repair"
SLUG = "tap-repair"


def somebody(name, *, price=None, stars=(), **values):
    """A professional who offers a tap repair, with so many reviews in the sums."""
    person = factories.professional(
        name=name,
        services=[factories.service("Drawer repair")],
        rating_sum=sum(stars),
        rating_count=len(stars),
        **values,
    )
    factories.offer(person, factories.service(SERVICE), own_price=price)
    row = db.session.get(Professional, person.id)
    row.rank = ratings.rank(row.rating_sum, row.rating_count, 4.0)
    listings.refresh(person.id)
    db.session.commit()
    return person


def find(**args):
    asked = search.read({"service": SLUG, **args})
    results = search.find(asked)
    assert asked.errors == {}
    return results


def names(**args):
    return [hit.name for hit in find(**args).hits]


def everybody(**args):
    """The names on all pages."""
    found, after = [], ""
    while True:
        page = find(**args, after=after)
        found.extend(hit.name for hit in page.hits)
        after = page.next_cursor
        if after is None:
            return found


# -- Who --------------------------------------------------------------------------------------


def test_only_listed_professionals_are_found(app):
    somebody("Listed")
    somebody("Unapproved", approved=False)
    somebody("Paused", paused=True)
    somebody("Blocked", active=False)
    assert names() == ["Listed"]
    assert names(near=CITY_PIN) == ["Listed"]


def test_who_pauses_is_gone_and_comes_back(app):
    person = somebody("Dev")
    row = db.session.get(Professional, person.id)
    professionals.set_pause(row, person, True)
    assert names(near=CITY_PIN) == []
    professionals.set_pause(row, person, False)
    assert names(near=CITY_PIN) == ["Dev"]


def test_only_those_who_offer_the_service_are_found(app, professional):
    somebody("Dev")
    assert names() == ["Dev"]


def test_words_choose_the_service_and_name_what_else_they_may_mean(app):
    somebody("Dev")
    asked = search.read({"q": "plumber", "near": CITY_PIN})
    results = search.find(asked)
    assert results.service.name == SERVICE
    assert [hit.name for hit in results.hits] == ["Dev"]
    assert "Flush tank repair" in [other.name for other in results.others]


def test_unknown_words_find_no_service(app):
    assert search.find(search.read({"q": "xyzzy"})) == search.Results()


# -- Where ------------------------------------------------------------------------------------


def test_a_search_stays_within_its_radius(app):
    somebody("Here", pincode=CITY_PIN, radius_km=100)
    somebody("Near", pincode=NEAR_PIN, radius_km=100)
    assert names(near=CITY_PIN, radius="2") == ["Here"]
    assert set(names(near=CITY_PIN, radius="25")) == {"Here", "Near"}


def test_nobody_is_found_beyond_their_own_radius(app):
    somebody("Stays", pincode=NEAR_PIN, radius_km=2)
    somebody("Travels", pincode=NEAR_PIN, radius_km=40)
    assert names(near=CITY_PIN, radius="50") == ["Travels"]


@pytest.mark.parametrize("near", ["Bangalore", "बेंगलुरु", "Bengaluru", "560 001"])
def test_the_place_may_be_a_city_in_any_spelling(app, near):
    somebody("Here")
    somebody("Elsewhere", pincode=FAR_PIN)
    assert names(near=near) == ["Here"]


def test_a_distance_is_shown_and_an_estimated_point_says_so(app):
    somebody("Here", pincode=NEAR_PIN)
    hit = find(near=CITY_PIN).hits[0]
    assert 4 < hit.distance_km < 8
    assert not hit.approximate
    db.session.get(PinCode, NEAR_PIN).geo = "C"
    db.session.commit()
    assert find(near=CITY_PIN).hits[0].approximate
    assert find(near=NEAR_PIN).place.approximate
    assert find().hits[0].distance_km is None


def test_what_is_found_can_be_booked(app, customer):
    """Search and booking measure alike, at the very edge of a radius too."""
    home, base = (db.session.get(PinCode, pin) for pin in (CITY_PIN, NEAR_PIN))
    distance = places.distance_km(home.lat, home.lon, base.lat, base.lon)
    somebody("Edge", pincode=NEAR_PIN, radius_km=int(distance) + 1)
    somebody("Beyond", pincode=NEAR_PIN, radius_km=int(distance))
    assert names(near=CITY_PIN, radius="50") == ["Edge"]


# -- Filters ----------------------------------------------------------------------------------


def test_a_rating_is_a_lower_bound_and_leaves_out_the_unrated(app):
    somebody("Good", stars=[5, 4])
    somebody("Bad", stars=[2])
    somebody("New")
    assert names(rating="4.5") == ["Good"]
    assert set(names(rating="2")) == {"Good", "Bad"}
    assert set(names()) == {"Good", "Bad", "New"}


def test_a_price_is_an_upper_bound_on_the_own_or_the_base_price(app):
    somebody("Base")
    somebody("Cheap", price=5_000)
    somebody("Dear", price=90_000)
    assert {hit.name: hit.price for hit in find().hits} == {"Base": 7_900, "Cheap": 5_000, "Dear": 90_000}
    assert set(names(price="79")) == {"Base", "Cheap"}
    assert names(price="50.00") == ["Cheap"]
    assert names(price="0") == []


def test_a_day_leaves_out_who_does_not_work_or_is_away(app):
    sunday = clock.today() + timedelta(days=6)
    somebody("Weekday")
    assert names(day=str(clock.today() + timedelta(days=1))) == ["Weekday"]
    assert names(day=str(sunday)) == []


@pytest.mark.parametrize(
    ("time", "found"),
    [
        ("morning", ["Early"]),
        ("afternoon", []),
        ("evening", ["Late"]),
        ("08:00", ["Early"]),
        ("12:00", []),
        ("19:30", ["Late"]),
    ],
)
def test_a_time_finds_who_can_begin_then(app, time, found):
    somebody("Early", hours=[(7 * 60, 11 * 60)])
    somebody("Late", hours=[(18 * 60, 22 * 60)])
    assert names(day=str(clock.today() + timedelta(days=1)), time=time) == found


def test_the_job_must_end_within_the_hours(app):
    somebody("Dev", hours=[(9 * 60, 18 * 60)])
    tomorrow = str(clock.today() + timedelta(days=1))
    assert names(day=tomorrow, time="17:30") == ["Dev"]
    assert names(day=tomorrow, time="18:00") == []


def test_a_taken_slot_is_not_available_and_the_shown_one_is_on_that_day(app, customer):
    person = somebody("Dev", hours=[(9 * 60, 11 * 60)])
    start = factories.at(9, days=1)
    factories.booking(customer, person, service=factories.service(SERVICE), starts_at=start)
    tomorrow = str(clock.today() + timedelta(days=1))
    assert names(day=tomorrow, time="09:00") == []
    assert find(day=tomorrow).hits[0].next_slot == factories.at(10, days=1)


def test_a_hit_shows_the_next_free_slot(app, customer):
    person = somebody("Dev")
    assert find().hits[0].next_slot == factories.at(10)
    factories.booking(customer, person, service=factories.service(SERVICE), starts_at=factories.at(10))
    assert find().hits[0].next_slot == factories.at(11)


def test_without_working_hours_there_is_no_slot(app):
    somebody("Idle", hours=())
    assert find().hits[0].next_slot is None


def test_a_full_page_is_looked_for_past_those_who_are_busy(app, monkeypatch):
    monkeypatch.setattr(search, "LOOKED_AT", 5)
    for number in range(5):
        somebody(f"Away {number}", hours=[(9 * 60, 10 * 60)], rank=5.0, stars=[5] * 9)
        availability.claim(
            db.session.query(Offering.professional_id).order_by(Offering.professional_id.desc()).limit(1).scalar(),
            _some_booking(),
            factories.at(9, days=1),
            60,
        )
        db.session.commit()
    somebody("Free")
    tomorrow = str(clock.today() + timedelta(days=1))
    first = find(day=tomorrow)
    assert (first.hits, bool(first.next_cursor)) == ((), True)
    assert [hit.name for hit in find(day=tomorrow, after=first.next_cursor).hits] == ["Free"]


def _some_booking():
    return factories.booking(factories.customer(), None, service=factories.service(SERVICE)).id


# -- Order ------------------------------------------------------------------------------------


def test_ratings_rank_and_one_five_star_review_does_not_beat_fifty(app):
    somebody("Fifty", stars=[5] * 49 + [4])
    somebody("One", stars=[5])
    somebody("New")
    somebody("Poor", stars=[1] * 5)
    assert names() == ["Fifty", "One", "New", "Poor"]


def test_the_best_match_weighs_rank_against_distance(app):
    somebody("Good and far", pincode=NEAR_PIN, stars=[5] * 20)
    somebody("Plain and here", pincode=CITY_PIN)
    assert names(near=CITY_PIN, radius="50") == ["Good and far", "Plain and here"]
    assert names(near=CITY_PIN, radius="7") == ["Plain and here", "Good and far"]


def test_each_sort_sorts(app):
    somebody("A", stars=[4] * 9, experience_years=1, price=30_000, pincode=CITY_PIN)
    somebody("B", stars=[5], experience_years=9, price=20_000, pincode=NEAR_PIN)
    somebody("C", experience_years=5, price=10_000, pincode="560002")
    assert names(sort="rating") == ["B", "A", "C"]
    assert names(sort="experience") == ["B", "C", "A"]
    assert names(sort="price") == ["C", "B", "A"]
    assert names(sort="distance", near=CITY_PIN) == ["A", "C", "B"]


@pytest.mark.parametrize(
    ("sort", "near"), [(sort, near) for sort in search.SORTS for near in ("", CITY_PIN) if near or sort != "distance"]
)
def test_the_pages_show_everybody_once(app, sort, near):
    for number in range(47):
        somebody(
            f"P{number}",
            stars=[number % 5 + 1] * (number % 4),
            experience_years=number % 3,
            price=[None, 5_000, 9_000][number % 3],
            pincode=[CITY_PIN, NEAR_PIN, "560002"][number % 3],
        )
    args = {"sort": sort, "near": near, "radius": "25"}
    assert sorted(everybody(**args)) == sorted(f"P{number}" for number in range(47))
    assert len(find(**args).hits) == 20


# -- What cannot be used ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("q", "x" * 101),
        ("near", "x" * 101),
        ("near", "000000"),
        ("near", "nowhere"),
        ("near", "😀"),
        ("near", "\u200fمكان"),
        ("radius", "-5"),
        ("radius", "0"),
        ("radius", "201"),
        ("radius", "nan"),
        ("radius", "inf"),
        ("radius", "1e999999999"),
        ("radius", "ten"),
        ("rating", "6"),
        ("rating", "NaN"),
        ("rating", "'"),
        ("price", "-1"),
        ("price", "sNaN"),
        ("price", "99999999999"),
        ("day", "2026-11-22"),
        ("day", "2027-11-22"),
        ("day", "tomorrow"),
        ("day", "9999999-01-01"),
        ("time", "25:00"),
        ("time", "noonish"),
        ("sort", "random"),
    ],
)
def test_a_filter_that_cannot_be_used_is_named(app, field, value):
    asked = search.read({"service": SLUG, field: value})
    results = search.find(asked)
    assert field in asked.errors
    assert results.hits == ()


def test_a_time_needs_a_day_and_a_distance_a_place(app):
    assert "day" in search.read({"time": "morning"}).errors
    assert "near" in search.read({"sort": "distance"}).errors


def test_a_cursor_of_another_sort_is_refused(app):
    for number in range(21):
        somebody(f"P{number}")
    cursor = find(sort="rating").next_cursor
    with pytest.raises(Invalid):
        find(sort="price", after=cursor)


def test_odd_slugs_find_nothing(app):
    for slug in ("no-such", "\x00", "'", "x" * 140, "😀"):
        assert search.find(search.read({"service": slug})).service is None


# -- Counting, and cost -----------------------------------------------------------------------


def test_the_count_is_of_those_who_come(app):
    somebody("Here")
    somebody("Stays away", pincode=NEAR_PIN, radius_km=1)
    somebody("Hidden", approved=False)
    assert search.count_near(places.resolve(CITY_PIN), 10) == 1


@pytest.mark.parametrize("args", [{}, {"near": CITY_PIN}, {"near": CITY_PIN, "sort": "distance"}])
def test_a_search_needs_as_many_queries_for_many_as_for_few(app, count_queries, args):
    somebody("One")
    with count_queries() as few:
        find(**args)
    for number in range(25):
        somebody(f"P{number}")
    with count_queries() as many:
        find(**args)
    assert few.count == many.count <= 5
