"""What a request depends on: what is offered, and where everybody stands, read in two queries.

Statements are Core, built once: a request is the hottest write of the house.
"""

from datetime import datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import bindparam, exists, func, or_, select

from domain import availability, blocked_pairs, clock, places, webhooks
from domain.errors import Invalid
from domain.transitions import HELD, HOLDING, UNANSWERED
from extensions import Prepared, db, settings
from models import (
    Address,
    Approval,
    Booking,
    IdempotencyKey,
    Offering,
    PinCode,
    Professional,
    Service,
    User,
    Wait,
)

MOST_EXTRAS = 5
# No visit lasts longer than this, so an overlapping booking began within it.
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
    webhooks.ANY_LISTENS.label("heard"),
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
        or_(_professionals.c.paused, _professionals.c.suspended_at.is_not(None)).label("closed"),
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
_EXTRAS = (
    select(
        _services.c.id,
        _services.c.name,
        func.coalesce(_offerings.c.own_price, _services.c.base_price).label("price"),
        _services.c.duration_minutes,
    )
    .join_from(_offerings, _services, _services.c.id == _offerings.c.service_id)
    .where(
        _offerings.c.professional_id == bindparam("professional"),
        _offerings.c.service_id.in_(bindparam("services", expanding=True)),
        _services.c.retired_at.is_(None),
    )
)
_COMMITMENTS = (
    # The state is in the filter and not in the condition, where it would draw SQLite to the index of
    # everybody's unanswered requests.
    select(func.count().filter(UNANSWERED, _bookings.c.respond_by > bindparam("now"), _bookings.c.series_id.is_(None)))
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


def lock(customer: User, professional_id: int | None = None):
    """One request of a customer at a time, and one for a professional's day, whose ways between jobs
    no constraint can keep. On SQLite the write transaction already sees to that."""
    connection = db.session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"ids": sorted({customer.id, professional_id or customer.id})})
    return connection


def ask(connection, by: User, service_id: int, professional_id: int | None, key: str | None, now: datetime):
    """What is offered, if anything, and what was before: the first use of the key, overdue requests,
    and whether a webhook hears of it."""
    read = _asked_of_one if professional_id else _asked_of_anybody
    known = {"customer": by.id, "key": key or "", "now": now, "of": professional_id}
    wanted = {**known, "service": service_id, "professional": professional_id}
    [offered] = read(connection, wanted) or [None]
    return offered, offered or connection.execute(_BEFORE, known).one()


def opened(offered, professional_id: int | None):
    """What can be booked. Raises Invalid when nothing is offered, or not now."""
    if offered is None and professional_id:
        raise Invalid(_("This professional does not offer that service. Choose another."), "service_id")
    if offered is None or offered.retired_at:
        raise Invalid(_("That service is no longer offered. Choose another."), "service_id")
    if professional_id and (offered.approval != Approval.APPROVED or not offered.active or offered.closed):
        raise takes_no_bookings()
    return offered


def extras(connection, professional_id: int | None, service_id: int, more: tuple[int, ...]) -> list:
    """The further services of a visit, in the order in which they were chosen."""
    if professional_id is None:
        raise Invalid(_("Choose a professional to book several services in one visit."), "service_id")
    if len(more) > MOST_EXTRAS or len({service_id, *more}) != len(more) + 1:
        raise Invalid(_("Choose each service once, and at most %(most)s.", most=MOST_EXTRAS + 1), "service_id")
    wanted = {"professional": professional_id, "services": list(more)}
    found = {row.id: row for row in connection.execute(_EXTRAS, wanted)}
    if found.keys() != set(more):
        raise Invalid(_("This professional does not offer that service. Choose another."), "service_id")
    return [found[one] for one in more]


def standing(
    connection,
    by: User,
    offered,
    professional_id: int | None,
    starts_at: datetime,
    minutes: int,
    address_id: int,
    in_series: bool = False,
):
    """The address, and that nothing is in the way of a time there. Raises Invalid with the field at fault.

    Visits of a series may lie farther ahead, and do not count as unanswered requests.
    """
    availability.check_bookable(starts_at, settings.policy.series_days if in_series else None)
    ends_at = starts_at + timedelta(minutes=minutes)
    if ends_at - starts_at > LONGEST:
        raise Invalid(_("That is more than twelve hours of work. Book two visits."), "service_id")
    parameters = {
        "address": address_id,
        **availability.openness_parameters(professional_id, starts_at, ends_at),
        **_commitment_parameters(by, starts_at, ends_at),
    }
    [found] = _standing(connection, parameters) or [None]
    if found is None:
        raise _no_such_address()
    if professional_id:
        check_reach(offered, found)
        availability.refuse_closed(found, starts_at)
        availability.check_way(connection, professional_id, found, starts_at, minutes)
    if found.unanswered >= settings.policy.max_unanswered and not in_series:
        most = settings.policy.max_unanswered
        raise Invalid(_("You have %(most)s unanswered requests. Wait for an answer or cancel one.", most=most))
    if found.overlaps:
        raise Invalid(_("You have another booking at that time. Choose a different time."), "starts_at")
    return found


def what_is_offered(connection, service_id: int, professional_id: int | None):
    """The service and the professional as they can be booked now. Raises Invalid when they can't."""
    wanted = {"service": service_id, "professional": professional_id}
    return opened(connection.execute(_OFFERING if professional_id else _SERVICE, wanted).one_or_none(), professional_id)


def address(connection, by: User, address_id: int):
    """One of a customer's own addresses. Raises Invalid when it is none."""
    found = connection.execute(_ADDRESS, {"address": address_id, "customer": by.id}).one_or_none()
    if found is None:
        raise _no_such_address()
    return found


def check_reach(offered, address) -> None:
    """Raises Invalid when a place is farther than the professional travels."""
    distance = places.distance_km(address.lat, address.lon, offered.lat, offered.lon)
    if distance > offered.radius_km:
        raise Invalid(
            _("This professional does not come to %(pin)s. Choose somebody nearer.", pin=address.pincode),
            "address_id",
        )


def is_busy(connection, customer: User, starts_at: datetime, ends_at: datetime, except_for: int) -> bool:
    """Whether a customer has a booking at that time, besides one."""
    parameters = _commitment_parameters(customer, starts_at, ends_at, except_for)
    return connection.execute(_ONLY_COMMITMENTS, parameters).one().overlaps


def takes_no_bookings() -> Invalid:
    """The refusal that does not say who of two does not want to meet the other."""
    return Invalid(_("This professional takes no bookings now. Choose another."), "professional_id")


def _commitment_parameters(by, starts_at, ends_at, except_for=0):
    return {
        "customer": by.id,
        "now": clock.now(),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "not_before": starts_at - LONGEST,
        "except_for": except_for,
    }


def _no_such_address():
    return Invalid(_("Choose one of your addresses."), "address_id")
