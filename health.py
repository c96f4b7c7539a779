"""What programs ask that look after the site: whether the process lives, whether it can serve, and its numbers."""

from ipaddress import ip_address

from flask import Blueprint, Response, abort, request
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

import checks
import metrics
from domain import clock, deliveries, job_runs, leases, timetable
from extensions import db, settings
from models import RunStatus

bp = Blueprint("health", __name__)

# A proxy says with one of these that somebody else asks.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")


@bp.after_request
def keep_nothing(response):
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/healthz")
def alive():
    """This process serves. It asks nothing of anybody: to start it anew would mend no database."""
    return {"status": checks.State.OK}


@bp.get("/readyz")
def ready():
    """Whether requests should be sent here; strangers learn names and states, and no more."""
    found = checks.look()
    status = 503 if found.overall is checks.State.FAILED else 200
    return {"status": found.overall, "checks": found.states}, status


@bp.get("/metrics")
def numbers():
    if not _is_watcher():
        abort(404)
    return Response(metrics.exposition(_of_the_moment()), content_type=metrics.CONTENT_TYPE)


def _is_watcher():
    """Whether it is a neighbour of METRICS_ALLOW who asks, itself: no proxy is let in for anybody."""
    if any(name in request.headers for name in FORWARDED):
        return False
    peer = request.environ.get("werkzeug.proxy_fix.orig", request.environ)["REMOTE_ADDR"]
    try:
        address = ip_address(peer)
    except ValueError:
        # A socket in a folder has no address.
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in settings.metrics_allow)


def _of_the_moment():
    """What only the database knows, which is the same for all processes."""
    try:
        mail, runs, lease = deliveries.health(), job_runs.latest(), leases.find()
    except SQLAlchemyError:
        db.session.rollback()
        return [metrics.gauge("database_up", "Whether the database answers.", {(): 0})]
    age = (clock.now() - mail.oldest).total_seconds() if mail.oldest else 0
    messages = {("waiting",): mail.waiting, ("failed",): mail.failed}
    ended = {(run.job,): (run.finished_at or run.started_at).timestamp() for run in runs.values()}
    failed = {(run.job,): run.status is RunStatus.FAILED for run in runs.values()}
    return [
        metrics.gauge("database_up", "Whether the database answers.", {(): 1}),
        metrics.gauge("database_waiting", "Who waits for a lock of PostgreSQL.", {(): _waiting_for_locks()}),
        metrics.gauge("outbox_messages", "Messages, at most 1,000 of a state.", messages, ["state"]),
        metrics.gauge("outbox_oldest_seconds", "How long the oldest message that is due has waited.", {(): age}),
        metrics.gauge("timetable_led", "Whether a process runs the timetable.", {(): timetable.is_led(lease)}),
        metrics.gauge("job_last_run_timestamp_seconds", "When a job was last at work.", ended, ["job"]),
        metrics.gauge("job_failed", "Whether the last run of a job failed.", failed, ["job"]),
        metrics.gauge("disk_free_bytes", "What is free where the data is kept.", {(): checks.free_bytes()}),
    ]


def _waiting_for_locks():
    """On SQLite who writes counts the waiting itself."""
    if db.engine.dialect.name != "postgresql":
        return 0
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return db.session.scalar(text(waiting))
