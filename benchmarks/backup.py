"""How long a backup, a drill, a restore and the proof of the books take on a site with years behind it.

    python -m benchmarks.backup [--quick] [--bookings N]

The market's bookings get their lines, payments, entries in the ledger, invoices and receipts, as the site would have
written them; then the commands of the operator run on it one after the other, in this process. It prints what they
say, the time and CPU of each and the load, and exits 1 when one of them fails.
"""

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from app import create_app
from benchmarks.market import market, settings_for
from extensions import db

# The small one is the market of other benchmarks too.
FULL, QUICK = (10_000, 400_000), (1_000, 2_500)
MEGABYTE = 1024 * 1024
COMMANDS = (
    ("ledger", "check"),
    ("backup",),
    ("restore", "--drill", "latest"),
    ("restore", "--force", "latest"),
)
# What stands in the books of a booking that is over and was paid in cash; the site's share is ten percent.
BOOKS = """
UPDATE bookings SET paid = 0 WHERE status <> 'closed';
UPDATE bookings SET commission = 1000, accepted_at = created_at, completed_at = ends_at, closed_at = ends_at
 WHERE status = 'closed';
INSERT INTO booking_lines (booking_id, kind, label, amount, tax) SELECT id, 'service', 'Work', total, 0 FROM bookings;
INSERT INTO booking_events (booking_id, verb, from_status, to_status, actor_id, at, reason)
 SELECT b.id, v.verb, v.was, v.became, b.professional_id, b.starts_at, '' FROM bookings b
 JOIN (SELECT 'accept' verb, 'pending' was, 'accepted' became UNION ALL SELECT 'start', 'accepted', 'in_progress'
       UNION ALL SELECT 'complete', 'in_progress', 'completed' UNION ALL SELECT 'close', 'completed', 'closed') v
 WHERE b.status = 'closed';
INSERT INTO payments (booking_id, method, status, amount, holder, recorded_by_id, recorded_at, reason)
 SELECT id, 'cash', 'verified', total, 'professional:' || professional_id, professional_id, ends_at, ''
 FROM bookings WHERE status = 'closed';
INSERT INTO ledger_entries (key, kind, booking_id, at)
 SELECT 'bill:' || id || ':1', 'bill', id, ends_at FROM bookings WHERE status = 'closed';
INSERT INTO ledger_entries (key, kind, booking_id, at)
 SELECT 'payment:' || id, 'payment', booking_id, recorded_at FROM payments;
INSERT INTO ledger_lines (entry_id, position, account, amount)
 SELECT e.id, 1, 'customer:' || b.customer_id, iif(e.kind = 'bill', b.total, -b.total)
 FROM ledger_entries e JOIN bookings b ON b.id = e.booking_id;
INSERT INTO ledger_lines (entry_id, position, account, amount)
 SELECT e.id, 2, 'professional:' || b.professional_id, iif(e.kind = 'bill', b.total / 10 - b.total, b.total)
 FROM ledger_entries e JOIN bookings b ON b.id = e.booking_id;
INSERT INTO ledger_lines (entry_id, position, account, amount)
 SELECT e.id, 3, 'platform', -b.total / 10
 FROM ledger_entries e JOIN bookings b ON b.id = e.booking_id WHERE e.kind = 'bill';
INSERT INTO documents (kind, year, serial, number, booking_id, customer_id, professional_id, amount, content, issued_at)
 SELECT k.kind, '2026-27', b.id, k.prefix || '2026-27/' || printf('%06d', b.id), b.id, b.customer_id, b.professional_id,
 b.total, json_object('seller', 'Doorstep', 'customer', 'Person ' || b.customer_id, 'address', b.address_line,
 'professional', 'Person ' || b.professional_id, 'booking', b.id, 'day', date(b.starts_at), 'currency', b.currency,
 'lines', json_array(json_array('service', 'Work', b.total, 0))), b.ends_at
 FROM bookings b JOIN (SELECT 'invoice' kind, '' prefix UNION ALL SELECT 'receipt', 'R-') k WHERE b.status = 'closed';
ANALYZE;
"""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="a small site, for CI")
    arguments.add_argument("--bookings", type=int, help="as many, on a site of 10,000 professionals")
    given = arguments.parse_args()
    professionals, bookings = QUICK if given.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "doorstep.db")
        shutil.copy(market(professionals, given.bookings or bookings, whole_country=not given.quick), path)
        fill_books(path)
        rows = f"{given.bookings or bookings} bookings, {path.stat().st_size / MEGABYTE:.0f} MB"
        print(f"{rows}, on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        app = create_app(settings_for(path))
        failed = sum(run(app, words) for words in COMMANDS)
        with app.app_context():
            db.engine.dispose()
    return int(failed > 0)


def fill_books(path):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN; {BOOKS} COMMIT;")
    connection.close()


def run(app, words):
    """Run one command; answer whether it failed."""
    began, cpu = time.monotonic(), time.process_time()
    result = app.test_cli_runner().invoke(args=words)
    took = f"{time.monotonic() - began:.1f} s, {time.process_time() - cpu:.1f} s of CPU, load {os.getloadavg()[0]:.1f}"
    print(f"\nflask {' '.join(words)}: {took}")
    print(result.output.rstrip())
    if result.exit_code and result.exception:
        print(f"failed: {result.exception!r}")
    return result.exit_code != 0


if __name__ == "__main__":
    sys.exit(main())
