"""Bookings: asking for one, following it, and the verbs of each party."""

from flask import url_for
from marshmallow import fields, validate

from api import schemas
from api.bookings import FullBooking, changed, load, party, shown, whole
from api.calls import Calls, caller
from domain import amendments, bookings, causes, lookups, requests, reviews, users
from domain.api_keys import Scope
from models import Role, Status

bp = Calls("api_service_requests", __name__, description="Bookings, and the verbs of each party")

# How the rules name what the calls call otherwise.
NAMES = {"line": "address.line1", "pincode": "address.pincode", "address_id": "address"}
READ, WRITE = Scope.BOOKINGS_READ, Scope.BOOKINGS_WRITE


class Address(schemas.Strict):
    line1 = schemas.Text(200, 1, required=True, metadata={"example": "12, 3rd Cross"})
    pincode = schemas.Text(12, 6, required=True, metadata={"example": "560001"})


class Wish(schemas.Strict):
    """`professional_id` null asks the best free professionals nearby; the first to accept comes."""

    service_id = schemas.RowId(required=True)
    professional_id = schemas.RowId(required=True, allow_none=True)
    starts_at = schemas.Moment(required=True)
    address = fields.Nested(Address, required=True)
    remarks = schemas.Text(requests.MAX_REMARKS, load_default="")


class Changes(schemas.Strict):
    """What is to change; what is left out stays as it is."""

    starts_at = schemas.Moment()
    remarks = schemas.Text(requests.MAX_REMARKS)
    address = fields.Nested(Address)


class Listed(schemas.Cursor):
    status = fields.Enum(Status, by_value=True)


class Reason(schemas.Strict):
    reason = schemas.Text(bookings.MAX_REASON, 1, required=True)


class MaybeReason(schemas.Strict):
    """An admin has to give a reason."""

    reason = schemas.Text(bookings.MAX_REASON, load_default="")


class Cancellation(MaybeReason):
    """`cause` says in a word why; each role has its own, and `reason` is for everything else."""

    cause = fields.String(
        load_default=None, validate=validate.OneOf(list(causes.LABELS)), metadata={"example": "plans_changed"}
    )


class StartCode(schemas.Strict):
    code = schemas.Text(10, 1, required=True, metadata={"example": "4821"})


class Opinion(schemas.Strict):
    rating = schemas.Whole(required=True, validate=validate.Range(1, 5))
    comment = schemas.Text(reviews.MAX_COMMENT, load_default="")


class Review(schemas.Schema):
    id = fields.Integer(required=True)
    rating = fields.Integer(required=True)
    comment = fields.String(required=True)
    created_at = schemas.Moment(required=True)


# -- Asking and looking -----------------------------------------------------------------------


@bp.call(
    "POST",
    "/service-requests",
    Role.CUSTOMER,
    scope=WRITE,
    takes=Wish,
    gives=FullBooking,
    status=201,
    names=NAMES,
    example={
        "takes": {
            "service_id": 1,
            "professional_id": None,
            "starts_at": "2026-11-24T11:00:00+05:30",
            "address": {"line1": "12, 3rd Cross", "pincode": "560001"},
            "remarks": "Ring twice.",
        }
    },
)
def request_service(sent):
    """Book a time.

    The slot is kept until the professional answers.
    """
    address = users.add_address(caller(), line=sent["address"]["line1"], pincode=sent["address"]["pincode"])
    wish = sent["service_id"], sent["professional_id"], sent["starts_at"], address.id, sent["remarks"]
    booking_id = requests.request(caller(), *wish)
    return changed(booking_id), {"Location": url_for("api_service_requests.service_request", booking_id=booking_id)}


