"""The pages of a conversation, as both sides use them, and what admins see of it."""

import io

import pytest
from PIL import Image
from sqlalchemy import func, select

from domain import conversations, message_reports
from extensions import db
from models import Notification, Status
from models_live import Message, MessageReport, TalkSide
from templating import linked
from tests import factories


@pytest.fixture
def booking(customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED)


@pytest.fixture
def page(booking):
    return f"/conversations/{booking.id}"


@pytest.fixture
def said(booking, customer, professional):
    """A word of each, the customer's first."""
    messages = [conversations.send(booking, by, text) for by, text in ((customer, "Come soon"), (professional, "Yes"))]
    db.session.commit()
    return messages


@pytest.fixture
def report(said, professional):
    made = message_reports.report(said[0], professional, "Too bossy")
    db.session.commit()
    return made


def photo(content=None):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "JPEG")
    return (io.BytesIO(content or out.getvalue()), "photo.jpg")


def texts():
    return db.session.scalars(select(Message.text).order_by(Message.id)).all()


# -- Writing and reading ----------------------------------------------------------------------


def test_both_write_by_plain_forms(as_, page, customer, professional):
    answer = as_(customer).post(page, data={"text": "Ring twice", "key": "one"})
    assert (answer.status_code, answer.location) == (303, f"{page}#write")
    as_(professional).post(page, data={"text": "I will", "key": "one"})
    text = as_(customer).get(page).text
    assert text.index("Ring twice") < text.index("I will")
    assert "Conversation with Dev Menon" in text
    assert "Conversation with Asha Rao" in as_(professional).get(page).text


def test_a_double_click_sends_once(as_, page, customer):
    for _ in range(2):
        assert as_(customer).post(page, data={"text": "Ring twice", "key": "one"}).status_code == 303
    assert texts() == ["Ring twice"]


def test_each_page_has_a_key_of_its_own(as_, page, customer):
    keys = {as_(customer).get(page).text.partition('name="key" type="hidden" value="')[2][:32] for _ in range(2)}
    assert len(keys) == 2


def test_a_photo_is_kept_without_what_the_file_said_beside_it(as_, page, customer, professional):
    as_(customer).post(page, data={"picture": photo(), "key": "one"})
    message = db.session.scalars(select(Message)).one()
    shown = as_(professional).get(f"/files/{message.file_id}")
    assert (shown.status_code, shown.mimetype) == (200, "image/jpeg")
    assert f"/files/{message.file_id}" in as_(professional).get(page).text


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ({"text": " "}, "Write something, or choose a photo."),
        ({"text": "x" * 2001}, "Write at most 2000 characters."),
        ({"text": "Look", "picture": (io.BytesIO(b"MZ"), "photo.jpg")}, "This is not a picture we can read."),
    ],
)
def test_what_was_typed_survives_a_refusal(as_, page, customer, data, fault):
    answer = as_(customer).post(page, data={**data, "key": "one"})
    assert answer.status_code == 422
    assert fault in answer.text
    assert data["text"].strip() in answer.text
    assert texts() == []


def test_a_closed_conversation_is_read_and_not_written(as_, booking, page, customer, said, frozen):
    booking.status = Status.CLOSED
    factories.happened(booking, "close", customer, booking.created_at, Status.COMPLETED)
    frozen.shift(7 * 24 * 3600)
    answer = as_(customer).get(page)
    assert "Come soon" in answer.text
    assert "is closed since" in answer.text
    assert 'name="text"' not in answer.text
    refused = as_(customer).post(page, data={"text": "Hello?", "key": "one"})
    assert refused.status_code == 409
    assert "Come soon" in refused.text


def test_before_the_acceptance_there_is_no_conversation(as_, customer, professional):
    asked = factories.booking(customer, professional)
    assert as_(customer).get(f"/conversations/{asked.id}").status_code == 404
    assert f"/conversations/{asked.id}" not in as_(customer).get(f"/bookings/{asked.id}").text
    assert f"/conversations/{asked.id}" not in as_(professional).get(f"/professional/jobs/{asked.id}").text


