"""Which customers and professionals do not meet again, because one of them does not want to.

The other side is never told: to a customer such a professional takes no bookings now.
"""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import and_, delete, exists, or_, select

from domain import clock
from domain.errors import NotAllowed, NotFound
from extensions import db
from models import Booking, Role, User
from models_lifecycle import BlockedPair, Favourite

# Tables and not classes: a statement of classes goes the longer way through the ORM.
_pairs = BlockedPair.__table__.c


@dataclass(frozen=True)
class Blocked:
    """Somebody whom a person does not want to meet again; `id` is that of the pair."""

    id: int
    name: str
    since: datetime


def are_apart(customer, professional):
    """The SQL condition that two people, ids or columns, do not meet again."""
    return exists().where(_pairs.customer_id == customer, _pairs.professional_id == professional)


def apart(customer_id: int, professional_id: int) -> bool:
    """Whether one of two people does not want to meet the other again."""
    return db.session.scalar(select(are_apart(customer_id, professional_id)))


def block(booking: Booking, by: User) -> None:
    """Never be matched again with the other side of a booking; this booking stands as it is."""
    customer_id, professional_id = _pair(booking, by)
    if _is_blocked_by(customer_id, professional_id, by):
        return
    db.session.add(
        BlockedPair(
            customer_id=customer_id, professional_id=professional_id, by_id=by.id, created_at=clock.now()
        )
    )
    if by.id == customer_id:
        db.session.execute(
            delete(Favourite).where(
                Favourite.customer_id == customer_id, Favourite.professional_id == professional_id
            )
        )
    db.session.flush()


def unblock(pair_id: int, by: User) -> None:
    """Take back what one said oneself; what the other side said stays. Raises NotFound."""
    removed = db.session.execute(delete(BlockedPair).where(BlockedPair.id == pair_id, BlockedPair.by_id == by.id))
    if not removed.rowcount:
        raise NotFound(_("You have taken this back already."))


def blocked_by(user: User) -> list[Blocked]:
    """Those whom a person does not want to meet again, the latest first."""
    theirs = BlockedPair.customer_id if user.role is Role.PROFESSIONAL else BlockedPair.professional_id
    found = (
        select(BlockedPair.id, User.name, BlockedPair.created_at)
        .join(User, User.id == theirs)
        .where(BlockedPair.by_id == user.id)
        .order_by(BlockedPair.id.desc())
    )
    return [Blocked(*row) for row in db.session.execute(found)]


def is_blocked(booking: Booking, by: User) -> bool:
    """Whether this person has said so of the other side of a booking."""
    return booking.professional_id is not None and _is_blocked_by(booking.customer_id, booking.professional_id, by)


def forget(user: User) -> None:
    """Of somebody who is erased nothing of this is left."""
    theirs = or_(BlockedPair.customer_id == user.id, BlockedPair.professional_id == user.id)
    db.session.execute(delete(BlockedPair).where(theirs))


def _pair(booking, by):
    if booking.professional_id is None or by.id not in (booking.customer_id, booking.professional_id):
        raise NotAllowed(_("Only the two people of a booking can say that."))
    return booking.customer_id, booking.professional_id


def _is_blocked_by(customer_id, professional_id, by):
    said = and_(
        BlockedPair.customer_id == customer_id,
        BlockedPair.professional_id == professional_id,
        BlockedPair.by_id == by.id,
    )
    return db.session.scalar(select(exists().where(said)))
