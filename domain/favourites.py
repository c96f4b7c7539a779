"""Which professionals a customer wants to find again, and what their pages show of such choices."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _
from sqlalchemy import case, delete, exists, func, literal, select, union_all
from sqlalchemy.orm import contains_eager, joinedload

from domain import availability, blocked_pairs, clock, notifications
from domain.errors import Invalid, NotAllowed, NotFound
from domain.paging import Page, keyset
from extensions import db
from models import Approval, Offering, Professional, Role, Service, User
from models_lifecycle import BlockedPair, Favourite

# So many are kept: every search of their customer reads them.
MOST = 200
_LIKED, _APART, _BLOCKED, _UNREAD, _NEWEST = range(5)


@dataclass(frozen=True)
class Marks:
    """What choices about people change on the pages that a customer sees, by ids of professionals.

    `apart` are those who do not meet the customer again, whoever said so; of them the customer has
    `blocked` some, and knows of no others.
    """

    liked: frozenset[int] = frozenset()
    apart: frozenset[int] = frozenset()
    blocked: frozenset[int] = frozenset()
    bell: notifications.Bell = notifications.QUIET


@dataclass(frozen=True)
class Kept:
    """A favourite as the list shows it; `minutes` is the shortest of their services, which tells when
    they are free next. One who takes no bookings now has neither."""

    professional: Professional
    minutes: int | None
    next_slot: datetime | None


def add(professional_id: int, by: User) -> None:
    """Keep a professional; twice is as good as once. Raises NotFound for one whom nobody can find."""
    if by.role is not Role.CUSTOMER:
        raise NotAllowed(_("Only customers keep favourites."))
    if is_favourite(professional_id, by):
        return
    if not db.session.scalar(select(_can_be_kept(professional_id, by))):
        raise NotFound(_("There is no such professional, or they take no bookings now."))
    mine = select(func.count()).where(Favourite.customer_id == by.id)
    if db.session.scalar(mine) >= MOST:
        raise Invalid(_("You have %(most)s favourites. Remove one first.", most=MOST))
    db.session.add(Favourite(customer_id=by.id, professional_id=professional_id, created_at=clock.now()))
    db.session.flush()


def remove(professional_id: int, by: User) -> None:
    """Keep them no longer; one who is not kept stays so."""
    db.session.execute(
        delete(Favourite).where(Favourite.customer_id == by.id, Favourite.professional_id == professional_id)
    )


def is_favourite(professional_id: int, by: User) -> bool:
    kept = exists().where(Favourite.customer_id == by.id, Favourite.professional_id == professional_id)
    return db.session.scalar(select(kept))


def latest(customer: User, most: int) -> list[Professional]:
    """The professionals whom a customer kept last, in one query."""
    mine = (
        select(Professional)
        .join(Favourite, Favourite.professional_id == Professional.id)
        .where(Favourite.customer_id == customer.id)
        .options(joinedload(Professional.user), joinedload(Professional.base))
        .order_by(Favourite.created_at.desc(), Favourite.professional_id.desc())
    )
    return list(db.session.scalars(mine.limit(most)))


def page_of(customer: User, after: str | None = None) -> Page:
    """A page of a customer's favourites, the latest first, in at most four queries."""
    shortest = (
        select(func.min(Service.duration_minutes))
        .join(Offering, Offering.service_id == Service.id)
        .where(
            Offering.professional_id == Favourite.professional_id,
            Offering.listed.is_(True),
            ~blocked_pairs.are_apart(customer.id, Offering.professional_id),
        )
        .correlate(Favourite)
        .scalar_subquery()
    )
    mine = (
        select(Professional, shortest.label("minutes"))
        .join(Favourite, Favourite.professional_id == Professional.id)
        .join(Professional.user)
        .where(Favourite.customer_id == customer.id)
        .options(contains_eager(Professional.user), joinedload(Professional.base))
    )
    page = keyset(mine, [(Favourite.created_at, "desc"), (Favourite.professional_id, "desc")], after)
    durations = {row.Professional.id: row.minutes for row in page if row.minutes is not None}
    slots = availability.next_slots(durations) if durations else {}
    kept = [Kept(row.Professional, row.minutes, slots.get(row.Professional.id)) for row in page]
    return Page(kept, page.next_cursor)


def marks(customer: User) -> Marks:
    """The favourites and blocked pairs of a customer, and the number of their unread notifications, in
    one query: a search has no room for more."""
    said = case((BlockedPair.by_id == customer.id, _BLOCKED), else_=_APART)
    rows = union_all(
        select(literal(_LIKED), Favourite.professional_id).where(Favourite.customer_id == customer.id),
        select(said, BlockedPair.professional_id).where(BlockedPair.customer_id == customer.id),
        select(literal(_UNREAD), notifications.UNREAD),
        select(literal(_NEWEST), notifications.NEWEST),
    )
    found = ([], [], [], [], [])
    for kind, value in db.session.connection().execute(rows, {"user": customer.id}):
        found[kind].append(value)
    blocked = frozenset(found[_BLOCKED])
    bell = notifications.Bell(found[_UNREAD][0], found[_NEWEST][0])
    return Marks(frozenset(found[_LIKED]), blocked.union(found[_APART]), blocked, bell)


def forget(user: User) -> None:
    """Of somebody who is erased nothing of this is left."""
    db.session.execute(
        delete(Favourite).where((Favourite.customer_id == user.id) | (Favourite.professional_id == user.id))
    )


def _can_be_kept(professional_id, by):
    return exists().where(
        Professional.id == professional_id,
        Professional.approval == Approval.APPROVED,
        User.id == Professional.id,
        User.active.is_(True),
        ~blocked_pairs.are_apart(by.id, professional_id),
    )
