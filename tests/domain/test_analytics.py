"""What the admin's reports count: requests beside those before, cancellations, cohorts, the most booked, places."""

import csv
import io
from datetime import date, timedelta

import pytest

from domain import analytics, bookings, dot_map, report_tables, reports, series
from domain.analytics import Beside
from domain.errors import Invalid
from domain.reports import Period, Waits
from extensions import db
from models import BookingEvent, Role, Status
from tests import factories
from tests.domain.test_reports import TODAY, request

WEEK = Period(date(2026, 11, 17), TODAY)


def called_off(customer, professional, by, cause=None, **values):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED, **values)
    bookings.cancel(booking, by, "So it is", cause)
    return booking


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        (TODAY, TODAY, (date(2026, 11, 22), date(2026, 11, 22))),
        (WEEK.first, WEEK.last, (date(2026, 11, 10), date(2026, 11, 16))),
        (date(2026, 3, 1), date(2026, 3, 31), (date(2026, 2, 1), date(2026, 2, 28))),
        (date(2026, 1, 1), date(2026, 12, 31), (date(2025, 1, 1), date(2025, 12, 31))),
        (date(2026, 11, 1), date(2026, 11, 23), (date(2026, 10, 9), date(2026, 10, 31))),
    ],
)
def test_days_are_compared_with_as_many_before_and_months_with_months(app, first, last, before):
    assert Period(first, last).before == Period(*before)


def test_the_days_asked_for_most_end_today_or_with_a_month(app):
    found = reports.presets()
    assert {name: days.days for name, days in found.items()} == {
        "week": 7,
        "month": 30,
        "quarter": 90,
        "this_month": 23,
        "last_month": 31,
        "year": 365,
    }
    assert found["last_month"] == Period(date(2026, 10, 1), date(2026, 10, 31))


def test_acceptance_and_completion_leave_out_what_nobody_could_answer_or_do(customer, professional, frozen):
    accepted = {"minutes": 10}
    for status in (Status.CLOSED, Status.COMPLETED, Status.DISPUTED, Status.CANCELLED, Status.NO_SHOW, Status.ACCEPTED):
        request(customer, professional, status=status, **accepted)
    for status in (Status.REJECTED, Status.EXPIRED, Status.CANCELLED):
        request(customer, professional, status=status)
    request(customer, professional, status=Status.PENDING, starts_at=factories.at(11, days=3))
    now, before = reports.requests_beside(WEEK)
    assert (now.accepted, now.answerable, now.acceptance) == (6, 8, 0.75)
    assert (now.done, now.called_off, now.completion) == (3, 2, 0.6)
    assert (before.total, before.acceptance, before.completion) == (0, None, None)


def test_an_overdue_request_is_unanswered_in_both_ranges(customer, professional, frozen):
    request(customer, professional, status=Status.PENDING, starts_at=factories.at(11, days=1))
    frozen.shift(timedelta(days=8))
    request(customer, professional, status=Status.PENDING, starts_at=factories.at(11, days=10))
    now, before = reports.requests_beside(reports.last_days())
    assert (now.by_status[Status.PENDING], now.by_status[Status.EXPIRED]) == (1, 0)
    assert (before.by_status[Status.PENDING], before.by_status[Status.EXPIRED]) == (0, 1)
    assert [sum(numbers) for _day, numbers in before.bars] == [1]


@pytest.mark.parametrize(
    ("minutes", "median", "ninetieth"),
    [((), None, None), ((7,), 7, 7), ((2, 4), 3, 4), (range(1, 11), 5.5, 9), (range(1, 101), 50.5, 90)],
)
def test_nine_of_ten_were_accepted_within_the_ninetieth(minutes, median, ninetieth):
    waits = Waits(tuple((minute, 1) for minute in minutes))
    assert (waits.median, waits.ninetieth) == (median and median * 60, ninetieth and ninetieth * 60)


def test_waits_are_sorted_into_classes_and_compared(customer, professional):
    for minutes in (1, 4, 5, 59, 60, 3000):
        request(customer, professional, minutes=minutes)
    request(customer, professional, days_ago=8, minutes=20)
    now, before = reports.time_to_accept_beside(WEEK)
    assert now.classes() == [2, 1, 1, 1, 1]
    assert (before.number, before.median) == (1, 1200)


# -- Cancellations ----------------------------------------------------------------------------


def test_cancellations_are_counted_by_who_and_why_on_the_day_they_happen(customer, professional, admin, frozen):
    called_off(customer, professional, customer, "price", starts_at=factories.at(11, days=10))
    frozen.shift(timedelta(days=8))
    for by, cause in ((customer, "price"), (customer, None), (professional, "ill"), (admin, "misuse")):
        called_off(customer, professional, by, cause, starts_at=factories.at(11, days=2))
    found = analytics.cancellations(reports.last_days())
    assert found.causes == [
        (Role.CUSTOMER, "price", Beside(1, 1)),
        (Role.CUSTOMER, None, Beside(1, 0)),
        (Role.PROFESSIONAL, "ill", Beside(1, 0)),
        (Role.ADMIN, "misuse", Beside(1, 0)),
    ]
    assert [numbers for _day, numbers in found.bars][-1] == [2, 1, 1]
    assert (found.total, found.by(Role.CUSTOMER)) == (Beside(4, 1), Beside(2, 1))


def test_each_side_has_its_own_causes(customer, professional):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    for cause in ("ill", "misuse", "nonsense"):
        with pytest.raises(Invalid) as refusal:
            bookings.cancel(booking, customer, "", cause)
        assert refusal.value.field == "cause"
    bookings.cancel(booking, customer, "", "plans_changed")
    assert [event.cause for event in booking.events if event.verb == "cancel"] == ["plans_changed"]


