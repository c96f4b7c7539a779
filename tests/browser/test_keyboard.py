"""With the keyboard alone: where the focus is can always be seen, and a booking can be made."""

import pytest
from playwright.sync_api import expect

from tests import factories

pytestmark = [pytest.mark.browser, pytest.mark.realtime]

MOST_TABS = 80
# Whether the focused element, or the label around it, is drawn as focused and not hidden by another.
FOCUS_FAULT = """async () => {
  // Under reduced motion a change of place still takes a frame.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const one = document.activeElement;
  if (one === document.body) return null;
  const drawn = [one, one.closest("label"), one.closest(".card")].some((shown) => {
    const style = shown && getComputedStyle(shown);
    return style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  });
  if (!drawn) return `the focus on ${one.outerHTML.slice(0, 150)} cannot be seen`;
  const box = (one.closest("label") || one).getBoundingClientRect();
  const points = [0.1, 0.5, 0.9].map((part) => [box.left + box.width * part, box.top + box.height / 2]);
  const open = points.some(([x, y]) => {
    const top = document.elementFromPoint(x, y);
    return top && (top.contains(one) || one.contains(top) || top.closest("label")?.contains(one));
  });
  return open ? null : `${one.outerHTML.slice(0, 150)} has the focus and is hidden`;
}"""


@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.soak), 1280])
def test_a_booking_is_made_with_the_keyboard_alone(new_site, visit, width):
    visitor = visit(new_site(people), width=width)
    keys = visitor.page.keyboard
    visitor.open("/login")
    tab_to(visitor, "main [name=email]")
    keys.type("asha@example.com")
    tab_to(visitor, "main [name=password]")
    keys.type(factories.PASSWORD)
    with visitor.following():
        keys.press("Enter")

    tab_to(visitor, "main a.btn[href='/search']")
    with visitor.following():
        keys.press("Enter")
    tab_to(visitor, "#q")
    keys.type("bathroom deep cleaning")
    tab_to(visitor, "#near")
    keys.type(factories.CITY_PIN)
    keys.press("Enter")
    expect(visitor.page.locator("h2 a", has_text="Dev Menon")).to_be_visible()
    visitor.look()

    tab_to(visitor, "h2 a[href*='/professionals/']")
    with visitor.following():
        keys.press("Enter")
    tab_to(visitor, "a.slot >> nth=0")
    with visitor.following():
        keys.press("Enter")
    tab_to(visitor, "input[name=starts_at]:checked")
    keys.press("ArrowRight")
    expect(visitor.page.locator("#summary")).to_contain_text("10:30 am")
    tab_to(visitor, "textarea[name=remarks]")
    keys.type("Ring twice.")
    tab_to(visitor, "button:has-text('Book this slot')")
    with visitor.following():
        keys.press("Space")
    assert "Your reference is" in visitor.text()
    assert "Ring twice." in visitor.text()


def test_the_first_tab_leads_past_the_navigation(town, visit):
    visitor = visit(town)
    visitor.open("/")
    visitor.page.keyboard.press("Tab")
    expect(visitor.page.locator(".skip-link")).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("#main")).to_be_focused()


def test_the_menu_opens_and_closes_with_the_keyboard(town, visit, states):
    visitor = visit(town, width=390, state=states("professional"))
    visitor.open("/professional-dashboard")
    tab_to(visitor, ".bottom-bar summary")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator(".bottom-bar").get_by_role("link", name="Working hours")).to_be_visible()
    visitor.look()
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.locator(".bottom-bar").get_by_role("link", name="Working hours")).to_be_hidden()
    expect(visitor.page.locator(".bottom-bar summary")).to_be_focused()


def people():
    factories.customer(email="asha@example.com")
    factories.professional(name="Dev Menon")


def tab_to(visitor, selector):
    """Press Tab until this has the focus; at every stop the focus must be seen."""
    wanted = visitor.page.locator(selector)
    for _ in range(MOST_TABS):
        visitor.page.keyboard.press("Tab")
        fault = visitor.page.evaluate(FOCUS_FAULT)
        assert not fault, f"{visitor.page.url} at {visitor.name}: {fault}"
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{selector} cannot be reached with Tab on {visitor.page.url}")
