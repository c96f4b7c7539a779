"""How long a professional needs from one job to the next: the distance of two PIN codes at a set speed.

The distance is a straight one and the speed that of the professional's settings, so it should be set
for the way as the crow flies. A way takes at least the buffer after each job.
"""

import math
from typing import NamedTuple

from sqlalchemy import bindparam, func, select

from domain import places
from extensions import Prepared
from models import Address, Booking, PinCode, Professional, SlotClaim, Wait

BUCKET_MINUTES = 15
# A way of more than three hours is no way between two jobs of a day: it counts as three.
LONGEST_BUCKETS = 12

_claims, _bookings, _pins = SlotClaim.__table__, Booking.__table__, PinCode.__table__
_professionals, _waits, _addresses = Professional.__table__, Wait.__table__, Address.__table__

# The booking's id, or minus the id of the wait for which a slot is held.
_holder = func.coalesce(_claims.c.booking_id, -_claims.c.wait_id)
_NEIGHBOURS = (
    select(
        _claims.c.professional_id,
        func.min(_claims.c.bucket),
        func.max(_claims.c.bucket),
        func.min(_pins.c.lat),
        func.min(_pins.c.lon),
        func.min(_professionals.c.speed_kmh),
    )
    .select_from(_claims)
    .outerjoin(_bookings, _bookings.c.id == _claims.c.booking_id)
    .outerjoin(_waits, _waits.c.id == _claims.c.wait_id)
    .outerjoin(_addresses, _addresses.c.id == _waits.c.address_id)
    .join(_pins, _pins.c.pincode == func.coalesce(_bookings.c.pincode, _addresses.c.pincode))
    .join(_professionals, _professionals.c.id == _claims.c.professional_id)
    .where(
        _claims.c.bucket >= bindparam("first"),
        _claims.c.bucket < bindparam("last"),
        _holder != bindparam("except_for"),
    )
    .group_by(_claims.c.professional_id, _holder)
)
_of_one = Prepared(_NEIGHBOURS.where(_claims.c.professional_id == bindparam("professional")))
_OF_SEVERAL = _NEIGHBOURS.where(_claims.c.professional_id.in_(bindparam("professionals", expanding=True)))


class Point(NamedTuple):
    """Where work is wanted, in degrees (WGS 84). A PinCode will do as well."""

    lat: float
    lon: float


def buckets(here, there, speed_kmh: int) -> int:
    """The quarter-hours of the way between two points."""
    minutes = 60 * places.distance_km(here.lat, here.lon, there.lat, there.lon) / speed_kmh
    return min(math.ceil(minutes / BUCKET_MINUTES), LONGEST_BUCKETS)


def stretched(first: int, stop: int, way: int, buffer: int) -> range:
    """The buckets in which nobody can be claimed for another place: a job's own claims, of which the
    last are the buffer, and before and after them the rest of the way."""
    rest = max(way - buffer, 0)
    return range(first - rest, stop + rest)


def reaches(connection, professional_id: int, at, wanted: range, buffer: int, except_for: int = 0) -> bool:
    """Whether a professional gets to a place for the wanted buckets, and from there to the next job."""
    known = {**_around(wanted), "professional": professional_id, "except_for": except_for}
    return not _hindered(_of_one(connection, known), at, wanted, buffer)


def reaching(connection, professional_ids: list[int], at, wanted: range, buffer: int) -> set[int]:
    """Those of several professionals who get to a place in time, and to their next job."""
    known = {**_around(wanted), "professionals": professional_ids, "except_for": 0}
    return set(professional_ids) - _hindered(connection.execute(_OF_SEVERAL, known), at, wanted, buffer)


def _around(wanted):
    return {"first": wanted.start - LONGEST_BUCKETS, "last": wanted.stop + LONGEST_BUCKETS}


def _hindered(neighbours, at, wanted, buffer):
    """The professionals of whom another job is in the way."""
    hindered = set()
    for professional_id, first, last, lat, lon, speed in neighbours:
        blocked = stretched(first, last + 1, buckets(at, Point(lat, lon), speed), buffer)
        # An overlap of the work itself is a conflict, and not a matter of the way.
        apart = last < wanted.start or wanted.stop <= first
        if apart and wanted.start < blocked.stop and blocked.start < wanted.stop:
            hindered.add(professional_id)
    return hindered
