"""What has changed, for whoever is looking: noted in the transaction, and passed on once it is committed.

A piece of news is the name of what to look at again, such as "booking-57", for a channel: one person,
all admins, or whoever looks at a professional's slots or reads a guide. It says no more, so nothing is
lost with it: the rows are the truth, and whoever hears it reads them with their own rights.
"""

from collections.abc import Iterable

from extensions import db

MARK = "news"
ADMINS = "admins"
# What admins count, such as those who wait for approval.
COUNTERS = "counters"
BELL = "bell"
# The lists in which somebody's bookings stand.
BOOKINGS = "bookings"
# A customer's places in the lines for full days.
WAITS = "waits"
# The list of somebody's conversations.
TALKS = "talks"
# Not a name but the end: whoever is listening has to come back and show who they are.
END = "end"


def person(user_id: int) -> str:
    return f"person:{user_id}"


def slots(professional_id: int) -> str:
    return f"slots-{professional_id}"


def talk(booking_id: int) -> str:
    """What was said about a booking, and what of it was read."""
    return f"talk-{booking_id}"


def typing(booking_id: int) -> str:
    """Somebody writes at this moment; there is nothing to look at yet."""
    return f"typing-{booking_id}"


def guide(guide_id: int) -> str:
    """The channel of who reads a guide."""
    return f"guide-{guide_id}"


def article(guide_id: int) -> str:
    """The words of a guide."""
    return f"article-{guide_id}"


def reactions(guide_id: int) -> str:
    return f"reactions-{guide_id}"


def comments(guide_id: int) -> str:
    return f"comments-{guide_id}"


def tell(people: Iterable[int | None], *names: str) -> None:
    """Have people look at these again, if they are looking."""
    _note((person(one), name) for one in people if one for name in names)


def tell_admins(*names: str) -> None:
    _note((ADMINS, name) for name in names)


def of_booking(booking_id: int, *people: int | None) -> None:
    """A booking is not as it was: for its people, in their lists too, and for the admins."""
    tell(people, f"booking-{booking_id}", BOOKINGS)
    tell_admins(f"booking-{booking_id}", BOOKINGS, COUNTERS)


def of_slots(professional_id: int | None) -> None:
    """A slot of a professional was taken or came free."""
    if professional_id:
        _note([(slots(professional_id), slots(professional_id))])


def of_guide(guide_id: int, *names: str) -> None:
    """For everybody who is reading a guide."""
    _note((guide(guide_id), name) for name in names)


def end(user_id: int) -> None:
    """Cut a person off; those of their browsers that are still logged in come back."""
    _note([(person(user_id), END)])


def _note(news):
    # In the order in which it came, and once.
    db.session().info.setdefault(MARK, {}).update(dict.fromkeys(news))
