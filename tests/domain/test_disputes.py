"""When finished work was not right: who says what until when, how it is decided, and that the money adds up."""

import io
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import select

from domain import bookings, disputes, earnings, files, refunds, reviews, users
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from extensions import db, settings
from models import (
    AuditEntry,
    BookingEvent,
    FileKind,
    LineKind,
    Notification,
    OutboxMessage,
    PaymentMethod,
    SlotClaim,
    Status,
    StoredFile,
)
from models_lifecycle import BookingService, Dispute, DisputePhoto, Outcome, Refund
from tests import factories

HOUR = timedelta(hours=1)
WORDS = "The tap still drips, and the tile is broken."


@pytest.fixture
def done(customer, professional):
    """Completed this morning, and paid."""
    booking = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))
    bookings.record_payment(booking, professional, PaymentMethod.UPI)
    db.session.commit()
    return booking


@pytest.fixture
def disputed(done, customer):
    disputes.begin(done, customer, WORDS)
    db.session.commit()
    return done


@pytest.fixture
def answered(disputed, professional):
    disputes.answer(disputed, professional, "It was dry when I left, I tried it.")
    db.session.commit()
    return disputed


def photo(colour="teal"):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "PNG")
    return files.check(FileKind.EVIDENCE, io.BytesIO(out.getvalue()))


def kinds_for(person, table=Notification):
    return list(db.session.scalars(select(table.kind).where(table.user_id == person.id).order_by(table.id)))


def assert_money_adds_up(booking):
    db.session.refresh(booking)
    paid = sum(payment.amount for payment in booking.payments)
    back = sum(db.session.scalars(select(Refund.amount).where(Refund.booking_id == booking.id)))
    assert booking.total == sum(line.amount for line in booking.lines)
    assert booking.refunded == -sum(line.amount for line in booking.lines if line.kind is LineKind.REFUND)
    assert booking.paid == paid - back
    assert 0 <= booking.paid <= booking.total


# -- The customer -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.CLOSED])
def test_a_customer_disputes_finished_work(customer, professional, status):
    booking = factories.booking(customer, professional, status=status)
    dispute = disputes.begin(booking, customer, f"  {WORDS}\n", [photo("red"), photo("blue")])
    db.session.commit()
    assert booking.status is Status.DISPUTED
    assert (dispute.words, booking.dispute) == (WORDS, dispute)
    assert [one.position for one in dispute.photos] == [1, 2]
    assert {one.file.kind for one in dispute.photos} == {FileKind.EVIDENCE}
    assert kinds_for(professional) == kinds_for(professional, OutboxMessage) == ["disputed"]
    event = booking.events[-1]
    assert (event.verb, event.from_status, event.to_status) == ("dispute", status, "disputed")


def test_a_dispute_begins_within_seven_days(done, customer, frozen):
    frozen.move_to(done.completed_at + timedelta(days=7))
    assert "dispute" in bookings.available_actions(done, customer)
    frozen.shift(timedelta(seconds=1))
    assert "dispute" not in bookings.available_actions(done, customer)
    with pytest.raises(InvalidTransition, match="too late"):
        disputes.begin(done, customer, WORDS)


@pytest.mark.parametrize("words", ["", "too short", "x" * 2001, "  \n  short  \n "])
def test_words_have_a_length(done, customer, words):
    with pytest.raises(Invalid, match="10 to 2000") as refused:
        disputes.begin(done, customer, words)
    assert refused.value.field == "words"


def test_six_photos_are_too_many(done, customer):
    with pytest.raises(Invalid, match="at most 5") as refused:
        disputes.begin(done, customer, WORDS, [photo()] * 6)
    assert refused.value.field == "evidence"
    assert db.session.query(StoredFile).count() == 0


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.COMPLETED, Status.CLOSED}))
def test_only_finished_work_is_disputed(customer, professional, status):
    booking = factories.booking(customer, professional, status=status)
    with pytest.raises(InvalidTransition):
        disputes.begin(booking, customer, WORDS)