def test_older_messages_are_a_page_away(as_, booking, page, customer):
    for number in range(35):
        conversations.send(booking, customer, f"Word {number}.")
    db.session.commit()
    newest = as_(customer).get(page).text
    assert "Word 5." in newest
    assert "Word 4." not in newest
    first = db.session.scalar(select(Message.id).where(Message.text == "Word 5."))
    assert f"{page}?before={first}" in newest
    older = as_(customer).get(f"{page}?before={first}").text
    assert "Word 0." in older
    assert 'data-look="talk-' not in older
    assert as_(customer).get(f"{page}?before=99999999999999999999").status_code == 200


# -- What a page asks for ---------------------------------------------------------------------


def test_a_page_gets_what_is_new_and_how_far_its_own_words_came(as_, booking, page, customer, professional, said):
    answer = as_(professional).get(f"{page}/new?after={said[0].id}").text
    assert "Yes" in answer
    assert "Come soon" not in answer
    assert "Sent" in answer
    for sent, shown in (({}, "Delivered"), ({"read": "1"}, "Read: today, 9:00 am")):
        as_(customer).post(f"{page}/seen", data={"upto": said[1].id, **sent}, headers={"HX-Request": "true"})
        assert shown in as_(professional).get(f"{page}/new?after={said[1].id}").text


@pytest.mark.parametrize("upto", ["", "x", "-1", "9" * 30])
def test_a_mark_that_makes_no_sense_marks_nothing(as_, page, customer, said, upto):
    as_(customer).post(f"{page}/seen", data={"upto": upto, "read": "1"})
    assert db.session.scalars(select(TalkSide.read_id)).all() == [0, 0]


def test_a_script_gets_no_page_for_an_answer(as_, page, customer, said):
    script = {"HX-Request": "true"}
    sent = as_(customer).post(page, data={"text": "Now", "key": "one"}, headers=script)
    seen = as_(customer).post(f"{page}/seen", data={"upto": said[1].id}, headers=script)
    assert [(one.status_code, one.text) for one in (sent, seen)] == [(204, ""), (204, "")]


def test_sending_marks_as_read_what_the_page_showed(as_, page, customer, professional, said):
    as_(customer).post(page, data={"text": "Good", "key": "one", "seen": said[1].id})
    assert "Read: today" in as_(professional).get(f"{page}/new?after=0").text or "Good" in texts()
    assert conversations.unread_of(customer) == {}


def test_typing_is_said_and_not_written_down(as_, page, customer):
    before = db.session.scalar(select(func.count()).select_from(Notification))
    assert as_(customer).post(f"{page}/typing").status_code == 204
    assert db.session.scalar(select(func.count()).select_from(Notification)) == before


def test_nobody_types_a_hundred_times_a_minute(as_, rate_limited, page, customer):
    browser = as_(customer)
    browser.audit = False
    answers = {browser.post(f"{page}/typing").status_code for _ in range(31)}
    assert answers == {204, 429}


# -- Where unread messages show ---------------------------------------------------------------


def test_unread_messages_are_counted_wherever_the_booking_is_listed(as_, booking, customer, professional, said):
    shown = '<span class="count">1</span><span class="visually-hidden"> unread message'
    for address in ("/conversations", "/bookings", "/customer-dashboard", f"/bookings/{booking.id}"):
        assert shown in as_(customer).get(address).text, address
    for address in ("/conversations", "/professional-dashboard", "/professional/calendar"):
        assert shown in as_(professional).get(address).text, address
    assert shown in as_(professional).get(f"/professional/jobs/{booking.id}").text


def test_the_list_has_the_last_word_of_each_conversation(as_, customer, professional, other_customer, said):
    text = as_(customer).get("/conversations").text
    assert "Dev Menon" in text
    assert "Yes" in text
    assert "You: Yes" in as_(professional).get("/conversations").text.replace("  ", " ")
    assert "No messages yet" in as_(other_customer).get("/conversations").text


def test_the_notification_leads_to_the_conversation(as_, page, customer, said):
    note = db.session.scalars(select(Notification).where(Notification.user_id == customer.id)).one()
    browser = as_(customer)
    assert "Dev Menon wrote to you about" in browser.get("/notifications").text
    assert browser.post(f"/notifications/{note.id}/read").location == f"{page}#write"


