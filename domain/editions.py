"""Which edition of a thing pages show: a new one with every change, written in the transaction of the change.

A text made from rows is kept under the editions that were read before the rows (see caching.py). So from the
commit on it is found no more, in whichever process; a change that is taken back was no change; and what somebody
makes from rows of before the commit they keep under the old edition, which nobody asks for any more.
"""

import secrets
from collections.abc import Collection

from sqlalchemy import ColumnElement, event, func, select
from sqlalchemy.dialects import postgresql, sqlite

from extensions import db
from models import Review
from models_live import Edition

MARK, READ = "new editions", "editions read"
# The categories and services that can be booked.
CATALOGUE = "catalogue"
# Who can be found, where and how rated, and how they look in a list.
LISTINGS = "listings"
# What is counted at night of what places book.
PLACES = "places"
OF_THE_SITE = (CATALOGUE, LISTINGS, PLACES)


def reviews(professional_id: int) -> str:
    """The reviews of a professional, with the names of who wrote and answered them."""
    return f"reviews-{professional_id}"


def changed(*names: str) -> None:
    """Have a new edition of these with this transaction."""
    db.session().info.setdefault(MARK, set()).update(names)


def changed_name(user_id: int) -> None:
    """Of everything that shows the name or the face of a person."""
    wrote_for = select(Review.professional_id).where(Review.customer_id == user_id)
    changed(LISTINGS, reviews(user_id), *map(reviews, db.session.scalars(wrote_for)))


def column(name) -> ColumnElement[str]:
    """The edition of something, for a query that reads it along; see note()."""
    return func.coalesce(select(Edition.mark).where(Edition.name == name).scalar_subquery(), "")


def note(marks: dict[str, str]) -> None:
    """Hold on to editions that were read along. Older ones than the rows do no harm, see above."""
    db.session().info.setdefault(READ, {}).update(marks)


def current(names: Collection[str]) -> list[str] | None:
    """The edition of each; none in a transaction that changes anything: what it reads may never come to be."""
    if db.session().info.get(MARK):
        return None
    known = db.session().info.setdefault(READ, {})
    if not known.keys() >= set(names):
        # A page mostly has several parts, and asks once.
        asked = {*names, *OF_THE_SITE}
        found = select(Edition.name, Edition.mark).where(Edition.name.in_(asked))
        known.update(dict.fromkeys(asked, "") | dict(db.session.connection().execute(found).all()))
    return [known[name] for name in names]


@event.listens_for(db.session, "before_commit")
def _write(session):
    session.info.pop(READ, None)
    if session.in_nested_transaction() or not session.info.get(MARK):
        return
    # Last of all and in one order, so that of two that change the same one waits, and never each for the other.
    session.flush()
    rows = [{"name": name, "mark": secrets.token_hex(8)} for name in sorted(session.info.pop(MARK))]
    upsert = (postgresql if session.get_bind().dialect.name == "postgresql" else sqlite).insert(Edition)
    newer = {"mark": upsert.excluded.mark}
    session.execute(upsert.values(rows).on_conflict_do_update(index_elements=[Edition.name], set_=newer))


@event.listens_for(db.session, "after_rollback")
def _forget(session):
    session.info.pop(READ, None)
    if not session.in_nested_transaction():
        session.info.pop(MARK, None)
