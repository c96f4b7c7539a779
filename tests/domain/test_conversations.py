"""What the two of a booking say to each other: who may, until when, what is counted, and what is left of it."""

import io
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import func, select

from domain import blocked_pairs, bookings, clock, conversations, files, message_reports, news, users
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from extensions import db
from models import AuditEntry, FileKind, Notification, OutboxMessage, Status, StoredFile
from models_live import Message, MessageReport, TalkSide
from tests import factories

OPEN = [Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS, Status.COMPLETED, Status.DISPUTED]


@pytest.fixture
def booking(customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED)


@pytest.fixture
def say(booking):
    """say(person, words) sends a message and commits."""

    def said(by, text="Ring twice.", **more):
        message = conversations.send(booking, by, text, **more)
        db.session.commit()
        return message

    return said


def picture():
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "JPEG")
    return files.check(FileKind.PICTURE, io.BytesIO(out.getvalue()))


def words(booking, **more):
    return [message.text for message in conversations.latest(booking, **more)[0]]


def told(kind="message"):
    return db.session.scalars(select(Notification.user_id).where(Notification.kind == kind)).all()


# -- Who and when -----------------------------------------------------------------------------


def test_a_request_has_no_conversation_until_it_is_accepted(customer, professional):
    asked = factories.booking(customer, professional)
    with pytest.raises(NotFound):
        conversations.get(asked.id, customer)
    bookings.accept(asked, professional)
    for side in (customer, professional):
        assert conversations.get(asked.id, side) is asked


def test_nobody_else_is_let_in(booking, other_customer, other_professional, admin):
    for stranger in (other_customer, other_professional, admin):
        with pytest.raises(NotFound):
            conversations.get(booking.id, stranger)


@pytest.mark.parametrize("status", OPEN)
def test_one_writes_while_the_booking_lives(customer, professional, status):
    booking = factories.booking(customer, professional, status=status)
    conversations.send(booking, customer, "Hello")
    conversations.send(booking, professional, "Hello you")
    assert words(booking) == ["Hello", "Hello you"]
    assert conversations.closes_at(booking) is None


@pytest.mark.parametrize("status", sorted(conversations.OVER))
def test_seven_days_after_the_end_one_only_reads(customer, professional, frozen, status):
    booking = factories.booking(customer, professional, status=status)
    closes = clock.now() + timedelta(days=7)
    assert conversations.closes_at(booking) == closes
    conversations.send(booking, customer, "Thank you")
    frozen.move_to(closes)
    with pytest.raises(InvalidTransition, match="closed since"):
        conversations.send(booking, customer, "Hello?")
    with pytest.raises(InvalidTransition, match="closed since"):
        conversations.typing(booking, customer)
    assert words(booking) == ["Thank you"]


def test_the_days_count_from_the_last_end(booking, customer, professional, frozen):
    booking.status = Status.CLOSED
    factories.happened(booking, "close", customer, clock.now(), Status.COMPLETED)
    frozen.shift(timedelta(days=5))
    factories.happened(booking, "review", customer, clock.now(), Status.CLOSED)
    assert conversations.closes_at(booking) == clock.now() + timedelta(days=2)


def test_who_gets_the_job_from_another_begins_with_an_empty_page(
    booking, customer, professional, other_professional, admin, say
):
    say(customer, "Only for Dev")
    bookings.reassign(booking, admin, other_professional.id, "Dev is ill")
    db.session.commit()
    assert words(booking) == []
    with pytest.raises(NotFound):
        conversations.get(booking.id, professional)
    say(customer, "For Esha")
    assert words(conversations.get(booking.id, other_professional)) == ["For Esha"]
    assert conversations.unread_of(professional) == {}
    assert conversations.page_of(professional).items == []
    assert conversations.unread_of(other_professional) == {booking.id: 1}


def test_who_does_not_want_to_meet_again_still_talks_about_this_one(booking, customer, professional, say):
    blocked_pairs.block(booking, customer)
    say(professional, "I am late")
    assert words(booking) == ["I am late"]


# -- Writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2001])
def test_nothing_and_too_much_are_refused(booking, customer, text):
    with pytest.raises(Invalid) as refused:
        conversations.send(booking, customer, text)
    assert refused.value.field == "text"


def test_the_same_form_sent_twice_is_one_message(booking, customer, professional, say):
    first = say(customer, "Hello", key="one")
    assert say(customer, "Hello", key="one") is first
    assert say(customer, "Hello", key="two") is not first
    assert say(customer, "Hello again", key="one") is not first
    assert say(professional, "Hello", key="one") is not first
    assert conversations.unread_of(professional) == {booking.id: 3}


