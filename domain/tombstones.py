"""Who was erased, kept beside the backups: a restored site brings everybody back, and these are erased again.

A number and two moments, and nothing else of a person. The moment of joining is there because a restored site
gives numbers of people a second time.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sqlalchemy import select

import archives
from domain import users
from domain.job_runs import Step
from extensions import db
from models import User

FILE = "erased.json"


class Erased(NamedTuple):
    user_id: int
    joined_at: str
    erased_at: str


def here() -> set[Erased]:
    """Who is erased by what the database says."""
    people = select(User.id, User.created_at, User.anonymised_at).where(User.anonymised_at.is_not(None))
    rows = db.session.execute(people)
    return {Erased(user_id, joined.isoformat(), erased.isoformat()) for user_id, joined, erased in rows}


def keep(entries: set[Erased]) -> int:
    """Write down who is not in the lists beside the backups yet; answer how many that were.

    The place elsewhere comes first: as long as it is away, the list on this machine says that there is work to do.
    """
    written = 0
    for shelf in reversed(archives.shelves()):
        known = of(shelf)
        written = len(entries - known)
        if written:
            shelf.write(FILE, json.dumps(sorted(entries | known)).encode())
    return written


def kept() -> set[Erased]:
    """Who is erased by all lists there are."""
    return set().union(*map(of, archives.shelves()))


def of(shelf: archives.Shelf) -> set[Erased]:
    return {Erased(*entry) for entry in json.loads(shelf.read(FILE) or "[]")}


def erase_again(entries: set[Erased]) -> list[int]:
    """Erase in a restored database whom the lists name and it does not know as erased; answer their numbers."""
    again = []
    for user_id, joined_at, _erased_at in sorted(entries):
        user = db.session.get(User, user_id)
        if user is not None and user.anonymised_at is None and user.created_at.isoformat() == joined_at:
            users.erase(user)
            again.append(user_id)
    return again


def ahead(period: str, cursor: int) -> Callable[[], int] | None:
    """A job's work: what is to be written, if anything is."""
    entries = here()
    return partial(keep, entries) if entries - of(archives.shelves()[0]) else None


def step(period: str, cursor: int, written: int | None) -> Step:
    return Step(written or 0)
