"""What a customer can choose from before they book: services, days, times, places, and the price."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import bindparam, select
from sqlalchemy.orm import contains_eager, joinedload

from domain import (
    availability,
    blocked_pairs,
    bookings,
    catalogue,
    clock,
    coupons,
    deadlines,
    matching,
    places,
    pricing,
    users,
    waits,
)
from domain.availability import Day
from domain.errors import Invalid, NotFound
from extensions import db
from models import Address, Approval, Booking, Category, Offering, PinCode, Professional, Service, User, UTCDateTime

DAYS = 14

_PROFESSIONAL = (
    select(
        Professional,
        blocked_pairs.are_apart(bindparam("customer"), bindparam("professional")).label("apart"),
        waits.held(bindparam("customer"), bindparam("professional"), bindparam("now", type_=UTCDateTime)).label("held"),
    )
    .join(Professional.user)
    .where(
        Professional.id == bindparam("professional"),
        Professional.approval == Approval.APPROVED,
        User.active.is_(True),
    )
    .options(contains_eager(Professional.user), joinedload(Professional.base))
)
_OFFERED = (
    select(Service, Offering.own_price)
    .join(Offering, Offering.service_id == Service.id)
    .join(Service.category)
    .where(Offering.professional_id == bindparam("professional"), Service.retired_at.is_(None))
    .order_by(Category.position, Service.id)
)


@dataclass(frozen=True)
class Offer:
    """A service at the price of whoever is asked."""

    service: Service
    price: int


@dataclass(frozen=True)
class Times:
    """The days to choose from, the one that is looked at, and the start chosen on it, if it is not taken."""

    days: list[Day]
    day: Day | None = None
    starts_at: datetime | None = None
    taken: datetime | None = None


@dataclass(frozen=True)
class Choices:
    """Everything the booking page shows for what is chosen so far; without a professional, for any.

    `closed` says that the professional takes no bookings now, `address_id` which address is meant.
    """

    professional: Professional | None
    closed: bool
    offers: list[Offer]
    offer: Offer | None
    extras: tuple[Offer, ...]
    addresses: list[Address]
    address_id: int | None
    pin: PinCode | None
    times: Times

    @property
    def quote(self) -> pricing.Quote | None:
        if self.offer is None:
            return None
        return pricing.quote_visit([(one.service.name, one.price) for one in (self.offer, *self.extras)])

    @property
    def minutes(self) -> int:
        return sum(one.service.duration_minutes for one in (self.offer, *self.extras))

    @property
    def ends_at(self) -> datetime:
        return self.times.starts_at + timedelta(minutes=self.minutes)

    @property
    def free_until(self) -> datetime:
        """Until when an accepted booking of the chosen time is cancelled for nothing."""
        return bookings.free_to_cancel_until(self.times.starts_at, clock.now())


def before_booking(
    by: User,
    professional_id: int | None,
    service_id: int | None,
    day: date | None = None,
    starts_at: datetime | None = None,
    address_id: int | None = None,
    pincode: str = "",
    line: str = "",
    more: tuple[int, ...] = (),
) -> Choices:
    """What can be booked, in at most six queries. Raises NotFound for an unknown professional."""
    professional, closed, held = _professional(professional_id, by) if professional_id else (None, False, None)
    offers = _offers(professional)
    offer = next((one for one in offers if one.service.id == service_id), None)
    if offer is None and service_id is None and len(offers) == 1:
        offer = offers[0]
    extras = _extras(offers, offer, more) if professional else ()
    addresses = users.addresses_of(by)
    address_id = address_id or _known(addresses, line, pincode)
    pin = _pin(addresses, address_id, pincode)
    days = [] if closed else _days(by, professional, held, offer, extras, pin)
    return Choices(
        professional, closed, offers, offer, extras, addresses, address_id, pin, _looked_at(days, day, starts_at)
    )


def price(found: Choices, by: User, code: str) -> tuple[pricing.Quote | None, str]:
    """The price of what is chosen with a coupon, and what is wrong with its code."""
    if found.quote is None or not code:
        return found.quote, ""
    services = [(one.service.id, one.price) for one in (found.offer, *found.extras)]
    try:
        discount = coupons.discount(code, by, services, found.quote.total)
    except Invalid as refusal:
        return found.quote, refusal.message
    return pricing.discounted(found.quote, discount.code, discount.amount), ""


def before_moving(booking: Booking, day: date | None = None, starts_at: datetime | None = None) -> Times:
    """The times to which a booking can be moved: its own slot is not in its way.

    They are those from today on, or around the time that it has when that is farther ahead.
    """
    minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    planned, first = clock.local(booking.starts_at).date(), clock.today()
    if planned >= first + timedelta(DAYS):
        first = planned - timedelta(DAYS // 2)
    if booking.professional_id:
        days = availability.free_slots(
            booking.professional_id, minutes, first, DAYS, booking.pin, booking.id, deadlines.horizon_days(booking)
        )
    else:
        nearby = matching.nearby(booking.service_id, booking.pin, customer_id=booking.customer_id)
        days = availability.shared_slots(nearby, minutes, first, DAYS, booking.pin)
    days = [_without(one, booking.starts_at) for one in days]
    return _looked_at(days, day or planned, starts_at if starts_at != booking.starts_at else None)


def _without(day, starts_at):
    """A day on which one start is not to be had: the booking has it already."""
    slots = (replace(slot, taken=True) if slot.starts_at == starts_at else slot for slot in day.slots)
    return replace(day, slots=tuple(slots))


def _professional(professional_id, by):
    """The professional, whether they take no bookings now, or none of this customer, and which slot is held."""
    asked = {"professional": professional_id, "customer": by.id, "now": clock.now()}
    found = db.session.execute(_PROFESSIONAL, asked).one_or_none()
    if found is None:
        raise NotFound(_("There is no such professional. Look for another."))
    return found.Professional, found.Professional.closed or found.apart, found.held


def _offers(professional):
    if professional is None:
        return [Offer(service, service.base_price) for service in catalogue.services()]
    found = db.session.execute(_OFFERED, {"professional": professional.id})
    return [Offer(service, service.base_price if price is None else price) for service, price in found]


def _known(addresses, line, pincode):
    """The address that was written out, if it is one of the customer's."""
    return next((one.id for one in addresses if line and (one.line, one.pincode) == (line, pincode)), None)


