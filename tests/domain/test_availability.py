"""Free slots: hours, time off, claims, lead time, horizon, and clocks that jump."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain import availability, clock
from domain.errors import Conflict, Invalid
from extensions import db
from models import TimeOff, WorkingHours
from tests import factories

TUESDAY = date(2026, 11, 24)
SUNDAY = date(2026, 11, 29)


def starts(professional, day=TUESDAY, minutes=60):
    [only] = availability.free_slots(professional.id, minutes, day, 1)
    return [f"{clock.local(slot.starts_at):%H:%M}" for slot in only.slots if not slot.taken]


def add_hours(professional, weekday, opens, closes):
    db.session.add(
        WorkingHours(professional_id=professional.id, weekday=weekday, starts_minute=opens, ends_minute=closes)
    )
    db.session.commit()


@pytest.fixture
def in_zone(app):
    """The site on another clock."""
    before = app.config["SETTINGS"]

    def move(timezone):
        app.config["SETTINGS"] = replace(before, timezone=timezone)

    yield move
    app.config["SETTINGS"] = before


def test_slots_start_every_half_hour_and_end_within_the_hours(professional):
    found = starts(professional)
    assert found[0] == "09:00"
    assert found[1] == "09:30"
    assert found[-1] == "17:00"
    assert len(found) == 17


def test_a_longer_service_has_fewer_starts(professional):
    assert starts(professional, minutes=345)[-1] == "12:00"


def test_a_day_without_hours_has_no_slots(professional):
    assert starts(professional, SUNDAY) == []


def test_several_ranges_of_one_day_are_all_offered(app):
    split = factories.professional(hours=((9 * 60, 11 * 60), (16 * 60, 17 * 60)))
    assert starts(split) == ["09:00", "09:30", "10:00", "16:00"]


def test_hours_that_begin_off_the_half_hour_offer_the_next_half_hour(app):
    late = factories.professional(hours=((9 * 60 + 15, 11 * 60),))
    assert starts(late) == ["09:30", "10:00"]


def test_a_booking_takes_its_time_and_the_buffer_after_it(customer, professional):
    factories.booking(customer, professional, starts_at=factories.at(11, days=1))
    found = starts(professional)
    # From 11:00 to 12:15 is claimed, and an hour's work with its buffer needs 75 free minutes.
    assert "09:30" in found
    assert not {"10:00", "10:30", "11:00", "11:30", "12:00"} & set(found)
    assert "12:30" in found


def test_taken_slots_are_shown_as_taken(customer, professional):
    factories.booking(customer, professional, starts_at=factories.at(11, days=1))
    [day] = availability.free_slots(professional.id, 60, TUESDAY, 1)
    assert len(day.slots) == 17
    assert day.free == 12


def test_time_off_offers_nothing(professional):
    db.session.add(
        TimeOff(
            professional_id=professional.id, starts_at=factories.at(10, days=1), ends_at=factories.at(15, days=1)
        )
    )
    db.session.commit()
    assert starts(professional) == ["09:00", "15:00", "15:30", "16:00", "16:30", "17:00"]


def test_nothing_is_offered_inside_the_lead_time(professional):
    assert starts(professional, clock.today())[0] == "10:00"


def test_nothing_is_offered_beyond_the_horizon(professional):
    last = clock.today() + timedelta(30)
    assert starts(professional, last) == ["09:00"]
    assert starts(professional, last + timedelta(1)) == []


def test_free_slots_take_two_queries_however_many_days(professional, count_queries):
    professional_id = professional.id
    with count_queries() as seen:
        availability.free_slots(professional_id, 60, TUESDAY, 14)
    assert seen.count == 2


def test_the_next_slot_of_many_is_found_in_one_go(app, customer, count_queries):
    people = [factories.professional() for _ in range(12)]
    wanted = {person.id: 60 for person in people}
    factories.booking(customer, people[0], starts_at=factories.at(10))
    with count_queries() as seen:
        found = availability.next_slots(wanted)
    assert seen.count == 2
    assert found[people[0].id] == factories.at(11, 30)
    assert found[people[1].id] == factories.at(10)


def test_who_is_away_for_days_still_shows_a_next_slot(professional):
    db.session.add(
        TimeOff(professional_id=professional.id, starts_at=factories.at(0), ends_at=factories.at(0, days=5))
    )
    db.session.commit()
    assert availability.next_slots({professional.id: 60}) == {professional.id: factories.at(9, days=5)}


def test_who_never_works_has_no_next_slot(app):
    idle = factories.professional(hours=())
    assert availability.next_slots({idle.id: 60}) == {idle.id: None}


def test_free_between_finds_only_those_who_are_free_then(app, customer):
    busy, free = factories.professional(), factories.professional()
    factories.booking(customer, busy, starts_at=factories.at(14, days=1))
    found = availability.free_between(
        {busy.id: 60, free.id: 60}, factories.at(14, days=1), factories.at(15, days=1)
    )
    assert found == {free.id: factories.at(14, days=1)}


@pytest.mark.parametrize("minutes, buckets", [(15, 2), (20, 3), (45, 4), (60, 5), (345, 24)])
def test_a_booking_claims_its_quarter_hours_and_one_for_the_buffer(app, minutes, buckets):
    assert len(availability.claimed_buckets(factories.at(11), minutes)) == buckets


def test_a_claimed_bucket_cannot_be_claimed_again(customer, other_customer, professional):
    factories.booking(customer, professional, starts_at=factories.at(11, days=1))
    later = factories.booking(other_customer, professional, starts_at=factories.at(15, days=1))
    with pytest.raises(Conflict):
        availability.claim(professional.id, later.id, factories.at(12, days=1), 15)
    db.session.rollback()


def test_the_buffer_before_a_booking_is_its_neighbours_business(customer, other_customer, professional):
    later = factories.booking(customer, professional, starts_at=factories.at(15, days=1))
    factories.booking(other_customer, professional, starts_at=factories.at(11, days=1))
    availability.release(later.id)
    db.session.commit()
    assert "15:00" in starts(professional)


@pytest.mark.parametrize(
    "hour, minute, allowed",
    [(9, 0, True), (8, 30, False), (17, 0, True), (17, 30, False), (11, 10, False), (0, 0, False)],
)
def test_a_start_must_be_one_of_the_offered_ones(professional, hour, minute, allowed):
    starts_at = factories.at(hour, minute, days=1)
    ends_at = starts_at + timedelta(hours=1)
    if allowed:
        availability.check_open(professional.id, starts_at, ends_at)
    else:
        with pytest.raises(Invalid):
            availability.check_open(professional.id, starts_at, ends_at)


def test_the_hour_that_spring_skips_is_not_offered(in_zone, app, frozen):
    in_zone("Europe/London")
    night = factories.professional(hours=())
    add_hours(night, 6, 0, 4 * 60)
    frozen.move_to(datetime(2027, 3, 20, 12, tzinfo=UTC))
    found = starts(night, date(2027, 3, 28), minutes=30)
    assert found == ["00:00", "00:30", "02:00", "02:30", "03:00", "03:30"]


def test_the_hour_that_autumn_repeats_is_offered_once(in_zone, app, frozen):
    in_zone("Europe/London")
    night = factories.professional(hours=())
    add_hours(night, 6, 0, 3 * 60)
    frozen.move_to(datetime(2026, 10, 20, 12, tzinfo=UTC))
    [day] = availability.free_slots(night.id, 30, date(2026, 10, 25), 1)
    moments = [slot.starts_at for slot in day.slots]
    assert len(moments) == len(set(moments)) == 6


def test_what_is_offered_on_a_day_that_jumps_can_be_booked(in_zone, app, frozen):
    in_zone("America/New_York")
    early = factories.professional(hours=())
    add_hours(early, 6, 0, 24 * 60)
    frozen.move_to(datetime(2026, 10, 20, 12, tzinfo=UTC))
    [day] = availability.free_slots(early.id, 30, date(2026, 11, 1), 1)
    assert len(day.slots) == 48
    for slot in day.slots:
        availability.check_open(early.id, slot.starts_at, slot.starts_at + timedelta(minutes=30))


def test_a_zone_three_quarters_off_the_hour_has_its_slots_on_the_half_hour(in_zone, app):
    in_zone("Asia/Kathmandu")
    person = factories.professional()
    assert starts(person)[:2] == ["09:00", "09:30"]
