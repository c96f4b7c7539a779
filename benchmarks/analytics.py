"""The admin's reports of a year with 200,000 bookings, beside the year before it with as many.

    python -m benchmarks.analytics [--quick]

Each page is asked for a whole year through the site's own test client, so what is measured is all of it: its
queries and its template. The figures are medians of rounds: seconds of this process's own time, in which SQLite
works too, so that a busy machine does not count; and seconds of the clock. It says how the database finds the
rows of each query that counts many, prints a table, and exits 1 when a figure misses what is wanted. Its
database stays in .cache/ for the next run.
"""

import argparse
import hashlib
import os
import sqlite3
import statistics
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import flask_migrate
from sqlalchemy import event, func, select

import config
import jobs
from app import create_app
from benchmarks.market import CACHE, settings_for
from domain import clock, places, timetable
from extensions import db
from init_db import load_catalogue
from models import Booking, Role, User

# The range that is looked at and the one before it have so many bookings each.
FULL = {"bookings": 200_000, "rounds": 5}
QUICK = {"bookings": 5_000, "rounds": 3}
REPORTS = ("cancellations", "customers", "most-booked", "places", "searches")
PAGES = ("/admin/summary", "/admin/revenue", *(f"/admin/reports/{name}" for name in REPORTS))
MOST_SECONDS = 1.0
MOST_QUERIES = 8
# A query that takes longer is one that counts many rows.
SLOW = 0.02
SOURCES = ("benchmarks/analytics.py", "models.py", "migrations/versions", "data/pincodes.csv", "data/services.csv")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="fewer bookings and rounds, for CI")
    quick = arguments.parse_args().quick
    size = QUICK if quick else FULL
    app = create_app(settings_for(year(size["bookings"])))
    days, took = sum_up(app)
    print(f"the job summed up the bills of {days} days in {took:.1f} s" if days else "the sums are there", flush=True)
    with app.app_context():
        client, last = admin_of(app), clock.today()
        asked = f"from={last - timedelta(days=364)}&to={last}"
        count = db.session.scalar(
            select(func.count()).where(Booking.created_at >= clock.start_of(last - timedelta(days=364)))
        )
        print(f"{count:,} bookings in the year, and as many in the one before", flush=True)
        figures = {path: measured(client, f"{path}?{asked}", size["rounds"]) for path in PAGES}
        plans = {path: plans_of(client, f"{path}?{asked}") for path in PAGES}
    for path, lines in plans.items():
        print(path, *(f"    {line}" for line in lines), sep="\n")
    missed = report(figures)
    return int(missed and not quick)


def report(figures):
    print(f"{'':<30}{'own s':>8}{'wanted':>10}{'clock s':>10}{'queries':>9}{'wanted':>8}")
    missed = False
    for path, (own, clocked, queries) in figures.items():
        kept = own <= MOST_SECONDS and queries <= MOST_QUERIES
        missed |= not kept
        print(
            f"{path:<30}{own:>8.2f}{'<=':>6}{MOST_SECONDS:>4.2g}{clocked:>10.2f}{queries:>9}{'<=':>6}{MOST_QUERIES:>2}"
            f"{'' if kept else '  missed'}"
        )
    return missed


def sum_up(app):
    """Run the nightly job that keeps the sums of revenue; how many days it summed up, and its seconds."""
    job, began = timetable.find("sum_revenue"), time.process_time()
    with app.app_context():
        period = timetable.find("sum_revenue").schedule.due(clock.now())
    return jobs.run(app, job, period), time.process_time() - began


def admin_of(app):
    """A browser in which the admin is logged in."""
    admin = db.session.scalars(select(User).where(User.role == Role.ADMIN)).first()
    client = app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = admin.name_of_session(), True
    return client


def measured(client, path, rounds):
    """(own seconds, seconds of the clock, queries) of a page: medians of the rounds after one to warm up."""
    own, clocked, queries = [], [], 0
    for number in range(rounds + 1):
        # As a page begins: nobody is known yet.
        db.session.remove()
        with listening() as seen:
            began, began_own = time.perf_counter(), time.process_time()
            answer = client.get(path)
            took, took_own = time.perf_counter() - began, time.process_time() - began_own
        assert answer.status_code == 200, (path, answer.status)
        queries = max(queries, len(seen))
        if number:
            own.append(took_own)
            clocked.append(took)
    return statistics.median(own), statistics.median(clocked), queries


@contextmanager
def listening():
    """The statements within the block: (text, values, seconds)."""
    seen = []

    def before(_connection, _cursor, statement, values, _context, _many):
        seen.append((statement, values, time.perf_counter()))

    def after(*_arguments):
        seen[-1] = (*seen[-1][:2], time.perf_counter() - seen[-1][2])

    event.listen(db.engine, "before_cursor_execute", before)
    event.listen(db.engine, "after_cursor_execute", after)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", before)
        event.remove(db.engine, "after_cursor_execute", after)


def plans_of(client, path):
    """By which indexes the database finds what a page counts."""
    with listening() as seen:
        client.get(path)
    found = []
    with db.engine.connect() as connection:
        for statement, values, seconds in seen:
            # Statements that go past SQLAlchemy are not timed; they are the small ones of every page.
            if seconds > SLOW and statement.startswith(("SELECT", "WITH")):
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                found += [row.detail for row in plan if " USING " in row.detail and "TEMP" not in row.detail]
    return list(dict.fromkeys(found))


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


if __name__ == "__main__":
    sys.exit(main())
