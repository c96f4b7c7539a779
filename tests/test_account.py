"""The pages that every signed-in person has: profile, addresses, security, notifications, files."""

import io
import re

import pytest
from sqlalchemy import select

from domain import files, notifications, users
from extensions import db
from models import Approval, FileKind, Notification, Professional, User
from tests import factories
from tests.domain.test_files import SECRET, pdf, picture

WORK = {
    "name": "Dev Menon",
    "phone": "98765 43210",
    "bio": "Taps and tanks.",
    "experience_years": "7",
    "hourly_rate": "1,249.50",
    "pincode": factories.NEAR_PIN,
    "radius_km": "20",
    "speed_kmh": "30",
    "languages": ["kn", "ml"],
}
NONSENSE = ["x" * 10**6, "\x00", "🙂", "ابجد", "<script>'\"", "-1", "1e9", "9" * 30, "NaN", "2020-01-01", ""]


def upload(content, name="file"):
    return io.BytesIO(content), name


def stored(person, kind, content):
    file = files.store(files.check(kind, io.BytesIO(content)), person)
    db.session.commit()
    return file


@pytest.mark.parametrize("address", ["/profile", "/account/security", "/notifications", "/notifications/bell"])
@pytest.mark.parametrize("person", ["customer", "professional", "unapproved_professional", "admin"])
def test_everybody_signed_in_opens_their_pages(as_, request, person, address):
    assert as_(request.getfixturevalue(person)).get(address).status_code == 200


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("/account/addresses", "customer"),
        ("/account/addresses/new", "customer"),
        ("/profile/services", "professional"),
    ],
)
def test_pages_of_one_role_are_closed_to_the_others(as_, request, address, allowed):
    for person in ("customer", "professional", "admin"):
        status = as_(request.getfixturevalue(person)).get(address).status_code
        assert status == (200 if person == allowed else 403)


def test_strangers_and_blocked_people_are_sent_to_log_in(client, as_, blocked_customer):
    for one in (client, as_(blocked_customer)):
        for address in ("/profile", "/account/addresses", "/notifications", "/files/x"):
            assert one.get(address).location.startswith("/login")
        assert one.post("/notifications/read").location == "/login"


def test_a_customer_changes_name_and_phone(as_, customer):
    client = as_(customer)
    assert client.post("/profile", data={"name": "Asha R", "phone": ""}).location == "/profile"
    assert "Your profile is saved" in client.get("/profile").text
    assert (customer.name, customer.phone) == ("Asha R", None)


def test_what_was_typed_survives_a_refusal(as_, customer):
    response = as_(customer).post("/profile", data={"name": "Asha R", "phone": "12"})
    assert response.status_code == 422
    assert 'value="Asha R"' in response.text
    assert 'id="phone-error"' in response.text
    assert customer.name == "Asha Rao"


def test_a_photo_is_kept_without_its_metadata_and_replaced(as_, customer, settings):
    client = as_(customer)
    for _ in range(2):
        photo = upload(picture(comment=SECRET), "../../me.jpg")
        assert client.post("/profile", data={"name": "Asha", "phone": "", "photo": photo}).status_code == 302
    response = client.get(f"/files/{customer.photo_id}")
    assert response.mimetype == "image/jpeg"
    assert SECRET not in response.data
    assert len([path for path in settings.upload_dir.rglob("*") if path.is_file()]) == 1
    client.post("/profile", data={"name": "Asha", "phone": "", "drop_photo": "y"})
    assert customer.photo_id is None
    assert not [path for path in settings.upload_dir.rglob("*") if path.is_file()]


