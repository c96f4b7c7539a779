"""The one table of what can happen to a booking, and how a booking moves along it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import insert, text, update

from domain import availability, clock, coupons, deadlines, news, notifications, tallies, tracking, waits, webhooks
from domain.deadlines import not_before
from domain.deadlines import openings as openings
from domain.errors import DomainError, InvalidTransition, NotAllowed
from extensions import db, settings
from models import Approval, Booking, BookingEvent, OfferStatus, Professional, Role, Status, User
from models_lifecycle import Proposal, ProposalStatus


class Party(StrEnum):
    """In what quality somebody acts on a booking."""

    CUSTOMER = "customer"
    PROFESSIONAL = "professional"
    OFFERED = "offered"
    ADMIN = "admin"
    CLOCK = "clock"


@dataclass(frozen=True)
class Rule:
    """A verb, who may, from which states, to which; without `target` the state stays."""

    verb: str
    by: Party
    sources: frozenset[Status]
    target: Status | None = None


def _from(*statuses):
    return frozenset(statuses)


S = Status
RULES = (
    Rule("accept", Party.PROFESSIONAL, _from(S.PENDING), S.ACCEPTED),
    Rule("accept", Party.OFFERED, _from(S.PENDING), S.ACCEPTED),
    Rule("reject", Party.PROFESSIONAL, _from(S.PENDING), S.REJECTED),
    Rule("reject", Party.OFFERED, _from(S.PENDING), S.REJECTED),
    Rule("expire", Party.CLOCK, _from(S.PENDING), S.EXPIRED),
    Rule("edit", Party.CUSTOMER, _from(S.PENDING, S.ACCEPTED)),
    Rule("move", Party.CUSTOMER, _from(S.PENDING)),
    Rule("propose", Party.CUSTOMER, _from(S.PENDING, S.ACCEPTED)),
    Rule("propose", Party.PROFESSIONAL, _from(S.PENDING, S.ACCEPTED)),
    # Who agrees to a time agrees to the booking.
    Rule("agree", Party.CUSTOMER, _from(S.PENDING, S.ACCEPTED), S.ACCEPTED),
    Rule("agree", Party.PROFESSIONAL, _from(S.PENDING, S.ACCEPTED), S.ACCEPTED),
    Rule("decline_time", Party.CUSTOMER, _from(S.PENDING, S.ACCEPTED)),
    Rule("decline_time", Party.PROFESSIONAL, _from(S.PENDING, S.ACCEPTED)),
    Rule("withdraw", Party.CUSTOMER, _from(S.PENDING, S.ACCEPTED)),
    Rule("withdraw", Party.PROFESSIONAL, _from(S.PENDING, S.ACCEPTED)),
    Rule("lapse", Party.CLOCK, _from(S.PENDING, S.ACCEPTED)),
    Rule("cancel", Party.CUSTOMER, _from(S.PENDING, S.ACCEPTED, S.EN_ROUTE), S.CANCELLED),
    Rule("cancel", Party.PROFESSIONAL, _from(S.ACCEPTED, S.EN_ROUTE), S.CANCELLED),
    Rule("cancel", Party.ADMIN, _from(S.PENDING, S.ACCEPTED, S.EN_ROUTE, S.IN_PROGRESS), S.CANCELLED),
    Rule("reassign", Party.ADMIN, _from(S.ACCEPTED)),
    Rule("renew_code", Party.CUSTOMER, _from(S.ACCEPTED, S.EN_ROUTE)),
    Rule("depart", Party.PROFESSIONAL, _from(S.ACCEPTED), S.EN_ROUTE),
    Rule("start", Party.PROFESSIONAL, _from(S.ACCEPTED, S.EN_ROUTE), S.IN_PROGRESS),
    Rule("override_code", Party.ADMIN, _from(S.ACCEPTED, S.EN_ROUTE), S.IN_PROGRESS),
    Rule("knock", Party.PROFESSIONAL, _from(S.ACCEPTED, S.EN_ROUTE)),
    Rule("no_show", Party.PROFESSIONAL, _from(S.ACCEPTED, S.EN_ROUTE), S.NO_SHOW),
    Rule("no_show", Party.CUSTOMER, _from(S.ACCEPTED), S.NO_SHOW),
    Rule("cascade", Party.CLOCK, _from(S.REJECTED, S.EXPIRED, S.CANCELLED), S.PENDING),
    Rule("propose_extra", Party.PROFESSIONAL, _from(S.IN_PROGRESS)),
    Rule("approve_extra", Party.CUSTOMER, _from(S.IN_PROGRESS)),
    Rule("decline_extra", Party.CUSTOMER, _from(S.IN_PROGRESS)),
    Rule("withdraw_extra", Party.PROFESSIONAL, _from(S.IN_PROGRESS)),
    Rule("complete", Party.PROFESSIONAL, _from(S.IN_PROGRESS), S.COMPLETED),
    Rule("record_payment", Party.PROFESSIONAL, _from(S.COMPLETED, S.CLOSED)),
    Rule("close", Party.CUSTOMER, _from(S.COMPLETED), S.CLOSED),
    Rule("close", Party.CLOCK, _from(S.COMPLETED), S.CLOSED),
    Rule("dispute", Party.CUSTOMER, _from(S.COMPLETED, S.CLOSED), S.DISPUTED),
    Rule("answer_dispute", Party.PROFESSIONAL, _from(S.DISPUTED)),
    Rule("resolve", Party.ADMIN, _from(S.DISPUTED), S.CLOSED),
    Rule("review", Party.CUSTOMER, _from(S.COMPLETED, S.CLOSED)),
)
# The states in which a booking holds its claims.
BLOCKING = frozenset({S.PENDING, S.ACCEPTED, S.EN_ROUTE, S.IN_PROGRESS})
# Until the professional sets off, both sides can agree to another time.
CHANGEABLE = frozenset({S.PENDING, S.ACCEPTED})
# With these a proposal of another time means another booking than it did.
ENDS_PROPOSALS = frozenset({"move", "reassign"})
# With these a booking has come to its end before any work.
WITHOUT_WORK = frozenset({S.REJECTED, S.EXPIRED, S.CANCELLED, S.NO_SHOW})
# While these hold, each side may call the other.
IN_TOUCH = frozenset({S.ACCEPTED, S.EN_ROUTE, S.IN_PROGRESS, S.COMPLETED})
LABELS = {
    S.PENDING: _l("Pending"),
    S.ACCEPTED: _l("Accepted"),
    S.EN_ROUTE: _l("On the way"),
    S.IN_PROGRESS: _l("In progress"),
    S.COMPLETED: _l("Completed"),
    S.CLOSED: _l("Closed"),
    S.REJECTED: _l("Declined"),
    S.EXPIRED: _l("Expired"),
    S.CANCELLED: _l("Cancelled"),
    S.NO_SHOW: _l("No-show"),
    S.DISPUTED: _l("In dispute"),
}
del S
# As literals: SQLite prepares a statement anew each time a bound value might choose a partial index.
UNANSWERED = text("bookings.status = 'pending'")
TO_CLOSE = text("bookings.status = 'completed'")
HELD = text("waits.status = 'held'")
HOLDING = text(f"bookings.status IN ({', '.join(repr(status.value) for status in sorted(BLOCKING))})")

_ADD_EVENT = insert(BookingEvent).returning(BookingEvent.id)


def available_actions(booking: Booking, user: User) -> list[str]:
    """The verbs that this person can use on the booking now, in the order of the table."""
    qualities = parties(booking, user)
    verbs = []
    for rule in RULES:
        if rule.by not in qualities or booking.status not in rule.sources or rule.verb in verbs:
            continue
        try:
            _check(rule, booking, user)
        except DomainError:
            continue
        verbs.append(rule.verb)
    return verbs


def rule_for(verb: str, booking: Booking, user: User | None) -> Rule:
    """The line of the table by which this person does this now.

    Raises NotAllowed when no line names them, and InvalidTransition when the state, the time or
    the booking itself is in the way.
    """
    qualities = parties(booking, user)
    theirs = [rule for rule in RULES if rule.verb == verb and rule.by in qualities]
    with tallies.refusals(verb):
        if not theirs:
            raise NotAllowed(_("You can't do that with this booking."))
        for rule in theirs:
            if booking.status in rule.sources:
                _check(rule, booking, user)
                return rule
        raise _too_late(booking.status)


def move(
    booking: Booking, rule: Rule, by: User | None, reason: str = "", *, cause: str | None = None, where=(), **values
) -> None:
    """Compare and set: the booking must still be as it was when the rule was checked.

    Writes the event and gives the claims back when the booking no longer blocks. Raises
    InvalidTransition when somebody else was first.
    """
    source, former = booking.status, booking.professional_id
    values["status"] = rule.target or source
    moved = db.session.execute(
        update(Booking)
        .where(
            Booking.id == booking.id,
            Booking.status == source,
            Booking.starts_at == booking.starts_at,
            Booking.professional_id.is_not_distinct_from(booking.professional_id),
            *where,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(booking)
    if not moved.rowcount:
        raise _too_late(booking.status)
    add_event(booking, rule.verb, by, reason, source, cause)
    if former != booking.professional_id:
        news.of_booking(booking.id, former)
    if rule.verb in ENDS_PROPOSALS or booking.status not in CHANGEABLE:
        _drop_proposals(booking, ProposalStatus.LAPSED if rule.by is Party.CLOCK else ProposalStatus.WITHDRAWN)
    elif rule.verb == "accept":
        # Who takes the time that it has no longer asks for another; the customer still may.
        _drop_proposals(booking, ProposalStatus.WITHDRAWN, Proposal.by_id == by.id)
    if source is Status.EN_ROUTE and booking.status is not source:
        tracking.end(booking)
    if booking.status in WITHOUT_WORK:
        coupons.give_back(booking.id)
    elif source in WITHOUT_WORK:
        coupons.take_again(booking.id)
    if booking.status not in BLOCKING:
        availability.release(booking.id)
        news.of_slots(booking.professional_id)
        if source in BLOCKING:
            waits.slot_freed(booking.professional_id, booking.starts_at)


def reclaim(booking: Booking, former_professional_id: int, former_start: datetime) -> None:
    """Change the claims of a booking that has moved to another time or professional; what it leaves
    goes to whoever waits for it. Raises Conflict when the new time is somebody else's."""
    minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    availability.release(booking.id)
    availability.claim(booking.professional_id, booking.id, booking.starts_at, minutes)
    news.of_slots(former_professional_id)
    waits.slot_freed(former_professional_id, former_start)


