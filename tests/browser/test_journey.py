"""The whole job, lived by three people in three browsers: from signing up to the rating that shows in search."""

import io
import re
from datetime import timedelta

import pytest
from fpdf import FPDF
from PIL import Image
from playwright.sync_api import expect

from tests import factories
from tests.browser.conftest import log_in
from tests.conftest import MONDAY
from tests.factories import CITY_PIN

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

PASSWORD = "seven kettles whistle"
PROFESSIONAL, CUSTOMER = "Ravi Kumar", "Meera Pillai"
SERVICE = "Tap repair"


@pytest.mark.parametrize(
    "width, javascript",
    [
        pytest.param(390, True, id="390-script"),
        pytest.param(1280, False, id="1280-no-script"),
        pytest.param(1280, True, id="1280-script", marks=pytest.mark.soak),
        pytest.param(390, False, id="390-no-script", marks=pytest.mark.soak),
    ],
)
def test_a_whole_job_is_lived(new_site, visit, width, javascript):
    site = new_site(lambda: factories.admin(email="gita@example.com"))
    professional, admin, customer = (visit(site, width=width, javascript=javascript, axe=True) for _ in range(3))
    join(professional)
    complete_profile(professional)
    approve(admin)
    set_hours(professional)
    sign_up(customer)
    find(customer)
    reference = book(customer)
    accept(professional, reference)

    site.move_to(MONDAY + timedelta(hours=1, minutes=40))
    depart(professional)
    code = read_code(customer)
    site.move_to(MONDAY + timedelta(hours=2, minutes=25))
    start(professional, code)
    site.move_to(MONDAY + timedelta(hours=3))
    complete(professional)

    close(customer)
    review(customer)
    assert_rating_shows_in_search(visit(site, width=width, javascript=javascript, axe=True))
    reply(professional)
    look_around(admin, reference)


# -- Joining ----------------------------------------------------------------------------------


def join(visitor):
    visitor.open("/signup/professional")
    visitor.fill(name=PROFESSIONAL, email="ravi@example.com", phone="98765 43210", password=PASSWORD)
    visitor.fill(pincode=CITY_PIN, radius_km="15", experience_years="9")
    expect_place(visitor)
    visitor.press("Join")
    log_in(visitor, "ravi@example.com", PASSWORD)
    assert visitor.page.url.endswith("/professional-dashboard")
    assert "We are looking at your application" in visitor.text()


def complete_profile(visitor):
    visitor.press("Choose your services")
    visitor.page.get_by_label(SERVICE, exact=True).check()
    visitor.page.get_by_label(f"Your price for {SERVICE}", exact=True).fill("149")
    visitor.press("Save")
    visitor.open("/profile")
    visitor.fill(bio="Taps, mixers and traps. I bring the washers.", hourly_rate="300")
    visitor.page.get_by_label("Kannada").check()
    for name, file in (("photo", photo()), ("identity", photo()), ("resume", resume())):
        visitor.page.set_input_files(f"input[name={name}]", file)
    visitor.press("Save")
    visitor.open("/professional-dashboard")
    assert "Your profile is complete." in visitor.text()


def approve(visitor):
    log_in(visitor, "gita@example.com", factories.PASSWORD)
    assert visitor.page.url.endswith("/admin-dashboard")
    visitor.open("/admin/approvals")
    visitor.press(PROFESSIONAL)
    with visitor.page.expect_download() as download:
        visitor.named("Resume").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")
    visitor.press("Approve")


def set_hours(visitor):
    visitor.open("/professional/hours")
    for day in ("monday", "tuesday"):
        visitor.page.locator(f"#{day}-1-start").fill("09:00")
        visitor.page.locator(f"#{day}-1-end").fill("18:00")
    visitor.press("Save the hours")
    expect(visitor.page.locator("#monday-1-end")).to_have_value("18:00")


def sign_up(visitor):
    visitor.open("/signup")
    visitor.fill(name=CUSTOMER, email="meera@example.com", phone="98450 12345", password=PASSWORD)
    visitor.press("Sign up")
    log_in(visitor, "meera@example.com", PASSWORD)
    assert visitor.page.url.endswith("/customer-dashboard")


