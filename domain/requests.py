"""What a customer asks for: a new booking, and changes to one that is not answered yet.

The way of a request is the hottest write of the house, so it uses Core statements built once.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import bindparam, case, delete, exists, func, insert, select

from domain import availability, bookings, clock, matching, notifications, places, pricing, start_codes
from domain.errors import Conflict, Invalid, NotAllowed
from domain.transitions import BLOCKING, move, rule_for, tell
from extensions import db, settings
from models import (
    Address,
    Approval,
    Booking,
    BookingEvent,
    BookingLine,
    BookingOffer,
    IdempotencyKey,
    Offering,
    OfferStatus,
    PinCode,
    Professional,
    Role,
    Service,
    Status,
    User,
)

MAX_REMARKS = 1000
# No service lasts longer than this, so an overlapping booking began within it.
LONGEST = timedelta(hours=12)

_SERVICE = select(Service.name, Service.base_price, Service.duration_minutes, Service.retired_at).where(
    Service.id == bindparam("service")
)
_OFFERING = (
    select(
        Service.name,
        Service.duration_minutes,
        Service.retired_at,
        case((Offering.own_price.is_not(None), Offering.own_price), else_=Service.base_price).label("price"),
        Professional.approval,
        Professional.paused,
        Professional.lat,
        Professional.lon,
        Professional.radius_km,
        User.active,
    )
    .select_from(Offering)
    .join(Service, Service.id == Offering.service_id)
    .join(Professional, Professional.id == Offering.professional_id)
    .join(User, User.id == Professional.id)
    .where(Offering.professional_id == bindparam("professional"), Offering.service_id == bindparam("service"))
)
_ADDRESS = (
    select(Address.line, Address.pincode, PinCode.lat, PinCode.lon)
    .join(PinCode, PinCode.pincode == Address.pincode)
    .where(
        Address.id == bindparam("address"),
        Address.customer_id == bindparam("customer"),
        Address.archived_at.is_(None),
    )
)
_COMMITMENTS = select(
    select(func.count())
    .where(
        Booking.customer_id == bindparam("customer"),
        Booking.status == Status.PENDING,
        Booking.starts_at > bindparam("now"),
        Booking.respond_by > bindparam("now"),
    )
    .scalar_subquery()
    .label("unanswered"),
    exists()
    .where(
        Booking.customer_id == bindparam("customer"),
        Booking.status.in_(BLOCKING),
        Booking.starts_at > bindparam("not_before"),
        Booking.starts_at < bindparam("ends_at"),
        Booking.ends_at > bindparam("starts_at"),
        Booking.id != bindparam("except_for"),
    )
    .label("overlaps"),
)
_CUSTOMER_LOCK = select(User.active).where(User.id == bindparam("customer")).with_for_update()
_OVERDUE = exists().where(Booking.status == Status.PENDING, Booking.respond_by <= bindparam("now")).select()
_ADD_BOOKING = insert(Booking).returning(Booking.id)
_ADD_LINES = insert(BookingLine)
_ADD_EVENT = insert(BookingEvent)
_ADD_OFFERS = insert(BookingOffer)
_ADD_KEY = insert(IdempotencyKey)


@dataclass(frozen=True)
class _Wish:
    """What was asked for, resolved: who, what, where and for how much."""

    professional_id: int | None
    service_id: int
    quote: pricing.Quote | None
    service_name: str
    starts_at: datetime
    ends_at: datetime
    address: object

    @property
    def minutes(self) -> int:
        return (self.ends_at - self.starts_at) // timedelta(minutes=1)


def quote(service_id: int, professional_id: int | None) -> pricing.Quote:
    """The price before the click. For any professional it is the service's base price."""
    offered = _offered(service_id, professional_id)
    return pricing.quote(offered.name, offered.price if professional_id else offered.base_price)