@bp.call("GET", "/service-requests", *Role, scope=READ, query=Listed, gives=schemas.page_of(FullBooking))
def service_requests(wanted):
    """List bookings, the newest request first.

    A customer's own, those of a professional and those on offer to them, or everybody's for an admin.
    """
    by = party()
    asked = lookups.Wanted(status=wanted.get("status"))
    page = lookups.booking_page(asked, by, wanted.get("cursor"), wanted["limit"], whole=True)
    return {"items": [whole(one, by) for one in page], "next_cursor": page.next_cursor}


@bp.call("GET", "/service-requests/<int:booking_id>", *Role, scope=READ, gives=FullBooking)
def service_request(booking_id):
    """Show a booking."""
    return shown(booking_id)


# -- The customer -----------------------------------------------------------------------------


@bp.call(
    "PUT",
    "/service-requests/<int:booking_id>",
    Role.CUSTOMER,
    scope=WRITE,
    takes=Changes,
    gives=FullBooking,
    current=shown,
    names=NAMES,
)
def change_service_request(sent, booking_id):
    """Change the time, the remarks or the address.

    The time and the remarks until the request is answered; after that only the address, and only
    within its PIN code.
    """
    booking = load(booking_id)
    if sent.keys() & {"remarks", "address"}:
        address = sent.get("address")
        place = address and users.add_address(caller(), line=address["line1"], pincode=address["pincode"])
        amendments.edit(booking, caller(), sent.get("remarks"), place and place.id)
    if "starts_at" in sent:
        amendments.shift(booking, caller(), sent["starts_at"])
    return changed(booking_id)


@bp.call(
    "POST",
    "/service-requests/<int:booking_id>/review",
    Role.CUSTOMER,
    scope=WRITE,
    takes=Opinion,
    gives=Review,
    status=201,
    example={"takes": {"rating": 5, "comment": "On time and thorough."}},
)
def review(sent, booking_id):
    """Review the work, once."""
    return reviews.write(load(booking_id), caller(), sent["rating"], sent["comment"])


# -- The professional -------------------------------------------------------------------------


def _verb(name, *roles, takes=None):
    """A call by which one of these roles uses a verb on a booking."""
    rule = f"/service-requests/<int:booking_id>/{name}"
    return bp.call("PUT", rule, *roles, scope=WRITE, takes=takes, gives=FullBooking, current=shown)


@_verb("accept", Role.PROFESSIONAL)
def accept(booking_id):
    """Accept a request.

    Send If-Match with the ETag of what you saw: the customer may have moved it since.
    """
    bookings.accept(load(booking_id), caller())
    return changed(booking_id)


@_verb("reject", Role.PROFESSIONAL, takes=Reason)
def reject(sent, booking_id):
    """Decline a request, with a reason that the customer reads."""
    bookings.reject(load(booking_id), caller(), sent["reason"])
    return changed(booking_id)


@_verb("depart", Role.PROFESSIONAL)
def depart(booking_id):
    """Say that you are on the way."""
    bookings.depart(load(booking_id), caller())
    return changed(booking_id)


@_verb("start", Role.PROFESSIONAL, takes=StartCode)
def start(sent, booking_id):
    """Begin the work with the customer's start code."""
    bookings.start(load(booking_id), caller(), sent["code"])
    return changed(booking_id)


@_verb("complete", Role.PROFESSIONAL)
def complete(booking_id):
    """Say that the work is done."""
    bookings.complete(load(booking_id), caller())
    return changed(booking_id)


# -- Several parties --------------------------------------------------------------------------


@_verb("close", Role.CUSTOMER, Role.PROFESSIONAL)
def close(booking_id):
    """End a job.

    The professional says that it is done (it is completed then), or the customer confirms it (closed).
    """
    end = bookings.complete if caller().role is Role.PROFESSIONAL else bookings.close
    end(load(booking_id), caller())
    return changed(booking_id)


@_verb("cancel", *Role, takes=Cancellation)
def cancel(sent, booking_id):
    """Cancel a booking."""
    bookings.cancel(load(booking_id), caller(), sent["reason"], sent["cause"])
    return changed(booking_id)
