"""What the forecasts say, as people read it: expected and come, how good it was, what is short, and when it is busy.

Nothing is worked out here that the job has not written down (see domain.forecasts).
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import contains_eager, joinedload

from domain import cells, clock, schedules
from domain.demand import EVERYWHERE, is_weekend
from extensions import db
from models import Offering, PinCode, Professional, Service
from models_forecast import DemandSeries, Forecast, Shortage

PAST_DAYS = 28
MOST_SHORT = 40
WEEK = timedelta(days=7)
# Of the next days' mean: from here on a day is busy, or quiet; and of its fullest hour, an hour is full.
BUSY, QUIET, FULL = 1.15, 0.85, 0.6
# Below this on every day there is nothing to tell.
LEAST_A_DAY = 0.5
COLUMNS = ("day", "came", "expected", "low80", "high80", "low95", "high95", "booked", "said")


@dataclass(frozen=True)
class Bar:
    """A day of the chart. Of a past one `came` is known, of one to come `booked`; a forecast may be missing."""

    day: date
    came: int | None
    said: Forecast | None

    @property
    def expected(self) -> float | None:
        return self.said and self.said.expected

    def range(self, level: int) -> tuple[int, int] | None:
        """The whole numbers within the interval."""
        return self.said and within(getattr(self.said, f"low{level}"), getattr(self.said, f"high{level}"))


@dataclass(frozen=True)
class Accuracy:
    """How good the forecasts of a week ahead were: how many visits a day they were off by, what "as many as a
    week ago" was off by on the same days, and on how many days the 80 % range held."""

    days: int
    off: float
    naive: float | None
    held: int

    @property
    def held_percent(self) -> int:
        return round(100 * self.held / self.days)


@dataclass(frozen=True)
class Outlook:
    """A series with its past and its next days."""

    series: DemandSeries
    bars: list[Bar]
    accuracy: Accuracy | None

    @property
    def ahead(self) -> list[Bar]:
        return [bar for bar in self.bars if bar.came is None]

    @property
    def expected(self) -> int:
        return round(sum(bar.expected for bar in self.ahead))

    @property
    def method(self) -> str:
        return method(self.series.model)

    @property
    def error_percent(self) -> int | None:
        return None if self.series.error is None else round(100 * self.series.error)


# -- For admins -------------------------------------------------------------------------------


def districts() -> list[str]:
    """The cities that are forecast."""
    found = select(DemandSeries.district).where(
        DemandSeries.service_id.is_(None), DemandSeries.district != EVERYWHERE
    )
    return list(db.session.scalars(found.order_by(DemandSeries.district)))


def services() -> list[Service]:
    """The services that are forecast."""
    of = DemandSeries.service_id == Service.id, DemandSeries.district == EVERYWHERE
    return list(db.session.scalars(select(Service).join(DemandSeries, of[0]).where(of[1]).order_by(Service.name)))


def read(district: str = EVERYWHERE, service_id: int | None = None) -> Outlook | None:
    """The forecast of a service, or all, in a city, or everywhere; None where nothing is forecast."""
    which = DemandSeries.service_id.is_(None) if service_id is None else DemandSeries.service_id == service_id
    wanted = select(DemandSeries).where(DemandSeries.district == district, which)
    series = db.session.scalar(wanted.options(joinedload(DemandSeries.service)))
    if series is None:
        return None
    today = clock.today()
    rows = db.session.scalars(select(Forecast).where(Forecast.series_id == series.id).order_by(Forecast.day)).all()
    kept = {row.day: row for row in rows if row.kept and row.day < today and row.came is not None}
    first = today - timedelta(days=PAST_DAYS)
    bars = [Bar(day, row.came, row) for day, row in kept.items() if day >= first]
    bars += [Bar(row.day, None, row) for row in rows if not row.kept and row.day >= today]
    return Outlook(series, bars, _accuracy(kept))


def short(district: str = EVERYWHERE, service_id: int | None = None) -> list[Shortage]:
    """The days ahead on which professionals are shortest of time, the worst first."""
    wanted = (
        select(Shortage)
        .join(Shortage.series)
        .join(DemandSeries.service)
        .where(Shortage.day >= clock.today())
        .options(contains_eager(Shortage.series).contains_eager(DemandSeries.service))
    )
    if district != EVERYWHERE:
        wanted = wanted.where(DemandSeries.district == district)
    if service_id is not None:
        wanted = wanted.where(DemandSeries.service_id == service_id)
    order = Shortage.missing.desc(), Shortage.series_id, Shortage.day
    return list(db.session.scalars(wanted.order_by(*order).limit(MOST_SHORT)))


def spans(row: Shortage) -> list[tuple[datetime, datetime]]:
    """The hours to open, in order of time."""
    return [(_at(row.day, first), _at(row.day, last)) for first, last, _minutes in sorted(row.hours)]


