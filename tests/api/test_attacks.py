"""What people try: tokens that are not ours, bodies that are no JSON, things that are not theirs, and guesses.

Each try is refused as a problem, and nothing is written: all tables have as many rows as before.
"""

import base64
import dataclasses
import hmac
import json
import re
import socket
from datetime import timedelta
from http.client import HTTPResponse
from select import select as select_sockets
from urllib.parse import urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask_security import Totp
from sqlalchemy import func, select

import app as application
from api import limits, problems, tokens
from domain import api_keys, api_sessions, clock, users
from extensions import Base, db, security
from models import Role, Status, User
from tests import databases, factories
from tests.factories import PASSWORD
from tests.processes import Process

NOBODY = "noreply@example.com"
BRACKETS = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def client(app):
    client = app.test_client()
    client.csrf = False
    return client


@pytest.fixture
def log_in(client):
    """log_in(customer) is the pair of tokens of a log-in with the password."""

    def begin(user, **more):
        return client.post("/api/auth/login", json={"email": user.email, "password": PASSWORD, **more}).json

    return begin


@pytest.fixture
def program(api, customer):
    """The customer's, who is logged in before anything is counted."""
    return api(customer)


@pytest.fixture
def unwritten(app):
    """Fails when there is a row more or fewer than before."""
    before = rows()
    yield
    assert rows() == before


def rows():
    db.session.rollback()
    count = select(func.count())
    return {table.name: db.session.scalar(count.select_from(table)) for table in Base.metadata.sorted_tables}


def refused(response, *statuses):
    assert response.status_code in statuses, response.text
    assert response.content_type == problems.CONTENT_TYPE
    assert response.json["status"] == response.status_code
    assert "Set-Cookie" not in response.headers
    return response


def ask(client, token, path="/api/customer/ongoing-services"):
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


# -- Tokens -----------------------------------------------------------------------------------


@pytest.fixture
def forge(app, customer):
    """forge(alg="none", exp=None) is the customer's token with other words in it, and None left out."""
    begun = api_sessions.begin(customer, "first")
    db.session.commit()
    now = int(clock.now().timestamp())
    sound = {"sub": str(customer.id), "sid": begun.id, "jti": "x", "type": "access", "fresh": False}
    sound |= {"aud": tokens.AUDIENCE, "iat": now, "nbf": now, "exp": now + 900}

    def make(alg="HS256", key=app.config["JWT_SECRET_KEY"], **other):
        said = {name: value for name, value in (sound | other).items() if value is not None}
        return jwt.encode(said, key, algorithm=alg)

    return make


def test_a_token_of_these_words_is_good_when_they_are_ours(client, forge):
    assert ask(client, forge()).status_code == 200


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "jti", "aud", "sub", "sid", "type"])
def test_a_token_without_one_of_its_claims_is_none(client, forge, claim):
    refused(ask(client, forge(**{claim: None})), 401)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-site"},
        {"aud": ["another-site"]},
        {"type": "refresh"},
        {"sid": 99999},
        {"sid": "nobody's"},
        {"sub": "99999"},
        {"sub": "1 OR 1=1"},
        {"sid": 2**70},
        {"exp": 1},
        {"exp": "later"},
        {"nbf": 2**33},
        {"key": "guessed, and long enough to be taken for one"},
        {"alg": "none", "key": None},
        {"alg": "HS512"},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_word_is_none(client, forge, wrong):
    refused(ask(client, forge(**wrong)), 401)


def test_another_algorithm_is_not_taken_whatever_the_header_says(client, forge):
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    refused(ask(client, forge(alg="RS256", key=private)), 401)
    said = forge().split(".")[1]
    swapped = b64(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + "." + said
    signature = hmac.digest(public, swapped.encode(), "sha256")
    refused(ask(client, f"{swapped}.{b64(signature)}"), 401)


def b64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "....",
        "é.é.é",
        b64(BRACKETS.encode()) + ".e30.x",
        b64(b'{"alg":"HS256"}') + "." + b64(BRACKETS.encode()) + ".x",
        "dsk_",
        "dsk_guessed",
        "dsk_" + "x" * 5000,
    ],
    ids=lambda token: token[:12],
)
def test_what_is_no_token_is_refused(client, token, unwritten):
    refused(ask(client, token), 401)


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Token x", "Bearer\tx y z", "x"])
def test_another_kind_of_credential_is_refused(client, header, unwritten):
    refused(client.get("/api/service-requests", headers={"Authorization": header}), 401)


