"""What people agreed to: recorded at sign-up, asked anew for new texts, taken back as easily as given."""

import pytest
from sqlalchemy import select

from domain import audit, channels, consents, recommendations, tracking, users
from extensions import db
from models import Status
from models_privacy import Consent
from tests import factories


def record(person):
    """What is written down of somebody, oldest first: (about, version, given)."""
    found = db.session.scalars(select(Consent).where(Consent.user_id == person.id).order_by(Consent.id))
    return [(one.about, one.version, one.given) for one in found]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.0.0/16"),
        ("2001:db8:1:2::7", "2001:db8::/32"),
        ("", ""),
        ("unknown", ""),
    ],
)
def test_signing_up_is_agreeing_from_a_network(app, settings, address, network):
    audit.came_from.set(address)
    person = users.sign_up_customer(email="new@example.com", name="New", password_hash="x")
    assert record(person) == [("texts", settings.texts_version, True)]
    assert db.session.scalar(select(Consent.place)) == network
    assert not consents.must_ask(person)


def test_new_texts_are_asked_about_once(customer, set_up):
    set_up(texts_version="2027-01-01")
    assert consents.must_ask(customer)
    consents.agree(customer)
    consents.agree(customer)
    assert not consents.must_ask(customer)
    assert record(customer) == [("texts", "2027-01-01", True)]


def test_admins_keep_the_texts_and_are_not_asked(admin, set_up):
    set_up(texts_version="2027-01-01")
    assert not consents.must_ask(admin)


def test_sharing_a_position_is_written_down_and_so_is_the_end_of_it(customer, professional):
    booking = factories.booking(customer, professional, status=Status.EN_ROUTE)
    tracking.begin(booking, professional)
    tracking.stop(booking, professional)
    tracking.stop(booking, professional)
    assert record(professional) == [("position", "", True), ("position", "", False)]


def test_suggestions_are_written_down_when_they_change(customer):
    recommendations.switch(customer, on=True)
    assert record(customer) == []
    for on in (False, False, True):
        recommendations.switch(customer, on=on)
    assert record(customer) == [("suggestions", "", False), ("suggestions", "", True)]


def test_leaving_the_monthly_report_is_written_down_however_it_is_done(customer):
    channels.set_reports(customer, customer, False)
    channels.choose(customer, customer, {"reviews": []}, None)
    channels.subscribe_again(channels.unsubscribe_token(customer.id, channels.Topic.REPORTS))
    assert record(customer) == [("reports", "", False), ("reports", "", True)]


def test_of_who_is_erased_the_record_stays_without_the_network(customer):
    audit.came_from.set("203.0.113.7")
    consents.note(customer, consents.REPORTS, given=True)
    users.erase(customer)
    assert record(customer) == [("reports", "", True)]
    assert db.session.scalar(select(Consent.place)) == ""


def test_the_record_is_shown_newest_first(customer):
    consents.note(customer, consents.REPORTS, given=True)
    consents.note(customer, consents.SUGGESTIONS, given=False)
    assert [one.consent.about for one in consents.of(customer)] == ["suggestions", "reports"]
