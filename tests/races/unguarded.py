"""What the controls of races put in place of a guard."""

from sqlalchemy import update

from domain import availability, transitions
from extensions import db
from models import Booking


def set_at_once(booking, rule, by, reason="", *, cause=None, where=(), **values):
    """As transitions.move, without a look at what the booking is by now."""
    source = booking.status
    values["status"] = rule.target or source
    db.session.execute(
        update(Booking).where(Booking.id == booking.id).values(**values).execution_options(synchronize_session=False)
    )
    db.session.refresh(booking)
    transitions.add_event(booking, rule.verb, by, reason, source, cause)
    if booking.status not in transitions.BLOCKING:
        availability.release(booking.id)
