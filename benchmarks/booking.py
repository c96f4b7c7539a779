"""The booking transaction beside bare sqlite3 writing the same rows: ratios of one run.

    python benchmarks/booking.py [--quick]

Both sides write the same rows into copies of one database with the same settings, in rounds that
take turns; the figure is the median of the rounds' ratios. Ours does all that a request does: it
reads and checks the customer, the professional, hours, time off and the price, and commits through
the application's own session.
"""

import argparse
import gc
import shutil
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import flask_migrate
from sqlalchemy import event, insert

import config
from app import create_app
from domain import clock, requests
from extensions import begin_write, db
from models import (
    Address,
    Approval,
    Category,
    Offering,
    PinCode,
    Professional,
    Role,
    Service,
    User,
    WorkingHours,
)

PIN = {"pincode": "560001", "place": "Bengaluru GPO", "district": "Bengaluru", "state": "Karnataka"}
PEOPLE = 4_000
WANTED = {"NORMAL": 0.2, "FULL": 0.4}
CLIENTS = 100
TABLES = ("bookings", "booking_lines", "booking_events", "slot_claims", "notifications", "outbox", "idempotency_keys")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    quick = arguments.parse_args().quick
    rounds, size = (3, 150) if quick else (9, 400)
    print(f"{'synchronous':<12}{'bare /s':>10}{'ours /s':>10}{'ratio':>8}{'wanted':>8}")
    missed = False
    for mode, wanted in WANTED.items():
        bare, ours = measure(mode, rounds, size)
        ratio = statistics.median(o / b for o, b in zip(ours, bare, strict=True))
        missed |= ratio < wanted
        print(f"{mode:<12}{statistics.median(bare):>10.0f}{statistics.median(ours):>10.0f}{ratio:>8.2f}{wanted:>8.2f}")
    outcome = crowd(5 if quick else 20)
    print(f"{CLIENTS} clients at once: {dict(outcome)}")
    missed |= set(outcome) != {"booked"}
    return int(missed and not quick)


def measure(mode, rounds, size):
    """Bookings per second of each side in each round."""
    with tempfile.TemporaryDirectory() as folder:
        app = site(Path(folder), mode)
        bare_path = Path(folder, "bare.db")
        with app.app_context():
            plan = wishes(rounds * size)
            db.session.remove()
            db.engine.dispose()
            shutil.copyfile(Path(folder, "ours.db"), bare_path)
            bare = connect_bare(bare_path, mode)
            people = {person.id: person for person in db.session.query(User).filter_by(role=Role.CUSTOMER)}
            db.session.commit()
            gc.collect()
            gc.freeze()
            speeds = [], []
            for number in range(rounds):
                part = plan[number * size : (number + 1) * size]
                sides = [(0, lambda w: write_bare(bare, w)), (1, lambda w: request(people, w))]
                # Who goes first takes turns too.
                for side, write in sides if number % 2 else reversed(sides):
                    began = time.perf_counter()
                    for wish in part:
                        write(wish)
                    speeds[side].append(size / (time.perf_counter() - began))
            compare(bare)
            return speeds


def site(folder, mode):
    """An application on a database of its own with professionals and customers enough."""
    settings = config.load(
        {
            "APP_ENV": "testing",
            "SECRET_KEY": "benchmarks only: 0123456789abcdef",
            "INSTANCE_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder}/ours.db",
        }
    )
    app = create_app(replace(settings, ratelimit_enabled=False))
    with app.app_context():

        @event.listens_for(db.engine, "connect")
        def set_mode(connection, _record):
            connection.execute(f"PRAGMA synchronous={mode}").close()

        flask_migrate.upgrade()
        fill()
    return app


def fill():
    now = clock.now()
    people = range(1, PEOPLE + 1)
    begin_write()
    point = {"lat": 12.97, "lon": 77.59}
    execute = db.session.execute
    execute(insert(PinCode), [{**PIN, **point, "geo": "A"}])
    execute(insert(Category), [{"id": 1, "name": "Plumbing", "slug": "plumbing"}])
    service = {"category_id": 1, "name": "Tap repair", "slug": "tap-repair", "base_price": 34_900}
    execute(insert(Service), [{"id": 1, **service, "duration_minutes": 45, "created_at": now}])
    execute(insert(User), [user(n, Role.CUSTOMER, now) for n in people])
    execute(insert(User), [user(n + PEOPLE, Role.PROFESSIONAL, now) for n in people])
    address = {"line": "12, 3rd Cross", "pincode": PIN["pincode"], "created_at": now}
    execute(insert(Address), [{"id": n, "customer_id": n, **address} for n in people])
    pros = range(PEOPLE + 1, 2 * PEOPLE + 1)
    approved = {"base_pincode": PIN["pincode"], **point, "approval": Approval.APPROVED, "applied_at": now}
    execute(insert(Professional), [{"id": n, **approved, "rank": 4.0} for n in pros])
    listed = {"service_id": 1, **point, "radius_km": 10, "rank": 4.0, "listed": True}
    execute(insert(Offering), [{"professional_id": n, **listed} for n in pros])
    hours = {"starts_minute": 0, "ends_minute": 1440}
    execute(insert(WorkingHours), [{"professional_id": n, "weekday": d, **hours} for n in pros for d in range(7)])
    db.session.commit()


