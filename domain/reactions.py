"""What readers feel about a guide: each kind once for each person, as often as they click.

A click says what is wanted and not "the other way round", so that two of them are one, and the key of the
table keeps what two at once would add twice. The numbers are counts of the rows, and nothing else.
"""

from typing import NamedTuple

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from domain import news
from domain.errors import NotFound
from extensions import db, settings
from models import User
from models_guides import Guide, Reaction

LABELS = {
    "happy": _l("Happy"),
    "surprised": _l("Surprised"),
    "confused": _l("Confused"),
    "grateful": _l("Grateful"),
    "amused": _l("Amused"),
    "worried": _l("Worried"),
    "relieved": _l("Relieved"),
    "sad": _l("Sad"),
    "angry": _l("Angry"),
}
_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Count(NamedTuple):
    """How many felt something, and whether the reader did."""

    kind: str
    label: str
    number: int
    mine: bool


def of(guide: Guide, reader: User | None) -> list[Count]:
    """The numbers of a guide for each kind that the site has, in one query."""
    mine = case((Reaction.user_id == (reader.id if reader else 0), 1), else_=0)
    counted = (
        select(Reaction.kind, func.count(), func.max(mine))
        .where(Reaction.guide_id == guide.id)
        .group_by(Reaction.kind)
    )
    found = {kind: (number, bool(own)) for kind, number, own in db.session.execute(counted)}
    return [Count(kind, str(LABELS[kind]), *found.get(kind, (0, False))) for kind in settings.guide_reactions]


def put(guide: Guide, by: User, kind: str) -> None:
    """Feel something about a guide; twice is once."""
    _check(kind)
    row = {"guide_id": guide.id, "kind": kind, "user_id": by.id}
    insert = _INSERTS[db.engine.dialect.name](Reaction).values(row).on_conflict_do_nothing()
    if db.session.execute(insert.returning(Reaction.user_id)).first():
        news.of_guide(guide.id, news.reactions(guide.id))


def take(guide: Guide, by: User, kind: str) -> None:
    """Feel it no more; what was not felt stays so."""
    _check(kind)
    mine = Reaction.guide_id == guide.id, Reaction.kind == kind, Reaction.user_id == by.id
    if db.session.execute(delete(Reaction).where(*mine)).rowcount:
        news.of_guide(guide.id, news.reactions(guide.id))


def forget(user: User) -> None:
    """Of somebody who is erased nothing of this is left."""
    db.session.execute(delete(Reaction).where(Reaction.user_id == user.id))


def _check(kind):
    if kind not in settings.guide_reactions:
        raise NotFound(_("There is no such reaction."))
