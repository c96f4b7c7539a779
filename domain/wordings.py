"""What the words of a question mean, in English, Hindi, or Hindi in Latin letters, with its typos.

A word is known from the site's own texts, or from the list of what words mean (data/assistant/words.txt), where
Hindi is looked up by a spelling that Devanagari and all the ways of typing it have in common.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from config import ROOT

WORDS = ROOT / "data" / "assistant" / "words.txt"
# A word at least this long may have been mistyped, a long one twice.
LONG_ENOUGH, LONG = 5, 8
# So many words of a question are looked at.
MOST_WORDS = 40
NUMBER, UNKNOWN, NOTHING = "#", "?", "-"
# What stands for any service, and for any place.
SERVICE, PLACE = "SERVICE", NUMBER
# Written like this they are no sign of Hindi, though some are Hindi too.
ENGLISH_WORDS = (
    "appointment banana band bathroom bed been bill book booking char dam de do hi hindi is kin login mail main mat"
    " or paint painting par payment photo slot sofa that the then to"
)
ENGLISH_TOO = frozenset(ENGLISH_WORDS.split())

_WORD = re.compile(r"[\w\u0900-\u097f]+")
_MAIL = re.compile(r"\S*@\S*")
_ENDINGS = re.compile(r"(?<=\w{3})(?:ations?|ments?|ings?|ians?|als?|ers?|ry|ed|es|e|s|y)$")
_DEVANAGARI = re.compile(r"[\u0900-\u097f]")
_CONSONANTS = dict(zip("कखगघङचछजझञटठडढणतथदधनपफबभमयरलळवशषसह", "kkggnccjjnttddnttddnpfbbmyrllvsssh", strict=True))
_VOWELS = {"अ": "a", "आ": "a", "इ": "i", "ई": "i", "उ": "u", "ऊ": "u", "ए": "e", "ऐ": "e", "ओ": "o", "औ": "o", "ऑ": "o"}
_VOWELS |= {"ऋ": "ri", "ा": "", "ि": "i", "ी": "i", "ु": "u", "ू": "u", "े": "e", "ै": "e", "ो": "o", "ौ": "o", "ॉ": "o"}
_VOWELS |= {"ृ": "ri", "ं": "n", "ँ": "n", "्": "", "़": "", "ः": ""}
_SOUNDS = _CONSONANTS | _VOWELS
# How Latin letters are read in Hindi, in this order.
_READ_AS = (
    ("chh", "c"),
    ("ch", "c"),
    ("sh", "s"),
    ("ph", "f"),
    ("w", "v"),
    ("z", "j"),
    ("q", "k"),
    ("x", "ks"),
    ("ee", "i"),
    ("oo", "u"),
    ("ai", "e"),
    ("ay", "e"),
    ("au", "o"),
    ("ou", "o"),
)


@dataclass(frozen=True)
class Wording:
    """A question as words that mean something, with what they stand for in `words` and as they are in `meant`.

    `hindi` says that it was asked in Hindi, in any letters.
    """

    words: tuple[str, ...]
    meant: tuple[str, ...]
    hindi: bool


def sound(word: str) -> str:
    """What a Hindi word sounds like without its a's: करना, karna and karnaa are all krn."""
    if _DEVANAGARI.search(word):
        word = word.replace("ड़", "ड").replace("ढ़", "ड").replace("ड़", "ड").replace("ढ़", "ड")
        heard = "".join(_SOUNDS.get(letter, letter) for letter in unicodedata.normalize("NFD", word))
    else:
        heard = word
        for written, read in _READ_AS:
            heard = heard.replace(written, read)
        heard = re.sub(r"(?<=[kgcjtdbp])h", "", heard)
    first, rest = heard[:1], heard[1:].replace("a", "")
    heard = re.sub(r"(.)\1+", r"\1", first + rest)
    heard = re.sub(r"(?<=[iueo])y(?=[iueo])|y(?=e$)", "", heard)
    return re.sub(r"(?<=[iueoa])n$", "", heard)


