"""The four numbers by which a professional's work is judged, their limits, and how they are put into words."""

from enum import StrEnum

from flask_babel import lazy_gettext as _l

from extensions import settings


class Measure(StrEnum):
    ACCEPTANCE = "acceptance"
    PUNCTUALITY = "punctuality"
    COMPLETION = "completion"
    RATING = "rating"


LABELS = {
    Measure.ACCEPTANCE: _l("Acceptance"),
    Measure.PUNCTUALITY: _l("Punctuality"),
    Measure.COMPLETION: _l("Completion"),
    Measure.RATING: _l("Rating"),
}
# The arithmetic of each, as the page and the mail say it.
_SUMS = {
    Measure.ACCEPTANCE: _l("You accepted %(good)s of %(of)s requests: %(share)s, and at least %(limit)s is needed."),
    Measure.PUNCTUALITY: _l(
        "You were on time for %(good)s of %(of)s jobs: %(share)s, and at least %(limit)s is needed."
    ),
    Measure.COMPLETION: _l(
        "You completed %(good)s of %(of)s agreed jobs: %(share)s, and at least %(limit)s is needed."
    ),
    Measure.RATING: _l(
        "%(of)s reviews gave you %(good)s stars together: %(share)s on average, and at least %(limit)s is needed."
    ),
}
_ADVICE = {
    Measure.ACCEPTANCE: _l("Answer each request in time, and pause new requests when you need a break."),
    Measure.PUNCTUALITY: _l("Be there at the agreed time, or agree on another one before it."),
    Measure.COMPLETION: _l("Take only what you can do, and agree on another time rather than cancel."),
    Measure.RATING: _l("Read what your reviews say, and reply to them."),
}


def limit(measure: Measure) -> float:
    """The least that is needed: percent, or stars of a rating."""
    policy = settings.policy
    return {
        Measure.ACCEPTANCE: policy.least_acceptance,
        Measure.PUNCTUALITY: policy.least_punctuality,
        Measure.COMPLETION: policy.least_completion,
        Measure.RATING: policy.least_rating,
    }[measure]


def scale(measure: Measure) -> int:
    """What a share of good ones is multiplied by: percent, but stars are counted as they are."""
    return 1 if measure is Measure.RATING else 100


def shown(measure: Measure, value: float) -> str:
    """A share or a limit as it is written: 67%, 4.33. Rounded down, so that what is shown as the limit is not
    below it."""
    if measure is Measure.RATING:
        return f"{int(value * 100 + 1e-9) / 100:.2f}".rstrip("0").rstrip(".")
    return f"{int(value)}%"


def arithmetic(measure: Measure, good: int, of: int, least: float) -> str:
    """How a number came about, in a sentence."""
    share = shown(measure, scale(measure) * good / of)
    return str(_SUMS[measure]) % {"good": good, "of": of, "share": share, "limit": shown(measure, least)}


def advice(measure: Measure) -> str:
    """What makes a number better."""
    return str(_ADVICE[measure])


def reported(numbers: list) -> str:
    """The arithmetic of some numbers and what to do, from [[measure, good, of, limit], ...]."""
    sums = [arithmetic(Measure(name), *figures) for name, *figures in numbers]
    return " ".join([*sums, *(advice(Measure(name)) for name, *_figures in numbers)])


def labels(names: list[str]) -> str:
    """The names of some measures in a row."""
    return ", ".join(str(LABELS[Measure(name)]) for name in names)
