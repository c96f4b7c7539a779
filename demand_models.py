"""How many bookings the next days bring, worked out from the days before: models, backtests, intervals.

It knows numbers and holidays and nothing of the site. statsmodels takes 180 MB and seconds to start, so it
works in a process of its own, which gives its memory back; within this module nothing heavy is imported
before work_out() is called.

Of each series the best of several models is taken, by how far each was off over the last weeks when it
knew only what came before; the seasonal naive one (as a week ago) is the floor. A series with too little
in it gets its recent share of its parent's forecast. Intervals come from how far the forecasts were off
then (split conformal), so they cover what they say without believing in a distribution.
"""

import json
import math
import os
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta

# Of work, and three times as many in all.
SECONDS = 300
# Of the environment, in which the site keeps its secrets: where some builds of Python find their own parts.
KEPT = ("LD_LIBRARY_PATH",)
# How many moments of the past the models are tried at, if there are so many, and at least.
MOST_TRIES, LEAST_TRIES = 42, 14
# What the models learn from before they are tried, in seasons.
LEAST_SEASONS = 4
# In how many seasons a share is looked at, and what in them makes a series one of its own, on average a day.
SHARE_SEASONS = 13
LEAST_MEAN = 1.0
MEAN_SEASONS = (4, 8)
# Counts below this have intervals of their own: a Poisson count of 0.5 is not a small one of 50.
FEW = 3.0
BANDS = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, FEW)
LEVELS = (0.8, 0.95)
NORMAL = {0.8: 1.2816, 0.95: 1.96}
LEAST_POOL = 40
# A holiday counts beside others like it and beside a usual day as much as so many of its own kind.
LIKE_OTHERS, LIKE_USUAL = 0.5, 2.0
STRONGEST = 5.0


@dataclass
class Panel:
    """Series of one length that end together. `parents` are indices of earlier ones, or None.

    With a `first` day and a `country` the holidays of the country are heeded. `counts` are whole numbers of
    independent things, which vary the more the more there are.
    """

    series: list[list[float]]
    parents: list[int | None] = field(default_factory=list)
    season: int = 7
    horizon: int = 14
    counts: bool = True
    first: str = ""
    country: str = ""
    tries: int = MOST_TRIES


class Unforecast(Exception):
    """The process did not come to an end, and says why in its last line."""


