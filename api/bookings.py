"""A booking as JSON: to each of its people what its pages show them, and no more."""

from flask_babel import gettext as _
from marshmallow import fields

from api import schemas
from api.calls import caller
from domain import bookings, lookups, masking, schedules
from domain.errors import NotAllowed
from domain.transitions import IN_TOUCH
from extensions import db
from models import Booking, Role, Status, User

# That one of several professionals declined concerns nobody but the site.
UNTOLD = frozenset({"decline_offer"})
# The other reasons are not for the professional who has the booking.
REASONS_FOR_PROFESSIONALS = frozenset(
    {"reject", "cancel", "no_show", "resolve", "rework", "refund", "propose", "agree", "decline_time", "withdraw"}
)


class Named(schemas.Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)


class Person(Named):
    """One side of a booking; the phone number is there while each may call the other."""

    phone = fields.String(required=True, allow_none=True)


class Place(schemas.Schema):
    """`line1` is null for a professional until they have accepted."""

    line1 = fields.String(required=True, allow_none=True)
    pincode = fields.String(required=True)


class Line(schemas.Schema):
    kind = fields.String(required=True, metadata={"example": "service"})
    label = fields.String(required=True)
    amount = schemas.Amount(required=True)
    tax = schemas.Amount(
        required=True, metadata={"description": "How much tax the line stands for; that of a price is their sum."}
    )


class Price(schemas.Schema):
    lines = fields.List(fields.Nested(Line), required=True)
    total = schemas.Amount(required=True)


class Event(schemas.Schema):
    """`by` is the role of whoever did it; null is the clock."""

    verb = fields.String(required=True, metadata={"example": "accept"})
    to_status = fields.String(required=True, metadata={"example": "accepted"})
    at = schemas.Moment(required=True)
    by = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True)


class BriefBooking(schemas.Schema):
    """A booking in a few words. What its reader may not see of it is null."""

    id = fields.Integer(required=True)
    reference = fields.String(required=True, metadata={"example": "DS-10042"})
    status = fields.Enum(Status, by_value=True, required=True)
    service = fields.Nested(Named, required=True)
    professional = fields.Nested(Person, required=True, allow_none=True)
    customer = fields.Nested(Person, required=True, allow_none=True)
    starts_at = schemas.Moment(required=True)
    ends_at = schemas.Moment(required=True)
    address = fields.Nested(Place, required=True)
    remarks = fields.String(required=True, allow_none=True)


class FullBooking(BriefBooking):
    """A booking. What its reader may not see of it is null or left out.

    `start_code` is there for its customer alone, from when it is accepted until the work begins.
    """

    price = fields.Nested(Price, required=True)
    allowed_actions = fields.List(
        fields.String(), required=True, metadata={"description": "The verbs that the caller can use on it now."}
    )
    events = fields.List(fields.Nested(Event), required=True)
    start_code = fields.String(metadata={"example": "4821"})


def party() -> User:
    """Who calls about a booking: of the professionals only those who are approved."""
    person = caller()
    if person.role is Role.PROFESSIONAL and not person.professional.approved:
        raise NotAllowed(_("You can do this once your profile is approved."))
    return person


def load(booking_id: int) -> Booking:
    """The booking that a verb is about. Raises NotFound for a stranger too."""
    return bookings.get(booking_id, party())


def shown(booking_id: int) -> dict:
    """A booking as it is, for the caller."""
    by = party()
    return whole(lookups.booking(booking_id, by), by)


def changed(booking_id: int) -> dict:
    """A booking after a verb: what was read before it is read again."""
    db.session.flush()
    db.session.expire_all()
    return shown(booking_id)


def brief(booking: Booking, by: User) -> dict:
    """For BriefBooking: what this person may see of it without its story."""
    mine, agreed, in_touch = _sight(booking, by)
    professional = booking.professional if mine else None
    concerned = mine or bookings.available_actions(booking, by)
    return {
        "id": booking.id,
        "reference": booking.reference,
        "status": booking.shown_status,
        "service": booking.service,
        "professional": professional and _person(professional.user, by, in_touch),
        "customer": _person(booking.customer, by, in_touch) if mine else None,
        "starts_at": booking.starts_at,
        "ends_at": booking.ends_at,
        "address": {"line1": booking.address_line if agreed else None, "pincode": booking.pincode},
        "remarks": masking.shown(booking.remarks, booking, booking.customer_id, by) if concerned else None,
    }


def whole(booking: Booking, by: User) -> dict:
    """For FullBooking: all that this person may see."""
    mine, _agreed, _in_touch = _sight(booking, by)
    told = {
        **brief(booking, by),
        "price": {"lines": booking.lines if mine else [], "total": booking.total},
        "allowed_actions": bookings.available_actions(booking, by),
        "events": list(_events(booking, by)) if mine else [],
    }
    if code := bookings.start_code(booking, by):
        told["start_code"] = code
    return told


def _sight(booking, by):
    """Whether it is the person's own booking and not only on offer to them, and whether they see where
    it is and the phone number of the other side."""
    if by.role is Role.PROFESSIONAL:
        mine = booking.professional_id == by.id
        agreed = mine and booking.status in schedules.AGREED
        return mine, agreed, agreed
    return True, True, by.role is Role.ADMIN or booking.status in IN_TOUCH


def _person(person, by, in_touch):
    phone = person.phone if in_touch and person.id != by.id else None
    return {"id": person.id, "name": person.name, "phone": phone}


def _events(booking, by):
    events = schedules.story(booking) if by.role is Role.PROFESSIONAL else booking.events
    for event in events:
        if event.verb not in UNTOLD or by.role is Role.ADMIN:
            kept = by.role is Role.PROFESSIONAL and event.verb not in REASONS_FOR_PROFESSIONALS
            yield {
                "verb": event.verb,
                "to_status": event.to_status,
                "at": event.at,
                "by": event.actor and event.actor.role.value,
                "reason": "" if kept else masking.shown(event.reason, booking, event.actor_id, by),
            }