# -- Booking ----------------------------------------------------------------------------------


def find(visitor):
    visitor.open("/")
    visitor.fill(q="tap", near=CITY_PIN)
    visitor.press("Find professionals")
    assert "No reviews yet" in visitor.text()
    assert "₹149" in visitor.text()
    visitor.press(PROFESSIONAL)


def book(visitor):
    if visitor.javascript:
        tuesday = visitor.page.locator("a.day").nth(1)
        tuesday.click()
        expect(visitor.page.locator("a.day").nth(1)).to_have_attribute("aria-current", "date")
        visitor.look()
        visitor.page.locator("a.day").first.click()
        expect(visitor.page.locator("a.day").first).to_have_attribute("aria-current", "date")
    visitor.press("11:30 am")
    visitor.fill(line="14, Church Street", pincode=CITY_PIN, remarks="Second floor, the bell is on the left.")
    expect_place(visitor)
    visitor.press("Book this slot")
    assert f"{SERVICE} with {PROFESSIONAL}" in visitor.text()
    assert "You see the phone number once the request is accepted." in visitor.text()
    return re.search(r"Your reference is (\S+)\.", visitor.text())[1]


def accept(visitor, reference):
    visitor.open("/professional-dashboard")
    assert "14, Church Street" not in visitor.text()
    visitor.press("Accept")
    assert reference in visitor.text()
    assert "14, Church Street" in visitor.text()
    assert visitor.named("I am on my way").is_visible()


# -- The work ---------------------------------------------------------------------------------


def depart(visitor):
    visitor.press("I am on my way")


def read_code(visitor):
    visitor.open("/customer-dashboard")
    assert "Happening now" in visitor.text()
    visitor.press(visitor.page.locator("a.list-group-item", has_text=SERVICE))
    return visitor.page.locator(".start-code").inner_text()


def start(visitor, code):
    visitor.page.reload()
    visitor.fill(code=f"{(int(code) + 1) % 10_000:04}")
    with visitor.expecting(422):
        visitor.press("Start the work")
    visitor.fill(code=code)
    visitor.press("Start the work")


def complete(visitor):
    visitor.press("Mark as done")
    visitor.page.get_by_label("UPI").check()
    visitor.press(visitor.page.get_by_role("button", name="as paid"))
    assert "paid by UPI" in visitor.text()


def close(visitor):
    visitor.page.reload()
    visitor.look()
    assert "paid by UPI" in visitor.text()
    visitor.press("Confirm that it is done")


def review(visitor):
    # The star is what people see and press; the radio button lies hidden in it.
    visitor.page.locator(".stars label").nth(3).click()
    visitor.fill(comment="Came on time, and the tap is quiet.")
    visitor.press("Publish the review")
    assert "Came on time" in visitor.text()


def assert_rating_shows_in_search(stranger):
    stranger.open(f"/search?q=tap&near={CITY_PIN}")
    assert re.search(r"4\.0\s.*\(1\)", stranger.text(), re.DOTALL)
    stranger.press(PROFESSIONAL)
    assert "Came on time, and the tap is quiet." in stranger.text()


def reply(visitor):
    visitor.open("/professional/reviews")
    visitor.page.locator("summary", has_text="Reply").click()
    visitor.page.locator("textarea[name=reply]").fill("Thank you, Meera.")
    visitor.press("Publish the reply")
    visitor.open("/professional/earnings")
    assert "₹149" in visitor.text()


def look_around(visitor, reference):
    visitor.open("/admin-dashboard")
    visitor.open(f"/admin/search?q={reference}")
    visitor.press(reference)
    assert "Came on time" not in visitor.page.title()
    visitor.open("/admin/summary")


# -- Small print ------------------------------------------------------------------------------


def expect_place(visitor):
    """With scripts the place of a PIN code appears below it."""
    if visitor.javascript:
        expect(visitor.page.locator("#pincode-place")).to_contain_text("Bengaluru", ignore_case=True)


def photo():
    out = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(out, "JPEG")
    return {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def resume():
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=12)
    page.cell(text="Nine years a plumber")
    return {"name": "resume.pdf", "mimeType": "application/pdf", "buffer": bytes(page.output())}
