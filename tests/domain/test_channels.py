"""By which ways a person gets which messages, and how they leave a kind of mail."""

import dataclasses

import pytest
from sqlalchemy import select

from domain import channels, outbox, users
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from domain.outbox import Topic
from extensions import db
from models import Channel, OutboxMessage

HOOK = "https://chat.googleapis.com/v1/spaces/AAQA_b-1/messages?key=AIzaKEY&token=tOk-_en%3D"
SMS = "msg91://template@authkey/{phone}"


@pytest.fixture
def with_sms(app):
    usual = app.config["SETTINGS"]
    app.config["SETTINGS"] = dataclasses.replace(usual, sms_url=SMS)
    yield
    app.config["SETTINGS"] = usual


def choose(user, chat_url=None, **choices):
    channels.choose(user, user, choices, chat_url)


def ways(user, topic):
    return list(outbox.channels(user.message_choices, topic))


def sent(user, kind):
    rows = select(OutboxMessage.channel).where(OutboxMessage.user_id == user.id, OutboxMessage.kind == kind)
    return sorted(db.session.scalars(rows))


# -- Choosing ---------------------------------------------------------------------------------


def test_who_chose_nothing_gets_mails_and_no_mail_about_the_way_there(customer):
    assert channels.chosen(customer) == {
        "account": ("mail",),
        "bookings": ("mail",),
        "progress": (),
        "messages": ("mail",),
        "reminders": ("mail",),
        "reviews": ("mail",),
        "reports": ("mail",),
    }


def test_a_choice_is_what_messages_follow(customer):
    choose(customer, HOOK, reminders=["chat", "mail"], reviews=[], progress=["chat"])
    for kind in ("day_before", "review_prompt", "departed", "accepted"):
        outbox.publish([customer.id], kind, f"cause:{kind}")
    assert sent(customer, "day_before") == ["chat", "mail"]
    assert sent(customer, "review_prompt") == []
    assert sent(customer, "departed") == ["chat"]
    assert sent(customer, "accepted") == ["mail"]


def test_only_what_differs_from_the_usual_is_kept(customer):
    choose(customer, reminders=["mail"], reviews=[])
    assert customer.message_choices == {"reviews": []}
    choose(customer, reviews=["mail"])
    assert customer.message_choices is None


def test_topics_that_are_not_named_stay(customer):
    choose(customer, reviews=[])
    choose(customer, reports=[])
    assert customer.message_choices == {"reviews": [], "reports": []}


def test_chat_needs_a_webhook(customer):
    with pytest.raises(Invalid) as refusal:
        choose(customer, reminders=["chat"])
    assert refusal.value.field == "chat_url"
    assert (customer.message_choices, customer.chat_url) == (None, None)


def test_a_webhook_goes_only_when_nothing_comes_by_it(customer):
    choose(customer, HOOK, reminders=["chat"])
    with pytest.raises(Invalid):
        choose(customer, "", reviews=[])
    assert customer.chat_url == HOOK
    choose(customer, "  ", reminders=["mail"])
    assert customer.chat_url is None


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.googleapis.com/v1/spaces/a/messages?key=a&token=b",
        "https://evil.example/v1/spaces/a/messages?key=a&token=b",
        "https://127.0.0.1/v1/spaces/a/messages?key=a&token=b",
        "👩🏽‍🔧",
        "שלום \u202e",
        "x" * 10**6,
    ],
)
def test_another_address_is_no_webhook(customer, url):
    with pytest.raises(Invalid) as refusal:
        choose(customer, url)
    assert refusal.value.field == "chat_url"


def test_sms_needs_a_gateway_and_a_phone(customer, app, with_sms):
    choose(customer, reminders=["sms"])
    assert ways(customer, Topic.REMINDERS) == ["sms"]
    customer.phone = None
    with pytest.raises(Invalid, match="phone"):
        choose(customer, reviews=["sms"])


def test_a_site_without_a_gateway_sends_no_sms(customer):
    assert channels.offered() == (Channel.MAIL, Channel.CHAT)
    with pytest.raises(Invalid, match="SMS"):
        choose(customer, reminders=["sms"])


def test_sms_that_the_site_gave_up_falls_back_where_it_is_essential(customer, app, with_sms):
    choose(customer, bookings=["sms"], reminders=["sms"])
    app.config["SETTINGS"] = dataclasses.replace(app.config["SETTINGS"], sms_url="")
    assert ways(customer, Topic.BOOKINGS) == ["mail"]
    assert ways(customer, Topic.REMINDERS) == []


def test_who_removes_the_phone_gets_no_more_sms(customer, with_sms):
    choose(customer, HOOK, bookings=["sms"], reminders=["sms", "chat"], reviews=["sms"])
    users.change_profile(customer, by=customer, name="Asha Rao", phone="")
    assert ways(customer, Topic.BOOKINGS) == ["mail"]
    assert ways(customer, Topic.REMINDERS) == ["chat"]
    assert ways(customer, Topic.REVIEWS) == []


def test_what_was_agreed_keeps_one_way_at_least(customer):
    with pytest.raises(Invalid) as refusal:
        choose(customer, bookings=[])
    assert refusal.value.field == "bookings"
    choose(customer, HOOK, bookings=["chat"])
    assert ways(customer, Topic.BOOKINGS) == ["chat"]


@pytest.mark.parametrize("choice", [[], ["chat"], ["mail", "chat"]])
def test_messages_about_the_account_stay_mails(customer, choice):
    with pytest.raises(Invalid, match="account"):
        choose(customer, HOOK, account=choice)
    choose(customer, account=["mail"])


