"""What the bills of some days brought: to the site, to professionals and to the state, by day, service and city.

A bill counts on the day on which it was due, and what changed it later on the day of the change, as the
ledger has it.
"""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import case, func, select

from domain import cells, ledger, reports
from domain.billing import BILL
from extensions import db
from models import Booking, PinCode, Service
from models_money import LedgerEntry, LedgerLine

COLUMNS = ("day", "service", "city", "billed", "professionals", "site", "tax")


class Parts(NamedTuple):
    """What customers were billed, and whose it is, in minor units; below zero more was taken back."""

    billed: int = 0
    professionals: int = 0
    site: int = 0
    tax: int = 0


def by_bar(asked: reports.Period) -> list[tuple]:
    """The parts of each bar of a chart: days, or weeks of a long range."""
    bars = asked.bars()
    days = reports.spans(bars, asked.ends)
    found = {bar: Parts(*map(int, sums)) for bar, *sums in _rows(asked, days.c.bar, days=days)}
    return [(day, found.get(number, Parts())) for number, day in enumerate(bars)]


def by_service(asked: reports.Period) -> list[tuple]:
    """(id, name, parts) of each service, the one that brought the site most first."""
    rows = _rows(asked, Service.id, Service.name)
    return _best([(one_id, name, Parts(*map(int, sums))) for one_id, name, *sums in rows])


def by_city(asked: reports.Period) -> list[tuple]:
    """(district, parts) of each place, the one that brought the site most first."""
    return _best([(district, Parts(*map(int, sums))) for district, *sums in _rows(asked, PinCode.district)])


def table(asked: reports.Period) -> str:
    """Each day, service and city with its parts, as CSV."""
    days = [asked.first + timedelta(days=n) for n in range(asked.days)]
    spans = reports.spans(days, asked.ends)
    rows = sorted(_rows(asked, spans.c.bar, Service.name, PinCode.district, days=spans))
    lines = [
        cells.line(days[bar].isoformat(), service, district, *(cells.decimal(int(amount)) for amount in sums))
        for bar, service, district, *sums in rows
    ]
    return cells.heading(list(COLUMNS)) + "".join(lines)


def _rows(asked, *columns, days=None):
    """The sums of the bills of a range by some columns, in one query."""
    account, amount = LedgerLine.account, LedgerLine.amount
    parts = (
        (account.startswith(ledger.customer("")), amount),
        (account.startswith(ledger.professional("")), -amount),
        (account == ledger.PLATFORM, -amount),
        (account == ledger.TAX, -amount),
    )
    found = select(*columns, *(func.sum(case(part, else_=0)) for part in parts)).select_from(LedgerEntry)
    if days is not None:
        found = found.join(days, (LedgerEntry.at >= days.c.starts) & (LedgerEntry.at < days.c.ends))
    return db.session.execute(
        found.join(LedgerLine, LedgerLine.entry_id == LedgerEntry.id)
        .join(Booking, Booking.id == LedgerEntry.booking_id)
        .join(Service, Service.id == Booking.service_id)
        .join(PinCode, PinCode.pincode == Booking.pincode)
        .where(LedgerEntry.kind == BILL, LedgerEntry.at >= asked.starts, LedgerEntry.at < asked.ends)
        .group_by(*columns)
    ).all()


def _best(rows):
    return sorted(rows, key=lambda row: (-row[-1].site, -row[-1].billed, row[0]))
