"""The admin's reports, looked at with scripts and without, with something to show and by night."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, expect

from domain import bookings, clock
from extensions import db
from models import Status
from models_analytics import SearchMiss
from tests import factories
from tests.browser.test_payments import come
from tests.browser.test_position import tiles as tiles
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

TABS = ("Revenue", "Cancellations", "Customers", "Most booked", "Places", "Searches in vain")
PINS = (factories.CITY_PIN, "560034", "560066", "560100")


def busy():
    """Two months of some customers, and what they searched for."""
    admin = factories.admin(name="Gita Iyer", email="gita@example.com")
    customers = [factories.customer(name=f"Asha {n}", email=f"asha{n}@example.com") for n in range(6)]
    people = [factories.professional(name=name, email=f"{name[:3].lower()}@example.com") for name in ("Dev", "Esha")]
    states = (Status.CLOSED, Status.CLOSED, Status.CANCELLED, Status.REJECTED, Status.CLOSED, Status.NO_SHOW)
    for n in range(60):
        made = clock.now() - timedelta(days=n, hours=n % 7)
        status = states[n % len(states)]
        accepted = {"accepted_at": made + timedelta(minutes=n * n % 300)} if status is not Status.REJECTED else {}
        factories.booking(
            customers[n % 6 if n < 30 else n % 3],
            people[n % 2],
            status=status,
            created_at=made,
            starts_at=made + timedelta(days=1),
            pincode=PINS[n * n % 4],
            **accepted,
        )
    said = (customers[0], "price"), (people[0], "ill"), (admin, "misuse"), (people[0], None)
    for n, (by, cause) in enumerate(said):
        agreed = factories.booking(
            customers[0], people[0], status=Status.ACCEPTED, starts_at=clock.now() + timedelta(days=2 + n)
        )
        bookings.cancel(agreed, by, "So it is", cause)
    for words, number in (("spaceship voyage", 12), ("बाथरूम का जहाज", 4)):
        db.session.add(SearchMiss(day=clock.today(), kind="unknown", words=words, district="Mumbai", number=number))
    db.session.commit()


@WAYS
def test_an_admin_goes_through_the_reports(new_site, visit, width, javascript):
    site = new_site(busy)
    admin = come(visit, site, "gita", width=width, javascript=javascript, axe=True)
    admin.open("/admin/summary")
    assert "Nine of ten within" in admin.text()
    for tab in TABS:
        admin.press(admin.page.get_by_role("navigation", name="Reports", exact=True).get_by_role("link", name=tab))
        assert admin.page.locator("main h1").inner_text()
        admin.press("90 days")
    assert "spaceship voyage" in admin.text()
    with admin.page.expect_download() as file:
        admin.page.get_by_role("link", name=re.compile("By words")).click()
    assert file.value.suggested_filename.startswith("searches-")


def test_the_reports_can_be_read_by_night(new_site, visit):
    admin = come(visit, new_site(busy), "gita", width=1280, scheme="dark", axe=True)
    for page in ("customers", "places", "cancellations"):
        admin.open(f"/admin/reports/{page}")


def test_where_there_is_a_server_of_maps_the_dots_are_on_its_pictures(new_site, visit, tiles):
    address, asked = tiles
    site = new_site(busy, MAP_TILES_URL=f"{address}/{{z}}/{{x}}/{{y}}.png", MAP_ATTRIBUTION="© Our own hand")
    admin = come(visit, site, "gita", width=1280, axe=True, asks=[address])
    admin.open("/admin/reports/places")
    expect(admin.page.locator(".map .leaflet-tile-loaded").first).to_be_visible()
    frame, dots = admin.page.locator(".map").bounding_box(), admin.page.locator(".map .map-dot").all()
    assert len(dots) == 2
    for dot in map(Locator.bounding_box, dots):
        assert frame["x"] < dot["x"] < frame["x"] + frame["width"]
        assert frame["y"] < dot["y"] < frame["y"] + frame["height"]
    assert admin.page.locator(".dot-map").is_hidden()
    admin.look()
    assert "© Our own hand" in admin.text()
    assert {(referer, cookie) for _path, referer, cookie in asked} == {(None, None)}
