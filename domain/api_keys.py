"""Keys for people's own scripts: what each allows, and when it ends. A key is shown once."""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Update, bindparam, delete, or_, select, update
from sqlalchemy.orm import contains_eager

from domain import clock
from domain.errors import Conflict, Invalid, NotFound
from extensions import db
from models import Role, User
from models_integrations import ApiKey

PREFIX = "dsk_"
MOST_KEYS = 20
LONGEST_NAME = 80
LONGEST_DAYS = 366
HINT = 10
# That a key was used is noted this often, not at each call.
COARSENESS = timedelta(minutes=5)


class Scope(StrEnum):
    """What a key may be allowed; a person's role says which of these it can have at all."""

    BOOKINGS_READ = "bookings:read"
    BOOKINGS_WRITE = "bookings:write"
    SITE_READ = "site:read"
    SITE_WRITE = "site:write"


BOOKINGS = (Scope.BOOKINGS_READ, Scope.BOOKINGS_WRITE)
SCOPES_OF = {
    Role.CUSTOMER: BOOKINGS,
    Role.PROFESSIONAL: BOOKINGS,
    Role.ADMIN: (*BOOKINGS, Scope.SITE_READ, Scope.SITE_WRITE),
}
WORDS = {
    Scope.BOOKINGS_READ: _l("See bookings"),
    Scope.BOOKINGS_WRITE: _l("Make and change bookings"),
    Scope.SITE_READ: _l("See people and services of the site"),
    Scope.SITE_WRITE: _l("Change people and services of the site"),
}

_CALLER = (
    select(ApiKey)
    .join(ApiKey.user)
    .where(
        ApiKey.hash == bindparam("hash"),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > bindparam("now")),
        User.active.is_(True),
    )
    .options(contains_eager(ApiKey.user).joinedload(User.professional))
)


def caller(text: str) -> ApiKey | None:
    """The key that was sent, with its owner, unless it has ended."""
    return db.session.scalar(_CALLER, {"hash": _hash(text), "now": clock.now()})


def use_of(key: ApiKey) -> Update | None:
    """The statement that notes that a key is used now; None when that was noted a moment ago."""
    now = clock.now()
    if key.last_used_at is not None and now - key.last_used_at < COARSENESS:
        return None
    due = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - COARSENESS)
    return update(ApiKey).where(ApiKey.id == key.id, due).values(last_used_at=now)


def of(user: User) -> list[ApiKey]:
    """A person's keys that have not been revoked, the newest first."""
    mine = select(ApiKey).where(ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None))
    return list(db.session.scalars(mine.order_by(ApiKey.id.desc())))


def make(by: User, name: str, scopes: list[str], days: int | None = None) -> tuple[ApiKey, str]:
    """A new key, and its text, which nobody can see again. Raises Invalid and Conflict."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(_("Name the key after what uses it, in up to 80 characters."), "name")
    if not scopes or set(scopes) - set(SCOPES_OF[by.role]):
        raise Invalid(_("Choose what the key may do."), "scopes")
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise Invalid(_("Choose for how long the key is valid."), "days")
    if len(of(by)) >= MOST_KEYS:
        raise Conflict(_("You have 20 keys. Revoke one that you no longer need first."))
    text = PREFIX + secrets.token_urlsafe(32)
    now = clock.now()
    key = ApiKey(
        user_id=by.id,
        name=name,
        hint=text[:HINT],
        hash=_hash(text),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=days and now + timedelta(days=days),
    )
    db.session.add(key)
    db.session.flush()
    return key, text


def revoke(key_id: int, by: User) -> None:
    """End a key at once. Raises NotFound for somebody else's."""
    key = db.session.scalar(
        select(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == by.id, ApiKey.revoked_at.is_(None))
    )
    if key is None:
        raise NotFound(_("There is no such key."))
    key.revoked_at = clock.now()
    db.session.flush()


def end_all(user: User) -> None:
    """End every key of somebody who is shut out; they make new ones should they come back."""
    theirs = ApiKey.user_id == user.id, ApiKey.revoked_at.is_(None)
    _execute(update(ApiKey).where(*theirs).values(revoked_at=clock.now()))


def forget(user: User) -> None:
    """Erase the keys of somebody who is anonymised, with the names that they gave them."""
    _execute(delete(ApiKey).where(ApiKey.user_id == user.id))


def is_over(key: ApiKey, now: datetime) -> bool:
    return key.expires_at is not None and key.expires_at <= now


def _execute(statement):
    db.session.execute(statement.execution_options(synchronize_session=False))


def _hash(text):
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
