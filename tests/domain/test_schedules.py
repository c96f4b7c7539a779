"""Working hours, time off and what is planned; a change says which bookings it touches and breaks none."""

from datetime import timedelta

import pytest

from domain import availability, clock, schedules, transitions
from domain.errors import Invalid, NotAllowed, NotFound
from extensions import db
from models import BookingOffer, OfferStatus, SlotClaim, Status
from tests import factories

NINE_TO_SIX = {weekday: [(9 * 60, 18 * 60)] for weekday in range(6)}


@pytest.fixture
def worker(professional):
    return professional.professional


@pytest.fixture
def job(customer, professional):
    """A job of tomorrow, a Tuesday, from 11:00 to 12:00."""
    service = factories.service("An hour of work", duration_minutes=60)
    return factories.booking(customer, professional, status=Status.ACCEPTED, service=service)


# -- Working hours ------------------------------------------------------------------------------


def test_hours_are_replaced_as_a_whole(worker, professional):
    schedules.set_hours(worker, by=professional, hours={0: [(540, 720), (780, 1080)], 6: [(600, 660)]})
    assert schedules.hours_of(worker) == {0: [(540, 720), (780, 1080)], 6: [(600, 660)]}


def test_somebody_without_hours_cannot_be_booked(worker, professional):
    schedules.set_hours(worker, by=professional, hours={})
    assert schedules.hours_of(worker) == {}
    assert not any(day.slots for day in availability.free_slots(worker.id, 60, clock.today(), 14))


def test_ranges_that_touch_become_one(worker, professional):
    schedules.set_hours(worker, by=professional, hours={0: [(720, 1080), (540, 720)]})
    assert schedules.hours_of(worker) == {0: [(540, 1080)]}


def test_work_may_last_until_midnight(worker, professional):
    schedules.set_hours(worker, by=professional, hours={4: [(20 * 60, 24 * 60)]})
    assert schedules.hours_of(worker) == {4: [(1200, 1440)]}


@pytest.mark.parametrize(
    "ranges",
    [
        [(540, 720), (700, 800)],
        [(540, 720), (540, 720)],
        [(720, 540)],
        [(540, 540)],
        [(-15, 540)],
        [(540, 1500)],
        [(545, 720)],
        [(540, 725)],
        [(0, 60), (120, 180), (240, 300), (360, 420)],
    ],
)
def test_bad_ranges_are_refused_at_their_weekday(worker, professional, ranges):
    with pytest.raises(Invalid) as refusal:
        schedules.set_hours(worker, by=professional, hours={2: ranges})
    assert refusal.value.field == "wednesday"
    db.session.rollback()
    assert schedules.hours_of(worker) == NINE_TO_SIX


def test_an_eighth_weekday_is_refused(worker, professional):
    with pytest.raises(Invalid):
        schedules.set_hours(worker, by=professional, hours={7: [(540, 600)]})


def test_nobody_changes_the_schedule_of_another(worker, other_professional, admin):
    for person in (other_professional, admin):
        with pytest.raises(NotAllowed):
            schedules.set_hours(worker, by=person, hours={})
        with pytest.raises(NotAllowed):
            schedules.add_time_off(worker, person, factories.at(9, days=1), factories.at(18, days=1))
        with pytest.raises(NotAllowed):
            schedules.remove_time_off(worker, person, 1)


def test_new_hours_touch_the_bookings_that_they_leave_out(worker, job):
    assert schedules.touched_by_hours(worker, {1: [(12 * 60, 18 * 60)]}) == [job]
    assert schedules.touched_by_hours(worker, {1: [(11 * 60, 12 * 60)]}) == []
    assert schedules.touched_by_hours(worker, {0: [(9 * 60, 18 * 60)]}) == [job]


def test_hours_do_not_touch_what_lay_outside_before(worker, customer, professional):
    factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(20, days=1))
    assert schedules.touched_by_hours(worker, {}) == []


def test_new_hours_leave_a_booking_and_its_claims_as_they_are(worker, professional, job):
    claims = db.session.query(SlotClaim).filter_by(booking_id=job.id).count()
    schedules.set_hours(worker, by=professional, hours={})
    db.session.commit()
    assert claims
    assert job.status is Status.ACCEPTED
    assert db.session.query(SlotClaim).filter_by(booking_id=job.id).count() == claims
    assert schedules.outside(worker, schedules.upcoming(worker.id), []) == [job]


# -- Time off -----------------------------------------------------------------------------------


def test_nobody_is_booked_on_time_off(worker, professional):
    schedules.add_time_off(worker, professional, factories.at(0, days=1), factories.at(0, days=2), note=" Wedding ")
    assert [off.note for off in schedules.time_off_of(worker.id)] == ["Wedding"]
    with pytest.raises(Invalid):
        availability.check_open(worker.id, factories.at(11, days=1), factories.at(12, days=1))


def test_time_off_touches_what_it_overlaps(worker, job):
    assert schedules.touched_by_time_off(worker, factories.at(11, 30, days=1), factories.at(15, days=1)) == [job]
    assert schedules.touched_by_time_off(worker, factories.at(12, days=1), factories.at(15, days=1)) == []
    assert schedules.touched_by_time_off(worker, factories.at(9, days=1), factories.at(11, days=1)) == []


