"""The order of what happens in the demonstration: scripts that take turns by the clock."""

import heapq
import itertools
from collections.abc import Generator
from datetime import datetime

from domain import clock

# What a person or a booking goes through; it yields the moment at which it wants to go on.
Script = Generator[datetime, None, None]


class Timeline:
    """Runs scripts in the order of their moments, each with the clock held at its own."""

    def __init__(self, until: datetime):
        self.until = until
        self._due = []
        self._numbers = itertools.count()

    def add(self, moment: datetime, script: Script) -> None:
        heapq.heappush(self._due, (moment, next(self._numbers), script))

    def run(self) -> None:
        """Go on until the end; what a script wants later than that has not happened yet."""
        while self._due and self._due[0][0] <= self.until:
            moment, _, script = heapq.heappop(self._due)
            with clock.at(moment):
                following = next(script, None)
            if following is not None:
                self.add(max(following, moment), script)
