"""What a customer asks for: a new booking, with all that it is checked against.

The way of a request is the hottest write of the house, so it uses Core statements built once.
"""

import hashlib
from datetime import datetime, timedelta
from typing import NamedTuple

from flask_babel import gettext as _
from sqlalchemy import bindparam, exists, func, insert, select

from domain import availability, blocked_pairs, bookings, clock, matching, notifications, offers, places, pricing, waits
from domain.errors import Conflict, Invalid, NotAllowed
from domain.start_codes import new_salt
from domain.transitions import HELD, HOLDING, UNANSWERED
from extensions import Prepared, db, settings
from models import (
    Address,
    Approval,
    Booking,
    BookingEvent,
    BookingLine,
    IdempotencyKey,
    Offering,
    PinCode,
    Professional,
    Role,
    Service,
    Status,
    User,
    Wait,
)

MAX_REMARKS = 1000
# No service lasts longer than this, so an overlapping booking began within it.
LONGEST = timedelta(hours=12)

# Tables and not classes: a statement of classes goes the longer way through the ORM.
_bookings, _offerings, _services = Booking.__table__, Offering.__table__, Service.__table__
_professionals, _users = Professional.__table__, User.__table__
_addresses, _pins, _keys = Address.__table__, PinCode.__table__, IdempotencyKey.__table__
_waits = Wait.__table__

