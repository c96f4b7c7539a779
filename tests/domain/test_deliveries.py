"""Messages on their way out: claims, leases, tries and their ends, and what becomes of old ones."""

import os
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from domain import clock, deliveries, errors, outbox, users
from domain.deliveries import Terms
from extensions import db
from models import AuditEntry, Channel, Delivery, OutboxMessage
from tests import databases

MAIL = [Channel.MAIL]


@pytest.fixture
def publish(customer):
    """publish(n) writes n messages and answers them."""

    def written(count=1, person=customer, kind="approved", **more):
        known = db.session.query(OutboxMessage).count()
        for number in range(count):
            outbox.publish([person.id], kind, f"test{known + number}", **more)
        db.session.commit()
        found = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
        return found[known:]

    return written


def state(message):
    db.session.commit()
    db.session.expire_all()
    return db.session.get(OutboxMessage, message.id)


# -- Claims -----------------------------------------------------------------------------------


def test_what_is_due_is_claimed_once_in_its_order(publish, frozen):
    first, second, third = publish(3)
    assert deliveries.claim("a", 2, MAIL) == [first.id, second.id]
    assert deliveries.claim("b", 5, MAIL) == [third.id]
    assert deliveries.claim("c", 5, MAIL) == []
    assert not deliveries.anything_due(MAIL)


@pytest.mark.skipif(databases.on_postgresql(), reason="the planner of PostgreSQL decides by the size of the table")
def test_a_claim_reads_the_index_of_what_waits_in_its_order(app):
    connection, statements = db.session.connection(), []
    event.listen(connection, "before_cursor_execute", lambda *about: statements.append(about[2:4]), once=True)
    deliveries.anything_due(list(Channel))
    asked, values = statements[0]
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", values).all()
    assert [row[3] for row in plan] == ["SEARCH outbox USING INDEX ix_outbox_waiting (status=? AND due_at<?)"]


def test_what_is_not_due_yet_waits(publish, frozen):
    publish(due_at=clock.now() + timedelta(hours=1))
    assert deliveries.claim("a", 5, MAIL) == []
    frozen.shift(3600)
    assert len(deliveries.claim("a", 5, MAIL)) == 1


def test_only_the_channels_asked_for_are_claimed(publish):
    publish()
    assert deliveries.claim("a", 5, [Channel.CHAT, Channel.SMS]) == []
    assert deliveries.claim("a", 5, list(Channel)) != []


def test_a_lease_that_ran_out_is_broken(publish, frozen):
    (message,) = publish()
    deliveries.claim("a", 5, MAIL)
    frozen.shift(119)
    assert deliveries.claim("b", 5, MAIL) == []
    frozen.shift(1)
    assert deliveries.claim("b", 5, MAIL) == [message.id]


def test_a_clock_that_steps_back_locks_nothing_up(publish, frozen):
    (message,) = publish()
    frozen.shift(2 * 3600)
    deliveries.claim("a", 5, MAIL)
    frozen.shift(-2 * 3600)
    assert deliveries.claim("b", 5, MAIL) == [message.id]


def test_clocks_of_two_machines_may_differ_a_little(publish, frozen):
    publish()
    frozen.shift(60)
    deliveries.claim("a", 5, MAIL)
    frozen.shift(-60)
    assert deliveries.claim("b", 5, MAIL) == []


def test_what_was_not_tried_is_given_back(publish):
    messages = publish(3)
    ids = deliveries.claim("a", 5, MAIL)
    assert deliveries.give_back(ids[1:], "b") == 0
    assert deliveries.give_back(ids[1:], "a", "No connection") == 2
    assert [message.error for message in map(state, messages)] == ["", "No connection", "No connection"]
    assert [message.tries for message in map(state, messages)] == [0, 0, 0]
    assert deliveries.claim("b", 5, MAIL) == ids[1:]


# -- Ends -------------------------------------------------------------------------------------


