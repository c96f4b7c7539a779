"""What time it is. Everything else asks here, so that tests can hold the clock."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta

from babel.dates import format_datetime
from flask_babel import get_locale

from extensions import settings

# A clock that ran ahead may be set back by this much: what it has signed until then lies ahead, and is good.
SET_BACK = timedelta(days=1)

_held: ContextVar[datetime | None] = ContextVar("held", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _held.get() or datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Hold the clock at a moment within the block, so that invented history has its own dates.

    Only what runs in the block's own context sees it. Raises RuntimeError in production.
    """
    if settings.production:
        raise RuntimeError("the clock of a production site is never held")
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}")
    token = _held.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _held.reset(token)


def today() -> date:
    """The present date at the site."""
    return local(now()).date()


def local(moment: datetime) -> datetime:
    """A moment on the site's own clock."""
    return moment.astimezone(settings.zone)


def start_of(day: date) -> datetime:
    """The moment at which a date begins at the site, in UTC."""
    return datetime.combine(day, time(), settings.zone).astimezone(UTC)


def at_wall(day: date, wall: time) -> datetime:
    """A time on the site's own clock, in UTC; of one that comes twice, the first."""
    return datetime.combine(day, wall, settings.zone).astimezone(UTC)


def week_start(day: date) -> date:
    """The Monday of a date's week."""
    return day - timedelta(days=day.weekday())


def spoken(moment: datetime) -> str:
    """A moment as a refusal says it: Sun 22 Nov, 8:30 am."""
    return format_datetime(local(moment), "EEE d MMM, h:mm a", locale=get_locale() or "en")
