"""Signing up, logging in and out, passwords, the second step, and what keeps guessers away."""

import dataclasses
import email
import email.policy
import re

import pytest
from flask_security import recoverable
from sqlalchemy import select, update

import app as application
import mail
from domain import outbox, users
from extensions import db, security
from models import Approval, OutboxMessage, Professional, Role, User
from tests import client as browser
from tests import factories

PASSWORD = factories.PASSWORD
SIGN_UP = {"name": "Hari Das", "email": "hari@example.com", "phone": "98765 43210", "password": "nine blue kettles"}
WORKER = {**SIGN_UP, "pincode": factories.CITY_PIN, "radius_km": "12", "experience_years": "4"}


@pytest.fixture
def letters(app, settings):
    """letters() is what was mailed since the test began."""
    outbox = settings.instance / "outbox"
    for old in outbox.glob("*.eml"):
        old.unlink()

    def read():
        mail.deliver_due(app)
        found = sorted(outbox.glob("*.eml"))
        return [email.message_from_bytes(one.read_bytes(), policy=email.policy.default) for one in found]

    return read


@pytest.fixture
def hashes(app, monkeypatch):
    """Counts how often a password is hashed or verified, which is what takes the time."""
    done = []
    context = security.pwd_context
    for verb in ("hash", "verify"):
        real = getattr(context, verb)
        monkeypatch.setattr(
            context, verb, lambda *args, real=real, verb=verb, **kwargs: (done.append(verb), real(*args, **kwargs))[1]
        )
    return done


def log_in(client, person, password=PASSWORD, **more):
    address = person if isinstance(person, str) else person.email
    return client.post("/login", data={"email": address, "password": password, **more})


def is_logged_in(client):
    return client.get("/account/security").status_code == 200


def test_a_customer_signs_up_and_logs_in(client, letters):
    response = client.post("/signup", data=SIGN_UP)
    assert response.status_code == 302
    assert response.location == "/login"
    person = users.find("hari@example.com")
    assert (person.role, person.name, person.phone) == (Role.CUSTOMER, "Hari Das", "+919876543210")
    assert [letter["To"] for letter in letters()] == ["hari@example.com"]
    response = log_in(client, "Hari@Example.com ", SIGN_UP["password"])
    assert response.location == "/home"
    assert client.get("/home").location == "/customer-dashboard"


def test_a_professional_signs_up_and_waits(client):
    client.post("/signup/professional", data=WORKER)
    person = users.find("hari@example.com")
    professional = db.session.get(Professional, person.id)
    assert professional.approval is Approval.PENDING
    assert (professional.radius_km, professional.experience_years) == (12, 4)


def test_a_professional_needs_a_phone_and_a_known_pin(client):
    for field, wrong in {"phone": "", "pincode": "999999", "radius_km": "900"}.items():
        response = client.post("/signup/professional", data={**WORKER, field: wrong})
        assert response.status_code == 422
        assert f'id="{field}-error"' in response.text
    assert users.find("hari@example.com") is None


def test_signing_up_with_a_known_address_says_the_same_and_tells_its_owner(client, customer, hashes, letters):
    answers, work = [], []
    for address in ("new@example.com", customer.email):
        hashes.clear()
        response = client.post("/signup", data={**SIGN_UP, "email": address})
        answers.append((response.status_code, response.location, client.get("/login").text.count("Thank you")))
        work.append(list(hashes))
    assert answers[0] == answers[1]
    assert work[0] == work[1] == ["hash"]
    subjects = {letter["To"]: letter["Subject"] for letter in letters()}
    assert subjects == {"new@example.com": "Welcome to Doorstep", customer.email: "You have an account already"}
    assert db.session.get(User, customer.id).name == "Asha Rao"


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("seven77", "at least 8"),
        ("x" * 129, "at most 128"),
        ("Password1", "Many people"),
        ("x" * 1_000_000, "at most 128"),
    ],
)
def test_a_poor_password_is_refused_with_the_reason(client, password, words):
    response = client.post("/signup", data={**SIGN_UP, "password": password})
    assert response.status_code == 422
    assert words in response.text
    assert 'value="hari@example.com"' in response.text


