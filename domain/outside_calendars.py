"""A professional's calendars elsewhere: which are read, when, and the busy times that came of it.

Whoever reads one holds it by a lease, so that what was read is written once. What cannot be read
leaves the busy times as they were.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import SystemRandom

from cryptography.fernet import InvalidToken
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, insert, or_, select, update

from domain import clock, news, sealing
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db, settings
from models import Professional, TimeOff, User
from models_integrations import OutsideCalendar

MOST_CALENDARS = 5
LONGEST_NAME = 80
LONGEST_URL = 1000
EVERY = timedelta(minutes=15)
LONGEST_PAUSE = timedelta(hours=12)
LEASE = timedelta(minutes=2)
# Read again sooner than this it would say the same.
SOON = timedelta(minutes=1)
_URL = re.compile(r"https://((?:[a-z0-9-]+\.)+[a-z0-9-]+)((?:[/?][\x21-\x7e]*)?)", re.IGNORECASE)

# Why a calendar could not be read; the word is what its row keeps.
FAULTS = {
    "unreachable": _l("Its server could not be reached. Check the address."),
    "slow": _l("Its server took too long to answer."),
    "untrusted": _l("Its server has no certificate that can be trusted."),
    "away": _l("Its address leads on to others that we do not follow. Copy it anew."),
    "gone": _l("There is no calendar at this address any more. Copy it anew."),
    "private": _l("Its server wants a log-in. Copy the secret address, which needs none."),
    "failing": _l("Its server answered with an error."),
    "too_much": _l("It is larger than 2 MB. Give the address of a smaller calendar."),
    "too_many": _l("It has more than 1,000 events in the weeks ahead."),
    "too_slow": _l("Its events could not be worked out in time. One of them may repeat without end."),
    "not_a_calendar": _l("What is at this address is not a calendar. Copy the address in the iCal format."),
    "sealed": _l("Its address could not be read any more. Remove it and add it again."),
    "broken": _l("It could not be read. We try again."),
}


# -- What a professional does -----------------------------------------------------------------


def of(professional: Professional) -> list[OutsideCalendar]:
    """A professional's calendars, in the order in which they came."""
    mine = select(OutsideCalendar).where(OutsideCalendar.professional_id == professional.id)
    return list(db.session.scalars(mine.order_by(OutsideCalendar.id)))


def add(professional: Professional, by: User, name: str, url: str) -> OutsideCalendar:
    """Have another calendar read from now on. Raises Invalid naming the field."""
    _must_be(professional, by)
    name, url = " ".join(name.split()), _checked(url)
    if not name:
        raise Invalid(_("Give it a name, such as “Family”."), "name")
    if len(name) > LONGEST_NAME:
        raise Invalid(_("Keep the name under %(most)s characters.", most=LONGEST_NAME), "name")
    known = of(professional)
    if len(known) >= MOST_CALENDARS:
        raise Invalid(_("You have %(most)s calendars here. Remove one first.", most=MOST_CALENDARS))
    if any(address_of(one) == url for one in known):
        raise Invalid(_("This calendar is here already."), "url")
    now, sealed = clock.now(), sealing.sealed(url)
    calendar = OutsideCalendar(professional_id=professional.id, name=name, url=sealed, created_at=now, due_at=now)
    db.session.add(calendar)
    db.session.flush()
    return calendar


def read_soon(professional: Professional, by: User, calendar_id: int) -> None:
    """Have a calendar read as soon as possible. Raises Conflict right after it was."""
    calendar = _mine(professional, by, calendar_id)
    if calendar.read_at is not None and clock.now() - SOON < calendar.read_at:
        raise Conflict(_("It was read a moment ago. Wait a minute before the next time."))
    calendar.due_at = clock.now()
    db.session.flush()


def remove(professional: Professional, by: User, calendar_id: int) -> None:
    """Read it no more, and forget its busy times."""
    _drop([_mine(professional, by, calendar_id).id])
    news.of_slots(professional.id)


def forget(user: User) -> None:
    """Of somebody who is no longer here."""
    theirs = select(OutsideCalendar.id).where(OutsideCalendar.professional_id == user.id)
    _drop(db.session.scalars(theirs).all())


# -- Reading ----------------------------------------------------------------------------------


def anything_due() -> bool:
    """Whether there is something to claim. Only reads."""
    return db.session.scalar(_due().limit(1)) is not None


def claim(lease: str, most: int) -> list[int]:
    """Take the calendars that are due longest in hand; answer their ids."""
    ids = list(db.session.scalars(_due().limit(most).with_for_update(of=OutsideCalendar, skip_locked=True)))
    taken = update(OutsideCalendar).where(OutsideCalendar.id.in_(ids))
    db.session.execute(taken.values(lease=lease, leased_until=clock.now() + LEASE))
    return ids


