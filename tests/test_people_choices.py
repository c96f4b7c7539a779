"""Favourites and people who do not meet again, on the pages of both sides."""

import pytest
from sqlalchemy import func, select

from domain import blocked_pairs, bookings, favourites, listings
from extensions import db
from models import Booking, Notification, Status
from models_lifecycle import BlockedPair, Favourite
from tests import factories


@pytest.fixture
def browser(as_, customer):
    return as_(customer)


@pytest.fixture
def search(professional):
    """The address of a search that finds the professional."""
    slug = professional.professional.offerings[0].service.slug
    return f"/search?service={slug}&near={factories.CITY_PIN}"


def _count(table):
    return db.session.scalar(select(func.count()).select_from(table))


def _set_apart(customer, professional, by):
    booking = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(10))
    blocked_pairs.block(booking, by)
    db.session.commit()
    return booking


# -- Favourites -------------------------------------------------------------------------------


def test_the_heart_keeps_and_drops_a_professional(browser, customer, professional, search):
    assert 'aria-pressed="false"' in browser.get(search).text
    answer = browser.post(f"/favourites/{professional.id}", data={"next": search})
    assert (answer.status_code, answer.location) == (302, search)
    assert 'aria-pressed="true"' in browser.get(search).text
    assert 'aria-pressed="true"' in browser.get(f"/professionals/{professional.id}").text
    browser.post(f"/favourites/{professional.id}/remove")
    assert _count(Favourite) == 0


