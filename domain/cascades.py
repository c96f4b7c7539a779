"""Who is asked next for a booking that its professional, or all who were asked, did not take.

With the customer's consent the same work is offered at the same time and price to the next best match
that was never asked for it; a booking for any professional goes to the next five. When nobody is left
the booking stays ended, and its customer chooses among other times.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import literal, null, select, union_all

from domain import availability, clock, matching, offers, start_codes
from domain.errors import Conflict, InvalidTransition
from domain.transitions import BLOCKING, let_down, move, rule_for, tell
from extensions import db, settings
from models import Booking, BookingOffer, Status, User
from models_lifecycle import BookingService

# Other times are looked for from so many days before the wanted one to so many after.
DAYS_BEFORE, DAYS_AFTER = 3, 7
MOST_ALTERNATIVES = 3
# So long after the wanted time a customer may still look for another.
STILL_WANTED = timedelta(days=1)


@dataclass(frozen=True)
class Alternative:
    """Another time; of any professional, or of a named one who does all of a visit."""

    starts_at: datetime
    professional_id: int | None
    more: tuple[int, ...]


def follow(booking: Booking, without: int | None = None) -> bool:
    """Ask the next best, in the transaction of the verb that ended the booking.

    True when somebody was asked: then the customer and those asked have been told. False leaves
    everything as it is. `without` is a professional whose time is wanted by somebody who is here.
    """
    try:
        rule = rule_for("cascade", booking, None)
    except InvalidTransition:
        return False
    passed_over = {*offers.asked(booking), *([without] if without else [])}
    found = matching.candidates(
        booking.service_id,
        booking.pin,
        booking.starts_at,
        booking.ends_at,
        tuple(passed_over),
        customer_id=booking.customer_id,
        visit=booking.id,
    )
    found = [candidate.professional_id for candidate in found]
    return _offer_round(booking, rule, found) if _goes_round(booking) else _ask_next(booking, rule, found)


def will_follow(booking: Booking) -> bool:
    """Whether somebody else is asked as soon as the clock has seen that a request is overdue."""
    overdue = booking.status is not booking.shown_status
    return overdue and booking.cascade and offers.answer_by(clock.now(), booking.starts_at) > clock.now()


def alternatives(booking: Booking) -> list[Alternative]:
    """Up to three other times nearest to the wanted one at which somebody near the customer is free, when
    they were let down and nobody else is asked."""
    let_go = booking.shown_status is Status.EXPIRED or let_down(booking)
    if not let_go or will_follow(booking) or booking.starts_at < clock.now() - STILL_WANTED:
        return []
    nearby, more, busy = _around(booking)
    # A visit for several services is booked with one professional.
    named = nearby[0] if nearby and more else None
    first = max(clock.today(), clock.local(booking.starts_at).date() - timedelta(DAYS_BEFORE))
    days = availability.shared_slots(
        [named] if named else nearby, _minutes(booking), first, DAYS_BEFORE + DAYS_AFTER, booking.pin
    )
    free = (slot.starts_at for day in days for slot in day.slots if not slot.taken)
    length = booking.ends_at - booking.starts_at
    open_starts = [
        start
        for start in free
        if start != booking.starts_at and not any(begins < start + length and start < ends for begins, ends in busy)
    ]
    nearest = sorted(open_starts, key=lambda start: (abs(start - booking.starts_at), start))[:MOST_ALTERNATIVES]
    return [Alternative(start, named, tuple(more)) for start in sorted(nearest)]


# -- Who is asked -----------------------------------------------------------------------------


def _goes_round(booking):
    """Whether a booking is for any professional: what one of them has was offered to them."""
    if booking.professional_id is None:
        return True
    return db.session.get(BookingOffer, (booking.id, booking.professional_id)) is not None


def _offer_round(booking, rule, found):
    chosen = found[: settings.policy.offers]
    if not chosen:
        return False
    first = offers.last_position(booking) + 1
    move(booking, rule, None, professional_id=None, accepted_at=None, **_afresh(booking))
    offers.make(booking.id, chosen, first)
    tell([booking.customer_id], "cascaded_to_several", booking)
    tell(chosen, "offered", booking, booking.customer.name)
    return True


def _ask_next(booking, rule, found):
    former = booking.professional.user.name
    successor = next((one for one in found if _takes_slot(booking, one)), None)
    if successor is None:
        return False
    offers.note_former(booking)
    name = db.session.get_one(User, successor).name
    # The name is kept with the step, for the customer's story; it goes when they are anonymised.
    move(booking, rule, None, name, professional_id=successor, accepted_at=None, **_afresh(booking))
    tell([booking.customer_id], "cascaded", booking, name, former=former)
    tell([successor], "requested", booking, booking.customer.name)
    return True


def _takes_slot(booking, professional_id):
    """Whether the time could be claimed; somebody else may have taken it since it was seen free."""
    availability.lock_day(professional_id)
    if not availability.who_reaches([professional_id], booking.pin, booking.starts_at, booking.ends_at):
        return False
    try:
        with db.session.begin_nested():
            availability.claim(professional_id, booking.id, booking.starts_at, _minutes(booking))
    except Conflict:
        return False
    return True


def _afresh(booking):
    """What a new request has: its own time to answer, and a start code that nobody was told."""
    deadline = offers.answer_by(clock.now(), booking.starts_at)
    return {"respond_by": deadline, "code_salt": start_codes.new_salt(), "code_tries": 0}


# -- Small print ------------------------------------------------------------------------------


def _around(booking):
    """Who near the customer does such work, the further services of the visit, and when the customer has
    other bookings; in one query."""
    around = timedelta(DAYS_BEFORE + DAYS_AFTER + 1)
    busy = select(literal("busy"), Booking.starts_at, Booking.ends_at, Booking.id).where(
        Booking.customer_id == booking.customer_id,
        Booking.status.in_(BLOCKING),
        Booking.starts_at > booking.starts_at - around,
        Booking.starts_at < booking.starts_at + around,
        Booking.id != booking.id,
    )
    near = matching.nearby_ids(
        booking.service_id, booking.pin, customer_id=booking.customer_id, visit=booking.id
    ).subquery()
    more = select(literal("more"), null(), null(), BookingService.service_id).where(
        BookingService.booking_id == booking.id, BookingService.service_id != booking.service_id
    )
    rows = db.session.execute(
        union_all(busy, select(literal("near"), null(), null(), near.c.professional_id), more)
    ).all()
    ids = {kind: [row[3] for row in rows if row[0] == kind] for kind in ("near", "more")}
    return ids["near"], ids["more"], [(row[1], row[2]) for row in rows if row[0] == "busy"]


def _minutes(booking):
    return (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
