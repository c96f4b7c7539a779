"""What keeping parts of pages gains: a page's CPU time with each made anew, kept in memory, and kept in Redis.

    python -m benchmarks.cache [--quick]

One site in this process, asked by its test client; the ways take turns and the figures are medians. Redis is a
process of its own, whose time is not counted, but what talking to it costs here is. It prints tables and exits 1
when keeping in memory gains nothing.
"""

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import caching
from app import create_app
from benchmarks.market import market, settings_for
from domain import catalogue, editions, places, recommendations, reviews, search, tastes
from extensions import cache, db
from tests.redises import Redis

FULL, QUICK = 100, 20
TODAY = datetime.now(UTC).date()
PIN, PERSON, REVIEWS, HOUSEHOLDS = "560001", 1, 20, 9
PAGES = {
    "home": "/",
    "home, near a PIN code": f"/?where={PIN}",
    "all services": "/services",
    "a professional with 20 reviews": f"/professionals/{PERSON}?near={PIN}",
}
MEMORY, REDIS, ANEW = "in memory", "in Redis", "anew"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    rounds = QUICK if arguments.parse_args().quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        path = filled(Path(folder))
        app, redis = create_app(settings_for(path)), Redis(Path(folder))
        try:
            ways = Ways(app, redis.url)
            client = app.test_client()
            report("page", rounds, ways, {name: asking(client, page) for name, page in PAGES.items()})
            missed = report("part", rounds, ways, parts(app))
            left_out(app, rounds, ways)
            asked_again(client, rounds)
        finally:
            redis.stop()
    return int(missed)


class Ways:
    """Where the parts are kept, one after the other."""

    def __init__(self, app, redis_url):
        self._kept, self._made = app.extensions["cache"], caching.text
        self._backends = {}
        for way, url in ((MEMORY, ""), (REDIS, redis_url)):
            cache.init_app(app, caching._configuration(replace(app.config["SETTINGS"], redis_url=url)))
            self._backends[way] = self._kept[cache]

    @contextmanager
    def __call__(self, way):
        if way == ANEW:
            caching.text = lambda part, load, *_key: caching.made(part, load)
        else:
            self._kept[cache] = self._backends[way]
        try:
            yield
        finally:
            caching.text = self._made


def report(kind, rounds, ways, works):
    """Print what each work takes in each way; answer whether one gains nothing in memory."""
    missed = False
    print(f"\n{'CPU of a ' + kind + ', in microseconds':<42}{ANEW:>9}{MEMORY:>12}{REDIS:>11}{'gain in memory':>17}")
    for name, work in works.items():
        taken = {way: [] for way in (ANEW, MEMORY, REDIS)}
        for number in range(rounds + 2):
            for way, times in taken.items():
                with ways(way):
                    start = time.process_time()
                    work()
                    if number > 1:
                        times.append(time.process_time() - start)
        anew, memory, redis = (statistics.median(times) * 1e6 for times in taken.values())
        missed |= memory >= anew
        print(f"{name:<42}{anew:>9.0f}{memory:>12.0f}{redis:>11.0f}{anew - memory:>17.0f}")
    return missed


def asked_again(client, rounds):
    """Print what a page costs that the browser has already, compression included."""
    print(f"\n{'CPU of a page that is asked for again':<42}{'whole':>9}{'the same':>12}")
    for name, path in PAGES.items():
        tag = client.get(path).headers["ETag"]
        taken = {"": [], tag: []}
        for _round in range(rounds):
            for known, times in taken.items():
                start = time.process_time()
                answer = client.get(path, headers={"Accept-Encoding": "br", "If-None-Match": known})
                times.append(time.process_time() - start)
                assert answer.status_code == (304 if known else 200), name
        whole, same = (statistics.median(times) * 1e6 for times in taken.values())
        print(f"{name:<42}{whole:>9.0f}{same:>12.0f}")


def left_out(app, rounds, ways):
    """Print what is read each time, beside what finding it in the cache would cost."""
    print(f"\n{'CPU of what is not kept, in microseconds':<42}{'read':>9}{MEMORY:>12}{REDIS:>11}")
    reads = {"a PIN code": lambda: places.resolve(PIN), "the rows of the catalogue": catalogue.services}
    found = {way: lambda: (editions.current([editions.CATALOGUE]), cache.get("known")) for way in (MEMORY, REDIS)}
    for name, read in reads.items():
        figures = []
        for way, work in {ANEW: read, **found}.items():
            with ways(way), app.app_context():
                cache.set("known", "Bengaluru GPO")
                figures.append(statistics.median(timed(work) for _round in range(rounds)) * 1e6)
        print(f"{name:<42}{figures[0]:>9.0f}{figures[1]:>12.0f}{figures[2]:>11.0f}")


def timed(work):
    with db.session():
        start = time.process_time()
        work()
        taken = time.process_time() - start
    db.session.remove()
    return taken


def asking(client, path):
    def ask():
        assert client.get(path).status_code == 200, path

    return ask


def parts(app):
    """Each part alone, in a request of its own."""
    with app.app_context():
        place = places.resolve(PIN)
    wanted = {
        "the list of all services": (caching.SERVICES, lambda: {"categories": catalogue.categories()}),
        "the tiles of the home page": (caching.CATEGORIES, lambda: {"categories": catalogue.categories()}),
        "what a place books": (
            caching.POPULAR,
            lambda: {"found": recommendations.suggestions(None, place)},
            place,
            TODAY,
        ),
        "how many come to a place": (caching.NEARBY, lambda: near(place), place),
        "a page of reviews": (caching.REVIEWS, some_reviews, PERSON),
    }

    def making(part, load, *key):
        def make():
            with app.test_request_context("/"):
                assert caching.text(part, load, *key)

        return make

    return {name: making(*of) for name, of in wanted.items()}


def near(place):
    return {"place": place, "radius": 10, "number": search.count_near(place, 10), "most": search.MOST_COUNTED}


def some_reviews():
    return {"reviews": reviews.of_professional(PERSON), "name": "Person", "own": "/", "following": False}


def filled(folder):
    """A copy of a small market in which one professional has reviews, and the place books much."""
    path = folder / "market.db"
    shutil.copy(market(1_000, 2_500, whole_country=False), path)
    season = tastes.season_of(TODAY + tastes.AHEAD)
    with sqlite3.connect(path) as file:
        state, district = file.execute("SELECT state, district FROM pin_codes WHERE pincode = ?", (PIN,)).fetchone()
        file.execute(
            "UPDATE bookings SET professional_id = ? WHERE id IN"
            " (SELECT id FROM bookings WHERE status = 'closed' LIMIT ?)",
            (PERSON, REVIEWS),
        )
        file.execute(
            "INSERT INTO reviews (booking_id, customer_id, professional_id, rating, comment, created_at, reply)"
            " SELECT id, customer_id, professional_id, 5, 'On time, thorough, and left the place clean.', created_at,"
            " 'Thank you, it was a pleasure.' FROM bookings WHERE professional_id = ? AND status = 'closed' LIMIT ?",
            (PERSON, REVIEWS),
        )
        for where in (("", ""), (state, district)):
            file.execute(
                "INSERT INTO area_services (state, district, season, service_id, households)"
                " SELECT ?, ?, ?, id, ? + id FROM services",
                (*where, season, HOUSEHOLDS),
            )
        file.execute(
            "INSERT INTO area_professionals (state, district, service_id, professional_id, households)"
            " SELECT ?, ?, service_id, professional_id, ? FROM offerings WHERE professional_id <= 30",
            (state, district, HOUSEHOLDS),
        )
    return path


if __name__ == "__main__":
    sys.exit(main())
