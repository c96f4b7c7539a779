"""How an admin brings the bank's statement and the claimed payments together, and what else waits for them."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from flask_babel import gettext as _
from sqlalchemy import Select, and_, or_, select, text
from sqlalchemy.orm import joinedload, selectinload

from domain import bookings, clock, ledger, payments
from domain.errors import Invalid, NotFound
from domain.paging import Page, keyset
from extensions import db, settings
from models import Booking, PaymentMethod, User
from models_lifecycle import Refund
from models_money import Checkout, GatewayEvent, Payment, PaymentStatus

MOST_ROWS = 5000
MOST_LISTED = 50
LONGEST_REFERENCE = 120
# What banks call the column of what came in, the surest name first.
_CREDITED = ("credit", "deposit", "amount")
_UTR = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")
# As literals: a bound value would keep SQLite from choosing the partial index.
_CLAIMED = text("payments.status = 'claimed'")
_DENIED = text("payments.denied_at IS NOT NULL AND payments.decided_at IS NULL")
_NOT_DONE, _OPEN = text("refunds.state <> 'done'"), text("checkouts.status = 'open'")
_AT_FAULT = text("gateway_events.fault <> ''")
_WHOSE = joinedload(Payment.booking).options(joinedload(Booking.customer), joinedload(Booking.service))


# -- Lists ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What the list of payments is narrowed to; everything may be left out."""

    method: PaymentMethod | None = None
    status: PaymentStatus | None = None
    first: date | None = None
    last: date | None = None
    reference: str = ""


def page(wanted: Wanted, after: str | None = None) -> Page:
    """A page of payments, the newest first."""
    found = select(Payment).options(_WHOSE).where(*_conditions(wanted))
    return keyset(found, [(Payment.recorded_at, "desc"), (Payment.id, "desc")], after)


def _conditions(wanted):
    if wanted.method:
        yield Payment.method == wanted.method
    if wanted.status:
        yield Payment.status == wanted.status
    if wanted.first:
        yield Payment.recorded_at >= clock.start_of(wanted.first)
    if wanted.last:
        yield Payment.recorded_at < clock.start_of(wanted.last + timedelta(days=1))
    if sought := wanted.reference.strip():
        # The number of the payment, or that of its booking.
        booking_id = bookings.id_of_reference(sought) if len(sought) < 12 else None
        yield or_(Payment.reference == sought, Payment.booking_id == (booking_id or 0))


def payment(payment_id: int) -> Payment:
    """One payment with all that belongs to it. Raises NotFound."""
    people = joinedload(Payment.recorded_by), joinedload(Payment.verified_by)
    found = select(Payment).where(Payment.id == payment_id).options(_WHOSE, *people, selectinload(Payment.refunds))
    one = db.session.scalar(found)
    if one is None:
        raise NotFound(_("There is no such payment."))
    return one


@dataclass(frozen=True)
class Waiting:
    """What an admin has to look at: claimed payments to the bank and denied ones, refunds that are not sent,
    payments begun at gateways, and messages of gateways that do not fit. The oldest of each."""

    payments: list[Payment]
    refunds: list[Refund]
    checkouts: list[Checkout]
    events: list[GatewayEvent]


def waiting() -> Waiting:
    of_refund = joinedload(Refund.payment).options(_WHOSE)
    of_event = joinedload(GatewayEvent.checkout).joinedload(Checkout.booking)
    to_decide = or_(and_(_CLAIMED, Payment.holder == ledger.BANK), _DENIED)
    return Waiting(
        _first(select(Payment).where(to_decide).options(_WHOSE).order_by(Payment.id)),
        _first(select(Refund).where(_NOT_DONE).options(of_refund).order_by(Refund.id)),
        _first(select(Checkout).where(_OPEN).options(joinedload(Checkout.booking)).order_by(Checkout.id)),
        _first(select(GatewayEvent).where(_AT_FAULT).options(of_event).order_by(GatewayEvent.id.desc())),
    )


def _first(found: Select) -> list:
    return list(db.session.scalars(found.limit(MOST_LISTED)))


# -- The bank's statement ---------------------------------------------------------------------


class Fit(StrEnum):
    """How a line of a statement and a claimed payment fit."""

    MATCHED = "matched"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    TWICE = "twice"


