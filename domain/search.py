"""Who is found: filters as they stand in the URL, one select for each way of sorting, pages of 20.

A page reads one index and joins 20 rows. Nothing is averaged, counted or skipped over, so it costs
the same on a site of any size; the distance is that of domain.places.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from flask_babel import gettext as _
from sqlalchemy import and_, bindparam, case, exists, func, select

from domain import availability, catalogue, clock, paging, places
from domain.errors import Invalid
from domain.places import Place
from extensions import db, settings
from models import Offering, PinCode, Professional, User, WorkingHours

SORTS = ("best", "rating", "distance", "experience", "price")
RADII = (5, 10, 25, 50, 100)
RATINGS = (3, 3.5, 4, 4.5)
DEFAULT_RADIUS = 10
# Parts of a day, in hours on the site's clock.
PARTS = {"morning": (0, 12), "afternoon": (12, 17), "evening": (17, 24)}
MAX_TEXT = 100
MAX_PRICE = 10_000_000
# With a day or a time asked for, so many are looked at to fill a page.
LOOKED_AT = 200
# Best match: the rank in stars, less one star at the edge of the radius, growing with the square.
STARS_AT_THE_EDGE = 1.0
# "1,000+": nobody needs to know it more exactly.
MOST_COUNTED = 1000


@dataclass
class Filters:
    """What was asked for. `errors` says by field what of it cannot be used."""

    words: str = ""
    service: str = ""
    near: str = ""
    radius: float = DEFAULT_RADIUS
    rating: float | None = None
    price: int | None = None
    day: date | None = None
    time: str = ""
    sort: str = "best"
    after: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A professional as a result shows them; `price` is for the service, in minor units."""

    id: int
    name: str
    photo_id: str | None
    rating: float | None
    rating_count: int
    experience_years: int
    place: str
    distance_km: float | None
    approximate: bool
    price: int
    next_slot: datetime | None


@dataclass(frozen=True)
class Results:
    """A page of hits. `service` is what was searched for, `others` what else the words may mean."""

    service: object = None
    others: tuple = ()
    place: Place | None = None
    hits: tuple[Hit, ...] = ()
    next_cursor: str | None = None


def read(args: Mapping[str, str]) -> Filters:
    """The filters of a query string; whatever cannot be used is named in their errors."""
    asked = Filters()
    for name, reader in (
        ("q", _text("words", MAX_TEXT)),
        ("service", _text("service", 140)),
        ("near", _text("near", MAX_TEXT)),
        ("radius", _read_radius),
        ("rating", _read_rating),
        ("price", _read_price),
        ("day", _read_day),
        ("time", _read_time),
        ("sort", _read_sort),
        ("after", _text("after", paging.MAX_CURSOR)),
    ):
        given = args.get(name, "").strip()
        if not given:
            continue
        try:
            reader(asked, given)
        except Invalid as wrong:
            asked.errors[name] = wrong.message
    if asked.time and not asked.day and "day" not in asked.errors:
        asked.errors["day"] = _("Choose a day for that time.")
    if asked.sort == "distance" and not asked.near:
        asked.errors["near"] = _("Enter a PIN code or a city to sort by distance.")
    return asked


def find(
    asked: Filters, without: frozenset[int] = frozenset(), service=None, size: int = paging.SIZE
) -> Results:
    """The professionals that fit, a page of them; none of those `without`, whom the reader does not
    meet. `service` is the row of the catalogue that was asked for, where it is known already. What
    cannot be found is added to the errors."""
    if service is not None:
        found = [service]
    elif asked.service and asked.service.isprintable():
        found = catalogue.with_siblings(asked.service)
    else:
        found = catalogue.matching(asked.words) if asked.words else []
    place = places.resolve(asked.near) if asked.near else None
    if asked.near and place is None and "near" not in asked.errors:
        asked.errors["near"] = _("We do not know that PIN code or city. Check it, or try a bigger place nearby.")
    if not found or asked.errors:
        return Results(found[0] if found else None, tuple(found[1:]), place)
    hits, cursor = _page(asked, found[0], place, without, size)
    return Results(found[0], tuple(found[1:]), place, tuple(hits), cursor)


def count_near(place: Place, radius_km: float) -> int:
    """How many professionals come to a place, counted up to 1,000."""
    values = places.area(place.lat, place.lon, radius_km)
    return db.session.scalar(_count_near(), {**values, "square_radius": radius_km * radius_km})


def window(day: date, part: str) -> tuple[datetime, datetime]:
    """From when until before when a job is to begin, for a day and a time or a part of it."""
    if part in PARTS:
        opens, closes = (timedelta(hours=hours) for hours in PARTS[part])
    elif part:
        wanted = time.fromisoformat(part)
        opens = timedelta(hours=wanted.hour, minutes=wanted.minute)
        closes = opens + timedelta(minutes=settings.policy.slot_step_minutes)
    else:
        opens, closes = timedelta(), timedelta(days=1)
    return _moment(day, opens), _moment(day, closes)


