"""A test client that looks at every answer as a strict reviewer would.

It fails the test when a request leaves changes uncommitted, when a GET commits, when a page needs
more than eight queries, and when a page is not sound HTML or has inline script or style.
"""

import contextvars
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1

from flask import Flask, request
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import event
from sqlalchemy.engine import Engine

from extensions import db
from tests import html

MOST_QUERIES = 8
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
WRITES = ("INSERT", "UPDATE", "DELETE")
NOTES = "INSERT INTO audit_entries"


@dataclass
class Watch:
    """What happened in the database while somebody looked."""

    queries: list[str] = field(default_factory=list)
    uncommitted: bool = False
    committed: bool = False
    left_dirty: bool = False

    @property
    def count(self) -> int:
        return len(self.queries)


_watch: contextvars.ContextVar[Watch | None] = contextvars.ContextVar("watch", default=None)


@contextmanager
def count_queries():
    """Counts the statements sent within it, by requests of the client too.

    >>> with count_queries() as seen: page(); assert seen.count <= 8
    """
    watch = Watch()
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


class Client(FlaskClient):
    """One browser. `audit = False` switches the looking off, `csrf = False` the token."""

    audit = True
    csrf = True

    def open(self, *args, follow_redirects=False, **kwargs):
        response = self._open_once(*args, **kwargs)
        while follow_redirects and 300 <= response.status_code < 400:
            response = self.get(response.location)
        return response

    def _open_once(self, *args, **kwargs):
        # A request must not see the test's open transaction, nor its cached people and bookings.
        db.session.commit()
        if self.csrf and kwargs.get("method", "GET") not in SAFE_METHODS:
            kwargs["headers"] = {"X-CSRFToken": self._csrf_token(), **dict(kwargs.get("headers") or {})}
        watch = Watch()
        response = contextvars.Context().run(self._open_watched, watch, super().open, args, kwargs)
        if (outer := _watch.get()) is not None:
            outer.queries.extend(watch.queries)
        db.session.expire_all()
        if self.audit:
            _check(response, watch)
        return response

    def _open_watched(self, watch, send, args, kwargs):
        # In an empty context the request gets an application context and a session of its own.
        _watch.set(watch)
        return send(*args, **kwargs)

    def _csrf_token(self) -> str:
        with self.session_transaction() as session:
            raw = session.setdefault("csrf_token", sha1(b"token").hexdigest())
        return URLSafeTimedSerializer(self.application.secret_key, salt="wtf-csrf-token").dumps(raw)


def watch_sessions(app: Flask) -> None:
    """Have the application report what a request leaves behind."""
    app.test_client_class = Client

    @app.teardown_request
    def note_what_is_left(_error):
        watch = _watch.get()
        if watch is None or request is None:
            return
        session = db.session()
        changed = any(session.is_modified(one) for one in session.dirty)
        watch.left_dirty = watch.uncommitted or changed or bool(session.new or session.deleted)


def _check(response, watch: Watch) -> None:
    asked = f"{response.request.method} {response.request.path}"
    if response.request.method in SAFE_METHODS:
        # Who read something may be written down, and nothing else.
        wrote = [one for one in watch.queries if one.startswith(WRITES) and not one.startswith(NOTES)]
        assert not (watch.committed and wrote), f"{asked} changed the database: {_list(watch)}"
    if response.status_code >= 400:
        return
    assert not watch.left_dirty, f"{asked} left changes uncommitted: {_list(watch)}"
    if response.request.method == "GET" and response.mimetype == "text/html":
        assert watch.count <= MOST_QUERIES, f"{asked} needed {watch.count} queries: {_list(watch)}"
        faults = html.faults(response.text)
        if response.headers.get("Content-Disposition", "").startswith("attachment"):
            # A file is read without the site's style sheets; what it may have inline is its style.
            faults = [fault for fault in faults if fault != "inline style at <style>"]
        assert not faults, f"{asked}: " + "; ".join(faults)


def _list(watch: Watch) -> str:
    return "\n".join(["", *watch.queries])


@event.listens_for(Engine, "before_cursor_execute")
def _note_statement(_connection, _cursor, statement, _parameters, _context, _many):
    watch = _watch.get()
    verb = statement.split(None, 1)[0].upper()
    if watch is None or verb not in ("SELECT", "WITH", *WRITES):
        return
    watch.queries.append(statement)
    watch.uncommitted = watch.uncommitted or verb in WRITES


@event.listens_for(Engine, "commit")
def _note_commit(_connection):
    if (watch := _watch.get()) is not None:
        watch.committed = watch.committed or watch.uncommitted
        watch.uncommitted = False


@event.listens_for(Engine, "rollback")
def _note_rollback(_connection):
    if (watch := _watch.get()) is not None:
        watch.uncommitted = False
