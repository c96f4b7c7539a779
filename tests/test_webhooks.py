"""Deliveries of webhooks: what reaches a real server, what is tried again, and what must reach nobody."""

import functools
import hashlib
import hmac
import json
import re
import subprocess
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

import egress
import gateways
import mail
from config import ROOT
from domain import bookings, clock, deliveries, outbox, webhooks
from extensions import db
from models import Booking, Channel, Delivery, OutboxMessage, reference_of
from tests import factories
from tests.gateway import Server, names_lead_to, say

URL = "https://hooks.example.com/doorstep?token=tok5ecret"


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path, names=("hooks.example.com",)) as running:
        yield running


@pytest.fixture
def lifted(monkeypatch, server):
    """The rule of public addresses, lifted for the server of the test."""
    guard = egress.Guard(networks=("127.0.0.0/8",), authorities=str(server.authority))
    monkeypatch.setattr(gateways, "post", functools.partial(gateways.post, guard=guard))


@pytest.fixture
def deliver(app, monkeypatch, server):
    """deliver() sends what is due; every name of the world leads to the server of the test, or to `places`."""
    courier = mail.Courier(app)

    def send(*places, by=None):
        db.session.commit()
        with names_lead_to(monkeypatch, *(places or [(server.address, server.port)])):
            return (by or courier).deliver()

    return send


@pytest.fixture
def secret(admin):
    """The secret of a webhook that is told of everything."""
    _hook, text = webhooks.add(admin, URL, [])
    db.session.commit()
    return text


@pytest.fixture
def message(customer, professional, secret):
    """What a webhook is to be told of an accepted booking, and nobody else of anything."""
    bookings.accept(factories.booking(customer, professional), professional)
    db.session.execute(db.delete(OutboxMessage).where(OutboxMessage.channel != Channel.WEBHOOK))
    db.session.commit()
    return found()


def found():
    db.session.commit()
    db.session.expire_all()
    message = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc())).first()
    db.session.commit()
    return message


# -- What arrives -----------------------------------------------------------------------------


def test_an_event_arrives_and_its_signature_holds(message, lifted, deliver, server, secret):
    assert deliver() == 1
    (request,) = server.requests
    headers, body = request["headers"], request["body"]
    assert (request["path"], request["query"]) == ("/doorstep", {"token": ["tok5ecret"]})
    stamp, signature = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Doorstep-Signature"]).groups()
    assert int(stamp) == int(clock.now().timestamp())
    assert signature == hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "Doorstep-Webhooks/1"
    assert headers["Doorstep-Event"] == json.loads(body)["type"] == "booking.accepted"
    assert re.fullmatch(r"[0-9a-f]{32}", headers["Doorstep-Delivery"])
    assert "Cookie" not in headers
    sent = found()
    assert (sent.status, sent.data, sent.error, sent.body) == (Delivery.SENT, {}, "", None)


def test_it_tells_the_state_of_the_event_and_not_of_the_sending(message, lifted, deliver, server, professional):
    booking = db.session.scalars(select(Booking)).one()
    bookings.cancel(booking, professional, "I am ill")
    deliver()
    assert [json.loads(one["body"])["data"]["status"] for one in server.requests] == ["accepted", "cancelled"]


def test_the_documented_check_takes_what_is_sent_and_refuses_what_is_not(message, lifted, deliver, server, secret):
    deliver()
    (request,) = server.requests
    header, body = request["headers"]["Doorstep-Signature"], request["body"]
    known = {}
    exec(documented("python"), known)
    now = clock.now().timestamp()
    assert known["is_genuine"](secret, header, body, now)
    assert not known["is_genuine"](secret, header, body + b" ", now)
    assert not known["is_genuine"]("whsec_other", header, body, now)
    assert not known["is_genuine"](secret, header, body, now + 301)


def test_openssl_computes_the_same(message, lifted, deliver, server, secret, tmp_path):
    deliver()
    (request,) = server.requests
    stamp, signature = re.findall(r"=(\w+)", request["headers"]["Doorstep-Signature"])
    (tmp_path / "body.json").write_bytes(request["body"])
    given = {"SECONDS_OF_T": stamp, "SECRET": secret, "PATH": "/usr/bin:/bin:/usr/local/bin"}
    said = subprocess.run(
        ["sh", "-c", documented("sh")], cwd=tmp_path, env=given, capture_output=True, text=True, check=True
    )
    assert said.stdout.split()[-1] == signature


