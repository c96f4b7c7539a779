"""The verbs after a request: what each writes, whom it tells, and when it is refused."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import bookings, clock, start_codes
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound, WrongCode
from extensions import db
from models import (
    AuditEntry,
    BookingOffer,
    LineKind,
    Notification,
    OfferStatus,
    PaymentMethod,
    SlotClaim,
    Status,
)
from models_money import Payment
from tests import factories


def told():
    """Who was told what, in order."""
    return [(note.user_id, note.kind) for note in db.session.scalars(select(Notification).order_by(Notification.id))]


def claims(booking):
    return db.session.query(SlotClaim).filter_by(booking_id=booking.id).count()


@pytest.fixture
def book(customer, professional):
    """book(status) is a booking of today at 11:00, two hours from now."""

    def book(status=Status.PENDING, **values):
        return factories.booking(
            customer, professional, **{"status": status, "starts_at": factories.at(11), **values}
        )

    return book


@pytest.fixture
def offered(customer, professional, other_professional):
    """A booking of tomorrow on offer to two professionals."""
    booking = factories.booking(customer, None)
    for position, person in enumerate((professional, other_professional), 1):
        db.session.add(
            BookingOffer(
                booking_id=booking.id, professional_id=person.id, position=position, created_at=clock.now()
            )
        )
    db.session.commit()
    return booking


# -- Who sees what ------------------------------------------------------------------------------


def test_its_people_and_admins_see_a_booking(book, customer, professional, admin):
    booking = book()
    for person in (customer, professional, admin):
        assert bookings.get(booking.id, person) is booking


def test_strangers_do_not_see_a_booking(book, other_customer, other_professional):
    booking = book()
    for person in (other_customer, other_professional):
        with pytest.raises(NotFound):
            bookings.get(booking.id, person)


def test_those_who_were_asked_see_an_offer(offered, professional, other_professional, unapproved_professional):
    assert bookings.get(offered.id, professional) is offered
    assert bookings.get(offered.id, other_professional) is offered
    with pytest.raises(NotFound):
        bookings.get(offered.id, unapproved_professional)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("DS-10042", 42),
        ("ds-10042", 42),
        (" 10042 ", 42),
        ("DS-3", None),
        ("DS-", None),
        ("१००४२", None),
        ("9" * 40, None),
    ],
)
def test_a_reference_leads_to_its_booking(text, expected):
    assert bookings.id_of_reference(text) == expected


def test_a_booking_knows_its_reference(book):
    booking = book()
    assert bookings.id_of_reference(booking.reference) == booking.id


# -- Accept and reject --------------------------------------------------------------------------


def test_accepting_tells_the_customer_and_keeps_the_slot(book, customer, professional):
    booking = book()
    held = claims(booking)
    bookings.accept(booking, professional)
    assert (booking.status, booking.accepted_at) == (Status.ACCEPTED, clock.now())
    assert claims(booking) == held > 0
    assert told() == [(customer.id, "accepted")]
    db.session.refresh(professional.professional)
    assert (professional.professional.offers_answered, professional.professional.offers_accepted) == (1, 1)


def test_an_overdue_request_cannot_be_accepted_though_no_job_has_run(book, professional, frozen):
    booking = book(respond_by=clock.now() + timedelta(minutes=5))
    frozen.shift(timedelta(minutes=5))
    with pytest.raises(InvalidTransition, match="Expired"):
        bookings.accept(booking, professional)
    assert booking.shown_status is Status.EXPIRED


def test_who_is_no_longer_approved_cannot_accept(book, professional):
    booking = book()
    professional.professional.approval = "rejected"
    db.session.commit()
    with pytest.raises(NotAllowed):
        bookings.accept(booking, professional)


def test_a_time_that_was_moved_meanwhile_is_not_accepted_blindly(book, professional):
    booking = book()
    with pytest.raises(InvalidTransition, match="moved"):
        bookings.accept(booking, professional, seen=factories.at(12))
    assert booking.status is Status.PENDING


def test_rejecting_needs_a_reason_and_frees_the_slot(book, customer, professional):
    booking = book()
    with pytest.raises(Invalid) as refusal:
        bookings.reject(booking, professional, "   ")
    assert refusal.value.field == "reason"
    bookings.reject(booking, professional, "I am at a wedding")
    assert (booking.status, claims(booking)) == (Status.REJECTED, 0)
    assert booking.events[-1].reason == "I am at a wedding"
    assert told() == [(customer.id, "rejected")]


def test_the_first_to_accept_an_offer_has_it(offered, customer, professional, other_professional):
    bookings.accept(offered, other_professional)
    assert (offered.status, offered.professional_id) == (Status.ACCEPTED, other_professional.id)
    assert claims(offered) > 0
    db.session.expire_all()
    assert [offer.status for offer in offered.offers] == [OfferStatus.LOST, OfferStatus.ACCEPTED]
    with pytest.raises(NotAllowed):
        bookings.depart(offered, professional)
    with pytest.raises(InvalidTransition):
        bookings.accept(offered, professional)
    assert told() == [(customer.id, "accepted")]


def test_an_offer_that_no_longer_fits_is_a_conflict(offered, other_customer, professional):
    factories.booking(other_customer, professional, starts_at=offered.starts_at)
    with pytest.raises(Conflict):
        bookings.accept(offered, professional)
    db.session.rollback()
    assert offered.status is Status.PENDING


def test_an_offer_is_over_when_the_last_has_declined(offered, customer, professional, other_professional):
    bookings.reject(offered, professional, "Too far")
    assert offered.status is Status.PENDING
    with pytest.raises(InvalidTransition):
        bookings.accept(offered, professional)
    bookings.reject(offered, other_professional, "Busy")
    assert offered.status is Status.REJECTED
    assert told() == [(customer.id, "nobody")]


# -- The way to the work ------------------------------------------------------------------------


def test_departing_is_possible_from_three_hours_before(book, professional, customer, frozen):
    booking = book(Status.ACCEPTED, starts_at=factories.at(12, 30))
    with pytest.raises(InvalidTransition, match="too early"):
        bookings.depart(booking, professional)
    assert "depart" not in bookings.available_actions(booking, professional)
    frozen.shift(timedelta(minutes=30))
    bookings.depart(booking, professional)
    assert booking.status is Status.EN_ROUTE
    assert told() == [(customer.id, "departed")]


def test_the_work_starts_with_the_customers_code(book, customer, professional, frozen):
    booking = book(Status.EN_ROUTE)
    frozen.move_to(booking.starts_at)
    bookings.start(booking, professional, bookings.start_code(booking, customer))
    assert booking.status is Status.IN_PROGRESS
    assert claims(booking) > 0


def test_the_work_may_start_half_an_hour_early(book, customer, professional, frozen):
    booking = book(Status.ACCEPTED)
    code = bookings.start_code(booking, customer)
    frozen.move_to(booking.starts_at - timedelta(minutes=31))
    with pytest.raises(InvalidTransition, match="too early"):
        bookings.start(booking, professional, code)
    frozen.move_to(booking.starts_at - timedelta(minutes=30))
    bookings.start(booking, professional, code)
    assert booking.status is Status.IN_PROGRESS


def test_only_its_customer_is_shown_the_code(book, customer, professional, admin, other_customer):
    booking = book(Status.ACCEPTED)
    assert len(bookings.start_code(booking, customer)) == 4
    for person in (professional, admin, other_customer):
        assert bookings.start_code(booking, person) is None


@pytest.mark.parametrize("status", [s for s in Status if s not in (Status.ACCEPTED, Status.EN_ROUTE)])
def test_there_is_no_code_before_or_after(book, customer, status):
    assert bookings.start_code(book(status), customer) is None


def test_the_code_is_stored_nowhere(book, customer, app):
    booking = book(Status.ACCEPTED)
    code = bookings.start_code(booking, customer)
    row = db.session.execute(db.text("SELECT * FROM bookings")).mappings().one()
    assert code not in [str(value) for value in row.values()]


def _wrong(code):
    return f"{(int(code) + 1) % 10_000:04}"


def test_wrong_codes_are_counted_and_the_fifth_locks(book, customer, professional, frozen):
    booking = book(Status.ACCEPTED)
    frozen.move_to(booking.starts_at)
    right = bookings.start_code(booking, customer)
    for left in (4, 3, 2, 1):
        with pytest.raises(WrongCode, match=f"{left} tries"):
            bookings.start(booking, professional, _wrong(right))
    with pytest.raises(WrongCode, match="locked"):
        bookings.start(booking, professional, _wrong(right))
    with pytest.raises(InvalidTransition, match="locked"):
        bookings.start(booking, professional, right)
    assert "start" not in bookings.available_actions(booking, professional)


@pytest.mark.parametrize("code", ["", "     ", "12345", "٤٨٢٦", "\ud800", "x" * 10_000])
def test_odd_codes_are_wrong_codes(book, professional, frozen, code):
    booking = book(Status.ACCEPTED)
    frozen.move_to(booking.starts_at)
    with pytest.raises(WrongCode):
        bookings.start(booking, professional, code)


def test_the_customer_can_renew_a_locked_code(book, customer, professional, frozen):
    booking = book(Status.ACCEPTED, code_tries=5)
    frozen.move_to(booking.starts_at)
    old_salt = booking.code_salt
    bookings.renew_code(booking, customer)
    assert (booking.code_tries, booking.code_salt != old_salt) == (0, True)
    assert told() == [(professional.id, "code_renewed")]
    bookings.start(booking, professional, bookings.start_code(booking, customer))
    assert booking.status is Status.IN_PROGRESS


def test_an_admin_can_start_without_the_code_and_it_is_audited(book, admin):
    booking = book(Status.ACCEPTED, code_tries=5)
    with pytest.raises(Invalid):
        bookings.override_code(booking, admin, "")
    bookings.override_code(booking, admin, "The customer's phone is dead")
    assert booking.status is Status.IN_PROGRESS
    assert db.session.scalar(select(AuditEntry.action)) == "override_code"


# -- The end of the work ------------------------------------------------------------------------


def test_completing_frees_the_slot_and_asks_the_customer_to_confirm(book, customer, professional):
    booking = book(Status.IN_PROGRESS)
    bookings.complete(booking, professional)
    assert (booking.status, booking.completed_at, claims(booking)) == (Status.COMPLETED, clock.now(), 0)
    assert told() == [(customer.id, "completed")]
    db.session.refresh(professional.professional)
    assert professional.professional.last_job_at == clock.now()


def test_the_payment_is_recorded_once(book, customer, professional):
    booking = book(Status.COMPLETED)
    bookings.record_payment(booking, professional, PaymentMethod.UPI)
    assert (booking.paid, booking.due) == (booking.total, 0)
    payment = db.session.scalar(select(Payment))
    assert (payment.method, payment.amount, payment.recorded_by_id) == ("upi", booking.total, professional.id)
    with pytest.raises(InvalidTransition, match="already paid"):
        bookings.record_payment(booking, professional, PaymentMethod.CASH)
    assert told() == [(customer.id, "paid")]


@pytest.mark.parametrize("amount", [0, -1, 10**12])
def test_only_what_is_due_can_be_paid(book, professional, amount):
    with pytest.raises(Invalid) as refusal:
        bookings.record_payment(book(Status.COMPLETED), professional, PaymentMethod.CASH, amount)
    assert refusal.value.field == "amount"


def test_a_part_can_be_paid_and_then_the_rest(book, professional):
    booking = book(Status.COMPLETED)
    bookings.record_payment(booking, professional, PaymentMethod.CASH, 100)
    bookings.record_payment(booking, professional, PaymentMethod.UPI)
    assert booking.due == 0


def test_the_customer_closes(book, customer, professional):
    booking = book(Status.COMPLETED)
    bookings.close(booking, customer)
    assert (booking.status, booking.closed_at) == (Status.CLOSED, clock.now())
    assert told() == [(professional.id, "closed")]


# -- Cancelling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status, hours_before, made_minutes_ago, fee",
    [
        (Status.PENDING, 2, 600, 0),
        (Status.ACCEPTED, 3, 600, 0),
        (Status.ACCEPTED, 2.99, 600, 10_000),
        (Status.ACCEPTED, 2, 5, 0),
        (Status.ACCEPTED, 2, 5.1, 10_000),
        (Status.EN_ROUTE, 1, 600, 10_000),
    ],
)
def test_a_late_customer_owes_the_late_fee(book, customer, status, hours_before, made_minutes_ago, fee, frozen):
    booking = book(
        status, starts_at=factories.at(11, days=1), created_at=factories.at(11, days=1) - timedelta(days=3)
    )
    now = booking.starts_at - timedelta(hours=hours_before)
    booking.created_at = now - timedelta(minutes=made_minutes_ago)
    db.session.commit()
    frozen.move_to(now)
    assert bookings.cancellation_terms(booking).fee == fee
    bookings.cancel(booking, customer, "Plans changed")
    db.session.expire_all()
    assert (booking.status, booking.total, claims(booking)) == (Status.CANCELLED, fee, 0)
    assert sum(line.amount for line in booking.lines) == fee
    assert (LineKind.LATE_FEE in [line.kind for line in booking.lines]) == bool(fee)


def test_the_other_side_is_told_of_a_cancellation(book, customer, professional):
    bookings.cancel(book(), customer)
    assert told() == [(professional.id, "cancelled")]


def test_a_customer_never_pays_when_the_professional_cancels(book, customer, professional):
    booking = book(Status.EN_ROUTE)
    bookings.cancel(booking, professional, "The van broke down")
    assert (booking.status, booking.total) == (Status.CANCELLED, 0)
    assert told() == [(customer.id, "cancelled")]


def test_an_admin_cancels_with_a_reason(book, admin, customer, professional):
    booking = book(Status.IN_PROGRESS)
    with pytest.raises(Invalid):
        bookings.cancel(booking, admin)
    bookings.cancel(booking, admin, "Fire in the building")
    assert booking.total == 0
    assert told() == [(customer.id, "cancelled_by_admin"), (professional.id, "cancelled_by_admin")]
    assert db.session.scalar(select(AuditEntry.detail))["reason"] == "Fire in the building"


def test_a_novel_is_not_a_reason(book, professional):
    with pytest.raises(Invalid):
        bookings.reject(book(), professional, "x" * 501)


# -- Reassigning --------------------------------------------------------------------------------


def test_an_admin_gives_the_job_to_somebody_else(book, admin, customer, professional, other_professional):
    booking = book(Status.ACCEPTED)
    salt = booking.code_salt
    assert [match.professional_id for match in bookings.replacements(booking)] == [other_professional.id]
    bookings.reassign(booking, admin, other_professional.id, "The van broke down")
    assert (booking.professional_id, booking.status) == (other_professional.id, Status.ACCEPTED)
    assert booking.code_salt != salt
    holders = set(db.session.scalars(select(SlotClaim.professional_id)))
    assert holders == {other_professional.id}
    assert told() == [
        (customer.id, "reassigned"),
        (other_professional.id, "given"),
        (professional.id, "taken_away"),
    ]
    assert db.session.scalar(select(AuditEntry.action)) == "reassign"


def test_a_job_is_not_given_to_who_is_busy(book, admin, other_customer, other_professional):
    booking = book(Status.ACCEPTED)
    factories.booking(other_customer, other_professional, starts_at=booking.starts_at)
    with pytest.raises(Invalid) as refusal:
        bookings.reassign(booking, admin, other_professional.id, "The van broke down")
    assert refusal.value.field == "professional_id"


# -- The clock ----------------------------------------------------------------------------------


def test_overdue_requests_expire_once(book, customer, professional, frozen):
    booking = book(respond_by=clock.now() + timedelta(hours=1))
    assert bookings.expire_due() == 0
    frozen.shift(timedelta(hours=1))
    assert bookings.expire_due() == 1
    assert bookings.expire_due() == 0
    assert (booking.status, claims(booking)) == (Status.EXPIRED, 0)
    assert told() == [(customer.id, "expired"), (professional.id, "expired")]


def test_an_overdue_offer_expires_for_all_who_were_asked(offered, customer, professional, other_professional, frozen):
    frozen.move_to(offered.respond_by)
    assert bookings.expire_due() == 1
    assert told() == [(customer.id, "expired"), (professional.id, "expired"), (other_professional.id, "expired")]


def test_a_completed_booking_closes_itself_after_a_day(book, frozen):
    booking = book(Status.COMPLETED)
    assert bookings.close_due() == 0
    frozen.shift(timedelta(hours=24))
    assert bookings.close_due() == 1
    assert bookings.close_due() == 0
    assert (booking.status, booking.closed_at) == (Status.CLOSED, clock.now())


def test_codes_of_two_bookings_come_from_their_own_salt(book, customer, other_customer, professional):
    codes = set()
    for days in range(1, 5):
        codes.add(start_codes.code_of(book(Status.ACCEPTED, starts_at=factories.at(11, days=days))))
    assert len(codes) > 1
