"""What people see when something is in the way: error pages and refused forms, as sound as any other page."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.realtime]


@pytest.fixture(params=[390, 1280])
def come(town, visit, states, request):
    """come(role) is somebody's browser, on a phone and on a desk."""
    return lambda role="anonymous": visit(town, width=request.param, state=states(role))


def test_an_unknown_page_leads_home(come):
    visitor = come()
    with visitor.expecting(404):
        visitor.open("/nowhere")
    visitor.press("Go to the home page")


def test_somebody_elses_booking_is_an_unknown_page(come):
    visitor = come("customer")
    with visitor.expecting(404):
        visitor.open("/bookings/999999")


def test_a_page_of_another_role_is_not_open(come):
    visitor = come("customer")
    with visitor.expecting(403):
        visitor.open("/admin-dashboard")


def test_a_page_that_only_takes_forms_says_so(come):
    visitor = come()
    with visitor.expecting(405):
        visitor.open("/language")


def test_a_form_that_lost_its_session_says_so(come):
    visitor = come()
    visitor.open("/login")
    visitor.page.context.clear_cookies()
    with visitor.expecting(400):
        visitor.press(visitor.page.locator("main").get_by_role("button", name="Log in"))


def test_a_verb_that_comes_too_late_shows_the_booking_as_it_is(come):
    visitor = come("customer")
    visitor.open("/bookings?show=past")
    over = visitor.page.locator("a.list-group-item", has_text="Closed").first.get_attribute("href")
    with visitor.expecting(409):
        visitor.open(f"{over}/cancel")
    assert "Booking DS-" in visitor.text()


@pytest.mark.parametrize("path, button", [("/signup", "Sign up"), ("/signup/professional", "Join")])
def test_an_empty_form_says_what_is_missing_and_keeps_the_rest(come, path, button):
    visitor = come()
    visitor.open(path)
    visitor.fill(phone="98450 12345")
    with visitor.expecting(422):
        visitor.press(button)
    assert visitor.page.locator(".error-summary a").count() >= 3
    assert visitor.page.locator(".error-summary").evaluate("(box) => box === document.activeElement")
    assert visitor.page.locator("main [name=phone]").input_value() == "98450 12345"


def test_a_wrong_password_says_so(come):
    visitor = come()
    visitor.open("/login")
    visitor.fill(email="customer@example.com", password="not the one")
    visitor.press(visitor.page.locator("main").get_by_role("button", name="Log in"))
    assert "do not belong together" in visitor.text()


def test_a_search_that_cannot_be_read_says_what_to_change(come):
    visitor = come()
    with visitor.expecting(422):
        visitor.open("/search?q=tap&near=nowhere+at+all&price=cheap")
    assert visitor.page.locator(".error-summary li").count() == 2


def test_nothing_found_says_what_to_do(come):
    visitor = come()
    visitor.open("/search?q=tap&near=781001")
    assert "Nobody offers this" in visitor.text()
