"""What is noted after an answer has been sent: when somebody was last here, and when a key was last used."""

from datetime import timedelta

from flask import Flask, Response, current_app, g, request
from sqlalchemy import Engine, Insert, Update, or_, update
from sqlalchemy.exc import SQLAlchemyError

from domain import clock
from extensions import SQLITE_BUSY_MILLISECONDS, db
from models import User

COARSENESS = timedelta(hours=1)
# It matters less than whatever else is written then, so it waits no longer than this.
PATIENCE_MILLISECONDS = 200


def init_app(app: Flask) -> None:
    app.after_request(note)


def note_later(statement: Update | Insert) -> None:
    """Have a statement executed once the answer to this request has been sent."""
    g.setdefault("to_note", []).append(statement)


def note(response: Response) -> Response:
    """Note who asked, once their answer has been sent."""
    _note_visit()
    statements = g.pop("to_note", [])
    if statements:
        engine, logger = db.engine, current_app.logger

        def write():
            try:
                _write(engine, statements)
            except SQLAlchemyError:
                logger.info("a visit was not noted: the database is busy")

        # A file that is handed to the server as it is would never say that it has been sent.
        response.direct_passthrough = False
        response.call_on_close(write)
    return response


def _note_visit() -> None:
    """At most once an hour."""
    # What a page asks for by itself, such as the number on the bell, is no visit.
    by_itself = "HX-Request" in request.headers or request.endpoint == "live.stream"
    person = None if by_itself else g.get("_login_user")
    # What a rollback has expired is not in the state; reading it would cost a query.
    known = vars(person) if isinstance(person, User) else {}
    if "id" not in known or "last_seen_at" not in known:
        return
    now, seen = clock.now(), known["last_seen_at"]
    if seen is None or now - seen >= COARSENESS:
        due = or_(User.last_seen_at.is_(None), User.last_seen_at <= now - COARSENESS)
        note_later(update(User).where(User.id == known["id"], due).values(last_seen_at=now))


def _write(engine: Engine, statements: list[Update]) -> None:
    """In a transaction of its own, on a connection of its own: a page's session never learns of it."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE_MILLISECONDS}")
            _execute(connection, statements)
            return
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {PATIENCE_MILLISECONDS}")
        try:
            _execute(connection, statements)
        finally:
            connection.rollback()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {SQLITE_BUSY_MILLISECONDS}")


def _execute(connection, statements):
    for statement in statements:
        connection.execute(statement)
    connection.commit()
