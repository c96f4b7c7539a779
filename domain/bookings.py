"""The life of a booking after it was requested: who sees it, and the verbs of each party."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import Select, and_, false, or_, select, update
from sqlalchemy.orm import joinedload

from domain import (
    audit,
    availability,
    billing,
    cascades,
    causes,
    clock,
    commissions,
    extras,
    masking,
    matching,
    offers,
    payments,
    refunds,
    start_codes,
)
from domain.errors import Conflict, Invalid, InvalidTransition, NotFound, WrongCode
from domain.transitions import (
    BLOCKING,
    TO_CLOSE,
    UNANSWERED,
    Party,
    add_event,
    locked,
    move,
    proposed_until_the_end,
    reclaim,
    rule_for,
    tell,
)
from domain.transitions import available_actions as available_actions
from extensions import db, settings
from models import (
    FIRST_REFERENCE,
    Booking,
    BookingOffer,
    PaymentMethod,
    Professional,
    Role,
    Status,
    User,
)

MAX_REASON = 500


def visible_to(user: User) -> Select:
    """The bookings that a person may see: their own, those offered to them, or all for an admin."""
    if user.role is Role.ADMIN:
        return select(Booking)
    if user.role is Role.CUSTOMER:
        return select(Booking).where(Booking.customer_id == user.id)
    if user.role is Role.PROFESSIONAL:
        offered = select(BookingOffer.booking_id).where(BookingOffer.professional_id == user.id)
        return select(Booking).where(or_(Booking.professional_id == user.id, Booking.id.in_(offered)))
    return select(Booking).where(false())


def get(booking_id: int, user: User) -> Booking:
    """One booking with its people and service. Raises NotFound for a stranger too."""
    booking = db.session.scalar(
        visible_to(user)
        .where(Booking.id == booking_id)
        .options(
            joinedload(Booking.service),
            joinedload(Booking.customer),
            joinedload(Booking.pin),
            joinedload(Booking.professional).joinedload(Professional.user),
        )
    )
    if booking is None:
        raise NotFound(_("There is no such booking, or it is not yours."))
    return booking


def is_live():
    """The condition that it is still to come or under way; a request whose deadline has passed is neither."""
    unanswered = and_(Booking.status == Status.PENDING, Booking.respond_by > clock.now())
    return or_(Booking.status.in_(BLOCKING - {Status.PENDING}), unanswered)


def id_of_reference(reference: str) -> int | None:
    """The booking id behind a reference such as DS-10042, or behind its bare number."""
    digits = reference.strip().upper().removeprefix("DS-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 16):
        return None
    return max(int(digits) - FIRST_REFERENCE, 0) or None


@dataclass(frozen=True)
class CancellationTerms:
    """Until when the customer cancels for nothing, and what it costs now, in minor units."""

    free_until: datetime
    fee: int


def cancellation_terms(booking: Booking) -> CancellationTerms:
    free_until = free_to_cancel_until(booking.starts_at, booking.created_at)
    free = booking.status is Status.PENDING or clock.now() <= free_until
    return CancellationTerms(free_until, 0 if free else late_fee(booking))


def late_fee(booking: Booking) -> int:
    """What a customer owes who cancels too late or is not there. Work that is done again costs nothing."""
    return 0 if booking.rework_of_id else settings.late_fee


def free_to_cancel_until(starts_at: datetime, asked_at: datetime) -> datetime:
    policy = settings.policy
    return max(
        starts_at - timedelta(hours=policy.free_cancel_hours),
        asked_at + timedelta(minutes=policy.cancel_grace_minutes),
    )


# -- The professional -------------------------------------------------------------------------


def accept(booking: Booking, by: User, seen: datetime | None = None, commission: int | None = None) -> None:
    """Take the job. `seen` and `commission` are what the professional was shown, if a page says so.

    Raises Conflict when a booking for any professional no longer fits their day.
    """
    rule = rule_for("accept", booking, by)
    if seen is not None and seen != booking.starts_at:
        raise InvalidTransition(
            _("The customer has moved this to %(time)s. Look again.", time=clock.spoken(booking.starts_at))
        )
    terms = {"accepted_at": clock.now(), "commission": commissions.agreed(booking, by.professional, commission)}
    if rule.by is Party.OFFERED:
        availability.lock_day(by.id)
        move(booking, rule, by, professional_id=by.id, **terms)
        try:
            availability.claim(by.id, booking.id, booking.starts_at, _minutes(booking))
        except Conflict as busy:
            raise Conflict(_("You already have a booking at that time.")) from busy
        if not availability.who_reaches([by.id], booking.pin, booking.starts_at, booking.ends_at):
            raise Conflict(_("You can't get there in time from your other bookings."))
        offers.settle(booking, by)
    else:
        move(booking, rule, by, **terms)
    count_answer(by.id, accepted=True)
    tell([booking.customer_id], "accepted", booking, by.name)


def reject(booking: Booking, by: User, reason: str) -> None:
    """Decline. A booking for any professional is over when the last of them has declined."""
    if booking.professional_id is None:
        # Of the last two to decline at once, one has to see that nobody is left.
        db.session.execute(select(Booking.id).where(Booking.id == booking.id).with_for_update())
        db.session.refresh(booking)
    rule = rule_for("reject", booking, by)
    reason = _required(reason)
    for_any = rule.by is Party.OFFERED
    if for_any:
        offers.decline(booking, by)
        if offers.open_to(booking):
            add_event(booking, "decline_offer", by, reason)
            count_answer(by.id, accepted=False)
            return
    move(booking, rule, by, reason)
    count_answer(by.id, accepted=False)
    if not cascades.follow(booking):
        refunds.give_all_back(booking, reason)
        kind = "nobody" if for_any or booking.cascade else "rejected"
        tell([booking.customer_id], kind, booking, by.name, reason=masking.told(reason, booking))


def depart(booking: Booking, by: User) -> None:
    move(booking, rule_for("depart", booking, by), by)
    tell([booking.customer_id], "departed", booking, by.name)


def start(booking: Booking, by: User, code: str) -> None:
    """Begin the work with the customer's code. Raises WrongCode, which is kept as a try."""
    rule = rule_for("start", booking, by)
    # The try is counted before the code is compared: guesses sent at once each cost one.
    tried = db.session.execute(
        update(Booking)
        .where(Booking.id == booking.id, Booking.code_tries < settings.policy.code_tries)
        .values(code_tries=Booking.code_tries + 1)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(booking)
    if not tried.rowcount:
        raise InvalidTransition(locked())
    if not start_codes.matches(booking, code):
        left = settings.policy.code_tries - booking.code_tries
        if not left:
            raise WrongCode(locked(), "code")
        raise WrongCode(_("That code is wrong. Ask the customer again: %(left)s tries are left.", left=left), "code")
    move(booking, rule, by)
    tell([booking.customer_id], "started", booking, by.name)


def complete(booking: Booking, by: User) -> None:
    now = clock.now()
    move(booking, rule_for("complete", booking, by), by, completed_at=now)
    db.session.execute(
        update(Professional)
        .where(Professional.id == booking.professional_id)
        .values(last_job_at=now)
        .execution_options(synchronize_session=False)
    )
    billing.settle(booking)
    tell([booking.customer_id], "completed", booking, by.name)


def record_payment(booking: Booking, by: User, method: PaymentMethod, amount: int | None = None) -> None:
    """Note that the customer paid the professional, all that is due unless an amount is given."""
    rule = rule_for("record_payment", booking, by)
    amount = booking.due if amount is None else amount
    if not 0 < amount <= booking.due:
        raise Invalid(_("Enter an amount up to what is still due."), "amount")
    move(booking, rule, by, where=(Booking.paid == booking.paid,), paid=booking.paid + amount)
    payments.note(booking, by, PaymentMethod(method), amount)
    tell([booking.customer_id], "paid", booking, by.name)


# -- The customer -----------------------------------------------------------------------------


def start_code(booking: Booking, by: User) -> str | None:
    """The four digits, for the customer of a booking whose work has not begun."""
    if by.id != booking.customer_id or booking.status not in (Status.ACCEPTED, Status.EN_ROUTE):
        return None
    return start_codes.code_of(booking)


def renew_code(booking: Booking, by: User) -> None:
    rule = rule_for("renew_code", booking, by)
    move(booking, rule, by, code_salt=start_codes.new_salt(), code_tries=0)
    tell([booking.professional_id], "code_renewed", booking, by.name)


def close(booking: Booking, by: User) -> None:
    """The customer confirms that the work is done."""
    move(booking, rule_for("close", booking, by), by, closed_at=clock.now())
    tell([booking.professional_id], "closed", booking, by.name)


# -- Several parties --------------------------------------------------------------------------


def cancel(booking: Booking, by: User, reason: str = "", cause: str | None = None) -> None:
    """End it without work. What it would have cost is reversed; a late customer owes the late fee. `cause` is
    one of their role's (see domain.causes), and `reason` their own words."""
    rule = rule_for("cancel", booking, by)
    cause = causes.checked(cause, by.role)
    reason = _required(reason) if rule.by is Party.ADMIN else _short(reason)
    fee = cancellation_terms(booking).fee if rule.by is Party.CUSTOMER else 0
    asked = [] if booking.professional_id else offers.open_to(booking)
    others = [*_people(booking), *asked]
    move(booking, rule, by, reason, cause=cause, where=(Booking.paid == booking.paid,))
    if asked:
        offers.settle(booking, by)
    if rule.by is Party.PROFESSIONAL and cascades.follow(booking):
        return
    extras.drop(booking)
    for column, value in refunds.reverse(booking, by, fee, refunds.CANCELLED, reason or "Cancelled").items():
        setattr(booking, column, value)
    billing.settle(booking)
    if rule.by is Party.ADMIN:
        audit.record(by, "cancel", "booking", booking.id, reason=reason)
        tell(others, "cancelled_by_admin", booking, by.name, reason=reason)
    else:
        kind = "cancelled_nobody" if rule.by is Party.PROFESSIONAL and booking.cascade else "cancelled"
        tell([person for person in others if person != by.id], kind, booking, by.name)


# -- The admin --------------------------------------------------------------------------------


def override_code(booking: Booking, by: User, reason: str) -> None:
    """Let the work begin without the code."""
    reason = _required(reason)
    move(booking, rule_for("override_code", booking, by), by, reason)
    audit.record(by, "override_code", "booking", booking.id, reason=reason)
    tell(_people(booking), "started", booking, by.name)


def reassign(booking: Booking, by: User, professional_id: int, reason: str) -> None:
    """Give an accepted booking to another free professional at the same price."""
    rule = rule_for("reassign", booking, by)
    reason = _required(reason)
    former = booking.professional
    # What they take on at this moment may be in the way.
    availability.lock_day(professional_id)
    if professional_id not in {candidate.professional_id for candidate in replacements(booking)}:
        raise Invalid(_("That professional is not free then. Choose one of the list."), "professional_id")
    successor = db.session.get_one(User, professional_id)
    terms = {"professional_id": professional_id, "commission": commissions.agreed(booking, successor.professional)}
    move(booking, rule, by, reason, **terms, code_salt=start_codes.new_salt(), code_tries=0)
    reclaim(booking, former.id, booking.starts_at)
    audit.record(by, "reassign", "booking", booking.id, reason=reason, former=former.id, to=professional_id)
    tell([booking.customer_id], "reassigned", booking, successor.name)
    tell([professional_id], "given", booking, booking.customer.name)
    tell([former.id], "taken_away", booking, successor.name, reason=reason)


def replacements(booking: Booking) -> list[matching.Candidate]:
    """The professionals to whom an admin can give the booking, best first."""
    return matching.candidates(
        booking.service_id,
        booking.pin,
        booking.starts_at,
        booking.ends_at,
        (booking.professional_id or 0,),
        customer_id=booking.customer_id,
        visit=booking.id,
    )


# -- The clock --------------------------------------------------------------------------------


def expire_due(limit: int = 100, without: int | None = None) -> int:
    """Expire the requests whose deadline has passed; answer how many.

    They go on to others where their customers wish it, but not to `without` (see domain.cascades).
    """
    due = select(Booking).where(UNANSWERED, Booking.respond_by <= clock.now()).with_for_update(skip_locked=True)
    expired = 0
    for booking in db.session.scalars(due.order_by(Booking.respond_by).limit(limit)).all():
        asked = [booking.professional_id] if booking.professional_id else offers.open_to(booking)
        # Who proposed another time has answered: it was the customer's turn.
        silent = [] if proposed_until_the_end(booking) else asked
        move(booking, rule_for("expire", booking, None), None)
        for professional_id in silent:
            count_answer(professional_id, accepted=False)
        offers.lapse(booking)
        if not cascades.follow(booking, without):
            refunds.give_all_back(booking, "Expired")
            tell([booking.customer_id], "nobody" if booking.cascade else "expired", booking)
        tell(asked, "expired", booking)
        expired += 1
    return expired


def close_due(limit: int = 100) -> int:
    """Close the completed bookings that the customer has not confirmed in time; answer how many."""
    before = clock.now() - timedelta(hours=settings.policy.auto_close_hours)
    # What the customer disputes at this moment is looked at next time.
    due = select(Booking).where(TO_CLOSE, Booking.completed_at <= before).with_for_update(skip_locked=True)
    closed = 0
    for booking in db.session.scalars(due.order_by(Booking.completed_at).limit(limit)).all():
        move(booking, rule_for("close", booking, None), None, closed_at=clock.now())
        tell(_people(booking), "auto_closed", booking)
        closed += 1
    return closed


# -- Small print ------------------------------------------------------------------------------


def _minutes(booking):
    return (booking.ends_at - booking.starts_at) // timedelta(minutes=1)


def _people(booking):
    return [person for person in (booking.customer_id, booking.professional_id) if person]


def count_answer(professional_id, accepted):
    """An expired request counts as one that was not accepted."""
    db.session.execute(
        update(Professional)
        .where(Professional.id == professional_id)
        .values(
            offers_answered=Professional.offers_answered + 1,
            offers_accepted=Professional.offers_accepted + int(accepted),
        )
        .execution_options(synchronize_session=False)
    )


def _required(reason):
    reason = _short(reason)
    if not reason:
        raise Invalid(_("Give a reason: the other side will read it."), "reason")
    return reason


def _short(reason):
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise Invalid(_("Keep the reason under %(most)s characters.", most=MAX_REASON), "reason")
    return reason
