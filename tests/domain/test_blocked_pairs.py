"""Two people of whom one does not want to meet the other again: nowhere are they brought together."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import (
    amendments,
    blocked_pairs,
    bookings,
    choices,
    clock,
    disputes,
    favourites,
    matching,
    requests,
    users,
    waits,
)
from domain.errors import Invalid, NotAllowed, NotFound
from extensions import db
from models import Booking, Notification, Status, WaitStatus
from models_lifecycle import BlockedPair
from tests import factories

SIDES = pytest.mark.parametrize("side", ["customer", "professional"])


@pytest.fixture
def met(customer, professional):
    """A booking that both have behind them."""
    return factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(10))


def _wish(customer, professional_id):
    return (
        factories.service().id,
        professional_id,
        factories.at(11, days=1),
        customer.addresses[0].id,
    )


@SIDES
def test_either_side_says_it_and_takes_it_back(request, met, customer, professional, side):
    by = request.getfixturevalue(side)
    for _ in range(2):
        blocked_pairs.block(met, by)
    [blocked] = blocked_pairs.blocked_by(by)
    assert blocked.name == (professional if by is customer else customer).name
    assert blocked_pairs.apart(customer.id, professional.id)
    assert blocked_pairs.is_blocked(met, by)
    blocked_pairs.unblock(blocked.id, by)
    assert not blocked_pairs.apart(customer.id, professional.id)
    with pytest.raises(NotFound):
        blocked_pairs.unblock(blocked.id, by)


def test_what_both_said_both_take_back(met, customer, professional):
    blocked_pairs.block(met, customer)
    blocked_pairs.block(met, professional)
    [mine] = blocked_pairs.blocked_by(customer)
    blocked_pairs.unblock(mine.id, customer)
    assert blocked_pairs.apart(customer.id, professional.id)
    assert blocked_pairs.blocked_by(customer) == []


def test_nobody_takes_back_what_somebody_else_said(met, customer, professional, other_customer):
    blocked_pairs.block(met, customer)
    [mine] = blocked_pairs.blocked_by(customer)
    for by in (professional, other_customer):
        with pytest.raises(NotFound):
            blocked_pairs.unblock(mine.id, by)


def test_only_the_two_of_a_booking_say_it(met, customer, other_customer, other_professional, admin):
    for by in (other_customer, other_professional, admin):
        with pytest.raises(NotAllowed):
            blocked_pairs.block(met, by)
    with pytest.raises(NotAllowed):
        blocked_pairs.block(factories.booking(customer, None), customer)


def test_nobody_is_told(met, customer, professional):
    blocked_pairs.block(met, professional)
    assert db.session.scalars(select(Notification)).all() == []
    assert not blocked_pairs.is_blocked(met, customer)


@SIDES
def test_they_cannot_book_each_other(request, met, customer, professional, side):
    blocked_pairs.block(met, request.getfixturevalue(side))
    with pytest.raises(Invalid) as refusal:
        requests.request(customer, *_wish(customer, professional.id))
    assert refusal.value.message == "This professional takes no bookings now. Choose another."
    assert refusal.value.field == "professional_id"
    assert choices.before_booking(customer, professional.id, None).closed


@SIDES
def test_they_are_never_matched(request, met, customer, professional, other_customer, side):
    blocked_pairs.block(met, request.getfixturevalue(side))
    with pytest.raises(Invalid, match="Nobody near you"):
        requests.request(customer, *_wish(customer, None))
    wish = factories.service().id, met.pin
    assert matching.nearby(*wish, customer_id=customer.id) == []
    assert matching.nearby(*wish, customer_id=other_customer.id) == [professional.id]


@SIDES
def test_no_admin_brings_them_together(request, met, customer, professional, other_professional, admin, side):
    blocked_pairs.block(met, request.getfixturevalue(side))
    booking = factories.booking(customer, other_professional, status=Status.ACCEPTED)
    assert bookings.replacements(booking) == []
    with pytest.raises(Invalid):
        bookings.reassign(booking, admin, professional.id, "The other is ill")


@SIDES
def test_nobody_waits_for_somebody_they_do_not_meet(request, met, customer, professional, side):
    blocked_pairs.block(met, request.getfixturevalue(side))
    with pytest.raises(Invalid, match="takes no bookings"):
        waits.join(
            customer, professional.id, factories.service().id, customer.addresses[0].id, clock.today() + timedelta(1)
        )


@SIDES
def test_no_slot_is_held_for_somebody_they_do_not_meet(request, customer, other_customer, side):
    service = factories.service("A long hour", duration_minutes=60)
    professional = factories.professional(services=[service], hours=((9 * 60, 10 * 60),))
    taken = factories.booking(other_customer, professional, service=service, starts_at=factories.at(9, days=1))
    day = clock.today() + timedelta(1)
    wait = waits.join(customer, professional.id, service.id, customer.addresses[0].id, day)
    met = factories.booking(
        customer, professional, service=service, status=Status.CLOSED, starts_at=factories.at(9, days=-3)
    )
    blocked_pairs.block(met, customer if side == "customer" else professional)
    bookings.reject(taken, professional, "No")
    assert wait.status is WaitStatus.WAITING


def test_a_site_does_not_have_them_do_the_work_again(customer, professional, admin, frozen):
    booking = factories.booking(customer, professional, status=Status.COMPLETED)
    disputes.begin(booking, customer, "The tap drips more than it did before.", [])
    blocked_pairs.block(booking, customer)
    frozen.shift(timedelta(days=3))
    with pytest.raises(Invalid, match="does not want to meet"):
        disputes.rework(booking, admin, "It was not done well.", factories.at(11, days=1))


def test_others_are_not_touched(met, customer, professional, other_customer, other_professional):
    blocked_pairs.block(met, customer)
    assert requests.request(other_customer, *_wish(other_customer, professional.id))
    assert requests.request(customer, *_wish(customer, other_professional.id))


def test_what_they_have_together_goes_on(customer, professional):
    booking = factories.booking(customer, professional)
    blocked_pairs.block(booking, professional)
    amendments.shift(booking, customer, factories.at(14, days=1))
    bookings.accept(booking, professional)
    assert db.session.get(Booking, booking.id).status is Status.ACCEPTED


def test_whom_the_customer_blocks_is_no_favourite_any_more(met, customer, professional):
    favourites.add(professional.id, customer)
    blocked_pairs.block(met, customer)
    assert not favourites.is_favourite(professional.id, customer)


def test_whom_a_professional_blocks_learns_nothing_from_their_favourites(met, customer, professional):
    favourites.add(professional.id, customer)
    blocked_pairs.block(met, professional)
    [kept] = favourites.page_of(customer)
    assert (kept.professional.id, kept.next_slot) == (professional.id, None)


@SIDES
def test_nothing_is_left_of_somebody_who_is_erased(request, met, customer, admin, side):
    blocked_pairs.block(met, customer)
    users.anonymise(request.getfixturevalue(side), admin, "They asked for it")
    assert db.session.query(BlockedPair).count() == 0