def test_nobody_else_disputes(done, other_customer, professional, admin):
    for stranger in (other_customer, professional, admin):
        with pytest.raises(NotAllowed):
            disputes.begin(done, stranger, WORDS)


def test_a_booking_is_disputed_once(answered, customer, admin):
    disputes.dismiss(answered, admin, "The photos show another tap.")
    assert "dispute" not in bookings.available_actions(answered, customer)
    with pytest.raises(InvalidTransition, match="decided"):
        disputes.begin(answered, customer, WORDS)


def test_the_clock_does_not_close_what_is_disputed(disputed, frozen):
    frozen.shift(timedelta(days=30))
    assert bookings.close_due() == 0
    assert disputed.status is Status.DISPUTED


def test_what_is_disputed_is_neither_closed_nor_reviewed_nor_paid(disputed, customer, professional):
    assert bookings.available_actions(disputed, customer) == []
    with pytest.raises(InvalidTransition):
        bookings.close(disputed, customer)
    with pytest.raises(InvalidTransition):
        reviews.write(disputed, customer, 1, "Bad")
    with pytest.raises(InvalidTransition):
        bookings.record_payment(disputed, professional, PaymentMethod.CASH)


# -- The photos -------------------------------------------------------------------------------


def test_photos_are_for_the_two_sides_and_admins(
    done, customer, professional, admin, other_customer, other_professional, blocked_customer
):
    disputes.begin(done, customer, WORDS, [photo()])
    db.session.commit()
    file_id = done.dispute.photos[0].file_id
    for reader in (customer, professional, admin):
        files.open_file(file_id, reader)[1].close()
    for stranger in (other_customer, other_professional, blocked_customer):
        with pytest.raises(NotFound):
            files.open_file(file_id, stranger)
    with pytest.raises(NotFound):
        files.public_photo(file_id)


def test_another_document_of_the_customer_is_not_shown_to_the_professional(done, customer, professional):
    disputes.begin(done, customer, WORDS, [photo()])
    private = files.store(files.Checked(FileKind.EVIDENCE, "image/jpeg", b"of no dispute"), customer)
    other = files.store(files.Checked(FileKind.IDENTITY, "image/jpeg", b"x"), customer)
    db.session.commit()
    for file in (private, other):
        with pytest.raises(NotFound):
            files.open_file(file.id, professional)


# -- The professional -------------------------------------------------------------------------


def test_a_professional_answers_once(disputed, professional, customer):
    disputes.answer(disputed, professional, " It was dry when I left. ")
    assert disputed.dispute.answer == "It was dry when I left."
    assert kinds_for(customer)[-1] == "dispute_answered"
    with pytest.raises(InvalidTransition, match="answered already"):
        disputes.answer(disputed, professional, "And another thing, too.")


def test_there_are_two_days_to_answer(disputed, professional, frozen):
    frozen.move_to(disputed.dispute.opened_at + 48 * HOUR)
    assert bookings.available_actions(disputed, professional) == ["answer_dispute"]
    frozen.shift(timedelta(seconds=1))
    assert bookings.available_actions(disputed, professional) == []
    with pytest.raises(InvalidTransition, match="is over"):
        disputes.answer(disputed, professional, "I was ill, sorry for that.")


@pytest.mark.parametrize("words", ["", "No.", "x" * 2001])
def test_an_answer_has_a_length(disputed, professional, words):
    with pytest.raises(Invalid, match="10 to 2000") as refused:
        disputes.answer(disputed, professional, words)
    assert refused.value.field == "answer"


def test_nobody_else_answers(disputed, other_professional, customer, admin):
    for stranger in (other_professional, customer, admin):
        with pytest.raises(NotAllowed):
            disputes.answer(disputed, stranger, "Something of ten letters")


# -- The decision -----------------------------------------------------------------------------


