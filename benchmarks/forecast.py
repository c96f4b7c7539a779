"""How far the forecasts are off beside the seasonal naive one, whether intervals cover what they say, and the job.

    python -m benchmarks.forecast [--quick]

Each series is forecast from several of its past days, from what came before alone, and compared to what came
after. The error is MASE: the mean absolute error over that of the seasonal naive forecast within what was
known. The series are those of statsmodels' data sets (weekly, monthly and quarterly), and generated demand of
services in cities: weekdays, drift, holidays that change it, more spread than chance alone. The job is the
timetable's, on a database of bookings. It prints tables and exits 1 when a figure misses what is wanted.
"""

import argparse
import os
import random
import resource
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import statsmodels.datasets as shipped

import demand_models
import jobs
from app import create_app
from benchmarks.market import _insert, _stamp, market, settings_for
from demand_models import Panel
from domain import clock, forecasts, outlook, timetable
from extensions import db
from models_forecast import DemandSeries, Shortage

FULL = {"windows": 12, "cities": 6, "services": 14, "demand_windows": 20, "bookings": 200_000, "people": 2000}
QUICK = {"windows": 1, "cities": 1, "services": 4, "demand_windows": 1, "bookings": 2_000, "people": 100}
BOOKED_DAYS = 400
MOST_BESIDE_NAIVE, WITHIN = 1.0, 0.05
DAYS, FIRST = 728, "2024-06-03"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="fewer series and windows, for CI")
    given = arguments.parse_args()
    size = QUICK if given.quick else FULL
    warnings.simplefilter("ignore")
    missed = [public(size), demand(size)]
    job(size)
    return int(any(missed) and not given.quick)


# -- What is compared -------------------------------------------------------------------------


class Scores:
    """Errors and covers by a name."""

    def __init__(self):
        self.rows = defaultdict(lambda: defaultdict(list))

    def add(self, name, known, true, answer, season, at=None):
        scale = np.abs(known[season:] - known[:-season]).mean()
        if not scale:
            return
        at = np.arange(len(true)) if at is None else at
        naive = np.array([known[len(known) - season + h % season] for h in range(len(true))])
        row = self.rows[name]
        row["ours"].append(np.abs(true - answer["expected"])[at].mean() / scale)
        row["naive"].append(np.abs(true - naive)[at].mean() / scale)
        for level in ("80", "95"):
            low, high = np.array(answer[f"low{level}"]), np.array(answer[f"high{level}"])
            row[level].extend(((low <= true) & (true <= high))[at])

    def table(self, title, judged):
        """Print it; answer whether one of those that are judged missed."""
        print(f"\n{title}\n{'':<44}{'ours':>7}{'naive':>7}{'ratio':>7}{'80 %':>7}{'95 %':>7}{'forecasts':>11}")
        missed = False
        for name, row in self.rows.items():
            ours, naive = np.mean(row["ours"]), np.mean(row["naive"])
            covers = {level: np.mean(row[level]) for level in ("80", "95")}
            fault = ours / naive >= MOST_BESIDE_NAIVE
            fault |= any(abs(cover - int(level) / 100) > WITHIN for level, cover in covers.items())
            missed |= name in judged and fault
            note = "  missed" if name in judged and fault else ""
            shares = "".join(f"{100 * cover:>7.1f}" for cover in covers.values())
            print(f"{name:<44}{ours:>7.3f}{naive:>7.3f}{ours / naive:>7.2f}{shares}{len(row['80']):>11,}{note}")
        return missed


# -- Series that statsmodels carries ----------------------------------------------------------


