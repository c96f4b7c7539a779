"""How often the API may be called: counted for a place, and for whoever calls from it."""

import hashlib
import math
import time

from flask import Response, g, request
from flask_limiter.util import get_remote_address
from limits import RateLimitItem, parse
from werkzeug.exceptions import TooManyRequests

from extensions import limiter

# Whole towns share an address of the network.
PER_PLACE = parse("1200 per minute")
PER_CALLER = parse("300 per minute")


def count() -> None:
    """Count a call, of whatever kind. Raises TooManyRequests."""
    if not limiter.enabled:
        return
    place, sent = get_remote_address(), request.headers.get("Authorization")
    if sent is None:
        g.rate = _counted(PER_CALLER, "nobody", place)
    else:
        caller = hashlib.sha256(sent.encode("utf-8", "replace")).hexdigest()
        g.rate = min(_counted(PER_PLACE, "place", place), _counted(PER_CALLER, "caller", caller))
    if g.rate[0] < 0:
        raise TooManyRequests(retry_after=max(1, g.rate[2] - int(time.time())))


def show(response: Response) -> None:
    """Tell what is left of the tighter of the two."""
    if "rate" in g:
        left, amount, ends = g.rate
        response.headers["X-RateLimit-Limit"] = str(amount)
        response.headers["X-RateLimit-Remaining"] = str(max(0, left))
        response.headers["X-RateLimit-Reset"] = str(ends)


def _counted(limit: RateLimitItem, *names: str) -> tuple[int, int, int]:
    """How many calls are left, of how many, and until when."""
    key = limit.key_for("api", *names)
    left = limit.amount - limiter.storage.incr(key, limit.get_expiry())
    return left, limit.amount, math.ceil(limiter.storage.get_expiry(key))
