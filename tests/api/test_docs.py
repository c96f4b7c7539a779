"""What the API says of itself is sound, complete, and to be read by people and programs."""

import json

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy import select

from api import calls
from config import ROOT
from extensions import db
from models_privacy import Consent

ABOUT_THE_API = {"api_docs.openapi", "api_docs.page"}


@pytest.fixture
def spec(site):
    return site.extensions["openapi"]


def operations(spec):
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield f"{method.upper()} {path}", operation


def test_the_document_is_sound_openapi(spec):
    assert spec["openapi"].startswith("3.1")
    assert [error.message for error in OpenAPIV31SpecValidator(spec).iter_errors()] == []


def test_every_route_is_in_it_and_nothing_else(site, spec):
    routes = {
        f"{method} {rule.rule.replace('<int:', '{').replace('>', '}')}"
        for rule in site.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") and rule.endpoint not in ABOUT_THE_API
    }
    assert {name for name, _operation in operations(spec)} == routes


def test_every_call_says_what_it_does_and_every_refusal_it_can_give(site, spec):
    of_rule = {rule.rule.replace("<int:", "{").replace(">", "}"): rule for rule in site.url_map.iter_rules()}
    for name, operation in operations(spec):
        method, path = name.split()
        told = {int(code) for code in operation["responses"]}
        may = {429}
        may |= {400, 409, 413, 415, 422} if method in ("POST", "PUT") else set()
        may |= {401, 403} if operation["security"] else set()
        may |= {404} if "{" in path else set()
        assert operation["summary"], name
        assert may <= told, name
        assert told <= {200, 201, 202, 204, 304, *calls.REFUSALS}, name
        assert path in of_rule


def test_whoever_signs_somebody_up_is_told_what_they_agree_to(spec, client):
    told = spec["paths"]["/api/auth/register"]["post"]["description"]
    assert "agrees to the terms (`/terms`) and the privacy notice (`/privacy`)" in told
    assert {client.get(page).status_code for page in ("/terms", "/privacy")} == {200}
    assert "agrees to the terms (`/terms`) and the privacy notice (`/privacy`)" in (ROOT / "docs/api.md").read_text()


def test_signing_up_by_a_call_is_written_down_as_told(client, settings):
    sent = {"email": "new@example.com", "password": "a kettle on the stove", "name": "New", "role": "customer"}
    answer = client.post("/api/auth/register", json=sent, environ_base={"REMOTE_ADDR": "203.0.113.7"})
    assert answer.status_code == 201
    agreed = db.session.scalars(select(Consent)).one()
    assert (agreed.about, agreed.version, agreed.given) == ("texts", settings.texts_version, True)
    assert agreed.place == "203.0.0.0/16"


def test_every_example_is_what_the_schema_asks_for(spec):
    resolved = {"components": spec["components"]}
    for name, operation in operations(spec):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for kind, content in (one for body in bodies for one in body.get("content", {}).items()):
            if "$ref" in content["schema"] and "problem" not in kind:
                faults = Draft202012Validator({**content["schema"], **resolved}).iter_errors(content["example"])
                assert [fault.message for fault in faults] == [], name


def test_parameters_of_the_path_the_query_and_the_headers_are_told(spec):
    found = spec["paths"]["/api/professionals/{professional_id}/slots"]
    told = {(one["in"], one["name"]) for one in [*found["parameters"], *found["get"]["parameters"]]}
    assert told == {
        ("path", "professional_id"),
        ("query", "service_id"),
        ("query", "from"),
        ("query", "days"),
        ("header", "If-None-Match"),
    }


def test_nothing_is_described_that_no_call_uses(spec):
    text = json.dumps(spec)
    for name in spec["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_the_document_is_sent_again_only_when_it_has_changed(client):
    first = client.get("/api/openapi.json")
    assert first.status_code == 200
    assert first.mimetype == "application/json"
    again = client.get("/api/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_shows_every_call_with_an_example(client, spec):
    page = client.get("/api/docs")
    assert page.status_code == 200
    for _name, operation in operations(spec):
        assert operation["summary"].replace("'", "&#39;") in page.text
    assert page.text.count('class="code"') > len(list(operations(spec)))


def test_the_page_knows_who_is_logged_in_and_the_document_does_not(as_, customer):
    browser = as_(customer)
    assert "Log out" in browser.get("/api/docs").text
    assert "Set-Cookie" not in browser.get("/api/openapi.json").headers


def test_the_footer_leads_to_the_page(client):
    assert 'href="/api/docs"' in client.get("/about").text
