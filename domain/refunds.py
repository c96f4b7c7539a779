"""Money that goes back: what is charged becomes less, and what was paid beyond it is noted as given back.

After each verb the total is the sum of the lines, and what is paid is the payments less the refunds.
"""

from flask_babel import gettext as _
from sqlalchemy import update

from domain import billing, clock, ledger
from domain.errors import Conflict, Invalid
from extensions import db
from models import Booking, BookingLine, LineKind, User
from models_lifecycle import Refund

CANCELLED = ("Cancelled", "Late cancellation fee")
NO_SHOW = ("No-show", "No-show fee")


def reverse(booking: Booking, by: User, fee: int, labels: tuple[str, str], reason: str) -> dict:
    """Take back what the work would have cost, but for a fee; answers the columns to set with the move.

    `labels` name the two lines.
    """
    amounts = zip((LineKind.REVERSAL, LineKind.LATE_FEE), labels, (-booking.total, fee), strict=True)
    db.session.add_all(
        BookingLine(booking_id=booking.id, kind=kind, label=label, amount=amount)
        for kind, label, amount in amounts
        if amount
    )
    _give_back(booking, by, booking.paid - fee, reason)
    return {"total": fee, "paid": min(booking.paid, fee)}


def lower(booking: Booking, by: User, amount: int, reason: str) -> None:
    """Charge less for work that was done: all of it or a part.

    What is not paid yet is simply no longer due; only what was paid beyond the new total goes back.
    Raises Invalid for more than is charged, and Conflict when it was paid or lowered meanwhile.
    """
    if not 0 < amount <= booking.total:
        raise Invalid(_("Enter an amount up to what the customer is charged."), "amount")
    total, paid = booking.total - amount, booking.paid
    lowered = db.session.execute(
        update(Booking)
        .where(Booking.id == booking.id, Booking.total == booking.total, Booking.paid == paid)
        .values(total=total, paid=min(paid, total), refunded=Booking.refunded + amount)
        .execution_options(synchronize_session=False)
    )
    if not lowered.rowcount:
        raise Conflict(_("What was paid has just changed. Look again."))
    db.session.add(BookingLine(booking_id=booking.id, kind=LineKind.REFUND, label="Refund", amount=-amount))
    _give_back(booking, by, paid - total, reason)
    db.session.flush()
    db.session.refresh(booking)
    billing.settle(booking)


def _give_back(booking, by, amount, reason):
    if amount > 0:
        refund = Refund(
            booking_id=booking.id,
            amount=amount,
            reason=reason,
            recorded_by_id=by.id,
            recorded_at=clock.now(),
        )
        db.session.add(refund)
        db.session.flush()
        billing.given_back(booking, refund, ledger.professional(booking.professional_id))
