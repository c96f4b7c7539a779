"""A professional says where to, an admin pays a batch out, and both see the same money."""

import pytest

from domain import bookings
from extensions import db
from models import PaymentMethod, Status
from tests import factories
from tests.browser.test_disputes import come
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]


def people():
    factories.admin(name="Gita Iyer", email="gita@example.com")
    customer = factories.customer(name="Asha Rao", email="asha@example.com")
    professional = factories.professional(name="Dev Menon", email="dev@example.com", hourly_rate=30_000)
    factories.payout(factories.professional(name="Esha Nair"), factories.admin())
    factories.paid_job(customer, professional, price=99_900, commission=1000)
    factories.paid_job(customer, professional, price=20_000, paid=False)
    cash = factories.booking(
        customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(8), commission=1000
    )
    bookings.complete(cash, professional)
    bookings.record_payment(cash, professional, PaymentMethod.CASH)
    db.session.commit()
    factories.booking(customer, professional, starts_at=factories.at(15))


@WAYS
def test_money_reaches_a_professional(new_site, visit, width, javascript):
    site = new_site(people)
    looks = {"width": width, "javascript": javascript, "axe": True}
    professional, admin = (come(visit, site, name, **looks) for name in ("dev", "gita"))

    admin.open("/admin/people")
    admin.press("Dev Menon")
    admin.press("of the category or the site")
    admin.fill(commission="101")
    with admin.expecting(422):
        admin.press("Save")
    admin.fill(commission="12.5")
    admin.press("Save")
    assert "none → 12.5 %" in admin.text()
    professional.open("/professional/jobs/5")
    assert "is the commission of the site (12.5 %)" in professional.text()

    professional.open("/professional/earnings")
    assert "By service" in professional.text()
    professional.press("Calculator")
    professional.fill(hours="40")
    professional.press("Calculate")
    assert "₹10,500.00" in professional.text()
    professional.open("/professional/payouts")
    owed = professional.page.locator(".kpi").inner_text()
    professional.press("Add an account")
    with professional.expecting(422):
        professional.fill(holder="Dev Menon", number="12", code="HDFC0001234")
        professional.press("Save")
    professional.fill(number="001234567890")
    professional.press("Save")
    assert "•••• 7890" in professional.text()

    admin.open("/admin/payouts")
    admin.press("New batch")
    assert owed in admin.text()
    admin.press(f"Make 1 payout of {owed}")
    assert "On its way" in admin.text()
    with admin.page.expect_download() as download:
        admin.named("Download the file for the bank").click()
    assert "HDFC0001234" in download.value.path().read_text()
    admin.page.locator("summary", has_text="Mark as paid").click()
    admin.press("Mark all as paid")
    assert "1 payout is marked as paid." in admin.text()
    admin.open("/admin/payouts/1")
    admin.press(admin.page.get_by_role("link", name="Failed"))
    admin.fill(reason="No such account")
    admin.press("Mark as failed")

    professional.open("/professional/payouts")
    assert "Paid" in professional.text()
    assert "₹0.00" in professional.page.locator(".kpi").inner_text()
    professional.open("/notifications")
    assert f"{owed} was paid out to your account •••• 7890." in professional.text()

    admin.open("/admin/revenue")
    admin.press("Ledger")
    admin.press("Payouts on their way")
    admin.open("/admin/bookings/2/ledger")
    assert "Held by Stripe" in admin.text()
    admin.open("/service-list/categories/1")
    admin.open("/admin/audit")
