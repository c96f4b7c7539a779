"""How an admin finds people, bookings and services: by name, mail, phone, PIN code or reference.

A search reads indexes and stops after a fixed number of rows, however large the site is.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta

from flask_babel import gettext as _
from sqlalchemy import String, and_, false, func, or_, select, type_coerce, union_all
from sqlalchemy.orm import joinedload, selectinload

from domain import bookings, clock, people, places
from domain.errors import NotFound
from domain.paging import SIZE, Page, keyset
from extensions import db, settings
from models import (
    Booking,
    BookingEvent,
    BookingOffer,
    Category,
    PinCode,
    Professional,
    Review,
    Role,
    Service,
    Status,
    User,
)
from models_lifecycle import Dispute
from models_money import Document

MOST_FOUND = 10
LONGEST_QUERY = 100
# What counts as in a city: its centre is a point, its houses are not.
CITY_KM = 25
FEWEST_PHONE_DIGITS = 4
AGREED = (Status.ACCEPTED, Status.EN_ROUTE)
# A query for each kind, however many bookings.
WHOLE = (
    joinedload(Booking.review),
    joinedload(Booking.dispute),
    selectinload(Booking.lines),
    selectinload(Booking.events).joinedload(BookingEvent.actor),
    selectinload(Booking.offers),
    selectinload(Booking.proposals),
)


# -- Search -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """Up to ten of each kind; `more` names the kinds of which there are others."""

    people: list[User] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    more: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        return not (self.people or self.bookings or self.services)


def search(text: str, by: User) -> Found:
    """People by the beginning of their name, mail or phone or by PIN; bookings by reference, PIN or
    person; services by any part of their name."""
    text = " ".join(text.lower().split())[:LONGEST_QUERY]
    if not text:
        return Found()
    kinds = {"people": people.like(text, MOST_FOUND + 1)}
    kinds["bookings"] = _bookings_like(text, kinds["people"][:MOST_FOUND], by)
    kinds["services"] = _services_like(text)
    more = frozenset(name for name, rows in kinds.items() if len(rows) > MOST_FOUND)
    return Found(**{name: rows[:MOST_FOUND] for name, rows in kinds.items()}, more=more)


def _bookings_like(text, persons, by):
    found = bookings.visible_to(by).with_only_columns(Booking.id)
    asked = [
        found.where(side == person.id).order_by(Booking.starts_at.desc())
        for person in persons
        for side in _sides(person)
    ]
    if people.is_pin(text):
        asked.append(found.where(Booking.pincode == text).order_by(Booking.id.desc()))
    if booking_id := bookings.id_of_reference(text):
        asked.append(found.where(Booking.id == booking_id))
    if not asked:
        return []
    ids = union_all(*(select(one.limit(MOST_FOUND + 1).subquery()) for one in asked))
    return list(
        db.session.scalars(
            _with_people(select(Booking))
            .where(Booking.id.in_(ids))
            .order_by(Booking.starts_at.desc(), Booking.id.desc())
            .limit(MOST_FOUND + 1)
        )
    )


def _services_like(text):
    return list(
        db.session.scalars(
            select(Service)
            .join(Service.category)
            .options(joinedload(Service.category))
            .where(
                or_(
                    func.lower(Service.name).contains(text, autoescape=True),
                    func.lower(Category.name).contains(text, autoescape=True),
                )
            )
            .order_by(Service.name, Service.id)
            .limit(MOST_FOUND + 1)
        )
    )


# -- Bookings and reviews ---------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What the list of bookings is narrowed to; everything may be left out."""

    status: Status | None = None
    first: date | None = None
    last: date | None = None
    place: str = ""
    professional: str = ""
    service_id: int | None = None
    customer_id: int | None = None
    reference: str = ""
    late: bool = False
    locked: bool = False


def booking_page(
    wanted: Wanted, by: User, after: str | None = None, size: int = SIZE, whole: bool = False
) -> Page:
    """A page of bookings: the newest first, or by the visit when days or one person are given.

    `whole` has each with all that it takes to tell its story and who can do what with it.
    """
    found = _with_people(bookings.visible_to(by)).where(*_conditions(wanted))
    if whole:
        found = found.options(*WHOLE)
    if wanted.first or wanted.last or wanted.customer_id or _number(wanted.professional):
        return keyset(found, [(Booking.starts_at, "desc"), (Booking.id, "desc")], after, size)
    return keyset(found, [(Booking.id, "desc")], after, size)


def live_page(customer: User, after: str | None = None, size: int = SIZE) -> Page:
    """A page of what a customer has ahead or under way, whole, the next first."""
    found = _with_people(bookings.visible_to(customer)).where(bookings.is_live()).options(*WHOLE)
    return keyset(found, [(Booking.starts_at, "asc"), (Booking.id, "asc")], after, size)


def bookings_of(user: User, by: User, most: int = MOST_FOUND) -> list[Booking]:
    """A person's latest bookings, on whichever side of them."""
    sides = _sides(user)
    if not sides:
        return []
    return list(
        db.session.scalars(
            _with_people(bookings.visible_to(by))
            .where(or_(*(side == user.id for side in sides)))
            .order_by(Booking.starts_at.desc(), Booking.id.desc())
            .limit(most)
        )
    )


