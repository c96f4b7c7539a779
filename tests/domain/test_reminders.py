"""Who is reminded, when, once, and of what is still true."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, select

from domain import bookings, clock, reminders, requests
from extensions import db
from models import Booking, BookingOffer, OfferStatus, OutboxMessage, Status
from tests import factories
from tests.client import count_queries

TODAY = "2026-11-23"
HOUR = timedelta(hours=1)


def told(kind=None):
    """(kind, person, booking) of each message in the outbox."""
    rows = db.session.execute(
        select(OutboxMessage.kind, OutboxMessage.user_id, OutboxMessage.booking_id).order_by(OutboxMessage.id)
    )
    return [tuple(row) for row in rows if kind in (None, row.kind)]


def people(kind):
    return [person for _kind, person, _booking in told(kind)]


def offer(booking, professional, status=OfferStatus.OPEN):
    db.session.add(
        BookingOffer(
            booking_id=booking.id,
            professional_id=professional.id,
            position=1,
            status=status,
            created_at=booking.created_at,
        )
    )
    db.session.commit()


# -- Requests that wait -----------------------------------------------------------------------


def test_who_has_requests_gets_one_message_and_who_has_none_gets_none(customer, professional, other_professional):
    factories.booking(customer, professional)
    factories.booking(customer, professional, starts_at=factories.at(15, days=1))
    assert reminders.requests_waiting(TODAY, 0) == (1, None)
    assert people("requests_waiting") == [professional.id]


def test_an_open_offer_is_a_request_too(customer, professional, other_professional):
    booking = factories.booking(customer, None)
    offer(booking, professional)
    offer(booking, other_professional, OfferStatus.DECLINED)
    reminders.requests_waiting(TODAY, 0)
    assert people("requests_waiting") == [professional.id]
    assert reminders.requests_of(professional.id) == [booking]
    assert reminders.requests_of(other_professional.id) == []


def test_the_same_day_reminds_once_and_the_next_again(customer, professional):
    factories.booking(customer, professional, respond_by=clock.now() + timedelta(days=3))
    for period in (TODAY, TODAY, "2026-11-24"):
        reminders.requests_waiting(period, 0)
    assert len(told("requests_waiting")) == 2


def test_requests_that_expired_unseen_count_as_missed(customer, professional, other_professional, frozen):
    seen, unseen = professional, other_professional
    for one in (seen, unseen):
        factories.booking(customer, one, respond_by=clock.now() + HOUR, starts_at=factories.at(15, days=1))
    seen.last_seen_at = clock.now() + timedelta(minutes=5)
    unseen.last_seen_at = clock.now() - HOUR
    db.session.commit()
    frozen.shift(2 * HOUR)
    reminders.requests_waiting(TODAY, 0)
    assert people("requests_waiting") == [unseen.id]
    assert len(reminders.missed_by(unseen.id)) == 1
    assert reminders.missed_by(seen.id) == []


def test_what_a_job_has_expired_is_missed_all_the_same(customer, professional, frozen):
    factories.booking(customer, professional, respond_by=clock.now() + HOUR, starts_at=factories.at(15, days=1))
    frozen.shift(2 * HOUR)
    assert bookings.expire_due() == 1
    db.session.commit()
    assert reminders.requests_waiting(TODAY, 0).count == 1


def test_what_expired_long_ago_is_not_told_again(customer, professional, frozen):
    factories.booking(customer, professional, respond_by=clock.now() + HOUR, starts_at=factories.at(15, days=1))
    frozen.shift(HOUR + timedelta(days=1))
    assert reminders.requests_waiting(TODAY, 0).count == 0


@pytest.mark.parametrize("change", [{"active": False}, {"approved": False}])
def test_who_cannot_answer_is_not_reminded(customer, change):
    away = factories.professional(**change)
    factories.booking(customer, away)
    assert reminders.requests_waiting(TODAY, 0).count == 0


def test_steps_go_on_where_the_one_before_stopped(customer, monkeypatch):
    monkeypatch.setattr(reminders, "BATCH", 2)
    asked = [factories.professional() for _ in range(5)]
    for number, one in enumerate(asked):
        factories.booking(customer, one, starts_at=factories.at(9 + number, days=1))
    cursor, counts = 0, []
    while cursor is not None:
        with count_queries() as seen:
            step = reminders.requests_waiting(TODAY, cursor)
        assert seen.count <= 3
        counts.append(step.count)
        cursor = step.cursor
    assert counts == [2, 2, 1]
    assert people("requests_waiting") == [one.id for one in asked]


# -- The next day's jobs ----------------------------------------------------------------------


def test_jobs_of_the_next_local_day_are_told_and_no_others(customer, professional, other_professional):
    third = factories.professional()
    accepted = {"status": Status.ACCEPTED}
    # Midnight of the site is half past six in the evening in UTC.
    factories.booking(customer, professional, starts_at=factories.at(0, 0, days=1), **accepted)
    factories.booking(customer, other_professional, starts_at=factories.at(0, 0, days=2), **accepted)
    factories.booking(customer, third, starts_at=factories.at(12, days=1))
    assert reminders.tomorrow(TODAY, 0) == (1, None)
    assert people("tomorrow") == [professional.id]
    assert db.session.scalar(select(OutboxMessage.data)) == {"day": "2026-11-24"}


def test_the_list_is_in_order_and_without_what_was_cancelled(customer, professional):
    late, early, gone = (
        factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(hour, days=1))
        for hour in (16, 10, 13)
    )
    bookings.cancel(gone, customer)
    assert reminders.jobs_on(professional.id, date(2026, 11, 24)) == [early, late]


# -- Before a visit ---------------------------------------------------------------------------


def run(verb, frozen, hours, cursor=0):
    """Run a minutely verb once in every quarter of an hour for so many hours."""
    for _ in range(hours * 4):
        cursor = verb(TODAY, cursor).cursor
        db.session.commit()
        frozen.shift(HOUR / 4)
    return cursor


def test_a_customer_is_reminded_a_day_and_two_hours_before_once_each(customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=2))
    cursor = run(reminders.day_before, frozen, 24)
    assert told() == []
    run(reminders.day_before, frozen, 25, cursor)
    assert told() == [("day_before", customer.id, booking.id)]
    frozen.move_to(booking.starts_at - 3 * HOUR)
    cursor = run(reminders.hours_before, frozen, 1)
    assert people("hours_before") == []
    run(reminders.hours_before, frozen, 2, cursor)
    assert told("hours_before") == [("hours_before", customer.id, booking.id)]


def test_what_is_pending_or_called_off_reminds_nobody(customer):
    for status in (Status.PENDING, Status.CANCELLED, Status.EXPIRED, Status.EN_ROUTE):
        factories.booking(customer, factories.professional(), status=status, starts_at=factories.at(10))
    reminders.day_before(TODAY, 0)
    reminders.hours_before(TODAY, 0)
    assert told() == []


def test_a_moved_booking_is_reminded_again_once(customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=1))
    cursor = run(reminders.day_before, frozen, 4)
    assert len(told("day_before")) == 1
    booking.starts_at += timedelta(days=2)
    booking.ends_at += timedelta(days=2)
    db.session.commit()
    run(reminders.day_before, frozen, 72, cursor)
    assert len(told("day_before")) == 2
    assert len({one.key for one in db.session.scalars(select(OutboxMessage))}) == 2


def test_after_a_day_of_downtime_what_is_still_ahead_is_told_by_one_message(customer, professional, frozen):
    over = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=1))
    soon = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(16, days=1))
    later = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(10, days=2))
    cursors = {verb: verb(TODAY, 0).cursor for verb in (reminders.hours_before,)}
    frozen.move_to(factories.at(14, 30, days=1))
    reminders.day_before(TODAY, 0)
    reminders.hours_before(TODAY, cursors[reminders.hours_before])
    assert over.id not in [booking for _kind, _person, booking in told()]
    assert told("hours_before") == [("hours_before", customer.id, soon.id)]
    assert told("day_before") == [("day_before", customer.id, later.id)]


def test_a_clock_that_steps_back_repeats_nothing(customer, professional, frozen):
    factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=1))
    cursor = run(reminders.day_before, frozen, 4)
    frozen.shift(-2 * HOUR)
    assert reminders.day_before(TODAY, cursor) == (0, cursor)
    assert run(reminders.day_before, frozen, 4, cursor) > cursor
    assert len(told()) == 1


def test_a_clock_that_ran_a_year_ahead_for_a_moment_silences_nothing(customer, professional, frozen):
    visit = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=1))
    factories.booking(customer, professional, status=Status.CLOSED, closed_at=clock.now() - timedelta(hours=23))
    frozen.shift(timedelta(days=365))
    cursors = {verb: verb(TODAY, 0).cursor for verb in (reminders.day_before, reminders.review_prompts)}
    frozen.shift(timedelta(days=-365))
    for verb, cursor in cursors.items():
        run(verb, frozen, 3, cursor)
    assert [kind for kind, _person, _booking in told()] == ["day_before", "review_prompt"]
    assert told("day_before") == [("day_before", customer.id, visit.id)]


def test_many_visits_at_one_hour_are_told_in_one_step(customer, professional, monkeypatch, count_queries):
    monkeypatch.setattr(reminders, "BATCH", 2)
    ten, eleven = factories.at(10, days=1), factories.at(11, days=1)
    for starts_at in (ten, ten, ten, eleven):
        factories.booking(customer, factories.professional(), status=Status.ACCEPTED, starts_at=starts_at)
    with count_queries() as seen:
        first = reminders.day_before(TODAY, 0)
    assert (first.count, seen.count) == (0, 1)
    with pytest.MonkeyPatch.context() as later:
        later.setattr(reminders, "DAY_BEFORE", timedelta(hours=27))
        with count_queries() as seen:
            first = reminders.day_before(TODAY, 0)
        # Who is told, their choices, and the messages.
        assert (first.count, seen.count) == (3, 3)
        second = reminders.day_before(TODAY, first.cursor)
        assert second.count == 1
    assert len(told()) == 4


def test_a_watermark_is_the_moment_up_to_which_everybody_was_told(app):
    cursor = reminders.hours_before(TODAY, 0).cursor
    assert datetime.fromtimestamp(cursor / 1_000_000, UTC) == clock.now() + 2 * HOUR


def test_a_real_cancellation_and_a_real_move_drop_the_reminder(customer, professional, frozen):
    address = customer.addresses[0]
    offered = professional.professional.offerings[0].service_id
    starts_at = factories.at(11, days=1)
    booking_id = requests.request(customer, offered, professional.id, starts_at, address.id)
    booking = db.session.get_one(Booking, booking_id)
    bookings.accept(booking, professional)
    assert reminders.is_still_ahead(booking, starts_at)
    assert not reminders.is_still_ahead(booking, starts_at + HOUR)
    bookings.cancel(booking, customer)
    assert not reminders.is_still_ahead(booking, starts_at)


# -- Reviews ----------------------------------------------------------------------------------


def test_a_review_is_asked_for_a_day_after_closing_once(customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(6))
    cursor = run(reminders.review_prompts, frozen, 24)
    assert told() == []
    run(reminders.review_prompts, frozen, 24, cursor)
    assert told() == [("review_prompt", customer.id, booking.id)]
    assert db.session.scalar(select(OutboxMessage.key)) == f"review_prompt:{booking.id}:{customer.id}:mail"


def test_what_is_reviewed_already_is_not_asked_for(customer, professional, frozen):
    factories.review(factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(6)))
    run(reminders.review_prompts, frozen, 30)
    assert told() == []


def test_a_new_timetable_does_not_ask_for_reviews_of_long_ago(customer, professional):
    for days in (2, 5):
        factories.booking(
            customer,
            professional,
            status=Status.CLOSED,
            starts_at=factories.at(6, days=-days),
            closed_at=clock.now() - timedelta(days=days),
        )
    assert reminders.review_prompts(TODAY, 0).count == 1


def test_two_at_the_same_microsecond_are_both_asked(customer, professional, monkeypatch):
    monkeypatch.setattr(reminders, "BATCH", 1)
    at = clock.now() - timedelta(hours=30)
    for hour in (6, 8):
        factories.booking(
            customer, professional, status=Status.CLOSED, starts_at=factories.at(hour, days=-1), closed_at=at
        )
    assert reminders.review_prompts(TODAY, 0).count == 2


# -- Plans ------------------------------------------------------------------------------------


def test_no_reminder_reads_a_whole_table(app):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("SQLite tells its plans so")
    verbs = (reminders.day_before, reminders.hours_before, reminders.review_prompts, reminders.tomorrow)
    for verb in (*verbs, reminders.requests_waiting):
        for plan in plans(verb):
            assert not [line for line in plan if line.startswith("SCAN bookings")], (verb.__name__, plan)


def plans(verb):
    """What SQLite says of how it answers each query of a verb."""
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        verb(TODAY, 0)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    connection = db.session.connection()
    return [
        [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        for statement, parameters in asked
    ]
