"""Lines that break: the server restarts, the network is cut, windows sleep, and nothing is lost by it."""

import re
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import log_in
from tests.browser.wires import Wire
from tests.listening import Person

pytestmark = [pytest.mark.browser, pytest.mark.realtime]

SECOND = 1000
CUSTOMER, PROFESSIONAL = "meera@example.com", "ravi@example.com"
LOST = "Updates by themselves have paused"
BOOKINGS = 4


def people():
    customer = factories.customer(email=CUSTOMER)
    professional = factories.professional(email=PROFESSIONAL, services=[factories.service()])
    for day in range(1, BOOKINGS + 1):
        factories.booking(customer, professional, starts_at=factories.at(11, days=day))


@pytest.fixture
def scene(new_site, visit):
    """The customer looks at a booking, through a wire that can be cut; scene.change(number) is something
    that the professional does elsewhere, and that the customer must see."""
    site = new_site(people)
    wire = Wire(site.address)
    customer = visit(SimpleNamespace(address=wire.address))
    log_in(customer, CUSTOMER, factories.PASSWORD)
    customer.open("/bookings/1")
    begin_to_watch(customer.page)
    professional = Person(PROFESSIONAL, factories.PASSWORD).log_in(site.address)

    def change(number):
        professional.post(site.address, f"/professional/jobs/{number}/accept")

    yield SimpleNamespace(site=site, wire=wire, customer=customer, professional=professional, change=change)
    wire.close()


# Toasts go by themselves, so what came is noted.
NOTE_TOASTS = """() => {
  window.toasts = [];
  const note = (node) => { if (node.matches?.("[data-toast]")) window.toasts.push(node.querySelector("p").innerText); };
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach(note)))
    .observe(document.getElementById("toasts"), { childList: true });
}"""


def begin_to_watch(page):
    page.evaluate(NOTE_TOASTS)
    page.evaluate("() => { window.here = true }")


def sees(scene, number):
    """The customer's page shows by itself that so many were accepted, each once and in their order."""
    page = scene.customer.page
    expect(page.locator(".bell .count")).to_have_text(str(number))
    page.wait_for_function("(number) => window.toasts.length >= number", arg=number)
    toasts = page.evaluate("() => window.toasts")
    assert len(toasts) == number, toasts
    days = [int(re.search(r"\b2[4-9]\b", text)[0]) for text in toasts]
    assert days == sorted(days), toasts
    assert page.evaluate("() => window.here")


def restart(site):
    """As ever, time has gone on meanwhile; if it had not, the new server would give out the stamps of the old one."""
    site.stop()
    site.move_on(timedelta(seconds=1))
    site.start()


def quiet_line(scene):
    return scene.customer.page.locator("#live-line")


def test_a_server_that_restarts_loses_nothing_and_doubles_nothing(scene):
    scene.change(1)
    sees(scene, 1)
    expect(scene.customer.page.locator("#booking")).to_contain_text("Start code")
    restart(scene.site)
    scene.change(2)
    sees(scene, 2)
    scene.change(3)
    restart(scene.site)
    sees(scene, 3)
    scene.change(4)
    sees(scene, 4)
    expect(quiet_line(scene)).to_be_empty()


def test_a_network_that_is_cut_for_half_a_minute_is_made_up_for(scene):
    scene.change(1)
    sees(scene, 1)
    scene.wire.cut()
    began = time.monotonic()
    expect(quiet_line(scene)).to_contain_text(LOST)
    assert time.monotonic() - began < 20
    scene.change(2)
    scene.change(3)
    scene.customer.page.wait_for_timeout(max(0.0, 30 - (time.monotonic() - began)) * SECOND)
    assert scene.customer.page.evaluate("() => window.toasts.length") == 1
    scene.wire.mend()
    expect(quiet_line(scene)).to_be_empty()
    sees(scene, 3)


def test_a_conversation_goes_on_through_a_restart_and_a_cut_network(scene):
    """Every word comes once and in its order."""
    scene.change(1)
    scene.customer.open("/conversations/1")
    said = []

    def say():
        said.append(f"Word {len(said) + 1}")
        scene.professional.post(scene.site.address, "/conversations/1", f"text={said[-1]}&key=key-{len(said)}")

    say()
    shows(scene, said)
    say()
    restart(scene.site)
    say()
    say()
    shows(scene, said)
    before = [*said]
    scene.wire.cut()
    say()
    say()
    scene.customer.page.wait_for_timeout(30 * SECOND)
    shows(scene, before)
    scene.wire.mend()
    shows(scene, said)


def shows(scene, said):
    expect(scene.customer.page.locator("#messages li p")).to_have_text(said)


def test_a_phone_that_is_offline_says_so_and_catches_up(scene):
    context = scene.customer.page.context
    context.set_offline(True)
    expect(quiet_line(scene)).to_contain_text(LOST)
    scene.change(1)
    context.set_offline(False)
    expect(quiet_line(scene)).to_be_empty()
    sees(scene, 1)


def test_more_windows_than_a_browser_has_connections_still_load_pages(scene):
    windows = [scene.customer.page.context.new_page() for _ in range(8)]
    for window in windows:
        window.goto("/bookings/1")
    expect(windows[-1].locator("#live-line")).to_contain_text(LOST)
    scene.change(1)
    for window in windows:
        expect(window.locator("#booking")).to_contain_text("Start code")
    # A window that has no line gets that of one which is closed.
    for window in windows[:-1]:
        window.close()
    expect(windows[-1].locator("#live-line")).to_be_empty()


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
LINES = "async () => (await navigator.locks.query()).held.length"


def test_a_window_in_the_background_gives_its_line_back_and_catches_up(scene):
    page = scene.customer.page
    page.clock.install()
    page.reload()
    begin_to_watch(page)
    assert page.evaluate(LINES) == 1
    page.evaluate(HIDE, True)
    page.clock.run_for(59 * SECOND)
    assert page.evaluate(LINES) == 1
    page.clock.run_for(2 * SECOND)
    assert page.evaluate(LINES) == 0
    scene.change(1)
    page.evaluate(HIDE, False)
    sees(scene, 1)


def test_a_line_that_was_cut_without_a_word_is_noticed(scene):
    page = scene.customer.page
    page.clock.install()
    page.reload()
    begin_to_watch(page)
    page.wait_for_timeout(SECOND)
    scene.wire.go_silent()
    page.clock.run_for(41 * SECOND)
    page.clock.run_for(4 * SECOND)
    expect(quiet_line(scene)).to_contain_text(LOST)
    scene.change(1)
    scene.wire.mend()
    sees(scene, 1)
    expect(quiet_line(scene)).to_be_empty()


def test_who_is_logged_out_elsewhere_is_told_and_the_page_stays(scene):
    there = Person(CUSTOMER, factories.PASSWORD).log_in(scene.site.address)
    there.post(scene.site.address, "/account/security/sessions")
    expect(quiet_line(scene)).to_contain_text("You are logged out here")
    assert scene.customer.page.evaluate("() => window.here")
