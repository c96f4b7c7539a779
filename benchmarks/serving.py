"""A site of a benchmark, served by gunicorn in a process of its own for as long as it is measured."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import config

SECONDS_TO_START = 30
# Who asks is a process of its own, which starts at once because it imports nothing of the site.
CROWD = (sys.executable, "-m", "benchmarks.crowd")


@contextmanager
def served(site: str, port: int, **environment: str) -> Iterator[None]:
    """Serve a WSGI application, such as benchmarks.search:site(), with one process.

    Raises RuntimeError when it does not start.
    """
    environment = {**os.environ, "PORT": str(port), "WEB_CONCURRENCY": "1", **environment}
    command = [sys.executable, "-m", "gunicorn", "--log-level", "error", site]
    server = subprocess.Popen(command, cwd=config.ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield
    finally:
        server.terminate()
        server.wait()


def _wait_for(port):
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError("the server did not start")
