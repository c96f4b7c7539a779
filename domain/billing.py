"""What each event of a booking does to the ledger.

A bill is due once the work is done, or called off at a cost. Whatever happens to it afterwards, one entry
brings the ledger from what it says of the booking to what the bill says now, so events may come in any
order and twice. Payments, refunds and payouts are entries of their own.
"""

from collections import defaultdict
from typing import NamedTuple

from sqlalchemy import and_, exists, func, or_, select

from domain import commissions, documents, ledger
from extensions import db
from models import Booking, BookingLine, LineKind, Status
from models_lifecycle import Refund
from models_money import LedgerEntry, Payment, PaymentStatus

BILL = "bill"
PAYING = ("payment", "refund")
# Until then nobody owes anything; what was paid before stands to the customer's credit.
DUE = frozenset({Status.COMPLETED, Status.CLOSED, Status.DISPUTED, Status.CANCELLED, Status.NO_SHOW})
# So many bookings are compared with the ledger at once.
AT_ONCE = 1000


class Billed(NamedTuple):
    """As much of a booking as its bill is made of: of all that there ever were, they are read much quicker so."""

    id: int
    customer_id: int
    professional_id: int | None
    status: Status
    subtotal: int
    total: int
    paid: int
    refunded: int
    commission: int
    reference = Booking.reference
    earned = Booking.earned


def shares(booking: Booking | Billed, sums: dict[LineKind, tuple[int, int]]) -> dict[str, int]:
    """Whose the bill of a booking is, by account; together with the customer's debt it is nothing. `sums` is what
    its lines of each kind come to, and the tax in them.

    The professional has the work less the site's commission, and a late fee whole: it is their time that
    was lost. A refund takes from the work first, then from the site's fee and at last from the tax, so
    what a professional sees as earned is what stands here (see domain.earnings). The site has the rest,
    and pays for coupons.
    """
    if booking.status not in DUE:
        return {}
    tax = sum(tax for _amount, tax in sums.values())
    if LineKind.REVERSAL in sums:
        theirs = max(sums.get(LineKind.LATE_FEE, (0, 0))[0] - booking.refunded, 0)
    else:
        theirs = commissions.net(booking)
    amounts = {ledger.customer(booking.customer_id): booking.total, ledger.TAX: -tax}
    amounts[ledger.professional(booking.professional_id)] = -theirs
    amounts[ledger.PLATFORM] = theirs + tax - booking.total
    return amounts


def settle(booking: Booking) -> None:
    """Bring the ledger, and what is issued to the customer, to what the bill of a booking says now."""
    db.session.flush()
    sums = _sums(booking.id, booking.id)[booking.id]
    has, due = ledger.of_booking(booking.id, [BILL]), shares(booking, sums)
    count = db.session.scalar(
        select(func.count()).where(LedgerEntry.booking_id == booking.id, LedgerEntry.kind == BILL)
    )
    difference = {account: due.get(account, 0) - has.get(account, 0) for account in {**due, **has}}
    if ledger.post(f"bill:{booking.id}:{count + 1}", BILL, difference, booking.id):
        documents.bill(booking, difference)


def paid(payment: Payment, fee: int = 0) -> None:
    """A customer paid; a gateway may have kept a fee of it, which the site bears."""
    amounts = {payment.holder: payment.amount, ledger.customer(payment.booking.customer_id): -payment.amount}
    if ledger.post(f"payment:{payment.id}", "payment", amounts, payment.booking_id):
        documents.receipt(payment)
    ledger.post(f"fee:{payment.id}", "fee", {ledger.PLATFORM: fee, payment.holder: -fee}, payment.booking_id)


def not_paid(payment: Payment) -> None:
    """What was counted as paid never was."""
    amounts = {payment.holder: -payment.amount, ledger.customer(payment.booking.customer_id): payment.amount}
    ledger.post(f"payment:{payment.id}:void", "payment", amounts, payment.booking_id)


def given_back(refund: Refund, by_hand: bool) -> None:
    """Money goes back to a customer: hand to hand from its holder, or else by the site, which owes it until
    it is sent."""
    source = refund.holder if by_hand else ledger.REFUNDS
    amounts = {ledger.customer(refund.booking.customer_id): refund.amount, source: -refund.amount}
    ledger.post(f"refund:{refund.id}", "refund", amounts, refund.booking_id)


def sent_back(refund: Refund) -> None:
    """What was promised back has left the account that held it."""
    amounts = {ledger.REFUNDS: refund.amount, refund.holder: -refund.amount}
    ledger.post(f"refund:{refund.id}:sent", "refund_sent", amounts, refund.booking_id)


def adopt(limit: int = 500) -> int:
    """Write what a site did before it had a ledger: bills, payments and refunds of bookings of which nothing is
    written. Answers how many bookings those were; what is issued about them has the number and date of now."""
    unknown = (
        select(Booking)
        .where(or_(and_(Booking.status.in_(DUE), Booking.total > 0), Booking.payments.any()))
        .where(~exists().where(LedgerEntry.booking_id == Booking.id))
    )
    found = db.session.scalars(unknown.order_by(Booking.id).limit(limit)).all()
    for booking in found:
        settle(booking)
        for payment in booking.payments:
            if payment.status is PaymentStatus.VERIFIED:
                paid(payment)
        for refund in booking.refunds:
            given_back(refund, ledger.in_hand(refund.holder))
    return len(found)


def faults() -> list[str]:
    """Bookings of which the ledger says something else than their bill and their payments: a sentence each."""
    concerned = or_(Booking.status.in_(DUE), Booking.paid > 0, Booking.payments.any())
    found = select(*(getattr(Booking, name) for name in Billed._fields)).where(concerned).order_by(Booking.id)
    parts = db.session.execute(found.execution_options(yield_per=AT_ONCE)).partitions()
    return [fault for rows in parts for fault in _faults_of([*map(Billed._make, rows)])]


def _faults_of(bookings):
    """The same of bookings in the order of their numbers, in few queries."""
    first, last = bookings[0].id, bookings[-1].id
    bills, sums = ledger.of_bookings(first, last, [BILL]), _sums(first, last)
    payments, issued = ledger.of_bookings(first, last, PAYING), documents.billed(first, last)
    for booking in bookings:
        customer = ledger.customer(booking.customer_id)
        has, due = bills[booking.id], shares(booking, sums[booking.id])
        if {account: amount for account, amount in has.items() if amount} != {a: n for a, n in due.items() if n}:
            yield f"The ledger has {has} for {booking.reference}, and its bill says {due}."
        if (slips := issued.get(booking.id, 0)) != (billed := has.get(customer, 0)):
            yield f"The invoices of {booking.reference} come to {slips}, and the ledger says {billed}."
        if booking.paid != (moved := -payments[booking.id].get(customer, 0)):
            yield f"{booking.reference} is paid with {booking.paid}, and the ledger says {moved}."


def _sums(first, last):
    """What the lines of each kind come to, and the tax in them: by booking, of those with a number in a range."""
    rows = db.session.execute(
        select(BookingLine.booking_id, BookingLine.kind, func.sum(BookingLine.amount), func.sum(BookingLine.tax))
        .where(BookingLine.booking_id.between(first, last))
        .group_by(BookingLine.booking_id, BookingLine.kind)
    )
    found = defaultdict(dict)
    for booking_id, kind, amount, tax in rows:
        found[booking_id][kind] = int(amount), int(tax)
    return found
