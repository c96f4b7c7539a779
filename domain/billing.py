"""What each event of a booking does to the ledger.

A bill is due once the work is done, or called off at a cost. Whatever happens to it afterwards, one entry
brings the ledger from what it says of the booking to what the bill says now, so events may come in any
order and twice. Payments, refunds and payouts are entries of their own.
"""

from sqlalchemy import func, select

from domain import commissions, ledger
from extensions import db
from models import Booking, BookingLine, LineKind, Payment, Status
from models_lifecycle import Refund
from models_money import LedgerEntry

BILL = "bill"
# Until then nobody owes anything; what was paid before stands to the customer's credit.
DUE = frozenset({Status.COMPLETED, Status.CLOSED, Status.DISPUTED, Status.CANCELLED, Status.NO_SHOW})


def shares(booking: Booking) -> dict[str, int]:
    """Whose the bill of a booking is, by account; together with the customer's debt it is nothing.

    The professional has the services less the site's commission, and a late fee whole: it is their time that
    was lost. A refund takes from the services first, then from the site's fee and at last from the tax, so
    what a professional sees as earned is what stands here (see domain.earnings). The site has the rest.
    """
    if booking.status not in DUE or not booking.total:
        return {}
    sums = _sums(booking)
    late_fee = sums.get(LineKind.LATE_FEE, 0)
    if late_fee:
        theirs, tax = late_fee, 0
    else:
        theirs = commissions.net(booking)
        beyond = max(booking.refunded - booking.subtotal - sums.get(LineKind.PLATFORM_FEE, 0), 0)
        tax = sums.get(LineKind.TAX, 0) - beyond
    amounts = {ledger.customer(booking.customer_id): booking.total, ledger.TAX: -tax}
    amounts[ledger.professional(booking.professional_id)] = -theirs
    amounts[ledger.PLATFORM] = theirs + tax - booking.total
    return amounts


def settle(booking: Booking) -> None:
    """Bring the ledger to what the bill of a booking says now."""
    db.session.flush()
    has, due = ledger.of_booking(booking.id, [BILL]), shares(booking)
    count = db.session.scalar(
        select(func.count()).where(LedgerEntry.booking_id == booking.id, LedgerEntry.kind == BILL)
    )
    difference = {account: due.get(account, 0) - has.get(account, 0) for account in {**due, **has}}
    ledger.post(f"bill:{booking.id}:{count + 1}", BILL, difference, booking.id)


def paid(booking: Booking, payment: Payment, holder: str) -> None:
    """A customer paid; `holder` is the account of whoever has the money now."""
    amounts = {holder: payment.amount, ledger.customer(booking.customer_id): -payment.amount}
    ledger.post(f"payment:{payment.id}", "payment", amounts, booking.id)


def given_back(booking: Booking, refund: Refund, holder: str) -> None:
    """Money went back to a customer from `holder`."""
    amounts = {ledger.customer(booking.customer_id): refund.amount, holder: -refund.amount}
    ledger.post(f"refund:{refund.id}", "refund", amounts, booking.id)


def faults() -> list[str]:
    """Bookings of which the ledger says something else than their bill and their payments: a sentence each."""
    found = []
    for booking in db.session.scalars(select(Booking).where(Booking.status.in_(DUE)).execution_options(yield_per=1000)):
        has, due = ledger.of_booking(booking.id, [BILL]), shares(booking)
        if {account: amount for account, amount in has.items() if amount} != {a: n for a, n in due.items() if n}:
            found.append(f"The ledger has {has} for {booking.reference}, and its bill says {due}.")
        moved = ledger.of_booking(booking.id, ["payment", "refund"]).get(ledger.customer(booking.customer_id), 0)
        if -moved != booking.paid:
            found.append(f"{booking.reference} is paid with {booking.paid}, and the ledger says {-moved}.")
    return found


def _sums(booking):
    rows = db.session.execute(
        select(BookingLine.kind, func.sum(BookingLine.amount))
        .where(BookingLine.booking_id == booking.id)
        .group_by(BookingLine.kind)
    )
    return {kind: int(amount) for kind, amount in rows}