def forecast(panel: Panel) -> list[dict]:
    """Of each series {"model", "error", "expected", "low80", "high80", "low95", "high95"}. Raises Unforecast.

    `error` is that of the model over that of the seasonal naive one in the backtest; None without one.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    try:
        answer = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-W", "ignore", __file__],
            input=json.dumps(asdict(panel)).encode(),
            capture_output=True,
            timeout=SECONDS * 3,
            env=environment | {"OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise Unforecast("it took too long") from None
    if answer.returncode:
        raise Unforecast(answer.stderr.decode(errors="replace").strip().rpartition("\n")[2] or "it was ended")
    return json.loads(answer.stdout)


def main() -> None:
    """Read a panel, write what work_out() finds."""
    # Pages go first.
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    json.dump(work_out(Panel(**json.load(sys.stdin))), sys.stdout)


def work_out(panel: Panel) -> list[dict]:
    """The same within this process."""
    import numpy as np

    parents = panel.parents or [None] * len(panel.series)
    days = _calendar(panel)
    found = []
    for values, parent in zip(panel.series, parents, strict=True):
        y = np.asarray(values, float)
        above = None if parent is None else found[parent]
        found.append(_own(panel, y, days) or _shared(panel, y, above) or _plain(panel, y))
    pools = _pools(panel, found)
    return [_answer(panel, one, pools) for one in found]


# -- One series -------------------------------------------------------------------------------


@dataclass
class _Found:
    """What is known of a series: `past` has a row for each try and a column for each step ahead."""

    y: object
    model: str
    ahead: object
    past: object
    true: object
    error: float | None
    spread: float


def _own(panel, y, days):
    """The best of the models by the backtest; None for a series with too little in it."""
    import numpy as np

    m, h = panel.season, panel.horizon
    begins = int(np.argmax(y != 0)) if y.any() else len(y)
    tries = min(panel.tries, len(y) - begins - h - LEAST_SEASONS * m)
    recent = y[-8 * m :]
    if tries < min(LEAST_TRIES, panel.tries) or (panel.counts and recent.mean() < LEAST_MEAN):
        return None
    y = y[begins:]
    first = len(y) - h - tries + 1
    origins = np.arange(first, len(y) - h + 1)
    true = np.stack([y[o : o + h] for o in origins])
    days = days[begins:]
    known, effects = _effects(y[:first], days, m), _effects(y, days, m)
    then = _models(y / known[: len(y)], panel, first, origins)
    now = _models(y / effects[: len(y)], panel, len(y), np.array([len(y)]))
    past = {name: _kept(rows * np.stack([known[o : o + h] for o in origins]), panel) for name, rows in then.items()}
    ahead = {name: _kept(rows[0] * effects[len(y) :], panel) for name, rows in now.items()}
    errors = {name: np.abs(true - rows).mean() for name, rows in past.items() if np.isfinite(ahead[name]).all()}
    _blend(true, past, ahead, errors)
    best = min(errors, key=errors.get)
    error = errors[best] / errors["naive"] if errors["naive"] else None
    return _Found(y, best, ahead[best], past[best], true, error, _spread(panel, true, past[best]))


def _models(x, panel, knows, origins):
    """For each model what it says at each origin; it has learned from what lies before `knows`."""
    import numpy as np

    m, h = panel.season, panel.horizon
    steps = np.arange(h) % m
    found = {"naive": x[origins[:, None] - m + steps]}
    for seasons in MEAN_SEASONS:
        back = [origins[:, None] - m * j + steps for j in range(1, seasons + 1)]
        usable = [x[places] for places in back if places.min() >= 0]
        found[f"mean of {seasons}"] = np.mean(usable, axis=0)
    scales = [("", lambda v: v, lambda v, _: v)]
    if x.min() > 0 and not panel.counts:
        scales.append((" of logs", np.log, lambda v, error: np.exp(v + error / 2)))
    elif x.min() >= 0:
        scales.append((" of roots", lambda v: np.sqrt(v + 0.375), lambda v, e: np.maximum(v, 0) ** 2 + e - 0.375))
    for scale, there, back in scales:
        z = there(x)
        for name, damped in (("ETS(A,N,A)", False), ("ETS(A,Ad,A)", True)):
            rows = _smoothed(z, m, h, knows, origins, damped)
            if rows is not None:
                found[name + scale] = back(*rows)
    return found


def _smoothed(z, m, h, knows, origins, damped):
    """What exponential smoothing says at each origin, with weights learned before `knows`, and the
    variance of what it was off by; None if there is nothing sensible to learn."""
    import numpy as np
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    kind = {
        "error": "add",
        "trend": "add" if damped else None,
        "damped_trend": damped,
        "seasonal": "add",
        "seasonal_periods": m,
        "initialization_method": "heuristic",
    }
    try:
        learned = ETSModel(z[:knows], **kind).fit(disp=False, maxiter=60)
        seen = ETSModel(z, **kind).smooth(learned.params) if knows < len(z) else learned
    except (ValueError, FloatingPointError, np.linalg.LinAlgError):
        return None
    at = origins - 1
    rows = seen.level[at][:, None] + seen.season[origins[:, None] - m + np.arange(h) % m]
    if damped:
        rows = rows + seen.slope[at][:, None] * np.cumsum(learned.damping_trend ** np.arange(1, h + 1))
    return (rows, float(learned.mse)) if np.isfinite(rows).all() else None


def _blend(true, past, ahead, errors):
    """The mean of the two best is often better than both."""
    import numpy as np

    one, two = sorted(errors, key=errors.get)[:2]
    past["blend"], ahead["blend"] = (past[one] + past[two]) / 2, (ahead[one] + ahead[two]) / 2
    errors["blend"] = np.abs(true - past["blend"]).mean()


def _shared(panel, y, parent):
    """The recent share of the parent's forecast, tried at the parent's origins; None without a parent."""
    import numpy as np

    if parent is None:
        return None
    whole, h = parent.y, panel.horizon
    part = y[len(y) - len(whole) :]
    window = SHARE_SEASONS * panel.season

    def share(end):
        total = whole[max(end - window, 0) : end].sum()
        return part[max(end - window, 0) : end].sum() / total if total else 0.0

    origins = np.arange(len(whole) - h - len(parent.past) + 1, len(whole) - h + 1)
    past = parent.past * np.array([share(o) for o in origins]).reshape(-1, 1)
    true = np.stack([part[o : o + h] for o in origins]) if len(origins) else parent.past
    return _Found(part, "share", parent.ahead * share(len(whole)), past, true, None, _spread(panel, true, past))


def _plain(panel, y):
    """All that a young site knows: the mean of the days since its first booking."""
    import numpy as np

    known = y[int(np.argmax(y != 0)) :][-4 * panel.season :] if y.any() else y[:0]
    none = np.empty((0, panel.horizon))
    ahead = np.full(panel.horizon, known.mean() if len(known) else 0.0)
    # Twice what chance alone would do: nothing is known yet of what else does.
    return _Found(y, "mean", ahead, none, none, None, 2.0)


def _kept(rows, panel):
    """Counts are never below nothing."""
    import numpy as np

    return np.maximum(rows, 0) if panel.counts else rows


# -- Holidays ---------------------------------------------------------------------------------


def _calendar(panel):
    """For each day, those ahead too, what is special about it: ("Diwali",) or ("eve of Diwali",) or ()."""
    length = len(panel.series[0]) + panel.horizon if panel.series else 0
    if not (panel.first and panel.country):
        return [()] * length
    import holidays

    first = date.fromisoformat(panel.first)
    try:
        known = holidays.country_holidays(panel.country, years=range(first.year, first.year + length // 365 + 2))
    except NotImplementedError:
        return [()] * length
    names = [tuple(known.get(first + timedelta(n), "").split("; ")) for n in range(length + 1)]
    names = [() if name == ("",) else name for name in names]
    return [names[n] or tuple(f"eve of {name}" for name in names[n + 1]) for n in range(length)]


def _effects(y, days, m):
    """By what each day is multiplied. What a holiday did to bookings is seen beside the same weekdays around
    it; of one that was seen once, half is believed, and the rest is as other holidays are."""
    import numpy as np

    seen = {}
    for t in [t for t in range(len(y)) if days[t]]:
        around = [y[p] for p in range(t - 4 * m, t + 4 * m + 1, m) if 0 <= p < len(y) and not days[p]]
        if around and np.median(around) > 0:
            for name in days[t]:
                seen.setdefault(name, []).append((y[t], np.median(around)))
    effect = dict(_believed({name: rows for name, rows in seen.items() if not name.startswith("eve of ")}))
    effect |= dict(_believed({name: rows for name, rows in seen.items() if name.startswith("eve of ")}))
    logs = [[math.log(effect.get(name, 1.0)) for name in names] for names in days]
    return np.array([math.exp(sum(those) / len(those)) if those else 1.0 for those in logs])


def _believed(seen):
    rows = [row for several in seen.values() for row in several]
    if not rows:
        return
    usual = sum(base for _true, base in rows) / len(rows)
    like_usual, like_others = LIKE_USUAL * usual, LIKE_OTHERS * usual
    others = (sum(true for true, _base in rows) + like_usual) / (sum(base for _true, base in rows) + like_usual)
    for name, several in seen.items():
        true, base = (sum(column) for column in zip(*several, strict=True))
        yield name, min(max((true + like_others * others) / (base + like_others), 1 / STRONGEST), STRONGEST)


# -- Intervals --------------------------------------------------------------------------------


def _spread(panel, true, past):
    """How far a series was off, for counts in units of what chance alone would do."""

    if not past.size:
        return 2.0 if panel.counts else 0.0
    off = (true - past) ** 2 / _unit(panel, past) ** 2
    # For counts a little is believed of chance alone, lest a lucky month makes somebody too sure.
    return math.sqrt((off.sum() + 10) / (off.size + 10)) if panel.counts else math.sqrt(off.mean())


def _unit(panel, rows):
    import numpy as np

    return np.sqrt(rows + 0.25) if panel.counts else np.ones_like(rows)


def _pools(panel, found):
    """What the series were off by, each in its own measure: of many bookings by steps ahead, of few by band."""
    import numpy as np

    tried = [one for one in found if one.past.size and one.spread]
    if not tried:
        return {}
    few = np.concatenate([(one.past < FEW).ravel() & panel.counts for one in tried])
    past = np.concatenate([one.past.ravel() for one in tried])
    off = np.concatenate([((one.true - one.past) / _unit(panel, one.past) / one.spread).ravel() for one in tried])
    step = np.concatenate([np.tile(np.arange(panel.horizon), len(one.past)) for one in tried])
    width = max(panel.horizon // 6, 1)
    pools = {("far", h): off[~few & (np.abs(step - h) <= width)] for h in range(panel.horizon)}
    # Few bookings are off by whole ones in all, so no longer in the measure of a series.
    band = np.digitize(past, BANDS)
    true = np.concatenate([one.true.ravel() for one in tried])
    pools |= {("few", b): (np.abs(true - past) / np.sqrt(past + 0.25))[few & (band == b)] for b in range(len(BANDS))}
    return {place: np.sort(pool) for place, pool in pools.items() if len(pool) >= LEAST_POOL}


def _answer(panel, one, pools):
    import numpy as np

    answer = {"model": one.model, "error": one.error and round(float(one.error), 4)}
    answer["expected"] = [round(float(value), 4) for value in one.ahead]
    units = _unit(panel, one.ahead)
    bands = np.digitize(one.ahead, BANDS)
    for level in LEVELS:
        low, high = [], []
        for h, value in enumerate(one.ahead):
            if panel.counts and value < FEW:
                pool = pools.get(("few", int(bands[h])))
                off = one.spread * NORMAL[level] if pool is None else _quantile(pool, level)
                below, above = -off * units[h], off * units[h]
            else:
                pool = pools.get(("far", h))
                ends = (-NORMAL[level], NORMAL[level]) if pool is None else _ends(pool, level)
                below, above = (end * one.spread * units[h] for end in ends)
            low.append(round(float(max(value + below, 0) if panel.counts else value + below), 4))
            high.append(round(float(value + above), 4))
        answer[f"low{level * 100:.0f}"], answer[f"high{level * 100:.0f}"] = low, high
    return answer


def _ends(pool, level):
    return -_quantile(-pool[::-1], (1 + level) / 2), _quantile(pool, (1 + level) / 2)


def _quantile(pool, share):
    """The value that so large a share of what comes next stays below, by what came before."""
    return pool[min(math.ceil(share * (len(pool) + 1)), len(pool)) - 1]


if __name__ == "__main__":
    main()
