"""What people searched for and did not find: counted by day, words and district, and of nobody in particular.

A search is no place to write in: what is to be counted is a statement that runs after the answer has been sent,
on a connection of its own that waits for nobody (see visits.py). Words that might name or reach somebody are not
kept: nothing with a digit in it, no address, and never more than a few words.
"""

import re
import unicodedata
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Insert, case, delete, exists, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from domain import clock, search
from domain.analytics import Beside
from domain.job_runs import Step
from domain.reports import Period
from extensions import db, settings
from models import PinCode
from models_analytics import SearchMiss

UNKNOWN, NOBODY = "unknown", "nobody"
MOST_WORDS, LONGEST = 4, 60
# So many different ones are counted on a day; more come from a machine that tries words.
MOST_A_DAY = 2000
BATCH = 1000
TOP = 50
# What fewer people asked for says more about them than about the site.
SHOWN_FROM = 3
_NOT_KEPT = re.compile(r"[\d@]|://|www\.")
# Within a word: an apostrophe, a hyphen, and what joins or parts letters of Indian scripts.
_JOINTS = "'’-\u200c\u200d"


def miss(asked: search.Filters, results: search.Results) -> Insert | None:
    """The statement that counts a search without results; None where there are some, or where filters or a later
    page are to blame for it."""
    if asked.errors or asked.after or asked.day or asked.rating is not None or asked.price is not None:
        return None
    if results.service is None:
        return _count(UNKNOWN, plain(asked.words), results.place) if asked.words else None
    if results.hits or results.next_cursor or results.place is None:
        return None
    return _count(NOBODY, plain(results.service.name), results.place)


def plain(words: str) -> str:
    """What is kept of what somebody typed: small letters, a few words, nothing with a digit or an @ in it."""
    pieces = " ".join(piece for piece in words.casefold().split() if not _NOT_KEPT.search(piece))
    letters = "".join(c if unicodedata.category(c)[0] in "LM" or c in _JOINTS else " " for c in pieces)
    return " ".join(letters.split()[:MOST_WORDS])[:LONGEST].strip()


def _count(kind, words, place):
    if not words:
        return None
    # Said with the query and not read before it: the page has no question more.
    district = func.coalesce(
        select(PinCode.district).where(PinCode.pincode == (place.pincode if place else "")).scalar_subquery(), ""
    )
    today = clock.today()
    others = select(func.count()).where(SearchMiss.day == today).scalar_subquery()
    same = exists().where(SearchMiss.day == today, SearchMiss.kind == kind, SearchMiss.words == words)
    row = select(literal(today, SearchMiss.day.type), literal(kind), literal(words), district, literal(1))
    kind_of = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    new = kind_of.insert(SearchMiss).from_select(
        ["day", "kind", "words", "district", "number"], row.where(or_(others < MOST_A_DAY, same))
    )
    return new.on_conflict_do_update(
        index_elements=["day", "kind", "words", "district"], set_={"number": SearchMiss.number + 1}
    )


class Missed(NamedTuple):
    """Some words, what of them was not found, how often, and where most."""

    kind: str
    words: str
    searches: Beside
    district: str


def top(asked: Period, most: int | None = TOP) -> list[Missed]:
    """What was searched for most often in vain, and at least three times."""
    day, number = SearchMiss.day, SearchMiss.number
    here = day >= asked.first
    by_place = (
        select(
            *(SearchMiss.kind, SearchMiss.words, SearchMiss.district),
            func.sum(case((here, number), else_=0)).label("now"),
            func.sum(case((here, 0), else_=number)).label("before"),
        )
        .where(day.between(asked.before.first, asked.last))
        .group_by(SearchMiss.kind, SearchMiss.words, SearchMiss.district)
        .subquery()
    )
    columns = by_place.c
    name = (columns.kind, columns.words)
    total = func.sum(columns.now).over(partition_by=name)
    earlier = func.sum(columns.before).over(partition_by=name)
    placed = select(
        *(*name, columns.district, total.label("now"), earlier.label("before")),
        func.row_number().over(partition_by=name, order_by=(columns.now.desc(), columns.district)).label("place"),
    ).subquery()
    rows = db.session.execute(
        select(placed)
        .where(placed.c.place == 1, placed.c.now >= SHOWN_FROM)
        .order_by(placed.c.now.desc(), placed.c.kind.desc(), placed.c.words)
        .limit(most)
    )
    return [Missed(row.kind, row.words, Beside(int(row.now), int(row.before)), row.district) for row in rows]


def totals(asked: Period) -> dict[str, Beside]:
    """How many searches of each kind found nothing."""
    here = SearchMiss.day >= asked.first
    found = dict.fromkeys((UNKNOWN, NOBODY), Beside())
    rows = db.session.execute(
        select(
            SearchMiss.kind,
            func.sum(case((here, SearchMiss.number), else_=0)),
            func.sum(case((here, 0), else_=SearchMiss.number)),
        )
        .where(SearchMiss.day.between(asked.before.first, asked.last))
        .group_by(SearchMiss.kind)
    )
    return found | {kind: Beside(int(now), int(before)) for kind, now, before in rows}


def forget_old(period: str, cursor: int) -> Step:
    """Forget what was searched for long ago, day by day."""
    before = date.fromisoformat(period) - timedelta(days=settings.keep_days.searches)
    oldest = select(SearchMiss.day).where(SearchMiss.day < before).order_by(SearchMiss.day).limit(1)
    day = db.session.scalar(oldest)
    if day is None:
        return Step(0)
    gone = delete(SearchMiss).where(SearchMiss.day == day).execution_options(synchronize_session=False)
    return Step(db.session.execute(gone).rowcount, cursor + 1)
