"""A booking finds its time: the customer proposes, the professional proposes back, the customer agrees."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from models import Status
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS
from tests.conftest import MONDAY

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

PROFESSIONAL, CUSTOMER = "Ravi Kumar", "Meera Pillai"


def cast():
    """A job agreed for tomorrow, Tuesday, at 11:00, and somebody else's at 14:00."""
    customer = factories.customer(name=CUSTOMER, email="meera@example.com")
    professional = factories.professional(name=PROFESSIONAL, email="ravi@example.com")
    factories.booking(customer, professional, status=Status.ACCEPTED)
    factories.booking(factories.customer(), professional, starts_at=factories.at(14, days=1), status=Status.ACCEPTED)


@WAYS
def test_a_counter_proposal_is_agreed(new_site, visit, width, javascript):
    site = new_site(cast)
    customer, professional = (visit(site, width=width, javascript=javascript) for _ in range(2))
    log_in(customer, "meera@example.com", factories.PASSWORD)
    log_in(professional, "ravi@example.com", factories.PASSWORD)

    open_booking(customer)
    propose(customer, "12:30 pm", "I am held up at work.")
    assert "You proposed another time" in customer.text()
    assert "1 more" not in customer.text()

    site.move_to(MONDAY + timedelta(hours=1))
    find_wish(professional)
    propose(professional, "4:00 pm", "At half past twelve I am at another door.")
    assert "You proposed another time" in professional.text()

    customer.open("/customer-dashboard")
    assert "Another time is proposed" in customer.text()
    assert "Tomorrow, 4:00 pm is proposed: waits for your answer" in customer.text()
    stale = visit(site, width=width, javascript=javascript, state=customer.state())
    open_booking(stale)
    open_booking(customer)
    assert_both_times(customer)
    customer.press("Agree to the new time")
    assert "Tuesday 24 November, 4:00 pm – 5:15 pm" in customer.text()
    assert "Agreed. This is the time of your booking now." in customer.text()

    if javascript:
        # A window that is open learns of it by itself.
        expect(stale.page.locator("main")).to_contain_text("Tuesday 24 November, 4:00 pm – 5:15 pm")
        expect(stale.named("Agree to the new time")).to_have_count(0)
    else:
        with stale.expecting(409):
            stale.press("Agree to the new time")
        assert "There is no other time to answer." in stale.text()
    assert "proposes another time" not in stale.text()

    professional.open("/notifications")
    assert f"{CUSTOMER} agreed to the new time" in professional.text()
    professional.open("/professional-dashboard")
    professional.press(professional.page.locator("tr", has_text=CUSTOMER).get_by_role("link").first)
    decline_the_next(customer, professional)


def open_booking(visitor):
    visitor.open("/customer-dashboard")
    visitor.press(visitor.page.locator("main a[href^='/bookings/']").first)


def propose(visitor, start, note):
    """Choose a time of tomorrow among the free ones, and say why."""
    visitor.press("Propose another time")
    assert "2:00 pm taken" in slots(visitor).inner_text().replace("\u202f", " ").replace("\n", " ")
    if visitor.javascript:
        other_day = visitor.page.locator("label.day").nth(2)
        other_day.click()
        expect(slots(visitor).locator("h3")).to_have_text("Wednesday 25 November")
        visitor.page.locator("label.day").nth(1).click()
        expect(slots(visitor).locator("h3")).to_have_text("Tuesday 24 November")
    slots(visitor).locator("label.slot", has_text=start).click()
    if visitor.javascript:
        expect(visitor.page.locator("#summary")).to_contain_text(f"Tuesday 24 November, {start}")
    visitor.fill(note=note)
    visitor.press("Propose this time")


def slots(visitor):
    return visitor.page.locator("#slots")


def find_wish(visitor):
    visitor.open("/professional-dashboard")
    assert f"{CUSTOMER} would like tomorrow, 12:30 pm" in visitor.text()
    visitor.open("/professional/requests")
    assert "Customers who would like another time" in visitor.text()
    visitor.press(visitor.page.get_by_role("link", name="Answer"))
    assert "I am held up at work." in visitor.text()


def assert_both_times(visitor):
    card = visitor.page.locator("#other-time")
    assert "Tuesday 24 November\n11:00 am – 12:15 pm" in card.inner_text()
    assert "Tuesday 24 November\n4:00 pm – 5:15 pm" in card.inner_text()
    assert "Answer by today, 10:00 pm." in card.inner_text()
    now, new = (card.locator(".two-times > div").nth(n).bounding_box() for n in (0, 1))
    assert (now["y"] == new["y"]) == (visitor.page.viewport_size["width"] > 600)


def decline_the_next(customer, professional):
    """There is one more change; this one is declined with a word."""
    professional.press("Propose another time")
    slots(professional).locator("label.slot", has_text="11:00 am").click()
    professional.press("Propose this time")
    open_booking(customer)
    assert "1 more change of time is possible." in customer.text()
    customer.page.locator("summary", has_text="Decline the new time").click()
    customer.look()
    customer.page.locator("#decline-note").fill("Now I have planned my day.")
    customer.press("Decline")
    assert "Declined. The time stays as it was" in customer.text()
    professional.page.reload()
    professional.look()
    assert "Now I have planned my day." in professional.text()
    assert "Propose another time" in professional.text()
