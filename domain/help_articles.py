"""The help articles of data/help: what each is about, and its words in both languages.

The numbers in them are names in braces, for they are those of the settings (see help_pages.py).
"""

import functools
import re
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from config import ROOT
from domain.errors import NotFound

FOLDER = ROOT / "data" / "help"
TOPICS = {
    "booking": _l("Booking"),
    "changing": _l("Changing and cancelling"),
    "visit": _l("The visit"),
    "paying": _l("Paying"),
    "account": _l("Your account"),
    "professionals": _l("For professionals"),
}
LANGUAGES = ("en", "hi")
_WHOLE = re.compile(r"---\n(?P<head>.*?)\n---\n(?P<en>.*?)\n--- hi ---\n(?P<hi>.*)", re.DOTALL)


@dataclass(frozen=True)
class Article:
    """`titles` and `texts` are by language; a text is Markdown with names in braces for what is set."""

    slug: str
    topic: str
    place: int
    titles: dict[str, str]
    texts: dict[str, str]


@functools.cache
def articles() -> dict[str, Article]:
    """All of them by their slug, in the order in which they are listed."""
    found = [_read(path) for path in FOLDER.glob("*.md")]
    return {one.slug: one for one in sorted(found, key=lambda one: one.place)}


def article(slug: str) -> Article:
    """One of them. Raises NotFound."""
    if slug not in articles():
        raise NotFound(_("There is no such help article."))
    return articles()[slug]


def by_topic() -> list[tuple[str, list[Article]]]:
    """The names of the topics, each with its articles."""
    return [(str(name), [one for one in articles().values() if one.topic == topic]) for topic, name in TOPICS.items()]


def _read(path):
    whole = _WHOLE.fullmatch(path.read_text())
    head = dict(line.split(": ", 1) for line in whole["head"].splitlines())
    return Article(
        path.stem,
        head["topic"],
        int(head["place"]),
        {language: head[language] for language in LANGUAGES},
        {language: whole[language].strip() for language in LANGUAGES},
    )
