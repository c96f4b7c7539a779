"""When finished work was not as it should be: what each side says, and how an admin decides.

A dispute ends with the work done again for nothing, with a refund of all or a part, or with neither.
The work that is done again is agreed at once: the time is one that the professional offered, the
customer has certainty, and like every agreed job it can still be moved by both or given to somebody
else by an admin.
"""

from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import func, select, update
from sqlalchemy.orm import joinedload

from domain import audit, availability, blocked_pairs, clock, files, proposals, refunds, start_codes, webhooks
from domain.errors import Invalid, InvalidTransition, NotFound
from domain.paging import Page, keyset
from domain.transitions import Rule, add_event, move, rule_for, tell
from extensions import db, settings
from models import Booking, BookingEvent, BookingLine, FileKind, LineKind, Professional, Status, User
from models_lifecycle import BookingService, Dispute, DisputePhoto, Outcome

FEWEST, MOST = 10, 2000
MOST_REASON = 500
MOST_PHOTOS = 5
MOST_COUNTED = 1000


# -- The two sides ----------------------------------------------------------------------------


def begin(booking: Booking, by: User, words: str, photos: list[files.Checked] = ()) -> Dispute:
    """The customer says what was wrong and shows it."""
    rule = rule_for("dispute", booking, by)
    words = _words(words, "words")
    check_number(photos)
    move(booking, rule, by)
    kept = [files.store(photo, by) for photo in photos]
    numbered = [DisputePhoto(position=position, file=file) for position, file in enumerate(kept, 1)]
    dispute = Dispute(booking=booking, words=words, opened_at=clock.now(), photos=numbered)
    db.session.add(dispute)
    db.session.flush()
    hours = settings.policy.answer_dispute_hours
    tell([booking.professional_id], "disputed", booking, by.name, hours=hours)
    return dispute


def check_number(photos: list) -> None:
    """Raises Invalid for too many photos: ask before looking into each of them, which is slow."""
    if len(photos) > MOST_PHOTOS:
        raise Invalid(_("Choose at most %(most)s photos.", most=MOST_PHOTOS), FileKind.EVIDENCE.value)


