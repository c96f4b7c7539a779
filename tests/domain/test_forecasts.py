"""The job that forecasts: what it counts and writes, in which steps, and how it goes on after a crash."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

import demand_models
import jobs
from domain import clock, demand, forecasts, timetable
from extensions import db
from models import JobRun, RunStatus, Status
from models_forecast import Demand, DemandSeries, Forecast, Shortage
from tests import factories

PERIOD = "2026-11-23"


@pytest.fixture
def models(monkeypatch):
    """The panels that the models were asked about; they expect what there was on the last day, and one more."""
    asked = []

    def forecast(panel):
        assert not db.session().in_transaction(), "nothing is held while the models work"
        asked.append(panel)
        return [_said(values[-1] + 1) for values in panel.series]

    monkeypatch.setattr(demand_models, "forecast", forecast)
    return asked


def _said(number):
    ranges = {"low80": number - 1, "high80": number + 1, "low95": number - 2, "high95": number + 2}
    return {"model": "blend", "error": 0.5} | {
        name: [float(value)] * 14 for name, value in {"expected": number, **ranges}.items()
    }


def visits(customer, professional, days=40, **values):
    """A visit on each of the days before today."""
    for day in range(1, days + 1):
        starts_at = factories.at(11, days=-day)
        factories.booking(customer, professional, status=Status.CLOSED, starts_at=starts_at, **values)


def run(app, period=PERIOD):
    return jobs.run(app, timetable.find("forecast"), period)


def series():
    db.session.rollback()
    return {one.key: one for one in db.session.scalars(select(DemandSeries).order_by(DemandSeries.id))}


def of(one, kept=False):
    rows = db.session.scalars(select(Forecast).where(Forecast.series_id == one.id, Forecast.kept == kept))
    return sorted(rows, key=lambda row: row.day)


def test_every_city_and_service_is_forecast_below_the_site(app, models, customer, professional):
    one = factories.service()
    visits(customer, professional)
    visits(customer, professional, days=5, pincode="400001")
    run(app)
    keys = ["|", f"{one.id}|", "|Bengaluru Urban", f"{one.id}|Bengaluru Urban", "|Mumbai", f"{one.id}|Mumbai"]
    assert list(series()) == keys
    whole, cities = models
    assert whole.parents == [None, 0, 1]
    # The site, then of each city all, the category and the service.
    assert cities.parents == [None, 0, 1, 2, 0, 4, 5]
    assert cities.series[0] == [1] * 35 + [2] * 5
    assert cities.series[4] == [0] * 35 + [1] * 5
    assert (cities.first, cities.country) == ("2026-10-14", "IN")


def test_days_ahead_are_written_and_the_one_in_a_week_is_kept(app, models, customer, professional):
    visits(customer, professional)
    run(app)
    rows = of(series()["|"])
    assert [row.day for row in rows] == [clock.today() + timedelta(days=n) for n in range(14)]
    assert {(row.expected, row.low80, row.high95) for row in rows} == {(2, 1, 4)}
    [kept] = of(series()["|"], kept=True)
    assert kept.day == clock.today() + timedelta(days=7)
    assert kept.came is None


def test_nobody_expects_less_than_what_is_booked(app, models, customer, professional, other_professional):
    visits(customer, professional)
    for hour in (9, 12, 15, 17):
        factories.booking(customer, other_professional, starts_at=factories.at(hour, days=2))
    run(app)
    row = of(series()["|Bengaluru Urban"])[2]
    assert (row.booked, row.expected, row.low80, row.high80, row.high95) == (4, 4, 4, 4, 4)


def test_what_came_is_written_beside_what_was_expected(app, models, customer, professional, frozen):
    visits(customer, professional)
    run(app)
    frozen.shift(timedelta(days=8))
    for hour in (9, 14):
        starts_at = factories.at(hour, days=-1)
        factories.booking(customer, professional, status=Status.CLOSED, starts_at=starts_at)
    run(app, "2026-12-01")
    first, second = of(series()["|Bengaluru Urban"], kept=True)
    assert (first.expected, first.came) == (2, 2)
    assert second.came is None
    assert len(of(series()["|"])) == 14


def test_a_later_run_counts_only_the_days_that_may_have_changed(app, models, customer, professional, frozen):
    visits(customer, professional)
    run(app)
    db.session.execute(Demand.__table__.delete())
    db.session.commit()
    frozen.shift(timedelta(days=1))
    run(app, "2026-11-24")
    assert demand.first_day() == clock.today() - timedelta(days=8)


def test_a_site_without_much_has_no_forecast_and_starts_no_process(app, models, customer, professional):
    visits(customer, professional, days=27)
    run(app)
    assert not models
    assert not series()
    assert db.session.scalar(select(func.sum(Demand.number))) == 54


def test_a_site_whose_first_visit_is_weeks_ahead_has_no_forecast(app, models, customer, professional):
    factories.booking(customer, professional, starts_at=factories.at(11, days=21))
    run(app)
    assert set(db.session.scalars(select(JobRun.status))) == {RunStatus.DONE}
    assert series() == {}


def test_what_nobody_wants_any_more_is_forgotten(app, models, customer, professional, frozen):
    visits(customer, professional)
    visits(customer, professional, days=1, pincode="400001")
    run(app)
    assert "|Mumbai" in series()
    frozen.shift(timedelta(days=100))
    visits(customer, professional)
    run(app, "2027-03-03")
    assert "|Mumbai" not in series()
    assert db.session.scalar(select(func.count()).select_from(Forecast).where(Forecast.day < clock.today())) == 0


def test_a_run_goes_on_where_another_stopped(app, models, customer, professional, monkeypatch):
    monkeypatch.setattr(forecasts, "MOST_SERIES", 1)
    visits(customer, professional)
    for pincode in ("400001", "110001", "700001"):
        visits(customer, professional, days=3, pincode=pincode)
    job = timetable.find("forecast")
    while len(models) < 3:
        assert jobs.take_step(app, job, PERIOD)
    assert len(series()) == 6
    monkeypatch.setattr(forecasts, "_write", lambda batch: 1 / 0)
    assert jobs.take_step(app, job, PERIOD) is None
    db.session.rollback()
    assert db.session.scalars(select(JobRun.status).order_by(JobRun.id)).all() == [RunStatus.DONE, RunStatus.FAILED]
    monkeypatch.undo()
    monkeypatch.setattr(forecasts, "MOST_SERIES", 1)
    monkeypatch.setattr(demand_models, "forecast", lambda panel: [_said(1) for _ in panel.series])
    run(app)
    assert len(series()) == 10


def test_a_step_that_was_overtaken_writes_nothing(app, models, customer, professional, monkeypatch):
    visits(customer, professional)
    job = timetable.find("forecast")
    while jobs.take_step(app, job, PERIOD).cursor != forecasts.FORECASTING:
        assert not models
    ask = demand_models.forecast

    def slowly(panel):
        monkeypatch.setattr(demand_models, "forecast", ask)
        jobs.take_step(app, job, PERIOD)
        return ask(panel)

    monkeypatch.setattr(demand_models, "forecast", slowly)
    assert jobs.take_step(app, job, PERIOD) is None
    run(app)
    assert len(models) == 3
    assert len(series()) == 4


def test_an_old_day_that_is_run_again_changes_nothing(app, models, customer, professional):
    visits(customer, professional)
    run(app)
    before = len(models)
    assert run(app, "2026-11-20") == 0
    assert len(models) == before


def test_hours_are_those_at_which_something_was_wanted(app, models, customer, professional):
    visits(customer, professional)
    run(app)
    hours = series()["|"].hours
    assert len(hours) == 48
    assert hours.index(max(hours[:24])) == 11
    assert sum(hours[:24]) == pytest.approx(1, abs=0.01)
    assert sum(hours[24:]) == pytest.approx(1, abs=0.01)


def test_a_day_on_which_nobody_works_is_short(app, models, customer, professional):
    visits(customer, professional)
    run(app)
    db.session.rollback()
    rows = db.session.scalars(select(Shortage).order_by(Shortage.day)).all()
    assert [row.day.weekday() for row in rows] == [6, 6]
    assert rows[0].offered == 0


@pytest.mark.slow
def test_the_models_themselves_forecast_what_was_counted(app, customer, professional):
    factories.demand(100, lambda day: 9 if day.weekday() >= 5 else 4)
    db.session.add(JobRun(job="forecast", period="2026-11-22", status=RunStatus.DONE, runs=1, started_at=clock.now()))
    db.session.commit()
    run(app)
    rows = of(series()["|Bengaluru Urban"])
    # The week before was counted anew, and nothing was booked then.
    assert len(rows) == 14
    assert {row.day.weekday() for row in rows if row.expected > 6} <= {5, 6}
