"""Another time by agreement: what each answer writes, whom it tells, and every refusal."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from domain import amendments, availability, bookings, clock, notifications, proposals, requests, transitions
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed
from extensions import db
from models import Approval, BookingOffer, Notification, OutboxMessage, SlotClaim, Status, TimeOff
from models_lifecycle import Proposal, ProposalStatus
from tests import factories

NOTE = "My train is late on Tuesday."


def spoken(moment):
    return f"{clock.local(moment):%a %H:%M}"


def told():
    """Who was told what, in order."""
    return [(note.user_id, note.kind) for note in db.session.scalars(select(Notification).order_by(Notification.id))]


def words(kind):
    note = db.session.scalars(select(Notification).where(Notification.kind == kind)).one()
    return notifications.message(note, spoken)


def buckets(booking):
    return set(db.session.scalars(select(SlotClaim.bucket).filter_by(booking_id=booking.id)))


def expected_buckets(starts_at):
    return set(availability.claimed_buckets(starts_at, factories.service().duration_minutes))


def verbs(booking):
    db.session.expire(booking, ["events"])
    return [event.verb for event in booking.events]


@pytest.fixture
def booking(customer, professional):
    """An accepted booking of tomorrow, Tuesday, at 11:00."""
    return factories.booking(customer, professional, status=Status.ACCEPTED)


@pytest.fixture
def request_(customer, professional):
    """A request of tomorrow at 11:00 that is to be answered within two hours."""
    soon = clock.now() + timedelta(hours=2)
    return factories.booking(customer, professional, respond_by=soon)


@pytest.fixture
def afternoon():
    return factories.at(15, days=1)


@pytest.fixture
def evening():
    return factories.at(16, days=1)


@pytest.fixture
def refused(booking, customer):
    """refused(words, ...) makes sure that a proposal is refused and leaves nothing."""

    def refused(words, starts_at, error=Invalid, by=None, field="starts_at", note=""):
        before = db.session.query(Proposal).count()
        with pytest.raises(error, match=words) as refusal:
            proposals.propose(booking, by or customer, starts_at, note)
        db.session.rollback()
        assert getattr(refusal.value, "field", None) == (field if error is Invalid else None)
        assert db.session.query(Proposal).count() == before
        assert "propose" not in verbs(booking)

    return refused


# -- Proposing --------------------------------------------------------------------------------


def test_a_proposal_keeps_the_old_slot_and_tells_the_other(booking, customer, professional, afternoon):
    before = buckets(booking)
    proposal = proposals.propose(booking, customer, afternoon, f"  {NOTE} ")
    assert (proposal.by_id, proposal.starts_at, proposal.note) == (customer.id, afternoon, NOTE)
    assert proposal.status is ProposalStatus.OPEN
    assert transitions.open_proposal(booking) is proposal
    assert booking.starts_at == factories.at(11, days=1)
    assert booking.status is Status.ACCEPTED
    assert booking.moves == 0
    assert buckets(booking) == before
    assert told() == [(professional.id, "proposed")]
    assert words("proposed") == (
        f"Asha Rao would like {booking.service.name} on Tue 15:00 instead of Tue 11:00."
        f" Answer by Mon 21:00. “{NOTE}”"
    )
    assert verbs(booking)[-1] == "propose"
    assert booking.events[-1].reason == NOTE


def test_a_proposal_without_a_note_says_nothing_of_one(booking, professional, afternoon):
    proposals.propose(booking, professional, afternoon)
    assert words("proposed").endswith("Answer by Mon 21:00.")


def test_a_proposal_is_mailed_too(booking, customer, professional, afternoon):
    proposals.propose(booking, customer, afternoon)
    message = db.session.scalars(select(OutboxMessage)).one()
    assert (message.user_id, message.kind) == (professional.id, "proposed")


@pytest.mark.parametrize(
    ("start", "new", "lapses"),
    [
        ((11, 1), (15, 1), (21, 0)),  # 12 hours from nine in the morning
        ((15, 0), (16, 0), (14, 0)),  # an hour before the start
        ((16, 0), (14, 0), (13, 0)),  # an hour before the new start
    ],
)
def test_a_proposal_lapses_in_time(customer, professional, start, new, lapses):
    (hour, days), (new_hour, new_days), (last, last_day) = start, new, lapses
    booking = factories.booking(
        customer, professional, status=Status.ACCEPTED, starts_at=factories.at(hour, days=days)
    )
    proposal = proposals.propose(booking, customer, factories.at(new_hour, days=new_days))
    assert proposal.lapses_at == factories.at(last, days=last_day)


def test_a_request_waits_for_the_answer_to_a_proposal(request_, professional, afternoon):
    proposal = proposals.propose(request_, professional, afternoon)
    assert request_.status is Status.PENDING
    assert request_.respond_by == proposal.lapses_at == factories.at(21)


def test_a_proposal_takes_nothing_from_a_later_deadline(customer, professional, afternoon):
    late = factories.booking(customer, professional)
    before = late.respond_by
    proposals.propose(late, professional, afternoon)
    assert late.respond_by == before


def test_a_proposal_may_overlap_the_old_time(booking, customer):
    half_an_hour_later = factories.at(11, 30, days=1)
    assert proposals.propose(booking, customer, half_an_hour_later).status is ProposalStatus.OPEN


def test_a_counter_proposal_answers_the_first(booking, customer, professional, afternoon, evening):
    first = proposals.propose(booking, customer, afternoon)
    second = proposals.propose(booking, professional, evening, "After four is better.")
    assert first.status is ProposalStatus.COUNTERED
    assert first.answered_at == clock.now()
    assert transitions.open_proposal(booking) is second
    assert told() == [(professional.id, "proposed"), (customer.id, "proposed")]


def test_a_paused_professional_can_still_move_a_job(booking, customer, professional, afternoon):
    professional.professional.paused = True
    proposals.agree(booking, customer, proposals.propose(booking, professional, afternoon).id)
    assert booking.starts_at == afternoon


def test_a_service_off_the_list_can_still_be_moved(booking, customer, afternoon):
    booking.service.retired_at = clock.now()
    assert proposals.propose(booking, customer, afternoon).status is ProposalStatus.OPEN


def test_the_present_time_is_refused(refused, booking):
    refused("the time it has now", booking.starts_at)


def test_a_time_within_the_lead_time_is_refused(refused):
    refused("too soon", factories.at(9, 30))


def test_a_time_that_leaves_no_time_to_answer_is_refused(refused):
    refused("too soon for an answer", factories.at(10))


def test_a_past_time_is_refused(refused):
    refused("has passed", factories.at(8))


def test_a_time_beyond_the_horizon_is_refused(refused):
    refused("too far ahead", factories.at(11, days=31))


@pytest.mark.parametrize(("hour", "minute", "days"), [(20, 0, 1), (15, 10, 1), (11, 0, 6)])
def test_a_time_outside_the_hours_or_off_the_grid_is_refused(refused, hour, minute, days):
    refused("does not work", factories.at(hour, minute, days=days))


def test_a_time_off_is_refused(refused, professional, afternoon):
    off = TimeOff(professional_id=professional.id, starts_at=afternoon, ends_at=afternoon + timedelta(hours=1))
    db.session.add(off)
    db.session.commit()
    refused("is away", afternoon)


def test_a_taken_time_is_refused(refused, other_customer, professional, afternoon):
    factories.booking(other_customer, professional, starts_at=afternoon)
    refused("is taken", afternoon)


def test_a_time_at_which_the_customer_is_busy_is_refused_to_each_in_their_words(
    refused, customer, professional, other_professional, afternoon
):
    factories.booking(customer, other_professional, starts_at=afternoon)
    refused("You have another booking", afternoon)
    refused("The customer has another booking", afternoon, by=professional)


def test_nothing_moves_with_a_professional_who_was_blocked(refused, professional, afternoon):
    professional.active = False
    db.session.commit()
    refused("cannot work for this site", afternoon, field=None)


def test_nothing_moves_with_a_professional_who_is_not_approved(refused, professional, afternoon):
    professional.professional.approval = Approval.REJECTED
    db.session.commit()
    refused("cannot work for this site", afternoon, field=None)


def test_a_long_note_is_refused(refused, afternoon):
    refused("under 500", afternoon, field="note", note="x" * 501)


def test_strangers_propose_nothing(refused, other_customer, other_professional, admin, afternoon):
    for person in (other_customer, other_professional, admin):
        refused("can't do that", afternoon, error=NotAllowed, by=person)


@pytest.mark.parametrize("status", sorted(set(Status) - transitions.CHANGEABLE))
def test_only_what_has_not_begun_moves(customer, professional, afternoon, status):
    gone = factories.booking(customer, professional, status=status)
    for person in (customer, professional):
        with pytest.raises(InvalidTransition, match="no longer possible"):
            proposals.propose(gone, person, afternoon)


def test_a_request_on_offer_to_several_has_nobody_to_agree(customer, professional, afternoon):
    offered = factories.booking(customer, None)
    db.session.add(
        BookingOffer(booking_id=offered.id, professional_id=professional.id, position=1, created_at=clock.now())
    )
    db.session.commit()
    with pytest.raises(InvalidTransition, match="change the time instead"):
        proposals.propose(offered, customer, afternoon)
    with pytest.raises(NotAllowed):
        proposals.propose(offered, professional, afternoon)


def test_an_expired_request_does_not_move(request_, professional, afternoon, frozen):
    frozen.shift(timedelta(hours=2))
    with pytest.raises(InvalidTransition, match="Expired"):
        proposals.propose(request_, professional, afternoon)


def test_an_hour_before_the_start_it_is_too_late(refused, booking, frozen, evening):
    frozen.move_to(booking.starts_at - timedelta(minutes=60))
    refused("too late to propose", evening, error=InvalidTransition)


def test_one_has_one_proposal_at_a_time(booking, customer, afternoon, evening):
    proposals.propose(booking, customer, afternoon)
    with pytest.raises(InvalidTransition, match="have proposed a time already"):
        proposals.propose(booking, customer, evening)


def test_the_table_itself_keeps_one_open_proposal(booking, customer, professional, afternoon):
    proposals.propose(booking, customer, afternoon)
    db.session.add(
        Proposal(
            booking_id=booking.id,
            by_id=professional.id,
            starts_at=afternoon,
            created_at=clock.now(),
            lapses_at=afternoon,
        )
    )
    with pytest.raises(IntegrityError):
        db.session.flush()


def test_a_proposal_that_another_beat_is_a_conflict(booking, customer, professional, afternoon, evening):
    """As a race leaves it: the other side's proposal came after this side had looked."""
    assert booking.proposals == []
    db.session.execute(
        text(
            "INSERT INTO proposals (booking_id, by_id, starts_at, note, status, created_at, lapses_at)"
            " VALUES (:booking, :person, '2026-11-24 09:30', '', 'open', '2026-11-23 03:30', '2026-11-23 15:30')"
        ),
        {"booking": booking.id, "person": professional.id},
    )
    with pytest.raises(Conflict, match="has just been proposed"):
        proposals.propose(booking, customer, evening)


