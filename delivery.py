"""How a mail leaves: by a thread of its own, so that no page waits and none tells by its time.

Without MAIL_SERVER a mail becomes a file under instance/outbox, to be read by the developer.
"""

import atexit
import itertools
import os
import queue
import threading
import time
from pathlib import Path

from flask import Flask, current_app
from flask_mail import Message

from extensions import mail
from storage import new_name

LAST_CHANCE_SECONDS = 10

_numbers = itertools.count()


class Postman:
    """A queue of mails and the thread that sends them, started when it is first needed."""

    def __init__(self, app: Flask):
        self.app = app
        self._process = None
        self._start_lock = threading.Lock()

    def post(self, message: Message) -> None:
        """Hand over a mail; returns at once."""
        self._start()
        self._letters.put(message)

    def wait(self) -> None:
        """Return when everything that was handed over has left."""
        if self._process == os.getpid():
            self._letters.join()

    def _start(self):
        # A server forks after it made the application, and threads do not survive that.
        with self._start_lock:
            if self._process == os.getpid():
                return
            self._letters = queue.Queue()
            self._thread = threading.Thread(target=self._work, name="postman", daemon=True)
            self._thread.start()
            self._process = os.getpid()
            atexit.register(self._stop)

    def _stop(self):
        if self._process == os.getpid():
            self._letters.put(None)
            self._thread.join(LAST_CHANCE_SECONDS)

    def _work(self):
        while (message := self._letters.get()) is not None:
            try:
                with self.app.app_context():
                    self._send(message)
            except Exception:
                self.app.logger.exception("a mail could not be sent: %s", message.subject)
            finally:
                self._letters.task_done()

    def _send(self, message):
        settings = self.app.config["SETTINGS"]
        if settings.mail_server:
            mail.send(message)
        else:
            _write(settings.instance / "outbox", message)


def init_app(app: Flask) -> None:
    app.extensions["postman"] = Postman(app)


def post(recipient: str, subject: str, body: str) -> None:
    """Send a plain mail to one person; returns at once."""
    sender = current_app.config["MAIL_DEFAULT_SENDER"]
    message = Message(" ".join(subject.split()), sender=sender, recipients=[recipient], body=body)
    current_app.extensions["postman"].post(message)


def _write(folder: Path, message: Message) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns()}-{next(_numbers):04}-{new_name()[:8]}.eml"
    unfinished = folder / f".{name}"
    unfinished.write_bytes(message.as_bytes())
    unfinished.rename(folder / name)