def test_only_who_has_a_message_in_hand_settles_it(publish):
    (message,) = publish()
    deliveries.claim("a", 5, MAIL)
    assert deliveries.in_hand(message.id, "b") is None
    assert not deliveries.sent(message.id, "b", "Hello")
    assert not deliveries.kept(message.id, "b", "Hello", "Text")
    assert not deliveries.failed(message.id, "b", "No")
    assert not deliveries.dropped(message.id, "b", "over")
    assert state(message).status is Delivery.WAITING
    assert deliveries.sent(message.id, "a", "Hello")
    assert not deliveries.sent(message.id, "a", "Hello")


def test_who_comes_too_late_changes_nothing(publish, frozen):
    (message,) = publish()
    deliveries.claim("a", 5, MAIL)
    frozen.shift(121)
    deliveries.claim("b", 5, MAIL)
    assert not deliveries.sent(message.id, "a", "Hello")
    assert deliveries.sent(message.id, "b", "Hello")
    assert not deliveries.failed(message.id, "a", "late")
    assert state(message).status is Delivery.SENT


def test_of_what_was_sent_the_subject_is_kept(publish):
    (message,) = publish(reason="a secret")
    deliveries.claim("a", 5, MAIL)
    deliveries.sent(message.id, "a", "Hello")
    found = state(message)
    assert (found.subject, found.body, found.data, found.lease) == ("Hello", None, {}, None)
    assert found.sent_at == clock.now()


def test_after_eight_tries_a_message_has_failed(publish, frozen):
    (message,) = publish()
    for tries in range(1, 9):
        assert state(message).status is Delivery.WAITING
        assert deliveries.claim(f"lease {tries}", 5, MAIL) == [message.id]
        assert deliveries.failed(message.id, f"lease {tries}", f"fault {tries}")
        frozen.shift(6 * 3600)
    found = state(message)
    assert (found.status, found.tries, found.error) == (Delivery.FAILED, 8, "fault 8")
    assert deliveries.claim("again", 5, MAIL) == []


def test_each_pause_may_be_twice_as_long_as_the_one_before():
    for tries, longest in ((1, 30), (2, 60), (7, 1920), (40, 6 * 3600), (10_000, 6 * 3600)):
        pauses = [Terms().pause(tries).total_seconds() for _ in range(200)]
        assert 0 <= min(pauses) < longest / 4
        assert longest * 0.75 < max(pauses) <= longest


def test_a_blocked_or_erased_person_is_not_written_to(publish, customer):
    (message,) = publish()
    assert deliveries.obstacle(message) is None
    customer.active = False
    db.session.commit()
    assert deliveries.obstacle(state(message)) == "closed"
    outbox.publish_sealed("asha@example.com", "A link", "secret", customer.id)
    db.session.commit()
    sealed = db.session.scalar(select(OutboxMessage).where(OutboxMessage.kind == "sealed"))
    assert deliveries.obstacle(sealed) is None


def test_who_left_a_topic_since_gets_no_more_of_it_but_what_is_essential(publish, customer):
    (review,), (booking,) = publish(kind="reviewed"), publish(kind="accepted")
    customer.message_choices = {"reviews": [], "bookings": ["chat"]}
    db.session.commit()
    assert deliveries.obstacle(state(review)) == "unwanted"
    assert deliveries.obstacle(state(booking)) is None


# -- Looking after them -----------------------------------------------------------------------


def test_the_health_names_the_oldest_that_should_have_left(publish, frozen):
    assert deliveries.health() == (None, 0, 0)
    publish(due_at=clock.now() + timedelta(days=1))
    assert deliveries.health() == (None, 1, 0)
    written = clock.now()
    publish(2)
    frozen.shift(600)
    assert deliveries.health() == (written, 3, 0)


def test_counts_stop_at_a_thousand(publish, monkeypatch):
    monkeypatch.setattr(deliveries, "MOST_COUNTED", 3)
    publish(5)
    assert deliveries.health().waiting == 3


