"""The admin's calls: people, the catalogue and exports."""

import threading

import pytest
from sqlalchemy import func, select

import exporting
from domain import api_keys, clock
from extensions import db
from models import Approval, AuditEntry, Export, ExportKind, ExportStatus, Professional, Service, User
from tests import factories

READ, WRITE = api_keys.Scope.SITE_READ, api_keys.Scope.SITE_WRITE
TAP = {
    "name": "Tap whispering",
    "category": "plumbing",
    "description": "Calms a tap.",
    "base_price": {"amount": 12300, "currency": "INR"},
    "duration_minutes": 45,
}


@pytest.fixture
def program(api, admin):
    return api(admin)


def count(kind):
    return db.session.scalar(select(func.count()).select_from(kind))


# -- People -----------------------------------------------------------------------------------


def test_accounts_are_listed_the_newest_first(program, customer, unapproved_professional, admin):
    told = program.get("/admin/users").json["items"]
    assert {one["id"] for one in told} == {customer.id, unapproved_professional.id, admin.id}
    assert [one["id"] for one in told] == sorted((one["id"] for one in told), reverse=True)
    [found] = program.get("/admin/users", {"role": "professional"}).json["items"]
    assert found == {
        "id": unapproved_professional.id,
        "role": "professional",
        "email": "farid@example.com",
        "name": "Farid Ali",
        "phone": unapproved_professional.phone,
        "active": True,
        "blocked_reason": None,
        "created_at": "2026-11-23T09:00:00+05:30",
        "approval": "pending",
    }
    assert [one["name"] for one in program.get("/admin/users", {"q": "ASHA"}).json["items"]] == ["Asha Rao"]
    assert program.get("/admin/users", {"q": "asha"}).json["items"][0]["approval"] is None


def test_a_long_list_of_accounts_has_pages(program, customer, other_customer, professional):
    page = program.get("/admin/users", {"limit": 3}).json
    rest = program.get("/admin/users", {"limit": 3, "cursor": page["next_cursor"]}).json
    assert len(page["items"]) + len(rest["items"]) == count(User)
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("field, query", [("role", {"role": "god"}), ("limit", {"limit": "x"}), ("id", {"id": 1})])
def test_a_list_of_accounts_refuses_what_it_does_not_know(program, refused, field, query):
    refused(program.get("/admin/users", query), 422, field)


def test_an_applicant_is_approved(program, unapproved_professional):
    path = f"/admin/professionals/{unapproved_professional.id}"
    before = program.get(path)
    assert before.json["approval"] == "pending"
    assert before.json["missing"] == ["an identity document", "a few words about your work"]
    after = program.put(f"{path}/approve", If_Match=before.headers["ETag"])
    assert after.json == program.get(path).json
    assert after.json["approval"] == "approved"
    assert db.session.get(Professional, unapproved_professional.id).approval is Approval.APPROVED


def test_of_two_decisions_the_later_is_refused(program, refused, unapproved_professional):
    path = f"/admin/professionals/{unapproved_professional.id}"
    seen = program.get(path).headers["ETag"]
    assert program.put(f"{path}/approve").status_code == 200
    refused(program.put(f"{path}/approve"), 409)
    refused(program.put(f"{path}/reject", {"reason": "No."}, If_Match=seen), 412)


def test_a_rejection_has_a_reason(program, refused, unapproved_professional):
    path = f"/admin/professionals/{unapproved_professional.id}"
    refused(program.put(f"{path}/reject"), 422, "reason")
    refused(program.put(f"{path}/reject", {"reason": "x", "approval": "approved"}), 422, "approval")
    told = program.put(f"{path}/reject", {"reason": "The picture is blurred."}).json
    assert (told["approval"], told["approval_reason"]) == ("rejected", "The picture is blurred.")


def test_who_is_blocked_is_out_at_once(api, program, refused, professional):
    path = f"/admin/professionals/{professional.id}"
    theirs = api(professional)
    assert theirs.get("/professional/dashboard").status_code == 200
    told = program.put(f"{path}/block", {"reason": "Complaints"}).json
    assert (told["active"], told["blocked_reason"]) == (False, "Complaints")
    refused(theirs.get("/professional/dashboard"), 401)
    refused(program.put(f"{path}/block"), 409)


def test_a_block_needs_no_words(program, professional):
    assert program.put(f"/admin/professionals/{professional.id}/block").json["active"] is False


@pytest.mark.parametrize("verb, sent", [("approve", None), ("reject", {"reason": "x"}), ("block", None)])
def test_only_professionals_are_decided_about(program, refused, customer, verb, sent):
    for number in (customer.id, 10**6):
        refused(program.put(f"/admin/professionals/{number}/{verb}", sent), 404)


# -- The catalogue ----------------------------------------------------------------------------


def test_a_service_is_added_and_found_by_everybody(api, program):
    answer = program.post("/admin/services", TAP)
    assert answer.status_code == 201
    assert answer.json == {**TAP, "id": answer.json["id"], "category": "Plumbing"}
    assert api().get(answer.headers["Location"]).json == answer.json


def test_one_key_adds_a_service_once(program, refused):
    first = program.post("/admin/services", TAP, Idempotency_Key="once")
    assert program.post("/admin/services", TAP, Idempotency_Key="once").json == first.json
    refused(program.post("/admin/services", {**TAP, "name": "Another"}, Idempotency_Key="once"), 409)


