"""Money that goes back: what is charged becomes less, and what was paid beyond it is given back by whoever has it.

After each verb the total is the sum of the lines, and what is paid is the verified payments less the refunds.
A professional gives back by hand, so that has happened; a gateway is asked to (see domain.checkouts), and
an admin sends by hand what lies at the bank.
"""

import uuid
from collections.abc import Iterator

from flask_babel import gettext as _
from sqlalchemy import func, select, update

from domain import billing, clock, documents, ledger, pricing
from domain.errors import Conflict, Invalid
from domain.pricing import Line
from extensions import db
from models import Booking, BookingLine, LineKind, User
from models_lifecycle import Refund, RefundState
from models_money import Payment, PaymentStatus

CANCELLED = ("Cancelled", "Late cancellation fee")
NO_SHOW = ("No-show", "No-show fee")


def reverse(booking: Booking, by: User, fee: int, labels: tuple[str, str], reason: str) -> dict:
    """Take back what the work would have cost, but for a fee; answers the columns to set with the move.

    `labels` name the two lines.
    """
    taken_back = Line(LineKind.REVERSAL, labels[0], -booking.total, -sum(line.tax for line in booking.lines))
    lines = (taken_back, Line(LineKind.LATE_FEE, labels[1], fee))
    _add_lines(booking, (line for line in lines if line.amount or line.tax))
    give_back(booking, by, booking.paid - fee, reason)
    return {"total": fee, "paid": min(booking.paid, fee)}


def lower(booking: Booking, by: User, amount: int, reason: str) -> None:
    """Charge less for work that was done: all of it or a part.

    What is not paid yet is simply no longer due; only what was paid beyond the new total goes back. With a
    coupon, as much of the discount is taken back as of the total, so that nothing is left of a whole refund.
    Raises Invalid for more than is charged, and Conflict when it was paid or lowered meanwhile.
    """
    if not 0 < amount <= booking.total:
        raise Invalid(_("Enter an amount up to what the customer is charged."), "amount")
    back = max(booking.paid - (booking.total - amount), 0)
    _charge_less(booking, amount, back)
    give_back(booking, by, back, reason)
    db.session.refresh(booking)
    billing.settle(booking)


def refund(payment: Payment, by: User, amount: int, reason: str) -> None:
    """Give back a payment, or a part of it. What is due does not become more by it: for a bill that is due,
    the customer is charged that much less; before that they may pay again.

    Raises Invalid for more than is left of the payment, and Conflict when it was paid or lowered meanwhile.
    """
    booking = payment.booking
    if not 0 < amount <= min(left_of(payment), booking.paid):
        raise Invalid(_("Enter an amount up to what is left of the payment."), "amount")
    _charge_less(booking, amount if booking.status in billing.DUE else 0, amount)
    give_back(booking, by, amount, reason, payment)
    db.session.refresh(booking)
    billing.settle(booking)


def give_all_back(booking: Booking, reason: str) -> None:
    """Return what was paid ahead for work that nobody does."""
    back = booking.paid
    if back:
        _charge_less(booking, 0, back)
        give_back(booking, None, back, reason)
        db.session.refresh(booking)


def give_back(booking: Booking, by: User | None, amount: int, reason: str, first: Payment | None = None) -> None:
    """Have an amount go back, from one payment first and then from the latest; `paid` is the caller's."""
    for payment, left in list(_counted(booking, first)):
        if amount <= 0:
            return
        part = min(left, amount)
        _give_part(payment, by, part, reason)
        amount -= part


def left_of(payment: Payment) -> int:
    """What of a payment has not been promised back."""
    if payment.status is not PaymentStatus.VERIFIED:
        return 0
    return payment.amount - sum(one.amount for one in payment.refunds)


def _charge_less(booking, less, back):
    """Compare and set: what is charged and paid must still be as it was when the amounts were checked."""
    lines = _lowered(booking, less) if less else []
    taken = -sum(line.amount for line in lines if line.kind is LineKind.REFUND)
    lowered = db.session.execute(
        update(Booking)
        .where(Booking.id == booking.id, Booking.total == booking.total, Booking.paid == booking.paid)
        .values(total=booking.total - less, paid=booking.paid - back, refunded=Booking.refunded + taken)
        .execution_options(synchronize_session=False)
    )
    if not lowered.rowcount:
        raise Conflict(_("What was paid has just changed. Look again."))
    _add_lines(booking, lines)


def _lowered(booking, amount):
    """The lines of a refund: what it takes off, the tax of it last of all, and the discount taken back."""
    standing = documents.since_reversal(booking.lines)
    discount = -sum(line.amount for line in standing if line.kind is LineKind.DISCOUNT)
    taken_back = pricing.share(discount, amount, booking.total)
    tax = sum(line.tax for line in standing)
    taken = amount + taken_back
    worth = booking.total + discount - tax
    lines = [Line(LineKind.REFUND, "Refund", -taken, -max(taken - worth, 0))]
    return [*lines, Line(LineKind.DISCOUNT, "", taken_back)] if taken_back else lines


def _add_lines(booking, lines):
    db.session.add_all(BookingLine(booking_id=booking.id, **line._asdict()) for line in lines)
    db.session.expire(booking, ["lines"])


def _counted(booking, first) -> Iterator[tuple[Payment, int]]:
    """The payments with what is left of them: those that a gateway or the bank can send back come before
    those that somebody has in hand."""
    back = func.coalesce(func.sum(Refund.amount), 0)
    rows = db.session.execute(
        select(Payment, Payment.amount - back)
        .outerjoin(Refund, Refund.payment_id == Payment.id)
        .where(Payment.booking_id == booking.id, Payment.status == PaymentStatus.VERIFIED)
        .group_by(Payment)
        .having(Payment.amount > back)
    )
    yield from sorted(rows, key=lambda row: (row[0] is not first, ledger.in_hand(row[0].holder), -row[0].id))


def _give_part(payment, by, amount, reason):
    now, by_hand = clock.now(), ledger.in_hand(payment.holder)
    row = Refund(
        booking=payment.booking,
        payment=payment,
        amount=amount,
        reason=reason,
        holder=payment.holder,
        state=RefundState.DONE if by_hand else RefundState.ASKED,
        key=uuid.uuid4().hex,
        due_at=now,
        done_at=now if by_hand else None,
        recorded_by_id=by and by.id,
        recorded_at=now,
    )
    db.session.add(row)
    db.session.flush()
    billing.given_back(row, by_hand)
