"""What is added on site: it counts when the customer has approved it, and completing waits for that."""

import pytest

from domain import bookings, disputes, extras
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from extensions import db
from models import LineKind, Notification, Status
from models_money import ExtraStatus
from tests import factories


@pytest.fixture
def job(customer, professional):
    return factories.booking(customer, professional, status=Status.IN_PROGRESS)


@pytest.fixture
def filter_(job, professional):
    """Two filters of 120.00 that wait for the customer."""
    return extras.propose(job, professional, "Filter", 12_000, 2)


def told(person):
    return [one.kind for one in db.session.query(Notification).filter_by(user_id=person.id).order_by(Notification.id)]


def test_what_is_proposed_costs_nothing_yet(job, filter_, customer):
    assert (filter_.status, filter_.amount, filter_.title) == (ExtraStatus.OPEN, 24_000, "2 × Filter")
    assert job.total == sum(line.amount for line in job.lines)
    assert told(customer)[-1] == "extra_proposed"


def test_what_is_approved_is_on_the_bill_with_its_tax(job, filter_, customer, professional):
    total, work = job.total, job.subtotal
    extras.approve(job, customer, [filter_.id])
    assert (job.total, job.subtotal) == (total + 24_000 + 4_320, work + 24_000)
    added = [(line.kind, line.label, line.amount, line.tax) for line in job.lines][-2:]
    assert added == [
        (LineKind.EXTRA, "2 × Filter", 24_000, 0),
        (LineKind.TAX, "GST 18 %", 4_320, 4_320),
    ]
    assert job.total == sum(line.amount for line in job.lines)
    assert told(professional)[-1] == "extra_approved"


def test_one_of_several_can_be_approved_and_the_other_declined(job, filter_, customer, professional):
    hour = extras.propose(job, professional, "Half an hour more", 20_000)
    extras.approve(job, customer, [hour.id])
    extras.decline(job, customer, [filter_.id])
    assert [one.status for one in job.extras] == [ExtraStatus.DECLINED, ExtraStatus.APPROVED]
    assert [line.label for line in job.lines if line.kind is LineKind.EXTRA] == ["Half an hour more"]
    assert told(professional)[-1] == "extra_declined"


def test_all_can_be_approved_together(job, filter_, customer, professional):
    hour = extras.propose(job, professional, "Half an hour more", 20_000)
    total = job.total
    extras.approve(job, customer, [filter_.id, hour.id])
    assert job.total == total + 44_000 + 7_920


def test_completing_waits_for_the_answer(job, filter_, customer, professional):
    with pytest.raises(InvalidTransition, match="unapproved"):
        bookings.complete(job, professional)
    assert "complete" not in bookings.available_actions(job, professional)
    extras.decline(job, customer, [filter_.id])
    bookings.complete(job, professional)
    assert job.status is Status.COMPLETED


def test_the_professional_can_take_it_back(job, filter_, customer, professional):
    extras.withdraw(job, professional, filter_.id)
    assert told(customer)[-1] == "extra_withdrawn"
    bookings.complete(job, professional)
    with pytest.raises(InvalidTransition):
        extras.approve(job, customer, [filter_.id])


@pytest.mark.parametrize("verb", [extras.approve, extras.decline])
def test_what_was_taken_back_is_not_answered_any_more(job, filter_, customer, professional, verb):
    extras.propose(job, professional, "Half an hour more", 20_000)
    extras.withdraw(job, professional, filter_.id)
    total = job.total
    with pytest.raises(Conflict):
        verb(job, customer, [filter_.id])
    assert job.total == total


def test_nobody_approves_what_is_of_another_booking(job, filter_, customer, professional, other_customer):
    theirs = factories.booking(
        other_customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(15, days=2)
    )
    other = extras.propose(theirs, professional, "Pipe", 5_000)
    with pytest.raises(Invalid):
        extras.approve(job, customer, [other.id])
    with pytest.raises(NotAllowed):
        extras.approve(theirs, customer, [other.id])


@pytest.mark.parametrize(
    "label, price, quantity, field",
    [
        ("", 100, 1, "label"),
        ("x" * 101, 100, 1, "label"),
        ("Pipe", 0, 1, "price"),
        ("Pipe", -5, 1, "price"),
        ("Pipe", 20_000_01, 1, "price"),
        ("Pipe", 10_000_01, 2, "price"),
        ("Pipe", 100, 0, "quantity"),
        ("Pipe", 100, 100, "quantity"),
    ],
)
def test_what_is_proposed_has_bounds(job, professional, label, price, quantity, field):
    with pytest.raises(Invalid) as refusal:
        extras.propose(job, professional, label, price, quantity)
    assert refusal.value.field == field


def test_nobody_proposes_without_end(job, professional, customer):
    for number in range(20):
        extras.withdraw(job, professional, extras.propose(job, professional, f"Pipe {number}", 100).id)
    with pytest.raises(InvalidTransition, match="at most 20"):
        extras.propose(job, professional, "Pipe", 100)


def test_what_is_open_is_dropped_with_a_job_that_is_called_off(job, filter_, customer, admin):
    extras.approve(job, customer, [filter_.id])
    bookings.cancel(job, admin, "The building is closed.")
    db.session.refresh(job)
    assert job.total == sum(line.amount for line in job.lines) == sum(line.tax for line in job.lines) == 0


def test_what_is_open_when_a_job_is_called_off_is_not_open_any_more(job, filter_, admin):
    bookings.cancel(job, admin, "The building is closed.")
    db.session.refresh(filter_)
    assert filter_.status is ExtraStatus.WITHDRAWN


def test_what_is_added_is_earned_and_can_be_refunded(job, filter_, customer, professional, admin):
    extras.approve(job, customer, [filter_.id])
    bookings.complete(job, professional)
    assert job.earned == job.subtotal == 44_900 + 24_000
    disputes.begin(job, customer, "The filter leaks.")
    disputes.answer(job, professional, "It did not when I left.")
    disputes.refund(job, admin, "It does", 24_000)
    assert job.earned == 44_900


# -- The rate card ----------------------------------------------------------------------------


def test_a_card_is_kept_changed_and_emptied(professional, other_professional):
    item = extras.add_item(professional, " Water   filter ", 12_000)
    extras.add_item(professional, "Pipe", 5_000)
    assert [(one.label, one.price) for one in extras.rate_card(professional.id)] == [
        ("Pipe", 5_000),
        ("Water filter", 12_000),
    ]
    assert extras.rate_card(other_professional.id) == []
    extras.change_item(item, "Filter", 13_000)
    extras.remove_item(extras.item(item.id, professional))
    assert [one.label for one in extras.rate_card(professional.id)] == ["Pipe"]


def test_anothers_card_is_not_there(professional, other_professional):
    item = extras.add_item(professional, "Filter", 12_000)
    with pytest.raises(NotFound):
        extras.item(item.id, other_professional)


def test_a_card_ends_somewhere(professional):
    for number in range(extras.MOST_ITEMS):
        extras.add_item(professional, f"Pipe {number}", 100)
    with pytest.raises(Invalid, match="at most"):
        extras.add_item(professional, "One more", 100)
