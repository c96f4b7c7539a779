"""The admin's reports of a year with 200,000 bookings, beside the year before it.

    python -m benchmarks.analytics [--quick]

Each page is asked for a whole year in this process, through the site's own test client: what is measured
is all that a page takes, its queries and its template. It prints the median of the rounds and the number
of queries, and how the database finds the rows of the widest ones; it exits 1 when a figure misses what is
wanted. Its database stays in .cache/ for the next run.
"""

import argparse
import hashlib
import os
import sqlite3
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import flask_migrate
from sqlalchemy import event, select

import config
from app import create_app
from benchmarks.market import CACHE, settings_for
from domain import clock, places
from extensions import db
from init_db import load_catalogue
from models import Role, User

# The period that is looked at and the one before it have so many bookings each.
FULL = {"bookings": 200_000, "rounds": 5}
QUICK = {"bookings": 20_000, "rounds": 3}
MOST_SECONDS = 1.0
MOST_QUERIES = 8
SOURCES = ("benchmarks/analytics.py", "models.py", "migrations/versions", "data/pincodes.csv", "data/services.csv")


def year(bookings):
    """The path of a database with two years of so many bookings each, made now unless it is there already."""
    key = hashlib.sha256(repr((bookings, datetime.now(UTC).date())).encode())
    for source in SOURCES:
        path = config.ROOT / source
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            key.update(file.read_bytes())
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"year-{bookings}-{key.hexdigest()[:12]}.db"
    if path.exists():
        return path
    for old in CACHE.glob(f"year-{bookings}-*"):
        old.unlink()
    unfinished = path.with_suffix(".part")
    unfinished.unlink(missing_ok=True)
    app = create_app(settings_for(unfinished))
    with app.app_context():
        flask_migrate.upgrade()
        places.load_directory()
        load_catalogue()
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    fill(unfinished, bookings)
    os.replace(unfinished, path)
    return path


def fill(path, bookings):
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("mixed", 2, mixed, deterministic=True)
    connection.execute("BEGIN")
    values = {
        "now": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}",
        "first": int((datetime.now(UTC) - timedelta(days=730)).timestamp()),
        "gap": 730 * 86_400 / (2 * bookings),
        "bookings": 2 * bookings,
        "people": max(bookings // 50, 50),
        "customers": max(bookings // 4, 50),
    }
    for statement in SEED.strip().split(";\n"):
        connection.execute(statement, values)
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def mixed(number, most):
    """A number below another one that looks drawn by lot: small ones come oftener, as in a market."""
    drawn = number * 2_654_435_761 % 4_294_967_296 / 4_294_967_296
    return int(drawn * drawn * most)


def moment(after):
    """A moment so many seconds after the booking was asked for."""
    return f"strftime('%Y-%m-%d %H:%M:%S', :first + i * :gap + {after}, 'unixepoch') || '.000000'"


def numbers(most):
    return f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})"


SEED = f"""
CREATE TEMP TABLE pins AS SELECT row_number() OVER (ORDER BY abs(lat - 12.97) + abs(lon - 77.59)) - 1 AS k, *
FROM pin_codes;
CREATE INDEX temp.ix_pins ON pins (k);
INSERT INTO users (id, role, email, name, name_key, demo, active, created_at, fs_uniquifier)
{numbers(":people + :customers + 1")}
SELECT i, CASE WHEN i <= :people THEN 'professional' WHEN i <= :people + :customers THEN 'customer' ELSE 'admin' END,
 'person' || i || '@example.com', 'Person Number ' || i, 'person number ' || i, 0, 1, :now, 'u' || i FROM n;
INSERT INTO professionals (id, bio, experience_years, base_pincode, lat, lon, radius_km, languages, approval,
 applied_at, paused, rating_sum, rating_count, rank, offers_answered, offers_accepted, speed_kmh)
{numbers(":people")}
SELECT i, '', 5, pincode, lat, lon, 10, '[]', 'approved', :now, 0, 0, 0, 4.0, 0, 0, 20
FROM n JOIN pins ON k = mixed(i, 2000);
INSERT INTO bookings (id, customer_id, professional_id, service_id, status, starts_at, ends_at, address_line, pincode,
 remarks, currency, subtotal, total, paid, respond_by, created_at, accepted_at, completed_at, closed_at, code_salt,
 code_tries, cascade, moves)
{numbers(":bookings")}
SELECT i, :people + 1 + mixed(i * 31, :customers), 1 + mixed(i * 17, :people), 1 + mixed(i * 13, 50),
 CASE WHEN i % 100 < 66 THEN 'closed' WHEN i % 100 < 68 THEN 'completed' WHEN i % 100 < 82 THEN 'cancelled'
  WHEN i % 100 < 90 THEN 'rejected' WHEN i % 100 < 97 THEN 'expired' ELSE 'no_show' END,
 {moment("86400")}, {moment("90000")}, '12, 3rd Cross', pincode, 'The tap in the kitchen drips', 'INR',
 34900, 42952, 0, {moment("7200")}, {moment("0")},
 CASE WHEN i % 100 < 80 OR i % 100 >= 97 THEN {moment("mixed(i * 7, 7200)")} END,
 CASE WHEN i % 100 < 68 THEN {moment("90000")} END, CASE WHEN i % 100 < 66 THEN {moment("95000")} END,
 '0123456789abcdef0123456789abcdef', 0, 0, 0
FROM n JOIN pins ON k = mixed(i * 11, 2000);
INSERT INTO booking_events (booking_id, verb, from_status, to_status, actor_id, at, reason)
SELECT id, 'request', NULL, 'pending', customer_id, created_at, '' FROM bookings
UNION ALL SELECT id, 'accept', 'pending', 'accepted', professional_id, accepted_at, '' FROM bookings
 WHERE accepted_at IS NOT NULL
UNION ALL SELECT id, 'start', 'accepted', 'in_progress', professional_id, starts_at, '' FROM bookings
 WHERE completed_at IS NOT NULL
UNION ALL SELECT id, 'complete', 'in_progress', 'completed', professional_id, completed_at, '' FROM bookings
 WHERE completed_at IS NOT NULL
UNION ALL SELECT id, 'close', 'completed', 'closed', customer_id, closed_at, '' FROM bookings
 WHERE closed_at IS NOT NULL
UNION ALL SELECT id, 'cancel', 'accepted', 'cancelled', CASE WHEN id % 3 THEN customer_id ELSE professional_id END,
 starts_at, '' FROM bookings WHERE status = 'cancelled';
INSERT INTO ledger_entries (id, key, kind, booking_id, at)
SELECT id, 'bill:' || id || ':1', 'bill', id, completed_at FROM bookings WHERE completed_at IS NOT NULL;
INSERT INTO ledger_lines (entry_id, position, account, amount)
SELECT id, 1, 'customer:' || customer_id, total FROM bookings WHERE completed_at IS NOT NULL
UNION ALL SELECT id, 2, 'professional:' || professional_id, -31000 FROM bookings WHERE completed_at IS NOT NULL
UNION ALL SELECT id, 3, 'platform', -5400 FROM bookings WHERE completed_at IS NOT NULL
UNION ALL SELECT id, 4, 'tax', -6552 FROM bookings WHERE completed_at IS NOT NULL;
INSERT INTO reviews (booking_id, customer_id, professional_id, rating, comment, created_at)
SELECT id, customer_id, professional_id, 1 + id % 5, 'On time and thorough, would book again.', closed_at
FROM bookings WHERE id % 2 = 0 AND closed_at IS NOT NULL
"""
