"""The professional's pages: what they show to whom, every button, and every refusal."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import clock, schedules, start_codes
from extensions import db
from models import (
    Approval,
    BookingEvent,
    BookingOffer,
    OfferStatus,
    PaymentMethod,
    PinCode,
    Professional,
    Review,
    Status,
    TimeOff,
)
from models_money import Payment
from tests import factories
from tests.client import MOST_QUERIES

PAGES = (
    "/professional-dashboard",
    "/professional/requests",
    "/professional/calendar",
    "/professional/history",
    "/professional/earnings",
    "/professional/reviews",
    "/professional/hours",
)
VERBS = ("accept", "reject", "depart", "start", "complete", "payment", "cancel")
MEGABYTE = "x" * 1_000_000
ODD_TEXTS = ("😀", "\u202eمرحبا", "'\"<script>alert(1)</script>", "%s{{7*7}}")


@pytest.fixture
def browser(as_, professional):
    return as_(professional)


@pytest.fixture
def book(customer, professional):
    """book(status) is a booking of today at 11:00, two hours from now, with a phone and an address."""

    def book(status=Status.PENDING, **values):
        return factories.booking(
            customer, professional, **{"status": status, "starts_at": factories.at(11), **values}
        )

    return book


@pytest.fixture
def offered(customer, professional, other_professional):
    """A booking of tomorrow on offer to two professionals."""
    booking = factories.booking(customer, None, remarks="The gate code is 77.")
    for position, person in enumerate((professional, other_professional), 1):
        db.session.add(
            BookingOffer(
                booking_id=booking.id, professional_id=person.id, position=position, created_at=clock.now()
            )
        )
    db.session.commit()
    return booking


def url(booking, verb=None):
    return f"/professional/jobs/{booking.id}" + (f"/{verb}" if verb else "")


def form_for(booking, verb):
    """What the page's form sends for a verb."""
    return {
        "accept": {"seen": booking.starts_at.isoformat()},
        "reject": {"reason": "I am ill."},
        "start": {"code": start_codes.code_of(booking)},
        "payment": {"method": "cash"},
        "cancel": {"reason": "My van broke down."},
    }.get(verb, {})


def reload(booking):
    db.session.refresh(booking)
    return booking


# -- Who may look -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_strangers_log_in_and_other_roles_are_refused(client, as_, customer, admin, page):
    assert "/login" in client.get(page).location
    assert as_(customer).get(page).status_code == 403
    assert as_(admin).get(page).status_code == 403


@pytest.mark.parametrize("verb", VERBS)
def test_other_roles_use_no_verb(client, as_, book, customer, admin, verb):
    booking = book()
    assert client.post(url(booking, verb)).status_code in (302, 401)
    assert as_(customer).post(url(booking, verb), data=form_for(booking, verb)).status_code == 403
    assert as_(admin).post(url(booking, verb), data=form_for(booking, verb)).status_code == 403
    assert reload(booking).status is Status.PENDING


@pytest.mark.parametrize("verb", VERBS)
def test_a_stranger_finds_nothing(as_, book, other_professional, verb):
    booking = book()
    stranger = as_(other_professional)
    assert stranger.get(url(booking)).status_code == 404
    assert stranger.post(url(booking, verb), data=form_for(booking, verb)).status_code == 404
    assert reload(booking).status is Status.PENDING


@pytest.mark.parametrize("number", ["0", "999999", "99999999999999999999"])
def test_a_booking_that_is_not_there_is_not_found(browser, number):
    assert browser.get(f"/professional/jobs/{number}").status_code == 404
    assert browser.post(f"/professional/jobs/{number}/accept").status_code == 404


@pytest.mark.parametrize("approval", [Approval.PENDING, Approval.REJECTED])
def test_who_is_not_approved_sees_one_page_only(as_, unapproved_professional, approval):
    worker = db.session.get(Professional, unapproved_professional.id)
    worker.approval, worker.approval_reason = approval, "The document is not readable."
    db.session.commit()
    browser = as_(unapproved_professional)
    page = browser.get("/professional-dashboard")
    assert page.status_code == 200
    assert "Your application" in page.text
    for other in PAGES[1:]:
        assert browser.get(other).location.endswith("/professional-dashboard")
    assert browser.post("/professional/pause", data={"paused": "1"}).status_code == 403
    assert browser.post("/professional/hours").status_code == 403


