"""What a booking costs: the service, the platform's fee and the tax, in integer minor units."""

import functools
from decimal import Decimal
from typing import NamedTuple

from babel.numbers import format_currency
from flask_babel import get_locale

from extensions import settings
from models import LineKind

BASIS_POINTS = 10_000


class Line(NamedTuple):
    kind: LineKind
    label: str
    amount: int


class Quote(NamedTuple):
    lines: tuple[Line, ...]
    subtotal: int
    total: int


def quote(service_name: str, price: int) -> Quote:
    """The lines of a booking of one service at a price."""
    return quote_visit([(service_name, price)])


def quote_visit(services: list[tuple[str, int]]) -> Quote:
    """The lines of a booking of one or several services, each at its price. Tax is on the services and the fee."""
    fee = settings.platform_fee
    lines = [Line(LineKind.SERVICE, name, price) for name, price in services]
    subtotal = sum(price for _name, price in services)
    if fee:
        lines.append(Line(LineKind.PLATFORM_FEE, "Platform fee", fee))
    tax = round_half_up(subtotal + fee, settings.tax_basis_points)
    if tax:
        lines.append(Line(LineKind.TAX, _tax_label(settings.tax_name, settings.tax_basis_points), tax))
    return Quote(tuple(lines), subtotal, subtotal + fee + tax)


def round_half_up(amount: int, basis_points: int) -> int:
    """A share of an amount that is not below zero, rounded half up to a whole minor unit; in SQL too."""
    return (amount * basis_points + BASIS_POINTS // 2) // BASIS_POINTS


def spoken(amount: int) -> str:
    """An amount as a sentence says it: ₹1,249.50."""
    return format_currency(Decimal(amount) / settings.minor_units, settings.currency, locale=get_locale() or "en")


@functools.cache
def _tax_label(name, basis_points):
    return f"{name} {(Decimal(basis_points) / 100).normalize():f} %"
