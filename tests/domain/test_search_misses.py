"""What is counted of searches in vain, what is not kept of them, and when they are forgotten."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from domain import clock, search, search_misses
from domain.analytics import Beside
from domain.reports import Period
from extensions import db
from models_analytics import SearchMiss
from tests import factories

TODAY = date(2026, 11, 23)
WEEK = Period(date(2026, 11, 17), TODAY)


def look(client, times=1, **args):
    """A search and its end, as a server would have it."""
    for _time in range(times):
        answer = client.get("/search", query_string=args)
        answer.close()
    db.session.rollback()
    return answer


def kept():
    rows = db.session.scalars(select(SearchMiss).order_by(SearchMiss.kind, SearchMiss.words, SearchMiss.number))
    return [(row.kind, row.words, row.district, row.number) for row in rows]


def test_words_that_mean_no_service_are_counted_by_district_and_day(client):
    look(client, 2, q="Spaceship  VOYAGE!", near="560001")
    look(client, q="spaceship voyage")
    assert kept() == [
        ("unknown", "spaceship voyage", "", 1),
        ("unknown", "spaceship voyage", "Bengaluru Urban", 2),
    ]


def test_a_service_that_nobody_does_there_is_counted(client):
    service = factories.service("Kettle repair", base_price=20_000)
    db.session.commit()
    look(client, q="kettle repair", near="400001")
    look(client, service=service.slug, near="400001")
    assert kept() == [("nobody", "kettle repair", "Mumbai", 2)]


def test_what_is_found_or_filtered_away_or_wrong_is_not_counted(client, professional):
    service = professional.professional.offerings[0].service
    found = {"service": service.slug, "near": factories.CITY_PIN}
    for args in (
        found,
        {**found, "rating": "5"},
        {**found, "price": "1"},
        {"service": service.slug},
        {"q": "spaceship", "near": "nowhere at all"},
        {"q": "spaceship", "rating": "4"},
        {"service": "no-such-slug"},
        {"q": "9876543210"},
        {},
    ):
        look(client, **args)
    assert kept() == []


def test_a_search_asks_as_much_as_before_and_writes_nothing_before_its_answer(client, count_queries):
    with count_queries() as seen:
        answer = client.get("/search?q=spaceship&near=560001")
    assert kept() == []
    answer.close()
    db.session.rollback()
    assert len(kept()) == 1
    with count_queries() as found:
        client.get("/search?q=cleaning&near=560001")
    assert seen.count <= found.count


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("  AC gas-refill! ", "ac gas-refill"),
        ("call 9876543210 or asha@example.com", "call or"),
        ("https://evil.example/x www.evil.example sofa", "sofa"),
        ("one two three four five six", "one two three four"),
        ("बाथरूम की सफाई", "बाथरूम की सफाई"),
        ("\u202e</script>\x00", "script"),
        ("12345", ""),
        ("x" * 100, "x" * 60),
    ],
)
def test_of_words_only_words_are_kept(typed, words):
    assert search_misses.plain(typed) == words


def test_rare_words_are_counted_and_not_shown(client, frozen):
    look(client, 3, q="submarine", near="560001")
    frozen.shift(timedelta(days=7))
    look(client, 4, q="submarine", near="560001")
    look(client, 1, q="submarine", near="400001")
    look(client, 2, q="my secret name")
    asked = Period(TODAY + timedelta(1), TODAY + timedelta(7))
    assert search_misses.top(asked) == [("unknown", "submarine", Beside(5, 3), "Bengaluru Urban")]
    assert search_misses.totals(asked) == {"unknown": Beside(7, 3), "nobody": Beside()}


def test_a_machine_that_tries_words_fills_no_table(client, monkeypatch):
    monkeypatch.setattr(search_misses, "MOST_A_DAY", 2)
    for word in ("submarine", "spaceship", "zeppelin", "spaceship"):
        look(client, q=word)
    assert kept() == [("unknown", "spaceship", "", 2), ("unknown", "submarine", "", 1)]


def test_old_searches_are_forgotten_day_by_day(app):
    days = [TODAY - timedelta(days=760) - timedelta(days=n) for n in (0, 1, 2)]
    for day in days:
        db.session.add(SearchMiss(day=day, kind="unknown", words="yacht", district="", number=1))
    db.session.commit()
    steps, cursor = [], 0
    while cursor is not None:
        count, cursor = search_misses.forget_old(TODAY.isoformat(), cursor)
        steps.append(count)
    assert steps == [1, 1, 0]
    assert db.session.scalars(select(SearchMiss.day)).all() == days[:1]


def test_the_day_is_that_of_the_site(client, frozen):
    frozen.move_to("2026-11-22T18:29:00+00:00")
    look(client, q="submarine")
    frozen.move_to("2026-11-22T18:31:00+00:00")
    look(client, q="submarine")
    assert db.session.scalars(select(SearchMiss.day).order_by(SearchMiss.day)).all() == [date(2026, 11, 22), TODAY]
    assert clock.today() == TODAY
    assert search.find(search.read({"q": "submarine"})).service is None