def test_a_series_is_cancelled_for_one_cause(customer, professional):
    visits = [
        factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=7 * week))
        for week in (1, 2)
    ]
    factories.series(*visits)
    series.cancel_from(visits[0], customer, "", "found_other")
    causes = db.session.query(BookingEvent.cause).filter(BookingEvent.verb == "cancel").all()
    assert [cause for (cause,) in causes] == ["found_other"] * 2


# -- Customers --------------------------------------------------------------------------------


def test_a_customer_returns_who_has_booked_before_the_range(customer, other_customer, professional):
    request(customer, professional, days_ago=20)
    request(customer, professional, days_ago=8)
    for _time in range(2):
        request(customer, professional, days_ago=1)
        request(other_customer, professional, days_ago=1)
    found = analytics.returning(WEEK)
    assert (found.customers, found.returning) == (Beside(2, 1), Beside(1, 1))
    assert (found.share, found.share_before) == (0.5, 1.0)
    nobody = analytics.returning(Period(date(2020, 1, 1), date(2020, 1, 2)))
    assert (nobody.customers, nobody.share) == (Beside(0, 0), None)


def test_cohorts_are_by_the_month_of_the_first_booking(customer, other_customer, professional):
    old = factories.customer()
    request(old, professional, days_ago=500)
    for days_ago in (60, 58, 30, 0):
        request(customer, professional, days_ago=days_ago)
    for person in (other_customer, old):
        request(person, professional, days_ago=61)
    found = {one.month: one for one in analytics.cohorts(reports.period())}
    assert min(found) == date(2025, 12, 1)
    september = found[date(2026, 9, 1)]
    # Who booked in the year before is nobody's first time.
    assert (september.customers, september.again[:3]) == (2, [1, 1, None])
    assert (september.share(1), september.share(3)) == (0.5, None)
    assert found[date(2026, 11, 1)].customers == 0


# -- The most booked, and where ---------------------------------------------------------------


def test_the_top_is_ordered_by_what_was_asked_and_done(customer, professional, other_professional):
    for _time in range(3):
        request(customer, professional, status=Status.CANCELLED)
    for _time in range(2):
        request(customer, other_professional)
    request(customer, professional, service=factories.service("Rare work", base_price=10_000))
    request(customer, professional, days_ago=8)
    services = analytics.top_services(WEEK)
    asked = [(one.requests, one.done) for one in services]
    assert asked == [(Beside(5, 1), Beside(2, 1)), (Beside(1, 0), Beside(1, 0))]
    people = [(one.name, one.requests.now, one.done) for one in analytics.top_professionals(WEEK)]
    assert people == [("Esha Nair", 2, Beside(2, 0)), ("Dev Menon", 4, Beside(1, 1))]


def test_a_request_to_anybody_is_no_professionals(customer):
    factories.booking(customer, None, starts_at=factories.at(15, days=2))
    assert analytics.top_professionals(WEEK) == []


def test_spots_are_pin_codes_with_their_points(customer, professional):
    for pincode in ("400001", "400001", factories.CITY_PIN):
        request(customer, professional, pincode=pincode)
    request(customer, professional, days_ago=8, pincode="400001")
    mumbai, bengaluru = analytics.spots(WEEK)
    assert (mumbai.pincode, mumbai.district, mumbai.requests) == ("400001", "Mumbai", Beside(2, 1))
    assert bengaluru.requests == Beside(1, 0)
    drawn = dot_map.draw([mumbai, bengaluru])
    west, east = drawn.dots
    # North is up and east is right.
    assert west.x < east.x
    assert west.y < east.y
    assert all(0 < dot.x < drawn.width and 0 < dot.y < drawn.height for dot in drawn.dots)
    assert west.radius > east.radius
    assert drawn.ground.count("M") >= 2


def test_one_place_has_a_map_and_none_has_no_map(customer, professional):
    request(customer, professional)
    [spot] = analytics.spots(WEEK)
    drawn = dot_map.draw([spot])
    assert (drawn.width, round(drawn.dots[0].x)) == (600, 300)
    assert dot_map.draw([]) is None


# -- As files ---------------------------------------------------------------------------------


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_every_table_says_what_its_page_says(customer, professional):
    request(customer, professional, minutes=10)
    called_off(customer, professional, customer, "price", starts_at=factories.at(15, days=1))
    files = {name: rows_of(table(WEEK)) for name, table in report_tables.TABLES.items()}
    assert sum(int(row["done"]) for row in files["requests"]) == 1
    assert files["time-to-accept"][-1] == {"minutes": "10", "accepted": "1", "accepted_before": "0"}
    assert len(files["ratings"]) == 5
    [cancelled] = files["cancellations"]
    assert (cancelled["by"], cancelled["code"], cancelled["reason"]) == ("customer", "price", "Too expensive")
    assert sum(int(row["customer"]) for row in files["cancellations-by-day"]) == 1
    assert files["cohorts"][-1]["customers"] == "1"
    assert files["professionals"][0]["professional"] == "Dev Menon"
    assert files["places"][0]["pincode"] == factories.CITY_PIN
    assert files["searches"] == []


def test_a_formula_in_a_name_is_no_formula_in_a_file(customer, professional):
    service = factories.service('=HYPERLINK("http://evil.example")', base_price=10_000)
    request(customer, professional, service=service)
    assert rows_of(report_tables.services(WEEK))[0]["service"].startswith("'=HYPERLINK")