@pytest.mark.parametrize(
    "password",
    ["🔑" * 128, "शांत नीला कमरा", "مفتاح البيت الأزرق", "a\x00b\x00c\x00d\x00e", "'; drop table users; --", "ﬃ" * 100],
)
def test_an_odd_password_works(client, password):
    client.post("/signup", data={**SIGN_UP, "password": password})
    assert log_in(client, "hari@example.com", password).location == "/home"


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "no address"},
        {"email": "a" * 1_000_000},
        {"email": ""},
        {"name": ""},
        {"name": "x" * 1_000_000},
        {"name": "\u202e\x00"},
        {"phone": "12"},
        {"phone": "9" * 1_000_000},
        {"password": ""},
    ],
)
def test_sign_up_refuses_what_it_cannot_use(client, wrong):
    assert client.post("/signup", data={**SIGN_UP, **wrong}).status_code == 422


def test_tags_and_other_scripts_in_a_name_are_just_a_name(client):
    client.post("/signup", data={**SIGN_UP, "name": '<b>"علي" \'O\' 🙂</b>'})
    assert users.find("hari@example.com").name == '<b>"علي" \'O\' 🙂</b>'
    log_in(client, "hari@example.com", SIGN_UP["password"])
    assert "<b>" not in client.get("/profile").text


def test_unknown_known_and_blocked_get_the_same_answer_after_the_same_work(
    app, customer, blocked_customer, hashes
):
    pages, work = [], []
    for address, password in (
        ("nobody@example.com", PASSWORD),
        (customer.email, "wrong password"),
        (blocked_customer.email, PASSWORD),
    ):
        client = app.test_client()
        hashes.clear()
        response = log_in(client, address, password)
        assert response.status_code == 200
        pages.append(re.sub(r'name="csrf_token" value="[^"]+"|content="[^"]+"', "", response.text).replace(address, ""))
        work.append(len(hashes))
        assert not is_logged_in(client)
    assert pages[0] == pages[1] == pages[2]
    assert "do not belong together" in pages[0]
    assert work == [1, 1, 1]


def test_asking_for_a_reset_says_and_does_the_same_for_everybody(
    app, customer, blocked_customer, hashes, letters
):
    pages, work = [], []
    for address in ("nobody@example.com", customer.email, blocked_customer.email):
        hashes.clear()
        response = app.test_client().post("/reset", data={"email": address})
        pages.append(re.sub(r'name="csrf_token" value="[^"]+"|content="[^"]+"', "", response.text).replace(address, ""))
        work.append(list(hashes))
    assert pages[0] == pages[1] == pages[2]
    assert work == [["hash"]] * 3
    assert [letter["To"] for letter in letters()] == [customer.email]


@pytest.mark.parametrize(
    "wrong",
    [{"email": "x" * 10**6}, {"password": "x" * 10**6}, {"email": "a\x00@b"}, {"next": "\x00"}, {"remember": "🙂"}],
)
def test_log_in_refuses_nonsense_quietly(client, customer, wrong):
    response = client.post("/login", data={"email": customer.email, "password": "wrong", **wrong})
    assert response.status_code == 200


def test_accounts_take_forms_only(client, customer):
    for address in ("/login", "/reset", "/logout"):
        assert client.post(address, json=[1]).status_code == 415


def test_no_token_logs_anybody_in(app, customer):
    with app.test_request_context():
        token = customer.get_auth_token()
    client = app.test_client()
    assert client.get(f"/account/security?auth_token={token}").status_code == 302
    assert client.get("/account/security", headers={"Authentication-Token": token}).status_code == 302


