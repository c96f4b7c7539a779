"""Another time for a booking, by agreement: one side proposes, the other agrees, proposes back or declines.

The old slot is held until the new one is claimed. Who agrees to a time on a request that is not
answered yet agrees to the booking: it is accepted at the new time.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.exc import IntegrityError

from domain import availability, bookings, clock, commissions, deadlines, masking, offers, schedules, standings
from domain.errors import Conflict, Invalid, InvalidTransition
from domain.transitions import CHANGEABLE, UNANSWERED, move, open_proposal, overdue_proposal, reclaim, rule_for, tell
from extensions import db, settings
from models import Approval, Booking, Status, User
from models_lifecycle import Proposal, ProposalStatus

MAX_NOTE = 500

_OPEN = Proposal.status == ProposalStatus.OPEN


# -- What both sides can do -------------------------------------------------------------------


def propose(booking: Booking, by: User, starts_at: datetime, note: str = "") -> Proposal:
    """Ask the other side for another time; a proposal of theirs that is open is answered by it.

    Raises Invalid when the time can't be booked, or is not free now.
    """
    rule = rule_for("propose", booking, by)
    note = _checked(note)
    if starts_at == booking.starts_at:
        raise Invalid(_("That is the time it has now. Choose another."), "starts_at")
    check_time(booking, by, starts_at)
    if not availability.is_free(booking.professional_id, booking.id, starts_at, _minutes(booking)):
        raise Invalid(_("That time is taken. Choose one of the free slots."), "starts_at")
    proposal = Proposal(booking_id=booking.id, by_id=by.id, starts_at=starts_at, note=note, created_at=clock.now())
    proposal.lapses_at = lapses_at(booking, starts_at)
    if proposal.lapses_at <= clock.now():
        raise Invalid(_("That is too soon for an answer. Choose a later time."), "starts_at")
    _let_lapse(booking)
    theirs = open_proposal(booking)
    # A request waits for the answer to its other time.
    waits = {"respond_by": max(booking.respond_by, proposal.lapses_at)} if _pending(booking) else {}
    move(booking, rule, by, note, **waits)
    if theirs is not None:
        _answer(theirs, ProposalStatus.COUNTERED)
    _add(booking, proposal)
    told = {"new_time": starts_at.isoformat(), "until": proposal.lapses_at.isoformat()}
    _tell_other(booking, by, "proposed", note, **told)
    return proposal


def agree(booking: Booking, by: User, proposal_id: int) -> None:
    """Take the time that the other side proposed: both claims move in this transaction.

    Raises Conflict when the time was taken in the meantime; the booking keeps its old one.
    """
    rule = rule_for("agree", booking, by)
    proposal = _seen(booking, proposal_id)
    starts_at, minutes, was_pending = proposal.starts_at, _minutes(booking), _pending(booking)
    try:
        check_time(booking, by, starts_at)
    except Invalid as no_more:
        # It could be booked when it was proposed.
        raise Conflict(no_more.message) from no_more
    accepted = _terms(booking) if was_pending else {}
    ends_at = starts_at + timedelta(minutes=minutes)
    former_start = booking.starts_at
    move(booking, rule, by, starts_at=starts_at, ends_at=ends_at, moves=booking.moves + 1, **accepted)
    _answer(proposal, ProposalStatus.AGREED)
    reclaim(booking, booking.professional_id, former_start)
    if was_pending:
        bookings.count_answer(booking.professional_id, accepted=True)
    _tell_other(booking, by, "time_agreed", new_time=starts_at.isoformat())


def decline(booking: Booking, by: User, proposal_id: int, note: str = "") -> None:
    """Keep the time that it has; either side may propose again."""
    rule = rule_for("decline_time", booking, by)
    note = _checked(note)
    proposal = _seen(booking, proposal_id)
    # It is the professional's turn again to answer the request itself.
    turn = by.id == booking.customer_id and _pending(booking)
    until = max(booking.respond_by, offers.answer_by(clock.now(), booking.starts_at)) if turn else None
    move(booking, rule, by, note, **({"respond_by": until} if turn else {}))
    _answer(proposal, ProposalStatus.DECLINED)
    _tell_other(booking, by, "time_declined", note, new_time=proposal.starts_at.isoformat())


def withdraw(booking: Booking, by: User, proposal_id: int) -> None:
    """Take back a proposal of one's own."""
    rule = rule_for("withdraw", booking, by)
    proposal = _seen(booking, proposal_id)
    move(booking, rule, by)
    _answer(proposal, ProposalStatus.WITHDRAWN)
    _tell_other(booking, by, "time_withdrawn", new_time=proposal.starts_at.isoformat())


# -- The clock --------------------------------------------------------------------------------