def decide(outcome, booking, by, reason="Both were heard."):
    if outcome is Outcome.DISMISSED:
        return disputes.dismiss(booking, by, reason)
    if outcome is Outcome.REFUND:
        return disputes.refund(booking, by, reason, 100)
    return disputes.rework(booking, by, reason, factories.at(11, days=1))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_decision_closes_is_told_and_is_kept(answered, admin, customer, professional, outcome):
    decide(outcome, answered, admin)
    db.session.commit()
    dispute = answered.dispute
    assert answered.status is Status.CLOSED
    assert answered.closed_at == dispute.resolved_at
    assert (dispute.outcome, dispute.reason, dispute.resolved_by_id) == (outcome, "Both were heard.", admin.id)
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.subject_id, entry.detail["reason"]) == ("resolve", answered.id, "Both were heard.")
    for person in (customer, professional):
        assert kinds_for(person)[-1] == kinds_for(person, OutboxMessage)[-1]
        assert kinds_for(person)[-1].startswith("dispute_")
    assert_money_adds_up(answered)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_decision_waits_for_the_answer_or_its_deadline(disputed, admin, frozen, outcome):
    assert bookings.available_actions(disputed, admin) == []
    with pytest.raises(InvalidTransition, match="wait until"):
        decide(outcome, disputed, admin)
    frozen.move_to(disputed.dispute.opened_at + 48 * HOUR + timedelta(seconds=1))
    assert bookings.available_actions(disputed, admin) == ["resolve"]
    decide(outcome, disputed, admin)
    assert disputed.status is Status.CLOSED


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501])
def test_a_decision_has_a_reason(answered, admin, outcome, reason):
    with pytest.raises(Invalid, match="reason") as refused:
        decide(outcome, answered, admin, reason)
    assert refused.value.field == "reason"


@pytest.mark.parametrize("outcome", list(Outcome))
def test_nobody_but_an_admin_decides(answered, customer, professional, outcome):
    for stranger in (customer, professional):
        with pytest.raises(NotAllowed):
            decide(outcome, answered, stranger)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_decision_is_made_once(answered, admin, outcome):
    disputes.dismiss(answered, admin, "It is fine.")
    with pytest.raises(InvalidTransition, match="Closed"):
        decide(outcome, answered, admin)
    assert_money_adds_up(answered)


def test_what_was_closed_before_keeps_its_day(customer, professional, admin, frozen):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    closed_at = booking.closed_at
    frozen.shift(HOUR)
    disputes.begin(booking, customer, WORDS)
    disputes.answer(booking, professional, "It was dry when I left.")
    disputes.dismiss(booking, admin, "It is fine.")
    assert booking.closed_at == closed_at


def test_a_review_is_possible_once_it_is_decided(answered, customer, admin):
    disputes.dismiss(answered, admin, "It is fine.")
    assert reviews.write(answered, customer, 2, "Drips.").rating == 2


# -- Refunds ----------------------------------------------------------------------------------


def test_a_part_goes_back_of_what_was_paid(answered, admin, professional):
    total, subtotal = answered.total, answered.subtotal
    disputes.refund(answered, admin, "A third of it is missing.", 10_000)
    db.session.commit()
    refund = db.session.scalars(select(Refund)).one()
    assert (refund.amount, refund.reason, refund.recorded_by_id) == (10_000, "A third of it is missing.", admin.id)
    assert (answered.total, answered.paid, answered.due) == (total - 10_000, total - 10_000, 0)
    assert (answered.lines[-1].kind, answered.lines[-1].amount) == (LineKind.REFUND, -10_000)
    assert answered.dispute.refund == 10_000
    assert answered.earned == subtotal - 10_000
    today = answered.starts_at.date()
    earned = earnings.total(professional.id, today, today)
    assert (earned.jobs, earned.earned, earned.due) == (1, subtotal - 10_000, 0)
    assert earnings.summary(professional.id).today == subtotal - 10_000
    assert_money_adds_up(answered)


def test_all_of_it_goes_back(answered, admin, professional):
    total = answered.total
    disputes.refund(answered, admin, "Nothing was done.", total)
    assert (answered.total, answered.paid, answered.due, answered.earned) == (0, 0, 0, 0)
    assert earnings.summary(professional.id).month == 0
    assert_money_adds_up(answered)