def fail(message):
    message.status, message.tries, message.error = Delivery.FAILED, 8, "550 no"
    db.session.commit()


def test_a_failed_message_is_sent_again_once_and_the_trail_says_so(publish, admin):
    (message,) = publish()
    assert not deliveries.resend(message, by=admin)
    fail(message)
    assert deliveries.resend(message, by=admin)
    assert not deliveries.resend(message, by=admin)
    found = state(message)
    assert (found.status, found.tries, found.due_at) == (Delivery.WAITING, 0, clock.now())
    assert [(one.action, one.subject_id) for one in db.session.query(AuditEntry)] == [("resend", message.id)]


def test_all_that_failed_is_sent_again(publish, admin):
    messages = publish(3)
    for message in messages[:2]:
        fail(message)
    assert deliveries.resend_all(by=admin) == 2
    assert deliveries.resend_all(by=admin) == 0
    assert {state(message).status for message in messages} == {Delivery.WAITING}
    assert [one.detail for one in db.session.query(AuditEntry)] == [{"count": 2}]


def test_a_page_lists_one_state_and_goes_on(publish):
    messages = publish(25)
    fail(messages[3])
    page = deliveries.page(Delivery.WAITING)
    assert [one.id for one in page] == [one.id for one in messages if one.id != messages[3].id][:20]
    assert len(deliveries.page(Delivery.WAITING, page.next_cursor)) == 4
    assert [one.id for one in deliveries.page(Delivery.FAILED)] == [messages[3].id]


def test_there_is_no_message_of_a_made_up_number(app):
    with pytest.raises(errors.NotFound):
        deliveries.get(99)


def test_old_messages_are_forgotten_and_what_waits_is_not(publish, frozen, settings):
    ends = (Delivery.SENT, Delivery.KEPT, Delivery.DROPPED, Delivery.FAILED, Delivery.WAITING)
    for message, end in zip(publish(5), ends, strict=True):
        message.status = end
    db.session.commit()
    frozen.shift(timedelta(days=31))
    publish()
    assert deliveries.purge("2026-12-24", 0) == (3, None)
    assert deliveries.purge("2026-12-24", 0) == (0, None)
    frozen.shift(timedelta(days=60))
    assert deliveries.purge("2027-02-22", 0) == (1, None)
    left = db.session.scalars(select(OutboxMessage.status)).all()
    assert left == [Delivery.WAITING, Delivery.WAITING]


def test_a_purge_goes_on_where_it_stopped(publish, frozen, monkeypatch):
    monkeypatch.setattr(deliveries, "MOST_AT_ONCE", 2)
    for message in publish(3):
        message.status = Delivery.SENT
    db.session.commit()
    frozen.shift(timedelta(days=31))
    assert deliveries.purge("2026-12-24", 0) == (2, 1)
    assert deliveries.purge("2026-12-24", 1) == (1, None)


def test_old_files_go_with_their_messages(app, settings, frozen):
    folder = settings.instance / "outbox"
    folder.mkdir(parents=True, exist_ok=True)
    old, new = folder / "old.eml", folder / "new.eml"
    for path, age in ((old, 31), (new, 29)):
        path.write_text("a mail")
        moment = (clock.now() - timedelta(days=age)).timestamp()
        os.utime(path, (moment, moment))
    deliveries.purge("2026-11-23", 0)
    assert (old.exists(), new.exists()) == (False, True)
    new.unlink()


def test_the_id_of_a_mail_says_nothing_and_stays(publish):
    (message,) = publish()
    name = deliveries.message_id(message)
    assert name == deliveries.message_id(state(message))
    assert name.endswith("@127.0.0.1>")
    assert message.key not in name


def test_what_was_told_goes_when_a_person_is_erased(publish, customer, admin, professional):
    publish()
    publish(person=professional, booking_id=None)
    users.anonymise(customer, by=admin, reason="They asked")
    db.session.commit()
    assert db.session.scalars(select(OutboxMessage.user_id)).all() == [professional.id]
