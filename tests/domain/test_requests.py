"""Asking for a slot: what a request writes, and every way in which it is refused."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import amendments, bookings, clock, requests
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from extensions import db
from models import (
    Booking,
    BookingEvent,
    BookingLine,
    BookingOffer,
    LineKind,
    Notification,
    OfferStatus,
    SlotClaim,
    Status,
    TimeOff,
)
from tests import factories


@pytest.fixture
def ask(customer, professional):
    """ask() requests the professional's first service for tomorrow at 11:00; values change that."""

    def ask(**values):
        by = values.pop("by", customer)
        wish = {
            "service_id": professional.professional.offerings[0].service_id,
            "professional_id": professional.id,
            "starts_at": factories.at(11, days=1),
            "address_id": by.addresses[0].id if by.addresses else 0,
            **values,
        }
        booking_id = requests.request(by, **wish)
        db.session.commit()
        return db.session.get(Booking, booking_id)

    return ask


@pytest.fixture
def refused(ask):
    """refused(...) asks, and answers the refusal after making sure that nothing was written."""

    def refused(kind=Invalid, **values):
        before = _counts()
        with pytest.raises(kind) as refusal:
            ask(**values)
        db.session.rollback()
        assert _counts() == before
        return refusal.value

    return refused


def _counts():
    tables = (Booking, BookingLine, BookingEvent, SlotClaim, Notification, BookingOffer)
    return [db.session.scalar(select(func.count()).select_from(table)) for table in tables]


def test_a_request_takes_the_slot_at_once(ask, professional):
    booking = ask()
    assert booking.status is Status.PENDING
    assert booking.professional_id == professional.id
    length = (booking.ends_at - booking.starts_at) // timedelta(minutes=15) + 1
    claims = db.session.scalars(select(SlotClaim).where(SlotClaim.booking_id == booking.id)).all()
    assert len(claims) == length


def test_the_price_is_kept_as_lines_that_add_up(ask):
    booking = ask()
    assert [line.kind for line in booking.lines] == [LineKind.SERVICE, LineKind.PLATFORM_FEE, LineKind.TAX]
    assert booking.subtotal == booking.lines[0].amount == 44_900
    assert booking.lines[1].amount == 1_500
    assert booking.lines[2].amount == 8_352
    assert booking.total == sum(line.amount for line in booking.lines) == 54_752


def test_the_professionals_own_price_holds(ask, professional):
    professional.professional.offerings[0].own_price = 60_000
    db.session.commit()
    assert ask().subtotal == 60_000


def test_a_price_of_nothing_is_a_price(ask, professional):
    professional.professional.offerings[0].own_price = 0
    db.session.commit()
    assert ask().subtotal == 0


def test_a_later_price_change_does_not_touch_a_booking(ask, professional):
    booking = ask()
    professional.professional.offerings[0].own_price = 99_900
    db.session.commit()
    db.session.refresh(booking)
    assert booking.subtotal == 44_900


def test_the_professional_is_told_and_the_event_written(ask, customer, professional):
    booking = ask()
    told = db.session.scalars(select(Notification)).all()
    assert [(note.user_id, note.kind, note.booking_id) for note in told] == [
        (professional.id, "requested", booking.id)
    ]
    [event] = booking.events
    assert (event.verb, event.from_status, event.to_status, event.actor_id) == (
        "request",
        None,
        "pending",
        customer.id,
    )


@pytest.mark.parametrize(
    "start, minutes",
    [
        ((11, 1), 24 * 60),
        ((15, 0), 120),
        ((10, 0), 120),
    ],
)
def test_a_request_is_to_be_answered_in_time(ask, frozen, start, minutes):
    hour, days = start
    starts_at = factories.at(hour, days=days)
    booking = ask(starts_at=starts_at)
    expected = min(clock.now() + timedelta(minutes=minutes), starts_at - timedelta(minutes=60))
    assert booking.respond_by == expected