# -- Reports ----------------------------------------------------------------------------------


def test_a_message_is_reported_from_its_conversation(as_, page, professional, said):
    browser = as_(professional)
    address = f"{page}/messages/{said[0].id}/report"
    assert address in browser.get(page).text
    assert "Come soon" in browser.get(address).text
    assert browser.post(address, data={"reason": ""}).status_code == 422
    assert browser.post(address, data={"reason": "Too bossy"}).location == page
    assert browser.post(address, data={"reason": "Too bossy"}).status_code == 409
    assert db.session.scalars(select(MessageReport.reason)).all() == ["Too bossy"]


def test_a_message_of_another_conversation_cannot_be_reported(
    as_, customer, other_customer, other_professional, booking, said
):
    theirs = factories.booking(other_customer, other_professional, status=Status.ACCEPTED)
    assert as_(other_customer).get(f"/conversations/{theirs.id}/messages/{said[0].id}/report").status_code == 404
    assert as_(other_customer).get(f"/conversations/{booking.id}/messages/{said[0].id}/report").status_code == 404


def test_an_admin_hides_a_message_from_both(as_, admin, page, customer, professional, report):
    browser = as_(admin)
    assert "Too bossy" in browser.get("/admin/reported-messages").text
    shown = browser.get(f"/admin/reported-messages/{report.id}").text
    assert "Come soon" in shown
    assert f'is-reported" id="message-{report.message_id}"' in shown
    address = f"/admin/reported-messages/{report.id}/hide"
    assert browser.post(address, data={"reason": " "}).status_code == 422
    browser.post(address, data={"reason": "Not polite"})
    for person in (customer, professional):
        text = as_(person).get(page).text
        assert "Come soon" not in text
        assert "Hidden by the site: Not polite" in text
    assert "Come soon" in browser.get(f"/admin/reported-messages/{report.id}").text
    assert "No reported messages" in browser.get("/admin/reported-messages").text
    assert "Hidden" in browser.get("/admin/reported-messages?show=decided").text
    assert browser.post(address, data={"reason": "Again"}).status_code == 409


def test_an_admin_dismisses_a_report(as_, admin, page, customer, report):
    browser = as_(admin)
    browser.post(f"/admin/reported-messages/{report.id}/dismiss")
    assert "Come soon" in as_(customer).get(page).text
    assert "Dismissed" in browser.get("/admin/reported-messages?show=decided").text
    assert browser.post(f"/admin/reported-messages/{report.id}/dismiss").status_code == 409


def test_an_admin_reads_no_conversation_without_a_reason(as_, admin, booking, said):
    address = f"/admin/conversations/{booking.id}"
    assert as_(admin).get(address).status_code == 403
    booking.status = Status.DISPUTED
    factories.dispute(booking)
    assert "Come soon" in as_(admin).get(address).text
    assert address in as_(admin).get(f"/admin/disputes/{booking.id}").text


def test_reports_wait_in_the_navigation(as_, admin, report):
    waiting = '<span data-count="admin_conversations.reported"> <span class="count">1</span></span>'
    assert waiting in as_(admin).get("/admin-dashboard").text


# -- Links ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("See https://example.com/a?b=c&d.", "See {}."),
        ("(https://example.com/a?b=c&d)", "({})"),
        ("https://example.com/a?b=c&d", "{}"),
    ],
)
def test_web_addresses_become_links_that_carry_nothing(text, html):
    address = "https://example.com/a?b=c&amp;d"
    link = f'<a href="{address}" rel="nofollow ugc noopener noreferrer" target="_blank">{address}</a>'
    assert linked(text) == html.format(link)


@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "data:text/html,x", "ftp://example.com", "https://bank.example@evil.example/"]
)
def test_nothing_else_is_a_link(text):
    assert linked(text) == text


def test_markup_is_only_text():
    assert linked('<img src="https://example.com/x">') == (
        '&lt;img src=&#34;<a href="https://example.com/x" rel="nofollow ugc noopener noreferrer" target="_blank">'
        "https://example.com/x</a>&#34;&gt;"
    )
