"""Whether and how a professional shows in search, and to whoever is looking: the copies that offerings carry."""

from sqlalchemy import and_, bindparam, case, false, select, true, update

from domain import editions, news
from extensions import db
from models import Approval, Offering, Professional, User

_person = (
    select(Professional, User.active)
    .join(User, User.id == Professional.id)
    .where(Professional.id == bindparam("professional"))
    .subquery()
)
_REFRESH = (
    update(Offering)
    .where(Offering.professional_id == bindparam("professional"))
    .values(
        listed=select(
            case(
                (
                    and_(
                        _person.c.approval == Approval.APPROVED,
                        _person.c.active.is_(True),
                        _person.c.paused.is_(False),
                        _person.c.suspended_at.is_(None),
                    ),
                    true(),
                ),
                else_=false(),
            )
        ).scalar_subquery(),
        lat=select(_person.c.lat).scalar_subquery(),
        lon=select(_person.c.lon).scalar_subquery(),
        radius_km=select(_person.c.radius_km).scalar_subquery(),
        rank=select(_person.c.rank).scalar_subquery(),
        experience_years=select(_person.c.experience_years).scalar_subquery(),
        rating=select(
            case(
                (_person.c.rating_count > 0, _person.c.rating_sum * 1.0 / _person.c.rating_count),
                else_=None,
            )
        ).scalar_subquery(),
    )
    .execution_options(synchronize_session=False)
)


def refresh(professional_id: int) -> None:
    """Copy what a search needs from the professional to their offerings, in this transaction."""
    db.session.flush()
    db.session.execute(_REFRESH, {"professional": professional_id})
    editions.changed(editions.LISTINGS)
    news.of_slots(professional_id)
    # Such as how many wait for approval.
    news.tell_admins(news.COUNTERS)
