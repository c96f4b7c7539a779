"""The trail of admins' acts: what a line holds, and that nobody else writes one."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from domain import audit, bookings, clock
from extensions import db
from models import AuditEntry, Status
from tests import factories


def test_a_line_says_who_what_whom_when_and_from_where(admin, customer):
    audit.came_from.set("203.0.113.7")
    audit.record(admin, "block", "user", customer.id, reason="Spam")
    one = db.session.scalar(select(AuditEntry))
    assert (one.actor_id, one.action, one.subject_type, one.subject_id) == (admin.id, "block", "user", customer.id)
    assert (one.detail, one.address, one.at) == ({"reason": "Spam"}, "203.0.113.7", clock.now())


def test_a_line_goes_with_its_transaction(admin, customer):
    audit.record(admin, "block", "user", customer.id)
    db.session.rollback()
    assert db.session.scalar(select(AuditEntry)) is None


def test_an_act_without_a_name_is_a_bug(admin):
    with pytest.raises(AssertionError):
        audit.record(admin, "juggle", "user", 1)


def test_an_address_of_any_length_fits(admin):
    audit.came_from.set("f" * 100)
    audit.record(admin, "block", "user", 1)
    assert db.session.scalar(select(AuditEntry.address)) == "f" * 45


def test_what_a_customer_does_is_not_in_the_trail(customer, professional):
    bookings.cancel(factories.booking(customer, professional), by=customer)
    assert db.session.scalar(select(AuditEntry)) is None


@pytest.mark.parametrize("verb", ["cancel", "override_code"])
def test_what_an_admin_does_to_a_booking_is_in_the_trail(admin, customer, professional, verb):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    getattr(bookings, verb)(booking, by=admin, reason="The area is flooded")
    assert [one.action for one in audit.of("booking", booking.id)] == [verb]
    assert audit.of("user", booking.id) == []


def test_the_trail_comes_in_pages_newest_first(admin):
    for number in range(1, 46):
        audit.record(admin, "block" if number % 2 else "unblock", "user", number)
    first = audit.page()
    second = audit.page(after=first.next_cursor)
    third = audit.page(after=second.next_cursor)
    assert [one.subject_id for page in (first, second, third) for one in page] == list(range(45, 0, -1))
    assert third.next_cursor is None
    assert {one.action for one in audit.page(action="block")} == {"block"}
    assert audit.page(actor_id=admin.id + 1).items == []


def test_names_are_looked_up_for_people_only(admin, customer, professional):
    audit.record(admin, "block", "user", customer.id)
    audit.record(admin, "reassign", "booking", 7, former=professional.id, to=customer.id)
    audit.record(admin, "hide_review", "review", admin.id)
    names = audit.names_in(audit.page().items)
    assert names == {customer.id: "Asha Rao", professional.id: "Dev Menon"}
    assert audit.names_in([]) == {}


@pytest.mark.parametrize("act", ["UPDATE audit_entries SET action = 'unblock'", "DELETE FROM audit_entries"])
def test_the_database_itself_lets_nobody_change_the_trail(admin, customer, act):
    audit.record(admin, "block", "user", customer.id, reason="Spam")
    db.session.commit()
    with pytest.raises(DatabaseError, match="append only"):
        db.session.execute(text(act))
    db.session.rollback()
    assert db.session.scalar(select(AuditEntry.action)) == "block"


def test_what_an_admin_only_looks_at_is_a_statement_for_later(admin, customer):
    statement = audit.sight(admin, "see_document", "user", customer.id, kind="resume")
    assert db.session.scalar(select(AuditEntry)) is None
    db.session.execute(statement)
    one = db.session.scalar(select(AuditEntry))
    assert (one.action, one.subject_id, one.detail) == ("see_document", customer.id, {"kind": "resume"})
