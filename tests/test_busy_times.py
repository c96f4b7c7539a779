"""What in somebody's calendar keeps them busy: events as programs write them, and calendars made to do harm."""

import time
from datetime import UTC, datetime

import pytest

import busy_times
from busy_times import Unreadable

FIRST, LAST = datetime(2026, 11, 21, 18, 30, tzinfo=UTC), datetime(2026, 12, 24, 18, 30, tzinfo=UTC)
ABOUT = ("Asia/Kolkata", "doorstep.example", "dev@example.com")
MEETING = "DTSTART:20261124T100000Z\nDTEND:20261124T110000Z\n"
LONDON = """BEGIN:VTIMEZONE
TZID:Custom London
BEGIN:DAYLIGHT
DTSTART:19810329T010000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0000
TZOFFSETTO:+0100
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T020000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0100
TZOFFSETTO:+0000
END:STANDARD
END:VTIMEZONE
"""


def calendar(*events, more=""):
    """A calendar with these events, which get a UID where they have none."""
    lines = ["BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//else//where//EN\n", more]
    for number, event in enumerate(events):
        uid = "" if "UID:" in event else f"UID:{number}@elsewhere\n"
        lines.append(f"BEGIN:VEVENT\n{uid}DTSTAMP:20261101T000000Z\n{event}END:VEVENT\n")
    return "".join([*lines, "END:VCALENDAR\n"]).replace("\n", "\r\n").encode()


def found(*events, first=FIRST, last=LAST, zone=ABOUT[0], more=""):
    """The busy times as text in UTC, without the year."""
    times = busy_times.find(calendar(*events, more=more), first, last, zone, *ABOUT[1:])
    return [f"{start:%m-%d %H:%M}/{end:%m-%d %H:%M}" for start, end in times]


@pytest.mark.parametrize(
    ("event", "times"),
    [
        (MEETING, ["11-24 10:00/11-24 11:00"]),
        ("DTSTART:20261124T100000Z\nDURATION:PT90M\n", ["11-24 10:00/11-24 11:30"]),
        ("DTSTART;TZID=America/New_York:20261124T100000\nDURATION:PT1H\n", ["11-24 15:00/11-24 16:00"]),
        ("DTSTART;TZID=India Standard Time:20261124T100000\nDURATION:PT1H\n", ["11-24 04:30/11-24 05:30"]),
        # In no zone, in one that nobody knows, and whole days: as the site's clock has them.
        ("DTSTART:20261124T100000\nDURATION:PT1H\n", ["11-24 04:30/11-24 05:30"]),
        ("DTSTART;TZID=No/Where:20261124T100000\nDURATION:PT1H\n", ["11-24 04:30/11-24 05:30"]),
        ("DTSTART;VALUE=DATE:20261124\n", ["11-23 18:30/11-24 18:30"]),
        ("DTSTART;VALUE=DATE:20261124\nDTEND;VALUE=DATE:20261127\n", ["11-23 18:30/11-26 18:30"]),
        # What begins before and ends after is cut.
        ("DTSTART;VALUE=DATE:20260101\nDTEND;VALUE=DATE:20270101\n", ["11-21 18:30/12-24 18:30"]),
        ("DTSTART:20261124T100000Z\n", []),
        ("DTSTART:20261121T100000Z\nDURATION:PT1H\n", []),
        ("DTSTART:20270124T100000Z\nDURATION:PT1H\n", []),
        (f"{MEETING}TRANSP:TRANSPARENT\n", []),
        (f"{MEETING}STATUS:CANCELLED\n", []),
        (f"{MEETING}STATUS:TENTATIVE\nTRANSP:OPAQUE\n", ["11-24 10:00/11-24 11:00"]),
        (f"{MEETING}ATTENDEE;PARTSTAT=DECLINED:mailto:Dev@example.com\nATTENDEE:mailto:x@example.com\n", []),
        (f"{MEETING}ATTENDEE;PARTSTAT=DECLINED:mailto:x@example.com\n", ["11-24 10:00/11-24 11:00"]),
        (f"UID:booking-12@doorstep.example\n{MEETING}", []),
        (f"UID:booking-12@doorstep.example.evil\n{MEETING}", ["11-24 10:00/11-24 11:00"]),
    ],
)
def test_an_event_keeps_its_owner_busy(event, times):
    assert found(event) == times


