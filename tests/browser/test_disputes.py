"""Work that was not right: the customer shows it, the professional answers, an admin gives a part back.
And a door that nobody opens."""

import io
import re
from datetime import timedelta

import pytest
from PIL import Image

from domain import bookings, disputes
from extensions import db
from models import Booking, PaymentMethod, Status
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS
from tests.conftest import MONDAY

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

WORDS = "The tap still drips, and one tile is broken."
ANSWER = "It was dry when I left, and the tile was broken before."
SIZES = pytest.mark.parametrize("width", [390, 1280])


def people():
    factories.admin(name="Gita Iyer", email="gita@example.com")
    customer = factories.customer(name="Asha Rao", email="asha@example.com")
    professional = factories.professional(name="Dev Menon", email="dev@example.com")
    done = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))
    bookings.record_payment(done, professional, PaymentMethod.UPI)
    db.session.commit()
    factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))


def come(visit, site, name, **looks):
    visitor = visit(site, **looks)
    log_in(visitor, f"{name}@example.com", factories.PASSWORD)
    return visitor


@WAYS
def test_a_dispute_ends_with_a_part_refund(new_site, visit, width, javascript):
    site = new_site(people)
    looks = {"width": width, "javascript": javascript}
    customer, professional, admin = (come(visit, site, name, **looks) for name in ("asha", "dev", "gita"))

    customer.open("/bookings/1")
    customer.press("Something was wrong")
    customer.fill(words=WORDS)
    customer.page.set_input_files("input[name=evidence]", [photo("red"), photo("blue")])
    customer.press("Send")
    assert WORDS in customer.text()
    assert "Dev Menon can answer until Wednesday 25 November, 9:00 am" in customer.text()
    assert_photos_show(customer, 2)

    admin.open("/admin/disputes")
    assert "Waits for the professional" in admin.text()

    professional.open("/professional/jobs/1")
    professional.press("Answer")
    assert WORDS in professional.text()
    assert_photos_show(professional, 2)
    professional.fill(answer=ANSWER)
    professional.press("Send the answer")
    assert ANSWER in professional.text()

    site.move_to(MONDAY + timedelta(hours=3))
    admin.open("/admin/disputes")
    admin.press("DS-10001")
    assert_photos_show(admin, 2)
    admin.press("Refund")
    admin.fill(amount="1000000", reason="One tile is to be paid by the professional.")
    with admin.expecting(422):
        admin.press("Record the refund")
    admin.fill(amount="150")
    admin.press("Record the refund")
    assert "A refund of ₹150.00." in admin.text()

    customer.page.reload()
    customer.look()
    assert "One tile is to be paid by the professional." in customer.text()
    assert "-₹150.00" in customer.text()
    professional.open("/professional/earnings")
    assert_a_file_of_its_own(visit, site, customer, looks)


@WAYS
def test_a_door_that_nobody_opens(new_site, visit, width, javascript):
    site = new_site(people)
    looks = {"width": width, "javascript": javascript}
    customer, professional = (come(visit, site, name, **looks) for name in ("asha", "dev"))
    site.move_to(MONDAY + timedelta(hours=2))
    professional.open("/professional/jobs/2")
    professional.press("I am at your door")
    assert "If nobody is there by 11:30 am" in professional.text()
    customer.open("/bookings/2")
    assert "is at your door since 11:00 am" in customer.text()
    site.move_to(MONDAY + timedelta(hours=2, minutes=30))
    professional.page.reload()
    professional.press("Nobody is at home")
    professional.fill(note="I rang twice and called.")
    professional.press("Nobody was there")
    assert "No-show fee" in professional.text()
    customer.page.reload()
    customer.look()
    assert "is due, because nobody was there" in customer.text()


@SIZES
def test_nobody_came(new_site, visit, width):
    site = new_site(people)
    site.move_to(MONDAY + timedelta(hours=2, minutes=30))
    customer = come(visit, site, "asha", width=width)
    customer.open("/bookings/2")
    customer.press("Nobody came")
    customer.press("Nobody came")
    assert "It is noted, and you owe nothing." in customer.text()


@SIZES
def test_work_is_booked_again(new_site, visit, width):
    site = new_site(answered)
    admin = come(visit, site, "gita", width=width)
    admin.open("/admin/disputes/1/dismiss")
    admin.open("/admin/disputes/1/rework")
    admin.page.locator(".slot:not(.is-taken)").first.click()
    admin.fill(reason="Do the joint again.")
    admin.press("Book it again")
    assert "Decided: the work is done again as DS-10003." in admin.text()
    customer = come(visit, site, "asha", width=width)
    customer.open("/bookings/3")
    assert "it costs nothing" in customer.text()


# -- Small print ------------------------------------------------------------------------------


def answered():
    people()
    booking = db.session.get(Booking, 1)
    disputes.begin(booking, booking.customer, WORDS)
    disputes.answer(booking, booking.professional.user, ANSWER)
    db.session.commit()


def assert_photos_show(visitor, number):
    pictures = visitor.page.locator(".photos img")
    assert pictures.count() == number
    for at in range(number):
        picture = pictures.nth(at)
        picture.scroll_into_view_if_needed()
        visitor.page.wait_for_function("(one) => one.complete", arg=picture.element_handle())
        assert picture.evaluate("(one) => one.naturalWidth") == 64


def assert_a_file_of_its_own(visit, site, customer, looks):
    """What was downloaded opens without the site, shows its photos, asks nobody for anything and fits."""
    with customer.page.expect_download() as download:
        customer.page.get_by_role("link", name="Download everything as one file").click()
    path = download.value.path()
    reader = visit(site, **looks)
    asked = []
    reader.page.on("request", lambda request: asked.append(request.url))
    reader.page.set_content(path.read_text())
    assert [url for url in asked if not url.startswith("data:")] == []
    text = reader.page.locator("main").inner_text()
    for words in (WORDS, ANSWER, "A refund of ₹150.00.", "given back"):
        assert words in text
    assert reader.page.locator("figure img").count() == 2
    assert reader.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    assert re.search(r"DS-10001\.html$", download.value.suggested_filename)


def photo(colour):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG")
    return {"name": f"{colour}.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}
