"""What each event of a booking does to the ledger.

A bill is due once the work is done, or called off at a cost. Whatever happens to it afterwards, one entry
brings the ledger from what it says of the booking to what the bill says now, so events may come in any
order and twice. Payments, refunds and payouts are entries of their own.
"""

from sqlalchemy import func, select

from domain import documents, ledger, pricing
from extensions import db, settings
from models import Booking, BookingLine, LineKind, Payment, Status
from models_lifecycle import Refund
from models_money import LedgerEntry

BILL = "bill"
# Until then nobody owes anything; what was paid before stands to the customer's credit.
DUE = frozenset({Status.COMPLETED, Status.CLOSED, Status.DISPUTED, Status.CANCELLED, Status.NO_SHOW})


def shares(booking: Booking) -> dict[str, int]:
    """Whose the bill of a booking is, by account; together with the customer's debt it is nothing.

    The professional has the work less the site's commission, and a late fee whole: it is their time that
    was lost. A refund takes from the work first, then from the site's fee and at last from the tax, so
    what a professional sees as earned is what stands here (see Booking.earned). The site has the rest,
    and pays for coupons.
    """
    if booking.status not in DUE:
        return {}
    sums = _sums(booking)
    tax = sum(tax for _amount, tax in sums.values())
    if LineKind.REVERSAL in sums:
        theirs = sums.get(LineKind.LATE_FEE, (0, 0))[0]
    else:
        theirs = booking.earned - pricing.round_half_up(booking.earned, commission(booking))
    amounts = {ledger.customer(booking.customer_id): booking.total, ledger.TAX: -tax}
    amounts[ledger.professional(booking.professional_id)] = -theirs
    amounts[ledger.PLATFORM] = theirs + tax - booking.total
    return amounts


def commission(booking: Booking) -> int:
    """The site's share of the services, in basis points."""
    return settings.commission_basis_points


def settle(booking: Booking) -> None:
    """Bring the ledger, and what is issued to the customer, to what the bill of a booking says now."""
    db.session.flush()
    has, due = ledger.of_booking(booking.id, [BILL]), shares(booking)
    count = db.session.scalar(
        select(func.count()).where(LedgerEntry.booking_id == booking.id, LedgerEntry.kind == BILL)
    )
    difference = {account: due.get(account, 0) - has.get(account, 0) for account in {**due, **has}}
    if ledger.post(f"bill:{booking.id}:{count + 1}", BILL, difference, booking.id):
        documents.bill(booking, difference)


def paid(booking: Booking, payment: Payment, holder: str) -> None:
    """A customer paid; `holder` is the account of whoever has the money now."""
    amounts = {holder: payment.amount, ledger.customer(booking.customer_id): -payment.amount}
    if ledger.post(f"payment:{payment.id}", "payment", amounts, booking.id):
        documents.receipt(booking, payment)


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
        billed = has.get(ledger.customer(booking.customer_id), 0)
        if (issued := documents.billed(booking.id)) != billed:
            found.append(f"The invoices of {booking.reference} come to {issued}, and the ledger says {billed}.")
        moved = ledger.of_booking(booking.id, ["payment", "refund"]).get(ledger.customer(booking.customer_id), 0)
        if -moved != booking.paid:
            found.append(f"{booking.reference} is paid with {booking.paid}, and the ledger says {-moved}.")
    return found


def _sums(booking):
    rows = db.session.execute(
        select(BookingLine.kind, func.sum(BookingLine.amount), func.sum(BookingLine.tax))
        .where(BookingLine.booking_id == booking.id)
        .group_by(BookingLine.kind)
    )
    return {kind: (int(amount), int(tax)) for kind, amount, tax in rows}
