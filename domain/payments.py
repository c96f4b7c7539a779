"""What a customer pays and how: in cash or by UPI to somebody, who says whether it came, or at a gateway.

Only what is verified counts as paid. What comes beyond what is due is taken all the same, and goes back by itself.
"""

import re
from dataclasses import dataclass

from flask_babel import gettext as _
from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError

from domain import audit, billing, clock, ledger, refunds
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from domain.transitions import add_event, tell
from extensions import db, settings
from models import Booking, PaymentMethod, Role, Status, User
from models_lifecycle import Refund
from models_money import Payment, PaymentStatus

GATEWAYS = (PaymentMethod.STRIPE, PaymentMethod.RAZORPAY)
MOST_REASON = 500
_UTR = re.compile(r"[0-9]{12}")
# The site takes money from the moment a job is agreed, a professional only for work that was done.
_TO_THE_SITE = frozenset({Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS})
_TO_ANYBODY = frozenset({Status.COMPLETED, Status.CLOSED, Status.CANCELLED, Status.NO_SHOW})
# Nobody owes anything for these.
_OVER = frozenset({Status.REJECTED, Status.EXPIRED})


@dataclass(frozen=True)
class Payee:
    """Whom UPI pays: their address at a bank, their name, and their account in the ledger."""

    upi_id: str
    name: str
    holder: str


# -- What a customer can do -------------------------------------------------------------------


def open_amount(booking: Booking) -> int:
    """What a customer can still pay: what is due, less what they say they have paid."""
    claimed = sum(one.amount for one in booking.payments if one.status is PaymentStatus.CLAIMED)
    return max(owed(booking) - claimed, 0)


def owed(booking: Booking) -> int:
    """What is due now, or will be once the work is done."""
    return 0 if booking.status in _OVER else booking.due


def ways(booking: Booking) -> list[PaymentMethod]:
    """How the customer can pay now through the site, as it is set up."""
    if booking.status not in _TO_THE_SITE | _TO_ANYBODY or not open_amount(booking):
        return []
    upi = [PaymentMethod.UPI] if payee(booking) else []
    return upi + [one for one in GATEWAYS if one.value in settings.gateways]


def methods_noted() -> list[PaymentMethod]:
    """What professionals can note as paid to them."""
    return [one for one, on in ((PaymentMethod.CASH, settings.cash), (PaymentMethod.UPI, settings.upi)) if on]


def payee(booking: Booking) -> Payee | None:
    """Whom the customer pays by UPI now; None when nobody can be paid like that."""
    if not settings.upi:
        return None
    if settings.upi_id:
        return Payee(settings.upi_id, settings.site_name, ledger.BANK)
    person = booking.professional
    if booking.status not in _TO_ANYBODY or person is None or not person.upi_id or person.user.anonymised_at:
        return None
    return Payee(person.upi_id, person.user.name, ledger.professional(person.id))


def claim(booking: Booking, by: User, reference: str) -> Payment:
    """The customer says that they paid what is open by UPI, under a UTR number, which pays once."""
    if by.id != booking.customer_id:
        raise NotAllowed(_("You can't do that with this booking."))
    reference = "".join(reference.split())
    if not _UTR.fullmatch(reference):
        raise Invalid(_("Enter the 12 digits of the UTR number that your UPI app shows."), "reference")
    if PaymentMethod.UPI not in ways(booking):
        raise InvalidTransition(_("There is nothing to pay by UPI for this booking now."))
    to, now = payee(booking), clock.now()
    payment = Payment(
        booking_id=booking.id,
        method=PaymentMethod.UPI,
        status=PaymentStatus.CLAIMED,
        amount=open_amount(booking),
        reference=reference,
        holder=to.holder,
        recorded_by_id=by.id,
        recorded_at=now,
    )
    _keep(payment)
    add_event(booking, "claim_payment", by)
    if ledger.in_hand(to.holder):
        tell([booking.professional_id], "payment_claimed", booking, by.name, reference=reference)
    return payment


def confirm(payment: Payment, by: User) -> None:
    """The customer says that they did pay what the professional noted."""
    _answer(payment, by, "confirm_payment", confirmed_at=clock.now())


def deny(payment: Payment, by: User) -> None:
    """The customer says that they did not pay what the professional noted. An admin decides."""
    _answer(payment, by, "deny_payment", denied_at=clock.now())
    tell([payment.recorded_by_id], "payment_denied", payment.booking, by.name)