def documented(language):
    """The example of the documentation in a language."""
    return re.search(rf"```{language}\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)[1]


def test_the_documented_event_looks_as_one_that_is_sent(message):
    text = (ROOT / "docs" / "webhooks.md").read_text()
    example = json.loads(re.search(r"```http\n.*?\n\n(.*?)```", text, re.DOTALL)[1])
    assert example.keys() == message.data.keys()
    assert example["data"].keys() == message.data["data"].keys()
    assert example["data"]["reference"] == reference_of(example["data"]["booking"])
    documented_headers = set(re.findall(r"^([A-Z][\w-]+):", text, re.MULTILINE)) - {"Host"}
    assert documented_headers == webhooks.call(message).headers.keys()


def test_the_documentation_names_every_event():
    text = (ROOT / "docs" / "webhooks.md").read_text()
    assert set(re.findall(r"`(booking\.\w+)`", text)) == set(webhooks.EVENTS.values())


# -- What is tried again ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
def test_only_success_is_success_and_nothing_of_the_answer_is_kept(message, lifted, deliver, server, status):
    server.answer = say(status, "the answer's own words", Location="https://hooks.example.com/again")
    deliver()
    assert len(server.requests) == 1
    failed = found()
    assert (failed.status, failed.tries) == (Delivery.WAITING, 1)
    assert failed.error == f"hooks.example.com answered {status}."
    assert failed.due_at > clock.now() - timedelta(seconds=1)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_success_is_one(message, lifted, deliver, server, status):
    server.answer = say(status)
    deliver()
    assert found().status is Delivery.SENT


def test_after_eight_tries_it_waits_for_an_admin_who_sends_it_again(
    message, lifted, deliver, server, admin, as_, frozen
):
    server.answer = say(500)
    for _ in range(8):
        deliver()
        frozen.shift(timedelta(hours=7))
    parked = found()
    assert (parked.status, parked.tries) == (Delivery.FAILED, 8)
    assert deliver() == 0
    assert len(server.requests) == 8
    server.answer = say(200)
    as_(admin).post(f"/admin/outbox/{parked.id}/resend")
    deliver()
    assert found().status is Delivery.SENT
    assert len({one["headers"]["Doorstep-Delivery"] for one in server.requests}) == 1
    assert len({one["headers"]["Doorstep-Signature"] for one in server.requests}) == 9
    assert len({one["body"] for one in server.requests}) == 1


def test_who_does_not_answer_is_left_alone_and_what_else_waits_for_them_loses_no_try(
    message, lifted, deliver, server, admin, frozen, monkeypatch
):
    other = message.webhook
    webhooks.send_test(other, admin)
    tried = []
    monkeypatch.setattr(gateways, "post", lambda *_about: tried.append(1) or no_answer())
    deliver()
    db.session.expire_all()
    first, second = db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
    assert (len(tried), first.tries, second.tries) == (1, 1, 0)
    assert second.due_at == clock.now() + mail.SILENCE
    assert second.status is Delivery.WAITING


def no_answer():
    raise gateways.NoAnswer("hooks.example.com did not answer within 10 seconds.")


@pytest.mark.realtime
def test_a_server_that_dawdles_is_cut_off(app, message, lifted, deliver, server):
    server.answer = lambda handler: time.sleep(5)
    began = time.monotonic()
    deliver(by=mail.Courier(app, seconds_a_step=0.5))
    assert time.monotonic() - began < 4
    assert found().error == "hooks.example.com did not answer within 0.5 seconds."


# -- What must reach nobody -------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:192.168.0.1"])
def test_a_name_that_leads_to_a_private_network_by_then_is_not_connected_to(message, deliver, server, address):
    deliver((address, server.port))
    assert server.requests == []
    failed = found()
    assert (failed.status, failed.error) == (
        Delivery.WAITING,
        "hooks.example.com could not be reached at a public address.",
    )


def test_a_name_may_change_after_it_was_checked(app, admin, monkeypatch, deliver, server):
    with names_lead_to(monkeypatch, ("93.184.216.34", 443)):
        hook, _secret = webhooks.add(admin, webhooks.checked_url(URL), [])
    webhooks.send_test(hook, admin)
    deliver((server.address, server.port))
    assert server.requests == []
    assert "tok5ecret" not in found().error


def test_a_certificate_that_nobody_vouches_for_is_refused(monkeypatch, message, deliver, server):
    guard = egress.Guard(networks=("127.0.0.0/8",))
    monkeypatch.setattr(gateways, "post", functools.partial(gateways.post, guard=guard))
    deliver()
    assert server.requests == []
    assert found().error == "hooks.example.com has no certificate that can be trusted."


def test_production_takes_no_lifted_rule(site, monkeypatch):
    settings = site.config["SETTINGS"]
    with site.app_context():
        monkeypatch.setattr(type(settings), "production", True)
        with pytest.raises(RuntimeError):
            gateways.post(URL, {}, b"", 1, guard=egress.Guard())


@pytest.mark.parametrize("verb", [webhooks.pause, webhooks.remove])
def test_what_waits_for_a_paused_or_removed_webhook_is_dropped(message, lifted, deliver, server, admin, verb):
    verb(message.webhook, admin)
    deliver()
    assert server.requests == []
    assert (found().status, found().error) == (Delivery.DROPPED, "paused")


def test_under_another_secret_key_it_cannot_be_signed_and_says_so(message, lifted, deliver, server):
    message.webhook.secret = "made up"
    deliver()
    assert server.requests == []
    assert "SECRET_KEY" in found().error


def test_two_who_send_at_once_send_once(app, message, lifted, deliver, server):
    claimed = deliveries.claim("another worker", 5, list(Channel))
    db.session.commit()
    assert claimed == [message.id]
    assert deliver() == 0
    assert server.requests == []


def test_a_lease_that_ran_out_is_taken_over_and_the_first_cannot_note_its_end(
    app, message, lifted, deliver, server, frozen
):
    deliveries.claim("crashed", 5, list(Channel))
    db.session.commit()
    frozen.shift(deliveries.USUAL.lease + timedelta(seconds=1))
    assert deliver() == 1
    assert deliveries.failed(message.id, "crashed", "no answer") is False
    assert found().status is Delivery.SENT


def test_people_are_offered_no_webhook(as_, customer):
    page = as_(customer).get("/account/messages").text
    assert 'value="webhook"' not in page
    assert as_(customer).post("/account/messages", data={"bookings": ["mail", "webhook"]}).status_code == 422
    assert "webhook" not in {str(way) for ways in outbox.USUAL.values() for way in ways}