# -- Agreeing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("asks", ["customer", "professional"])
def test_agreeing_moves_the_booking_and_its_claims(booking, customer, professional, afternoon, asks):
    by, other = (customer, professional) if asks == "customer" else (professional, customer)
    proposal = proposals.propose(booking, by, afternoon)
    proposals.agree(booking, other, proposal.id)
    assert booking.starts_at == afternoon
    assert booking.ends_at == afternoon + timedelta(minutes=booking.service.duration_minutes)
    assert booking.status is Status.ACCEPTED
    assert booking.moves == 1
    assert proposal.status is ProposalStatus.AGREED
    assert buckets(booking) == expected_buckets(afternoon)
    assert told()[-1] == (by.id, "time_agreed")
    assert words("time_agreed").endswith(f"{booking.service.name} is on Tue 15:00.")
    assert verbs(booking)[-2:] == ["propose", "agree"]


def test_the_old_slot_is_free_at_once(booking, customer, other_customer, professional, afternoon):
    old = booking.starts_at
    proposals.agree(booking, professional, proposals.propose(booking, customer, afternoon).id)
    address = other_customer.addresses[0].id
    assert requests.request(other_customer, booking.service_id, professional.id, old, address)


def test_agreeing_to_an_overlapping_time_works(booking, customer, professional):
    later = factories.at(11, 30, days=1)
    proposals.agree(booking, professional, proposals.propose(booking, customer, later).id)
    assert buckets(booking) == expected_buckets(later)


