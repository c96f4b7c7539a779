"""The courier: what leaves by mail, chat and files, what a server may answer, and what nobody may read."""

import dataclasses
import email
import email.policy
import re
import socket
import stat
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask_babel import get_locale
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

import app as application
import gateways
import letters
import mail
import smtp
from domain import bookings, clock, deliveries, outbox
from domain.deliveries import Terms
from extensions import begin_write, db
from models import Channel, Delivery, OutboxMessage
from tests import client as browser
from tests import factories, mailbox


@pytest.fixture
def box():
    return mailbox.Mailbox()


@pytest.fixture
def site_with(app, settings):
    """site_with(port, ...) is the application with a mail server at a port of this machine."""
    others = []

    def made(port, **changed):
        known = {"mail_server": "127.0.0.1", "mail_port": port, "mail_use_tls": False, **changed}
        others.append(application.create_app(dataclasses.replace(settings, **known)))
        browser.watch_sessions(others[-1])
        return others[-1]

    yield made
    for other in others:
        with other.app_context():
            db.engine.dispose()


@pytest.fixture
def served(box, site_with):
    """The application with a mail server that fills the box."""
    with mailbox.serving(box) as port:
        yield site_with(port)


@pytest.fixture
def files(app, settings):
    """files() are the mails that were kept for want of a server."""
    folder = settings.instance / "outbox"
    for old in folder.glob("*.eml"):
        old.unlink()

    def read():
        found = sorted(folder.glob("*.eml"))
        return [email.message_from_bytes(one.read_bytes(), policy=email.policy.default) for one in found]

    return read


def publish(person, kind="approved", cause="test", **more):
    outbox.publish([person.id], kind, cause, **more)
    db.session.commit()
    return message()


def message():
    """The last message that was written, as it is now."""
    db.session.commit()
    db.session.expire_all()
    found = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc())).first()
    db.session.commit()  # what was read stays, and nothing is open
    return found


# -- By mail ----------------------------------------------------------------------------------


def test_a_mail_has_two_forms_and_the_name_of_its_message(served, box, customer):
    written = publish(customer)
    assert mail.deliver_due(served) == 1
    (letter,) = box.letters
    assert letter["To"] == "asha@example.com"
    assert letter["From"] == "Doorstep <no-reply@example.com>"
    assert letter["Subject"] == "You are approved"
    assert letter["Message-ID"] == deliveries.message_id(written)
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert "Customers can find and book you now." in letter.get_body(("plain",)).get_content()
    found = message()
    assert (found.status, found.subject, found.body, found.data) == (Delivery.SENT, "You are approved", None, {})


def test_a_mail_about_an_agreement_carries_the_booking_for_the_readers_calendar(served, box, customer, professional):
    bookings.accept(factories.booking(customer, professional), professional)
    db.session.commit()
    mail.deliver_due(served)
    (letter,) = box.letters
    assert letter.get_content_type() == "multipart/mixed"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["multipart/alternative", "text/calendar"]
    (attached,) = letter.iter_attachments()
    assert attached.get_param("method") == "REQUEST"
    assert "METHOD:REQUEST" in attached.get_content()


def test_a_second_look_sends_nothing_and_writes_nothing(served, box, customer):
    publish(customer)
    mail.deliver_due(served)
    with browser.count_queries() as seen:
        assert mail.deliver_due(served) == 0
    assert [statement.split()[0] for statement in seen.queries] == ["SELECT"]
    assert len(box.letters) == 1


def test_a_person_is_written_to_in_their_language(served, box, customer, monkeypatch):
    spoken = []
    monkeypatch.setattr(letters, "compose", lambda _message: spoken.append(str(get_locale())) and None)
    customer.locale = "hi"
    publish(customer)
    mail.deliver_due(served)
    publish(factories.customer(), cause="other")
    mail.deliver_due(served)
    assert spoken == ["hi_IN", "en_IN"]


