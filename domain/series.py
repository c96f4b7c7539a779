"""Visits of one professional at a distance: each is a booking of its own, made together and shown on one page."""

import calendar
from datetime import date, datetime, timedelta
from typing import NamedTuple

from flask_babel import gettext as _
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import joinedload

from domain import availability, bookings, clock, notifications, requests, standings
from domain.errors import Conflict, DomainError, Invalid, NotFound
from domain.transitions import HOLDING, available_actions
from extensions import db, settings
from models import Address, Booking, Every, IdempotencyKey, Professional, Series, User
from models_lifecycle import BookingService

FEWEST, MOST = 2, 12
_DAYS = {Every.WEEK: 7, Every.FORTNIGHT: 14, Every.THREE_WEEKS: 21}


class Wish(NamedTuple):
    """What is to be repeated: the same services at the same place and time of day."""

    professional_id: int
    service_id: int
    more: tuple[int, ...]
    starts_at: datetime
    address_id: int
    every: Every
    count: int


class Visit(NamedTuple):
    """One time of a plan, and what is in its way, if anything is."""

    starts_at: datetime
    clash: str | None


def plan(by: User, wish: Wish) -> list[Visit]:
    """The visits of a series with their clashes, in a constant number of queries.

    Raises Invalid when nothing can be booked like this at all.
    """
    starts = _starts(wish)
    connection = db.session.connection()
    offered = standings.what_is_offered(connection, wish.service_id, wish.professional_id)
    extras = standings.extras(connection, wish.professional_id, wish.service_id, wish.more) if wish.more else ()
    minutes = sum(one.duration_minutes for one in (offered, *extras))
    place = standings.address(connection, by, wish.address_id)
    standings.check_reach(offered, place)
    free = availability.free_among(wish.professional_id, starts, minutes, place)
    own = _own(by, starts[0], starts[-1] + timedelta(minutes=minutes))
    return [Visit(start, _clash(start, start + timedelta(minutes=minutes), free, own)) for start in starts]


def request(by: User, wish: Wish, chosen: set[datetime], remarks: str = "", key: str | None = None) -> Series:
    """Book the chosen times of a plan, all of them or none; the same `key` answers the first series.

    Raises Conflict when one was taken meanwhile or the key was used for something else, and Invalid
    when they are not of this plan.
    """
    # Of two clicks at once the second waits for the first, and finds its series.
    standings.lock(by, wish.professional_id)
    first = _first_result(by, wish, chosen, remarks, key) if key else None
    if first is not None:
        return get(first, by)
    starts = [start for start in _starts(wish) if start in chosen]
    if len(starts) != len(chosen) or len(starts) < FEWEST:
        raise Invalid(_("Choose at least two of the times."), "starts_at")
    series = Series(
        customer_id=by.id,
        professional_id=wish.professional_id,
        service_id=wish.service_id,
        every=wish.every,
        created_at=clock.now(),
    )
    db.session.add(series)
    db.session.flush()
    ids = [_visit(by, wish, start, remarks, key and f"{key}:{n}", series.id) for n, start in enumerate(starts)]
    notifications.notify(
        wish.professional_id,
        "series_requested",
        ids[0],
        service=db.session.get_one(Booking, ids[0]).title,
        name=by.name,
        time=starts[0].isoformat(),
        count=len(ids),
    )
    return series


def get(series_id: int, user: User) -> Series:
    """A series of a customer's, or for a professional, who may have been given one visit of it alone.
    Raises NotFound for a stranger too."""
    visited = exists().where(Booking.series_id == Series.id, Booking.professional_id == user.id)
    series = db.session.scalar(
        select(Series)
        .where(
            Series.id == series_id,
            or_(Series.customer_id == user.id, Series.professional_id == user.id, visited),
        )
        .options(
            joinedload(Series.service),
            joinedload(Series.customer),
            joinedload(Series.professional).joinedload(Professional.user),
        )
    )
    if series is None:
        raise NotFound(_("There is no such series, or it is not yours."))
    return series


def visits(series: Series, user: User) -> list[Booking]:
    """The bookings of a series that a person may see, in order of time."""
    mine = bookings.visible_to(user).where(Booking.series_id == series.id)
    return list(db.session.scalars(mine.options(joinedload(Booking.service)).order_by(Booking.starts_at, Booking.id)))


def accept(series: Series, by: User) -> int:
    """Accept every visit that still waits for this professional's answer; answer how many."""
    return _each(series, by, "accept", lambda booking: bookings.accept(booking, by))


def reject(series: Series, by: User, reason: str) -> int:
    """Decline every visit that still waits for this professional's answer; answer how many."""
    return _each(series, by, "reject", lambda booking: bookings.reject(booking, by, reason))


