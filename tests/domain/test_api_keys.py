"""Keys for scripts: what they may be allowed, when they end, and what the night throws away."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import api_keys, api_results, api_sessions, clock, errors, users
from extensions import db
from models_integrations import ApiKey, ApiResult, ApiSession
from tests import factories


def test_a_key_opens_what_it_was_made_for_and_only_its_hash_is_kept(customer):
    key, text = api_keys.make(customer, "  Calendar   on my laptop ", ["bookings:read"], 30)
    assert text.startswith("dsk_")
    assert key.name == "Calendar on my laptop"
    assert key.hint == text[:10]
    assert text not in (key.hash, key.name, key.hint)
    assert api_keys.caller(text) is key
    assert api_keys.caller(text + "x") is None


def test_a_key_ends_when_it_was_said_to(customer, frozen):
    key, text = api_keys.make(customer, "Laptop", ["bookings:read"], 30)
    _lasting, other = api_keys.make(customer, "Server", ["bookings:read"])
    frozen.shift(timedelta(days=30))
    assert api_keys.caller(text) is None
    assert api_keys.is_over(key, clock.now())
    assert api_keys.caller(other) is not None


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "x" * 81}),
        ("scopes", {"scopes": []}),
        ("scopes", {"scopes": ["site:write"]}),
        ("scopes", {"scopes": ["made up"]}),
        ("days", {"days": 0}),
        ("days", {"days": 367}),
    ],
)
def test_what_a_key_can_not_be_is_refused_beside_the_field(customer, field, values):
    with pytest.raises(errors.Invalid) as refusal:
        api_keys.make(customer, **{"name": "Laptop", "scopes": ["bookings:read"], "days": 30, **values})
    assert refusal.value.field == field


def test_an_admins_key_can_see_the_site(admin):
    key, _text = api_keys.make(admin, "Reports", ["site:read", "bookings:read"])
    assert key.scopes == ["bookings:read", "site:read"]


def test_there_are_twenty_at_most(customer):
    for _ in range(api_keys.MOST_KEYS):
        first = factories.key(customer)
    with pytest.raises(errors.Conflict):
        factories.key(customer)
    api_keys.revoke(first.id, customer)
    factories.key(customer)


def test_a_key_is_revoked_by_its_owner_alone(customer, other_customer):
    key, text = api_keys.make(customer, "Laptop", ["bookings:read"])
    with pytest.raises(errors.NotFound):
        api_keys.revoke(key.id, other_customer)
    api_keys.revoke(key.id, customer)
    assert api_keys.caller(text) is None
    assert api_keys.of(customer) == []
    with pytest.raises(errors.NotFound):
        api_keys.revoke(key.id, customer)


def test_the_keys_of_who_is_blocked_end_for_good(customer, admin):
    _key, text = api_keys.make(customer, "Laptop", ["bookings:read"])
    users.block(customer, admin, "Rude to professionals")
    assert api_keys.caller(text) is None
    users.unblock(customer, admin)
    assert api_keys.caller(text) is None


def test_nothing_is_left_of_the_keys_and_log_ins_of_who_is_anonymised(customer, other_customer, admin):
    for person in (customer, other_customer):
        factories.key(person)
        api_sessions.begin(person, "refresh")
    users.anonymise(customer, admin, "They asked for it")
    for table in (ApiKey, ApiSession):
        assert db.session.scalars(select(table.user_id)).all() == [other_customer.id]


def test_a_use_is_noted_every_five_minutes(customer, frozen):
    key = factories.key(customer)
    db.session.execute(api_keys.use_of(key))
    db.session.refresh(key)
    assert key.last_used_at == clock.now()
    frozen.shift(timedelta(minutes=4))
    assert api_keys.use_of(key) is None
    frozen.shift(timedelta(minutes=1))
    assert api_keys.use_of(key) is not None


def test_the_night_forgets_log_ins_that_ran_out_and_answers_of_yesterday(customer, frozen):
    api_sessions.begin(customer, "old")
    api_results.keep("user:1", "old", "call", {"status": 201})
    frozen.shift(api_sessions.REFRESH)
    api_sessions.begin(customer, "new")
    api_results.keep("user:1", "new", "call", {"status": 201})
    assert api_sessions.forget_expired("2026-12-23", 0) == (1, None)
    assert api_results.forget_old("2026-12-23", 0) == (1, None)
    assert db.session.scalar(select(ApiSession.refresh_jti)) == "new"
    assert db.session.scalar(select(ApiResult.key)) == "new"
    assert db.session.scalar(select(func.count()).select_from(ApiSession)) == 1
