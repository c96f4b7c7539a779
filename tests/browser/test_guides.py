"""Guides in a browser: found, read, felt about and talked about; written and approved; and nothing in them runs."""

import pytest
from playwright.sync_api import expect

import init_db
from domain import comments
from extensions import db
from tests import factories
from tests.browser.conftest import log_in
from tests.browser.test_live import open_listening
from tests.browser.visitor import WAYS
from tests.domain.test_markdown import PAYLOADS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

READER, WRITER, ADMIN = (f"{name}@example.com" for name in ("meera", "ravi", "asha"))
GUIDE = "/guides/geyser-safety"
# A text that is nothing but attempts, parted so that none swallows the next.
HOSTILE = "\n\n".join(f"{n}.\n\n{payload}\n\n-->\n\n```\n```" for n, payload in enumerate(PAYLOADS))


def people():
    factories.customer(name="Meera Nair", email=READER)
    factories.professional(name="Ravi Kumar", email=WRITER)
    admin = factories.admin(name="Asha Rao", email=ADMIN)
    init_db.load_guides()
    hostile = factories.guide(admin, title="Hostile", text=HOSTILE[:20_000], slug="hostile")
    for n, payload in enumerate(PAYLOADS[:15]):
        comments.write(hostile, admin, f"{n} {payload}")
    db.session.commit()


@pytest.fixture
def site(new_site):
    return new_site(people)


@WAYS
def test_a_guide_is_found_read_and_felt_about(site, visit, width, javascript):
    reader = visit(site, width=width, javascript=javascript)
    reader.open("/guides")
    reader.fill(q="geysers valve")
    reader.press("Search")
    reader.press("Geyser safety: electric, gas and the valve that nobody looks at")
    assert "water heater" in reader.text().lower()
    reader.press(reader.page.locator(".reaction").first)
    assert "/login" in reader.page.url
    reader.fill(email=READER, password=factories.PASSWORD)
    reader.press(reader.page.locator("main").get_by_role("button", name="Log in"))
    assert reader.page.url.endswith(GUIDE)
    click(reader, "Happy")
    expect(reader.page.locator("#reaction-happy")).to_have_text("Happy 1")
    click(reader, "Happy")
    expect(reader.page.locator("#reaction-happy")).to_have_text("Happy 0")
    click(reader, "Confused")
    expect(reader.page.locator("#reaction-confused")).to_have_attribute("aria-pressed", "true")
    reader.fill(text="What about https://example.com/gas geysers?")
    reader.press("Comment")
    assert "Only you see this yet" in reader.text()
    reader.open("/guides/tags/safety")
    admin = visit(site, width=width, javascript=javascript)
    log_in(admin, ADMIN, factories.PASSWORD)
    admin.open("/admin/comments")
    admin.press(admin.page.get_by_role("link", name="Hide it").first)
    admin.fill(reason="A link that sells something.")
    admin.press("Hide the comment")
    admin.open("/admin/comments?show=decided")
    assert "A link that sells something." in admin.text()


def click(reader, name):
    button = reader.page.get_by_role("button", name=name)
    if reader.javascript:
        with reader.page.expect_response(lambda answer: "/reactions/" in answer.url):
            button.click()
        reader.look()
    else:
        reader.press(button)


@WAYS
def test_a_guide_is_written_looked_at_and_approved(site, visit, tmp_path, width, javascript):
    writer = visit(site, width=width, javascript=javascript)
    log_in(writer, WRITER, factories.PASSWORD)
    writer.open("/my-guides")
    writer.press("Write a guide")
    writer.fill(title="Fans that hum", summary="Three reasons.", text="## The capacitor\n\nIt is **weak**.")
    if javascript:
        expect(writer.page.locator("#preview h2").nth(1)).to_have_text("The capacitor")
    writer.press("Preview")
    assert "The capacitor" in writer.page.locator("#preview").inner_text()
    writer.fill(tags="fans, electrical")
    writer.press("Save and send for approval")
    assert "To approve" in writer.text()
    admin = visit(site, width=width, javascript=javascript)
    log_in(admin, ADMIN, factories.PASSWORD)
    admin.open("/admin/guides?state=waiting")
    admin.press("Fans that hum")
    admin.press("Send it back")
    admin.fill(reason="Say how one finds out.")
    admin.press("Send it back")
    writer.open("/my-guides")
    writer.press(writer.page.get_by_role("link", name="Fans that hum"))
    assert "Say how one finds out." in writer.text()
    writer.press("Edit")
    writer.press("Save")
    writer.press("Send for approval")
    admin.open("/admin/guides?state=waiting")
    admin.press("Fans that hum")
    admin.press("Approve")
    admin.press("See it as readers do")
    assert "Ravi Kumar" in admin.text()


def test_nothing_that_somebody_writes_runs(site, visit):
    """The page, the comments below it and the preview; the visitor fails at a dialog, at anything that the policy
    had to stop, and at a request to another host."""
    for width in (390, 1280):
        admin = visit(site, width=width)
        admin.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        admin.open("/guides/hostile")
        admin.page.wait_for_timeout(500)
        admin.look()
        addresses = admin.page.eval_on_selector_all("main a[href]", "(all) => all.map((a) => a.protocol)")
        assert set(addresses) <= {"http:", "https:", "mailto:"}
    log_in(admin, ADMIN, factories.PASSWORD)
    admin.open("/my-guides/new")
    for payload in PAYLOADS[::6]:
        with admin.page.expect_response(lambda answer: answer.url.endswith("/my-guides/preview")):
            admin.fill(text=payload.replace("\x00", "").replace("\x01", ""))
    admin.look()


def test_numbers_change_for_everybody_who_is_looking(site, visit):
    passer_by, other = visit(site, width=390), visit(site)
    open_listening(passer_by, GUIDE)
    log_in(other, READER, factories.PASSWORD)
    open_listening(other, GUIDE)
    other.page.get_by_role("button", name="Grateful").click()
    expect(passer_by.page.locator('[data-number="grateful"]')).to_have_text("1")
    other.page.get_by_role("button", name="Grateful").click()
    expect(passer_by.page.locator('[data-number="grateful"]')).to_have_text("0")
    assert passer_by.page.evaluate("() => window.here")
    for visitor in (passer_by, other):
        visitor.look()
