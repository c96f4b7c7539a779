"""create_app(): settings, extensions, blueprints and headers. `python app.py` serves."""

import os
import sys
from datetime import date
from threading import BoundedSemaphore
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, g, request, session
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, IntegerConverter, ValidationError

import api
import auth
import caching
import commands
import commands_backup
import config
import deployment
import error_pages
import identity
import live
import logs
import sharing
import templating
from assets import Assets
from domain import audit
from error_pages import UNSAFE_METHODS
from extensions import (
    babel,
    begin_write,
    bootstrap,
    compress,
    csrf,
    db,
    limiter,
    mail,
    migrate,
)
from models import FileKind
from routes import register_routes
from watched import Watched

# Measured with 2 cores: with more, each is slower and all together too.
AT_ONCE = 4
# A password takes a third of a second of a core: who sends one waits at the door, and leaves the turns
# and a core to the pages.
HASHES_AT_ONCE = max(1, (os.cpu_count() or 1) - 1)
SECONDS_TO_CONNECT = 3
HASHING_ENDPOINTS = frozenset(
    {
        "account_privacy.erase",
        "api_auth.login",
        "api_auth.register",
        "auth.signup_customer",
        "auth.signup_professional",
        "security.change_password",
        "security.forgot_password",
        "security.login",
        "security.reset_password",
        "security.verify",
    }
)
# What a form may bring as a file: what is kept, and a bank's statement, which is only read.
FILES = frozenset({*(kind.value for kind in FileKind), "statement"})
WRITING_BLUEPRINTS = frozenset(
    {
        "account",
        "account_keys",
        "account_privacy",
        "admin",
        "admin_catalogue",
        "admin_conduct",
        "admin_conversations",
        "admin_coupons",
        "admin_disputes",
        "admin_exports",
        "admin_guides",
        "admin_money",
        "admin_operations",
        "admin_payments",
        "admin_questions",
        "admin_webhooks",
        "conversations",
        "customer",
        "customer_changes",
        "customer_payments",
        "customer_extras",
        "customer_people",
        "customer_proposals",
        "customer_series",
        "customer_tastes",
        "customer_waits",
        "guides_talk",
        "guides_writing",
        "professional",
        "professional_calendars",
        "professional_changes",
        "professional_conduct",
        "professional_payments",
        "professional_extras",
        "professional_payouts",
        "professional_people",
        "professional_proposals",
        "professional_series",
        "professional_tracking",
    }
)
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
SECURE_ONLY = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}


class RowNumber(IntegerConverter):
    """A number in an address; one that no database can hold is that of no row."""

    def __init__(self, map, *args, **kwargs):
        super().__init__(map, *args, **kwargs)
        # Only for who reads about it: to refuse it here would say that the method is wrong.
        self.most = 2**63 - 1

    def to_python(self, value):
        number = super().to_python(value)
        return number if number <= self.most else 0


class Month(BaseConverter):
    """A month in an address, such as 2026-11: the date of its first day. Anything else is an unknown page."""

    regex = r"\d{4}-\d{2}"

    def to_python(self, value: str) -> date:
        try:
            return date.fromisoformat(f"{value}-01")
        except ValueError:
            raise ValidationError from None

    def to_url(self, value: date) -> str:
        return f"{value:%Y-%m}"


