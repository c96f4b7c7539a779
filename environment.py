"""What single settings say, and what is wrong with them: each is read from the environment by one function here."""

import re
from dataclasses import fields
from datetime import date
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from urllib.parse import urlsplit

from policies import KeepDays

# The SMS gateways that are known here, by the schemes of their addresses at apprise (see gateways.py).
SMS_SCHEMES = ("msg91", "twilio", "vonage", "d7sms", "plivo")
# An address of pictures, whose host can stand in a Content-Security-Policy as it is.
_TILES = re.compile(r"https?://[a-z0-9.-]+(:[1-9][0-9]{0,4})?/[^\s\"'<>]*")
GATEWAY_KEYS = (
    ("STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"),
    ("RAZORPAY_KEY_ID", "RAZORPAY_KEY_SECRET", "RAZORPAY_WEBHOOK_SECRET"),
)
# Others are for trying it out.
GATEWAY_APIS = {"STRIPE_API": "https://api.stripe.com", "RAZORPAY_API": "https://api.razorpay.com"}
# What readers can feel about a guide; the first three are always there.
GUIDE_REACTIONS = ("happy", "surprised", "confused", "grateful", "amused", "worried", "relieved", "sad", "angry")
# Of the terms and the privacy notice as they are in templates/public; whoever changes them changes it.
TEXTS_VERSION = "2026-11-21"
MOST_KEEP_DAYS = 36_500
FEWEST_REACTIONS, USUAL_REACTIONS = 3, 6
# Where the numbers of the site are read from unless it is said otherwise: this machine.
LOOPBACK = "127.0.0.0/8 ::1"
# Whom UPI pays: a name at a bank.
UPI_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,63}@[A-Za-z][A-Za-z0-9]{1,31}")
# At least a bucket, or a folder.
_PLACE = re.compile(r"[a-z][a-z0-9+]*://[^\s]*[^\s/]")
_HOST = re.compile(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)+(:[1-9][0-9]{0,4})?")


class BadSetting(ValueError):
    """A setting has a value that cannot be used; the message names it."""


def flag(env, name, default):
    value = env.get(name, "").strip().lower()
    if not value:
        return default
    if value in ("1", "true", "yes", "on"):
        return True
    if value in ("0", "false", "no", "off"):
        return False
    raise BadSetting(f"{name} must be 1 or 0, not {value!r}.")


def integer(env, name, default, low, high):
    value = env.get(name) or str(default)
    if not value.isdecimal() or not low <= int(value) <= high:
        raise BadSetting(f"{name} must be a whole number from {low} to {high}, not {value!r}.")
    return int(value)


def amount(env, name, default, units):
    value = env.get(name) or default
    try:
        amount = Decimal(value) * units
    except InvalidOperation:
        raise BadSetting(f"{name} must be a number such as {default}, not {value!r}.") from None
    if not amount.is_finite() or amount < 0 or amount != amount.to_integral_value():
        raise BadSetting(f"{name} must be a number such as {default}, not {value!r}.")
    return int(amount)


def one_of(env, name, default, allowed):
    value = env.get(name) or default
    if value not in allowed:
        raise BadSetting(f"{name} has the unknown value {value!r}.")
    return value


def several_of(env, name, allowed):
    chosen = tuple(env.get(name, "").replace(",", " ").lower().split()) or allowed
    if set(chosen) - set(allowed):
        raise BadSetting(f"{name} may name only these: {', '.join(allowed)}.")
    return chosen


def reactions(env):
    """The reactions in the order in which they were named."""
    usual = " ".join(GUIDE_REACTIONS[:USUAL_REACTIONS])
    named = (env.get("GUIDE_REACTIONS") or usual).replace(",", " ").lower().split()
    chosen, always = tuple(dict.fromkeys(named)), GUIDE_REACTIONS[:FEWEST_REACTIONS]
    if set(chosen) - set(GUIDE_REACTIONS):
        raise BadSetting(f"GUIDE_REACTIONS may name only these: {', '.join(GUIDE_REACTIONS)}.")
    if set(always) - set(chosen):
        raise BadSetting(f"GUIDE_REACTIONS must name at least these: {', '.join(always)}.")
    return chosen


def upi_id(env):
    name = env.get("UPI_ID", "").strip()
    if name and not UPI_ID.fullmatch(name):
        raise BadSetting(f"UPI_ID must be a name at a bank such as doorstep@okbank, not {name!r}.")
    return name


