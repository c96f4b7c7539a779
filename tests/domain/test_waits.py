"""The line for a full day: joining, holds, and whose turn it is."""

from datetime import date, timedelta

import pytest

from domain import amendments, availability, bookings, choices, clock, requests, waits
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import Booking, Notification, OutboxMessage, SlotClaim, Status, Wait, WaitStatus
from tests import factories

TUESDAY = date(2026, 11, 24)


@pytest.fixture
def service(app):
    return factories.service(name="A long hour", duration_minutes=60)


@pytest.fixture
def busy(service):
    """A professional who works from 9 to 10 on weekdays, one job a day."""
    return factories.professional(name="Busy Rao", services=[service], hours=((9 * 60, 10 * 60),))


@pytest.fixture
def full(busy, service, app):
    """Tuesday's only slot is taken by somebody."""
    taker = factories.customer(name="Early Bird", email="early@example.com")
    return factories.booking(
        taker, busy, service=service, starts_at=factories.at(9, days=1), status=Status.ACCEPTED
    )


def join(person, busy, service, day=TUESDAY):
    wait = waits.join(person, busy.id, service.id, person.addresses[0].id, day)
    db.session.commit()
    return wait


def free_the_slot(full):
    bookings.cancel(full, full.customer)
    db.session.commit()


def book(person, busy, service, starts_at):
    return requests.request(person, service.id, busy.id, starts_at, person.addresses[0].id)


def told(person):
    return [one.kind for one in db.session.query(Notification).filter_by(user_id=person.id).order_by(Notification.id)]


def test_a_freed_slot_is_held_for_the_first_in_line(customer, other_customer, busy, service, full):
    first, second = join(customer, busy, service), join(other_customer, busy, service)
    free_the_slot(full)
    assert (first.status, first.starts_at) == (WaitStatus.HELD, factories.at(9, days=1))
    assert first.held_until == clock.now() + timedelta(minutes=15)
    assert second.status is WaitStatus.WAITING
    assert told(customer) == ["slot_held"]
    assert told(other_customer) == []
    assert db.session.query(OutboxMessage).filter_by(user_id=customer.id, kind="slot_held").count() == 1


def test_nobody_else_can_book_what_is_held(customer, other_customer, busy, service, full):
    join(customer, busy, service)
    free_the_slot(full)
    with pytest.raises(Conflict):
        book(other_customer, busy, service, factories.at(9, days=1))


def test_what_is_held_looks_taken_to_others_and_free_to_its_holder(customer, other_customer, busy, service, full):
    join(customer, busy, service)
    free_the_slot(full)

    def free(person):
        return choices.before_booking(person, busy.id, service.id, TUESDAY).times.day.free

    assert free(customer) == 1
    assert free(other_customer) == 0


def test_who_holds_the_slot_books_it(customer, busy, service, full):
    wait = join(customer, busy, service)
    free_the_slot(full)
    booking_id = book(customer, busy, service, wait.starts_at)
    db.session.commit()
    assert wait.status is WaitStatus.TAKEN
    assert {one.booking_id for one in db.session.query(SlotClaim)} == {booking_id}


def test_after_a_quarter_of_an_hour_it_is_the_next_ones_turn(customer, other_customer, busy, service, full, frozen):
    first, second = join(customer, busy, service), join(other_customer, busy, service)
    free_the_slot(full)
    frozen.shift(timedelta(minutes=14, seconds=59))
    assert waits.lapse_due() == 0
    frozen.shift(timedelta(seconds=1))
    assert waits.lapse_due() == 1
    db.session.commit()
    assert (first.status, second.status) == (WaitStatus.LAPSED, WaitStatus.HELD)
    assert told(customer) == ["slot_held", "hold_lapsed"]
    assert told(other_customer) == ["slot_held"]
    assert waits.lapse_due() == 0


def test_a_hold_that_has_run_out_is_in_nobodys_way_even_before_a_job_ends_it(
    customer, other_customer, busy, service, full, frozen
):
    join(customer, busy, service)
    free_the_slot(full)
    frozen.shift(timedelta(minutes=15))
    shown = choices.before_booking(other_customer, busy.id, service.id, TUESDAY)
    assert shown.times.day.free == 1
    assert book(other_customer, busy, service, factories.at(9, days=1))


def test_the_holder_who_comes_too_late_stands_behind_the_next(customer, other_customer, busy, service, full, frozen):
    join(customer, busy, service)
    join(other_customer, busy, service)
    free_the_slot(full)
    frozen.shift(timedelta(minutes=16))
    with pytest.raises(Conflict):
        book(customer, busy, service, factories.at(9, days=1))