def test_time_off_breaks_no_booking(worker, professional, job):
    off = schedules.add_time_off(worker, professional, factories.at(0, days=1), factories.at(0, days=2))
    db.session.commit()
    assert job.status is Status.ACCEPTED
    assert schedules.outside(worker, [job], [off]) == [job]


@pytest.mark.parametrize(
    "starts, ends, field",
    [((12, 1), (11, 1), "last_day"), ((11, 1), (11, 1), "last_day"), ((6, 0), (8, 0), "last_day")],
)
def test_time_off_has_to_end_later_and_ahead(worker, professional, starts, ends, field):
    with pytest.raises(Invalid) as refusal:
        schedules.add_time_off(
            worker, professional, factories.at(starts[0], days=starts[1]), factories.at(ends[0], days=ends[1])
        )
    assert refusal.value.field == field


def test_the_same_time_off_is_taken_once(worker, professional):
    away = factories.at(9, days=1), factories.at(18, days=3)
    schedules.add_time_off(worker, professional, *away)
    with pytest.raises(Invalid, match="already away"):
        schedules.add_time_off(worker, professional, *away)


def test_a_note_has_an_end(worker, professional):
    with pytest.raises(Invalid) as refusal:
        schedules.add_time_off(worker, professional, factories.at(9, days=1), factories.at(18, days=1), "x" * 201)
    assert refusal.value.field == "note"


def test_times_off_are_not_without_number(worker, professional):
    for day in range(schedules.MOST_TIME_OFF):
        schedules.add_time_off(worker, professional, factories.at(9, days=day + 1), factories.at(10, days=day + 1))
    with pytest.raises(Invalid, match="Remove one"):
        schedules.add_time_off(worker, professional, factories.at(9, days=99), factories.at(10, days=99))


def test_only_ones_own_time_off_is_removed(worker, professional, other_professional):
    off = schedules.add_time_off(worker, professional, factories.at(9, days=1), factories.at(18, days=1))
    with pytest.raises(NotFound):
        schedules.remove_time_off(other_professional.professional, other_professional, off.id)
    schedules.remove_time_off(worker, professional, off.id)
    assert schedules.time_off_of(worker.id) == []
    with pytest.raises(NotFound):
        schedules.remove_time_off(worker, professional, off.id)


# -- What is planned ----------------------------------------------------------------------------


def waiting_for(user):
    return list(db.session.scalars(schedules.waiting(user)))


def test_a_request_waits_until_its_deadline(customer, professional, other_professional, frozen):
    request = factories.booking(customer, professional, respond_by=clock.now() + timedelta(hours=1))
    assert waiting_for(professional) == [request]
    assert waiting_for(other_professional) == []
    frozen.shift(timedelta(hours=1))
    assert waiting_for(professional) == []


@pytest.mark.parametrize("status", list(OfferStatus))
def test_only_an_open_offer_waits(customer, professional, status):
    booking = factories.booking(customer, None)
    db.session.add(
        BookingOffer(
            booking_id=booking.id, professional_id=professional.id, position=1, status=status, created_at=clock.now()
        )
    )
    db.session.commit()
    assert waiting_for(professional) == ([booking] if status is OfferStatus.OPEN else [])


def test_a_job_of_yesterday_stays_in_sight_until_it_is_finished(customer, professional):
    forgotten = factories.booking(
        customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(11, days=-1)
    )
    factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(14, days=-1))
    today = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(8))
    opens = clock.start_of(clock.today())
    assert schedules.jobs(professional.id, opens) == [forgotten, today]
    assert schedules.jobs(professional.id, opens, opens) == [forgotten]


def test_the_calendar_leaves_out_what_will_not_happen(customer, professional):
    for hour, status in enumerate((Status.CANCELLED, Status.REJECTED, Status.EXPIRED), 9):
        factories.booking(customer, professional, status=status, starts_at=factories.at(hour, days=1))
    asked = factories.booking(customer, professional, starts_at=factories.at(14, days=1))
    late = factories.booking(customer, professional, starts_at=factories.at(16, days=1), respond_by=clock.now())
    days = schedules.calendar(professional.professional, clock.today(), 14)
    assert [booking for day in days for booking in day.bookings] == [asked]
    assert schedules.upcoming(professional.id) == [asked]
    assert list(db.session.scalars(schedules.history(professional.id, Status.EXPIRED)))[-1] == late


def test_history_is_what_is_over(customer, professional):
    over = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(11, days=-1))
    factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15))
    assert list(db.session.scalars(schedules.history(professional.id))) == [over]
    assert list(db.session.scalars(schedules.history(professional.id, Status.REJECTED))) == []


def test_verbs_open_around_the_start(job):
    assert transitions.openings(job) == {
        "depart": job.starts_at - timedelta(hours=3),
        "start": job.starts_at - timedelta(minutes=30),
        "knock": job.starts_at - timedelta(minutes=15),
        "no_show": job.starts_at + timedelta(minutes=30),
    }
