"""The export of closed bookings beside the sqlite3 shell's own dump, and what the site notices of it.

    python -m benchmarks.export [--quick]

The shell dumps the same query: the same rows, joins and sums, as they are stored. Ours writes times of
the site, decimals and quoted cells, and rests after each step. Each side runs in a process of its
own, and so does the server that the pages are asked of. It prints a table and exits 1 when a figure
misses what is wanted; its database stays in .cache/ for the next run.
"""

import argparse
import csv
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import flask_migrate
from sqlalchemy import select, update

import config
import exporting
from app import create_app
from benchmarks.market import CACHE, settings_for
from benchmarks.serving import served
from domain import exports, places
from extensions import begin_write, db
from init_db import load_catalogue
from models import Export, ExportStatus, Role, Status, User

PORT = 48_613
PEOPLE = 20_000
SOURCES = ("benchmarks/export.py", "models.py", "migrations/versions", "data/pincodes.csv", "data/services.csv")
FULL = {"bookings": 1_000_000, "dumps": 2, "rounds": 7, "seconds": 4.0}
QUICK = {"bookings": 25_000, "dumps": 1, "rounds": 3, "seconds": 0.5}
PAGES = ("/", "/services", "/about", "/professionals/17", "/search?near=560001&service=electrician-visit")
WANTED = {
    "time beside sqlite3's own dump": 5.0,
    "added memory in MB": 40.0,
    "a page during the export / before": 1.5,
}
# The export's query without what makes cells of its values.
DUMP = """
SELECT b.service_id, b.customer_id, b.professional_id, b.created_at, b.remarks, b.id, b.status, s.name, g.name,
 c.name, p.name, b.pincode, n.place, n.district, n.state, b.starts_at, b.ends_at, b.accepted_at,
 (SELECT min(at) FROM booking_events WHERE booking_id = b.id AND to_status = 'in_progress'),
 b.completed_at, b.closed_at,
 (SELECT sum(amount) FROM booking_lines WHERE booking_id = b.id AND kind = 'service'),
 (SELECT sum(amount) FROM booking_lines WHERE booking_id = b.id AND kind = 'platform_fee'),
 (SELECT sum(amount) FROM booking_lines WHERE booking_id = b.id AND kind = 'tax'),
 (SELECT sum(amount) FROM booking_lines WHERE booking_id = b.id AND kind = 'late_fee'),
 (SELECT sum(amount) FROM booking_lines WHERE booking_id = b.id AND kind = 'reversal'),
 b.currency, b.total, b.paid, r.rating, r.comment
FROM bookings b JOIN services s ON s.id = b.service_id JOIN categories g ON g.id = s.category_id
 JOIN users c ON c.id = b.customer_id JOIN pin_codes n ON n.pincode = b.pincode
 LEFT JOIN users p ON p.id = b.professional_id LEFT JOIN reviews r ON r.booking_id = b.id
WHERE b.status = 'closed' ORDER BY b.id"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="fewer bookings and rounds, for CI")
    arguments.add_argument("--write", metavar="DATABASE", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.write:
        return write(Path(given.write))
    size = QUICK if given.quick else FULL
    path = closed(size["bookings"])
    print(f"{size['bookings']:,} closed bookings; the control is {'sqlite3' if shell() else 'Python: no sqlite3 here'}")
    runs = [beside(path, number) for number in range(size["dumps"])]
    figures = {
        "time beside sqlite3's own dump": statistics.median(ours["seconds"] / control for control, ours in runs),
        "added memory in MB": max(ours["memory"] for _control, ours in runs),
        "a page during the export / before": meanwhile(path, size),
    }
    control, ours = runs[-1]
    print(f"the last dump took {control:.1f} s, the export {ours['seconds']:.1f} s, {ours['size'] / 1e6:,.0f} MB")
    missed = report(figures)
    return int(missed and not given.quick)


def report(figures):
    missed = False
    print(f"{'':<40}{'measured':>10}{'wanted':>10}")
    for name, value in figures.items():
        kept = value <= WANTED[name]
        missed |= not kept
        print(f"{name:<40}{value:>10.2f}{'<=':>6}{WANTED[name]:>4.3g}{'' if kept else '  missed'}")
    return missed


# -- A file beside a dump ---------------------------------------------------------------------


def beside(path, number):
    """The seconds of the control, and what the export says of itself; they take turns to be first."""
    with tempfile.TemporaryDirectory() as folder:
        sides = {"control": lambda: dump(path, Path(folder, "dump.csv")), "ours": lambda: export(path)}
        done = {name: sides[name]() for name in sorted(sides, reverse=number % 2)}
        with open(Path(folder, "dump.csv"), encoding="utf-8", newline="") as file:
            lines = sum(1 for _row in csv.reader(file))
    assert lines == done["ours"]["rows"] + 1, (lines, done)
    return done["control"], done["ours"]


def shell():
    return shutil.which("sqlite3")


def dump(path, target):
    began = time.perf_counter()
    with open(target, "w", newline="") as file:
        if shell():
            command = [shell(), "-readonly", "-csv", "-header", str(path), DUMP]
            subprocess.run(command, stdout=file, check=True)
        else:
            bare = sqlite3.connect(path)
            found = bare.execute(DUMP)
            out = csv.writer(file)
            out.writerow(column[0] for column in found.description)
            out.writerows(found)
            bare.close()
    return time.perf_counter() - began


def export(path):
    command = [sys.executable, "-m", "benchmarks.export", "--write", str(path)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=config.ROOT).stdout)


def write(path):
    """One export in this process, as the leader of the timetable writes it."""
    with site_on(path) as app:
        stop = threading.Event()
        exporting.drain(app, stop, "benchmark")
        with app.app_context():
            export_id = ask()
            before = memory("VmRSS", fresh=True)
            began = time.perf_counter()
            assert exporting.drain(app, stop, "benchmark") == 1
            seconds = time.perf_counter() - began
            added = memory("VmHWM") - before
            found = exports.get(export_id)
            db.session.refresh(found)
            print(json.dumps({"seconds": seconds, "memory": added, "rows": found.done, "size": found.size}))
    return 0


def memory(name, fresh=False):
    """Megabytes that this process has now, or had at most since it was asked for `fresh`."""
    if fresh:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def ask():
    admin = db.session.scalars(select(User).where(User.role == Role.ADMIN)).first()
    begin_write()
    asked = exports.request(admin, secrets.token_hex(8), exports.Wanted(statuses=(Status.CLOSED,)))
    db.session.commit()
    return asked.id


# -- The site meanwhile -----------------------------------------------------------------------


def meanwhile(path, size):
    """The median of the rounds' ratios of a page's median time: while a file is written to before."""
    ratios = []
    with (
        tempfile.TemporaryDirectory() as folder,
        served("benchmarks.export:site()", PORT, CLOSED=str(path), FOLDER=folder),
        site_on(path, folder) as app,
        app.app_context(),
    ):
        times(1.0)
        for _round in range(size["rounds"]):
            idle = times(size["seconds"])
            export_id = ask()
            wait_until(export_id, ExportStatus.RUNNING)
            busy = times(size["seconds"])
            running = status_of(export_id) is ExportStatus.RUNNING
            end_all()
            assert running, "the export was over too soon to measure beside it"
            ratios.append(statistics.median(busy) / statistics.median(idle))
            time.sleep(1.5)
    return statistics.median(ratios)


def times(seconds):
    """How long each page took, asked one after the other for so many seconds."""
    connection, taken = HTTPConnection("127.0.0.1", PORT, timeout=30), []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for page in PAGES:
            began = time.perf_counter()
            connection.request("GET", page, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            answer.read()
            taken.append(time.perf_counter() - began)
            assert answer.status == 200, (page, answer.status)
    connection.close()
    return taken


def status_of(export_id):
    status = db.session.scalar(select(Export.status).where(Export.id == export_id))
    db.session.commit()
    return status


def wait_until(export_id, status):
    for _attempt in range(200):
        if status_of(export_id) is status:
            return
        time.sleep(0.05)
    raise RuntimeError(f"the export is not {status.value}")


def end_all():
    begin_write()
    db.session.execute(
        update(Export).where(Export.status.in_(exports.UNFINISHED)).values(status=ExportStatus.CANCELLED)
    )
    db.session.commit()


def site():
    """The site, with a thread that writes exports as the leader of the timetable has one."""
    app = create_app(settings_of(Path(os.environ["CLOSED"]), os.environ["FOLDER"]))
    threading.Thread(target=write_for_ever, args=(app,), daemon=True).start()
    return app


def write_for_ever(app):
    stop = threading.Event()
    while not stop.wait(0.2):
        exporting.drain(app, stop, "benchmark")


# -- The bookings -----------------------------------------------------------------------------


@contextmanager
def site_on(path, folder=None):
    with tempfile.TemporaryDirectory() as own:
        app = create_app(settings_of(path, folder or own))
        with app.app_context():
            end_all()
        yield app


def settings_of(path, folder):
    """The timetable stays off: it would send all these people their reports."""
    return settings_for(path, instance=Path(folder), export_dir=Path(folder, "exports"))


def closed(bookings):
    """The path of a database with so many closed bookings, made now unless it is there already."""
    key = hashlib.sha256(repr((bookings, PEOPLE)).encode())
    for source in SOURCES:
        path = config.ROOT / source
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            key.update(file.read_bytes())
    CACHE.mkdir(exist_ok=True)
    path = CACHE / f"closed-{bookings}-{key.hexdigest()[:12]}.db"
    if path.exists():
        return path
    for old in CACHE.glob(f"closed-{bookings}-*"):
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
    connection.execute("BEGIN")
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
    connection.execute("CREATE TEMP TABLE pins AS SELECT row_number() OVER () AS k, * FROM pin_codes")
    connection.execute("CREATE INDEX temp.ix_pins ON pins (k)")
    pins, services = (
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("pin_codes", "services")
    )
    values = {"people": PEOPLE, "bookings": bookings, "pins": pins, "services": services, "now": now}
    for statement in SEED.strip().split(";\n"):
        connection.execute(statement, values)
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def moment(after):
    """A moment so many seconds after the booking was asked for, which one was every 90 seconds."""
    return (
        f"strftime('%Y-%m-%d %H:%M:%S', 1700000000 + i * 90 + {after}, 'unixepoch')"
        " || printf('.%06d', i * 7919 % 1000000)"
    )


def numbers(most):
    return f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})"


SEED = f"""
INSERT INTO users (id, role, email, name, name_key, demo, active, created_at, fs_uniquifier)
{numbers("2 * :people + 1")}
SELECT i, CASE WHEN i <= :people THEN 'professional' WHEN i <= 2 * :people THEN 'customer' ELSE 'admin' END,
 'person' || i || '@example.com', 'Person Number ' || i, 'person number ' || i, 0, 1, :now, 'u' || i FROM n;
