"""The line to the mail server: it is believed only with its certificate, and never waited for long."""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask_mail import Connection, Message


class Closed(Exception):
    """There is no way to the mail server now; the words are for the admin."""


class Letter(Message):
    """A mail whose two forms are alternatives, alone unless a file is attached, under a Message-ID of our own."""

    def __init__(self, *args, message_id: str, **kwargs):
        super().__init__(*args, **kwargs)
        self.msgId = message_id

    def _message(self):
        whole = super()._message()
        if not self.alts or self.attachments:
            return whole
        # Flask-Mail wraps them as if files were attached.
        (forms,) = whole.get_payload()
        for name, value in whole.items():
            if name not in ("Content-Type", "MIME-Version"):
                forms[name] = value
        forms.policy = whole.policy
        return forms


class Line(Connection):
    """Flask-Mail's connection, opened when it is needed and again after a fault.

    A step of the talk takes at most `seconds_a_step`; connecting takes a few of them, and everything
    up to the end of one mail at most `seconds_a_mail`.
    """

    def __init__(self, mail, seconds_a_step: float, seconds_a_mail: float):
        super().__init__(mail)
        self.seconds_a_step = seconds_a_step
        self.seconds_a_mail = seconds_a_mail

    def open(self) -> None:
        """Be connected. Raises Closed."""
        if self.host is not None:
            return
        try:
            self.host = self.configure_host()
        except (OSError, smtplib.SMTPException) as fault:
            raise Closed(f"No connection to the mail server: {reason(fault)}") from fault

    def send(self, message: Message, envelope_from=None) -> None:
        """Send one mail over the open line; after a fault it is closed."""
        try:
            with self._cut_off(self.host):
                super().send(message, envelope_from)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        host, self.host = self.host, None
        if host is not None:
            with suppress(OSError, smtplib.SMTPException), self._cut_off(host):
                host.quit()
            host.close()

    def configure_host(self) -> smtplib.SMTP:
        server, seconds = (self.mail.server, self.mail.port), self.seconds_a_step
        if self.mail.use_ssl:
            host = smtplib.SMTP_SSL(*server, timeout=seconds, context=ssl.create_default_context())
        else:
            host = smtplib.SMTP(*server, timeout=seconds)
        try:
            with self._cut_off(host):
                if self.mail.use_tls:
                    host.starttls(context=ssl.create_default_context())
                if self.mail.username and self.mail.password:
                    host.login(self.mail.username, self.mail.password)
        except BaseException:
            host.close()
            raise
        return host

    @contextmanager
    def _cut_off(self, host) -> Iterator[None]:
        """End the connection if the block takes longer than a mail may, however slowly the server speaks."""
        # TLS takes the socket over, so what is kept to end it by is a duplicate.
        spare = host.sock and socket.fromfd(host.sock.fileno(), host.sock.family, host.sock.type)
        alarm = threading.Timer(self.seconds_a_mail, _cut, (spare,))
        alarm.daemon = True
        alarm.start()
        try:
            yield
        finally:
            alarm.cancel()
            if spare:
                spare.close()


def reason(fault: Exception) -> str:
    """What went wrong, in the server's words where it has some."""
    if isinstance(fault, smtplib.SMTPRecipientsRefused):
        (answer,) = fault.recipients.values()
        return _answer(*answer)
    if isinstance(fault, smtplib.SMTPResponseException):
        return _answer(fault.smtp_code, fault.smtp_error)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted, {fault.verify_message}"
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if isinstance(fault, smtplib.SMTPException):
        return str(fault)
    return f"{type(fault).__name__} {fault.strerror or ''}".strip()


def _answer(code, words):
    return f"{code} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}"


def _cut(sock):
    with suppress(OSError, AttributeError):
        sock.shutdown(socket.SHUT_RDWR)
