"""What the bills of some days brought: to the site, to professionals and to the state, by day, service and city.

A bill counts on the day on which it was due, and what changed it later on the day of the change, as the
ledger has it. So a day that is over never changes: a job sums it up once, and the page adds up those sums
and, from the ledger itself, only the days since. Without the job it reads all of the ledger, and says the same.
"""

from collections import defaultdict
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import case, func, insert, null, select, union_all

from domain import cells, clock, ledger, reports
from domain.billing import BILL
from domain.job_runs import Step
from extensions import db
from models import Booking, PinCode, Service
from models_analytics import RevenueDay
from models_money import LedgerEntry, LedgerLine

COLUMNS = ("day", "service", "city", "billed", "professionals", "site", "tax")
DAYS_AT_ONCE = 31
SERVICE, DISTRICT = "service", "district"


class Parts(NamedTuple):
    """What customers were billed, and whose it is, in minor units; below zero more was taken back."""

    billed: int = 0
    professionals: int = 0
    site: int = 0
    tax: int = 0

    def plus(self, sums) -> "Parts":
        return Parts(*(amount + int(more) for amount, more in zip(self, sums, strict=True)))


class Revenue(NamedTuple):
    """The parts of each bar of a chart, of each service and city (the one that brought the site most first), of
    all of a range, and of all of the one before it."""

    bars: list[tuple[date, Parts]]
    services: list[tuple[int, str, Parts]]
    cities: list[tuple[str, Parts]]
    total: Parts
    before: Parts


def of(asked: reports.Period) -> Revenue:
    """What a range of days brought, beside the range before it."""
    bars, found = asked.bars(), defaultdict(Parts)
    for day, kind, name, *sums in _summed(asked):
        bar = None if day is None else (day - asked.first).days // asked.bar_days if day >= asked.first else -1
        _add(found, sums, *([("bar", bar)] if kind is None else [(kind, name)]))
    for bar, service_id, district, *sums in _since(asked, [asked.before.first, *bars]):
        named = [(SERVICE, str(service_id)), (DISTRICT, district)] if bar else []
        _add(found, sums, ("bar", bar - 1), *named)
    by_bar = [(day, found["bar", number]) for number, day in enumerate(bars)]
    total = Parts()
    for _day, parts in by_bar:
        total = total.plus(parts)
    names = dict(db.session.execute(select(Service.id, Service.name)).all())
    services = [(int(name), names[int(name)], parts) for (kind, name), parts in found.items() if kind == SERVICE]
    cities = [(name, parts) for (kind, name), parts in found.items() if kind == DISTRICT]
    return Revenue(by_bar, _best(services), _best(cities), total, found["bar", -1])


def table(asked: reports.Period) -> str:
    """Each day, service and city with its parts, as CSV."""
    days = [asked.first + timedelta(days=n) for n in range(asked.days)]
    spans = reports.spans(days, asked.ends)
    rows = sorted(_rows(asked.starts, asked.ends, spans, Service.name))
    lines = [
        cells.line(days[bar].isoformat(), service, district, *(cells.decimal(int(amount)) for amount in sums))
        for bar, service, district, *sums in rows
    ]
    return cells.heading(list(COLUMNS)) + "".join(lines)


def sum_days(period: str, cursor: int) -> Step:
    """Sum up the days before a date that have no sums yet, a month at a time; the cursor is the next day's number."""
    until = date.fromisoformat(period) - timedelta(days=1)
    first = _following(date.fromordinal(cursor) if cursor else None)
    if first is None or first > until:
        return Step(0)
    last = min(first + timedelta(days=DAYS_AT_ONCE - 1), until)
    asked = reports.Period(first, last)
    days = [first + timedelta(days=n) for n in range(asked.days)]
    found, spans = defaultdict(Parts), reports.spans(days, asked.ends)
    for bar, service_id, district, *sums in _rows(asked.starts, asked.ends, spans):
        _add(found, sums, (days[bar], SERVICE, str(service_id)), (days[bar], DISTRICT, district))
    rows = [{"day": key[0], "kind": key[1], "name": key[2], **parts._asdict()} for key, parts in found.items()]
    if rows:
        db.session.execute(insert(RevenueDay), rows)
    return Step(len(days), (last + timedelta(days=1)).toordinal() if last < until else None)


# -- Small print ------------------------------------------------------------------------------


def _following(wanted):
    """The first day to sum up: what was wanted, unless there are sums of it; None without any bill."""
    oldest = select(func.min(LedgerEntry.at)).scalar_subquery()
    summed, oldest = db.session.execute(select(_last_summed(), oldest)).one()
    after = summed + timedelta(days=1) if summed else oldest and clock.local(oldest).date()
    return after and max(after, wanted or after)


def _last_summed():
    return select(func.max(RevenueDay.day)).scalar_subquery()


def _summed(asked):
    """The sums that the job made: of each day of both ranges, and of each service and district of the range."""
    day, sums = RevenueDay.day, [func.sum(getattr(RevenueDay, part)).label(part) for part in Parts._fields]
    days = (
        select(day, null().label("kind"), null().label("name"), *sums)
        .where(RevenueDay.kind == SERVICE, day.between(asked.before.first, asked.last))
        .group_by(day)
    )
    named = (
        select(null().label("day"), RevenueDay.kind, RevenueDay.name, *sums)
        .where(day.between(asked.first, asked.last))
        .group_by(RevenueDay.kind, RevenueDay.name)
    )
    return db.session.execute(union_all(days, named)).all()


def _since(asked, bars):
    """What the ledger has of the days that are not summed up yet."""
    summed = db.session.scalar(select(_last_summed()))
    since = max(clock.start_of(summed + timedelta(days=1)), asked.before.starts) if summed else asked.before.starts
    return _rows(since, asked.ends, reports.spans(bars, asked.ends)) if since < asked.ends else []


def _rows(since, ends, days, name=Booking.service_id):
    """(bar, service, district, billed, professionals, site, tax) of the bills between two moments."""
    account, amount = LedgerLine.account, LedgerLine.amount
    parts = (
        (account.startswith(ledger.customer("")), amount),
        (account.startswith(ledger.professional("")), -amount),
        (account == ledger.PLATFORM, -amount),
        (account == ledger.TAX, -amount),
    )
    columns = (days.c.bar, name, PinCode.district)
    return db.session.execute(
        select(*columns, *(func.sum(case(part, else_=0)) for part in parts))
        .select_from(LedgerEntry)
        .join(days, (LedgerEntry.at >= days.c.starts) & (LedgerEntry.at < days.c.ends))
        .join(LedgerLine, LedgerLine.entry_id == LedgerEntry.id)
        .join(Booking, Booking.id == LedgerEntry.booking_id)
        .join(Service, Service.id == Booking.service_id)
        .join(PinCode, PinCode.pincode == Booking.pincode)
        .where(LedgerEntry.kind == BILL, LedgerEntry.at >= since, LedgerEntry.at < ends)
        .group_by(*columns)
    ).all()


def _add(found, sums, *keys):
    for key in keys:
        found[key] = found[key].plus(sums)


def _best(rows):
    return sorted(rows, key=lambda row: (-row[-1].site, -row[-1].billed, row[0]))