def test_the_heart_answers_a_script_with_itself(browser, professional):
    answer = browser.post(f"/favourites/{professional.id}", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert 'aria-pressed="true"' in answer.text
    assert "Dev Menon" in answer.text
    assert "<html" not in answer.text


def test_the_heart_leads_nowhere_else(browser, professional):
    answer = browser.post(f"/favourites/{professional.id}", data={"next": "https://evil.example/"})
    assert answer.location == "/favourites"


def test_twice_is_once(browser, professional):
    for _ in range(2):
        assert browser.post(f"/favourites/{professional.id}").status_code == 302
    assert _count(Favourite) == 1
    for _ in range(2):
        assert browser.post(f"/favourites/{professional.id}/remove").status_code == 302
    assert _count(Favourite) == 0


def test_nobody_else_sees_a_heart(app, as_, professional, admin, search):
    for client in (app.test_client(), as_(professional), as_(admin)):
        assert "aria-pressed" not in client.get(search).text


def test_favourites_are_listed_with_their_next_free_slot(browser, customer, professional, other_professional):
    for person in (professional, other_professional):
        favourites.add(person.id, customer)
    other_professional.professional.paused = True
    db.session.commit()
    listings.refresh(other_professional.id)
    db.session.commit()
    page = browser.get("/favourites")
    assert "Dev Menon" in page.text
    assert "today, 10:00" in page.text
    assert "Takes no bookings now" in page.text
    assert "Dev Menon" in browser.get("/customer-dashboard").text


def test_the_list_of_favourites_needs_no_more_queries_when_it_grows(browser, customer, count_queries):
    counts = []
    for _ in range(2):
        for _ in range(8):
            favourites.add(factories.professional().id, customer)
        db.session.commit()
        with count_queries() as seen:
            assert browser.get("/favourites").status_code == 200
        counts.append(seen.count)
    assert counts[0] == counts[1] <= 8


def test_without_favourites_the_page_says_how(browser):
    assert "No favourites yet" in browser.get("/favourites").text


def test_an_unknown_professional_is_no_favourite(browser, unapproved_professional):
    for number in (999_999, unapproved_professional.id):
        assert browser.post(f"/favourites/{number}").status_code == 404


# -- Not again --------------------------------------------------------------------------------


def test_a_customer_says_not_again_and_takes_it_back(browser, customer, professional):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    assert "Don’t match us again" in browser.get(f"/bookings/{booking.id}").text
    assert browser.post(f"/bookings/{booking.id}/block").status_code == 303
    page = browser.get(f"/bookings/{booking.id}").text
    assert "You won’t be matched with Dev Menon again." in page
    assert "Dev Menon" in browser.get("/blocked").text
    pair = db.session.scalar(select(BlockedPair.id))
    assert browser.post(f"/blocked/{pair}/remove").status_code == 302
    assert _count(BlockedPair) == 0
    assert "Nobody here" in browser.get("/blocked").text


def test_a_professional_says_not_again_and_takes_it_back(as_, customer, professional):
    browser = as_(professional)
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    assert "Don’t match us again" in browser.get(f"/professional/jobs/{booking.id}").text
    assert browser.post(f"/professional/jobs/{booking.id}/block").status_code == 302
    assert "You won’t be matched with Asha Rao again." in browser.get(f"/professional/jobs/{booking.id}").text
    assert "Asha Rao" in browser.get("/professional/blocked").text
    pair = db.session.scalar(select(BlockedPair.id))
    assert browser.post(f"/professional/blocked/{pair}/remove").status_code == 302
    assert _count(BlockedPair) == 0


def test_nobody_takes_back_what_the_other_side_said(as_, customer, professional):
    _set_apart(customer, professional, by=professional)
    pair = db.session.scalar(select(BlockedPair.id))
    assert as_(customer).post(f"/blocked/{pair}/remove").status_code == 404
    assert _count(BlockedPair) == 1


def test_the_other_side_is_not_told(browser, customer, professional):
    booking = _set_apart(customer, professional, by=professional)
    assert _count(Notification) == 0
    page = browser.get(f"/bookings/{booking.id}").text
    assert "won’t be matched" not in page
    assert "Don’t match us again" in page
    assert "Dev Menon" not in browser.get("/blocked").text


@pytest.mark.parametrize("side", ["customer", "professional"])
def test_whoever_is_apart_is_not_found_by_that_customer(app, as_, request, customer, professional, search, side):
    _set_apart(customer, professional, by=request.getfixturevalue(side))
    browser = as_(customer)
    assert "Dev Menon" not in browser.get(search).text
    for tail in ("", "/slots"):
        answer = browser.get(f"/professionals/{professional.id}{tail}", headers={"HX-Request": "true"})
        assert answer.status_code == 404
        assert "takes no bookings now" in answer.text or "take no bookings now" in answer.text
    assert "Dev Menon" in app.test_client().get(search).text


@pytest.mark.parametrize("side", ["customer", "professional"])
def test_whoever_is_apart_cannot_be_booked_and_the_page_does_not_say_why(
    as_, request, customer, professional, side
):
    _set_apart(customer, professional, by=request.getfixturevalue(side))
    before, browser = _count(Booking), as_(customer)
    query = {"professional_id": professional.id, "service_id": factories.service().id}
    page = browser.get("/book", query_string=query)
    assert "takes no bookings at the moment" in page.text
    assert 'name="starts_at"' not in page.text
    wish = {
        **query,
        "starts_at": factories.at(11, days=1).isoformat(),
        "address_id": customer.addresses[0].id,
    }
    answer = browser.post("/book", data=wish)
    assert answer.status_code == 422
    assert "This professional takes no bookings now." in answer.text
    assert _count(Booking) == before


def test_a_booking_that_both_have_stands(as_, customer, professional):
    booking = factories.booking(customer, professional)
    assert as_(professional).post(f"/professional/jobs/{booking.id}/block").status_code == 302
    assert as_(professional).post(f"/professional/jobs/{booking.id}/accept").status_code == 302
    db.session.refresh(booking)
    assert booking.status is Status.ACCEPTED


def test_a_stranger_says_nothing_about_a_booking(as_, customer, professional, other_customer, other_professional):
    booking = factories.booking(customer, professional)
    assert as_(other_customer).post(f"/bookings/{booking.id}/block").status_code == 404
    assert as_(other_professional).post(f"/professional/jobs/{booking.id}/block").status_code == 404
    assert _count(BlockedPair) == 0


def test_a_search_asks_as_much_with_hearts_and_people_apart(
    as_, customer, professional, other_professional, search, count_queries
):
    browser, counts = as_(customer), []
    with count_queries() as seen:
        browser.get(search)
    counts.append(seen.count)
    favourites.add(professional.id, customer)
    _set_apart(customer, other_professional, by=customer)
    with count_queries() as seen:
        page = browser.get(search)
    counts.append(seen.count)
    assert "Esha Nair" not in page.text
    assert counts[0] == counts[1] <= 8


# -- The cascade on pages -----------------------------------------------------------------------


def test_the_form_asks_for_consent_and_keeps_it(browser, customer, professional):
    query = {"professional_id": professional.id, "service_id": factories.service().id}
    assert "Ask somebody else if they can’t come" in browser.get("/book", query_string=query).text
    wish = {
        **query,
        "starts_at": factories.at(11, days=1).isoformat(),
        "address_id": customer.addresses[0].id,
        "cascade": "y",
        "key": "once",
    }
    assert browser.post("/book", data=wish).status_code == 303
    booking = db.session.scalars(select(Booking)).one()
    assert booking.cascade
    assert "we ask the next best" in browser.get(f"/bookings/{booking.id}").text
    assert browser.post("/book", data=wish).status_code == 303
    del wish["cascade"]
    assert browser.post("/book", data=wish).status_code == 409
    assert _count(Booking) == 1


def test_the_story_names_each_step(browser, as_, customer, professional, other_professional):
    booking = factories.booking(customer, professional, cascade=True)
    as_(professional).post(f"/professional/jobs/{booking.id}/reject", data={"reason": "At a wedding"})
    page = browser.get(f"/bookings/{booking.id}").text
    assert "with Esha Nair" in page
    assert "Declined by Dev Menon" in page
    assert "At a wedding" in page
    assert "Asked Esha Nair" in page
    # The one who has it now sees nothing of the one before, and the one before nothing of the customer.
    theirs = as_(other_professional).get(f"/professional/jobs/{booking.id}").text
    assert "Asha Rao" in theirs
    assert "wedding" not in theirs
    former = as_(professional).get(f"/professional/jobs/{booking.id}").text
    assert "You declined this." in former
    assert "Asha Rao" not in former


def test_who_cancelled_sees_that_they_gave_it_back(as_, customer, professional, other_professional):
    booking = factories.booking(customer, professional, cascade=True, status=Status.ACCEPTED)
    browser = as_(professional)
    answer = browser.post(f"/professional/jobs/{booking.id}/cancel", data={"reason": ""}, follow_redirects=True)
    assert "You gave this job back." in answer.text
    assert "12, 3rd Cross" not in answer.text


def test_an_ended_booking_shows_other_times_that_fill_in_the_form(browser, as_, customer, professional):
    home = factories.address(customer, line="7, Temple Road", pincode="560034")
    booking = factories.booking(customer, professional, address_line=home.line, pincode=home.pincode)
    as_(professional).post(f"/professional/jobs/{booking.id}/reject", data={"reason": "Busy"})
    page = browser.get(f"/bookings/{booking.id}")
    assert "Somebody near you is free at these times" in page.text
    links = [link for link in page.text.split('"') if link.startswith("/book?professional_id=any")]
    assert len(links) == 3
    form = browser.get(links[0].replace("&amp;", "&")).text
    assert f'name="address_id" value="{home.id}" checked' in form
    assert "Tuesday 24 November, 10:00" in form


def test_an_overdue_request_that_goes_on_says_so(browser, customer, professional, other_professional, frozen):
    booking = factories.booking(customer, professional, cascade=True, respond_by=factories.at(9, 1))
    frozen.move_to(factories.at(9, 2))
    page = browser.get(f"/bookings/{booking.id}").text
    assert "We are asking the next best professional" in page
    assert "Somebody near you is free" not in page


def test_nobody_left_is_said_with_other_times(browser, as_, customer, professional):
    booking = factories.booking(customer, professional, cascade=True, status=Status.ACCEPTED)
    as_(professional).post(f"/professional/jobs/{booking.id}/cancel", data={"reason": ""})
    page = browser.get(f"/bookings/{booking.id}").text
    assert "Dev Menon had to cancel. You owe nothing." in page
    assert "Nobody else is free at that time." in page
    assert "Somebody near you is free at these times" in page


def test_what_the_customer_cancelled_offers_nothing(browser, customer, professional):
    booking = factories.booking(customer, professional, cascade=True)
    browser.post(f"/bookings/{booking.id}/cancel")
    assert "Somebody near you is free" not in browser.get(f"/bookings/{booking.id}").text


def test_the_longest_story_fits_into_the_queries(
    browser, as_, customer, professional, other_professional, count_queries
):
    booking = factories.booking(customer, professional, cascade=True)
    for person in (professional, other_professional):
        as_(person).post(f"/professional/jobs/{booking.id}/reject", data={"reason": "Busy"})
    path = f"/bookings/{booking.id}"
    with count_queries() as seen:
        page = browser.get(path)
    assert "Somebody near you is free" in page.text
    assert seen.count <= 8


def test_admins_read_whom_it_went_to_and_who_did_not_answer(
    as_, admin, customer, professional, other_professional, frozen
):
    booking = factories.booking(customer, professional, cascade=True, respond_by=factories.at(10))
    frozen.move_to(factories.at(10, 1))
    bookings.expire_due()
    db.session.commit()
    page = as_(admin).get(f"/admin/bookings/{booking.id}").text
    assert "Somebody else was asked" in page
    assert "“Esha Nair”" in page
    assert "no answer" in page
