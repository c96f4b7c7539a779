"""What people read of the forecasts: charts, how good they were, what is short, and busy hours."""

import csv
import io
from datetime import timedelta

import pytest

from domain import clock, outlook, schedules
from extensions import db
from tests import factories

CITY = "Bengaluru Urban"


@pytest.fixture
def one(app):
    return factories.service()


def test_past_days_show_what_came_and_days_ahead_what_is_expected(one):
    factories.forecast(CITY, one)
    found = outlook.read(CITY, one.id)
    assert [(bar.came, bar.expected) for bar in (found.bars[0], found.bars[-1])] == [(9, 8), (None, 8)]
    assert len(found.bars) == 28 + 14
    assert (found.expected, len(found.ahead)) == (112, 14)
    assert (found.bars[0].range(80), found.bars[0].range(95)) == ((6, 10), (4, 12))


def test_forecasts_are_measured_beside_a_look_a_week_back(one):
    factories.forecast(CITY, one)
    accuracy = outlook.read(CITY, one.id).accuracy
    assert (accuracy.days, accuracy.off, accuracy.naive, accuracy.held_percent) == (28, 1, 0, 100)


def test_days_that_are_over_are_no_longer_ahead(one, frozen):
    factories.forecast(CITY, one)
    frozen.shift(timedelta(days=3))
    assert len(outlook.read(CITY, one.id).ahead) == 11


def test_what_is_not_forecast_is_nothing(one):
    factories.forecast(CITY)
    assert outlook.read(CITY, one.id) is None
    assert outlook.read("Nowhere") is None
    assert outlook.table(None) == ",".join(outlook.COLUMNS) + "\r\n"


@pytest.mark.parametrize(
    ("low", "high", "numbers"), [(1.2, 4.8, (2, 4)), (0, 0.3, (0, 0)), (2.2, 2.8, (3, 3)), (2.0, 3.0, (2, 3))]
)
def test_a_range_is_the_whole_numbers_in_it(low, high, numbers):
    assert outlook.within(low, high) == numbers


def test_the_worst_shortage_comes_first_and_past_ones_not_at_all(one, frozen):
    here, there = factories.forecast(CITY, one), factories.forecast("Mumbai", one)
    factories.shortage(here, 2)
    factories.shortage(there, 3, missing=400)
    factories.shortage(here, 0, missing=900)
    assert [row.missing for row in outlook.short()] == [900, 400, 180]
    assert [row.missing for row in outlook.short(CITY)] == [900, 180]
    assert outlook.short("Mumbai", one.id + 1) == []
    frozen.shift(timedelta(days=1))
    assert [row.missing for row in outlook.short()] == [400, 180]


def test_hours_to_open_come_in_order_of_time(one):
    row = factories.shortage(factories.forecast(CITY, one))
    assert [clock.local(first).hour for first, _last in outlook.spans(row)] == [9, 18]


def test_an_hour_until_midnight_ends_with_the_day(one):
    row = factories.shortage(factories.forecast(CITY, one), hours=[[22, 24, 60]])
    [(_first, last)] = outlook.spans(row)
    assert last == clock.start_of(row.day + timedelta(days=1))


def test_tables_carry_the_numbers_and_no_formula(app):
    one = factories.service('=HYPERLINK("x")', base_price=100)
    factories.shortage(factories.forecast(CITY, one))
    rows = list(csv.DictReader(io.StringIO(outlook.table(outlook.read(CITY, one.id)))))
    assert len(rows) == 42
    assert (rows[0]["came"], rows[0]["said"], rows[-1]["came"], rows[-1]["said"]) == ("9", "a week before", "", "now")
    [row] = csv.DictReader(io.StringIO(outlook.short_table(outlook.short())))
    assert row["service"] == "'=HYPERLINK(\"x\")"
    assert (row["missing_minutes"], row["open_hours"]) == ("180", "9-10 18-20")


@pytest.mark.parametrize("model", ["share", "blend", "naive", "mean of 4", "ETS(A,N,A) of roots"])
def test_every_method_has_words(app, model):
    assert "ETS" not in outlook.method(model)


def test_a_professional_sees_the_full_hours_of_their_services_and_which_they_miss(one, professional):
    factories.forecast(CITY, one)
    factories.forecast(CITY, factories.service("Another's", base_price=100), expected=100)
    monday, *_others, sunday = outlook.busy_days(professional.professional)[:7]
    hours = lambda ranges: [(clock.local(first).hour, clock.local(last).hour) for first, last in ranges]  # noqa: E731
    assert (monday.expected, monday.level) == (pytest.approx(8), "usual")
    assert (hours(monday.peaks), hours(monday.missed)) == ([(18, 19)], [(18, 19)])
    assert sunday.missed == sunday.peaks


def test_time_off_is_missed_too(one, professional):
    factories.forecast(CITY, one, hours=[0.1 if 9 <= hour % 24 < 17 else 0 for hour in range(48)])
    assert outlook.busy_days(professional.professional)[0].missed == []
    off = clock.start_of(clock.today()) + timedelta(hours=10), clock.start_of(clock.today()) + timedelta(hours=12)
    schedules.add_time_off(professional.professional, professional, *off)
    assert outlook.busy_days(professional.professional)[0].missed == [off]


def test_busy_and_quiet_days_stand_out(one, professional):
    series = factories.forecast(CITY, one)
    for row in db.session.query(outlook.Forecast).filter_by(series_id=series.id, kept=False):
        row.expected = 16 if row.day.weekday() == 5 else 4 if row.day.weekday() == 0 else 8
    db.session.commit()
    days = {one.day.weekday(): one.level for one in outlook.busy_days(professional.professional)}
    assert (days[0], days[2], days[5]) == ("quiet", "usual", "busy")


def test_hardly_anything_expected_is_nothing_to_tell(one, professional):
    factories.forecast(CITY, one, expected=0.2)
    assert outlook.busy_days(professional.professional) == []
