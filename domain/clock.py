"""What time it is. Everything else asks here, so that tests can hold the clock."""

from datetime import UTC, date, datetime, time, timedelta

from babel.dates import format_datetime
from flask_babel import get_locale

from extensions import settings


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """The present date at the site."""
    return local(now()).date()


def local(moment: datetime) -> datetime:
    """A moment on the site's own clock."""
    return moment.astimezone(settings.zone)


def start_of(day: date) -> datetime:
    """The moment at which a date begins at the site, in UTC."""
    return datetime.combine(day, time(), settings.zone).astimezone(UTC)


def week_start(day: date) -> date:
    """The Monday of a date's week."""
    return day - timedelta(days=day.weekday())


def spoken(moment: datetime) -> str:
    """A moment as a refusal says it: Sun 22 Nov, 8:30 am."""
    return format_datetime(local(moment), "EEE d MMM, h:mm a", locale=get_locale() or "en")
