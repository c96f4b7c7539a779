"""A bill from the coupon to the credit note: on a phone without scripts and on a desk with them."""

import pytest

from domain import bookings, disputes, extras
from extensions import db
from models import PaymentMethod, Status
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]


def cast():
    """A job under way with Ravi for Meera, another that was paid in part and of which a part was given back."""
    customer = factories.customer(name="Meera Pillai", email="meera@example.com")
    professional = factories.professional(name="Ravi Kumar", email="ravi@example.com")
    admin = factories.admin(name="Gita Iyer", email="gita@example.com")
    job = factories.booking(customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(8))
    extras.propose(job, professional, "Pipe", 5_000)
    before = factories.booking(customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(6))
    bookings.complete(before, professional)
    bookings.record_payment(before, professional, PaymentMethod.CASH, 20_000)
    disputes.begin(before, customer, "The filter leaks a little.")
    disputes.answer(before, professional, "It did not when I left.")
    disputes.refund(before, admin, "It does.", 5_000)
    db.session.commit()


@WAYS
def test_a_bill_is_made_approved_issued_and_lowered(new_site, visit, width, javascript):
    site = new_site(cast)
    people = {name: visit(site, width=width, javascript=javascript, axe=True) for name in ("meera", "ravi", "gita")}
    for name, visitor in people.items():
        log_in(visitor, f"{name}@example.com", factories.PASSWORD)
    meera, ravi, gita = people.values()

    gita.open("/admin/coupons")
    gita.press("New coupon")
    gita.fill(code="WELCOME-10", percent="10", most="30", limit_each="1")
    gita.press("Make the coupon")
    assert "at most ₹30.00" in gita.text()
    gita.open("/admin/coupons")

    meera.open("/book?professional_id=2")
    meera.fill(coupon="WELCOME-1")
    with meera.expecting(422):
        meera.press("Check the code")
    assert "This code can’t be used for this booking." in meera.text()
    meera.fill(coupon="welcome-10")
    meera.press("Check the code")
    assert "Discount with WELCOME-10" in meera.text()

    ravi.open("/professional/rate-card")
    ravi.fill(label="Water filter", price="120")
    ravi.press("Add it")
    ravi.press("Water filter")
    ravi.fill(price="125.50")
    ravi.press("Save")
    ravi.open("/professional/jobs/1")
    assert "Waits for the customer’s approval" in ravi.text()
    ravi.press("Add something to the bill")
    ravi.page.locator("[name=item_id]").select_option(index=1)
    ravi.fill(quantity="2")
    ravi.press("Ask the customer")

    meera.open("/bookings/1")
    assert "2 × Water filter" in meera.text()
    meera.press("Approve all")
    assert "Approved. It is on your bill now." in meera.text()
    ravi.open("/professional/jobs/1")
    ravi.press("Mark as done")

    for visitor, page in ((meera, "/bookings/1"), (ravi, "/professional/jobs/1"), (gita, "/admin/bookings/1")):
        visitor.open(page)
        visitor.press(visitor.page.get_by_role("link", name="Invoice 2026-27/000002"))
        assert "Water filter" in visitor.text()
        visitor.press("Invoices and receipts")
        for title in ("Receipt R-2026-27/000001", "Credit note C-2026-27/000001"):
            visitor.open("/documents")
            visitor.press(visitor.page.get_by_role("link", name=title))
