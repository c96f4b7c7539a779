"""Who may call what: every call by every kind of person, against a table."""

import pytest

from tests import test_access as pages
from tests.test_access import PEOPLE

# The answers in the order of PEOPLE: anonymous, blocked, other customer, other professional,
# unapproved professional, its customer, its professional, admin.
TABLE = {
    "in in in in in in in in": """
        POST /api/auth/login
        POST /api/auth/register
        GET /api/professionals
        GET /api/professionals/<int:professional_id>
        GET /api/professionals/<int:professional_id>/slots
        GET /api/services
        GET /api/services/<int:service_id>
    """,
    # It takes another kind of token.
    "401 401 401 401 401 401 401 401": """
        POST /api/auth/refresh
    """,
    "401 401 in in in in in in": """
        POST /api/auth/logout
    """,
    "401 401 403 403 403 403 403 in": """
        POST /api/admin/export-csv
        GET /api/admin/exports/<int:export_id>
        GET /api/admin/exports/<int:export_id>/file
        GET /api/admin/professionals/<int:professional_id>
        PUT /api/admin/professionals/<int:professional_id>/approve
        PUT /api/admin/professionals/<int:professional_id>/block
        PUT /api/admin/professionals/<int:professional_id>/reject
        POST /api/admin/services
        DELETE /api/admin/services/<int:service_id>
        PUT /api/admin/services/<int:service_id>
        GET /api/admin/users
    """,
    "401 401 in 403 403 in 403 403": """
        GET /api/customer/ongoing-services
        POST /api/service-requests
    """,
    "401 401 403 in 403 403 in 403": """
        GET /api/professional/dashboard
    """,
    "401 401 in in 403 in in in": """
        GET /api/service-requests
    """,
    "401 401 404 404 403 in in in": """
        GET /api/service-requests/<int:booking_id>
        PUT /api/service-requests/<int:booking_id>/cancel
    """,
    "401 401 404 403 403 in 403 403": """
        PUT /api/service-requests/<int:booking_id>
        POST /api/service-requests/<int:booking_id>/review
    """,
    "401 401 404 404 403 in in 403": """
        GET /api/service-requests/<int:booking_id>/messages
        POST /api/service-requests/<int:booking_id>/messages
        PUT /api/service-requests/<int:booking_id>/close
    """,
    "401 401 403 404 403 403 in 403": """
        PUT /api/service-requests/<int:booking_id>/accept
        PUT /api/service-requests/<int:booking_id>/complete
        PUT /api/service-requests/<int:booking_id>/depart
        DELETE /api/service-requests/<int:booking_id>/position
        PUT /api/service-requests/<int:booking_id>/position
        PUT /api/service-requests/<int:booking_id>/reject
        PUT /api/service-requests/<int:booking_id>/start
    """,
    # Nobody is on the way.
    "401 401 404 403 403 404 403 403": """
        GET /api/service-requests/<int:booking_id>/position
    """,
}
# With these nothing is at fault but who sends them.
BODIES = {
    "PUT /api/service-requests/<int:booking_id>": {"remarks": "Knock."},
    "PUT /api/service-requests/<int:booking_id>/reject": {"reason": "Too far."},
    "PUT /api/service-requests/<int:booking_id>/start": {"code": "0000"},
    "PUT /api/service-requests/<int:booking_id>/position": {"lat": 12.97, "lon": 77.59, "accuracy": 8},
    "POST /api/service-requests/<int:booking_id>/review": {"rating": 5},
    "POST /api/service-requests/<int:booking_id>/messages": {"text": "Ring twice."},
}


def expected():
    """{"GET /api/services": answers in the order of PEOPLE}."""
    rows = ((row.strip(), answers) for answers, rows in TABLE.items() for row in rows.split("\n") if row.strip())
    return {call: tuple(answers.split()) for call, answers in rows}


def answer(program, call, ids):
    """in, 401, 403 or 404."""
    method, rule = call.split()
    response = program.call(method, pages.fill(rule, ids), json=BODIES.get(call))
    response.close()
    if response.status_code in (401, 403, 404):
        return str(response.status_code)
    assert response.status_code in (200, 201, 202, 204, 400, 409, 422), (call, response.text)
    return "in"


def test_every_call_is_in_the_table_and_none_is_gone(site):
    calls = {
        f"{method} {rule.rule}"
        for rule in site.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if pages.is_call(site, rule)
    }
    assert calls == set(expected())


@pytest.mark.parametrize("call", sorted(expected()))
def test_everybody_is_answered_exactly_as_the_table_says(api, call):
    cast = pages.make_cast()
    ids = pages.make_things(cast)
    answers = tuple(answer(api(cast[who]), call, ids) for who in PEOPLE)
    assert dict(zip(PEOPLE, answers, strict=True)) == dict(zip(PEOPLE, expected()[call], strict=True))