def _answer(payment, by, verb, **values):
    if not is_to_confirm(payment, by):
        raise InvalidTransition(_("There is nothing to confirm about this payment, or you have answered already."))
    unanswered = Payment.confirmed_at.is_(None), Payment.denied_at.is_(None)
    _change(payment, PaymentStatus.VERIFIED, *unanswered, **values)
    add_event(payment.booking, verb, by)


def is_to_confirm(payment: Payment, by: User) -> bool:
    """Whether the customer may say that a payment is or is not so: it was noted by somebody else."""
    return (
        by.id == payment.booking.customer_id
        and payment.status is PaymentStatus.VERIFIED
        and ledger.in_hand(payment.holder)
        and payment.recorded_by_id != by.id
        and payment.confirmed_at is None
        and payment.denied_at is None
    )


# -- Who has the money ------------------------------------------------------------------------


def note(booking: Booking, by: User, method: PaymentMethod, amount: int) -> None:
    """A professional has the money in hand; `paid` is the caller's."""
    if method not in methods_noted():
        raise Invalid(_("Choose one of the list."), "method")
    now = clock.now()
    payment = Payment(
        booking_id=booking.id,
        method=method,
        status=PaymentStatus.VERIFIED,
        amount=amount,
        holder=ledger.professional(by.id),
        recorded_by_id=by.id,
        recorded_at=now,
        verified_by_id=by.id,
        verified_at=now,
    )
    _keep(payment)
    billing.paid(payment)


def may_verify(payment: Payment, by: User) -> bool:
    """Whether this person can say if a claimed payment came: who was paid, or an admin for the bank."""
    if payment.status is not PaymentStatus.CLAIMED:
        return False
    if ledger.in_hand(payment.holder):
        return payment.holder == ledger.professional(by.id)
    return by.role is Role.ADMIN


def check_claimed(payment: Payment, by: User) -> None:
    """Raises a refusal unless this person can say now whether a payment came."""
    if payment.status is not PaymentStatus.CLAIMED:
        raise InvalidTransition(_("This payment was answered already. Look again."))
    if not may_verify(payment, by):
        raise NotAllowed(_("Only who was paid can say whether it came."))


def verify(payment: Payment, by: User, amount: int | None = None) -> None:
    """A claimed payment came, with the claimed amount or another one."""
    check_claimed(payment, by)
    amount = payment.amount if amount is None else amount
    if amount <= 0:
        raise Invalid(_("Enter the amount that came."), "amount")
    _change(
        payment,
        PaymentStatus.CLAIMED,
        status=PaymentStatus.VERIFIED,
        amount=amount,
        verified_by_id=by.id,
        verified_at=clock.now(),
    )
    if by.role is Role.ADMIN:
        audit.record(by, "verify_payment", "payment", payment.id, amount=amount)
    _count(payment, by)
    tell([payment.booking.customer_id], "payment_verified", payment.booking)


def refuse(payment: Payment, by: User, reason: str) -> None:
    """A claimed payment did not come, and the customer reads why."""
    check_claimed(payment, by)
    reason = checked_reason(reason)
    _change(payment, PaymentStatus.CLAIMED, status=PaymentStatus.REFUSED, reason=reason)
    if by.role is Role.ADMIN:
        audit.record(by, "refuse_payment", "payment", payment.id, reason=reason)
    add_event(payment.booking, "refuse_payment", by, reason)
    tell([payment.booking.customer_id], "payment_refused", payment.booking, by.name, reason=reason)


def credit(booking: Booking, method: PaymentMethod, reference: str, amount: int, fee: int = 0) -> Payment | None:
    """Count what a gateway has received, once; None when it was counted before."""
    booking = locked(booking.id)
    known = select(Payment).where(Payment.method == method, Payment.reference == reference)
    if db.session.scalar(known):
        return None
    now = clock.now()
    payment = Payment(
        booking_id=booking.id,
        method=method,
        status=PaymentStatus.VERIFIED,
        amount=amount,
        reference=reference,
        holder=ledger.gateway(method.value),
        recorded_by_id=booking.customer_id,
        recorded_at=now,
        verified_at=now,
    )
    _keep(payment)
    _count(payment, booking.customer, fee)
    tell([one for one in (booking.professional_id,) if one], "paid_online", booking, booking.customer.name)
    return payment


def locked(booking_id: int) -> Booking:
    """A booking as it is now, which nobody else changes until the transaction ends."""
    found = select(Booking).where(Booking.id == booking_id).with_for_update()
    return db.session.scalars(found.execution_options(populate_existing=True)).one()


# -- The admin --------------------------------------------------------------------------------


def keep(payment: Payment, by: User, reason: str) -> None:
    """The customer denies a payment, and it was made all the same."""
    reason = checked_reason(reason)
    _decide(payment, by, "keep_payment", reason)
    add_event(payment.booking, "confirm_payment", by, reason)


