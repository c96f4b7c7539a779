"""When the work was agreed and one side was not there: who says so, when, and what it costs."""

from flask_babel import gettext as _

from domain import billing, bookings, refunds
from domain.errors import Invalid
from domain.transitions import Party, move, rule_for, tell
from models import Booking, User


def knock(booking: Booking, by: User) -> None:
    """The professional is at the door, and the customer learns it by all their channels."""
    # The state stays, but a booking that was cancelled meanwhile is not knocked at.
    move(booking, rule_for("knock", booking, by), by)
    tell([booking.customer_id], "knocked", booking, by.name)


def report(booking: Booking, by: User, note: str = "") -> None:
    """The other side was not there. An absent customer owes the late fee, an absent professional
    costs nobody anything, and what was paid beyond that goes back."""
    rule = rule_for("no_show", booking, by)
    note = _checked(note)
    customer_was_there = rule.by is Party.CUSTOMER
    fee = 0 if customer_was_there else bookings.late_fee(booking)
    values = refunds.reverse(booking, by, fee, refunds.NO_SHOW, note or "No-show")
    move(booking, rule, by, note, where=(Booking.paid == booking.paid,), **values)
    billing.settle(booking)
    if customer_was_there:
        tell([booking.professional_id], "professional_absent", booking, by.name)
        tell([by.id], "absence_noted", booking, booking.professional.user.name)
        # Nobody else can come at a time that has passed: the customer is shown other times with somebody
        # else (see domain.cascades.alternatives).
    else:
        tell([booking.customer_id], "customer_absent" if fee else "customer_absent_free", booking, by.name)
        tell([by.id], "absence_noted", booking, booking.customer.name)


def _checked(note):
    note = note.strip()
    if len(note) > bookings.MAX_REASON:
        raise Invalid(_("Keep the note under %(most)s characters.", most=bookings.MAX_REASON), "note")
    return note
