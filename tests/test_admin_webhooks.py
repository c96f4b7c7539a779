"""The admin's pages of webhooks: adding, changing and stopping one, its secret, and its deliveries."""

import re

import pytest
from sqlalchemy import select

from domain import clock, sealing, webhooks
from extensions import db
from models import AuditEntry, Channel, Delivery, OutboxMessage
from models_integrations import Webhook
from tests import factories
from tests.gateway import names_lead_to

PAGE = "/admin/webhooks"
URL = "https://hooks.example.com/doorstep"
PUBLIC = ("93.184.216.34", 443)


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def hook(admin):
    return factories.webhook(admin)


def the_hook():
    db.session.rollback()
    return db.session.scalars(select(Webhook).execution_options(populate_existing=True)).one()


def secret_of(page):
    return re.search(r"whsec_[\w-]{43}", page.text)[0]


def kept_secret():
    return sealing.unsealed(the_hook().secret)


def test_a_webhook_is_added_and_its_secret_shown_once(browser, monkeypatch):
    with names_lead_to(monkeypatch, PUBLIC):
        page = browser.post(f"{PAGE}/new", data={"url": URL, "verbs": ["accept", "cancel"]})
    assert page.headers["Cache-Control"] == "no-store"
    assert secret_of(page) == kept_secret()
    hook = the_hook()
    assert (hook.url, hook.verbs) == (URL, ["accept", "cancel"])
    for path in (PAGE, f"{PAGE}/{hook.id}"):
        page = browser.get(path).text
        assert "hooks.example.com" in page
        assert "whsec_" not in page
    assert "2 of 38" in browser.get(PAGE).text


@pytest.mark.parametrize(
    ("url", "place", "said"),
    [
        ("", PUBLIC, "Enter an address that begins with https://."),
        ("http://hooks.example.com/", PUBLIC, "begins with https:// and has no password"),
        ("https://a:b@hooks.example.com/", PUBLIC, "begins with https:// and has no password"),
        ("https://hooks.example.com/", ("10.0.0.1", 443), "does not lead to a server on the public internet"),
        ("https://169.254.169.254/", ("169.254.169.254", 443), "does not lead to a server on the public internet"),
        ("https://hooks.example.com/" + "x" * 500, PUBLIC, "Use at most 500 characters."),
    ],
)
def test_an_address_that_events_may_not_go_to_is_refused(browser, hook, monkeypatch, url, place, said):
    with names_lead_to(monkeypatch, place):
        for path in (f"{PAGE}/new", f"{PAGE}/{hook.id}"):
            page = browser.post(path, data={"url": url})
            assert page.status_code == 422
            assert said in page.text
    assert the_hook().url == URL


def test_an_event_that_is_not_listed_is_refused(browser, hook):
    page = browser.post(f"{PAGE}/{hook.id}", data={"url": URL, "verbs": ["made up"]})
    assert page.status_code == 422
    assert the_hook().verbs == []


def test_the_eleventh_is_refused_on_its_form(browser, admin, monkeypatch):
    for _ in range(webhooks.MOST_WEBHOOKS):
        factories.webhook(admin)
    with names_lead_to(monkeypatch, PUBLIC):
        page = browser.post(f"{PAGE}/new", data={"url": URL})
    assert page.status_code == 409
    assert "There are 10 webhooks." in page.text


def test_the_address_and_the_events_are_changed(browser, hook, monkeypatch):
    moved = "https://other.example.com/"
    with names_lead_to(monkeypatch, PUBLIC) as asked:
        assert browser.post(f"{PAGE}/{hook.id}", data={"url": URL, "verbs": ["review"]}).status_code == 302
        assert asked == []
        browser.post(f"{PAGE}/{hook.id}", data={"url": moved, "verbs": ["review"]})
    assert asked == ["other.example.com"]
    assert (the_hook().url, the_hook().verbs) == (moved, ["review"])


