"""The search page beside its own template rendered from constants, and what its data costs.

    python -m benchmarks.search [--quick]

Two servers (gunicorn, one process with threads) and a load generator are processes of their own.
Rounds take turns and the figures are medians of the rounds' ratios, so a busy machine slows both
sides alike. It prints a table and exits 1 when a figure misses what is wanted; it writes nothing
but its databases, which stay in .cache/ for the next run.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

from flask import render_template, request, template_rendered
from sqlalchemy import event, func, select

import config
from app import create_app
from benchmarks.market import SERVICE, market, settings_for
from benchmarks.serving import CROWD, served
from domain import paging
from extensions import db
from models import Offering, Professional, Service

PORTS = {"big": 48_611, "small": 48_612}
PINS = ("560001", "400001", "110001", "700001", "600001", "500001")
ONE_CITY = ("560001", "560034", "560038")
SEARCH = f"service={SERVICE}&radius=10&rating=4&sort=best&near="
FOLLOWING = f"service={SERVICE}"
# The SQL is timed around so many PIN codes, so many times each.
BUSIEST, SQL_ROUNDS = 60, 15
FULL = {"big": (100_000, 1_000_000), "small": (1_000, 10_000), "page": 1_000, "rounds": 11, "seconds": 1.5}
QUICK = {"big": (5_000, 12_500), "small": (1_000, 2_500), "page": 50, "rounds": 3, "seconds": 0.3}
# What is wanted of each figure, and whether it is the least or the most.
WANTED = {
    "throughput beside constants, 1 client": (0.5, "least"),
    "throughput beside constants, 16 clients": (0.45, "least"),
    "cost of a page, big market / small": (1.3, "most"),
    "SQL of a page, p95 in ms": (2.0, "most"),
    "keyset: a far page / the first": (1.5, "most"),
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="a smaller market and fewer rounds, for CI")
    given = arguments.parse_args()
    size = QUICK if given.quick else FULL
    big = market(*size["big"], whole_country=True)
    small = market(*size["small"], whole_country=False)
    print(f"{size['big'][0]:,} professionals and {size['big'][1]:,} bookings beside {size['small'][0]:,}", flush=True)
    figures = {}
    app = "benchmarks.search:site()"
    with served(app, PORTS["big"], MARKET=str(big)), served(app, PORTS["small"], MARKET=str(small)):
        for clients in (1, 16):
            name = f"throughput beside constants, {clients} client{'s' if clients > 1 else ''}"
            figures[name] = beside_constants(clients, size)
        figures["cost of a page, big market / small"] = growth(size)
    figures["SQL of a page, p95 in ms"] = sql_milliseconds(big)
    figures["keyset: a far page / the first"] = far_page(big, size)
    missed = report(figures)
    return int(missed and not given.quick)


def report(figures):
    missed = False
    print(f"{'':<42}{'measured':>10}{'wanted':>12}")
    for name, value in figures.items():
        wanted, bound = WANTED[name]
        kept = value >= wanted if bound == "least" else value <= wanted
        missed |= not kept
        print(
            f"{name:<42}{value:>10.2f}{'>=' if bound == 'least' else '<=':>8}{wanted:>4.2g}{'' if kept else '  missed'}"
        )
    return missed


# -- Over HTTP --------------------------------------------------------------------------------


def beside_constants(clients, size):
    """The median of the rounds' ratios of requests per second: the page to its constants."""
    ratios = []
    for number in range(size["rounds"] + 1):
        sides = {}
        for path in ("/search", "/constants")[:: 1 if number % 2 else -1]:
            paths = [f"{path}?{SEARCH}{pin}" for pin in PINS]
            sides[path] = sum(hammer(PORTS["big"], clients, size["seconds"], paths)) / size["seconds"]
        if number:  # the first round warms up
            ratios.append(sides["/search"] / sides["/constants"])
    return statistics.median(ratios)