def test_a_service_is_changed_as_a_whole(api, program, refused):
    one = factories.service()
    path = f"/admin/services/{one.id}"
    seen = api().get(f"/services/{one.id}")
    answer = program.put(path, TAP, If_Match=seen.headers["ETag"])
    assert answer.json == {**TAP, "id": one.id, "category": "Plumbing"}
    assert api().get(f"/services/{one.id}").headers["ETag"] == answer.headers["ETag"]
    refused(program.put(path, {**TAP, "name": "Late"}, If_Match=seen.headers["ETag"]), 412)
    assert db.session.get(Service, one.id).name == "Tap whispering"


@pytest.mark.parametrize(
    "field, changes",
    [
        ("name", {"name": " "}),
        ("category", {"category": "Alchemy"}),
        ("base_price.amount", {"base_price": {"amount": -1}}),
        ("base_price.amount", {"base_price": {"amount": 1.5}}),
        ("base_price.currency", {"base_price": {"amount": 1, "currency": "USD"}}),
        ("base_price", {"base_price": 100}),
        ("duration_minutes", {"duration_minutes": 5}),
        ("description", {"description": "x" * 1001}),
        ("id", {"id": 1}),
    ],
)
def test_a_service_that_cannot_be_is_refused(program, refused, field, changes):
    one, before = factories.service(), count(Service)
    refused(program.post("/admin/services", {**TAP, **changes}), 422, field)
    refused(program.put(f"/admin/services/{one.id}", {**TAP, **changes}), 422, field)
    assert count(Service) == before


def test_two_services_of_one_name_are_refused(program, refused):
    program.post("/admin/services", TAP)
    refused(program.post("/admin/services", TAP), 422, "name")


def test_what_was_never_used_is_deleted_and_the_rest_retired(api, program, refused, professional):
    unused = program.post("/admin/services", TAP).json["id"]
    assert program.delete(f"/admin/services/{unused}").status_code == 204
    assert db.session.get(Service, unused) is None
    refused(program.delete(f"/admin/services/{unused}"), 404)
    offered = factories.service().id
    assert program.delete(f"/admin/services/{offered}").status_code == 204
    assert db.session.get(Service, offered).retired_at == clock.now()
    refused(api().get(f"/services/{offered}"), 404)
    refused(program.delete(f"/admin/services/{offered}"), 409)


# -- Exports ----------------------------------------------------------------------------------


def test_an_export_is_asked_for_followed_and_downloaded(app, program, customer, professional):
    booking = factories.booking(customer, professional)
    asked = program.post("/admin/export-csv", {"filters": {"statuses": ["pending"]}})
    assert asked.status_code == 202
    assert asked.json["status"] == "waiting"
    path = asked.json["status_url"]
    assert asked.headers["Location"] == path
    assert program.get(path).json == {**asked.json, "rows": 0, "download_url": None, "error": None}
    exporting.drain(app, threading.Event(), "leader")
    done = program.get(path).json
    assert (done["status"], done["rows"]) == ("done", 1)
    file = program.get(done["download_url"])
    assert file.mimetype == "text/csv"
    assert booking.reference in file.text
    assert file.headers["Cache-Control"] == "no-store"
    file.close()
    read = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert read == ["request_export", "download_export"]


def test_an_export_of_all_needs_no_filters(program):
    assert program.post("/admin/export-csv").status_code == 202
    assert program.post("/admin/export-csv", {"filters": {}}).status_code == 202


def test_one_key_asks_once(program, refused):
    first = program.post("/admin/export-csv", {"filters": {}}, Idempotency_Key="once")
    assert program.post("/admin/export-csv", {"filters": {}}, Idempotency_Key="once").json == first.json
    assert count(Export) == 1
    changed = {"filters": {"first": "2026-11-01"}}
    refused(program.post("/admin/export-csv", changed, Idempotency_Key="once"), 409)


@pytest.mark.parametrize(
    "field, filters",
    [
        ("filters.statuses.0", {"statuses": ["odd"]}),
        ("filters.first", {"first": "yesterday"}),
        ("filters.last", {"last": "9999-12-31"}),
        ("filters.last", {"first": "2026-11-02", "last": "2026-11-01"}),
        ("filters.professional", {"professional": "Nobody"}),
        ("filters.service_id", {"service_id": 10**6}),
        ("filters.admin_id", {"admin_id": 1}),
    ],
)
def test_filters_that_cannot_be_used_are_named(program, refused, field, filters):
    refused(program.post("/admin/export-csv", {"filters": filters}), 422, field)
    assert count(Export) == 0


def test_a_file_that_is_not_there_is_refused(program, refused, admin):
    waiting = factories.export(admin)
    refused(program.get(f"/admin/exports/{waiting.id}/file"), 409)
    gone = factories.export(admin, status=ExportStatus.DONE, expires_at=clock.now(), kind=ExportKind.BOOKINGS)
    refused(program.get(f"/admin/exports/{gone.id}/file"), 404)
    assert program.get(f"/admin/exports/{gone.id}").json["download_url"] is None
    refused(program.get("/admin/exports/1000/file"), 404)
    assert count(AuditEntry) == 0


# -- Keys -------------------------------------------------------------------------------------


def test_a_key_does_no_more_than_it_may(api, admin, refused, unapproved_professional):
    reading, writing, bookings = api(admin, READ), api(admin, WRITE), api(admin, *api_keys.BOOKINGS)
    approve = f"/admin/professionals/{unapproved_professional.id}/approve"
    assert reading.get("/admin/users").status_code == 200
    assert reading.post("/admin/export-csv").status_code == 202
    for program in (reading, bookings):
        refused(program.put(approve), 403)
        refused(program.post("/admin/services", TAP), 403)
        refused(program.delete(f"/admin/services/{factories.service().id}"), 403)
    for program in (writing, bookings):
        refused(program.get("/admin/users"), 403)
        refused(program.post("/admin/export-csv"), 403)
    assert writing.put(approve).status_code == 200
