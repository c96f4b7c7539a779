"""What is suggested and why: only what can be booked there now, and nothing of a group smaller than five."""

import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from config import ROOT
from domain import blocked_pairs, clock, listings, places, recommendations, tastes, users
from extensions import db
from models import PinCode, Status
from models_taste import AreaProfessional, AreaService, Recommendation, TasteChoice, Why
from tests import factories
from tests.client import count_queries


@pytest.fixture
def here(app):
    return places.find_pin(factories.CITY_PIN)


@pytest.fixture
def services(app):
    return [factories.service(name) for name in ("Tap repair", "AC jet service", "Refrigerator cleaning")]


@pytest.fixture
def anna(services):
    """Somebody near who does all of it."""
    return factories.professional(name="Anna Dsouza", services=services)


def season(back=0):
    return tastes.season_of(clock.today() + tastes.AHEAD) - back


def booked(service, households, place=None, back=0):
    """So many households of a place had a service in this season, or in one before."""
    where = (place.state, place.district) if place else ("", "")
    row = dict(zip(("state", "district"), where, strict=True), season=season(back))
    db.session.execute(insert(AreaService), {**row, "service_id": service.id, "households": households})
    db.session.commit()


def met(professional, service, households, place):
    where = {"state": place.state, "district": place.district}
    one = {"professional_id": professional.id, "service_id": service.id, "households": households}
    db.session.execute(insert(AreaProfessional), where | one)
    db.session.commit()


def idea(customer, service, why=Why.AGAIN, number=3, score=0.3, **values):
    position = db.session.scalar(select(func.count()).select_from(Recommendation))
    row = {"customer_id": customer.id, "position": position, "service_id": service.id}
    db.session.execute(
        insert(Recommendation), {**row, "why": why.value, "number": number, "score": score, **values}
    )
    db.session.commit()


def shown(customer, place, **most):
    found = recommendations.suggestions(customer and customer.id, place, **most)
    return [(one.service, one.reason) for one in found.services]


def people(customer, place):
    return [(one.name, one.reason) for one in recommendations.suggestions(customer and customer.id, place).people]


# -- Somebody new -------------------------------------------------------------------------------


def test_a_newcomer_sees_what_is_popular_in_their_district_the_most_popular_first(services, anna, here):
    tap, cooling, _cold = services
    for back in range(4):
        booked(tap, 30, here, back)
        booked(cooling, 60, here, back)
    assert shown(None, here) == [
        ("AC jet service", "Popular in Bengaluru Urban"),
        ("Tap repair", "Popular in Bengaluru Urban"),
    ]


@pytest.mark.parametrize(
    "day, reason",
    [
        ("2026-12-01", "in winter"),
        ("2027-04-10", "before the monsoon"),
        ("2027-07-10", "during the monsoon"),
        ("2027-10-10", "after the monsoon"),
    ],
)
def test_what_is_booked_more_in_this_season_says_so(services, anna, here, frozen, day, reason):
    frozen.move_to(f"{day} 06:00")
    tap, cooling, _cold = services
    for back in range(1, 4):
        booked(tap, 50, here, back)
        booked(cooling, 10, here, back)
    booked(tap, 50, here)
    booked(cooling, 60, here)
    assert shown(None, here) == [
        ("AC jet service", f"Popular in Bengaluru Urban {reason}"),
        ("Tap repair", "Popular in Bengaluru Urban"),
    ]


def test_elsewhere_the_monsoon_is_not_spoken_of(services, anna, here, set_up):
    set_up(country="US")
    booked(services[0], 50, here, back=2)
    booked(services[1], 50, here, back=1)
    booked(services[1], 60, here)
    assert ("AC jet service", "Popular in Bengaluru Urban at this time of the year") in shown(None, here)


def test_without_a_place_it_is_what_the_whole_site_books(services, anna, here):
    booked(services[0], 40)
    booked(services[1], 80, here)
    assert shown(None, None) == [("Tap repair", "Often booked")]