def test_who_is_not_approved_cannot_take_a_job(as_, customer, unapproved_professional):
    booking = factories.booking(customer, unapproved_professional)
    assert as_(unapproved_professional).post(url(booking, "accept")).status_code == 403
    assert reload(booking).status is Status.PENDING


# -- The day ------------------------------------------------------------------------------------


def test_a_new_professional_sees_an_empty_day(browser):
    page = browser.get("/professional-dashboard").text
    assert "Good morning, Dev" in page
    assert "0 requests are waiting for your answer" in page
    assert "No jobs today" in page
    assert "No reviews yet" in page
    assert "accepted" not in page
    assert "median" not in page
    for address in PAGES[1:]:
        assert browser.get(address).status_code == 200


@pytest.mark.parametrize("hour, words", [(0, "morning"), (11, "morning"), (12, "afternoon"), (17, "evening")])
def test_the_greeting_knows_the_time_of_day(as_, professional, frozen, hour, words):
    frozen.move_to(factories.at(hour, days=1))
    browser = as_(professional)
    assert f"Good {words}, Dev" in browser.get("/professional-dashboard").text


def test_the_day_shows_requests_jobs_and_earnings(browser, book, professional):
    worker = db.session.get(Professional, professional.id)
    worker.offers_answered, worker.offers_accepted = 25, 24
    service = factories.service("Tap repair", base_price=49_900, duration_minutes=90)
    book(respond_by=clock.now() + timedelta(minutes=38), remarks="It drips.", service=service)
    book(Status.IN_PROGRESS, starts_at=factories.at(8), service=service)
    book(Status.ACCEPTED, starts_at=factories.at(15, days=1), service=service)
    asked = clock.now() - timedelta(hours=9)
    done = book(
        Status.CLOSED,
        starts_at=factories.at(6),
        service=service,
        created_at=asked,
        accepted_at=asked + timedelta(minutes=2),
    )
    factories.review(done, rating=5)
    worker.rating_sum, worker.rating_count = 5, 1
    db.session.commit()
    page = browser.get("/professional-dashboard").text
    assert "1 request is waiting for your answer, 1 job is left today." in page
    assert re.search(r"answer within <time[^>]*>38 min</time>", page)
    assert "1 h 30 min" in page
    assert "It drips." in page
    assert "you earn ₹499" in page
    assert "Today ₹499 · Month ₹499" in page
    assert "1 review · 96% accepted · 1 min median answer" in page
    assert "Upcoming" in page


def test_a_request_says_where_without_the_door(browser, book):
    book()
    page = browser.get("/professional/requests").text
    assert factories.CITY_PIN in page
    assert " km" in page
    assert "3rd Cross" not in page
    assert "+91" not in page


def test_a_job_that_was_forgotten_is_still_shown(browser, book):
    book(Status.IN_PROGRESS, starts_at=factories.at(11, days=-2))
    assert "Not finished yet" in browser.get("/professional-dashboard").text


def test_an_overdue_request_is_gone_before_any_job_runs(browser, book, frozen):
    booking = book()
    frozen.move_to(booking.respond_by)
    assert "Nothing waits for you" in browser.get("/professional/requests").text
    page = browser.get(url(booking)).text
    assert "Expired" in page
    assert "Accept</button>" not in page
    assert booking.service.name in browser.get("/professional/history?status=expired").text
    assert browser.post(url(booking, "accept"), data=form_for(booking, "accept")).status_code == 409


