"""Forecasts of numbers: what they learn, what they keep to, and that they are worked out in a process of their own."""

import json
import os
import random
import subprocess
import sys
from datetime import date

import pytest

import demand_models
from config import ROOT
from demand_models import Panel, Unforecast

# numpy says what it does not like by warnings, and the models try what does not fit.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
WEEK = [4, 4, 4, 5, 6, 12, 10]


@pytest.fixture(autouse=True, scope="module")
def one_core():
    """A library that fights for every core is slower on a busy machine."""
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    yield
    if before is None:
        del os.environ["OPENBLAS_NUM_THREADS"]


def noisy(days, mean=lambda day: WEEK[day % 7], seed=1):
    draw = random.Random(seed)
    return [float(max(round(draw.gauss(mean(day), mean(day) ** 0.5)), 0)) for day in range(days)]


def two_services():
    """A busy city and what two services have of it, one of them hardly anything."""
    city = noisy(210)
    return Panel([city, city, [float(day % 9 == 0) for day in range(210)]], [None, 0, 0])


@pytest.fixture(scope="module")
def weeks():
    return demand_models.work_out(two_services())


def test_weekdays_are_learned_better_than_by_looking_a_week_back(weeks):
    city = weeks[0]
    assert city["error"] < 1
    assert min(city["expected"][5:7]) > 1.4 * max(city["expected"][:4])
    assert len(city["expected"]) == 14


def test_a_thin_series_gets_its_share_of_a_larger_one(weeks):
    whole, _same, rare = weeks
    assert rare["model"] == "share"
    shares = {round(part / all_of_it, 3) for part, all_of_it in zip(rare["expected"], whole["expected"], strict=True)}
    assert len(shares) == 1
    assert 0.01 < shares.pop() < 0.04


def test_ranges_lie_in_each_other_and_never_below_nothing(weeks):
    for answer in weeks:
        rows = zip(*(answer[name] for name in ("low95", "low80", "expected", "high80", "high95")), strict=True)
        assert all(0 <= row[0] <= row[1] <= row[2] <= row[3] <= row[4] for row in rows)


def test_a_falling_series_ends_at_nothing_and_not_below():
    falling = noisy(120, lambda day: max(12 - day / 9, 0.2))
    [answer] = demand_models.work_out(Panel([falling]))
    assert min(answer["expected"]) >= 0
    assert max(answer["expected"]) < 4


def test_what_a_holiday_did_last_year_is_expected_again():
    # Diwali of 2025 was on 20 October, that of 2026 is on 8 November.
    first = date(2025, 3, 3)
    length = (date(2026, 11, 2) - first).days
    days = demand_models._calendar(Panel([[0.0] * length], first=first.isoformat(), country="IN"))
    values = noisy(length, lambda day: 2 if any("Diwali" in name for name in days[day]) else 20)
    [knows] = demand_models.work_out(Panel([values], first=first.isoformat(), country="IN"))
    [not_told] = demand_models.work_out(Panel([values]))
    diwali = (date(2026, 11, 8) - date(2026, 11, 2)).days
    assert knows["expected"][diwali] < 15 < not_told["expected"][diwali]
    assert knows["expected"][diwali + 2] == pytest.approx(20, abs=3)


def test_a_country_without_a_calendar_has_no_holidays():
    panel = Panel([[1.0] * 10], first="2026-01-01", country="ZZ")
    assert demand_models._calendar(panel) == [()] * 24


def test_a_young_site_is_forecast_by_its_mean():
    [answer] = demand_models.work_out(Panel([[4.0, 2.0, 3.0] * 5]))
    assert answer["model"] == "mean"
    assert answer["expected"] == [3.0] * 14
    assert answer["low80"][0] < 3 < answer["high80"][0]


def test_nothing_at_all_is_expected_where_nothing_was():
    empty, kin = demand_models.work_out(Panel([[0.0] * 100, [0.0] * 100], [None, 0]))
    assert set(empty["expected"] + kin["expected"]) == {0.0}


@pytest.mark.slow
def test_a_process_of_its_own_finds_the_same_and_knows_no_secrets(monkeypatch, weeks):
    monkeypatch.setenv("SECRET_KEY", "not for numbers")
    asked, run = [], subprocess.run
    spy = lambda *given, **more: asked.append(more["env"]) or run(*given, **more)  # noqa: E731
    monkeypatch.setattr(demand_models.subprocess, "run", spy)
    assert demand_models.forecast(two_services()) == weeks
    assert "SECRET_KEY" not in asked[0]


@pytest.mark.slow
def test_a_process_that_fails_says_why():
    with pytest.raises(Unforecast, match="could not convert"):
        demand_models.forecast(Panel([["not a number", None, {}]]))


def test_the_site_starts_without_the_libraries():
    code = "import sys, json, app, jobs; json.dump(sorted(sys.modules), sys.stdout)"
    seen = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(seen.stdout)}
    assert not loaded & {"numpy", "scipy", "pandas", "statsmodels", "holidays"}
    assert "demand_models" in loaded
