"""The customer's pages of paying: what they offer, and that the price stays the server's."""

import base64
import re
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import html5lib
import pytest
import zxingcpp
from PIL import Image, ImageDraw
from sqlalchemy import select

import upi
from domain import bookings, payments
from extensions import db
from models import PaymentMethod, Status
from models_money import Checkout, CheckoutStatus, Payment, PaymentStatus
from tests import factories
from tests.tills import CARD, LINK, Tills

UTR = "412345678901"


@pytest.fixture
def browser(as_, customer):
    return as_(customer)


@pytest.fixture
def job(customer, professional):
    professional.professional.upi_id = "dev@okbank"
    return factories.booking(customer, professional, status=Status.CLOSED)


@pytest.fixture
def tills(gateways, set_up):
    with Tills() as here:
        set_up(stripe_api=here.url, razorpay_api=here.url)
        yield here


def page(job, tail="/pay"):
    return f"/bookings/{job.id}{tail}"


def only(kind):
    return db.session.scalars(select(kind)).one()


# -- UPI --------------------------------------------------------------------------------------


def picture(page):
    """The QR code of a page, drawn from its lines."""
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    source = next(one.get("src") for one in tree.iter("img") if one.get("class") == "qr")
    kind, _comma, data = source.partition(",")
    assert kind.startswith("data:image/svg+xml")
    svg = base64.b64decode(data).decode() if kind.endswith("base64") else unquote(data)
    root = ElementTree.fromstring(svg)
    assert "style" not in svg
    lines = next(one.get("d") for one in root.iter() if one.get("stroke"))
    size, scale = 100, 6
    image = Image.new("L", (size * scale, size * scale), 255)
    draw, x, y = ImageDraw.Draw(image), 0.0, 0.0
    for command, numbers in re.findall(r"([Mmh])([-0-9. ]+)", lines):
        values = [float(one) for one in numbers.split()]
        if command == "h":
            draw.rectangle((x * scale, (y - 0.5) * scale, (x + values[0]) * scale - 1, (y + 0.5) * scale - 1), fill=0)
            x += values[0]
        elif command == "M":
            x, y = values
        else:
            x, y = x + values[0], y + values[1]
    return image


def test_the_code_says_exactly_what_the_link_says(browser, job):
    answer = browser.get(page(job)).text
    link = upi.link("dev@okbank", "Dev Menon", job.total, job.reference)
    assert link.replace("&", "&amp;") in answer
    (found,) = zxingcpp.read_barcodes(picture(answer))
    assert found.text == link


def test_the_link_names_who_how_much_and_what_for(app):
    link = urlsplit(upi.link("dev@okbank", "Dev & Söhne", 54_752, "DS-10042"))
    assert (link.scheme, link.netloc) == ("upi", "pay")
    known = {name: value for name, (value,) in parse_qs(link.query).items()}
    assert known == {
        "pa": "dev@okbank",
        "pn": "Dev & Söhne",
        "am": "547.52",
        "cu": "INR",
        "tn": "DS-10042",
        "tr": "DS-10042",
    }


def test_the_site_is_paid_if_it_has_an_account(browser, job, set_up):
    set_up(upi_id="doorstep@okbank")
    answer = browser.get(page(job)).text
    assert "doorstep@okbank" in answer
    assert "dev@okbank" not in answer


def test_who_paid_says_under_which_number(browser, job):
    answer = browser.post(page(job, "/pay/upi"), data={"reference": UTR}, follow_redirects=True)
    assert "is not confirmed yet" in answer.text
    assert (only(Payment).status, job.paid) == (PaymentStatus.CLAIMED, 0)
    assert browser.get(page(job)).status_code == 409


def test_a_wrong_number_is_said_beside_the_field_and_stays(browser, job):
    answer = browser.post(page(job, "/pay/upi"), data={"reference": "12345"})
    assert answer.status_code == 422
    assert "12 digits" in answer.text
    assert 'value="12345"' in answer.text


def test_a_number_that_was_used_is_refused(browser, job, customer, professional):
    other = factories.booking(customer, professional, status=Status.CLOSED)
    factories.payment(other, reference=UTR)
    answer = browser.post(page(job, "/pay/upi"), data={"reference": UTR})
    assert answer.status_code == 409
    assert "Each pays once" in answer.text


def test_what_else_a_form_says_changes_nothing(browser, job):
    odd = {"amount": "1", "currency": "USD", "booking_id": "1", "quantity": "0", "status": "verified", "holder": "bank"}
    browser.post(page(job, "/pay/upi"), data={"reference": UTR, **odd})
    made = only(Payment)
    assert (made.amount, made.booking_id, made.status, made.holder) == (
        *(job.total, job.id, PaymentStatus.CLAIMED),
        f"professional:{job.professional_id}",
    )


