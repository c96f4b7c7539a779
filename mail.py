"""What leaves the site: a thread that takes messages out of the outbox and sends them, to people and webhooks.

Nothing is sent within a transaction, and only who still has a message in hand notes what became of
it. So a crash loses nothing; at worst a mail comes a second time, under the Message-ID it had.
"""

import os
import re
import threading
import time
import unicodedata
import uuid
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from weakref import WeakSet

from cryptography.fernet import InvalidToken
from flask import Flask
from flask_babel import force_locale
from sqlalchemy.exc import OperationalError

import gateways
import ics
import letters
import outages
import smtp
import templating
from domain import channels, deliveries, outbox, webhooks
from domain.deliveries import Terms
from extensions import db, settings, when_committed, written
from models import Channel, OutboxMessage, User

SECONDS_BETWEEN_LOOKS = 5.0
# How long one step of a talk with a server may take, and one message in all.
SECONDS_A_STEP = 10.0
SECONDS_A_MESSAGE = 45.0
LONGEST_OUTAGE_PAUSE = 300.0
# After a webhook did not answer, what else goes there waits so long: it would only keep others waiting.
SILENCE = timedelta(seconds=30)
MOST_IN_HAND = 20
TRIES_TO_NOTE = 5
LONGEST_ERROR = 300
ADDRESS = re.compile(r"\S+@\S+")
# Control characters, and the ends of lines and paragraphs.
BREAKS = frozenset({"Cc", "Zl", "Zp"})

_couriers = WeakSet()


def start(app: Flask) -> "Courier":
    """Begin to send, in a thread of this process, which forks no more."""
    courier = Courier(app)
    courier.start()
    return courier


def deliver_due(app: Flask, **options) -> int:
    """Send here and now what is due; answer how many messages were dealt with."""
    return Courier(app, **options).deliver()


@dataclass(frozen=True)
class Parcel:
    """A message in words, with everything that sending it needs."""

    file_name: str
    channel: Channel
    person: User | None
    subject: str
    text: str
    secret: bool
    letter: smtp.Letter | None = None
    call: webhooks.Call | None = None


