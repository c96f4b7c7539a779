"""What the overview and the summary count, on the site's clock."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from domain import clock, lookups, ratings, reports, reviews
from domain.errors import Invalid
from extensions import db
from models import Booking, Status
from tests import databases, factories

TODAY = date(2026, 11, 23)


def request(customer, professional, days_ago=0, minutes=0, **values):
    made = clock.now() - timedelta(days=days_ago)
    accepted = {"accepted_at": made + timedelta(minutes=minutes)} if minutes else {}
    status = values.pop("status", Status.CLOSED)
    return factories.booking(
        customer,
        professional,
        status=status,
        created_at=made,
        starts_at=values.pop("starts_at", made + timedelta(hours=20)),
        **{"accepted_at": None, **accepted, **values},
    )


@pytest.mark.skipif(databases.on_postgresql(), reason="it looks at how SQLite finds its rows")
def test_who_looks_for_late_jobs_does_not_read_the_whole_past(app):
    # As ANALYZE would have it of a market that is two years old.
    connection = db.session.connection()
    connection.exec_driver_sql("ANALYZE")
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    for index, numbers in (("status_id", "200000 33000 1"), ("starts_at_id", "200000 4 1")):
        row = ("bookings", f"ix_bookings_{index}", numbers)
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", row)
    connection.exec_driver_sql("ANALYZE sqlite_master")
    asked = select(Booking.id).where(lookups.late()).compile(db.engine, compile_kwargs={"literal_binds": True})
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all()
    assert [row.detail for row in plan] == ["SEARCH bookings USING INDEX ix_bookings_status_id (status=?)"]


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [(None, None, 30), (TODAY, TODAY, 1), (None, TODAY, 30), (date(2025, 11, 23), TODAY, 366)],
)
def test_a_period_has_both_its_ends(app, first, last, days):
    assert reports.period(first, last).days == days


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (TODAY, date(2026, 11, 22)),
        (date(2025, 11, 22), TODAY),
        (date(1, 1, 1), date(1, 1, 2)),
        (None, date.min),
        (None, date.max),
        (date.max, None),
    ],
)
def test_an_impossible_period_is_refused(app, first, last):
    with pytest.raises(Invalid):
        reports.period(first, last)


def test_a_day_begins_at_midnight_of_the_site(customer, professional):
    # 18:29 UTC is one minute before midnight in India.
    midnight = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    for moment in (midnight - timedelta(minutes=1), midnight):
        factories.booking(customer, professional, status=Status.CLOSED, created_at=moment)
    found = reports.requests_by_day(reports.period(date(2026, 11, 22), TODAY))
    assert [(day.day, sum(numbers)) for day, numbers in found.bars] == [(22, 1), (23, 1)]


def test_requests_are_counted_by_day_and_state(customer, professional):
    for status in (Status.CLOSED, Status.CLOSED, Status.COMPLETED, Status.CANCELLED, Status.REJECTED):
        request(customer, professional, days_ago=1, status=status)
    request(customer, professional, status=Status.PENDING, starts_at=factories.at(11, days=1))
    request(customer, professional, days_ago=9)
    found = reports.requests_by_day(reports.last_days(2))
    assert [numbers for _day, numbers in found.bars] == [[3, 0, 0, 1, 1], [0, 1, 0, 0, 0]]
    assert found.total == 6
    assert found.by_status[Status.CLOSED] == 2


def test_an_overdue_request_counts_as_expired(customer, professional, frozen):
    request(customer, professional, status=Status.PENDING, starts_at=factories.at(11, days=1))
    frozen.shift(timedelta(days=2))
    assert reports.requests_by_day(reports.last_days(7)).by_status[Status.EXPIRED] == 1


def test_a_long_period_is_drawn_by_the_week(customer, professional):
    request(customer, professional, days_ago=200)
    request(customer, professional, days_ago=0)
    asked = reports.period(date(2025, 11, 24), TODAY)
    found = reports.requests_by_day(asked)
    assert (asked.bar_days, len(found.bars), found.total) == (7, 53, 2)
    assert sum(found.bars[-1][1]) == 1


@pytest.mark.parametrize(
    ("minutes", "median"),
    [((), None), ((6,), 360), ((4, 8), 360), ((1, 2, 90), 120), ((1, 2, 4, 1000), 180)],
)
def test_the_median_is_the_middle(app, customer, professional, minutes, median):
    for number in minutes:
        request(customer, professional, minutes=number)
    request(customer, professional, status=Status.REJECTED)
    found = reports.time_to_accept(reports.last_days())
    assert (found.median, found.number) == (median, len(minutes))


def test_stars_are_of_visible_reviews_in_the_period(admin, customer, professional, frozen):
    for stars in (5, 5, 2):
        reviews.write(request(customer, professional), by=customer, rating=stars, comment="")
    hidden = reviews.write(request(customer, professional), by=customer, rating=1, comment="")
    reviews.hide(hidden, by=admin, reason="Names a neighbour")
    db.session.commit()
    today = reports.last_days(1)
    assert reports.stars(today).numbers == (0, 1, 0, 0, 2)
    assert reports.stars(today).mean == 4.0
    frozen.shift(timedelta(days=1))
    assert reports.stars(reports.last_days(1)).mean is None


def test_the_overview_compares_with_last_week_by_this_time(customer, professional, frozen):
    frozen.shift(timedelta(days=2))
    assert reports.overview().change is None
    for days_ago in (0, 1, 1, 7, 8, 6):
        request(customer, professional, days_ago=days_ago)
    found = reports.overview()
    # Six days ago was last Thursday: later in the week than it is now.
    assert (found.requested, found.requested_before, found.change) == (3, 2, 50)
    assert (found.closed, found.closed_share) == (3, 100)


def test_the_overview_knows_what_waits(customer, professional, unapproved_professional, frozen):
    factories.professional(approved=False, active=False)
    soon = factories.booking(customer, professional, starts_at=factories.at(15))
    soon.respond_by = clock.now() + timedelta(minutes=30)
    job = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    job.code_tries = 5
    db.session.commit()
    found = reports.overview()
    assert (found.to_approve, found.expiring, found.overdue, found.locked) == (1, 1, 0, 1)
    assert found.oldest_application == clock.now()
    assert reports.to_decide() == (1, 0, 0, 0, 0, 0)
    frozen.shift(timedelta(hours=3))
    found = reports.overview()
    assert (found.expiring, found.overdue) == (0, 1)


def test_the_average_rating_is_that_of_the_whole_site(customer, professional):
    assert reports.overview().rating is None
    for stars in (5, 4):
        reviews.write(request(customer, professional, days_ago=60), by=customer, rating=stars, comment="")
    db.session.commit()
    assert reports.overview().rating == 4.5
    assert ratings.prior_mean() == 4.5


def test_counts_stop_at_a_thousand(app, monkeypatch):
    monkeypatch.setattr(reports, "MOST_COUNTED", 2)
    for _time in range(5):
        factories.professional(approved=False)
    assert reports.to_decide() == (3, 0, 0, 0, 0, 0)