_LOCK = (
    select(_users.c.id)
    .where(_users.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(_users.c.id)
    .with_for_update(key_share=True)
)
_BEFORE_COLUMNS = (
    select(_keys.c.booking_id)
    .where(_keys.c.user_id == bindparam("customer"), _keys.c.key == bindparam("key"))
    .scalar_subquery()
    .label("booking_id"),
    select(_keys.c.fingerprint)
    .where(_keys.c.user_id == bindparam("customer"), _keys.c.key == bindparam("key"))
    .scalar_subquery()
    .label("fingerprint"),
    exists()
    .where(UNANSWERED, _bookings.c.respond_by <= bindparam("now"))
    .label("overdue"),
    exists().where(HELD, _waits.c.held_until <= bindparam("now")).label("holds_overdue"),
    exists()
    .where(HELD, _waits.c.customer_id == bindparam("customer"), _waits.c.professional_id == bindparam("of"))
    .label("holds"),
)
_BEFORE = select(*_BEFORE_COLUMNS)
_SERVICE = select(
    _services.c.name,
    _services.c.base_price.label("price"),
    _services.c.duration_minutes,
    _services.c.retired_at,
).where(_services.c.id == bindparam("service"))
_OFFERING = (
    select(
        _services.c.name,
        func.coalesce(_offerings.c.own_price, _services.c.base_price).label("price"),
        _services.c.duration_minutes,
        _services.c.retired_at,
        _professionals.c.approval,
        _professionals.c.paused,
        _professionals.c.lat,
        _professionals.c.lon,
        _professionals.c.radius_km,
        _users.c.active,
        _users.c.message_choices.is_(None).label("usual"),
    )
    .select_from(_offerings)
    .join(_services, _services.c.id == _offerings.c.service_id)
    .join(_professionals, _professionals.c.id == _offerings.c.professional_id)
    .join(_users, _users.c.id == _professionals.c.id)
    .where(
        _offerings.c.professional_id == bindparam("professional"),
        _offerings.c.service_id == bindparam("service"),
    )
)
_COMMITMENTS = (
    # The state is in the filter and not in the condition, where it would draw SQLite to the index of
    # everybody's unanswered requests.
    select(func.count().filter(UNANSWERED, _bookings.c.respond_by > bindparam("now")))
    .where(_bookings.c.customer_id == bindparam("customer"), _bookings.c.starts_at > bindparam("now"))
    .scalar_subquery()
    .label("unanswered"),
    exists()
    .where(
        _bookings.c.customer_id == bindparam("customer"),
        HOLDING,
        _bookings.c.starts_at > bindparam("not_before"),
        _bookings.c.starts_at < bindparam("ends_at"),
        _bookings.c.ends_at > bindparam("starts_at"),
        _bookings.c.id != bindparam("except_for"),
    )
    .label("overlaps"),
)
_ADDRESS = (
    select(_addresses.c.line, _addresses.c.pincode, _pins.c.lat, _pins.c.lon)
    .join_from(_addresses, _pins, _pins.c.pincode == _addresses.c.pincode)
    .where(
        _addresses.c.id == bindparam("address"),
        _addresses.c.customer_id == bindparam("customer"),
        _addresses.c.archived_at.is_(None),
    )
)
# What is asked for and what was before are read together.
_apart = blocked_pairs.are_apart(bindparam("customer"), bindparam("professional")).label("apart")
_asked_of_one = Prepared(_OFFERING.add_columns(*_BEFORE_COLUMNS, _apart))
_asked_of_anybody = Prepared(_SERVICE.add_columns(*_BEFORE_COLUMNS))
# One query says all that a request depends on besides the offering.
_standing = Prepared(_ADDRESS.add_columns(*_COMMITMENTS, *availability.OPENNESS))
_ONLY_COMMITMENTS = select(*_COMMITMENTS)
_add_booking = Prepared(
    insert(_bookings).returning(_bookings.c.id),
    "customer_id",
    "professional_id",
    "service_id",
    "status",
    "starts_at",
    "ends_at",
    "address_line",
    "pincode",
    "remarks",
    "currency",
    "subtotal",
    "total",
    "paid",
    "code_tries",
    "respond_by",
    "created_at",
    "code_salt",
    "cascade",
    "moves",
)
_add_lines = Prepared(insert(BookingLine.__table__), "booking_id", "kind", "label", "amount")
_add_event = Prepared(insert(BookingEvent.__table__), "booking_id", "verb", "to_status", "actor_id", "at", "reason")
_add_key = Prepared(insert(_keys), "user_id", "key", "fingerprint", "booking_id", "created_at")


class _Wish(NamedTuple):
    """What was asked for, resolved: who, what, where and for how much."""

    professional_id: int | None
    service_id: int
    quote: pricing.Quote
    service_name: str
    starts_at: datetime
    ends_at: datetime
    address: object

    @property
    def minutes(self) -> int:
        return (self.ends_at - self.starts_at) // timedelta(minutes=1)


def quote(service_id: int, professional_id: int | None) -> pricing.Quote:
    """The price before the click. For any professional it is the service's base price."""
    offered = what_is_offered(db.session.connection(), service_id, professional_id)
    return pricing.quote(offered.name, offered.price)


def request(
    by: User,
    service_id: int,
    professional_id: int | None,
    starts_at: datetime,
    address_id: int,
    remarks: str = "",
    key: str | None = None,
    cascade: bool = False,
) -> int:
    """Ask for a slot and take it; answer the booking's id.

    Without `professional_id` the booking is offered to the best matches and no slot is taken until
    one accepts; otherwise `cascade` says that others may be asked after that one. The same `key` with
    the same wish answers the first booking again.
    Raises Invalid with the field at fault, and Conflict when the slot is somebody else's.
    """
    if by.role is not Role.CUSTOMER:
        raise NotAllowed(_("Only customers can book."))
    cascade = cascade or professional_id is None
    fingerprint = _fingerprint(service_id, professional_id, starts_at, address_id, remarks, cascade)
    now = clock.now()
    connection = lock(by, professional_id)
    offered, before = _ask(connection, by, service_id, professional_id, key, now)
    if before.booking_id is not None:
        return _first_result(before, fingerprint)
    if before.overdue:
        bookings.expire_due(without=professional_id)
    if before.holds_overdue:
        waits.lapse_due()
    if before.holds:
        waits.take(by, professional_id)
    offered = _open(offered, professional_id)
    if professional_id and offered.apart:
        raise _takes_no_bookings()
    wish = _wish(connection, by, offered, service_id, professional_id, starts_at, address_id)
    asked = [] if professional_id else candidates(by, service_id, wish.address, starts_at, wish.ends_at)
    booking_id = _write(connection, by, wish, checked_remarks(remarks), now, cascade)
    if professional_id:
        availability.claim(professional_id, booking_id, starts_at, wish.minutes, swept=True)
        _notify([professional_id], "requested", booking_id, wish, by, bool(offered.usual))
    else:
        offers.make(booking_id, [match.professional_id for match in asked])
        _notify([match.professional_id for match in asked], "offered", booking_id, wish, by)
    if key:
        values = {"user_id": by.id, "key": key, "fingerprint": fingerprint, "booking_id": booking_id}
        _add_key(connection, {**values, "created_at": now})
    return booking_id


def is_busy(connection, customer: User, starts_at: datetime, ends_at: datetime, except_for: int) -> bool:
    """Whether a customer has a booking at that time, besides one."""
    parameters = _commitment_parameters(customer, starts_at, ends_at, except_for)
    return connection.execute(_ONLY_COMMITMENTS, parameters).one().overlaps


def lock(customer: User, professional_id: int | None = None):
    """One request of a customer at a time, and one for a professional's day, whose ways between jobs
    no constraint can keep. On SQLite the write transaction already sees to that."""
    connection = db.session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"ids": sorted({customer.id, professional_id or customer.id})})
    return connection


# -- What is checked --------------------------------------------------------------------------


def _ask(connection, by, service_id, professional_id, key, now):
    """What is offered, if anything, and what was before: the first use of the key, and overdue requests."""
    read = _asked_of_one if professional_id else _asked_of_anybody
    known = {"customer": by.id, "key": key or "", "now": now, "of": professional_id}
    wanted = {**known, "service": service_id, "professional": professional_id}
    offered = read(connection, wanted).one_or_none()
    return offered, offered or connection.execute(_BEFORE, known).one()


