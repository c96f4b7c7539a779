"""The site's verbs as JSON under /api: what makes a request one of the API, and how it is wired.

Pages and API call the same domain functions. A request of the API knows no cookie: who calls is
said by a token in its Authorization header alone.
"""

from flask import Flask, g, request
from flask.sessions import SecureCookieSessionInterface
from flask_cors import CORS
from flask_login import AnonymousUserMixin
from flask_smorest import Api

from api import bodies, calls, docs, limits, problems, tokens
from api.schemas import Problem
from extensions import csrf

PREFIX = "/api"


def is_called() -> bool:
    """Whether the request of the moment is one of the API; what people read about it is a page."""
    path = request.path
    return path == PREFIX or (path.startswith(f"{PREFIX}/") and path != docs.PAGE)


class Sessions(SecureCookieSessionInterface):
    """Cookies for the pages, and none for the API: it neither reads nor sets any."""

    def open_session(self, app, request):
        return self.session_class() if is_called() else super().open_session(app, request)

    def save_session(self, app, session, response):
        if not is_called():
            super().save_session(app, session, response)


class Documented(Api):
    """Collects what the calls say of themselves; errors are answered by the site's own handlers."""

    ERROR_SCHEMA = Problem
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self):
        pass

    def _register_pagination_header(self):
        pass


def init_app(app: Flask) -> None:
    """Before anything else that looks at requests is registered."""
    settings = app.config["SETTINGS"]
    app.session_interface = Sessions()
    app.config.update(
        API_TITLE=f"{settings.site_name} API",
        API_VERSION="1",
        OPENAPI_VERSION="3.1.0",
        **tokens.config(settings),
    )
    tokens.init_app(app)
    if settings.cors_origins:
        CORS(
            app,
            resources={rf"{PREFIX}/.*": {"origins": list(settings.cors_origins)}},
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Location", "Retry-After", "Idempotent-Replayed", *calls.RATE_HEADERS],
            supports_credentials=False,
        )

    @app.before_request
    def stand_apart():
        if is_called():
            g._login_user = AnonymousUserMixin()
            limits.count()
            bodies.take_in()

    app.after_request(limits.show)


def register(app: Flask) -> None:
    """The calls themselves, and what they say of themselves."""
    from api import admin, auth, customer, messages, professional, professionals, service_requests, services

    described = Documented(app, spec_kwargs={"info": {"description": docs.INTRODUCTION}})
    docs.describe(described.spec)
    for module in (auth, services, professionals, service_requests, messages, customer, professional, admin):
        csrf.exempt(module.bp)
        described.register_blueprint(module.bp, url_prefix=PREFIX)
    docs.init_app(app, described)


__all__ = ["init_app", "is_called", "problems", "register"]