def in_hand(calendar_id: int, lease: str) -> OutsideCalendar | None:
    """A calendar, unless somebody else has it by now."""
    mine = select(OutsideCalendar).where(*_held(calendar_id, lease))
    return db.session.scalar(mine.execution_options(populate_existing=True))


def address_of(calendar: OutsideCalendar) -> str | None:
    """Where a calendar is; None when it was sealed under another SECRET_KEY."""
    try:
        return sealing.unsealed(calendar.url)
    except InvalidToken:
        return None


def window() -> tuple[datetime, datetime]:
    """Between which moments busy times matter: from yesterday until after the last day that can be booked."""
    today = clock.today()
    last = today + timedelta(days=settings.policy.horizon_days + 2)
    return clock.start_of(today - timedelta(days=1)), clock.start_of(last)


def replace(calendar_id: int, lease: str, times: Iterable[tuple[datetime, datetime]]) -> bool:
    """Write down the busy times that a calendar has now; answer whether it was still in hand."""
    now = clock.now()
    if not _settle(calendar_id, lease, read_at=now, failures=0, error="", due_at=now + EVERY * _jitter()):
        return False
    theirs = TimeOff.calendar_id == calendar_id
    known = select(TimeOff.starts_at, TimeOff.ends_at).where(theirs).order_by(TimeOff.starts_at)
    wanted = sorted(times)
    if db.session.execute(known).all() == wanted:
        return True
    db.session.execute(delete(TimeOff).where(theirs))
    person = db.session.get_one(OutsideCalendar, calendar_id).professional_id
    rows = [
        {"professional_id": person, "calendar_id": calendar_id, "starts_at": start, "ends_at": end, "note": ""}
        for start, end in wanted
    ]
    if rows:
        db.session.execute(insert(TimeOff), rows)
    news.of_slots(person)
    return True


def fail(calendar_id: int, lease: str, fault: str) -> bool:
    """It could not be read, for one of FAULTS: wait longer each time before the next."""
    assert fault in FAULTS, fault
    calendar = in_hand(calendar_id, lease)
    if calendar is None:
        return False
    failures = calendar.failures + 1
    pause = min(EVERY * 2 ** min(failures - 1, 20), LONGEST_PAUSE) * _jitter()
    return _settle(calendar_id, lease, failures=failures, error=fault, due_at=clock.now() + pause)


# -- Small print ------------------------------------------------------------------------------


def _due():
    now = clock.now()
    # A lease further ahead than one can be was written by a clock that has been set back since.
    free = or_(
        OutsideCalendar.leased_until.is_(None),
        OutsideCalendar.leased_until <= now,
        OutsideCalendar.leased_until > now + LEASE,
    )
    due = or_(OutsideCalendar.due_at <= now, OutsideCalendar.due_at > now + LONGEST_PAUSE * 2)
    return (
        select(OutsideCalendar.id)
        .join(User, User.id == OutsideCalendar.professional_id)
        .where(due, free, User.active)
        .order_by(OutsideCalendar.due_at)
    )


def _held(calendar_id, lease):
    return OutsideCalendar.id == calendar_id, OutsideCalendar.lease == lease


def _settle(calendar_id, lease, **after):
    """Give a calendar back with what became of it; answer whether it was still in hand."""
    held = update(OutsideCalendar).where(*_held(calendar_id, lease))
    return bool(db.session.execute(held.values(lease=None, leased_until=None, **after)).rowcount)


def _jitter():
    """Calendars that were added together are not read together for ever."""
    return SystemRandom().uniform(0.9, 1.1)


def _checked(url):
    url = url.strip()
    if url.lower().startswith(("webcal://", "webcals://")):
        url = "https://" + url.partition("://")[2]
    found = _URL.fullmatch(url)
    if found is None or len(url) > LONGEST_URL:
        raise Invalid(_("Copy the whole address of the calendar, from https:// or webcal:// to the end."), "url")
    return f"https://{found[1].lower()}{found[2]}"


def _mine(professional, by, calendar_id):
    _must_be(professional, by)
    mine = select(OutsideCalendar).where(
        OutsideCalendar.id == calendar_id, OutsideCalendar.professional_id == professional.id
    )
    found = db.session.scalar(mine.with_for_update())
    if found is None:
        raise NotFound(_("There is no such calendar. You may have removed it already."))
    return found


def _drop(ids):
    for rows in (TimeOff.calendar_id, OutsideCalendar.id):
        db.session.execute(delete(rows.class_).where(rows.in_(ids)).execution_options(synchronize_session=False))


def _must_be(professional, by):
    if professional.id != by.id:
        raise NotAllowed(_("You can only change your own schedule."))