def test_a_token_ends_after_its_time(client, customer, log_in, frozen):
    pair = log_in(customer)
    frozen.shift(timedelta(minutes=14))
    assert ask(client, pair["access_token"]).status_code == 200
    frozen.shift(timedelta(minutes=2))
    refused(ask(client, pair["access_token"]), 401)


def test_a_refresh_token_is_no_access_token_and_the_other_way_round(client, customer, log_in):
    pair = log_in(customer)
    refused(ask(client, pair["refresh_token"]), 401)
    refused(refresh(client, pair["access_token"]), 401)


def refresh(client, token):
    return client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {token}"})


def log_out(client, app, user, token):
    client.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"})


def log_out_everywhere(client, app, user, token):
    browser = app.test_client()
    browser.post("/login", data={"email": user.email, "password": PASSWORD})
    browser.post("/logout")


def change_password(client, app, user, token):
    browser = app.test_client()
    browser.post("/login", data={"email": user.email, "password": PASSWORD})
    new = "another kettle on the stove"
    browser.post("/change-password", data={"password": PASSWORD, "new_password": new, "new_password_confirm": new})


def block(client, app, user, token):
    users.block(db.session.get_one(User, user.id), by=factories.admin(), reason="Never pays.")
    db.session.commit()


@pytest.mark.parametrize("end", [log_out, log_out_everywhere, change_password, block], ids=lambda end: end.__name__)
def test_what_ends_a_log_in_ends_its_tokens_at_once(client, app, customer, log_in, end):
    pair = log_in(customer)
    assert ask(client, pair["access_token"]).status_code == 200
    end(client, app, customer, pair["access_token"])
    refused(ask(client, pair["access_token"]), 401)
    refused(refresh(client, pair["refresh_token"]), 401)


def test_a_refresh_token_that_comes_twice_ends_the_log_in(client, customer, log_in):
    first = log_in(customer)
    second = refresh(client, first["refresh_token"]).json
    assert ask(client, second["access_token"]).status_code == 200
    refused(refresh(client, first["refresh_token"]), 401)
    refused(ask(client, second["access_token"]), 401)
    refused(refresh(client, second["refresh_token"]), 401)


def test_a_revoked_key_is_worth_nothing(client, customer):
    key, text = api_keys.make(customer, "A script", ["bookings:read"])
    db.session.commit()
    assert ask(client, text).status_code == 200
    api_keys.revoke(key.id, by=customer)
    db.session.commit()
    refused(ask(client, text), 401)


# -- Bodies -----------------------------------------------------------------------------------

NO_JSON = {
    "nested": BRACKETS,
    "nested objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "not a number": '{"email": NaN, "password": "x"}',
    "infinity": '{"email": -Infinity, "password": "x"}',
    "beyond all numbers": '{"email": 1e999, "password": "x"}',
    "half a character": '{"email": "\\ud800", "password": "x"}',
    "half a character in a name": '{"\\udfff": 1}',
    "a zero": '{"email": "a\\u0000b", "password": "x"}',
    "a name twice": '{"email": "a@example.com", "email": "b@example.com", "password": "x"}',
    "digits without end": '{"email": ' + "9" * 50_000 + "}",
    "cut off": '{"email": "a',
    "not UTF-8": b"\xff\xfe{}",
    "nothing in it": " ",
}


@pytest.mark.parametrize("name", NO_JSON)
@pytest.mark.parametrize("path", ["/api/auth/login", "/api/auth/register", "/api/service-requests"])
def test_what_is_no_sound_json_is_refused(client, path, name, unwritten):
    refused(client.post(path, data=NO_JSON[name], content_type="application/json"), 400, 413)


@pytest.mark.parametrize("body", ["null", "1", '"text"', "[]", "true", "[{}]", '{"email": 9e99, "password": []}'])
def test_json_that_is_no_such_object_is_refused(client, body, unwritten):
    refused(client.post("/api/auth/login", data=body, content_type="application/json"), 422)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_kind_of_content_is_refused(client, kind, unwritten):
    refused(client.post("/api/auth/login", data='{"email": "a", "password": "b"}', content_type=kind), 400, 415)