def table(found: Outlook | None) -> str:
    """The days of a chart as CSV. `said` is "a week before" for days that are over, and "now" for those ahead."""
    lines = []
    for bar in found.bars if found else ():
        ranges = [*bar.range(80), *bar.range(95)]
        said = "now" if bar.came is None else "a week before"
        numbers = ["" if bar.came is None else bar.came, f"{bar.expected:.2f}", *ranges, bar.said.booked]
        lines.append(cells.line(bar.day.isoformat(), *map(str, numbers), said))
    return cells.heading(list(COLUMNS)) + "".join(lines)


def short_table(rows: list[Shortage]) -> str:
    """What is short as CSV, in minutes; hours are such as 9-11."""
    lines = [
        cells.line(
            row.day.isoformat(),
            row.series.service.name,
            row.series.district,
            f"{row.expected:.2f}",
            *map(str, (row.needed, row.offered, row.missing)),
            " ".join(f"{first}-{last}" for first, last, _minutes in sorted(row.hours)),
        )
        for row in rows
    ]
    names = ["day", "service", "city", "expected", "needed_minutes", "offered_minutes", "missing_minutes", "open_hours"]
    return cells.heading(names) + "".join(lines)


def within(low: float, high: float) -> tuple[int, int]:
    """The whole numbers in a range; the nearest one where there is none."""
    first, last = math.ceil(low), math.floor(high)
    return (first, last) if first <= last else (round(high), round(high))


def method(model: str) -> str:
    """How a series was forecast, in words."""
    if model == "share":
        return _("its recent share of a larger forecast, as it has few bookings of its own")
    if model == "blend":
        return _("the mean of the two methods that did best in the last weeks")
    if model == "naive":
        return _("as many as on the same day a week before")
    if model.startswith("mean"):
        return _("the mean of the same weekdays of the last weeks")
    return _("exponential smoothing with weekdays")


def _accuracy(kept):
    if not kept:
        return None
    off = [abs(row.came - row.expected) for row in kept.values()]
    naive = [abs(row.came - kept[day - WEEK].came) for day, row in kept.items() if day - WEEK in kept]
    held = sum(row.low80 <= row.came <= row.high80 for row in kept.values())
    return Accuracy(len(off), sum(off) / len(off), sum(naive) / len(naive) if naive else None, held)


# -- For professionals ------------------------------------------------------------------------


@dataclass(frozen=True)
class BusyDay:
    """What is likely wanted on a day of what a professional offers in their city.

    `level` is busy, usual or quiet beside the other days; `peaks` are the fullest hours, `missed` those of
    them in which the professional does not work.
    """

    day: date
    expected: float
    level: str
    peaks: list[tuple[datetime, datetime]]
    missed: list[tuple[datetime, datetime]]


def busy_days(professional: Professional) -> list[BusyDay]:
    """The next days in the professional's city; none while too little is known of it."""
    expected = _expected(professional)
    if max((sum(hours) for hours in expected.values()), default=0) < LEAST_A_DAY:
        return []
    usual = sum(map(sum, expected.values())) / len(expected)
    works = schedules.hours_of(professional)
    off = schedules.time_off_of(professional.id)
    return [_busy_day(day, hours, usual, works, off) for day, hours in sorted(expected.items())]


def _expected(professional):
    """Of each day ahead the visits expected at each hour, all services together."""
    offered = select(Offering.service_id).where(Offering.professional_id == professional.id)
    here = select(PinCode.district).where(PinCode.pincode == professional.base_pincode)
    rows = db.session.execute(
        select(Forecast.day, Forecast.expected, DemandSeries.hours)
        .join(DemandSeries, DemandSeries.id == Forecast.series_id)
        .where(
            DemandSeries.district == here.scalar_subquery(),
            DemandSeries.service_id.in_(offered),
            Forecast.kept.is_(False),
            Forecast.day >= clock.today(),
        )
    )
    found = {}
    for day, expected, shares in rows:
        hours = found.setdefault(day, [0.0] * 24)
        part = shares[24:] if is_weekend(day) else shares[:24]
        found[day] = [have + expected * share for have, share in zip(hours, part, strict=True)]
    return found


def _busy_day(day, hours, usual, works, off):
    total, top = sum(hours), max(hours)
    level = "busy" if total >= BUSY * usual else "quiet" if total <= QUIET * usual else "usual"
    full = [hour for hour, number in enumerate(hours) if top and number >= FULL * top]
    missed = [hour for hour in full if not _works(day, hour, works, off)]
    return BusyDay(day, total, level, _ranges(day, full), _ranges(day, missed))


def _works(day, hour, works, off):
    ranges = works.get(day.weekday(), ())
    opens = any(starts <= hour * 60 and hour * 60 + 60 <= ends for starts, ends in ranges)
    away = any(one.starts_at < _at(day, hour + 1) and _at(day, hour) < one.ends_at for one in off)
    return opens and not away


def _ranges(day, hours):
    """Hours on end as one."""
    found = []
    for hour in hours:
        if found and found[-1][1] == hour:
            found[-1][1] = hour + 1
        else:
            found.append([hour, hour + 1])
    return [(_at(day, first), _at(day, last)) for first, last in found]


def _at(day, hour):
    return clock.start_of(day + timedelta(days=1)) if hour == 24 else clock.at_wall(day, time(hour))