def test_another_customer_is_refused_the_same_slot(ask, refused, other_customer):
    ask()
    refusal = refused(Conflict, by=other_customer)
    assert "just taken" in refusal.message


def test_another_customer_is_refused_the_buffer(ask, refused, other_customer, professional):
    hour = factories.service("One hour", duration_minutes=60)
    factories.offer(professional, hour)
    ask(service_id=hour.id)
    refused(Conflict, by=other_customer, service_id=hour.id, starts_at=factories.at(12, days=1))
    assert ask(by=other_customer, service_id=hour.id, starts_at=factories.at(12, 30, days=1))


def test_a_free_slot_beside_a_taken_one_can_be_had(ask, other_customer):
    ask()
    assert ask(by=other_customer, starts_at=factories.at(15, days=1)).status is Status.PENDING


def test_a_past_start_is_refused(refused):
    assert refused(starts_at=factories.at(11, days=-1)).field == "starts_at"


def test_a_start_within_the_lead_time_is_refused(refused, ask, frozen):
    frozen.shift(timedelta(minutes=1))
    assert "too soon" in refused(starts_at=factories.at(10)).message


def test_a_start_just_outside_the_lead_time_is_taken(ask):
    assert ask(starts_at=factories.at(10)).starts_at == factories.at(10)


def test_a_start_beyond_the_horizon_is_refused(refused):
    assert "too far" in refused(starts_at=factories.at(11, days=31)).message


@pytest.mark.parametrize("hour, minute, days", [(8, 0, 1), (17, 30, 1), (11, 0, 6), (11, 10, 1), (11, 15, 1)])
def test_a_start_outside_the_hours_or_off_the_grid_is_refused(refused, hour, minute, days):
    assert refused(starts_at=factories.at(hour, minute, days=days)).field == "starts_at"


def test_a_start_with_odd_seconds_is_refused(refused):
    refused(starts_at=factories.at(11, days=1) + timedelta(microseconds=1))


def test_time_off_is_refused(refused, professional):
    db.session.add(
        TimeOff(professional_id=professional.id, starts_at=factories.at(0, days=1), ends_at=factories.at(0, days=2))
    )
    db.session.commit()
    assert "away" in refused().message


def test_an_unapproved_professional_is_refused(refused, unapproved_professional):
    refused(professional_id=unapproved_professional.id)


def test_a_paused_professional_is_refused(refused, professional):
    professional.professional.paused = True
    db.session.commit()
    assert refused().field == "professional_id"


def test_a_blocked_professional_is_refused(refused, professional):
    professional.active = False
    db.session.commit()
    refused()


def test_a_service_that_is_not_offered_is_refused(refused):
    assert refused(service_id=factories.service("Tap repair").id).field == "service_id"


@pytest.mark.parametrize("service_id, professional_id", [(0, None), (10**12, None), (10**12, 10**12), (-1, -1)])
def test_what_does_not_exist_is_refused(refused, service_id, professional_id):
    assert refused(service_id=service_id, professional_id=professional_id).field == "service_id"


def test_a_retired_service_is_refused(refused, professional):
    professional.professional.offerings[0].service.retired_at = clock.now()
    db.session.commit()
    refused()


def test_an_address_out_of_reach_is_refused(refused, customer):
    far = factories.address(customer, pincode=factories.FAR_PIN)
    assert refused(address_id=far.id).field == "address_id"


def test_somebody_elses_address_is_refused(refused, other_customer):
    assert refused(address_id=other_customer.addresses[0].id).field == "address_id"


def test_an_archived_address_is_refused(refused, customer):
    customer.addresses[0].archived_at = clock.now()
    db.session.commit()
    refused()


def test_a_sixth_unanswered_request_is_refused(app, ask, refused):
    for days in (1, 2, 3, 4, 7):
        ask(starts_at=factories.at(11, days=days))
    assert "unanswered" in refused(starts_at=factories.at(11, days=8)).message


