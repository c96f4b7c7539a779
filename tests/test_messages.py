"""The page on which people choose their messages, and the one that a link in a mail leads to."""

import dataclasses

import html5lib
import pytest
from sqlalchemy import func, select

from domain import channels, outbox
from domain.outbox import Topic
from extensions import db
from models import OutboxMessage
from tests.domain.test_channels import HOOK

PAGE = "/account/messages"
MAILS = {topic: ["mail"] for topic in ("bookings", "messages", "reminders", "reviews", "reports")}


@pytest.fixture
def with_sms(app):
    usual = app.config["SETTINGS"]
    app.config["SETTINGS"] = dataclasses.replace(usual, sms_url="msg91://template@authkey/{phone}")
    yield
    app.config["SETTINGS"] = usual


def boxes(page):
    """{(topic, channel): ticked} of the page."""
    tree = html5lib.parse(page.text, namespaceHTMLElements=False)
    inputs = [one for one in tree.iter("input") if one.get("type") == "checkbox"]
    return {(one.get("name"), one.get("value")): one.get("checked") is not None for one in inputs}


def link(user, topic=Topic.REMINDERS):
    return f"/unsubscribe/{channels.unsubscribe_token(user.id, topic)}"


def is_on(user, topic=Topic.REMINDERS):
    return "mail" in outbox.channels(user.message_choices, topic)


# -- Choosing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "topics"),
    [
        ("customer", {"bookings", "progress", "messages", "reminders", "reviews", "reports"}),
        ("professional", {"bookings", "progress", "messages", "reminders", "reviews", "reports"}),
        ("admin", {"site"}),
    ],
)
def test_everybody_sees_their_own_topics_as_they_are(as_, request, person, topics):
    page = as_(request.getfixturevalue(person)).get(PAGE)
    found = boxes(page)
    assert {topic for topic, _channel in found} == topics
    assert {topic for (topic, channel), ticked in found.items() if ticked} == topics - {"progress"}
    assert {channel for _topic, channel in found} == {"mail", "chat"}


def test_the_page_is_linked_from_the_profile(as_, customer):
    assert f'href="{PAGE}"' in as_(customer).get("/profile").text


def test_a_choice_is_saved_and_shown(as_, customer):
    client = as_(customer)
    sent = {**MAILS, "reminders": ["mail", "chat"], "progress": ["chat"], "reviews": [], "chat_url": HOOK}
    assert client.post(PAGE, data=sent).location == PAGE
    page = client.get(PAGE)
    assert "Your choice is saved" in page.text
    assert {box for box, ticked in boxes(page).items() if ticked} == {
        ("bookings", "mail"),
        ("progress", "chat"),
        ("reminders", "mail"),
        ("reminders", "chat"),
        ("messages", "mail"),
        ("reports", "mail"),
    }
    assert customer.chat_url == HOOK
    assert customer.message_choices == {"reminders": ["mail", "chat"], "progress": ["chat"], "reviews": []}


def test_sms_is_offered_where_the_site_sends_it(as_, customer, with_sms):
    client = as_(customer)
    assert ("reminders", "sms") in boxes(client.get(PAGE))
    assert client.post(PAGE, data={**MAILS, "reminders": ["sms"]}).status_code == 302
    customer.phone = None
    assert "Add a phone number to your profile" in client.get(PAGE).text
    response = client.post(PAGE, data={**MAILS, "reviews": ["sms"]})
    assert response.status_code == 422


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reminders": ["chat"]}, "Give the webhook of your chat"),
        ({"bookings": []}, "you would miss what was agreed"),
        ({"reminders": ["sms"]}, "Choose one of the list"),
        ({"reminders": ["pigeon"]}, "Choose one of the list"),
        ({"chat_url": "https://evil.example/v1/spaces/a/messages?key=a&token=b"}, "not the address of a Google Chat"),
        ({"chat_url": "x" * 10**6}, "not the address of a Google Chat"),
        ({"chat_url": "👩🏽‍🔧"}, "not the address of a Google Chat"),
        ({"chat_url": "שלום"}, "not the address of a Google Chat"),
    ],
)
def test_a_refusal_keeps_what_was_ticked_and_changes_nothing(as_, customer, change, words):
    response = as_(customer).post(PAGE, data={**MAILS, "reviews": [], **change})
    assert response.status_code == 422
    assert words in response.text
    assert not boxes(response)["reviews", "mail"]
    assert (customer.message_choices, customer.chat_url) == (None, None)


