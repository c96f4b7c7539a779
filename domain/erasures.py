"""What is left of somebody whose account is anonymised: bookings and money without name, place and words."""

from sqlalchemy import delete, or_, select, union, update

from domain import (
    api_keys,
    api_sessions,
    appeals,
    blocked_pairs,
    clock,
    consents,
    conversations,
    exports,
    favourites,
    files,
    guides,
    outside_calendars,
    payout_accounts,
    recommendations,
    waits,
)
from extensions import db
from models import Address, Booking, BookingEvent, BookingOffer, Notification, OutboxMessage, TimeOff, User, Wait
from models_integrations import ApiResult
from models_lifecycle import Dispute, DisputePhoto, Proposal, SickDay
from models_money import RateItem

# Each forgets what it keeps of a person.
KEPT = (
    favourites,
    blocked_pairs,
    appeals,
    waits,
    api_keys,
    api_sessions,
    outside_calendars,
    payout_accounts,
    recommendations,
    consents,
    exports,
)


def erase_traces(user: User, former_name: str) -> None:
    """Erase what somebody left behind beside their account."""
    db.session.flush()
    _erase_disputes(user)
    # Before the photos in it.
    conversations.forget(user)
    guides.forget(user)
    files.forget_all_of(user)
    db.session.execute(
        update(Address)
        .where(Address.customer_id == user.id)
        .values(line="", label="", archived_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    db.session.execute(
        update(Booking)
        .where(Booking.customer_id == user.id)
        .values(address_line="", remarks="")
        .execution_options(synchronize_session=False)
    )
    _erase_from_stories(user, former_name)
    for kept in KEPT:
        kept.forget(user)
    for own in (TimeOff, RateItem, SickDay):
        db.session.execute(
            delete(own).where(own.professional_id == user.id).execution_options(synchronize_session=False)
        )
    # Answers to calls of the last day, with what was in them.
    db.session.execute(delete(ApiResult).where(ApiResult.caller == f"user:{user.id}"))
    # What was told carries the names of both sides; with every booking over, nobody needs it.
    theirs = select(Booking.id).where(or_(Booking.customer_id == user.id, Booking.professional_id == user.id))
    for told in (Notification, OutboxMessage):
        db.session.execute(
            delete(told)
            .where(or_(told.user_id == user.id, told.booking_id.in_(theirs)))
            .execution_options(synchronize_session=False)
        )


def _erase_disputes(user):
    """What somebody said and showed in a dispute; how it ended stays."""
    db.session.execute(delete(DisputePhoto).where(DisputePhoto.file_id.in_(files.owned_by(user))))
    side, said = (Booking.professional_id, "answer") if user.is_professional else (Booking.customer_id, "words")
    theirs = select(Booking.id).where(side == user.id)
    db.session.execute(
        update(Dispute)
        .where(Dispute.booking_id.in_(theirs))
        .values({said: ""})
        .execution_options(synchronize_session=False)
    )


def _erase_from_stories(user, former_name):
    """What somebody wrote about bookings, and their name in what others were told of them, also of those
    that went on to another professional."""
    went_on = select(BookingOffer.booking_id).where(BookingOffer.professional_id == user.id)
    had = select(Booking.id).where(or_(Booking.customer_id == user.id, Booking.professional_id == user.id))
    lost = select(Notification.booking_id).where(Notification.user_id == user.id, Notification.kind == "taken_away")
    ids = union(went_on, had, lost)
    wrote = BookingEvent.actor_id == user.id
    if user.is_professional:
        # The step by which a booking came to them carries their name.
        wrote = or_(wrote, BookingEvent.verb == "cascade")
    quiet = {"synchronize_session": False}
    db.session.execute(
        update(BookingEvent)
        .where(BookingEvent.booking_id.in_(ids), wrote)
        .values(reason="")
        .execution_options(**quiet)
    )
    db.session.execute(
        update(Proposal)
        .where(Proposal.booking_id.in_(ids), Proposal.by_id == user.id)
        .values(note="")
        .execution_options(**quiet)
    )
    waited_for = select(Wait.id).where(Wait.professional_id == user.id)
    for told in (Notification, OutboxMessage):
        named = or_(told.data["name"].as_string() == former_name, told.data["former"].as_string() == former_name)
        about = or_(told.booking_id.in_(ids), told.data["wait_id"].as_integer().in_(waited_for))
        db.session.execute(delete(told).where(about, named).execution_options(**quiet))