def _page(asked, service, place, without, most):
    """The hits, and the cursor of what follows them."""
    keys = _keys(asked.sort, place is not None)
    values = {"service": service.id, "base_price": service.base_price}
    if place is not None:
        values |= places.area(place.lat, place.lon, asked.radius)
        values |= {"radius": asked.radius, "square_radius": asked.radius * asked.radius}
        values["per_square"] = STARS_AT_THE_EDGE / values["square_radius"]
    if asked.rating is not None:
        values["rating"] = asked.rating
    if asked.price is not None:
        values["price"] = asked.price
    if asked.day is not None:
        opens, closes = window(asked.day, asked.time)
        values |= _hours(asked, service)
    if without:
        values["without"] = sorted(without)
    if asked.after:
        types = [kind for _column, kind in keys]
        values |= {f"after_{n}": value for n, value in enumerate(paging.decode(asked.after, types))}
    statement = _statement(
        asked.sort,
        place is not None,
        asked.rating is not None,
        asked.price is not None,
        asked.day is not None,
        bool(asked.after),
        bool(without),
    )
    size = LOOKED_AT if asked.day is not None else most
    rows = db.session.connection().execute(statement, {**values, "size": size + 1}).all()
    scanned, more = rows[:size], len(rows) > size
    if asked.day is None:
        slots = availability.next_slots(dict.fromkeys((row.id for row in scanned), service.duration_minutes), place)
        shown = scanned
    else:
        slots = availability.free_between(
            dict.fromkeys((row.id for row in scanned), service.duration_minutes), opens, closes, place
        )
        free = [row for row in scanned if row.id in slots]
        shown = free[:most]
        if len(free) > len(shown):
            scanned, more = shown, True
    cursor = paging.encode([getattr(scanned[-1], f"key_{n}") for n in range(len(keys))]) if more else None
    rough = place is not None and place.approximate
    return [_hit(row, slots, place is not None, rough) for row in shown], cursor


def _hit(row, slots, near, rough):
    return Hit(
        row.id,
        row.name,
        row.photo_id,
        row.rating_sum / row.rating_count if row.rating_count else None,
        row.rating_count,
        row.experience_years,
        row.place,
        math.sqrt(row.square) if near else None,
        rough or row.geo == "C",
        row.price,
        slots[row.id],
    )


def _hours(asked, service):
    """Parameters of the rough condition that somebody works on that day at that time."""
    opens, closes = window(asked.day, asked.time)
    first, last = clock.local(opens), clock.local(closes)
    minute = 24 * 60 if last.date() > first.date() else last.hour * 60 + last.minute
    return {
        "weekday": asked.day.weekday(),
        "before": minute,
        "until": first.hour * 60 + first.minute + service.duration_minutes,
    }


# -- The statements, each built once ----------------------------------------------------------

# Tables and not classes: a statement of classes goes the longer way through the ORM.
_offers, _people, _users = Offering.__table__.c, Professional.__table__.c, User.__table__.c
_pins, _hours_of = PinCode.__table__.c, WorkingHours.__table__.c

_price = case(
    (_offers.own_price.is_not(None), _offers.own_price), else_=bindparam("base_price", type_=_offers.own_price.type)
)
_box, _square = places.near(_offers.lat, _offers.lon)
# Measured once for each row: the nearer of the two limits, that of the search and their own.
_reached = and_(
    _box,
    _square
    <= case(
        (_offers.radius_km < bindparam("radius"), _offers.radius_km * _offers.radius_km),
        else_=bindparam("square_radius"),
    ),
)
_rated = func.coalesce(_offers.rating, 0.0)
_id = (_offers.professional_id, int)


def _keys(sort, near):
    """What is sorted by: the columns and their types. All run in one direction, see _DOWNWARDS."""
    if sort == "rating":
        return (_rated, float), (_offers.rank, float), _id
    if sort == "distance":
        return (_square, float), _id
    if sort == "experience":
        return (_offers.experience_years, int), (_offers.rank, float), _id
    if sort == "price":
        return (_price, int), _id
    return (_offers.rank - _square * bindparam("per_square") if near else _offers.rank, float), _id


_DOWNWARDS = frozenset({"best", "rating", "experience"})