@pytest.mark.parametrize(
    ("target", "landing"),
    [
        ("/bookings?after=x", "/bookings?after=x"),
        ("http://localhost/bookings", "/bookings"),
        ("//evil.example", "/home"),
        ("///evil.example", "/home"),
        ("/\\evil.example", "/home"),
        ("\\\\evil.example", "/home"),
        ("https:evil.example", "/home"),
        ("https://evil.example/", "/home"),
        ("https://localhost@evil.example/", "/home"),
        ("javascript:alert(1)", "/home"),
        ("/\t/evil.example", "/home"),
        ("http://[evil", "/home"),
        ("evil.example", "/home"),
        ("", "/home"),
    ],
)
def test_after_logging_in_nobody_leaves_the_site(client, customer, target, landing):
    assert log_in(client, customer, next=target).location == landing
    other = client.application.test_client()
    response = other.post("/login", query_string={"next": target}, data={"email": customer.email, "password": PASSWORD})
    assert response.location == landing


def test_a_stranger_is_sent_to_log_in_and_back(client, customer):
    response = client.get("/account/addresses?x=1")
    assert response.location == "/login?next=/account/addresses?x%3D1"
    page = client.get(response.location)
    assert 'name="next" value="/account/addresses?x=1"' in page.text
    assert client.get("/notifications/bell", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/login"


@pytest.mark.parametrize("person", ["customer", "professional", "admin"])
def test_each_role_lands_on_its_dashboard(client, request, person):
    user = request.getfixturevalue(person)
    log_in(client, user)
    assert client.get("/home").location == f"/{user.role.value}-dashboard"
    assert client.get("/login").location == "/home"
    assert client.get("/signup").location == "/home"


def test_logging_out_is_a_post_and_ends_copies_of_the_cookie(app, client, customer):
    log_in(client, customer)
    stolen = client.get_cookie("session").value
    assert client.get("/logout").status_code == 405
    assert is_logged_in(client)
    client.post("/logout")
    assert not is_logged_in(client)
    thief = app.test_client()
    thief.set_cookie("session", stolen)
    assert not is_logged_in(thief)


def test_logging_out_needs_the_token(client, customer):
    log_in(client, customer)
    client.csrf = False
    assert client.post("/logout").status_code == 400
    assert is_logged_in(client)


def test_remember_me_survives_the_session_and_ends_with_it(app, client, customer):
    log_in(client, customer, remember="y")
    remembered = client.get_cookie("remember").value
    fresh = app.test_client()
    fresh.set_cookie("remember", remembered)
    assert is_logged_in(fresh)
    client.post("/logout")
    late = app.test_client()
    late.set_cookie("remember", remembered)
    assert not is_logged_in(late)


def test_without_remember_me_there_is_no_such_cookie(client, customer):
    log_in(client, customer)
    assert client.get_cookie("remember") is None


def test_changing_the_password_ends_every_other_session(app, customer, letters):
    here, there = app.test_client(), app.test_client()
    log_in(here, customer)
    log_in(there, customer)
    change = {"password": PASSWORD, "new_password": "ten green kettles", "new_password_confirm": "ten green kettles"}
    assert here.post("/change-password", data=change).location == "/account/security"
    assert is_logged_in(here)
    assert not is_logged_in(there)
    assert log_in(there, customer).status_code == 200
    assert log_in(there, customer, "ten green kettles").status_code == 302
    assert [letter["Subject"] for letter in letters()] == ["Your password was changed"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "not your password"),
        ({"new_password_confirm": "something else"}, "differ"),
        ({"new_password": "password1", "new_password_confirm": "password1"}, "Many people"),
        ({"new_password": PASSWORD, "new_password_confirm": PASSWORD}, "Choose another"),
    ],
)
def test_a_password_change_is_refused_with_the_reason(as_, customer, change, words):
    good = {"password": PASSWORD, "new_password": "ten green kettles", "new_password_confirm": "ten green kettles"}
    response = as_(customer).post("/change-password", data={**good, **change})
    assert words in response.text
    assert db.session.get(User, customer.id).password == customer.password