def stem(word: str) -> str:
    """An English word without its ending."""
    return _ENDINGS.sub("", word) if word.isascii() else word


def split(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return _WORD.findall(unicodedata.normalize("NFC", text).lower().replace("'", "").replace("’", ""))


class Reader:
    """Reads questions with the words that a site's texts use.

    `special` has what some words stand for, by their stems: any service is one, and any town. Those of `follow`
    belong to a service that stands before them, and those in `also` are words too, but nobody mistypes them.
    """

    def __init__(
        self,
        texts: Iterable[str],
        special: Mapping[str, str],
        follow: Iterable[str] = (),
        also: Iterable[str] = (),
    ):
        self._known = {word for text in texts for word in split(text)}
        self._special, self._follow = special, frozenset(follow)
        self._near = {}
        for word in sorted((self._known | _glossary().exact.keys()) - _glossary().hindi):
            if word.isascii() and len(word) >= LONG_ENOUGH:
                self._near.setdefault(word[0], []).append(word)
        self._known.update(word for text in also for word in split(text))
        self._stems = {stem(word) for word in self._known if word.isascii()}

    def read(self, text: str) -> Wording:
        meant, hindi, words = [], 0, split(_MAIL.sub(" ", text))[:MOST_WORDS]
        for word in words:
            means, is_hindi = self._meaning(word)
            hindi += is_hindi
            meant += means
        # One Hindi word among many may be a name; two are a sentence.
        return Wording(tuple(self._found(meant)), tuple(meant), hindi >= 2 or hindi * 2 > len(words))

    def _found(self, meant):
        """The words with what some of them stand for; "AC service" is one service and not two words."""
        found = []
        for word in meant:
            word = self._special.get(word.removeprefix(UNKNOWN), word)
            if found and found[-1] == SERVICE and (word == SERVICE or word in self._follow):
                continue
            found.append(word)
        return found

    def _meaning(self, word):
        """What a word means, and whether it is Hindi."""
        if word[0].isdecimal():
            return [NUMBER], False
        glossary = _glossary()
        if word in glossary.exact:
            return glossary.exact[word], word in glossary.hindi
        if word in self._known or (word.isascii() and stem(word) in self._stems):
            return [stem(word)], False
        heard = sound(word)
        if heard in glossary.heard and (len(heard) > 1 or not word.isascii()):
            return glossary.heard[heard], True
        if word.isascii() and (meant := self._nearest(word)):
            return glossary.exact.get(meant, [stem(meant)]), meant in glossary.hindi
        return [UNKNOWN + word], not word.isascii()

    def _nearest(self, word):
        """The known word of which this is a typo: whoever mistypes a word begins it as it begins."""
        slips = 1 if len(word) < LONG else 2
        near = [known for known in self._near.get(word[0], ()) if abs(len(known) - len(word)) <= slips]
        found = process.extractOne(word, near, scorer=OSA.distance, score_cutoff=slips)
        return found and found[0]


@dataclass(frozen=True)
class _Glossary:
    """What words mean, by how they are written and by how they sound, and which of them are Hindi."""

    exact: dict[str, list[str]]
    heard: dict[str, list[str]]
    hindi: frozenset[str]


@functools.cache
def _glossary():
    exact, hindi = {}, set()
    for line in WORDS.read_text().splitlines():
        if not line or line.startswith("# "):
            continue
        meaning, _colon, words = line.partition(":")
        means = [] if meaning == NOTHING else [stem(word) for word in meaning.split()]
        said = [word for entry in (meaning + " " + words).split() for word in split(entry)]
        for word in said:
            exact.setdefault(word, means)
        # A Latin word that sounds as one in Devanagari beside it is Hindi; others are synonyms in English.
        heard_here = {sound(word) for word in said if not word.isascii()}
        hindi.update(word for word in said if not word.isascii() or sound(word) in heard_here)
    heard = {}
    for word in hindi:
        heard.setdefault(sound(word), exact[word])
    return _Glossary(exact, heard, frozenset(hindi - ENGLISH_TOO))
