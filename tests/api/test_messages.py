"""The conversation of a booking by calls."""

import pytest

from domain import conversations, message_reports
from extensions import db
from models import Status
from tests import factories


@pytest.fixture
def booking(customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED)


@pytest.fixture
def path(booking):
    return f"/api/service-requests/{booking.id}/messages"


def test_both_write_and_read_what_came_after(api, path, customer, professional):
    hers, his = api(customer), api(professional)
    first = hers.post(path, {"text": " Ring twice. "}).json
    assert first | {"created_at": ""} == {
        "id": first["id"],
        "mine": True,
        "text": "Ring twice.",
        "has_photo": False,
        "hidden": False,
        "created_at": "",
    }
    his.post(path, {"text": "I will."})
    assert [one["mine"] for one in his.get(path).json["items"]] == [False, True]
    assert [one["text"] for one in hers.get(f"{path}?after={first['id']}").json["items"]] == ["I will."]
    page = hers.get(f"{path}?limit=1").json
    assert ([one["id"] for one in page["items"]], page["more"]) == ([first["id"]], True)


def test_one_key_sends_once(api, path, customer):
    program = api(customer)
    for _ in range(2):
        assert program.post(path, {"text": "Once"}, Idempotency_Key="once").status_code == 201
    assert len(program.get(path).json["items"]) == 1


def test_what_was_hidden_is_not_told(api, booking, path, customer, professional, admin):
    message = conversations.send(booking, customer, "You fool")
    message_reports.hide(message_reports.report(message, professional, "Rude"), admin, "Rude")
    db.session.commit()
    [told] = api(customer).get(path).json["items"]
    assert (told["text"], told["hidden"]) == ("", True)


@pytest.mark.parametrize("sent", [{}, {"text": ""}, {"text": "x" * 2001}, {"text": 1}])
def test_what_is_no_message_is_refused(api, path, customer, refused, sent):
    refused(api(customer).post(path, sent), 422, "text")


def test_before_the_acceptance_there_is_no_conversation(api, customer, professional, refused):
    asked = factories.booking(customer, professional)
    refused(api(customer).get(f"/api/service-requests/{asked.id}/messages"), 404)
    refused(api(customer).post(f"/api/service-requests/{asked.id}/messages", {"text": "Hello"}), 404)


def test_after_seven_days_nobody_writes(api, customer, professional, refused, frozen):
    done = factories.booking(customer, professional, status=Status.CLOSED)
    frozen.shift(7 * 24 * 3600)
    refused(api(customer).post(f"/api/service-requests/{done.id}/messages", {"text": "Hello?"}), 409)