def reset_link(client, customer, letters):
    client.post("/reset", data={"email": customer.email.upper()})
    return re.search(r"http://\S+(/reset/\S+)", letters()[-1].get_content()).group(1)


def test_a_reset_link_works_once_and_ends_every_session(app, client, customer, letters):
    there = app.test_client()
    log_in(there, customer)
    link = reset_link(client, customer, letters)
    assert client.get(link).status_code == 200
    new = {"password": "ten green kettles", "password_confirm": "ten green kettles"}
    assert client.post(link, data=new).location == "/login"
    assert not is_logged_in(there)
    assert client.post(link, data={"password": "x" * 12, "password_confirm": "x" * 12}).location == "/reset"
    assert client.get(link).location == "/reset"
    assert log_in(client, customer, "ten green kettles").status_code == 302


def test_a_reset_link_expires_and_cannot_be_forged(client, customer, letters, frozen):
    link = reset_link(client, customer, letters)
    assert client.get(link[:-2] + "xx").location == "/reset"
    frozen.shift(2 * 3600 + 5)
    assert client.get(link).location == "/reset"


def test_a_mailed_link_leads_to_the_site_whatever_the_host_header_says(client, customer, letters):
    evil = "http://evil.example"
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/reset", base_url=evil).text).group(1)
    client.csrf = False
    client.post("/reset", data={"email": customer.email, "csrf_token": token}, base_url=evil)
    assert "http://127.0.0.1:5000/reset/" in letters()[-1].get_content()


def test_of_two_who_use_a_link_at_once_one_is_told(client, customer, letters, monkeypatch):
    link = reset_link(client, customer, letters)
    hash_password = recoverable.hash_password

    def slow(password):
        with db.engine.begin() as connection:
            connection.execute(update(User).values(fs_uniquifier="taken meanwhile"))
        return hash_password(password)

    monkeypatch.setattr(recoverable, "hash_password", slow)
    response = client.post(link, data={"password": "ten green kettles", "password_confirm": "ten green kettles"})
    assert response.status_code == 409
    assert db.session.get(User, customer.id).password == customer.password


def test_a_blocked_person_is_cut_off_on_the_next_request(as_, customer, admin):
    client = as_(customer)
    assert is_logged_in(client)
    users.block(db.session.get(User, customer.id), by=db.session.get(User, admin.id), reason="Rude")
    db.session.commit()
    assert client.get("/account/security").location.startswith("/login")


# -- Confirming the address -----------------------------------------------------------------


@pytest.fixture
def strict_site(app, settings):
    """strict_site(confirm_email=True) is a browser on a site with other settings."""
    others = []

    def made(**changed):
        others.append(application.create_app(dataclasses.replace(settings, **changed)))
        browser.watch_sessions(others[-1])
        return others[-1].test_client()

    yield made
    for other in others:
        with other.app_context():
            db.engine.dispose()


def test_with_confirmation_the_mailed_link_opens_the_account(strict_site, settings, letters):
    client = strict_site(confirm_email=True)
    client.post("/signup", data=SIGN_UP)
    assert users.find("hari@example.com").confirmed_at is None
    assert "Confirm your address first" in log_in(client, "hari@example.com", SIGN_UP["password"]).text
    assert "Confirm your address first" not in log_in(client, "hari@example.com", "wrong password").text
    link = re.search(r"http://\S+(/confirm/\S+)", letters()[-1].get_content()).group(1)
    assert client.get(link).status_code == 200
    assert users.find("hari@example.com").confirmed_at is None
    assert client.post(link).location == "/login"
    db.session.expire_all()
    assert users.find("hari@example.com").confirmed_at is not None
    assert log_in(client, "hari@example.com", SIGN_UP["password"]).location == "/home"


# -- The second step ------------------------------------------------------------------------


def code_of(user):
    return security.totp_factory.generate_totp_password(db.session.get(User, user.id).tf_totp_secret)