INSERT INTO professionals (id, bio, experience_years, base_pincode, lat, lon, radius_km, languages, approval,
 applied_at, paused, rating_sum, rating_count, rank, offers_answered, offers_accepted, speed_kmh)
{numbers(":people")}
SELECT i, '', 5, pincode, lat, lon, 10, '[]', 'approved', :now, 0, 0, 0, 4.0, 0, 0, 20
FROM n JOIN pins ON k = 1 + i * 7919 % :pins;
INSERT INTO offerings (professional_id, service_id, listed, lat, lon, radius_km, rank, experience_years)
SELECT p.id, s.id, 1, lat, lon, radius_km, rank, 5 FROM professionals p JOIN services s ON s.id % 5 = p.id % 5;
INSERT INTO bookings (id, customer_id, professional_id, service_id, status, starts_at, ends_at, address_line, pincode,
 remarks, currency, subtotal, total, paid, respond_by, created_at, accepted_at, completed_at, closed_at, code_salt,
 code_tries, cascade, moves)
{numbers(":bookings")}
SELECT i, :people + 1 + i * 31 % :people, 1 + i * 17 % :people, 1 + i % :services, 'closed', {moment(86_400)},
 {moment(90_000)}, '12, 3rd Cross', pincode,
 CASE i % 5 WHEN 0 THEN '' WHEN 1 THEN 'The tap in the kitchen drips, "quite" a lot; bring a washer'
 WHEN 2 THEN 'Second floor, the lift does not work' WHEN 3 THEN '=1+1, and a dog' ELSE 'Call before you come' END,
 'INR', 34900, 42952, 42952, {moment(7_200)}, {moment(0)}, {moment(600)}, {moment(90_000)}, {moment(95_000)},
 '0123456789abcdef0123456789abcdef', 0, 0, 0