def test_nothing_is_offered_that_is_not_due(browser, job, professional):
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    assert browser.get(page(job)).status_code == 409
    assert '/pay"' not in browser.get(page(job, "")).text


@pytest.mark.parametrize("tail", ["/pay", "/pay/upi", "/pay/online"])
def test_a_booking_is_not_there_for_another_customer(as_, other_customer, job, tail):
    stranger = as_(other_customer)
    answer = stranger.get(page(job)) if tail == "/pay" else stranger.post(page(job, tail), data={"reference": UTR})
    assert answer.status_code == 404
    assert db.session.scalar(select(Payment)) is None


# -- Online -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", payments.GATEWAYS)
def test_the_way_to_a_gateway_is_a_link(browser, job, tills, method):
    answer = browser.post(page(job, "/pay/online"), data={"method": method.value}, follow_redirects=True)
    begun = only(Checkout)
    assert begun.url.startswith(CARD if method is PaymentMethod.STRIPE else LINK)
    assert f'href="{begun.url}"' in answer.text
    (asked,) = tills.orders.values()
    assert (asked["amount"], asked["key"]) == (job.total, begun.key)


@pytest.mark.parametrize("method", payments.GATEWAYS)
def test_the_amount_is_the_servers(browser, job, tills, method):
    odd = {"amount": "1", "currency": "USD", "quantity": "9", "booking_id": "1", "price": "1"}
    browser.post(page(job, "/pay/online"), data={"method": method.value, **odd})
    (asked,) = tills.orders.values()
    assert (asked["amount"], asked["currency"].upper()) == (job.total, "INR")


def test_a_second_click_begins_nothing_new(browser, job, tills):
    places = {browser.post(page(job, "/pay/online"), data={"method": "stripe"}).location for _time in range(2)}
    assert len(places) == len(tills.orders) == 1


def test_coming_back_pays_for_nothing(browser, job, tills):
    browser.post(page(job, "/pay/online"), data={"method": "stripe"})
    begun = only(Checkout)
    tills.pay(begun.reference)
    answer = browser.get(page(job, f"/checkouts/{begun.id}?paid=1&session_id={begun.reference}"))
    assert "as soon as Stripe tells us" in answer.text
    assert (job.paid, begun.status) == (0, CheckoutStatus.OPEN)


@pytest.mark.parametrize(("status", "said"), [("paid", "Thank you"), ("ended", "Nothing was charged")])
def test_the_page_says_what_became_of_it(browser, job, status, said):
    begun = factories.checkout(job, status=status)
    assert said in browser.get(page(job, f"/checkouts/{begun.id}")).text


def test_a_gateway_that_gives_no_answer_is_said_so(browser, job, tills):
    tills.fail = [(500, "api_error")]
    answer = browser.post(page(job, "/pay/online"), data={"method": "stripe"})
    assert answer.status_code == 503
    assert "gives no answer now" in answer.text
    assert only(Checkout).status is CheckoutStatus.ENDED


@pytest.mark.parametrize("method", ["cash", "paypal", "", "stripe"])
def test_a_way_that_is_off_is_refused(browser, job, method):
    assert browser.post(page(job, "/pay/online"), data={"method": method}).status_code in (409, 422)
    assert db.session.scalar(select(Checkout)) is None


# -- Cash that was noted ----------------------------------------------------------------------


@pytest.fixture
def noted(job, professional):
    bookings.record_payment(job, professional, PaymentMethod.CASH)
    db.session.commit()
    return only(Payment)


def test_cash_is_confirmed_with_a_click(browser, job, noted):
    assert "Yes, I paid" in browser.get(page(job, "")).text
    browser.post(page(job, f"/payments/{noted.id}/confirm"))
    assert noted.confirmed_at
    assert "Yes, I paid" not in browser.get(page(job, "")).text


def test_cash_is_denied_with_a_click(browser, job, noted):
    browser.post(page(job, f"/payments/{noted.id}/deny"))
    assert noted.disputed
    assert browser.post(page(job, f"/payments/{noted.id}/confirm")).status_code == 409


def test_the_payment_of_another_booking_is_not_there(browser, customer, professional, noted):
    other = factories.booking(customer, professional, status=Status.CLOSED)
    assert browser.post(page(other, f"/payments/{noted.id}/confirm")).status_code == 404