@pytest.mark.parametrize("asks", ["customer", "professional"])
def test_who_agrees_on_a_request_agrees_to_the_booking(request_, customer, professional, afternoon, asks):
    by, other = (customer, professional) if asks == "customer" else (professional, customer)
    proposals.agree(request_, other, proposals.propose(request_, by, afternoon).id)
    db.session.refresh(professional.professional)
    assert request_.status is Status.ACCEPTED
    assert request_.accepted_at == clock.now()
    assert request_.starts_at == afternoon
    assert professional.professional.offers_answered == professional.professional.offers_accepted == 1
    assert (request_.events[-1].from_status, request_.events[-1].to_status) == ("pending", "accepted")


def test_an_agreed_time_is_accepted_once(booking, customer, professional, afternoon):
    accepted_at = booking.accepted_at
    proposals.agree(booking, professional, proposals.propose(booking, customer, afternoon).id)
    db.session.refresh(professional.professional)
    assert booking.accepted_at == accepted_at
    assert professional.professional.offers_answered == 0


def test_after_two_agreed_moves_the_time_stands(booking, customer, professional, afternoon, evening):
    for start in (afternoon, evening):
        proposals.agree(booking, professional, proposals.propose(booking, customer, start).id)
    assert proposals.moves_left(booking) == 0
    with pytest.raises(InvalidTransition, match="2 times already"):
        proposals.propose(booking, professional, afternoon)


