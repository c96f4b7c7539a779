"""Who asks for pages and who listens in benchmarks/live.py: processes of their own, which need little of a core.

    python -m benchmarks.crowd ask PORT SECONDS PATH ...    prints the milliseconds that each page took
    python -m benchmarks.crowd listen PORT STREAMS          tells something for each line of its input
"""

import json
import resource
import selectors
import socket
import statistics
import sys
import time
from http.client import HTTPConnection
from threading import Thread

CLIENTS = 4
PATIENCE_SECONDS = 60


def main(verb, port, number, *paths):
    if verb == "listen":
        return listen(int(port), int(number))
    taken, end = [], time.perf_counter() + float(number)
    threads = [Thread(target=ask, args=(int(port), paths[n % len(paths)], end, taken)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(taken))
    return 0


def ask(port, path, end, taken):
    """Ask for a page, again and again on one connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    while (began := time.perf_counter()) < end:
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        if answer.status != 200 or len(answer.read()) < 1_000:
            raise RuntimeError(f"status {answer.status}")
        taken.append((time.perf_counter() - began) * 1000)


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
