"""What is asked of gateways and what they say: payments that were begun there, and money that they give back.

Gateways are spoken to outside of any transaction: a row first, then the call, then what came of it. What they
say may come twice, in any order, or never; a row that is paid stays paid.
"""

import uuid
from datetime import timedelta

from flask_babel import gettext as _
from sqlalchemy import select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from domain import audit, billing, clock, payments
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from extensions import db, settings
from models import Booking, PaymentMethod, User
from models_lifecycle import Refund, RefundState
from models_money import Checkout, CheckoutStatus, GatewayEvent, Payment
from payment_gateways import ENDED, NOT_REFUNDED, NOTHING, REFUNDED, Notice

LASTS = timedelta(hours=1)
# A gateway takes a payment that was begun in time a little later, too.
LATE = timedelta(hours=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=1)
# After so many tries, over two days, an admin looks at it.
MOST_TRIES = 50
LONGEST_ERROR = 200
LONGEST_REFERENCE = 60
# As literals: a bound value would keep SQLite from choosing the partial index.
OPEN, ASKED = text("checkouts.status = 'open'"), text("refunds.state = 'asked'")
_insert = {kind.dialect.name: kind.insert for kind in (sqlite, postgresql)}


# -- A payment at a gateway -------------------------------------------------------------------


def begin(booking: Booking, by: User, method: PaymentMethod) -> Checkout:
    """The customer wants to pay all that is open. One that was begun for the same and is still good is taken
    up again."""
    if by.id != booking.customer_id:
        raise NotAllowed(_("You can't do that with this booking."))
    if method not in payments.ways(booking) or method not in payments.GATEWAYS:
        raise InvalidTransition(_("There is nothing to pay in this way now. Look again."))
    now, amount = clock.now(), payments.open_amount(booking)
    begun = select(Checkout).where(
        Checkout.booking_id == booking.id,
        Checkout.method == method,
        Checkout.status == CheckoutStatus.OPEN,
        Checkout.amount == amount,
        Checkout.url.is_not(None),
        Checkout.expires_at > now + LASTS / 4,
    )
    if known := db.session.scalars(begun.order_by(Checkout.id.desc()).limit(1)).first():
        return known
    checkout = Checkout(
        booking_id=booking.id,
        method=method,
        status=CheckoutStatus.OPEN,
        amount=amount,
        currency=booking.currency,
        key=uuid.uuid4().hex,
        created_at=now,
        expires_at=now + LASTS,
        due_at=now + FIRST_PAUSE,
    )
    db.session.add(checkout)
    db.session.flush()
    return checkout


def opened(checkout_id: int, reference: str, url: str) -> None:
    """The gateway has it and says where it is paid."""
    checkout = _locked(Checkout, checkout_id)
    checkout.reference, checkout.url = reference, url
    db.session.flush()


def not_opened(checkout_id: int) -> None:
    """The gateway does not have it, or nobody knows where it would be paid."""
    _end(_locked(Checkout, checkout_id))


def get(booking: Booking, checkout_id: int) -> Checkout:
    """One of a booking. Raises NotFound."""
    found = db.session.get(Checkout, checkout_id)
    if found is None or found.booking_id != booking.id:
        raise NotFound(_("There is no such payment."))
    return found


def is_payable(checkout: Checkout) -> bool:
    """Whether the gateway still takes it."""
    return checkout.status is CheckoutStatus.OPEN and checkout.url is not None and clock.now() < checkout.expires_at


# -- What a gateway says ----------------------------------------------------------------------


def take_event(method: PaymentMethod, notice: Notice) -> bool:
    """Take a signed message of a gateway; answer whether it was a new one."""
    row = {"method": method, "event": notice.event[:120], "kind": notice.kind, "fault": "", "at": clock.now()}
    new = _insert[db.session.connection().dialect.name](GatewayEvent).values(row).on_conflict_do_nothing()
    event_id = db.session.scalar(new.returning(GatewayEvent.id))
    if event_id is None:
        return False
    checkout, fault = take(method, notice)
    values = {"checkout_id": checkout and checkout.id, "fault": fault}
    db.session.execute(update(GatewayEvent).where(GatewayEvent.id == event_id).values(**values))
    return True


