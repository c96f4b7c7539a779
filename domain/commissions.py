"""The site's share of what professionals earn: whose rate holds, and what is left of a job.

Rates are in basis points. The most special one holds: the professional's, else that of the service's
category, else the site's. It is written on the booking when the professional takes it on, so that what
they were shown holds, and another rate changes no old job.
"""

from flask_babel import gettext as _
from sqlalchemy import update

from domain import audit
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from domain.pricing import BASIS_POINTS, round_half_up, spoken
from extensions import db, settings
from models import Booking, Professional, Status, User


def current(booking: Booking, professional: Professional) -> int:
    """The rate at which a professional would take a booking on now."""
    rates = (professional.commission, booking.service.category.commission, settings.commission_basis_points)
    return next(rate for rate in rates if rate is not None)


def usual(professional: Professional) -> int:
    """The rate of a professional where no category has one."""
    return settings.commission_basis_points if professional.commission is None else professional.commission


def of(booking: Booking, professional: Professional | None = None) -> int:
    """The rate of a booking; of a request, the one that would hold for this professional."""
    return current(booking, professional) if booking.status is Status.PENDING and professional else booking.commission


def net(booking: Booking, professional: Professional | None = None) -> int:
    """What the work of a booking brings its professional, or would bring this one."""
    return booking.earned - round_half_up(booking.earned, of(booking, professional))


def agreed(booking: Booking, professional: Professional, shown: int | None = None) -> int:
    """The rate to write on a booking that a professional takes on; `shown` is what a page told them.

    Raises InvalidTransition when it is another one by now.
    """
    rate = current(booking, professional)
    if shown is not None and shown != rate:
        left = spoken(booking.earned - round_half_up(booking.earned, rate))
        raise InvalidTransition(_("The commission has changed: you would earn %(amount)s. Look again.", amount=left))
    return rate


def checked(rate: int | None) -> int | None:
    """A rate as it is kept; None means that the next more general one holds. Raises Invalid."""
    if rate is not None and not 0 <= rate <= BASIS_POINTS:
        raise Invalid(_("Enter a percentage from 0 to 100."), "commission")
    return rate


def set_own(professional: Professional, by: User, rate: int | None) -> None:
    """Give a professional a rate of their own, or none; it holds for what they take on from now on."""
    if not by.is_admin:
        raise NotAllowed(_("Only admins may do this."))
    before, rate = professional.commission, checked(rate)
    if rate == before:
        return
    changed = db.session.execute(
        update(Professional)
        .where(Professional.id == professional.id, Professional.commission.is_not_distinct_from(before))
        .values(commission=rate)
        .execution_options(synchronize_session=False)
    )
    if not changed.rowcount:
        raise Conflict(_("Somebody else has just changed this. Look again."))
    db.session.expire(professional, ["commission"])
    audit.record(by, "set_commission", "user", professional.id, changes={"commission": [before, rate]})
