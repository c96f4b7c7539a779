"""A series of four with one clash: planned, booked without it, accepted together, cancelled from one visit on."""

import pytest

from models import Status
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]


def cast():
    """Somebody else has the third Tuesday at 11:00."""
    service = factories.service(name="Weekly cleaning", duration_minutes=60)
    factories.customer(name="Meera Pillai", email="meera@example.com")
    professional = factories.professional(name="Ravi Kumar", email="ravi@example.com", services=[service])
    factories.booking(
        factories.customer(), professional, service=service, starts_at=factories.at(11, days=15), status=Status.ACCEPTED
    )


@WAYS
def test_a_series_of_four_with_one_clash(new_site, visit, width, javascript):
    site = new_site(cast)
    customer, professional = (visit(site, width=width, javascript=javascript) for _ in range(2))
    log_in(customer, "meera@example.com", factories.PASSWORD)
    log_in(professional, "ravi@example.com", factories.PASSWORD)

    customer.open("/search?q=Weekly+cleaning&near=560001")
    customer.press("Ravi Kumar")
    customer.press(customer.page.locator("a[href*='day=2026-11-24']").first)
    customer.press("11:00 am")
    customer.page.locator("summary", has_text="Repeat this visit").click()
    customer.look()
    customer.press("Check the dates")
    plan = customer.text()
    assert "Tuesday 24 November, 11:00 am" in plan
    assert "The professional is not free then." in plan
    times = customer.page.locator("input[name=chosen]")
    assert [times.nth(n).is_checked() for n in range(4)] == [True, True, False, True]
    assert times.nth(2).is_disabled()
    customer.press("Book these visits")
    assert "Requested. The professional answers for all visits." in customer.text()
    assert customer.page.locator("main a[href^='/bookings/']").count() == 3

    professional.open("/professional/requests")
    professional.press(professional.page.locator("main a[href^='/professional/jobs/']").first)
    professional.press("Part of a series: answer all visits together")
    professional.press("Accept all visits")
    assert "3 visits are accepted." in professional.text()

    customer.press(customer.page.locator("main a[href^='/bookings/']", has_text="DS-").nth(1))
    customer.press("Cancel from here on")
    assert "Cancel 2 visits?" in customer.text()
    customer.press("Cancel these visits")
    assert "2 visits are cancelled." in customer.text()
