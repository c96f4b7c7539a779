"""Reviews: who, when, how often, and the sums they leave."""

from datetime import timedelta

import pytest

from domain import ratings, reviews
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from extensions import db
from models import AuditEntry, Notification, Offering, Professional, Review, Status
from tests import factories


@pytest.fixture
def closed(customer, professional):
    return factories.booking(customer, professional, status=Status.CLOSED)


def kept(professional):
    row = db.session.get(Professional, professional.id, populate_existing=True)
    return row.rating_sum, row.rating_count


def test_a_review_is_counted_in_the_same_transaction(closed, customer, professional):
    reviews.write(closed, customer, 4, "Neat work")
    assert kept(professional) == (4, 1)
    [offering] = db.session.query(Offering).filter_by(professional_id=professional.id).populate_existing()
    assert offering.rating == 4.0
    assert offering.rank == pytest.approx(ratings.rank(4, 1, 4.0))
    assert db.session.query(Notification).one().kind == "reviewed"


def test_a_refused_transaction_counts_nothing(closed, customer, professional):
    reviews.write(closed, customer, 4, "")
    db.session.rollback()
    assert kept(professional) == (0, 0)


def test_a_booking_is_reviewed_once(closed, customer):
    reviews.write(closed, customer, 4, "")
    db.session.commit()
    db.session.expire_all()
    with pytest.raises(InvalidTransition):
        reviews.write(closed, customer, 5, "")


def test_two_reviews_at_once_are_one(closed, customer, professional):
    # The second window checked before the first had written: only the constraint is left.
    assert closed.review is None
    factories.review(closed)
    with pytest.raises(Conflict):
        reviews.write(closed, customer, 5, "")
    db.session.rollback()


@pytest.mark.parametrize("rating", [0, 6, -1, None, 10**9])
def test_stars_are_one_to_five(closed, customer, rating):
    with pytest.raises(Invalid) as refusal:
        reviews.write(closed, customer, rating, "")
    assert refusal.value.field == "rating"


def test_a_long_comment_is_refused(closed, customer):
    with pytest.raises(Invalid):
        reviews.write(closed, customer, 5, "x" * 2001)


def test_others_cannot_review(closed, other_customer, professional, admin):
    for person in (other_customer, professional, admin):
        with pytest.raises(NotAllowed):
            reviews.write(closed, person, 5, "")


def test_a_month_after_closing_it_is_too_late(closed, customer, frozen):
    frozen.shift(timedelta(days=30))
    reviews.write(closed, customer, 5, "Still on time")
    db.session.rollback()
    frozen.shift(timedelta(seconds=1))
    with pytest.raises(InvalidTransition):
        reviews.write(closed, customer, 5, "")


def test_a_review_can_be_changed_for_two_days(closed, customer, professional, frozen):
    review = reviews.write(closed, customer, 2, "Late")
    frozen.shift(timedelta(hours=48))
    reviews.edit(review, customer, 5, "They came back and put it right")
    assert kept(professional) == (5, 1)
    frozen.shift(timedelta(seconds=1))
    with pytest.raises(InvalidTransition):
        reviews.edit(review, customer, 1, "")


def test_only_its_writer_changes_a_review(closed, customer, other_customer):
    review = reviews.write(closed, customer, 2, "Late")
    with pytest.raises(NotAllowed):
        reviews.edit(review, other_customer, 5, "")


def test_the_professional_replies_once(closed, customer, professional, other_professional):
    review = reviews.write(closed, customer, 2, "Late")
    with pytest.raises(NotAllowed):
        reviews.reply(review, other_professional, "Sorry")
    with pytest.raises(Invalid):
        reviews.reply(review, professional, "  ")
    reviews.reply(review, professional, "Sorry, the road was closed.")
    with pytest.raises(InvalidTransition):
        reviews.reply(review, professional, "And again")


def test_a_hidden_review_counts_no_more_until_it_is_shown(closed, customer, professional, admin):
    review = reviews.write(closed, customer, 1, "Rude words")
    with pytest.raises(Invalid):
        reviews.hide(review, admin, " ")
    reviews.hide(review, admin, "Insulting")
    assert kept(professional) == (0, 0)
    assert reviews.of_professional(professional.id).items == []
    with pytest.raises(InvalidTransition):
        reviews.hide(review, admin, "Twice")
    reviews.show(review, admin)
    assert kept(professional) == (1, 1)
    assert [entry.action for entry in db.session.query(AuditEntry)] == ["hide_review", "show_review"]


def test_one_perfect_review_does_not_beat_fifty_good_ones(app):
    assert ratings.rank(5, 1, 4.2) < ratings.rank(4.8 * 50, 50, 4.2)


def test_a_newcomer_ranks_at_the_sites_mean(app):
    assert ratings.rank(0, 0, 4.3) == pytest.approx(4.3)


def test_what_went_wrong_is_found_and_recomputed(closed, customer, professional):
    reviews.write(closed, customer, 3, "")
    db.session.commit()
    assert ratings.disagreements() == []
    db.session.execute(db.update(Professional).where(Professional.id == professional.id).values(rating_sum=50))
    assert ratings.disagreements() == [professional.id]
    assert ratings.recompute() == [professional.id]
    assert ratings.disagreements() == []
    assert kept(professional) == (3, 1)
    assert ratings.prior_mean() == 3.0


def test_only_visible_reviews_are_listed_newest_first(customer, professional):
    for days in (1, 2, 3):
        booking = factories.booking(
            customer, professional, status=Status.CLOSED, starts_at=factories.at(11, days=days)
        )
        factories.review(booking, comment=str(days))
    assert [review.comment for review in reviews.of_professional(professional.id).items] == ["3", "2", "1"]
    assert db.session.query(Review).count() == 3
