"""A page that listens, as a plain client: over HTTP, from a server that runs by itself."""

import re
import threading
import time
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

TOKEN = re.compile(r'name="csrf-token" content="([^"]+)"')


class Person:
    """Somebody's browser without scripts."""

    def __init__(self, email: str, password: str):
        self._opener = build_opener(HTTPCookieProcessor())
        self.email, self._password = email, password

    def get(self, address: str) -> str:
        with self._opener.open(address, timeout=30) as answer:
            return answer.read().decode()

    def post(self, site: str, path: str, data: str = "", page: str = "/help") -> str:
        token = TOKEN.search(self.get(f"{site}{page}"))[1]
        with self._opener.open(f"{site}{path}", f"csrf_token={token}&{data}".encode(), timeout=30) as answer:
            return answer.read().decode()

    def log_in(self, site: str) -> "Person":
        answer = self.post(site, "/login", f"email={self.email}&password={self._password}", page="/login")
        assert "/logout" in answer
        return self

    @property
    def cookies(self) -> str:
        jar = next(one for one in self._opener.handlers if isinstance(one, HTTPCookieProcessor)).cookiejar
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar)


class Ear:
    """Listens in a thread, and comes back with its last stamp as a browser does, until it is closed."""

    def __init__(self, address: str, cookies: str, query: str = ""):
        self._parts = urlsplit(address)
        self._headers = {"Cookie": cookies}
        self._query = query
        self._closing = threading.Event()
        self.heard: list[str] = []
        self.statuses: list[int] = []
        self.opened = 0
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def wait_until_open(self, times: int = 1) -> None:
        self._wait(lambda: self.opened >= times, f"the line is not open: {self.statuses}")

    def wait_for(self, name: str, seconds: float = 20) -> float:
        """Wait until this was heard; answer how long it took."""
        return self._wait(lambda: name in self.heard, f"{name} was not heard, but {self.heard}", seconds)

    def close(self) -> None:
        """Listen no more; the server's end, or its next ping, lets the thread go."""
        self._closing.set()

    def _wait(self, condition, fault, seconds=20.0):
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, fault
            time.sleep(0.005)
        return time.monotonic() - began

    def _work(self):
        while not self._closing.is_set():
            connection = HTTPConnection(self._parts.hostname, self._parts.port, timeout=30)
            with suppress(OSError, HTTPException), closing(connection):
                connection.request("GET", f"/live{self._query}", headers=self._headers)
                with connection.getresponse() as answer:
                    self.statuses.append(answer.status)
                    self._read(answer)
            self._closing.wait(0.2)

    def _read(self, answer):
        for line in answer:
            text = line.decode().strip()
            if text.startswith("retry:"):
                self.opened += 1
            elif text.startswith("id: "):
                self._headers["Last-Event-ID"] = text.removeprefix("id: ")
            elif text.startswith("data: "):
                self.heard += text.removeprefix("data: ").split()
            if self._closing.is_set():
                return
