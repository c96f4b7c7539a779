"""Where suggestions stand, what they lead to, and how a customer switches them off."""

from datetime import timedelta

import pytest

import jobs
from domain import activity, clock, timetable
from extensions import db
from models import Channel, Delivery, OutboxMessage, Status
from models_taste import Recommendation
from tests import factories
from tests.client import count_queries

MONDAY = "2026-11-23"
TAP, COOLING = "Tap repair", "AC jet service"


@pytest.fixture
def booked(app, customer, professional):
    """Seven households near the customer had a tap repaired; the customer did each quarter, and once more
    than that had the cooling serviced."""
    tap, cooling = factories.service(TAP), factories.service(COOLING)
    for service in (tap, cooling):
        factories.offer(professional, service)
    for person in (customer, *(factories.customer() for _ in range(6))):
        _closed(person, professional, tap, 90)
    for days in (180, 270):
        _closed(customer, professional, tap, days)
    jobs.run(app, timetable.find("suggestions"), MONDAY)
    return tap


def _closed(customer, professional, service, days):
    then = clock.now() - timedelta(days=days)
    factories.booking(
        customer, professional, service=service, status=Status.CLOSED, starts_at=then, created_at=then, closed_at=then
    )


def test_home_shows_anybody_what_is_popular_where_they_say(client, booked):
    everywhere = client.get("/").text
    assert "Popular now" in everywhere
    assert "Often booked" in everywhere
    here = client.get(f"/?where={factories.CITY_PIN}").text
    assert "Popular in Bengaluru Urban" in here
    assert f"/search?service={booked.slug}&amp;near={factories.CITY_PIN}" in here
    assert "7 households in Bengaluru Urban booked them" in here
    assert "Popular near" not in client.get(f"/?where={factories.FAR_PIN}").text


def test_home_says_what_place_it_does_not_know(client, booked):
    page = client.get("/?where=nowhere at all")
    assert page.status_code == 200
    assert "We do not know that PIN code or city." in page.text


def test_a_site_without_bookings_suggests_nothing(client, app):
    assert "suggested" not in client.get("/").text


def test_home_and_dashboard_show_a_customer_their_own(as_, customer, booked):
    browser = as_(customer)
    for path in ("/", "/customer-dashboard"):
        page = browser.get(path).text
        assert "Suggested for you" in page, path
        assert "You book this every 3 months" in page, path


def test_the_page_of_a_booking_suggests_the_next_thing(as_, customer, professional, booked):
    done = factories.booking(customer, professional, service=factories.service(COOLING), status=Status.CLOSED)
    browser = as_(customer)
    page = browser.get(f"/bookings/{done.id}").text
    assert "What you may need next" in page
    assert "You book this every 3 months" in page
    called_off = factories.booking(customer, professional, status=Status.CANCELLED)
    assert "What you may need next" not in browser.get(f"/bookings/{called_off.id}").text


def test_a_booking_under_way_is_not_suggested_again(as_, customer, professional, booked):
    again = factories.booking(customer, professional, service=booked)
    assert "You book this every 3 months" not in as_(customer).get(f"/bookings/{again.id}").text


def test_the_report_of_the_month_shows_them_and_an_old_one_does_not(as_, customer, professional, booked):
    month = activity.shifted(activity.this_month(), -1)
    factories.booking(customer, professional, status=Status.CANCELLED, created_at=clock.start_of(month))
    factories.booking(
        customer, professional, status=Status.CANCELLED, created_at=clock.start_of(activity.shifted(month, -1))
    )
    browser = as_(customer)
    assert "You book this every 3 months" in browser.get(f"/reports/{month:%Y-%m}").text
    assert browser.get(f"/reports/{month:%Y-%m}/pdf").status_code == 200
    older = browser.get(f"/reports/{activity.shifted(month, -1):%Y-%m}").text
    assert "You book this" not in older


def test_the_letter_of_the_month_suggests_with_reasons(app, customer, booked):
    import letters

    message = OutboxMessage(
        key="report",
        kind="activity_report",
        channel=Channel.MAIL,
        user_id=customer.id,
        data={"month": "2026-11"},
        status=Delivery.WAITING,
        due_at=clock.now(),
        created_at=clock.now(),
    )
    factories.booking(customer, None, service=factories.service(COOLING), status=Status.CANCELLED)
    with app.test_request_context():
        plain, html = letters.render(letters.compose(message), message)
    for text in (plain, html):
        assert "What you may need next" in text
        assert "You book this every 3 months" in text
        assert f"service={booked.slug}" in text


def test_a_customer_switches_off_and_on_what_their_bookings_say(as_, customer, booked):
    browser = as_(customer)
    assert "/suggestions#choice" in browser.get("/profile").text
    page = browser.post("/suggestions/do-not-use", follow_redirects=True).text
    assert "Your bookings are not used now." in page
    assert "You book this" not in page
    assert "Popular in Bengaluru Urban" in page
    assert db.session.query(Recommendation).filter_by(customer_id=customer.id).count() == 0
    page = browser.post("/suggestions/use", follow_redirects=True).text
    assert "appear after the next night" in page
    assert "Your bookings are not used now." not in page


def test_only_customers_have_a_page_of_suggestions(as_, professional, admin, booked):
    for person in (professional, admin):
        assert as_(person).get("/suggestions").status_code == 403
        assert "/suggestions" not in as_(person).get("/profile").text


def test_the_dashboard_knows_the_place_in_eight_queries(as_, customer, professional, booked):
    newcomer = factories.customer()
    factories.booking(customer, professional)
    for person in (newcomer, customer):
        browser = as_(person)
        with count_queries() as seen:
            browser.get("/customer-dashboard")
        assert seen.count == 8