def test_groups_smaller_than_five_households_are_not_told_of(services, anna, here):
    tap, cooling, cold = services
    booked(tap, 4, here)
    booked(cooling, 4, here)
    booked(cooling, 9)
    met(anna, cold, 4, here)
    assert shown(None, here) == [("AC jet service", "Often booked")]
    assert people(None, here) == []


def test_four_households_in_each_of_two_seasons_may_be_the_same_four(services, anna, here):
    booked(services[0], 4, here)
    booked(services[0], 4, here, back=1)
    assert shown(None, here) == []


# -- Only what can be booked --------------------------------------------------------------------


def test_what_nobody_offers_there_now_is_not_suggested(services, anna, here):
    for service in services:
        booked(service, 20, here)
    far = places.find_pin(factories.FAR_PIN)
    booked(services[0], 20, far)
    assert len(shown(None, here)) == 3
    assert shown(None, far) == []
    anna.professional.paused = True
    listings.refresh(anna.id)
    assert shown(None, here) == []


def test_a_retired_service_is_not_suggested(services, anna, here):
    booked(services[0], 20, here)
    services[0].retired_at = clock.now()
    db.session.commit()
    assert shown(None, here) == []


def test_people_who_do_not_meet_are_not_suggested_to_each_other(services, anna, here, customer):
    booked(services[0], 20, here)
    met(anna, services[0], 20, here)
    assert people(customer, here) == [("Anna Dsouza", "20 households in Bengaluru Urban booked them")]
    done = factories.booking(customer, anna, status=Status.CANCELLED, service=services[1])
    blocked_pairs.block(done, anna)
    db.session.commit()
    # She was the only one for it.
    assert (people(customer, here), shown(customer, here)) == ([], [])
    factories.professional(services=[services[0]])
    assert [name for name, _why in shown(customer, here)] == ["Tap repair"]
    assert people(None, here) != []


def test_what_is_under_way_or_just_done_is_not_suggested(services, anna, here, customer):
    booked(services[0], 20, here)
    booked(services[1], 20, here)
    factories.booking(customer, anna, service=services[0])
    factories.booking(customer, anna, service=services[1], status=Status.CLOSED, starts_at=factories.at(9, days=-10))
    assert shown(customer, here) == []
    assert len(shown(None, here)) == 2


# -- From their own bookings ----------------------------------------------------------------------


def test_reasons_tell_of_their_own_bookings(services, anna, here, customer):
    tap, cooling, cold = services
    today = clock.today()
    due = {"since": today - timedelta(days=9), "until": today + timedelta(days=9)}
    idea(customer, tap, Why.RHYTHM, 91, 1.0, **due)
    idea(customer, cooling, Why.AGAIN, 2, 0.5)
    idea(customer, cold, Why.BESIDE, 12, 0.1, about_id=tap.id)
    assert shown(customer, here) == [
        ("Tap repair", "You book this every 3 months"),
        ("AC jet service", "You booked this 2 times"),
        ("Refrigerator cleaning", "Households that booked Tap repair booked this too"),
    ]
    assert recommendations.suggestions(customer.id, here).own


@pytest.mark.parametrize(
    "days, words", [(7, "week"), (14, "2 weeks"), (22, "3 weeks"), (30, "month"), (91, "3 months"), (365, "12 months")]
)
def test_a_rhythm_is_told_in_weeks_or_months(services, anna, here, customer, days, words):
    idea(customer, services[0], Why.RHYTHM, days, since=clock.today(), until=clock.today())
    assert shown(customer, here) == [("Tap repair", f"You book this every {words}")]


def test_what_is_not_due_is_not_suggested_even_if_others_book_it(services, anna, here, customer):
    booked(services[0], 20, here)
    tomorrow = clock.today() + timedelta(days=1)
    idea(customer, services[0], Why.RHYTHM, 91, since=tomorrow, until=tomorrow)
    idea(customer, services[1], Why.AGAIN, 3, since=tomorrow)
    assert shown(customer, here) == []