def large_photo(size):
    """A form with a photo of this many bytes, written out: the client's own encoder leaves a file open."""
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
    return {"data": head + bytes(size) + b"\r\n--x--\r\n", "content_type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize("content", [b"<svg/>", pdf()])
def test_a_bad_photo_is_refused_beside_its_field(as_, customer, content):
    response = as_(customer).post("/profile", data={"name": "New", "phone": "", "photo": upload(content, "a.jpg")})
    assert response.status_code == 422
    assert 'id="photo-error"' in response.text
    assert customer.name == "Asha Rao"


def test_a_photo_that_is_too_large_is_refused(as_, customer, professional):
    for person in (customer, professional):
        response = as_(person).post("/profile", **large_photo(files.LARGEST + 1))
        assert response.status_code == 422
    assert as_(customer).post("/profile", **large_photo(13 * files.MEGABYTE)).status_code == 413


def test_a_professional_changes_the_whole_profile(as_, professional):
    documents = {"resume": upload(pdf(), "cv.pdf"), "identity": upload(picture("PNG"), "id.png")}
    client = as_(professional)
    assert client.post("/profile", data={**WORK, **documents}).status_code == 302
    work = db.session.get(Professional, professional.id)
    assert (work.bio, work.hourly_rate, work.radius_km) == ("Taps and tanks.", 124_950, 20)
    assert work.languages == ["kn", "ml"]
    assert work.resume_id
    assert work.identity_id
    page = client.get("/profile").text
    assert 'value="1249.50"' in page
    assert f"/files/{work.resume_id}" in page


@pytest.mark.parametrize("field", sorted(WORK.keys() - {"bio"}))
def test_nonsense_in_a_profile_is_refused_or_kept_as_text(as_, professional, field):
    client = as_(professional)
    for text in NONSENSE:
        assert client.post("/profile", data={**WORK, field: text}).status_code in (302, 422)
    db.session.refresh(professional)
    assert 0 < len(professional.name) <= 120


def test_services_are_chosen_with_own_prices(as_, professional):
    client = as_(professional)
    first, second = factories.service("Tap Repair"), factories.service("Mixer", base_price=30_000)
    page = client.get("/profile/services")
    assert f'name="offer-{second.id}"' in page.text
    chosen = {f"offer-{first.id}": "y", f"price-{first.id}": "₹ 1,500", f"offer-{second.id}": "y"}
    assert client.post("/profile/services", data=chosen).status_code == 302
    work = db.session.get(Professional, professional.id)
    assert {one.service_id: one.own_price for one in work.offerings} == {first.id: 150_000, second.id: None}
    assert 'value="1500"' in client.get("/profile/services").text


@pytest.mark.parametrize("price", ["-5", "abc", "1.234", "9" * 40, "1e99", "Infinity", "🙂"])
def test_a_price_that_is_none_is_refused_beside_its_field(as_, professional, price):
    one = factories.service()
    response = as_(professional).post("/profile/services", data={f"offer-{one.id}": "y", f"price-{one.id}": price})
    assert response.status_code == 422
    assert f'id="price-{one.id}-error"' in response.text


def test_a_rejected_professional_applies_again(as_, professional, unapproved_professional):
    work = db.session.get(Professional, unapproved_professional.id)
    work.approval, work.approval_reason = Approval.REJECTED, "No documents"
    db.session.commit()
    response = as_(unapproved_professional).post("/profile/apply-again")
    assert response.location == "/professional-dashboard"
    assert work.approval is Approval.PENDING
    assert as_(professional).post("/profile/apply-again").status_code == 409


# -- Files ----------------------------------------------------------------------------------


def test_documents_are_downloads_for_their_owner_and_admins_only(
    as_, professional, other_professional, customer, admin
):
    file = stored(professional, FileKind.RESUME, pdf())
    for reader in (professional, admin):
        response = as_(reader).get(f"/files/{file.id}")
        assert response.data.startswith(b"%PDF")
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        assert "no-store" in response.headers["Cache-Control"]
    for stranger in (other_professional, customer):
        assert as_(stranger).get(f"/files/{file.id}").status_code == 404


@pytest.mark.parametrize("name", ["nothing", "..%2f..%2fetc%2fpasswd", "%00", "x" * 5000, "0" * 32])
def test_there_is_no_file_of_another_name(as_, admin, name):
    assert as_(admin).get(f"/files/{name}").status_code == 404


# -- Addresses ------------------------------------------------------------------------------


def test_a_customer_keeps_addresses(as_, customer):
    client = as_(customer)
    place = {"label": "Office", "line": "4, Lake Road", "pincode": "560034"}
    assert client.post("/account/addresses/new", data=place).location == "/account/addresses"
    added = users.addresses_of(customer)[0]
    page = client.get("/account/addresses").text
    assert "4, Lake Road" in page
    assert added.pin.district in page
    edit = f"/account/addresses/{added.id}"
    assert added.pin.state in client.get(edit).text
    assert client.post(edit, data={**place, "line": "5, Lake Road"}).status_code == 302
    assert "5, Lake Road" in client.get("/account/addresses").text
    client.post(f"{edit}/remove")
    assert "5, Lake Road" not in client.get("/account/addresses").text


def test_without_addresses_the_page_says_what_to_do(as_, customer):
    users.remove_address(users.addresses_of(customer)[0], by=customer)
    db.session.commit()
    assert "No address yet" in as_(customer).get("/account/addresses").text


def test_the_address_of_another_is_not_found(as_, customer, other_customer):
    theirs = users.addresses_of(other_customer)[0]
    client = as_(customer)
    place = {"label": "", "line": "Mine now", "pincode": "560034"}
    for number in (theirs.id, 999_999, 10**30):
        assert client.get(f"/account/addresses/{number}").status_code == 404
        assert client.post(f"/account/addresses/{number}", data=place).status_code == 404
        assert client.post(f"/account/addresses/{number}/remove").status_code == 404
    assert users.addresses_of(other_customer) == [theirs]


@pytest.mark.parametrize("field", ["line", "pincode"])
def test_nonsense_in_an_address_is_refused_or_kept_as_text(as_, customer, field):
    client = as_(customer)
    for text in NONSENSE:
        place = {"label": "x", "line": "4, Lake Road", "pincode": "560034", field: text}
        response = client.post("/account/addresses/new", data=place)
        assert response.status_code in ((302, 422) if field == "line" else (422,))


# -- Security -------------------------------------------------------------------------------


def test_logging_out_everywhere_else_keeps_this_browser(as_, customer):
    here, there = as_(customer), as_(customer)
    assert here.post("/account/security/sessions").location == "/account/security"
    assert here.get("/account/security").status_code == 200
    assert there.get("/account/security").status_code == 302


# -- Notifications --------------------------------------------------------------------------


def told(person, booking=None, count=1):
    for _ in range(count):
        notifications.notify(person.id, "approved", booking and booking.id)
    db.session.commit()
    return db.session.query(Notification).filter_by(user_id=person.id).order_by(Notification.id.desc()).first()


def test_the_bell_counts_what_is_unread(as_, customer):
    client = as_(customer)
    assert "unread" not in client.get("/notifications/bell").text
    told(customer, count=3)
    assert ">3<" in client.get("/notifications/bell").text
    client.post("/notifications/read")
    assert "unread" not in client.get("/notifications/bell").text


def test_a_notification_leads_to_its_booking_and_is_read(as_, customer, professional):
    booking = factories.booking(customer, professional)
    for person, address in ((customer, "/bookings"), (professional, "/professional/jobs")):
        one = told(person, booking)
        response = as_(person).post(f"/notifications/{one.id}/read")
        assert response.location == f"{address}/{booking.id}"
        assert db.session.get(Notification, one.id).read_at is not None


@pytest.mark.parametrize(
    ("kind", "reader", "address"),
    [
        ("slot_held", "customer", "/waits"),
        ("conduct_warned", "professional", "/professional/scorecard"),
        ("appeal_refused", "professional", "/professional/scorecard"),
        ("export_ready", "admin", "/admin/exports"),
    ],
)
def test_a_notification_leads_to_its_page_also_when_it_was_read(request, as_, kind, reader, address):
    person = request.getfixturevalue(reader)
    moment = factories.at(11, days=1).isoformat()
    notifications.notify(person.id, kind, service="Tap", time=moment, until=moment, name="Dev", numbers=[])
    db.session.commit()
    one = db.session.query(Notification).filter_by(user_id=person.id).one()
    client = as_(person)
    assert f"/notifications/{one.id}/read" in client.get("/notifications").text
    for _ in range(2):
        response = client.post(f"/notifications/{one.id}/read")
        assert response.location == address
        assert client.get(address).status_code == 200
    assert f'class="note" href="{address}"' in client.get("/notifications").text


def test_who_lost_a_job_is_not_led_to_it(as_, customer, professional, other_professional):
    lost = factories.booking(customer, other_professional)
    notifications.notify(professional.id, "taken_away", lost.id, service="Tap", time=lost.starts_at.isoformat())
    db.session.commit()
    one = db.session.query(Notification).filter_by(user_id=professional.id).one()
    client = as_(professional)
    assert client.post(f"/notifications/{one.id}/read").location == "/notifications"
    assert f'/{lost.id}"' not in client.get("/notifications").text


def test_what_came_of_one_booking_stands_together_and_is_read_together(as_, customer, professional):
    booking = factories.booking(customer, professional)
    other = factories.booking(customer, professional, starts_at=factories.at(15, days=1))
    told(customer, other)
    first, last = told(customer, booking, count=2), told(customer, booking, count=2)
    client = as_(customer)
    page = client.get("/notifications").text
    assert page.count("<h2") == 1
    assert "<summary>3 more</summary>" in page
    assert f'id="note-{first.id - 1}"' in page
    client.post(f"/notifications/{last.id}/read")
    unread = db.session.scalars(select(Notification.booking_id).where(Notification.read_at.is_(None))).all()
    assert unread == [other.id]


def test_all_are_marked_as_read_from_where_one_is_in_the_list(as_, customer):
    told(customer, count=30)
    client = as_(customer)
    after = re.search(r'after=([^"&]+)"', client.get("/notifications").text)[1]
    assert client.post("/notifications/read", data={"after": after}).location == f"/notifications?after={after}"
    page = client.get(f"/notifications?after={after}").text
    assert "is-new" not in page
    assert "Everything is read." in page


def test_the_notification_of_another_is_not_found(as_, customer, other_customer):
    one = told(other_customer)
    assert as_(customer).post(f"/notifications/{one.id}/read").status_code == 404
    assert as_(customer).post(f"/notifications/{10**30}/read").status_code == 404
    assert one.read_at is None


def test_notifications_come_in_pages_at_a_constant_cost(as_, customer, count_queries):
    client = as_(customer)
    assert "Nothing new" in client.get("/notifications").text
    costs = []
    for count in (5, 60):
        told(customer, count=count)
        with count_queries() as seen:
            page = client.get("/notifications").text
        costs.append(seen.count)
    assert costs[0] == costs[1]
    assert page.count("<time") == 20
    assert 'rel="next"' in page


@pytest.mark.parametrize("after", ["x", "%00", "9" * 100, "🙂"])
def test_a_bad_place_in_the_list_is_refused(as_, customer, after):
    assert as_(customer).get(f"/notifications?after={after}").status_code == 422


def test_the_profile_costs_the_same_whatever_is_in_it(as_, professional, count_queries):
    client = as_(professional)
    costs = []
    for count in (1, 40):
        for number in range(count):
            factories.offer(professional, factories.service(f"Job {count} {number}", base_price=100))
        with count_queries() as seen:
            assert client.get("/profile/services").status_code == 200
        costs.append(seen.count)
    assert costs[0] == costs[1]
    assert db.session.get(User, professional.id)