@dataclass(frozen=True)
class Line:
    """Money that came in: an amount in minor units, and the numbers that may be its UTR."""

    references: tuple[str, ...]
    amount: int


@dataclass(frozen=True)
class Match:
    fit: Fit
    reference: str
    amount: int
    payment: Payment | None = None


def read(content: bytes) -> list[Line]:
    """What came in by a CSV file of a bank, whatever its columns and their order. Raises Invalid."""
    try:
        written = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        written = content.decode("latin-1")
    rows = _rows(written)
    column = next((found for row in rows if (found := _credit_column(row)) is not None), None)
    if column is None:
        raise Invalid(_("This has no column named “Credit”, “Deposit” or “Amount”."), "statement")
    found = list(_lines(rows, column))
    if len(found) > MOST_ROWS:
        raise Invalid(_("Choose a file of at most %(most)s payments.", most=MOST_ROWS), "statement")
    return found


def _rows(written) -> Iterator[list[str]]:
    delimiter = max(",;\t", key=written.count)
    try:
        yield from csv.reader(written.splitlines(), delimiter=delimiter)
    except csv.Error:
        raise Invalid(_("This is not a CSV file."), "statement") from None


def _credit_column(row):
    """Which column says what came in, if this row names them."""
    names = [cell.strip().lower() for cell in row]
    for wanted in _CREDITED:
        for number, name in enumerate(names):
            if name.startswith(wanted):
                return number
    return None


def _lines(rows, column) -> Iterator[Line]:
    for row in rows:
        amount = _amount(row[column]) if column < len(row) else 0
        others = " ".join(cell for number, cell in enumerate(row) if number != column)
        references = tuple(dict.fromkeys(_UTR.findall(others)))
        if amount > 0 and references:
            yield Line(references, amount)


def _amount(cell):
    try:
        amount = Decimal(re.sub(r"[^0-9.\-]", "", cell)) * settings.minor_units
    except InvalidOperation:
        return 0
    return int(amount) if amount.is_finite() and amount == amount.to_integral_value() else 0


def match(lines: Iterable[Line]) -> list[Match]:
    """What each line is. Nothing is written."""
    lines = list(lines)
    known = _known({reference for line in lines for reference in line.references})
    seen, found = set(), []
    for line in lines:
        reference = next((one for one in line.references if one in known), line.references[0])
        payment = known.get(reference)
        found.append(Match(_fit(line, payment, reference in seen), reference, line.amount, payment))
        seen.add(reference)
    return found


def _known(references) -> dict[str, Payment]:
    """The payments by UPI to the bank that were not refused, by their numbers."""
    listed, found = sorted(references), {}
    for start in range(0, len(listed), 500):
        some = select(Payment).where(
            Payment.method == PaymentMethod.UPI,
            Payment.holder == ledger.BANK,
            Payment.status != PaymentStatus.REFUSED,
            Payment.reference.in_(listed[start : start + 500]),
        )
        found |= {one.reference: one for one in db.session.scalars(some.options(_WHOSE))}
    return found


def _fit(line, payment, seen):
    if seen or (payment and payment.status is PaymentStatus.VERIFIED):
        return Fit.TWICE
    if payment is None:
        return Fit.UNKNOWN
    return Fit.MATCHED if payment.amount == line.amount else Fit.DIFFERENT


def verify(lines: Iterable[Line], by: User) -> int:
    """Verify what matches; answer how many."""
    matched = [one.payment for one in match(lines) if one.fit is Fit.MATCHED]
    for one in matched:
        payments.verify(one, by)
    return len(matched)


def pack(matches: list[Match]) -> str:
    """What matched, for the page that asks before anything is written."""
    return " ".join(f"{one.reference}:{one.amount}" for one in matches if one.fit is Fit.MATCHED)


def unpack(packed: str) -> list[Line]:
    """The lines again. Raises Invalid for what this site did not write."""
    found = [re.fullmatch(r"([0-9]{12}):([0-9]{1,15})", one) for one in packed.split()]
    if not found or not all(found) or len(found) > MOST_ROWS:
        raise Invalid(_("Upload the statement again."))
    return [Line((one[1],), int(one[2])) for one in found]
