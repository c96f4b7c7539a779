"""When somebody was last here, as coarsely as it is known: a visit is noted at most once an hour (see visits.py)."""

from datetime import timedelta

from flask_babel import gettext as _

from domain import clock
from models import User

HOUR, WEEK, MONTH = timedelta(hours=1), timedelta(days=7), timedelta(days=30)


def last_active(user: User) -> str | None:
    """In words that are true whenever within the hour the last visit was; nothing of who never came or is gone."""
    if user.last_seen_at is None or not user.active:
        return None
    since = clock.now() - user.last_seen_at
    if since < HOUR:
        return _("Active in the last hour")
    if clock.local(user.last_seen_at).date() == clock.today():
        return _("Active today")
    if since < WEEK:
        return _("Active in the last week")
    return _("Active in the last month") if since < MONTH else _("Not active lately")
