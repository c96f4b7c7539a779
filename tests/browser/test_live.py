"""What changes in front of people: several browsers that look at the same thing."""

import re
import statistics
import sys
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import log_in
from tests.conftest import MONDAY

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

SECOND = 1000
CUSTOMER, OTHER, PROFESSIONAL, ADMIN = (f"{name}@example.com" for name in ("meera", "leela", "ravi", "asha"))
DAY = "2026-11-24"
NINE, TWO, HALF_PAST_FOUR = (f"{DAY}T{time}:00+00:00" for time in ("03:30", "08:30", "11:00"))
EVENTS = 20

# In a page: post a form to an address, and answer when it was answered, as done.
POST = """async ([address, fields]) => {
  const csrf_token = document.querySelector('meta[name="csrf-token"]').content;
  const body = new URLSearchParams({csrf_token, ...fields});
  const answer = await fetch(address, {method: "POST", body, redirect: "manual"});
  if (answer.type !== "opaqueredirect") throw new Error(`${address} was answered ${answer.status}`);
  return Date.now();
}"""
# In a page: the moment at which something is on it.
WHEN_SHOWN = """([selector, text]) => {
  const main = document.querySelector("main");
  const there = () => [...main.querySelectorAll(selector)].some((one) => one.textContent.includes(text));
  window.shown = new Promise((found) => {
    const look = () => { if (there()) found(Date.now()); };
    new MutationObserver(look).observe(main, {subtree: true, childList: true, characterData: true, attributes: true});
    look();
  });
}"""
# Whether it is still the page that was marked, what has the focus, where in the window that is, and the caret.
MARK = "() => { window.here = true }"
PLACE = """async () => {
  for (let frames = 0; frames < 3; frames++) await new Promise(requestAnimationFrame);
  const focused = document.activeElement;
  return {
    here: window.here,
    focus: focused.name || focused.id,
    top: focused.getBoundingClientRect().top,
    text: focused.value,
    caret: focused.selectionStart,
  };
}"""


def people():
    service = factories.service()
    customer = factories.customer(name="Meera Nair", email=CUSTOMER)
    factories.customer(name="Leela Pillai", email=OTHER)
    professional = factories.professional(name="Ravi Kumar", email=PROFESSIONAL, services=[service])
    factories.admin(name="Asha Rao", email=ADMIN)
    factories.booking(customer, professional)


@pytest.fixture
def site(new_site):
    return new_site(people)


@pytest.fixture
def come(site, visit):
    """come(email) is the browser of somebody who is logged in; come() that of somebody who is not."""

    def who(email=None, **looks):
        visitor = visit(site, **looks)
        if email:
            log_in(visitor, email, factories.PASSWORD)
        return visitor

    return who


def post(visitor, address, **fields):
    return visitor.page.evaluate(POST, [address, fields])


def request_slot(visitor, starts_at, key):
    """Book a time of Ravi's behind the page that is open."""
    fields = {"professional_id": "3", "service_id": "1", "address_id": "2", "starts_at": starts_at, "key": key}
    return post(visitor, "/book", **fields)


def open_listening(visitor, address):
    """Open a page and wait until it hears."""
    with visitor.page.expect_response(lambda response: "/live" in response.url):
        visitor.open(address)
    visitor.page.evaluate(MARK)


def is_where_it_was(visitor, before):
    """A pixel is not a jump: the browser scrolls by whole ones."""
    now = visitor.page.evaluate(PLACE)
    return abs(now.pop("top") - before["top"]) < 2 and now == {name: before[name] for name in now}


# -- What moves -------------------------------------------------------------------------------


def test_a_booking_changes_in_front_of_the_customer(come):
    customer, professional = come(CUSTOMER, width=390), come(PROFESSIONAL)
    open_listening(customer, "/bookings/1")
    professional.open("/professional/requests")
    professional.press("Accept")
    expect(customer.page.locator("#booking")).to_contain_text("Start code")
    assert customer.page.evaluate("() => window.here")
    expect(customer.page.locator("#toasts")).to_contain_text("accepted")
    customer.look()


@pytest.mark.parametrize("address", ["/professional-dashboard", "/professional/requests"])
def test_a_new_request_appears_with_its_countdown(come, address):
    professional, customer = come(PROFESSIONAL, width=390, scheme="dark"), come(OTHER)
    open_listening(professional, address)
    assert professional.page.locator("article").count() == 1
    request_slot(customer, NINE, "first")
    articles = professional.page.locator("article")
    expect(articles).to_have_count(2)
    expect(articles.first).to_contain_text("answer within 22 h 59 min")
    expect(professional.page.locator(".bottom-bar [data-count='professional.requests']")).to_have_text("2")
    professional.look()


