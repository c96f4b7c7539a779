"""Where a professional on the way is: said by their program, and asked for by the customer's."""

from flask_babel import gettext as _
from marshmallow import fields, validate

from api import schemas
from api.bookings import load
from api.calls import Calls, caller
from domain import tracking
from domain.api_keys import Scope
from domain.errors import NotFound
from models import Role

bp = Calls("api_positions", __name__, description="Where the professional on the way is")

RULE = "/service-requests/<int:booking_id>/position"


class Position(schemas.Strict):
    """WGS 84 degrees, and the metres within which they are right."""

    lat = fields.Float(required=True, validate=validate.Range(-90, 90), metadata={"example": 12.9716})
    lon = fields.Float(required=True, validate=validate.Range(-180, 180), metadata={"example": 77.5946})
    accuracy = fields.Float(
        required=True, validate=validate.Range(0, tracking.FARTHEST_OFF), metadata={"example": 8}
    )


class Whereabouts(schemas.Schema):
    """`km` are as the crow flies to the middle of the PIN code. `minutes` and `arrives_at` are null when
    nobody can say: the position is more than two minutes old, or too vague, or too far away."""

    lat = fields.Float(required=True)
    lon = fields.Float(required=True)
    accuracy = fields.Integer(required=True)
    seen_at = schemas.Moment(required=True)
    km = fields.Float(required=True)
    minutes = fields.Integer(required=True, allow_none=True)
    arrives_at = schemas.Moment(required=True, allow_none=True)


@bp.call("GET", RULE, Role.CUSTOMER, scope=Scope.BOOKINGS_READ, gives=Whereabouts)
def position(booking_id):
    """Show where the professional is.

    404 while they are not on the way, or do not share it.
    """
    found = tracking.whereabouts(load(booking_id), caller())
    if found is None:
        raise NotFound(_("Nobody shares where they are for this booking now."))
    return found


@bp.call("PUT", RULE, Role.PROFESSIONAL, scope=Scope.BOOKINGS_WRITE, takes=Position, status=204)
def share_position(sent, booking_id):
    """Say where you are.

    The first call is your consent: the customer of this booking sees it from then on, until you start the work or
    call DELETE. Only the newest is kept, and what comes within three seconds of the last is dropped.
    """
    booking = load(booking_id)
    if tracking.sharing_since(booking, caller()) is None:
        tracking.begin(booking, caller())
    tracking.share(booking, caller(), sent["lat"], sent["lon"], sent["accuracy"])


@bp.call("DELETE", RULE, Role.PROFESSIONAL, scope=Scope.BOOKINGS_WRITE, status=204)
def stop_sharing(booking_id):
    """Share your position no longer; it is deleted."""
    tracking.stop(load(booking_id), caller())
