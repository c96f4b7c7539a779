"""What an admin does: people, professionals, the catalogue and exports."""

import secrets

from flask import send_file, url_for
from flask_babel import gettext as _
from marshmallow import fields, validate

from api import schemas
from api.calls import Calls, caller
from api.service_requests import Reason
from api.services import Service
from domain import exports, lookups, people, professionals, services, users
from domain.api_keys import Scope
from domain.errors import Invalid
from extensions import begin_write, db, settings
from models import Approval, ExportStatus, Role, Status

bp = Calls("api_admin", __name__, description="For admins: people, the catalogue and exports")

READ, WRITE = Scope.SITE_READ, Scope.SITE_WRITE


class Wanted(schemas.Cursor):
    role = fields.Enum(Role, by_value=True)
    q = schemas.Text(
        lookups.LONGEST_QUERY, metadata={"description": "The beginning of a name, a mail address or a phone number."}
    )


class Account(schemas.Schema):
    """`approval` is null for all who are no professionals."""

    id = fields.Integer(required=True)
    role = fields.Enum(Role, by_value=True, required=True)
    email = fields.String(required=True)
    name = fields.String(required=True)
    phone = fields.String(required=True, allow_none=True)
    active = fields.Boolean(required=True)
    blocked_reason = fields.String(required=True, allow_none=True)
    created_at = schemas.Moment(required=True)
    approval = fields.Enum(Approval, by_value=True, required=True, allow_none=True)


class Applicant(Account):
    """A professional as an admin decides about them; `missing` is what the application still lacks."""

    approval_reason = fields.String(required=True, allow_none=True)
    applied_at = schemas.Moment(required=True)
    bio = fields.String(required=True)
    experience_years = fields.Integer(required=True)
    pincode = fields.String(required=True)
    service_ids = fields.List(fields.Integer(), required=True)
    missing = fields.List(fields.String(), required=True)


class BlockReason(schemas.Strict):
    reason = schemas.Text(500, load_default="")


class SentMoney(schemas.Strict):
    amount = schemas.Whole(required=True, validate=validate.Range(0, services.HIGHEST_PRICE))
    currency = schemas.Text(3)


class SentService(schemas.Strict):
    """All of a service; `category` is its name or its word in addresses."""

    name = schemas.Text(120, 1, required=True)
    category = schemas.Text(100, 1, required=True)
    description = schemas.Text(services.LONGEST_DESCRIPTION, load_default="")
    base_price = fields.Nested(SentMoney, required=True)
    duration_minutes = schemas.Whole(required=True, validate=validate.Range(services.SHORTEST, services.LONGEST))


class Filters(schemas.Strict):
    """Which bookings: every one unless told. Days are those of the start."""

    statuses = fields.List(fields.Enum(Status, by_value=True), validate=validate.Length(max=len(Status)))
    first = schemas.Day()
    last = schemas.Day()
    professional = schemas.Text(254, metadata={"description": "A mail address, a whole name or an id."})
    service_id = schemas.RowId()


class ExportWish(schemas.Strict):
    filters = fields.Nested(Filters, load_default=dict)


class ExportAsked(schemas.Schema):
    id = fields.Integer(required=True)
    status = fields.Enum(ExportStatus, by_value=True, required=True)
    status_url = fields.String(required=True)


class Export(ExportAsked):
    """`download_url` is null until the file is there, and again when it is gone; `error` says what failed."""

    rows = fields.Integer(required=True)
    download_url = fields.String(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)


# -- People -----------------------------------------------------------------------------------


@bp.call("GET", "/admin/users", Role.ADMIN, scope=READ, query=Wanted, gives=schemas.page_of(Account))
def accounts(wanted):
    """List accounts, the newest first."""
    page = people.page(wanted.get("role"), None, wanted.get("q", ""), wanted.get("cursor"), wanted["limit"])
    return {"items": [_account(one) for one in page], "next_cursor": page.next_cursor}


def _applicant(professional_id):
    """A professional for the calls below, as they are now."""
    return _told(people.professional(professional_id))


@bp.call("GET", "/admin/professionals/<int:professional_id>", Role.ADMIN, scope=READ, gives=Applicant)
def applicant(professional_id):
    """Show a professional and their application."""
    return _applicant(professional_id)


def _decision(name, takes=None):
    rule = f"/admin/professionals/<int:professional_id>/{name}"
    return bp.call("PUT", rule, Role.ADMIN, scope=WRITE, takes=takes, gives=Applicant, current=_applicant)


@_decision("approve")
def approve(professional_id):
    """Let a professional work here."""
    person = people.professional(professional_id)
    professionals.approve(person.professional, by=caller())
    return _told(person)


@_decision("reject", takes=Reason)
def reject_application(sent, professional_id):
    """Refuse an application, or take an approval back, with a reason that the professional reads."""
    person = people.professional(professional_id)
    professionals.reject(person.professional, by=caller(), reason=sent["reason"])
    return _told(person)


