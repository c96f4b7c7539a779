"""Why a booking was called off: a short list for each side, kept with the event beside the person's own words."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from domain.errors import Invalid
from models import Role

OTHER = "other"
# What nobody was asked, or nobody said.
NOT_SAID = _l("Not said")
LABELS = {
    "plans_changed": _l("Plans changed"),
    "other_time": _l("Needed at another time"),
    "found_other": _l("Found somebody else"),
    "price": _l("Too expensive"),
    "by_mistake": _l("Booked by mistake"),
    "ill": _l("Ill"),
    "double_booked": _l("Another job at that time"),
    "too_far": _l("Too far away"),
    "other_work": _l("Not the work that was asked for"),
    "not_reached": _l("The customer could not be reached"),
    "customer_asked": _l("The customer asked for it"),
    "professional_asked": _l("The professional asked for it"),
    "not_possible": _l("The work can’t be done"),
    "misuse": _l("Misuse"),
    OTHER: _l("Another reason"),
}
OF = {
    Role.CUSTOMER: ("plans_changed", "other_time", "found_other", "price", "by_mistake", OTHER),
    Role.PROFESSIONAL: ("ill", "double_booked", "too_far", "other_work", "not_reached", "customer_asked", OTHER),
    Role.ADMIN: ("customer_asked", "professional_asked", "not_possible", "misuse", OTHER),
}


def choices(role: Role) -> list[tuple[str, str]]:
    """What a person of this role can choose from: codes and words."""
    return [(cause, LABELS[cause]) for cause in OF[role]]


def checked(cause: str | None, role: Role) -> str | None:
    """A cause that this role may give; None is not said. Raises Invalid."""
    if cause and cause not in OF[role]:
        raise Invalid(_("Choose one of the reasons of the list."), "cause")
    return cause or None
