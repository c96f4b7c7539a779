"""A person's keys on their pages: made once, shown once, and what they open until they are revoked."""

import re
from datetime import timedelta

import pytest

from domain import api_keys
from extensions import db
from models_integrations import ApiKey
from tests import factories
from tests.conftest import MONDAY

PAGE = "/account/keys"
WISH = {"name": "Calendar on my laptop", "scopes": ["bookings:read"], "days": "90"}


@pytest.fixture
def browser(as_, customer):
    return as_(customer)


def call(app, text):
    """A call that looks at the key and refuses it all the same: only who logged in can log out."""
    return app.test_client().post("/api/auth/logout", headers={"Authorization": f"Bearer {text}"})


def text_of(page):
    return re.search(r"dsk_[\w-]{43}", page.text)[0]


def seen(key_id):
    db.session.rollback()
    return db.session.get(ApiKey, key_id, populate_existing=True).last_used_at


def test_a_key_is_shown_once_and_nothing_keeps_the_page(browser):
    page = browser.post(f"{PAGE}/new", data=WISH)
    text = text_of(page)
    assert page.headers["Cache-Control"] == "no-store"
    listed = browser.get(PAGE).text
    assert text not in listed
    assert text[:10] in listed
    assert "Calendar on my laptop" in listed
    assert "See bookings" in listed
    assert "never" in listed
    assert api_keys.caller(text).expires_at == MONDAY + timedelta(days=90)


def test_a_key_may_have_no_end(browser):
    text = text_of(browser.post(f"{PAGE}/new", data={**WISH, "days": "none"}))
    assert api_keys.caller(text).expires_at is None
    assert "when you revoke it" in browser.get(PAGE).text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": ""}, "Name the key after what uses it."),
        ({"name": "x" * 81}, "Use at most 80 characters."),
        ({"scopes": []}, "Choose what the key may do."),
        ({"scopes": ["site:write"]}, "Choose one of the list."),
        ({"days": "9999"}, "Choose one of the list."),
    ],
)
def test_a_refusal_stands_beside_the_field_and_makes_nothing(browser, changed, said):
    page = browser.post(f"{PAGE}/new", data={**WISH, **changed})
    assert page.status_code == 422
    assert said in page.text
    assert "dsk_" not in page.text
    assert db.session.query(ApiKey).count() == 0


def test_each_role_is_offered_what_it_may(as_, customer, professional, admin):
    for person in (customer, professional):
        page = as_(person).get(f"{PAGE}/new").text
        assert "Make and change bookings" in page
        assert "Change people and services" not in page
    assert "Change people and services" in as_(admin).get(f"{PAGE}/new").text


def test_a_key_is_revoked_with_one_question(browser, customer):
    key = factories.key(customer)
    assert "stops working at once" in browser.get(PAGE).text
    assert browser.post(f"{PAGE}/{key.id}/revoke").location == PAGE
    assert "No keys yet" in browser.get(PAGE).text
    assert browser.post(f"{PAGE}/{key.id}/revoke").status_code == 404


def test_nobody_revokes_somebody_elses_key(as_, customer, other_customer, admin):
    key = factories.key(customer)
    for other in (other_customer, admin):
        assert as_(other).post(f"{PAGE}/{key.id}/revoke").status_code == 404
        assert "Laptop" not in as_(other).get(PAGE).text
    assert api_keys.of(customer) == [key]


def test_a_key_that_ran_out_is_listed_as_such(as_, customer, frozen):
    factories.key(customer)
    assert "Run out" not in as_(customer).get(PAGE).text
    frozen.shift(timedelta(days=31))
    assert "Run out" in as_(customer).get(PAGE).text


def test_who_logged_in_long_ago_gives_the_password_again_before_making_a_key(browser, frozen):
    frozen.shift(timedelta(hours=3))
    for answer in (browser.get(f"{PAGE}/new"), browser.post(f"{PAGE}/new", data=WISH)):
        assert answer.status_code == 302
        assert answer.location.startswith("/verify?next=")
    assert db.session.query(ApiKey).count() == 0
    browser.post("/verify?next=/account/keys/new", data={"password": factories.PASSWORD})
    assert browser.get(f"{PAGE}/new").status_code == 200


def test_the_security_page_leads_to_the_keys(browser):
    assert f'href="{PAGE}"' in browser.get("/account/security").text


# -- What a key opens -------------------------------------------------------------------------


def test_a_use_is_noted_after_the_answer_and_at_most_every_five_minutes(app, customer, frozen):
    key, text = api_keys.make(customer, "Laptop", ["bookings:read"])
    db.session.commit()
    response = call(app, text)
    assert response.status_code == 403
    assert seen(key.id) is None
    response.close()
    assert seen(key.id) == MONDAY
    frozen.shift(timedelta(minutes=4))
    call(app, text).close()
    assert seen(key.id) == MONDAY
    frozen.shift(timedelta(minutes=1))
    call(app, text).close()
    assert seen(key.id) == MONDAY + timedelta(minutes=5)


def test_a_revoked_key_opens_nothing(app, browser, customer):
    key, text = api_keys.make(customer, "Laptop", ["bookings:read"])
    db.session.commit()
    browser.post(f"{PAGE}/{key.id}/revoke")
    assert call(app, text).status_code == 401