def test_a_countdown_runs_out_in_front_of_the_professional(new_site, visit):
    def little_time():
        professional = factories.professional(email=PROFESSIONAL, services=[factories.service()])
        factories.booking(factories.customer(), professional, respond_by=MONDAY + timedelta(seconds=63))

    site = new_site(little_time)
    professional = visit(site)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    professional.open("/professional-dashboard")
    time = professional.page.locator("time[data-left]")
    assert time.inner_text() == "1 min"
    expect(time).to_have_text("59 s")
    site.move_to(MONDAY + timedelta(seconds=63))
    time.evaluate("(part) => { part.dataset.left = 2 }")
    expect(time).to_have_count(0)
    assert "0 requests are waiting for your answer" in professional.text()
    professional.look()


def test_a_slot_goes_grey_before_the_click_also_for_who_is_not_logged_in(come):
    passer_by, customer = come(width=390), come(OTHER)
    open_listening(passer_by, f"/professionals/3?day={DAY}")
    slot = passer_by.page.locator(f"[id='slot-{NINE}']")
    expect(slot).not_to_have_class("slot is-taken")
    slot.focus()
    request_slot(customer, NINE, "first")
    expect(slot).to_have_class("slot is-taken")
    expect(slot).to_contain_text("taken")
    assert passer_by.page.evaluate(PLACE)["focus"] == f"slot-{NINE}"
    passer_by.look()


def test_the_chosen_slot_that_somebody_else_takes_is_let_go_and_said(come):
    here, there = come(CUSTOMER, width=390), come(OTHER)
    open_listening(here, f"/book?professional_id=3&service_id=1&day={DAY}")
    summary, chosen = here.page.locator("#summary"), here.page.locator(f"[name=starts_at][value='{TWO}']")
    here.page.locator(f"[id='starts_at-{TWO}']").click()
    expect(summary).to_contain_text("2:00")
    here.page.locator("[name=remarks]").fill("The blue door")
    here.page.locator("[name=remarks]").evaluate("(field) => field.setSelectionRange(4, 4)")
    before = here.page.evaluate(PLACE)
    request_slot(there, TWO, "first")
    expect(here.page.locator("#taken")).to_have_text(
        "Somebody else has just taken 2:00\u202fpm. Choose another."
    )
    expect(here.page.locator("#announcer")).to_contain_text("Somebody else has just taken")
    expect(chosen).to_be_disabled()
    expect(chosen).not_to_be_checked()
    expect(summary).to_contain_text("Choose a time")
    assert is_where_it_was(here, before)
    here.look()

    request_slot(there, HALF_PAST_FOUR, "second")
    expect(here.page.locator(f"[name=starts_at][value='{HALF_PAST_FOUR}']")).to_be_disabled()
    expect(here.page.locator("#taken")).to_contain_text("Somebody else")
    here.page.locator(f"[id='starts_at-{NINE}']").click()
    expect(here.page.locator("#taken")).to_have_text("")
    expect(summary).to_contain_text("9:00")


def test_who_stands_on_a_slot_that_goes_keeps_their_place(come):
    here, there = come(CUSTOMER), come(OTHER)
    open_listening(here, f"/book?professional_id=3&service_id=1&day={DAY}")
    slot = here.page.locator(f"[name=starts_at][value='{TWO}']")
    slot.focus()
    here.page.keyboard.press("Space")
    expect(here.page.locator("#summary")).to_contain_text("2:00")
    request_slot(there, TWO, "first")
    expect(slot).not_to_be_checked()
    expect(slot).to_be_focused()
    here.page.keyboard.press("Tab")
    expect(slot).to_be_disabled()
    here.look()


def test_what_is_typed_and_where_stays_when_parts_are_swapped(come):
    """The reason for a refusal is half written when another request comes in above it."""
    professional, customer = come(PROFESSIONAL, width=390), come(OTHER)
    open_listening(professional, "/professional/requests")
    article = professional.page.locator("article").filter(has_text="11:00")
    article.locator("summary").click()
    reason = article.locator("textarea")
    reason.fill("I am away then")
    reason.evaluate("(field) => field.setSelectionRange(4, 4)")
    professional.page.evaluate("() => scrollTo(0, 200)")
    before = professional.page.evaluate(PLACE)
    request_slot(customer, NINE, "first")
    expect(professional.page.locator("article")).to_have_count(2)
    assert is_where_it_was(professional, before)
    professional.press("Decline the request")
    assert "You declined the request." in professional.text()


