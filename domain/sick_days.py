"""The days of a professional that an admin leaves out of their scorecard."""

from datetime import date, timedelta

from flask_babel import gettext as _
from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from domain import audit, clock
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db, settings
from models import Professional, Role, User
from models_lifecycle import SickDay

MOST_AHEAD = 30


def mark(professional: Professional, by: User, first: date, last: date | None = None) -> int:
    """Leave out a day, or all from the first to the last; answer how many of them were not marked yet.

    Raises Conflict when all of them were.
    """
    _must_be_admin(by)
    last = last or first
    counted = settings.policy.scorecard_days
    earliest = clock.today() - timedelta(counted)
    latest = clock.today() + timedelta(MOST_AHEAD)
    if last < first:
        raise Invalid(_("The last day is before the first."), "last")
    if first < earliest:
        raise Invalid(_("Choose a day of the last %(days)s days: older ones do not count.", days=counted), "first")
    if last > latest:
        raise Invalid(_("Choose days up to %(days)s days ahead.", days=MOST_AHEAD), "last")
    row = {"professional_id": professional.id, "marked_by_id": by.id, "marked_at": clock.now()}
    days = [{**row, "day": first + timedelta(n)} for n in range((last - first).days + 1)]
    insert = (postgresql if db.session.get_bind().dialect.name == "postgresql" else sqlite).insert
    added = db.session.scalars(insert(SickDay).values(days).on_conflict_do_nothing().returning(SickDay.day)).all()
    if not added:
        raise Conflict(_("These days are marked already."))
    audit.record(by, "mark_sick", "user", professional.id, first=min(added).isoformat(), last=max(added).isoformat())
    return len(added)


def unmark(professional: Professional, by: User, day: date) -> None:
    """Count a day again."""
    _must_be_admin(by)
    theirs = delete(SickDay).where(SickDay.professional_id == professional.id, SickDay.day == day)
    if not db.session.execute(theirs).rowcount:
        raise NotFound(_("This day is not marked, or not any more."))
    audit.record(by, "unmark_sick", "user", professional.id, first=day.isoformat(), last=day.isoformat())


def _must_be_admin(by):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