def cancel_from(booking: Booking, by: User, reason: str = "", cause: str | None = None) -> int:
    """Cancel a visit and all later ones of its series that can be cancelled; answer how many."""
    later = cancellable_from(booking, by)
    if not later:
        raise Conflict(_("That is no longer possible for any of these visits."))
    for one in later:
        bookings.cancel(one, by, reason, cause)
    return len(later)


def cancellable_from(booking: Booking, by: User) -> list[Booking]:
    """A visit and those after it in its series, without those that can't be cancelled any more."""
    if booking.series_id is None:
        raise Invalid(_("This booking belongs to no series."))
    later = [one for one in visits(get(booking.series_id, by), by) if one.starts_at >= booking.starts_at]
    return [one for one in later if "cancel" in available_actions(one, by)]


def again(booking: Booking, by: User) -> dict:
    """What the booking page is filled with for the same visit again: the next same weekday and time."""
    start, now = clock.local(booking.starts_at), clock.now()
    lead = timedelta(minutes=settings.policy.lead_minutes)
    weeks = max((now + lead - booking.starts_at) // timedelta(days=7) + 1, 1)
    others = select(BookingService.service_id).where(
        BookingService.booking_id == booking.id, BookingService.service_id != booking.service_id
    )
    address = select(Address.id).where(
        Address.customer_id == by.id,
        Address.line == booking.address_line,
        Address.pincode == booking.pincode,
        Address.archived_at.is_(None),
    )
    return {
        "professional_id": booking.professional_id or "any",
        "service_id": booking.service_id,
        "more": list(db.session.scalars(others.order_by(BookingService.position))),
        "address_id": db.session.scalar(address.order_by(Address.id.desc()).limit(1)),
        "starts_at": clock.at_wall(start.date() + timedelta(days=7 * weeks), start.time()).isoformat(),
    }


def _each(series, by, verb, do):
    able = [one for one in visits(series, by) if verb in available_actions(one, by)]
    if not able:
        raise Conflict(_("That is no longer possible for any of these visits."))
    for one in able:
        do(one)
    return len(able)


def _visit(by, wish, start, remarks, key, series_id):
    try:
        return requests.request(
            by,
            wish.service_id,
            wish.professional_id,
            start,
            wish.address_id,
            remarks,
            key,
            more=wish.more,
            series_id=series_id,
        )
    except DomainError as refusal:
        raise Conflict(f"{clock.spoken(start)}: {refusal.message}") from refusal


def _first_result(by, wish, chosen, remarks, key):
    """The series that this key made before. Raises Conflict when it was asked for something else."""
    before = db.session.execute(
        select(IdempotencyKey.key, IdempotencyKey.fingerprint, Booking.series_id)
        .join(Booking, Booking.id == IdempotencyKey.booking_id)
        .where(IdempotencyKey.user_id == by.id, IdempotencyKey.key.startswith(f"{key}:", autoescape=True))
    ).all()
    if not before:
        return None
    # As requests.request() has kept them for each visit.
    same = wish.service_id, wish.professional_id
    rest = wish.address_id, remarks, False, wish.more, ""
    asked = {f"{key}:{n}": requests.fingerprint(*same, start, *rest) for n, start in enumerate(sorted(chosen))}
    if asked != {row.key: row.fingerprint for row in before}:
        raise requests.other_details()
    return before[0].series_id


def _starts(wish):
    """The times of a series: the same time on the site's wall clock on each date."""
    if not FEWEST <= wish.count <= MOST:
        raise Invalid(_("Choose from %(fewest)s to %(most)s visits.", fewest=FEWEST, most=MOST), "count")
    availability.check_bookable(wish.starts_at)
    first = clock.local(wish.starts_at)
    dates = [_date(first.date(), wish.every, number) for number in range(wish.count)]
    starts = [clock.at_wall(day, first.time()) for day in dates]
    last = clock.now() + timedelta(days=settings.policy.series_days)
    if starts[-1] > last:
        raise Invalid(_("A series ends within %(days)s days.", days=settings.policy.series_days), "count")
    return starts


def _date(first, every, number):
    """The date of a visit; in a month that is too short for it, the month's last day."""
    if every is not Every.MONTH:
        return first + timedelta(days=_DAYS[every] * number)
    months = first.month - 1 + number
    year, month = first.year + months // 12, months % 12 + 1
    return date(year, month, min(first.day, calendar.monthrange(year, month)[1]))


def _own(by, opens, closes):
    """When a customer has other bookings."""
    taken = select(Booking.starts_at, Booking.ends_at).where(
        Booking.customer_id == by.id, HOLDING, Booking.starts_at < closes, Booking.ends_at > opens
    )
    return db.session.execute(taken).all()


def _clash(starts_at, ends_at, free, own):
    if starts_at not in free:
        return _("The professional is not free then.")
    if any(begins < ends_at and starts_at < ends for begins, ends in own):
        return _("You have another booking then.")
    return None
