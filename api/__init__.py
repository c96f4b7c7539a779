"""The site's verbs as JSON under /api: what makes a request one of the API, and how it is wired.

Pages and API call the same domain functions. A request of the API knows no cookie: who calls is
said by a token in its Authorization header alone.
"""

from flask import Flask, Response, current_app, g, request
from flask.sessions import SecureCookieSessionInterface
from flask_cors.core import get_cors_options, set_cors_headers
from flask_login import AnonymousUserMixin
from flask_smorest import Api
from itsdangerous import SignatureExpired, TimestampSigner

import visits
from api import bodies, calls, docs, limits, problems, tokens
from api.schemas import Problem
from domain import audit, clock
from extensions import compress

PREFIX = "/api"
# What the API answers is no page, wherever it is opened.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def is_called() -> bool:
    """Whether the request of the moment is one of the API; what people read about it is a page."""
    path = request.path
    return path == PREFIX or (path.startswith(f"{PREFIX}/") and path != docs.PAGE)


class Sessions(SecureCookieSessionInterface):
    """Cookies for the pages, and none for the API, which reads none."""

    def open_session(self, app, request):
        return self.session_class() if is_called() else super().open_session(app, request)

    def get_signing_serializer(self, app):
        serializer = super().get_signing_serializer(app)
        if serializer is not None:
            serializer.signer = Signer
        return serializer


class Signer(TimestampSigner):
    """A clock that is set back ends nobody's session: what it has signed lies ahead for a while."""

    def unsign(self, signed_value, max_age=None, return_timestamp=False):
        try:
            return super().unsign(signed_value, max_age, return_timestamp)
        except SignatureExpired as refusal:
            now = clock.now()
            if now < refusal.date_signed <= now + clock.SET_BACK:
                return super().unsign(signed_value, None, return_timestamp)
            raise


class Documented(Api):
    """Collects what the calls say of themselves; errors are answered by the site's own handlers."""

    ERROR_SCHEMA = Problem
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self):
        pass

    def _register_pagination_header(self):
        pass


def init_app(app: Flask, headers: dict[str, str]) -> None:
    """`headers` are those of the site that a call's answer has too."""
    settings = app.config["SETTINGS"]
    app.session_interface = Sessions()
    origins = {
        "origins": list(settings.cors_origins),
        "allow_headers": ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"],
        "expose_headers": ["ETag", "Location", "Retry-After", "Idempotent-Replayed", *calls.RATE_HEADERS],
        "supports_credentials": False,
    }
    app.config.update(
        API_TITLE=f"{settings.site_name} API",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        API_HEADERS=HEADERS | headers,
        API_ORIGINS=get_cors_options(app, origins) if settings.cors_origins else None,
        **tokens.config(settings),
    )
    tokens.init_app(app)


def before() -> None:
    """What every call begins with, in the place of all that looks at pages. It may raise HTTP errors."""
    audit.came_from.set(request.remote_addr or "")
    g._login_user = AnonymousUserMixin()
    limits.count()
    bodies.take_in()


def after(response: Response) -> Response:
    """What every answer gets, whatever became of the call."""
    config, headers = current_app.config, response.headers
    for name, value in config["API_HEADERS"].items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-cache")
    visits.note(response)
    if "Content-Encoding" not in headers:
        response = compress.after_request(response)
    limits.show(response)
    return set_cors_headers(response, config["API_ORIGINS"]) if config["API_ORIGINS"] else response


def register(app: Flask) -> None:
    """The calls themselves, and what they say of themselves."""
    from api import (
        admin,
        auth,
        customer,
        messages,
        positions,
        professional,
        professionals,
        service_requests,
        services,
    )

    described = Documented(app, spec_kwargs={"info": {"description": docs.INTRODUCTION}})
    docs.describe(described.spec)
    about_bookings = (service_requests, messages, positions)
    for module in (auth, services, professionals, *about_bookings, customer, professional, admin):
        described.register_blueprint(module.bp, url_prefix=PREFIX)
    docs.init_app(app, described)


__all__ = ["after", "before", "init_app", "is_called", "problems", "register"]
