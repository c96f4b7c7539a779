"""Who is asked next for a booking that its professional, or all who were asked, did not take.

With the customer's consent the same work is offered at the same time and price to the next best match
that was never asked for it; a booking for any professional goes to the next five. When nobody is left
the booking stays ended, and its customer chooses among other times.
"""

from datetime import datetime, timedelta

from sqlalchemy import literal, null, select, union_all

from domain import availability, clock, matching, offers, start_codes
from domain.errors import Conflict, InvalidTransition
from domain.transitions import BLOCKING, let_down, move, rule_for, tell
from extensions import db, settings
from models import Booking, BookingOffer, Offering, Status, User
from models_lifecycle import BookingService

# Other times are looked for from so many days before the wanted one to so many after.
DAYS_BEFORE, DAYS_AFTER = 3, 7
MOST_ALTERNATIVES = 3
# So long after the wanted time a customer may still look for another.
STILL_WANTED = timedelta(days=1)


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
    )
    found = _who_do_all(booking, [candidate.professional_id for candidate in found])
    return _offer_round(booking, rule, found) if _goes_round(booking) else _ask_next(booking, rule, found)


def will_follow(booking: Booking) -> bool:
    """Whether somebody else is asked as soon as the clock has seen that a request is overdue."""
    overdue = booking.status is not booking.shown_status
    return overdue and booking.cascade and offers.answer_by(clock.now(), booking.starts_at) > clock.now()


def alternatives(booking: Booking) -> list[datetime]:
    """Up to three other times nearest to the wanted one at which somebody near the customer is free, when
    they were let down and nobody else is asked."""
    let_go = booking.shown_status is Status.EXPIRED or let_down(booking)
    if not let_go or will_follow(booking) or booking.starts_at < clock.now() - STILL_WANTED:
        return []
    nearby, busy = _nearby_and_busy(booking)
    if not nearby:
        return []
    first = max(clock.today(), clock.local(booking.starts_at).date() - timedelta(DAYS_BEFORE))
    days = availability.shared_slots(nearby, _minutes(booking), first, DAYS_BEFORE + DAYS_AFTER, booking.pin)
    length = booking.ends_at - booking.starts_at
    free = [
        slot.starts_at
        for day in days
        for slot in day.slots
        if not slot.taken
        and slot.starts_at != booking.starts_at
        and not any(starts < slot.starts_at + length and slot.starts_at < ends for starts, ends in busy)
    ]
    nearest = sorted(free, key=lambda start: (abs(start - booking.starts_at), start))[:MOST_ALTERNATIVES]
    return sorted(nearest)


# -- Who is asked -----------------------------------------------------------------------------


def _goes_round(booking):
    """Whether a booking is for any professional: what one of them has was offered to them."""
    if booking.professional_id is None:
        return True
    return db.session.get(BookingOffer, (booking.id, booking.professional_id)) is not None


def _who_do_all(booking, professional_ids):
    """Those who offer every service of a visit, in the order given."""
    others = select(BookingService.service_id).where(
        BookingService.booking_id == booking.id, BookingService.service_id != booking.service_id
    )
    others = set(db.session.scalars(others))
    if not others or not professional_ids:
        return professional_ids
    offered = select(Offering.professional_id, Offering.service_id).where(
        Offering.professional_id.in_(professional_ids), Offering.service_id.in_(others), Offering.listed.is_(True)
    )
    pairs = {tuple(pair) for pair in db.session.execute(offered)}
    return [one for one in professional_ids if all((one, service) in pairs for service in others)]


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


def _nearby_and_busy(booking):
    """Who near the customer does such work, and when the customer has other bookings; in one query."""
    around = timedelta(DAYS_BEFORE + DAYS_AFTER + 1)
    busy = select(Booking.starts_at, Booking.ends_at, literal(0)).where(
        Booking.customer_id == booking.customer_id,
        Booking.status.in_(BLOCKING),
        Booking.starts_at > booking.starts_at - around,
        Booking.starts_at < booking.starts_at + around,
        Booking.id != booking.id,
    )
    near = matching.nearby_ids(booking.service_id, booking.pin, customer_id=booking.customer_id).subquery()
    rows = db.session.execute(union_all(busy, select(null(), null(), near.c.professional_id))).all()
    return [one for *_times, one in rows if one], [(starts, ends) for starts, ends, one in rows if not one]


def _minutes(booking):
    return (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