def gateways(env):
    """The keys of the gateways. One with a part of its keys would take money and never hear of it."""
    found = {}
    for names in GATEWAY_KEYS:
        values = [env.get(name, "").strip() for name in names]
        if any(values) and not all(values):
            raise BadSetting(f"{names[values.index('')]} is missing: {', '.join(names)} go together.")
        found |= {name.lower(): value for name, value in zip(names, values, strict=True)}
    return found | {name.lower(): (env.get(name) or usual).rstrip("/") for name, usual in GATEWAY_APIS.items()}


def place(env, name):
    """Where files are kept, as fsspec writes it. Such an address can have a password in it, so no message quotes it."""
    url = env.get(name, "").strip().rstrip("/")
    if url and not _PLACE.match(url):
        raise BadSetting(f"{name} must be like s3://bucket/folder.")
    return url


def hosts(env, name, default):
    hosts = tuple((env.get(name) or default).replace(",", " ").lower().split())
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise BadSetting(f"{name} must be names of hosts such as {default}, not {host!r}.")
    return hosts


def networks(env, name, default):
    try:
        return tuple(ip_network(one) for one in (env.get(name) or default).replace(",", " ").split())
    except ValueError:
        raise BadSetting(f"{name} must be addresses or networks such as {default}.") from None


def origins(env):
    """Where pages may stand that call the API from a browser; nowhere unless it is set."""
    origins = tuple(env.get("CORS_ORIGINS", "").replace(",", " ").lower().split())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise BadSetting(f"CORS_ORIGINS must be origins such as https://app.example.com, not {origin!r}.")
    return origins


def sms_url(env):
    """The address has a password in it, so no message quotes it."""
    url = env.get("SMS_URL", "").strip()
    if not url:
        return ""
    scheme, mark, _rest = url.partition("://")
    allowed = several_of(env, "SMS_SCHEMES", SMS_SCHEMES)
    if not mark or scheme.lower() not in allowed:
        raise BadSetting(f"SMS_URL must begin with one of these and ://: {', '.join(allowed)}.")
    if url.count("{phone}") != 1:
        raise BadSetting("SMS_URL must have {phone} where the number of the person goes.")
    return scheme.lower() + url[len(scheme) :]


def llm(env):
    """A language model that words answers; without a name for it there is none to ask."""
    url, model = env.get("LLM_URL", "").strip().rstrip("/"), env.get("LLM_MODEL", "").strip()
    parts = urlsplit(url)
    if url and (parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query):
        raise BadSetting(f"LLM_URL must be like https://llm.example.com/v1, not {url!r}.")
    if url and not model:
        raise BadSetting("LLM_MODEL is missing: LLM_URL needs the name of a model.")
    return {"llm_url": url, "llm_key": env.get("LLM_KEY", "").strip(), "llm_model": model}


def version(env):
    """The day from which the terms and the privacy notice hold: a later one has everybody asked anew."""
    value = env.get("TEXTS_VERSION") or TEXTS_VERSION
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise BadSetting(f"TEXTS_VERSION must be a day such as {TEXTS_VERSION}, not {value!r}.") from None


def keep_days(env):
    """Pairs such as `chats=365 searches=90`; what is not named stays as it is."""
    names, kept = {one.name for one in fields(KeepDays)}, {}
    for pair in env.get("KEEP_DAYS", "").replace(",", " ").split():
        name, _equals, days = pair.partition("=")
        if name not in names or not days.isdecimal() or not 1 <= int(days) <= MOST_KEEP_DAYS:
            raise BadSetting(f"KEEP_DAYS must be pairs such as chats=365 of {', '.join(sorted(names))}, not {pair!r}.")
        kept[name] = int(days)
    return KeepDays(**kept)


def tiles_url(env):
    url = env.get("MAP_TILES_URL", "").strip()
    if url and not (_TILES.fullmatch(url) and all(url.count(part) == 1 for part in ("{z}", "{x}", "{y}"))):
        raise BadSetting(f"MAP_TILES_URL must be like https://tiles.example.com/{{z}}/{{x}}/{{y}}.png, not {url!r}.")
    return url


def attribution(env):
    """Whoever draws the map wants to be named beside it."""
    words = env.get("MAP_ATTRIBUTION", "").strip()
    if env.get("MAP_TILES_URL") and not words:
        raise BadSetting("MAP_ATTRIBUTION is missing: name those who made the map, as they wish it.")
    return words
