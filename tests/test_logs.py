"""What a process writes down: one line a request with its id, and nothing about a person."""

import io
import json
import logging
import re

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import checks
import logs
from extensions import db
from tests import factories

PERSON = {
    "name": "Asha Venkataraghavan",
    "email": "asha.v@example.com",
    "phone": "98765 43210",
    "line": "Whispering Bamboo Lane 77",
    "password": "nine blue kettles",
    "token": "WyI3IiwiYWJjZGVmZ2hpams0Il0.awIU0Q.ELkHujbFq18aC6Rxtm1FZSqCdCI",
}


@pytest.fixture
def written(app):
    """The lines of a production site since the test began."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    requests = logging.getLogger("doorstep.requests")
    level = requests.level
    logging.getLogger().addHandler(handler)
    requests.setLevel(logging.INFO)
    logs.recent.clear()
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)
    requests.setLevel(level)
    logs.recent.clear()


@pytest.fixture
def broken(app, monkeypatch):
    """broken(endpoint, error) has a page fail with an error that says all it knows."""

    def make(endpoint, error):
        def fail(**arguments):
            raise error

        monkeypatch.setitem(app.view_functions, endpoint, fail)

    return make


# -- Requests ---------------------------------------------------------------------------------


def test_a_request_is_one_line_with_its_id_and_the_pattern_of_its_address(client, written):
    answer = client.get("/services/plumbing?q=asha")
    [line] = written()
    assert {name: line[name] for name in ("level", "method", "route", "status")} == {
        "level": "info",
        "method": "GET",
        "route": "/services/<category_slug>",
        "status": answer.status_code,
    }
    assert line["request_id"] == answer.headers["X-Request-ID"]
    assert line["ms"] >= 0
    assert "asha" not in json.dumps(line)


def test_probes_fill_no_log(client, written):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path).headers["X-Request-ID"]
    assert written() == []


@pytest.mark.parametrize("given", ["0af7651916cd43dd8448eb211c80319c", "3fa85f64-5717-4562-b3fc-2c963f66afa6"])
def test_the_id_that_a_proxy_gave_is_kept(client, given):
    assert client.get("/about", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given
    assert client.get("/api/services", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "9876543210", "Asha", "a" * 65, "0af7651916cd43dd<script>"])
def test_an_id_that_could_say_something_is_replaced(client, given):
    name = client.get("/about", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", name)
    assert name != client.get("/about", headers={"X-Request-ID": given}).headers["X-Request-ID"]


def test_the_page_of_a_fault_shows_what_to_quote_and_the_log_has_it(client, broken, written):
    broken("public.about", ValueError("What somebody typed"))
    answer = client.get("/about")
    assert answer.status_code == 500
    assert answer.headers["X-Request-ID"] in answer.text
    fault, request = written()
    assert fault["request_id"] == request["request_id"] == answer.headers["X-Request-ID"]
    assert fault["message"] == "unhandled error on GET /about"


def test_a_refusal_shows_nothing_to_quote(client):
    answer = client.get("/nowhere")
    assert answer.headers["X-Request-ID"] not in answer.text


# -- Faults -----------------------------------------------------------------------------------


def test_a_fault_tells_its_kind_and_its_way_but_not_its_words(client, broken, written):
    broken("public.about", ValueError(f"{PERSON['name']} is no number"))
    client.get("/about")
    [error] = written()[0]["errors"]
    assert error["type"] == "ValueError"
    assert "words" not in error
    assert any(re.fullmatch(r"tests/test_logs\.py:\d+ in fail", place) for place in error["way"])


def test_what_led_to_a_fault_is_told_too(client, broken, written):
    error = RuntimeError(PERSON["name"])
    error.__cause__ = OSError(28, "No space left on device", "/srv/uploads/asha")
    broken("public.about", error)
    client.get("/about")
    last, first = written()[0]["errors"]
    assert (last["type"], first["type"], first["words"]) == ("RuntimeError", "OSError", "No space left on device")


def test_the_database_may_say_what_is_wrong_but_not_with_whom(client, broken, written, customer, other_customer):
    with pytest.raises(IntegrityError) as fault:
        db.session.execute(text("UPDATE users SET email = 'typed@example.com'"))
    db.session.rollback()
    broken("public.about", fault.value)
    client.get("/about")
    [line, _request] = written()
    assert re.search("UNIQUE|unique", line["errors"][0]["words"])
    assert "typed@example.com" not in json.dumps(line)


@pytest.mark.parametrize(
    "endpoint, method, path",
    [
        ("public.search", "GET", "/search?q={name}&near={line}"),
        ("public.unsubscribe", "GET", "/unsubscribe/{token}"),
        ("public.feed", "GET", "/calendar/{token}.ics"),
        ("security.reset_password", "GET", "/reset/{token}"),
        ("security.login", "POST", "/login"),
        ("auth.signup_customer", "POST", "/signup"),
        ("account.add_address", "POST", "/account/addresses/new"),
        ("customer.request_booking", "POST", "/book?remarks={line}"),
        ("api_auth.login", "POST", "/api/auth/login"),
    ],
)
def test_pages_that_fail_write_nothing_about_who_used_them(app, as_, customer, broken, written, endpoint, method, path):
    broken(endpoint, ValueError(f"could not use {PERSON} of {customer.email}"))
    # What is sent to the API is JSON.
    how = {"json": PERSON} if endpoint.startswith("api") else {"data": PERSON if method == "POST" else None}
    answer = as_(customer).open(path.format(**PERSON), method=method, **how)
    assert answer.status_code == 500, answer.status
    log = json.dumps([written(), list(logs.recent)], ensure_ascii=False)
    assert "unhandled error" in log
    for secret in (*PERSON.values(), customer.name, customer.email, customer.phone, "Asha", "Bamboo"):
        assert secret not in log


def test_a_job_that_fails_writes_its_line_without_a_request(app, written):
    app.logger.error("the job %s failed", "tomorrow")
    [line] = written()
    assert (line["message"], line["level"]) == ("the job tomorrow failed", "error")
    assert "request_id" not in line


@pytest.mark.parametrize(
    "said, kept",
    [
        ("550 no such user asha@example.com here", "550 no such user … here"),
        ("cannot reach +91 98765-43210", "cannot reach …"),
        ("GET /search?q=asha+rao failed", "GET /search?… failed"),
        (f"token {PERSON['token']} is void", "token … is void"),
        ("the lock of ix_bookings_professional_id_starts_at", "the lock of ix_bookings_professional_id_starts_at"),
        ("job tomorrow of 2026-11-21 failed after 12.5 s", "job tomorrow of 2026-11-21 failed after 12.5 s"),
    ],
)
def test_a_message_is_kept_without_what_tells_a_person(said, kept):
    assert logs.without_persons(said) == kept


def test_a_developer_reads_all_that_an_error_says(app):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Words())
    app.logger.addHandler(handler)
    token = logs.request_id.set("a1")
    try:
        raise ValueError("what was typed")
    except ValueError:
        app.logger.exception("unhandled error")
    finally:
        logs.request_id.reset(token)
        app.logger.removeHandler(handler)
    assert stream.getvalue().startswith("ERROR in app: unhandled error\n")
    assert "ValueError: what was typed" in stream.getvalue()
    assert "(request a1)" in stream.getvalue()


@pytest.mark.parametrize("production, kind", [(True, logs.JsonLines), (False, logs.Words)])
def test_setting_up_twice_leaves_one_of_each(production, kind):
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        logs.set_up(production)
        logs.set_up(production)
        ours = [one for one in root.handlers if getattr(one, "ours", False)]
        assert [type(one.formatter) for one in ours if one.formatter] == [kind]
        assert len(ours) == 2
    finally:
        logs.set_up(False)
        root.handlers[:] = before


# -- The admin's page -------------------------------------------------------------------------


def test_admins_see_the_last_faults_and_what_to_look_for_in_the_log(as_, admin, client, broken, written):
    page = as_(admin).get("/admin/status").text
    assert "Nothing went wrong in this process" in page
    broken("public.about", ValueError(PERSON["name"]))
    name = client.get("/about").headers["X-Request-ID"]
    page = as_(admin).get("/admin/status").text
    assert "unhandled error on GET /about" in page
    assert name in page
    assert PERSON["name"] not in page


def test_admins_see_what_the_site_stands_on(as_, admin, professional, customer):
    factories.booking(customer, professional)
    db.session.commit()
    page = as_(admin).get("/admin/status").text
    assert "No process has shown for a minute that it runs them." in page
    for words in ("In order", "Python", "SQLAlchemy", "Free on the disk", checks.newest_schema()):
        assert words in page