def test_the_secret_is_replaced(browser, hook):
    before = kept_secret()
    page = browser.post(f"{PAGE}/{hook.id}/secret")
    assert page.headers["Cache-Control"] == "no-store"
    assert secret_of(page) == kept_secret() != before


def test_it_is_paused_and_resumed_and_a_second_click_says_how_it_is(browser, hook):
    browser.post(f"{PAGE}/{hook.id}/pause")
    assert the_hook().paused_at == clock.now()
    assert "Send a test event" not in browser.get(f"{PAGE}/{hook.id}").text
    again = browser.post(f"{PAGE}/{hook.id}/pause")
    assert again.status_code == 409
    assert "This webhook is paused already." in again.text
    browser.post(f"{PAGE}/{hook.id}/resume")
    assert the_hook().paused_at is None


def test_a_removed_one_has_no_page_any_more_and_what_was_sent_to_it_still_says_where(browser, hook, admin):
    webhooks.send_test(hook, admin)
    db.session.commit()
    assert browser.post(f"{PAGE}/{hook.id}/remove").location == PAGE
    assert browser.get(f"{PAGE}/{hook.id}").status_code == 404
    for verb in ("pause", "resume", "remove", "secret", "test"):
        assert browser.post(f"{PAGE}/{hook.id}/{verb}").status_code == 404
    assert "No webhooks yet" in browser.get(PAGE).text
    listed = browser.get("/admin/outbox").text
    assert "hooks.example.com" in listed
    assert f"{PAGE}/{hook.id}" not in listed


def test_a_test_event_is_listed_with_what_became_of_it(browser, hook):
    browser.post(f"{PAGE}/{hook.id}/test")
    assert "Waiting" in browser.get(f"{PAGE}/{hook.id}").text
    message = db.session.scalars(select(OutboxMessage)).one()
    message.status, message.tries, message.error = Delivery.FAILED, 8, "hooks.example.com answered 500."
    db.session.commit()
    page = browser.get(f"{PAGE}/{hook.id}").text
    assert "hooks.example.com answered 500." in page
    assert f'action="/admin/outbox/{message.id}/resend"' in page
    browser.post(f"/admin/outbox/{message.id}/resend")
    db.session.expire_all()
    assert db.session.scalars(select(OutboxMessage)).one().status is Delivery.WAITING


def test_a_delivery_can_be_looked_at_as_it_will_be_sent(browser, hook, admin):
    webhooks.send_test(hook, admin)
    db.session.commit()
    message = db.session.scalars(select(OutboxMessage)).one()
    page = browser.get(f"/admin/outbox/{message.id}").text
    assert "&#34;type&#34;: &#34;test&#34;" in page
    assert f'href="{PAGE}/{hook.id}"' in page
    assert "Webhook" in page


def test_a_page_shows_the_deliveries_of_its_own_webhook_twenty_at_a_time(browser, admin, hook):
    other = factories.webhook(admin, "https://other.example.com/")
    webhooks.send_test(other, admin)
    for _ in range(21):
        webhooks.send_test(hook, admin)
    db.session.commit()
    page = browser.get(f"{PAGE}/{hook.id}").text
    assert page.count('href="/admin/outbox/') == 20
    address = re.search(r'rel="next" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert browser.get(address).text.count('href="/admin/outbox/') == 1
    assert db.session.query(OutboxMessage).filter_by(channel=Channel.WEBHOOK).count() == 22


def test_what_was_done_is_in_the_trail_without_the_secret_and_the_path(browser, hook):
    browser.post(f"{PAGE}/{hook.id}/secret")
    trail = browser.get("/admin/audit").text
    assert "Replaced the secret of a webhook" in trail
    assert "Added a webhook" in trail
    assert "hooks.example.com" in trail
    details = [entry.detail for entry in db.session.scalars(select(AuditEntry))]
    assert details == [{"name": "hooks.example.com"}] * 2
