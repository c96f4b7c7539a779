"""How chat and SMS messages leave, through apprise and to the gateways listed here; and how webhooks are called."""

import functools
import importlib
import json
import logging
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from extensions import settings
from models import Channel, User

LONGEST_CHAT_URL = 500
_SPACE = re.compile(r"/v1/spaces/([A-Za-z0-9_-]{1,80})/messages/?")
_WORD = re.compile(r"[A-Za-z0-9_=.~-]{1,200}")


class Undelivered(Exception):
    """A message did not get through. The words are for the outbox: no address, no secret."""


class NoAnswer(Undelivered):
    """The other end could not be reached, or said nothing in time."""


class Unreachable(Undelivered):
    """The person has no such channel any more, so trying again is of no use."""


class Webhook(NamedTuple):
    host: str
    space: str
    key: str
    token: str

    @property
    def url(self) -> str:
        secrets = urlencode({"key": self.key, "token": self.token})
        return f"https://{self.host}/v1/spaces/{self.space}/messages?{secrets}"


def _refused_by_msg91(said):
    return said.get("type") == "error"


def _refused_by_vonage(said):
    return any(str(part.get("status")) != "0" for part in said.get("messages", []))


class Gateway(NamedTuple):
    """A plugin of apprise, and the only host it is let speak to.

    `refuses` reads an answer of 200 that says no, where the plugin does not.
    """

    plugin: str
    host: str
    refuses: Callable[[dict], bool] | None = None


GOOGLE_CHAT = "google_chat.NotifyGoogleChat"
# By the scheme of SMS_URL. Another one is added here when its plugin asks one host with requests.get
# and requests.post (see egress.py), and to environment.SMS_SCHEMES.
SMS_GATEWAYS = {
    "msg91": Gateway("msg91.NotifyMSG91", "control.msg91.com", _refused_by_msg91),
    "twilio": Gateway("twilio.NotifyTwilio", "api.twilio.com"),
    "vonage": Gateway("vonage.NotifyVonage", "rest.nexmo.com", _refused_by_vonage),
    "d7sms": Gateway("d7networks.NotifyD7Networks", "api.d7networks.com"),
    "plivo": Gateway("plivo.NotifyPlivo", "api.plivo.com"),
}


def send(channel: Channel, user: User, subject: str, text: str, timeout: float, guard=None) -> None:
    """Send a message by chat or SMS, and be done within `timeout` seconds one way or the other.

    Raises Undelivered, or Unreachable when trying again is of no use. `guard` is an egress.Guard
    with which tests reach a server of their own; production refuses it.
    """
    plugin, gateway = _chat(user) if channel is Channel.CHAT else _sms(user)
    with _attempt(gateway.host, timeout, guard) as attempt:
        try:
            accepted = plugin.notify(body=_body(subject, text, plugin.body_maxlen))
        except Exception as fault:
            # Errors of a plugin may quote what it was given.
            raise Undelivered(attempt.fault or f"The gateway failed: {type(fault).__name__}.") from None
    if attempt.fault or not accepted:
        raise Undelivered(attempt.fault or f"{gateway.host} did not take the message.")
    if gateway.refuses and _says(attempt.answer, gateway.refuses):
        raise Undelivered(f"{gateway.host} refused the message.")


def post(url: str, headers: dict[str, str], body: bytes, timeout: float, guard=None) -> None:
    """Post to an address that an admin gave, and be done within `timeout` seconds; see send for `guard`.

    Raises Undelivered unless it is answered with success: a redirect is none.
    """
    with _attempt(urlsplit(url).netloc.lower(), timeout, guard) as attempt:
        try:
            attempt.ask("POST", url, {"data": body, "headers": headers})
        except Exception:
            raise NoAnswer(attempt.fault) from None
    if attempt.fault:
        raise Undelivered(attempt.fault)


def is_secure_url(url: str) -> bool:
    """Whether this is an address of https with a host, and with no name and password in it."""
    from apprise.utils.http import is_secure_http_url

    return is_secure_http_url(url)


def leads_to_public_address(url: str, timeout: float) -> bool:
    """Whether the name in an address is known, and not as one of a private network."""
    import egress

    parts = urlsplit(url)
    return egress.Guard().knows(parts.hostname, parts.port or 443, timeout)


def webhook(url: str | None) -> Webhook | None:
    """The parts of a Google Chat webhook on an allowed host; None for any other address."""
    try:
        parts = urlsplit((url or "").strip())
        query = parse_qs(parts.query, strict_parsing=True, max_num_fields=10)
    except ValueError:
        return None
    host, found = parts.netloc.lower(), _SPACE.fullmatch(parts.path)
    if parts.scheme != "https" or host not in settings.chat_hosts or not found:
        return None
    secrets = [query.get(name, []) for name in ("key", "token")]
    if any(len(values) != 1 or not _WORD.fullmatch(values[0]) for values in secrets):
        return None
    one = Webhook(host, found[1], *(value for (value,) in secrets))
    return one if len(one.url) <= LONGEST_CHAT_URL else None


def _attempt(host, timeout, guard):
    import egress

    if guard is not None and settings.production:
        raise RuntimeError("a production site sends to public addresses only")
    return egress.attempt(frozenset({host}), timeout, guard or egress.Guard())


def _chat(user):
    hook = webhook(user.chat_url)
    if hook is None:
        raise Unreachable("There is no webhook for chat.")
    plugin = _plugin(GOOGLE_CHAT)(hook.space, hook.key, hook.token)
    plugin.notify_url = f"https://{hook.host}/v1/spaces/{{workspace}}/messages"
    return plugin, Gateway(GOOGLE_CHAT, hook.host)


def _sms(user):
    if not (user.phone and settings.sms_url):
        raise Unreachable("There is no phone number, or no SMS gateway.")
    gateway = SMS_GATEWAYS[settings.sms_url.partition(":")[0]]
    kind = _plugin(gateway.plugin)
    try:
        parts = kind.parse_url(settings.sms_url.replace("{phone}", quote(user.phone, safe="")))
        return kind(**parts), gateway
    except Exception:
        # What apprise says of an address quotes it.
        raise Undelivered("SMS_URL is not one that apprise understands.") from None


@functools.cache
def _plugin(path):
    """A plugin's class. Only its own module is loaded: all of apprise would be three times as large."""
    import egress

    name, kind = path.split(".")
    module = importlib.import_module(f"apprise.plugins.{name}")
    egress.guard(module)
    # Both write addresses with their secrets into the log.
    logging.getLogger("apprise").disabled = True
    logging.getLogger("urllib3").setLevel(logging.INFO)
    return getattr(module, kind)


def _body(subject, text, longest):
    """Subject and text as one, as long as the gateway takes; no mention of <users/all> and no false link."""
    subject, text = subject.strip(), text.strip()
    body = text if text.startswith(subject) else f"{subject}\n{text}".strip()
    body = body.replace("<", "‹").replace(">", "›")
    return body if len(body) <= longest else body[: longest - 1].rstrip() + "…"


def _says(answer, refusal):
    try:
        return refusal(json.loads(answer))
    except (ValueError, AttributeError, TypeError):
        return False
