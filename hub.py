"""Who is listening in this process, and the last minutes of news for those whose line was cut.

The hub knows nothing of bookings or rights: news are names on channels, and a stream hears the
channels that it was opened with. It keeps no news for a stream but the names to look at, so a slow
reader costs no memory.
"""

import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable

# For this much of the past a line that was cut is told exactly what it missed; after it, to look at everything.
MOST_KEPT = 20_000
EVERYTHING = "everything"


# One person's windows, or those of one address: so nobody takes all the threads.
MOST_OF_ONE = 20


class Full(Exception):
    """There are as many streams as this process, or this listener, can have."""


class Stream:
    """What one open page has to look at, until it is taken."""

    def __init__(self, listener: str, channels: frozenset[str]):
        self.listener = listener
        self.channels = channels
        self.ended = self.closed = False
        self._names = {}
        self._stamp = None
        self._news = threading.Condition()

    def put(self, stamp: int, names: Iterable[str]) -> None:
        with self._news:
            self._names.update(dict.fromkeys(names))
            self._stamp = stamp
            self._news.notify()

    def end(self) -> None:
        with self._news:
            self.ended = True
            self._news.notify()

    def take(self, seconds: float) -> tuple[int | None, list[str]]:
        """The names since the last call in the order in which they came, and the stamp of the newest;
        after so many seconds, or at the end, perhaps none."""
        with self._news:
            if not self._names and not self.ended:
                self._news.wait(seconds)
            names, self._names = [*self._names], {}
            return self._stamp, names


class Hub:
    """Passes news on to the streams of one process.

    A stamp is milliseconds since 1970, moved on where two would be the same, so a page may ask
    another process, or the next one, what it missed.
    """

    def __init__(self, most: int):
        self.most = most
        self._lock = threading.Lock()
        self._streams = defaultdict(set)
        self._listeners = Counter()
        self._kept = deque()
        # News up to this stamp are not kept, or were before this process.
        self._forgotten = self._last = _now()

    def __len__(self):
        return self._listeners.total()

    @property
    def last(self) -> int:
        """The stamp of the newest news."""
        return self._last

    def publish(self, news: Iterable[tuple[str, str]]) -> None:
        """Tell (channel, name) pairs to whoever hears the channel."""
        with self._lock:
            self._last = stamp = max(self._last + 1, _now())
            told = defaultdict(dict)
            for channel, name in news:
                self._kept.append((stamp, channel, name))
                for stream in self._streams.get(channel, ()):
                    told[stream][name] = None
            while len(self._kept) > MOST_KEPT:
                self._forgotten = self._kept.popleft()[0]
        for stream, names in told.items():
            stream.put(stamp, names)

    def publish_to_all(self, name: str) -> None:
        with self._lock:
            self._last = stamp = max(self._last + 1, _now())
            streams = self._all()
        for stream in streams:
            stream.put(stamp, [name])

    def end(self, channels: Iterable[str]) -> None:
        """Cut off whoever hears one of these channels."""
        with self._lock:
            ended = {stream for channel in channels for stream in self._streams.get(channel, ())}
        for stream in ended:
            stream.end()

    def end_all(self) -> None:
        with self._lock:
            ended = self._all()
        for stream in ended:
            stream.end()

    def open(self, listener: str, channels: Iterable[str], after: int | None) -> Stream:
        """A stream that begins with what came after a stamp. Close it. Raises Full."""
        stream = Stream(listener, frozenset(channels))
        with self._lock:
            if len(self) >= self.most or self._listeners[listener] >= MOST_OF_ONE:
                raise Full
            self._listeners[listener] += 1
            for channel in stream.channels:
                self._streams[channel].add(stream)
            missed = self._since(after, stream.channels)
            stamp = self._last
        if missed:
            stream.put(stamp, missed)
        return stream

    def close(self, stream: Stream) -> None:
        with self._lock:
            if stream.closed:
                return
            stream.closed = True
            for channel in stream.channels:
                self._streams[channel].discard(stream)
                if not self._streams[channel]:
                    del self._streams[channel]
            self._listeners[stream.listener] -= 1
            self._listeners += Counter()

    def _all(self):
        return {stream for streams in self._streams.values() for stream in streams}

    def _since(self, after, channels):
        if after is None or after < self._forgotten:
            return [EVERYTHING]
        return [name for stamp, channel, name in self._kept if stamp > after and channel in channels]


def _now():
    return time.time_ns() // 1_000_000
