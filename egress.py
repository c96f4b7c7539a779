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
from urllib.parse import urljoin, urlsplit

import requests
from apprise.utils.http import HTTPPolicy, HTTPPolicySession, is_public_ip_address, read_bounded_response

LARGEST_ANSWER = 64 * 1024
MOST_ADDRESSES = 2
MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSED_ON = ("params", "data", "json", "headers", "auth")
# What can be in the way of an answer.
FAULTS = {
    "odd_address": "{host} is not a host that messages may go to.",
    "slow": "{host} did not answer within {seconds:g} seconds.",
    "untrusted": "{host} has no certificate that can be trusted.",
    "unreachable": "{host} could not be reached at a public address.",
    "too_much": "{host} answered too much.",
    "away": "{host} answered with too many redirects, or none that may be followed.",
}


class Refused(requests.RequestException):
    """A request that was not made, or not answered; the message names the host and nothing more.

    `kind` is the key of FAULTS.
    """

    def __init__(self, kind: str, host: str, seconds: float = 0):
        super().__init__(FAULTS[kind].format(host=host, seconds=seconds))
        self.kind = kind


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

    def __init__(self, hosts: frozenset[str], timeout: float, guard: Guard, most: int = LARGEST_ANSWER):
        self.hosts = hosts
        self.most = most
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
            refused = fault if isinstance(fault, Refused) else Refused(self._kind(fault), host, self.timeout)
            self.fault = str(refused)
            # What requests says has the address in it, and the address has the secret in it.
            raise refused from None
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
            body = read_bounded_response(answer, self.most)
        self.left()
        if body is None:
            raise Refused("too_much", urlsplit(url).netloc)
        whole = requests.Response()
        whole.status_code, whole.headers, whole.encoding = answer.status_code, answer.headers, answer.encoding
        whole.raw = io.BytesIO(body)
        return whole

    def _kind(self, fault):
        if isinstance(fault, requests.exceptions.InvalidURL):
            return "odd_address"
        if isinstance(fault, requests.Timeout | TimeoutError) or time.monotonic() >= self._deadline:
            return "slow"
        return "untrusted" if isinstance(fault, requests.exceptions.SSLError) else "unreachable"


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
def attempt(hosts: frozenset[str], timeout: float, guard: Guard, most: int = LARGEST_ANSWER) -> Iterator[Attempt]:
    """Within the block, guarded plugins may ask these hosts; outside of any they may ask nobody."""
    one = Attempt(hosts, timeout, guard, most)
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


def fetch(url: str, timeout: float, most: int, guard: Guard) -> requests.Response:
    """The answer at an address, of at most so many bytes however it is packed. Raises Refused.

    A redirect is followed as if its target had been given in the first place.
    """
    with attempt(frozenset(), timeout, guard, most) as one:
        for _step in range(MOST_REDIRECTS + 1):
            host = _host(url)
            one.hosts = frozenset({host})
            answer = one.ask("GET", url, {})
            if answer.status_code not in REDIRECTS:
                return answer
            url = urljoin(url, answer.headers.get("Location", ""))
        raise Refused("away", host)


def _host(url):
    """The host of an address over https without a name, a password or a port of its own."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.netloc or set("@:\\[") & set(parts.netloc):
        raise Refused("away", parts.scheme)
    return parts.netloc.lower()


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
