"""A market of any size in a migrated SQLite file, written by bulk inserts and kept in .cache/.

A small market is one city. A big one is the whole country: its professionals are spread over the
cities by population, so the big cities are dense, as they would be. Everything is drawn from one
seed, and the file's name carries a digest of what it was made from.
"""

import csv
import hashlib
import itertools
import os
import random
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import flask_migrate

import config
from app import create_app
from domain import places
from extensions import db

CACHE = config.ROOT / ".cache"
# What most searches of the benchmark ask for: every fourth professional offers it.
SERVICE = "electrician-visit"
SHARE = 0.25
OTHER_SERVICES = 4
CITIES = 300
REACH_KM = 12
FUTURE_SHARE = 0.05
SOURCES = ("benchmarks/market.py", "models.py", "migrations/versions", "data/pincodes.csv", "data/services.csv")


def settings_for(path: Path, **values) -> config.Settings:
    """Settings of a site on this file, whatever the environment says.

    Its timetable rests: on a market of a moment ago it would catch up on a month of letters meanwhile.
    """
    environment = {
        "APP_ENV": "testing",
        "SECRET_KEY": "only for benchmarks: 0123456789abcdef",
        "INSTANCE_DIR": str(path.parent),
        "DATABASE_URL": f"sqlite:///{path}",
        "RATELIMIT_ENABLED": "0",
        "SCHEDULER": "off",
    }
    return replace(config.load(environment), **values)


def market(professionals: int, bookings: int, whole_country: bool) -> Path:
    """The path of a market of this size, made now unless it is there already."""
    key = hashlib.sha256(repr((professionals, bookings, whole_country, datetime.now(UTC).date())).encode())
    for source in SOURCES:
        path = config.ROOT / source
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            key.update(file.read_bytes())
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"market-{professionals}-{key.hexdigest()[:12]}.db"
    if path.exists():
        return path
    for old in CACHE.glob(f"market-{professionals}-*"):
        old.unlink()
    unfinished = path.with_suffix(".part")
    _reference_data(unfinished)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    _fill(connection, random.Random(1), professionals, bookings, whole_country)
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.close()
    os.replace(unfinished, path)
    return path