def test_the_numbers_of_an_admin_move(come):
    admin = come(ADMIN)
    open_listening(admin, "/admin-dashboard")
    week = admin.page.locator("#overview .kpi").first
    assert week.inner_text() == "1"
    request_slot(come(OTHER), NINE, "first")
    expect(week).to_have_text("2")
    new = come()
    new.open("/signup/professional")
    new.fill(name="Dev Menon", email="dev@example.com", password=factories.PASSWORD, phone="98765 43210")
    new.fill(pincode=factories.CITY_PIN, radius_km="10", experience_years="3")
    new.press("Join")
    count = admin.page.locator(".side [data-count='admin.approvals']")
    expect(count).to_have_text("1")
    expect(admin.page.locator("#overview")).to_contain_text("Dev Menon")
    assert admin.page.evaluate("() => window.here")
    admin.look()


LOOKING = {
    "customer": [
        *("/customer-dashboard", "/bookings", "/waits", "/notifications"),
        *("/bookings/{id}", "/book?professional_id={person}"),
    ],
    "professional": [
        *("/professional-dashboard", "/professional/requests", "/professional/calendar", "/notifications"),
        *("/professional/jobs/{id}", "/professional/jobs/{id}/propose"),
    ],
    "admin": [
        *("/admin-dashboard", "/admin/bookings", "/admin/approvals", "/admin/disputes", "/admin/appeals"),
        *("/admin/bookings/{id}", "/notifications"),
    ],
    "anonymous": ["/professionals/{person}"],
}
LOOK_AGAIN = """() => Promise.all([...document.querySelectorAll("[data-look]")].map((part) => {
  const swapped = new Promise((done) => part.addEventListener("htmx:afterSettle", () => done(), {once: true}));
  htmx.trigger(part, "look");
  return swapped;
})).then(() => document.querySelectorAll("[data-look]").length)"""


@pytest.mark.parametrize("role", LOOKING)
def test_every_part_that_looks_again_comes_back_as_it_was(visit, town, states, role):
    visitor = visit(town, state=states(role))
    for address in LOOKING[role]:
        path = filled(visitor, role, address)
        # Between the two looks a job of the site may have ended, of which the page tells; it ends once.
        assert comes_back(visitor, role, path) or comes_back(visitor, role, path)
        visitor.look()


def comes_back(visitor, role, path):
    visitor.open(path)
    before = without_countdowns(visitor.text())
    assert visitor.page.evaluate(LOOK_AGAIN) > (role != "anonymous")
    return without_countdowns(visitor.text()) == before


def without_countdowns(text):
    return re.sub("answer within .*", "", text)


FOUND_IN = {
    "customer": ("/bookings", r"/bookings/(\d+)$"),
    "professional": ("/professional/requests", r"/professional/jobs/(\d+)$"),
    "admin": ("/admin/bookings", r"/admin/bookings/(\d+)$"),
    "person": ("/search?q=cleaning", r"/professionals/(\d+)"),
}


def filled(visitor, role, address):
    """The address with the first booking, or professional, of a list."""
    if "{" not in address:
        return address
    listed, pattern = FOUND_IN["person" if "{person}" in address else role]
    visitor.page.goto(listed)
    links = visitor.page.locator("main a").evaluate_all("(links) => links.map((link) => link.href)")
    found = next(match[1] for match in (re.search(pattern, link) for link in links) if match)
    return address.format(id=found, person=found)


# In a page: every part asks once more, a moment after a form was sent.
LOOK_MEANWHILE = """() => addEventListener("submit", () => setTimeout(() => {
  document.querySelectorAll("[data-look]").forEach((part) => htmx.trigger(part, "look"));
}, 100))"""


def test_a_page_that_is_being_left_does_not_ask_until_it_is_known_to_stay(come):
    professional = come(PROFESSIONAL)
    professional.page.clock.install()
    open_listening(professional, "/professional/requests")
    professional.page.evaluate(LOOK_MEANWHILE)
    asked = []
    professional.page.on("request", lambda one: asked.append(one.url) if "doorstep-look" in one.headers else None)

    def late(route):
        professional.page.wait_for_timeout(SECOND)
        # As after a download, the page stays.
        route.fulfill(status=204)

    professional.page.route("**/accept", late)
    accept = professional.page.get_by_role("button", name="Accept")
    with professional.page.expect_response("**/accept"):
        accept.click(no_wait_after=True)
    assert asked == []
    with professional.page.expect_response(lambda one: "doorstep-look" in one.request.headers):
        professional.page.clock.fast_forward(10 * SECOND)


# -- Notifications ----------------------------------------------------------------------------


