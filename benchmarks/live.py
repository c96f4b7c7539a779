"""A thousand open pages that listen, on one process that serves other pages meanwhile.

    python -m benchmarks.live [--quick]

Two gunicorns (one process each, the settings of the site) serve the same market: one has the streams
open, the other has none. Who listens is a process of its own with one thread, and so is who asks for
pages; all share the cores of the machine. Rounds take turns between the two servers and the figures
are medians of the rounds, so a busy machine slows both sides alike. It prints a table and exits 1 when
a figure misses what is wanted.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

import config
import hub
from app import create_app
from benchmarks.market import SERVICE, market, settings_for
from benchmarks.serving import CROWD, served
from domain import news
from extensions import db

PORTS = {"streams": 48_615, "none": 48_616}
PINS = ("560001", "560034", "560038")
PAGES = [f"/search?service={SERVICE}&near={pin}&radius=10" for pin in PINS]
FULL = {"streams": 1_000, "rounds": 15, "seconds": 2.0, "events": 15}
QUICK = {"streams": 200, "rounds": 3, "seconds": 0.5, "events": 3}
WANTED = {
    "pages' p95 with the streams / without": 2.0,
    "the same while all hear an event": None,
    "memory of a stream, kB": 100,
    "an event to all of them: median, s": None,
    "an event to all of them: the last, s": 2.0,
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="200 streams and fewer rounds, for CI")
    quick = arguments.parse_args().quick
    size = QUICK if quick else FULL
    path, app = market(1_000, 2_500, whole_country=False), "benchmarks.live:site()"
    with served(app, PORTS["streams"], MARKET=str(path)), served(app, PORTS["none"], MARKET=str(path)):
        for port in PORTS.values():
            milliseconds(port, size["seconds"])  # the first round warms up
        before = memory()
        with listening(size["streams"]) as tell:
            grown = memory() - before
            figures = measured(size, tell, grown)
    missed = report(figures, size)
    return int(missed and not quick)


def measured(size, tell, grown):
    events = [tell() for _ in range(size["events"])]
    return dict(
        zip(
            WANTED,
            (
                slowdown(size),
                slowdown(size, tell),
                grown / size["streams"],
                statistics.median(median for median, _last in events),
                statistics.median(last for _median, last in events),
            ),
            strict=True,
        )
    )


def report(figures, size):
    missed = False
    print(f"{size['streams']:,} streams{'':<39}{'measured':>10}{'wanted':>10}")
    for name, value in figures.items():
        wanted = WANTED[name]
        kept = wanted is None or value <= wanted
        missed |= not kept
        print(f"{name:<52}{value:>10.2f}{f'<= {wanted:g}' if wanted else '':>10}{'' if kept else '  missed'}")
    return missed


def slowdown(size, tell=None):
    """The median of the rounds' ratios of the pages' 95th percentile: with the streams to without."""
    ratios = []
    for number in range(size["rounds"]):
        p95 = {}
        for side in list(PORTS)[:: 1 if number % 2 else -1]:
            event = Thread(target=tell) if tell and side == "streams" else Thread()
            event.start()
            p95[side] = statistics.quantiles(milliseconds(PORTS[side], size["seconds"]), n=20)[-1]
            event.join()
        ratios.append(p95["streams"] / p95["none"])
    return statistics.median(ratios)


def milliseconds(port, seconds):
    """How long each page took that some clients asked for, one after another."""
    command = [*CROWD, "ask", str(port), str(seconds), *PAGES]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=config.ROOT).stdout)


@contextmanager
def listening(streams):
    """Hold so many streams open; what it gives tells all of them something, and answers after how many
    seconds half of them and the last had heard it."""
    command = [*CROWD, "listen", str(PORTS["streams"]), str(streams)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=config.ROOT, **pipes) as listener:

        def tell():
            listener.stdin.write("tell\n")
            listener.stdin.flush()
            return json.loads(listener.stdout.readline())

        assert listener.stdout.readline() == "open\n"
        yield tell
        listener.stdin.close()


# -- The site ---------------------------------------------------------------------------------


def memory():
    """The resident set of the process with the streams, in kB."""
    connection = HTTPConnection("127.0.0.1", PORTS["streams"], timeout=30)
    connection.request("GET", "/memory")
    return int(connection.getresponse().read())


def site():
    """The site, where all streams may come from one address, and where anybody may tell something."""
    hub.MOST_OF_ONE = FULL["streams"]
    app = create_app(settings_for(Path(os.environ["MARKET"]), live_streams=FULL["streams"]))

    @app.get("/tell")
    def tell():
        news.of_slots(1)
        db.session.commit()
        return ""

    @app.get("/memory")
    def memory():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return str(pages * resource.getpagesize() // 1024)

    return app


if __name__ == "__main__":
    sys.exit(main())