def test_an_overdue_request_does_not_count_as_unanswered(app, ask, frozen):
    for days in (4, 5, 7, 8, 9):
        ask(starts_at=factories.at(11, days=days))
    frozen.shift(timedelta(hours=25))
    assert ask(starts_at=factories.at(11, days=4)).status is Status.PENDING


def test_an_overdue_request_gives_its_slot_to_the_next(ask, other_customer, frozen):
    stale = ask(starts_at=factories.at(11, days=3))
    frozen.shift(timedelta(hours=25))
    fresh = ask(by=other_customer, starts_at=stale.starts_at)
    db.session.refresh(stale)
    assert (stale.status, fresh.status) == (Status.EXPIRED, Status.PENDING)


def test_overlapping_oneself_is_refused(ask, refused, other_professional):
    ask()
    refusal = refused(professional_id=other_professional.id, starts_at=factories.at(11, 30, days=1))
    assert "another booking" in refusal.message


def test_a_cancelled_booking_overlaps_nothing(ask, customer, other_professional):
    bookings.cancel(ask(), customer)
    db.session.commit()
    assert ask(professional_id=other_professional.id).status is Status.PENDING


@pytest.mark.parametrize("role", ["professional", "admin"])
def test_only_customers_book(refused, request, role):
    refused(NotAllowed, by=request.getfixturevalue(role), address_id=1)


def test_long_remarks_are_refused(refused):
    assert refused(remarks="x" * 1001).field == "remarks"


@pytest.mark.parametrize("remarks", ["नमस्ते 🙂", "שלום", "<b>'\"; DROP TABLE bookings; --", "a\nb"])
def test_odd_remarks_are_kept_as_they_are(ask, remarks):
    assert ask(remarks=remarks).remarks == remarks


def test_the_same_key_gives_the_same_booking(ask):
    assert ask(key="once").id == ask(key="once").id
    assert db.session.scalar(select(func.count()).select_from(Booking)) == 1


def test_the_same_key_with_another_wish_is_refused(ask, refused):
    ask(key="once")
    refused(Conflict, key="once", starts_at=factories.at(15, days=1))


def test_two_people_may_have_the_same_key(ask, other_customer):
    first = ask(key="once")
    assert ask(key="once", by=other_customer, starts_at=factories.at(15, days=1)).id != first.id


# -- Any professional ---------------------------------------------------------------------------


def test_a_booking_for_anybody_is_offered_to_five_and_claims_nothing(app, ask):
    for _ in range(6):
        factories.professional()
    booking = ask(professional_id=None)
    assert booking.professional_id is None
    assert len(booking.offers) == 5
    assert {offer.status for offer in booking.offers} == {OfferStatus.OPEN}
    assert db.session.scalar(select(func.count()).select_from(SlotClaim)) == 0
    told = db.session.scalars(select(Notification.kind)).all()
    assert told == ["offered"] * 5


def test_a_booking_for_anybody_costs_the_base_price(ask, professional):
    professional.professional.offerings[0].own_price = 99_900
    db.session.commit()
    assert ask(professional_id=None).subtotal == 44_900


def test_only_the_free_and_near_are_asked(ask, other_customer, professional, other_professional):
    factories.professional(pincode=factories.FAR_PIN)
    factories.professional(services=[factories.service("Tap repair")])
    factories.professional(approved=False)
    factories.booking(other_customer, professional, starts_at=factories.at(11, days=1))
    booking = ask(professional_id=None)
    assert [offer.professional_id for offer in booking.offers] == [other_professional.id]


def test_when_nobody_is_free_nothing_is_asked(refused, app):
    assert "Nobody" in refused(professional_id=None, starts_at=factories.at(11, days=6)).message


def test_the_better_rated_come_first_and_the_new_are_not_buried(ask, professional):
    poor = factories.professional(rank=2.0, rating_sum=20, rating_count=10)
    good = factories.professional(rank=4.8, rating_sum=96, rating_count=20)
    booking = ask(professional_id=None)
    assert [offer.professional_id for offer in booking.offers] == [good.id, professional.id, poor.id]


