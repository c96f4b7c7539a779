"""How every call is answered: who asks, may they, was it asked before, what came of it, and commit.

A view loads what it needs and calls one verb of the domain. All else that calls have in common is
here, and what a call says of itself becomes its documentation.
"""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import flask_smorest
import marshmallow
from flask import Response, abort, current_app, g, request
from flask_babel import gettext as _

from api import bodies, problems, tokens
from api.schemas import Nothing, Problem
from domain import api_results
from domain.errors import DomainError, NotAllowed, NotAuthenticated
from extensions import begin_write, db, end_refused
from models import Role, User

# Of each call whose answers are kept.
MOST_KEPT = 64
# What is said of each refusal in the documentation.
REFUSALS = {
    400: "The body is not sound JSON.",
    401: "There is no valid token.",
    403: "The role or the key does not allow this.",
    404: "There is no such thing, or none that the caller may see.",
    409: "Somebody else was first, or the booking is no longer in a state that allows this.",
    412: "It is no longer as If-Match says.",
    413: "The body is longer than 64 kB.",
    414: "The address is too long. The server says so before the site does, and not as a problem.",
    415: "The body is not JSON.",
    422: "A value cannot be used; `errors` says which and why.",
    429: "Too many calls; Retry-After says when to go on.",
}
RATE_HEADERS = {
    "X-RateLimit-Limit": {"description": "Calls in a minute.", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Calls left in this minute.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "When it begins anew, in Unix seconds.", "schema": {"type": "integer"}},
}
ETAG = {"ETag": {"description": "The version that was answered, for If-None-Match.", "schema": {"type": "string"}}}


@dataclass(frozen=True)
class Terms:
    """Under which a call is answered.

    `roles` is empty for a public call; `refreshes` says that it takes a refresh token. `late` says
    that it does slow work and begins its transaction by itself. `current` answers what If-Match is
    about, from the path's arguments. `names` are the fields of the call for those that the rules name.
    """

    method: str
    roles: tuple[Role, ...]
    scope: str | None
    late: bool
    refreshes: bool
    current: Callable | None
    names: dict[str, str]
    schema: marshmallow.Schema | None

    @property
    def writes(self) -> bool:
        return self.method != "GET"


class Calls(flask_smorest.Blueprint):
    """The calls about one resource."""

    ARGUMENTS_PARSER = bodies.Parser()

    def call(
        self,
        method: str,
        rule: str,
        *roles: Role,
        scope: str | None = None,
        takes=None,
        query=None,
        gives=None,
        status: int = 200,
        example: dict | None = None,
        late: bool = False,
        refreshes: bool = False,
        current: Callable | None = None,
        rests_on: Callable | None = None,
        names: dict[str, str] | None = None,
        content_type: str | None = None,
    ):
        """Register a view as a call. It gets what was sent, then the path's arguments, and answers
        an object for the schema `gives`, or else a file of the `content_type`. `example` is
        {"takes": ..., "gives": ...}. `rests_on` reads the rows from which every answer to this public
        question follows: while they are the same, so is the answer, which is not made anew."""
        schema = gives() if isinstance(gives, type) else gives
        terms = Terms(method, roles, scope, late, refreshes, current, names or {}, schema)
        example = example or {}

        def register(view):
            documented = view
            if query is not None:
                documented = self.arguments(query, location="query")(documented)
            if method in ("POST", "PUT"):
                body = takes or Nothing
                documented = self.arguments(body, required=_must_be_sent(body), example=example.get("takes"))(
                    documented if takes else _without_body(documented)
                )
            headers = RATE_HEADERS | (ETAG if schema is not None and method in ("GET", "PUT") else {})
            told = {"content_type": content_type, "example": example.get("gives"), "headers": headers}
            documented = self.response(status, schema or _file(content_type), **told)(documented)
            for refusal in _refusals(terms, rule, takes, query):
                told = {} if refusal == 414 else {"schema": Problem, "content_type": problems.CONTENT_TYPE}
                documented = self.alt_response(refusal, description=REFUSALS[refusal], **told)(documented)
            if method == "GET" and schema is not None:
                documented = self.alt_response(304, description="It is still as If-None-Match says.")(documented)
            documented = self.doc(**_said(terms, view))(documented)
            # doc() would put them in the place of the parameters that are there.
            taken = documented._apidoc.setdefault("arguments", {"parameters": []})
            taken["parameters"].extend(_headers_taken(terms))
            handled = _handled(_kept(documented, rests_on) if rests_on else documented, terms)
            self.add_url_rule(rule, view.__name__, handled, methods=[method])
            return view

        return register


def caller() -> User:
    """Who calls; only for calls that have roles."""
    return g.caller.user


def session_id() -> int | None:
    """The log-in of whoever calls; None for a key."""
    return g.caller.session_id


def claims() -> tokens.Claims:
    """What the refresh token said; only for calls that take one."""
    return g.claims


def tag_of(schema: marshmallow.Schema, found) -> str:
    """The ETag of a thing as its readers see it."""
    return _digest(current_app.json.response(schema.dump(found)).get_data())


# -- One call ---------------------------------------------------------------------------------


def _handled(view, terms):
    @wraps(view)
    def handle(**path):
        try:
            response = _answer(view, terms, path)
        except DomainError as refusal:
            if terms.writes:
                end_refused(refusal)
            return problems.of_refusal(refusal, terms.names)
        return _conditional(response, terms)

    handle.terms = terms
    return handle


def _kept(view, rests_on):
    """A view whose answers are given again, as they are sent, while what they rest on is the same."""
    kept = {}

    @wraps(view)
    def answer():
        asked, rows = (request.query_string, request.headers.get("Accept-Encoding")), rests_on()
        seen, content, headers = kept.get(asked, (None, b"", {}))
        if seen != rows:
            content, headers = _packed(view().get_data())
            if len(kept) >= MOST_KEPT:
                kept.clear()
            kept[asked] = rows, content, headers
        return Response(content, headers=headers, content_type="application/json")

    return answer