FROM n JOIN pins ON k = 1 + i * 7919 % :pins;
INSERT INTO booking_lines (booking_id, kind, label, amount)
SELECT id, kind, label, amount FROM bookings, (SELECT 'service' AS kind, 'Tap repair' AS label, 34900 AS amount
 UNION ALL SELECT 'platform_fee', 'Platform fee', 1500 UNION ALL SELECT 'tax', 'GST 18 %', 6552);
INSERT INTO booking_events (booking_id, verb, from_status, to_status, actor_id, at, reason)
SELECT id, verb, source, target, 1, CASE target WHEN 'pending' THEN created_at WHEN 'accepted' THEN accepted_at
 WHEN 'in_progress' THEN starts_at WHEN 'completed' THEN completed_at ELSE closed_at END, ''
FROM bookings, (SELECT 'request' AS verb, NULL AS source, 'pending' AS target
 UNION ALL SELECT 'accept', 'pending', 'accepted' UNION ALL SELECT 'start', 'accepted', 'in_progress'
 UNION ALL SELECT 'complete', 'in_progress', 'completed' UNION ALL SELECT 'close', 'completed', 'closed');
INSERT INTO reviews (booking_id, customer_id, professional_id, rating, comment, created_at)
SELECT id, customer_id, professional_id, 1 + id % 5, 'On time and thorough, would book again.', closed_at
FROM bookings WHERE id % 2 = 0
"""


if __name__ == "__main__":
    sys.exit(main())
