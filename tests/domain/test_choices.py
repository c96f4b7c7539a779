"""What is laid before a customer: prices of whoever is asked, and times that can really be had."""

import pytest

from domain import availability, choices, users
from domain.errors import NotFound
from extensions import db
from tests import factories


def test_an_own_price_replaces_the_base_price(customer, professional):
    professional.professional.offerings[0].own_price = 0
    db.session.flush()
    [offer] = choices.before_booking(customer, professional.id, None).offers
    assert offer.price == 0


def test_the_only_service_is_chosen_and_one_of_several_is_not(customer, professional):
    assert choices.before_booking(customer, professional.id, None).offer
    factories.offer(professional, factories.service(base_price=100))
    assert choices.before_booking(customer, professional.id, None).offer is None


def test_a_retired_service_is_not_offered(customer, professional):
    professional.professional.offerings[0].service.retired_at = factories.at(9)
    db.session.flush()
    assert choices.before_booking(customer, professional.id, None).offers == []


def test_the_first_day_with_a_free_time_is_looked_at(customer, professional, frozen):
    frozen.move_to(factories.at(20))
    times = choices.before_booking(customer, professional.id, None).times
    assert len(times.days) == choices.DAYS
    assert times.day == times.days[1]


def test_a_start_that_is_not_free_is_not_chosen(customer, other_customer, professional):
    start = factories.at(11, days=1)
    factories.booking(other_customer, professional, starts_at=start)
    times = choices.before_booking(customer, professional.id, None, starts_at=start).times
    assert times.starts_at is None
    assert times.day.date == times.days[1].date


@pytest.mark.parametrize("fault", ["unapproved", "blocked", "unknown"])
def test_who_cannot_be_booked_is_not_found(customer, professional, unapproved_professional, fault):
    professional.active = fault != "blocked"
    db.session.flush()
    asked = {"unapproved": unapproved_professional.id, "blocked": professional.id, "unknown": 999}[fault]
    with pytest.raises(NotFound):
        choices.before_booking(customer, asked, None)


def test_times_for_anybody_follow_the_address(customer, professional):
    service_id = professional.professional.offerings[0].service_id
    far = factories.address(customer, pincode=factories.FAR_PIN)
    home = customer.addresses[0]
    assert choices.before_booking(customer, None, service_id, address_id=home.id).times.day.free
    assert choices.before_booking(customer, None, service_id, address_id=far.id).times.days == []


def test_a_booking_is_not_in_its_own_way(customer, professional):
    booking = factories.booking(customer, professional)
    start = factories.at(11, 30, days=1)
    assert choices.before_moving(booking, starts_at=start).starts_at == start
    day = choices.before_moving(booking).day
    minutes = professional.professional.offerings[0].service.duration_minutes
    [shown] = availability.free_slots(professional.id, minutes, day.date, 1)
    assert shown.free < day.free


def test_a_booking_is_not_offered_the_time_that_it_has(customer, professional):
    booking = factories.booking(customer, professional)
    times = choices.before_moving(booking, starts_at=booking.starts_at)
    assert times.starts_at is None
    assert [slot.taken for slot in times.day.slots if slot.starts_at == booking.starts_at] == [True]


def test_the_same_place_twice_is_one_address(customer):
    again = users.add_address(customer, line=" 12,  3rd Cross ", pincode=factories.CITY_PIN)
    assert again.id == customer.addresses[0].id
