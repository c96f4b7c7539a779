"""What the processes share in Redis: while it is away, each goes on by itself."""

import logging
import time

from limits.storage import MemoryStorage, RedisStorage
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

# A request waits so long for Redis, and then none asks it for some seconds.
SECONDS_TO_ANSWER, SECONDS_OF_A_PAUSE = 0.5, 5.0
# Of a line to Redis. One that broke while nobody used it is made anew once.
OPTIONS = {
    "socket_timeout": SECONDS_TO_ANSWER,
    "socket_connect_timeout": SECONDS_TO_ANSWER,
    "retry": Retry(NoBackoff(), 1),
}
# RedisStorage is what `redis://` alone means.
PREFIX = "shared+"

log = logging.getLogger(__name__)


class MayBeAway:
    """Asks Redis, and nobody while it is away; `meanwhile` says in the log what becomes of it."""

    meanwhile = ""
    away_until = 0.0

    def unless_away(self, ask, *arguments):
        """What Redis answers; None while it is away."""
        if time.monotonic() < self.away_until:
            return None
        try:
            return ask(*arguments)
        except RedisError as error:
            self.away_until = time.monotonic() + SECONDS_OF_A_PAUSE
            log.warning("Redis is away, %s: %s", self.meanwhile, error)
            return None


class Counts(MayBeAway, RedisStorage):
    """How often somebody tried or called: counted for all processes together, and while Redis is away in each."""

    STORAGE_SCHEME = [f"{PREFIX}{scheme}" for scheme in ("redis", "rediss", "unix", "redis+unix")]
    meanwhile = "each process counts tries and calls by itself"

    def __init__(self, uri: str, **_options):
        super().__init__(uri.removeprefix(PREFIX), **OPTIONS)
        self._own = MemoryStorage()

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self._either("incr", key, expiry, amount)

    def get(self, key: str) -> int:
        return self._either("get", key)

    def get_expiry(self, key: str) -> float:
        return self._either("get_expiry", key)

    def clear(self, key: str) -> None:
        self.unless_away(super().clear, key)
        self._own.clear(key)

    def _either(self, verb, *arguments):
        shared = self.unless_away(getattr(super(), verb), *arguments)
        return getattr(self._own, verb)(*arguments) if shared is None else shared
