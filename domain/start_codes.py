"""The four digits with which a customer lets the work begin.

The code is derived from the site's secret and the booking's salt, so that it can be shown to its
customer at any time and yet is stored nowhere, neither plain nor as a hash of 10,000 candidates.
"""

import hashlib
import hmac
import secrets

from extensions import settings
from models import Booking


def new_salt() -> str:
    return secrets.token_hex(16)


def code_of(booking: Booking) -> str:
    """The four digits of a booking."""
    message = f"start-code:{booking.id}:{booking.code_salt}".encode()
    digest = hmac.digest(settings.secret_key.encode(), message, hashlib.sha256)
    return f"{int.from_bytes(digest[:8]) % 10_000:04}"


def matches(booking: Booking, code: str) -> bool:
    return hmac.compare_digest(code_of(booking).encode(), code.strip().encode(errors="replace"))
