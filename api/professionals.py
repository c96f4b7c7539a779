"""Professionals as everybody may see them: who is found, what they offer, and when they are free."""

from datetime import timedelta

from flask_babel import gettext as _
from marshmallow import fields, validate

from api import schemas
from api.calls import Calls
from domain import availability, catalogue, clock, places, search
from domain.errors import Invalid
from extensions import settings

bp = Calls("api_professionals", __name__, description="Professionals: who is found, and when they are free")

MOST_DAYS, USUAL_DAYS = 14, 7
# How a search names what the call calls otherwise.
NAMES = {"near": "pincode", "radius": "radius_km", "rating": "min_rating", "day": "available_at"}


class Wanted(schemas.Cursor):
    service_id = schemas.AskedId(required=True, metadata={"description": "The service that they are to offer."})
    pincode = schemas.Text(12, metadata={"description": "Where the work is.", "example": "560001"})
    radius_km = fields.Float(
        validate=validate.Range(1, places.MAX_RADIUS),
        metadata={"description": "At most so far from there; 10 unless told."},
    )
    min_rating = fields.Float(validate=validate.Range(1, 5))
    available_at = schemas.Moment(
        metadata={
            "description": "Free to begin then, or within the half hour after.",
            "example": "2026-11-24T11:00:00+05:30",
        }
    )
    sort = fields.String(load_default="best", validate=validate.OneOf(search.SORTS))


class Found(schemas.Schema):
    """A professional at their price for the service; `next_slot` is the first start that fits."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    rating = fields.Float(required=True, allow_none=True, metadata={"example": 4.7})
    rating_count = fields.Integer(required=True)
    experience_years = fields.Integer(required=True)
    place = fields.String(required=True)
    distance_km = fields.Float(required=True, allow_none=True)
    price = schemas.Amount(required=True)
    next_slot = schemas.Moment(required=True, allow_none=True)


class Offer(schemas.Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    price = schemas.Amount(required=True)
    duration_minutes = fields.Integer(required=True)


class Profile(schemas.Schema):
    id = fields.Integer(required=True)
    name = fields.String(required=True)
    bio = fields.String(required=True)
    languages = fields.List(fields.String(), required=True, metadata={"example": ["en", "hi"]})
    experience_years = fields.Integer(required=True)
    place = fields.String(required=True)
    radius_km = fields.Integer(required=True)
    rating = fields.Float(required=True, allow_none=True)
    rating_count = fields.Integer(required=True)
    services = fields.List(fields.Nested(Offer), required=True)


class Asked(schemas.Strict):
    service_id = schemas.AskedId(required=True)
    first = schemas.Day(data_key="from", metadata={"description": "The first date; today unless told."})
    days = fields.Integer(load_default=USUAL_DAYS, validate=validate.Range(1, MOST_DAYS))


class Day(schemas.Schema):
    date = fields.Date(required=True)
    slots = fields.List(schemas.Moment(), required=True)


class Slots(schemas.Schema):
    """The free starts, by date in the time zone of the site."""

    timezone = fields.String(required=True, metadata={"example": "Asia/Kolkata"})
    days = fields.List(fields.Nested(Day), required=True)


@bp.call("GET", "/professionals", query=Wanted, gives=schemas.page_of(Found))
def professionals(wanted):
    """Find professionals who offer a service."""
    service = next((one for one in catalogue.services() if one.id == wanted["service_id"]), None)
    if service is None:
        raise Invalid(_("There is no such service."), "service_id")
    asked = search.read(_filters(wanted))
    results = search.find(asked, service=service, size=wanted["limit"])
    if asked.errors:
        name, message = next(iter(asked.errors.items()))
        raise Invalid(message, NAMES.get(name, name))
    return {"items": results.hits, "next_cursor": results.next_cursor}


@bp.call("GET", "/professionals/<int:professional_id>", gives=Profile)
def professional(professional_id):
    """Show a professional."""
    found = catalogue.listed(professional_id)
    own = ("id", "bio", "languages", "experience_years", "radius_km", "rating", "rating_count")
    told = {name: getattr(found, name) for name in own}
    return {**told, "name": found.user.name, "place": found.base.place, "services": catalogue.offers_of(found.id)}


@bp.call("GET", "/professionals/<int:professional_id>/slots", query=Asked, gives=Slots)
def slots(asked, professional_id):
    """List the free starts of a professional.

    They are free for the service with its usual time; where the work is, is looked at when it is booked.
    """
    person = catalogue.listed(professional_id)
    offer = next((one for one in catalogue.offers_of(person.id) if one.id == asked["service_id"]), None)
    if offer is None:
        raise Invalid(_("This professional does not offer that service. Choose another."), "service_id")
    first = _first_day(asked.get("first"))
    days = availability.free_slots(person.id, offer.duration_minutes, first, asked["days"])
    free = [{"date": day.date, "slots": [one.starts_at for one in day.slots if not one.taken]} for day in days]
    return {"timezone": settings.timezone, "days": free}


def _filters(wanted):
    """What the call asks for, as a search reads it."""
    at = wanted.get("available_at")
    asked = {
        "near": wanted.get("pincode"),
        "radius": wanted.get("radius_km"),
        "rating": wanted.get("min_rating"),
        "day": at and clock.local(at).date(),
        "time": at and f"{clock.local(at):%H:%M}",
        "sort": wanted["sort"],
        "after": wanted.get("cursor"),
    }
    return {name: str(value) for name, value in asked.items() if value}


def _first_day(day):
    today, horizon = clock.today(), settings.policy.horizon_days
    day = day or today
    if not today <= day <= today + timedelta(days=horizon):
        raise Invalid(_("Choose a day from today up to %(days)s days ahead.", days=horizon), "from")
    return day