def lapse_due(limit: int = 100) -> int:
    """Let the proposals lapse that nobody answered in time; answer how many.

    Those of a request that has expired itself end with it.
    """
    now = clock.now()
    due = (
        select(Booking)
        .join(Proposal, Proposal.booking_id == Booking.id)
        .where(_OPEN, Proposal.lapses_at <= now, Booking.status.in_(CHANGEABLE))
        .where(~(UNANSWERED & (Booking.respond_by <= now)))
        .order_by(Proposal.lapses_at)
        .limit(limit)
        # What somebody is answering at this moment is looked at next time.
        .with_for_update(of=Booking, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return sum(_let_lapse(booking) for booking in db.session.scalars(due).all())


def lapses_at(booking: Booking, starts_at: datetime) -> datetime:
    """When a proposal made now ends by itself: 12 h, and 60 min before either start at the latest."""
    policy = settings.policy
    latest = min(booking.starts_at, starts_at) - timedelta(minutes=policy.expire_before_start_minutes)
    return min(clock.now() + timedelta(hours=policy.proposal_hours), latest)


def _let_lapse(booking):
    """Whether a booking had an overdue proposal, which is none from now on."""
    proposal = overdue_proposal(booking)
    if proposal is None:
        return False
    move(booking, rule_for("lapse", booking, None), None)
    _answer(proposal, ProposalStatus.LAPSED)
    people = [booking.customer_id, booking.professional_id]
    tell(people, "time_lapsed", booking, new_time=proposal.starts_at.isoformat())
    return True


# -- What is there to see ---------------------------------------------------------------------


def open_of(people_bookings: Iterable[Booking]) -> dict[int, Proposal]:
    """The open proposals of several bookings by the booking's id, in one query."""
    ids = [booking.id for booking in people_bookings if booking.status in CHANGEABLE]
    wanted = select(Proposal).where(Proposal.booking_id.in_(ids), _OPEN, Proposal.lapses_at > clock.now())
    return {one.booking_id: one for one in db.session.scalars(wanted)}


def is_proposed_by(user: User):
    """SQL condition that a person waits for an answer to another time for a booking."""
    return exists().where(
        Proposal.booking_id == Booking.id, _OPEN, Proposal.by_id == user.id, Proposal.lapses_at > clock.now()
    )


def to_answer(user: User) -> Select:
    """The bookings of a person for which the other side proposes another time."""
    mine = Booking.professional_id == user.id if user.is_professional else Booking.customer_id == user.id
    proposed = exists().where(
        Proposal.booking_id == Booking.id, _OPEN, Proposal.by_id != user.id, Proposal.lapses_at > clock.now()
    )
    return select(Booking).where(mine, Booking.status.in_(CHANGEABLE), Booking.starts_at > clock.now(), proposed)


def waiting_number(user: User):
    """How many answers of a professional are waited for, as a column of a query: to requests without those
    that wait for the customer themselves, and to other times of agreed jobs."""
    requests = schedules.waiting(user).where(~is_proposed_by(user))
    other_times = to_answer(user).where(Booking.status == Status.ACCEPTED)
    first, second = (one.with_only_columns(func.count()).scalar_subquery() for one in (requests, other_times))
    return first + second


def waiting_for(user: User) -> int:
    return db.session.scalar(select(waiting_number(user)))


def told_by(booking: Booking) -> dict[int, Proposal]:
    """Of which proposal each event of a booking tells, by the event's id."""
    made, current, told = iter(booking.proposals), None, {}
    for event in booking.events:
        if event.verb == "propose":
            current = next(made, None)
        if event.verb in ("propose", "agree", "decline_time", "withdraw", "lapse") and current is not None:
            told[event.id] = current
    return told


def moves_left(booking: Booking) -> int:
    """How often the two can still agree to another time."""
    return max(settings.policy.agreed_moves - booking.moves, 0)


def check_time(booking: Booking, by: User, starts_at: datetime) -> None:
    """Raises Invalid unless both sides can keep the booking at another start, whoever holds it now.

    A pause or a service taken off the list stops new bookings; one that stands can still move.
    """
    professional, minutes = booking.professional, _minutes(booking)
    ends_at = starts_at + timedelta(minutes=minutes)
    connection = standings.lock(booking.customer, professional.id)
    availability.check_bookable(starts_at, deadlines.horizon_days(booking))
    if professional.approval is not Approval.APPROVED or not professional.user.active:
        raise Invalid(_("The professional cannot work for this site now. Cancel, or keep the time."))
    availability.check_open(professional.id, starts_at, ends_at)
    availability.check_way(connection, professional.id, booking.pin, starts_at, minutes, booking.id)
    if standings.is_busy(connection, booking.customer, starts_at, ends_at, booking.id):
        if by.id == booking.customer_id:
            raise Invalid(_("You have another booking at that time. Choose a different time."), "starts_at")
        raise Invalid(_("The customer has another booking at that time. Choose a different time."), "starts_at")


# -- Small print ------------------------------------------------------------------------------


def _add(booking, proposal):
    booking.proposals.append(proposal)
    try:
        db.session.flush()
    except IntegrityError as other:
        raise Conflict(_("Another time has just been proposed. Look at it first.")) from other


def _seen(booking, proposal_id):
    """The open proposal, if it is still the one that the person saw."""
    proposal = open_proposal(booking)
    if proposal.id != proposal_id:
        raise _changed()
    return proposal


def _answer(proposal, status):
    """Compare and set, so that of two answers at once one is too late."""
    answered = db.session.execute(
        update(Proposal)
        .where(Proposal.id == proposal.id, _OPEN)
        .values(status=status, answered_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(proposal)
    if not answered.rowcount:
        raise _changed()


def _changed():
    return InvalidTransition(_("The proposal changed in the meantime. Look again."))


def _tell_other(booking, by, kind, note="", **times):
    other = booking.professional_id if by.id == booking.customer_id else booking.customer_id
    note = masking.told(note, booking)
    tell([other], kind, booking, by.name, reason=f"“{note}”" if note else "", **times)


def _terms(booking):
    """What is written on a request that becomes a booking by the agreement."""
    return {"accepted_at": clock.now(), "commission": commissions.agreed(booking, booking.professional)}


def _pending(booking):
    return booking.status is Status.PENDING


def _minutes(booking):
    return (booking.ends_at - booking.starts_at) // timedelta(minutes=1)


def _checked(note):
    note = note.strip()
    if len(note) > MAX_NOTE:
        raise Invalid(_("Keep the note under %(most)s characters.", most=MAX_NOTE), "note")
    return note