def growth(size):
    """The median of the rounds' ratios of a page's time: many professionals to few."""
    ratios = []
    for number in range(size["rounds"] + 1):
        sides = {}
        for side, pins in (("big", PINS), ("small", ONE_CITY))[:: 1 if number % 2 else -1]:
            paths = [f"/search?{SEARCH}{pin}" for pin in pins]
            sides[side] = size["seconds"] / sum(hammer(PORTS[side], 1, size["seconds"], paths))
        if number:
            ratios.append(sides["big"] / sides["small"])
    return statistics.median(ratios)


def hammer(port, clients, seconds, paths):
    """How many answers each client got, from a process of its own."""
    command = [*CROWD, "hammer", str(port), str(seconds), str(clients), *paths]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=config.ROOT).stdout)


def site():
    """The application on the market, with /constants: the page's template from kept values."""
    app = create_app(settings_for(Path(os.environ["MARKET"])))
    kept = {}

    @app.get("/constants")
    def constants():
        return render_template("public/search.html", **kept[request.args["near"]])

    def keep(_sender, template, context, **_more):
        if template.name == "public/search.html" and request.path == "/search":
            own = set(context) - {"request", "session", "g", "current_user", "config"}
            kept.setdefault(request.args["near"], {name: context[name] for name in own})

    with template_rendered.connected_to(keep, app):
        for pin in (*PINS, *ONE_CITY):
            app.test_client().get(f"/search?{SEARCH}{pin}")
    return app


# -- Without HTTP -----------------------------------------------------------------------------


def sql_milliseconds(path):
    """What all statements of a page take together on bare sqlite3: the 95th percentile of searches
    around the busiest PIN codes. Each is timed in several rounds and counts with its median, so that
    the tail is one of the data and not of whatever else the machine did."""
    app = create_app(settings_for(path))
    noted, pages = [], []
    with app.app_context():
        engine = db.engine
        busiest = db.session.scalars(
            select(Professional.base_pincode)
            .group_by(Professional.base_pincode)
            .order_by(func.count().desc())
            .limit(BUSIEST)
        ).all()
        db.session.remove()
    event.listen(engine, "before_cursor_execute", lambda _c, _u, sql, values, _x, _many: noted.append((sql, values)))
    client = app.test_client()
    for pin in busiest:
        noted.clear()
        client.get(f"/search?{SEARCH}{pin}")
        pages.append([(sql, values) for sql, values in noted if sql.startswith("SELECT")])
    bare = sqlite3.connect(path)
    bare.execute("PRAGMA cache_size=-4096")
    times = [[] for _page in pages]
    for _round in range(SQL_ROUNDS):
        for statements, taken in zip(pages, times, strict=True):
            start = time.perf_counter()
            for sql, values in statements:
                bare.execute(sql, values).fetchall()
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.quantiles(map(statistics.median, times), n=20)[-1]


def far_page(path, size):
    """The median of the rounds' ratios of a page's time: the thousandth to the first."""
    app = create_app(settings_for(path))
    client = app.test_client()
    with app.app_context():
        service = db.session.scalar(select(Service.id).where(Service.slug == SERVICE))
        last = db.session.execute(
            select(Offering.rank, Offering.professional_id)
            .where(Offering.service_id == service, Offering.listed.is_(True))
            .order_by(Offering.rank.desc(), Offering.professional_id.desc())
            .offset((size["page"] - 1) * paging.SIZE - 1)
            .limit(1)
        ).one()
        far = f"/search?{FOLLOWING}&after={paging.encode(list(last))}"
        db.session.remove()
    ratios = []
    for number in range(size["rounds"] * 6):
        times = {}
        for path_ in (f"/search?{FOLLOWING}", far)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            page = client.get(path_)
            times[path_] = time.perf_counter() - start
            assert page.text.count("stretched-link") == paging.SIZE, path_
        if number > 3:
            ratios.append(times[far] / times[f"/search?{FOLLOWING}"])
    return statistics.median(ratios)


if __name__ == "__main__":
    sys.exit(main())
