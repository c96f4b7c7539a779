"""A professional's calendars elsewhere: what may be added, who has one in hand, and what its busy times do."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select

from domain import availability, clock, matching, outside_calendars, requests, schedules, sealing, users
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import Booking, Status, TimeOff
from models_integrations import OutsideCalendar
from tests import factories

URL = "https://calendar.example.com/private-abc/basic.ics?key=s3cret"


@pytest.fixture
def calendar(professional):
    """A calendar of the professional's that was not read yet."""
    made = outside_calendars.add(professional.professional, professional, "Family", URL)
    db.session.commit()
    return made


@pytest.fixture
def says(calendar):
    """says((start, end), ...) has the calendar say so when it is read."""

    def read(*times):
        calendar.due_at = clock.now()
        db.session.flush()
        outside_calendars.claim("mine", 9)
        assert outside_calendars.replace(calendar.id, "mine", times)
        db.session.commit()
        db.session.refresh(calendar)

    return read


def rows():
    return db.session.execute(select(TimeOff.starts_at, TimeOff.ends_at, TimeOff.calendar_id)).all()


MORNING = (10, 12)


def times(*hours, days=1):
    return factories.at(hours[0], days=days), factories.at(hours[1], days=days)


# -- What may be added ------------------------------------------------------------------------


def test_the_address_is_kept_encrypted(calendar):
    assert "calendar.example.com" not in calendar.url
    assert outside_calendars.address_of(calendar) == URL


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("webcal://Example.com/a.ics", "https://example.com/a.ics"),
        (" https://example.com/A?b=C ", "https://example.com/A?b=C"),
        ("WEBCAL://example.com", "https://example.com"),
    ],
)
def test_an_address_is_read_as_https(professional, given, kept):
    made = outside_calendars.add(professional.professional, professional, " My  family ", given)
    assert outside_calendars.address_of(made) == kept
    assert made.name == "My family"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://example.com/a.ics",
        "ftp://example.com/a.ics",
        "file:///etc/passwd",
        "https://localhost/a.ics",
        "https://[::1]/a.ics",
        "https://2130706433/a.ics",
        "https://me:secret@example.com/a.ics",
        "https://example.com@127.0.0.1/a.ics",
        "https://example.com:22/a.ics",
        "https://example.com\\@127.0.0.1/",
        "https:example.com",
        "https:///example.com",
        "https://exa mple.com/",
        "https://example.com/a\r\nHost: x",
        "https://example.com/\x00",
        "https://ex\u0430mple.com/",
        f"https://example.com/{'x' * 1000}",
    ],
)
def test_an_address_that_is_none_is_refused(professional, url):
    with pytest.raises(Invalid) as refusal:
        outside_calendars.add(professional.professional, professional, "Family", url)
    assert refusal.value.field == "url"


def test_a_name_is_needed_and_short_and_a_calendar_comes_once_and_with_four_others(professional, calendar):
    def add(name="Work", url=f"{URL}x"):
        outside_calendars.add(professional.professional, professional, name, url)

    for name in ("", "  ", "x" * 81):
        with pytest.raises(Invalid, match="name"):
            add(name)
    with pytest.raises(Invalid, match="here already"):
        add(url=URL.replace("https", "webcal"))
    for number in range(4):
        add(url=f"{URL}{number}")
    with pytest.raises(Invalid, match="5 calendars"):
        add()


def test_nobody_touches_the_calendars_of_somebody_else(professional, other_professional, calendar):
    theirs = other_professional.professional
    with pytest.raises(NotAllowed):
        outside_calendars.add(professional.professional, other_professional, "Family", URL)
    for verb in (outside_calendars.read_soon, outside_calendars.remove):
        with pytest.raises(NotFound):
            verb(theirs, other_professional, calendar.id)
        with pytest.raises(NotAllowed):
            verb(professional.professional, other_professional, calendar.id)


def test_a_calendar_is_read_again_when_asked_but_not_at_once(professional, calendar, says, frozen):
    says()
    with pytest.raises(Conflict):
        outside_calendars.read_soon(professional.professional, professional, calendar.id)
    assert not outside_calendars.anything_due()
    frozen.shift(timedelta(minutes=1))
    outside_calendars.read_soon(professional.professional, professional, calendar.id)
    assert outside_calendars.anything_due()


# -- Who reads --------------------------------------------------------------------------------


def test_a_calendar_is_in_one_hand_until_the_lease_ends(calendar, frozen):
    assert outside_calendars.claim("first", 9) == [calendar.id]
    assert outside_calendars.claim("second", 9) == []
    frozen.shift(timedelta(minutes=2))
    assert outside_calendars.claim("second", 9) == [calendar.id]
    assert outside_calendars.in_hand(calendar.id, "first") is None
    assert not outside_calendars.replace(calendar.id, "first", [times(*MORNING)])
    assert not outside_calendars.fail(calendar.id, "first", "slow")
    assert rows() == []
    assert outside_calendars.replace(calendar.id, "second", [times(*MORNING)])
    assert not outside_calendars.replace(calendar.id, "second", [])
    assert len(rows()) == 1


def test_a_calendar_is_read_about_every_quarter_of_an_hour(calendar, says, frozen):
    says()
    assert timedelta(minutes=13) < calendar.due_at - clock.now() < timedelta(minutes=17)
    assert outside_calendars.claim("mine", 9) == []
    frozen.shift(timedelta(minutes=17))
    assert outside_calendars.claim("mine", 9) == [calendar.id]


