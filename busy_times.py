"""When a calendar (iCalendar, RFC 5545) keeps its owner busy.

A calendar comes from strangers, and few bytes of it can name more events than there are seconds. So it
is read in a process of its own, which knows nothing of the site and is ended when it takes too long.
"""

import json
import os
import re
import resource
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

# Of work, and four times as many in all.
SECONDS = 5
MOST_MEMORY = 512 * 1024 * 1024
MOST_EVENTS = 1000
# Of the environment, in which the site keeps its secrets: where some builds of Python find their own parts.
KEPT = ("LD_LIBRARY_PATH",)

Times = list[tuple[datetime, datetime]]


class Unreadable(Exception):
    """A calendar cannot be read; `kind` says why: not_a_calendar, too_many or too_slow."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


def read(content: bytes, first: datetime, last: datetime, zone: str, host: str, owner: str) -> Times:
    """The busy times between two moments, in order and without overlaps. Raises Unreadable.

    What names no zone is in `zone`. Bookings of the site at `host` do not count, nor what the `owner`,
    by the address of their mail, declined.
    """
    # Not as arguments, which everybody on the machine can read.
    about = json.dumps([first.isoformat(), last.isoformat(), zone, host, owner]).encode()
    try:
        answer = subprocess.run(  # noqa: S603
            [sys.executable, "-I", __file__],
            input=about + b"\n" + content,
            capture_output=True,
            timeout=SECONDS * 4,
            env={name: os.environ[name] for name in KEPT if name in os.environ},
        )
    except subprocess.TimeoutExpired:
        raise Unreadable("too_slow") from None
    if answer.returncode:
        # A limit has ended it.
        raise Unreadable("too_slow")
    found = json.loads(answer.stdout)
    if isinstance(found, str):
        raise Unreadable(found)
    return [(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)) for start, end in found]


def main() -> None:
    """Read what read() sends; write the busy times in seconds since 1970, or a kind of fault."""
    # Pages go first.
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    first, last, *about = json.loads(sys.stdin.buffer.readline())
    window = datetime.fromisoformat(first), datetime.fromisoformat(last)
    json.dump(_answer(sys.stdin.buffer.read(), *window, *about), sys.stdout)


def _answer(*asked):
    try:
        return [(start.timestamp(), end.timestamp()) for start, end in find(*asked)]
    except Unreadable as fault:
        return fault.kind
    except MemoryError:
        return "too_slow"
    except Exception:
        # What strangers write can go wrong in every way that there is, and all of them mean the same.
        return "not_a_calendar"


def find(content: bytes, first: datetime, last: datetime, zone: str, host: str, owner: str) -> Times:
    """The same within this process, with no bound on what it costs; raises whatever the libraries do."""
    ours = re.compile(rf"booking-\d+@{re.escape(host)}")
    busy = []
    for event in _events(content, first, last):
        if not (ours.fullmatch(str(event.get("UID", ""))) or _is_free(event) or _is_declined(event, owner)):
            busy.append((_moment(event.start, zone), _moment(event.end, zone)))
    if len(busy) > MOST_EVENTS:
        raise Unreadable("too_many")
    return _merged((max(start, first), min(end, last)) for start, end in busy)


def _events(content, first, last):
    # Here and not above: the site itself has no need of them.
    import recurring_ical_events
    from icalendar import Calendar

    # What is in another zone, or in none, is looked for a day around.
    around = first - timedelta(days=1), last + timedelta(days=1)
    calendars = Calendar.from_ical(content, multiple=True)
    if not calendars or any(one.name != "VCALENDAR" for one in calendars):
        raise Unreadable("not_a_calendar")
    queries = [recurring_ical_events.of(one, skip_bad_series=True) for one in calendars]
    return [event for query in queries for event in query.between(*around)]


def _is_free(event):
    return str(event.get("TRANSP", "")).upper() == "TRANSPARENT" or str(event.get("STATUS", "")).upper() == "CANCELLED"


def _is_declined(event, owner):
    guests = event.get("ATTENDEE", [])
    return any(
        str(guest).lower() == f"mailto:{owner}" and str(guest.params.get("PARTSTAT", "")).upper() == "DECLINED"
        for guest in (guests if isinstance(guests, list) else [guests])
    )


def _moment(value: date | datetime, zone) -> datetime:
    """A whole day begins when it does in the zone, and so does a time without one."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return (value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _merged(times):
    merged = []
    for start, end in sorted(pair for pair in times if pair[0] < pair[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


if __name__ == "__main__":
    main()
