"""Bookings through the API: what each party sees and does, and how each of them is refused."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

import customer as customer_pages
from api import bookings as as_json
from domain import api_keys, blocked_pairs, clock, start_codes
from domain.transitions import RULES
from extensions import db
from models import Address, Booking, Notification, Review, Status, User
from tests import factories

READ, WRITE = api_keys.BOOKINGS


@pytest.fixture
def wish(professional):
    def make(**changes):
        return {
            "service_id": factories.service().id,
            "professional_id": professional.id,
            "starts_at": clock.local(factories.at(11, days=1)).isoformat(),
            "address": {"line1": "12, 3rd Cross", "pincode": factories.CITY_PIN},
            "remarks": "Ring twice.",
            **changes,
        }

    return make


@pytest.fixture
def soon(customer, professional):
    """An accepted booking that can begin now."""
    return factories.booking(
        customer, professional, starts_at=factories.at(9, 30), status=Status.ACCEPTED, remarks="Ring twice."
    )


@pytest.fixture
def pending(customer, professional):
    return factories.booking(customer, professional, remarks="Ring twice.")


@pytest.fixture
def on_offer(customer, professional, other_professional):
    """A booking for any professional, offered to two."""
    booking = factories.booking(customer, None, remarks="Ring twice.")
    factories.offered(booking, professional, other_professional)
    return booking


def rupees(amount):
    return {"amount": amount, "currency": "INR"}


def at(booking, verb=""):
    return f"/service-requests/{booking.id}" + (verb and f"/{verb}")


def count(kind):
    return db.session.scalar(select(func.count()).select_from(kind))


# -- Asking -----------------------------------------------------------------------------------


def test_a_time_is_booked(api, customer, professional, wish):
    program = api(customer)
    answer = program.post("/service-requests", wish())
    assert answer.status_code == 201
    booking = db.session.scalar(select(Booking))
    assert answer.headers["Location"] == f"/api/service-requests/{booking.id}"
    assert program.get(answer.headers["Location"]).json == answer.json
    assert answer.json == {
        "id": booking.id,
        "reference": booking.reference,
        "status": "pending",
        "service": {"id": booking.service_id, "name": booking.service.name},
        "professional": {"id": professional.id, "name": "Dev Menon", "phone": None},
        "customer": {"id": customer.id, "name": "Asha Rao", "phone": None},
        "starts_at": "2026-11-24T11:00:00+05:30",
        "ends_at": clock.local(booking.ends_at).isoformat(),
        "address": {"line1": "12, 3rd Cross", "pincode": factories.CITY_PIN},
        "remarks": "Ring twice.",
        "price": {
            "lines": [
                {"kind": line.kind, "label": line.label, "amount": rupees(line.amount), "tax": rupees(line.tax)}
                for line in booking.lines
            ],
            "total": rupees(booking.total),
        },
        "allowed_actions": ["edit", "move", "propose", "cancel"],
        "events": [
            {
                "verb": "request",
                "to_status": "pending",
                "at": "2026-11-23T09:00:00+05:30",
                "by": "customer",
                "reason": "",
            }
        ],
    }


def test_any_professional_may_be_asked(api, customer, wish):
    answer = api(customer).post("/service-requests", wish(professional_id=None))
    assert answer.status_code == 201
    assert answer.json["professional"] is None


def test_the_same_address_is_kept_once(api, customer, wish):
    api(customer).post("/service-requests", wish())
    assert count(Address) == 1
    new = {"line1": "4, Park Road", "pincode": factories.NEAR_PIN}
    api(customer).post("/service-requests", wish(address=new, starts_at="2026-11-25T11:00:00+05:30"))
    assert count(Address) == 2


def test_nothing_is_kept_of_a_wish_that_is_refused(api, customer, refused, wish):
    new = {"line1": "4, Park Road", "pincode": factories.NEAR_PIN}
    refused(api(customer).post("/service-requests", wish(address=new, starts_at="2026-11-22T11:00:00Z")), 422)
    assert (count(Address), count(Booking), count(Notification)) == (1, 0, 0)


def test_one_key_books_once(api, customer, refused, wish):
    program = api(customer)
    first = program.post("/service-requests", wish(), Idempotency_Key="once")
    again = program.post("/service-requests", wish(), Idempotency_Key="once")
    assert (again.status_code, again.json, again.headers["Location"]) == (201, first.json, first.headers["Location"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert count(Booking) == 1
    refused(program.post("/service-requests", wish(remarks=""), Idempotency_Key="once"), 409)
    assert count(Booking) == 1


def test_a_slot_that_is_taken_is_a_conflict(api, other_customer, pending, refused, wish):
    refused(api(other_customer).post("/service-requests", wish()), 409)


@pytest.mark.parametrize(
    "field, changes",
    [
        ("service_id", {"service_id": 10**6}),
        ("service_id", {"service_id": "1"}),
        ("service_id", {"service_id": True}),
        ("service_id", {"service_id": 2**63}),
        ("professional_id", {"professional_id": 0}),
        ("starts_at", {"starts_at": "2026-11-24T11:00:00"}),
        ("starts_at", {"starts_at": "2026-11-24"}),
        ("starts_at", {"starts_at": "2026-11-24T11:10:00+05:30"}),
        ("starts_at", {"starts_at": "2027-11-24T11:00:00+05:30"}),
        ("starts_at", {"starts_at": "9999-12-31T23:59:59Z"}),
        ("starts_at", {"starts_at": "0001-01-01T00:00:00+05:30"}),
        ("starts_at", {"starts_at": 5}),
        ("address", {"address": None}),
        ("address", {"address": {"line1": "1, Hill", "pincode": factories.FAR_PIN}}),
        ("address.pincode", {"address": {"line1": "1, Hill", "pincode": "999999"}}),
        ("address.line1", {"address": {"line1": "  ", "pincode": factories.CITY_PIN}}),
        ("address.line1", {"address": {"pincode": factories.CITY_PIN}}),
        ("address.id", {"address": {"line1": "a", "pincode": factories.CITY_PIN, "id": 1}}),
        ("remarks", {"remarks": "x" * 1001}),
        ("price", {"price": 1}),
        ("total", {"total": {"amount": 1, "currency": "INR"}}),
        ("currency", {"currency": "USD"}),
        ("quantity", {"quantity": -1}),
        ("discount", {"discount": 100}),
        ("customer_id", {"customer_id": 1}),
        ("status", {"status": "accepted"}),
    ],
)
def test_what_cannot_be_booked_is_named(api, customer, refused, wish, field, changes):
    refused(api(customer).post("/service-requests", wish(**changes)), 422, field)
    assert count(Booking) == 0


def test_only_professionals_who_take_bookings_can_be_named(
    api, customer, other_customer, unapproved_professional, refused, wish
):
    for other in (other_customer, unapproved_professional, customer):
        refused(api(customer).post("/service-requests", wish(professional_id=other.id)), 422)
    assert count(Booking) == 0


@pytest.mark.parametrize("missing", ["service_id", "professional_id", "starts_at", "address"])
def test_what_is_missing_is_named(api, customer, refused, wish, missing):
    sent = {name: value for name, value in wish().items() if name != missing}
    refused(api(customer).post("/service-requests", sent), 422, missing)


# -- Looking ----------------------------------------------------------------------------------


def test_everybody_lists_what_is_theirs(
    api, customer, other_customer, professional, other_professional, admin, pending
):
    def listed(user, **query):
        return [one["id"] for one in api(user).get("/service-requests", query).json["items"]]

    theirs = factories.booking(other_customer, other_professional)
    assert listed(customer) == listed(professional) == [pending.id]
    assert listed(other_customer) == listed(other_professional) == [theirs.id]
    assert listed(admin) == [theirs.id, pending.id]
    assert listed(admin, status="accepted") == []
    assert listed(admin, status="pending") == [theirs.id, pending.id]


def test_a_request_that_is_overdue_is_listed_as_expired(api, customer, pending, frozen):
    frozen.move_to(pending.respond_by + timedelta(minutes=1))
    program = api(customer)
    assert program.get("/service-requests", {"status": "pending"}).json["items"] == []
    [found] = program.get("/service-requests", {"status": "expired"}).json["items"]
    assert (found["status"], found["allowed_actions"]) == ("expired", [])


def test_a_long_list_has_pages(api, customer, professional):
    made = [factories.booking(customer, professional, starts_at=factories.at(11, days=day)).id for day in range(1, 6)]
    program, found, cursor = api(customer), [], None
    while cursor is not None or not found:
        page = program.get("/service-requests", {"limit": 2, **({"cursor": cursor} if cursor else {})}).json
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert found == made[::-1]


@pytest.mark.parametrize(
    "field, query",
    [("status", {"status": "odd"}), ("limit", {"limit": 0}), ("limit", {"limit": 101}), ("page", {"page": 2})],
)
def test_a_list_refuses_what_it_does_not_know(api, customer, refused, field, query):
    refused(api(customer).get("/service-requests", query), 422, field)


def test_a_cursor_that_was_made_up_is_refused(api, customer, refused):
    refused(api(customer).get("/service-requests", {"cursor": "made-up"}), 422)


def test_a_list_tells_of_each_booking_what_its_own_address_tells(api, professional, pending, soon, on_offer):
    program = api(professional)
    for one in program.get("/service-requests").json["items"]:
        assert program.get(f"/service-requests/{one['id']}").json == one


def test_nobody_sees_what_is_somebody_elses(api, other_customer, other_professional, refused, pending):
    for stranger in (other_customer, other_professional):
        refused(api(stranger).get(at(pending)), 404)
    refused(api().get(at(pending)), 401)


def test_what_has_not_changed_is_not_sent_again(api, customer, pending):
    program = api(customer)
    tag = program.get(at(pending)).headers["ETag"]
    assert program.get(at(pending), If_None_Match=tag).status_code == 304
    program.put(at(pending), {"remarks": "Knock."})
    assert program.get(at(pending), If_None_Match=tag).status_code == 200


def test_who_was_merely_asked_sees_no_more_than_the_page_shows(api, customer, professional, on_offer):
    told = api(professional).get(at(on_offer)).json
    assert told["customer"] is None
    assert told["professional"] is None
    assert told["address"] == {"line1": None, "pincode": on_offer.pincode}
    assert (told["remarks"], told["events"], told["price"]["lines"]) == ("Ring twice.", [], [])
    assert told["price"]["total"]["amount"] == on_offer.total
    assert told["allowed_actions"] == ["accept", "reject"]
    text = api(professional).get(at(on_offer)).text
    assert customer.name not in text
    assert on_offer.address_line not in text
    assert customer.phone not in text


def test_who_was_too_late_sees_neither_remarks_nor_the_winner(api, professional, other_professional, on_offer):
    assert api(other_professional).put(at(on_offer, "accept")).status_code == 200
    told = api(professional).get(at(on_offer)).json
    assert (told["status"], told["professional"], told["remarks"]) == ("accepted", None, None)
    assert told["allowed_actions"] == []


def test_the_address_comes_with_the_acceptance(api, professional, customer, pending):
    program = api(professional)
    before = program.get(at(pending)).json
    assert before["address"]["line1"] is None
    assert before["customer"] == {"id": customer.id, "name": "Asha Rao", "phone": None}
    after = program.put(at(pending, "accept")).json
    assert after["address"]["line1"] == "12, 3rd Cross"
    assert after["customer"]["phone"] == customer.phone
    assert "start_code" not in after


def test_the_customer_can_call_while_they_are_in_touch(api, customer, professional, soon):
    program = api(customer)
    assert program.get(at(soon)).json["professional"]["phone"] == professional.phone
    soon.status, soon.completed_at, soon.closed_at = Status.CLOSED, clock.now(), clock.now()
    db.session.commit()
    assert program.get(at(soon)).json["professional"]["phone"] is None


def test_the_start_code_is_the_customers_alone_and_ends_with_the_start(api, customer, professional, admin, soon):
    code = start_codes.code_of(soon)
    assert api(customer).get(at(soon)).json["start_code"] == code
    for other in (professional, admin):
        assert "start_code" not in api(other).get(at(soon)).json
    api(professional).put(at(soon, "start"), {"code": code})
    assert "start_code" not in api(customer).get(at(soon)).json


def test_what_happened_is_told_to_each_as_on_their_pages(api, customer, professional, other_professional, on_offer):
    api(professional).put(at(on_offer, "reject"), {"reason": "Too far for me."})
    assert [one["verb"] for one in api(customer).get(at(on_offer)).json["events"]] == ["request"]
    told = api(other_professional).put(at(on_offer, "accept")).json
    assert [one["verb"] for one in told["events"]] == ["request", "accept"]


def test_the_customer_is_told_of_every_verb_that_the_timeline_has(app):
    verbs = {rule.verb for rule in RULES} | {"request", "rework", "refund", "decline_offer"}
    assert verbs - customer_pages.PASSED.keys() == as_json.UNTOLD


def test_a_professional_who_waits_for_approval_sees_no_bookings(api, professional, refused, pending):
    professional.professional.approval = "rejected"
    db.session.commit()
    program = api(professional)
    for path in ("/service-requests", at(pending), "/professional/dashboard"):
        refused(program.get(path), 403)
    refused(program.put(at(pending, "accept")), 403)
    assert db.session.get(Booking, pending.id).status is Status.PENDING


def test_who_does_not_want_to_meet_the_other_again_cannot_be_accepted(api, customer, professional, on_offer):
    met = factories.booking(customer, professional, status=Status.CLOSED)
    blocked_pairs.block(met, customer)
    program = api(professional)
    [listed] = program.get("/service-requests", {"status": "pending"}).json["items"]
    assert listed["allowed_actions"] == ["reject"]
    assert program.put(at(on_offer, "accept")).status_code == 409


# -- Changing ---------------------------------------------------------------------------------


def test_the_customer_changes_time_remarks_and_address(api, customer, pending):
    place = {"line1": "4, Park Road", "pincode": factories.NEAR_PIN}
    changes = {"starts_at": "2026-11-24T16:00:00+05:30", "remarks": "Knock.", "address": place}
    answer = api(customer).put(at(pending), changes)
    assert answer.status_code == 200
    assert {name: answer.json[name] for name in changes} == changes
    assert [one["verb"] for one in answer.json["events"]] == ["request", "edit", "move"]


def test_what_is_left_out_stays(api, customer, pending):
    told = api(customer).put(at(pending), {"starts_at": "2026-11-24T16:00:00+05:30"}).json
    assert (told["remarks"], told["address"]["line1"]) == ("Ring twice.", "12, 3rd Cross")
    assert api(customer).put(at(pending), {}).json == told
    assert count(Address) == 1


def test_of_several_changes_all_are_made_or_none(api, customer, refused, pending):
    changes = {"remarks": "Knock.", "starts_at": "2026-11-24T16:10:00+05:30"}
    refused(api(customer).put(at(pending), changes), 422, "starts_at")
    assert db.session.get(Booking, pending.id).remarks == "Ring twice."


@pytest.mark.parametrize(
    "status, field, changes",
    [
        (422, "remarks", {"remarks": "Knock."}),
        (422, "address", {"address": {"line1": "4, Park Road", "pincode": factories.NEAR_PIN}}),
        (422, "address.pincode", {"address": {"line1": "4, Park Road", "pincode": "999999"}}),
        (409, None, {"starts_at": "2026-11-24T16:00:00+05:30"}),
        (422, "professional_id", {"professional_id": 1}),
    ],
)
def test_once_it_is_accepted_little_can_be_changed(api, customer, refused, soon, status, field, changes):
    refused(api(customer).put(at(soon), changes), status, field)


def test_another_door_in_the_same_pin_code_can_be_given_later(api, customer, soon):
    place = {"line1": "14, 3rd Cross", "pincode": factories.CITY_PIN}
    assert api(customer).put(at(soon), {"address": place}).json["address"] == place


def test_only_the_customer_changes_a_booking(api, other_customer, professional, admin, refused, pending):
    refused(api(other_customer).put(at(pending), {"remarks": "x"}), 404)
    for other in (professional, admin):
        refused(api(other).put(at(pending), {"remarks": "x"}), 403)


# -- The verbs --------------------------------------------------------------------------------


def test_the_professional_does_the_job(api, customer, professional, soon):
    program = api(professional)
    assert program.put(at(soon, "depart")).json["status"] == "en_route"
    code = api(customer).get(at(soon)).json["start_code"]
    assert program.put(at(soon, "start"), {"code": code}).json["status"] == "in_progress"
    assert program.put(at(soon, "complete")).json["status"] == "completed"
    told = api(customer).put(at(soon, "close")).json
    assert told["status"] == "closed"
    assert [one["verb"] for one in told["events"]] == ["request", "depart", "start", "complete", "close"]


def test_a_professional_may_close_what_is_done(api, professional, soon):
    soon.status = Status.IN_PROGRESS
    db.session.commit()
    assert api(professional).put(at(soon, "close")).json["status"] == "completed"


def test_a_reason_goes_with_a_refusal(api, professional, customer, refused, pending):
    refused(api(professional).put(at(pending, "reject"), {"reason": " "}), 422, "reason")
    refused(api(professional).put(at(pending, "reject")), 422, "reason")
    told = api(professional).put(at(pending, "reject"), {"reason": "My van broke down."}).json
    assert told["status"] == "rejected"
    assert told["events"][-1]["reason"] == "My van broke down."


def test_a_wrong_code_is_counted(api, professional, refused, soon):
    for _ in range(5):
        refused(api(professional).put(at(soon, "start"), {"code": "no"}), 422, "code")
    refused(api(professional).put(at(soon, "start"), {"code": start_codes.code_of(soon)}), 409)
    assert db.session.get(Booking, soon.id).code_tries == 5


def test_each_side_may_cancel_and_an_admin_says_why(api, customer, professional, admin, refused, soon, pending):
    assert api(customer).put(at(pending, "cancel")).json["status"] == "cancelled"
    refused(api(admin).put(at(soon, "cancel")), 422, "reason")
    told = api(admin).put(at(soon, "cancel"), {"reason": "Nobody can come."}).json
    assert (told["status"], told["events"][-1]["by"]) == ("cancelled", "admin")
    refused(api(professional).put(at(soon, "cancel"), {"reason": "Me too"}), 409)


def test_a_body_where_none_belongs_is_refused(api, professional, refused, pending):
    refused(api(professional).put(at(pending, "accept"), {"status": "closed"}), 422, "status")
    assert api(professional).put(at(pending, "accept"), {}).status_code == 200


def test_nothing_is_done_to_what_has_changed_meanwhile(api, customer, professional, refused, pending):
    program = api(professional)
    seen = program.get(at(pending)).headers["ETag"]
    moved = api(customer).put(at(pending), {"starts_at": "2026-11-24T16:00:00+05:30"})
    refused(program.put(at(pending, "accept"), If_Match=seen), 412)
    assert db.session.get(Booking, pending.id).status is Status.PENDING
    seen = program.get(at(pending)).headers["ETag"]
    accepted = program.put(at(pending, "accept"), If_Match=seen)
    assert accepted.status_code == 200
    assert program.get(at(pending)).headers["ETag"] == accepted.headers["ETag"]
    refused(api(customer).put(at(pending), {"remarks": ""}, If_Match=moved.headers["ETag"]), 412)


def test_a_stranger_gets_no_version_either(api, other_professional, refused, pending):
    refused(api(other_professional).put(at(pending, "accept"), If_Match='"x"'), 404)


# -- Reviews ----------------------------------------------------------------------------------


def test_work_is_reviewed_once(api, customer, professional, refused):
    done = factories.booking(customer, professional, status=Status.CLOSED)
    program = api(customer)
    answer = program.post(at(done, "review"), {"rating": 4, "comment": "Quick."})
    assert answer.status_code == 201
    assert (answer.json["rating"], answer.json["comment"]) == (4, "Quick.")
    refused(program.post(at(done, "review"), {"rating": 5}), 409)
    assert count(Review) == 1


def test_one_key_reviews_once(api, customer, professional, refused):
    done = factories.booking(customer, professional, status=Status.CLOSED)
    program = api(customer)
    first = program.post(at(done, "review"), {"rating": 4}, Idempotency_Key="once")
    assert program.post(at(done, "review"), {"rating": 4}, Idempotency_Key="once").json == first.json
    refused(program.post(at(done, "review"), {"rating": 5}, Idempotency_Key="once"), 409)


@pytest.mark.parametrize(
    "field, sent",
    [
        ("rating", {}),
        ("rating", {"rating": 0}),
        ("rating", {"rating": 6}),
        ("rating", {"rating": 4.5}),
        ("rating", {"rating": "5"}),
        ("comment", {"rating": 5, "comment": "x" * 2001}),
        ("professional_id", {"rating": 5, "professional_id": 1}),
    ],
)
def test_a_review_that_is_none_is_refused(api, customer, professional, refused, field, sent):
    done = factories.booking(customer, professional, status=Status.CLOSED)
    refused(api(customer).post(at(done, "review"), sent), 422, field)
    assert count(Review) == 0


def test_only_its_customer_reviews_and_only_what_is_done(
    api, customer, other_customer, professional, refused, pending
):
    refused(api(customer).post(at(pending, "review"), {"rating": 5}), 409)
    refused(api(other_customer).post(at(pending, "review"), {"rating": 5}), 404)
    refused(api(professional).post(at(pending, "review"), {"rating": 5}), 403)


# -- What is ahead ----------------------------------------------------------------------------


def test_the_customer_sees_what_is_ahead_the_next_first(api, customer, professional, pending, soon):
    factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(8, days=-1))
    program = api(customer)
    answer = program.get("/customer/ongoing-services", {"limit": 1})
    assert [one["id"] for one in answer.json["items"]] == [soon.id]
    assert answer.json["items"][0]["start_code"] == start_codes.code_of(soon)
    rest = program.get("/customer/ongoing-services", {"cursor": answer.json["next_cursor"]}).json
    assert ([one["id"] for one in rest["items"]], rest["next_cursor"]) == ([pending.id], None)


def test_the_professional_sees_the_day(api, customer, professional, pending, soon, on_offer):
    earned = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(8))
    later = factories.booking(
        customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=3)
    )
    late = factories.booking(
        customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(15, days=-1)
    )
    told = api(professional).get("/professional/dashboard").json
    assert {one["id"] for one in told["pending"]} == {pending.id, on_offer.id}
    assert [one["id"] for one in told["today"]] == [earned.id, soon.id]
    assert [one["id"] for one in told["upcoming"]] == [later.id]
    assert [one["id"] for one in told["late"]] == [late.id]
    assert told["earnings"]["today"] == {"amount": earned.subtotal, "currency": "INR"}
    assert (told["rating"], told["rating_count"]) == (None, 0)
    [offered] = [one for one in told["pending"] if one["id"] == on_offer.id]
    assert (offered["customer"], offered["address"]["line1"], offered["remarks"]) == (None, None, "Ring twice.")


# -- Keys -------------------------------------------------------------------------------------


def test_a_key_does_no_more_than_it_may(api, customer, professional, refused, wish, pending):
    reading, writing = api(customer, READ), api(customer, WRITE)
    assert reading.get(at(pending)).status_code == 200
    refused(reading.put(at(pending), {"remarks": ""}), 403)
    refused(reading.post("/service-requests", wish()), 403)
    refused(writing.get("/service-requests"), 403)
    refused(api(professional, READ).put(at(pending, "accept")), 403)
    refused(api(professional, WRITE).get("/professional/dashboard"), 403)
    assert writing.put(at(pending), {"remarks": "Knock."}).status_code == 200


def test_somebody_who_is_blocked_is_out_at_once(api, customer, refused, pending):
    program = api(customer)
    assert program.get(at(pending)).status_code == 200
    db.session.get(User, customer.id).active = False
    db.session.commit()
    refused(program.get(at(pending)), 401)
    refused(program.put(at(pending), {"remarks": ""}), 401)