def _pin(addresses, address_id, pincode):
    """Where somebody is wanted: the address chosen, the PIN code typed, or else the first address."""
    for address in addresses:
        if address.id == address_id:
            return address.pin
    if pincode and address_id is None:
        return places.find_pin(pincode)
    return addresses[0].pin if addresses else None


def _extras(offers, offer, more):
    """What else is chosen for the visit, in the order of the choice."""
    known = {one.service.id: one for one in offers if one is not offer}
    return tuple(known[one] for one in more if one in known)


def _days(by, professional, held, offer, extras, pin):
    if offer is None:
        return []
    minutes = sum(one.service.duration_minutes for one in (offer, *extras))
    if professional:
        return availability.free_slots(professional.id, minutes, clock.today(), DAYS, pin, -held if held else 0)
    if pin is None:
        return []
    nearby = matching.nearby(offer.service.id, pin, customer_id=by.id)
    return availability.shared_slots(nearby, minutes, clock.today(), DAYS, pin) if nearby else []


def _looked_at(days, day, starts_at):
    """The day asked for, or that of the start asked for, or else the first with a free time."""
    if starts_at is not None and day is None:
        day = clock.local(starts_at).date()
    chosen = next((one for one in days if one.date == day), None)
    chosen = chosen or next((one for one in days if one.free), None)
    wanted = next((slot for slot in chosen.slots if slot.starts_at == starts_at), None) if chosen else None
    if wanted is None:
        return Times(days, chosen)
    return Times(days, chosen, taken=starts_at) if wanted.taken else Times(days, chosen, starts_at)
