"""The arithmetic of suggestions: what goes with what a household had, its rhythm, and what its place books.

Nothing here asks the database. What goes with what is a linear model of all services at once, solved in one
step from how many households had each two of them (EASE; Steck, "Embarrassingly Shallow Autoencoders", 2019).
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

from models_taste import Why

# How firmly the model holds back: a count's chance grows with its root.
RESTRAINT = 8.0
# Of one household so many are kept.
MOST_SERVICES, MOST_PEOPLE = 10, 4
# A rhythm: so many visits, at least so long apart, and none of the pauses so much off the usual one.
VISITS_OF_A_RHYTHM, SHORTEST_PAUSE, OFF_THE_BEAT = 3, 6, 0.35
# It is due from this part of the usual pause on, until that one.
DUE_FROM, DUE_UNTIL = 0.75, 1.6
FOR_RHYTHM, FOR_AGAIN, FOR_PLACE = 1.0, 0.5, 0.2
GOOD, BAD = 4, 3
# Bookings are made ahead: the season meant is that of two weeks later.
AHEAD = timedelta(days=14)
SEASONS = 4
# As many households of the whole site stand beside those of a district, until it has many of its own.
PRIOR = 20.0


@dataclass(frozen=True)
class Visit:
    """A finished booking of a household. `rating` is what it gave for it, if anything; a professional who was
    erased is None."""

    service_id: int
    professional_id: int | None
    day: date
    rating: int | None = None


@dataclass(frozen=True)
class Idea:
    """Something for a household; the names are those of models_taste.Recommendation."""

    service_id: int
    why: Why
    number: int
    score: float
    professional_id: int | None = None
    about_id: int | None = None
    since: date | None = None
    until: date | None = None


def season_of(day: date) -> int:
    """A season as a number that goes on from year to year: winter, before, during and after the monsoon.

    December begins the winter of the year after it.
    """
    kind = next(n for n, last in enumerate((2, 5, 9, 11, 12)) if day.month <= last)
    return day.year * SEASONS + kind


def weights(counts):
    """How much each service (row) speaks for each other (column), from a square of counts of households."""
    import numpy

    restraint = RESTRAINT * math.sqrt(max(counts.trace() / len(counts), 1.0))
    inverse = numpy.linalg.inv(counts + restraint * numpy.eye(len(counts)))
    found = -inverse / inverse.diagonal()
    numpy.fill_diagonal(found, 0.0)
    return found


class Likeness:
    """What goes with what, learnt from how many households had each two services."""

    def __init__(self, pairs: Mapping[tuple[int, int], int]):
        import numpy

        self._services = sorted({one for one, _other in pairs})
        self._places = {service: n for n, service in enumerate(self._services)}
        self._counts = numpy.zeros((len(self._services), len(self._services)))
        for (one, other), households in pairs.items():
            self._counts[self._places[one], self._places[other]] = households
        self._links = weights(self._counts) if self._services else self._counts

    def beside(self, had: Iterable[int]) -> tuple[dict[int, float], list[Idea]]:
        """How well each of a household's services goes with its others, and what such households had too,
        the likeliest first."""
        known = [self._places[service] for service in had if service in self._places]
        if not known:
            return {}, []
        scores = self._links[known].sum(axis=0)
        likeliest = [n for n in (-scores).argsort() if n not in known and scores[n] > 0][:MOST_SERVICES]
        fitting = {self._services[n]: max(float(scores[n]), 0.0) for n in known}
        return fitting, [self._idea(known, n, float(scores[n])) for n in likeliest]

    def _idea(self, known, n, score):
        because = max(known, key=lambda one: self._links[one, n])
        households = int(self._counts[because, n])
        return Idea(self._services[n], Why.BESIDE, households, score, about_id=self._services[because])


def ideas(visits: list[Visit], likeness: Likeness) -> list[Idea]:
    """All that a household's own visits say, the best first."""
    by_service, by_person = defaultdict(list), defaultdict(list)
    for visit in sorted(visits, key=lambda visit: visit.day):
        by_service[visit.service_id].append(visit)
        if visit.professional_id is not None:
            by_person[visit.professional_id].append(visit)
    fitting, others = likeness.beside(by_service)
    own = [_once_more(one, [visit.day for visit in had], fitting.get(one, 0.0)) for one, had in by_service.items()]
    services = sorted([*own, *others], key=lambda idea: -idea.score)[:MOST_SERVICES]
    people = [idea for had in by_person.values() for idea in _person(had)]
    liked = sorted((idea for idea in people if idea.why is not Why.AVOID), key=lambda idea: -idea.score)[:MOST_PEOPLE]
    return [*services, *liked, *(idea for idea in people if idea.why is Why.AVOID)]


def shares(counts: Mapping[int, tuple[int, int]], beyond: Mapping[int, float]) -> dict[int, float]:
    """Of each service the share of what a place books, from its counts (in this season, in all);
    `beyond` are the shares of the whole site, which stand in for what a small place does not know."""
    total = sum(seasonal for seasonal, _whole in counts.values())
    return {
        service: (counts.get(service, (0, 0))[0] + PRIOR * beyond.get(service, 0.0)) / (total + PRIOR)
        for service in {*counts, *beyond}
    }


def _once_more(service, days, fitting):
    """A service that the household had before, and when it is due if there is a rhythm in it."""
    days = sorted(set(days))
    pauses = [(later - day).days for day, later in itertools.pairwise(days)]
    if len(days) >= VISITS_OF_A_RHYTHM:
        usual = median(pauses)
        if usual >= SHORTEST_PAUSE and all(abs(pause - usual) <= OFF_THE_BEAT * usual for pause in pauses[-5:]):
            since, until = (days[-1] + timedelta(days=round(usual * part)) for part in (DUE_FROM, DUE_UNTIL))
            return Idea(service, Why.RHYTHM, round(usual), FOR_RHYTHM + fitting, since=since, until=until)
    return Idea(service, Why.AGAIN, len(days), FOR_AGAIN * (1 - 1 / (len(days) + 1)) + fitting)


def _person(visits):
    """One whom the household had: to be met again, or rather not."""
    last, stars = visits[-1], [visit.rating for visit in visits if visit.rating is not None]
    if stars and stars[-1] <= BAD:
        yield Idea(last.service_id, Why.AVOID, stars[-1], 0.0, last.professional_id)
    elif stars and stars[-1] >= GOOD:
        yield Idea(last.service_id, Why.STARS, stars[-1], stars[-1] + len(visits) / 10, last.professional_id)
    elif len(visits) > 1:
        yield Idea(last.service_id, Why.AGAIN, len(visits), GOOD + len(visits) / 10, last.professional_id)
