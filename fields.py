"""Fields of forms that the house needs and WTForms has not."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from flask_babel import gettext as _
from wtforms import Field, HiddenField, IntegerField
from wtforms.widgets import TextInput

from extensions import settings

MOST_CHOSEN = 20


class MoneyField(Field):
    """An amount as people write it, such as 1,249.50; its data is an integer in minor units."""

    widget = TextInput()

    def _value(self):
        if self.raw_data:
            return self.raw_data[0]
        if self.data is None:
            return ""
        amount = Decimal(self.data) / settings.minor_units
        return f"{amount:.{len(str(settings.minor_units)) - 1}f}" if amount % 1 else str(int(amount))

    def process_formdata(self, values):
        text = re.sub(r"[\s,₹]", "", values[0][:40]) if values else ""
        self.data = None
        if not text:
            return
        try:
            amount = Decimal(text) * settings.minor_units
            fits = amount.is_finite() and 0 <= amount < 10**15 and amount == amount.to_integral_value()
        except ArithmeticError:
            fits = False
        if not fits:
            raise ValueError(_("Enter an amount such as 349 or 1,249.50."))
        self.data = int(amount)


class PercentField(Field):
    """A percentage as people write it, such as 12.5; its data is in basis points, or None for nothing."""

    widget = TextInput()

    def _value(self):
        if self.raw_data:
            return self.raw_data[0]
        return "" if self.data is None else f"{(Decimal(self.data) / 100).normalize():f}"

    def process_formdata(self, values):
        text = values[0][:20].replace("%", "").strip() if values else ""
        self.data = None
        if not text:
            return
        try:
            share = Decimal(text) * 100
            fits = share.is_finite() and 0 <= share <= 10_000 and share == share.to_integral_value()
        except ArithmeticError:
            fits = False
        if not fits:
            raise ValueError(_("Enter a percentage such as 12.5."))
        self.data = int(share)


class WholeNumberField(IntegerField):
    """A whole number as people write it; one of hundreds of digits is none."""

    def process_formdata(self, valuelist):
        if valuelist and len(valuelist[0]) > 19:
            self.data = None
            raise ValueError(_("Enter a whole number."))
        super().process_formdata(valuelist)


class MomentField(HiddenField):
    """A moment that a page carries along, in ISO format with its offset; its data is in UTC."""

    def _value(self):
        return self.data.isoformat() if self.data else ""

    def process_formdata(self, valuelist):
        self.data = None
        if not valuelist or not valuelist[0]:
            return
        self.data = parse_moment(valuelist[0])


def row_id(text) -> int:
    """The id of a row, of up to 18 digits. Raises ValueError for anything else."""
    text = str(text)
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ValueError(_("Reload the page and try again."))
    return int(text)


class IdField(HiddenField):
    """The id of a row; "any", "new" and nothing mean none."""

    def process_formdata(self, valuelist):
        text = valuelist[0] if valuelist else ""
        self.data = None
        if text in ("", "any", "new"):
            return
        self.data = row_id(text)

    def _value(self):
        return "" if self.data is None else str(self.data)


class IdsField(Field):
    """The ids of several rows, each once, in the order in which they were sent."""

    def process_formdata(self, valuelist):
        self.data = ()
        if len(valuelist) > MOST_CHOSEN:
            raise ValueError(_("Reload the page and try again."))
        self.data = tuple(dict.fromkeys(map(row_id, valuelist)))

    def process_data(self, value):
        self.data = tuple(value or ())


class MomentsField(Field):
    """Several moments in ISO format with their offsets; its data is a set of them in UTC."""

    def process_formdata(self, valuelist):
        self.data = set()
        for text in valuelist[:MOST_CHOSEN]:
            self.data.add(parse_moment(text))

    def process_data(self, value):
        self.data = set(value or ())


def parse_moment(text: str) -> datetime:
    """A moment in UTC. Raises ValueError with a message for people."""
    try:
        # In the query of a link typed by hand a plus sign arrives as a space.
        moment = datetime.fromisoformat(text[:40].replace(" ", "+"))
        if moment.tzinfo is None or not 2000 <= moment.year < 2100:
            raise ValueError("naive, or no time of this century")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_("Reload the page and try again.")) from None
