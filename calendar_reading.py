"""Reads professionals' calendars elsewhere: takes some in hand, fetches them, and writes down when they are busy.

Nothing is fetched within a transaction, and only who still has a calendar in hand writes. So a crash
between the two changes nothing: the lease runs out, and it is read again.
"""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

from flask import Flask

import busy_times
from busy_times import Times, Unreadable
from domain import outside_calendars
from extensions import db, settings, written

# How many are read at once: each waits for its server nearly all of the time.
AT_ONCE = 4
SECONDS_A_FETCH = 10.0
MOST_BYTES = 2 * 1024 * 1024
REFUSED = {401: "private", 403: "private", 404: "gone", 410: "gone"}

_one_at_a_time = threading.Lock()


class Unread(Exception):
    """A calendar could not be had; `kind` is one of outside_calendars.FAULTS."""

    def __init__(self, kind: str):
        super().__init__(kind)
        self.kind = kind


def drain(app: Flask, stop: threading.Event, guard=None) -> int:
    """Read every calendar that is due, and answer how many were tried.

    `guard` is an egress.Guard with which tests reach a server of their own; production refuses it.
    """
    if not _one_at_a_time.acquire(blocking=False):
        return 0
    try:
        return _drain(app, stop, guard)
    finally:
        _one_at_a_time.release()


def _drain(app, stop, guard):
    tried = 0
    with ThreadPoolExecutor(AT_ONCE, "calendars") as pool:
        while not stop.is_set():
            lease = str(uuid.uuid4())
            with app.app_context():
                # A site on which nothing is due writes nothing.
                ids = _claimed(lease) if outside_calendars.anything_due() else []
            if not ids:
                break
            tried += len(list(pool.map(partial(_read, app, guard, lease), ids)))
    return tried


def _claimed(lease):
    db.session.rollback()
    return written(outside_calendars.claim, lease, AT_ONCE)


def _read(app, guard, lease, calendar_id):
    """Read one calendar, and write down what became of it."""
    with app.app_context():
        try:
            times = _busy_times(calendar_id, lease, guard)
        except (Unread, Unreadable) as fault:
            written(outside_calendars.fail, calendar_id, lease, fault.kind)
        except Exception:
            app.logger.exception("the calendar %s could not be read", calendar_id)
            db.session.rollback()
            written(outside_calendars.fail, calendar_id, lease, "broken")
        else:
            written(outside_calendars.replace, calendar_id, lease, times)


def _busy_times(calendar_id, lease, guard) -> Times:
    calendar = outside_calendars.in_hand(calendar_id, lease)
    if calendar is None:
        return []
    url, owner = outside_calendars.address_of(calendar), calendar.professional.user.email
    (first, last), zone = outside_calendars.window(), settings.timezone
    host = urlsplit(settings.site_url).hostname
    db.session.rollback()
    if url is None:
        raise Unread("sealed")
    return busy_times.read(fetch(url, guard), first, last, zone, host, owner)


def fetch(url: str, guard=None) -> bytes:
    """What is at the address of a calendar. Raises Unread."""
    import egress

    if guard is not None and settings.production:
        raise RuntimeError("a production site asks public addresses only")
    try:
        answer = egress.fetch(url, SECONDS_A_FETCH, MOST_BYTES, guard or egress.Guard())
    except egress.Refused as fault:
        raise Unread(fault.kind if fault.kind in outside_calendars.FAULTS else "unreachable") from None
    if answer.status_code != 200:
        raise Unread(REFUSED.get(answer.status_code, "failing"))
    return answer.content
