"""One job's money through all its papers: an extra, a part in cash, the rest by UPI, a part refund."""

import io
import re

import pytest
from pypdf import PdfReader

from extensions import db
from models import Status
from tests import factories
from tests.browser.test_payments import UTR, come
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]


PARTS = ("Dev Menon", "Doorstep", "Tax")


def under_way():
    factories.admin(name="Gita Iyer", email="gita@example.com")
    customer = factories.customer(name="Asha Rao", email="asha@example.com")
    professional = factories.professional(name="Dev Menon", email="dev@example.com", upi_id="dev@okbank")
    factories.booking(
        customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(8), commission=1_250
    )
    db.session.commit()


def paise(text):
    """An amount as pages write it, in minor units: ₹1,234.50 is 123450."""
    return round(float(re.sub(r"[^\d.]", "", text)) * 100)


def facts(visitor):
    """A document's lines, its total, whose it is by name, and the text of its PDF."""
    rows = [row.rsplit("\t", 1) for row in visitor.page.locator("main table tbody tr").all_inner_texts()]
    lines = [amount for name, amount in rows if name not in ("Total", "Tax in it")]
    total = next(amount for name, amount in rows if name == "Total")
    names = visitor.page.locator("main dt").all_inner_texts()
    parts = dict(zip(names, visitor.page.locator("main dd").all_inner_texts(), strict=True))
    link = visitor.page.get_by_role("link", name="Download as PDF").get_attribute("href")
    paper = visitor.page.request.get(link).body()
    words = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(paper)).pages)
    return lines, total, parts, words


@WAYS
def test_invoice_credit_note_and_earnings_agree_to_the_paisa(new_site, visit, width, javascript):
    site = new_site(under_way)
    looks = {"width": width, "javascript": javascript, "axe": True}
    customer, professional, admin = (come(visit, site, name, **looks) for name in ("asha", "dev", "gita"))

    professional.open("/professional/jobs/1")
    professional.press("Add something to the bill")
    professional.fill(label="Copper pipe", price="199.99")
    professional.press("Ask the customer")
    customer.open("/bookings/1")
    customer.press("Approve")
    professional.open("/professional/jobs/1")
    professional.press("Mark as done")

    professional.fill(amount="1,000,000")
    professional.page.get_by_label("Cash").check()
    with professional.expecting(422):
        professional.press("Note as paid")
    assert "Enter an amount up to what is still due." in professional.text()
    professional.fill(amount="200.01")
    professional.press("Note as paid")
    customer.open("/bookings/1")
    customer.press("Yes, I paid")
    customer.press("Pay ₹583.50")
    customer.fill(reference=UTR)
    customer.press("I have paid")
    professional.open("/professional/jobs/1")
    professional.press("I have the money")

    admin.open("/admin/payments")
    admin.press(admin.page.get_by_role("row", name="UPI").get_by_role("link").first)
    admin.press("Refund")
    admin.fill(amount="50.01", reason="The pipe was scratched.")
    admin.press("Refund")

    customer.open("/bookings/1")
    customer.press(customer.page.get_by_role("link", name="Invoice 2026-27/000001"))
    lines, shown, parts, words = facts(customer)
    # The service, the fee and the extra; 18 % on both times what was agreed together.
    total = (44_900 + 1_500) + 8_352 + 19_999 + 3_600
    assert paise(shown) == sum(paise(amount) for amount in lines) == total
    earned, tax = 44_900 + 19_999 - 8_112, 8_352 + 3_600
    assert [paise(parts[name]) for name in PARTS] == [earned, total - earned - tax, tax]
    assert all(amount in words for amount in (*lines, shown, *(parts[name] for name in PARTS)))

    customer.open("/bookings/1")
    customer.press(customer.page.get_by_role("link", name="Credit note C-2026-27/000001"))
    lines, shown, parts, words = facts(customer)
    assert paise(shown) == sum(paise(amount) for amount in lines) == sum(paise(parts[name]) for name in PARTS) == 5_001
    assert shown in words
    left = earned - paise(parts["Dev Menon"])

    professional.open("/professional/earnings")
    assert f"1 job earned ₹{left / 100:.2f}." in professional.text()
    # They have all of the money in hand: what is not theirs they owe the site.
    assert f"You owe the site ₹{(total - 5_001 - left) / 100:.2f}." in professional.text()
    books = site.command("ledger", "check")
    assert (books.stdout, books.returncode) == ("The books balance.\n", 0), books.stderr
