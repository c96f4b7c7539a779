"""A key for a script of one's own, and a webhook of the operator's, on a phone and on a desk."""

import re

import pytest

from domain import bookings, webhooks
from extensions import db
from models import Channel, Delivery, OutboxMessage
from tests import factories
from tests.browser.conftest import log_in

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

SIZES = pytest.mark.parametrize("width", [390, 1280])
SCRIPTS = pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])


def people():
    """An admin with a webhook that did not answer, and one that did."""
    admin = factories.admin(name="Gita Iyer", email="gita@example.com")
    customer = factories.customer(name="Asha Rao", email="asha@example.com")
    professional = factories.professional(name="Dev Menon", email="dev@example.com")
    hook = factories.webhook(admin, verbs=("accept", "depart"))
    booking = factories.booking(customer, professional, starts_at=factories.at(11))
    bookings.accept(booking, professional)
    bookings.depart(booking, professional)
    webhooks.send_test(hook, admin)
    sent, failed, dropped = db.session.query(OutboxMessage).filter_by(channel=Channel.WEBHOOK).order_by("id")
    sent.status, sent.sent_at = Delivery.SENT, sent.created_at
    failed.status, failed.tries, failed.error = Delivery.FAILED, 8, "hooks.example.com answered 503."
    dropped.status, dropped.error = Delivery.DROPPED, "paused"
    db.session.commit()


@SCRIPTS
@SIZES
def test_a_key_is_made_copied_and_revoked(new_site, visit, width, javascript):
    visitor = visit(new_site(people), width=width, javascript=javascript)
    log_in(visitor, "asha@example.com", factories.PASSWORD)
    visitor.open("/account/security")
    visitor.press("Your keys")
    visitor.press("Make a key")
    with visitor.expecting(422):
        visitor.press("Make the key")
    visitor.fill(name="Calendar on my laptop")
    visitor.page.get_by_label("See bookings").check()
    visitor.press("Make the key")
    assert re.search(r"dsk_[\w-]{43}", visitor.text())
    visitor.press("I have copied it")
    assert "dsk_" in visitor.text()
    visitor.page.locator("summary", has_text="Revoke").click()
    visitor.look()
    visitor.press("Revoke the key")
    assert "No keys yet" in visitor.text()


@SCRIPTS
@SIZES
def test_a_webhook_is_added_looked_after_and_removed(new_site, visit, width, javascript):
    visitor = visit(new_site(people), width=width, javascript=javascript)
    log_in(visitor, "gita@example.com", factories.PASSWORD)
    visitor.open("/admin/webhooks")
    visitor.press("hooks.example.com")
    assert "hooks.example.com answered 503." in visitor.text()
    visitor.page.locator("summary", has_text="Pause").click()
    visitor.look()
    visitor.press("Pause it")
    assert "The webhook is paused." in visitor.text()
    visitor.press(visitor.page.get_by_role("link", name="booking.departed"))
    visitor.open("/admin/outbox?state=failed")
    visitor.open("/admin/webhooks/new")
    visitor.fill(url="https://10.0.0.1/")
    with visitor.expecting(422):
        visitor.press("Add it")
    visitor.fill(url="https://93.184.216.34/doorstep")
    visitor.page.get_by_label("booking.accepted").check()
    visitor.press("Add it")
    assert re.search(r"whsec_[\w-]{43}", visitor.text())
    visitor.press("I have copied it")
    visitor.page.locator("summary", has_text="Remove").click()
    visitor.press("Remove it")
    assert "The webhook is removed." in visitor.text()
    visitor.open("/admin/audit")