def test_who_has_dropped_a_rhythm_is_only_told_that_they_had_it(services, anna, here, customer):
    long_ago = clock.today() - timedelta(days=200)
    idea(customer, services[0], Why.RHYTHM, 30, 1.0, since=long_ago, until=long_ago)
    idea(customer, services[1], Why.AGAIN, 4, 0.6)
    assert shown(customer, here) == [
        ("AC jet service", "You booked this 4 times"),
        ("Tap repair", "You booked this before"),
    ]


def test_a_few_households_are_not_named_in_a_reason(services, anna, here, customer):
    idea(customer, services[0], Why.BESIDE, 4, about_id=services[1].id)
    assert shown(customer, here) == [("Tap repair", "Goes with what you booked")]


def test_what_others_near_book_stands_beside_ones_own(services, anna, here, customer):
    idea(customer, services[0])
    for back in range(4):
        booked(services[1], 20, here, back)
    assert shown(customer, here) == [
        ("Tap repair", "You booked this 3 times"),
        ("AC jet service", "People near you also booked this"),
    ]


def test_people_met_before_come_first_and_those_who_disappointed_never(services, anna, here, customer):
    good, bad = (factories.professional(name=name, services=services) for name in ("Chitra Bose", "Dilip Shah"))
    for one in (anna, bad):
        met(one, services[0], 9, here)
    idea(customer, services[0], Why.STARS, 5, 5.1, professional_id=good.id)
    idea(customer, services[0], Why.AVOID, 2, 0.0, professional_id=bad.id)
    assert people(customer, here) == [
        ("Chitra Bose", "You gave them 5 stars"),
        ("Anna Dsouza", "9 households in Bengaluru Urban booked them"),
    ]


def test_one_household_does_not_see_anothers_ideas(services, anna, here, customer, other_customer):
    idea(customer, services[0])
    assert shown(other_customer, here) == []


# -- Privacy --------------------------------------------------------------------------------------


def test_switching_off_deletes_what_was_worked_out(services, anna, here, customer):
    idea(customer, services[0])
    recommendations.switch(customer, on=False)
    recommendations.switch(customer, on=False)
    assert recommendations.is_off(customer)
    assert shown(customer, here) == []
    recommendations.switch(customer, on=True)
    assert not recommendations.is_off(customer)


def test_who_never_switched_off_has_nothing_to_switch_on(customer):
    recommendations.switch(customer, on=True)
    assert db.session.query(TasteChoice).count() == 0


def test_erasing_an_account_deletes_its_rows(services, anna, here, customer, admin):
    idea(customer, services[0])
    idea(customer, services[1], professional_id=anna.id)
    met(anna, services[0], 9, here)
    recommendations.switch(factories.customer(), on=False)
    users.anonymise(anna, admin, "Asked for it")
    assert [one.professional_id for one in db.session.query(Recommendation)] == [None]
    assert db.session.query(AreaProfessional).count() == 0
    users.anonymise(customer, admin, "Asked for it")
    assert db.session.query(Recommendation).count() == 0
    assert db.session.query(TasteChoice).count() == 1


# -- Cost -----------------------------------------------------------------------------------------


def test_it_is_read_in_one_query(services, anna, here, customer):
    for service in services:
        booked(service, 20, here)
        booked(service, 20)
        idea(customer, service)
        met(anna, service, 20, here)
    with count_queries() as seen:
        recommendations.suggestions(customer.id, here)
    assert seen.count == 1


def test_at_home_is_at_the_newest_address(services, anna, customer):
    pin = db.session.get_one(PinCode, factories.FAR_PIN)
    booked(services[0], 20, pin)
    there = factories.professional(services=[services[0]], pincode=pin.pincode)
    assert not recommendations.at_home(customer.id)
    factories.address(customer, pincode=pin.pincode)
    found = recommendations.at_home(customer.id)
    assert (found.pincode, [one.slug for one in found.services]) == (pin.pincode, [services[0].slug])
    assert there.professional.base_pincode == pin.pincode


def test_starting_the_site_does_not_load_what_only_the_job_needs():
    asks = "import sys, app, routes, jobs, domain.learning; print('numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, cwd=ROOT, check=True)
    assert answer.stdout.strip() == "False"