def test_lists_go_on_after_twenty(browser, book):
    for number in range(21):
        book(starts_at=factories.at(11, days=1) + timedelta(hours=2 * number))
        book(Status.CLOSED, starts_at=factories.at(11, days=-1 - number))
    for address in ("/professional/requests", "/professional/history", "/professional/earnings?from=2026-10-01"):
        first = browser.get(address).text
        following = re.search(r'rel="next" href="([^"]+)"', first)[1].replace("&amp;", "&")
        second = browser.get(following)
        assert second.status_code == 200
        assert len(set(re.findall(r"/professional/jobs/(\d+)", first))) == 20
        assert len(set(re.findall(r"/professional/jobs/(\d+)", second.text))) == 1
        assert "Back to the start" in second.text


@pytest.mark.parametrize("cursor", ["x", "W10", "é", "W251bGwsbnVsbF0", MEGABYTE[:5000]])
def test_a_made_up_cursor_breaks_nothing(browser, cursor):
    for name in ("requests", "history", "earnings", "reviews"):
        assert browser.get(f"/professional/{name}", query_string={"after": cursor}).status_code in (200, 422)


def test_history_is_filtered_by_what_became_of_it(browser, book):
    closed = book(Status.CLOSED, starts_at=factories.at(8, days=-1))
    service = factories.service("Never done", base_price=77_700)
    declined = book(Status.REJECTED, starts_at=factories.at(8, days=-2), service=service)
    everything = browser.get("/professional/history").text
    assert url(closed) in everything
    assert url(declined) in everything
    some = browser.get("/professional/history?status=rejected").text
    assert url(declined) in some
    assert url(closed) not in some
    assert "₹777" not in some, "it earned nothing"
    assert browser.get("/professional/history?status=nonsense").status_code == 200
    assert "None of your jobs ended like this" in browser.get("/professional/history?status=no_show").text


def test_the_calendar_shows_jobs_hours_and_time_off(browser, book, professional):
    book(Status.ACCEPTED)
    db.session.add(
        TimeOff(
            professional_id=professional.id,
            starts_at=factories.at(0, days=2),
            ends_at=factories.at(0, days=3),
            note="Wedding",
        )
    )
    db.session.commit()
    page = browser.get("/professional/calendar").text
    assert "11:00" in page
    assert page.count("No working hours") == 2, "two Sundays"
    assert "Wedding" in page
    assert "9:00" in page


@pytest.mark.parametrize("page", [*PAGES, "job", "offer"])
def test_the_queries_of_a_page_do_not_grow(browser, book, professional, offered, count_queries, page):
    address = {"job": url(book(Status.ACCEPTED)), "offer": url(offered)}.get(page, page)
    with count_queries() as few:
        assert browser.get(address).status_code == 200
    pins = list(db.session.scalars(select(PinCode).where(PinCode.pincode.startswith("5600")).limit(10)))
    for number, pin in enumerate(pins):
        person = factories.customer()
        service = factories.service(f"Special {number}", duration_minutes=30)
        values = {"pincode": pin.pincode, "service": service}
        for status, days in ((Status.PENDING, 2), (Status.ACCEPTED, 3), (Status.ACCEPTED, 0)):
            starts_at = factories.at(13, days=days) + timedelta(minutes=45 * number)
            factories.booking(person, professional, status=status, starts_at=starts_at, **values)
        done = factories.booking(
            person, professional, status=Status.CLOSED, starts_at=factories.at(9, days=-number), **values
        )
        factories.review(done)
    with count_queries() as many:
        browser.get(address)
    assert many.count == few.count
    assert many.count <= MOST_QUERIES


# -- The life of a job --------------------------------------------------------------------------


