"""A market with a past, for a day under load: every booking has its story, its bill and its claims.

The people are those of benchmarks/market.py. What is added holds by all rules of tests/invariants.py, so that
these can be asked again afterwards. It is kept in .cache/, and each run works on a copy.
"""

import hashlib
import os
import shutil
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

from flask_security import hash_password

from app import create_app
from benchmarks.market import CACHE, settings_for
from domain import calendars, clock, ratings, timetable
from extensions import db
from models import JobRun, RunStatus
from policies import BookingPolicy

PASSWORD = "load-and-more-load"
# Of 100 bookings that are over, so many were closed, cancelled and rejected; the others expired.
CLOSED, CANCELLED, REJECTED = 75, 12, 7
# The quarter-hours that stay free after each job.
BUFFER = -(-BookingPolicy().buffer_minutes // calendars.BUCKET_MINUTES)
DAYS_PAST, MINUTES_PAST_MIDNIGHT = 700, 270
TERM = "2000-01"


def town(people: Path, professionals: int, bookings: int) -> Path:
    """The path of a database of this size on a market's people, made now unless it is there already."""
    key = hashlib.sha256(people.name.encode() + repr(bookings).encode() + Path(__file__).read_bytes())
    path = CACHE / f"town-{professionals}-{key.hexdigest()[:12]}.db"
    if path.exists():
        return path
    for old in CACHE.glob(f"town-{professionals}-*"):
        old.unlink()
    unfinished = path.with_suffix(".part")
    shutil.copyfile(people, unfinished)
    app = create_app(settings_for(unfinished))
    with app.app_context():
        _fill(unfinished, _numbers(professionals, bookings) | {"password": hash_password(PASSWORD)})
        ratings.recompute()
        _say_what_was_done()
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    os.replace(unfinished, path)
    return path


def add_jobs_of_now(path: Path, professionals: int) -> list[tuple[int, int, int]]:
    """Agreed jobs that begin just now, so that the verbs at the door have something to be about:
    (booking, customer, professional) of each. They are those of professionals with nothing else to come."""
    connection = _opened(path)
    first = connection.execute("SELECT max(id) FROM bookings").fetchone()[0]
    values = _numbers(professionals, 0) | {
        "jobs": professionals // 8,
        "first": first,
        "idle": professionals // 4,
    }
    _run(connection, VISITS, values)
    _run(connection, JOBS_OF_NOW + BOOKINGS, values)
    found = "SELECT id, customer_id, professional_id FROM bookings WHERE id > ? ORDER BY id"
    jobs = connection.execute(found, (first,)).fetchall()
    connection.close()
    return jobs


def customers(path: Path, professionals: int) -> list[tuple[int, str, str]]:
    """(id, PIN code, service) of each: where they live, and what they can find there."""
    connection = _opened(path)
    found = """
    SELECT a.customer_id, a.pincode, min(s.slug) FROM addresses a
    JOIN offerings o ON o.professional_id = a.customer_id - ? JOIN services s ON s.id = o.service_id GROUP BY 1, 2"""
    rows = connection.execute(found, (professionals,)).fetchall()
    connection.close()
    return rows


def _numbers(professionals, bookings):
    return {
        "people": professionals,
        "customers": max(professionals // 2, 100),
        "future": professionals,
        "past": max(bookings - professionals, 0),
        "busy": professionals // 4,
        "midnight": int(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()),
        "now": int(time.time()),
        "buffer": BUFFER,
    }


def _say_what_was_done():
    """On a site that has been there for two years last night's jobs and last month's letters are done."""
    now = clock.now()
    for job in timetable.TIMETABLE:
        if not job.endless:
            done = {"status": RunStatus.DONE, "runs": 1, "started_at": now, "finished_at": now}
            db.session.add(JobRun(job=job.name, period=job.schedule.due(now), **done))


def _fill(path, values):
    connection = _opened(path)
    connection.create_function("mixed", 2, _mixed, deterministic=True)
    _run(connection, PEOPLE, values)
    _run(connection, VISITS, values)
    _run(connection, PAST_AND_FUTURE + BOOKINGS + OVER, values)
    connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _opened(path):
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=DELETE", "synchronous=OFF", "cache_size=-200000", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _run(connection, statements, values):
    connection.execute("BEGIN")
    for statement in statements.strip().split(";\n"):
        connection.execute(statement, values)
    connection.execute("COMMIT")


def _mixed(number, most):
    """A number below another one that looks drawn by lot: small ones come oftener, as in a market."""
    drawn = number * 2_654_435_761 % 4_294_967_296 / 4_294_967_296
    return int(drawn * drawn * most)


def _moment(seconds):
    return f"strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch') || '.000000'"


def _numbered(most):
    return f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})"