@pytest.mark.parametrize("topic", ["site", "account", "nothing"])
def test_topics_of_others_cannot_be_sent_along(as_, customer, topic):
    assert as_(customer).post(PAGE, data={**MAILS, topic: ["chat"]}).status_code == 302
    assert customer.message_choices is None


def test_one_person_choosing_changes_nobody_else(as_, customer, other_customer):
    as_(customer).post(PAGE, data={**MAILS, "reviews": [], "user_id": other_customer.id})
    assert other_customer.message_choices is None


def test_choosing_needs_the_token_of_the_page(as_, customer):
    client = as_(customer)
    client.csrf = False
    for path in (PAGE, f"{PAGE}/test"):
        assert client.post(path, data=MAILS).status_code == 400
    assert customer.message_choices is None


def test_a_test_message_goes_by_each_way_in_use(as_, customer):
    client = as_(customer)
    client.post(PAGE, data={**MAILS, "reminders": ["chat"], "chat_url": HOOK})
    assert client.post(f"{PAGE}/test").location == PAGE
    assert "on its way by E-mail, Google Chat" in client.get(PAGE).text
    kinds = db.session.execute(select(OutboxMessage.kind, OutboxMessage.channel).order_by(OutboxMessage.id)).all()
    assert kinds == [("test_message", "mail"), ("test_message", "chat")]
    second = client.post(f"{PAGE}/test")
    assert second.status_code == 409
    assert "Wait a minute" in second.text


def test_test_messages_are_rationed(as_, customer, other_customer, rate_limited, frozen):
    client = as_(customer)
    for _ in range(10):
        assert client.post(f"{PAGE}/test").status_code == 302
        frozen.shift(60)
    assert client.post(f"{PAGE}/test").status_code == 429
    assert as_(other_customer).post(f"{PAGE}/test").status_code == 302
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage)) == 11


# -- Leaving ----------------------------------------------------------------------------------


def test_the_link_of_a_mail_shows_and_changes_nothing(client, customer):
    page = client.get(link(customer))
    assert page.status_code == 200
    assert "Reminders" in page.text
    assert "a•••@example.com" in page.text
    assert customer.email not in page.text
    assert is_on(customer)


def test_the_button_ends_the_mails_and_another_brings_them_back(client, customer):
    address = link(customer)
    response = client.post(address)
    assert (response.status_code, response.location) == (303, address)
    assert not is_on(customer)
    assert "You are unsubscribed" in client.get(address).text
    assert client.post(address, data={"again": "1"}).status_code == 303
    assert is_on(customer)


def test_a_mail_program_leaves_in_one_click_without_any_cookie(app, customer):
    """RFC 8058: a POST of this one pair, without cookies, and no redirect for an answer."""
    client = app.test_client(use_cookies=False)
    client.csrf = False
    for _ in range(2):
        response = client.post(link(customer), data={"List-Unsubscribe": "One-Click"})
        assert response.status_code == 200
    assert not is_on(customer)


def test_a_mail_program_may_send_it_as_multipart(app, customer):
    client = app.test_client(use_cookies=False)
    client.csrf = False
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    response = client.post(link(customer), data=body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 200
    assert not is_on(customer)


def test_whoever_is_logged_in_leaves_for_the_person_of_the_link(as_, customer, other_customer):
    client = as_(other_customer)
    assert client.get(link(customer)).status_code == 200
    client.post(link(customer))
    assert not is_on(customer)
    assert is_on(other_customer)


@pytest.mark.parametrize("token", ["x", "a.b.c", "%00", "%F0%9F%91%A9", "x" * 5000, "..%2f..%2fetc"])
def test_a_made_up_link_is_a_friendly_404(client, token):
    for response in (client.get(f"/unsubscribe/{token}"), client.post(f"/unsubscribe/{token}")):
        assert response.status_code == 404
    if "%2f" not in token:
        assert "Log in to choose" in response.text


def test_a_link_for_what_is_essential_is_a_404(client, customer):
    forged = channels._signer().dumps([customer.id, "bookings"])
    assert client.post(f"/unsubscribe/{forged}").status_code == 404
    assert customer.message_choices is None