def test_a_job_from_the_request_to_the_payment(browser, book, frozen):
    booking = book()
    page = browser.get(url(booking)).text
    assert "3rd Cross" not in page
    assert booking.customer.phone not in page

    assert browser.post(url(booking, "accept"), data=form_for(booking, "accept")).location.endswith(url(booking))
    page = browser.get(url(booking)).text
    assert "12, 3rd Cross" in page
    assert booking.customer.phone in page
    assert "You can start from today, 10:30" in page

    browser.post(url(booking, "depart"))
    assert reload(booking).status is Status.EN_ROUTE
    frozen.move_to(booking.starts_at)
    browser.post(url(booking, "start"), data={"code": f" {start_codes.code_of(booking)} "})
    assert reload(booking).status is Status.IN_PROGRESS
    browser.post(url(booking, "complete"))
    assert reload(booking).status is Status.COMPLETED
    page = browser.get(url(booking)).text
    assert "The customer owes you" in page
    browser.post(url(booking, "payment"), data={"method": "upi"})
    payment = db.session.scalars(select(Payment)).one()
    assert (payment.method, payment.amount) == (PaymentMethod.UPI, booking.total)
    assert "paid by UPI" in browser.get(url(booking)).text


def test_an_offer_hides_its_customer_until_it_is_accepted(browser, offered):
    for address in ("/professional/requests", url(offered)):
        page = browser.get(address).text
        assert factories.CITY_PIN in page
        assert "3rd Cross" not in page
        assert "Asha" not in page
        assert offered.customer.phone not in page
    assert browser.post(url(offered, "accept"), data=form_for(offered, "accept")).status_code == 302
    page = browser.get(url(offered)).text
    assert "Asha Rao" in page
    assert "12, 3rd Cross" in page


def test_the_second_to_accept_an_offer_sees_it_gone(browser, as_, other_professional, offered):
    as_(other_professional).post(url(offered, "accept"), data=form_for(offered, "accept"))
    answer = browser.post(url(offered, "accept"), data=form_for(offered, "accept"))
    assert answer.status_code in (403, 409)
    page = browser.get(url(offered)).text
    assert "Another professional was first" in page
    for secret in ("3rd Cross", "Asha", "gate code", offered.customer.phone):
        assert secret not in page
        assert secret not in answer.text


def test_a_declined_offer_is_over_for_who_declined(browser, offered):
    assert browser.post(url(offered, "reject"), data={"reason": "Too far."}).status_code == 302
    assert reload(offered).status is Status.PENDING
    assert "You declined this" in browser.get(url(offered)).text
    assert url(offered) not in browser.get("/professional/requests").text
    assert browser.post(url(offered, "accept"), data=form_for(offered, "accept")).status_code == 409


@pytest.mark.parametrize("reason", ["", "   ", None])
def test_declining_needs_a_reason(browser, book, reason):
    booking = book()
    answer = browser.post(url(booking, "reject"), data={} if reason is None else {"reason": reason})
    assert answer.status_code == 422
    assert "Give a reason" in answer.text
    assert '<details class="confirm end" open>' in answer.text
    assert reload(booking).status is Status.PENDING


@pytest.mark.parametrize("reason", ODD_TEXTS)
def test_a_reason_is_kept_as_it_was_written(browser, book, reason):
    booking = book()
    assert browser.post(url(booking, "reject"), data={"reason": reason}).status_code == 302
    event = db.session.scalars(select(BookingEvent).where(BookingEvent.verb == "reject")).one()
    assert event.reason == reason.replace("\u202e", "")
    assert "<script>alert" not in browser.get(url(booking)).text


@pytest.mark.parametrize("verb, status", [("reject", Status.PENDING), ("cancel", Status.ACCEPTED)])
def test_a_reason_of_a_megabyte_is_refused(browser, book, verb, status):
    booking = book(status)
    answer = browser.post(url(booking, verb), data={"reason": MEGABYTE})
    assert answer.status_code == 422
    assert "500 characters" in answer.text
    assert reload(booking).status is status


def test_a_job_can_be_cancelled_without_a_cost_to_the_customer(browser, book):
    booking = book(Status.ACCEPTED)
    assert browser.post(url(booking, "cancel"), data={}).status_code == 302
    assert (reload(booking).status, booking.total) == (Status.CANCELLED, 0)
    page = browser.get(url(booking)).text
    assert "3rd Cross" not in page
    assert booking.customer.phone not in page


def test_a_request_that_moved_is_not_accepted_unseen(browser, book):
    booking = book()
    answer = browser.post(url(booking, "accept"), data={"seen": factories.at(12).isoformat()})
    assert answer.status_code == 409
    assert "moved" in answer.text
    assert reload(booking).status is Status.PENDING


