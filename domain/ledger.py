"""The ledger: double entry, append only. What anybody owes or holds is the sum of the lines of an account.

Accounts are names: `customer:12` and `professional:34` for people, `platform` for what the site earns,
`tax` for what it owes the state, `bank` for its own account, `gateway:stripe` and the like for what a
gateway holds, `refunds` for what was promised back and has not left yet, and `transit` for payouts on
their way. A debit is above zero: a customer with a balance above zero owes, a professional with one below
it is owed.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import case, func, select
from sqlalchemy.orm import joinedload

from domain import clock
from domain.paging import Page, keyset
from extensions import db
from models_money import LedgerEntry, LedgerLine

PLATFORM, TAX, BANK, REFUNDS, TRANSIT = "platform", "tax", "bank", "refunds", "transit"


def customer(user_id: int | str) -> str:
    return f"customer:{user_id}"


def professional(user_id: int | str) -> str:
    return f"professional:{user_id}"


def in_hand(account: str) -> bool:
    """Whether a person holds what is in an account: neither the bank nor a gateway."""
    return account.startswith("professional:")


def gateway(name: str) -> str:
    return f"gateway:{name}"


def post(key: str, kind: str, amounts: dict[str, int], booking_id: int | None = None) -> bool:
    """Write one event; answer whether it was not written before. Nothing is written where nothing changes.

    Raises ValueError when the amounts, in minor units by account, do not add up to nothing.
    """
    amounts = {account: amount for account, amount in amounts.items() if amount}
    if sum(amounts.values()):
        raise ValueError(f"{key} does not balance: {amounts}")
    if not amounts or db.session.scalar(select(LedgerEntry.id).where(LedgerEntry.key == key)):
        return False
    lines = [
        LedgerLine(position=position, account=account, amount=amount)
        for position, (account, amount) in enumerate(amounts.items(), 1)
    ]
    db.session.add(LedgerEntry(key=key, kind=kind, booking_id=booking_id, at=clock.now(), lines=lines))
    db.session.flush()
    return True


def balance(account: str) -> int:
    """The sum of an account's lines, in minor units."""
    return int(db.session.scalar(select(_SUM).where(LedgerLine.account == account)))


def balances(accounts: Iterable[str]) -> dict[str, int]:
    """The balances of several accounts; those without a line are 0."""
    accounts = list(accounts)
    rows = db.session.execute(
        select(LedgerLine.account, _SUM).where(LedgerLine.account.in_(accounts)).group_by(LedgerLine.account)
    )
    return dict.fromkeys(accounts, 0) | {account: int(amount) for account, amount in rows}


def of_booking(booking_id: int, kinds: Iterable[str]) -> dict[str, int]:
    """What the entries of these kinds did to each account for a booking."""
    return of_bookings(booking_id, booking_id, kinds)[booking_id]


def of_bookings(first: int, last: int, kinds: Iterable[str]) -> dict[int, dict[str, int]]:
    """The same by booking, for all with a number from the first to the last."""
    rows = db.session.execute(
        select(LedgerEntry.booking_id, LedgerLine.account, _SUM)
        .join(LedgerLine.entry)
        .where(LedgerEntry.booking_id.between(first, last), LedgerEntry.kind.in_(list(kinds)))
        .group_by(LedgerEntry.booking_id, LedgerLine.account)
    )
    found = defaultdict(dict)
    for booking_id, account, amount in rows:
        found[booking_id][account] = int(amount)
    return found


class Standing(NamedTuple):
    """An account of the site, or `customers` or `professionals` all together: the balance, and of how many
    minor units who owes owes, and who is owed is owed."""

    name: str
    balance: int
    debit: int
    credit: int


def standings() -> list[Standing]:
    """How the site stands with itself, its customers and its professionals, in one query."""
    accounts = select(LedgerLine.account, _SUM.label("amount")).group_by(LedgerLine.account).subquery()
    amount, part = accounts.c.amount, _part(accounts.c.account).label("part")
    debit, credit = (func.sum(case((side, amount), else_=0)) for side in (amount > 0, amount < 0))
    rows = db.session.execute(select(part, func.sum(amount), debit, -credit).group_by("part").order_by("part"))
    return [Standing(name, *map(int, sums)) for name, *sums in rows]


def page(account: str, after: str | None = None) -> Page:
    """A page of what was written on an account, the newest first: lines with their entries."""
    lines = select(LedgerLine).where(LedgerLine.account == account).options(joinedload(LedgerLine.entry))
    return keyset(lines, [(LedgerLine.entry_id, "desc"), (LedgerLine.position, "desc")], after)


def entries_of(booking_id: int) -> list[LedgerEntry]:
    """What was written for a booking, in order, with all lines."""
    found = select(LedgerEntry).where(LedgerEntry.booking_id == booking_id).options(joinedload(LedgerEntry.lines))
    return list(db.session.scalars(found.order_by(LedgerEntry.id)).unique())


def faults() -> list[str]:
    """Entries that do not balance, or have no lines: a sentence each."""
    by_entry = select(LedgerLine.entry_id, _SUM).group_by(LedgerLine.entry_id)
    unbalanced = by_entry.having(func.sum(LedgerLine.amount) != 0)
    found = [f"Entry {entry_id} is off by {off}." for entry_id, off in db.session.execute(unbalanced)]
    empty = select(LedgerEntry.id).where(~LedgerEntry.lines.any())
    return found + [f"Entry {entry_id} has no lines." for entry_id in db.session.scalars(empty)]


def _part(account):
    """An account, or the kind of people whose it is."""
    people = (customer(""), "customers"), (professional(""), "professionals")
    return case(*((account.startswith(prefix), name) for prefix, name in people), else_=account)


_SUM = func.coalesce(func.sum(LedgerLine.amount), 0)
