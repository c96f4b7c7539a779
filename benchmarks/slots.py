"""The free slots of one professional over 14 days, with the ways between jobs and without: one ratio.

    python -m benchmarks.slots [--quick]

A million bookings of four thousand professionals lie in the database, four a day for each, in forty
PIN codes of a city: those to come hold their claims. Rounds take turns, and the figure is the median
of the rounds' ratios.
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sqlalchemy import event, insert

from benchmarks.booking import PEOPLE, site
from domain import availability, clock, travel
from extensions import begin_write, db
from models import Booking, PinCode, SlotClaim, Status

BOOKINGS = 1_000_000
A_DAY = (9, 12, 15, 18)
MINUTES, DAYS = 60, 14
WANTED, MOST_QUERIES = 2.0, 4
PINS = [f"5600{number:02}" for number in range(2, 42)]
HERE = travel.Point(12.98, 77.60)
BATCH = 50_000


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer bookings, for CI")
    quick = arguments.parse_args().quick
    total = 25_000 if quick else BOOKINGS
    with tempfile.TemporaryDirectory() as folder, site(Path(folder), "NORMAL").app_context():
        fill(total)
        queries = [count(at) for at in (None, HERE)]
        seconds = measure(people=100, rounds=15)
    ratio = statistics.median(ways / plain for plain, ways in zip(*seconds, strict=True))
    print(f"{'':<16}{'ms':>8}{'queries':>9}")
    for name, took, asked in zip(("without ways", "with ways"), seconds, queries, strict=True):
        print(f"{name:<16}{1000 * statistics.median(took):>8.2f}{asked:>9}")
    print(f"ratio {ratio:.2f}, wanted under {WANTED}; {total:,} bookings")
    missed = ratio >= WANTED or max(queries) > MOST_QUERIES
    return int(missed and not quick)


def fill(total):
    """Four jobs a day for everybody, half of the days gone and half to come."""
    begin_write()
    pins = [
        {"pincode": pin, "place": pin, "district": "Bengaluru", "state": "Karnataka", "geo": "A"}
        | {"lat": 12.9 + 0.005 * number, "lon": 77.5 + 0.005 * (7 * number % 40)}
        for number, pin in enumerate(PINS)
    ]
    db.session.execute(insert(PinCode), pins)
    rows = bookings(total // (PEOPLE * len(A_DAY)))
    for batch in iter(lambda: list(itertools.islice(rows, BATCH)), []):
        db.session.execute(insert(Booking), batch)
        claims = [
            {"professional_id": row["professional_id"], "bucket": bucket, "booking_id": row["id"]}
            for row in batch
            if row["status"] is Status.ACCEPTED
            for bucket in availability.claimed_buckets(row["starts_at"], MINUTES)
        ]
        if claims:
            db.session.execute(insert(SlotClaim), claims)
    db.session.commit()


def bookings(days):
    now, numbers = clock.now(), itertools.count(1)
    for day in range(-days // 2, days - days // 2):
        opens = clock.start_of(clock.today() + timedelta(days=day))
        for person, hour in itertools.product(range(1, PEOPLE + 1), A_DAY):
            number = next(numbers)
            starts_at = opens + timedelta(hours=hour)
            yield {
                "id": number,
                "customer_id": person,
                "professional_id": PEOPLE + person,
                "service_id": 1,
                "status": Status.ACCEPTED if day >= 0 else Status.CLOSED,
                "starts_at": starts_at,
                "ends_at": starts_at + timedelta(minutes=MINUTES),
                "address_line": "12, 3rd Cross",
                "pincode": PINS[number % len(PINS)],
                "currency": "INR",
                "subtotal": 34_900,
                "total": 42_952,
                "respond_by": starts_at,
                "created_at": now,
                "code_salt": "0" * 32,
            }


def count(at):
    seen = []
    event.listen(db.engine, "before_cursor_execute", lambda *_: seen.append(1))
    look(PEOPLE + 1, at)
    return len(seen)


def measure(people, rounds):
    """Seconds for a look at one calendar: without ways, and with, in each round."""
    seconds = [], []
    for number in range(rounds):
        sides = list(enumerate((None, HERE)))
        for side, at in sides if number % 2 else reversed(sides):
            began = time.perf_counter()
            for person in range(people):
                look(PEOPLE + 1 + (number * people + person) % PEOPLE, at)
            seconds[side].append((time.perf_counter() - began) / people)
    return seconds


def look(professional_id, at):
    availability.free_slots(professional_id, MINUTES, clock.today(), DAYS, at)
    # As a request ends.
    db.session.rollback()


if __name__ == "__main__":
    raise SystemExit(main())
