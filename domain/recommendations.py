"""What somebody is shown to book next, and why: from their own bookings, and from what their place books now.

The own part is worked out at night (see domain.learning). It is read in one query together with the counts of
the place, and only what can be booked there now is shown, never one who does not meet the customer again. What
others did is told of five households or more, and of nobody in it.
"""

import functools
from dataclasses import dataclass, replace
from datetime import timedelta

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import (
    Date,
    Float,
    Integer,
    String,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from domain import blocked_pairs, clock, places, tastes
from extensions import db, settings
from models import Address, Booking, Category, Offering, PinCode, Professional, Service, Status, User
from models_taste import AreaProfessional, AreaService, Recommendation, TasteChoice, Why

# A group smaller than this is not told of.
FEWEST_HOUSEHOLDS = 5
SERVICES, PEOPLE = 6, 3
# Whoever comes from farther away is not counted as near, even if they would come.
NEAR_KM = 25
MOST_LOOKED_AT = 30
# Of two years: this season's counts, and all counts.
SEASONS_LOOKED_AT = 8
# By how much a service must be booked more in this season than in others for it to be the reason.
SEASONAL = 1.25
# What was done so lately is only suggested again by its rhythm.
LATELY = timedelta(days=14)
UNDER_WAY = (Status.PENDING, Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS)
DONE = (Status.COMPLETED, Status.CLOSED, Status.DISPUTED)
DAYS_OF_A_WEEK, DAYS_OF_A_MONTH, LONGEST_IN_WEEKS = 7, 30.4, 25
OWN, PLACE, SITE, NEIGHBOURS = "own", "place", "site", "neighbours"

_HOME = (
    select(PinCode)
    .join(Address, Address.pincode == PinCode.pincode)
    .where(Address.customer_id == bindparam("customer"), Address.archived_at.is_(None))
    .order_by(Address.id.desc())
    .limit(1)
)


@dataclass(frozen=True)
class Suggestion:
    """A service, or with `name` a professional for it, and why it is shown."""

    service_id: int
    service: str
    slug: str
    category: str
    price: int
    reason: str
    score: float
    professional_id: int | None = None
    name: str = ""
    photo_id: str | None = None
    rating: float | None = None
    rating_count: int = 0


@dataclass(frozen=True)
class Suggestions:
    """`own` says whether any of it comes from the reader's own bookings."""

    services: tuple[Suggestion, ...] = ()
    people: tuple[Suggestion, ...] = ()
    own: bool = False
    pincode: str = ""

    def __bool__(self) -> bool:
        return bool(self.services or self.people)


def at_home(customer_id: int, services: int = SERVICES, people: int = PEOPLE) -> Suggestions:
    """What a customer may want at their newest address."""
    return suggestions(customer_id, db.session.scalar(_HOME, {"customer": customer_id}), services, people)


def suggestions(
    customer_id: int | None, place: PinCode | places.Place | None, services: int = SERVICES, people: int = PEOPLE
) -> Suggestions:
    """What a customer, or anybody, may want at a place, the best first; in one query."""
    today = clock.today()
    values = {"customer": customer_id or 0, "season": tastes.season_of(today + tastes.AHEAD)}
    values["lately"] = clock.now() - LATELY
    if place is not None:
        values |= {**places.area(place.lat, place.lon, NEAR_KM), "pincode": place.pincode}
    rows = db.session.connection().execute(_statement(place is not None), values).all()
    own = [row for row in rows if row.source == OWN]
    found = _services(own, [row for row in rows if row.source in (PLACE, SITE)], today, services)
    met = _people(own, [row for row in rows if row.source == NEIGHBOURS], people)
    from_own = any(row.why != Why.AVOID for row in own)
    return Suggestions(found, met, from_own, place.pincode if place else "")


def is_off(customer: User) -> bool:
    """Whether a customer wants no suggestions from their bookings."""
    return bool(db.session.scalar(select(TasteChoice.off).where(TasteChoice.customer_id == customer.id)))


def switch(by: User, on: bool) -> None:
    """Have suggestions from one's bookings, from the next night on, or none from now on."""
    known = db.session.get(TasteChoice, by.id)
    if known is None and on:
        return
    if known is None:
        db.session.add(TasteChoice(customer_id=by.id, off=True))
    else:
        known.off = not on
    if not on:
        _forget_ideas(by)
    db.session.flush()


def forget(user: User) -> None:
    """Of somebody who is erased nothing of this is left."""
    _forget_ideas(user)
    for theirs in (
        delete(Recommendation).where(Recommendation.professional_id == user.id),
        delete(AreaProfessional).where(AreaProfessional.professional_id == user.id),
        delete(TasteChoice).where(TasteChoice.customer_id == user.id),
    ):
        db.session.execute(theirs.execution_options(synchronize_session=False))


def _forget_ideas(customer):
    mine = delete(Recommendation).where(Recommendation.customer_id == customer.id)
    db.session.execute(mine.execution_options(synchronize_session=False))


# -- Services ---------------------------------------------------------------------------------


def _services(own, local, today, most):
    """Ideas of the household's own, and what the place books, added up; each with its strongest reason."""
    mine = {row.service_id: row for row in own if row.professional_id is None}
    not_due = {one for one, row in mine.items() if row.since and today < row.since}
    told = [row for row in local if row.number >= FEWEST_HOUSEHOLDS]
    # Of several that name a service the last one counts: one's own, then the place's.
    told.sort(key=lambda row: row.source == PLACE)
    found = {row.service_id: row for row in (*told, *mine.values()) if row.service_id not in not_due}
    usual, seasons = _usual(local), {source: _seasonal_share(local, source) for source in (PLACE, SITE)}
    scores = {one: _worth(row, today) + tastes.FOR_PLACE * usual.get(one, 0.0) for one, row in found.items()}
    best = sorted(found, key=lambda one: (-scores[one], one))[:most]
    return tuple(_suggestion(found[one], _reason(found[one], seasons, mine, today), scores[one]) for one in best)


def _worth(row, today):
    score = row.score or 0.0
    return score - tastes.FOR_RHYTHM + tastes.FOR_AGAIN if _has_stopped(row, today) else score


def _has_stopped(row, today):
    """Whether the household no longer keeps to its rhythm."""
    return row.until is not None and today > row.until


def _reason(row, seasons, mine, today):
    if row.source == OWN:
        return _("You booked this before") if _has_stopped(row, today) else _own_reason(row)
    in_season = row.seasonal >= FEWEST_HOUSEHOLDS and row.seasonal > SEASONAL * seasons[row.source] * row.whole
    if row.source == SITE:
        return _("Often booked at this time of the year") if in_season else _("Often booked")
    if in_season:
        return _seasonal(tastes.season_of(clock.today() + tastes.AHEAD) % tastes.SEASONS, row.district)
    return _("People near you also booked this") if mine else _("Popular in %(district)s", district=row.district)


def _usual(local):
    """How usual each service is in the place and season: 1 for the most usual."""
    counts = {source: _counts(local, source) for source in (PLACE, SITE)}
    site = tastes.shares(counts[SITE], {})
    here = tastes.shares(counts[PLACE], site)
    most = max(here.values(), default=0.0)
    return {service: share / most for service, share in here.items()} if most else {}


def _seasonal_share(local, source):
    """Which part of all that is booked there is booked in this season."""
    counts = [row for row in local if row.source == source]
    return sum(row.seasonal for row in counts) / max(sum(row.whole for row in counts), 1)


def _counts(local, source):
    return {row.service_id: (row.seasonal, row.whole) for row in local if row.source == source}


def _own_reason(row):
    if row.why == Why.RHYTHM:
        return _rhythm(row.number)
    if row.why == Why.AGAIN:
        return ngettext("You booked this once", "You booked this %(num)s times", row.number)
    if row.number >= FEWEST_HOUSEHOLDS:
        return _("Households that booked %(service)s booked this too", service=row.about)
    return _("Goes with what you booked")


def _rhythm(days):
    if days < LONGEST_IN_WEEKS:
        weeks = max(round(days / DAYS_OF_A_WEEK), 1)
        return ngettext("You book this every week", "You book this every %(num)s weeks", weeks)
    months = max(round(days / DAYS_OF_A_MONTH), 1)
    return ngettext("You book this every month", "You book this every %(num)s months", months)


def _seasonal(season, district):
    if settings.country != "IN":
        return _("Popular in %(district)s at this time of the year", district=district)
    return (
        _("Popular in %(district)s in winter", district=district),
        _("Popular in %(district)s before the monsoon", district=district),
        _("Popular in %(district)s during the monsoon", district=district),
        _("Popular in %(district)s after the monsoon", district=district),
    )[season]


# -- Professionals ----------------------------------------------------------------------------


def _people(own, neighbours, most):
    """Those whom the household liked, and then those whom its neighbours had, the best rated first."""
    avoided = {row.professional_id for row in own if row.why == Why.AVOID}
    met = {row.professional_id: row for row in own if row.professional_id}
    others = [row for row in neighbours if row.number >= FEWEST_HOUSEHOLDS or _is_well_rated(row)]
    found = {row.professional_id: row for row in others} | met
    worth = {one: found[one].score or found[one].rank for one in found.keys() - avoided}
    ranked = sorted(worth, key=lambda one: (one not in met, -worth[one], one))
    return tuple(_suggestion(found[one], _meeting(found[one]), worth[one]) for one in ranked[:most])


def _meeting(row):
    if row.why == Why.STARS:
        return ngettext("You gave them %(num)s star", "You gave them %(num)s stars", row.number)
    if row.source == OWN:
        return ngettext("You booked them %(num)s time", "You booked them %(num)s times", row.number)
    if row.number >= FEWEST_HOUSEHOLDS:
        return _("%(count)s households in %(district)s booked them", count=row.number, district=row.district)
    return _("Well rated near you")


def _is_well_rated(row):
    return row.rating_count and row.rating_sum >= tastes.GOOD * row.rating_count


def _suggestion(row, reason, score):
    found = Suggestion(row.service_id, row.service, row.slug, row.category, row.base_price, reason, score)
    if row.professional_id is None:
        return found
    rating = row.rating_sum / row.rating_count if row.rating_count else None
    return replace(
        found,
        professional_id=row.professional_id,
        name=row.name,
        photo_id=row.photo_id,
        rating=rating,
        rating_count=row.rating_count,
    )


# -- The statement, built once ----------------------------------------------------------------

# Tables and not classes: a statement of classes goes the longer way through the ORM.
_own, _local, _met = Recommendation.__table__.c, AreaService.__table__.c, AreaProfessional.__table__.c
_offers, _pins, _bookings = Offering.__table__.c, PinCode.__table__.c, Booking.__table__.c
_COLUMNS = {
    "professional_id": _offers.professional_id.type,
    "why": String(20),
    "about_id": _offers.service_id.type,
    "number": Integer(),
    "seasonal": Integer(),
    "whole": Integer(),
    "score": Float(),
    "since": Date(),
    "until": Date(),
    "district": String(120),
}


@functools.cache
def _statement(near):
    """Own ideas, what the place and the site book, and whom the place books: each that can be booked now."""
    site = _booked(SITE, _local.state == "", _local.district == "")
    here = and_(_pins.state == _local.state, _pins.district == _local.district)
    at = _pins.pincode == bindparam("pincode")
    found = union_all(_ideas(), site, *([_booked(PLACE, at, here), _most_met(at)] if near else [])).subquery()
    person, about = Professional.__table__.c, Service.__table__.alias("about").c
    service, category, user = Service.__table__.c, Category.__table__.c, User.__table__.c
    return (
        select(
            found,
            service.name.label("service"),
            service.slug,
            service.base_price,
            category.name.label("category"),
            about.name.label("about"),
            user.name,
            user.photo_id,
            person.rating_sum,
            person.rating_count,
            person.rank,
        )
        .select_from(found)
        .join(Service.__table__, service.id == found.c.service_id)
        .join(Category.__table__, category.id == service.category_id)
        .outerjoin(about.id.table, about.id == found.c.about_id)
        .outerjoin(Professional.__table__, person.id == found.c.professional_id)
        .outerjoin(User.__table__, user.id == found.c.professional_id)
        .where(service.retired_at.is_(None), category.retired_at.is_(None), _can_be_booked(found.c, near))
        .where(
            found.c.service_id.not_in(_had_lately(*UNDER_WAY)),
            or_(found.c.why == Why.RHYTHM.value, found.c.service_id.not_in(_had_lately(*DONE))),
        )
    )


def _had_lately(*states):
    return select(_bookings.service_id).where(
        _bookings.customer_id == bindparam("customer"),
        _bookings.starts_at >= bindparam("lately"),
        _bookings.status.in_(states),
    )


def _ideas():
    named = {name: _own[name] for name in ("professional_id", "about_id", "number", "score", "since", "until")}
    return _row(OWN, _own.service_id, why=cast(_own.why, String(20)), **named).where(
        _own.customer_id == bindparam("customer")
    )


def _booked(source, *conditions):
    season = bindparam("season", type_=Integer())
    seasonal = func.sum(case(((season - _local.season) % tastes.SEASONS == 0, _local.households), else_=0))
    return (
        _row(
            source,
            _local.service_id,
            # A household may be in more than one season: in the biggest each is counted once.
            number=func.max(_local.households),
            seasonal=seasonal,
            whole=func.sum(_local.households),
            district=_local.district,
        )
        .where(*conditions, _local.season > season - SEASONS_LOOKED_AT, _local.season <= season)
        .group_by(_local.service_id, _local.district)
    )


def _most_met(at):
    most = (
        select(_met.service_id, _met.professional_id, _met.households, _met.district)
        .join(PinCode.__table__, and_(_pins.state == _met.state, _pins.district == _met.district))
        .where(at)
        .order_by(_met.households.desc(), _met.professional_id)
        .limit(MOST_LOOKED_AT)
        .subquery()
    ).c
    return _row(
        NEIGHBOURS,
        most.service_id,
        professional_id=most.professional_id,
        number=most.households,
        district=most.district,
    )


def _row(source, service_id, **named):
    values = (named.get(name, cast(null(), kind)).label(name) for name, kind in _COLUMNS.items())
    return select(literal(source).label("source"), service_id.label("service_id"), *values)


def _can_be_booked(row, near):
    """The condition that somebody whom the customer meets offers it there now; of a professional, they do."""
    offered = [_offers.service_id == row.service_id, _offers.listed.is_(True)]
    if near:
        box, square = places.near(_offers.lat, _offers.lon)
        offered += [box, square <= _offers.radius_km * _offers.radius_km]
    offered.append(~blocked_pairs.are_apart(bindparam("customer"), _offers.professional_id))
    return or_(
        and_(row.professional_id.is_(None), exists().where(*offered)),
        exists().where(_offers.professional_id == row.professional_id, *offered),
    )