def test_a_weekly_event_keeps_its_wall_time_over_the_change_of_clocks():
    rule = "DTSTART;TZID={}:20261012T100000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=4\n"
    window = {"first": datetime(2026, 10, 1, tzinfo=UTC), "last": datetime(2026, 11, 30, tzinfo=UTC)}
    in_summer, in_winter = ["10-12 09:00/10-12 10:00", "10-19 09:00/10-19 10:00"], ["10-26 10:00/10-26 11:00"]
    assert found(rule.format("Europe/London"), **window)[:3] == in_summer + in_winter
    assert found(rule.format("Custom London"), more=LONDON, **window)[:3] == in_summer + in_winter
    in_new_york = found(rule.format("America/New_York"), **window)
    assert in_new_york[2:] == ["10-26 14:00/10-26 15:00", "11-02 15:00/11-02 16:00"]


def test_a_whole_day_is_as_long_as_the_site_has_it():
    window = {"first": datetime(2026, 10, 1, tzinfo=UTC), "last": datetime(2026, 11, 30, tzinfo=UTC)}
    times = found("DTSTART;VALUE=DATE:20261025\n", zone="Europe/London", **window)
    assert times == ["10-24 23:00/10-26 00:00"]


def test_what_was_taken_out_of_a_series_or_moved_counts_as_it_is():
    series = "UID:s\nDTSTART:20261124T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE:20261125T100000Z\n"
    moved = "UID:s\nRECURRENCE-ID:20261126T100000Z\nDTSTART:20261126T150000Z\nDURATION:PT2H\n"
    dropped = "UID:s\nRECURRENCE-ID:20261127T100000Z\nDTSTART:20261127T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED\n"
    assert found(series, moved, dropped) == ["11-24 10:00/11-24 11:00", "11-26 15:00/11-26 17:00"]


def test_a_series_without_an_end_counts_as_far_as_one_can_book():
    assert len(found("DTSTART:20200101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\n")) == 33


def test_times_that_touch_or_overlap_are_one():
    assert found(
        "DTSTART:20261124T100000Z\nDURATION:PT1H\n",
        "DTSTART:20261124T103000Z\nDURATION:PT10M\n",
        "DTSTART:20261124T110000Z\nDURATION:PT1H\n",
        "DTSTART:20261124T121500Z\nDURATION:PT1H\n",
    ) == ["11-24 10:00/11-24 12:00", "11-24 12:15/11-24 13:15"]


def test_a_broken_event_keeps_nobody_from_reading_the_others():
    assert found("DTSTART:20261124T100000Z\nDURATION:PT1H\nRRULE:FREQ=NEVER\n", MEETING) == ["11-24 10:00/11-24 11:00"]


# -- In a process of its own ------------------------------------------------------------------

pytestmark = pytest.mark.timeout(90)


def read(content):
    return busy_times.read(content, FIRST, LAST, *ABOUT)


def test_a_calendar_is_read_in_a_process_that_knows_no_secrets(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "not for calendars")
    asked = []
    run = busy_times.subprocess.run
    monkeypatch.setattr(busy_times.subprocess, "run", lambda *a, **more: asked.append(more["env"]) or run(*a, **more))
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    start, end = datetime(2026, 11, 24, 10, tzinfo=UTC), datetime(2026, 11, 24, 11, tzinfo=UTC)
    assert read(calendar(MEETING)) == [(start, end)]
    assert asked == [{}]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "not_a_calendar"),
        (b"<html><body>Log in</body></html>", "not_a_calendar"),
        (b"\xff\xfe" * 1000, "not_a_calendar"),
        (b"BEGIN:VCALENDAR\r\n" * 20_000, "not_a_calendar"),
        (b"BEGIN:VEVENT\r\nEND:VEVENT\r\n", "not_a_calendar"),
        (calendar(*[f"DTSTART:20261124T{n // 60:02}{n % 60:02}00Z\nDURATION:PT1S\n" for n in range(1001)]), "too_many"),
        pytest.param(
            calendar("DTSTART:20200101T000000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY\n"),
            "too_slow",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["nothing", "a page", "no text", "nested", "no calendar", "too many", "every second for ever"],
)
@pytest.mark.realtime
def test_what_cannot_be_read_ends_soon_and_says_why(content, kind):
    began = time.monotonic()
    with pytest.raises(Unreadable) as refusal:
        read(content)
    assert refusal.value.kind == kind
    assert time.monotonic() - began < busy_times.SECONDS * 4 + 5


def test_a_calendar_with_nothing_in_it_keeps_nobody_busy():
    assert read(calendar()) == []
