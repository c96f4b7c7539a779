"""What a customer asks for: a new booking, with all that it is checked against.

The way of a request is the hottest write of the house, so it uses Core statements built once.
"""

import hashlib
from datetime import datetime, timedelta
from typing import NamedTuple

from flask_babel import gettext as _
from sqlalchemy import insert

from domain import (
    availability,
    bookings,
    clock,
    coupons,
    matching,
    news,
    notifications,
    offers,
    pricing,
    standings,
    tallies,
    waits,
    webhooks,
)
from domain.errors import Conflict, Invalid, NotAllowed
from domain.start_codes import new_salt
from extensions import Prepared, db, settings
from models import (
    Booking,
    BookingEvent,
    BookingLine,
    IdempotencyKey,
    Role,
    Status,
    User,
)
from models_lifecycle import BookingService

MAX_REMARKS = 1000

_add_booking = Prepared(
    insert(Booking.__table__).returning(Booking.__table__.c.id),
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
    "series_id",
)
_add_lines = Prepared(insert(BookingLine.__table__), "booking_id", "kind", "label", "amount", "tax")
_add_event = Prepared(
    insert(BookingEvent.__table__).returning(BookingEvent.__table__.c.id),
    "booking_id",
    "verb",
    "to_status",
    "actor_id",
    "at",
    "reason",
)
_add_key = Prepared(insert(IdempotencyKey.__table__), "user_id", "key", "fingerprint", "booking_id", "created_at")


class _Wish(NamedTuple):
    """What was asked for, resolved: who, what, where and for how much."""

    professional_id: int | None
    service_id: int
    quote: pricing.Quote
    service_name: str
    starts_at: datetime
    minutes: int
    address: object
    series_id: int | None

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)


def quote(service_id: int, professional_id: int | None) -> pricing.Quote:
    """The price before the click. For any professional it is the service's base price."""
    offered = standings.what_is_offered(db.session.connection(), service_id, professional_id)
    return pricing.quote(offered.name, offered.price)


@tallies.refusals("request")
def request(
    by: User,
    service_id: int,
    professional_id: int | None,
    starts_at: datetime,
    address_id: int,
    remarks: str = "",
    key: str | None = None,
    cascade: bool = False,
    more: tuple[int, ...] = (),
    series_id: int | None = None,
    coupon: str = "",
    shown: int | None = None,
) -> int:
    """Ask for a slot and take it; answer the booking's id.

    Without `professional_id` the booking is offered to the best matches and no slot is taken until
    one accepts; otherwise `cascade` says that others may be asked after that one, and `more` are
    further services of theirs in the same visit; `series_id` is the series it belongs to, and `coupon`
    a code that makes it cheaper. `shown` is the total that the customer saw: they pay no more than that.
    The same `key` with the same wish answers the first booking again.
    Raises Invalid with the field at fault, and Conflict when the slot is somebody else's or the price has gone up.
    """
    if by.role is not Role.CUSTOMER:
        raise NotAllowed(_("Only customers can book."))
    cascade = cascade or professional_id is None
    mark = fingerprint(service_id, professional_id, starts_at, address_id, remarks, cascade, more, coupon)
    now = clock.now()
    connection = standings.lock(by, professional_id)
    offered, before = standings.ask(connection, by, service_id, professional_id, key, now)
    if before.booking_id is not None:
        return _first_result(before, mark)
    if before.overdue:
        bookings.expire_due(without=professional_id)
    if before.holds_overdue:
        waits.lapse_due()
    given_up = waits.take(by, professional_id) if before.holds else ()
    offered = standings.opened(offered, professional_id)
    if professional_id and offered.apart:
        raise standings.takes_no_bookings()
    extras = standings.extras(connection, professional_id, service_id, more) if more else ()
    wish = _wish(connection, by, offered, extras, service_id, professional_id, starts_at, address_id, series_id)
    discount = coupons.discount(coupon, by, _priced(service_id, offered, extras), wish.quote.total) if coupon else None
    if discount:
        wish = wish._replace(quote=pricing.discounted(wish.quote, discount.code, discount.amount))
    if shown is not None and wish.quote.total > shown:
        total = pricing.spoken(wish.quote.total)
        raise Conflict(_("The price has just changed to %(total)s. Look at it before you book.", total=total))
    asked = [] if professional_id else candidates(by, service_id, wish.address, starts_at, wish.ends_at)
    booking_id, event_id = _write(connection, by, wish, checked_remarks(remarks), now, cascade)
    tallies.did("request")
    news.of_booking(booking_id, by.id, professional_id)
    if before.heard:
        webhooks.tell(booking_id, "request", event_id)
    if extras:
        _write_services(connection, booking_id, service_id, offered, extras)
    if professional_id:
        availability.claim(professional_id, booking_id, starts_at, wish.minutes, swept=True)
        for day in given_up:
            waits.serve(professional_id, day)
        # Of a series the professional is told once (see domain.series).
        if series_id is None:
            _notify([professional_id], "requested", booking_id, wish, by, bool(offered.usual))
    else:
        offers.make(booking_id, [match.professional_id for match in asked])
        _notify([match.professional_id for match in asked], "offered", booking_id, wish, by)
    if discount:
        coupons.use(discount, by, booking_id)
    if key:
        values = {"user_id": by.id, "key": key, "fingerprint": mark, "booking_id": booking_id}
        _add_key(connection, {**values, "created_at": now})
    return booking_id


