"""The professional on the way shares where they are, and the customer sees them come: two browsers."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from domain import start_codes
from models import Status
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS
from tests.conftest import MONDAY

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

SECOND = 1000
CUSTOMER, PROFESSIONAL = "meera@example.com", "ravi@example.com"
JOB, BOOKING = "/professional/jobs/1", "/bookings/1"
FAR, NEAR = ({"latitude": latitude, "longitude": 77.59, "accuracy": 8} for latitude in (13.05, 13.0))
# What position.js waits between two positions, and a little.
PAUSE = 5.5 * SECOND
TILE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63a8bd7efa3f000745030b"
    "6c8d1e5b0000000049454e44ae426082"
)


def people():
    customer = factories.customer(name="Meera Pillai", email=CUSTOMER)
    professional = factories.professional(name="Ravi Kumar", email=PROFESSIONAL)
    job = factories.booking(customer, professional, status=Status.EN_ROUTE, starts_at=factories.at(10))
    people.code = start_codes.code_of(job)


@pytest.fixture
def tiles():
    """A server of maps: its address, and what it was asked for."""
    asked = []

    class Tiles(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, self.headers.get("Referer"), self.headers.get("Cookie")))
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.end_headers()
            self.wfile.write(TILE)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tiles)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Not by its number, as which the site is known: a host of its own gets no cookie.
    yield f"http://localhost:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def allow(visitor, where):
    visitor.page.context.grant_permissions(["geolocation"])
    visitor.page.context.set_geolocation(where)


def begin(professional):
    allow(professional, FAR)
    professional.open(JOB)
    professional.press("Share my position")
    expect(professional.page.locator("#sharing-news")).to_contain_text("on its way")


def move(site, professional, where, minute=1):
    """The clock of the site stands still, so it is moved on as the phone is."""
    professional.page.wait_for_timeout(PAUSE)
    site.move_to(MONDAY + timedelta(minutes=minute))
    professional.page.context.set_geolocation(where)


@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.soak), 1280])
def test_the_customer_sees_the_professional_come(new_site, visit, width):
    site = new_site(people)
    customer, professional = visit(site, width=width), visit(site, width=width)
    log_in(customer, CUSTOMER, factories.PASSWORD)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    customer.open(BOOKING)
    part = customer.page.locator("#whereabouts")
    expect(part).to_contain_text("If Ravi Kumar shares their position")

    begin(professional)
    expect(part).to_contain_text("about 8 km away")
    customer.page.locator("#whereabouts").evaluate("(part) => { part.here = true }")

    move(site, professional, NEAR)
    expect(part).to_contain_text("about 2 km away")
    expect(customer.page.locator("#arrival")).to_contain_text("Around 9:15 am")
    assert customer.page.locator("#whereabouts").evaluate("(part) => part.here")
    assert customer.page.locator(".map").count() == 0
    customer.look()
    professional.look()

    site.move_to(MONDAY + timedelta(minutes=45))
    professional.open(JOB)
    professional.fill(code=people.code)
    professional.press("Start the work")
    expect(customer.page.locator("#whereabouts")).to_have_count(0)
    assert professional.page.locator("#sharing").count() == 0


@pytest.mark.parametrize("width, scheme", [(390, "light"), (1280, "dark")])
def test_where_there_is_a_map_it_shows_what_the_words_say(new_site, visit, tiles, width, scheme):
    address, asked = tiles
    site = new_site(people, MAP_TILES_URL=f"{address}/{{z}}/{{x}}/{{y}}.png", MAP_ATTRIBUTION="© Our own hand")
    customer = visit(site, width=width, scheme=scheme, asks=[address])
    professional = visit(site)
    log_in(customer, CUSTOMER, factories.PASSWORD)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    customer.open(BOOKING)
    begin(professional)
    box = customer.page.locator(".map")
    expect(box).to_be_visible()
    expect(box.locator(".leaflet-tile-loaded").first).to_be_visible()
    pin = box.locator(".map-pin-professional")
    before = pin.get_attribute("style")
    box.evaluate("(box) => { box.here = true }")

    move(site, professional, NEAR)
    expect(customer.page.locator("#whereabouts")).to_contain_text("about 2 km away")
    expect(pin).not_to_have_attribute("style", before)
    assert box.evaluate("(box) => box.here")
    customer.page.wait_for_load_state("networkidle")
    customer.look()
    expect(customer.page.locator("#whereabouts")).to_contain_text("© Our own hand")

    # By keyboard: it is reached, moved and zoomed.
    box.focus()
    pane = box.locator(".leaflet-map-pane")
    there = pane.get_attribute("style")
    customer.page.keyboard.press("ArrowUp")
    expect(pane).not_to_have_attribute("style", there)
    number = len(asked)
    customer.page.keyboard.press("+")
    customer.page.wait_for_timeout(SECOND)
    assert len(asked) > number
    # Who draws the map learns neither whose booking it is nor who looks.
    assert {(referer, cookie) for _path, referer, cookie in asked} == {(None, None)}
    assert all(path.count("/") == 3 for path, *_ in asked)


def test_who_refuses_is_told_what_to_do_and_shares_nothing(new_site, visit):
    site = new_site(people)
    professional = visit(site, width=390)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    professional.open(JOB)
    professional.page.get_by_role("button", name="Share my position").click()
    expect(professional.page.locator("#sharing-news")).to_contain_text("Allow it for this site")
    professional.look()
    professional.open(JOB)
    expect(professional.page.get_by_role("button", name="Stop sharing")).to_have_count(0)


def test_the_sharing_goes_on_where_the_page_is_opened_again_and_stops_when_told(new_site, visit):
    site = new_site(people)
    professional = visit(site, width=390)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    begin(professional)
    site.move_to(MONDAY + timedelta(minutes=1))
    professional.open(JOB)
    expect(professional.page.locator("#sharing-news")).to_contain_text("on its way")
    professional.press("Stop sharing")
    assert "It is deleted" in professional.text()
    expect(professional.page.get_by_role("button", name="Share my position")).to_be_visible()


def test_a_page_that_shares_stops_when_the_job_is_cancelled(new_site, visit):
    site = new_site(people)
    customer, professional = visit(site), visit(site, width=390)
    log_in(customer, CUSTOMER, factories.PASSWORD)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    begin(professional)
    customer.open(BOOKING)
    customer.press("Cancel booking")
    customer.press("Cancel the booking")
    expect(professional.page.locator("#sharing")).to_have_count(0)
    sent = []
    professional.page.on("request", lambda request: sent.append(request.url))
    move(site, professional, NEAR)
    professional.page.wait_for_timeout(2 * SECOND)
    assert not [url for url in sent if url.endswith("/position")]


@WAYS
def test_each_page_says_what_it_needs_without_scripts(new_site, visit, width, javascript):
    site = new_site(people)
    customer, professional = (visit(site, width=width, javascript=javascript) for _ in range(2))
    log_in(customer, CUSTOMER, factories.PASSWORD)
    log_in(professional, PROFESSIONAL, factories.PASSWORD)
    customer.open(BOOKING)
    assert "If Ravi Kumar shares their position" in customer.text()
    professional.open(JOB)
    assert ("Without it nothing is lost" in professional.text()) is not javascript
    button = professional.page.get_by_role("button", name="Share my position")
    assert button.is_visible() is javascript