def test_moving_a_request_alone_is_no_agreed_move(request_, customer, afternoon):
    amendments.shift(request_, customer, afternoon)
    assert proposals.moves_left(request_) == 2


def test_nobody_answers_their_own_proposal(booking, customer, afternoon):
    proposal = proposals.propose(booking, customer, afternoon)
    for answer in (proposals.agree, proposals.decline):
        with pytest.raises(InvalidTransition, match="no other time to answer"):
            answer(booking, customer, proposal.id)


def test_strangers_answer_nothing(booking, customer, other_customer, other_professional, admin, afternoon):
    proposal = proposals.propose(booking, customer, afternoon)
    for person in (other_customer, other_professional, admin):
        for answer in (proposals.agree, proposals.decline, proposals.withdraw):
            with pytest.raises(NotAllowed):
                answer(booking, person, proposal.id)


def test_there_must_be_something_to_answer(booking, professional):
    for answer in (proposals.agree, proposals.decline, proposals.withdraw):
        with pytest.raises(InvalidTransition, match="may have lapsed"):
            answer(booking, professional, 1)


def test_only_the_proposal_that_was_seen_is_answered(booking, customer, professional, afternoon, evening):
    first = proposals.propose(booking, customer, afternoon)
    proposals.withdraw(booking, customer, first.id)
    proposals.propose(booking, customer, evening)
    for answer in (proposals.agree, proposals.decline):
        with pytest.raises(InvalidTransition, match="changed in the meantime"):
            answer(booking, professional, first.id)
    with pytest.raises(InvalidTransition, match="changed in the meantime"):
        proposals.withdraw(booking, customer, first.id)


def test_a_time_that_was_taken_meanwhile_cannot_be_agreed(
    booking, customer, other_customer, professional, afternoon
):
    proposal = proposals.propose(booking, customer, afternoon)
    factories.booking(other_customer, professional, starts_at=afternoon)
    with pytest.raises(Conflict, match="Choose another one"):
        proposals.agree(booking, professional, proposal.id)
    db.session.rollback()
    assert booking.starts_at == factories.at(11, days=1)
    assert buckets(booking) == expected_buckets(booking.starts_at)
    assert proposal.status is ProposalStatus.OPEN