# -- What is checked --------------------------------------------------------------------------


def _wish(connection, by, offered, extras, service_id, professional_id, starts_at, address_id, series_id):
    services = (offered, *extras)
    minutes = sum(one.duration_minutes for one in services)
    place = standings.standing(
        connection, by, offered, professional_id, starts_at, minutes, address_id, in_series=series_id is not None
    )
    priced = pricing.quote_visit([(one.name, one.price) for one in services])
    name = f"{offered.name} + {len(extras)}" if extras else offered.name
    return _Wish(professional_id, service_id, priced, name, starts_at, minutes, place, series_id)


def _priced(service_id, offered, extras):
    """The services of a visit and what each costs."""
    return [(service_id, offered.price), *((extra.id, extra.price) for extra in extras)]


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


def fingerprint(*wish) -> str:
    """What a one-time key was used for."""
    return hashlib.sha256(repr(wish).encode(errors="surrogatepass")).hexdigest()


def other_details() -> Conflict:
    """The refusal of a one-time key that was used for something else."""
    return Conflict(_("This form was already sent with other details. Open the page again."))


def _first_result(before, mark):
    if before.fingerprint != mark:
        raise other_details()
    return before.booking_id


# -- What is written --------------------------------------------------------------------------


def _write(connection, by, wish, remarks, now, cascade):
    [(booking_id,)] = _add_booking(
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
            "series_id": wish.series_id,
        },
    )
    _add_lines(
        connection,
        [
            {"booking_id": booking_id, "kind": line.kind, "label": line.label, "amount": line.amount, "tax": line.tax}
            for line in wish.quote.lines
        ],
    )
    event = {"booking_id": booking_id, "verb": "request", "to_status": Status.PENDING, "actor_id": by.id}
    [(event_id,)] = _add_event(connection, {**event, "at": now, "reason": ""})
    return booking_id, event_id


def _write_services(connection, booking_id, service_id, offered, extras):
    ids = (service_id, *(extra.id for extra in extras))
    rows = [
        {
            "booking_id": booking_id,
            "service_id": one_id,
            "position": position,
            "price": one.price,
            "duration_minutes": one.duration_minutes,
        }
        for position, (one_id, one) in enumerate(zip(ids, (offered, *extras), strict=True))
    ]
    connection.execute(insert(BookingService), rows)


def _notify(people, kind, booking_id, wish, by, usual=False):
    data = {"service": wish.service_name, "time": wish.starts_at.isoformat(), "name": by.name}
    notifications.notify_all(people, kind, booking_id, usual=usual, **data)
