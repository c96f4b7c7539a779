"""What is kept of public pages, for how long, and what clears it; and what a browser may keep of a page.

A part is a piece of a page that is the same for everybody who reads its language. Its template is given what it
shows, and knows nothing of a reader or of what they asked. Texts are all that is kept.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, Response, current_app, g, request, session
from flask_babel import get_locale
from flask_caching.backends.rediscache import RedisCache
from markupsafe import Markup

from config import ROOT, Settings
from domain import editions
from extensions import cache
from sharing import OPTIONS, MayBeAway

# So old a part may be whatever happens, such as rows that were changed by hand.
TEN_MINUTES = 600
# In memory at most so many parts; the largest takes some 25 kB.
MOST_PARTS = 500
# What a part could only know of who reads it.
OF_THE_READER = ("current_user", "request", "session", "g", "csrf_token", "csrf_field", "get_flashed_messages", "bell")
NOBODY = dict.fromkeys(OF_THE_READER)
# What makes a part beside the rows.
SOURCES = ("*.py", "domain/*.py", "templates/**/*.html", "translations/**/*.mo")


@dataclass(frozen=True)
class Part:
    """`rests_on` gives, for the key of a part, the names of what clears it (see domain.editions)."""

    template: str
    rests_on: Callable[..., tuple[str, ...]]
    seconds: int = TEN_MINUTES


SERVICES = Part("parts/services.html", lambda: (editions.CATALOGUE,))
CATEGORIES = Part("parts/categories.html", lambda: (editions.CATALOGUE,))
POPULAR = Part("parts/popular.html", lambda *_key: (editions.CATALOGUE, editions.LISTINGS, editions.PLACES))
NEARBY = Part("parts/nearby.html", lambda *_key: (editions.LISTINGS,))
REVIEWS = Part("parts/reviews.html", lambda person, *_key: (editions.reviews(person), editions.CATALOGUE))


def text(part: Part, load: Callable[[], dict], *key) -> Markup:
    """A part for the language of the reader. `load` reads what its template shows when it is not kept; it
    must follow from the key alone."""
    marks = editions.current(part.rests_on(*key))
    if marks is None:
        return made(part, load)
    name = _name(part.template, get_locale(), key, marks)
    found = cache.get(name)
    if found is None:
        found = made(part, load)
        cache.set(name, str(found), part.seconds)
    # It was escaped when it was made.
    return Markup(found)  # noqa: S704


def made(part: Part, load: Callable[[], dict]) -> Markup:
    """A part as it is now, and not kept."""
    template = current_app.jinja_env.get_template(part.template)
    return Markup(template.render(NOBODY | load()).strip())  # noqa: S704


def init_app(app: Flask) -> None:
    cache.init_app(app, _configuration(app.config["SETTINGS"]))
    app.after_request(_say_what_may_be_kept)


# -- Where parts are kept ---------------------------------------------------------------------


class Texts:
    """Nothing that comes out of Redis is more than a text, so whoever writes there can run nothing here."""

    def dumps(self, value: str) -> bytes:
        return value.encode()

    def loads(self, value: bytes | None) -> str | None:
        return None if value is None else value.decode()


class SharedTexts(MayBeAway, RedisCache):
    """Texts in Redis; while it is away there are none, and pages can do without."""

    serializer = Texts()
    meanwhile = "pages do without the cache"

    def get(self, key: str) -> str | None:
        return self.unless_away(super().get, key)

    def set(self, key: str, value: str, timeout: int | None = None) -> bool | None:
        return self.unless_away(super().set, key, value, timeout)


def _configuration(settings: Settings) -> dict:
    if not settings.redis_url:
        return {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": MOST_PARTS}
    return {
        "CACHE_TYPE": "caching.SharedTexts",
        "CACHE_REDIS_URL": settings.redis_url,
        "CACHE_KEY_PREFIX": f"doorstep:part:{_version(settings)}:",
        "CACHE_OPTIONS": OPTIONS,
    }


def _version(settings):
    """What tells the parts of one site and release from those of another in the same Redis."""
    shown = (settings.site_name, settings.currency, settings.country, settings.timezone, settings.database_url)
    digest = hashlib.sha256(repr(shown).encode())
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _name(*of):
    return hashlib.sha256(repr(of).encode()).hexdigest()


# -- What a browser may keep ------------------------------------------------------------------


def _say_what_may_be_kept(response: Response) -> Response:
    """Of a signed-in person nothing, nor of a page with a secret in its address: it must not come back out of a
    shared browser's history. Anybody else's browser keeps a page for itself, for there is a token in it, and asks each
    time whether it is still the same."""
    if "Cache-Control" in response.headers:
        return response
    if "_user_id" in session or "token" in (request.view_args or ()):
        response.headers["Cache-Control"] = "no-store"
        return response
    response.headers["Cache-Control"] = "private, no-cache"
    page = response.status_code == 200 and response.mimetype == "text/html" and not response.is_streamed
    if page and request.method in ("GET", "HEAD"):
        response.vary.add("Accept-Language")
        response.set_etag(_tag(response), weak=True)
        response.make_conditional(request)
    return response


def _tag(response):
    """Two pages that differ only in how their token is signed, or in when they were made, are the same: what a
    browser has kept still works. With another session it would not."""
    body = response.get_data()
    for changing in (g.get("csrf_token", ""), f'data-known="{g.known}"'):
        body = body.replace(changing.encode(), b"") if changing else body
    return hashlib.blake2b(body, key=session.get("csrf_token", "").encode(), digest_size=12).hexdigest()
