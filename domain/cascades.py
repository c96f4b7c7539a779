"""Who is asked next for a booking that its professional, or all who were asked, did not take.

With the customer's consent the same work is offered at the same time and price to the next best match
that was never asked for it; a booking for any professional goes to the next five. When nobody is left
the booking stays ended, and its customer chooses among other times.
"""

from datetime import datetime, timedelta

from sqlalchemy import select

from domain import availability, clock, matching, offers, start_codes
from domain.errors import Conflict, InvalidTransition
from domain.transitions import BLOCKING, move, rule_for, tell
from extensions import db, settings
from models import Booking, BookingOffer, Offering, User
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


def alternatives(booking: Booking) -> list[datetime]:
    """Up to three other times nearest to the wanted one at which somebody near the customer is free."""
    if booking.starts_at < clock.now() - STILL_WANTED:
        return []
    nearby = matching.nearby(booking.service_id, booking.pin, customer_id=booking.customer_id)
    if not nearby:
        return []
    first = max(clock.today(), clock.local(booking.starts_at).date() - timedelta(DAYS_BEFORE))
    days = availability.shared_slots(nearby, _minutes(booking), first, DAYS_BEFORE + DAYS_AFTER, booking.pin)
    length, busy = booking.ends_at - booking.starts_at, _commitments(booking)
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


def asked_by(booking: Booking) -> dict[int, str]:
    """Whom each step of a cascade asked: {id of the event: name}. A round of several has no name."""
    steps = [event for event in booking.events if event.verb == "cascade"]
    if not steps or _goes_round(booking):
        return {}
    former = (
        select(BookingOffer.created_at, User.name)
        .join(User, User.id == BookingOffer.professional_id)
        .where(BookingOffer.booking_id == booking.id)
    )
    names = dict(db.session.execute(former).all())
    last = steps[-1]
    if not any(event.verb == "reassign" and event.id > last.id for event in booking.events):
        names[last.at] = booking.professional.user.name
    return {step.id: names[step.at] for step in steps if step.at in names}


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
    move(booking, rule, None, professional_id=successor, accepted_at=None, **_afresh(booking))
    name = db.session.get_one(User, successor).name
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


def _commitments(booking):
    """The customer's other bookings around the time in which another is looked for."""
    around = timedelta(DAYS_BEFORE + DAYS_AFTER + 1)
    found = select(Booking.starts_at, Booking.ends_at).where(
        Booking.customer_id == booking.customer_id,
        Booking.status.in_(BLOCKING),
        Booking.starts_at > booking.starts_at - around,
        Booking.starts_at < booking.starts_at + around,
        Booking.id != booking.id,
    )
    return db.session.execute(found).all()


def _minutes(booking):
    return (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
