"""The page "Your data": a copy of it, what was agreed to, and the end of the account; and what readers are told."""

import io
import json
import threading
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

import exporting
from domain import clock, exports, files
from extensions import db
from models import AuditEntry, Export, ExportStatus, FileKind, Notification, OutboxMessage, Status, User
from models_privacy import Consent
from tests import factories

WORDS = "erase my account"


def make_copies(app):
    return exporting.drain(app, threading.Event(), "the leader")


def ask_for_copy(client, app):
    client.post("/account/data/copies")
    assert make_copies(app) == 1
    return db.session.scalar(select(Export).order_by(Export.id.desc()))


def erase(client, words=WORDS, password=factories.PASSWORD):
    return client.post("/account/erase", data={"words": words, "password": password})


# -- A copy ---------------------------------------------------------------------------------


def test_a_copy_is_made_in_the_background_and_downloaded(app, as_, customer, professional):
    factories.booking(customer, professional, status=Status.CLOSED, remarks="Ring twice")
    photo = files.store(files.Checked(FileKind.PHOTO, files.JPEG, b"a face"), customer)
    db.session.commit()
    client = as_(customer)
    client.post("/account/data/copies")
    assert "Being made" in client.get("/account/data").text
    assert make_copies(app) == 1
    copy = db.session.scalar(select(Export))
    assert "Ready" in client.get("/account/data").text
    answer = client.get(f"/account/data/copies/{copy.id}")
    assert answer.headers["Cache-Control"] == "private, no-store"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert json.loads(archive.read("bookings.json"))[0]["remarks"] == "Ring twice"
        assert json.loads(archive.read("about.json"))["person"]["name"] == "Asha Rao"
        assert archive.read(f"uploads/{photo.id}.jpg") == b"a face"
        assert {name for name in archive.namelist() if name.endswith(".json")} >= {"users.json", "messages.json"}
    answer.close()


def test_who_asked_is_told_by_mail_and_in_the_app(app, as_, customer):
    ask_for_copy(as_(customer), app)
    assert db.session.scalars(select(Notification.kind)).all() == ["copy_ready"]
    assert db.session.scalars(select(OutboxMessage.kind)).all() == ["copy_ready"]
    assert "copy of your data is ready" in as_(customer).get("/notifications").text


def test_a_second_click_asks_for_no_second_copy(as_, customer):
    client = as_(customer)
    for _ in range(3):
        client.post("/account/data/copies")
    assert len(db.session.scalars(select(Export)).all()) == 1


def test_nobody_else_gets_a_copy_not_even_an_admin(app, as_, customer, other_customer, admin):
    copy = ask_for_copy(as_(customer), app)
    for stranger in (other_customer, admin):
        assert as_(stranger).get(f"/account/data/copies/{copy.id}").status_code == 404
    browser = as_(admin)
    browser.audit = False
    assert browser.post(f"/admin/exports/{copy.id}/download").status_code == 404
    assert browser.post(f"/admin/exports/{copy.id}/cancel").status_code == 404
    assert "Asha" not in browser.get("/admin/exports").text


def test_a_copy_asks_for_the_password_again_after_an_hour(app, as_, customer):
    client = as_(customer)
    copy = ask_for_copy(client, app)
    with client.session_transaction() as session:
        session["fs_paa"] = (datetime.now(UTC) - timedelta(hours=2)).timestamp()
    answer = client.get(f"/account/data/copies/{copy.id}")
    assert answer.status_code == 302
    assert "/verify" in answer.location


def test_a_copy_is_gone_after_a_week(app, as_, customer, frozen, settings):
    client = as_(customer)
    copy = ask_for_copy(client, app)
    frozen.shift(timedelta(days=7, minutes=1))
    with client.session_transaction() as session:
        session["fs_paa"] = datetime.now(UTC).timestamp()
    assert client.get(f"/account/data/copies/{copy.id}").status_code == 404
    exports.purge(clock.today().isoformat(), 0)
    db.session.commit()
    assert not list(settings.export_dir.iterdir())