@pytest.mark.parametrize("seen", ["yesterday", MEGABYTE, "2026-13-45", "<b>"])
def test_a_start_that_cannot_be_read_accepts_nothing(browser, book, seen):
    booking = book()
    assert browser.post(url(booking, "accept"), data={"seen": seen}).status_code == 422
    assert reload(booking).status is Status.PENDING


@pytest.mark.parametrize(
    "verb, status, at",
    [
        ("accept", Status.PENDING, 9),
        ("depart", Status.ACCEPTED, 9),
        ("start", Status.ACCEPTED, 11),
        ("complete", Status.IN_PROGRESS, 12),
        ("payment", Status.COMPLETED, 12),
        ("reject", Status.PENDING, 9),
        ("cancel", Status.ACCEPTED, 9),
    ],
)
def test_a_second_click_changes_nothing(browser, book, frozen, verb, status, at):
    booking = book(status)
    frozen.move_to(factories.at(at))
    form = form_for(booking, verb)
    assert browser.post(url(booking, verb), data=form).status_code == 302
    events = db.session.query(BookingEvent).count()
    answer = browser.post(url(booking, verb), data=form)
    assert answer.status_code == 409
    assert booking.service.name in answer.text, "the page as it is now"
    assert db.session.query(BookingEvent).count() == events


@pytest.mark.parametrize("verb", ["accept", "reject", "depart", "start", "complete", "payment"])
def test_a_late_click_shows_the_booking_as_it_is(browser, book, verb):
    booking = book(Status.CANCELLED)
    answer = browser.post(url(booking, verb), data=form_for(booking, verb))
    assert answer.status_code == 409
    assert "Cancelled" in answer.text
    assert "flash-error" in answer.text


def test_it_can_be_too_early(browser, book):
    booking = book(Status.ACCEPTED, starts_at=factories.at(15))
    page = browser.get(url(booking)).text
    assert "You can set off from today, 12:00" in page
    assert "You can start from today, 2:30" in page
    assert "I am on my way" not in page
    for verb in ("depart", "start"):
        answer = browser.post(url(booking, verb), data=form_for(booking, verb))
        assert answer.status_code == 409
        assert "too early" in answer.text
    assert reload(booking).code_tries == 0


def test_a_wrong_code_is_counted_and_locks_after_five(browser, book, frozen):
    booking = book(Status.EN_ROUTE)
    frozen.move_to(factories.at(11))
    wrong = f"{(int(start_codes.code_of(booking)) + 1) % 10_000:04}"
    for left in (4, 3, 2, 1):
        answer = browser.post(url(booking, "start"), data={"code": wrong})
        assert answer.status_code == 422
        assert f"{left} tries are left" in answer.text
        assert 'id="code-error"' in answer.text
        assert reload(booking).code_tries == 5 - left
    answer = browser.post(url(booking, "start"), data={"code": wrong})
    assert answer.status_code == 422
    assert "The code is locked" in answer.text
    right = browser.post(url(booking, "start"), data=form_for(booking, "start"))
    assert right.status_code == 409
    assert "The code is locked" in right.text
    assert (reload(booking).status, booking.code_tries) == (Status.EN_ROUTE, 5)


@pytest.mark.parametrize("code", ["", "12", "12345", "12a4", "١٢٣٤", MEGABYTE, *ODD_TEXTS])
def test_what_is_no_code_costs_no_try(browser, book, frozen, code):
    booking = book(Status.ACCEPTED)
    frozen.move_to(factories.at(11))
    answer = browser.post(url(booking, "start"), data={"code": code})
    assert answer.status_code == 422
    assert "four digits" in answer.text
    assert reload(booking).code_tries == 0


@pytest.mark.parametrize("method", ["", "card", MEGABYTE, None])
def test_a_payment_is_cash_or_upi(browser, book, method):
    booking = book(Status.COMPLETED)
    answer = browser.post(url(booking, "payment"), data={} if method is None else {"method": method})
    assert answer.status_code == 422
    assert reload(booking).paid == 0