def test_a_time_off_taken_meanwhile_cannot_be_agreed(booking, customer, professional, afternoon):
    proposal = proposals.propose(booking, professional, afternoon)
    off = TimeOff(professional_id=professional.id, starts_at=afternoon, ends_at=afternoon + timedelta(hours=1))
    db.session.add(off)
    db.session.commit()
    with pytest.raises(Conflict, match="is away"):
        proposals.agree(booking, customer, proposal.id)


def test_a_time_at_which_the_customer_is_busy_meanwhile_cannot_be_agreed(
    booking, customer, professional, other_professional, afternoon
):
    proposal = proposals.propose(booking, professional, afternoon)
    factories.booking(customer, other_professional, starts_at=afternoon)
    with pytest.raises(Conflict, match="You have another booking"):
        proposals.agree(booking, customer, proposal.id)


# -- Declining and taking back ----------------------------------------------------------------


def test_declining_keeps_the_time(booking, customer, professional, afternoon):
    proposal = proposals.propose(booking, professional, afternoon)
    proposals.decline(booking, customer, proposal.id, "I am at work then.")
    assert proposal.status is ProposalStatus.DECLINED
    assert booking.starts_at == factories.at(11, days=1)
    assert booking.moves == 0
    assert told()[-1] == (professional.id, "time_declined")
    assert words("time_declined") == (
        f"Asha Rao declined Tue 15:00: {booking.service.name} stays on Tue 11:00. “I am at work then.”"
    )
    assert proposals.propose(booking, professional, factories.at(16, days=1)).status is ProposalStatus.OPEN


def test_a_long_note_with_a_refusal_is_refused(booking, customer, professional, afternoon):
    proposal = proposals.propose(booking, professional, afternoon)
    with pytest.raises(Invalid, match="under 500"):
        proposals.decline(booking, customer, proposal.id, "x" * 501)


def test_a_declined_request_is_the_professionals_turn_again(request_, customer, professional, afternoon, frozen):
    proposal = proposals.propose(request_, professional, afternoon)
    frozen.move_to(proposal.lapses_at - timedelta(minutes=1))
    proposals.decline(request_, customer, proposal.id)
    assert request_.status is Status.PENDING
    assert request_.respond_by == factories.at(10, days=1)
    bookings.accept(request_, professional)
    assert request_.starts_at == factories.at(11, days=1)


def test_taking_back_a_proposal(booking, customer, professional, afternoon):
    proposal = proposals.propose(booking, customer, afternoon)
    proposals.withdraw(booking, customer, proposal.id)
    assert proposal.status is ProposalStatus.WITHDRAWN
    assert told()[-1] == (professional.id, "time_withdrawn")
    assert "took back the proposal of Tue 15:00" in words("time_withdrawn")
    assert "stays on Tue 11:00" in words("time_withdrawn")


def test_nobody_takes_back_the_others_proposal(booking, customer, professional, afternoon):
    proposal = proposals.propose(booking, customer, afternoon)
    with pytest.raises(InvalidTransition, match="no proposal of yours"):
        proposals.withdraw(booking, professional, proposal.id)


@pytest.mark.parametrize("first", ["agree", "decline", "propose", "withdraw"])
def test_of_two_answers_the_second_is_too_late(booking, customer, professional, afternoon, evening, first):
    proposal = proposals.propose(booking, customer, afternoon)
    answers = {
        "agree": lambda: proposals.agree(booking, professional, proposal.id),
        "decline": lambda: proposals.decline(booking, professional, proposal.id),
        "propose": lambda: proposals.propose(booking, professional, evening),
        "withdraw": lambda: proposals.withdraw(booking, customer, proposal.id),
    }
    answers[first]()
    for second in answers.keys() - {"propose"}:
        with pytest.raises(InvalidTransition):
            answers[second]()


