"""When somebody was last here: noted at most once an hour, after their page has been sent."""

from datetime import datetime, timedelta

from flask import Flask, Response, current_app, g, request
from sqlalchemy import Engine, or_, update
from sqlalchemy.exc import SQLAlchemyError

from domain import clock
from extensions import SQLITE_BUSY_MILLISECONDS, db
from models import User

COARSENESS = timedelta(hours=1)
# It matters less than whatever else is written then, so it waits no longer than this.
PATIENCE_MILLISECONDS = 200


def init_app(app: Flask) -> None:
    app.after_request(_note_visit)


def _note_visit(response: Response) -> Response:
    # A page that asks for its own fragments, such as the bell's, is no visit.
    person = None if "HX-Request" in request.headers else g.get("_login_user")
    # What a rollback has expired is not in the state; reading it would cost a query.
    known = vars(person) if isinstance(person, User) else {}
    if "id" not in known or "last_seen_at" not in known:
        return response
    now, seen = clock.now(), known["last_seen_at"]
    if seen is None or now - seen >= COARSENESS:
        engine, logger, person_id = db.engine, current_app.logger, known["id"]

        def note():
            try:
                _write(engine, person_id, now)
            except SQLAlchemyError:
                logger.info("a visit was not noted: the database is busy")

        response.call_on_close(note)
    return response


def _write(engine: Engine, person_id: int, now: datetime) -> None:
    """In a transaction of its own, on a connection of its own: a page's session never learns of it."""
    due = or_(User.last_seen_at.is_(None), User.last_seen_at <= now - COARSENESS)
    noted = update(User).where(User.id == person_id, due).values(last_seen_at=now)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE_MILLISECONDS}")
            connection.execute(noted)
            connection.commit()
            return
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {PATIENCE_MILLISECONDS}")
        try:
            connection.execute(noted)
            connection.commit()
        finally:
            connection.rollback()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {SQLITE_BUSY_MILLISECONDS}")