def test_a_copy_that_is_not_ready_is_not_served(as_, customer):
    client = as_(customer)
    client.post("/account/data/copies")
    copy = db.session.scalar(select(Export))
    assert client.get(f"/account/data/copies/{copy.id}").status_code == 409
    copy.status = ExportStatus.FAILED
    db.session.commit()
    assert "Failed" in client.get("/account/data").text


def test_copies_go_with_their_owner(app, as_, customer, set_up, settings):
    set_up(erase_after_days=0)
    client = as_(customer)
    ask_for_copy(client, app)
    erase(client)
    assert db.session.scalar(select(Export)) is None
    assert not list(settings.export_dir.iterdir())


def test_copies_do_not_keep_admins_from_exports(as_, customer, other_customer, admin):
    for person in (customer, other_customer, *(factories.customer() for _ in range(4))):
        as_(person).post("/account/data/copies")
    assert exports.request(admin, "a key").status is ExportStatus.WAITING


# -- What was agreed to -----------------------------------------------------------------------


def test_what_is_switched_on_is_switched_off_by_the_same_button(as_, customer):
    client = as_(customer)
    for about in ("reports", "suggestions"):
        client.post(f"/account/data/consents/{about}", data={"on": "0"})
    page = client.get("/account/data").text
    assert page.count(">Switch on<") == 2
    assert "Switch off" not in page
    assert "A report by mail each month" in page
    client.post("/account/data/consents/suggestions", data={"on": "1"})
    assert [one.given for one in db.session.scalars(select(Consent).order_by(Consent.id))] == [False, False, True]


@pytest.mark.parametrize(("who", "about"), [("customer", "texts"), ("customer", "x"), ("professional", "suggestions")])
def test_there_is_nothing_else_to_switch(request, as_, who, about):
    person = request.getfixturevalue(who)
    assert as_(person).post(f"/account/data/consents/{about}", data={"on": "0"}).status_code == 404


def test_signing_up_says_what_it_agrees_to_and_writes_it_down(client, settings):
    page = client.get("/signup").text
    assert "By signing up you agree" in page
    assert "/terms" in page
    given = {"name": "New", "email": "new@example.com", "password": factories.PASSWORD}
    client.post("/signup", data=given, environ_base={"REMOTE_ADDR": "203.0.113.9"})
    one = db.session.scalar(select(Consent))
    assert (one.about, one.version, one.place) == ("texts", settings.texts_version, "203.0.0.0/16")


def test_new_texts_ask_everybody_on_their_next_page(as_, customer, admin, set_up):
    client = as_(customer)
    assert "have changed" not in client.get("/customer-dashboard").text
    set_up(texts_version="2027-01-01")
    assert "have changed" in client.get("/account/data").text
    assert "have changed" not in as_(admin).get("/account/data").text
    client.post("/account/data/agree")
    assert "have changed" not in client.get("/account/data").text
    assert "version of 1 Jan 2027" in client.get("/account/data").text


# -- The end ----------------------------------------------------------------------------------


def test_an_account_is_erased_after_words_and_password(as_, customer, frozen):
    client = as_(customer)
    page = client.get("/account/erase").text
    assert "7 days later" in page
    assert "Write “erase my account”" in page
    assert erase(client).location == "/"
    assert "will be erased" in client.get("/").text
    assert "/login" in client.get("/account/data").location
    assert db.session.get(User, customer.id).erase_at == clock.now() + timedelta(days=7)


@pytest.mark.parametrize(
    ("words", "password", "said"),
    [("yes", factories.PASSWORD, "to confirm"), (WORDS, "wrong", "not your password"), ("", "", "Enter the password")],
)
def test_neither_alone_is_enough(as_, customer, words, password, said):
    client = as_(customer)
    answer = erase(client, words, password)
    assert answer.status_code == 422
    assert said in answer.text
    assert db.session.get(User, customer.id).erase_at is None


