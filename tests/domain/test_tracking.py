"""Where a professional on the way is: who says so, who sees it, how long, and what is learnt from it."""

import math
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import arrivals, bookings, clock, no_shows, start_codes, tracking, users
from domain.errors import Invalid, InvalidTransition, NotAllowed
from extensions import db
from models import PinCode, Status
from models_live import Position, Trip
from tests import factories

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def job(customer, professional, frozen):
    """For 11:00 today, with its professional on the way since 10:00."""
    made = factories.booking(customer, professional, status=Status.EN_ROUTE, starts_at=factories.at(11))
    frozen.move_to(factories.at(10))
    return made


@pytest.fixture
def shared(job, professional):
    tracking.begin(job, professional)
    return job


def away(job, km):
    """A point so many km north of the place."""
    return job.pin.lat + km / 111.195, job.pin.lon


def share(job, by, km, accuracy=10):
    tracking.share(job, by, *away(job, km), accuracy)
    db.session.commit()
    db.session.expire_all()


def seen(job):
    return tracking.whereabouts(job, job.customer)


def rows(table):
    return db.session.scalar(select(func.count()).select_from(table))


def trips(number, minutes_per_km=4.0, hour=10, area="560"):
    for _ in range(number):
        db.session.add(Trip(area=area, hour=hour, km=5, minutes=5 * minutes_per_km, day=clock.today()))
    db.session.commit()


# -- Sharing ----------------------------------------------------------------------------------


def test_the_customer_sees_nothing_until_the_professional_shares(job, professional):
    assert seen(job) is None
    with pytest.raises(InvalidTransition, match="do not share"):
        share(job, professional, 5)
    tracking.begin(job, professional)
    db.session.expire_all()
    assert tracking.sharing_since(job, professional) == clock.now()
    assert seen(job) is None


def test_the_customer_sees_the_newest_position_and_no_other_is_kept(shared, professional, frozen):
    share(shared, professional, 5)
    frozen.shift(5 * SECOND)
    share(shared, professional, 4, accuracy=12.2)
    here = seen(shared)
    assert (round(here.km, 2), here.accuracy, here.seen_at) == (4, 13, clock.now())
    assert rows(Position) == 1


def test_what_comes_within_three_seconds_is_dropped(shared, professional, frozen):
    share(shared, professional, 5)
    frozen.shift(2.9 * SECOND)
    share(shared, professional, 4)
    assert round(seen(shared).km, 2) == 5
    frozen.shift(0.1 * SECOND)
    share(shared, professional, 4)
    assert round(seen(shared).km, 2) == 4


@pytest.mark.parametrize(
    "lat, lon, accuracy",
    [
        (90.1, 77, 5),
        (-90.1, 77, 5),
        (12, 180.1, 5),
        (12, -180.1, 5),
        (12, 77, -1),
        (math.nan, 77, 5),
        (12, math.inf, 5),
        (12, 77, math.inf),
        (12, 77, math.nan),
        (12, 77, 1e300),
    ],
)
def test_no_place_on_earth_is_refused(shared, professional, lat, lon, accuracy):
    with pytest.raises(Invalid):
        tracking.share(shared, professional, lat, lon, accuracy)


def test_the_ends_of_the_earth_are_places(shared, professional):
    tracking.share(shared, professional, -90.0, 180.0, 0.0)


def test_only_the_professional_who_comes_shares(shared, customer, other_professional, admin):
    for somebody in (customer, other_professional, admin):
        for verb in (tracking.begin, tracking.stop):
            with pytest.raises(NotAllowed):
                verb(shared, somebody)
        with pytest.raises(NotAllowed):
            share(shared, somebody, 1)


def test_only_the_customer_sees_it(shared, professional, other_customer, admin):
    share(shared, professional, 5)
    assert seen(shared)
    assert not any(tracking.whereabouts(shared, one) for one in (professional, other_customer, admin))


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.EN_ROUTE])
def test_nobody_shares_who_is_not_on_the_way(customer, professional, status):
    job = factories.booking(customer, professional, status=status)
    with pytest.raises(InvalidTransition):
        tracking.begin(job, professional)
    with pytest.raises(InvalidTransition):
        share(job, professional, 1)