PEOPLE = f"""
DELETE FROM slot_claims;
DELETE FROM bookings;
UPDATE users SET password = :password;
INSERT INTO users (role, email, name, name_key, demo, active, created_at, fs_uniquifier, password)
VALUES ('admin', 'admin@example.com', 'Admin', 'admin', 0, 1, {_moment(":now")}, 'admin', :password);
INSERT INTO addresses (customer_id, label, line, pincode, created_at)
SELECT u.id, 'Home', u.id || ', Main Road', p.base_pincode, u.created_at
FROM users u JOIN professionals p ON p.id = u.id - :people WHERE u.role = 'customer'
"""
# What each professional is asked for: the first of their services, where they live.
VISITS = """
CREATE TEMP TABLE work AS
SELECT o.professional_id AS id, o.service_id, coalesce(o.own_price, s.base_price) AS price,
 s.duration_minutes AS minutes, s.name, p.base_pincode AS pincode
FROM (SELECT professional_id, min(service_id) AS service_id FROM offerings GROUP BY 1) f
JOIN offerings o ON o.professional_id = f.professional_id AND o.service_id = f.service_id
JOIN services s ON s.id = o.service_id JOIN professionals p ON p.id = o.professional_id;
CREATE UNIQUE INDEX temp.ix_work ON work (id);
CREATE TEMP TABLE visits (id INTEGER PRIMARY KEY, professional_id, customer_id, status, starts, asked)
"""
# A quarter of the professionals have four days with a job to come each, and no customer two jobs at once.
PAST_AND_FUTURE = f"""
INSERT INTO visits
{_numbered(":past")}
SELECT i, 1 + mixed(i * 17, :people), :people + 1 + i * 31 % :customers,
 CASE WHEN i % 100 < {CLOSED} THEN 'closed' WHEN i % 100 < {CLOSED + CANCELLED} THEN 'cancelled'
  WHEN i % 100 < {CLOSED + CANCELLED + REJECTED} THEN 'rejected' ELSE 'expired' END,
 :midnight - ({DAYS_PAST} - i * ({DAYS_PAST} - 3) / :past) * 86400 + ({MINUTES_PAST_MIDNIGHT} + 30 * (i % 13)) * 60,
 :midnight - ({DAYS_PAST} + 1 + i % 2 - i * ({DAYS_PAST} - 3) / :past) * 86400
FROM n;
INSERT INTO visits
{_numbered(":future")}
SELECT :past + i, 1 + i % :busy, :people + 1 + i % :customers,
 CASE WHEN i % 10 THEN 'accepted' ELSE 'pending' END,
 :midnight + (2 + 3 * (i / :busy) + i % 3) * 86400 + ({MINUTES_PAST_MIDNIGHT} + 30 * (i % 13)) * 60,
 :now - 60 * (i % 600)
FROM n
"""
JOBS_OF_NOW = f"""
INSERT INTO visits
{_numbered(":jobs")}
SELECT :first + i, :idle + i, :people + i, 'accepted', :now / 900 * 900 + 900 * (i % 2), :now - 86400 FROM n
"""
# As the verbs would have written them.
BOOKINGS = f"""
;
INSERT INTO bookings (id, customer_id, professional_id, service_id, status, starts_at, ends_at, address_line, pincode,
 remarks, currency, subtotal, total, paid, respond_by, created_at, accepted_at, completed_at, closed_at, code_salt,
 code_tries, cascade, moves)
SELECT v.id, customer_id, professional_id, service_id, status, {_moment("starts")}, {_moment("starts + minutes * 60")},
 '1, Main Road', pincode, 'The tap in the kitchen drips', 'INR', price, price + 1500 + (price + 1500) * 18 / 100,
 CASE status WHEN 'closed' THEN price + 1500 + (price + 1500) * 18 / 100 ELSE 0 END, {_moment("asked + 86400")},
 {_moment("asked")}, CASE WHEN status IN ('closed', 'cancelled', 'accepted') THEN {_moment("asked + 600")} END,
 CASE status WHEN 'closed' THEN {_moment("starts + minutes * 60")} END,
 CASE status WHEN 'closed' THEN {_moment("starts + minutes * 60 + 3600")} END, printf('%032x', v.id), 0, 0, 0
FROM visits v JOIN work w ON w.id = v.professional_id;
INSERT INTO booking_lines (booking_id, kind, label, amount)
SELECT v.id, 'service', name, price FROM visits v JOIN work w ON w.id = v.professional_id
UNION ALL SELECT id, 'platform_fee', 'Platform fee', 1500 FROM visits
UNION ALL SELECT v.id, 'tax', 'GST 18 %', (price + 1500) * 18 / 100
 FROM visits v JOIN work w ON w.id = v.professional_id;
INSERT INTO booking_events (booking_id, verb, from_status, to_status, actor_id, at, reason)
SELECT id, 'request', NULL, 'pending', customer_id, {_moment("asked")}, '' FROM visits
UNION ALL SELECT id, 'accept', 'pending', 'accepted', professional_id, {_moment("asked + 600")}, '' FROM visits
 WHERE status IN ('closed', 'cancelled', 'accepted')
UNION ALL SELECT id, 'start', 'accepted', 'in_progress', professional_id, {_moment("starts")}, '' FROM visits
 WHERE status = 'closed'
UNION ALL SELECT b.id, 'complete', 'in_progress', 'completed', b.professional_id, b.completed_at, ''
 FROM visits v JOIN bookings b ON b.id = v.id WHERE v.status = 'closed'
UNION ALL SELECT b.id, 'close', 'completed', 'closed', b.customer_id, b.closed_at, ''
 FROM visits v JOIN bookings b ON b.id = v.id WHERE v.status = 'closed'
UNION ALL SELECT id, 'cancel', 'accepted', 'cancelled', professional_id, {_moment("asked + 7200")}, 'Ill' FROM visits
 WHERE status = 'cancelled'
UNION ALL SELECT id, 'reject', 'pending', 'rejected', professional_id, {_moment("asked + 600")}, 'Full' FROM visits
 WHERE status = 'rejected'
UNION ALL SELECT id, 'expire', 'pending', 'expired', NULL, {_moment("asked + 86400")}, '' FROM visits
 WHERE status = 'expired';
INSERT INTO slot_claims (professional_id, bucket, booking_id)
{_numbered("100")}
SELECT professional_id, starts / 900 + i - 1, v.id
FROM visits v JOIN work w ON w.id = v.professional_id JOIN n ON i <= (minutes + 14) / 15 + :buffer
WHERE status IN ('accepted', 'pending')
"""
# Bills, what was paid in cash, and what was issued and said about it.
OVER = f"""
;
CREATE TEMP TABLE bills AS
SELECT b.id, b.customer_id, b.professional_id, subtotal, total, total - subtotal - 1500 AS tax, completed_at, closed_at
FROM bookings b WHERE b.status = 'closed';
INSERT INTO booking_lines (booking_id, kind, label, amount)
SELECT id, 'reversal', 'Cancelled', -total FROM bookings WHERE status = 'cancelled';
UPDATE bookings SET total = 0 WHERE status = 'cancelled';
INSERT INTO payments (id, booking_id, method, status, amount, holder, recorded_by_id, recorded_at, verified_by_id,
 verified_at, reason)
SELECT id, id, 'cash', 'verified', total, 'professional:' || professional_id, professional_id, closed_at,
 professional_id, closed_at, '' FROM bills;
INSERT INTO ledger_entries (id, key, kind, booking_id, at)
SELECT 2 * id, 'bill:' || id || ':1', 'bill', id, completed_at FROM bills
UNION ALL SELECT 2 * id + 1, 'payment:' || id, 'payment', id, closed_at FROM bills;
INSERT INTO ledger_lines (entry_id, position, account, amount)
SELECT 2 * id, 1, 'customer:' || customer_id, total FROM bills
UNION ALL SELECT 2 * id, 2, 'professional:' || professional_id, -subtotal FROM bills
UNION ALL SELECT 2 * id, 3, 'platform', -1500 FROM bills
UNION ALL SELECT 2 * id, 4, 'tax', -tax FROM bills
UNION ALL SELECT 2 * id + 1, 1, 'professional:' || professional_id, total FROM bills
UNION ALL SELECT 2 * id + 1, 2, 'customer:' || customer_id, -total FROM bills;
INSERT INTO documents (kind, year, serial, number, booking_id, customer_id, professional_id, amount, content, issued_at)
SELECT 'invoice', '{TERM}', id, 'LOAD/' || id, id, customer_id, professional_id, total, '{{}}', completed_at
FROM bills;
INSERT INTO reviews (booking_id, customer_id, professional_id, rating, comment, created_at)
SELECT id, customer_id, professional_id, 1 + (id % 9 + 1) / 2 % 5, 'On time and thorough, would book again.', closed_at
FROM bills WHERE id % 2
"""