# -- The clock --------------------------------------------------------------------------------


def test_nobody_can_answer_a_lapsed_proposal_even_if_no_job_has_run(
    booking, customer, professional, afternoon, frozen
):
    proposal = proposals.propose(booking, customer, afternoon)
    frozen.move_to(proposal.lapses_at)
    assert transitions.open_proposal(booking) is None
    for answer in (proposals.agree, proposals.decline):
        with pytest.raises(InvalidTransition, match="may have lapsed"):
            answer(booking, professional, proposal.id)
    with pytest.raises(InvalidTransition, match="may have lapsed"):
        proposals.withdraw(booking, customer, proposal.id)
    actions = bookings.available_actions(booking, professional)
    assert "agree" not in actions
    assert "propose" in actions


def test_lapsing_tells_both_once(booking, customer, professional, afternoon, frozen):
    proposal = proposals.propose(booking, customer, afternoon)
    assert proposals.lapse_due() == 0
    frozen.move_to(proposal.lapses_at)
    assert proposals.lapse_due() == 1
    assert proposals.lapse_due() == 0
    assert proposal.status is ProposalStatus.LAPSED
    assert sorted(told()[1:]) == sorted([(customer.id, "time_lapsed"), (professional.id, "time_lapsed")])
    assert verbs(booking)[-1] == "lapse"
    assert booking.status is Status.ACCEPTED


def test_lapsing_takes_as_many_as_it_may(customer, professional, frozen):
    for hour in (10, 12, 14):
        one = factories.booking(
            customer, professional, status=Status.ACCEPTED, starts_at=factories.at(hour, days=2)
        )
        proposals.propose(one, customer, factories.at(16, days=2))
    frozen.shift(timedelta(hours=13))
    assert [proposals.lapse_due(limit=2), proposals.lapse_due(limit=2)] == [2, 1]


def test_an_overdue_proposal_is_no_obstacle_to_the_next(booking, customer, afternoon, evening, frozen):
    first = proposals.propose(booking, customer, afternoon)
    frozen.move_to(first.lapses_at)
    second = proposals.propose(booking, customer, evening)
    assert first.status is ProposalStatus.LAPSED
    assert transitions.open_proposal(booking) is second
    assert verbs(booking)[-3:] == ["propose", "lapse", "propose"]


def test_a_request_that_waited_for_the_customer_expires_without_harm_to_the_professional(
    request_, customer, professional, afternoon, frozen
):
    proposals.propose(request_, professional, afternoon)
    frozen.move_to(request_.respond_by)
    assert proposals.lapse_due() == 0
    assert bookings.expire_due() == 1
    db.session.refresh(professional.professional)
    assert request_.status is Status.EXPIRED
    assert request_.proposals[-1].status is not ProposalStatus.OPEN
    assert professional.professional.offers_answered == 0


def test_a_request_whose_customer_proposed_still_counts_when_it_expires(
    request_, customer, professional, afternoon, frozen
):
    proposals.propose(request_, customer, afternoon)
    frozen.move_to(request_.respond_by)
    assert bookings.expire_due() == 1
    db.session.refresh(professional.professional)
    assert professional.professional.offers_answered == 1


# -- What else happens to the booking ---------------------------------------------------------


def test_moving_a_request_alone_drops_what_was_proposed(request_, customer, professional, afternoon, evening):
    proposal = proposals.propose(request_, professional, afternoon)
    amendments.shift(request_, customer, evening)
    db.session.refresh(proposal)
    assert proposal.status is ProposalStatus.WITHDRAWN
    assert transitions.open_proposal(request_) is None
    with pytest.raises(InvalidTransition, match="no other time to answer"):
        proposals.agree(request_, customer, proposal.id)