def take(method: PaymentMethod, notice: Notice) -> tuple[Checkout | None, str]:
    """Do what a notice of a gateway asks for; answer what it is about, and what is wrong with it."""
    if notice.kind in (REFUNDED, NOT_REFUNDED):
        return None, _take_refund(method, notice)
    if notice.kind == NOTHING:
        return None, ""
    checkout = _of_notice(method, notice)
    if checkout is None:
        return None, f"{notice.reference or notice.payment} is {notice.kind}, and was not begun here."
    if notice.kind == ENDED:
        _end(checkout)
        return checkout, ""
    return checkout, _take_payment(checkout, notice)


def _take_payment(checkout, notice):
    """The price is ours: what says another amount or currency pays for nothing."""
    said, asked = (notice.amount, notice.currency), (checkout.amount, checkout.currency)
    if said != asked:
        return f"{notice.payment} is {said[0]} {said[1]}, and {asked[0]} {asked[1]} was asked for."
    payments.credit(checkout.booking, checkout.method, notice.payment, notice.amount, notice.fee)
    checkout.status = CheckoutStatus.PAID
    db.session.flush()
    return ""


def _of_notice(method, notice):
    if not notice.key:
        return None
    found = select(Checkout).where(Checkout.key == notice.key, Checkout.method == method).with_for_update()
    checkout = db.session.scalar(found.execution_options(populate_existing=True))
    # Of a payment alone, and before the call that began it has come back, we know no reference.
    other = checkout and checkout.reference and notice.reference and checkout.reference != notice.reference
    return None if other else checkout


def _end(checkout):
    """A paid one stays paid."""
    if checkout.status is CheckoutStatus.OPEN:
        checkout.status = CheckoutStatus.ENDED
        db.session.flush()


# -- Asking again, in case a message is lost --------------------------------------------------


def anything_due() -> bool:
    """Whether a gateway should be asked something now; one question, so that an idle site writes nothing."""
    due_checkout = select(Checkout.id).where(OPEN, Checkout.due_at <= clock.now()).exists()
    due_refund = select(Refund.id).where(ASKED, Refund.due_at <= clock.now(), _by_gateway()).exists()
    return bool(db.session.scalar(select(due_checkout | due_refund)))


def claim_checkouts(limit: int) -> list[tuple[int, PaymentMethod, str]]:
    """Open ones to ask about: id, gateway, reference. They are due again later, even if nothing comes of it."""
    due = select(Checkout).where(OPEN, Checkout.due_at <= clock.now()).order_by(Checkout.due_at).limit(limit)
    found = []
    for checkout in db.session.scalars(due.with_for_update(skip_locked=True)).all():
        _postpone(checkout)
        if checkout.reference is None or checkout.method.value not in settings.gateways:
            _end_if_over(checkout)
        else:
            found.append((checkout.id, checkout.method, checkout.reference))
    db.session.flush()
    return found


def looked(checkout_id: int, notice: Notice) -> None:
    """What a gateway said of one when it was asked."""
    checkout = _locked(Checkout, checkout_id)
    if notice.kind == NOTHING:
        _end_if_over(checkout)
        return
    _checkout, fault = take(checkout.method, notice)
    if fault:
        _note_fault(checkout, notice, fault)


def _note_fault(checkout, notice, fault):
    """Once, however often it is asked."""
    row = {"method": checkout.method, "event": f"looked:{checkout.key}", "kind": notice.kind, "fault": fault}
    row |= {"at": clock.now(), "checkout_id": checkout.id}
    new = _insert[db.session.connection().dialect.name](GatewayEvent).values(row)
    db.session.execute(new.on_conflict_do_nothing())
    _end(checkout)


def _end_if_over(checkout):
    if clock.now() > checkout.expires_at + LATE:
        _end(checkout)


# -- Money that a gateway gives back ----------------------------------------------------------


