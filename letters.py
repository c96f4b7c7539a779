"""What each message says, made from what is true at the moment of sending; nothing when it no longer is."""

from collections.abc import Callable
from dataclasses import dataclass, field

from flask import render_template
from flask_babel import gettext as _

import templating
from domain import notifications, outbox
from models import OutboxMessage, Role, Status, User


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Button:
    """A link that is the point of a letter: an endpoint of the site and its arguments."""

    label: str
    endpoint: str
    values: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Letter:
    """A message before it has a form: HTML, plain text and chat are rendered from the same blocks."""

    subject: str
    blocks: tuple = ()


def compose(message: OutboxMessage) -> Letter | None:
    """The letter of a message in the language of the moment; None when what it tells is no longer true."""
    if message.kind == "sealed":
        return Letter(message.subject, (Paragraph(outbox.unsealed(message)),))
    return WRITERS.get(message.kind, _notification)(message)


def render(letter: Letter, message: OutboxMessage, unsubscribe: str | None = None) -> tuple[str, str]:
    """A letter as plain text and as HTML; `unsubscribe` is the address that switches its topic off."""
    known = {"letter": letter, "message": message, "person": message.user, "unsubscribe": unsubscribe}
    return render_template("emails/letter.txt", **known), render_template("emails/letter.html", **known)


def _notification(message):
    """What a booking's people are told of a move, as the notification in the app says it."""
    if message.kind in ("requested", "offered") and not _is_unanswered(message):
        return None
    text = notifications.message(message, templating.dated)
    blocks = [Paragraph(text)]
    if message.booking_id:
        blocks.append(booking_button(message.booking_id, message.user))
    return Letter(text if len(text) <= MOST_IN_SUBJECT else _("News of your booking"), tuple(blocks))


def booking_button(booking_id: int, person: User) -> Button:
    endpoint = "professional.job" if person.role is Role.PROFESSIONAL else "customer.booking"
    return Button(_("Open the booking"), endpoint, {"booking_id": booking_id})


def _is_unanswered(message):
    return message.booking is not None and message.booking.status is Status.PENDING


MOST_IN_SUBJECT = 120
WRITERS: dict[str, Callable[[OutboxMessage], Letter | None]] = {}