def request(
    by: User,
    service_id: int,
    professional_id: int | None,
    starts_at: datetime,
    address_id: int,
    remarks: str = "",
    key: str | None = None,
) -> int:
    """Ask for a slot and take it; answer the booking's id.

    Without `professional_id` the booking is offered to the best matches and no slot is taken until
    one accepts. The same `key` with the same wish answers the first booking again.
    Raises Invalid with the field at fault, and Conflict when the slot is somebody else's.
    """
    if by.role is not Role.CUSTOMER:
        raise NotAllowed(_("Only customers can book."))
    fingerprint = _fingerprint(service_id, professional_id, starts_at, address_id, remarks)
    now = clock.now()
    db.session.execute(_CUSTOMER_LOCK, {"customer": by.id})
    if key and (first := _first_result(by, key, fingerprint)):
        return first
    if db.session.scalar(_OVERDUE, {"now": now}):
        bookings.expire_due()
    wish = _wish(by, service_id, professional_id, starts_at, address_id)
    _check_commitments(by, wish)
    candidates = [] if professional_id else _candidates(wish)
    booking_id = _write(by, wish, _checked_remarks(remarks), now)
    if professional_id:
        availability.claim(professional_id, booking_id, starts_at, wish.minutes)
        _notify([professional_id], "requested", booking_id, wish, by)
    else:
        _offer(booking_id, candidates, now)
        _notify([match.professional_id for match in candidates], "offered", booking_id, wish, by)
    if key:
        values = {"user_id": by.id, "key": key, "fingerprint": fingerprint, "booking_id": booking_id}
        db.session.execute(_ADD_KEY, {**values, "created_at": now})
    return booking_id


def shift(booking: Booking, by: User, starts_at: datetime) -> None:
    """Move an unanswered booking to another time; the old slot is given back as the new one is taken."""
    rule = rule_for("move", booking, by)
    db.session.execute(_CUSTOMER_LOCK, {"customer": by.id})
    wish = _moved(booking, starts_at)
    _check_commitments(by, wish, booking.id)
    now = clock.now()
    if booking.professional_id:
        availability.release(booking.id)
        availability.claim(booking.professional_id, booking.id, starts_at, wish.minutes)
        told = [booking.professional_id]
    else:
        candidates = _candidates(wish)
        db.session.execute(delete(BookingOffer).where(BookingOffer.booking_id == booking.id))
        _offer(booking.id, candidates, now)
        told = [match.professional_id for match in candidates]
    deadline = answer_by(now, starts_at)
    move(booking, rule, by, starts_at=starts_at, ends_at=wish.ends_at, respond_by=deadline)
    tell(told, "moved", booking, by.name)


def edit(booking: Booking, by: User, remarks: str, address_id: int) -> None:
    """Change remarks and address; once accepted only the address, and only within its PIN code."""
    rule = rule_for("edit", booking, by)
    address = _address(by, address_id)
    pending = booking.status is Status.PENDING
    if address.pincode != booking.pincode:
        if not pending or booking.professional_id is None:
            raise Invalid(_("Choose an address within %(pin)s, or book again.", pin=booking.pincode), "address_id")
        _check_reach(_offered(booking.service_id, booking.professional_id), address)
    remarks = _checked_remarks(remarks) if pending else booking.remarks
    move(booking, rule, by, address_line=address.line, pincode=address.pincode, remarks=remarks)
    if booking.professional_id:
        tell([booking.professional_id], "edited", booking, by.name)


def answer_by(now: datetime, starts_at: datetime) -> datetime:
    """The deadline of a request: 2 h on the same day, else 24 h, and always 60 min before the start."""
    policy = settings.policy
    same_day = clock.local(now).date() == clock.local(starts_at).date()
    minutes = policy.answer_minutes_same_day if same_day else policy.answer_minutes
    latest = starts_at - timedelta(minutes=policy.expire_before_start_minutes)
    return min(now + timedelta(minutes=minutes), latest)


# -- What is checked --------------------------------------------------------------------------


def _wish(by, service_id, professional_id, starts_at, address_id):
    offered = _offered(service_id, professional_id)
    address = _address(by, address_id)
    availability.check_bookable(starts_at)
    ends_at = starts_at + timedelta(minutes=offered.duration_minutes)
    if professional_id:
        _check_reach(offered, address)
        availability.check_open(professional_id, starts_at, ends_at)
    price = offered.price if professional_id else offered.base_price
    priced = pricing.quote(offered.name, price)
    return _Wish(professional_id, service_id, priced, offered.name, starts_at, ends_at, address)


def _moved(booking, starts_at):
    availability.check_bookable(starts_at)
    ends_at = starts_at + (booking.ends_at - booking.starts_at)
    if booking.professional_id:
        _offered(booking.service_id, booking.professional_id)
        availability.check_open(booking.professional_id, starts_at, ends_at)
    professional_id, service = booking.professional_id, booking.service
    return _Wish(professional_id, service.id, None, service.name, starts_at, ends_at, booking.pin)


