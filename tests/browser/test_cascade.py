"""A request that its professional declines goes on to the second, who takes it; two other stories of people."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS
from tests.conftest import MONDAY
from tests.factories import CITY_PIN

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

FIRST, SECOND, CUSTOMER = "Ravi Kumar", "Sana Sheikh", "Meera Pillai"
SERVICE = "Tap repair"


@WAYS
def test_a_declined_request_goes_on_to_the_second(new_site, visit, width, javascript):
    site = new_site(people)
    first, second, customer = (visit(site, width=width, javascript=javascript) for _ in range(3))
    log_in(customer, "meera@example.com", factories.PASSWORD)
    log_in(first, "ravi@example.com", factories.PASSWORD)
    log_in(second, "sana@example.com", factories.PASSWORD)

    keep(customer)
    book(customer)
    decline(first, "I am at a wedding.")
    follow(customer)
    accept(second)
    agreed(customer)

    site.move_to(MONDAY + timedelta(minutes=20))
    give_back(second)
    other_times(customer)
    not_again(customer)


def people():
    service = factories.service(SERVICE)
    factories.professional(name=FIRST, email="ravi@example.com", services=[service])
    factories.professional(name=SECOND, email="sana@example.com", services=[service], pincode="560034")
    factories.customer(name=CUSTOMER, email="meera@example.com")


def keep(visitor):
    visitor.open(f"/search?q=tap&near={CITY_PIN}")
    heart = visitor.page.get_by_role("button", name=f"Favourite: {FIRST}")
    expect(heart).to_have_attribute("aria-pressed", "false")
    heart.click()
    expect(heart).to_have_attribute("aria-pressed", "true")
    visitor.look()
    visitor.open("/customer-dashboard")
    visitor.press("All your favourites")
    assert FIRST in visitor.text()
    assert "Next free today, 10:00" in visitor.text().replace("\u202f", " ")


def book(visitor):
    visitor.press(visitor.page.get_by_role("link", name=f"Book {FIRST}"))
    if not visitor.javascript:
        visitor.press("Show times")
    visitor.page.locator("label.slot", has_text=re.compile(r"^\s*2:30\spm")).click()
    visitor.page.get_by_label("Ask somebody else if they can’t come").check()
    visitor.press("Book this slot")
    assert f"{SERVICE} with {FIRST}" in visitor.text()
    assert "If they can’t come, we ask the next best for the same price." in visitor.text()


def decline(visitor, reason):
    visitor.open("/professional/requests")
    visitor.page.locator("summary", has_text="Decline").first.click()
    visitor.page.locator("textarea[name=reason]").first.fill(reason)
    visitor.press("Decline the request")


def follow(visitor):
    visitor.page.reload()
    visitor.look()
    text = visitor.text()
    assert f"{SERVICE} with {SECOND}" in text
    assert f"Declined by {FIRST}" in text
    assert "I am at a wedding." in text
    assert f"Asked {SECOND}" in text
    visitor.open("/notifications")
    assert f"{FIRST} could not take {SERVICE}" in visitor.text()


def accept(visitor):
    visitor.open("/professional/requests")
    assert "wedding" not in visitor.text()
    visitor.press("Accept")
    assert CUSTOMER in visitor.text()
    assert FIRST not in visitor.text()


def agreed(visitor):
    visitor.open("/customer-dashboard")
    visitor.press(SERVICE)
    assert visitor.page.locator(".start-code").is_visible()


def give_back(visitor):
    visitor.page.reload()
    visitor.page.locator("summary", has_text="Cancel this job").click()
    visitor.press("Cancel the job")


def other_times(visitor):
    """Everybody was asked: the customer takes another time, of any professional."""
    visitor.page.reload()
    visitor.look()
    text = visitor.text()
    assert f"{SECOND} had to cancel. You owe nothing." in text
    assert "Somebody near you is free at these times" in text
    first = visitor.page.locator("#other-times + ul a").first
    visitor.press(first)
    expect(visitor.page.locator("input[name=starts_at]:checked")).to_have_count(1)
    visitor.press("Book this slot")
    assert "We asked the best free professionals near you." in visitor.text()


def not_again(visitor):
    visitor.open("/bookings?show=past")
    visitor.press(visitor.page.locator("a.list-group-item", has_text=SERVICE))
    visitor.page.locator("summary", has_text="Don’t match us again").click()
    visitor.press(visitor.page.get_by_role("button", name="Don’t match us again"))
    assert f"You won’t be matched with {SECOND} again." in visitor.text()
    visitor.open(f"/search?q=tap&near={CITY_PIN}")
    assert SECOND not in visitor.text()
    assert FIRST in visitor.text()
    visitor.open("/blocked")
    visitor.press("Take it back")
    visitor.open(f"/search?q=tap&near={CITY_PIN}")
    assert SECOND in visitor.text()