@pytest.mark.parametrize("person", ["customer", "professional"])
def test_messages_about_the_site_are_for_admins(request, person):
    with pytest.raises(Invalid):
        choose(request.getfixturevalue(person), site=["mail"])


def test_an_admin_has_no_bookings_to_be_told_of(admin):
    choose(admin, site=[])
    assert admin.message_choices == {"site": []}
    with pytest.raises(Invalid):
        choose(admin, bookings=["mail"])


@pytest.mark.parametrize("choices", [{"nothing": ["mail"]}, {"reviews": ["pigeon"]}, {"": []}, {"reviews": ["MAIL"]}])
def test_unknown_topics_and_channels_are_refused(customer, choices):
    with pytest.raises(Invalid):
        choose(customer, **choices)
    assert customer.message_choices is None


def test_nobody_chooses_for_somebody_else(customer, admin, other_customer):
    for by in (admin, other_customer):
        with pytest.raises(NotAllowed):
            channels.choose(customer, by, {"reviews": []}, None)
        with pytest.raises(NotAllowed):
            channels.send_test(customer, by)


def test_every_topic_has_words_for_those_who_get_it():
    told = {topic for topics in channels.TOPICS.values() for topic in topics}
    assert told == set(Topic)
    assert all(channels.FIXED in topics for topics in channels.TOPICS.values())


# -- Trying it --------------------------------------------------------------------------------


def test_a_test_message_goes_by_every_way_in_use(customer, with_sms):
    choose(customer, HOOK, reminders=["chat"], progress=["sms"])
    assert channels.send_test(customer, customer) == ["mail", "chat", "sms"]
    assert sent(customer, "test_message") == ["chat", "mail", "sms"]


def test_a_test_message_goes_once_a_minute(customer, frozen):
    channels.send_test(customer, customer)
    with pytest.raises(Conflict):
        channels.send_test(customer, customer)
    frozen.shift(60)
    channels.send_test(customer, customer)
    assert sent(customer, "test_message") == ["mail", "mail"]


# -- Leaving a kind of mail -------------------------------------------------------------------


def token(user, topic=Topic.REMINDERS):
    return channels.unsubscribe_token(user.id, topic)


def test_who_leaves_gets_no_such_mail_and_everything_else(customer):
    assert channels.unsubscribe(token(customer)) is Topic.REMINDERS
    for kind in ("day_before", "activity_report"):
        outbox.publish([customer.id], kind, f"cause:{kind}")
    assert sent(customer, "day_before") == []
    assert sent(customer, "activity_report") == ["mail"]


def test_leaving_twice_is_leaving_once(customer):
    for _ in range(2):
        channels.unsubscribe(token(customer))
    assert customer.message_choices == {"reminders": []}


def test_only_mails_end_not_the_chat(customer):
    choose(customer, HOOK, reminders=["mail", "chat"])
    channels.unsubscribe(token(customer))
    assert ways(customer, Topic.REMINDERS) == ["chat"]
    channels.subscribe_again(token(customer))
    assert ways(customer, Topic.REMINDERS) == ["mail", "chat"]


def test_who_comes_back_is_as_before(customer):
    channels.unsubscribe(token(customer))
    assert channels.subscribe_again(token(customer)) is Topic.REMINDERS
    channels.subscribe_again(token(customer))
    assert customer.message_choices is None


def test_a_link_works_years_later(customer, frozen):
    old = token(customer)
    frozen.shift(5 * 365 * 86_400)
    assert channels.subscription(old).on


def test_nobody_leaves_what_is_essential(customer):
    for topic in outbox.ESSENTIAL:
        assert token(customer, topic) is None
    forged = channels._signer().dumps([customer.id, "bookings"])
    with pytest.raises(NotFound):
        channels.unsubscribe(forged)


@pytest.mark.parametrize("made_up", ["", "x", "a.b", "👩🏽‍🔧", "x" * 10**5, "\x00", "\ud800", "שלום"])
def test_a_made_up_link_is_unknown(customer, made_up):
    with pytest.raises(NotFound):
        channels.subscription(made_up)


def test_a_link_cannot_be_bent(customer, other_customer):
    payload, _dot, signature = token(customer).partition(".")
    other_payload = token(other_customer).partition(".")[0]
    for bent in (f"{other_payload}.{signature}", payload, f"{payload}.", token(customer)[:-1]):
        with pytest.raises(NotFound):
            channels.unsubscribe(bent)


def test_a_link_for_another_purpose_is_none(customer, app):
    from itsdangerous import URLSafeSerializer

    other = URLSafeSerializer(app.config["SETTINGS"].secret_key, salt="other").dumps([customer.id, "reminders"])
    with pytest.raises(NotFound):
        channels.unsubscribe(other)


def test_a_link_of_another_role_or_of_nobody_is_none(admin):
    for link in (token(admin, Topic.REMINDERS), channels.unsubscribe_token(10**9, Topic.REVIEWS)):
        with pytest.raises(NotFound):
            channels.unsubscribe(link)


def test_who_was_anonymised_has_no_choices_and_no_link(customer, admin):
    choose(customer, HOOK, reminders=["chat"])
    link = token(customer)
    users.anonymise(customer, by=admin, reason="asked for it")
    assert (customer.chat_url, customer.message_choices) == (None, None)
    with pytest.raises(NotFound):
        channels.subscription(link)


def test_the_address_is_masked(customer):
    assert channels.subscription(token(customer)).address == "a•••@example.com"


def test_a_blocked_person_may_still_leave(blocked_customer):
    channels.unsubscribe(token(blocked_customer))
    assert blocked_customer.message_choices == {"reminders": []}
