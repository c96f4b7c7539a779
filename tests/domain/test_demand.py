"""What counts as wanted: of what, where, on which day and at which hour of the site's clock."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import clock, demand
from extensions import db
from models import Status
from models_forecast import Demand
from tests import factories

TODAY = timedelta(0)


@pytest.fixture
def visit(customer, professional):
    """visit(...) is a closed visit of yesterday at 11:00 unless it is said otherwise."""

    def made(**values):
        return factories.booking(
            customer, professional, **{"status": Status.CLOSED, "starts_at": factories.at(11, days=-1), **values}
        )

    return made


def counted(days=3):
    today = clock.today()
    demand.count(today - timedelta(days=days), today + timedelta(days=days))
    rows = db.session.scalars(select(Demand).order_by(Demand.district, Demand.day, Demand.hour))
    return [(row.district, (row.day - today).days, row.hour, row.number) for row in rows]


def test_visits_count_at_the_hour_of_the_site_in_their_city_and_everywhere(visit):
    visit()
    visit(starts_at=factories.at(11, 30, days=-1))
    visit(starts_at=factories.at(0, 15, days=-1), pincode="400001")
    assert counted() == [("", -1, 0, 1), ("", -1, 11, 2), ("Bengaluru Urban", -1, 11, 2), ("Mumbai", -1, 0, 1)]


def test_what_nobody_took_was_wanted_and_what_was_called_off_was_not(visit):
    for status in (Status.REJECTED, Status.EXPIRED, Status.NO_SHOW, Status.CANCELLED):
        visit(status=status)
    assert counted() == [("", -1, 11, 3), ("Bengaluru Urban", -1, 11, 3)]


def test_work_that_is_done_again_was_not_wanted_twice(visit):
    first = visit()
    visit(starts_at=factories.at(14, days=-1), rework_of_id=first.id)
    assert counted() == [("", -1, 11, 1), ("Bengaluru Urban", -1, 11, 1)]


def test_days_are_counted_anew_as_they_are_now(visit):
    one = visit()
    counted()
    one.status = Status.CANCELLED
    db.session.commit()
    visit(starts_at=factories.at(9, days=1))
    assert counted() == [("", 1, 9, 1), ("Bengaluru Urban", 1, 9, 1)]


def test_other_days_stay_as_they_were(visit):
    visit(starts_at=factories.at(11, days=-10))
    demand.count(clock.today() - timedelta(days=14), clock.today())
    assert counted() == [("", -10, 11, 1), ("Bengaluru Urban", -10, 11, 1)]


def test_the_hour_that_comes_twice_counts_in_the_day(visit, set_up):
    set_up(timezone="Europe/London")
    day = clock.today().replace(month=10, day=25)
    visit(starts_at=clock.start_of(day) + timedelta(hours=24, minutes=30))
    demand.count(day, day + timedelta(days=1))
    assert db.session.scalars(select(Demand.hour)).all() == [23, 23]


def test_services_of_a_city_are_those_wanted_lately(visit):
    visit()
    visit(starts_at=factories.at(11, days=-100), service=factories.service("Long ago", base_price=100))
    demand.count(clock.today() - timedelta(days=120), clock.today())
    assert demand.pairs(clock.today()) == {"Bengaluru Urban": {factories.service().id: 1}}


def test_old_days_are_forgotten(app):
    factories.demand(10)
    assert demand.forget(clock.today() - timedelta(days=4)) == 12
    assert demand.first_day() == clock.today() - timedelta(days=4)