def test_what_is_not_essential_can_be_left_with_one_click(served, box, customer):
    publish(customer, "reviewed", service="Deep cleaning", name="Dev")
    mail.deliver_due(served)
    publish(customer, "approved", "another")
    mail.deliver_due(served)
    left, essential = box.letters
    address = re.fullmatch(r"<(http://127\.0\.0\.1:5000/unsubscribe/[^>]+)>", left["List-Unsubscribe"])
    assert address
    assert left["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert address[1] in left.get_body(("plain",)).get_content()
    assert essential["List-Unsubscribe"] is None
    assert essential["List-Unsubscribe-Post"] is None


@pytest.mark.parametrize(
    "name", ["Eve\r\nBcc: all@example.com", "Eve\nX: y", "E\u2028ve\x85\x00\x1b", "🔑 नमस्ते"]
)
def test_no_name_or_subject_adds_a_line_to_the_head(served, box, customer, monkeypatch, name):
    monkeypatch.setattr(letters, "compose", lambda _message: letters.Letter(f"{name} asks", ()))
    publish(customer)
    mail.deliver_due(served)
    (letter,) = box.letters
    expected = {"Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"}
    assert {header for header in letter if not header.startswith("X-")} == expected
    assert not any(header.startswith("X-") and header not in ("X-Peer", "X-MailFrom", "X-RcptTo") for header in letter)
    assert letter["Subject"].endswith("asks")
    assert box.envelopes[0][1] == ["asha@example.com"]


def test_a_batch_goes_over_one_connection(served, box, customer, monkeypatch):
    opened = []
    configure = smtp.Line.configure_host
    monkeypatch.setattr(smtp.Line, "configure_host", lambda line: opened.append(1) or configure(line))
    for number in range(45):
        outbox.publish([customer.id], "approved", f"test{number}")
    db.session.commit()
    assert mail.deliver_due(served) == 45
    assert (len(box.letters), len(opened)) == (45, 1)


# -- What a server may answer -----------------------------------------------------------------


@pytest.mark.parametrize("stage", ["RCPT", "DATA"])
@pytest.mark.parametrize("answer", ["451 later", "550 5.1.1 <asha@example.com> is unknown", mailbox.DROP])
def test_a_refusal_is_a_try_and_the_next_one_has_the_same_id(served, box, customer, frozen, stage, answer):
    box.refuse = lambda at: answer if at == stage else None
    publish(customer)
    mail.deliver_due(served)
    found = message()
    assert (found.status, found.tries, found.lease) == (Delivery.WAITING, 1, None)
    assert found.error
    assert "asha@" not in found.error
    box.refuse = lambda at: None
    frozen.shift(30)
    mail.deliver_due(served)
    assert message().status is Delivery.SENT
    assert [letter["Message-ID"] for letter in box.letters] == [deliveries.message_id(found)]


def test_one_refused_letter_keeps_no_other_back(served, box, customer, other_customer):
    answers = ["550 no"]
    box.refuse = lambda at: answers.pop() if answers else None
    publish(customer)
    publish(other_customer)
    mail.deliver_due(served)
    assert [letter["To"] for letter in box.letters] == [other_customer.email]


def test_after_eight_refusals_the_admin_sees_it(served, box, customer, frozen):
    box.refuse = lambda at: "550 no such mailbox"
    publish(customer)
    for _ in range(10):
        mail.deliver_due(served)
        frozen.shift(6 * 3600)
    found = message()
    assert (found.status, found.tries, found.error) == (Delivery.FAILED, 8, "550 no such mailbox")


def test_a_server_that_is_away_counts_as_no_try(site_with, customer, frozen):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    publish(customer)
    for _ in range(10):
        assert mail.deliver_due(site_with(port)) == 0
        frozen.shift(24 * 3600)
    found = message()
    assert (found.status, found.tries, found.lease) == (Delivery.WAITING, 0, None)
    assert found.error.startswith("No connection to the mail server: ConnectionRefusedError")


def test_a_password_that_is_refused_counts_as_no_try(box, site_with, customer):
    publish(customer)
    with mailbox.serving(box) as port:
        mail.deliver_due(site_with(port, mail_username="me", mail_password="secret"))
    found = message()
    assert (found.status, found.tries) == (Delivery.WAITING, 0)
    assert "No connection to the mail server" in found.error
    assert "secret" not in found.error


def test_a_closed_line_keeps_chat_from_nobody(site_with, customer, monkeypatch):
    said = []
    monkeypatch.setattr(gateways, "send", lambda channel, user, *rest: said.append((channel, user.name)))
    customer.message_choices = {"bookings": ["mail", "chat"]}
    publish(customer, "accepted", service="A", name="B", time=clock.now().isoformat())
    courier = mail.Courier(site_with(9))
    for _ in range(3):
        courier.deliver()
    assert said == [(Channel.CHAT, "Asha Rao")]
    ends = db.session.execute(select(OutboxMessage.channel, OutboxMessage.status)).all()
    assert sorted(ends) == [("chat", "sent"), ("mail", "waiting")]


@pytest.mark.realtime
def test_a_server_that_says_nothing_is_not_waited_for(site_with, customer):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publish(customer)
        began = time.monotonic()
        mail.deliver_due(site_with(silent.getsockname()[1]), seconds_a_step=0.3)
    assert time.monotonic() - began < 5
    assert message().error == "No connection to the mail server: Connection unexpectedly closed: timed out"


@pytest.mark.realtime
def test_a_server_that_speaks_very_slowly_is_cut_off(site_with, customer):
    with socket.create_server(("127.0.0.1", 0)) as slow:
        talker = threading.Thread(target=_speak_slowly, args=(slow,), daemon=True)
        talker.start()
        publish(customer)
        began = time.monotonic()
        mail.deliver_due(site_with(slow.getsockname()[1]), seconds_a_step=2, seconds_a_message=1)
        assert time.monotonic() - began < 6
    found = message()
    assert (found.status, found.tries) == (Delivery.WAITING, 1)


def _speak_slowly(server):
    connection, _address = server.accept()
    with connection:
        connection.sendall(b"220 hello\r\n")
        connection.recv(1000)
        try:
            for _ in range(200):
                connection.sendall(b"2")
                time.sleep(0.1)
        except OSError:
            return


# -- TLS --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["starttls", "ssl"])
def test_a_certificate_that_nobody_vouches_for_is_refused(box, site_with, customer, tmp_path, way):
    _file, context = mailbox.certificate(tmp_path)
    publish(customer)
    with mailbox.serving(box, **_tls(way, context)) as port:
        mail.deliver_due(_tls_site(site_with, port, way))
    found = message()
    assert (found.status, found.tries, box.letters) == (Delivery.WAITING, 0, [])
    assert "certificate" in found.error


@pytest.mark.parametrize("way", ["starttls", "ssl"])
def test_a_certificate_of_another_host_is_refused(box, site_with, customer, tmp_path, monkeypatch, way):
    file, context = mailbox.certificate(tmp_path, name="other.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    publish(customer)
    with mailbox.serving(box, **_tls(way, context)) as port:
        mail.deliver_due(_tls_site(site_with, port, way))
    assert (message().status, box.letters) == (Delivery.WAITING, [])


@pytest.mark.parametrize("way", ["starttls", "ssl"])
def test_with_a_good_certificate_the_mail_travels_encrypted(box, site_with, customer, tmp_path, monkeypatch, way):
    file, context = mailbox.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    publish(customer)
    with mailbox.serving(box, **_tls(way, context)) as port:
        mail.deliver_due(_tls_site(site_with, port, way))
    assert message().status is Delivery.SENT
    if way == "starttls":
        assert box.envelopes[0][2] is not None


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(box, site_with, customer):
    publish(customer)
    with mailbox.serving(box) as port:
        mail.deliver_due(site_with(port, mail_use_tls=True))
    assert (message().status, box.letters) == (Delivery.WAITING, [])


def _tls(way, context):
    return {"ssl_context": context} if way == "ssl" else {"tls_context": context, "require_starttls": True}


def _tls_site(site_with, port, way):
    return site_with(port, mail_server="localhost", mail_use_tls=way == "starttls", mail_use_ssl=way == "ssl")


# -- What is not sent -------------------------------------------------------------------------


def test_what_is_no_longer_true_is_dropped(served, box, customer, professional):
    booking = factories.booking(customer, professional)
    publish(professional, "requested", booking_id=booking.id, service="A", name="B", time=clock.now().isoformat())
    begin_write()
    bookings.cancel(bookings.get(booking.id, customer), customer, "")
    db.session.commit()
    mail.deliver_due(served)
    dropped = db.session.scalars(select(OutboxMessage).where(OutboxMessage.kind == "requested")).one()
    assert (dropped.status, dropped.error, dropped.data) == (Delivery.DROPPED, "over", {})
    assert all(letter["To"] != professional.email or "request" not in letter["Subject"] for letter in box.letters)


def test_nothing_is_sent_to_who_was_blocked_since(served, box, customer):
    publish(customer)
    customer.active = False
    db.session.commit()
    mail.deliver_due(served)
    assert (message().status, message().error, box.letters) == (Delivery.DROPPED, "closed", [])


def test_a_channel_that_is_gone_drops_the_message_and_a_fault_does_not(served, customer, monkeypatch, frozen):
    faults = [gateways.Undelivered("chat.googleapis.com answered 503."), gateways.Unreachable("gone")]
    monkeypatch.setattr(gateways, "send", lambda *_: (_ for _ in ()).throw(faults.pop(0)))
    customer.message_choices = {"bookings": ["chat"]}
    publish(customer, "accepted", service="A", name="B", time=clock.now().isoformat())
    mail.deliver_due(served)
    found = message()
    assert (found.status, found.tries, found.error) == (Delivery.WAITING, 1, "chat.googleapis.com answered 503.")
    frozen.shift(30)
    mail.deliver_due(served)
    assert (message().status, message().error) == (Delivery.DROPPED, "unreachable")


def test_nothing_is_open_while_a_message_is_sent(served, customer, monkeypatch):
    seen = []

    def look(*_):
        begin_write()  # waits for nobody
        seen.append(db.engine.pool.checkedout())
        db.session.rollback()

    monkeypatch.setattr(gateways, "send", look)
    customer.message_choices = {"bookings": ["chat"]}
    publish(customer, "accepted", service="A", name="B", time=clock.now().isoformat())
    mail.deliver_due(served)
    assert seen == [1]
    assert message().status is Delivery.SENT


def test_a_message_that_cannot_be_written_is_a_try_and_no_other_waits_for_it(served, box, customer, other_customer):
    publish(customer)
    db.session.execute(text("UPDATE outbox SET kind = 'no_longer_known'"))
    db.session.commit()
    publish(other_customer)
    mail.deliver_due(served)
    assert [letter["To"] for letter in box.letters] == [other_customer.email]
    broken = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).first()
    assert (broken.status, broken.tries, broken.error) == (Delivery.WAITING, 1, "It could not be written: KeyError")


# -- Without a server -------------------------------------------------------------------------


def test_without_a_server_mails_are_kept_here_and_as_files(app, files, customer, settings):
    publish(customer)
    assert mail.deliver_due(app) == 1
    (letter,) = files()
    found = message()
    assert (found.status, found.subject) == (Delivery.KEPT, "You are approved")
    assert found.body.split() == letter.get_body(("plain",)).get_content().split()
    (path,) = (settings.instance / "outbox").glob("*.eml")
    assert path.name == deliveries.file_name(found)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_was_written_before_a_crash_is_written_over(app, files, customer, monkeypatch):
    publish(customer)
    real = deliveries.kept
    monkeypatch.setattr(deliveries, "kept", lambda *_, **__: False)
    mail.Courier(app)._carry(_claimed(app), "crashed", None)
    monkeypatch.setattr(deliveries, "kept", real)
    db.session.execute(text("UPDATE outbox SET lease = NULL, leased_until = NULL"))
    db.session.commit()
    mail.deliver_due(app)
    assert len(files()) == 1
    assert message().status is Delivery.KEPT


def _claimed(app):
    with app.app_context():
        begin_write()
        ids = deliveries.claim("crashed", 20, list(Channel))
        db.session.commit()
    return ids


# -- Secrets ----------------------------------------------------------------------------------

LINK = "http://127.0.0.1:5000/reset/a-secret-link"


@pytest.mark.parametrize("server", ["app", "served"])
def test_a_secret_is_read_by_its_recipient_alone(request, as_, admin, customer, files, box, server):
    outbox.publish_sealed(customer.email, "Set a new password", f"Hello,\n{LINK}\n", customer.id)
    db.session.commit()
    _assert_hidden(as_(admin))
    mail.deliver_due(request.getfixturevalue(server))
    (letter,) = files() if server == "app" else box.letters
    assert letter.get_content_type() == "text/plain"
    assert LINK in letter.get_content()
    assert message().data == {}
    assert message().body is None
    _assert_hidden(as_(admin))


def _assert_hidden(client):
    found = message()
    row = str([getattr(found, column.key) for column in OutboxMessage.__table__.columns])
    for page in (client.get(f"/admin/outbox?state={found.status}").text, client.get(f"/admin/outbox/{found.id}").text):
        assert "Set a new password" in page
        assert "a-secret-link" not in page + row


def test_a_secret_of_another_key_is_a_fault_that_is_named(served, box, customer):
    outbox.publish_sealed(customer.email, "Set a new password", LINK, customer.id)
    found = message()
    found.data = {"sealed": "gAAAAABnothing"}
    db.session.commit()
    mail.deliver_due(served)
    assert message().error == "It was sealed under another SECRET_KEY and cannot be read."
    assert box.letters == []


# -- The thread -------------------------------------------------------------------------------


@pytest.fixture
def courier(served):
    """A courier at work, who looks by himself once an hour."""
    courier = mail.Courier(served, seconds_between_looks=3600)
    courier.start()
    time.sleep(0.1)
    yield courier
    courier.stop()


def arrives(box, count=1):
    for _ in range(100):
        if len(box.letters) >= count:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.realtime
def test_the_courier_is_woken_by_a_commit_that_published(courier, box, customer):
    outbox.publish([customer.id], "approved", "test")
    time.sleep(0.2)
    assert box.letters == []
    db.session.commit()
    assert arrives(box)


@pytest.mark.realtime
def test_a_savepoint_wakes_nobody_and_loses_no_word(courier, box, customer, monkeypatch):
    woken = []
    monkeypatch.setattr(courier, "nudge", lambda: woken.append(1))
    outbox.publish([customer.id], "approved", "test")
    with db.session.begin_nested():
        db.session.execute(text("SELECT 1"))
    assert woken == []
    db.session.commit()
    assert woken == [1]


@pytest.mark.realtime
def test_what_was_rolled_back_wakes_nobody(courier, customer, monkeypatch):
    woken = []
    monkeypatch.setattr(courier, "nudge", lambda: woken.append(1))
    outbox.publish([customer.id], "approved", "test")
    db.session.rollback()
    db.session.execute(text("SELECT 1"))
    db.session.commit()
    assert woken == []


@pytest.mark.realtime
def test_the_courier_survives_a_fault(courier, box, customer, monkeypatch):
    claim = deliveries.claim
    faults = [RuntimeError("the disk is gone")]
    monkeypatch.setattr(deliveries, "claim", lambda *a: (faults and _raise(faults.pop())) or claim(*a))
    publish(customer)
    time.sleep(0.3)
    assert box.letters == []
    courier.nudge()
    assert arrives(box)


def _raise(fault):
    raise fault


@pytest.mark.realtime
def test_who_is_stopped_finishes_the_message_in_hand_and_gives_the_others_back(served, box, customer):
    begun, go_on = threading.Event(), threading.Event()

    def hold(at):
        if at == "DATA":
            begun.set()
            go_on.wait(10)

    box.refuse = hold
    for number in range(5):
        outbox.publish([customer.id], "approved", f"test{number}")
    db.session.commit()
    courier = mail.Courier(served)
    courier.start()
    assert begun.wait(10)
    assert not courier.stop(0)
    go_on.set()
    assert courier.stop(10)
    rows = db.session.execute(select(OutboxMessage.status, OutboxMessage.lease, OutboxMessage.tries)).all()
    assert sorted(rows) == [("sent", None, 0), *[("waiting", None, 0)] * 4]
    assert len(box.letters) == 1


def test_a_message_must_fit_into_its_lease(app):
    with pytest.raises(ValueError, match="lease"):
        mail.Courier(app, terms=Terms(lease=timedelta(seconds=30)))


def test_a_batch_ends_before_its_lease_does(served, box, customer, frozen, monkeypatch):
    for number in range(5):
        outbox.publish([customer.id], "approved", f"test{number}")
    db.session.commit()
    seconds = iter(range(0, 100_000, 20))
    monkeypatch.setattr(mail, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    courier = mail.Courier(served)
    with courier._new_line() as line:
        courier._carry(courier._claim("mine"), "mine", line)
    assert 0 < len(box.letters) < 5
    free = db.session.scalars(select(OutboxMessage.lease).where(OutboxMessage.status == Delivery.WAITING)).all()
    assert free == [None] * (5 - len(box.letters))


def test_a_busy_database_is_asked_again_before_a_mail_leaves_twice(served, box, customer, monkeypatch):
    faults = [OperationalError("", {}, Exception("database is locked"))] * 2
    real = deliveries.sent
    monkeypatch.setattr(deliveries, "sent", lambda *a, **k: _raise(faults.pop()) if faults else real(*a, **k))
    publish(customer)
    mail.deliver_due(served)
    assert message().status is Delivery.SENT
    assert len(box.letters) == 1


def test_a_crash_after_sending_sends_again_under_the_same_id(served, box, customer, frozen, monkeypatch):
    publish(customer)
    real = deliveries.sent
    monkeypatch.setattr(deliveries, "sent", lambda *_, **__: False)
    mail.deliver_due(served)
    monkeypatch.setattr(deliveries, "sent", real)
    assert message().status is Delivery.WAITING
    frozen.shift(121)
    mail.deliver_due(served)
    assert message().status is Delivery.SENT
    first, second = (letter["Message-ID"] for letter in box.letters)
    assert first == second


def test_what_the_dead_have_in_hand_comes_free_when_its_lease_ends(served, box, customer, frozen):
    publish(customer)
    _claimed(served)
    mail.deliver_due(served)
    assert box.letters == []
    frozen.shift(121)
    mail.deliver_due(served)
    assert len(box.letters) == 1
