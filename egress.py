"""Requests to other people's servers: over https, to named hosts at public addresses, cut off at a deadline.

Imported when the first message leaves and not before: `requests` and apprise take their time.
"""

import io
import ipaddress
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from socket import SHUT_RDWR
from urllib.parse import urlsplit

import requests
from apprise.utils.http import HTTPPolicy, HTTPPolicySession, is_public_ip_address, read_bounded_response

LARGEST_ANSWER = 64 * 1024
MOST_ADDRESSES = 2
PASSED_ON = ("params", "data", "json", "headers", "auth")


class Refused(requests.RequestException):
    """A request that was not made, or not answered; the message names the host and nothing more."""


@dataclass(frozen=True)
class Guard:
    """What is reached besides public addresses, and whose certificates are taken besides the usual.

    Nothing and nobody's, on a real site: gateways.send() takes another guard from tests only.
    """

    networks: tuple[str, ...] = ()
    authorities: str | None = None

    def allows(self, address: str) -> bool:
        if is_public_ip_address(address):
            return True
        found = ipaddress.ip_address(address)
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in ipaddress.ip_network(network) for network in self.networks)

    def knows(self, host: str, port: int, timeout: float) -> bool:
        """Whether a name leads to an address that is allowed."""
        try:
            return bool(HTTPPolicy(None, self.allows, timeout).resolve(host, port))
        except OSError:
            return False


class Attempt:
    """One message on its way: where it may go and until when, and what went wrong."""

    def __init__(self, hosts: frozenset[str], timeout: float, guard: Guard):
        self.hosts = hosts
        self.timeout = timeout
        self.guard = guard
        self.fault = ""
        self.answer = b""
        self._deadline = time.monotonic() + timeout
        self._lock = threading.Lock()
        self._sockets = []

    def left(self) -> float:
        """The seconds until the deadline. Raises TimeoutError when it has passed."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def watch(self, sock):
        """A connection ends at the deadline, however slowly its other end speaks.

        TLS takes the socket over, so what is kept to end it by is a duplicate.
        """
        with self._lock:
            self._sockets.append(sock.dup())
        self.left()
        return sock

    def cut(self) -> None:
        with self._lock:
            for sock in self._sockets:
                with suppress(OSError):
                    sock.shutdown(SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            while self._sockets:
                self._sockets.pop().close()

    def ask(self, method: str, url: str, given: dict) -> requests.Response:
        """One request and its whole answer. Raises Refused."""
        host = urlsplit(url).netloc
        try:
            answer = self._ask(method, url, given)
        except Exception as fault:
            self.fault = self._words(fault, host)
            # What requests says has the address in it, and the address has the secret in it.
            raise Refused(self.fault) from None
        if answer.status_code >= 300:
            self.fault = f"{host} answered {answer.status_code}."
        self.answer = answer.content
        return answer

    def _ask(self, method, url, given):
        with HTTPPolicySession(_Policy(self)) as session:
            answer = session.request(
                method,
                url,
                timeout=self.left(),
                allow_redirects=False,
                stream=True,
                verify=self.guard.authorities or True,
                **{name: given[name] for name in PASSED_ON if name in given},
            )
            body = read_bounded_response(answer, LARGEST_ANSWER)
        self.left()
        if body is None:
            raise Refused(f"{urlsplit(url).netloc} answered too much.")
        whole = requests.Response()
        whole.status_code, whole.headers, whole.encoding = answer.status_code, answer.headers, answer.encoding
        whole.raw = io.BytesIO(body)
        return whole

    def _words(self, fault, host):
        if isinstance(fault, Refused):
            return str(fault)
        if isinstance(fault, requests.exceptions.InvalidURL):
            return f"{host} is not a host that messages may go to."
        if isinstance(fault, requests.Timeout | TimeoutError) or time.monotonic() >= self._deadline:
            return f"{host} did not answer within {self.timeout:g} seconds."
        if isinstance(fault, requests.exceptions.SSLError):
            return f"{host} has no certificate that can be trusted."
        return f"{host} could not be reached at a public address."


class _Policy(HTTPPolicy):
    """What apprise's own guard asks before it connects; it stays with the address that was approved."""

    def __init__(self, attempt: Attempt):
        super().__init__(self._is_listed, attempt.guard.allows, attempt.left() / 3)
        self.attempt = attempt

    def resolve(self, host, port):
        return super().resolve(host, port)[:MOST_ADDRESSES]

    def create_connection(self, host, port, timeout=None, source_address=None, socket_options=None):
        sock = super().create_connection(host, port, self.attempt.left() / 3, source_address, socket_options)
        return self.attempt.watch(sock)

    def _is_listed(self, url):
        parts = urlsplit(url)
        return parts.scheme == "https" and parts.netloc.lower() in self.attempt.hosts


_attempt: ContextVar[Attempt] = ContextVar("attempt")


@contextmanager
def attempt(hosts: frozenset[str], timeout: float, guard: Guard) -> Iterator[Attempt]:
    """Within the block, guarded plugins may ask these hosts; outside of any they may ask nobody."""
    one = Attempt(hosts, timeout, guard)
    alarm = threading.Timer(timeout, one.cut)
    alarm.daemon = True
    alarm.start()
    token = _attempt.set(one)
    try:
        yield one
    finally:
        _attempt.reset(token)
        alarm.cancel()
        one.close()


class _Requests:
    """What a plugin takes for the library `requests`: its names for errors and answers, and two verbs."""

    codes = requests.codes
    exceptions = requests.exceptions
    RequestException = requests.RequestException

    def get(self, url, **given):
        return _attempt.get().ask("GET", url, given)

    def post(self, url, data=None, **given):
        return _attempt.get().ask("POST", url, {"data": data, **given})


_requests = _Requests()


def guard(module) -> None:
    """Have a module make its requests through here. Raises RuntimeError if it could make them elsewhere."""
    if getattr(module, "requests", None) not in (requests, _requests):
        raise RuntimeError(f"{module.__name__} does not use requests")
    module.requests = _requests
