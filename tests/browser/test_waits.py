"""A full day: two customers wait in line, a visit is cancelled, and the first has the time that frees."""

from datetime import timedelta

import pytest

from models import Status
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS
from tests.conftest import MONDAY

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

SERVICE, DAY = "Weekly cleaning", "2026-11-24"


def cast():
    """Ravi works for an hour a day, and Meera has the one of tomorrow."""
    service = factories.service(name=SERVICE, duration_minutes=60)
    professional = factories.professional(name="Ravi Kumar", services=[service], hours=((9 * 60, 10 * 60),))
    meera, *_others = (
        factories.customer(name=f"{name} Pillai", email=f"{name.lower()}@example.com")
        for name in ("Meera", "Leela", "Nisha")
    )
    factories.booking(
        meera, professional, service=service, starts_at=factories.at(9, days=1), status=Status.ACCEPTED
    )


@WAYS
def test_a_time_that_frees_goes_to_the_first_in_line(new_site, visit, width, javascript):
    site = new_site(cast)
    meera, leela, nisha = (visit(site, width=width, javascript=javascript) for _ in range(3))
    log_in(meera, "meera@example.com", factories.PASSWORD)
    for name, visitor in (("leela", leela), ("nisha", nisha)):
        log_in(visitor, f"{name}@example.com", factories.PASSWORD)
        wait_for_tomorrow(visitor)

    meera.open("/bookings/1")
    meera.press("Cancel booking")
    meera.press("Cancel the booking")

    leela.open("/waits")
    assert "Tuesday 24 November, 9:00 am is held for you until 9:15 am." in leela.text()
    nisha.open("/waits")
    assert "is held for you" not in nisha.text()

    site.move_to(MONDAY + timedelta(minutes=5))
    leela.press("Book it now")
    leela.press("Book this slot")
    assert "Pending" in leela.text()
    leela.open("/waits")
    assert "You wait for nothing" in leela.text()
    nisha.press(nisha.named("Stop waiting"))
    assert "You wait for nothing" in nisha.text()


def wait_for_tomorrow(visitor):
    visitor.open(f"/search?q={SERVICE}&near={factories.CITY_PIN}")
    visitor.press("Ravi Kumar")
    visitor.press(visitor.page.locator(f"a[href*='day={DAY}']").first)
    visitor.press("Tell me when a time frees")
    assert "is full." in visitor.text()
    visitor.press("Tell me when a time frees")
    assert "We tell you when a time on Tuesday" in visitor.text()
