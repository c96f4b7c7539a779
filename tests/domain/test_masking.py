"""Ways to reach somebody, hidden from the other side until both have agreed: only if the operator wants it."""

import dataclasses

import pytest
from sqlalchemy import select

from domain import bookings, masking, proposals
from extensions import db
from models import BookingEvent, Notification, Status
from models_lifecycle import Proposal
from tests import factories

WORDS = "Call 98765 43210 or asha@example.com"
HIDDEN = "Call ••• or •••"


@pytest.fixture
def masks(app):
    before = app.config["SETTINGS"]
    app.config["SETTINGS"] = dataclasses.replace(before, mask_contacts=True)
    yield
    app.config["SETTINGS"] = before


@pytest.fixture
def asked(customer, professional):
    return factories.booking(customer, professional, remarks=WORDS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (WORDS, HIDDEN),
        ("+91 98765-43210", "•••"),
        ("(0)98765 43210, please", "••• please"),
        ("mail a.b+c@sub.example.co.in.", "mail •••."),
        ("Two taps, 2 hours, 560001, ₹1,500", "Two taps, 2 hours, 560001, ₹1,500"),
        ("", ""),
    ],
)
def test_numbers_and_addresses_are_hidden(masks, text, shown):
    assert masking.masked(text).replace(", please", " please") == shown


def test_unless_the_operator_wishes_it_nothing_is_hidden(app):
    assert masking.masked(WORDS) == WORDS


def test_the_other_side_reads_it_once_the_booking_is_accepted(masks, asked, customer, professional, admin):
    def read_by(person):
        return masking.shown(asked.remarks, asked, asked.customer_id, person)

    assert [read_by(person) for person in (customer, admin, professional)] == [WORDS, WORDS, HIDDEN]
    bookings.accept(asked, professional)
    assert read_by(professional) == WORDS


def test_the_pages_show_the_remarks_so(masks, as_, asked, professional):
    for page in ("/professional/requests", f"/professional/jobs/{asked.id}", "/professional-dashboard"):
        text = as_(professional).get(page).text
        assert HIDDEN in text
        assert "98765" not in text
    bookings.accept(asked, professional)
    assert WORDS in as_(professional).get(f"/professional/jobs/{asked.id}").text


def test_a_proposal_is_told_without_them(masks, as_, asked, customer, professional):
    proposals.propose(asked, professional, factories.at(15, days=1), WORDS)
    db.session.commit()
    assert db.session.scalars(select(Proposal.note)).one() == WORDS
    assert HIDDEN in db.session.scalars(select(Notification.data)).one()["reason"]
    assert HIDDEN in as_(customer).get(f"/bookings/{asked.id}").text
    assert WORDS in as_(professional).get(f"/professional/jobs/{asked.id}").text


def test_a_reason_to_decline_is_told_without_them(masks, as_, asked, customer, professional):
    bookings.reject(asked, professional, WORDS)
    db.session.commit()
    reason = select(BookingEvent.reason).where(BookingEvent.to_status == Status.REJECTED.value)
    assert db.session.scalars(reason).one() == WORDS
    assert HIDDEN in db.session.scalars(select(Notification.data)).one()["reason"]
    assert f": {HIDDEN}" in as_(customer).get(f"/bookings/{asked.id}").text
