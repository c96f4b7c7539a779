"""Somebody's own data: a copy of it, what they agreed to, and the end of their account and the way back from it."""

import pytest

from tests import factories
from tests.browser.conftest import log_in

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

SIZES = pytest.mark.parametrize("width", [390, 1280])
SCRIPTS = pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])


def people():
    factories.customer(name="Asha Rao", email="asha@example.com")


@SCRIPTS
@SIZES
def test_a_customer_sees_copies_leaves_and_comes_back(new_site, visit, width, javascript):
    visitor = visit(new_site(people), width=width, javascript=javascript)
    visitor.open("/privacy")
    assert "For how long" in visitor.text()
    visitor.open("/terms")
    visitor.open("/signup")
    log_in(visitor, "asha@example.com", factories.PASSWORD)
    visitor.open("/account/security")
    visitor.press(visitor.page.locator("main").get_by_role("link", name="Your data"))
    visitor.press("Make a copy")
    assert "Being made" in visitor.text()
    visitor.press(visitor.page.get_by_role("button", name="Switch off: Suggestions from your own bookings"))
    assert "Switch on" in visitor.text()
    visitor.press("Erase my account")
    with visitor.expecting(422):
        visitor.fill(words="yes", password=factories.PASSWORD)
        visitor.press("Erase my account")
    assert "Write “erase my account” to confirm." in visitor.text()
    visitor.fill(words="erase my account", password=factories.PASSWORD)
    visitor.press("Erase my account")
    assert "will be erased" in visitor.text()
    log_in(visitor, "asha@example.com", factories.PASSWORD)
    assert "Your account is going to be erased" in visitor.text()
    visitor.press("Keep my account")
    assert "Nothing was erased" in visitor.text()
