"""What can be booked: the catalogue."""

from flask_babel import gettext as _
from marshmallow import fields

from api import schemas
from api.calls import Calls
from domain import catalogue, paging
from domain.errors import NotFound
from extensions import unless_written

bp = Calls("api_services", __name__, description="The catalogue of services")


class Service(schemas.Schema):
    """A service at its base price; professionals may ask another."""

    id = fields.Integer(required=True, metadata={"example": 1})
    name = fields.String(required=True, metadata={"example": "Tap or mixer repair"})
    category = fields.String(required=True, metadata={"example": "Plumbing"})
    description = fields.String(required=True)
    base_price = schemas.Amount(required=True)
    duration_minutes = fields.Integer(required=True, metadata={"example": 60})


class Wanted(schemas.Cursor):
    q = schemas.Text(catalogue.MAX_QUERY, metadata={"description": "Words, as a person would type them."})
    category = schemas.Text(100, metadata={"description": "The name of a category, or its word in addresses."})


@bp.call("GET", "/services", query=Wanted, gives=schemas.page_of(Service), rests_on=unless_written(catalogue.services))
def services(wanted):
    """List the services.

    In the order of the catalogue or, where `q` is given, the likeliest first.
    """
    words = wanted.get("q")
    found = catalogue.matching(words) if words else catalogue.services()
    if category := wanted.get("category", "").casefold():
        found = [one for one in found if category in (one.category.casefold(), one.category_slug)]
    first = paging.decode(wanted["cursor"], [int])[0] if wanted.get("cursor") else 0
    last = first + wanted["limit"]
    cursor = paging.encode([last]) if last < len(found) else None
    return {"items": found[max(first, 0) : max(last, 0)], "next_cursor": cursor}


@bp.call("GET", "/services/<int:service_id>", gives=Service)
def service(service_id):
    """Show a service."""
    for one in catalogue.services():
        if one.id == service_id:
            return one
    raise NotFound(_("There is no such service."))
