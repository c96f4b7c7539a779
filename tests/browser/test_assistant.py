"""From a question to the page where a booking is confirmed: on a phone without scripts, and in the panel on a desk."""

import re

import pytest

from extensions import db
from tests import factories
from tests.browser.test_payments import come
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]


def a_town():
    factories.admin(name="Gita Iyer", email="gita@example.com")
    factories.customer(name="Asha Rao", email="asha@example.com")
    factories.professional(name="Dev Menon", email="dev@example.com", hours=((0, 24 * 60),))
    db.session.commit()


@WAYS
def test_from_a_question_to_the_page_of_the_booking(new_site, visit, width, javascript):
    site = new_site(a_town)
    looks = {"width": width, "javascript": javascript, "axe": True}
    customer, admin = (come(visit, site, name, **looks) for name in ("asha", "gita"))
    customer.open("/help")
    customer.open("/help/cancelling")
    customer.open("/")
    page = customer.page
    if javascript:
        page.locator(".ask-open").click()
        page.locator("#assistant-question").wait_for()
    else:
        customer.press(page.locator(".ask-open"))

    def say(text, expected):
        page.locator("#assistant-question").fill(text)
        part = page.locator(".assistant-ask").get_by_role("button", name="Ask")
        if javascript:
            part.click()
            page.locator(".said", has_text=expected).last.wait_for()
        else:
            customer.press(part)
            assert expected in customer.text()

    say("how do i cancel my booking", "late fee of ₹100")
    say("booking cancel kaise kare", "विलंब शुल्क")
    say("who won the cricket match", "I do not guess")
    say("I need bathroom deep cleaning", "Which of these do you need?")

    def choose(button, expected):
        part = page.locator(".said").get_by_role("button", name=button).last
        if javascript:
            part.click()
            page.locator(".said", has_text=expected).last.wait_for()
        else:
            customer.press(part)
            assert expected in customer.text()

    choose(re.compile("^Bathroom deep cleaning"), "Where?")
    choose(factories.CITY_PIN, "When?")
    say("tomorrow", "Free then")
    link = page.locator(".said").get_by_role("link", name=re.compile("^Dev Menon")).last
    customer.press(link)
    assert "Book this slot" in page.content()
    assert "Dev Menon" in customer.text()
    admin.open("/admin/questions")
    assert "who won the cricket match" in admin.text()
    admin.press(admin.page.get_by_role("main").get_by_role("button", name="Answered"))
    assert "No open questions" in admin.text()
