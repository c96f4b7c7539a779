"""What a professional's record says beside the stars: how often they accept, and how fast."""

from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from sqlalchemy import bindparam, select

from extensions import db
from models import Booking, Professional

# The pace of the last so many accepted requests; older ones say little about today.
RECENT = 50

_ANSWERS = (
    select(Booking.created_at, Booking.accepted_at)
    .where(Booking.professional_id == bindparam("professional"), Booking.accepted_at.is_not(None))
    .order_by(Booking.starts_at.desc(), Booking.id.desc())
    .limit(RECENT)
)


@dataclass(frozen=True)
class Scorecard:
    """Each is None while there is nothing to say."""

    acceptance_percent: int | None
    answer_minutes: int | None


def of(professional: Professional) -> Scorecard:
    """The scorecard of a professional, in one query."""
    answered = professional.offers_answered
    percent = round(100 * professional.offers_accepted / answered) if answered else None
    waits = [accepted - asked for asked, accepted in db.session.execute(_ANSWERS, {"professional": professional.id})]
    return Scorecard(percent, median(waits) // timedelta(minutes=1) if waits else None)