def _reference_data(path):
    app = create_app(settings_for(path))
    with app.app_context():
        flask_migrate.upgrade()
        places.load_directory()
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")
    now = _stamp(datetime.now(UTC))
    categories = {}
    with open(config.ROOT / "data/services.csv", encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            category = categories.setdefault(row["category"], len(categories) + 1)
            values = (number, category, row["service"], _slug(row["service"]), row["description"])
            prices = (int(row["base_price_inr"]) * 100, int(row["duration_minutes"]), now)
            _insert(
                connection,
                "services",
                "id category_id name slug description base_price duration_minutes created_at",
                [(*values, *prices)],
            )
    _insert(
        connection,
        "categories",
        "id name slug icon position",
        [(number, name, _slug(name), "tools", number) for name, number in categories.items()],
    )
    connection.commit()
    connection.close()


def _fill(connection, draw, professionals, bookings, whole_country):
    now = datetime.now(UTC)
    pins = _pins(connection, whole_country)
    weights = list(itertools.accumulate(population for population, _pins_there in pins))
    services = connection.execute("SELECT id, slug, base_price, duration_minutes FROM services").fetchall()
    common = next(row for row in services if row[1] == SERVICE)
    others = [row for row in services if row is not common]
    customers = max(professionals // 2, 100)
    people, working, offers, hours = [], [], [], []
    for person in range(1, professionals + 1):
        pin, lat, lon = draw.choice(draw.choices(pins, cum_weights=weights)[0][1])
        count = draw.choice((0, 1, 3, 8, 20, 60, 200))
        stars = sum(draw.choices((3, 4, 5), (1, 3, 6), k=count)) if count else 0
        rank = (5 * 4.4 + stars) / (5 + count)
        years, radius = draw.randint(0, 25), draw.choice((5, 10, 15, 25))
        people.append(
            (
                person,
                "professional",
                f"person{person}@example.com",
                f"Person {person}",
                f"person {person}",
                1,
                _stamp(now),
                f"u{person}",
                0,
            )
        )
        working.append(
            (person, "", years, pin, lat, lon, radius, "[]", "approved", _stamp(now), 0, stars, count, rank, 0, 0, 20)
        )
        chosen = draw.sample(others, OTHER_SERVICES) + ([common] if draw.random() < SHARE else [])
        for service in chosen:
            price = draw.choice((None, service[2] + draw.randint(-2, 10) * 1000))
            offers.append(
                (
                    person,
                    service[0],
                    price and max(price, 1000),
                    1,
                    lat,
                    lon,
                    radius,
                    stars / count if count else None,
                    rank,
                    years,
                )
            )
        hours.extend((person, weekday, 9 * 60, 18 * 60) for weekday in draw.sample(range(7), 6))
    for customer in range(professionals + 1, professionals + customers + 1):
        people.append(
            (
                customer,
                "customer",
                f"person{customer}@example.com",
                f"Person {customer}",
                f"person {customer}",
                1,
                _stamp(now),
                f"u{customer}",
                0,
            )
        )
    _insert(connection, "users", "id role email name name_key active created_at fs_uniquifier demo", people)
    _insert(
        connection,
        "professionals",
        "id bio experience_years base_pincode lat lon radius_km languages approval applied_at paused "
        "rating_sum rating_count rank offers_answered offers_accepted speed_kmh",
        working,
    )
    _insert(
        connection,
        "offerings",
        "professional_id service_id own_price listed lat lon radius_km rating rank experience_years",
        offers,
    )
    _insert(connection, "working_hours", "professional_id weekday starts_minute ends_minute", hours)
    _fill_bookings(connection, draw, now, professionals, customers, bookings, common)


def _fill_bookings(connection, draw, now, professionals, customers, bookings, service):
    """Most are over; one in twenty is in the next days and claims its quarter-hours."""
    rows, claims, taken = [], [], set()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(1, bookings + 1):
        person, customer = draw.randint(1, professionals), professionals + draw.randint(1, customers)
        future = draw.random() < FUTURE_SHARE
        day = draw.randint(0, 13) if future else -draw.randint(1, 700)
        start = midnight + timedelta(days=day, hours=4, minutes=30 * draw.randint(0, 14))
        first = int(start.timestamp()) // 900
        status = "accepted" if future and (person, first) not in taken else "closed"
        if status == "accepted":
            taken.add((person, first))
            if (person, first - 1) not in taken:
                claims.append((person, first, number))
        rows.append(
            (
                number,
                customer,
                person,
                service[0],
                status,
                _stamp(start),
                _stamp(start + timedelta(minutes=15)),
                "1, Main Road",
                "560001",
                "",
                "INR",
                service[2],
                service[2],
                service[2],
                _stamp(start),
                _stamp(start),
                "salt",
                0,
                0,
                0,
            )
        )
    _insert(
        connection,
        "bookings",
        "id customer_id professional_id service_id status starts_at ends_at address_line pincode remarks "
        "currency subtotal total paid respond_by created_at code_salt code_tries cascade moves",
        rows,
    )
    _insert(connection, "slot_claims", "professional_id bucket booking_id", claims)


def _pins(connection, whole_country):
    """[(population, [(pin, lat, lon), ...]), ...] of the cities of the market."""
    cities = connection.execute(
        "SELECT population, lat, lon FROM cities ORDER BY population DESC LIMIT ?", (CITIES,)
    ).fetchall()
    if not whole_country:
        cities = [city for city in cities if places.distance_km(city[1], city[2], 12.9719, 77.5937) < 1]
    pins = connection.execute("SELECT pincode, lat, lon FROM pin_codes").fetchall()
    found = []
    for population, lat, lon in cities:
        near = [pin for pin in pins if abs(pin[1] - lat) < 0.2 and places.distance_km(lat, lon, *pin[1:]) < REACH_KM]
        if near:
            found.append((population, near))
    return found


def _insert(connection, table, columns, rows):
    names = columns.split()
    connection.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)


def _stamp(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _slug(name):
    return "-".join("".join(c.lower() if c.isalnum() else " " for c in name).split())
