"""Bookings as iCalendar (RFC 5545): the feed that a calendar program reads, and what comes with a mail.

A booking is one event with one UID wherever it appears, and its SEQUENCE is the number of its steps.
Times are in UTC, which every program shows in its reader's zone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from urllib.parse import urlsplit

from flask_babel import force_locale
from flask_babel import gettext as _
from icalendar import Calendar, Event, vCalAddress

import letters
import templating
from domain import clock, feeds, schedules
from domain.feeds import ENDED, Entry
from domain.transitions import LABELS
from extensions import settings
from models import OutboxMessage, Status, User

READ_AGAIN = timedelta(hours=1)
# The messages by which what was agreed comes about, changes or ends.
OF_AGREEMENTS = frozenset({"accepted", "time_agreed", "reassigned", "given", "edited", "cascaded"})
OF_AGREEMENTS |= {"cascaded_to_several", "taken_away", "cancelled", "cancelled_by_admin", "cancelled_nobody"}
OF_AGREEMENTS |= {"rejected", "nobody", "expired", "customer_absent", "professional_absent"}


@dataclass(frozen=True)
class Invitation:
    """What a program of mail puts into its owner's calendar, or takes out, by its method (RFC 5546)."""

    method: str
    content: bytes


def feed(person: User) -> bytes:
    """The bookings of a person in their language."""
    with force_locale(templating.locale_of(person)):
        calendar = _calendar()
        calendar.add("name", settings.site_name)
        calendar.add("x-wr-calname", settings.site_name)
        calendar.add("refresh-interval", READ_AGAIN, parameters={"VALUE": "DURATION"})
        calendar.add("x-published-ttl", "PT1H")
        for entry in feeds.entries(person):
            calendar.add_component(_event(entry, person, entry.booking.shown_status, stamp=entry.changed_at))
        return calendar.to_ical()


def invitation(message: OutboxMessage) -> Invitation | None:
    """What is attached to a mail about an agreement, as the booking is now; None for all others.

    In the language of the moment.
    """
    booking, person = message.booking, message.user
    if message.kind not in OF_AGREEMENTS or booking is None or not _was_agreed(booking, person):
        return None
    # To whom it was given no longer, it is over.
    state = Status.CANCELLED if message.kind == "taken_away" else booking.shown_status
    event = _event(feeds.entry(booking), person, state, stamp=clock.now())
    # Who would have to answer has agreed on the site already, and nobody reads replies to its mails.
    event.add("organizer", _address(*parseaddr(settings.mail_sender)))
    attending = {"ROLE": "REQ-PARTICIPANT", "PARTSTAT": "ACCEPTED", "RSVP": "FALSE"}
    event.add("attendee", _address(person.name, person.email), parameters=attending)
    method = "CANCEL" if state in ENDED else "REQUEST"
    calendar = _calendar()
    calendar.add("method", method)
    calendar.add_component(event)
    return Invitation(method, calendar.to_ical())


def uid(booking_id: int) -> str:
    """The name of a booking in every calendar."""
    return f"booking-{booking_id}@{urlsplit(settings.site_url).hostname}"


def _calendar():
    calendar = Calendar()
    calendar.add("prodid", f"-//{settings.site_name}//Bookings//EN")
    calendar.add("version", "2.0")
    return calendar


def _event(entry: Entry, person: User, state: Status, stamp: datetime) -> Event:
    booking = entry.booking
    status = _status(state)
    told = [_("%(state)s. Reference %(reference)s", state=LABELS[state], reference=booking.reference)]
    event = Event()
    event.add("uid", uid(booking.id))
    event.add("dtstamp", stamp)
    event.add("last-modified", entry.changed_at)
    event.add("sequence", entry.changes)
    event.add("dtstart", booking.starts_at)
    event.add("dtend", booking.ends_at)
    event.add("summary", _summary(booking, person, None if status == "CONFIRMED" else LABELS[state]))
    event.add("location", letters.place_for(booking, person))
    if person.id in (booking.customer_id, booking.professional_id):
        page = letters.booking_button(booking.id, person)
        told.append(letters.address(page.endpoint, page.values))
        event.add("url", told[-1])
    event.add("description", "\n".join(told))
    event.add("status", status)
    event.add("transp", "TRANSPARENT" if status == "CANCELLED" else "OPAQUE")
    return event


def _summary(booking, person, state):
    """The service and whom one meets; not every program shows what is not certain in another way."""
    other = booking.customer if person.is_professional else booking.professional and booking.professional.user
    told = " · ".join((booking.service.name, *([other.name] if other else ())))
    return f"{told} ({state})" if state else told


def _status(state):
    if state in ENDED:
        return "CANCELLED"
    return "TENTATIVE" if state is Status.PENDING else "CONFIRMED"


def _was_agreed(booking, person):
    """Whether it has ever been sure with this person: what was only asked for is in nobody's calendar."""
    story = schedules.story(booking) if person.is_professional else booking.events
    return any(event.to_status == Status.ACCEPTED for event in story)


def _address(name, email):
    found = vCalAddress(f"mailto:{email}")
    if name:
        found.params["CN"] = name
    return found