def set_up_second_step(client):
    page = client.post("/two-factor", data={"setup": "authenticator"}).text
    token = re.search(r'action="(/two-factor/[^"]+)"', page).group(1)
    key = re.search(r"<code[^>]*>([A-Z0-9 -]+)</code>", page).group(1)
    code = security.totp_factory._totp(key).generate().token
    return client.post(token, data={"code": code})


def test_with_a_second_step_the_password_alone_opens_nothing(app, as_, customer, frozen):
    assert set_up_second_step(as_(customer)).location == "/account/security"
    frozen.shift(30)
    client = app.test_client()
    assert log_in(client, customer, next="/bookings").location.startswith("/two-factor/code")
    assert not is_logged_in(client)
    assert client.get("/two-factor/code?next=/bookings").status_code == 200
    assert "not the code" in client.post("/two-factor/code", data={"code": "000000"}).text
    assert not is_logged_in(client)
    response = client.post("/two-factor/code?next=/bookings", data={"code": code_of(customer)})
    assert response.location == "/bookings"
    assert is_logged_in(client)


def test_a_recovery_code_replaces_the_phone_once(app, as_, customer):
    owner = as_(customer)
    set_up_second_step(owner)
    codes = re.findall(r"<code[^>]*>([0-9a-f-]+)</code>", owner.post("/recovery-codes").text)
    assert len(codes) == 8
    kept = db.session.get(User, customer.id).mf_recovery_codes
    assert len(kept) == 8
    assert codes[0] not in str(kept)
    client = app.test_client()
    log_in(client, customer)
    assert client.post("/recovery-code", data={"code": codes[0]}).status_code == 302
    assert is_logged_in(client)
    again = app.test_client()
    log_in(again, customer)
    assert "not one of your recovery codes" in again.post("/recovery-code", data={"code": codes[0]}).text


def test_the_second_step_can_be_switched_off(as_, customer):
    client = as_(customer)
    set_up_second_step(client)
    assert client.post("/two-factor", data={"setup": "disable"}).location == "/account/security"
    person = db.session.get(User, customer.id)
    assert (person.tf_primary_method, person.tf_totp_secret, person.mf_recovery_codes) == (None, None, None)


def test_what_touches_security_asks_for_the_password_after_a_while(client, customer, frozen):
    log_in(client, customer)
    frozen.shift(3601)
    response = client.get("/two-factor")
    assert response.location.startswith("/verify")
    assert client.get(response.location).status_code == 200
    assert client.post(response.location, data={"password": PASSWORD}).location == "/two-factor"
    assert client.get("/two-factor").status_code == 200


def test_admins_are_led_to_the_second_step_where_it_is_required(strict_site, admin, customer):
    client = strict_site(admin_two_factor=True)
    log_in(client, admin)
    for address in ("/home", "/admin-dashboard", "/profile"):
        assert client.get(address).location == "/two-factor"
    set_up_second_step(client)
    assert client.get("/profile").status_code == 200
    assert "cannot switch it off" in client.post("/two-factor", data={"setup": "disable"}).text
    other = client.application.test_client()
    log_in(other, customer)
    assert other.get("/profile").status_code == 200


# -- Against guessing -----------------------------------------------------------------------


def test_guessing_one_password_ends_after_ten_tries(rate_limited, client, customer, other_customer):
    answers = [log_in(client, customer, "wrong password").status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]
    assert log_in(client, customer.email.upper() + " ").status_code == 429
    assert log_in(client.application.test_client(), other_customer).status_code == 302


def test_logging_in_wipes_the_slate(rate_limited, client, customer):
    for _ in range(3):
        for _ in range(9):
            log_in(client, customer, "wrong password")
        assert log_in(client.application.test_client(), customer).status_code == 302


def test_one_place_may_not_try_everybody(rate_limited, client):
    answers = [log_in(client, f"person{n}@example.com").status_code for n in range(101)]
    assert answers == [200] * 100 + [429]