def test_who_stops_is_forgotten_and_may_begin_again(shared, professional):
    share(shared, professional, 5)
    tracking.stop(shared, professional)
    db.session.expire_all()
    assert rows(Position) == 0
    assert seen(shared) is None
    with pytest.raises(InvalidTransition):
        share(shared, professional, 4)
    tracking.stop(shared, professional)
    tracking.begin(shared, professional)
    share(shared, professional, 4)
    assert seen(shared)


def test_nobody_shares_longer_than_six_hours(shared, professional, frozen):
    share(shared, professional, 5)
    frozen.shift(tracking.LONGEST)
    assert seen(shared) is None
    assert tracking.sharing_since(shared, professional) is None
    with pytest.raises(InvalidTransition):
        share(shared, professional, 4)


# -- Every way out deletes it -----------------------------------------------------------------


def start(job):
    bookings.start(job, job.professional.user, start_codes.code_of(job))


def override(job):
    bookings.override_code(job, factories.admin(), "The phone was dead.")


def cancel(job):
    bookings.cancel(job, job.customer, "")


def give_up(job):
    bookings.cancel(job, job.professional.user, "My van broke down.")


def cancel_for_them(job):
    bookings.cancel(job, factories.admin(), "Flood.")


def nobody_there(job):
    no_shows.report(job, job.professional.user)


@pytest.mark.parametrize("leave", [start, override, cancel, give_up, cancel_for_them, nobody_there])
def test_the_position_goes_with_the_state_in_one_transaction(shared, professional, frozen, leave):
    share(shared, professional, 5)
    frozen.move_to(shared.starts_at)
    no_shows.knock(shared, professional)
    frozen.shift(30 * MINUTE)
    leave(shared)
    assert rows(Position) == 0
    db.session.rollback()
    assert rows(Position) == 1


def test_what_leaves_the_state_as_it_is_leaves_the_position_too(shared, professional, customer, frozen):
    share(shared, professional, 5)
    bookings.renew_code(shared, customer)
    frozen.move_to(shared.starts_at)
    no_shows.knock(shared, professional)
    assert rows(Position) == 1


def test_the_purge_takes_what_nobody_shares_any_more(shared, professional, customer, frozen):
    share(shared, professional, 5)
    left = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(15))
    db.session.add(Position(booking_id=left.id, since=clock.now(), lat=12, lon=77, accuracy=5, at=clock.now()))
    db.session.commit()
    assert tracking.purge("2026-11-23", 0).count == 1
    assert db.session.scalars(select(Position.booking_id)).all() == [shared.id]
    frozen.shift(tracking.LONGEST)
    assert tracking.purge("2026-11-23", 0).count == 1


# -- What is said of it -----------------------------------------------------------------------


def test_without_past_trips_the_time_is_that_of_a_slow_city(shared, professional):
    share(shared, professional, 6)
    # 6 km x 1.3 x 60 / 18 + 3 = 29 minutes.
    assert (seen(shared).minutes, seen(shared).arrives_at) == (30, factories.at(10, 30))


def test_below_ten_minutes_they_are_counted_one_by_one(shared, professional):
    share(shared, professional, 1)
    assert (seen(shared).minutes, seen(shared).arrives_at) == (7, factories.at(10, 7))


def test_who_is_there_takes_a_minute_at_least(shared, professional):
    trips(5)
    share(shared, professional, 0)
    assert seen(shared).minutes == 1


def test_an_old_position_has_a_distance_and_no_time(shared, professional, frozen):
    share(shared, professional, 6)
    frozen.shift(2 * MINUTE)
    assert seen(shared).minutes
    frozen.shift(SECOND)
    assert (round(seen(shared).km), seen(shared).minutes, seen(shared).arrives_at) == (6, None, None)


def test_a_vague_position_has_no_time_either(shared, professional):
    share(shared, professional, 6, accuracy=5000)
    assert seen(shared).vague
    assert seen(shared).minutes is None