@pytest.mark.parametrize("number", [2**63, 2**64, -1, 0, 10**400, 1.0, 1.5, "1", True, None, [1], {"id": 1}], ids=str)
def test_a_number_of_no_row_is_refused(program, number, unwritten):
    wish = {"service_id": number, "professional_id": None, "starts_at": "2026-11-24T11:00:00+05:30"}
    wish["address"] = {"line1": "12, 3rd Cross", "pincode": "560001"}
    refused(program.post("/service-requests", wish), 400, 422)


@pytest.mark.parametrize("number", [0, 10**30, 2**63])
def test_a_number_of_no_row_in_the_path_is_unknown(program, number, unwritten):
    refused(program.get(f"/service-requests/{number}"), 404)
    refused(program.put(f"/service-requests/{number}", {}), 404)


# -- What is not theirs -------------------------------------------------------------------------

MORE = ("approved", "customer_id", "id", "price", "professional", "role", "status", "total", "user_id")


def bodies(site):
    """Every call that takes a body, with an example of it."""
    for path, methods in site.extensions["openapi"]["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody") if method != "parameters" else None
            if body:
                yield method.upper(), re.sub(r"{\w+}", "1", path), body["content"]["application/json"]["example"]


def test_a_field_that_a_call_does_not_name_is_refused_everywhere(app, api, customer, professional, admin):
    factories.booking(customer, professional, id=1)
    people = [api(person) for person in (customer, professional, admin)]
    before, tried = rows(), 0
    for method, path, example in bodies(app):
        for more in MORE:
            if more in example or path == "/api/auth/refresh":
                continue
            for program in people:
                response = program.call(method, path, json={**example, more: "admin"})
                assert response.status_code in (401, 403, 404, 409, 422), f"{method} {path} {more}: {response.text}"
                tried += response.status_code == 422
    assert tried > 100
    assert rows() == before


def test_nobody_signs_up_as_an_admin(client, unwritten):
    sent = {"email": "mallory@example.com", "password": PASSWORD, "name": "Mallory", "role": "admin"}
    refused(client.post("/api/auth/register", json=sent), 422)


# What each of these needs to be sound.
HERE = {"lat": 12.97, "lon": 77.59, "accuracy": 8}
SENT = {"reject": {"reason": "x"}, "start": {"code": "1234"}, "review": {"rating": 5}, "position": HERE}
SENT |= {"messages": {"text": "x"}}


def test_anothers_booking_is_unknown_in_every_call(
    app, api, customer, professional, other_customer, other_professional
):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    strangers = [api(one) for one in (other_customer, other_professional)]
    before = rows()
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/service-requests/<int:booking_id>"):
            continue
        path = rule.rule.replace("<int:booking_id>", str(booking.id))
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            body = None if method == "GET" else SENT.get(path.rpartition("/")[2], {})
            for stranger in strangers:
                refused(stranger.call(method, path, json=body), 403, 404)
    assert rows() == before


# -- Browsers ---------------------------------------------------------------------------------


def test_the_cookies_of_a_browser_are_worth_nothing_here(as_, customer, unwritten):
    browser = as_(customer)
    browser.csrf = False
    refused(browser.get("/api/service-requests"), 401)
    refused(browser.post("/api/auth/logout"), 401)
    assert browser.get("/customer-dashboard").status_code == 200


