"""What the assistant knows: what people say when they mean something, the services, and passages of the site.

It is made when the first question comes and anew when what it is made of has changed. Another source of passages
is one function more in SOURCES.
"""

import functools
import re
import threading
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import select

from config import ROOT
from domain import catalogue, guides, help_articles, markdown
from domain.retrieval import FRAME, Guess, Index, Texts
from domain.wordings import PLACE, SERVICE, UNKNOWN, Reader, Wording, split, stem
from extensions import db, unless_written
from models import City

PHRASES = ROOT / "data" / "assistant" / "phrases.txt"
# What is asked of somebody else: an answer would be invented.
NONE = "none"
MOST_CITIES = 2000
MOST_GUIDES, SHORTEST_PASSAGE = 200, 60
# A passage answers when it has so much of what is asked, in at least so many words.
COVERED, FEWEST_WORDS = 0.75, 3
# Words in the names of services that alone do not say which: "deep", "repair", "two".
VAGUE_WORDS = (
    "service services visit repair check up checkup home at for and or of the with per installation installing"
    " replacement replace change deep one two three room day control treatment application support relief stress"
    " men women seats size sq ft up to in furnished vacant bhk gas ordinary external fitting fixing full double"
    " doors consultation colour color filter move care blockage removal grooming furniture appliance queen"
    " apartment refill uninstallation water back set light salon face style styling dry jet mounting assembly"
)
VAGUE = frozenset(map(stem, VAGUE_WORDS.split()))


class Passage(NamedTuple):
    """Some sentences of the site: where they stand, and what they are about."""

    title: str
    text: str
    url: str
    language: str = "en"


@dataclass(frozen=True)
class Knowledge:
    """All of it at one moment. `services` are rows of the catalogue."""

    services: tuple
    reader: Reader
    intents: Index
    passages: tuple[Passage, ...]
    texts: Texts | None
    named: dict[str, tuple]
    cities: dict[str, str]

    def read(self, text: str) -> Wording:
        return self.reader.read(text)

    def guesses(self, wording: Wording) -> list[Guess]:
        return self.intents.guesses(wording.words)

    def services_in(self, wording: Wording) -> list:
        """The services that are named, those first of which most is; a rare word says more than a common one."""
        points = Counter()
        for word in set(wording.meant):
            for service in self.named.get(word, ()):
                points[service] += 1 / len(self.named[word])
        meant = [one for one in points if not _strong(one).isdisjoint(wording.meant)]
        best = max((points[one] for one in meant), default=0)
        return sorted((one for one in meant if points[one] >= best / 2), key=lambda one: (-points[one], one.id))

    def passage(self, wording: Wording) -> Passage | None:
        """The passage that says most of what is asked, if that is nearly all."""
        asked = {word.removeprefix(UNKNOWN) for word in wording.meant} - FRAME
        if self.texts is None or len(asked) < FEWEST_WORDS:
            return None
        for number in self.texts.best(asked):
            found = self.passages[number]
            if len(asked & _stems(f"{found.title} {found.text}")) >= COVERED * len(asked):
                return found
        return None


def of_services(services) -> list[Passage]:
    return [Passage(row.name, row.description, f"/services/{row.category_slug}") for row in services if row.description]


def of_guides(_services) -> list[Passage]:
    """A passage for each paragraph of the latest guides: whole ones would answer with too much."""
    return [
        Passage(guide.title, text, f"/guides/{guide.slug}", guide.language)
        for guide in guides.latest(MOST_GUIDES)
        for text in markdown.words(guide.text).splitlines()
        if len(text) >= SHORTEST_PASSAGE
    ]


# Each is given the services, and answers with passages.
SOURCES = (of_services, of_guides)

_making = threading.Lock()
_made: tuple[tuple, Knowledge] | None = None


def current() -> Knowledge:
    """What is known now. Ask before anything else is read (see extensions.unless_written)."""
    global _made
    content = _content()
    if _made is None or _made[0] != content:
        with _making:
            if _made is None or _made[0] != content:
                _made = content, make(*content)
    return _made[1]


@unless_written
def _content():
    services = tuple(catalogue.services())
    cities = tuple(db.session.scalars(select(City.name).order_by(City.population.desc()).limit(MOST_CITIES)))
    return services, cities, tuple(passage for source in SOURCES for passage in source(services))


def make(services: tuple, cities: tuple[str, ...], passages: tuple[Passage, ...]) -> Knowledge:
    said = {name: [*several, *_titles(name)] for name, several in phrases().items()}
    texts = [phrase for several in said.values() for phrase in several]
    names = [f"{row.name} {row.category}" for row in services]
    towns = {city.lower(): city for city in cities if " " not in city}
    special = dict.fromkeys(towns, PLACE)
    special |= {word: SERVICE for row in services for word in _strong(row)}
    follow = {stem(word) for name in names for word in split(name)}
    texts = [*(re.sub(r"SERVICE|PLACE", " ", text) for text in texts), *names]
    reader = Reader(texts, special, follow, [f"{one.title} {one.text}" for one in passages])
    intents = Index({name: [_with_places(reader, phrase) for phrase in several] for name, several in said.items()})
    named = {}
    for row in services:
        for word in _stems(f"{row.name} {row.category}"):
            named.setdefault(word, []).append(row)
    texts = Texts([_stems(f"{one.title} {one.text}") for one in passages]) if passages else None
    by_word = {word: tuple(rows) for word, rows in named.items()}
    return Knowledge(services, reader, intents, passages, texts, by_word, towns)


@functools.cache
def phrases() -> dict[str, list[str]]:
    """What people say, by what they mean."""
    return sections(PHRASES.read_text())


def sections(text: str) -> dict[str, list[str]]:
    """The lines of a text under headings in brackets."""
    found, lines = {}, []
    for line in text.splitlines():
        if line.startswith("["):
            lines = found.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


def _titles(name):
    """What an article is called is a way to ask for it."""
    article = help_articles.articles().get(name)
    return article.titles.values() if article else ()


def _with_places(reader, phrase):
    """The words of a phrase, in which SERVICE and PLACE stand for any."""
    found = []
    for part in re.split(r"(SERVICE|PLACE)", phrase):
        if part in ("SERVICE", "PLACE"):
            found.append({"SERVICE": SERVICE, "PLACE": PLACE}[part])
        else:
            found += reader.read(part).words
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def _strong(service):
    """The words that alone say that this service, or one like it, is meant."""
    words = (stem(word) for word in split(f"{service.name} {service.category}") if not word[0].isdecimal())
    return frozenset(words) - VAGUE


@functools.lru_cache(maxsize=4096)
def _stems(text):
    return frozenset(stem(word) for word in split(text))