@pytest.mark.parametrize("amount", [0, -1, 10**15])
def test_no_more_goes_back_than_was_charged(answered, admin, amount):
    with pytest.raises(Invalid, match="up to") as refused:
        disputes.refund(answered, admin, "Generous.", amount)
    assert refused.value.field == "amount"
    assert answered.status is Status.DISPUTED


def test_what_was_not_paid_is_not_given_back_but_no_longer_due(customer, professional, admin):
    booking = factories.booking(customer, professional, status=Status.COMPLETED)
    total = booking.total
    disputes.begin(booking, customer, WORDS)
    disputes.answer(booking, professional, "It was dry when I left.")
    disputes.refund(booking, admin, "Half of it.", total // 2)
    assert db.session.scalars(select(Refund)).all() == []
    assert (booking.paid, booking.due) == (0, total - total // 2)
    bookings.record_payment(booking, professional, PaymentMethod.CASH)
    assert booking.due == 0
    assert_money_adds_up(booking)


def test_of_a_part_that_was_paid_only_the_rest_beyond_the_new_price_goes_back(customer, professional, admin):
    booking = factories.booking(customer, professional, status=Status.COMPLETED)
    total = booking.total
    bookings.record_payment(booking, professional, PaymentMethod.CASH, total - 1_000)
    disputes.begin(booking, customer, WORDS)
    disputes.answer(booking, professional, "It was dry when I left.")
    disputes.refund(booking, admin, "A part.", 5_000)
    assert db.session.scalars(select(Refund.amount)).all() == [4_000]
    assert (booking.total, booking.paid, booking.due) == (total - 5_000, total - 5_000, 0)
    assert_money_adds_up(booking)


def test_a_refund_of_what_changed_meanwhile_is_refused(answered, admin):
    db.session.execute(db.text("UPDATE bookings SET total = total - 1, paid = paid - 1"))
    with pytest.raises(Conflict):
        refunds.lower(answered, admin, 100, "Late")


# -- Work that is done again ------------------------------------------------------------------


def test_the_work_is_done_again_for_nothing(answered, admin, customer, professional):
    db.session.add(
        BookingService(
            booking_id=answered.id, service_id=answered.service_id, position=1, price=100, duration_minutes=60
        )
    )
    starts_at = factories.at(11, days=1)
    again = disputes.rework(answered, admin, "Do the joint again.", starts_at)
    db.session.commit()
    assert (again.status, again.rework_of_id) == (Status.ACCEPTED, answered.id)
    assert (again.professional_id, again.customer_id) == (professional.id, customer.id)
    assert (again.subtotal, again.total, again.paid, again.due) == (0, 0, 0, 0)
    assert (again.starts_at, again.ends_at - again.starts_at) == (starts_at, answered.ends_at - answered.starts_at)
    assert [(line.kind, line.label, line.amount) for line in again.lines] == [
        (LineKind.SERVICE, answered.service.name, 0)
    ]
    assert [one.price for one in db.session.scalars(select(BookingService).filter_by(booking_id=again.id))] == [0]
    assert disputes.rework_of(answered) == again.id
    claimed = set(db.session.scalars(select(SlotClaim.booking_id)))
    assert claimed == {again.id}
    event = db.session.scalars(select(BookingEvent).where(BookingEvent.booking_id == again.id)).one()
    assert (event.verb, event.from_status, event.to_status) == ("rework", None, "accepted")
    assert_money_adds_up(again)
    assert_money_adds_up(answered)


@pytest.mark.parametrize(
    ("hour", "minute", "days", "words"),
    [(9, 30, 0, "too soon"), (22, 0, 1, "does not work"), (11, 10, 1, "does not work"), (11, 0, 45, "too far")],
)
def test_it_is_done_again_at_a_time_that_can_be_booked(answered, admin, hour, minute, days, words):
    with pytest.raises(Invalid, match=words) as refused:
        disputes.rework(answered, admin, "Again.", factories.at(hour, minute, days=days))
    assert refused.value.field == "starts_at"
    assert answered.status is Status.DISPUTED


def test_it_is_done_again_when_both_are_free(
    answered, admin, customer, professional, other_customer, other_professional
):
    busy = factories.at(11, days=1)
    factories.booking(other_customer, professional, status=Status.ACCEPTED, starts_at=busy)
    with pytest.raises(Conflict):
        disputes.rework(answered, admin, "Again.", busy)
    db.session.rollback()
    factories.booking(customer, other_professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))
    with pytest.raises(Invalid, match="another booking") as refused:
        disputes.rework(answered, admin, "Again.", factories.at(15, days=1))
    assert refused.value.field == "starts_at"


def test_who_cannot_work_here_any_more_does_nothing_again(answered, admin, professional):
    professional.active = False
    db.session.commit()
    with pytest.raises(Invalid, match="cannot work"):
        disputes.rework(answered, admin, "Again.", factories.at(11, days=1))


def test_cancelling_what_is_done_again_is_free_however_late(answered, admin, customer, frozen):
    again = disputes.rework(answered, admin, "Again.", factories.at(11, days=1))
    frozen.move_to(again.starts_at - timedelta(minutes=10))
    bookings.cancel(again, customer)
    assert (again.total, again.status) == (0, Status.CANCELLED)


def test_if_that_is_not_right_either_the_first_is_refunded(answered, admin, customer, professional, frozen):
    total = answered.total
    again = disputes.rework(answered, admin, "Again.", factories.at(11, days=1))
    frozen.move_to(again.starts_at)
    bookings.start(again, professional, bookings.start_code(again, customer))
    bookings.complete(again, professional)
    assert "record_payment" not in bookings.available_actions(again, professional)
    disputes.begin(again, customer, WORDS)
    disputes.answer(again, professional, "I give up, it is the pipe.")
    disputes.refund(again, admin, "Twice is enough.", total)
    assert (answered.total, answered.paid, again.total) == (0, 0, 0)
    assert answered.events[-1].verb == "refund"
    assert_money_adds_up(answered)
    assert_money_adds_up(again)


# -- Lists and erasing ------------------------------------------------------------------------


def test_the_oldest_waits_on_top_and_the_last_decision_too(customer, professional, admin):
    made = [factories.booking(customer, professional, status=Status.DISPUTED) for _ in range(3)]
    assert [one.booking_id for one in disputes.page()] == [one.id for one in made]
    for booking in made[:2]:
        disputes.answer(booking, professional, "It was dry when I left.")
        disputes.dismiss(booking, admin, "It is fine.")
    assert [one.booking_id for one in disputes.page()] == [made[2].id]
    assert [one.booking_id for one in disputes.page(resolved=True)] == [made[1].id, made[0].id]
    assert db.session.scalar(select(disputes.waiting_number())) == 1


def test_there_is_no_dispute_about_most_bookings(done):
    with pytest.raises(NotFound):
        disputes.of(done)
    assert disputes.rework_of(done) is None


def test_who_is_erased_takes_their_words_and_photos_along(done, customer, professional, admin, settings):
    disputes.begin(done, customer, WORDS, [photo()])
    disputes.answer(done, professional, "It was dry when I left.")
    disputes.dismiss(done, admin, "It is fine.")
    db.session.commit()
    users.anonymise(customer, admin, "Asked for it.")
    db.session.commit()
    db.session.expire_all()
    dispute = db.session.scalars(select(Dispute)).one()
    assert (dispute.words, dispute.answer) == ("", "It was dry when I left.")
    assert db.session.query(DisputePhoto).count() == db.session.query(StoredFile).count() == 0
    assert [path for path in settings.upload_dir.rglob("*") if path.is_file()] == []
    users.anonymise(professional, admin, "Asked for it.")
    db.session.commit()
    db.session.refresh(dispute)
    assert (dispute.answer, dispute.reason) == ("", "It is fine.")


def test_nobody_is_erased_in_the_middle_of_a_dispute(disputed, customer, admin):
    with pytest.raises(Invalid, match="under way"):
        users.anonymise(customer, admin, "Asked for it.")


def test_the_policy_is_what_people_were_promised(app):
    policy = settings.policy
    assert (policy.dispute_days, policy.answer_dispute_hours, policy.no_show_minutes) == (7, 48, 30)