def claim_refunds(limit: int) -> list[tuple[int, PaymentMethod, str, int, str, bool]]:
    """Those to be asked for: id, gateway, its payment, amount, key, and whether it may have been asked before."""
    due = select(Refund).where(ASKED, Refund.due_at <= clock.now(), _by_gateway()).order_by(Refund.due_at)
    found = []
    for refund in db.session.scalars(due.limit(limit).with_for_update(skip_locked=True, of=Refund)).all():
        again = refund.tries > 0
        _postpone(refund)
        if refund.tries > MOST_TRIES:
            refund.state, refund.error = RefundState.FAILED, _("The gateway gave no answer for days.")
        elif refund.payment.method.value in settings.gateways:
            paid = refund.payment
            found.append((refund.id, paid.method, paid.reference, refund.amount, refund.key, again))
    db.session.flush()
    return found


def refunded(refund_id: int, notice: Notice) -> None:
    """What a gateway said when it was asked to give money back."""
    refund = _locked(Refund, refund_id)
    refund.reference = notice.refund
    if notice.kind == REFUNDED:
        _send(refund)
    elif notice.kind == NOT_REFUNDED:
        _fail(refund, "")
    db.session.flush()


def not_refunded(refund_id: int, error: str) -> None:
    """The gateway will not give it back: an admin has to."""
    _fail(_locked(Refund, refund_id), error)


def ask_again(refund: Refund, by: User) -> None:
    """Have a gateway that said no be asked once more."""
    if refund.state is not RefundState.FAILED:
        raise InvalidTransition(_("This refund was answered already. Look again."))
    if refund.tries <= MOST_TRIES:
        # It said no, and to the old key it would only say so again.
        refund.key = uuid.uuid4().hex
    refund.state, refund.tries, refund.due_at = RefundState.ASKED, 1, clock.now()
    db.session.flush()
    audit.record(by, "repeat_refund", "payment", refund.payment_id, amount=refund.amount)


def send_by_hand(refund: Refund, by: User, reference: str) -> None:
    """An admin has sent the money back, and under which number."""
    refund = _locked(Refund, refund.id)
    reference = " ".join(reference.split())
    if not 0 < len(reference) <= LONGEST_REFERENCE:
        raise Invalid(_("Enter the number of the transfer."), "reference")
    if refund.state is RefundState.DONE or not is_by_hand(refund):
        raise Conflict(_("This refund was answered already. Look again."))
    refund.reference = reference
    _send(refund)
    audit.record(by, "send_refund", "payment", refund.payment_id, amount=refund.amount, reference=reference)


def is_by_hand(refund: Refund) -> bool:
    """Whether an admin has to send it: it lies at the bank, or the gateway said no."""
    return refund.state is RefundState.FAILED or refund.payment.method not in payments.GATEWAYS


def get_refund(refund_id: int) -> Refund:
    found = db.session.get(Refund, refund_id)
    if found is None:
        raise NotFound(_("There is no such refund."))
    return found


def _take_refund(method, notice):
    found = select(Refund).join(Payment, Payment.id == Refund.payment_id)
    refund = notice.key and db.session.scalar(
        found.where(Refund.key == notice.key, Payment.method == method).with_for_update(of=Refund)
    )
    if not refund:
        return f"{notice.refund} of {notice.amount} went back, and was not asked for here."
    if refund.amount != notice.amount:
        return f"{notice.refund} is {notice.amount}, and {refund.amount} was to go back."
    if notice.kind == NOT_REFUNDED and refund.state is RefundState.DONE:
        return f"{notice.refund} of {notice.amount} had gone back, and has not arrived."
    refunded(refund.id, notice)
    return ""


def _send(refund):
    if refund.state is not RefundState.DONE:
        refund.state, refund.done_at, refund.error = RefundState.DONE, clock.now(), ""
        db.session.flush()
        billing.sent_back(refund)


def _fail(refund, error):
    """What went back stays so."""
    if refund.state is RefundState.ASKED:
        refund.state, refund.error = RefundState.FAILED, error[:LONGEST_ERROR]
        db.session.flush()


# -- Small print ------------------------------------------------------------------------------


def _by_gateway():
    return Refund.holder.like("gateway:%")


def _postpone(row):
    pause = min(FIRST_PAUSE * 2 ** min(row.tries, 10), LONGEST_PAUSE)
    row.tries, row.due_at = row.tries + 1, clock.now() + pause


def _locked(kind, row_id):
    found = select(kind).where(kind.id == row_id).with_for_update(of=kind)
    return db.session.scalars(found.execution_options(populate_existing=True)).one()
