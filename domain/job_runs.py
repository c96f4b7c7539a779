"""What the timetable has done: one row for a job and a period, written with its effect."""

from typing import NamedTuple


class Step(NamedTuple):
    """What one transaction of a job did: how many things, and where the next goes on; None when the
    period is complete."""

    count: int
    cursor: int | None = None
