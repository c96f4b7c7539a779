"""Another time for a booking, by agreement: one side proposes, the other agrees, proposes back or declines.

The old slot is held until the new one is claimed. Who agrees to a time on a request that is not
answered yet agrees to the booking: it is accepted at the new time.
"""

from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from domain import availability, bookings, clock, requests
from domain.errors import Conflict, Invalid, InvalidTransition
from domain.transitions import CHANGEABLE, move, open_proposal, rule_for, tell
from extensions import db, settings
from models import Booking, Status, User
from models_lifecycle import Proposal, ProposalStatus

MAX_NOTE = 500
_LAPSED = (
    select(Proposal)
    .where(Proposal.status == ProposalStatus.OPEN)
    .order_by(Proposal.lapses_at)
)


def propose(booking: Booking, by: User, starts_at: datetime, note: str = "") -> Proposal:
    """Ask the other side for another time; a proposal of theirs that is open is answered by it.

    Raises Invalid when the time can't be booked, or is not free now.
    """
    rule = rule_for("propose", booking, by)
    note = _checked(note)
    if starts_at == booking.starts_at:
        raise Invalid(_("That is the time it has now. Choose another."), "starts_at")
    requests.check_time(booking, starts_at)
    settle_lapsed(booking)
    theirs = open_proposal(booking)
    if theirs is not None:
        _answer(theirs, ProposalStatus.COUNTERED)
    proposal = Proposal(booking_id=booking.id, by_id=by.id, starts_at=starts_at, note=note)
    proposal.created_at = clock.now()
    proposal.lapses_at = lapses_at(booking, starts_at)
    booking.proposals.append(proposal)
    try:
        db.session.flush()
    except IntegrityError as taken:
        raise Conflict(_("The other side has just proposed a time. Look at it first.")) from taken
    # A request waits for the answer to its other time.
    deadline = max(booking.respond_by, proposal.lapses_at)
    move(booking, rule, by, note, respond_by=deadline)
    _tell_other(booking, by, "proposed", proposal, note=note)
    return proposal


def agree(booking: Booking, by: User, proposal_id: int) -> None:
    """Take the time that the other side proposed: both claims move in this transaction.

    Raises Conflict when the time was taken in the meantime; the booking keeps its old one.
    """
    rule = rule_for("agree", booking, by)
    proposal = _seen(booking, proposal_id)
    starts_at, minutes = proposal.starts_at, _minutes(booking)
    requests.check_time(booking, starts_at)
    availability.release(booking.id)
    availability.claim(booking.professional_id, booking.id, starts_at, minutes)
    accepted = {} if booking.accepted_at else {"accepted_at": clock.now()}
    ends_at = starts_at + timedelta(minutes=minutes)
    was_pending = booking.status is Status.PENDING
    move(booking, rule, by, starts_at=starts_at, ends_at=ends_at, moves=booking.moves + 1, **accepted)
    _answer(proposal, ProposalStatus.AGREED)
    if was_pending:
        bookings.count_answer(booking.professional_id, accepted=True)
    _tell_other(booking, by, "time_agreed", proposal)


def decline(booking: Booking, by: User, proposal_id: int, note: str = "") -> None:
    """Keep the old time; the other side may propose again."""
    rule = rule_for("decline_time", booking, by)
    note = _checked(note)
    proposal = _seen(booking, proposal_id)
    move(booking, rule, by, note)
    _answer(proposal, ProposalStatus.DECLINED)
    _tell_other(booking, by, "time_declined", proposal, note=note)


def withdraw(booking: Booking, by: User, proposal_id: int) -> None:
    """Take back a proposal of one's own."""
    rule = rule_for("withdraw", booking, by)
    proposal = _seen(booking, proposal_id)
    move(booking, rule, by)
    _answer(proposal, ProposalStatus.WITHDRAWN)
    _tell_other(booking, by, "time_withdrawn", proposal)


def lapse_due(limit: int = 100) -> int:
    """Let the proposals lapse that nobody answered in time; answer how many."""
    due = db.session.scalars(_LAPSED.where(Proposal.lapses_at <= clock.now()).limit(limit)).all()
    for proposal in due:
        booking = db.session.get_one(Booking, proposal.booking_id)
        _answer(proposal, ProposalStatus.LAPSED)
        # A booking that went on in the meantime needs no word of it.
        if booking.status in CHANGEABLE:
            move(booking, rule_for("lapse", booking, None), None)
            tell([booking.customer_id, booking.professional_id], "time_lapsed", booking, "")
    return len(due)


def settle_lapsed(booking: Booking) -> None:
    """Mark an overdue proposal of a booking as lapsed, so that another may take its place."""
    for proposal in booking.proposals:
        if proposal.status is ProposalStatus.OPEN and not proposal.open:
            _answer(proposal, ProposalStatus.LAPSED)


def lapses_at(booking: Booking, starts_at: datetime) -> datetime:
    """When a proposal made now ends by itself: 12 h, and 60 min before either start at the latest."""
    policy = settings.policy
    latest = min(booking.starts_at, starts_at) - timedelta(minutes=policy.expire_before_start_minutes)
    return min(clock.now() + timedelta(hours=policy.proposal_hours), latest)


def _seen(booking, proposal_id):
    """The open proposal, if it is still the one that the person saw."""
    proposal = open_proposal(booking)
    if proposal is None or proposal.id != proposal_id:
        raise _changed()
    return proposal


def _answer(proposal, status):
    """Compare and set, so that of two answers at once one is too late."""
    answered = db.session.execute(
        update(Proposal)
        .where(Proposal.id == proposal.id, Proposal.status == ProposalStatus.OPEN)
        .values(status=status, answered_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(proposal)
    if not answered.rowcount:
        raise _changed()


def _changed():
    return InvalidTransition(_("The proposal changed in the meantime. Look again."))


def _tell_other(booking, by, kind, proposal, note=""):
    other = booking.professional_id if by.id == booking.customer_id else booking.customer_id
    tell([other], kind, booking, by.name, new_time=proposal.starts_at.isoformat(), reason=note)


def _minutes(booking):
    return (booking.ends_at - booking.starts_at) // timedelta(minutes=1)


def _checked(note):
    note = note.strip()
    if len(note) > MAX_NOTE:
        raise Invalid(_("Keep the note under %(most)s characters.", most=MAX_NOTE), "note")
    return note
