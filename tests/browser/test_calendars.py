"""The pages of calendars as people see them, on a phone and on a desk, with and without scripts."""

import pytest

from domain import clock, feeds, outside_calendars
from extensions import db
from models import TimeOff
from tests import factories
from tests.browser.conftest import log_in

pytestmark = pytest.mark.browser


def people():
    customer = factories.customer(name="Asha Rao", email="asha@example.com")
    professional = factories.professional(name="Dev Menon", email="dev@example.com")
    feeds.renew(customer, by=customer)
    add = outside_calendars.add
    family = add(professional.professional, professional, "Family", "https://example.com/family.ics")
    work = add(professional.professional, professional, "Old work", "https://example.com/work.ics")
    outside_calendars.claim("mine", 2)
    outside_calendars.replace(family.id, "mine", [])
    outside_calendars.fail(work.id, "mine", "gone")
    busy = {"starts_at": factories.at(10, days=1), "ends_at": factories.at(12, days=1)}
    db.session.add(TimeOff(professional_id=professional.id, calendar_id=family.id, **busy))
    assert clock.now() < busy["starts_at"]
    db.session.commit()


@pytest.mark.parametrize(("width", "javascript"), [(390, True), (1280, True), (390, False)])
def test_a_customer_copies_renews_and_ends_the_address(new_site, visit, width, javascript):
    visitor = visit(new_site(people), width=width, javascript=javascript)
    log_in(visitor, "asha@example.com", factories.PASSWORD)
    visitor.open("/profile")
    visitor.press(visitor.page.locator("main").get_by_role("link", name="Calendar"))
    field = visitor.page.get_by_label("Address", exact=True)
    first = field.input_value()
    assert first.endswith(".ics")
    assert visitor.page.get_by_role("button", name="Copy").is_visible() == javascript
    visitor.page.get_by_text("Make a new address").click()
    visitor.press("Make it new")
    assert field.input_value() != first
    visitor.page.get_by_text("Switch it off").first.click()
    visitor.press(visitor.page.get_by_role("button", name="Switch it off"))
    visitor.press("Make the address")


def test_copying_puts_the_address_where_it_can_be_pasted(new_site, visit):
    visitor = visit(new_site(people))
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    log_in(visitor, "asha@example.com", factories.PASSWORD)
    visitor.open("/account/calendar")
    visitor.page.get_by_role("button", name="Copy").click()
    visitor.page.get_by_role("button", name="Copied").wait_for()
    pasted = visitor.page.evaluate("navigator.clipboard.readText()")
    assert pasted == visitor.page.get_by_label("Address", exact=True).input_value()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_professional_adds_and_removes_a_calendar(new_site, visit, width):
    visitor = visit(new_site(people), width=width)
    log_in(visitor, "dev@example.com", factories.PASSWORD)
    visitor.open("/professional/calendar")
    assert "Busy in another calendar" in visitor.text()
    visitor.open("/professional/hours")
    visitor.press(visitor.page.locator("main").get_by_role("link", name="Other calendars"))
    assert "There is no calendar at this address any more" in visitor.text()
    visitor.fill(name="Team", url="not an address")
    with visitor.expecting(422):
        visitor.press("Add the calendar")
    visitor.fill(url="webcal://example.com/team.ics")
    visitor.press("Add the calendar")
    card = visitor.page.get_by_role("region", name="Team")
    card.get_by_text("Remove", exact=True).click()
    visitor.press(card.get_by_role("button", name="Remove it"))
    assert "Team" not in visitor.text()
