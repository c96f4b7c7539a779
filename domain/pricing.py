"""What a booking costs: the services, the platform's fee and the tax, in integer minor units.

Shares are rounded half up to a whole minor unit, and tax once for what is agreed together: services and fee
when they are booked, extras when they are approved. With TAX_MODE=added the tax comes on top, as a line of
its own; with TAX_MODE=inclusive it is in the prices, and its line adds nothing. Either way the line says how
much tax it stands for, so the tax of a bill is the sum of that. A late fee makes up for lost time and has no
tax in it; a coupon leaves the tax as it is, because the site pays for it.
"""

import functools
from collections.abc import Iterable
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
    tax: int = 0


class Quote(NamedTuple):
    """Lines, what the work among them comes to without tax, and their sum."""

    lines: tuple[Line, ...]
    subtotal: int
    total: int

    @property
    def tax(self) -> int:
        return sum(line.tax for line in self.lines)


def quote(service_name: str, price: int) -> Quote:
    """The lines of a booking of one service at a price."""
    return quote_visit([(service_name, price)])


def quote_visit(services: list[tuple[str, int]]) -> Quote:
    """The lines of a booking of one or several services, each at its price. Tax is on the services and the fee."""
    fee = settings.platform_fee
    lines = [Line(LineKind.SERVICE, name, price) for name, price in services]
    return _taxed([*lines, Line(LineKind.PLATFORM_FEE, "Platform fee", fee)] if fee else lines, fee)


def quote_extras(extras: Iterable[tuple[str, int]]) -> Quote:
    """The lines of what is added on site."""
    return _taxed([Line(LineKind.EXTRA, label, amount) for label, amount in extras])


def discounted(priced: Quote, code: str, discount: int) -> Quote:
    """The same with a coupon's discount on it."""
    line = Line(LineKind.DISCOUNT, code, -discount)
    return priced._replace(lines=(*priced.lines, line), total=priced.total - discount)


def share(amount: int, part: int, whole: int) -> int:
    """amount × part ÷ whole, rounded half up to a whole minor unit."""
    return (2 * amount * part + whole) // (2 * whole)


def round_half_up(amount: int, basis_points: int) -> int:
    """A share of an amount in basis points; in SQL too."""
    return share(amount, basis_points, BASIS_POINTS)


def _taxed(lines, fee=0):
    """The lines and that of their tax; `fee` is how much of them is not for the work."""
    total = sum(line.amount for line in lines)
    if settings.tax_mode == "inclusive":
        tax, added = _tax_in(total), 0
        work = total - fee - (tax - _tax_in(fee))
    else:
        tax = added = round_half_up(total, settings.tax_basis_points)
        work = total - fee
    if tax:
        lines.append(Line(LineKind.TAX, _tax_label(settings.tax_name, settings.tax_basis_points), added, tax))
    return Quote(tuple(lines), work, total + added)


def _tax_in(amount):
    rate = settings.tax_basis_points
    return share(amount, rate, BASIS_POINTS + rate)


def spoken(amount: int) -> str:
    """An amount as a sentence says it: ₹1,249.50."""
    return format_currency(Decimal(amount) / settings.minor_units, settings.currency, locale=get_locale() or "en")


@functools.cache
def _tax_label(name, basis_points):
    return f"{name} {(Decimal(basis_points) / 100).normalize():f} %"
