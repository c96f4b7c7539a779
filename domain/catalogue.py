"""Which services there are, and which of them a person means."""

import functools
import re
from dataclasses import dataclass

from flask_babel import gettext as _
from rapidfuzz import fuzz, process
from sqlalchemy import bindparam, case, select
from sqlalchemy.orm import aliased, contains_eager, joinedload

from domain import editions
from domain.errors import NotFound
from domain.places import fold
from extensions import db
from models import Approval, Category, Offering, Professional, Service, User

MAX_WORDS = 8
MAX_QUERY = 100
# How much a word counts for a service, by where it stands.
IN_NAME, IN_CATEGORY, IN_DESCRIPTION = 6.0, 4.0, 1.5
FOR_A_BEGINNING, FOR_A_TYPO = 0.8, 0.6
# A typo: at least this alike (0 to 100) and at least this long.
ALIKE, LONG_ENOUGH = 76, 4

_STOP_WORDS = frozenset(
    ("a", "an", "and", "at", "for", "i", "in", "me", "my", "near", "need", "of", "on", "or", "the", "to", "with")
)
# Plumber, plumbing; electrician, electrical; cleaner, cleaning; carpenter, carpentry; repairs.
_ENDINGS = re.compile(r"(?<=\w{4})(?:ations?|ments?|ings?|ians?|als?|ers?|ry|es|e)$|(?<=\w{3})s$")
_WORDS = re.compile(r"[^\s!-/:-@\[-`{-~\u2010-\u2027]+")

_COLUMNS = (
    Service.id,
    Service.name,
    Service.slug,
    Service.description,
    Service.base_price,
    Service.duration_minutes,
    Category.name.label("category"),
    Category.slug.label("category_slug"),
)
_ALL = (
    select(*_COLUMNS)
    .join(Category, Category.id == Service.category_id)
    .where(Service.retired_at.is_(None), Category.retired_at.is_(None))
    .order_by(Category.position, Category.id, Service.id)
)
_wanted = aliased(Service)
_SIBLINGS = _ALL.join(_wanted, _wanted.category_id == Service.category_id).where(
    _wanted.slug == bindparam("slug"), _wanted.retired_at.is_(None)
)
_LISTED = (
    select(Professional, editions.column(bindparam("reviews")), editions.column(editions.CATALOGUE))
    .join(Professional.user)
    .where(
        Professional.id == bindparam("professional"),
        Professional.approval == Approval.APPROVED,
        Professional.paused.is_(False),
        Professional.suspended_at.is_(None),
        User.active.is_(True),
    )
    .options(contains_eager(Professional.user), joinedload(Professional.base))
)
_OFFERS = (
    _ALL.join(Offering, Offering.service_id == Service.id)
    .where(Offering.professional_id == bindparam("professional"))
    .add_columns(
        case((Offering.own_price.is_not(None), Offering.own_price), else_=Service.base_price).label("price")
    )
)


@dataclass(frozen=True)
class Group:
    """A category and its services, which are rows with a name, slug, description, base_price and
    duration_minutes."""

    name: str
    slug: str
    services: tuple

    @property
    def lowest_price(self) -> int:
        return min(service.base_price for service in self.services)


def services() -> list:
    """All services that can be booked, in the order of the catalogue."""
    return db.session.connection().execute(_ALL).all()


def categories() -> list[Group]:
    """The categories that have something to book, with their services."""
    groups = {}
    for service in services():
        groups.setdefault((service.category, service.category_slug), []).append(service)
    return [Group(name, slug, tuple(rows)) for (name, slug), rows in groups.items()]


def category(slug: str) -> Group:
    """One category. Raises NotFound."""
    for group in categories():
        if group.slug == slug:
            return group
    raise NotFound(_("There is no such category of services."))


def with_siblings(slug: str) -> list:
    """The service of this slug, and after it the others of its category; nothing when there is none."""
    rows = db.session.connection().execute(_SIBLINGS, {"slug": slug}).all()
    return sorted(rows, key=lambda service: service.slug != slug)


def listed(professional_id: int, without: frozenset[int] = frozenset()) -> Professional:
    """A professional whom everybody may find, with the person and the place; none of those `without`,
    whom the reader does not meet. Raises NotFound."""
    reviews = editions.reviews(professional_id)
    found = db.session.execute(_LISTED, {"professional": professional_id, "reviews": reviews}).one_or_none()
    if found is None or professional_id in without:
        raise NotFound(_("There is no such professional, or they take no bookings now."))
    person, *marks = found
    # Whoever looks at them mostly sees their reviews too.
    editions.note(dict(zip((reviews, editions.CATALOGUE), marks, strict=True)))
    return person


def offers_of(professional_id: int) -> list:
    """The services of a professional, as rows with the `price` they ask."""
    return db.session.execute(_OFFERS, {"professional": professional_id}).all()


def matching(words: str) -> list:
    """The services that free words may mean, best first; case, endings and small typos do not matter."""
    return list(_matching(words[:MAX_QUERY].strip().casefold(), tuple(services())))


@functools.lru_cache(maxsize=256)
def _matching(words, known):
    name = fold(words)
    for service in known:
        if name and fold(service.name) == name:
            others = (other for other in known if other.category == service.category and other is not service)
            return (service, *others)
    wanted = [word for word in dict.fromkeys(_words(words)) if word not in _STOP_WORDS][:MAX_WORDS]
    index = _index(known)
    found = {}
    for word in wanted:
        for number, points in _points(_stem(word), index).items():
            words_found, total = found.get(number, (0, 0.0))
            found[number] = (words_found + 1, total + points)
    if not found:
        return ()
    # All words if that is possible, and then nothing much worse than the best.
    most, best = max(found.values())
    chosen = [number for number, (count, total) in found.items() if count == most and total >= best / 2]
    return tuple(known[number] for number in sorted(chosen, key=lambda number: (-found[number][1], number)))


@functools.lru_cache(maxsize=4)
def _index(known):
    """{stem: {number of the service: points}}."""
    index = {}
    for number, service in enumerate(known):
        for text, points in (
            (service.description, IN_DESCRIPTION),
            (service.category, IN_CATEGORY),
            (service.name, IN_NAME),
        ):
            for word in _words(text):
                index.setdefault(_stem(word), {})[number] = points
    return index


def _points(stem, index):
    """What a word counts for each service: as it is, or as a beginning, or else with a typo."""
    found = {}
    for known, numbers in index.items():
        if known == stem:
            weight = 1.0
        elif len(stem) >= 3 and known.startswith(stem):
            weight = FOR_A_BEGINNING
        else:
            continue
        for number, points in numbers.items():
            found[number] = max(found.get(number, 0.0), points * weight)
    if found or len(stem) < LONG_ENOUGH:
        return found
    for known, _alike, _number in process.extract(stem, list(index), scorer=fuzz.ratio, score_cutoff=ALIKE, limit=3):
        for number, points in index[known].items():
            found[number] = max(found.get(number, 0.0), points * FOR_A_TYPO)
    return found


def _words(text):
    return [word for word in map(fold, _WORDS.findall(text)) if word]


def _stem(word):
    return _ENDINGS.sub("", word)
