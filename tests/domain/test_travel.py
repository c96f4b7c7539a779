"""The way between two jobs: what is offered, and what a booking is held to."""

from datetime import date, timedelta

import pytest

from domain import amendments, availability, bookings, choices, clock, matching, places, requests, travel
from domain.errors import Conflict, Invalid
from extensions import db
from models import Booking, PinCode
from tests import factories
from tests.factories import CITY_PIN, NEAR_PIN

TUESDAY = date(2026, 11, 24)


def pin(pincode):
    return db.session.get_one(PinCode, pincode)


def starts(professional, at=None, minutes=60, ignoring=0):
    [day] = availability.free_slots(professional.id, minutes, TUESDAY, 1, at, ignoring)
    return [f"{clock.local(slot.starts_at):%H:%M}" for slot in day.slots if not slot.taken]


@pytest.fixture
def slow(app):
    """A professional who needs five quarter-hours for the 7 km between the two PIN codes."""
    person = factories.professional(name="Slow Das", speed_kmh=6)
    way = travel.buckets(pin(CITY_PIN), pin(NEAR_PIN), 6)
    assert way == 5, "the tests below count on it"
    return person


def test_a_way_takes_distance_by_speed_in_whole_quarters():
    here, there = travel.Point(12.97, 77.59), travel.Point(13.05, 77.59)
    km = places.distance_km(here.lat, here.lon, there.lat, there.lon)
    assert 8.8 < km < 9.0
    assert travel.buckets(here, there, 20) == 2
    assert travel.buckets(here, there, 36) == 1
    assert travel.buckets(here, here, 20) == 0


def test_a_way_is_never_longer_than_three_hours():
    assert travel.buckets(travel.Point(12.97, 77.59), travel.Point(28.6, 77.2), 20) == travel.LONGEST_BUCKETS


def test_next_door_only_the_buffer_counts(customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    assert starts(slow, pin(CITY_PIN)) == starts(slow)


def test_far_away_the_way_counts_before_and_after(customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    near, far = starts(slow, pin(CITY_PIN)), starts(slow, pin(NEAR_PIN))
    # From 13:00 to 14:00 is worked. An hour's work and 75 minutes of way end by 13:00 at the latest,
    # and 75 minutes after 14:00 the next can begin.
    assert "11:30" in near
    assert "14:30" in near
    assert far == ["09:00", "09:30", "10:00", "10:30", "15:30", "16:00", "16:30", "17:00"]


def test_a_fast_professional_is_offered_more(customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    before = starts(slow, pin(NEAR_PIN))
    slow.professional.speed_kmh = 60
    db.session.commit()
    assert set(before) < set(starts(slow, pin(NEAR_PIN)))


def test_a_booking_that_moves_is_not_in_its_own_way(customer, slow):
    booking = factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    assert "13:30" not in starts(slow, pin(NEAR_PIN))
    assert "13:30" in starts(slow, pin(NEAR_PIN), ignoring=booking.id)


def test_what_is_not_offered_cannot_be_booked(customer, other_customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    home = factories.address(other_customer, pincode=NEAR_PIN)
    service = factories.service(name="An hour of work", duration_minutes=60)
    factories.offer(slow, service)
    day = availability.free_slots(slow.id, 60, TUESDAY, 1, pin(NEAR_PIN))[0]
    assert len([slot for slot in day.slots if slot.taken]) == 9
    for slot in day.slots:
        if slot.taken:
            with pytest.raises((Invalid, Conflict)):
                requests.request(other_customer, service.id, slow.id, slot.starts_at, home.id)
        else:
            booked = requests.request(other_customer, service.id, slow.id, slot.starts_at, home.id)
            assert db.session.get(Booking, booked) is not None
        db.session.rollback()


def test_who_asks_for_the_unreachable_is_told_why(customer, other_customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    home = factories.address(other_customer, pincode=NEAR_PIN)
    with pytest.raises(Invalid, match="in time") as refused:
        requests.request(other_customer, factories.service().id, slow.id, factories.at(11, days=1), home.id)
    assert refused.value.field == "starts_at"


def test_the_same_slot_is_still_somebody_elses(customer, other_customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    home = factories.address(other_customer, pincode=NEAR_PIN)
    with pytest.raises(Conflict):
        requests.request(other_customer, factories.service().id, slow.id, factories.at(13, days=1), home.id)


def test_a_move_keeps_to_the_way(customer, other_customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    booking = factories.booking(other_customer, slow, starts_at=factories.at(16, days=1), pincode=NEAR_PIN)
    with pytest.raises(Invalid, match="in time"):
        amendments.shift(booking, other_customer, factories.at(15, days=1))
    db.session.rollback()
    amendments.shift(booking, other_customer, factories.at(15, 30, days=1))
    assert booking.starts_at == factories.at(15, 30, days=1)


def test_another_address_keeps_to_the_way(customer, other_customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    booking = factories.booking(other_customer, slow, starts_at=factories.at(14, 30, days=1))
    far = factories.address(other_customer, pincode=NEAR_PIN)
    with pytest.raises(Invalid, match="in time"):
        amendments.edit(booking, other_customer, "", far.id)


def test_who_can_not_get_there_is_no_match(customer, slow):
    quick = factories.professional(name="Quick Bose", speed_kmh=60)
    for one in (slow, quick):
        factories.booking(customer, one, starts_at=factories.at(13, days=1))
    service, opens = factories.service(), factories.at(15, days=1)
    found = matching.candidates(service.id, pin(NEAR_PIN), opens, opens + timedelta(hours=1), customer_id=customer.id)
    assert [one.professional_id for one in found] == [quick.id]


def test_the_booking_page_shows_what_can_be_reached_from_the_chosen_address(customer, other_customer, slow):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    home = factories.address(other_customer, pincode=NEAR_PIN)

    def shown(address_id):
        offered = choices.before_booking(other_customer, slow.id, factories.service().id, TUESDAY, None, address_id)
        return {f"{clock.local(slot.starts_at):%H:%M}" for slot in offered.times.day.slots if not slot.taken}

    assert "14:30" in shown(other_customer.addresses[0].id)
    assert "14:30" not in shown(home.id)


def test_the_next_slot_of_a_search_can_be_reached(customer, slow, frozen):
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    first, reachable = factories.at(11, days=1), factories.at(15, 30, days=1)
    frozen.move_to(first - timedelta(minutes=75))
    assert availability.next_slots({slow.id: 60})[slow.id] == first
    assert availability.next_slots({slow.id: 60}, pin(NEAR_PIN))[slow.id] == reachable


def test_ways_cost_no_query_of_their_own(customer, slow, count_queries):
    for hour in (9, 12, 15):
        factories.booking(customer, slow, starts_at=factories.at(hour, days=1))
    there = pin(NEAR_PIN)
    with count_queries() as without:
        availability.free_slots(slow.id, 60, TUESDAY, 14)
    with count_queries() as with_ways:
        availability.free_slots(slow.id, 60, TUESDAY, 14, there)
    assert with_ways.count == without.count == 2


def test_an_offer_that_can_not_be_reached_any_more_is_not_accepted(customer, other_customer, slow):
    factories.address(other_customer, pincode=NEAR_PIN)
    offered = factories.booking(
        other_customer, None, starts_at=factories.at(15, days=1), pincode=NEAR_PIN, service=factories.service()
    )
    factories.offered(offered, slow)
    factories.booking(customer, slow, starts_at=factories.at(13, days=1))
    with pytest.raises(Conflict, match="in time"):
        bookings.accept(offered, slow)