@_decision("block", takes=BlockReason)
def block(sent, professional_id):
    """Shut a professional out.

    Their tokens end at once; their bookings stand until somebody changes them.
    """
    person = people.professional(professional_id)
    users.block(person, by=caller(), reason=sent["reason"] or _("No reason was given."))
    return _told(person)


# -- The catalogue ----------------------------------------------------------------------------

CATALOGUE = {"scope": WRITE, "takes": SentService, "gives": Service, "names": {"category_id": "category"}}
TAP_REPAIR = {
    "name": "Tap or mixer repair",
    "category": "plumbing",
    "description": "Leaks, cartridges and handles.",
    "base_price": {"amount": 34900, "currency": "INR"},
    "duration_minutes": 60,
}


def _service(service_id):
    """A service as everybody sees it, retired or not."""
    return _as_listed(services.service(service_id))


@bp.call("POST", "/admin/services", Role.ADMIN, status=201, example={"takes": TAP_REPAIR}, **CATALOGUE)
def create_service(sent):
    """Add a service to the catalogue."""
    made = services.create_service(caller(), **_values(sent))
    return _as_listed(made), {"Location": url_for("api_services.service", service_id=made.id)}


@bp.call(
    "PUT",
    "/admin/services/<int:service_id>",
    Role.ADMIN,
    current=_service,
    example={"takes": TAP_REPAIR},
    **CATALOGUE,
)
def change_service(sent, service_id):
    """Change a service.

    Bookings already made keep their price and their time.
    """
    one = services.service(service_id)
    services.edit_service(one, caller(), **_values(sent))
    # Its category may be another.
    db.session.refresh(one)
    return _as_listed(one)


@bp.call("DELETE", "/admin/services/<int:service_id>", Role.ADMIN, scope=WRITE, status=204)
def remove_service(service_id):
    """Take a service off the site.

    What was ever booked or offered is retired, so that bookings keep their words.
    """
    services.remove_service(services.service(service_id), caller())


# -- Exports ----------------------------------------------------------------------------------


@bp.call(
    "POST",
    "/admin/export-csv",
    Role.ADMIN,
    scope=READ,
    takes=ExportWish,
    gives=ExportAsked,
    status=202,
    names={"last": "filters.last", "professional": "filters.professional", "service": "filters.service_id"},
    example={"takes": {"filters": {"statuses": ["closed"], "first": "2026-11-01", "last": "2026-11-30"}}},
)
def export_csv(sent):
    """Ask for a CSV file of bookings.

    It is written in the background: look at `status_url` until `download_url` is there.
    """
    asked = {**sent["filters"], "statuses": tuple(sent["filters"].get("statuses", ()))}
    export = exports.request(caller(), secrets.token_urlsafe(24), exports.Wanted(**asked))
    told = _export(export)
    return told, {"Location": told["status_url"]}


@bp.call("GET", "/admin/exports/<int:export_id>", Role.ADMIN, scope=READ, gives=Export)
def export(export_id):
    """Show how far an export is."""
    return _export(exports.get(export_id))


@bp.call("GET", "/admin/exports/<int:export_id>/file", Role.ADMIN, scope=READ, content_type="text/csv")
def export_file(export_id):
    """Download the file of an export.

    It is written down who downloads what.
    """
    begin_write()
    export = exports.get(export_id)
    path = exports.download(export, by=caller())
    db.session.commit()
    return send_file(path, "text/csv", as_attachment=True, download_name=exports.download_name(export), etag=False)


# -- Small print ------------------------------------------------------------------------------


def _account(person):
    own = ("id", "role", "email", "name", "phone", "active", "blocked_reason", "created_at")
    told = {name: getattr(person, name) for name in own}
    return {**told, "approval": person.professional and person.professional.approval}


def _told(person):
    professional = person.professional
    return {
        **_account(person),
        "approval_reason": professional.approval_reason,
        "applied_at": professional.applied_at,
        "bio": professional.bio,
        "experience_years": professional.experience_years,
        "pincode": professional.base_pincode,
        "service_ids": sorted(one.service_id for one in professional.offerings),
        "missing": professionals.missing(professional),
    }


def _as_listed(service):
    own = ("id", "name", "description", "base_price", "duration_minutes")
    return {**{name: getattr(service, name) for name in own}, "category": service.category.name}


def _values(sent):
    """What the rules want to know of a service."""
    price = sent["base_price"]
    if price.get("currency", settings.currency) != settings.currency:
        raise Invalid(_("Prices are in %(currency)s here.", currency=settings.currency), "base_price.currency")
    own = ("name", "description", "duration_minutes")
    told = {name: sent[name] for name in own}
    return {**told, "base_price": price["amount"], "category_id": services.category_named(sent["category"]).id}


def _export(export):
    fault = exports.FAULTS.get(export.error)
    return {
        "id": export.id,
        "status": export.status,
        "status_url": url_for("api_admin.export", export_id=export.id),
        "rows": export.done,
        "download_url": url_for("api_admin.export_file", export_id=export.id) if exports.is_ready(export) else None,
        "error": fault and str(fault),
    }
