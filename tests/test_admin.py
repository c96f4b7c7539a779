"""The admin's pages and verbs: who may, what is refused, what is written down."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import audit, clock, reviews, users
from extensions import db
from models import Approval, AuditEntry, Booking, BookingEvent, Category, Review, Service, Status, User
from tests import factories

PAGES = (
    "/admin-dashboard",
    "/admin/search",
    "/admin/search?q=asha",
    "/admin/summary",
    "/admin/approvals",
    "/admin/people",
    "/admin/bookings",
    "/admin/reviews",
    "/admin/audit",
    "/service-list",
    "/service-list/services/new",
    "/service-list/categories/new",
)
ODD = ("", "\x00", "<script>alert(1)</script>", "👋🏽", "مرحبا", "' OR 1=1 --", "%", "_", "x" * 5000, "\u202edoog")


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def booking(customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED)


@pytest.fixture
def review(customer, professional):
    closed = factories.booking(customer, professional, status=Status.CLOSED)
    written = reviews.write(closed, by=customer, rating=2, comment="Late, and left a mess.")
    db.session.commit()
    return written


def acts():
    """What the audit trail says, oldest first: (action, subject, reason)."""
    found = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))
    return [(one.action, one.subject_id, one.detail.get("reason")) for one in found]


def busy_site(number):
    """A site with so many of everything; every list of it has more than one page from 25 on."""
    admin = factories.admin()
    for n in range(number):
        customer = factories.customer(name=f"Asha {n}")
        person = factories.professional(name=f"Asha Pro {n}", services=db.session.query(Service).limit(3).all())
        factories.professional(name=f"Asha New {n}", approved=False)
        one = factories.booking(customer, person, status=Status.CLOSED)
        factories.review(one)
        for status in (Status.ACCEPTED, Status.PENDING):
            factories.booking(
                customer, person, status=status, starts_at=factories.at(10 if status is Status.PENDING else 15, days=1)
            )
        audit.record(admin, "block", "user", customer.id, reason="so")
    db.session.commit()


# -- Pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_an_empty_site_opens(browser, address):
    assert browser.get(address).status_code == 200


def test_the_overview_of_an_empty_site_invents_nothing(browser):
    page = browser.get("/admin-dashboard").text
    for words in ("No reviews yet", "Nothing needs you right now", "Nobody is waiting", "none last week by this time"):
        assert words in page
    assert "0.00" not in page


def test_the_navigation_has_the_names_of_the_papers(browser):
    page = browser.get("/admin-dashboard").text
    for name in ("Home", "Search", "Summary", "Profile", "Log out", "Approvals", "Bookings", "People", "Audit"):
        assert name in page
    assert 'href="/service-list"' in page


@pytest.mark.parametrize("address", [*PAGES, "/admin/people/{pro}", "/admin/approvals/{pro}", "/admin/bookings/{job}"])
def test_a_page_needs_as_many_queries_on_a_small_site_as_on_a_larger(app, as_, admin, count_queries, address):
    def queries():
        ids = {"pro": db.session.scalar(select(Booking.professional_id).order_by(Booking.id)), "job": 1}
        browser = as_(admin)
        with count_queries() as seen:
            assert browser.get(address.format(**ids)).status_code == 200
        return seen.count

    busy_site(1)
    few = queries()
    busy_site(24)
    assert queries() == few <= 8


@pytest.mark.parametrize("address", [*PAGES, "/admin/people/1", "/admin/approvals/1", "/admin/bookings/1"])
def test_only_admins_see_these_pages(as_, client, customer, professional, unapproved_professional, address):
    assert "/login" in client.get(address).location
    for person in (customer, professional, unapproved_professional):
        assert as_(person).get(address).status_code == 403


@pytest.mark.parametrize(
    "address",
    [
        "/admin/approvals/{user}/approve",
        "/admin/approvals/{user}/reject",
        "/admin/people/{user}/block",
        "/admin/people/{user}/unblock",
        "/admin/people/{user}/anonymise",
        "/admin/bookings/{booking}/cancel",
        "/admin/bookings/{booking}/reassign",
        "/admin/bookings/{booking}/override-code",
        "/service-list/services/1/delete",
        "/service-list/services/1/retire",
        "/service-list/categories/new",
    ],
)
def test_only_admins_do_these_things(as_, client, customer, professional, booking, address):
    address = address.format(user=customer.id, booking=booking.id)
    for person in (customer, professional):
        assert as_(person).post(address, data={"reason": "because"}).status_code == 403
    assert "/login" in client.post(address).location
    assert acts() == []


@pytest.mark.parametrize(
    "address",
    [
        "/admin/approvals/999999",
        "/admin/approvals/999999/reject",
        "/admin/people/999999",
        "/admin/people/99999999999999999999999999",
        "/admin/people/999999/block",
        "/admin/bookings/999999",
        "/admin/bookings/999999/cancel",
        "/admin/bookings/999999/reassign",
        "/admin/reviews/999999/hide",
        "/service-list/services/999999",
        "/service-list/categories/999999",
    ],
)
def test_what_does_not_exist_is_not_found(browser, address):
    assert browser.get(address).status_code == 404


def test_a_customer_has_no_application(browser, customer):
    assert browser.get(f"/admin/approvals/{customer.id}").status_code == 404


@pytest.mark.parametrize("text", ODD)
def test_odd_filters_find_nothing_or_are_refused(browser, booking, text):
    for address, names in {
        "/admin/search": ("q",),
        "/admin/people": ("q", "role", "state", "after"),
        "/admin/bookings": (
            "place",
            "professional",
            "reference",
            "status",
            "service",
            "from",
            "to",
            "customer",
            "after",
        ),
        "/admin/reviews": ("shown", "stars", "review", "after"),
        "/admin/audit": ("action", "admin", "after"),
        "/admin/summary": ("from", "to"),
        "/admin/approvals": ("state", "after"),
    }.items():
        for name in names:
            assert browser.get(address, query_string={name: text}).status_code in (200, 422)


# -- Approvals --------------------------------------------------------------------------------


def test_an_application_is_approved_once(browser, admin, unapproved_professional):
    address = f"/admin/approvals/{unapproved_professional.id}"
    assert "Waits for approval" in browser.get(address).text
    assert browser.post(f"{address}/approve").status_code == 302
    assert db.session.get(User, unapproved_professional.id).professional.approval is Approval.APPROVED
    again = browser.post(f"{address}/approve")
    assert again.status_code == 409
    assert "decided already" in again.text
    assert acts() == [("approve", unapproved_professional.id, None)]


def test_an_application_is_rejected_with_a_reason(browser, unapproved_professional):
    address = f"/admin/approvals/{unapproved_professional.id}/reject"
    assert browser.post(address, data={"reason": "  "}).status_code == 422
    assert acts() == []
    assert browser.post(address, data={"reason": "The photo can't be read."}).status_code == 302
    assert db.session.get(User, unapproved_professional.id).professional.approval is Approval.REJECTED
    assert acts() == [("reject", unapproved_professional.id, "The photo can't be read.")]
    assert browser.post(address, data={"reason": "again"}).status_code == 422
    assert len(acts()) == 1


def test_the_overview_offers_both_decisions(browser, unapproved_professional):
    page = browser.get("/admin-dashboard").text
    assert f'action="/admin/approvals/{unapproved_professional.id}/approve"' in page
    assert f'href="/admin/approvals/{unapproved_professional.id}/reject"' in page
    assert "1 professional to approve" in page


def test_the_lists_of_approvals_are_apart(browser, professional, unapproved_professional):
    assert professional.name not in browser.get("/admin/approvals").text
    assert professional.name in browser.get("/admin/approvals?state=approved").text


# -- People -----------------------------------------------------------------------------------


def test_a_blocked_person_is_out_on_their_next_click(browser, as_, customer):
    theirs = as_(customer)
    assert theirs.get("/profile").status_code == 200
    address = f"/admin/people/{customer.id}/block"
    assert browser.post(address, data={"reason": ""}).status_code == 422
    assert browser.post(address, data={"reason": "Three no-shows"}).status_code == 302
    assert "/login" in theirs.get("/profile").location
    assert browser.post(address, data={"reason": "again"}).status_code == 422
    assert browser.post(f"/admin/people/{customer.id}/unblock").status_code == 302
    assert as_(customer).get("/profile").status_code == 200
    assert browser.post(f"/admin/people/{customer.id}/unblock").status_code == 409
    assert acts() == [("block", customer.id, "Three no-shows"), ("unblock", customer.id, None)]


def test_anonymising_asks_first_and_needs_a_reason(browser, customer):
    address = f"/admin/people/{customer.id}/anonymise"
    assert "cannot be undone" in browser.get(address).text
    assert browser.post(address).status_code == 422
    assert browser.post(address, data={"reason": "She asked for it"}).status_code == 302
    page = browser.get(f"/admin/people/{customer.id}").text
    assert "Asha Rao" not in page
    assert "asha@example.com" not in page
    assert browser.post(address, data={"reason": "again"}).status_code == 422
    assert acts() == [("anonymise", customer.id, "She asked for it")]


def test_somebody_with_a_job_under_way_is_not_anonymised(browser, booking, customer):
    answer = browser.post(f"/admin/people/{customer.id}/anonymise", data={"reason": "why not"})
    assert answer.status_code == 422
    assert "bookings under way" in answer.text
    assert db.session.get(User, customer.id).name == "Asha Rao"


@pytest.mark.parametrize("verb", ["block", "anonymise"])
def test_an_admin_stays_whatever_they_do_to_themselves(browser, admin, verb):
    answer = browser.post(f"/admin/people/{admin.id}/{verb}", data={"reason": "tired"})
    assert answer.status_code == 422
    assert "your own account" in answer.text
    assert db.session.get(User, admin.id).active
    assert acts() == []


def test_the_last_admin_can_t_be_blocked(as_, admin):
    other = factories.admin(name="Hari Das")
    assert as_(admin).post(f"/admin/people/{other.id}/block", data={"reason": "left"}).status_code == 302
    assert "/login" in as_(other).post(f"/admin/people/{admin.id}/block", data={"reason": "revenge"}).location
    assert db.session.scalar(select(func.count()).where(User.role == "admin", User.active.is_(True))) == 1


def test_people_are_filtered(browser, customer, professional, blocked_customer):
    def names(**filters):
        page = browser.get("/admin/people", query_string=filters).text
        return [name for name in ("Asha Rao", "Dev Menon", "Charu Sen") if name in page]

    assert names() == ["Asha Rao", "Dev Menon", "Charu Sen"]
    assert names(role="customer") == ["Asha Rao", "Charu Sen"]
    assert names(state="blocked") == ["Charu Sen"]
    assert names(q="dev") == ["Dev Menon"]
    assert names(q="ASHA@") == ["Asha Rao"]
    assert names(q=professional.phone[3:]) == ["Dev Menon"]


def test_pages_of_people_keep_their_filter(browser):
    for n in range(25):
        factories.customer(name=f"Person {n:02}")
    first = browser.get("/admin/people?role=customer").text
    cursor = first.split("after=")[1].split('"')[0].split("&")[0]
    second = browser.get(f"/admin/people?role=customer&after={cursor}").text
    assert "Person 24" in first
    assert "Person 00" in second
    assert "role=customer" in second
    assert "Gita Iyer" not in second.split("<main")[1]


# -- Bookings ---------------------------------------------------------------------------------


def test_a_booking_is_cancelled_with_a_reason(browser, booking):
    address = f"/admin/bookings/{booking.id}/cancel"
    assert browser.get(address).status_code == 200
    assert browser.post(address, data={"reason": " "}).status_code == 422
    assert browser.post(address, data={"reason": "The area is flooded"}).status_code == 302
    assert db.session.get(Booking, booking.id).status is Status.CANCELLED
    late = browser.post(address, data={"reason": "again"})
    assert late.status_code == 409
    assert "no longer possible" in late.text
    assert acts() == [("cancel", booking.id, "The area is flooded")]


def test_a_booking_is_reassigned_to_somebody_free(browser, booking, other_professional):
    address = f"/admin/bookings/{booking.id}/reassign"
    assert other_professional.name in browser.get(address).text
    for data in (
        {},
        {"reason": "ill"},
        {"professional_id": "x", "reason": "ill"},
        {"professional_id": other_professional.id},
    ):
        assert browser.post(address, data=data).status_code == 422
    data = {"professional_id": other_professional.id, "reason": "Dev is ill"}
    assert browser.post(address, data=data).status_code == 302
    assert db.session.get(Booking, booking.id).professional_id == other_professional.id
    entry = db.session.scalar(select(AuditEntry))
    assert (entry.action, entry.detail["to"]) == ("reassign", other_professional.id)
    page = browser.get(f"/admin/bookings/{booking.id}").text
    assert "from Dev Menon to Esha Nair" in page
    assert browser.post(address, data=data).status_code == 422
    assert len(acts()) == 1


def test_a_booking_is_not_given_to_somebody_else_s_busy_hour(browser, booking, other_customer, other_professional):
    factories.booking(other_customer, other_professional, status=Status.ACCEPTED)
    answer = browser.post(
        f"/admin/bookings/{booking.id}/reassign", data={"professional_id": other_professional.id, "reason": "ill"}
    )
    assert answer.status_code == 422
    assert db.session.get(Booking, booking.id).professional_id == booking.professional_id
    assert acts() == []


def test_a_pending_booking_is_not_reassigned(browser, customer, professional, other_professional):
    pending = factories.booking(customer, professional)
    address = f"/admin/bookings/{pending.id}/reassign"
    assert browser.get(address).location == f"/admin/bookings/{pending.id}"
    answer = browser.post(address, data={"professional_id": other_professional.id, "reason": "ill"})
    assert answer.status_code == 409


def test_the_code_is_overridden_with_a_reason(browser, booking):
    address = f"/admin/bookings/{booking.id}/override-code"
    assert browser.post(address, data={}).status_code == 422
    assert browser.post(address, data={"reason": "Her phone is dead"}).status_code == 302
    assert db.session.get(Booking, booking.id).status is Status.IN_PROGRESS
    assert browser.post(address, data={"reason": "again"}).status_code == 409
    assert acts() == [("override_code", booking.id, "Her phone is dead")]


def test_a_booking_s_page_tells_its_whole_story(browser, booking):
    browser.post(f"/admin/bookings/{booking.id}/cancel", data={"reason": "The area is flooded"})
    page = browser.get(f"/admin/bookings/{booking.id}").text
    for words in (
        "DS-1000",
        "Requested",
        "Cancelled",
        "The area is flooded",
        "from 127.0.0.1",
        "GST",
        "No payment noted",
    ):
        assert words in page
    assert db.session.scalar(select(func.count()).select_from(BookingEvent)) == 2


def test_bookings_are_filtered(browser, customer, professional, other_customer, other_professional):
    mine = factories.booking(customer, professional, status=Status.CLOSED)
    theirs = factories.booking(other_customer, other_professional, pincode="400001", starts_at=factories.at(11, days=5))

    def found(**filters):
        page = browser.get("/admin/bookings", query_string=filters).text
        return [one.id for one in (mine, theirs) if f'/admin/bookings/{one.id}"' in page]

    assert found() == [mine.id, theirs.id]
    assert found(status="closed") == [mine.id]
    assert found(status="expired") == []
    assert found(place="400001") == [theirs.id]
    assert found(place="Bangalore") == [mine.id]
    assert found(place="nowhere at all") == []
    assert found(professional="esha") == [theirs.id]
    assert found(professional=str(professional.id)) == [mine.id]
    assert found(customer=customer.id) == [mine.id]
    assert found(service=mine.service_id) == [mine.id, theirs.id]
    assert found(reference=theirs.reference.lower()) == [theirs.id]
    assert found(reference="DS-1") == []
    assert found(**{"from": "2026-11-25"}) == [theirs.id]
    assert found(**{"from": "2026-11-24", "to": "2026-11-24"}) == [mine.id]


def test_an_overdue_request_is_listed_as_expired(browser, frozen, customer, professional):
    overdue = factories.booking(customer, professional)
    frozen.shift(timedelta(days=2))
    assert overdue.reference in browser.get("/admin/bookings?status=expired").text
    assert overdue.reference not in browser.get("/admin/bookings?status=pending").text


def test_the_overview_leads_to_what_is_late_or_locked(browser, frozen, booking):
    booking.code_tries = 5
    db.session.commit()
    frozen.shift(timedelta(days=1, hours=3))
    page = browser.get("/admin-dashboard").text
    assert "1 job is late" in page
    assert "1 start code is locked" in page
    for filters in ("late=y", "locked=y"):
        assert booking.reference in browser.get(f"/admin/bookings?{filters}").text


# -- Reviews ----------------------------------------------------------------------------------


def test_a_review_is_hidden_with_a_reason_and_shown_again(browser, review):
    address = f"/admin/reviews/{review.id}"
    assert browser.post(f"{address}/hide", data={"reason": ""}).status_code == 422
    assert browser.post(f"{address}/hide", data={"reason": "Names a neighbour"}).status_code == 302
    assert db.session.get(Review, review.id).hidden_at is not None
    assert db.session.get(User, review.professional_id).professional.rating_count == 0
    assert browser.post(f"{address}/hide", data={"reason": "again"}).status_code == 409
    assert "Names a neighbour" in browser.get("/admin/reviews?shown=no").text
    assert review.comment not in browser.get("/admin/reviews?shown=yes").text
    assert browser.post(f"{address}/show").status_code == 302
    assert browser.post(f"{address}/show").status_code == 409
    assert db.session.get(User, review.professional_id).professional.rating_count == 1
    assert acts() == [("hide_review", review.id, "Names a neighbour"), ("show_review", review.id, None)]


# -- The catalogue ----------------------------------------------------------------------------


def test_a_service_is_created_changed_retired_and_restored(browser):
    category = db.session.query(Category).first()
    data = {"category_id": category.id, "name": "Chimney sweep", "base_price": "1,249.50", "duration_minutes": "90"}
    assert browser.post("/service-list/services/new", data=data).status_code == 302
    made = db.session.query(Service).filter_by(slug="chimney-sweep").one()
    assert made.base_price == 124_950
    address = f"/service-list/services/{made.id}"
    data |= {"base_price": "1300", "slug": "chimney-sweep"}
    assert browser.post(address, data=data).status_code == 302
    assert db.session.get(Service, made.id).base_price == 130_000
    assert "₹1,249.50 → ₹1,300.00" in browser.get(address).text
    assert browser.post(f"{address}/retire").status_code == 302
    assert browser.post(f"{address}/retire").status_code == 409
    assert browser.post(f"{address}/restore").status_code == 302
    assert browser.post(f"{address}/restore").status_code == 409
    assert browser.post(f"{address}/delete").status_code == 302
    assert browser.post(f"{address}/delete").status_code == 404
    assert [action for action, _id, _reason in acts()] == [
        "create_service",
        "edit_service",
        "retire_service",
        "restore_service",
        "delete_service",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 121},
        {"base_price": "-1"},
        {"base_price": "much"},
        {"base_price": "1.999"},
        {"base_price": "99999999999999"},
        {"duration_minutes": "5"},
        {"duration_minutes": "900"},
        {"duration_minutes": "an hour"},
        {"category_id": "999999"},
        {"category_id": "none"},
        {"slug": "!!!"},
        {"description": "x" * 1001},
    ],
)
def test_a_service_with_a_wrong_field_is_refused(browser, wrong):
    before = db.session.query(Service).count()
    data = {"category_id": 1, "name": "Chimney sweep", "base_price": "100", "duration_minutes": "60", **wrong}
    answer = browser.post("/service-list/services/new", data=data)
    assert answer.status_code == 422
    assert "Please check the form" in answer.text
    assert db.session.query(Service).count() == before
    assert acts() == []


def test_a_service_that_is_used_can_t_be_deleted(browser, booking):
    answer = browser.post(f"/service-list/services/{booking.service_id}/delete")
    assert answer.status_code == 409
    assert "Retire it instead" in answer.text
    assert db.session.get(Service, booking.service_id)


def test_categories_come_and_go(browser):
    assert browser.post("/service-list/categories/new", data={"name": "Gardens & roofs"}).status_code == 302
    number = db.session.query(Category.id).filter_by(slug="gardens-roofs").scalar()
    address = f"/service-list/categories/{number}"
    assert browser.post("/service-list/categories/new", data={"name": "Gardens & roofs"}).status_code == 422
    assert browser.post(address, data={"name": "Gardens", "slug": "gardens"}).status_code == 302
    assert db.session.get(Category, number).slug == "gardens"
    for verb, status in (("retire", 302), ("retire", 409), ("restore", 302), ("restore", 409), ("delete", 302)):
        assert browser.post(f"{address}/{verb}").status_code == status
    assert db.session.get(Category, number) is None
    assert browser.post("/service-list/categories/1/delete").status_code == 409


# -- Search, summary, audit -------------------------------------------------------------------


def test_one_box_finds_people_bookings_and_services(browser, customer, professional, booking):
    def found(text):
        return browser.get("/admin/search", query_string={"q": text}).text.split("<h1", 1)[1]

    for text in (
        "asha",
        "ASHA RAO",
        "asha@example",
        customer.phone,
        customer.phone[3:],
        customer.phone[3:8] + " " + customer.phone[8:],
    ):
        assert f'/admin/people/{customer.id}"' in found(text), text
    for text in ("asha", "dev menon", booking.reference, booking.reference.lower(), "560001"):
        assert f'/admin/bookings/{booking.id}"' in found(text), text
    assert f'/admin/people/{professional.id}"' in found("560001")
    assert "Bathroom deep cleaning" in found("deep clean")
    assert "Nothing found" in found("no such thing")
    assert "Nothing found" in found("%")


def test_the_summary_counts_what_was_asked_for(browser, frozen, customer, professional, review):
    factories.booking(customer, professional, accepted_at=clock.now() + timedelta(minutes=6), status=Status.ACCEPTED)
    page = browser.get("/admin/summary?from=2026-11-23&to=2026-11-23").text
    for words in ("2.00", "from 1 review", "in 1 day", "of 1 that was accepted and is over", "beside 22 Nov 2026"):
        assert words in page
    assert "No requests in these days" in browser.get("/admin/summary?from=2026-11-01&to=2026-11-02").text
    assert "Dev Menon" in browser.get("/admin/reports/most-booked?from=2026-11-23&to=2026-11-23").text


@pytest.mark.parametrize(
    "days",
    [
        "from=2026-11-23&to=2026-11-01",
        "from=2024-01-01&to=2026-01-01",
        "from=yesterday",
        "from=0001-01-01",
        "to=9999-12-31",
    ],
)
def test_a_summary_of_impossible_days_is_refused(browser, days):
    answer = browser.get(f"/admin/summary?{days}")
    assert answer.status_code == 422
    assert "Please check the form" in answer.text


def test_the_trail_says_who_did_what_to_whom_from_where(browser, admin, customer):
    browser.post(
        f"/admin/people/{customer.id}/block", data={"reason": "Spam"}, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}
    )
    page = browser.get("/admin/audit").text
    for words in ("Blocked a person", "Spam", "Gita Iyer", "Asha Rao", "203.0.113.9", "today, 9:00"):
        assert words in page
    assert "Nothing recorded" in browser.get("/admin/audit?action=approve").text
    assert "Spam" in browser.get(f"/admin/audit?admin={admin.id}").text
    assert "Spam" not in browser.get(f"/admin/audit?admin={customer.id}").text


def test_what_fails_leaves_no_line_in_the_trail(browser, customer, monkeypatch):
    browser.audit = False
    monkeypatch.setattr(users.audit, "record", lambda *args, **kwargs: 1 / 0)
    assert browser.post(f"/admin/people/{customer.id}/block", data={"reason": "Spam"}).status_code == 500
    assert db.session.get(User, customer.id).active