# -- Moving and editing -------------------------------------------------------------------------


def test_a_pending_booking_moves_and_gives_its_old_slot_back(ask, customer, other_customer):
    booking = ask()
    amendments.shift(booking, customer, factories.at(15, days=1))
    db.session.commit()
    assert booking.starts_at == factories.at(15, days=1)
    assert ask(by=other_customer).starts_at == factories.at(11, days=1)


def test_a_booking_may_move_into_its_own_time(ask, customer):
    booking = ask()
    amendments.shift(booking, customer, factories.at(11, 30, days=1))
    db.session.commit()
    claims = db.session.scalars(select(SlotClaim.bucket).where(SlotClaim.booking_id == booking.id)).all()
    assert min(claims) == int(booking.starts_at.timestamp()) // 900


def test_a_booking_cannot_move_into_somebody_elses_time(ask, customer, other_customer):
    booking = ask()
    ask(by=other_customer, starts_at=factories.at(15, days=1))
    with pytest.raises(Conflict):
        amendments.shift(booking, customer, factories.at(15, days=1))
    db.session.rollback()
    assert booking.starts_at == factories.at(11, days=1)


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.PENDING])
def test_only_a_pending_booking_moves(customer, professional, status):
    booking = factories.booking(customer, professional, status=status)
    with pytest.raises(InvalidTransition):
        amendments.shift(booking, customer, factories.at(15, days=1))


def test_a_stranger_cannot_move_a_booking(ask, other_customer):
    with pytest.raises(NotAllowed):
        amendments.shift(ask(), other_customer, factories.at(15, days=1))


def test_a_moved_booking_for_anybody_is_offered_anew(ask, customer, other_customer, professional, other_professional):
    booking = ask(professional_id=None)
    assert len(booking.offers) == 2
    factories.booking(other_customer, professional, starts_at=factories.at(15, days=1))
    amendments.shift(booking, customer, factories.at(15, days=1))
    db.session.commit()
    db.session.expire_all()
    assert [offer.professional_id for offer in booking.offers] == [other_professional.id]


def test_remarks_and_address_change_while_pending(ask, customer):
    near = factories.address(customer, pincode=factories.NEAR_PIN, line="4, Park Road")
    booking = ask()
    amendments.edit(booking, customer, "Ring twice", near.id)
    assert (booking.remarks, booking.address_line, booking.pincode) == (
        "Ring twice",
        "4, Park Road",
        factories.NEAR_PIN,
    )


def test_once_accepted_only_the_address_changes_and_only_within_its_pin(ask, customer, professional):
    booking = ask(remarks="Ring once")
    bookings.accept(booking, professional)
    other_door = factories.address(customer, line="14, 3rd Cross")
    amendments.edit(booking, customer, "Ring once", other_door.id)
    assert (booking.remarks, booking.address_line) == ("Ring once", "14, 3rd Cross")
    with pytest.raises(Invalid) as refusal:
        amendments.edit(booking, customer, "Ring twice")
    assert refusal.value.field == "remarks"
    near = factories.address(customer, pincode=factories.NEAR_PIN)
    with pytest.raises(Invalid) as refusal:
        amendments.edit(booking, customer, address_id=near.id)
    assert refusal.value.field == "address_id"


def test_what_is_not_given_stays_as_it_is(ask, customer):
    near = factories.address(customer, pincode=factories.NEAR_PIN, line="4, Park Road")
    booking = ask(remarks="Ring once")
    amendments.edit(booking, customer, address_id=near.id)
    amendments.edit(booking, customer, "Ring twice")
    assert (booking.remarks, booking.address_line) == ("Ring twice", "4, Park Road")


def test_the_address_cannot_move_out_of_reach(ask, customer):
    far = factories.address(customer, pincode=factories.FAR_PIN)
    with pytest.raises(Invalid):
        amendments.edit(ask(), customer, "", far.id)