@functools.cache
def _statement(sort, near, rated, priced, timed, following, barred):
    """A page of those who fit, found and cut off before anything is joined."""
    keys = [column for column, _kind in _keys(sort, near)]
    labelled = [key.label(f"key_{n}") for n, key in enumerate(keys)]
    direction = "desc" if sort in _DOWNWARDS else "asc"
    found = select(
        _offers.professional_id,
        _offers.experience_years,
        _price.label("price"),
        *([_offers.lat, _offers.lon] if near else []),
        *labelled,
    ).where(_offers.service_id == bindparam("service"), _offers.listed.is_(True))
    if near:
        found = found.where(_reached)
    if rated:
        found = found.where(_offers.rating >= bindparam("rating"))
    if priced:
        found = found.where(_price <= bindparam("price"))
    if barred:
        found = found.where(_offers.professional_id.not_in(bindparam("without", expanding=True)))
    if timed:
        found = found.where(
            exists().where(
                _hours_of.professional_id == _offers.professional_id,
                _hours_of.weekday == bindparam("weekday"),
                _hours_of.starts_minute < bindparam("before"),
                _hours_of.ends_minute >= bindparam("until"),
            )
        )
    if following:
        values = [bindparam(f"after_{n}", type_=key.type) for n, key in enumerate(keys)]
        found = found.where(paging.following([(key, direction) for key in keys], values))
    ordered = found.order_by(*(getattr(key, direction)() for key in labelled)).limit(bindparam("size")).subquery()
    named = [ordered.c[f"key_{n}"] for n in range(len(keys))]
    return (
        select(
            ordered.c.professional_id.label("id"),
            _users.name,
            _users.photo_id,
            _people.rating_sum,
            _people.rating_count,
            ordered.c.experience_years,
            _pins.place,
            _pins.geo,
            ordered.c.price,
            *([places.near(ordered.c.lat, ordered.c.lon)[1].label("square")] if near else []),
            *named,
        )
        .select_from(ordered)
        .join(Professional.__table__, _people.id == ordered.c.professional_id)
        .join(User.__table__, _users.id == _people.id)
        .join(PinCode.__table__, _pins.pincode == _people.base_pincode)
        .order_by(*(getattr(key, direction)() for key in named))
    )


@functools.cache
def _count_near():
    box, square = places.near(_people.lat, _people.lon)
    people = (
        select(_people.id)
        .where(
            box,
            square <= bindparam("square_radius"),
            square <= _people.radius_km * _people.radius_km,
            exists().where(_offers.professional_id == _people.id, _offers.listed.is_(True)),
        )
        .limit(MOST_COUNTED)
    )
    return select(func.count()).select_from(people.subquery())


# -- Reading one filter -----------------------------------------------------------------------


def _text(name, most):
    def read_text(asked, given):
        setattr(asked, name, given[:most])
        if len(given) > most:
            raise Invalid(_("Keep it under %(most)s characters.", most=most))

    return read_text


def _read_radius(asked, given):
    asked.radius = _number(given, 1, places.MAX_RADIUS, _("Choose a distance from 1 to 200 km."))


def _read_rating(asked, given):
    asked.rating = _number(given, 1, 5, _("Choose a rating from 1 to 5."))


def _read_price(asked, given):
    amount = _number(given, 0, MAX_PRICE, _("Enter the highest price as a number, such as 500."))
    asked.price = int(Decimal(str(amount)) * settings.minor_units)


def _read_day(asked, given):
    today, last = clock.today(), clock.today() + timedelta(days=settings.policy.horizon_days)
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise Invalid(_("Choose a day from the list.")) from None
    if day < today:
        raise Invalid(_("That day has passed. Choose today or a later one."))
    if day > last:
        raise Invalid(_("Bookings open %(days)s days ahead. Choose an earlier day.", days=settings.policy.horizon_days))
    asked.day = day


def _read_time(asked, given):
    if given not in PARTS:
        try:
            given = time.fromisoformat(given).strftime("%H:%M")
        except ValueError:
            raise Invalid(_("Choose a part of the day, or a time such as 10:30.")) from None
    asked.time = given


def _read_sort(asked, given):
    if given not in SORTS:
        raise Invalid(_("Choose one of the ways to sort."))
    asked.sort = given


def _number(given, low, high, message):
    try:
        number = Decimal(given[:MAX_TEXT])
    except InvalidOperation:
        raise Invalid(message) from None
    if not number.is_finite() or not low <= number <= high:
        raise Invalid(message)
    return int(number) if number == number.to_integral_value() else float(number)


def _moment(day, after_midnight):
    """A time on the wall clock of a date; 24 hours after its midnight is the next date's."""
    days, seconds = divmod(int(after_midnight.total_seconds()), 86_400)
    wall = datetime.combine(day + timedelta(days=days), time(seconds // 3600, seconds % 3600 // 60), settings.zone)
    return wall.astimezone(clock.start_of(day).tzinfo)