def test_the_list_of_notifications_grows_and_is_read_without_losing_the_place(come):
    customer, professional = come(CUSTOMER, scheme="dark"), come(PROFESSIONAL)
    open_listening(customer, "/notifications")
    professional.open("/professional/jobs/1")
    professional.press("Accept")
    expect(customer.page.locator(".note.is-new")).to_have_count(1)
    expect(customer.page.locator(".bell .count")).to_have_text("1")
    everything = customer.page.get_by_role("button", name="Mark all as read")
    everything.focus()
    customer.page.keyboard.press("Enter")
    expect(customer.page.locator(".note.is-new")).to_have_count(0)
    expect(customer.page.locator(".bell .count")).to_have_count(0)
    expect(everything).to_be_focused()
    expect(customer.page.locator("#announcer")).to_have_text("Everything is read.")
    assert customer.page.evaluate("() => window.here")
    customer.look()
    customer.press(customer.page.locator("a.note"))
    assert customer.page.url.endswith("/bookings/1")


def test_toasts_are_few_and_wait_for_who_is_in_them(come):
    customer, professional = come(CUSTOMER, width=390, scheme="dark"), come(PROFESSIONAL)
    open_listening(customer, "/bookings")
    toasts = customer.page.locator("[data-toast]")
    told = (("propose", {"starts_at": NINE}), ("proposals/1/withdraw", {}), ("propose", {"starts_at": TWO}))
    for number, (verb, fields) in enumerate(told, 1):
        post(professional, f"/professional/jobs/1/{verb}", **fields)
        expect(toasts).to_have_count(number)
    customer.look()
    toasts.first.get_by_role("button", name="Close").focus()
    post(professional, "/professional/jobs/1/reject", reason="The whole week is full")
    expect(toasts.last).to_contain_text("declined")
    expect(toasts).to_have_count(4)
    expect(toasts.first.get_by_role("button", name="Close")).to_be_focused()
    customer.page.keyboard.press("Enter")
    expect(toasts).to_have_count(3)
    customer.press(toasts.last.get_by_role("button", name="Open"))
    assert customer.page.url.endswith("/bookings/1")


# -- Who is cut off ---------------------------------------------------------------------------


def test_another_window_of_who_logs_out_says_so(come):
    customer = come(CUSTOMER)
    other = customer.page.context.new_page()
    with other.expect_response(lambda response: "/live" in response.url):
        other.goto("/bookings/1")
    customer.page.locator("details.menu summary").first.click()
    customer.press("Log out")
    expect(other.locator("#live-line")).to_contain_text("You are logged out here")
    assert "Booking DS-" in other.locator("main").inner_text()


def test_who_is_blocked_is_cut_off_at_once(come):
    customer, admin = come(CUSTOMER, width=390), come(ADMIN)
    open_listening(customer, "/bookings/1")
    post(admin, "/admin/people/1/block", reason="Shouted at Ravi")
    expect(customer.page.locator("#live-line")).to_contain_text("You are logged out here")
    assert customer.page.evaluate("() => fetch('/live').then((answer) => answer.status)") == 204


# -- How soon ---------------------------------------------------------------------------------


@pytest.mark.soak
def test_it_is_seen_within_a_second(come):
    """From the answer to who did it, which leaves after the commit, to the other's page."""
    customer, professional, passer_by = come(CUSTOMER), come(PROFESSIONAL), come()
    customer.open("/bookings/1")
    open_listening(professional, "/professional/requests")
    open_listening(passer_by, f"/professionals/3?day={DAY}")
    changes, slots = [], []
    for number in range(EVENTS):
        words, time = f"Ring bell {number}.", (NINE, HALF_PAST_FOUR)[number % 2]
        edited = {"address_id": "1", "remarks": words}
        changes.append(post_seen_by(professional, "article", words, customer, "/bookings/1/edit", **edited))
        taken = f"[id='slot-{time}'].is-taken"
        slots.append(post_seen_by(passer_by, taken, "", customer, "/bookings/1/move", starts_at=time))
    for name, waits in (("a change of a booking", changes), ("a taken slot", slots)):
        sys.stdout.write(f"{name} is seen after {statistics.median(waits):.0f} ms, at most {max(waits)} ms\n")
    assert max(changes + slots) < SECOND
    professional.look()
    passer_by.look()


def post_seen_by(watcher, selector, text, actor, address, **fields):
    """How many milliseconds after the answer the other page shows it."""
    watcher.page.evaluate(WHEN_SHOWN, [selector, text])
    answered = post(actor, address, **fields)
    return watcher.page.evaluate("() => window.shown") - answered