def test_joining_twice_is_joining_once(customer, busy, service, full):
    assert join(customer, busy, service).id == join(customer, busy, service).id
    assert db.session.query(Wait).count() == 1


def test_a_day_with_free_times_is_not_waited_for(customer, busy, service):
    with pytest.raises(Invalid, match="free times") as refused:
        join(customer, busy, service)
    assert refused.value.field == "day"


@pytest.mark.parametrize("day", [date(2026, 11, 22), date(2027, 3, 1)])
def test_a_day_past_or_far_is_not_waited_for(customer, busy, service, full, day):
    with pytest.raises(Invalid) as refused:
        join(customer, busy, service, day)
    assert refused.value.field == "day"


def test_only_what_a_professional_offers_is_waited_for(customer, busy, full):
    other = factories.service(name="Something else", duration_minutes=60)
    with pytest.raises(Invalid) as refused:
        join(customer, busy, other)
    assert refused.value.field == "service_id"


def test_a_paused_professional_is_not_waited_for(customer, busy, service, full):
    busy.professional.paused = True
    db.session.commit()
    with pytest.raises(Invalid):
        join(customer, busy, service)


def test_somebody_elses_address_is_not_found(customer, other_customer, busy, service, full):
    with pytest.raises(NotFound):
        waits.join(customer, busy.id, service.id, other_customer.addresses[0].id, TUESDAY)


def test_only_customers_wait(professional, busy, service, full):
    with pytest.raises(NotAllowed):
        waits.join(professional, busy.id, service.id, 1, TUESDAY)


def test_nobody_stands_in_more_than_ten_lines(customer, busy, service, full):
    for n in range(waits.MOST_WAITING):
        _line(customer, busy, service, TUESDAY + timedelta(days=n + 1))
    with pytest.raises(Invalid, match="10"):
        join(customer, busy, service)


def _line(person, busy, service, day):
    db.session.add(
        Wait(
            customer_id=person.id,
            professional_id=busy.id,
            service_id=service.id,
            address_id=person.addresses[0].id,
            day=day,
            created_at=clock.now(),
        )
    )
    db.session.commit()


def test_leaving_gives_a_held_slot_to_the_next(customer, other_customer, busy, service, full):
    first, second = join(customer, busy, service), join(other_customer, busy, service)
    free_the_slot(full)
    waits.leave(first, customer)
    assert (first.status, second.status) == (WaitStatus.LEFT, WaitStatus.HELD)
    waits.leave(first, customer)
    assert first.status is WaitStatus.LEFT


def test_a_place_in_a_line_is_its_owners(customer, other_customer, busy, service, full):
    wait = join(customer, busy, service)
    with pytest.raises(NotFound):
        waits.get(wait.id, other_customer)
    with pytest.raises(NotAllowed):
        waits.leave(wait, other_customer)


def test_a_booking_that_moves_frees_its_old_day(customer, busy, service):
    taker = factories.customer(name="Early Bird", email="early@example.com")
    booking = factories.booking(taker, busy, service=service, starts_at=factories.at(9, days=1))
    wait = join(customer, busy, service)
    amendments.shift(booking, taker, factories.at(9, days=2))
    assert wait.status is WaitStatus.HELD


def test_days_gone_are_waited_for_no_longer(customer, busy, service, full, frozen):
    wait = join(customer, busy, service)
    frozen.shift(timedelta(days=2))
    waits.lapse_due()
    db.session.refresh(wait)
    assert wait.status is WaitStatus.LAPSED


def test_a_slot_that_cannot_be_reached_is_held_for_nobody(customer, service):
    """The line waits until the way, too, is free."""
    slow = factories.professional(
        name="Slow Das", services=[service], hours=((9 * 60, 12 * 60),), speed_kmh=6, pincode=factories.CITY_PIN
    )
    taker = factories.customer(name="Early Bird", email="early@example.com")
    first = factories.booking(taker, slow, service=service, starts_at=factories.at(9, days=1), status=Status.ACCEPTED)
    last = factories.booking(taker, slow, service=service, starts_at=factories.at(11, days=1), status=Status.ACCEPTED)
    far = factories.address(customer, pincode=factories.NEAR_PIN)
    wait = waits.join(customer, slow.id, service.id, far.id, TUESDAY)
    bookings.cancel(last, taker)
    assert wait.status is WaitStatus.WAITING
    bookings.cancel(first, taker)
    assert wait.status is WaitStatus.HELD


def test_holds_count_as_claims_of_the_day(customer, busy, service, full):
    join(customer, busy, service)
    free_the_slot(full)
    assert availability.next_slots({busy.id: 60})[busy.id] > factories.at(9, days=1)
    assert db.session.query(Booking).filter_by(status=Status.ACCEPTED).count() == 0
