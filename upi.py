"""The link by which UPI apps are told whom to pay, how much and what for."""

from decimal import Decimal
from urllib.parse import quote

from extensions import settings


def link(payee: str, name: str, amount: int, reference: str) -> str:
    """upi://pay with an amount in minor units, and what the payee's statement will say."""
    rupees = f"{Decimal(amount) / settings.minor_units:.2f}"
    known = {"pa": payee, "pn": name, "am": rupees, "cu": settings.currency, "tn": reference, "tr": reference}
    # Some apps read a plus sign as one, and an @ only as itself.
    return "upi://pay?" + "&".join(f"{key}={quote(value, safe='@')}" for key, value in known.items())