@pytest.mark.parametrize("address", ["/reset", "/signup", "/signup/professional"])
def test_mails_to_one_address_are_limited(rate_limited, client, address):
    data = {**WORKER, "password": "short", "email": "asha@example.com"}
    answers = [client.post(address, data=data).status_code for _ in range(6)]
    assert answers[-1] == 429
    assert 429 not in answers[:-1]


def test_the_second_step_cannot_be_guessed(rate_limited, client, customer):
    log_in(client, customer)
    set_up_second_step(client)
    guesser = client.application.test_client()
    log_in(guesser, customer)
    answers = [guesser.post("/two-factor/code", data={"code": "000000"}).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]


# -- Language -------------------------------------------------------------------------------


def test_a_visitor_chooses_a_language(client):
    assert client.post("/language", data={"language": "hi", "next": "/login"}).location == "/login"
    assert '<html lang="hi"' in client.get("/login").text
    client.post("/language", data={"language": "xx", "next": "//evil.example"})
    assert '<html lang="hi"' in client.get("/login").text


def test_a_language_stays_with_the_account(as_, customer):
    as_(customer).post("/language", data={"language": "hi"})
    assert db.session.get(User, customer.id).locale == "hi"
    assert '<html lang="hi"' in as_(customer).get("/profile").text


def waiting_letters():
    return db.session.query(OutboxMessage).order_by(OutboxMessage.id).all()


def test_a_letter_is_written_with_what_it_tells_or_not_at_all(client, customer, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no space left")

    monkeypatch.setattr(outbox, "publish_sealed", refuse)
    assert client.post("/signup", data=SIGN_UP).status_code == 500
    assert users.find("hari@example.com") is None
    log_in(client, customer)
    change = {"password": PASSWORD, "new_password": "ten green kettles", "new_password_confirm": "ten green kettles"}
    assert client.post("/change-password", data=change).status_code == 500
    assert db.session.get(User, customer.id).password == customer.password


def test_who_is_too_late_with_a_change_gets_no_letter_about_it(client, customer, letters, monkeypatch):
    link = reset_link(client, customer, letters)
    told = len(letters())
    db.session.commit()
    db.session.execute(update(User).where(User.id == customer.id).values(fs_uniquifier="another"))
    db.session.commit()
    client.post(link, data={"password": "ten green kettles", "password_confirm": "ten green kettles"})
    assert len(letters()) == told


def test_each_change_of_the_password_is_told(as_, client, customer, letters):
    first, second = PASSWORD, "ten green kettles"
    for old, new in ((first, second), (second, first)):
        log_in(client, customer, old)
        data = {"password": old, "new_password": new, "new_password_confirm": new}
        assert client.post("/change-password", data=data).status_code == 302
        client.post("/logout")
    assert [letter["Subject"] for letter in letters()] == ["Your password was changed"] * 2


def test_an_unknown_address_costs_the_same_writes_as_a_known_one_and_leaves_no_row(app, customer):
    writes = []
    for address in (customer.email, "nobody@example.com"):
        with browser.count_queries() as seen:
            app.test_client().post("/reset", data={"email": address})
        writes.append(sum(statement.startswith("INSERT INTO outbox") for statement in seen.queries))
    assert writes == [1, 1]
    assert [letter.address for letter in waiting_letters()] == [customer.email]


def test_the_database_keeps_no_mailed_link_that_can_be_read(client, customer):
    client.post("/reset", data={"email": customer.email})
    (letter,) = waiting_letters()
    assert letter.subject == "Set a new password"
    assert "/reset/" in outbox.unsealed(letter)
    assert "/reset/" not in str([letter.key, letter.data, letter.body, letter.subject, letter.error])


def test_addresses_are_unique_however_they_are_written(client, customer):
    client.post("/signup", data={**SIGN_UP, "email": " ASHA@Example.COM"})
    assert len(db.session.scalars(select(User).where(User.email == "asha@example.com")).all()) == 1