def test_without_a_key_the_same_words_are_said_twice(booking, customer, say):
    say(customer, "Hello")
    say(customer, "Hello")
    assert words(booking) == ["Hello", "Hello"]


def test_a_photo_is_seen_by_the_two_alone(booking, customer, professional, other_customer, other_professional, say):
    file_id = say(customer, "", photo=picture()).file_id
    for side in (customer, professional):
        files.open_file(file_id, side)
    for stranger in (other_customer, other_professional):
        with pytest.raises(NotFound):
            files.open_file(file_id, stranger)


def test_long_talks_come_in_parts(booking, customer, say):
    for number in range(35):
        conversations.send(booking, customer, f"{number}")
    latest, older = conversations.latest(booking)
    assert [one.text for one in latest] == [f"{number}" for number in range(5, 35)]
    assert older
    earlier, older = conversations.latest(booking, before=latest[0].id)
    assert [one.text for one in earlier] == [f"{number}" for number in range(5)]
    assert not older


def test_what_is_new_comes_after_what_one_has(booking, customer, professional, say):
    first, second = say(customer, "one"), say(professional, "two")
    say(customer, "three")
    assert [one.text for one in conversations.after(booking, first.id)[0]] == ["two", "three"]
    message_reports.hide(message_reports.report(first, professional, "Rude"), factories.admin(), "Rude")
    assert conversations.hidden(booking, second.id) == [first]


def test_after_a_long_absence_the_rest_is_asked_for(booking, customer):
    for number in range(3):
        conversations.send(booking, customer, f"{number}")
    messages, more = conversations.after(booking, 0, 2)
    assert ([one.text for one in messages], more) == (["0", "1"], True)
    messages, more = conversations.after(booking, messages[-1].id, 2)
    assert ([one.text for one in messages], more) == (["2"], False)


# -- Marks, counts and what is told -----------------------------------------------------------


def test_a_message_is_sent_then_delivered_then_read(booking, customer, professional, say, frozen):
    message = say(customer)
    theirs = conversations.sides(booking, customer).theirs
    assert (theirs.received_id, theirs.read_id, theirs.unread) == (0, 0, 1)
    conversations.seen(booking, professional, message.id, read=False)
    assert (theirs.received_id, theirs.read_id, theirs.unread) == (message.id, 0, 1)
    delivered = clock.now()
    frozen.shift(60)
    conversations.seen(booking, professional, message.id, read=True)
    assert (theirs.read_id, theirs.unread) == (message.id, 0)
    assert (theirs.received_at, theirs.read_at) == (delivered, clock.now())


def test_a_mark_never_goes_back_nor_beyond_what_was_said(booking, customer, professional, say):
    first, second = say(customer, "one"), say(customer, "two")
    own = say(professional, "mine")
    side = conversations.sides(booking, professional).mine
    conversations.seen(booking, professional, first.id, read=True)
    assert (side.read_id, side.unread) == (first.id, 1)
    conversations.seen(booking, professional, own.id + 1000, read=True)
    assert (side.read_id, side.unread) == (second.id, 0)
    conversations.seen(booking, professional, first.id, read=True)
    assert side.read_id == second.id


def test_nobody_marks_what_was_never_said(booking, customer):
    conversations.seen(booking, customer, 1, read=True)
    assert db.session.scalar(select(func.count()).select_from(TalkSide)) == 0


def test_each_counts_what_they_have_not_read(booking, customer, professional, say):
    for _ in range(3):
        say(customer)
    say(professional, "Yes")
    assert conversations.unread_of(professional) == {booking.id: 3}
    assert conversations.unread_of(customer) == {booking.id: 1}


def test_twenty_messages_are_told_once_until_they_are_read(booking, customer, professional, say):
    for number in range(20):
        message = say(customer, f"{number}")
    assert told() == [professional.id]
    [mail] = db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "message"))
    assert mail.due_at == clock.now() + timedelta(minutes=conversations.MINUTES_BEFORE_MAIL)
    conversations.seen(booking, professional, message.id, read=True)
    assert db.session.scalar(select(Notification.read_at).where(Notification.kind == "message")) == clock.now()
    say(customer, "One more")
    assert told() == [professional.id] * 2


def test_the_latest_conversation_comes_first(booking, customer, professional, other_professional, say):
    other = factories.booking(
        customer, other_professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=2)
    )
    say(customer)
    conversations.send(other, other_professional, "Hello")
    assert [side.booking_id for side in conversations.page_of(customer)] == [other.id, booking.id]
    say(professional, "On my way")
    first, second = conversations.page_of(customer)
    assert (first.booking_id, first.newest.text, first.unread) == (booking.id, "On my way", 1)
    assert (second.booking_id, second.unread) == (other.id, 1)