@pytest.mark.parametrize("verb", ["cancel", "cancel_by_admin", "reassign", "depart"])
def test_what_ends_a_proposal(booking, customer, professional, other_professional, admin, afternoon, frozen, verb):
    proposal = proposals.propose(booking, customer, afternoon)
    if verb == "cancel":
        bookings.cancel(booking, professional)
    elif verb == "cancel_by_admin":
        bookings.cancel(booking, admin, "Asked to by phone")
    elif verb == "reassign":
        bookings.reassign(booking, admin, other_professional.id, "Ill")
    else:
        frozen.move_to(booking.starts_at - timedelta(hours=1))
        bookings.depart(booking, professional)
    db.session.refresh(proposal)
    assert proposal.status is ProposalStatus.WITHDRAWN
    assert transitions.open_proposal(booking) is None


def test_rejecting_a_request_ends_its_proposal(request_, customer, professional, afternoon):
    proposal = proposals.propose(request_, customer, afternoon)
    bookings.reject(request_, professional, "Fully booked")
    db.session.refresh(proposal)
    assert proposal.status is ProposalStatus.WITHDRAWN


def test_accepting_takes_back_ones_own_proposal(request_, professional, afternoon):
    proposal = proposals.propose(request_, professional, afternoon)
    bookings.accept(request_, professional, seen=request_.starts_at)
    db.session.refresh(proposal)
    assert proposal.status is ProposalStatus.WITHDRAWN
    assert request_.starts_at == factories.at(11, days=1)


def test_accepting_leaves_the_customers_wish_to_be_answered(request_, customer, professional, afternoon):
    proposal = proposals.propose(request_, customer, afternoon)
    bookings.accept(request_, professional)
    proposals.agree(request_, professional, proposal.id)
    assert request_.starts_at == afternoon
    db.session.refresh(professional.professional)
    assert professional.professional.offers_answered == 1


# -- What is there to see ---------------------------------------------------------------------


def test_the_open_proposals_of_several_bookings_come_in_one_query(
    booking, customer, professional, afternoon, frozen, count_queries
):
    other = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=3))
    plain = factories.booking(customer, professional, starts_at=factories.at(11, days=4))
    mine = proposals.propose(booking, customer, afternoon)
    theirs = proposals.propose(other, professional, factories.at(15, days=3))
    all_three = [booking, other, plain]
    with count_queries() as seen:
        assert proposals.open_of(all_three) == {booking.id: mine, other.id: theirs}
    assert seen.count == 1
    frozen.shift(timedelta(hours=12))
    assert proposals.open_of(all_three) == {}
    assert proposals.open_of([]) == {}


def test_what_waits_for_a_persons_answer(booking, customer, professional, other_customer, afternoon, frozen):
    other = factories.booking(other_customer, professional, starts_at=factories.at(11, days=3))
    proposals.propose(booking, customer, afternoon)
    proposals.propose(other, professional, factories.at(15, days=3))

    def waiting(person):
        return list(db.session.scalars(proposals.to_answer(person)))

    assert waiting(professional) == [booking]
    assert waiting(other_customer) == [other]
    assert waiting(customer) == []
    frozen.shift(timedelta(hours=12))
    assert waiting(professional) == waiting(other_customer) == []


def test_each_event_knows_its_proposal(booking, customer, professional, afternoon, evening):
    first = proposals.propose(booking, customer, afternoon)
    second = proposals.propose(booking, professional, evening)
    proposals.decline(booking, customer, second.id)
    db.session.expire(booking, ["events"])
    told_of = proposals.told_by(booking)
    assert [told_of.get(event.id) for event in booking.events] == [None, first, second, second]


@pytest.mark.parametrize("status", [Status.PENDING, Status.ACCEPTED])
def test_the_buttons_follow_the_rules(customer, professional, afternoon, status):
    booking = factories.booking(customer, professional, status=status)
    answers = {"propose", "agree", "decline_time", "withdraw"}

    def offered(person):
        return answers.intersection(bookings.available_actions(booking, person))

    assert offered(customer) == offered(professional) == {"propose"}
    proposal = proposals.propose(booking, customer, afternoon)
    assert offered(customer) == {"withdraw"}
    assert offered(professional) == {"propose", "agree", "decline_time"}
    proposals.decline(booking, professional, proposal.id)
    assert offered(customer) == offered(professional) == {"propose"}
