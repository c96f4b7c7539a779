"""Who asks for pages and who listens in the benchmarks: processes of their own, which need little of a core.

    python -m benchmarks.crowd ask PORT SECONDS PATH ...             prints the milliseconds that each page took
    python -m benchmarks.crowd hammer PORT SECONDS CLIENTS PATH ...  prints how many answers each client got
    python -m benchmarks.crowd listen PORT STREAMS                   tells something for each line of its input
"""

import json
import resource
import selectors
import socket
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

CLIENTS = 4
PATIENCE_SECONDS = 60


def main(verb, port, number, *paths):
    if verb == "listen":
        return listen(int(port), int(number))
    if verb == "hammer":
        # Each asks for all of the pages in turn, beginning with another one.
        clients, *paths = paths
        told = [len(taken) for taken in asked(port, number, [rotated(paths, n) for n in range(int(clients))])]
    else:
        one_page_each = [rotated(paths, n)[:1] for n in range(CLIENTS)]
        told = [milliseconds for taken in asked(port, number, one_page_each) for milliseconds in taken]
    print(json.dumps(told))
    return 0


def rotated(paths, number):
    number %= len(paths)
    return paths[number:] + paths[:number]


def asked(port, seconds, clients):
    """The milliseconds of each answer that each client got, who has its pages."""
    end = time.perf_counter() + float(seconds)
    with ThreadPoolExecutor(len(clients)) as threads:
        return list(threads.map(lambda paths: ask(int(port), paths, end), clients))


def ask(port, paths, end):
    """Ask for the pages in turn, again and again on one connection."""
    connection, taken = HTTPConnection("127.0.0.1", port, timeout=30), []
    while (began := time.perf_counter()) < end:
        connection.request("GET", paths[len(taken) % len(paths)], headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        if answer.status != 200 or len(answer.read()) < 1_000:
            raise RuntimeError(f"status {answer.status}")
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def listen(port, streams):
    """One thread that reads all streams, and has an event told for each line of its input."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    selector = selectors.DefaultSelector()
    for _ in range(streams):
        stream = socket.create_connection(("127.0.0.1", port))
        stream.sendall(b"GET /live?slots=1&after=%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (time.time() * 1000))
        selector.register(stream, selectors.EVENT_READ)
    heard(selector, b"retry:", streams)
    print("open", flush=True)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _events in selector.select():
            if key.fileobj is not sys.stdin:
                key.fileobj.recv(4096)  # a ping
            elif not sys.stdin.readline():
                return 0
            else:
                selector.unregister(sys.stdin)
                with socket.create_connection(("127.0.0.1", port)) as teller:
                    began = time.perf_counter()
                    teller.sendall(b"GET /tell HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    times = [moment - began for moment in heard(selector, b"data: ", streams)]
                print(json.dumps([statistics.median(times), times[-1]]), flush=True)
                selector.register(sys.stdin, selectors.EVENT_READ)


def heard(selector, mark, streams):
    """When each of the streams had sent this."""
    moments, deadline = [], time.monotonic() + PATIENCE_SECONDS
    while len(moments) < streams:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {len(moments)} of {streams} streams sent {mark}")
        for key, _events in selector.select(1):
            if mark in key.fileobj.recv(4096):
                moments.append(time.perf_counter())
    return moments


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