class Courier:
    """Sends what is due, as soon as something is published, and looks every few seconds."""

    def __init__(
        self,
        app: Flask,
        *,
        terms: Terms = deliveries.USUAL,
        seconds_between_looks: float = SECONDS_BETWEEN_LOOKS,
        seconds_a_step: float = SECONDS_A_STEP,
        seconds_a_message: float = SECONDS_A_MESSAGE,
    ):
        if seconds_a_message >= terms.lease.total_seconds():
            raise ValueError("a message must have left before its lease ends")
        self.app = app
        self.terms = terms
        self.seconds_between_looks = seconds_between_looks
        self.seconds_a_step = seconds_a_step
        self.seconds_a_message = seconds_a_message
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="courier", daemon=True)
        self._outages = 0
        self._line_closed_until = 0.0
        self._silent_until = {}

    def start(self) -> None:
        self._thread.start()
        _couriers.add(self)

    def nudge(self) -> None:
        """Look at once."""
        self._news.set()

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the message in hand and give the others back; answer whether there was time for it."""
        _couriers.discard(self)
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def deliver(self) -> int:
        """Send until nothing is due any more; answer how many messages were dealt with.

        From a site in quarantine nothing leaves.
        """
        dealt_with = 0
        if self.app.config["SETTINGS"].quarantine:
            return dealt_with
        with self._new_line() as line:
            while not self._stopping.is_set():
                lease = str(uuid.uuid4())
                ids = self._claim(lease)
                if not ids:
                    break
                dealt_with += self._carry(ids, lease, line)
        return dealt_with

    def _work(self):
        while not self._stopping.is_set():
            self._news.clear()
            try:
                self.deliver()
            except Exception as fault:
                # Such as a database that is away. What is in hand comes free by itself.
                outages.note(self.app.logger, "the courier stumbled", fault)
            self._news.wait(self.seconds_between_looks)

    def _new_line(self):
        """A line to the mail server, connected when there is a mail; None where there is no server."""
        if not self.app.config["SETTINGS"].mail_server:
            return nullcontext()
        return closing(smtp.Line(self.app.extensions["mail"], self.seconds_a_step, self.seconds_a_message))

    def _claim(self, lease):
        ways = [way for way in Channel if way is not Channel.MAIL or time.monotonic() >= self._line_closed_until]
        with self.app.app_context():
            # A site on which nothing happens writes nothing.
            if not deliveries.anything_due(ways, self.terms):
                return []
            db.session.rollback()
            return written(deliveries.claim, lease, MOST_IN_HAND, ways, self.terms)

    def _carry(self, ids, lease, line):
        """Send what was claimed while there is time for one more; give the rest back."""
        last_start = time.monotonic() + self.terms.lease.total_seconds() - self.seconds_a_message
        rest, outage = list(ids), None
        try:
            while rest and not self._stopping.is_set() and time.monotonic() <= last_start:
                end = self._send(rest[0], lease, line, last_start)
                message_id = rest.pop(0)
                self._note(end, message_id, lease)
        except smtp.Closed as fault:
            outage = _without_addresses(str(fault))
            self._leave_line_alone(outage)
        finally:
            if rest:
                with self.app.app_context():
                    written(deliveries.give_back, rest, lease, outage)
        return len(ids) - len(rest)

    def _leave_line_alone(self, outage):
        """That no mail can be sent is the fault of none of them, and counts as a try for none."""
        self._outages += 1
        pause = min(LONGEST_OUTAGE_PAUSE, self.seconds_between_looks * 2 ** min(self._outages - 1, 20))
        self._line_closed_until = time.monotonic() + pause
        self.app.logger.warning("no mail can be sent: %s", outage)

    def _send(self, message_id, lease, line, last_start) -> Callable | None:
        """Send a message; answer the verb that notes what became of it. Raises smtp.Closed."""
        try:
            parcel = self._pack(message_id, lease)
            if not isinstance(parcel, Parcel):
                return parcel and partial(deliveries.dropped, reason=parcel)
            if parcel.letter is not None and line is not None:
                self._connect(line, last_start)
            with self.app.app_context():
                return self._hand_over(parcel, line)
        except smtp.Closed:
            raise
        except gateways.Unreachable:
            return partial(deliveries.dropped, reason="unreachable")
        except Exception as fault:
            if outages.is_one(fault):
                # That the house is in trouble is no fault of the message, and no try.
                raise
            error = _without_addresses(self._words(fault))
            self.app.logger.warning("message %s was not sent: %s", message_id, error)
            return partial(deliveries.failed, error=error, terms=self.terms)

    def _pack(self, message_id, lease):
        """The message as a parcel, after which no transaction is open; or why it is dropped; or None."""
        site_url = self.app.config["SETTINGS"].site_url
        with self.app.app_context(), self.app.test_request_context(base_url=site_url):
            message = deliveries.in_hand(message_id, lease)
            return message and (deliveries.obstacle(message) or pack(message) or "over")

    def _connect(self, line, last_start):
        line.open()
        self._outages = 0
        if time.monotonic() > last_start:
            raise smtp.Closed("The mail server took too long to let us in.")

    def _hand_over(self, parcel, line):
        if parcel.call is not None:
            if not self._call(parcel.call):
                return partial(deliveries.put_off, pause=SILENCE)
        elif parcel.letter is None:
            gateways.send(parcel.channel, parcel.person, parcel.subject, parcel.text, self.seconds_a_step)
        elif line is None:
            keep(parcel, settings.instance / "outbox")
            body = None if parcel.secret else parcel.text
            return partial(deliveries.kept, subject=parcel.subject, body=body)
        else:
            line.send(parcel.letter)
        return partial(deliveries.sent, subject=parcel.subject)

    def _call(self, call):
        """Call a webhook, unless it has been silent a moment ago; answer whether it was called."""
        if time.monotonic() < self._silent_until.get(call.webhook_id, 0.0):
            return False
        try:
            gateways.post(call.url, call.headers, call.body, self.seconds_a_step)
        except gateways.NoAnswer:
            self._silent_until[call.webhook_id] = time.monotonic() + SILENCE.total_seconds()
            raise
        return True

    def _note(self, end, message_id, lease):
        """Write down what became of a message, also in a busy database: what left must not leave again."""
        for pause in (*(0.2 * 2**n for n in range(TRIES_TO_NOTE - 1)), None):
            try:
                if end is not None:
                    with self.app.app_context():
                        written(end, message_id, lease)
                return
            except OperationalError:
                if pause is None:
                    raise
                time.sleep(pause)

    def _words(self, fault):
        if isinstance(fault, gateways.Undelivered):
            return str(fault)
        if isinstance(fault, InvalidToken):
            return "It was sealed under another SECRET_KEY and cannot be read."
        if isinstance(fault, OSError):  # and what smtplib raises
            return smtp.reason(fault)
        self.app.logger.error("a message could not be written", exc_info=fault)
        return f"It could not be written: {type(fault).__name__}"


def pack(message: OutboxMessage) -> Parcel | None:
    """A message in the words of its recipient's language; None when it is no longer true."""
    if message.channel is Channel.WEBHOOK:
        return _parcel(message, message.subject, "", call=webhooks.call(message))
    unsubscribe = _unsubscribe_address(message)
    with force_locale(templating.locale_of(message.user)):
        letter = letters.compose(message)
        if letter is None:
            return None
        subject = _one_line(letter.subject)[: outbox.LONGEST_SUBJECT]
        if message.channel is not Channel.MAIL:
            return _parcel(message, subject, letters.brief(letter, message.channel))
        text, html = letters.render(letter, message, unsubscribe)
        invitation = ics.invitation(message)
    headers = {"Auto-Submitted": "auto-generated"}
    if unsubscribe:
        headers |= {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    mail = smtp.Letter(
        subject,
        recipients=[message.address or message.user.email],
        body=text,
        html=html,
        extra_headers=headers,
        message_id=deliveries.message_id(message),
    )
    if invitation is not None:
        # Programs of mail go by the method that is named here, and it must be the one inside (RFC 6047).
        kind = f"text/calendar; method={invitation.method}; charset=utf-8"
        mail.attach("booking.ics", kind, invitation.content)
    return _parcel(message, subject, text, mail)


def keep(parcel: Parcel, folder: Path) -> None:
    """Write a mail to a file, which a second try replaces."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / parcel.file_name
    unfinished = path.with_name(f".{path.name}-{os.getpid()}")
    # There may be a link in it that sets a password.
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(parcel.letter.as_bytes())
    unfinished.replace(path)


def _parcel(message, subject, text, letter=None, call=None):
    secret = message.kind == "sealed"
    file_name = deliveries.file_name(message)
    return Parcel(file_name, message.channel, message.user, subject, text, secret, letter, call)


def _unsubscribe_address(message):
    token = message.user_id and channels.unsubscribe_token(message.user_id, outbox.TOPIC_OF[message.kind])
    return letters.address("public.unsubscribe", {"token": token}) if token else None


def _one_line(text):
    """Without what could end the line of a mail's head, or begin another."""
    return " ".join("".join(" " if unicodedata.category(c) in BREAKS else c for c in text).split())


def _without_addresses(text):
    """Servers quote the address that they refuse; it is the person's own business."""
    return " ".join(ADDRESS.sub("…", text).split())[:LONGEST_ERROR]


def _wake_couriers(_published):
    for courier in tuple(_couriers):
        courier.nudge()


when_committed("published", _wake_couriers)