class Site(Flask):
    """A site whose calls go past all that looks at pages: forms, cookies, and who is logged in.

    Few requests are worked on at once, however many threads there are for pages that listen: threads
    that all want the interpreter only get in each other's way. Who sends slowly has not come as far as
    to a turn, and who reads slowly has left: it ends when the answer is made. Who has a turn may wait
    for the write lock, never the other way round.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._turns, self._hashes = BoundedSemaphore(AT_ONCE), BoundedSemaphore(HASHES_AT_ONCE)

    def preprocess_request(self):
        if not api.is_called():
            return super().preprocess_request()
        api.before()
        return self.take_turn()

    def take_turn(self):
        if request.endpoint == "health.alive":
            return
        hashing = request.method == "POST" and request.endpoint in HASHING_ENDPOINTS
        g.turns = []
        for needed in (self._hashes, self._turns) if hashing else (self._turns,):
            needed.acquire()
            g.turns.append(needed)

    def process_response(self, response):
        return api.after(response) if api.is_called() else super().process_response(response)

    def ensure_sync(self, func):
        """There are only ordinary functions here, and Flask would look at each at every request."""
        return func


def create_app(settings: config.Settings | None = None) -> Flask:
    """The WSGI application. Raises deployment.UnsafeDeployment when production settings are unsafe."""
    settings = settings or config.load()
    logs.set_up(settings.production)
    app = Site("app", root_path=str(config.ROOT), instance_path=str(settings.instance))
    app.config.from_mapping(_flask_config(settings))
    app.url_map.converters["int"] = RowNumber
    app.url_map.converters["month"] = Month
    _init_extensions(app)
    register_routes(app)
    api.register(app)
    _register_request_hooks(app, settings)
    error_pages.register(app)
    commands.init_app(app)
    commands_backup.init_app(app, create_app)
    deployment.init_app(app)
    app.wsgi_app = Watched(app.wsgi_app, urlsplit(settings.site_url).netloc)
    _serve_static_files(app, settings)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
    return app


def _flask_config(settings: config.Settings) -> dict:
    secure = settings.production
    prefix = "__Host-" if secure else ""
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key or "unset",
        "DEBUG": settings.debug,
        "TESTING": settings.env == "testing",
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
        "SESSION_COOKIE_NAME": f"{prefix}session",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": secure,
        "REMEMBER_COOKIE_NAME": f"{prefix}remember",
        "REMEMBER_COOKIE_HTTPONLY": True,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": secure,
        "REMEMBER_COOKIE_DURATION": settings.session_lifetime,
        "PERMANENT_SESSION_LIFETIME": settings.session_lifetime,
        "TRUSTED_HOSTS": [urlsplit(settings.site_url).hostname] if secure else None,
        "PREFERRED_URL_SCHEME": urlsplit(settings.site_url).scheme,
        # A resume and a photo fit; a field of a megabyte still reaches its length check.
        "MAX_CONTENT_LENGTH": 12 * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 2 * 1024 * 1024,
        "MAX_FORM_PARTS": 500,
        "WTF_CSRF_TIME_LIMIT": None,
        "RATELIMIT_ENABLED": settings.ratelimit_enabled,
        "RATELIMIT_STORAGE_URI": sharing.PREFIX + settings.redis_url if settings.redis_url else "memory://",
        "RATELIMIT_HEADERS_ENABLED": True,
        "BABEL_DEFAULT_LOCALE": settings.default_locale,
        "BABEL_DEFAULT_TIMEZONE": settings.timezone,
        "BOOTSTRAP_SERVE_LOCAL": True,
        "COMPRESS_MIMETYPES": ["text/html", "application/json"],
        "MAIL_SERVER": settings.mail_server or "localhost",
        "MAIL_PORT": settings.mail_port,
        "MAIL_USE_TLS": settings.mail_use_tls and not settings.mail_use_ssl,
        "MAIL_USE_SSL": settings.mail_use_ssl,
        "MAIL_USERNAME": settings.mail_username or None,
        "MAIL_PASSWORD": settings.mail_password or None,
        "MAIL_DEFAULT_SENDER": settings.mail_sender,
        "MAIL_SUPPRESS_SEND": not settings.mail_server,
        **identity.security_config(settings),
    }


def _engine_options(settings: config.Settings) -> dict:
    # What people typed has no place in a log of errors.
    options = {"hide_parameters": not settings.debug}
    if settings.database_url.startswith("postgresql"):
        # A server that was away has cut the lines of the pool; and one that says nothing is not waited for.
        options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": SECONDS_TO_CONNECT}}
    return options


def _init_extensions(app: Flask) -> None:
    db.init_app(app)
    migrate.init_app(app, db)
    api.init_app(app, SECURE_ONLY if app.config["SETTINGS"].production else {})
    app.before_request(_take_in_the_body)
    # Before anything is read.
    live.init_app(app)
    app.before_request(app.take_turn)
    app.teardown_request(_give_turns_back)
    app.before_request(_begin_for_writing)
    csrf.init_app(app)
    limiter.init_app(app)
    mail.init_app(app)
    babel.init_app(app, locale_selector=templating.select_locale)
    bootstrap.init_app(app)
    compress.init_app(app)
    # Before it is compressed.
    caching.init_app(app)
    auth.init_app(app)
    templating.init_app(app)


def _take_in_the_body() -> None:
    """Have all of a form before anything is locked: who sends slowly keeps nobody else waiting.

    Texts come as texts: a file, or JSON with things in it that no form can hold, is refused.
    """
    view = current_app.view_functions.get(request.endpoint)
    if hasattr(view, "raw_bytes"):
        request.max_content_length = view.raw_bytes
        request.get_data()
        return
    if request.is_json:
        abort(415)
    # Who is logged in may send more where it says so.
    if hasattr(view, "most_bytes") and "_user_id" in session:
        request.max_content_length = view.most_bytes
    if request.method in UNSAFE_METHODS and request.files.keys() - FILES:
        abort(400)


def _give_turns_back(_error) -> None:
    for turn in g.pop("turns", ()):
        turn.release()


def _begin_for_writing() -> None:
    """Role pages that change something take the write lock before their first query.

    A view marked with @begins_late does slow work first and calls begin_write() itself.
    """
    if request.method not in UNSAFE_METHODS or request.blueprint not in WRITING_BLUEPRINTS:
        return
    view = current_app.view_functions[request.endpoint]
    if not getattr(view, "begins_late", False):
        begin_write()


def _register_request_hooks(app: Flask, settings: config.Settings) -> None:
    @app.before_request
    def note_where_from():
        audit.came_from.set(request.remote_addr or "")

    headers, on_request = _headers(settings), _on_request(settings)

    @app.after_request
    def add_headers(response):
        more = {name: value for need in g.get("needs", ()) for name, value in on_request[need].items()}
        for name, value in (headers | more).items():
            response.headers.setdefault(name, value)
        return response


def _headers(settings: config.Settings) -> dict[str, str]:
    """What every answer carries, a static file's too."""
    return HEADERS | (SECURE_ONLY if settings.production else {})


def _on_request(settings: config.Settings) -> dict[str, dict[str, str]]:
    """What only those pages carry that say so in `g.needs`."""
    permissions = HEADERS["Permissions-Policy"].replace("geolocation=()", "geolocation=(self)")
    policy = CONTENT_SECURITY_POLICY.replace("img-src", f"img-src {settings.map_tiles_origin}")
    return {"position": {"Permissions-Policy": permissions}, "map": {"Content-Security-Policy": policy}}


def _serve_static_files(app: Flask, settings: config.Settings) -> None:
    def add_headers(headers, _path, _url):
        for name, value in _headers(settings).items():
            headers[name] = value

    app.wsgi_app = Assets(
        app.wsgi_app,
        settings.instance / "assets",
        root=str(config.ROOT / "static"),
        prefix="static/",
        max_age=3600,
        autorefresh=settings.debug,
        allow_all_origins=False,
        immutable_file_test=lambda _path, url: url.startswith("/static/vendor/") or "?v=" in url,
        add_headers_function=add_headers,
    )


if __name__ == "__main__":
    os.chdir(config.ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn"])
