"""The admin's pages of messages: what waits, what failed and why, and having it sent again."""

from datetime import timedelta

import pytest

import mail
from domain import clock, outbox
from extensions import db
from models import AuditEntry, Delivery, OutboxMessage, Status
from tests import factories


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def told(customer):
    """told(status, ...) is a message to the customer in a state."""

    def made(status=Delivery.WAITING, kind="approved", **values):
        number = db.session.query(OutboxMessage).count()
        outbox.publish([customer.id], kind, f"test{number}", values.pop("booking_id", None))
        message = db.session.query(OutboxMessage).order_by(OutboxMessage.id.desc()).first()
        message.status = status
        for name, value in values.items():
            setattr(message, name, value)
        db.session.commit()
        return message

    return made


def page_of(browser, message):
    return browser.get(f"/admin/outbox/{message.id}").text


def test_what_waits_is_listed_with_what_is_in_its_way(browser, told, frozen):
    told(error="No connection to the mail server: no answer in time", tries=2)
    frozen.shift(7200)
    page = browser.get("/admin/outbox").text
    assert "Asha Rao" in page
    assert "No connection to the mail server: no answer in time" in page
    assert "Waiting (1)" in page
    assert "The oldest that waits was written 2 hours ago." in page


@pytest.mark.parametrize("state", [*Delivery, "nonsense"])
def test_every_state_has_a_page_and_says_so_when_it_is_empty(browser, state):
    assert "No messages" in browser.get(f"/admin/outbox?state={state}").text


def test_the_page_says_that_there_is_no_mail_server(browser, told, app):
    told()
    assert "There is no mail server" in browser.get("/admin/outbox").text
    mail.deliver_due(app)
    message = db.session.query(OutboxMessage).one()
    page = page_of(browser, message)
    assert "Customers can find and book you now." in page
    assert f"outbox/{message.id:010}-" in page
    assert "You are approved" in browser.get("/admin/outbox?state=kept").text


def test_a_message_that_waits_is_shown_as_it_would_be_now(browser, told, customer, professional):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    message = told(kind="accepted", booking_id=booking.id, data={"service": "Sink", "name": "Dev", "time": _now()})
    page = page_of(browser, message)
    assert "As it would be sent now" in page
    assert "Dev accepted Sink" in page
    assert "unsubscribe" not in page
    assert message.key not in page


def test_a_message_that_is_no_longer_true_says_so(browser, told, customer, professional):
    booking = factories.booking(customer, professional, status=Status.CANCELLED)
    message = told(kind="day_before", booking_id=booking.id, data={"time": _now()})
    assert "no longer true" in page_of(browser, message)


def test_a_message_that_cannot_be_written_can_be_looked_at(browser, told):
    message = told(kind="accepted", data={"time": "not a time"})
    assert "cannot be put into words" in page_of(browser, message)


def test_of_what_was_sent_or_dropped_the_page_says_what_is_kept(browser, told):
    assert "is not kept" in page_of(browser, told(Delivery.SENT, subject="Hello", sent_at=clock.now()))
    assert "blocked or erased" in page_of(browser, told(Delivery.DROPPED, error="closed"))
    assert "blocked or erased" in browser.get("/admin/outbox?state=dropped").text


def test_there_is_no_page_of_a_made_up_message(browser):
    assert browser.get("/admin/outbox/999").status_code == 404
    assert browser.post("/admin/outbox/999/resend").status_code == 404


def test_a_failed_message_is_sent_again_once_however_often_the_button_is_pressed(browser, told):
    message = told(Delivery.FAILED, tries=8, error="550 no such mailbox")
    assert "550 no such mailbox" in page_of(browser, message)
    for _ in range(2):
        assert browser.post(f"/admin/outbox/{message.id}/resend").location == f"/admin/outbox/{message.id}"
    found = db.session.get(OutboxMessage, message.id)
    assert (found.status, found.tries, found.due_at) == (Delivery.WAITING, 0, clock.now())
    assert [entry.action for entry in db.session.query(AuditEntry)] == ["resend"]
    assert f"/admin/outbox/{message.id}" in browser.get("/admin/audit").text


def test_a_message_in_another_state_is_not_sent_again(browser, told):
    message = told(Delivery.SENT, sent_at=clock.now())
    browser.post(f"/admin/outbox/{message.id}/resend")
    assert db.session.get(OutboxMessage, message.id).status is Delivery.SENT
    assert db.session.query(AuditEntry).count() == 0


def test_all_failed_messages_are_sent_again(browser, told, frozen):
    for _ in range(3):
        told(Delivery.FAILED, tries=8)
    assert "Send all failed ones again" in browser.get("/admin/outbox?state=failed").text
    for _ in range(2):
        browser.post("/admin/outbox/resend")
    assert {one.status for one in db.session.query(OutboxMessage)} == {Delivery.WAITING}
    assert [entry.detail for entry in db.session.query(AuditEntry)] == [{"count": 3}]
    assert "3 messages" in browser.get("/admin/audit").text


def test_long_lists_go_on(browser, told):
    for _ in range(21):
        told()
    page = browser.get("/admin/outbox").text
    assert 'rel="next"' in page
    assert browser.get("/admin/outbox?after=made-up").status_code == 422


@pytest.mark.parametrize("kind", ["requests_waiting", "tomorrow", "activity_report", "earnings_statement"])
def test_every_kind_can_be_looked_at(browser, told, kind):
    message = told(kind=kind, data={"day": "2026-11-24", "month": "2026-10"})
    assert browser.get(f"/admin/outbox/{message.id}").status_code == 200


def _now():
    return (clock.now() + timedelta(days=1)).isoformat()
