"""Bookings as other people's calendar programs read them: the feed at its secret address, and what comes with mails."""

import dataclasses
import email
import email.policy
import re
from datetime import datetime, timedelta
from functools import partial

import icalendar
import pytest
from sqlalchemy import select

import ics
import mail
from domain import amendments, bookings, clock, feeds, proposals, users
from extensions import db
from models import Channel, OutboxMessage, Status
from models_lifecycle import Proposal
from tests import factories
from tests.calendar_program import Program, events


@pytest.fixture
def in_zone(site):
    """in_zone("Europe/London") has the site live by another clock."""
    usual = site.config["SETTINGS"]

    def change(zone):
        site.config["SETTINGS"] = dataclasses.replace(usual, timezone=zone)

    yield change
    site.config["SETTINGS"] = usual


@pytest.fixture
def program(tmp_path):
    """program("Asia/Kolkata") is a calendar program in that zone."""
    return lambda zone="Asia/Kolkata": Program(tmp_path, zone)


@pytest.fixture
def subscribe(client):
    """subscribe(person) is the person's feed as a program gets it."""

    def get(person, **headers):
        if person.feed_salt is None:
            feeds.renew(person, by=person)
            db.session.commit()
        return client.get(f"/calendar/{feeds.token(person)}.ics", headers=headers)

    return get


def only(content):
    (event,) = events(content).values()
    return event


# -- The feed ---------------------------------------------------------------------------------


def test_a_customer_and_a_professional_see_the_booking_in_their_calendars(subscribe, customer, professional):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    for person, other, page in ((customer, "Dev Menon", "bookings"), (professional, "Asha Rao", "professional/jobs")):
        answer = subscribe(person)
        event = only(answer.data)
        assert answer.content_type == "text/calendar; charset=utf-8"
        assert str(event["UID"]) == f"booking-{booking.id}@127.0.0.1"
        assert event.start == booking.starts_at
        assert event.end == booking.ends_at
        assert str(event["SUMMARY"]) == f"{booking.service.name} · {other}"
        assert str(event["STATUS"]) == "CONFIRMED"
        assert str(event["LOCATION"]).startswith("12, 3rd Cross")
        assert booking.reference in event["DESCRIPTION"]
        assert str(event["URL"]) == f"http://127.0.0.1:5000/{page}/{booking.id}"
        assert "ALARM" not in answer.text


def test_what_waits_for_an_answer_is_tentative_and_does_not_tell_the_door(subscribe, customer, professional):
    factories.booking(customer, professional)
    asked, wanted = only(subscribe(professional).data), only(subscribe(customer).data)
    assert asked["STATUS"] == wanted["STATUS"] == "TENTATIVE"
    assert str(asked["SUMMARY"]).endswith("(Pending)")
    assert "3rd Cross" not in asked["LOCATION"]
    assert "560001" in asked["LOCATION"]
    assert "3rd Cross" in wanted["LOCATION"]


def test_a_request_that_nobody_answered_in_time_is_cancelled_whether_or_not_the_job_has_run(
    subscribe, customer, professional, frozen
):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by + timedelta(minutes=1))
    overdue = only(subscribe(customer).data)
    bookings.expire_due()
    db.session.commit()
    expired = only(subscribe(customer).data)
    assert overdue["STATUS"] == expired["STATUS"] == "CANCELLED"
    assert overdue["SEQUENCE"] == expired["SEQUENCE"] == 2


