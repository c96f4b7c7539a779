"""All that is known of one booking, gathered for a file that can be read without this site, and who may have it.

An admin gets everything. The two sides get it once there is a dispute, without what admins wrote for
themselves, and with each other's telephone and address only as their own pages show them.
"""

import base64
from dataclasses import dataclass, field

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from domain import audit, bookings, conversations, files, lookups, schedules
from domain.errors import NotFound
from domain.transitions import IN_TOUCH
from extensions import db
from models import Booking, BookingEvent, Notification, OutboxMessage, Professional, User
from models_lifecycle import Dispute, DisputePhoto, Proposal
from models_live import Message

# What an admin says with these, both sides are told; other reasons are for the audit trail.
TOLD = frozenset({"cancel", "resolve", "rework", "refund"})


@dataclass(frozen=True)
class Happening:
    """One event: `by` is a name, or empty for the clock."""

    event: BookingEvent
    by: str
    reason: str


@dataclass(frozen=True)
class Bundle:
    booking: Booking
    happenings: list[Happening]
    proposals: list[tuple[Proposal, str]]
    told: list[tuple[Notification, str]]
    # Each photo of the dispute as a data: URI, or None when its file is gone.
    photos: list[str | None]
    customer_phone: str | None
    professional_phone: str | None
    address: str | None
    rework_id: int | None
    # What the two said to each other, and the photo shown with it: nobody reads that without a dispute.
    said: list[tuple[Message, str | None]]
    # For admins alone.
    everything: bool = False
    offers: list = field(default_factory=list)
    messages: list[OutboxMessage] = field(default_factory=list)
    entries: list = field(default_factory=list)


def bundle(booking_id: int, by: User) -> Bundle:
    """What this person may have of a booking. Raises NotFound for others, and before a dispute."""
    booking, rework_id = _whole(booking_id, by)
    if not by.is_admin and (booking.dispute is None or by.id not in (booking.customer_id, booking.professional_id)):
        raise NotFound(_("There is no such booking, or it was never in dispute."))
    theirs = by.is_admin or by.id == booking.customer_id or booking.status in (*schedules.OPEN, *schedules.DONE)
    reachable = by.is_admin or by.id == booking.professional_id or booking.status in IN_TOUCH
    professional = booking.professional
    known = {
        "booking": booking,
        "happenings": [one for one in map(_for(booking, by), booking.events) if one],
        "proposals": [(one, _name(one.by, booking, by)) for one in booking.proposals],
        "told": _told(booking, by),
        "photos": [_embedded(photo) for photo in booking.dispute.photos] if booking.dispute else [],
        "customer_phone": booking.customer.phone if theirs else None,
        "professional_phone": professional.user.phone if professional and reachable else None,
        "address": booking.address_line if theirs else None,
        "rework_id": rework_id,
        "said": _said(booking, by) if booking.dispute else [],
    }
    if by.is_admin:
        known |= {
            "everything": True,
            "offers": lookups.offers_of(booking),
            "messages": _messages(booking),
            "entries": audit.of("booking", booking.id, most=None),
        }
    return Bundle(**known)


def _whole(booking_id, by):
    rework = select(Booking.id).where(Booking.rework_of_id == booking_id).limit(1).scalar_subquery()
    found = (
        db.session.execute(
            bookings.visible_to(by)
            .add_columns(rework)
            .where(Booking.id == booking_id)
            .options(
                joinedload(Booking.service),
                joinedload(Booking.customer),
                joinedload(Booking.pin),
                joinedload(Booking.professional).joinedload(Professional.user),
                joinedload(Booking.lines),
                joinedload(Booking.payments),
                joinedload(Booking.refunds),
                joinedload(Booking.proposals).joinedload(Proposal.by),
                selectinload(Booking.events).joinedload(BookingEvent.actor),
                joinedload(Booking.dispute).options(
                    joinedload(Dispute.photos).joinedload(DisputePhoto.file), joinedload(Dispute.resolved_by)
                ),
            )
        )
        .unique()
        .one_or_none()
    )
    if found is None:
        raise NotFound(_("There is no such booking, or it was never in dispute."))
    return found


def _for(booking, by):
    """How an event is told to this person; None when it is none of their business."""

    def told(event):
        actor, name = event.actor, _name(event.actor, booking, by)
        if event.verb == "cascade" and by.id == booking.professional_id:
            # Whom it went to before is not told to whoever has it now.
            return Happening(event, name, "")
        if by.is_admin or actor is None or actor.name == name:
            return Happening(event, name, event.reason)
        if actor.is_admin:
            return Happening(event, name, event.reason if event.verb in TOLD else "")
        return None if event.verb == "decline_offer" else Happening(event, name, "")

    return told


def _name(actor, booking, by):
    """Who somebody is to the reader: the two sides know each other by name, and nobody else."""
    if actor is None:
        return ""
    if by.is_admin or actor.id in (booking.customer_id, booking.professional_id):
        return actor.name
    # Another professional had the booking before, or it was offered to them.
    return _("the site") if actor.is_admin else _("another professional")


def _told(booking, by):
    found = select(Notification, User.name).join(User, User.id == Notification.user_id)
    found = found.where(Notification.booking_id == booking.id)
    if not by.is_admin:
        found = found.where(Notification.user_id.in_((booking.customer_id, booking.professional_id)))
    return [tuple(row) for row in db.session.execute(found.order_by(Notification.id))]


def _said(booking, by):
    talk = conversations.of(booking.id, booking.professional_id).options(
        joinedload(Message.sender), joinedload(Message.file)
    )
    if not by.is_admin:
        talk = talk.where(Message.hidden_at.is_(None))
    found = db.session.scalars(talk.order_by(Message.id)).all()
    return [(one, _embedded(one) if one.file else None) for one in found]


def _messages(booking):
    found = select(OutboxMessage).where(OutboxMessage.booking_id == booking.id)
    return list(db.session.scalars(found.options(joinedload(OutboxMessage.user)).order_by(OutboxMessage.id)))


def _embedded(photo):
    content = files.content_of(photo.file)
    return content and f"data:{photo.file.content_type};base64,{base64.b64encode(content).decode()}"
