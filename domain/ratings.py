"""Sums, counts and the rank that reviews give a professional.

The rank is a Bayesian mean, (weight x prior + sum) / (weight + count), whose prior is the site's
own mean: one five-star review does not beat fifty, and a new professional is not buried.
"""

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from domain import listings
from extensions import db, settings
from models import Offering, Professional, Review, Tally

# What the prior is while the site has no reviews at all: a good, not a perfect, professional.
FIRST_MEAN = 4.0
SUM, COUNT = "rating_sum", "rating_count"


def rank(rating_sum: int, rating_count: int, prior: float) -> float:
    """The Bayesian mean in stars, 1.0 to 5.0."""
    weight = settings.policy.prior_weight
    return (weight * prior + rating_sum) / (weight + rating_count)


def prior_mean() -> float:
    """The mean of all visible reviews of the site, in stars."""
    tallies = dict(db.session.execute(select(Tally.name, Tally.value)).all())
    return tallies[SUM] / tallies[COUNT] if tallies.get(COUNT) else FIRST_MEAN


def add(professional_id: int, stars: int, reviews: int) -> None:
    """Count a review in (or, with negative numbers, out) of the professional's and the site's sums."""
    _add_to_tally(SUM, stars)
    _add_to_tally(COUNT, reviews)
    sums = db.session.execute(
        update(Professional)
        .where(Professional.id == professional_id)
        .values(
            rating_sum=Professional.rating_sum + stars,
            rating_count=Professional.rating_count + reviews,
        )
        .returning(Professional.rating_sum, Professional.rating_count)
        .execution_options(synchronize_session=False)
    ).one()
    _set_rank(professional_id, *sums, prior_mean())


def recompute() -> list[int]:
    """Count everything again from the reviews; answer the ids of professionals that were wrong."""
    truth = {
        professional_id: (int(stars), count)
        for professional_id, stars, count in db.session.execute(
            select(Review.professional_id, func.sum(Review.rating), func.count())
            .where(Review.hidden_at.is_(None))
            .group_by(Review.professional_id)
        )
    }
    stars = sum(total for total, _ in truth.values())
    count = sum(reviews for _, reviews in truth.values())
    _set_tally(SUM, stars)
    _set_tally(COUNT, count)
    prior = stars / count if count else FIRST_MEAN
    wrong = []
    kept = select(Professional.id, Professional.rating_sum, Professional.rating_count)
    for professional_id, *sums in db.session.execute(kept).all():
        true_sums = truth.get(professional_id, (0, 0))
        if tuple(sums) != true_sums:
            wrong.append(professional_id)
        db.session.execute(
            update(Professional)
            .where(Professional.id == professional_id)
            .values(rating_sum=true_sums[0], rating_count=true_sums[1])
        )
        _set_rank(professional_id, *true_sums, prior)
    return wrong


def disagreements() -> list[int]:
    """The ids of professionals whose kept rating, or whose copy in search, is not what reviews say."""
    visible = (
        select(Review.professional_id, func.sum(Review.rating).label("stars"), func.count().label("reviews"))
        .where(Review.hidden_at.is_(None))
        .group_by(Review.professional_id)
        .subquery()
    )
    stars, reviews = func.coalesce(visible.c.stars, 0), func.coalesce(visible.c.reviews, 0)
    stale = select(Offering.professional_id).where(
        Offering.professional_id == Professional.id, Offering.rank != Professional.rank
    )
    return list(
        db.session.scalars(
            select(Professional.id)
            .outerjoin(visible, visible.c.professional_id == Professional.id)
            .where((Professional.rating_sum != stars) | (Professional.rating_count != reviews) | stale.exists())
            .order_by(Professional.id)
        )
    )


def _set_rank(professional_id, rating_sum, rating_count, prior):
    db.session.execute(
        update(Professional)
        .where(Professional.id == professional_id)
        .values(rank=rank(rating_sum, rating_count, prior))
    )
    listings.refresh(professional_id)


def _add_to_tally(name, amount):
    insert = _upsert()(Tally).values(name=name, value=amount)
    db.session.execute(
        insert.on_conflict_do_update(index_elements=[Tally.name], set_={"value": Tally.value + amount})
    )


def _set_tally(name, value):
    insert = _upsert()(Tally).values(name=name, value=value)
    db.session.execute(insert.on_conflict_do_update(index_elements=[Tally.name], set_={"value": value}))


def _upsert():
    return (postgresql if db.session.get_bind().dialect.name == "postgresql" else sqlite).insert