def test_a_part_may_be_paid(browser, book):
    booking = book(Status.COMPLETED)
    browser.post(url(booking, "payment"), data={"method": "cash", "amount": "200.01"})
    assert reload(booking).paid == 20_001
    rest = f"{(booking.total - 20_001) / 100:.2f}"
    assert f'value="{rest}"' in browser.get(url(booking)).text


@pytest.mark.parametrize("amount", ["0", "-1", "1,00,000", "0.001", "much", MEGABYTE])
def test_only_what_is_due_may_be_paid(browser, book, amount):
    booking = book(Status.COMPLETED)
    answer = browser.post(url(booking, "payment"), data={"method": "cash", "amount": amount})
    assert answer.status_code == 422
    assert "Enter an amount" in answer.text
    assert reload(booking).paid == 0


# -- Earnings -----------------------------------------------------------------------------------


def test_earnings_say_what_is_paid(browser, book):
    service = factories.service("Tap repair", base_price=49_900)
    paid = book(Status.CLOSED, starts_at=factories.at(8), service=service)
    paid.paid = paid.total
    db.session.commit()
    page = browser.get("/professional/earnings").text
    assert "1 job earned ₹499.00." in page
    assert "still owe" not in page
    book(Status.COMPLETED, starts_at=factories.at(7), service=service)
    page = browser.get("/professional/earnings").text
    assert "2 jobs earned ₹998.00." in page
    assert "not paid" in page
    assert "No finished jobs in these days" in browser.get("/professional/earnings?to=2026-01-31").text


@pytest.mark.parametrize(
    "days",
    [
        {"from": "yesterday"},
        {"from": "0001-01-01"},
        {"to": "9999-12-31"},
        {"from": "2026-11-20", "to": "2026-11-01"},
        {"from": MEGABYTE[:5000]},
        {"to": "<script>alert(1)</script>"},
    ],
)
def test_days_that_cannot_be_read_are_pointed_out(browser, days):
    answer = browser.get("/professional/earnings", query_string=days)
    assert answer.status_code == 422
    assert "Please check the form" in answer.text
    assert "<script>alert" not in answer.text


def test_days_as_they_were_typed_survive_a_refusal(browser):
    answer = browser.get("/professional/earnings?from=2026-11-20&to=2026-11-01")
    assert 'value="2026-11-20"' in answer.text
    assert 'value="2026-11-01"' in answer.text


# -- Reviews ------------------------------------------------------------------------------------


def test_a_review_is_answered_once(browser, book):
    review = factories.review(book(Status.CLOSED), comment="Quick and tidy.")
    assert "Quick and tidy." in browser.get("/professional/reviews").text
    address = f"/professional/reviews/{review.id}/reply"
    assert browser.post(address, data={"reply": "Thank you! <b>"}).status_code == 302
    page = browser.get("/professional/reviews").text
    assert "Thank you! &lt;b&gt;" in page
    assert "Publish the reply" not in page
    again = browser.post(address, data={"reply": "And more."})
    assert again.status_code == 409
    assert "already replied" in again.text
    assert reload(review).reply == "Thank you! <b>"


@pytest.mark.parametrize("text", ["", "  ", MEGABYTE])
def test_a_reply_has_some_words_and_not_too_many(browser, book, text):
    review = factories.review(book(Status.CLOSED))
    answer = browser.post(f"/professional/reviews/{review.id}/reply", data={"reply": text})
    assert answer.status_code == 422
    assert f'id="reply-{review.id}-error"' in answer.text
    assert reload(review).reply is None


def test_only_reviews_about_oneself_are_answered(browser, as_, book, other_professional, professional):
    review = factories.review(book(Status.CLOSED))
    address = f"/professional/reviews/{review.id}/reply"
    assert as_(other_professional).post(address, data={"reply": "Hm."}).status_code == 404
    db.session.get(Review, review.id).hidden_at = clock.now()
    db.session.commit()
    assert browser.post(address, data={"reply": "Hm."}).status_code == 404
    assert browser.post("/professional/reviews/999/reply", data={"reply": "Hm."}).status_code == 404


