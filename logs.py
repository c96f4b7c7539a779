"""What a process writes down about itself: JSON lines in production, words for a developer.

A line has the id of its request and nothing about a person. What an error says of itself may hold what
somebody typed, so in production a line has its kind and its way through the code, and its words only
where they are the system's own.
"""

import json
import logging
import re
import traceback
import uuid
from collections import deque
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

from flask.logging import wsgi_errors_stream
from sqlalchemy.exc import DBAPIError

from config import ROOT

# The id of the request that a thread works on; empty where it works by itself.
request_id: ContextVar[str] = ContextVar("request_id", default="")
# What proxies make up; a phone number or a name is none.
_ID = re.compile(r"[0-9a-fA-F-]{16,64}")
# What may stand in a message after all: what a mail server or a library says.
_PERSONAL = (
    (re.compile(r"\?[^\s'\"]+"), "?…"),
    (re.compile(r"[^\s'\"<>=,;:]+@[^\s'\"<>,;]+"), "…"),
    (re.compile(r"(?<![\w.])\+?\d(?:[ -]?\d){9,14}(?![\w.])"), "…"),
    (re.compile(r"(?<![\w.-])(?=[\w.-]*\d)(?=[\w.-]*[A-Za-z])[\w.-]{24,}"), "…"),
)
# Besides its message a line may have these.
FIELDS = ("method", "route", "status", "ms")
MOST_FRAMES, MOST_RECENT = 20, 20

recent: deque[dict] = deque(maxlen=MOST_RECENT)
_requests = logging.getLogger("doorstep.requests")


def name_request(given: str | None) -> str:
    """The id of a request: what the proxy calls it where that is safe, and a new one otherwise."""
    return given if given and _ID.fullmatch(given) else uuid.uuid4().hex


def without_persons(text: str) -> str:
    """A text without addresses, phone numbers, tokens and queries."""
    for pattern, instead in _PERSONAL:
        text = pattern.sub(instead, text)
    return text


def note_request(method: str, route: str | None, status: int, seconds: float) -> None:
    """A line about a request: the pattern of its address, because the address itself may be a secret."""
    if _requests.isEnabledFor(logging.INFO):
        fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        _requests.info("answered", extra=fields)


def set_up(production: bool) -> None:
    """Have all loggers of this process write to its standard error; a second call replaces the first."""
    lines = logging.StreamHandler(wsgi_errors_stream)
    lines.setFormatter(JsonLines() if production else Words())
    root = logging.getLogger()
    for handler in [one for one in root.handlers if getattr(one, "ours", False)]:
        root.removeHandler(handler)
    for handler in (lines, Recent(logging.ERROR)):
        handler.ours = True
        root.addHandler(handler)
    _requests.setLevel(logging.INFO if production else logging.WARNING)
    if production:
        # gunicorn has a handler of its own, and names the address where a request breaks off.
        for handler in logging.getLogger("gunicorn.error").handlers:
            handler.setFormatter(JsonLines())


class JsonLines(logging.Formatter):
    """One line of JSON a record, for programs that collect logs."""

    def format(self, record):
        return json.dumps(described(record), ensure_ascii=False)


class Words(logging.Formatter):
    """For who develops the site, with all that an error says."""

    def format(self, record):
        id_of_request = request_id.get()
        end = f" (request {id_of_request})" if id_of_request else ""
        return f"{record.levelname} in {record.name}: {super().format(record)}{end}"


class Recent(logging.Handler):
    """Keeps the last faults of this process for the page of its admins."""

    def emit(self, record):
        recent.append(described(record))


def described(record: logging.LogRecord) -> dict:
    """What a line says of a record."""
    told = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": without_persons(record.getMessage()),
    }
    if id_of_request := request_id.get():
        told["request_id"] = id_of_request
    told |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    if record.exc_info and record.exc_info[1]:
        told["errors"] = [_error(fault) for fault in _causes(record.exc_info[1])]
    return told


def _causes(fault):
    """An error and what led to it, the last one first."""
    while fault is not None:
        yield fault
        fault = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)


def _error(fault):
    told = {"type": f"{type(fault).__module__}.{type(fault).__qualname__}".removeprefix("builtins.")}
    if words := _words_of_the_system(fault):
        told["words"] = without_persons(words)
    told["way"] = [_place(frame) for frame in traceback.extract_tb(fault.__traceback__)[-MOST_FRAMES:]]
    return told


def _words_of_the_system(fault):
    if isinstance(fault, DBAPIError):
        return str(fault.orig).partition("\n")[0]
    return getattr(fault, "strerror", None) or ""


def _place(frame):
    path = Path(frame.filename)
    ours = path.is_relative_to(ROOT) and ".venv" not in path.parts
    return f"{path.relative_to(ROOT) if ours else Path(*path.parts[-2:])}:{frame.lineno} in {frame.name}"