def _packed(content):
    """As most clients take it; a smaller answer than this would not get smaller."""
    if request.accept_encodings["gzip"]:
        content = gzip.compress(content, mtime=0)
        return content, {"Content-Encoding": "gzip", "Vary": "Accept-Encoding", "ETag": f'"{_digest(content)}"'}
    return content, {"ETag": f'"{_digest(content)}"'}


def _answer(view, terms, path):
    credential = _credential(terms)
    if terms.writes and not terms.late:
        begin_write()
    if terms.roles:
        g.caller = tokens.identify(credential)
        _admit(terms)
    if not terms.writes:
        return view(**path)
    key = request.headers.get("Idempotency-Key") if terms.method == "POST" else None
    if key is not None:
        who, call = _who(credential), api_results.fingerprint(request.method, request.full_path, request.get_data())
        earlier = api_results.find(who, key, call)
        if earlier is not None:
            return _again(earlier)
    _check_version(terms, path)
    response = view(**path)
    if key is not None:
        kept = {"status": response.status_code, "body": response.get_data(as_text=True)}
        api_results.keep(who, key, call, {**kept, "location": response.headers.get("Location")})
    db.session.commit()
    return response


def _admit(terms):
    if g.caller.user.role not in terms.roles:
        raise NotAllowed(_("Your account is not of a kind that may do this."))
    if g.caller.scopes is not None and terms.scope not in g.caller.scopes:
        raise NotAllowed(_("This key does not allow it. Make one that does."))


def _credential(terms):
    """What was sent to say who calls, read before anything is locked; None where nobody asks."""
    if not terms.roles and not terms.refreshes:
        return None
    credential = tokens.bearer()
    if credential is None:
        raise NotAuthenticated(_("Log in first: send a token as Authorization: Bearer, followed by the token."))
    if terms.refreshes:
        g.claims = tokens.read(credential, "refresh")
    return credential


def _who(credential):
    """Whose one-time keys these are: a person's, a token's, or those of an address and a place."""
    if "caller" in g:
        return f"user:{g.caller.user.id}"
    sent = g.body if isinstance(g.body, dict) else {}
    who = credential or f"{request.remote_addr} {sent.get('email')}"
    return "call:" + hashlib.sha256(who.encode("utf-8", "replace")).hexdigest()


def _again(earlier):
    db.session.rollback()
    response = Response(earlier["body"], earlier["status"], content_type="application/json")
    if earlier["location"]:
        response.headers["Location"] = earlier["location"]
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _check_version(terms, path):
    """If-Match: nothing is changed that is no longer as the caller saw it."""
    if terms.current is None or "If-Match" not in request.headers or request.if_match.star_tag:
        return
    seen = {tag.partition(":")[0] for tag in request.if_match.as_set() if tag}
    if tag_of(terms.schema, terms.current(**path)) not in seen:
        db.session.rollback()
        abort(412, _("It has changed since you last read it. Read it again."))


def _conditional(response, terms):
    """ETag and 304 for what was read, and what was written in the form in which it is read."""
    read = terms.schema is not None and (not terms.writes or terms.current is not None)
    if read and "ETag" not in response.headers:
        response.set_etag(_digest(response.get_data()))
    response.headers["Cache-Control"] = "no-store" if terms.writes or terms.schema is None else "private, no-cache"
    if terms.roles:
        response.vary.add("Authorization")
    return response.make_conditional(request) if not terms.writes and "If-None-Match" in request.headers else response


def _digest(content):
    return hashlib.sha256(content).hexdigest()[:32]


def _must_be_sent(body):
    """Whether a call makes no sense without a body."""
    return any(field.required for field in (body() if isinstance(body, type) else body).fields.values())


def _file(content_type):
    return content_type and {"type": "string", "format": "binary"}


def _without_body(view):
    @wraps(view)
    def called(_nothing, **path):
        return view(**path)

    return called


# -- What a call says of itself ---------------------------------------------------------------


def _refusals(terms, rule, takes, query):
    yield 429
    if terms.writes:
        yield from (400, 413, 415, 422)
    elif query is not None:
        yield from (414, 422)
    if terms.roles or terms.refreshes or terms.late:
        yield from (401, 403)
    if "<" in rule:
        yield 404
    if terms.writes or terms.schema is None:
        yield 409
    if terms.current is not None:
        yield 412


def _said(terms, view):
    summary, _gap, description = (view.__doc__ or "").partition("\n")
    said = {"summary": summary.rstrip("."), "operationId": view.__name__}
    who = ", ".join(role.value for role in terms.roles)
    about = [" ".join(description.split())] if description.strip() else []
    if terms.refreshes:
        said["security"] = [{"refresh": []}]
    elif terms.roles:
        said["security"] = [{"token": []}]
        about.append(f"For: {who}." + (f" Scope of a key: `{terms.scope}`." if terms.scope else " Not with a key."))
    else:
        said["security"] = []
    return {**said, "description": " ".join(about)}


def _headers_taken(terms):
    if terms.method == "POST":
        yield _header("Idempotency-Key", "Made up by you, in ASCII: the same key and call get the first answer.")
    if terms.current is not None:
        yield _header("If-Match", "Change it only if it is still of this version.")
    if terms.method == "GET" and terms.schema is not None:
        yield _header("If-None-Match", "Answer 304 if it is still of this version.")


def _header(name, description):
    length = {"minLength": 1, "maxLength": api_results.LONGEST_KEY}
    schema = {"type": "string", **(length if name == "Idempotency-Key" else {})}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}
