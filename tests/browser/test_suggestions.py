"""Suggestions: what a stranger sees for a PIN code, what a customer sees everywhere, and the switch."""

from datetime import timedelta

import pytest
from flask import current_app

import jobs
from domain import clock, timetable
from models import Status
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

SERVICES = "Tap repair", "AC jet service", "Refrigerator cleaning", "Sofa shampooing (3 seats)", "Tube light fitting"


def cast():
    """Meera has her taps looked after each quarter; seven neighbours book much the same of Ravi and Anna."""
    services = [factories.service(name) for name in SERVICES]
    ravi = factories.professional(name="Ravi Kumar", services=services, rank=4.6, rating_sum=46, rating_count=10)
    anna = factories.professional(name="Anna Dsouza", services=services[:2], rank=4.8, rating_sum=96, rating_count=20)
    meera = factories.customer(name="Meera Pillai", email="meera@example.com")
    for days in (90, 180, 270):
        closed(meera, ravi, services[0], days)
    factories.review(closed(meera, anna, services[1], 40), rating=5)
    for number in range(7):
        neighbour = factories.customer()
        for service in services[: 2 + number % 4]:
            closed(neighbour, anna if service in services[:2] else ravi, service, 20 + number)
    jobs.run(current_app._get_current_object(), timetable.find("suggestions"), clock.today().isoformat())


def closed(customer, professional, service, days):
    then = clock.now() - timedelta(days=days)
    moments = {"starts_at": then, "created_at": then, "completed_at": then, "closed_at": then}
    return factories.booking(customer, professional, service=service, status=Status.CLOSED, **moments)


@WAYS
def test_everybody_is_shown_what_fits_and_why(new_site, visit, width, javascript):
    site = new_site(cast)
    stranger, meera = (visit(site, width=width, javascript=javascript, axe=True) for _ in range(2))
    stranger.open("/")
    assert "Popular now" in stranger.text()
    stranger.fill(where=factories.CITY_PIN)
    stranger.press("Show what is popular there")
    for words in ("Popular near", "Popular in Bengaluru Urban", "7 households in Bengaluru Urban booked them"):
        assert words in stranger.text()

    log_in(meera, "meera@example.com", factories.PASSWORD)
    meera.open("/")
    meera.open("/customer-dashboard")
    for words in ("Suggested for you", "You book this every 3 months", "You gave them 5 stars"):
        assert words in meera.text()
    meera.press("All suggestions, and where they come from")
    meera.open("/bookings/4")
    assert "What you may need next" in meera.text()
    meera.open("/reports/2026-10")
    assert "What you may need next" in meera.text()
    meera.open("/profile")
    meera.press("Suggestions from my bookings")
    meera.press("No recommendations from my bookings")
    assert "Your bookings are not used now." in meera.text()
    assert "You book this" not in meera.text()
    meera.press("Use my bookings again")
    assert "appear after the next night" in meera.text()
