"""The periods of jobs: minutes, dates and months of the site's clock, when they are due, and what comes before."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from babel.dates import format_time
from flask_babel import get_locale
from flask_babel import gettext as _

from domain import clock
from extensions import settings


class Minutely:
    """Once in each minute of a stopwatch; its row is the date's."""

    def read(self, text: str) -> str:
        return date.fromisoformat(text).isoformat()

    def due(self, now: datetime) -> str:
        return clock.local(now).date().isoformat()

    @property
    def words(self) -> str:
        return _("every minute")


@dataclass(frozen=True)
class Daily:
    """Once for each date, from an hour of the site's clock on: the hour of reminders unless given."""

    at: int | None = None

    @property
    def hour(self) -> int:
        return settings.reminder_hour if self.at is None else self.at

    @property
    def words(self) -> str:
        return _("every day at %(time)s", time=_spoken(self.hour))

    def read(self, text: str) -> str:
        return date.fromisoformat(text).isoformat()

    def due(self, now: datetime) -> str:
        """The latest date whose hour has come."""
        here = clock.local(now)
        return (here.date() - timedelta(days=here.hour < self.hour)).isoformat()

    def before(self, period: str) -> str:
        return (date.fromisoformat(period) - timedelta(days=1)).isoformat()

    def after(self, period: str) -> str:
        return (date.fromisoformat(period) + timedelta(days=1)).isoformat()

    def begins(self, period: str) -> datetime:
        """When a period becomes due."""
        return datetime.combine(date.fromisoformat(period), time(self.hour), settings.zone)


@dataclass(frozen=True)
class Monthly:
    """Once for each month, from an hour of its first day on."""

    hour: int

    @property
    def words(self) -> str:
        return _("on the 1st of each month at %(time)s", time=_spoken(self.hour))

    def read(self, text: str) -> str:
        return f"{_first(text):%Y-%m}"

    def due(self, now: datetime) -> str:
        """The latest month whose hour has come."""
        here = clock.local(now)
        period = f"{here:%Y-%m}"
        return self.before(period) if here.day == 1 and here.hour < self.hour else period

    def before(self, period: str) -> str:
        return f"{_first(period) - timedelta(days=1):%Y-%m}"

    def after(self, period: str) -> str:
        return f"{_first(period) + timedelta(days=31):%Y-%m}"

    def begins(self, period: str) -> datetime:
        """When a period becomes due."""
        return datetime.combine(_first(period), time(self.hour), settings.zone)


def _first(period):
    return date.fromisoformat(f"{period}-01")


def _spoken(hour):
    return format_time(time(hour), "h:mm a", locale=get_locale() or "en")
