"""A job is paid in cash and by UPI, another one online; an admin gives a part back and reads the bank's statement."""

import io
import json
import re

import pytest
import requests
import stripe
import zxingcpp
from PIL import Image

from domain import bookings
from extensions import db
from models import Booking, PaymentMethod, Status
from models_money import PaymentStatus
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS
from tests.conftest import MONDAY
from tests.tills import Tills

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(600)]

UTR, SECRET = "412345678901", "whsec_doorstep"


def people():
    """The first job is done; a part of it was paid in cash. The second is ahead."""
    factories.admin(name="Gita Iyer", email="gita@example.com")
    customer = factories.customer(name="Asha Rao", email="asha@example.com")
    professional = factories.professional(name="Dev Menon", email="dev@example.com", upi_id="dev@okbank")
    job = factories.booking(customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(8))
    bookings.complete(job, professional)
    bookings.record_payment(job, professional, PaymentMethod.CASH, 10_000)
    factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))
    db.session.commit()


def come(visit, site, name, **looks):
    visitor = visit(site, **looks)
    log_in(visitor, f"{name}@example.com", factories.PASSWORD)
    return visitor


@WAYS
def test_a_job_is_paid_in_cash_and_by_upi(new_site, visit, width, javascript):
    site = new_site(people)
    looks = {"width": width, "javascript": javascript}
    customer, professional, admin = (come(visit, site, name, **looks) for name in ("asha", "dev", "gita"))

    customer.open("/bookings/1")
    assert "Did you pay ₹100.00?" in customer.text()
    customer.press("Yes, I paid")
    customer.press("Pay ₹447.52")
    link = customer.page.locator("main a[href^='upi:']").get_attribute("href")
    assert "pa=dev@okbank" in link
    assert "am=447.52" in link
    shot = Image.open(io.BytesIO(customer.page.locator("img.qr").screenshot())).resize((800, 800))
    assert [found.text for found in zxingcpp.read_barcodes(shot)] == [link]
    with customer.expecting(422):
        customer.fill(reference="12345")
        customer.press("I have paid")
    customer.fill(reference=UTR)
    customer.press("I have paid")
    assert "is not confirmed yet" in customer.text()

    professional.open("/professional/jobs/1")
    assert f"under the UTR number {UTR}" in professional.text()
    professional.press("It did not come")
    professional.press("Back")
    professional.press("I have the money")
    assert "You earn ₹449.00" in professional.text()

    customer.open("/bookings/1")
    assert re.search(r"₹447.52 paid by UPI", customer.text())

    admin.open("/admin/payments")
    admin.press("₹447.52")
    admin.press("Refund")
    admin.fill(amount="50", reason="A scratch")
    admin.press("Refund")
    assert "₹50.00" in admin.text()
    customer.open("/bookings/1")
    assert "₹50.00 goes back to the customer" in customer.text()


@WAYS
def test_a_job_is_paid_online_before_it_begins(new_site, visit, width, javascript):
    with Tills() as tills:
        keys = {"STRIPE_SECRET_KEY": "sk_test", "STRIPE_WEBHOOK_SECRET": SECRET, "STRIPE_API": tills.url}
        site = new_site(people, UPI_ID="doorstep@okbank", **keys)
        customer = come(visit, site, "asha", width=width, javascript=javascript)
        customer.open("/bookings/2")
        customer.press("Pay ₹547.52")
        customer.press("Pay through Stripe")
        (reference,) = tills.orders
        assert customer.page.get_by_role("link", name="Go to Stripe").get_attribute("href").endswith(reference)
        tills.pay(reference)
        customer.open(f"/bookings/2/checkouts/1?session={reference}")
        assert "as soon as Stripe tells us" in customer.text()
        said = {"id": "evt_1", "type": "checkout.session.completed", "data": {"object": tills.session(reference)}}
        assert tell(site, json.dumps(said)) == 204
        customer.open("/bookings/2/checkouts/1")
        assert "Paid. Thank you." in customer.text()


def tell(site, body):
    """As the gateway does, by the site's clock, which stands still."""
    signed = stripe.WebhookSignature.generate_signature_header(body, SECRET, int(MONDAY.timestamp()))
    head = {"Stripe-Signature": signed, "Content-Type": "application/json"}
    return requests.post(f"{site.address}/webhooks/stripe", body, headers=head, timeout=30).status_code


@WAYS
def test_a_statement_is_read_and_what_waits_is_looked_at(new_site, visit, width, javascript):
    def claimed():
        people()
        done, job = db.session.query(Booking).order_by(Booking.id)
        factories.payment(job, status=PaymentStatus.CLAIMED, holder="bank", reference=UTR)
        odd = factories.payment(done, amount=500, method=PaymentMethod.CASH)
        odd.denied_at = job.created_at
        factories.refund(odd, amount=100)
        factories.checkout(job)
        db.session.commit()

    admin = come(visit, new_site(claimed, UPI_ID="doorstep@okbank"), "gita", width=width, javascript=javascript)
    admin.open("/admin/reconciliation")
    assert UTR in admin.text()
    statement = f"Date,Narration,Credit\n23/11/2026,UPI/{UTR}/ASHA,547.52\n23/11/2026,UPI/999999999999/X,5\n"
    sent = {"name": "november.csv", "mimeType": "text/csv", "buffer": statement.encode()}
    admin.page.set_input_files("input[name=statement]", [sent])
    admin.press("Compare")
    for words in ("Matched", "Unknown", "Nothing is written yet."):
        assert words in admin.text()
    admin.press("Verify 1 payment")
    assert UTR not in admin.text()
    admin.open("/admin/payments/1")
    admin.open("/admin/payments/3")
    assert "says that they did not pay" in admin.text()
    admin.press("It was not paid")
    admin.open("/admin/payments?status=verified&reference=DS-10001")
    admin.open("/profile")
