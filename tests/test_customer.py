"""The customer's pages: choosing, booking, following and changing, and whom they are closed to."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from sqlalchemy import func, select

from domain import bookings, ratings, requests
from domain.errors import DomainError
from extensions import db
from models import Address, Booking, BookingOffer, LineKind, Review, SlotClaim, Status
from tests import factories

ODD_TEXT = "👋🏽 مرحبا <script>alert('x')</script> \"quoted\" & it's O'Neil; DROP TABLE bookings --"


@pytest.fixture
def browser(as_, customer):
    return as_(customer)


@pytest.fixture
def wish(customer, professional):
    """wish() is what the booking form sends for tomorrow at 11:00; values change it."""

    def wish(**values):
        return {
            "key": "one-time",
            "professional_id": professional.id,
            "service_id": professional.professional.offerings[0].service_id,
            "starts_at": factories.at(11, days=1).isoformat(),
            "address_id": customer.addresses[0].id,
            "remarks": "",
            **values,
        }

    return wish


@pytest.fixture
def refused(browser, wish):
    """refused(text, status, ...) sends the form and makes sure that it wrote nothing and says why."""

    def refused(text, status=422, **values):
        before = _count(Booking), _count(Address), _count(SlotClaim)
        response = browser.post("/book", data=wish(**values))
        assert response.status_code == status
        assert text in response.text
        assert (_count(Booking), _count(Address), _count(SlotClaim)) == before
        return response

    return refused


def _count(table):
    return db.session.scalar(select(func.count()).select_from(table))


def _only_booking():
    return db.session.scalars(select(Booking)).one()


def _page(booking, tail=""):
    return f"/bookings/{booking.id}{tail}"


# -- Choosing ---------------------------------------------------------------------------------


def test_the_page_shows_services_times_and_price(browser, wish, count_queries):
    chosen = wish()
    with count_queries() as seen:
        page = browser.get("/book", query_string={name: chosen[name] for name in ("professional_id", "service_id")})
    assert page.status_code == 200
    assert "Dev Menon" in page.text
    assert "11:00 am" in page.text
    assert "₹547.52" in page.text
    assert "Times are in Asia/Kolkata." in page.text
    assert "Free to cancel up to 3 hours before the start" in page.text
    assert seen.count <= 8


def test_the_queries_of_the_page_do_not_grow(browser, wish, customer, professional, count_queries):
    counts, query = [], wish()
    for later in range(2):
        with count_queries() as seen:
            assert browser.get("/book", query_string=query).status_code == 200
        counts.append(seen.count)
        for number in range(5):
            factories.address(customer, line=f"{number}, Main Road")
            factories.offer(professional, factories.service(base_price=100))
            start = factories.at(9 + 2 * later, days=number + 2)
            factories.booking(customer, professional, starts_at=start, service=factories.service())
    assert counts[0] == counts[1] <= 8


def test_a_chosen_time_says_until_when_it_is_free_to_cancel(browser, wish):
    page = browser.get("/book", query_string=wish())
    assert "Tuesday 24 November, 11:00" in page.text
    assert "Free to cancel until Tuesday 24 November, 8:00" in page.text


def test_the_days_are_named_in_the_readers_language(browser, wish):
    page = browser.get("/book", query_string=wish(), headers={"Accept-Language": "hi"})
    assert '<span class="day-name">मंगल</span><span class="day-number">24</span>' in page.text


def test_a_taken_time_cannot_be_picked(browser, wish, other_customer, professional):
    factories.booking(other_customer, professional)
    page = browser.get("/book", query_string=wish())
    assert "11:00 am<span class=\"visually-hidden\"> taken" in page.text.replace("\u202f", " ")
    assert " checked>" not in page.text[page.text.index('id="slots"') : page.text.index("3. Where and what")]


@pytest.mark.parametrize(
    "query",
    [
        {"service_id": "abc"},
        {"service_id": "9" * 30},
        {"day": "yesterday"},
        {"day": "0001-01-01"},
        {"starts_at": "0001-01-01T00:00:00+05:30"},
        {"starts_at": "9999-12-31T23:59:59-10:00"},
        {"starts_at": "11:00"},
        {"address_id": "-1"},
        {"pincode": "x" * 500},
    ],
)
def test_odd_questions_are_answered_with_the_page(browser, wish, query):
    assert browser.get("/book", query_string=wish(**query)).status_code == 200
    assert browser.get("/book", query_string=wish(professional_id="any", **query)).status_code == 200


@pytest.mark.parametrize("number", ["999999", "999999999999999999"])
def test_an_unknown_professional_is_not_found(browser, number):
    assert browser.get("/book", query_string={"professional_id": number}).status_code == 404


def test_nobody_books_an_unapproved_professional(browser, unapproved_professional):
    assert browser.get("/book", query_string={"professional_id": unapproved_professional.id}).status_code == 404


def test_a_paused_professional_says_so(browser, professional):
    professional.professional.paused = True
    page = browser.get("/book", query_string={"professional_id": professional.id})
    assert "takes no bookings at the moment" in page.text


def test_a_visitor_logs_in_and_comes_back_to_the_same_choices(client, wish):
    answer = client.get("/book", query_string={"professional_id": wish()["professional_id"], "day": "2026-11-25"})
    assert answer.status_code == 302
    assert unquote(answer.location).endswith(
        f"/login?next=/book?professional_id={wish()['professional_id']}&day=2026-11-25"
    )


# -- Booking ----------------------------------------------------------------------------------


def test_a_slot_is_booked(browser, wish, professional):
    answer = browser.post("/book", data=wish(remarks="Ring twice"))
    booking = _only_booking()
    assert answer.status_code == 303
    assert answer.location == _page(booking)
    page = browser.get(answer.location)
    assert f"Requested. Your reference is {booking.reference}." in page.text
    assert booking.professional_id == professional.id
    assert booking.starts_at == factories.at(11, days=1)
    assert booking.remarks == "Ring twice"


def test_a_double_click_books_once(browser, wish):
    answers = [browser.post("/book", data=wish()) for _ in range(2)]
    assert answers[0].location == answers[1].location
    assert _count(Booking) == 1


def test_a_double_click_with_a_new_address_books_once(browser, wish, customer):
    new = wish(address_id="new", line="5,  Church Street", pincode="560001")
    answers = [browser.post("/book", data=new) for _ in range(2)]
    assert answers[0].location == answers[1].location
    assert _count(Booking) == 1
    assert sorted(address.line for address in customer.addresses) == ["12, 3rd Cross", "5, Church Street"]


def test_nobody_pays_more_than_the_page_said(browser, wish, professional):
    page = browser.get("/book", query_string=wish()).text
    shown = wish(total=re.search(r'name="total" value="(\d+)"', page)[1])
    professional.professional.offerings[0].own_price = 60_000
    db.session.commit()
    answer = browser.post("/book", data=shown)
    assert answer.status_code == 409
    assert "The price has just changed to ₹725.70. Look at it before you book." in answer.text
    assert _count(Booking) == 0
    seen = re.search(r'name="total" value="(\d+)"', answer.text)[1]
    assert browser.post("/book", data=wish(total=seen)).status_code == 303
    assert str(_only_booking().total) == seen


def test_what_has_become_cheaper_is_booked(browser, wish):
    assert browser.post("/book", data=wish(total=60_000)).status_code == 303
    assert _only_booking().total == 54_752


def test_the_same_key_with_other_details_is_a_conflict(browser, wish, refused):
    browser.post("/book", data=wish())
    refused("already sent with other details", 409, starts_at=factories.at(15, days=1).isoformat())


def test_a_slot_that_was_just_taken_is_a_conflict(refused, other_customer, professional):
    factories.booking(other_customer, professional)
    refused("Somebody else has just taken that slot", 409)


def test_a_refused_new_address_is_not_kept(refused, other_customer, professional):
    factories.booking(other_customer, professional)
    page = refused("just taken", 409, address_id="new", line="5, Church Street", pincode="560001")
    assert 'value="5, Church Street"' in page.text


@pytest.mark.parametrize(
    "start, text",
    [
        ({"hour": 11, "days": -1}, "That time has passed"),
        ({"hour": 9, "minute": 30}, "That is too soon"),
        ({"hour": 11, "days": 31}, "That is too far ahead"),
        ({"hour": 6, "days": 1}, "does not work at that time"),
        ({"hour": 11, "minute": 10, "days": 1}, "does not work at that time"),
    ],
)
def test_a_time_that_cannot_be_booked_says_why(refused, start, text):
    refused(text, starts_at=factories.at(start.pop("hour"), start.pop("minute", 0), **start).isoformat())


@pytest.mark.parametrize(
    "values, text",
    [
        ({"starts_at": ""}, "Choose a time."),
        ({"starts_at": "tomorrow"}, "Choose a time."),
        ({"starts_at": "2026-11-24T11:00:00"}, "Choose a time."),
        ({"service_id": ""}, "Choose a service."),
        ({"service_id": "9" * 40}, "Choose a service."),
        ({"address_id": "mine"}, "Reload the page"),
        ({"address_id": "999999"}, "Choose one of your addresses."),
        ({"address_id": "new"}, "Enter the house, street and area."),
        ({"address_id": "new", "line": "5, Church Street", "pincode": "000000"}, "We do not know this PIN code"),
        ({"address_id": "new", "line": "x" * 5000, "pincode": "560001"}, "200"),
        ({"address_id": "new", "line": "5, MG Road", "pincode": factories.FAR_PIN}, "does not come to 781001"),
        ({"remarks": "x" * 1_000_000}, "1000"),
        ({"key": "k" * 65}, "64"),
    ],
)
def test_what_does_not_fit_is_said(refused, values, text):
    refused(text, **values)


def test_another_persons_address_cannot_be_used(refused, other_customer):
    page = refused("Choose one of your addresses.", address_id=other_customer.addresses[0].id)
    assert "bilal" not in page.text.lower()


def test_a_service_that_is_not_offered_cannot_be_booked(refused):
    other = factories.service("Something else", base_price=100)
    refused("does not offer that service", service_id=other.id)


def test_a_person_who_is_no_professional_cannot_be_booked(browser, wish, other_customer):
    assert browser.post("/book", data=wish(professional_id=other_customer.id)).status_code == 404
    assert _count(Booking) == 0


def test_an_empty_form_is_refused(browser):
    assert browser.post("/book", data={}).status_code == 422


def test_remarks_are_kept_as_they_were_written_and_shown_as_text(browser, wish):
    browser.post("/book", data=wish(remarks=f"{ODD_TEXT}\r\nsecond line\0"))
    booking = _only_booking()
    assert booking.remarks == f"{ODD_TEXT}\nsecond line"
    page = browser.get(_page(booking))
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert "👋🏽 مرحبا" in page.text


def test_five_unanswered_requests_are_enough(refused, customer, professional):
    for days in range(2, 7):
        factories.booking(customer, professional, starts_at=factories.at(11, days=days) if days != 6 else None)
    refused("You have 5 unanswered requests", starts_at=factories.at(16, days=1).isoformat())


def test_nobody_is_in_two_places_at_once(refused, customer, other_professional):
    factories.booking(customer, other_professional)
    refused("You have another booking at that time")


def test_a_booking_without_a_token_is_refused(browser, wish):
    browser.csrf = False
    assert browser.post("/book", data=wish()).status_code == 400


# -- Any professional -------------------------------------------------------------------------


@pytest.mark.parametrize("nobody", ["any", ""])
def test_any_professional_can_be_booked(browser, wish, professional, other_professional, nobody):
    page = browser.get("/book", query_string=wish(professional_id=nobody))
    assert "Book any professional" in page.text
    assert "₹547.52" in page.text
    answer = browser.post("/book", data=wish(professional_id=nobody))
    assert answer.status_code == 303
    assert _only_booking().professional_id is None
    assert _count(BookingOffer) == 2
    assert "We asked the best free professionals near you" in browser.get(answer.location).text


def test_a_time_counts_as_free_while_one_of_several_is(
    browser, wish, professional, other_professional, other_customer
):
    query = wish(professional_id="any", starts_at="", day="2026-11-24")
    factories.booking(other_customer, professional)
    assert "11:00 am</label>" in browser.get("/book", query_string=query).text.replace("\u202f", " ")
    factories.booking(other_customer, other_professional)
    assert "11:00 am</label>" not in browser.get("/book", query_string=query).text.replace("\u202f", " ")


def test_any_professional_asks_where_before_when(as_, customer, professional, wish):
    customer.addresses[0].archived_at = factories.at(1)
    browser = as_(customer)
    query = wish(professional_id="any", address_id="", starts_at="")
    assert "Your PIN code" in browser.get("/book", query_string=query).text
    assert "We do not know this PIN code" in browser.get("/book", query_string={**query, "pincode": "1"}).text
    assert "11:00" in browser.get("/book", query_string={**query, "pincode": "560001"}).text
    assert "Nobody near 781001" in browser.get("/book", query_string={**query, "pincode": "781001"}).text


def test_nobody_free_is_said(refused):
    refused("Nobody near you is free then", professional_id="any", starts_at=factories.at(6, days=1).isoformat())


# -- The booking's page -----------------------------------------------------------------------


@pytest.mark.parametrize("status", list(Status))
def test_a_booking_is_shown_in_every_state(browser, customer, professional, status, count_queries):
    booking = factories.booking(customer, professional, status=status)
    with count_queries() as seen:
        page = browser.get(_page(booking))
    assert page.status_code == 200
    assert booking.reference in page.text
    assert "₹547.52" in page.text
    assert "12, 3rd Cross" in page.text
    assert seen.count <= 8


@pytest.mark.parametrize("status", list(Status))
def test_only_what_can_be_done_is_offered(browser, customer, professional, status):
    booking = factories.booking(customer, professional, status=status)
    page = browser.get(_page(booking)).text
    actions = bookings.available_actions(booking, customer)
    for verb, path in (("edit", "edit"), ("move", "move"), ("cancel", "cancel"), ("renew_code", "renew-code")):
        assert (f'"{_page(booking)}/{path}"' in page) == (verb in actions)
    assert (f'"{_page(booking)}/close"' in page) == ("close" in actions)
    assert (f'"{_page(booking)}/review"' in page) == ("review" in actions)


@pytest.mark.parametrize("status", list(Status))
def test_the_telephone_number_shows_while_the_job_is_on(browser, customer, professional, status):
    page = browser.get(_page(factories.booking(customer, professional, status=status))).text
    on = (Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS, Status.COMPLETED)
    assert (professional.phone in page) == (status in on)


@pytest.mark.parametrize("status", list(Status))
def test_the_code_shows_until_the_work_begins(browser, customer, professional, status):
    booking = factories.booking(customer, professional, status=status)
    assert ("Start code" in browser.get(_page(booking)).text) == (status in (Status.ACCEPTED, Status.EN_ROUTE))


def test_an_overdue_request_is_shown_as_expired(browser, customer, professional, frozen):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by + timedelta(minutes=1))
    page = browser.get(_page(booking)).text
    assert "Expired" in page
    assert "Find somebody else" in page
    assert f"/bookings/{booking.id}/again" in page


def test_a_payment_shows_on_the_booking(browser, customer, professional):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    factories.payment(booking, recorded_at=factories.at(10))
    assert "₹547.52 paid by UPI" in browser.get(_page(booking)).text


# -- Strangers --------------------------------------------------------------------------------

TAILS = ("", "/edit", "/move", "/cancel", "/renew-code", "/close", "/review")


@pytest.mark.parametrize("tail", TAILS)
def test_a_booking_is_not_there_for_another_customer(as_, customer, other_customer, professional, tail):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    stranger = as_(other_customer)
    if tail not in ("/renew-code", "/close"):
        assert stranger.get(_page(booking, tail)).status_code == 404
    if tail:
        assert stranger.post(_page(booking, tail), data={"rating": 1}).status_code == 404
    db.session.refresh(booking)
    assert booking.status is Status.ACCEPTED


@pytest.mark.parametrize("path", ["/customer-dashboard", "/bookings", "/book", *(f"/bookings/1{t}" for t in TAILS)])
def test_other_roles_are_kept_out(as_, professional, admin, client, path):
    method = "post" if path.endswith(("renew-code", "close")) else "get"
    for person in (professional, admin):
        assert getattr(as_(person), method)(path).status_code == 403
    assert getattr(client, method)(path).status_code == 302


def test_a_booking_number_beyond_all_numbers_is_not_found(browser):
    assert browser.get(f"/bookings/{10**30}").status_code == 404


def test_the_code_is_nobody_elses(as_, customer, professional, admin):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    assert bookings.start_code(booking, customer)
    assert bookings.start_code(booking, professional) is None
    assert bookings.start_code(booking, admin) is None


# -- Changing ---------------------------------------------------------------------------------


def test_a_late_click_shows_the_booking_as_it_is_now(browser, customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.IN_PROGRESS)
    for tail in ("/edit", "/move", "/cancel", "/renew-code", "/close"):
        answer = browser.post(_page(booking, tail), data={})
        assert answer.status_code == 409
        assert "That is no longer possible: the booking is now “In progress”." in answer.text
        assert "Dev Menon" in answer.text
    for tail in ("/edit", "/move", "/cancel"):
        assert browser.get(_page(booking, tail)).status_code == 409


def test_a_pending_booking_is_edited(browser, customer, professional):
    booking = factories.booking(customer, professional)
    other = factories.address(customer, pincode=factories.NEAR_PIN, line="7, Lake View")
    assert browser.get(_page(booking, "/edit")).status_code == 200
    answer = browser.post(_page(booking, "/edit"), data={"remarks": ODD_TEXT, "address_id": other.id})
    assert answer.status_code == 303
    db.session.refresh(booking)
    assert (booking.address_line, booking.pincode, booking.remarks) == ("7, Lake View", "560034", ODD_TEXT)


def test_an_accepted_booking_stays_within_its_pin_code(browser, customer, professional):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    other = factories.address(customer, pincode=factories.NEAR_PIN)
    answer = browser.post(_page(booking, "/edit"), data={"address_id": other.id})
    assert answer.status_code == 422
    assert "Choose an address within 560001" in answer.text


@pytest.mark.parametrize("whose", ["another", "nobody"])
def test_a_booking_is_not_edited_to_a_foreign_address(browser, customer, other_customer, professional, whose):
    booking = factories.booking(customer, professional)
    address_id = other_customer.addresses[0].id if whose == "another" else 999_999
    answer = browser.post(_page(booking, "/edit"), data={"address_id": address_id, "remarks": "kept"})
    assert answer.status_code == 422
    assert "Choose one of your addresses." in answer.text
    assert "kept</textarea>" in answer.text


def test_a_pending_booking_moves_even_within_its_own_slot(browser, customer, professional):
    booking = factories.booking(customer, professional)
    page = browser.get(_page(booking, "/move"))
    assert f'method="post" action="{_page(booking, "/move")}"' in page.text
    assert "11:30 am</label>" in page.text.replace("\u202f", " ")
    start = factories.at(11, 30, days=1)
    assert browser.post(_page(booking, "/move"), data={"starts_at": start.isoformat()}).status_code == 303
    db.session.refresh(booking)
    assert booking.starts_at == start


def test_a_booking_for_anybody_moves_too(browser, wish, professional):
    browser.post("/book", data=wish(professional_id="any"))
    booking = _only_booking()
    assert browser.get(_page(booking, "/move")).status_code == 200
    start = factories.at(15, days=2).isoformat()
    assert browser.post(_page(booking, "/move"), data={"starts_at": start}).status_code == 303


def test_a_booking_does_not_move_onto_another(browser, customer, other_customer, professional):
    booking = factories.booking(customer, professional)
    factories.booking(other_customer, professional, starts_at=factories.at(15, days=1))
    answer = browser.post(_page(booking, "/move"), data={"starts_at": factories.at(15, days=1).isoformat()})
    assert answer.status_code == 409
    assert "just taken" in answer.text
    db.session.refresh(booking)
    assert booking.starts_at == factories.at(11, days=1)
    assert db.session.scalar(select(func.count()).where(SlotClaim.booking_id == booking.id)) > 0


@pytest.mark.parametrize("start", ["", "soon", "2020-01-01T00:00:00+00:00"])
def test_a_booking_does_not_move_to_an_odd_time(browser, customer, professional, start):
    booking = factories.booking(customer, professional)
    assert browser.post(_page(booking, "/move"), data={"starts_at": start}).status_code == 422


def test_an_unanswered_request_is_cancelled_for_nothing(browser, customer, professional):
    booking = factories.booking(customer, professional)
    assert "Cancelling costs nothing" in browser.get(_page(booking, "/cancel")).text
    assert browser.post(_page(booking, "/cancel"), data={"reason": "Fixed itself"}).status_code == 303
    db.session.refresh(booking)
    assert (booking.status, booking.total) == (Status.CANCELLED, 0)
    assert "Fixed itself" in browser.get(_page(booking)).text


@pytest.mark.parametrize("minutes_before, fee", [(181, 0), (180, 0), (179, 10_000), (30, 10_000)])
def test_a_late_cancellation_says_its_price_first(browser, customer, professional, frozen, minutes_before, fee):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    frozen.move_to(booking.starts_at - timedelta(minutes=minutes_before))
    page = browser.get(_page(booking, "/cancel")).text
    assert ("Cancelling now costs ₹100.00" in page) == bool(fee)
    assert ("Cancel and pay ₹100" in page) == bool(fee)
    browser.post(_page(booking, "/cancel"))
    db.session.refresh(booking)
    assert booking.total == fee
    assert (LineKind.LATE_FEE in {line.kind for line in booking.lines}) == bool(fee)
    assert ("due as the late cancellation fee" in browser.get(_page(booking)).text) == bool(fee)


def test_a_cancelled_booking_cannot_be_cancelled_again(browser, customer, professional):
    booking = factories.booking(customer, professional)
    browser.post(_page(booking, "/cancel"))
    assert browser.post(_page(booking, "/cancel")).status_code == 409


def test_a_reason_too_long_is_refused(browser, customer, professional):
    booking = factories.booking(customer, professional)
    assert browser.post(_page(booking, "/cancel"), data={"reason": "x" * 1_000_000}).status_code == 422
    db.session.refresh(booking)
    assert booking.status is Status.PENDING


def test_a_locked_code_can_be_renewed(browser, customer, professional):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED, code_tries=5)
    old = bookings.start_code(booking, customer)
    assert "Locked after too many wrong tries" in browser.get(_page(booking)).text
    assert browser.post(_page(booking, "/renew-code")).status_code == 303
    db.session.refresh(booking)
    assert booking.code_tries == 0
    page = browser.get(_page(booking)).text
    assert f">{bookings.start_code(booking, customer)}<" in page
    assert f">{old}<" not in page or old == bookings.start_code(booking, customer)


# -- Confirming and reviewing -----------------------------------------------------------------


def test_the_customer_confirms_that_it_is_done(browser, customer, professional):
    booking = factories.booking(customer, professional, status=Status.COMPLETED)
    assert "Is everything done?" in browser.get(_page(booking)).text
    assert browser.post(_page(booking, "/close")).status_code == 303
    db.session.refresh(booking)
    assert booking.status is Status.CLOSED
    assert browser.post(_page(booking, "/close")).status_code == 409


def test_a_job_is_reviewed_once(browser, customer, professional):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    answer = browser.post(_page(booking, "/review"), data={"rating": "4", "comment": ODD_TEXT})
    assert answer.status_code == 303
    review = db.session.scalars(select(Review)).one()
    assert (review.rating, review.comment) == (4, ODD_TEXT)
    page = browser.get(_page(booking)).text
    assert "<script>alert" not in page
    assert "Change the review" in page
    db.session.refresh(professional.professional)
    assert professional.professional.rating == 4
    assert ratings.disagreements() == []


def test_a_review_is_changed_for_48_hours(browser, customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    browser.post(_page(booking, "/review"), data={"rating": "4", "comment": "Good"})
    frozen.shift(timedelta(hours=48))
    assert "Good</textarea>" in browser.get(_page(booking, "/review")).text
    assert browser.post(_page(booking, "/review"), data={"rating": "2", "comment": "Leaks"}).status_code == 303
    db.session.refresh(professional.professional)
    assert professional.professional.rating == 2
    frozen.shift(timedelta(minutes=1))
    assert browser.get(_page(booking, "/review")).status_code == 409
    assert browser.post(_page(booking, "/review"), data={"rating": "5"}).status_code == 409
    assert db.session.scalars(select(Review)).one().rating == 2


def test_reviews_close_after_30_days(as_, customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    frozen.shift(timedelta(days=30, minutes=1))
    browser = as_(customer)
    assert "How was it?" not in browser.get(_page(booking)).text
    assert browser.post(_page(booking, "/review"), data={"rating": "5"}).status_code == 409
    assert _count(Review) == 0


@pytest.mark.parametrize(
    "values", [{}, {"rating": "0"}, {"rating": "6"}, {"rating": "five"}, {"rating": "5", "comment": "x" * 1_000_000}]
)
def test_an_odd_review_is_refused(browser, customer, professional, values):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    answer = browser.post(_page(booking, "/review"), data=values)
    assert answer.status_code == 422
    assert "Please check the form" in answer.text
    assert _count(Review) == 0


@pytest.mark.parametrize("status", [Status.PENDING, Status.ACCEPTED, Status.CANCELLED])
def test_only_work_that_was_done_is_reviewed(browser, customer, professional, status):
    booking = factories.booking(customer, professional, status=status)
    assert browser.post(_page(booking, "/review"), data={"rating": "1"}).status_code == 409


# -- Overviews --------------------------------------------------------------------------------


def test_a_new_customer_is_shown_where_to_begin(browser, count_queries):
    with count_queries() as seen:
        page = browser.get("/customer-dashboard")
    assert "Nothing planned" in page.text
    assert "Plumbing" in page.text
    assert seen.count <= 8
    assert "No bookings here" in browser.get("/bookings").text
    assert "Nothing behind you yet" in browser.get("/bookings?show=past").text


def test_the_dashboard_says_what_is_next_and_what_waits(browser, customer, professional):
    for days, status in enumerate(
        (Status.ACCEPTED, Status.PENDING, Status.EN_ROUTE, Status.COMPLETED, Status.CLOSED, Status.CANCELLED), 1
    ):
        factories.booking(customer, professional, status=status, starts_at=factories.at(11, days=days % 5 + 1))
    page = browser.get("/customer-dashboard").text
    for words in ("Next booking", "Waiting for an answer", "Happening now", "Waiting for you", "Leave a review"):
        assert words in page
    assert "Cancelled" not in page


def test_the_dashboard_does_not_ask_more_when_there_is_more(browser, customer, count_queries):
    counts = []
    for _ in range(2):
        with count_queries() as seen:
            browser.get("/customer-dashboard")
        counts.append(seen.count)
        for hour in (9, 11, 13, 15):
            person = factories.professional()
            factories.booking(customer, person, starts_at=factories.at(hour, days=1))
            factories.booking(customer, person, starts_at=factories.at(hour, days=2), status=Status.ACCEPTED)
            factories.booking(customer, person, status=Status.CLOSED)
    assert counts[0] == counts[1] <= 8


def test_bookings_are_listed_by_tab(browser, customer, other_customer, professional):
    coming = factories.booking(customer, professional)
    done = factories.booking(customer, professional, status=Status.CLOSED)
    foreign = factories.booking(other_customer, professional, starts_at=factories.at(15, days=1))
    listed = {show: browser.get(f"/bookings?show={show}").text for show in ("upcoming", "past", "all", "odd")}
    assert coming.reference in listed["upcoming"]
    assert done.reference not in listed["upcoming"]
    assert coming.reference not in listed["past"]
    assert done.reference in listed["past"]
    assert coming.reference in listed["all"]
    assert done.reference in listed["all"]
    assert coming.reference in listed["odd"]
    assert not any(foreign.reference in page for page in listed.values())


def test_twenty_bookings_make_a_page(browser, customer, professional, count_queries):
    references = [
        factories.booking(
            customer, professional, status=Status.CLOSED, starts_at=factories.at(9, days=-number)
        ).reference
        for number in range(1, 46)
    ]
    address, seen_references, pages = "/bookings?show=past", [], 0
    while address:
        with count_queries() as seen:
            page = browser.get(address).text
        assert seen.count <= 8
        seen_references += [one for one in references if f">{one}<" in page]
        pages += 1
        at = page.find('rel="next" href="')
        address = page[at + 17 : page.index('"', at + 17)].replace("&amp;", "&") if at > 0 else None
    assert pages == 3
    assert sorted(seen_references) == sorted(references)


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "9" * 2000])
def test_a_made_up_cursor_breaks_nothing(browser, cursor):
    assert browser.get(f"/bookings?after={cursor}").status_code in (200, 400, 422)


def test_a_refusal_of_the_domain_is_never_an_accident(customer, professional):
    with pytest.raises(DomainError):
        requests.request(professional, 1, professional.id, factories.at(11, days=1), 1)