# -- Working hours ------------------------------------------------------------------------------


def test_hours_are_shown_and_changed(browser, professional):
    page = browser.get("/professional/hours").text
    assert page.count('value="09:00"') == 6
    form = {"monday": ["08:00", "12:00", "13:30", "17:15", "", ""], "sunday": ["20:00", "00:00"]}
    assert browser.post("/professional/hours", data=form).status_code == 302
    hours = schedules.hours_of(db.session.get(Professional, professional.id))
    assert hours == {0: [(480, 720), (810, 1035)], 6: [(1200, 1440)]}
    page = browser.get("/professional/hours", follow_redirects=True).text
    assert "Your working hours are saved." in page
    assert 'value="17:15"' in page
    assert 'value="00:00"' in page


@pytest.mark.parametrize(
    "times, words",
    [
        (["09:00", "12:00", "11:00", "14:00"], "overlap"),
        (["18:00", "09:00"], "later than the beginning"),
        (["09:05", "12:00"], "quarter-hours"),
        (["25:00", "26:00"], "Enter a start and an end"),
        (["09:00", ""], "Enter a start and an end"),
        (["", "09:00"], "Enter a start and an end"),
        (["nine", "five"], "Enter a start and an end"),
        (["٠٩:٠٠", "١٢:٠٠"], "Enter a start and an end"),
        ([MEGABYTE, MEGABYTE], "Enter a start and an end"),
        (["<script>alert(1)</script>", "'; --"], "Enter a start and an end"),
    ],
)
def test_bad_hours_are_refused_beside_their_day(browser, professional, times, words):
    answer = browser.post("/professional/hours", data={"tuesday": times, "monday": ["09:00", "18:00"]})
    assert answer.status_code == 422
    assert words in answer.text
    assert 'id="tuesday-error"' in answer.text
    assert 'id="monday-error"' not in answer.text
    assert "<script>alert" not in answer.text
    assert len(answer.text) < 100_000
    assert len(schedules.hours_of(db.session.get(Professional, professional.id))) == 6


def test_more_times_than_the_form_has_are_not_read(browser, professional):
    times = [time for hour in range(9, 17) for time in (f"{hour:02}:00", f"{hour:02}:45")]
    assert browser.post("/professional/hours", data={"monday": times}).status_code == 302
    assert len(schedules.hours_of(db.session.get(Professional, professional.id))[0]) == schedules.MOST_RANGES


def test_hours_that_touch_a_booking_ask_first_and_break_nothing(browser, book, professional):
    booking = book(Status.ACCEPTED)
    form = {"monday": ["14:00", "18:00"]}
    question = browser.post("/professional/hours", data=form)
    assert question.status_code == 200
    assert "Change your working hours?" in question.text
    assert url(booking) in question.text
    assert len(schedules.hours_of(db.session.get(Professional, professional.id))) == 6

    sent = re.findall(r'<input type="hidden" name="(monday|known)" value="([^"]*)">', question.text)
    assert [value for name, value in sent if name == "monday"] == ["14:00", "18:00"]
    answer = browser.post("/professional/hours", data={**form, "known": dict(sent)["known"]}, follow_redirects=True)
    assert "1 booking stands as it was made." in answer.text
    assert "Booked outside your hours" in answer.text
    assert url(booking) in answer.text
    assert reload(booking).status is Status.ACCEPTED
    assert schedules.hours_of(db.session.get(Professional, professional.id)) == {0: [(840, 1080)]}


def test_a_booking_that_came_in_between_is_asked_about_too(browser, book):
    first = book(Status.ACCEPTED)
    known = str(first.id)
    second = book(starts_at=factories.at(15))
    question = browser.post("/professional/hours", data={"sunday": ["09:00", "12:00"], "known": known})
    assert question.status_code == 200
    assert url(second) in question.text