def _drop_proposals(booking, status, *where):
    """Another time is no longer asked for when the booking itself moved on."""
    db.session.execute(
        update(Proposal)
        .where(Proposal.booking_id == booking.id, Proposal.status == ProposalStatus.OPEN, *where)
        .values(status=status, answered_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.expire(booking, ["proposals"])


def parties(booking: Booking, user: User | None) -> set[Party]:
    """In what qualities somebody acts on a booking; nobody is the clock."""
    if user is None:
        return {Party.CLOCK}
    if user.role is Role.ADMIN:
        return {Party.ADMIN}
    if user.id == booking.customer_id:
        return {Party.CUSTOMER}
    if user.id == booking.professional_id:
        return {Party.PROFESSIONAL}
    if user.role is Role.PROFESSIONAL and offer_of(booking, user):
        return {Party.OFFERED}
    return set()


def open_proposal(booking: Booking) -> Proposal | None:
    """The other time that waits for an answer, as the clock has it."""
    return next((one for one in _unanswered(booking) if clock.now() < one.lapses_at), None)


def overdue_proposal(booking: Booking) -> Proposal | None:
    """The other time that nobody answered in time and that no job has let lapse yet."""
    return next((one for one in _unanswered(booking) if one.lapses_at <= clock.now()), None)


def _unanswered(booking):
    return (one for one in booking.proposals if one.status is ProposalStatus.OPEN)


def proposed_until_the_end(booking: Booking) -> bool:
    """Whether a request that expires waited, in the end, for the customer's answer to another time."""
    last = booking.proposals[-1] if booking.proposals else None
    return (
        last is not None
        and last.by_id == booking.professional_id
        and last.status in (ProposalStatus.OPEN, ProposalStatus.LAPSED)
        and last.lapses_at >= booking.respond_by
    )


def let_down(booking: Booking) -> bool:
    """Whether a booking ended because its professional, or everybody who was asked, did not take it."""
    if booking.status in (Status.REJECTED, Status.EXPIRED):
        return True
    ends = (event for event in reversed(booking.events) if event.from_status != event.to_status)
    last = next(ends, None)
    by = last and (last.to_status, last.actor_id)
    return by in ((Status.CANCELLED, booking.professional_id), (Status.NO_SHOW, booking.customer_id))


def offer_of(booking: Booking, user: User) -> OfferStatus | None:
    """What became of a booking's offer to a professional, if there was one."""
    return next((offer.status for offer in booking.offers if offer.professional_id == user.id), None)


def add_event(
    booking: Booking, verb: str, by: User | None, reason="", source: Status | None = None, cause: str | None = None
) -> None:
    """Write down what happened, and tell webhooks; without `source` the state did not change."""
    event_id = db.session.scalar(
        _ADD_EVENT,
        {
            "booking_id": booking.id,
            "verb": verb,
            "from_status": source or booking.status,
            "to_status": booking.status,
            "actor_id": by.id if by else None,
            "at": clock.now(),
            "reason": reason,
            "cause": cause,
        },
    )
    tallies.did(verb)
    webhooks.tell(booking.id, verb, event_id)
    news.of_booking(booking.id, booking.customer_id, booking.professional_id)


def tell(people: list[int], kind: str, booking: Booking, name: str = "", **data) -> None:
    """Notify people of a move."""
    notifications.notify_all(
        people,
        kind,
        booking.id,
        service=booking.title,
        time=booking.starts_at.isoformat(),
        name=name,
        **data,
    )


# -- What the table cannot say: deadlines, times of day, locks ---------------------------------


def _check(rule, booking, user):
    guard = _GUARDS.get(rule.verb)
    if guard:
        guard(rule, booking, user)


def _check_unanswered(rule, booking, user):
    if booking.status is Status.PENDING and booking.respond_by <= clock.now():
        raise _too_late(Status.EXPIRED)


def _check_accept(rule, booking, user):
    _check_reject(rule, booking, user)
    professional = db.session.get(Professional, user.id)
    # Whoever does not want to meet the other again, the professional is not told.
    if rule.by is Party.OFFERED and any(pair.customer_id == booking.customer_id for pair in professional.apart):
        raise _gone()
    if professional.approval is not Approval.APPROVED:
        raise NotAllowed(_("You can accept requests once your profile is approved."))


def _check_reject(rule, booking, user):
    _check_unanswered(rule, booking, user)
    if rule.by is Party.OFFERED and offer_of(booking, user) is not OfferStatus.OPEN:
        raise _gone()


def _gone():
    return InvalidTransition(_("Another professional was first, or you have declined this."))


def _check_expire(rule, booking, user):
    if booking.respond_by > clock.now():
        raise InvalidTransition(_("This request can still be answered."))


def _proposed_by(booking, user, mine):
    """Whether the open proposal, if there is one, is this person's or else the other side's."""
    proposal = open_proposal(booking)
    return proposal is not None and (proposal.by_id == user.id) is mine


def _check_propose(rule, booking, user):
    _check_unanswered(rule, booking, user)
    most = settings.policy.agreed_moves
    if booking.professional_id is None:
        raise InvalidTransition(_("Nobody has taken this yet: change the time instead."))
    if booking.moves >= most:
        raise InvalidTransition(_("The time was changed %(most)s times already. Cancel, or keep it.", most=most))
    latest = booking.starts_at - timedelta(minutes=settings.policy.expire_before_start_minutes)
    if clock.now() >= latest:
        raise InvalidTransition(_("It is too late to propose another time: call the other side."))
    if _proposed_by(booking, user, mine=True):
        raise InvalidTransition(_("You have proposed a time already. Withdraw it to propose another."))


def _check_answer_time(rule, booking, user):
    _check_unanswered(rule, booking, user)
    if not _proposed_by(booking, user, mine=False):
        raise InvalidTransition(_("There is no other time to answer. It may have lapsed."))


def _check_withdraw(rule, booking, user):
    if not _proposed_by(booking, user, mine=True):
        raise InvalidTransition(_("There is no proposal of yours to withdraw. It may have lapsed."))


def _check_lapse(rule, booking, user):
    if overdue_proposal(booking) is None:
        raise InvalidTransition(_("No proposal is overdue."))


def _check_depart(rule, booking, user):
    not_before(openings(booking)["depart"])


def _check_start(rule, booking, user):
    not_before(openings(booking)["start"])
    if booking.code_tries >= settings.policy.code_tries:
        raise InvalidTransition(locked())


def _check_cascade(rule, booking, user):
    """Somebody else is asked when the customer wished it, it was not they who ended it, and there is time."""
    if not booking.cascade or not let_down(booking):
        raise InvalidTransition(_("Nobody else is asked for this booking."))
    lead = max(settings.policy.lead_minutes, settings.policy.expire_before_start_minutes)
    if booking.starts_at <= clock.now() + timedelta(minutes=lead):
        raise InvalidTransition(_("It is too late to ask somebody else."))


def _check_close(rule, booking, user):
    due = booking.completed_at + timedelta(hours=settings.policy.auto_close_hours)
    if rule.by is Party.CLOCK and clock.now() < due:
        raise InvalidTransition(_("The customer can still confirm this."))


def _check_payment(rule, booking, user):
    if booking.due <= 0:
        raise InvalidTransition(_("This booking is already paid."))


_GUARDS = {
    "accept": _check_accept,
    "reject": _check_reject,
    "expire": _check_expire,
    "edit": _check_unanswered,
    "move": _check_unanswered,
    "propose": _check_propose,
    "agree": _check_answer_time,
    "decline_time": _check_answer_time,
    "withdraw": _check_withdraw,
    "lapse": _check_lapse,
    "cancel": _check_unanswered,
    "cascade": _check_cascade,
    "depart": _check_depart,
    "start": _check_start,
    "knock": deadlines.check_knock,
    "no_show": deadlines.check_no_show,
    "propose_extra": deadlines.check_propose_extra,
    **dict.fromkeys(("approve_extra", "decline_extra", "withdraw_extra"), deadlines.check_open_extra),
    "complete": deadlines.check_complete,
    "close": _check_close,
    "record_payment": _check_payment,
    "dispute": deadlines.check_dispute,
    "answer_dispute": deadlines.check_answer_dispute,
    "resolve": deadlines.check_resolve,
    "review": deadlines.check_review,
}


def locked() -> str:
    return _("The code is locked after too many wrong tries. The customer can renew it on the booking's page.")


def _too_late(status):
    return InvalidTransition(_("That is no longer possible: the booking is now “%(status)s”.", status=LABELS[status]))
