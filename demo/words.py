"""What the people of the demonstration write, dealt so that nothing is said twice in a row."""

import tomllib
from pathlib import Path
from random import Random

HERE = Path(__file__).parent


def read(name: str) -> dict:
    with open(HERE / name, "rb") as file:
        return tomllib.load(file)


class Words:
    """Deals sentences like cards: each is used once before any comes again."""

    def __init__(self, rng: Random):
        self._rng = rng
        self._texts = read("words.toml")
        self._decks = {}

    def remarks(self) -> str:
        return self._deal("remarks", "lines") if self._rng.random() < 0.5 else ""

    def reason(self, whose: str) -> str:
        return self._deal("reasons", whose)

    def dispute(self, whose: str) -> str:
        return self._deal("disputes", whose)

    def review(self, service: str, rating: int) -> str:
        """A sentence about the service and one that fits the stars, or only one, or none."""
        good = rating > 3 or (rating == 3 and self._rng.random() < 0.5)
        about = self._deal("services", service, "good" if good else "bad")
        overall = self._deal("stars", str(rating))
        luck = self._rng.random()
        if luck < 0.05:
            return ""
        if luck < 0.25:
            return about
        return f"{overall} {about}" if luck < 0.5 else f"{about} {overall}"

    def reply(self, rating: int) -> str:
        return self._deal("replies", str(rating))

    def _deal(self, *path: str) -> str:
        deck = self._decks.setdefault(path, [])
        if not deck:
            cards = self._texts
            for name in path:
                cards = cards[name]
            deck.extend(cards)
            self._rng.shuffle(deck)
        return deck.pop()