def test_time_off_is_added_and_removed(browser, professional):
    form = {"first_day": "2026-12-24", "last_day": "2026-12-26", "note": "Family 😀"}
    assert browser.post("/professional/time-off", data=form).status_code == 302
    off = db.session.scalars(select(TimeOff)).one()
    assert (off.starts_at, off.ends_at) == (factories.at(0, days=31), factories.at(0, days=34))
    assert "Family 😀" in browser.get("/professional/hours").text
    assert browser.post("/professional/time-off", data=form).status_code == 422
    remove = f"/professional/time-off/{off.id}/remove"
    assert browser.post(remove).status_code == 302
    assert browser.post(remove).status_code == 404


def test_time_off_may_be_some_hours_of_one_day(browser):
    form = {"first_day": "2026-12-24", "from_time": "14:00", "until_time": "16:30"}
    browser.post("/professional/time-off", data=form)
    off = db.session.scalars(select(TimeOff)).one()
    assert (off.starts_at, off.ends_at) == (factories.at(14, days=31), factories.at(16, 30, days=31))


def test_time_off_over_a_booking_asks_first(browser, book):
    booking = book(Status.ACCEPTED)
    form = {"first_day": "2026-11-23"}
    question = browser.post("/professional/time-off", data=form)
    assert "Take this time off?" in question.text
    assert db.session.scalars(select(TimeOff)).all() == []
    answer = browser.post("/professional/time-off", data={**form, "known": str(booking.id)}, follow_redirects=True)
    assert "1 booking stands" in answer.text
    assert url(booking) in answer.text
    assert reload(booking).status is Status.ACCEPTED


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"first_day": "tomorrow"},
        {"first_day": "2020-01-01"},
        {"first_day": "0001-01-01"},
        {"first_day": "9999-12-31"},
        {"first_day": "2026-12-24", "last_day": "9999-12-31"},
        {"first_day": "2026-12-24", "last_day": "2026-12-20"},
        {"first_day": "2026-12-24", "from_time": "25:00"},
        {"first_day": "2026-12-24", "from_time": "16:00", "until_time": "14:00"},
        {"first_day": MEGABYTE},
        {"first_day": "2026-12-24", "note": MEGABYTE},
    ],
)
def test_bad_time_off_is_refused(browser, form):
    answer = browser.post("/professional/time-off", data=form)
    assert answer.status_code == 422
    assert "Please check the form" in answer.text
    assert db.session.scalars(select(TimeOff)).all() == []


def test_the_time_off_of_another_stays(browser, as_, other_professional):
    as_(other_professional).post("/professional/time-off", data={"first_day": "2026-12-24"})
    off = db.session.scalars(select(TimeOff)).one()
    assert browser.post(f"/professional/time-off/{off.id}/remove").status_code == 404
    assert db.session.get(TimeOff, off.id)


def test_the_pause_switch_goes_on_and_off(browser, professional):
    browser.post("/professional/pause", data={"paused": "1"})
    assert db.session.get(Professional, professional.id).paused
    assert "Paused" in browser.get("/professional-dashboard").text
    browser.post("/professional/pause", data={"paused": "0"})
    assert not db.session.get(Professional, professional.id).paused


def test_pausing_says_which_bookings_stand(browser, book, professional):
    booking = book(Status.ACCEPTED)
    question = browser.post("/professional/pause", data={"paused": "1"})
    assert "Pause new requests?" in question.text
    assert not db.session.get(Professional, professional.id).paused
    page = browser.post(
        "/professional/pause", data={"paused": "1", "known": str(booking.id)}, follow_redirects=True
    ).text
    assert "Booked before you paused" in page
    assert url(booking) in page
    assert reload(booking).status is Status.ACCEPTED


def test_an_offer_taken_by_nobody_yet_is_open_to_both(browser, as_, other_professional, offered):
    for person in (browser, as_(other_professional)):
        assert url(offered) in person.get("/professional/requests").text
    statuses = db.session.scalars(select(BookingOffer.status)).all()
    assert set(statuses) == {OfferStatus.OPEN}