def _wish(connection, by, offered, service_id, professional_id, starts_at, address_id):
    availability.check_bookable(starts_at)
    ends_at = starts_at + timedelta(minutes=offered.duration_minutes)
    parameters = {
        "address": address_id,
        **availability.openness_parameters(professional_id, starts_at, ends_at),
        **_commitment_parameters(by, starts_at, ends_at),
    }
    standing = _standing(connection, parameters).one_or_none()
    if standing is None:
        raise _no_such_address()
    if professional_id:
        check_reach(offered, standing)
        availability.refuse_closed(standing, starts_at)
        availability.check_way(connection, professional_id, standing, starts_at, offered.duration_minutes)
    _check_commitments(standing)
    priced = pricing.quote(offered.name, offered.price)
    return _Wish(professional_id, service_id, priced, offered.name, starts_at, ends_at, standing)


def what_is_offered(connection, service_id: int, professional_id: int | None):
    """The service and the professional as they can be booked now. Raises Invalid when they can't."""
    wanted = {"service": service_id, "professional": professional_id}
    return _open(connection.execute(_OFFERING if professional_id else _SERVICE, wanted).one_or_none(), professional_id)


def _open(offered, professional_id):
    """What can be booked. Raises Invalid when nothing is offered, or not now."""
    if offered is None and professional_id:
        raise Invalid(_("This professional does not offer that service. Choose another."), "service_id")
    if offered is None or offered.retired_at:
        raise Invalid(_("That service is no longer offered. Choose another."), "service_id")
    if professional_id and (offered.approval != Approval.APPROVED or not offered.active or offered.paused):
        raise _takes_no_bookings()
    return offered


def address(connection, by: User, address_id: int):
    """One of a customer's own addresses. Raises Invalid when it is none."""
    found = connection.execute(_ADDRESS, {"address": address_id, "customer": by.id}).one_or_none()
    if found is None:
        raise _no_such_address()
    return found


def _takes_no_bookings():
    return Invalid(_("This professional takes no bookings now. Choose another."), "professional_id")


def _no_such_address():
    return Invalid(_("Choose one of your addresses."), "address_id")


def check_reach(offered, address) -> None:
    """Raises Invalid when a place is farther than the professional travels."""
    distance = places.distance_km(address.lat, address.lon, offered.lat, offered.lon)
    if distance > offered.radius_km:
        raise Invalid(
            _("This professional does not come to %(pin)s. Choose somebody nearer.", pin=address.pincode),
            "address_id",
        )


def _commitment_parameters(by, starts_at, ends_at, except_for=0):
    return {
        "customer": by.id,
        "now": clock.now(),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "not_before": starts_at - LONGEST,
        "except_for": except_for,
    }


def _check_commitments(standing):
    most = settings.policy.max_unanswered
    if standing.unanswered >= most:
        raise Invalid(_("You have %(most)s unanswered requests. Wait for an answer or cancel one.", most=most))
    if standing.overlaps:
        raise Invalid(_("You have another booking at that time. Choose a different time."), "starts_at")


def candidates(by: User, service_id: int, address, starts_at: datetime, ends_at: datetime) -> list[matching.Candidate]:
    """Those to whom a booking for any professional is offered. Raises Invalid when there is nobody."""
    found = matching.best(service_id, address, starts_at, ends_at, customer_id=by.id)
    if not found:
        raise Invalid(_("Nobody near you is free then. Choose another time."), "starts_at")
    return found


def checked_remarks(remarks: str) -> str:
    """Remarks as they are kept. Raises Invalid when they are too long."""
    remarks = remarks.strip()
    if len(remarks) > MAX_REMARKS:
        raise Invalid(_("Keep the remarks under %(most)s characters.", most=MAX_REMARKS), "remarks")
    return remarks


def _first_result(before, fingerprint):
    if before.fingerprint != fingerprint:
        raise Conflict(_("This form was already sent with other details. Open the page again."))
    return before.booking_id


def _fingerprint(*wish):
    return hashlib.sha256(repr(wish).encode(errors="surrogatepass")).hexdigest()


# -- What is written --------------------------------------------------------------------------


def _write(connection, by, wish, remarks, now, cascade):
    booking_id = _add_booking(
        connection,
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
            "paid": 0,
            "code_tries": 0,
            "respond_by": offers.answer_by(now, wish.starts_at),
            "created_at": now,
            "code_salt": new_salt(),
            "cascade": cascade,
            "moves": 0,
        },
    ).scalar_one()
    _add_lines(
        connection,
        [
            {"booking_id": booking_id, "kind": line.kind, "label": line.label, "amount": line.amount}
            for line in wish.quote.lines
        ],
    )
    event = {"booking_id": booking_id, "verb": "request", "to_status": Status.PENDING, "actor_id": by.id}
    _add_event(connection, {**event, "at": now, "reason": ""})
    return booking_id


def _notify(people, kind, booking_id, wish, by, usual=False):
    data = {"service": wish.service_name, "time": wish.starts_at.isoformat(), "name": by.name}
    notifications.notify_all(people, kind, booking_id, usual=usual, **data)
