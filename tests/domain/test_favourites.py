"""Whom a customer keeps, and what that changes about the pages they see."""

import pytest

from domain import blocked_pairs, favourites, notifications, users
from domain.errors import Invalid, NotAllowed, NotFound
from extensions import db
from models import Status
from models_lifecycle import Favourite
from tests import factories


def test_a_professional_is_kept_once(customer, professional):
    for _ in range(2):
        favourites.add(professional.id, customer)
    assert [one.id for one in favourites.latest(customer, 5)] == [professional.id]
    assert favourites.is_favourite(professional.id, customer)
    for _ in range(2):
        favourites.remove(professional.id, customer)
    assert favourites.latest(customer, 5) == []


def test_everybody_has_their_own(customer, other_customer, professional):
    favourites.add(professional.id, customer)
    assert not favourites.is_favourite(professional.id, other_customer)
    favourites.remove(professional.id, other_customer)
    assert favourites.is_favourite(professional.id, customer)


def test_only_customers_keep_favourites(professional, other_professional, admin):
    for by in (other_professional, admin):
        with pytest.raises(NotAllowed):
            favourites.add(professional.id, by)


def test_only_people_who_can_be_found_are_kept(customer, unapproved_professional, other_customer):
    for number in (unapproved_professional.id, other_customer.id, 999_999):
        with pytest.raises(NotFound):
            favourites.add(number, customer)


def test_who_does_not_meet_the_customer_is_not_kept(customer, professional):
    blocked_pairs.block(factories.booking(customer, professional), professional)
    with pytest.raises(NotFound, match="take no bookings now"):
        favourites.add(professional.id, customer)


def test_there_is_an_end_to_it(customer, professional, other_professional, monkeypatch):
    monkeypatch.setattr(favourites, "MOST", 1)
    favourites.add(professional.id, customer)
    favourites.add(professional.id, customer)
    with pytest.raises(Invalid, match="1 favourites"):
        favourites.add(other_professional.id, customer)


def test_a_page_tells_when_each_is_free_next(customer, professional, other_professional, frozen):
    favourites.add(other_professional.id, customer)
    frozen.shift(60)
    favourites.add(professional.id, customer)
    blocked_pairs.block(
        factories.booking(customer, other_professional, status=Status.CLOSED), other_professional
    )
    first, second = favourites.page_of(customer)
    assert (first.professional.id, first.minutes is not None) == (professional.id, True)
    assert first.next_slot == factories.at(10, 30)
    assert (second.professional.id, second.minutes, second.next_slot) == (other_professional.id, None, None)


def test_the_list_comes_in_pages(customer, monkeypatch):
    for _ in range(23):
        favourites.add(factories.professional().id, customer)
    first = favourites.page_of(customer)
    rest = favourites.page_of(customer, first.next_cursor)
    assert (len(first), len(rest), rest.next_cursor) == (20, 3, None)
    assert not {one.professional.id for one in first} & {one.professional.id for one in rest}


def test_the_marks_of_a_customer_come_in_one_query(customer, professional, other_professional, count_queries):
    third = factories.professional()
    favourites.add(professional.id, customer)
    blocked_pairs.block(factories.booking(customer, other_professional, status=Status.CLOSED), customer)
    blocked_pairs.block(factories.booking(customer, third, status=Status.CLOSED), third)
    notifications.notify(customer.id, "approved")
    db.session.commit()
    newest, _loaded = notifications.page_for(customer).items[0].id, customer.id
    with count_queries() as seen:
        marks = favourites.marks(customer)
    assert marks == favourites.Marks(
        frozenset({professional.id}),
        frozenset({other_professional.id, third.id}),
        frozenset({other_professional.id}),
        notifications.Bell(1, newest),
    )
    assert seen.count == 1


@pytest.mark.parametrize("side", ["customer", "professional"])
def test_nothing_is_left_of_somebody_who_is_erased(request, customer, professional, admin, side):
    favourites.add(professional.id, customer)
    users.anonymise(request.getfixturevalue(side), admin, "They asked for it")
    assert db.session.query(Favourite).count() == 0
