"""GET /api/services beside a bare Flask route that answers the same bytes.

    python -m benchmarks.api [--quick]

One gunicorn (one process, the settings of the site) serves both: beside the site stands an application
of Flask that has nothing but that route. The load generator is a process of its own. Rounds take turns
and the figures are medians of the rounds' ratios, so a busy machine slows both sides alike. It prints
a table and exits 1 when a figure misses what is wanted.
"""

import argparse
import os
import statistics
import sys
from http.client import HTTPConnection
from pathlib import Path

from flask import Flask, Response, request
from limits import parse
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from api import limits
from app import create_app
from benchmarks.market import market, settings_for
from benchmarks.search import hammer
from benchmarks.serving import served

PORT = 48_614
PATHS = {"site": "/api/services", "bare": "/bare/api/services"}
WAYS = ("identity", "gzip")
FULL = {"rounds": 15, "seconds": 2.0}
QUICK = {"rounds": 3, "seconds": 0.3}
MOST = 1.5


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="fewer rounds, for CI")
    quick = arguments.parse_args().quick
    size = QUICK if quick else FULL
    path = market(1_000, 2_500, whole_country=False)
    with served("benchmarks.api:site()", PORT, MARKET=str(path)):
        answers = {way: fetched(PATHS["site"], way) for way in WAYS}
        assert answers == {way: fetched(PATHS["bare"], way) for way in WAYS}
        print(" and ".join(f"{len(body):,} bytes as {way}" for way, body in answers.items()), flush=True)
        figures = {f"cost beside a bare route, {n} client{'s' * (n > 1)}": cost(n, size) for n in (1, 8)}
    missed = report(figures)
    return int(missed and not quick)


def report(figures):
    print(f"{'':<42}{'measured':>10}{'wanted':>10}")
    for name, value in figures.items():
        print(f"{name:<42}{value:>10.2f}{'<=':>6}{MOST:>4.2g}{'' if value <= MOST else '  missed'}")
    return max(figures.values()) > MOST


def cost(clients, size):
    """The median of the rounds' ratios of the time of an answer: the site's to the bare route's."""
    ratios = []
    for number in range(size["rounds"] + 1):
        times = {}
        for side in list(PATHS)[:: 1 if number % 2 else -1]:
            times[side] = size["seconds"] / sum(hammer(PORT, clients, size["seconds"], [PATHS[side]]))
        if number:  # the first round warms up
            ratios.append(times["site"] / times["bare"])
    return statistics.median(ratios)


def fetched(path, way):
    """The bytes of an answer as they come over the wire."""
    connection = HTTPConnection("127.0.0.1", PORT, timeout=5)
    connection.request("GET", path, headers={"Accept-Encoding": way})
    return connection.getresponse().read()


def site():
    """The site, which counts the calls but refuses none, with the bare application beside it."""
    limits.PER_PLACE = limits.PER_CALLER = parse("1000000000 per minute")
    app = create_app(settings_for(Path(os.environ["MARKET"]), ratelimit_enabled=True))
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/bare": bare(app.test_client())})
    return app


def bare(client):
    """Flask with one route, for the bytes that the site answers."""
    kept = {way: client.get(PATHS["site"], headers={"Accept-Encoding": way}).data for way in WAYS}
    app = Flask("bare")

    @app.get(PATHS["site"])
    def services():
        way = "gzip" if "gzip" in request.headers["Accept-Encoding"] else "identity"
        return Response(kept[way], mimetype="application/json", headers={"Content-Encoding": way})

    return app


if __name__ == "__main__":
    sys.exit(main())
