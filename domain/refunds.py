"""Money that goes back: what is charged becomes less, and what was paid beyond it is noted as given back.

After each verb the total is the sum of the lines, and what is paid is the payments less the refunds.
"""

from flask_babel import gettext as _
from sqlalchemy import update

from domain import billing, clock, ledger, pricing
from domain.errors import Conflict, Invalid
from domain.pricing import Line
from extensions import db
from models import Booking, BookingLine, LineKind, User
from models_lifecycle import Refund

CANCELLED = ("Cancelled", "Late cancellation fee")
NO_SHOW = ("No-show", "No-show fee")


def reverse(booking: Booking, by: User, fee: int, labels: tuple[str, str], reason: str) -> dict:
    """Take back what the work would have cost, but for a fee; answers the columns to set with the move.

    `labels` name the two lines.
    """
    taken_back = Line(LineKind.REVERSAL, labels[0], -booking.total, -sum(line.tax for line in booking.lines))
    lines = (taken_back, Line(LineKind.LATE_FEE, labels[1], fee))
    _add_lines(booking, (line for line in lines if line.amount or line.tax))
    _give_back(booking, by, booking.paid - fee, reason)
    return {"total": fee, "paid": min(booking.paid, fee)}


def lower(booking: Booking, by: User, amount: int, reason: str) -> None:
    """Charge less for work that was done: all of it or a part.

    What is not paid yet is simply no longer due; only what was paid beyond the new total goes back. With a
    coupon, as much of the discount is taken back as of the total, so that nothing is left of a whole refund.
    Raises Invalid for more than is charged, and Conflict when it was paid or lowered meanwhile.
    """
    if not 0 < amount <= booking.total:
        raise Invalid(_("Enter an amount up to what the customer is charged."), "amount")
    total, paid = booking.total - amount, booking.paid
    lines = _lowered(booking, amount)
    lowered = db.session.execute(
        update(Booking)
        .where(Booking.id == booking.id, Booking.total == booking.total, Booking.paid == paid)
        .values(total=total, paid=min(paid, total), refunded=Booking.refunded - lines[0].amount)
        .execution_options(synchronize_session=False)
    )
    if not lowered.rowcount:
        raise Conflict(_("What was paid has just changed. Look again."))
    _add_lines(booking, lines)
    _give_back(booking, by, paid - total, reason)
    db.session.flush()
    db.session.refresh(booking)
    billing.settle(booking)


def _lowered(booking, amount):
    """The lines of a refund: what it takes off, the tax of it last of all, and the discount taken back."""
    discount = -sum(line.amount for line in booking.lines if line.kind is LineKind.DISCOUNT)
    taken_back = pricing.share(discount, amount, booking.total)
    tax = sum(line.tax for line in booking.lines)
    taken = amount + taken_back
    worth = booking.total + discount - tax
    lines = [Line(LineKind.REFUND, "Refund", -taken, -max(taken - worth, 0))]
    return [*lines, Line(LineKind.DISCOUNT, "", taken_back)] if taken_back else lines


def _add_lines(booking, lines):
    db.session.add_all(BookingLine(booking_id=booking.id, **line._asdict()) for line in lines)


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
