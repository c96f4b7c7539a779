"""What OWASP's ASVS 5.0.0 asks for at levels 1 and 2 of pages (V3), authentication (V6), sessions (V7),
communication (V12) and data (V14).

A test bears the number of its item. What is met elsewhere, or not at all, is in docs/security.md; a test
at the end sees to it that no item is in neither.
"""

import dataclasses
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

import app as application
import auth
import config
import logs
from domain import passwords, users
from extensions import db, limiter
from models import User
from tests import client as browser
from tests import factories
from tests.test_auth import code_of, is_logged_in, letters, log_in, reset_link, set_up_second_step  # noqa: F401

SITE = "https://doorstep.example"
# A page, what is no page, a style sheet, a call, a refusal, and an address that there is none of.
EVERYWHERE = ("/", "/login", "/healthz", "/static/css/base.css", "/api/services", "/admin-dashboard", "/nowhere")
NEW = {"new_password": "ten green kettles", "new_password_confirm": "ten green kettles"}


@pytest.fixture
def production(app, settings):
    """A browser on the site as it is in production."""
    site = application.create_app(dataclasses.replace(settings, env="production", site_url=SITE))
    site.config["SERVER_NAME"] = "doorstep.example"
    browser.watch_sessions(site)
    limiter.enabled = False
    client = site.test_client()
    # Forms of an https site are taken from its own pages only.
    client.environ_base["HTTP_REFERER"] = f"{SITE}/"
    yield client
    logs.set_up(False)
    with site.app_context():
        db.engine.dispose()


def headers_of(client, name):
    """What each of several answers says under a name."""
    found = {}
    for path in EVERYWHERE:
        with client.get(path) as answer:
            found[path] = answer.headers.get(name, "")
    return found


def cookies_of(client, person, **more):
    """The cookies that logging in sets, as they were sent."""
    answer = log_in(client, person, **more)
    assert answer.location == "/home", answer.text
    return answer.headers.getlist("Set-Cookie")


# -- V3.2 Unintended content interpretation ---------------------------------------------------