def public(size):
    scores = Scores()
    for name, season, horizon, series in public_series():
        length = len(series[0])
        step = max((length - 2 * horizon) // 2 // size["windows"], 1)
        for window in range(size["windows"]):
            end = length - horizon - window * step
            panel = Panel([one[:end].tolist() for one in series], season=season, horizon=horizon, counts=False)
            for one, answer in zip(series, demand_models.work_out(panel), strict=True):
                for name_of_row in (name, "all"):
                    scores.add(name_of_row, one[:end], one[end : end + horizon], answer, season)
    return scores.table("statsmodels' data sets (MASE)", ["all"])


def public_series():
    """(name, season, horizon, series of one length)."""
    weekly = shipped.co2.load_pandas().data["co2"].interpolate()
    yield "CO2 on Mauna Loa, weekly", 52, 13, [weekly.to_numpy()[-1040:]]
    yield "CO2 on Mauna Loa, monthly", 12, 12, [weekly.resample("MS").mean().to_numpy()]
    warm = shipped.elnino.load_pandas().data.drop(columns="YEAR").to_numpy().ravel()
    yield "El Niño, monthly", 12, 12, [warm]
    macro = shipped.macrodata.load_pandas().data.drop(columns=["year", "quarter"])
    yield "economy of the USA, quarterly, 12 series", 4, 8, [macro[name].to_numpy() for name in macro]
    money = shipped.interest_inflation.load_pandas().data[["Dp", "R"]]
    yield "German interest and prices, quarterly, 2", 4, 8, [money[name].to_numpy() for name in money]


# -- Generated demand -------------------------------------------------------------------------


def demand(size):
    scores, draw = Scores(), np.random.default_rng(8)
    series, parents, days = generated(draw, size)
    step = 182 // size["demand_windows"]
    named = {t for t, names in enumerate(days) if names}
    for window in range(size["demand_windows"]):
        end = DAYS - 14 - window * step
        panel = Panel([one[:end].tolist() for one in series], parents, first=FIRST, country="IN")
        special = [h for h in range(14) if end + h in named]
        for one, answer in zip(series, demand_models.work_out(panel), strict=True):
            known, true = one[:end], one[end : end + 14]
            often = known[-91:].mean() >= demand_models.LEAST_MEAN
            scores.add("of one a day and more" if often else "of less", known, true, answer, 7)
            scores.add("all", known, true, answer, 7)
            if often and special:
                scores.add("holidays and eves, of one a day and more", known, true, answer, 7, special)
    return scores.table("generated demand with holidays (MASE)", ["all", "of one a day and more"])


def generated(draw, size):
    """Daily counts of each city and of each service in it, their parents, and the special days."""
    days = demand_models._calendar(Panel([[0.0] * DAYS], first=FIRST, country="IN"))[:DAYS]
    effects = {name: draw.lognormal(-0.5, 0.5) for name in sorted({n for names in days for n in names})}
    special = np.array([np.prod([effects[name] for name in names]) for names in days])
    kinds = draw.dirichlet(np.full(7, 12.0), size["services"]) * 7
    series, parents = [np.zeros(DAYS)], [None]
    for _city in range(size["cities"]):
        at, scale = len(series), draw.gamma(1.5)
        series.append(np.zeros(DAYS))
        parents.append(0)
        for kind in kinds:
            season = 0.2 * np.sin(np.arange(DAYS) / 58 + draw.uniform(0, 6))
            drift = np.exp(np.cumsum(draw.normal(0, 0.012, DAYS)) + season)
            mean = draw.gamma(0.7, 3) * scale * drift * kind[np.arange(DAYS) % 7] * special
            one = draw.poisson(mean * draw.gamma(8, 1 / 8, DAYS)).astype(float)
            series.append(one)
            parents.append(at)
            series[at] += one
        series[0] += series[at]
    return series, parents, days


# -- The job ----------------------------------------------------------------------------------


def job(size):
    """A first run, which counts all days, and the one of the next day."""
    path = market(size["people"], 0, whole_country=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "site.db"
        shutil.copy(path, copy)
        fill(copy, size["bookings"])
        app = create_app(settings_for(copy))
        with app.app_context():
            for what, period in (("first run", clock.today() - timedelta(days=1)), ("a day later", clock.today())):
                run(app, period, f"{what}, {size['bookings']:,} bookings")
            pages()
            db.session.remove()
            db.engine.dispose()


def fill(path, bookings):
    """More on the weekend, in large cities, and of some services; one in forty is still to come."""
    connection, draw = sqlite3.connect(path), random.Random(8)
    pins = [row[0] for row in connection.execute("SELECT base_pincode FROM professionals")]
    services = [row[0] for row in connection.execute("SELECT id FROM services ORDER BY id")]
    customer, person = connection.execute("SELECT max(id), min(id) FROM users").fetchone()
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight + timedelta(days=number) for number in range(-BOOKED_DAYS, 10)]
    weights = [2.0 if day.weekday() >= 5 else 1.0 for day in days]
    often = [1 / rank for rank in range(1, len(services) + 1)]
    rows = []
    columns = ((days, weights), (services, often), (pins,))
    chosen = zip(*(draw.choices(*column, k=bookings) for column in columns), strict=True)
    for number, (day, service, pin) in enumerate(chosen, 1):
        start = day + timedelta(hours=draw.choice((4, 4, 5, 5, 6, 7, 8, 9, 10, 12, 12)))
        moment = _stamp(start)
        who = (number, customer, person, service, "closed" if day < midnight else "accepted")
        when = (moment, _stamp(start + timedelta(hours=1)))
        rows.append((*who, *when, "1, Main Road", pin, "", "INR", 100, 100, 100, moment, moment, "salt", 0, 0, 0))
    columns = "id customer_id professional_id service_id status starts_at ends_at address_line pincode remarks currency"
    columns += " subtotal total paid respond_by created_at code_salt code_tries cascade moves"
    _insert(connection, "bookings", columns, rows)
    connection.commit()
    connection.close()


def run(app, period, what):
    """One period of the job, with how long each of its transactions held the database."""
    held, plain = [], timetable.find(forecasts.JOB)

    def timed(*given):
        began = time.perf_counter()
        step = plain.verb(*given)
        held.append(time.perf_counter() - began)
        return step

    began = time.perf_counter()
    jobs.run(app, replace(plain, verb=timed), period.isoformat())
    took = time.perf_counter() - began
    series, short = db.session.query(DemandSeries), db.session.query(Shortage).count()
    own = series.filter(DemandSeries.model.not_in(["share", "mean"])).count()
    print(
        f"\n{what}: {took:.1f} s in {len(held)} steps, the longest transaction {max(held):.2f} s;"
        f" {series.count():,} series, {own:,} with models of their own, {short:,} shortages"
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"the models so far: {peak.ru_utime:.1f} s of CPU, at most {peak.ru_maxrss / 1024:.0f} MB, given back")
    db.session.rollback()


def pages():
    """What the admin's page reads."""
    took = []
    for _round in range(20):
        began = time.perf_counter()
        outlook.districts(), outlook.services(), outlook.read(), outlook.short()
        took.append(time.perf_counter() - began)
        db.session.rollback()
        db.session.expunge_all()
    print(f"what the page reads: {1000 * statistics.median(took):.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
