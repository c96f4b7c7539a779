"""Who asks a site that is in trouble: people in a browser without scripts, and their programs, who take each answer."""

import json
import threading
import time
from collections.abc import Iterable
from http.client import HTTPException
from itertools import cycle
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests import factories
from tests.listening import TOKEN, Person

SORRY = "We will be right back"


class Answer(NamedTuple):
    status: int
    headers: dict
    text: str
    seconds: float

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def is_sorry(self) -> bool:
        """Whether it says in words that this cannot be done now, and when to come back."""
        said = self.status == 503 and int(self.headers["Retry-After"]) > 0
        if self.headers["Content-Type"] == "application/problem+json":
            return said and self.json["status"] == 503 and "Try again" in self.json["detail"]
        return said and SORRY in self.text and "Traceback" not in self.text


def ask(address: str, data: bytes | None = None, headers=None, open_=urlopen, method: str | None = None) -> Answer:
    """What a site answers, whatever its status."""
    began = time.monotonic()
    try:
        with open_(Request(address, data, headers or {}, method=method), timeout=30) as answer:
            text = answer.read().decode("utf-8", "replace")
    except HTTPError as refusal:
        with refusal as answer:
            text = answer.read().decode("utf-8", "replace")
    return Answer(answer.status, dict(answer.headers), text, time.monotonic() - began)


class Visitor(Person):
    """Somebody who is logged in, with a program that is too."""

    def __init__(self, site: str, email: str):
        super().__init__(email, factories.PASSWORD)
        self.log_in(site)
        self._csrf = TOKEN.search(self.get(f"{site}/help"))[1]
        body = json.dumps({"email": email, "password": factories.PASSWORD}).encode()
        logged_in = ask(f"{site}/api/auth/login", body, {"Content-Type": "application/json"})
        self._bearer = {"Authorization": f"Bearer {logged_in.json['access_token']}"}

    def look(self, address: str) -> Answer:
        return ask(address, open_=self._opener.open)

    def send(self, address: str, headers: dict | None = None, **fields) -> Answer:
        """Send a form."""
        body = urlencode({"csrf_token": self._csrf, **fields}).encode()
        return ask(address, body, headers, self._opener.open)

    def send_picture(self, address: str, picture: bytes, **fields) -> Answer:
        """Send a form with a picture."""
        edge = "a-picture-and-words"
        named = "".join(_part(edge, name, value) for name, value in {"csrf_token": self._csrf, **fields}.items())
        head = f'--{edge}\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\n\r\n'
        body = named.encode() + head.encode() + picture + f"\r\n--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return ask(address, body, kind, self._opener.open)

    def call(self, address: str, body: dict | None = None, method: str | None = None) -> Answer:
        """Call the API."""
        sent = None if body is None else json.dumps(body).encode()
        return ask(address, sent, {"Content-Type": "application/json", **self._bearer}, method=method)


def _part(edge, name, value):
    return f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


class Crowd:
    """Customers who each book one time after the other, and take every second booking back, until they are stopped.

    `told` is what the site has acknowledged of each booking, and `unsure` are those that somebody was about to take
    back when the line broke.
    """

    def __init__(self, visitors: list[Visitor], wishes: Iterable[dict]):
        self._wishes, self._lock, self._stopping = cycle(wishes), threading.Lock(), threading.Event()
        self.told, self.unsure, self.statuses = {}, set(), set()
        self._threads = [threading.Thread(target=self._work, args=(one,), daemon=True) for one in visitors]

    def start(self, site: str) -> None:
        self._api = f"{site}/api/service-requests"
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _work(self, visitor):
        while not self._stopping.is_set():
            with self._lock:
                wish = next(self._wishes)
            try:
                self._turn(visitor, wish)
            except (OSError, HTTPException):
                # Nobody is there, or no more.
                time.sleep(0.05)

    def _turn(self, visitor, wish):
        asked = visitor.call(self._api, wish)
        self.statuses.add(asked.status)
        if asked.status != 201:
            return
        booking = asked.json["id"]
        self.told[booking] = "pending"
        if booking % 2:
            self.unsure.add(booking)
            taken_back = visitor.call(f"{self._api}/{booking}/cancel", {"reason": "No"}, "PUT")
            self.statuses.add(taken_back.status)
            self.told[booking] = taken_back.json["status"]
            self.unsure.discard(booking)
