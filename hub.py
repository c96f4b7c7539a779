"""Who is listening in this process, and the last minutes of news for those whose line was cut.

The hub knows nothing of bookings or rights: news are names on channels, and a stream hears the
channels that it was opened with. It keeps no news for a stream but the names to look at, so a slow
reader costs no memory.
"""

import selectors
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import takewhile
from socket import socket

# For this much of the past a line that was cut is told exactly what it missed; after it, to look at everything.
MOST_KEPT = 20_000
# Who has missed more than this looks at everything.
MOST_NAMES = 50
EVERYTHING = "everything"
# One person's windows, or those of one address: so nobody takes all the threads.
MOST_OF_ONE = 20


class Full(Exception):
    """There are as many streams as this process, or this listener, can have."""


class Stream:
    """What one open page has to look at, until it is taken."""

    def __init__(self, channels: Iterable[str]):
        self.channels = frozenset(channels)
        self.ended = False
        self._names = {}
        self._stamp = None
        self._news = threading.Condition()

    def put(self, stamp: int, names: Iterable[str]) -> None:
        with self._news:
            self._names.update(dict.fromkeys(names))
            if len(self._names) > MOST_NAMES:
                self._names = {EVERYTHING: None}
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
    another process, or the next one, what it missed. Everything is done under one lock: a stream
    never has a stamp before the news up to it.
    """

    def __init__(self, most: int):
        self.most = most
        self._lock = threading.Lock()
        self._all = set()
        self._hearing = defaultdict(set)
        # (stamp, channel, name), the newest last; the name None is an end.
        self._kept = deque()
        # News up to this stamp are not kept, or were before this process.
        self._forgotten = self._last = _now()

    def __len__(self):
        return len(self._all)

    @property
    def last(self) -> int:
        """The stamp of the newest news."""
        return self._last

    def publish(self, news: Iterable[tuple[str, str]]) -> None:
        """Tell (channel, name) pairs to whoever hears the channel."""
        with self._lock:
            told = defaultdict(dict)
            stamp = self._next()
            for channel, name in news:
                self._keep(stamp, channel, name)
                for stream in self._hearing.get(channel, ()):
                    told[stream][name] = None
            for stream, names in told.items():
                stream.put(stamp, names)

    def end(self, channels: Iterable[str]) -> None:
        """Cut off whoever hears one of these channels, and who is about to be let in."""
        with self._lock:
            stamp = self._next()
            for channel in channels:
                self._keep(stamp, channel, None)
                for stream in self._hearing.get(channel, ()):
                    stream.end()

    def end_all(self) -> None:
        with self._lock:
            for stream in self._all:
                stream.end()

    def forget(self) -> None:
        """What is kept is not all that there was: everybody comes back, and looks at everything."""
        with self._lock:
            self._kept.clear()
            self._forgotten = self._next()
            for stream in self._all:
                stream.end()

    def open(self, listener: str, channels: Iterable[str], after: int | None, known: int) -> Stream:
        """A stream that begins with what came after a stamp. Close it. Raises Full.

        `known` is `last` from before it was found out who listens: who was cut off since then is at the end.
        """
        stream = Stream([listener, *channels])
        with self._lock:
            if len(self._all) >= self.most or len(self._hearing.get(listener, ())) >= MOST_OF_ONE:
                raise Full
            self._all.add(stream)
            for channel in stream.channels:
                self._hearing[channel].add(stream)
            if missed := self._missed(after, stream.channels):
                stream.put(self._last, missed)
            if known < self._forgotten or None in self._since(known, stream.channels):
                stream.end()
        return stream

    def close(self, stream: Stream) -> None:
        with self._lock:
            self._all.discard(stream)
            for channel in stream.channels & self._hearing.keys():
                self._hearing[channel].discard(stream)
                if not self._hearing[channel]:
                    del self._hearing[channel]

    def _next(self):
        self._last = max(self._last + 1, _now())
        return self._last

    def _keep(self, stamp, channel, name):
        self._kept.append((stamp, channel, name))
        if len(self._kept) > MOST_KEPT:
            self._forgotten = self._kept.popleft()[0]

    def _missed(self, after, channels):
        # A stamp of the future is that of a clock which was set back since.
        if after is None or not self._forgotten <= after <= max(self._last, _now()):
            return [EVERYTHING]
        return [name for name in self._since(after, channels) if name is not None]

    def _since(self, stamp, channels):
        newer = takewhile(lambda one: one[0] > stamp, reversed(self._kept))
        return [name for _stamp, channel, name in newer if channel in channels][::-1]


class Watch:
    """Ends the streams whose clients have gone.

    Otherwise only the second ping would find out, and whoever goes from page to page would meanwhile
    have a thread for each.
    """

    def __init__(self):
        self._sockets = selectors.DefaultSelector()

    def start(self) -> None:
        threading.Thread(target=self._work, name="watch", daemon=True).start()

    def add(self, client: socket, stream: Stream) -> None:
        self._sockets.register(client, selectors.EVENT_READ, stream)

    def remove(self, client: socket) -> None:
        # When its end was noticed first, it is not known any more, and perhaps closed.
        with suppress(KeyError, ValueError):
            self._sockets.unregister(client)

    def _work(self):
        while True:
            # A client of a stream has nothing more to say, so this is its end.
            for key, _events in self._sockets.select():
                self.remove(key.fileobj)
                key.data.end()


def _now():
    return time.time_ns() // 1_000_000