def test_nobody_can_say_when_somebody_comes_from_the_other_end_of_the_country(shared, professional):
    share(shared, professional, 900)
    assert seen(shared).minutes is None


@pytest.mark.parametrize(
    "hour, area, minutes_per_km",
    [(10, "560", 2.0), (15, "560", 2.0), (15, "400", 2.0)],
    ids=["of the area at this time of day", "of the area", "of anywhere"],
)
def test_five_trips_are_enough_to_learn_from(shared, professional, hour, area, minutes_per_km):
    trips(4, minutes_per_km, hour, area)
    share(shared, professional, 10)
    assert seen(shared).minutes == 45
    trips(1, minutes_per_km, hour, area)
    assert seen(shared).minutes == 20


def test_what_is_nearer_in_place_and_time_counts_more(shared, professional):
    share(shared, professional, 10)
    trips(9, 6.0, 10, "400")
    assert seen(shared).minutes == 60
    trips(5, 4.0, 15)
    assert seen(shared).minutes == 40
    trips(5, 2.0, 8)
    assert seen(shared).minutes == 20


def test_the_middle_counts_so_one_breakdown_does_not(shared, professional):
    trips(5, 3.0)
    trips(1, 25.0)
    share(shared, professional, 10)
    assert seen(shared).minutes == 30


def test_the_newest_trips_count(shared, professional):
    trips(arrivals.NEWEST, 6.0)
    trips(arrivals.NEWEST, 2.0)
    share(shared, professional, 10)
    assert seen(shared).minutes == 20


# -- What is learnt ---------------------------------------------------------------------------


def test_a_trip_lasts_from_the_first_position_to_the_knock(shared, professional, frozen):
    frozen.shift(10 * MINUTE)
    share(shared, professional, 6)
    frozen.shift(20 * MINUTE)
    share(shared, professional, 1)
    frozen.move_to(factories.at(10, 50))
    no_shows.knock(shared, professional)
    frozen.move_to(factories.at(11))
    start(shared)
    trip = db.session.scalar(select(Trip))
    assert (trip.area, trip.hour, round(trip.km, 2), trip.minutes, trip.day) == ("560", 10, 6, 40, clock.today())


def test_without_a_knock_it_lasts_to_the_start_of_the_work(shared, professional, frozen):
    share(shared, professional, 6)
    frozen.move_to(factories.at(10, 35))
    start(shared)
    assert db.session.scalar(select(Trip.minutes)) == 35


def test_who_turns_back_teaches_nothing(shared, professional, customer):
    share(shared, professional, 6)
    bookings.cancel(shared, customer, "")
    assert rows(Trip) == 0


@pytest.mark.parametrize("km, minutes", [(0.9, 35), (80, 35), (1.1, 60)])
def test_what_cannot_have_been_a_trip_teaches_nothing(shared, professional, frozen, km, minutes):
    share(shared, professional, km)
    frozen.shift(minutes * MINUTE)
    start(shared)
    assert rows(Trip) == 0


def test_who_does_not_share_teaches_nothing(job, frozen):
    frozen.move_to(job.starts_at)
    start(job)
    assert rows(Trip) == 0


def test_a_trip_is_nobodys(shared, professional, admin, frozen):
    share(shared, professional, 6)
    frozen.move_to(factories.at(10, 35))
    start(shared)
    bookings.cancel(shared, admin, "Flood.")
    users.anonymise(professional, admin, "They asked.")
    assert rows(Position) == 0
    assert rows(Trip) == 1
    assert not Trip.__table__.foreign_keys


def test_trips_are_forgotten_after_a_year(app, frozen):
    trips(3)
    frozen.shift(365 * 24 * 60 * MINUTE)
    assert tracking.purge("2027-11-23", 0).count == 0
    frozen.shift(24 * 60 * MINUTE)
    assert tracking.purge("2027-11-24", 0).count == 3
    assert rows(Trip) == 0


def test_the_area_is_the_beginning_of_a_pin_code(app):
    assert arrivals.area(db.session.get_one(PinCode, factories.CITY_PIN).pincode) == "560"