def test_a_cancelled_booking_is_shown_as_such_for_two_weeks(subscribe, customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    bookings.cancel(booking, by=customer)
    db.session.commit()
    event = only(subscribe(customer).data)
    assert (event["STATUS"], event["TRANSP"]) == ("CANCELLED", "TRANSPARENT")
    frozen.shift(timedelta(days=15))
    assert events(subscribe(customer).data) == {}


def test_the_sequence_rises_with_each_step(subscribe, customer, professional):
    booking = factories.booking(customer, professional)
    seen = [only(subscribe(customer).data)]
    amendments.shift(booking, customer, factories.at(15, days=2))
    seen.append(only(subscribe(customer).data))
    bookings.accept(booking, professional)
    seen.append(only(subscribe(customer).data))
    bookings.cancel(booking, professional)
    seen.append(only(subscribe(customer).data))
    assert [event["SEQUENCE"] for event in seen] == [1, 2, 3, 4]
    assert len({event["UID"] for event in seen}) == 1
    assert [event["STATUS"] for event in seen] == ["TENTATIVE", "TENTATIVE", "CONFIRMED", "CANCELLED"]
    assert seen[1].start == factories.at(15, days=2)


def test_only_ones_own_bookings_of_the_last_month_and_ahead_are_shown(
    subscribe, customer, professional, other_customer, other_professional
):
    factories.booking(other_customer, other_professional)
    old = clock.now() - timedelta(days=31)
    factories.booking(customer, professional, starts_at=old, status=Status.CLOSED)
    recent = factories.booking(customer, professional, starts_at=old + timedelta(days=2), status=Status.CLOSED)
    assert list(events(subscribe(customer).data)) == [ics.uid(recent.id)]


def test_a_feed_asks_two_questions_however_many_bookings_there_are(
    client, customer, professional, count_queries, monkeypatch
):
    for hour in (9, 11, 13, 15):
        factories.booking(customer, professional, starts_at=factories.at(hour, days=1))
    feeds.renew(customer, by=customer)
    address = f"/calendar/{feeds.token(customer)}.ics"
    db.session.commit()
    db.session.remove()
    with count_queries() as seen:
        assert len(events(client.get(address).data)) == 4
    assert seen.count == 2
    monkeypatch.setattr(feeds, "MOST_ENTRIES", 3)
    assert len(events(client.get(address).data)) == 3


def test_a_program_that_has_the_feed_already_is_told_so_until_something_changes(subscribe, customer, professional):
    booking = factories.booking(customer, professional)
    first = subscribe(customer)
    assert subscribe(customer, **{"If-None-Match": first.headers["ETag"]}).status_code == 304
    bookings.accept(booking, professional)
    db.session.commit()
    second = subscribe(customer, **{"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200
    assert second.headers["ETag"] != first.headers["ETag"]


def test_a_feed_is_private_sets_no_cookie_and_is_in_no_index(subscribe, customer):
    answer = subscribe(customer)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "Set-Cookie" not in answer.headers


def test_a_feed_is_in_the_language_of_its_owner_and_not_of_the_program(subscribe, customer, professional, monkeypatch):
    factories.booking(customer, professional)
    spoken = []
    place_for = ics.letters.place_for
    monkeypatch.setattr(
        ics.letters, "place_for", lambda *who: spoken.append(str(ics.templating.get_locale())) or place_for(*who)
    )
    customer.locale = "hi"
    subscribe(customer, **{"Accept-Language": "en"})
    assert spoken == ["hi_IN"]


def test_texts_that_look_like_calendars_stay_texts(subscribe, customer, professional):
    customer.name = "Eve;\\, BEGIN:VEVENT"
    factories.booking(customer, professional, address_line="1, Road\r\nEND:VEVENT\r\nATTACH:x", status=Status.ACCEPTED)
    event = only(subscribe(professional).data)
    assert str(event["SUMMARY"]).endswith("Eve;\\, BEGIN:VEVENT")
    assert "ATTACH" not in event
    assert "ATTACH:x" in event["LOCATION"]


# -- The address ------------------------------------------------------------------------------


def test_a_new_address_ends_the_old_one_at_once(client, subscribe, customer):
    subscribe(customer)
    old = feeds.token(customer)
    feeds.renew(customer, by=customer)
    db.session.commit()
    assert client.get(f"/calendar/{old}.ics").status_code == 404
    assert client.get(f"/calendar/{feeds.token(customer)}.ics").status_code == 200
    feeds.switch_off(customer, by=customer)
    db.session.commit()
    assert client.get(f"/calendar/{old}.ics").status_code == 404


def test_an_address_of_somebody_else_or_nobody_is_unknown(client, subscribe, customer, other_customer):
    subscribe(customer)
    secret = feeds.token(customer).partition("-")[2]
    for token in (
        f"{other_customer.id}-{secret}",
        f"{customer.id}-",
        f"{customer.id}",
        f"{customer.id}-{secret[:-1]}",
        f"0{customer.id}-{secret}",
        f"१-{secret}",
        f"{'9' * 400}-{secret}",
        "None",
        f"-{secret}",
        f"{customer.id}-{secret}%ed%a0%80",
    ):
        assert client.get(f"/calendar/{token}.ics").status_code == 404, token
    assert client.post(f"/calendar/{feeds.token(customer)}.ics").status_code == 405


def test_who_is_blocked_or_anonymised_has_no_calendar(subscribe, customer, admin, other_customer):
    assert subscribe(customer).status_code == 200
    users.block(customer, by=admin, reason="Fraud")
    db.session.commit()
    assert subscribe(customer).status_code == 404
    assert subscribe(other_customer).status_code == 200
    users.anonymise(other_customer, by=admin, reason="Asked")
    db.session.commit()
    assert other_customer.feed_salt is None


def test_a_program_that_asks_all_the_time_is_told_to_wait(rate_limited, subscribe, customer, other_customer):
    assert [subscribe(customer).status_code for _ in range(121)] == [200] * 120 + [429]
    assert subscribe(other_customer).status_code == 200


def test_nothing_secret_is_stored(customer):
    feeds.renew(customer, by=customer)
    assert customer.feed_salt not in feeds.token(customer)
    assert len(feeds.token(customer).partition("-")[2]) == 32


def test_nobody_changes_the_address_of_somebody_else(customer, other_customer):
    for verb in (feeds.renew, feeds.switch_off):
        with pytest.raises(feeds.NotAllowed):
            verb(customer, by=other_customer)


def test_the_page_makes_shows_renews_and_ends_the_address(as_, client, customer):
    browser = as_(customer)
    assert "/calendar/" not in browser.get("/account/calendar").text
    assert browser.post("/account/calendar").status_code == 302
    page = browser.get("/account/calendar").text
    first = re.search(r"http://127\.0\.0\.1:5000(/calendar/[^\"]+\.ics)", page)[1]
    assert f"webcal://127.0.0.1:5000{first}" in page
    assert client.get(first).status_code == 200
    browser.post("/account/calendar")
    assert client.get(first).status_code == 404
    browser.post("/account/calendar/off")
    assert "webcal:" not in browser.get("/account/calendar").text


# -- By other people's programs ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "moment", "date", "hours"),
    [
        ("Asia/Kolkata", "2026-11-24T05:30Z", "2026-11-24", ["11:00", "12:15"]),
        # Clocks go back at two in the morning of the 25th, and forward on the 28th of March.
        ("Europe/London", "2026-10-24T10:00Z", "2026-10-24", ["11:00", "12:15"]),
        ("Europe/London", "2026-10-26T11:00Z", "2026-10-26", ["11:00", "12:15"]),
        ("Europe/London", "2027-03-28T00:30Z", "2027-03-28", ["00:30", "02:45"]),
        # From the first half past one of the night to the second quarter to two.
        ("America/New_York", "2026-11-01T05:30Z", "2026-11-01", ["01:30", "01:45"]),
        ("America/New_York", "2026-11-02T16:00Z", "2026-11-02", ["11:00", "12:15"]),
    ],
)
def test_a_real_program_shows_the_hours_that_the_site_shows(
    in_zone, subscribe, program, customer, professional, frozen, zone, moment, date, hours
):
    in_zone(zone)
    starts_at = datetime.fromisoformat(moment)
    frozen.move_to(starts_at - timedelta(days=1))
    booking = factories.booking(customer, professional, starts_at=starts_at, status=Status.ACCEPTED)
    theirs = program(zone)
    theirs.take(subscribe(customer).data)
    ((*shown, title, status, _place),) = theirs.shows(date, 1)
    assert shown == [f"{date} {hour}" for hour in hours]
    assert shown == [f"{clock.local(end):%Y-%m-%d %H:%M}" for end in (booking.starts_at, booking.ends_at)]
    assert (title.endswith("Dev Menon"), status) == (True, "CONFIRMED")


# -- With mails -------------------------------------------------------------------------------


@pytest.fixture
def mails(app, settings):
    """mails() are those written since the last call, as the outbox keeps them, by the address."""
    folder = settings.instance / "outbox"

    def sent():
        for old in folder.glob("*.eml"):
            old.unlink()
        db.session.commit()
        mail.deliver_due(app)
        read = partial(email.message_from_bytes, policy=email.policy.default)
        return {letter["To"]: letter for letter in (read(one.read_bytes()) for one in folder.glob("*.eml"))}

    sent()
    return sent


def part_of(letter):
    return next((part for part in letter.walk() if part.get_content_type() == "text/calendar"), None)


def attached(letter):
    """The method and the event of what came with a mail; None without it."""
    part = part_of(letter)
    if part is None:
        return None
    calendar = icalendar.Calendar.from_ical(part.get_content())
    assert part.get_content_disposition() == "attachment"
    assert part.get_filename() == "booking.ics"
    assert part.get_param("method") == calendar["METHOD"]
    return str(calendar["METHOD"]), only(calendar.to_ical())


def test_accept_move_and_cancel_are_one_event_with_a_rising_sequence(mails, program, customer, professional):
    booking = factories.booking(customer, professional)
    bookings.accept(booking, professional)
    told = [mails()["asha@example.com"]]
    proposals.propose(booking, customer, factories.at(15, days=2))
    proposals.agree(booking, professional, db.session.scalar(select(Proposal.id)))
    told.append(mails()["asha@example.com"])
    bookings.cancel(booking, professional, "Ill")
    told.append(mails()["asha@example.com"])
    methods, seen = zip(*map(attached, told), strict=True)
    assert methods == ("REQUEST", "REQUEST", "CANCEL")
    assert {str(event["UID"]) for event in seen} == {ics.uid(booking.id)}
    assert [event["SEQUENCE"] for event in seen] == sorted({event["SEQUENCE"] for event in seen})
    assert [str(event["STATUS"]) for event in seen] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    assert seen[1].start == factories.at(15, days=2)
    theirs = program()
    shown = []
    for letter in told:
        theirs.take(part_of(letter).get_content().encode())
        ((start, _end, _title, status, _place),) = theirs.shows("2026-11-23")
        shown.append((start, status))
    agreed, moved = "2026-11-24 11:00", "2026-11-25 15:00"
    assert shown == [(agreed, "CONFIRMED"), (moved, "CONFIRMED"), (moved, "CANCELLED")]


def test_an_invitation_names_who_sends_it_and_who_comes_and_asks_for_no_reply(mails, customer, professional):
    bookings.accept(factories.booking(customer, professional), professional)
    letter = mails()["asha@example.com"]
    _method, event = attached(letter)
    assert str(event["ORGANIZER"]) == "mailto:no-reply@example.com"
    assert str(event["ATTENDEE"]) == "mailto:asha@example.com"
    assert event["ATTENDEE"].params["CN"] == "Asha Rao"
    assert event["ATTENDEE"].params["PARTSTAT"] == "ACCEPTED"
    assert event["ATTENDEE"].params["RSVP"] == "FALSE"
    assert letter.get_content_type() == "multipart/mixed"
    assert "accepted" in letter.get_body(("plain",)).get_content()
    assert letter.get_body(("html",)) is not None


def test_a_mail_about_what_was_never_agreed_has_no_calendar(mails, customer, professional):
    booking = factories.booking(customer, professional)
    amendments.shift(booking, customer, factories.at(15, days=2))
    assert attached(mails()["dev@example.com"]) is None
    bookings.reject(booking, professional, "Ill")
    assert attached(mails()["asha@example.com"]) is None


def test_a_job_that_goes_to_somebody_else_leaves_one_calendar_and_enters_another(
    mails, customer, professional, other_professional, admin
):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    bookings.reassign(booking, admin, other_professional.id, "Ill")
    told = mails()
    assert {address: attached(letter)[0] for address, letter in told.items()} == {
        "asha@example.com": "REQUEST",
        "dev@example.com": "CANCEL",
        "esha@example.com": "REQUEST",
    }
    assert "Esha Nair" in attached(told["asha@example.com"])[1]["SUMMARY"]
    taken = attached(told["dev@example.com"])[1]
    assert str(taken["SUMMARY"]).endswith("(Cancelled)")
    assert "3rd Cross" not in taken["LOCATION"]
    assert "URL" not in taken
    assert "3rd Cross" in attached(told["esha@example.com"])[1]["LOCATION"]


def test_a_booking_that_goes_on_to_the_next_best_becomes_tentative_again(
    mails, customer, professional, other_professional
):
    booking = factories.booking(customer, professional, cascade=True, starts_at=factories.at(15, days=2))
    bookings.accept(booking, professional)
    mails()
    bookings.cancel(booking, professional, "Ill")
    told = mails()
    method, event = attached(told["asha@example.com"])
    assert (method, str(event["STATUS"])) == ("REQUEST", "TENTATIVE")
    assert attached(told["esha@example.com"]) is None
    bookings.cancel(booking, customer)
    assert attached(mails()["esha@example.com"]) is None


def test_a_message_by_chat_is_as_it_was(app, customer, professional):
    customer.message_choices = {"bookings": ["chat"]}
    bookings.accept(factories.booking(customer, professional), professional)
    db.session.commit()
    message = db.session.scalars(select(OutboxMessage).where(OutboxMessage.user_id == customer.id)).one()
    assert message.channel is Channel.CHAT
    with app.test_request_context():
        assert mail.pack(message).letter is None
