"""What a call may send: JSON of a modest size that means the same to every reader, or nothing."""

import json
import math

from flask import g, request
from flask_babel import gettext as _
from webargs import core
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

MOST_BYTES = 64 * 1024


class Parser(FlaskParser):
    """Reads arguments for webargs from the body that was taken in. Nothing unknown is let pass."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": "raise", "query": "raise"}

    def _raw_load_json(self, req):
        return g.body


def take_in() -> None:
    """Have all of the body before anything is locked.

    Raises the HTTP errors 400 for what is no sound JSON, 413 for too much of it, 415 for anything else.
    """
    g.body = core.missing
    # What comes in chunks is cut off at the most, so one byte more shows that it was too long.
    request.max_content_length = MOST_BYTES + 1
    data = request.get_data()
    if len(data) > MOST_BYTES:
        raise RequestEntityTooLarge
    if not data:
        return
    if request.mimetype != "application/json":
        raise UnsupportedMediaType(_("Send JSON, with the header Content-Type: application/json."))
    g.body = loads(data)


def loads(data: bytes):
    """A JSON text as Python values. Raises BadRequest for names that come twice, numbers that are
    none, texts that cannot be kept, and depths that nobody needs."""
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
        text = json.dumps(value, ensure_ascii=False)
        # Half of a pair of surrogates is no character, and no database keeps a zero.
        text.encode("utf-8")
        if "\\u0000" in text:
            raise ValueError
    except (ValueError, RecursionError):
        raise BadRequest(_("The body is not sound JSON.")) from None
    return value


def _unique(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _no_number(_text):
    raise ValueError
