"""Two people who write to each other: what one does shows in front of the other, and without scripts it works too."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from domain import conversations
from extensions import db
from models import Booking, Status
from tests import factories
from tests.browser.conftest import log_in

pytestmark = [pytest.mark.browser, pytest.mark.realtime]

CUSTOMER, PROFESSIONAL, ADMIN = "meera@example.com", "ravi@example.com", "gita@example.com"
PAGE = "/conversations/1"


def people():
    factories.admin(name="Gita Iyer", email=ADMIN)
    customer = factories.customer(name="Meera Shah", email=CUSTOMER)
    professional = factories.professional(name="Ravi Das", email=PROFESSIONAL, services=[factories.service()])
    factories.booking(customer, professional, status=Status.ACCEPTED)


def talkers():
    people()
    booking = db.session.get(Booking, 1)
    for number in range(40):
        by = booking.customer if number % 3 else booking.professional.user
        conversations.send(booking, by, f"Word {number}, and where it is: https://example.com/{number}.")
    db.session.commit()


@pytest.fixture
def pair(new_site, visit):
    """pair(people) are the customer on a phone and the professional at a desk."""

    def meet(people=people, **looks):
        site = new_site(people)
        customer, professional = visit(site, width=390, **looks), visit(site, **looks)
        log_in(customer, CUSTOMER, factories.PASSWORD)
        log_in(professional, PROFESSIONAL, factories.PASSWORD)
        return customer, professional

    return meet


def photo():
    out = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(out, "JPEG")
    return {"name": "pipe.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def write(visitor, text):
    visitor.page.locator("#text").fill(text)
    visitor.page.get_by_role("button", name="Send").click()


def words(visitor):
    return visitor.page.locator("#messages li p").all_inner_texts()


def test_what_one_writes_shows_in_front_of_the_other(pair):
    customer, professional = pair()
    for one in (customer, professional):
        one.open(PAGE)
        one.page.evaluate("() => { window.here = true }")
    write(customer, "Please ring twice.")
    expect(professional.page.locator("#messages")).to_contain_text("Please ring twice.")
    expect(customer.page.locator("#mark")).to_contain_text("Read")
    expect(customer.page.locator("#text")).to_have_value("")
    expect(customer.page.locator("#text")).to_be_focused()

    professional.page.locator("#text").press_sequentially("I will")
    expect(customer.page.locator("#typing")).to_contain_text("Ravi Das is typing")
    professional.page.set_input_files("input[name=picture]", [photo()])
    professional.page.get_by_role("button", name="Send").click()
    picture = customer.page.get_by_alt_text("Photo from Ravi Das")
    expect(picture).to_be_visible()
    customer.page.wait_for_function("(one) => one.complete && one.naturalWidth === 320", arg=picture.element_handle())
    expect(customer.page.locator("#typing")).to_have_text("")
    for one in (customer, professional):
        assert words(one) == ["Please ring twice.", "I will"]
        assert one.page.evaluate("() => window.here")
        one.look()


def test_what_is_half_written_stays_while_others_write(pair):
    customer, professional = pair()
    customer.open(PAGE)
    professional.open(PAGE)
    customer.page.locator("#text").fill("I am just")
    write(professional, "At your door")
    expect(customer.page.locator("#messages")).to_contain_text("At your door")
    expect(customer.page.locator("#text")).to_have_value("I am just")
    expect(customer.page.locator("#text")).to_be_focused()


def test_a_double_click_sends_once(pair):
    customer, _professional = pair()
    customer.open(PAGE)
    customer.page.locator("#text").fill("Once")
    customer.page.get_by_role("button", name="Send").dblclick()
    expect(customer.page.locator("#messages li")).to_have_count(1)
    write(customer, "Twice")
    expect(customer.page.locator("#messages li")).to_have_count(2)
    assert words(customer) == ["Once", "Twice"]


def test_a_refusal_gives_the_words_back(pair):
    customer, _professional = pair()
    customer.open(PAGE)
    customer.page.locator("#text").fill("Look at this")
    broken = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"}
    customer.page.set_input_files("input[name=picture]", [broken])
    with customer.expecting(422):
        customer.page.get_by_role("button", name="Send").click()
        expect(customer.page.locator("#write-errors")).to_contain_text("This is not a picture")
    expect(customer.page.locator("#text")).to_have_value("Look at this")
    customer.look()


def test_unread_messages_are_counted_while_one_looks(pair):
    customer, professional = pair()
    customer.open("/bookings/1")
    professional.open(PAGE)
    write(professional, "One")
    expect(customer.page.locator("#booking .count")).to_have_text("1")
    expect(customer.page.locator("#toasts")).to_contain_text("Ravi Das wrote to you")
    customer.look()
    customer.open("/conversations")
    write(professional, "Two")
    expect(customer.page.locator("#talks .count")).to_have_text("2")
    expect(professional.page.locator("#mark")).to_have_text("Sent")
    customer.look()
    customer.press(customer.page.locator("#talks a"))
    expect(professional.page.locator("#mark")).to_contain_text("Read")
    expect(customer.page.locator(".bell .count")).to_have_count(0)
    customer.open("/conversations")
    expect(customer.page.locator("#talks .count")).to_have_count(0)


def test_who_reads_what_was_before_is_not_moved(pair):
    customer, professional = pair(talkers)
    customer.open(PAGE)
    professional.open(PAGE)
    expect(customer.page.locator("#messages li")).to_have_count(30)
    assert customer.page.evaluate("() => window.scrollY") > 0
    customer.page.evaluate("() => window.scrollTo(0, 200)")
    write(professional, "The newest")
    expect(customer.page.locator("#messages")).to_contain_text("The newest")
    assert customer.page.evaluate("() => window.scrollY") == 200
    expect(professional.page.locator("#mark")).to_have_text("Delivered")
    customer.page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    expect(professional.page.locator("#mark")).to_contain_text("Read")
    customer.press("Older messages")
    assert len(words(customer)) == 10
    customer.press("Back to the newest messages")


def test_nothing_is_lost_or_doubled_when_the_line_breaks(pair):
    customer, professional = pair()
    customer.open(PAGE)
    professional.open(PAGE)
    write(professional, "Before")
    expect(customer.page.locator("#messages")).to_contain_text("Before")
    customer.page.context.set_offline(True)
    for number in range(3):
        write(professional, f"Meanwhile {number}")
        expect(professional.page.locator("#messages")).to_contain_text(f"Meanwhile {number}")
    customer.page.context.set_offline(False)
    expect(customer.page.locator("#messages")).to_contain_text("Meanwhile 2")
    write(professional, "After")
    expect(customer.page.locator("#messages")).to_contain_text("After")
    assert words(customer) == ["Before", "Meanwhile 0", "Meanwhile 1", "Meanwhile 2", "After"]
    assert words(professional) == words(customer)


def test_it_works_without_scripts(pair):
    customer, professional = pair(javascript=False, axe=True)
    customer.open("/bookings/1")
    customer.press("Messages")
    assert "Nothing was said yet" in customer.text()
    customer.page.locator("#text").fill("Please ring twice.")
    customer.press("Send")
    professional.open("/conversations")
    assert "Please ring twice." in professional.text()
    professional.press(professional.page.locator("main .list-group a"))
    professional.press("Mark as read")
    professional.page.set_input_files("input[name=picture]", [photo()])
    professional.press("Send")
    customer.page.reload()
    customer.look()
    assert "Photo from Ravi Das" in customer.page.content()
    with customer.expecting(422):
        customer.press("Send")
    assert "Write something, or choose a photo." in customer.text()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_message_is_reported_and_hidden(new_site, visit, width):
    site = new_site(talkers)
    customer, admin = visit(site, width=width), visit(site, width=width)
    log_in(customer, CUSTOMER, factories.PASSWORD)
    log_in(admin, ADMIN, factories.PASSWORD)
    customer.open(PAGE)
    customer.press(customer.page.locator("#messages li[data-theirs]").last.get_by_role("link", name="Report"))
    customer.fill(reason="This is advertising.")
    customer.press("Report")
    admin.open("/admin/reported-messages")
    admin.press("DS-10001")
    assert "This is advertising." in admin.text()
    admin.press("Hide the message")
    admin.fill(reason="No advertising here.")
    admin.press("Hide the message")
    expect(customer.page.locator("#messages")).to_contain_text("Hidden by the site: No advertising here.")
    customer.look()
    admin.open("/admin/reported-messages?show=decided")
