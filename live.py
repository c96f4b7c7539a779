"""Realtime: who may listen to what, and how news reach a page: as server-sent events, after the commit.

A page hears the news of its own person, those of all admins if they are one, and of the slots and
the guide that it shows. Which these are comes from the log-in and not from the page, so nobody hears another's.
"""

import time

from flask import Blueprint, Flask, Response, current_app, g, request
from flask_login import current_user
from sqlalchemy import event

import metrics
from config import Settings
from domain import news
from extensions import db, when_committed
from hub import Full, Hub, Watch
from models import Role
from relays import PostgresRelay, RedisRelay

# Proxies drop what is silent, and so do pages: after two pings that did not come they ask for another line.
SECONDS_BETWEEN_PINGS = 15
PING = "event: ping\ndata:\n\n"
# Then the browser comes back and shows anew who it is.
SECONDS_OF_A_STREAM = 900
MILLISECONDS_TO_COME_BACK = 1000
SECONDS_UNTIL_LESS_FULL = 30
MOST_PROFESSIONALS = 3
# What the clocks of machines behind one proxy may differ by.
SLACK_MILLISECONDS = 1000
MOST_DIGITS = 16

bp = Blueprint("live", __name__)


class Live:
    """The streams of this process, and its line to the other processes if there are any."""

    def __init__(self, settings: Settings):
        self.hub = Hub(settings.live_streams)
        self.watch = Watch()
        self.relay = _relay(settings)

    def hear(self, told) -> None:
        told = list(told)
        self.hub.end(channel for channel, name in told if name == news.END)
        self.hub.publish(pair for pair in told if pair[1] != news.END)

    def start(self) -> None:
        self.watch.start()
        if self.relay:
            self.relay.start(self.hear, self.hub.forget)

    def stop(self, timeout: float | None = None) -> None:
        """End the streams, whose browsers come back to whoever serves then."""
        self.hub.end_all()
        if self.relay:
            self.relay.stop(timeout)


def init_app(app: Flask) -> None:
    app.extensions["live"] = Live(app.config["SETTINGS"])
    app.before_request(_note_what_is_known)


def start(app: Flask) -> Live:
    """Begin to hear the other processes; this one forks no more."""
    live = app.extensions["live"]
    live.start()
    return live


def _relay(settings):
    if settings.redis_url:
        return RedisRelay(settings.redis_url)
    if settings.database_url.startswith("postgresql"):
        return PostgresRelay(settings.database_url)
    return None


def _note_what_is_known():
    # Before anything is read: what comes after this may not be on the page.
    g.known = current_app.extensions["live"].hub.last


@event.listens_for(db.session, "before_commit")
def _tell_with_the_transaction(session):
    told = session.info.get(news.MARK)
    if told and not session.in_nested_transaction():
        relay = current_app.extensions["live"].relay
        if isinstance(relay, PostgresRelay):
            relay.before_commit(session, told)


def _tell(told):
    live = current_app.extensions["live"]
    live.hear(told)
    if isinstance(live.relay, RedisRelay):
        live.relay.after_commit(told)


when_committed(news.MARK, _tell)


# -- The stream -------------------------------------------------------------------------------


@bp.get("/live")
def stream():
    """Names of what to look at, as they come; 204 when there is nothing that one may listen to."""
    live = current_app.extensions["live"]
    listener, channels = _channels()
    if not channels:
        return "", 204
    try:
        line = live.hub.open(listener, channels, _after(live.relay), g.known)
    except Full:
        return "", 503, {"Retry-After": SECONDS_UNTIL_LESS_FULL}
    # It may stay for long, and needs the database no more.
    db.session.remove()
    response = Response(_frames(line), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(lambda: live.hub.close(line))
    metrics.streams.inc()
    response.call_on_close(metrics.streams.dec)
    if client := request.environ.get("gunicorn.socket"):
        live.watch.add(client, line)
        response.call_on_close(lambda: live.watch.remove(client))
    return response


def _after(relay):
    """The stamp of what the page knows; None when it does not say, or nothing that can be one."""
    text = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    if not (text.isdecimal() and len(text) < MOST_DIGITS):
        return None
    # What crossed from another process may have its stamp of before it came.
    return int(text) - (SLACK_MILLISECONDS if relay else 0)


def _channels():
    """Who listens, and the channels that they may hear: their own, and of slots and guides what the page shows."""
    wanted = request.args.get("slots", "").split(",")[:MOST_PROFESSIONALS]
    shown = [news.slots(int(one)) for one in wanted if one.isdecimal() and len(one) < MOST_DIGITS]
    guide = request.args.get("guide", "")
    if guide.isdecimal() and len(guide) < MOST_DIGITS:
        shown.append(news.guide(int(guide)))
    if not current_user.is_authenticated:
        return f"address:{request.remote_addr}", shown
    own = news.person(current_user.id)
    house = [news.ADMINS] if current_user.role is Role.ADMIN else []
    return own, [own, *house, *shown]


def _frames(line):
    yield f"retry: {MILLISECONDS_TO_COME_BACK}\n\n"
    until = time.monotonic() + SECONDS_OF_A_STREAM
    while not line.ended and time.monotonic() < until:
        stamp, names = line.take(SECONDS_BETWEEN_PINGS)
        yield f"id: {stamp}\ndata: {' '.join(names)}\n\n" if names else PING
