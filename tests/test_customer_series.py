"""The pages of series: the plan with its clashes, booking, the series page, cancelling from one on, again."""

import re

import pytest

from extensions import db
from models import Booking, Series, Status
from tests import factories


@pytest.fixture
def plumber(app):
    services = [factories.service(name=f"Work {n}", duration_minutes=60) for n in range(3)]
    return factories.professional(name="Dev Menon", services=services)


def wish(person, plumber, **changes):
    return {
        "professional_id": plumber.id,
        "service_id": _services(plumber)[0],
        "starts_at": factories.at(11, days=1).isoformat(),
        "address_id": person.addresses[0].id,
        "every": "week",
        "count": "4",
        **changes,
    }


def _services(plumber):
    return sorted(offering.service_id for offering in plumber.professional.offerings)


def chosen(page):
    return re.findall(r'name="chosen" value="([^"]+)"(?! disabled)', page.text)


def test_plan_confirm_and_look(as_, customer, other_customer, plumber):
    factories.booking(other_customer, plumber, starts_at=factories.at(11, days=8))
    browser = as_(customer)
    plan = browser.post("/series/plan", data=wish(customer, plumber))
    assert plan.status_code == 200
    assert "The professional is not free then." in plan.text
    times = chosen(plan)
    assert len(times) == 3
    key = re.search(r'name="key" value="([^"]+)"', plan.text).group(1)
    sent = wish(customer, plumber, chosen=times, key=key, remarks="The green tap.")
    booked = browser.post("/series", data=sent)
    assert booked.status_code == 303
    assert browser.post("/series", data=sent).location == booked.location
    page = browser.get(booked.location)
    assert page.text.count("DS-") == 3
    assert {one.remarks for one in db.session.query(Booking).filter_by(customer_id=customer.id)} == {"The green tap."}


def test_a_time_that_was_taken_meanwhile_shows_the_plan_as_it_is_now(as_, customer, other_customer, plumber):
    browser = as_(customer)
    times = chosen(browser.post("/series/plan", data=wish(customer, plumber)))
    factories.booking(other_customer, plumber, starts_at=factories.at(11, days=8))
    late = browser.post("/series", data=wish(customer, plumber, chosen=times))
    assert late.status_code == 409
    assert "The professional is not free then." in late.text
    assert db.session.query(Series).count() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": "1"},
        {"count": "many"},
        {"every": "day"},
        {"starts_at": ""},
        {"starts_at": "2020-01-01T09:00:00+00:00"},
        {"service_id": "999999"},
        {"more": "x"},
        {"address_id": "999999"},
    ],
)
@pytest.mark.parametrize("address", ["/series/plan", "/series"])
def test_what_cannot_be_repeated_is_said(as_, customer, plumber, wrong, address):
    response = as_(customer).post(address, data=wish(customer, plumber, chosen=["x"], **wrong))
    assert response.status_code == 422
    assert db.session.query(Booking).count() == 0


def test_a_new_address_is_kept_with_the_plan(as_, customer, plumber):
    sent = wish(customer, plumber, address_id="new", line="7, Lake Road", pincode=factories.NEAR_PIN)
    plan = as_(customer).post("/series/plan", data=sent)
    assert plan.status_code == 200
    db.session.refresh(customer)
    assert any(one.line == "7, Lake Road" for one in customer.addresses)


def test_several_services_are_booked_from_the_page(as_, customer, plumber):
    first, second, third = _services(plumber)
    browser = as_(customer)
    page = browser.get(f"/book?professional_id={plumber.id}&service_id={first}&more={second}&more={third}&more={first}")
    assert page.text.count('type="hidden" name="more"') == 2
    sent = wish(customer, plumber, more=[second, third])
    assert browser.post("/book", data=sent).status_code == 303
    [booking] = db.session.query(Booking)
    assert (booking.ends_at - booking.starts_at).total_seconds() == 3 * 3600
    assert "Work 2" in browser.get(f"/bookings/{booking.id}").text
    assert "3 h" in as_(plumber).get(f"/professional/jobs/{booking.id}").text


def test_cancelling_from_one_on(as_, customer, plumber):
    browser = as_(customer)
    times = chosen(browser.post("/series/plan", data=wish(customer, plumber)))
    browser.post("/series", data=wish(customer, plumber, chosen=times))
    visits = db.session.query(Booking).order_by(Booking.starts_at).all()
    assert "Cancel 3 visits?" in browser.get(f"/bookings/{visits[1].id}/cancel-from").text
    done = browser.post(f"/bookings/{visits[1].id}/cancel-from", data={"reason": "Moving away"}, follow_redirects=True)
    assert "3 visits are cancelled." in done.text
    db.session.expire_all()
    assert [one.status for one in visits] == [Status.PENDING, *[Status.CANCELLED] * 3]
    assert browser.post(f"/bookings/{visits[1].id}/cancel-from").status_code == 409


def test_a_series_is_shown_to_its_people_only(as_, customer, other_customer, plumber, other_professional):
    browser = as_(customer)
    times = chosen(browser.post("/series/plan", data=wish(customer, plumber)))
    location = browser.post("/series", data=wish(customer, plumber, chosen=times)).location
    number = location.rpartition("/")[2]
    assert as_(other_customer).get(location).status_code == 404
    assert as_(other_professional).get(f"/professional/series/{number}").status_code == 404
    assert as_(other_professional).post(f"/professional/series/{number}/accept").status_code == 404
    assert as_(plumber).get(f"/professional/series/{number}").text.count("DS-") == 4


def test_the_professional_answers_all_at_once(as_, customer, plumber):
    browser, desk = as_(customer), as_(plumber)
    times = chosen(browser.post("/series/plan", data=wish(customer, plumber)))
    number = browser.post("/series", data=wish(customer, plumber, chosen=times)).location.rpartition("/")[2]
    assert desk.get("/professional/requests").text.count(f'href="/professional/series/{number}"') == 4
    assert desk.post(f"/professional/series/{number}/reject", data={"reason": " "}).status_code == 422
    done = desk.post(f"/professional/series/{number}/accept", follow_redirects=True)
    assert "4 visits are accepted." in done.text
    assert desk.post(f"/professional/series/{number}/accept").status_code == 409
    assert desk.post(f"/professional/series/{number}/reject", data={"reason": "No."}).status_code == 409


def test_book_again_fills_in_the_page(as_, customer, plumber):
    booking = factories.booking(customer, plumber, status=Status.CLOSED, starts_at=factories.at(11, days=1))
    again = as_(customer).get(f"/bookings/{booking.id}/again")
    assert again.status_code == 302
    assert f"professional_id={plumber.id}" in again.location
    assert "Tue" in as_(customer).get(again.location).text.partition('id="summary"')[2]