def _offered(service_id, professional_id):
    if professional_id:
        offered = db.session.execute(
            _OFFERING, {"service": service_id, "professional": professional_id}
        ).one_or_none()
        if offered is None:
            raise Invalid(_("This professional does not offer that service. Choose another."), "service_id")
        if offered.approval is not Approval.APPROVED or not offered.active or offered.paused:
            raise Invalid(_("This professional takes no bookings now. Choose another."), "professional_id")
    else:
        offered = db.session.execute(_SERVICE, {"service": service_id}).one_or_none()
    if offered is None or offered.retired_at:
        raise Invalid(_("That service is no longer offered. Choose another."), "service_id")
    return offered


def _address(by, address_id):
    address = db.session.execute(_ADDRESS, {"address": address_id, "customer": by.id}).one_or_none()
    if address is None:
        raise Invalid(_("Choose one of your addresses."), "address_id")
    return address


def _check_reach(offered, address):
    distance = places.distance_km(offered.lat, offered.lon, address.lat, address.lon)
    if distance > offered.radius_km:
        raise Invalid(
            _("This professional does not come to %(pin)s. Choose somebody nearer.", pin=address.pincode),
            "address_id",
        )


def _check_commitments(by, wish, except_for=0):
    commitments = db.session.execute(
        _COMMITMENTS,
        {
            "customer": by.id,
            "now": clock.now(),
            "starts_at": wish.starts_at,
            "ends_at": wish.ends_at,
            "not_before": wish.starts_at - LONGEST,
            "except_for": except_for,
        },
    ).one()
    most = settings.policy.max_unanswered
    if not except_for and commitments.unanswered >= most:
        raise Invalid(_("You have %(most)s unanswered requests. Wait for an answer or cancel one.", most=most))
    if commitments.overlaps:
        raise Invalid(_("You have another booking at that time. Choose a different time."), "starts_at")


def _candidates(wish):
    candidates = matching.best(wish.service_id, wish.address, wish.starts_at, wish.ends_at)
    if not candidates:
        raise Invalid(_("Nobody near you is free then. Choose another time."), "starts_at")
    return candidates


def _checked_remarks(remarks):
    remarks = remarks.strip()
    if len(remarks) > MAX_REMARKS:
        raise Invalid(_("Keep the remarks under %(most)s characters.", most=MAX_REMARKS), "remarks")
    return remarks


def _first_result(by, key, fingerprint):
    first = db.session.get(IdempotencyKey, (by.id, key))
    if first is None:
        return None
    if first.fingerprint != fingerprint:
        raise Conflict(_("This form was already sent with other details. Open the page again."))
    return first.booking_id


def _fingerprint(*wish):
    return hashlib.sha256(repr(wish).encode(errors="surrogatepass")).hexdigest()


# -- What is written --------------------------------------------------------------------------


def _write(by, wish, remarks, now):
    booking_id = db.session.scalar(
        _ADD_BOOKING,
        {
            "customer_id": by.id,
            "professional_id": wish.professional_id,
            "service_id": wish.service_id,
            "status": Status.PENDING,
            "starts_at": wish.starts_at,
            "ends_at": wish.ends_at,
            "address_line": wish.address.line,
            "pincode": wish.address.pincode,
            "remarks": remarks,
            "currency": settings.currency,
            "subtotal": wish.quote.subtotal,
            "total": wish.quote.total,
            "respond_by": answer_by(now, wish.starts_at),
            "created_at": now,
            "code_salt": start_codes.new_salt(),
        },
    )
    db.session.execute(
        _ADD_LINES,
        [
            {"booking_id": booking_id, "kind": line.kind, "label": line.label, "amount": line.amount}
            for line in wish.quote.lines
        ],
    )
    event = {"booking_id": booking_id, "verb": "request", "to_status": Status.PENDING, "actor_id": by.id, "at": now}
    db.session.execute(_ADD_EVENT, event)
    return booking_id


def _offer(booking_id, candidates, now):
    db.session.execute(
        _ADD_OFFERS,
        [
            {
                "booking_id": booking_id,
                "professional_id": candidate.professional_id,
                "position": position,
                "status": OfferStatus.OPEN,
                "created_at": now,
            }
            for position, candidate in enumerate(candidates, 1)
        ],
    )


def _notify(people, kind, booking_id, wish, by):
    notifications.notify_all(
        people, kind, booking_id, service=wish.service_name, time=wish.starts_at.isoformat(), name=by.name
    )