def test_what_fails_is_tried_less_and_less_often_and_keeps_what_was_read(calendar, says, frozen):
    says(times(*MORNING))
    pauses = []
    for _try in range(9):
        frozen.move_to(calendar.due_at)
        assert outside_calendars.claim("mine", 9) == [calendar.id]
        assert outside_calendars.fail(calendar.id, "mine", "slow")
        db.session.refresh(calendar)
        pauses.append((calendar.due_at - clock.now()) / timedelta(minutes=15))
    assert calendar.failures == 9
    assert calendar.error == "slow"
    assert [round(pause / 2**n) for n, pause in enumerate(pauses[:5])] == [1] * 5
    assert pauses[-1] < 53
    assert len(rows()) == 1
    frozen.move_to(calendar.due_at)
    says()
    assert (calendar.failures, calendar.error, rows()) == (0, "", [])


def test_a_clock_that_is_set_back_holds_no_calendar_up(calendar, says, frozen):
    says()
    outside_calendars.claim("mine", 9)
    frozen.shift(timedelta(days=-30))
    assert outside_calendars.claim("other", 9) == [calendar.id]


def test_the_calendars_of_who_is_blocked_are_not_read(professional, calendar, admin):
    users.block(professional, by=admin, reason="Fraud")
    assert not outside_calendars.anything_due()


def test_nothing_is_left_of_who_is_anonymised(professional, calendar, says, admin):
    says(times(*MORNING))
    schedules.add_time_off(professional.professional, professional, *times(14, 15))
    users.anonymise(professional, by=admin, reason="Asked")
    db.session.commit()
    assert db.session.scalar(select(func.count()).select_from(OutsideCalendar)) == 0
    assert rows() == []


def test_an_address_sealed_under_another_key_is_none(calendar, monkeypatch):
    monkeypatch.setattr(sealing, "_cipher", lambda: Fernet(Fernet.generate_key()))
    assert outside_calendars.address_of(calendar) is None


# -- What busy times do -----------------------------------------------------------------------


def offered(professional, starts_at):
    days = availability.free_slots(professional.id, 60, clock.today(), 3)
    return starts_at in {slot.starts_at for day in days for slot in day.slots if not slot.taken}


def test_a_busy_time_is_neither_offered_nor_taken_until_it_is_gone(professional, customer, says):
    start = factories.at(11, days=1)
    wish = {
        "service_id": professional.professional.offerings[0].service_id,
        "professional_id": professional.id,
        "starts_at": start,
        "address_id": customer.addresses[0].id,
    }
    says(times(*MORNING))
    assert not offered(professional, start)
    with pytest.raises(Invalid):
        requests.request(customer, **wish)
    db.session.rollback()
    says()
    assert offered(professional, start)
    assert requests.request(customer, **wish)


def test_who_is_busy_is_passed_over_by_the_search_and_when_anybody_will_do(professional, customer, says):
    service_id, pin = professional.professional.offerings[0].service_id, customer.addresses[0].pin
    start, end = times(11, 12)

    def found():
        slots = availability.next_slots({professional.id: 60})
        able = matching.candidates(service_id, pin, start, end, customer_id=customer.id)
        return slots[professional.id], [one.professional_id for one in able]

    assert found() == (factories.at(10), [professional.id])
    says((clock.now(), factories.at(14, days=1)))
    assert found() == (factories.at(14, days=1), [])


def test_a_booking_that_is_made_stands(professional, customer, says):
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    says(times(*MORNING))
    assert db.session.get(Booking, booking.id).status is Status.ACCEPTED
    ahead = schedules.upcoming(professional.id)
    assert schedules.outside(professional.professional, ahead, schedules.time_off_of(professional.id)) == [booking]


def test_what_did_not_change_is_not_written_again(says):
    says(times(*MORNING), times(14, 15))
    before = db.session.scalars(select(TimeOff.id)).all()
    says(times(14, 15), times(*MORNING))
    assert db.session.scalars(select(TimeOff.id)).all() == before
    says(times(14, 15))
    assert [row[:2] for row in rows()] == [times(14, 15)]


def test_a_busy_time_is_not_taken_for_time_off(professional, says):
    says(times(*MORNING))
    busy = db.session.scalars(select(TimeOff.id)).one()
    with pytest.raises(NotFound):
        schedules.remove_time_off(professional.professional, professional, busy)
    known = schedules.time_off_of(professional.id)
    assert schedules.own(known) == []
    away = schedules.add_time_off(professional.professional, professional, *times(*MORNING))
    assert schedules.own(schedules.time_off_of(professional.id)) == [away]


def test_a_calendar_that_is_removed_keeps_nobody_busy(professional, calendar, says):
    says(times(*MORNING))
    outside_calendars.remove(professional.professional, professional, calendar.id)
    assert rows() == []
    assert outside_calendars.of(professional.professional) == []
    assert offered(professional, factories.at(11, days=1))


def test_a_calendar_that_is_removed_while_it_is_read_stays_removed(professional, calendar):
    outside_calendars.claim("mine", 9)
    outside_calendars.remove(professional.professional, professional, calendar.id)
    db.session.commit()
    assert not outside_calendars.replace(calendar.id, "mine", [times(*MORNING)])
    assert rows() == []
