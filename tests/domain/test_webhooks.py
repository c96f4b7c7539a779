"""Webhooks: which events are written for whom, what they say, and what admins may do with them."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

import gateways
from domain import bookings, clock, errors, requests, reviews, sealing, transitions, webhooks
from extensions import db
from models import AuditEntry, BookingEvent, Channel, Delivery, OutboxMessage, Status
from models_integrations import Webhook
from tests import factories
from tests.gateway import names_lead_to

URL = "https://hooks.example.com/doorstep"


@pytest.fixture
def hook(admin):
    return factories.webhook(admin)


def told():
    """What was written for webhooks, in its order."""
    db.session.commit()
    ours = select(OutboxMessage).where(OutboxMessage.channel == Channel.WEBHOOK).order_by(OutboxMessage.id)
    return db.session.scalars(ours).all()


def ask(customer, professional, **more):
    wish = {"starts_at": factories.at(11, days=1), "address_id": customer.addresses[0].id, **more}
    return requests.request(customer, factories.service().id, professional.id, **wish)


# -- What is written --------------------------------------------------------------------------


def test_a_request_is_told_with_the_state_of_that_moment_and_no_names(customer, professional, hook):
    booking_id = ask(customer, professional, remarks="Ring twice, Asha's flat")
    (message,) = told()
    event = db.session.scalars(select(BookingEvent)).one()
    assert message.key == f"webhook:{hook.id}:{event.id}"
    assert (message.webhook_id, message.user_id, message.status) == (hook.id, None, Delivery.WAITING)
    data = message.data.pop("data")
    assert message.data == {
        "id": f"evt_{event.id}",
        "type": "booking.requested",
        "created_at": "2026-11-23T09:00:00+05:30",
    }
    assert data == {
        "booking": booking_id,
        "reference": message.subject.removeprefix("booking.requested "),
        "status": "pending",
        "starts_at": "2026-11-24T11:00:00+05:30",
        "ends_at": data["ends_at"],
        "service": {"id": factories.service().id, "name": factories.service().name},
        "customer_id": customer.id,
        "professional_id": professional.id,
    }
    for private in (customer.name, professional.name, customer.email, "Ring twice", "3rd Cross"):
        assert private not in json.dumps(data)


def test_each_step_of_a_booking_is_told_once_as_it_then_stands(customer, professional, hook, frozen):
    booking = factories.booking(customer, professional, starts_at=factories.at(11))
    bookings.accept(booking, professional)
    bookings.depart(booking, professional)
    bookings.cancel(booking, professional, "My car broke down")
    assert [(one.data["type"], one.data["data"]["status"]) for one in told()] == [
        ("booking.accepted", "accepted"),
        ("booking.departed", "en_route"),
        ("booking.cancelled", "cancelled"),
    ]


def test_what_changes_no_state_is_told_too(customer, professional, hook):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    reviews.write(booking, customer, 5, "Good")
    assert [one.data["type"] for one in told()] == ["booking.reviewed"]


def test_the_clock_tells_as_people_do(customer, professional, hook, frozen):
    factories.booking(customer, professional, starts_at=factories.at(11, days=1))
    frozen.shift(timedelta(days=2))
    bookings.expire_due()
    assert [one.data["type"] for one in told()] == ["booking.expired"]


def test_every_verb_of_the_table_has_a_name_outside():
    assert {rule.verb for rule in transitions.RULES} <= webhooks.EVENTS.keys()
    assert len(set(webhooks.EVENTS.values())) == len(webhooks.EVENTS)


def test_only_who_listens_to_a_verb_is_told(customer, professional, admin):
    both = factories.webhook(admin, verbs=("accept", "cancel"))
    neither = factories.webhook(admin, verbs=("review",))
    everything = factories.webhook(admin)
    bookings.accept(factories.booking(customer, professional), professional)
    assert {one.webhook_id for one in told()} == {both.id, everything.id}
    assert neither.verbs == ["review"]


def test_a_paused_or_removed_webhook_is_told_of_nothing(customer, professional, admin, hook):
    gone = factories.webhook(admin)
    webhooks.pause(hook, admin)
    webhooks.remove(gone, admin)
    ask(customer, professional)
    assert told() == []
    webhooks.resume(hook, admin)
    ask(customer, professional, starts_at=factories.at(15, days=1))
    assert [one.webhook_id for one in told()] == [hook.id]


def test_what_is_rolled_back_is_never_told(customer, professional, hook):
    booking = factories.booking(customer, professional)
    bookings.accept(booking, professional)
    db.session.rollback()
    assert told() == []


def test_a_refused_verb_tells_nothing(customer, professional, other_professional, hook):
    booking = factories.booking(customer, professional)
    with pytest.raises(errors.DomainError):
        bookings.accept(booking, other_professional)
    assert told() == []


def test_without_webhooks_a_request_asks_nothing_more_and_a_move_one_thing(customer, professional, count_queries):
    def counted():
        with count_queries() as asked:
            ask(customer, professional, starts_at=factories.at(11, days=counted.days))
        counted.days += 1
        return [query for query in asked.queries if "webhooks" in query]

    counted.days = 1
    counted()
    (joined,) = counted()
    assert "idempotency_keys" in joined
    booking = factories.booking(customer, professional, starts_at=factories.at(15, days=5))
    with count_queries() as asked:
        bookings.accept(booking, professional)
    assert len([query for query in asked.queries if "webhooks" in query]) == 1


# -- What admins do ---------------------------------------------------------------------------


def test_a_webhook_is_added_with_a_secret_that_is_kept_encrypted(admin):
    hook, secret = webhooks.add(admin, URL, [])
    assert secret.startswith("whsec_")
    assert secret not in hook.secret
    assert sealing.unsealed(hook.secret) == secret
    assert hook.verbs == []
    assert [entry.detail for entry in db.session.scalars(select(AuditEntry))] == [{"name": "hooks.example.com"}]


def test_all_events_ticked_is_everything_also_what_comes_later(admin):
    hook, _secret = webhooks.add(admin, URL, list(webhooks.EVENTS))
    assert hook.verbs == []


def test_a_new_secret_takes_the_place_of_the_old_one(admin, hook):
    first, second = hook.secret, webhooks.replace_secret(hook, admin)
    assert hook.secret != first
    assert sealing.unsealed(hook.secret) == second


def test_a_removed_webhook_is_gone_with_its_secret(admin, hook):
    webhooks.remove(hook, admin)
    assert hook.secret == ""
    assert webhooks.listed() == []
    with pytest.raises(errors.NotFound):
        webhooks.get(hook.id)


def test_a_test_event_can_be_sent_again_and_again_but_not_to_a_paused_one(admin, hook):
    webhooks.send_test(hook, admin)
    webhooks.send_test(hook, admin)
    assert [(one.subject, one.data["type"], one.data["data"]) for one in told()] == [("test", "test", {})] * 2
    webhooks.pause(hook, admin)
    with pytest.raises(errors.Conflict):
        webhooks.send_test(hook, admin)


def test_what_is_done_already_is_a_conflict(admin, hook):
    with pytest.raises(errors.Conflict):
        webhooks.resume(hook, admin)
    webhooks.pause(hook, admin)
    with pytest.raises(errors.Conflict):
        webhooks.pause(hook, admin)


def test_there_are_ten_at_most(admin):
    for _ in range(webhooks.MOST_WEBHOOKS):
        factories.webhook(admin)
    with pytest.raises(errors.Conflict):
        webhooks.add(admin, URL, [])
    webhooks.remove(db.session.scalars(select(Webhook)).first(), admin)
    webhooks.add(admin, URL, [])


def test_an_event_that_does_not_exist_is_refused(admin):
    with pytest.raises(errors.Invalid):
        webhooks.add(admin, URL, ["accept", "made up"])


@pytest.mark.parametrize("verb", ["pause", "resume", "remove", "replace_secret", "send_test"])
def test_only_admins_may(customer, hook, verb):
    with pytest.raises(errors.NotAllowed):
        getattr(webhooks, verb)(hook, customer)
    with pytest.raises(errors.NotAllowed):
        webhooks.add(customer, URL, [])
    with pytest.raises(errors.NotAllowed):
        webhooks.change(hook, customer, URL, [])


# -- Where it may lead ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "ftp://hooks.example.com/",
        "https://",
        "https:///path",
        "hooks.example.com",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/\nX: y",
        "https://hööks.example.com/",
        "https://hooks.example.com/" + "x" * 500,
        "javascript:alert(1)",
        "",
    ],
)
def test_an_address_of_another_kind_is_refused_without_looking_it_up(app, monkeypatch, url):
    with names_lead_to(monkeypatch, ("93.184.216.34", 443)) as asked, pytest.raises(errors.Invalid) as refusal:
        webhooks.checked_url(url)
    assert refusal.value.field == "url"
    assert asked == []


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "192.168.1.1", "::1", "fd00::1"])
def test_a_name_that_leads_to_a_private_network_is_refused(app, monkeypatch, address):
    with names_lead_to(monkeypatch, (address, 443)), pytest.raises(errors.Invalid):
        webhooks.checked_url(URL)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "2130706433", "0x7f.1", "[::ffff:10.0.0.1]"])
def test_a_private_address_is_refused_however_it_is_written(app, host):
    with pytest.raises(errors.Invalid):
        webhooks.checked_url(f"https://{host}/")


def test_a_name_that_nobody_knows_is_refused(app, monkeypatch):
    monkeypatch.setattr(gateways, "leads_to_public_address", lambda _url, _seconds: False)
    with pytest.raises(errors.Invalid):
        webhooks.checked_url(URL)


def test_a_public_address_is_taken_as_it_was_written(app, monkeypatch):
    with names_lead_to(monkeypatch, ("93.184.216.34", 443)) as asked:
        url = webhooks.checked_url(" https://hooks.example.com:8443/a?token=b ")
    assert url == "https://hooks.example.com:8443/a?token=b"
    assert asked == ["hooks.example.com"]


def test_signing_says_when_it_was_sent(hook, admin, frozen):
    webhooks.send_test(hook, admin)
    (message,) = told()
    first = webhooks.call(message).headers
    frozen.shift(60)
    second = webhooks.call(message).headers
    assert first["Doorstep-Signature"] != second["Doorstep-Signature"]
    assert second["Doorstep-Signature"].startswith(f"t={int(clock.now().timestamp())},v1=")
    assert first["Doorstep-Delivery"] == second["Doorstep-Delivery"]