def test_both_are_told_to_look_and_nobody_what_was_said(booking, customer, professional, admin):
    conversations.send(booking, customer, "Secret")
    noted = list(db.session.info.pop(news.MARK))
    assert {channel for channel, _name in noted} == {news.person(customer.id), news.person(professional.id)}
    assert (news.person(professional.id), f"talk-{booking.id}") in noted
    assert "Secret" not in str(noted)
    conversations.typing(booking, professional)
    assert list(db.session.info.pop(news.MARK)) == [(news.person(customer.id), f"typing-{booking.id}")]


# -- Reports ----------------------------------------------------------------------------------


@pytest.fixture
def reported(professional, customer, say):
    return message_reports.report(say(customer, "You fool"), professional, "He insults me")


def test_only_who_got_a_message_reports_it_and_once(reported, customer, professional):
    with pytest.raises(NotAllowed):
        message_reports.report(reported.message, customer, "Mine")
    with pytest.raises(Conflict):
        message_reports.report(reported.message, professional, "Again")
    assert [one.id for one in message_reports.page()] == [reported.id]


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_a_report_and_a_decision_have_a_reason(reported, customer, professional, admin, say, reason):
    with pytest.raises(Invalid):
        message_reports.report(say(customer, "Again"), professional, reason)
    with pytest.raises(Invalid):
        message_reports.hide(reported, admin, reason)


def test_a_hidden_message_leaves_a_reason_and_a_line_in_the_audit(reported, admin):
    message_reports.hide(reported, admin, "An insult")
    assert reported.message.hidden_at == clock.now()
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.subject_id) == ("hide_message", reported.message.booking_id)
    assert entry.detail == {"reason": "An insult", "message": reported.message_id}
    with pytest.raises(Conflict):
        message_reports.dismiss(reported, admin)
    assert [one.id for one in message_reports.page(decided=True)] == [reported.id]
    assert message_reports.page().items == []


def test_the_photo_of_a_hidden_message_is_shown_to_its_sender_alone(booking, customer, professional, admin, say):
    message = say(customer, "", photo=picture())
    message_reports.hide(message_reports.report(message, professional, "Bad"), admin, "Bad")
    files.open_file(message.file_id, customer)
    with pytest.raises(NotFound):
        files.open_file(message.file_id, professional)


def test_a_dismissed_report_changes_nothing(reported, admin):
    message_reports.dismiss(reported, admin)
    assert reported.message.hidden_at is None
    assert db.session.scalars(select(AuditEntry.action)).all() == ["dismiss_report"]


def test_admins_read_a_conversation_only_for_a_reason(booking, customer, professional, say):
    message = say(customer)
    with pytest.raises(NotAllowed):
        message_reports.read(booking)
    message_reports.report(message, professional, "Rude")
    assert [one.id for one in message_reports.read(booking).messages] == [message.id]
    disputed = factories.booking(customer, professional, status=Status.DISPUTED)
    assert message_reports.read(disputed).messages == []


def test_an_admin_sees_what_was_said_around_it(booking, customer, professional, monkeypatch, say):
    monkeypatch.setattr(message_reports, "AROUND", 2)
    said = [say(customer, f"{number}") for number in range(9)]
    excerpt = message_reports.around(said[4])
    assert [one.text for one in excerpt.messages] == ["2", "3", "4", "5", "6"]
    assert excerpt.older
    assert excerpt.newer
    assert not message_reports.around(said[2]).older
    assert not message_reports.around(said[6]).newer


# -- Who is erased ----------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["customer", "professional"])
def test_of_who_is_erased_no_word_is_left(request, booking, customer, professional, admin, say, side):
    gone, stays = (customer, professional) if side == "customer" else (professional, customer)
    said = say(gone, "My secret", photo=picture())
    message_reports.hide(message_reports.report(said, stays, "He tells a secret"), admin, "A secret")
    against = message_reports.report(say(stays, "Well"), gone, "My secret reason")
    conversations.seen(booking, gone, against.message_id, read=True)
    booking.status = Status.CANCELLED
    users.anonymise(gone, admin, "They asked")
    db.session.commit()
    db.session.expire_all()
    left = select(Message.text, Message.file_id, Message.hidden_reason).order_by(Message.id)
    assert db.session.execute(left).all() == [("", None, ""), ("Well", None, "")]
    assert db.session.scalars(select(MessageReport.reason)).all() == ["", ""]
    assert db.session.scalar(select(func.count()).select_from(StoredFile)) == 0
    side = db.session.scalars(select(TalkSide).where(TalkSide.user_id == gone.id)).one()
    assert (side.read_at, side.received_at, side.unread) == (None, None, 0)
