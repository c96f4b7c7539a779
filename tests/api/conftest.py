"""A program that calls the API, and looks at every answer as a strict reviewer would."""

import pytest

from api import problems, tokens
from domain import api_keys, api_sessions
from extensions import db


class Program:
    """Calls of one person with the token of a real log-in, or with a key; nobody's without either."""

    def __init__(self, app, user=None, key=None):
        self._client, self._key, self._log_in = app.test_client(), key, None
        self._client.csrf = False
        if user is not None and key is None:
            jti = tokens.new_jti()
            begun = api_sessions.begin(user, jti)
            db.session.commit()
            self._log_in = user.id, begun.id, jti

    def get(self, path, query=None, **headers):
        return self.call("GET", path, query_string=query, headers=headers)

    def post(self, path, body=None, **headers):
        return self.call("POST", path, json=body, headers=headers)

    def put(self, path, body=None, **headers):
        return self.call("PUT", path, json=body, headers=headers)

    def delete(self, path):
        return self.call("DELETE", path)

    def call(self, method, path, headers=None, json=None, **more):
        headers = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if credential := self._credential():
            headers["Authorization"] = f"Bearer {credential}"
        more |= {} if json is None else {"json": json}
        path = path if path.startswith("/api/") else f"/api{path}"
        response = self._client.open(path, method=method, headers=headers, **more)
        _check(response)
        return response

    def _credential(self):
        # The clock of a test goes far ahead, where the token of before has run out.
        return tokens.issue(*self._log_in)["access_token"] if self._log_in else self._key


def _check(response):
    assert "Set-Cookie" not in response.headers
    assert response.headers["Cache-Control"] in ("no-store", "private, no-cache")
    if response.status_code >= 400:
        assert response.content_type == problems.CONTENT_TYPE, response.text
        assert response.json["status"] == response.status_code
        assert response.json["title"]
    elif response.status_code not in (204, 304) and "Content-Disposition" not in response.headers:
        assert response.content_type == "application/json"


@pytest.fixture
def api(app):
    """api(customer) is a program of the customer's, api() nobody's, api(customer, "bookings:read") one
    with a key that allows no more than that."""

    def begin(user=None, *scopes):
        if not scopes:
            return Program(app, user)
        _key, text = api_keys.make(user, "A script", list(scopes))
        db.session.commit()
        return Program(app, user, text)

    return begin


@pytest.fixture
def refused():
    """refused(response, 422, "address.pincode") holds when a call was refused so, for that field."""

    def check(response, status, field=None):
        assert response.status_code == status, response.text
        if field is not None:
            assert list(response.json["errors"]) == [field], response.text

    return check
