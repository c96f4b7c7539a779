"""What the processes count for whoever watches the site; health.py shows it at /metrics.

Labels are names of this code: routes, verbs, outcomes. Nothing that belongs to a person is ever one.
"""

import os
from collections.abc import Iterable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

CONTENT_TYPE = CONTENT_TYPE_LATEST
# gunicorn.conf.py sets it where there are several processes: they count into files that each can read.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

_requests = Histogram(
    "doorstep_request_seconds",
    "How long it took until an answer began, by the pattern of its address.",
    ["method", "route", "status"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_verbs = Counter("doorstep_bookings", "What was done with bookings, and what was refused.", ["verb", "outcome"])
_lock_waits = Histogram(
    "doorstep_write_lock_wait_seconds",
    "How long whoever wrote waited for the lock of SQLite.",
    buckets=(0.001, 0.01, 0.05, 0.25, 1, 5, 10),
)
# Of processes that have ended no stream is left.
streams = Gauge("doorstep_live_streams", "Open pages that hear at once of what changes.", multiprocess_mode="livesum")


def answered(method: str, route: str | None, status: int, seconds: float) -> None:
    """Count a request; without a route it asked for an address that there is none of."""
    # Strangers send methods of their own invention.
    known = method if method in METHODS else "other"
    _requests.labels(known, route or "none", status).observe(seconds)


def did(verb: str) -> None:
    _verbs.labels(verb, "done").inc()


def refused(verb: str) -> None:
    _verbs.labels(verb, "refused").inc()


def waited_to_write(seconds: float) -> None:
    _lock_waits.observe(seconds)


def gauge(name: str, help: str, values: dict[tuple[str, ...], float], labels: Iterable[str] = ()) -> Metric:
    """A number of the moment, by its labels."""
    family = GaugeMetricFamily(f"doorstep_{name}", help, labels=list(labels))
    for label, value in values.items():
        family.add_metric(label, value)
    return family


def exposition(of_the_moment: Iterable[Metric]) -> bytes:
    """All that was counted in the processes of this machine, and the numbers of the moment, for Prometheus."""
    return generate_latest(_counted()) + generate_latest(_Given(of_the_moment))


def _counted():
    if SHARED_FOLDER not in os.environ:
        return REGISTRY
    shared = CollectorRegistry()
    multiprocess.MultiProcessCollector(shared)
    return shared


class _Given(CollectorRegistry):
    """A registry of numbers that are there already."""

    def __init__(self, numbers):
        super().__init__()
        self._numbers = list(numbers)

    def collect(self):
        return iter(self._numbers)