def test_v3_2_1_what_is_no_page_runs_nothing_where_it_is_opened(production):
    policy = production.get("/api/services").headers["Content-Security-Policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"
    assert "default-src 'none'" in production.get("/healthz").headers["Content-Security-Policy"]


def test_v3_2_2_scripts_show_text_as_text():
    written = [path for path in Path("static/js").glob("*.js") if re.search(r"\.(inner|outer)HTML\b", path.read_text())]
    assert written == []
    for path in Path("static/js").glob("*.js"):
        assert not re.search(r"document\.write|insertAdjacentHTML|\beval\(|new Function", path.read_text()), path


# -- V3.3 Cookies -----------------------------------------------------------------------------


def test_v3_3_1_cookies_are_secure(production, customer):
    cookies = cookies_of(production, customer, remember="y")
    assert len(cookies) >= 2
    assert all("Secure" in cookie for cookie in cookies)


def test_v3_3_2_cookies_are_not_sent_along_from_other_sites(production, customer):
    assert all("SameSite=Lax" in cookie for cookie in cookies_of(production, customer, remember="y"))


def test_v3_3_3_cookies_are_of_this_host_alone(production, customer):
    for cookie in cookies_of(production, customer, remember="y"):
        assert cookie.startswith("__Host-")
        assert "Path=/" in cookie
        assert "Domain" not in cookie


def test_v3_3_4_no_script_sees_a_cookie(production, customer):
    assert all("HttpOnly" in cookie for cookie in cookies_of(production, customer, remember="y"))
    page = production.get("/account/security").text
    assert production.get_cookie("__Host-session", domain="doorstep.example").value not in page


# -- V3.4 Headers -----------------------------------------------------------------------------


def test_v3_4_1_browsers_come_by_https_only_for_a_year(production):
    for path, value in headers_of(production, "Strict-Transport-Security").items():
        assert value == "max-age=31536000; includeSubDomains", path


def test_v3_4_2_no_other_origin_reads_an_answer(production):
    for path in EVERYWHERE:
        with production.get(path, headers={"Origin": "https://evil.example"}) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers, path


def test_v3_4_3_nothing_runs_that_the_site_did_not_send(production):
    for path, value in headers_of(production, "Content-Security-Policy").items():
        assert "default-src 'none'" in value, path
        assert "unsafe" not in value, path
    policy = production.get("/").headers["Content-Security-Policy"]
    for directive in ("script-src 'self'", "object-src 'none'", "base-uri 'none'", "form-action 'self'"):
        assert directive in policy


def test_v3_4_4_no_browser_guesses_what_an_answer_is(production):
    assert set(headers_of(production, "X-Content-Type-Options").values()) == {"nosniff"}


def test_v3_4_5_other_sites_learn_no_address(production):
    found = headers_of(production, "Referrer-Policy")
    assert {path: value for path, value in found.items() if value != "same-origin"} == {"/api/services": ""}


def test_v3_4_6_no_site_frames_an_answer(production):
    for path, value in headers_of(production, "Content-Security-Policy").items():
        assert "frame-ancestors 'none'" in value, path


# -- V3.5 Other origins -----------------------------------------------------------------------


def test_v3_5_1_a_form_of_another_site_changes_nothing(production, customer):
    log_in(production, customer)
    production.csrf = False
    assert production.post("/account/security/sessions").status_code == 400
    production.csrf = True
    strange = {"Referer": "https://evil.example/"}
    assert production.post("/account/security/sessions", headers=strange).status_code == 400
    assert production.post("/account/security/sessions").status_code == 302


def test_v3_5_2_a_call_counts_only_with_a_header_that_no_form_can_send(production, customer):
    log_in(production, customer)
    production.csrf = False
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        assert production.post("/api/auth/logout", content_type=kind).status_code in (401, 415)
    assert production.post("/api/auth/logout", json={}).status_code == 401


def test_v3_5_3_what_changes_something_is_no_get(production, customer):
    log_in(production, customer)
    for path in ("/logout", "/account/security/sessions"):
        production.get(path)
    assert is_logged_in(production)


def test_v3_5_5_no_script_listens_to_messages_of_others():
    for path in Path("static/js").glob("*.js"):
        assert not re.search(r"""window\.(onmessage|addEventListener\(["']message["'])""", path.read_text()), path


def test_v3_7_2_nothing_leads_off_the_site(production, customer):
    answer = log_in(production, customer, next="https://evil.example/")
    assert answer.location == "/home"
    assert production.post("/language", data={"language": "hi", "next": "//evil.example"}).location == "/home"


# -- V6.2 Passwords ---------------------------------------------------------------------------


def test_v6_2_1_a_password_has_eight_characters_at_least(app):
    assert passwords.fault("qz7 kwp")
    assert passwords.fault("qz7 kwpx") is None


def test_v6_2_2_and_6_2_3_a_password_is_changed_with_the_one_of_now(as_, customer):
    for wrong in ("", "not the one"):
        assert as_(customer).post("/change-password", data={"password": wrong, **NEW}).status_code == 200
    assert as_(customer).post("/change-password", data={"password": factories.PASSWORD, **NEW}).status_code == 302


def test_v6_2_4_the_most_common_passwords_are_refused(app):
    known = [line for line in Path("data/common-passwords.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(known) >= 3000
    assert all(passwords.fault(one) for one in (*known[:50], known[2999].upper()))


def test_v6_2_5_a_password_is_of_any_characters(app):
    for one in ("zzzzzyyyyxxx", "9241850763", "ठंडी चाय पीता", "~~~~~!!!!!???"):
        assert passwords.fault(one) is None


def test_v6_2_6_and_6_2_7_a_password_is_hidden_and_can_be_filled_in(client, as_, customer):
    pages = client.get("/login").text, client.get("/signup").text, as_(customer).get("/change-password").text
    for page in pages:
        fields = re.findall(r'<input[^>]*name="(?:new_)?password[^>]*>', page)
        assert fields
        for field in fields:
            assert 'type="password"' in field
            assert re.search(r'autocomplete="(current|new)-password"', field)


def test_v6_2_8_a_password_is_checked_to_its_last_character(client, customer):
    long = "nine blue kettles " * 6 + "end"
    db.session.execute(update(User).where(User.id == customer.id).values(password=_hashed(long)))
    db.session.commit()
    assert log_in(client, customer, long[:-1]).status_code == 200
    assert log_in(client, customer, long.upper()).status_code == 200
    assert log_in(client, customer, long).status_code == 302


def _hashed(password):
    return application.auth.hash_password(password)


def test_v6_2_9_a_password_may_have_128_characters(app):
    assert passwords.fault("nine kettles".ljust(128, "q")) is None


def test_v6_2_10_a_password_does_not_grow_old(client, customer, frozen):
    frozen.shift(timedelta(days=3650))
    assert log_in(client, customer).location == "/home"


def test_v6_2_11_the_name_of_the_site_is_no_password(app, set_up):
    set_up(site_name="Bright Homes")
    for one in ("Doorstep2026!", "doorstep-123", "brighthomes1", "Bright Homes!", "customer99"):
        assert "first to be tried" in passwords.fault(one)
    assert passwords.fault("a door and a step") is None


# -- V6.3 Authentication ----------------------------------------------------------------------


def test_v6_3_1_guessing_ends_for_the_account_and_not_for_its_owner_elsewhere(rate_limited, client, customer):
    for _ in range(10):
        log_in(client, customer, "wrong password")
    assert log_in(client, customer).status_code == 429
    rate_limited.reset()
    assert log_in(client, customer).location == "/home"


def test_v6_3_2_production_starts_with_no_account_that_everybody_knows(app, settings):
    factories.customer(email="demo@example.com", demo=True)
    db.session.commit()
    with pytest.raises(application.deployment.UnsafeDeployment, match="Demo accounts"):
        application.create_app(dataclasses.replace(settings, env="production", site_url=SITE))
    logs.set_up(False)


def test_v6_3_3_a_second_step_is_there_for_all_and_can_be_required_of_admins(app, as_, customer, frozen):
    set_up_second_step(as_(customer))
    frozen.shift(30)
    client = app.test_client()
    log_in(client, customer)
    assert not is_logged_in(client)
    client.post("/two-factor/code", data={"code": code_of(customer)})
    assert is_logged_in(client)


def test_v6_3_4_every_way_in_is_known_and_counted(app):
    named = re.compile("login|signin|token_validation|recovery$")
    ways = {rule.endpoint for rule in app.url_map.iter_rules() if named.search(rule.endpoint)}
    assert ways == {"security.login", "api_auth.login", "security.two_factor_token_validation", "security.mf_recovery"}
    # What asks for a token of the API counts by itself (api/auth.py).
    assert ways - set(auth.COUNTED) == {"api_auth.login"}


# -- V6.4 and V6.5 Factors --------------------------------------------------------------------


def test_v6_4_1_a_mailed_link_is_good_for_two_hours(client, customer, letters, frozen):  # noqa: F811
    link = reset_link(client, customer, letters)
    frozen.shift(2 * 3600 + 5)
    assert client.get(link).location == "/reset"


def test_v6_4_2_nobody_is_asked_for_the_name_of_a_pet(client):
    for path in ("/signup", "/reset", "/login"):
        assert not re.search(r"hint_question|secret question|maiden", client.get(path).text)


def test_v6_4_3_a_new_password_does_not_get_past_the_second_step(app, as_, client, customer, letters, frozen):  # noqa: F811
    set_up_second_step(as_(customer))
    link = reset_link(client, customer, letters)
    client.post(link, data={"password": "ten green kettles", "password_confirm": "ten green kettles"})
    frozen.shift(30)
    assert log_in(client, customer, "ten green kettles").location.startswith("/two-factor/code")
    assert not is_logged_in(client)


def test_v6_5_1_a_code_works_once(app, as_, customer, frozen):
    set_up_second_step(as_(customer))
    frozen.shift(30)
    code, came = code_of(customer), []
    for _ in range(2):
        client = app.test_client()
        log_in(client, customer)
        client.post("/two-factor/code", data={"code": code})
        came.append(is_logged_in(client))
    assert came == [True, False]


def test_v6_5_4_recovery_codes_cannot_be_guessed(as_, customer):
    owner = as_(customer)
    set_up_second_step(owner)
    codes = re.findall(r"<code[^>]*>([0-9a-f-]+)</code>", owner.post("/recovery-codes").text)
    assert all(len(code.replace("-", "")) * 4 >= 48 for code in codes)


# -- V7.2 and V7.3 Sessions -------------------------------------------------------------------


def test_v7_2_1_a_session_that_the_site_did_not_sign_is_none(production, customer):
    log_in(production, customer)
    name = "__Host-session"
    value = production.get_cookie(name, domain="doorstep.example").value
    production.set_cookie(name, value[:-4] + "AAAA", domain="doorstep.example")
    assert not is_logged_in(production)


def test_v7_2_2_and_7_2_3_a_session_is_named_by_128_random_bits(app, customer, other_customer):
    names = {customer.fs_uniquifier, other_customer.fs_uniquifier}
    assert len(names) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)


def test_v7_2_4_the_cookie_of_a_stranger_stays_one_of_a_stranger(app, client, customer):
    client.get("/login")
    before = client.get_cookie("session").value
    log_in(client, customer)
    assert client.get_cookie("session").value != before
    thief = app.test_client()
    thief.set_cookie("session", before)
    assert not is_logged_in(thief)


def test_v7_3_1_a_session_that_rests_for_30_days_is_over(client, customer, frozen):
    log_in(client, customer)
    cookie = client.get_cookie("session").value
    thief = client.application.test_client()
    frozen.shift(timedelta(days=30, seconds=5))
    thief.set_cookie("session", cookie)
    assert not is_logged_in(thief)


def test_v7_3_2_a_session_in_use_ends_by_itself_too(client, customer, frozen):
    log_in(client, customer)
    for _ in range(3):
        frozen.shift(timedelta(days=9))
        assert is_logged_in(client)
    frozen.shift(timedelta(days=3) - timedelta(seconds=5))
    assert is_logged_in(client)
    frozen.shift(timedelta(seconds=10))
    assert not is_logged_in(client)
    assert log_in(client, customer).location == "/home"
    assert is_logged_in(client)


def test_v7_3_2_to_be_remembered_ends_with_it(app, client, customer, frozen):
    log_in(client, customer, remember="y")
    copied = client.get_cookie("remember").value
    for days, known in ((29, True), (2, False)):
        frozen.shift(timedelta(days=days))
        thief = app.test_client()
        thief.set_cookie("remember", copied)
        assert is_logged_in(thief) is known


def test_v7_3_2_giving_the_password_once_more_does_not_make_it_longer(client, customer, frozen):
    log_in(client, customer)
    frozen.shift(timedelta(days=29))
    assert client.post("/verify", data={"password": factories.PASSWORD}).status_code == 302
    assert is_logged_in(client)
    frozen.shift(timedelta(days=1, seconds=5))
    assert not is_logged_in(client)


def test_v7_3_2_the_operator_says_how_long(set_up, client, customer, frozen):
    set_up(session_days=1)
    log_in(client, customer)
    frozen.shift(timedelta(hours=23))
    assert is_logged_in(client)
    frozen.shift(timedelta(hours=1, seconds=5))
    assert not is_logged_in(client)


@pytest.mark.parametrize("name", ["", ".", ".1", "{}", "{}.", "{}.x", "{}.-1", "{}.٣"])
def test_v7_3_2_a_cookie_that_does_not_say_since_when_logs_nobody_in(client, customer, name):
    with client.session_transaction() as session:
        session["_user_id"] = name.format(customer.fs_uniquifier)
    assert not is_logged_in(client)


def test_v7_3_2_the_tokens_of_the_api_are_not_renewed_for_longer(client, customer, frozen):
    account = {"email": customer.email, "password": factories.PASSWORD}
    tokens = client.post("/api/auth/login", json=account).json
    statuses = []
    for days in (20, 9, 2):
        frozen.shift(timedelta(days=days))
        bearer = {"Authorization": f"Bearer {tokens['refresh_token']}"}
        answer = client.post("/api/auth/refresh", headers=bearer)
        statuses.append(answer.status_code)
        tokens = answer.json if answer.status_code == 200 else tokens
    assert statuses == [200, 200, 401]


# -- V7.4 and V7.5 The end of a session -------------------------------------------------------


def test_v7_4_1_logging_out_ends_every_copy_of_the_cookie(app, client, customer):
    log_in(client, customer)
    cookie = client.get_cookie("session").value
    client.post("/logout")
    thief = app.test_client()
    thief.set_cookie("session", cookie)
    assert not is_logged_in(thief)


def test_v7_4_2_and_7_4_5_an_admin_who_blocks_somebody_ends_their_sessions(as_, customer, admin):
    client = as_(customer)
    assert is_logged_in(client)
    as_(admin).post(f"/admin/people/{customer.id}/block", data={"reason": "A lost phone"})
    assert not is_logged_in(client)
    users.unblock(db.session.get(User, customer.id), by=db.session.get(User, admin.id))
    db.session.commit()
    assert not is_logged_in(client)


def test_v7_4_3_a_new_password_ends_the_other_sessions(app, customer):
    here, there = app.test_client(), app.test_client()
    log_in(here, customer)
    log_in(there, customer)
    here.post("/change-password", data={"password": factories.PASSWORD, **NEW})
    assert (is_logged_in(here), is_logged_in(there)) == (True, False)


@pytest.mark.parametrize("person", ["customer", "professional", "admin"])
def test_v7_4_4_every_page_of_ones_own_has_the_way_out(as_, request, person):
    client = as_(request.getfixturevalue(person))
    for path in (client.get("/home").location, "/profile", "/account/security"):
        assert 'action="/logout"' in client.get(path).text


def test_v7_5_1_what_belongs_to_logging_in_asks_for_the_password_again(client, customer, frozen):
    log_in(client, customer)
    frozen.shift(3601)
    for path in ("/two-factor", "/recovery-codes"):
        assert client.get(path).location.startswith("/verify"), path


# -- V12 Communication ------------------------------------------------------------------------


def test_v12_1_1_and_12_2_1_the_proxies_that_are_shipped_speak_nothing_older_and_nothing_in_the_clear():
    nginx = (config.ROOT / "deploy" / "nginx.conf").read_text()
    assert re.findall(r"ssl_protocols (.+);", nginx) == ["TLSv1.2 TLSv1.3"]
    in_the_clear = nginx[nginx.index("listen 80;") : nginx.index("listen 443")]
    assert "return 301 https://$host$request_uri;" in in_the_clear
    assert "proxy_pass" not in in_the_clear
    # Caddy does both by itself, unless it is told otherwise.
    caddy = (config.ROOT / "deploy" / "Caddyfile").read_text()
    assert not re.search(r"http://|auto_https|protocols|tls ", caddy)


def test_v12_2_1_a_site_in_the_clear_is_no_production(settings):
    unsafe = dataclasses.replace(settings, env="production", site_url="http://doorstep.example")
    assert any("SITE_URL is not https" in fault for fault in config.faults(unsafe))


def test_v12_3_2_no_certificate_goes_unchecked():
    # EmailValidation(verify=False) asks no name server about an address.
    careless = re.compile(r"(?<!EmailValidation\()verify\s*=\s*False|CERT_NONE|_create_unverified|check_hostname\s*=")
    ours = [*config.ROOT.glob("*.py"), *(config.ROOT / "domain").glob("*.py"), *(config.ROOT / "api").glob("*.py")]
    assert len(ours) > 100
    assert [path.name for path in ours if careless.search(path.read_text())] == []


# -- V14 Data protection ----------------------------------------------------------------------


def test_v14_2_1_what_is_secret_is_in_no_query(as_, customer, admin):
    for person in (customer, admin):
        client = as_(person)
        for path in ("/profile", "/account/security", "/change-password", "/account/keys/new", "/account/data"):
            page = client.get(path, follow_redirects=True).text
            for form in re.findall(r'<form[^>]*method="get".*?</form>', page, re.S | re.I):
                assert not re.search(r'type="password"|name="(csrf_token|password|code|token)"', form), path


@pytest.mark.parametrize("person", ["customer", "professional", "admin"])
def test_v14_2_2_and_14_3_2_pages_of_somebody_are_kept_nowhere(as_, request, person):
    client = as_(request.getfixturevalue(person))
    for path in ("/", client.get("/home").location, "/profile", "/notifications", "/documents", "/search", "/nowhere"):
        directives = re.split(r",\s*", client.get(path).headers["Cache-Control"])
        assert "no-store" in directives, path
        assert "public" not in directives, path


def test_v14_2_2_an_answer_to_a_call_is_kept_by_nobody_in_between(app, client, customer):
    account = {"email": customer.email, "password": factories.PASSWORD}
    answer = client.post("/api/auth/login", json=account)
    assert answer.headers["Cache-Control"] == "no-store"
    bearer = {"Authorization": f"Bearer {answer.json['access_token']}"}
    mine = client.get("/api/service-requests", headers=bearer).headers["Cache-Control"]
    assert "private" in mine or "no-store" in mine


def test_v14_2_3_pages_ask_nobody_else_for_anything(as_, customer):
    client = as_(customer)
    for path in ("/", "/search", "/profile"):
        page = client.get(path)
        assert "http" not in page.headers["Content-Security-Policy"]
        assert not re.search(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=.(?:https?:)?//(?!localhost)", page.text)


def test_v14_3_1_and_14_3_3_scripts_leave_nothing_of_anybody_in_the_browser():
    storing = re.compile(r"\b(localStorage|sessionStorage|indexedDB|document\.cookie|caches\.open|serviceWorker)\b")
    for path in Path("static/js").glob("*.js"):
        assert not storing.search(path.read_text()), path


def test_v14_3_1_what_is_open_elsewhere_learns_that_its_person_left(as_, customer):
    client = as_(customer)
    client.post("/logout")
    assert client.get("/notifications/bell", headers={"HX-Request": "true"}).status_code == 401
    assert client.get("/customer-dashboard", headers={"Doorstep-Look": "1"}).status_code == 401


# -- All of it --------------------------------------------------------------------------------


def test_every_item_of_levels_1_and_2_is_tested_here_or_spoken_of():
    spoken = (config.ROOT / "docs" / "security.md").read_text()
    tested = re.findall(r"\d+_\d+_\d+", " ".join(name for name in globals() if name.startswith("test_v")))
    tested = {number.replace("_", ".") for number in tested}
    missing = [item for item in ITEMS if item not in tested and f"| {item} |" not in spoken]
    assert missing == []
    unknown = [item for item in tested if item not in ITEMS]
    assert unknown == []


def _items(chapter, **sections):
    return [f"{chapter}.{name[1:]}.{number}" for name, numbers in sections.items() for number in numbers]


ITEMS = [
    *_items(3, s2=[1, 2], s3=[1, 2, 3, 4], s4=range(1, 7), s5=range(1, 6), s7=[1, 2]),
    *_items(6, s1=[1, 2, 3], s2=range(1, 13), s3=range(1, 5), s4=range(1, 5), s5=range(1, 6)),
    *_items(6, s6=[1, 2, 3], s8=range(1, 5)),
    *_items(7, s1=[1, 2, 3], s2=range(1, 5), s3=[1, 2], s4=range(1, 6), s5=[1, 2], s6=[1, 2]),
    *_items(12, s1=[1, 2, 3], s2=[1, 2], s3=[1, 2, 3, 4]),
    *_items(14, s1=[1, 2], s2=[1, 2, 3, 4], s3=[1, 2, 3]),
]
