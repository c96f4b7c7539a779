"""How news cross from one process to the others: by Redis, or by PostgreSQL's own LISTEN and NOTIFY.

Each process tells its own streams at once, and passes over what comes back of itself. News that a
broken line lost are made up for: whoever was not connected tells its streams to look at everything.
"""

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterable

import psycopg
import redis
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

CHANNEL = "doorstep_news"
# NOTIFY takes up to 8,000 bytes.
MOST_BYTES = 7_000
SECONDS_TO_CONNECT = 2
# How soon the listener sees that it should stop.
SECONDS_OF_SILENCE = 1.0
SECONDS_BETWEEN_TRIES = 2.0

log = logging.getLogger(__name__)
News = Iterable[tuple[str, str]]


class Relay:
    """Listens in a thread of its own from start() to stop(); `hear` gets the others' news, and `missed`
    is called when some may have been lost."""

    def __init__(self):
        self._origin = uuid.uuid4().hex
        self._stopping = threading.Event()
        self._thread = None
        self.connected = threading.Event()

    def start(self, hear: Callable[[list], None], missed: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._work, args=(hear, missed), name="relay", daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout)

    def _pack(self, news):
        return json.dumps([self._origin, list(news)])

    def _unpack(self, text, hear):
        origin, news = json.loads(text)
        if origin != self._origin:
            hear([tuple(pair) for pair in news])

    def _work(self, hear, missed):
        first = True
        while not self._stopping.is_set():
            try:
                for text in self._listen():
                    if text is None:
                        self.connected.set()
                        if not first:
                            missed()
                        first = False
                    else:
                        self._unpack(text, hear)
            except (psycopg.Error, redis.RedisError, OSError):
                log.warning("the line between the processes is down", exc_info=True)
            self.connected.clear()
            self._stopping.wait(SECONDS_BETWEEN_TRIES)


class RedisRelay(Relay):
    """By Redis: published after the commit."""

    def __init__(self, url: str):
        super().__init__()
        # A publish must not keep a request waiting for a Redis that is away.
        self._sender = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._url = url

    def after_commit(self, news: News) -> None:
        try:
            self._sender.publish(CHANNEL, self._pack(news))
        except redis.RedisError:
            log.warning("news did not reach the other processes", exc_info=True)

    def _listen(self):
        """None when connected, and then each text; ends with stop()."""
        line = redis.Redis.from_url(self._url, socket_connect_timeout=SECONDS_TO_CONNECT, health_check_interval=15)
        with line, line.pubsub(ignore_subscribe_messages=False) as subscription:
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
        with psycopg.connect(self._url, autocommit=True, connect_timeout=SECONDS_TO_CONNECT) as line:
            line.execute(f"LISTEN {CHANNEL}")
            yield None
            while not self._stopping.is_set():
                for notice in line.notifies(timeout=SECONDS_OF_SILENCE):
                    yield notice.payload


def _parts(news):
    """Parts of it that fit one NOTIFY; a pair is far below a hundred bytes."""
    size = MOST_BYTES // 100
    return [news[at : at + size] for at in range(0, len(news), size)]
