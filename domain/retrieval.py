"""Which of several things a question is about, learnt from what people say of each.

BM25 compares the question with every known phrase; what the likenesses count for is learnt by ridge regression
from the phrases themselves, so that a word which many things share decides nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from domain.wordings import UNKNOWN

RIDGE = 0.2
# What a sentence is made of rather than about: it counts half.
FRAME_WORDS = "i you my your he him his she her they them we our can could may how what when where why who"
FRAME = frozenset(FRAME_WORDS.split())


@dataclass(frozen=True)
class Guess:
    """What a question may be about; the `score` of something certain is about 1, of anything about 0."""

    name: str
    score: float


class Index:
    """Made of things by name, each with the words of what people say of it. Many threads may ask it."""

    def __init__(self, things: Mapping[str, Iterable[tuple[str, ...]]]):
        # They take a third of a second to import, which nobody needs before the first question.
        import bm25s
        import numpy

        # Many phrases come down to the same few words.
        once = {(name, tuple(sorted(features(words)))) for name, phrases in things.items() for words in phrases}
        said = sorted((name, list(found)) for name, found in once if found)
        self._names = list(dict.fromkeys(name for name, _found in said))
        self._bm25 = bm25s.BM25(method="lucene", k1=1.2, b=0.5)
        self._bm25.index([found for _name, found in said], show_progress=False)
        self._most = {one: float(self._bm25.get_scores([one]).max()) for one in {one for _, fs in said for one in fs}}
        self._rarest = max(self._most.values())
        alike = numpy.empty((len(said), len(said)), numpy.float32)
        named = numpy.zeros((len(said), len(self._names)), numpy.float32)
        for number, (name, found) in enumerate(said):
            alike[number] = self._likeness(found)
            named[number, self._names.index(name)] = 1
        wanted, alike = alike.T @ named, alike.T @ alike
        alike[numpy.diag_indices(len(said))] += RIDGE
        self._learnt = numpy.linalg.solve(alike, wanted)

    def guesses(self, words: tuple[str, ...], most: int = 3) -> list[Guess]:
        """The likeliest few, the likeliest first; none where no word is known."""
        likeness = self._likeness(features(words))
        if likeness is None:
            return []
        scores = likeness @ self._learnt
        return [Guess(self._names[number], float(scores[number])) for number in scores.argsort()[::-1][:most]]

    def _likeness(self, found):
        """How alike a question is to each phrase: 1 if the phrase has all of it. Words that no phrase has count
        as much as the rarest, so what is asked of something else is like nothing."""
        known = [one for one in found if one in self._most]
        if not known:
            return None
        reach = sum(self._most.get(one, self._rarest if " " not in one else 0) for one in found)
        return self._bm25.get_scores(known) / reach


class Texts:
    """Finds the texts that have most of what is asked."""

    def __init__(self, texts: Sequence[Iterable[str]]):
        import bm25s

        self._bm25 = bm25s.BM25(method="lucene")
        self._bm25.index([list(words) for words in texts], show_progress=False)
        self._known = frozenset(word for words in texts for word in words)

    def best(self, words: Iterable[str], most: int = 3) -> list[int]:
        """The numbers of the best few, the best first."""
        known = [word for word in words if word in self._known]
        if not known:
            return []
        scores = self._bm25.get_scores(known)
        return [int(number) for number in scores.argsort()[::-1][:most] if scores[number] > 0]


def features(words: tuple[str, ...]) -> list[str]:
    """The words, and those that stand side by side."""
    pairs = [f"{one} {other}" for one, other in pairwise(words)]
    pairs = [pair for pair in pairs if UNKNOWN not in pair]
    return [*words, *(word for word in words if word not in FRAME), *pairs]
