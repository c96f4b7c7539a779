"""How news cross from one process to the others: by Redis, or by PostgreSQL's own LISTEN and NOTIFY.

Each process tells its own streams at once, and passes over what comes back of itself. News that a
broken line lost are made up for: whoever was not connected has its streams look at everything.
"""

import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

CHANNEL = "doorstep_news"
# NOTIFY takes up to 8,000 bytes.
MOST_BYTES = 7_000
SECONDS_TO_CONNECT = 2
# A commit waits so long for Redis, and then for some seconds not at all.
SECONDS_TO_SEND = 0.5
# How soon the listener sees that it should stop.
SECONDS_OF_SILENCE = 1.0
SECONDS_BETWEEN_TRIES = 2.0
# A connection that was cut without a word is noticed after 20 seconds: silence, time between probes, their number.
ALIVE = (10, 5, 2)
KEEPALIVE_OPTIONS = (getattr(socket, "TCP_KEEPIDLE", 4), socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)

log = logging.getLogger(__name__)
News = Iterable[tuple[str, str]]


class Relay:
    """Listens in a thread of its own from start() to stop(); `hear` gets the others' news, and `missed`
    is called when some may have been lost."""

    def __init__(self):
        self._origin = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._thread = None
        self._down = False

    def start(self, hear: Callable[[list], None], missed: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._work, args=(hear, missed), name="relay", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout)

    def _pack(self, news):
        return json.dumps([self._origin, news and list(news)])

    def _work(self, hear, missed):
        while not self._stopping.is_set():
            try:
                for text in self._listen():
                    origin, news = json.loads(text) if text else (None, None)
                    if text is None:
                        self._note(None)
                    if news is None:
                        missed()
                    elif origin != self._origin:
                        hear([tuple(pair) for pair in news])
            except Exception as error:
                # Whatever it was: the line is made anew, and what was lost made up for.
                self._note(error)
            self._stopping.wait(SECONDS_BETWEEN_TRIES)

    def _note(self, error):
        """Say once that the line is down, and once that it is up again."""
        if error and not self._down:
            log.warning("the line to the other processes is down: %s", error)
        elif self._down and not error:
            log.warning("the line to the other processes is up again")
        self._down = bool(error)


class RedisRelay(Relay):
    """By Redis: published after the commit."""

    def __init__(self, url: str):
        super().__init__()
        self._url = url
        self._sender = self._connect(SECONDS_TO_SEND)
        self._pause_until = 0.0
        self._lost = False

    def after_commit(self, news: News) -> None:
        """Tell the others; while Redis is away nobody waits for it, and afterwards they look at everything."""
        if time.monotonic() < self._pause_until:
            self._lost = True
            return
        lost, self._lost = self._lost, False
        try:
            self._sender.publish(CHANNEL, self._pack(None if lost else news))
        except redis.RedisError as error:
            self._lost = True
            self._pause_until = time.monotonic() + SECONDS_BETWEEN_TRIES
            self._note(error)

    def _connect(self, seconds):
        return redis.Redis.from_url(
            self._url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            socket_keepalive=True,
            socket_keepalive_options=dict(zip(KEEPALIVE_OPTIONS, ALIVE, strict=True)),
            # One that broke while nobody used it is made anew once.
            retry=Retry(NoBackoff(), 1),
        )

    def _listen(self):
        """None when connected, and then each text; ends with stop()."""
        with self._connect(SECONDS_TO_CONNECT) as line, line.pubsub() as subscription:
            subscription.subscribe(CHANNEL)
            while not self._stopping.is_set():
                message = subscription.get_message(timeout=SECONDS_OF_SILENCE)
                if message and message["type"] == "subscribe":
                    yield None
                elif message and message["type"] == "message":
                    yield message["data"]


class PostgresRelay(Relay):
    """By PostgreSQL: part of the transaction, so it is told if and only if that is committed."""

    def __init__(self, url: str):
        super().__init__()
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def before_commit(self, session, news: News) -> None:
        news = list(news)
        for part in _parts(news):
            session.execute(select(func.pg_notify(CHANNEL, self._pack(part))))

    def _listen(self):
        """None when connected, and then each text; ends with stop()."""
        options = dict(zip(("keepalives_idle", "keepalives_interval", "keepalives_count"), ALIVE, strict=True))
        with psycopg.connect(self._url, autocommit=True, connect_timeout=SECONDS_TO_CONNECT, **options) as line:
            line.execute(f"LISTEN {CHANNEL}")
            yield None
            while not self._stopping.is_set():
                for notice in line.notifies(timeout=SECONDS_OF_SILENCE):
                    yield notice.payload


def _parts(news):
    """Parts of it that fit one NOTIFY; a pair is far below a hundred bytes."""
    size = MOST_BYTES // 100
    return [news[at : at + size] for at in range(0, len(news), size)]
