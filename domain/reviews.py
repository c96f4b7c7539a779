"""Stars and words: once for each booking, counted in the transaction that writes them."""

from datetime import timedelta

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from domain import audit, clock, editions, notifications, ratings
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from domain.paging import Page, keyset
from domain.transitions import add_event, rule_for
from extensions import db, settings
from models import Booking, Review, User

MAX_COMMENT = 2000


def write(booking: Booking, by: User, rating: int, comment: str) -> Review:
    """The customer's review. Raises Conflict when there is one already."""
    rule_for("review", booking, by)
    review = Review(
        booking_id=booking.id,
        customer_id=by.id,
        professional_id=booking.professional_id,
        rating=_stars(rating),
        comment=_words(comment),
        created_at=clock.now(),
    )
    db.session.add(review)
    try:
        db.session.flush()
    except IntegrityError as twice:
        raise Conflict(_("You have already reviewed this booking.")) from twice
    ratings.add(review.professional_id, review.rating, 1)
    _show_anew(review)
    add_event(booking, "review", by)
    _tell(review.professional_id, "reviewed", booking, by)
    return review


def edit(review: Review, by: User, rating: int, comment: str) -> None:
    """Change one's own review within 48 h of writing it."""
    if review.customer_id != by.id:
        raise NotAllowed(_("Only its writer can change a review."))
    if not editable(review):
        hours = settings.policy.review_edit_hours
        raise InvalidTransition(_("A review can be changed for %(hours)s hours.", hours=hours))
    stars = _stars(rating)
    if review.hidden_at is None:
        ratings.add(review.professional_id, stars - review.rating, 0)
    review.rating, review.comment, review.edited_at = stars, _words(comment), clock.now()
    db.session.flush()
    _show_anew(review)


def editable(review: Review) -> bool:
    hours = timedelta(hours=settings.policy.review_edit_hours)
    return review.hidden_at is None and clock.now() <= review.created_at + hours


def reply(review: Review, by: User, text: str) -> None:
    """The professional's one public answer."""
    if review.professional_id != by.id:
        raise NotAllowed(_("Only the reviewed professional can reply."))
    if review.reply is not None:
        raise InvalidTransition(_("You have already replied to this review."))
    text = _words(text, "reply")
    if not text:
        raise Invalid(_("Write a few words."), "reply")
    review.reply, review.replied_at = text, clock.now()
    db.session.flush()
    _show_anew(review)
    _tell(review.customer_id, "replied", review.booking, by)


def hide(review: Review, by: User, reason: str) -> None:
    """Take a review off the site; it counts in no average any more."""
    reason = reason.strip()
    if not reason:
        raise Invalid(_("Give a reason: it is kept in the audit trail."), "reason")
    if review.hidden_at is not None:
        raise InvalidTransition(_("This review is already hidden."))
    review.hidden_at, review.hidden_reason = clock.now(), reason[:500]
    db.session.flush()
    ratings.add(review.professional_id, -review.rating, -1)
    _show_anew(review)
    audit.record(by, "hide_review", "review", review.id, reason=reason)


def show(review: Review, by: User) -> None:
    """Put a hidden review back."""
    if review.hidden_at is None:
        raise InvalidTransition(_("This review is not hidden."))
    review.hidden_at = review.hidden_reason = None
    db.session.flush()
    ratings.add(review.professional_id, review.rating, 1)
    _show_anew(review)
    audit.record(by, "show_review", "review", review.id)


def of_professional(professional_id: int, after: str | None = None) -> Page:
    """A page of a professional's visible reviews, newest first."""
    visible = (
        select(Review)
        .where(Review.professional_id == professional_id, Review.hidden_at.is_(None))
        .options(joinedload(Review.customer), joinedload(Review.booking).joinedload(Booking.service))
    )
    return keyset(visible, [(Review.id, "desc")], after)


def _show_anew(review):
    editions.changed(editions.reviews(review.professional_id))


def _tell(user_id, kind, booking, by):
    notifications.notify(
        user_id, kind, booking.id, service=booking.title, time=booking.starts_at.isoformat(), name=by.name
    )


def _stars(rating):
    if rating not in range(1, 6):
        raise Invalid(_("Choose one to five stars."), "rating")
    return rating


def _words(text, field="comment"):
    text = text.strip()
    if len(text) > MAX_COMMENT:
        raise Invalid(_("Keep it under %(most)s characters.", most=MAX_COMMENT), field)
    return text
