"""What changes in front of people: two browsers that look at the same thing."""

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import log_in

pytestmark = [pytest.mark.browser, pytest.mark.realtime]

SECOND = 1000
CUSTOMER, PROFESSIONAL = "meera@example.com", "ravi@example.com"


def people():
    customer = factories.customer(email=CUSTOMER)
    professional = factories.professional(email=PROFESSIONAL, services=[factories.service()])
    factories.booking(customer, professional)


@pytest.fixture
def pair(new_site, visit):
    """The customer and the professional of a request, each in their own browser."""
    site = new_site(people)
    customer, professional = visit(site, width=390), visit(site)
    log_in(customer, CUSTOMER, factories.PASSWORD)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    return customer, professional


def test_a_booking_changes_in_front_of_the_customer(pair):
    customer, professional = pair
    customer.open("/bookings/1")
    customer.page.locator("body").evaluate("() => { window.here = true }")
    professional.open("/professional/requests")
    professional.press("Accept")
    expect(customer.page.locator("#booking")).to_contain_text("Start code", timeout=SECOND)
    assert customer.page.evaluate("() => window.here")
    expect(customer.page.locator("#toasts")).to_contain_text("accepted", timeout=SECOND)
    customer.look()
