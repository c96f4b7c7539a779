"""The invented people and bookings of a first run, made through the verbs of the domain."""

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from sqlalchemy import delete

from demo.history import book
from demo.people import Cast, everybody_reads, invite
from demo.timeline import Timeline
from demo.words import Words
from domain import clock, ratings
from extensions import db
from models import OutboxMessage


@dataclass(frozen=True)
class Size:
    """How much is invented: people per city, and bookings in all."""

    cities: int = 6
    professionals: int = 20
    customers: int = 10
    bookings: int = 600


FULL = Size()


def load(password_hash: str, size: Size = FULL) -> None:
    """Invent everything up to the present moment; the caller commits, so it is there wholly or not at all.

    The same size at the same moment gives the same people and bookings.
    """
    cast = Cast(Random("people"), Words(Random("words")), password_hash, clock.now())
    timeline = Timeline(cast.until)
    cast.find_places(size.cities)
    invite(cast, timeline, size.professionals, size.customers)
    book(cast, timeline, size.bookings)
    timeline.add(cast.until - timedelta(hours=3), everybody_reads(cast))
    timeline.run()
    ratings.recompute()
    # Nobody is written to about what never happened.
    db.session.execute(delete(OutboxMessage))