def booking(booking_id: int, by: User) -> Booking:
    """One booking with everything that happened to it. Raises NotFound for a stranger too."""
    found = db.session.scalars(
        _with_people(bookings.visible_to(by))
        .where(Booking.id == booking_id)
        .options(
            joinedload(Booking.lines),
            joinedload(Booking.payments),
            joinedload(Booking.documents).defer(Document.content),
            joinedload(Booking.refunds),
            joinedload(Booking.review),
            joinedload(Booking.proposals),
            joinedload(Booking.position),
            joinedload(Booking.dispute).options(joinedload(Dispute.photos), joinedload(Dispute.resolved_by)),
            selectinload(Booking.events).joinedload(BookingEvent.actor),
        )
    ).unique()
    found = found.one_or_none()
    if found is None:
        raise NotFound(_("There is no such booking, or it is not yours."))
    return found


def offers_of(one: Booking) -> list:
    """To whom a booking for any professional was offered: id, name, status, answered_at."""
    return db.session.execute(
        select(User.id, User.name, BookingOffer.status, BookingOffer.answered_at)
        .join(User, User.id == BookingOffer.professional_id)
        .where(BookingOffer.booking_id == one.id)
        .order_by(BookingOffer.position)
    ).all()


def late():
    """The condition that a job was agreed, and has not begun half an hour after its time."""
    patience = timedelta(minutes=settings.policy.start_before_minutes)
    # Nothing but what is agreed is read: by the index of starts SQLite would go through the whole past.
    starts = func.coalesce(Booking.starts_at, Booking.starts_at)
    return and_(Booking.status.in_(AGREED), starts < clock.now() - patience)


def code_locked():
    """The condition that a job can't begin because its code was guessed wrong too often."""
    return and_(Booking.status.in_(AGREED), Booking.code_tries >= settings.policy.code_tries)


def professionals_of(ids: list[int]) -> dict[int, Professional]:
    """Professionals with their names, by id."""
    found = select(Professional).where(Professional.id.in_(ids)).options(joinedload(Professional.user))
    return {one.id: one for one in db.session.scalars(found)}


def services() -> list[Service]:
    """Every service there ever was, for choosing one."""
    return list(db.session.scalars(select(Service).order_by(Service.name, Service.id)))


def review_page(
    hidden: bool | None = None, rating: int | None = None, review_id: int | None = None, after: str | None = None
) -> Page:
    """A page of reviews, newest first."""
    found = _with_sides(select(Review))
    if hidden is not None:
        found = found.where(Review.hidden_at.is_not(None) if hidden else Review.hidden_at.is_(None))
    if rating:
        found = found.where(Review.rating == rating)
    if review_id:
        found = found.where(Review.id == review_id)
    return keyset(found, [(Review.id, "desc")], after)


def review(review_id: int) -> Review:
    """One review with its people. Raises NotFound."""
    found = db.session.scalar(_with_sides(select(Review)).where(Review.id == review_id))
    if found is None:
        raise NotFound(_("There is no such review."))
    return found


# -- Small print ------------------------------------------------------------------------------


def _conditions(wanted):
    if wanted.status is Status.EXPIRED:
        yield _unsorted(Booking.status).in_((Status.EXPIRED.value, Status.PENDING.value))
        yield or_(Booking.status == Status.EXPIRED, Booking.respond_by <= clock.now())
    elif wanted.status is Status.PENDING:
        yield and_(Booking.status == Status.PENDING, Booking.respond_by > clock.now())
    elif wanted.status:
        yield Booking.status == wanted.status
    if wanted.first:
        yield Booking.starts_at >= clock.start_of(wanted.first)
    if wanted.last:
        yield Booking.starts_at < clock.start_of(wanted.last + timedelta(days=1))
    if wanted.place.strip():
        yield _in_place(wanted.place)
    if wanted.professional.strip():
        yield _by_professional(wanted.professional)
    if wanted.service_id:
        yield Booking.service_id == wanted.service_id
    if wanted.customer_id:
        yield Booking.customer_id == wanted.customer_id
    if wanted.reference.strip():
        yield Booking.id == (bookings.id_of_reference(wanted.reference) or 0)
    if wanted.late:
        yield late()
    if wanted.locked:
        yield code_locked()


def _in_place(text):
    """In one PIN code, or around a city; a place that nobody knows has no bookings."""
    place = places.resolve(text)
    if place is None:
        return false()
    if place.pincode and place.pincode == text.strip():
        return Booking.pincode == place.pincode
    near, _square = places.within(place.lat, place.lon, PinCode.lat, PinCode.lon, CITY_KM)
    return _unsorted(Booking.pincode).in_(select(PinCode.pincode).where(near))


def _unsorted(column):
    """A column without its index: of many matches the list is walked from its end until the page
    is full, where the index would fetch and sort every one of them."""
    return type_coerce(column, String) + ""


def _by_professional(text):
    text = " ".join(text.lower().split())
    if number := _number(text):
        return Booking.professional_id == number
    named = select(User.id).where(
        User.role == Role.PROFESSIONAL, or_(people.named(text), people.begins(User.email, text))
    )
    return Booking.professional_id.in_(named)


def _number(text):
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None


def _with_people(found):
    return found.options(
        joinedload(Booking.service),
        joinedload(Booking.customer),
        joinedload(Booking.pin),
        joinedload(Booking.professional).joinedload(Professional.user),
    )


def _with_sides(found):
    return found.options(
        joinedload(Review.customer),
        joinedload(Review.professional).joinedload(Professional.user),
        joinedload(Review.booking).joinedload(Booking.service),
    )


def _sides(user):
    return {Role.CUSTOMER: (Booking.customer_id,), Role.PROFESSIONAL: (Booking.professional_id,)}.get(user.role, ())
