"""Who was asked for a booking, what became of it with each of them, and until when they can answer.

A booking for any professional is offered to several at once. A booking for one professional has
offers only when it went on to another: one for each of those who had it before.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, union, update

from domain import clock, news
from extensions import db, settings
from models import Booking, BookingEvent, BookingOffer, OfferStatus, Status, User

_ADD = insert(BookingOffer.__table__)
# What became of a booking with the professional from whom it goes on, by the state in which they left it.
_LEFT_AS = {Status.REJECTED: OfferStatus.DECLINED, Status.EXPIRED: OfferStatus.EXPIRED}


def answer_by(now: datetime, starts_at: datetime) -> datetime:
    """The deadline of a request: 2 h on the same day, else 24 h, and always 60 min before the start."""
    policy = settings.policy
    same_day = clock.local(now).date() == clock.local(starts_at).date()
    minutes = policy.answer_minutes_same_day if same_day else policy.answer_minutes
    latest = starts_at - timedelta(minutes=policy.expire_before_start_minutes)
    return min(now + timedelta(minutes=minutes), latest)


def make(booking_id: int, professional_ids: list[int], first: int = 1) -> None:
    """Offer a booking to professionals; `first` is the place in the row of the best of them."""
    now = clock.now()
    rows = [
        {
            "booking_id": booking_id,
            "professional_id": professional_id,
            "position": position,
            "status": OfferStatus.OPEN,
            "created_at": now,
        }
        for position, professional_id in enumerate(professional_ids, first)
    ]
    db.session.connection().execute(_ADD, rows)
    news.of_booking(booking_id, *professional_ids)


def withdraw(booking: Booking) -> None:
    """Offer it to nobody, as if it never had been: it is another wish now."""
    gone = delete(BookingOffer).where(BookingOffer.booking_id == booking.id)
    news.of_booking(booking.id, *db.session.scalars(gone.returning(BookingOffer.professional_id)))


def open_to(booking: Booking) -> list[int]:
    """The professionals to whom it is offered and who have not answered."""
    return list(db.session.scalars(_open(booking).with_only_columns(BookingOffer.professional_id)))


def asked(booking: Booking) -> set[int]:
    """Everybody who was ever asked for it or did anything with it, whoever has it now included."""
    offered = select(BookingOffer.professional_id).where(BookingOffer.booking_id == booking.id)
    acted = select(BookingEvent.actor_id).where(
        BookingEvent.booking_id == booking.id, BookingEvent.actor_id.is_not(None)
    )
    return {*db.session.scalars(union(offered, acted)), booking.professional_id or booking.customer_id}


def settle(booking: Booking, by: User) -> None:
    """The first to accept has it; to all others, or when it was cancelled to everybody, the offer is lost."""
    now = clock.now()
    for offer in db.session.scalars(_open(booking)):
        news.of_booking(booking.id, offer.professional_id)
        offer.status = OfferStatus.ACCEPTED if offer.professional_id == by.id else OfferStatus.LOST
        offer.answered_at = now
    db.session.flush()


def decline(booking: Booking, by: User) -> None:
    offer = db.session.scalar(_open(booking).where(BookingOffer.professional_id == by.id))
    offer.status = OfferStatus.DECLINED
    offer.answered_at = clock.now()
    db.session.flush()
    news.of_booking(booking.id, by.id)


def lapse(booking: Booking) -> None:
    """Nobody answered in time."""
    lapsed = db.session.scalars(
        update(BookingOffer)
        .where(BookingOffer.booking_id == booking.id, BookingOffer.status == OfferStatus.OPEN)
        .values(status=OfferStatus.EXPIRED)
        .returning(BookingOffer.professional_id)
        .execution_options(synchronize_session=False)
    )
    news.of_booking(booking.id, *lapsed)
    db.session.expire(booking, ["offers"])


def note_former(booking: Booking) -> None:
    """Keep who had a booking that goes on to somebody else, and what became of it with them."""
    since = select(func.max(BookingEvent.at)).where(
        BookingEvent.booking_id == booking.id, BookingEvent.verb == "cascade"
    )
    answered = {Status.REJECTED: clock.now(), Status.EXPIRED: None}
    db.session.add(
        BookingOffer(
            booking_id=booking.id,
            professional_id=booking.professional_id,
            position=last_position(booking) + 1,
            # Whoever gave back what was agreed had accepted it.
            status=_LEFT_AS.get(booking.status, OfferStatus.ACCEPTED),
            created_at=db.session.scalar(since) or booking.created_at,
            answered_at=answered.get(booking.status, booking.accepted_at),
        )
    )
    db.session.flush()


def last_position(booking: Booking) -> int:
    last = select(func.max(BookingOffer.position)).where(BookingOffer.booking_id == booking.id)
    return db.session.scalar(last) or 0


def _open(booking):
    return select(BookingOffer).where(BookingOffer.booking_id == booking.id, BookingOffer.status == OfferStatus.OPEN)