def take_back(payment: Payment, by: User, reason: str) -> None:
    """The customer denies a payment, and it never was made: it is due again."""
    reason = checked_reason(reason)
    if payment.refunds:
        raise InvalidTransition(_("A part of this payment has gone back already, so it was made."))
    booking = locked(payment.booking_id)
    _decide(payment, by, "take_back_payment", reason, status=PaymentStatus.REFUSED, reason=reason)
    _set_paid(booking, booking.paid - payment.amount)
    billing.not_paid(payment)
    add_event(booking, "refuse_payment", by, reason)


def check_disputed(payment: Payment) -> None:
    """Raises InvalidTransition unless the customer denies it and nobody has decided."""
    if not payment.disputed:
        raise InvalidTransition(_("There is nothing to decide about this payment."))


def _decide(payment, by, act, why, **values):
    check_disputed(payment)
    _change(payment, PaymentStatus.VERIFIED, Payment.decided_at.is_(None), decided_at=clock.now(), **values)
    audit.record(by, act, "payment", payment.id, reason=why)
    tell([payment.booking.customer_id, payment.recorded_by_id], "payment_decided", payment.booking, reason=why)


def give_back(payment: Payment, by: User, amount: int, reason: str) -> None:
    """Give back a payment or a part of it, and say why."""
    reason = checked_reason(reason)
    locked(payment.booking_id)
    refunds.refund(payment, by, amount, reason)
    audit.record(by, "refund_payment", "payment", payment.id, amount=amount, reason=reason)
    add_event(payment.booking, "refund", by, reason)
    tell([payment.booking.customer_id], "money_back", payment.booking, reason=reason)


def get(payment_id: int) -> Payment:
    """One payment, for an admin. Raises NotFound."""
    found = db.session.get(Payment, payment_id)
    if found is None:
        raise NotFound(_("There is no such payment."))
    return found


def of(booking: Booking, payment_id: int) -> Payment:
    """One payment of a booking. Raises NotFound."""
    found = next((one for one in booking.payments if one.id == payment_id), None)
    if found is None:
        raise NotFound(_("There is no such payment."))
    return found


def faults() -> list[str]:
    """Payments and refunds that cannot be: a sentence each."""
    back = func.sum(Refund.amount)
    wrong = (
        select(Payment.id, Payment.amount, Payment.status, back)
        .join(Refund, Refund.payment_id == Payment.id)
        .group_by(Payment.id)
        .having(or_(Payment.status != PaymentStatus.VERIFIED, back > Payment.amount))
    )
    return [
        f"Payment {payment_id} of {amount} is {status}, and {gone} of it went back."
        for payment_id, amount, status, gone in db.session.execute(wrong.order_by(Payment.id))
    ]


# -- Small print ------------------------------------------------------------------------------


def checked_reason(text: str) -> str:
    text = text.strip()
    if not text:
        raise Invalid(_("Give a reason: the other side will read it."), "reason")
    if len(text) > MOST_REASON:
        raise Invalid(_("Keep the reason under %(most)s characters.", most=MOST_REASON), "reason")
    return text


def _count(payment, by, fee=0):
    """Add a payment that came; what is beyond what is due goes back at once."""
    booking = locked(payment.booking_id)
    kept = min(payment.amount, max(owed(booking), 0))
    _set_paid(booking, booking.paid + kept)
    billing.paid(payment, fee)
    add_event(booking, "record_payment", by)
    if payment.amount > kept:
        reason = "Paid beyond what was due"
        refunds.give_back(booking, None, payment.amount - kept, reason, payment)
        add_event(booking, "refund", None, reason)
        tell([booking.customer_id], "overpaid", booking)


def _set_paid(booking, paid):
    db.session.execute(
        update(Booking).where(Booking.id == booking.id).values(paid=paid).execution_options(synchronize_session=False)
    )
    db.session.refresh(booking)


def _keep(payment):
    """Raises Conflict when its reference has paid for something already."""
    try:
        with db.session.begin_nested():
            db.session.add(payment)
            db.session.flush()
    except IntegrityError:
        raise Conflict(_("This UTR number was entered already. Each pays once: check its 12 digits.")) from None
    db.session.expire(payment.booking, ["payments"])


def _change(payment, source, *where, **values):
    """Compare and set: the payment must still be as it was."""
    changed = db.session.execute(
        update(Payment)
        .where(Payment.id == payment.id, Payment.status == source, *where)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(payment)
    if not changed.rowcount:
        raise InvalidTransition(_("This payment was answered already. Look again."))

