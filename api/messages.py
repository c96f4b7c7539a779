"""What the two of a booking write to each other."""

from marshmallow import fields, validate

from api import schemas
from api.bookings import party
from api.calls import Calls, caller
from domain import conversations
from domain.api_keys import Scope
from models import Role

bp = Calls("api_messages", __name__, description="The conversation of an accepted booking")

SIDES = Role.CUSTOMER, Role.PROFESSIONAL


class Newer(schemas.Strict):
    after = schemas.AskedId(metadata={"description": "The `id` of the last message that you have."})
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))


class Words(schemas.Strict):
    text = schemas.Text(conversations.LONGEST, 1, required=True, metadata={"example": "Please ring twice."})


class Message(schemas.Schema):
    """`text` is empty for a photo alone, and for what the site has hidden from both sides."""

    id = fields.Integer(required=True)
    mine = fields.Boolean(required=True)
    text = fields.String(required=True, metadata={"example": "Please ring twice."})
    has_photo = fields.Boolean(required=True, metadata={"example": False})
    hidden = fields.Boolean(required=True, metadata={"example": False})
    created_at = schemas.Moment(required=True)


class Messages(schemas.Schema):
    """`more` says that there are others after these."""

    items = fields.List(fields.Nested(Message), required=True)
    more = fields.Boolean(required=True, metadata={"example": False})


@bp.call(
    "GET",
    "/service-requests/<int:booking_id>/messages",
    *SIDES,
    scope=Scope.BOOKINGS_READ,
    query=Newer,
    gives=Messages,
)
def messages(wanted, booking_id):
    """List messages, the oldest first; with `after`, those that came later.

    To list them marks nothing as read.
    """
    booking = conversations.get(booking_id, party())
    found, more = conversations.after(booking, wanted.get("after", 0), wanted["limit"])
    return {"items": [_told(one) for one in found], "more": more}


@bp.call(
    "POST",
    "/service-requests/<int:booking_id>/messages",
    *SIDES,
    scope=Scope.BOOKINGS_WRITE,
    takes=Words,
    gives=Message,
    status=201,
)
def send_message(sent, booking_id):
    """Write to the other side.

    From the acceptance on, until some days after the booking is over.
    """
    return _told(conversations.send(conversations.get(booking_id, party()), caller(), sent["text"]))


def _told(message):
    hidden = message.hidden_at is not None
    return {
        "id": message.id,
        "mine": message.sender_id == caller().id,
        "text": "" if hidden else message.text,
        "has_photo": message.file_id is not None and not hidden,
        "hidden": hidden,
        "created_at": message.created_at,
    }
