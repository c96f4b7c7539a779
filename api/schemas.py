"""What calls take and give, field by field, with an example of each for the documentation."""

import functools
from datetime import UTC

from flask_babel import gettext as _
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from domain import clock
from extensions import settings
from forms import tidy


class Strict(Schema):
    """Takes nothing that is not named here."""

    class Meta:
        unknown = RAISE


class Nothing(Strict):
    """For calls that take no body; an empty object will do."""


class Moment(fields.AwareDateTime):
    """ISO 8601 with an offset; given in the site's zone."""

    def __init__(self, **options):
        super().__init__(format="iso", default_timezone=None, **options)

    def _serialize(self, value, attr, obj, **kwargs):
        return None if value is None else clock.local(value).isoformat(timespec="seconds")

    def _deserialize(self, value, attr, data, **kwargs):
        # fromisoformat also reads dates alone and weeks, which are no moments.
        if not isinstance(value, str) or "T" not in value.upper():
            raise ValidationError(_("Send a time with its offset, such as 2026-11-23T10:30:00+05:30."))
        return _of_this_century(super()._deserialize(value, attr, data, **kwargs)).astimezone(UTC)


class Day(fields.Date):
    """A date, such as 2026-11-23."""

    def _deserialize(self, value, attr, data, **kwargs):
        return _of_this_century(super()._deserialize(value, attr, data, **kwargs))


class Whole(fields.Integer):
    """A whole number as JSON has it: neither a text nor a truth."""

    def __init__(self, **options):
        super().__init__(strict=True, **options)


class Text(fields.String):
    """A text of at most so many characters, without what nobody sees."""

    def __init__(self, most: int, least: int = 0, **options):
        super().__init__(validate=validate.Length(least or None, most), **options)

    def _deserialize(self, value, attr, data, **kwargs):
        return tidy(super()._deserialize(value, attr, data, **kwargs))


class Secret(Text):
    """A text of which every character counts."""

    def _deserialize(self, value, attr, data, **kwargs):
        return fields.String._deserialize(self, value, attr, data, **kwargs)


class RowId(Whole):
    """The number of a thing, as a database can hold it."""

    def __init__(self, **options):
        super().__init__(validate=validate.Range(1, 2**63 - 1), **options)


class AskedId(fields.Integer):
    """The same in a query, where every number is a text."""

    def __init__(self, **options):
        super().__init__(validate=validate.Range(1, 2**63 - 1), **options)


class Money(Schema):
    """An amount of money in minor units: 34900 INR are 349 rupees."""

    amount = fields.Integer(required=True, metadata={"example": 34900})
    currency = fields.String(required=True, metadata={"example": "INR"})


class Amount(fields.Nested):
    """A number of minor units, given with the site's currency beside it."""

    def __init__(self, **options):
        super().__init__(Money, **options)

    def _serialize(self, value, attr, obj, **kwargs):
        return None if value is None else {"amount": value, "currency": settings.currency}


class Problem(Schema):
    """An RFC 9457 problem."""

    type = fields.String(required=True, metadata={"example": "about:blank"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String()
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "By field, what is wrong with it.", "example": {"starts_at": ["It is taken."]}},
    )


class Tokens(Schema):
    """A pair of tokens: one for calls, one for the next pair."""

    access_token = fields.String(required=True)
    refresh_token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"example": "Bearer"})
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds.", "example": 900})


class Cursor(Strict):
    """Which page of a list."""

    cursor = fields.String(
        validate=[validate.Length(max=1000), validate.Regexp(r"^[A-Za-z0-9_=-]*$")],
        metadata={"description": "`next_cursor` of the page before."},
    )
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))


@functools.cache
def page_of(item: type[Schema]) -> type[Schema]:
    """A page of a list, and the cursor of the next; null on the last."""
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next_cursor": fields.String(required=True, allow_none=True),
        },
        name=f"{item.__name__}Page",
    )


def _of_this_century(found):
    """Times of which the database and the clock can still speak, in any zone."""
    if not 2000 <= found.year < 2100:
        raise ValidationError(_("Send a time of this century."))
    return found