def test_the_page_says_what_is_in_the_way(as_, customer, professional):
    factories.booking(customer, professional)
    client = as_(customer)
    page = client.get("/account/erase").text
    assert "not possible yet" in page
    assert "Bookings are under way" in page
    assert 'name="password"' not in page
    assert erase(client).status_code == 409


def test_passwords_are_not_guessed_here_either(as_, customer, rate_limited):
    client = as_(customer)
    answers = [erase(client, password=f"guess {number}").status_code for number in range(11)]
    assert answers[:10] == [422] * 10
    assert answers[10] == 429


def test_whoever_logs_in_again_is_asked_and_can_keep_it(as_, customer):
    erase(as_(customer))
    client = as_(customer)
    assert client.get("/customer-dashboard").location == "/account/leaving"
    assert client.post("/account/data/copies").location == "/account/leaving"
    assert client.get("/notifications/bell", headers={"HX-Request": "true"}).status_code == 204
    page = client.get("/account/leaving").text
    assert "Keep my account" in page
    assert client.get("/privacy").status_code == 200
    assert client.post("/account/keep").location == "/home"
    assert client.get("/customer-dashboard").status_code == 200
    assert client.get("/account/leaving").location == "/account/data"
    assert client.post("/account/keep").status_code == 409


def test_the_api_does_not_let_in_who_leaves(as_, client, customer):
    erase(as_(customer))
    given = {"email": "asha@example.com", "password": factories.PASSWORD}
    answer = client.post("/api/auth/login", json=given)
    assert answer.status_code == 403
    assert "going to be erased" in answer.text


def test_at_once_means_at_once(as_, customer, set_up):
    set_up(erase_after_days=0)
    client = as_(customer)
    assert "There is no way back" in client.get("/account/erase").text
    erase(client)
    assert "is erased" in client.get("/").text
    assert db.session.get(User, customer.id).name == "Former customer"


def test_a_review_stays_by_a_former_customer(as_, client, customer, professional, set_up):
    set_up(erase_after_days=0)
    factories.review(factories.booking(customer, professional, status=Status.CLOSED), comment="On time, every time.")
    erase(as_(customer))
    page = client.get(f"/professionals/{professional.id}").text
    assert "On time, every time." in page
    assert "Asha" not in page


# -- What readers are told, and what admins open --------------------------------------------------


def test_the_notice_names_who_is_responsible_and_how_long_things_stay(client, set_up):
    set_up(operator="Home Works Ltd", grievance_officer="Leela Das", grievance_contact="grievance@example.com")
    page = client.get("/privacy").text
    for words in ("Home Works Ltd", "Leela Das", "grievance@example.com", "365 days", "until the work starts"):
        assert words in page
    assert "Cancelling is free up to 3 hours" in client.get("/terms").text


def test_every_page_leads_to_both(client):
    page = client.get("/").text
    assert 'href="/privacy"' in page
    assert 'href="/terms"' in page


@pytest.mark.parametrize(("kind", "written"), [(FileKind.IDENTITY, 1), (FileKind.RESUME, 1), (FileKind.PHOTO, 0)])
def test_it_is_written_down_which_document_an_admin_opened(as_, admin, professional, kind, written):
    file = files.store(files.Checked(kind, files.PDF, b"%PDF-1.4"), professional)
    db.session.commit()
    for reader in (professional, admin):
        answer = as_(reader).get(f"/files/{file.id}")
        answer.close()
    db.session.rollback()
    acts = db.session.scalars(select(AuditEntry)).all()
    assert [(one.actor_id, one.action, one.subject_id) for one in acts] == [
        (admin.id, "see_document", professional.id)
    ] * written


def test_it_is_written_down_whose_conversation_an_admin_read(as_, admin, customer, professional):
    booking = factories.booking(customer, professional, status=Status.DISPUTED)
    as_(admin).get(f"/admin/conversations/{booking.id}").close()
    as_(admin).get(f"/evidence/{booking.id}").close()
    db.session.rollback()
    acts = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert acts == ["read_conversation", "see_evidence"]