def answer(booking: Booking, by: User, words: str) -> None:
    """What the professional says to it, once."""
    rule = rule_for("answer_dispute", booking, by)
    words = _words(words, "answer")
    move(booking, rule, by)
    answered = db.session.execute(
        update(Dispute)
        .where(Dispute.booking_id == booking.id, Dispute.answered_at.is_(None))
        .values(answer=words, answered_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if not answered.rowcount:
        raise InvalidTransition(_("You have answered already. The site decides now."))
    db.session.refresh(booking.dispute)
    tell([booking.customer_id], "dispute_answered", booking, by.name)


# -- The admin --------------------------------------------------------------------------------


def dismiss(booking: Booking, by: User, reason: str) -> None:
    """Nothing changes, and both learn why."""
    rule = rule_for("resolve", booking, by)
    reason = _reason(reason)
    _decide(booking, rule, by, Outcome.DISMISSED, reason)
    tell(_both(booking), "dispute_dismissed", booking, reason=reason)


def refund(booking: Booking, by: User, reason: str, amount: int) -> None:
    """All or a part of what was charged goes back; for work that was done again, of what it replaced."""
    rule = rule_for("resolve", booking, by)
    reason = _reason(reason)
    charged = charged_for(booking)
    refunds.lower(charged, by, amount, reason)
    if charged is not booking:
        add_event(charged, "refund", by, reason)
    _decide(booking, rule, by, Outcome.REFUND, reason, refund=amount)
    tell(_both(booking), "dispute_refund", booking, reason=reason)


def rework(booking: Booking, by: User, reason: str, starts_at: datetime) -> Booking:
    """Have the same professional do it again at one of their free times, for nothing.

    Raises Invalid when one of the two can't at that time, and Conflict when the slot was just taken.
    """
    rule = rule_for("resolve", booking, by)
    reason = _reason(reason)
    if not (booking.professional.approved and booking.professional.user.active):
        raise Invalid(_("The professional cannot work for this site now. Decide for a refund."), "starts_at")
    if blocked_pairs.apart(booking.customer_id, booking.professional_id):
        raise Invalid(_("One of the two does not want to meet the other again. Decide for a refund."), "starts_at")
    proposals.check_time(booking, by, starts_at)
    _decide(booking, rule, by, Outcome.REWORK, reason)
    again = _booked_again(booking, by, reason, starts_at)
    tell(_both(again), "dispute_rework", again, reason=reason)
    return again


def charged_for(booking: Booking) -> Booking:
    """The booking that was charged for: work that is done again costs nothing itself."""
    while booking.rework_of_id:
        booking = db.session.get_one(Booking, booking.rework_of_id)
    return booking


def rework_of(booking: Booking) -> int | None:
    """The id of the booking in which the work is done again, if that is how a dispute ended."""
    if booking.dispute is None or booking.dispute.outcome is not Outcome.REWORK:
        return None
    return db.session.scalar(select(Booking.id).where(Booking.rework_of_id == booking.id))


# -- What an admin looks at -------------------------------------------------------------------


def page(resolved: bool = False, after: str | None = None) -> Page:
    """A page of disputes: those that wait, the oldest first, or those decided, the newest first."""
    found = select(Dispute).where(Dispute.resolved_at.is_not(None) if resolved else Dispute.resolved_at.is_(None))
    people = joinedload(Dispute.booking)
    found = found.options(
        people.joinedload(Booking.service),
        people.joinedload(Booking.customer),
        people.joinedload(Booking.professional).joinedload(Professional.user),
    )
    return keyset(found, [(Dispute.id, "desc" if resolved else "asc")], after)


def waiting_number():
    """How many disputes are open, counted up to 1,001, as a column of a query."""
    found = select(Dispute.id).where(Dispute.resolved_at.is_(None)).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(found).scalar_subquery()


def of(booking: Booking) -> Dispute:
    """The dispute about a booking. Raises NotFound when there was none."""
    if booking.dispute is None:
        raise NotFound(_("There is no dispute about this booking."))
    return booking.dispute


# -- Small print ------------------------------------------------------------------------------


def _decide(booking, rule: Rule, by, outcome, reason, refund=0):
    move(booking, rule, by, reason, closed_at=booking.closed_at or clock.now())
    dispute = booking.dispute
    dispute.outcome, dispute.reason, dispute.refund = outcome, reason, refund
    dispute.resolved_by_id, dispute.resolved_at = by.id, clock.now()
    db.session.flush()
    audit.record(by, "resolve", "booking", booking.id, reason=reason, outcome=outcome.value, amount=refund)


def _booked_again(booking, by, reason, starts_at):
    now, length = clock.now(), booking.ends_at - booking.starts_at
    again = Booking(
        customer_id=booking.customer_id,
        professional_id=booking.professional_id,
        service_id=booking.service_id,
        status=Status.ACCEPTED,
        starts_at=starts_at,
        ends_at=starts_at + length,
        address_line=booking.address_line,
        pincode=booking.pincode,
        remarks=booking.remarks,
        currency=booking.currency,
        subtotal=0,
        total=0,
        respond_by=now,
        created_at=now,
        accepted_at=now,
        code_salt=start_codes.new_salt(),
        commission=booking.commission,
        rework_of_id=booking.id,
    )
    db.session.add(again)
    db.session.flush()
    availability.claim(again.professional_id, again.id, starts_at, length // timedelta(minutes=1))
    _copy_services(booking, again)
    made = BookingEvent(
        booking_id=again.id, verb="rework", to_status=Status.ACCEPTED, actor_id=by.id, at=now, reason=reason
    )
    db.session.add(made)
    db.session.flush()
    webhooks.tell(again.id, made.verb, made.id)
    return again


def _copy_services(booking, again):
    """The same work, each line of it for nothing."""
    for line in booking.lines:
        if line.kind is LineKind.SERVICE:
            db.session.add(BookingLine(booking_id=again.id, kind=line.kind, label=line.label, amount=0))
    for one in db.session.scalars(select(BookingService).where(BookingService.booking_id == booking.id)):
        db.session.add(
            BookingService(
                booking_id=again.id,
                service_id=one.service_id,
                position=one.position,
                price=0,
                duration_minutes=one.duration_minutes,
            )
        )


def _both(booking):
    return [booking.customer_id, booking.professional_id]


def _words(text, field):
    text = text.strip()
    if not FEWEST <= len(text) <= MOST:
        raise Invalid(_("Write %(fewest)s to %(most)s characters.", fewest=FEWEST, most=MOST), field)
    return text


def _reason(text):
    text = text.strip()
    if not text:
        raise Invalid(_("Give a reason: both sides will read it."), "reason")
    if len(text) > MOST_REASON:
        raise Invalid(_("Keep the reason under %(most)s characters.", most=MOST_REASON), "reason")
    return text
