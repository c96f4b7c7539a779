"""The pages of waiting: the offer on a full day, the list, taking and leaving."""

from datetime import timedelta

import pytest

from domain import bookings
from extensions import db
from models import Notification, Status, Wait, WaitStatus
from tests import factories


@pytest.fixture
def full(app):
    service = factories.service(name="A long hour", duration_minutes=60)
    busy = factories.professional(name="Busy Rao", services=[service], hours=((9 * 60, 10 * 60),))
    taker = factories.customer(name="Early Bird", email="early@example.com")
    return factories.booking(
        taker, busy, service=service, starts_at=factories.at(9, days=1), status=Status.ACCEPTED
    )


def wish(full, person, **more):
    return {
        "professional_id": full.professional_id,
        "service_id": full.service_id,
        "address_id": person.addresses[0].id,
        "day": "2026-11-24",
        **more,
    }


def test_a_full_day_offers_to_wait(as_, customer, full):
    address = f"/book?professional_id={full.professional_id}&service_id={full.service_id}"
    assert "Tell me when a time frees" in as_(customer).get(f"{address}&day=2026-11-24").text
    assert "Tell me when a time frees" not in as_(customer).get(f"{address}&day=2026-11-25").text


def test_waiting_holding_and_booking(as_, customer, full):
    browser = as_(customer)
    assert "You wait for nothing" in browser.get("/waits").text
    joined = browser.post("/waits", data=wish(full, customer), follow_redirects=True)
    assert "We tell you when a time on Tue" in joined.text
    bookings.cancel(full, full.customer)
    db.session.commit()
    page = browser.get("/waits")
    assert "is held for you until" in page.text
    assert "starts_at=2026-11-24T03:30:00%2B00:00" in page.text


def test_a_double_click_waits_once(as_, customer, full):
    browser = as_(customer)
    for _click in range(2):
        assert browser.post("/waits", data=wish(full, customer)).status_code == 303
    assert db.session.query(Wait).count() == 1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"day": "2026-11-25"}, 422), ({"day": "yesterday"}, 422), ({"service_id": "x"}, 422), ({"address_id": 999}, 404)],
)
def test_what_cannot_be_waited_for_is_said(as_, customer, full, wrong, status):
    response = as_(customer).post("/waits", data=wish(full, customer, **wrong))
    assert response.status_code == status
    assert db.session.query(Wait).count() == 0


def test_leaving_is_for_the_owner(as_, customer, other_customer, full):
    as_(customer).post("/waits", data=wish(full, customer))
    [wait] = db.session.query(Wait)
    assert as_(other_customer).post(f"/waits/{wait.id}/leave").status_code == 404
    assert as_(customer).post(f"/waits/{wait.id}/leave").status_code == 303
    db.session.refresh(wait)
    assert wait.status is WaitStatus.LEFT


def test_a_late_click_on_a_held_slot_gets_the_page_as_it_is_now(as_, customer, other_customer, full, frozen):
    for person in (customer, other_customer):
        as_(person).post("/waits", data=wish(full, person))
    bookings.cancel(full, full.customer)
    db.session.commit()
    frozen.shift(timedelta(minutes=20))
    late = as_(customer).post("/book", data=wish(full, customer, starts_at="2026-11-24T03:30:00+00:00", key="k" * 20))
    assert late.status_code == 409


def test_the_notification_leads_to_the_list(as_, customer, full):
    browser = as_(customer)
    browser.post("/waits", data=wish(full, customer))
    bookings.cancel(full, full.customer)
    db.session.commit()
    [told] = db.session.query(Notification).filter_by(user_id=customer.id)
    assert browser.post(f"/notifications/{told.id}/read").location.endswith("/waits")
