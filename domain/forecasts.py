"""What the next days bring, of what and where: the job that works it out, in steps that another run can take up.

First the days are counted that may have changed, then the whole site is forecast, then its cities, a few
in each step. What a step takes long for is worked out before its transaction, in a process of its own
(see demand_models). Pages only read the rows.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial

from sqlalchemy import delete, func, insert, select, update

import demand_models
from demand_models import Panel
from domain import demand, shortages
from domain.demand import EVERYWHERE
from domain.job_runs import Step
from extensions import db, settings
from models import JobRun, RunStatus
from models_forecast import DemandSeries, Forecast, Shortage

JOB = "forecast"
DAYS = 14
# What is expected so many days ahead stays, to be compared to what comes.
CHECKED_AHEAD = 7
CHECKED_DAYS = 90
# Days whose visits may have been called off or moved since they were counted last.
UNSETTLED_DAYS = 7
DAYS_A_STEP = 7
# A site with less has nothing to tell yet.
LEAST_DAYS, LEAST_VISITS = 28, 30
# A step forecasts cities until it has so many series with models of their own, or so many in all.
MOST_OWN, MOST_SERIES = 30, 500
OWN_VISITS = 56
# The cursor: the ordinal of a day to count, then, from here on, the cities that are forecast.
FORECASTING = 10_000_000
# The hours of a series are those of its parent, as if so many visits had been seen.
LIKE_PARENT = 20
USUAL_HOURS = range(9, 18)
QUANTILES = ("low80", "high80", "low95", "high95")


@dataclass
class Batch:
    """What one step forecasts: (district, service or None) of each series that is written, and what of."""

    today: date
    keys: list[tuple[str, int | None]]
    places: list[int]
    panel: Panel
    districts: list[str]
    following: int | None
    hours: dict = field(default_factory=dict)
    supply: shortages.Supply | None = None
    answers: list[dict] = field(default_factory=list)
    short: list[dict] = field(default_factory=list)


# -- The job ----------------------------------------------------------------------------------


def ahead(period: str, cursor: int) -> Callable[[], Batch] | None:
    """What a step has to work out before its transaction: read here, done by whoever calls the answer."""
    today = date.fromisoformat(period)
    if cursor < FORECASTING or _is_past(period):
        return None
    batch = _batch(today, cursor)
    return batch and partial(_work_out, batch)


def step(period: str, cursor: int, batch: Batch | None) -> Step:
    """Count some days, or write down what was worked out."""
    today = date.fromisoformat(period)
    if _is_past(period):
        return Step(0)
    if cursor < FORECASTING:
        return _count(period, today, cursor)
    if batch is not None:
        _write(batch)
        if batch.following is not None:
            return Step(len(batch.keys), batch.following)
    _forget(today)
    return Step(len(batch.keys) if batch else 0)


def _is_past(period):
    """Whether a later day has been forecast already."""
    later = select(JobRun.id).where(JobRun.job == JOB, JobRun.period > period, JobRun.runs > 0).limit(1)
    return db.session.scalar(later) is not None


def _count(period, today, cursor):
    """A few days from the cursor on, or from the first that may have changed."""
    end = today + timedelta(days=DAYS)
    if not cursor:
        last = select(func.max(JobRun.period)).where(
            JobRun.job == JOB, JobRun.period < period, JobRun.runs > 0, JobRun.status == RunStatus.DONE
        )
        done = db.session.scalar(last)
        since = min(date.fromisoformat(done), today) - timedelta(days=UNSETTLED_DAYS) if done else demand.first_visit()
        # The first visit of a new site may lie further ahead than anybody looks.
        cursor = max(min(since or today, today), today - timedelta(days=demand.KEPT_DAYS)).toordinal()
    first = date.fromordinal(cursor)
    until = min(first + timedelta(days=DAYS_A_STEP), end)
    number = demand.count(first, until)
    if until < end:
        return Step(number, until.toordinal())
    _compare(today)
    return Step(number, FORECASTING)


def _compare(today):
    """Write down what came of what was expected."""
    open_days = select(Forecast.day).where(Forecast.kept, Forecast.came.is_(None), Forecast.day < today).distinct()
    for day in db.session.scalars(open_days).all():
        came = defaultdict(int)
        for (district, service_id), number in demand.on(day).items():
            came[district, service_id] += number
            came[district, None] += number
        rows = db.session.execute(
            select(DemandSeries.id, DemandSeries.district, DemandSeries.service_id)
            .join(Forecast, Forecast.series_id == DemandSeries.id)
            .where(Forecast.kept, Forecast.day == day, Forecast.came.is_(None))
        ).all()
        db.session.execute(
            update(Forecast),
            [
                {"series_id": row.id, "kept": True, "day": day, "came": came[row.district, row.service_id]}
                for row in rows
            ],
        )


def _forget(today):
    """Series that nobody wants any more go, and with them their forecasts; and so do old comparisons."""
    demand.forget(today - timedelta(days=demand.KEPT_DAYS))
    old = delete(Forecast).where(Forecast.day < today - timedelta(days=CHECKED_DAYS))
    db.session.execute(old.execution_options(synchronize_session=False))
    gone = select(DemandSeries.id).where(DemandSeries.made_on < today).scalar_subquery()
    for column in (Shortage.series_id, Forecast.series_id, DemandSeries.id):
        stale = delete(column.class_).where(column.in_(gone))
        db.session.execute(stale.execution_options(synchronize_session=False))


# -- One step ---------------------------------------------------------------------------------


def _batch(today, cursor):
    """What is to be forecast from a cursor on; None when there is nothing, or too little to say anything of."""
    since = demand.first_day()
    if since is None or (today - since).days < LEAST_DAYS:
        return None
    wanted = demand.pairs(today)
    if sum(sum(services.values()) for services in wanted.values()) < LEAST_VISITS:
        return None
    first = max(since, today - timedelta(days=demand.KEPT_DAYS))
    place = cursor - FORECASTING
    districts = [] if place == 0 else _next(list(wanted.items())[place - 1 :])
    series = demand.counts([EVERYWHERE, *districts], first, today)
    batch = Batch(today, [], [], Panel([], first=first.isoformat(), country=settings.country), districts, None)
    reached = place + max(len(districts), 1)
    batch.following = FORECASTING + reached if reached <= len(wanted) else None
    _grow(batch, series, wanted, first)
    _read_hours(batch)
    if districts:
        batch.supply = shortages.read(districts, today, DAYS)
    return batch


def _next(wanted):
    """As many districts as one step takes."""
    chosen, own, every = [], 0, 0
    for district, services in wanted:
        own += sum(number >= OWN_VISITS for number in services.values())
        every += len(services)
        if chosen and (own > MOST_OWN or every > MOST_SERIES):
            break
        chosen.append(district)
    return chosen


def _grow(batch, series, wanted, first):
    """The series below their parents: the site, its cities, their categories, their services."""
    category_of = demand.categories()
    days = [first + timedelta(days=n) for n in range((batch.today - first).days)]
    known = {pair: [one.get(day, 0) for day in days] for pair, one in series.items()}

    def add(parent, rows, key=None):
        batch.panel.series.append([sum(column) for column in zip(*rows, strict=True)] or [0] * len(days))
        batch.panel.parents.append(parent)
        if key is not None:
            batch.keys.append(key)
            batch.places.append(len(batch.panel.series) - 1)
        return len(batch.panel.series) - 1

    def add_all(district, services, parent):
        """A series for each service, below that of its category."""
        by_category = defaultdict(list)
        for service_id in services:
            by_category[category_of[service_id]].append(service_id)
        for members in by_category.values():
            above = add(parent, [known[district, one] for one in members])
            for one in members:
                add(above, [known[district, one]], (district, one))

    everything = sorted({one for services in wanted.values() for one in services})
    whole = [known[EVERYWHERE, one] for one in everything]
    site = add(None, whole, None if batch.districts else (EVERYWHERE, None))
    if not batch.districts:
        add_all(EVERYWHERE, everything, site)
    for district in batch.districts:
        services = sorted(wanted[district])
        city = add(site, [known[district, one] for one in services], (district, None))
        add_all(district, services, city)


def _read_hours(batch):
    """At which hours what is wanted: a service of a city is as it is elsewhere until the city knows better."""
    recent = batch.today - timedelta(days=demand.RECENT_DAYS), batch.today
    seen = demand.hours(batch.districts or [EVERYWHERE], *recent)
    together = defaultdict(lambda: [0] * 48)
    for (district, _service), numbers in seen.items():
        together[district] = [a + b for a, b in zip(together[district], numbers, strict=True)]
    at_work = [hour % 24 in USUAL_HOURS for hour in range(48)]
    usual = [flag / len(USUAL_HOURS) for flag in at_work]
    elsewhere = dict(
        db.session.execute(
            select(DemandSeries.service_id, DemandSeries.hours).where(DemandSeries.district == EVERYWHERE)
        ).all()
    )
    for district, service_id in batch.keys:
        numbers = together[district] if service_id is None else seen[district, service_id]
        above = usual if not batch.districts else elsewhere.get(service_id, usual)
        batch.hours[district, service_id] = _shares(numbers, above)


def _shares(numbers, above):
    shares = []
    for part in (slice(0, 24), slice(24, 48)):
        total = sum(numbers[part]) + LIKE_PARENT
        shares += [
            round((number + LIKE_PARENT * share) / total, 4)
            for number, share in zip(numbers[part], above[part], strict=True)
        ]
    return shares


def _work_out(batch: Batch) -> Batch:
    """Forecast a batch; here no database is asked."""
    answers = demand_models.forecast(batch.panel)
    batch.answers = [answers[place] for place in batch.places]
    if batch.supply:
        expected = {key: answer["expected"] for key, answer in zip(batch.keys, batch.answers, strict=True)}
        batch.short = shortages.find(batch.supply, batch.today, expected, batch.hours)
    return batch


def _write(batch):
    """Put what was worked out in the place of what was there."""
    ids = _series_ids(batch)
    last = batch.today + timedelta(days=CHECKED_AHEAD)
    for some in _portions(list(ids.values())):
        of = Forecast.series_id.in_(some), ~Forecast.kept | (Forecast.day == last)
        db.session.execute(delete(Forecast).where(*of).execution_options(synchronize_session=False))
        old = delete(Shortage).where(Shortage.series_id.in_(some))
        db.session.execute(old.execution_options(synchronize_session=False))
    booked = _booked(batch)
    rows = []
    for key, answer in zip(batch.keys, batch.answers, strict=True):
        for number in range(DAYS):
            day = batch.today + timedelta(days=number)
            already = booked[key][day]
            # Nobody expects less than what is booked.
            values = {name: max(answer[name][number], already) for name in ("expected", *QUANTILES)}
            row = {"series_id": ids[key], "kept": False, "day": day, "booked": already, **values}
            rows += [row, row | {"kept": True}] if number == CHECKED_AHEAD else [row]
    if rows:
        db.session.execute(insert(Forecast), rows)
    if batch.short:
        db.session.execute(
            insert(Shortage), [{"series_id": ids[row.pop("key")], **row} for row in map(dict, batch.short)]
        )


def _series_ids(batch):
    """The row of each series, made or brought up to date."""
    known = {}
    for some in _portions([_key(*key) for key in batch.keys]):
        there = select(DemandSeries.key, DemandSeries.id).where(DemandSeries.key.in_(some))
        known |= dict(db.session.execute(there).all())
    new, old = [], []
    for (district, service_id), answer in zip(batch.keys, batch.answers, strict=True):
        values = {"made_on": batch.today, "model": answer["model"], "error": answer["error"]}
        values["hours"] = batch.hours[district, service_id]
        key = _key(district, service_id)
        if key in known:
            old.append({"id": known[key], **values})
        else:
            new.append({"key": key, "district": district, "service_id": service_id, **values})
    if old:
        db.session.execute(update(DemandSeries), old)
    for some in _portions(new):
        made = db.session.execute(insert(DemandSeries).returning(DemandSeries.key, DemandSeries.id), some)
        known |= dict(made.all())
    return {key: known[_key(*key)] for key in batch.keys}


def _booked(batch):
    """What is known already of the days ahead."""
    found = defaultdict(lambda: defaultdict(int))
    districts = batch.districts or [EVERYWHERE]
    ahead_of = demand.counts(districts, batch.today, batch.today + timedelta(days=DAYS))
    for (district, service_id), days in ahead_of.items():
        for day, number in days.items():
            found[district, service_id][day] += number
            found[district, None][day] += number
    return found


def _key(district, service_id):
    return f"{service_id or ''}|{district}"


def _portions(items, size=500):
    return [items[n : n + size] for n in range(0, len(items), size)]
