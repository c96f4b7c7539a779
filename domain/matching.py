"""Who is the best for a booking that may be done by any professional.

Score, in stars: the Bayesian mean rating, minus a tenth for each kilometre, plus up to half a star
for answering with yes, plus up to half a star for not having had a job for two weeks. High ratings
earn visibility, and a new professional is not buried.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import aliased

from domain import availability, blocked_pairs, clock, places
from extensions import db, settings
from models import Offering, PinCode, Professional
from models_lifecycle import BookingService

STARS_PER_KM = 0.1
STARS_FOR_ACCEPTING = 0.5
STARS_FOR_IDLENESS = 0.5
IDLE_DAYS = 14
# Scored in Python: the best-ranked of those who are free, which is more than enough for five offers.
MOST_SCORED = 200
# Whose calendars are laid over each other before a time is chosen.
MOST_SHOWN = 40


@dataclass(frozen=True)
class Candidate:
    professional_id: int
    distance_km: float
    score: float


def candidates(
    service_id: int,
    pin: PinCode,
    starts_at: datetime,
    ends_at: datetime,
    without: tuple[int, ...] = (),
    *,
    customer_id: int,
    visit: int = 0,
) -> list[Candidate]:
    """The professionals who offer the service, reach the place and are free then, best first; but for
    those who do not meet the customer again. `visit` is a booking of which they do every service."""
    reachable, square = places.within(pin.lat, pin.lon, Offering.lat, Offering.lon, Offering.radius_km)
    rows = db.session.execute(
        select(
            Professional.id,
            Professional.rank,
            Professional.offers_answered,
            Professional.offers_accepted,
            Professional.last_job_at,
            square.label("square"),
        )
        .join(Offering, Offering.professional_id == Professional.id)
        .where(
            Offering.service_id == service_id,
            Offering.listed.is_(True),
            reachable,
            Offering.professional_id.not_in(without),
            ~blocked_pairs.are_apart(customer_id, Offering.professional_id),
            *([_does_all_of(visit)] if visit else []),
            *availability.free_then(Offering.professional_id, starts_at, ends_at),
        )
        .order_by(Offering.rank.desc(), Offering.professional_id)
        .limit(MOST_SCORED)
    ).all()
    there = availability.who_reaches([row.id for row in rows], pin, starts_at, ends_at)
    scored = [Candidate(row.id, row.square**0.5, _score(row)) for row in rows if row.id in there]
    return sorted(scored, key=lambda candidate: (-candidate.score, candidate.professional_id))


def best(
    service_id: int, pin: PinCode, starts_at: datetime, ends_at: datetime, *, customer_id: int
) -> list[Candidate]:
    """Those to whom a booking is offered."""
    return candidates(service_id, pin, starts_at, ends_at, customer_id=customer_id)[: settings.policy.offers]


def nearby(service_id: int, pin: PinCode, *, customer_id: int) -> list[int]:
    """The best-ranked professionals who offer the service and reach the place, free or not."""
    return list(db.session.scalars(nearby_ids(service_id, pin, customer_id=customer_id)))


def nearby_ids(service_id: int, pin: PinCode, *, customer_id: int, visit: int = 0) -> Select:
    """The statement of nearby(), to be a part of another; `visit` as for candidates()."""
    reachable, _square = places.within(pin.lat, pin.lon, Offering.lat, Offering.lon, Offering.radius_km)
    return (
        select(Offering.professional_id)
        .where(
            Offering.service_id == service_id,
            Offering.listed.is_(True),
            reachable,
            ~blocked_pairs.are_apart(customer_id, Offering.professional_id),
            *([_does_all_of(visit)] if visit else []),
        )
        .order_by(Offering.rank.desc(), Offering.professional_id)
        .limit(MOST_SHOWN)
    )


def _does_all_of(booking_id):
    """The condition that the professional of an offering offers every service of a visit."""
    also = aliased(Offering)
    offered = exists().where(
        also.professional_id == Offering.professional_id,
        also.service_id == BookingService.service_id,
        also.listed.is_(True),
    )
    return ~exists().where(BookingService.booking_id == booking_id, ~offered.correlate(Offering, BookingService))


def _score(row) -> float:
    # One accepted request is assumed of everybody, so that nobody starts at nought.
    acceptance = (row.offers_accepted + 1) / (row.offers_answered + 1)
    idle = clock.now() - row.last_job_at if row.last_job_at else timedelta(days=IDLE_DAYS)
    idleness = min(idle / timedelta(days=IDLE_DAYS), 1.0)
    return (
        row.rank
        - STARS_PER_KM * row.square**0.5
        + STARS_FOR_ACCEPTING * acceptance
        + STARS_FOR_IDLENESS * idleness
    )