def test_another_site_gets_no_leave_to_read(client):
    answer = client.get("/api/services", headers={"Origin": "https://evil.example"})
    asked = client.options(
        "/api/service-requests",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    for response in (answer, asked):
        assert not [name for name, _value in response.headers if name.lower().startswith("access-control")]


def test_sites_that_are_named_may_read_and_no_others(app, settings):
    named = application.create_app(dataclasses.replace(settings, cors_origins=("https://friend.example",)))
    for origin, leave in (("https://friend.example", "https://friend.example"), ("https://evil.example", None)):
        answer = named.test_client().get("/api/openapi.json", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == leave
        assert "Access-Control-Allow-Credentials" not in answer.headers


# -- Guesses ----------------------------------------------------------------------------------


def test_guesses_are_counted_together_with_those_of_the_page(app, client, customer, rate_limited):
    browser = app.test_client()
    for number in range(10):
        if number % 2:
            browser.post("/login", data={"email": customer.email, "password": "guess"})
        else:
            refused(client.post("/api/auth/login", json={"email": customer.email, "password": "guess"}), 401)
    response = client.post("/api/auth/login", json={"email": customer.email.upper(), "password": PASSWORD})
    refused(response, 429)
    assert 0 < int(response.headers["Retry-After"]) <= 15 * 60


def test_a_second_step_is_asked_and_each_code_works_once(client, customer, log_in):
    customer.tf_primary_method = "authenticator"
    customer.tf_totp_secret = security._totp_factory.generate_totp_secret()
    db.session.commit()
    maker = security._totp_factory._totp.from_source(customer.tf_totp_secret)
    code = maker.generate().token
    assert isinstance(security._totp_factory, Totp)
    assert log_in(customer)["status"] == 401
    assert log_in(customer, totp="000000")["status"] == 401
    assert log_in(customer, totp=code)["token_type"] == "Bearer"
    assert log_in(customer, totp=code)["status"] == 401


def test_a_known_address_is_answered_like_an_unknown_one(client, customer):
    sent = {"password": PASSWORD, "name": "Somebody", "role": "customer"}
    known = client.post("/api/auth/register", json={**sent, "email": customer.email})
    unknown = client.post("/api/auth/register", json={**sent, "email": "new@example.com"})
    assert known.status_code == unknown.status_code == 201
    assert known.json.keys() == unknown.json.keys()
    assert re.sub(r"\w", "x", known.json["id"]) == re.sub(r"\w", "x", unknown.json["id"])
    assert db.session.scalar(select(func.count()).select_from(User).where(User.role == Role.CUSTOMER)) == 2
    wrong = [
        client.post("/api/auth/login", json={"email": email, "password": "guess"})
        for email in (customer.email, NOBODY)
    ]
    assert wrong[0].json == wrong[1].json


# -- How often --------------------------------------------------------------------------------


def test_every_answer_tells_what_is_left(api, customer, client, rate_limited):
    first, second = api(customer).get("/service-requests"), client.get("/api/nothing-here")
    for response in (first, second, client.get("/api/services"), client.get("/api/openapi.json")):
        assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= dict(response.headers).keys()
    assert first.headers["X-RateLimit-Limit"] == str(limits.PER_CALLER.amount)
    assert int(client.get("/api/services").headers["X-RateLimit-Remaining"]) < int(
        second.headers["X-RateLimit-Remaining"]
    )


def test_who_calls_too_often_waits_and_others_do_not(client, monkeypatch, rate_limited):
    monkeypatch.setattr(limits, "PER_CALLER", limits.parse("3 per minute"))
    for _call in range(3):
        assert client.get("/api/services").status_code == 200
    response = refused(client.get("/api/services/1"), 429)
    assert 0 < int(response.headers["Retry-After"]) <= 60
    assert response.headers["X-RateLimit-Remaining"] == "0"
    other = client.get("/api/services", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert other.status_code == 200


def test_new_tokens_from_one_place_do_not_count_anew(client, monkeypatch, rate_limited):
    monkeypatch.setattr(limits, "PER_PLACE", limits.parse("5 per minute"))
    for number in range(5):
        refused(ask(client, f"guess{number}"), 401)
    response = refused(ask(client, "another"), 429)
    assert response.headers["X-RateLimit-Limit"] == "5"


# -- Over a real socket -------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.realtime
def test_fifty_megabytes_are_refused_before_they_are_read(settings, template, worker_name, tmp_path):
    name = f"{worker_name}-attacks"
    databases.fresh(name, template)
    server = Process(tmp_path / "site", databases.url(name))
    try:
        for headers in ({"Content-Length": str(50 * 2**20)}, {"Transfer-Encoding": "chunked"}):
            status, content_type, sent = post_slowly(server.address, headers)
            assert (status, content_type) == (413, problems.CONTENT_TYPE)
            assert sent < 5 * 2**20
    finally:
        server.stop()
    assert "Traceback" not in server.log


def post_slowly(address, headers):
    """Send a body until the server has answered; how it did, and how much it took until then."""
    host = urlsplit(address)
    megabyte, sent = b" " * 2**20, 0
    with socket.create_connection((host.hostname, host.port), timeout=20) as connection:
        lines = {"Host": host.netloc, "Content-Type": "application/json", "Connection": "close", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"POST /api/auth/login HTTP/1.1\r\n{head}\r\n".encode())
        chunk = b"%x\r\n%s\r\n" % (len(megabyte), megabyte) if "Transfer-Encoding" in headers else megabyte
        while sent < 50 * 2**20 and not select_ready(connection):
            try:
                connection.sendall(chunk)
            except OSError:
                break
            sent += len(megabyte)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers["Content-Type"], sent


def select_ready(connection):
    return select_sockets([connection], [], [], 0.05)[0]
