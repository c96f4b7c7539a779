"""What a customer changes about a booking that is not answered yet: the time, the address, the remarks."""

from datetime import datetime, timedelta

from flask_babel import gettext as _

from domain import availability, clock, deadlines, offers, requests, standings
from domain.errors import Invalid
from domain.transitions import move, reclaim, rule_for, tell
from extensions import db
from models import Booking, Status, User


def shift(booking: Booking, by: User, starts_at: datetime) -> None:
    """Move an unanswered booking to another time; the old slot is given back as the new one is taken."""
    rule = rule_for("move", booking, by)
    connection = standings.lock(by, booking.professional_id)
    ends_at = starts_at + (booking.ends_at - booking.starts_at)
    _check_time(connection, by, booking, starts_at, ends_at)
    asked = []
    if booking.professional_id is None:
        asked = requests.candidates(by, booking.service_id, booking.pin, starts_at, ends_at)
    former_start = booking.starts_at
    move(booking, rule, by, starts_at=starts_at, ends_at=ends_at, respond_by=offers.answer_by(clock.now(), starts_at))
    if booking.professional_id:
        reclaim(booking, booking.professional_id, former_start)
        told = [booking.professional_id]
    else:
        told = [match.professional_id for match in asked]
        offers.withdraw(booking)
        offers.make(booking.id, told)
    tell(told, "moved", booking, by.name)


def edit(booking: Booking, by: User, remarks: str | None = None, address_id: int | None = None) -> None:
    """Change remarks and address, or what is given of them; once accepted only the address, and only
    within its PIN code."""
    rule = rule_for("edit", booking, by)
    changes = {}
    if remarks is not None:
        changes["remarks"] = _changed_remarks(booking, remarks)
    if address_id is not None:
        changes |= _changed_address(booking, by, address_id)
    move(booking, rule, by, **changes)
    if booking.professional_id:
        tell([booking.professional_id], "edited", booking, by.name)


def _changed_remarks(booking, remarks):
    remarks = requests.checked_remarks(remarks)
    if booking.status is not Status.PENDING and remarks != booking.remarks:
        raise Invalid(_("The booking is accepted, so the remarks stay as they are."), "remarks")
    return remarks


def _changed_address(booking, by, address_id):
    connection = db.session.connection()
    address = standings.address(connection, by, address_id)
    if address.pincode != booking.pincode:
        if booking.status is not Status.PENDING or booking.professional_id is None:
            raise Invalid(_("Choose an address within %(pin)s, or book again.", pin=booking.pincode), "address_id")
        # What the professional takes on at this moment may be in the way.
        standings.lock(by, booking.professional_id)
        offered = standings.what_is_offered(connection, booking.service_id, booking.professional_id)
        standings.check_reach(offered, address)
        _check_way(connection, booking, address, booking.starts_at)
    return {"address_line": address.line, "pincode": address.pincode}


def _check_time(connection, by, booking, starts_at, ends_at):
    availability.check_bookable(starts_at, deadlines.horizon_days(booking))
    if booking.professional_id:
        standings.what_is_offered(connection, booking.service_id, booking.professional_id)
        availability.check_open(booking.professional_id, starts_at, ends_at)
        _check_way(connection, booking, booking.pin, starts_at)
    if standings.is_busy(connection, by, starts_at, ends_at, booking.id):
        raise Invalid(_("You have another booking at that time. Choose a different time."), "starts_at")


def _check_way(connection, booking, at, starts_at):
    minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    availability.check_way(connection, booking.professional_id, at, starts_at, minutes, booking.id)
