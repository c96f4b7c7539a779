"""A professional's day: what waits for an answer, what is to be done, and what it earned."""

from datetime import timedelta

from marshmallow import fields
from sqlalchemy.orm import selectinload

from api import schemas
from api.bookings import BriefBooking, brief, party
from api.calls import Calls
from domain import clock, earnings, schedules
from domain.api_keys import Scope
from domain.paging import keyset
from models import Booking, Role

bp = Calls("api_professional", __name__, description="A professional's day")

MOST_SHOWN = 20


class Earnings(schemas.Schema):
    """This week begins on Monday."""

    today = schemas.Amount(required=True)
    week = schemas.Amount(required=True)
    month = schemas.Amount(required=True)


class Dashboard(schemas.Schema):
    """At most 20 of each kind. `late` are jobs of earlier days that nobody has finished."""

    pending = fields.List(fields.Nested(BriefBooking), required=True)
    late = fields.List(fields.Nested(BriefBooking), required=True)
    today = fields.List(fields.Nested(BriefBooking), required=True)
    upcoming = fields.List(fields.Nested(BriefBooking), required=True)
    earnings = fields.Nested(Earnings, required=True)
    rating = fields.Float(required=True, allow_none=True)
    rating_count = fields.Integer(required=True)


@bp.call("GET", "/professional/dashboard", Role.PROFESSIONAL, scope=Scope.BOOKINGS_READ, gives=Dashboard)
def dashboard():
    """Show the day."""
    by = party()
    today, tomorrow = (clock.start_of(clock.today() + timedelta(days=n)) for n in (0, 1))
    waiting = schedules.waiting(by).options(*schedules.DETAILS, selectinload(Booking.offers))
    pending = keyset(waiting, [(Booking.respond_by, "asc"), (Booking.id, "asc")], size=MOST_SHOWN)
    jobs = schedules.jobs(by.id, today)
    kinds = {
        "pending": pending.items,
        "late": [job for job in jobs if job.starts_at < today],
        "today": [job for job in jobs if today <= job.starts_at < tomorrow],
        "upcoming": [job for job in jobs if job.starts_at >= tomorrow],
    }
    return {
        **{kind: [brief(one, by) for one in found[:MOST_SHOWN]] for kind, found in kinds.items()},
        "earnings": earnings.summary(by.id),
        "rating": by.professional.rating,
        "rating_count": by.professional.rating_count,
    }
