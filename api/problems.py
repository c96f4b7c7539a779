"""Refusals and faults as RFC 9457 problems: what is wrong, and with which field."""

import json
from http import HTTPStatus

from flask import Response, request
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException

from domain import errors

CONTENT_TYPE = "application/problem+json"
_STATUS_OF = (
    (errors.NotAuthenticated, 401),
    (errors.NotAllowed, 403),
    (errors.NotFound, 404),
    (errors.InvalidTransition, 409),
    (errors.Conflict, 409),
    (errors.Invalid, 422),
)


def problem(status: int, detail: str | None = None, errors_by_field: dict | None = None) -> Response:
    """The answer to a call that is refused; `errors_by_field` is {field: [messages]}."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        told["detail"] = detail
    if errors_by_field:
        told["errors"] = errors_by_field
    response = Response(json.dumps(told, ensure_ascii=False), status, content_type=CONTENT_TYPE)
    response.headers["Cache-Control"] = "no-store"
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="api"'
    return response


def status_of(refusal: errors.DomainError) -> int:
    """The HTTP status of what a rule refuses, on a page and as a problem alike."""
    return next(code for kind, code in _STATUS_OF if isinstance(refusal, kind))


def of_refusal(refusal: errors.DomainError, names: dict[str, str] | None = None) -> Response:
    """What a rule says; `names` are the fields of the call for those of the rule."""
    status = status_of(refusal)
    field = getattr(refusal, "field", None)
    field = (names or {}).get(field, field)
    return problem(status, refusal.message, {field: [refusal.message]} if field else None)


def of_http_error(error: HTTPException) -> Response:
    """What Flask and its extensions say, with their headers: Allow, Retry-After and the like."""
    data = getattr(error, "data", None) or {}
    found = _flat(data["messages"]) if isinstance(data.get("messages"), dict) else None
    own = error.description if error.description != type(error).description else None
    if error.code == 429:
        own = _("Too many calls. Wait a little, then try again.")
    detail = _("Some of what was sent cannot be used.") if found else own
    response = problem(error.code, detail, found)
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _flat(messages, before=""):
    """{"json": {"address": {"pincode": [...]}}} as {"address.pincode": [...]}."""
    found = {}
    for location, fields in messages.items():
        _collect(found, "", fields if fields else {location: []})
    return found


def _collect(found, path, value):
    if isinstance(value, dict):
        for name, inner in value.items():
            _collect(found, f"{path}.{name}" if path and name != "_schema" else path or str(name), inner)
    else:
        messages = value if isinstance(value, list) else [value]
        found.setdefault(path or "body", []).extend(str(message) for message in messages)
