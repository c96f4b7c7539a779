"""What each event of a booking does to the ledger.

A bill is due once the work is done, or called off at a cost. Whatever happens to it afterwards, one entry
brings the ledger from what it says of the booking to what the bill says now, so events may come in any
order and twice. Payments, refunds and payouts are entries of their own.
"""

from sqlalchemy import and_, exists, func, or_, select

from domain import commissions, documents, ledger
from extensions import db
from models import Booking, BookingLine, LineKind, Status
from models_lifecycle import Refund
from models_money import LedgerEntry, Payment, PaymentStatus

BILL = "bill"
# Until then nobody owes anything; what was paid before stands to the customer's credit.
DUE = frozenset({Status.COMPLETED, Status.CLOSED, Status.DISPUTED, Status.CANCELLED, Status.NO_SHOW})


def shares(booking: Booking) -> dict[str, int]:
    """Whose the bill of a booking is, by account; together with the customer's debt it is nothing.

    The professional has the work less the site's commission, and a late fee whole: it is their time that
    was lost. A refund takes from the work first, then from the site's fee and at last from the tax, so
    what a professional sees as earned is what stands here (see domain.earnings). The site has the rest,
    and pays for coupons.
    """
    if booking.status not in DUE:
        return {}
    sums = _sums(booking)
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
    has, due = ledger.of_booking(booking.id, [BILL]), shares(booking)
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
    found = []
    concerned = select(Booking).where(or_(Booking.status.in_(DUE), Booking.payments.any()))
    for booking in db.session.scalars(concerned.execution_options(yield_per=1000)):
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
