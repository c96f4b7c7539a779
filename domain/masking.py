"""Telephone numbers and mail addresses in what two people write to each other before they have agreed.

An operator may wish that nobody is called past the site (MASK_CONTACTS). The rows keep what was written:
its writer and admins read that, and the other side too once the booking is accepted.
"""

import re

import phonenumbers

from extensions import settings
from models import Booking, User

MASK = "•••"
_ADDRESS = re.compile(r"[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)+")


def shown(text: str, booking: Booking, writer_id: int | None, reader: User) -> str:
    """What somebody reads of what was written about a booking."""
    mine = writer_id == reader.id or reader.is_admin
    return text if mine or booking.accepted_at is not None else masked(text)


def told(text: str, booking: Booking) -> str:
    """What the other side is told in a message, which stays as it was sent."""
    return text if booking.accepted_at is not None else masked(text)


def masked(text: str) -> str:
    """The text without ways to reach somebody, if that is what the operator wants."""
    if not settings.mask_contacts or not text:
        return text
    text = _ADDRESS.sub(MASK, text)
    for found in reversed(list(phonenumbers.PhoneNumberMatcher(text, settings.country))):
        text = text[: found.start] + MASK + text[found.end :]
    return text
