"""Who is calling: the tokens of a log-in, or the key of a script."""

import hashlib
from dataclasses import dataclass
from uuid import uuid4

import jwt
from flask import Flask, current_app, g, request
from flask_babel import gettext as _
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token

import visits
from config import Settings
from domain import api_keys, api_sessions, clock
from domain.errors import NotAuthenticated
from domain.paging import BIGGEST
from models import User

AUDIENCE = "doorstep-api"
ALGORITHM = "HS256"
CLAIMS = ["exp", "iat", "nbf", "jti", "aud", "sub", "type", "sid"]

_manager = JWTManager()


@dataclass(frozen=True)
class Caller:
    """A person and what the credential allows: `scopes` is None for all that they may do."""

    user: User
    scopes: frozenset[str] | None = None
    session_id: int | None = None


@dataclass(frozen=True)
class Claims:
    """What a sound token says; whether its log-in goes on is another question."""

    user_id: int
    session_id: int
    jti: str


def config(settings: Settings) -> dict:
    """Flask-JWT-Extended's part of the configuration."""
    return {
        "JWT_SECRET_KEY": hashlib.sha256(b"api tokens" + settings.secret_key.encode()).hexdigest(),
        "JWT_ALGORITHM": ALGORITHM,
        "JWT_TOKEN_LOCATION": ["headers"],
        # Against forged posts of a browser's cookies, of which there are none.
        "JWT_COOKIE_CSRF_PROTECT": False,
        "JWT_ENCODE_AUDIENCE": AUDIENCE,
        "JWT_ACCESS_TOKEN_EXPIRES": api_sessions.ACCESS,
        "JWT_REFRESH_TOKEN_EXPIRES": api_sessions.REFRESH,
    }


def init_app(app: Flask) -> None:
    _manager.init_app(app)


def new_jti() -> str:
    return str(uuid4())


def issue(user_id: int, session_id: int, refresh_jti: str) -> dict:
    """A pair of tokens of a log-in, as OAuth names their parts; `expires_in` is in seconds."""
    named = {"sid": session_id}
    return {
        "access_token": create_access_token(str(user_id), additional_claims=named),
        "refresh_token": create_refresh_token(str(user_id), additional_claims={**named, "jti": refresh_jti}),
        "token_type": "Bearer",
        "expires_in": int(api_sessions.ACCESS.total_seconds()),
    }


def bearer() -> str | None:
    """The credential that was sent, if any. Raises NotAuthenticated for one of another kind."""
    sent = request.headers.get("Authorization", "").strip()
    if not sent:
        return None
    kind, _space, credential = sent.partition(" ")
    if kind.lower() != "bearer" or not credential.strip():
        raise NotAuthenticated(_("Send the token as Authorization: Bearer, followed by the token."))
    return credential.strip()


def read(encoded: str, kind: str = "access") -> Claims:
    """What a token says. Raises NotAuthenticated unless it is ours, whole, of this kind and in time."""
    try:
        # decode_token() would fill in what a token does not say.
        claims = jwt.decode(
            encoded,
            current_app.config["JWT_SECRET_KEY"],
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={"require": CLAIMS, "verify_iat": False, "verify_nbf": False},
        )
        if max(claims["iat"], claims["nbf"]) > (clock.now() + clock.SET_BACK).timestamp():
            raise ValueError
        numbers = int(claims["sub"]), int(claims["sid"])
        if claims["type"] != kind or max(numbers) > BIGGEST:
            raise ValueError
        return Claims(*numbers, str(claims["jti"]))
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise NotAuthenticated(_("This token is not valid, or no longer. Log in again.")) from None


def identify(credential: str) -> Caller:
    """Whose credential this is, in one query. Raises NotAuthenticated when it has ended."""
    if credential.startswith(api_keys.PREFIX):
        key = api_keys.caller(credential)
        found = key and Caller(key.user, frozenset(key.scopes))
        use = key and api_keys.use_of(key)
        if use is not None:
            visits.note_later(use)
    else:
        claims = read(credential)
        user = api_sessions.caller(claims.session_id, claims.user_id)
        found = user and Caller(user, None, claims.session_id)
    if not found:
        raise NotAuthenticated(_("This token is not valid, or no longer. Log in again."))
    # What the house asks of the person who is logged in, such as their language, it asks of this one.
    g._login_user = found.user
    return found