def user(number, role, now):
    return {
        "id": number,
        "role": role,
        "email": f"person{number}@example.com",
        "name": f"Person {number}",
        "created_at": now,
        "fs_uniquifier": f"{number:032}",
    }


def wishes(count):
    """(customer, professional, start) of each booking; no two meet."""
    opens = clock.start_of(clock.today() + timedelta(days=2)) + timedelta(hours=10)
    return [
        (n % PEOPLE + 1, PEOPLE + n % PEOPLE + 1, opens + timedelta(days=n // PEOPLE)) for n in range(count)
    ]


def request(people, wish):
    customer_id, professional_id, starts_at = wish
    begin_write()
    requests.request(people[customer_id], 1, professional_id, starts_at, customer_id, key=f"{starts_at}")
    db.session.commit()


def connect_bare(path, mode):
    bare = sqlite3.connect(path, isolation_level=None)
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", f"synchronous={mode}", "foreign_keys=ON"):
        bare.execute(f"PRAGMA {pragma}")
    return bare


def write_bare(bare, wish):
    """The rows of one request, as literal as sqlite3 can."""
    customer_id, professional_id, starts_at = wish
    start, end = text(starts_at), text(starts_at + timedelta(minutes=45))
    now = text(datetime.now(UTC))
    bare.execute("BEGIN IMMEDIATE")
    booking_id = bare.execute(
        "INSERT INTO bookings (customer_id, professional_id, service_id, status, starts_at, ends_at, address_line,"
        " pincode, remarks, currency, subtotal, total, paid, respond_by, created_at, code_salt, code_tries, cascade,"
        " moves, series_id) VALUES (?, ?, 1, 'pending', ?, ?, '12, 3rd Cross', '560001', '', 'INR', 34900, 42952, 0,"
        " ?, ?, '0123456789abcdef0123456789abcdef', 0, 0, 0, NULL)",
        (customer_id, professional_id, start, end, start, now),
    ).lastrowid
    bare.executemany(
        "INSERT INTO booking_lines (booking_id, kind, label, amount, tax) VALUES (?, ?, ?, ?, ?)",
        [
            (booking_id, "service", "Tap repair", 34_900, 0),
            (booking_id, "platform_fee", "Platform fee", 1_500, 0),
            (booking_id, "tax", "GST 18 %", 6_552, 6_552),
        ],
    )
    bare.execute(
        "INSERT INTO booking_events (booking_id, verb, to_status, actor_id, at, reason)"
        " VALUES (?, 'request', 'pending', ?, ?, '')",
        (booking_id, customer_id, now),
    )
    first = int(starts_at.timestamp()) // 900
    bare.executemany(
        "INSERT INTO slot_claims (professional_id, bucket, booking_id) VALUES (?, ?, ?)",
        [(professional_id, bucket, booking_id) for bucket in range(first, first + 4)],
    )
    bare.execute(
        "INSERT INTO notifications (user_id, kind, booking_id, data, created_at) VALUES (?, 'requested', ?, ?, ?)",
        (professional_id, booking_id, f'{{"service": "Tap repair", "time": "{start}", "name": "Person"}}', now),
    )
    bare.execute(
        "INSERT INTO outbox (key, kind, channel, user_id, booking_id, data, status, tries, due_at, subject, error,"
        " created_at) VALUES (?, 'requested', 'mail', ?, ?, ?, 'waiting', 0, ?, '', '', ?)"
        " ON CONFLICT DO NOTHING",
        (
            f"requested:{booking_id}:{now}:{professional_id}:mail",
            professional_id,
            booking_id,
            f'{{"service": "Tap repair", "time": "{start}", "name": "Person"}}',
            now,
            now,
        ),
    )
    bare.execute(
        "INSERT INTO idempotency_keys (user_id, key, fingerprint, booking_id, created_at) VALUES (?, ?, ?, ?, ?)",
        (customer_id, str(starts_at), "0" * 64, booking_id, now),
    )
    bare.execute("COMMIT")


def text(moment):
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def compare(bare):
    """Both sides must have written as many rows, or the ratio means nothing."""
    for table in TABLES:
        query = f"SELECT count(*) FROM {table}"
        ours, theirs = db.session.execute(db.text(query)).scalar(), bare.execute(query).fetchone()[0]
        assert ours == theirs, (table, ours, theirs)


def crowd(each):
    """What a hundred clients at once get: a Counter of outcomes."""
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        app = site(Path(folder), "NORMAL")
        with app.app_context():
            plan = wishes(CLIENTS * each)

        def client(number):
            with app.app_context():
                for wish in plan[number::CLIENTS]:
                    try:
                        request({wish[0]: db.session.get(User, wish[0])}, wish)
                        outcomes.append("booked")
                    except Exception as error:  # whatever it is, it is counted and shown
                        db.session.rollback()
                        outcomes.append(f"{type(error).__name__}: {error}"[:60])
                db.session.remove()

        clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
    return Counter(outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
