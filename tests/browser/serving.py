"""A site that runs: gunicorn in a process of its own, on a database of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from config import ROOT
from tests import databases, forks

PATIENCE_SECONDS = 60


class Site:
    """A gunicorn at a port that it keeps when it is stopped and started again."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder = folder
        self._environment = environment
        self._port = 0
        self._process = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def move_to(self, moment: datetime) -> None:
        """Set the site's clock; it stands there until it is moved again."""
        # Replaced and not rewritten, so that no request reads half a moment.
        new = self.folder / "clock.new"
        new.write_text(moment.isoformat())
        new.replace(self.folder / "clock")

    def move_on(self, by: timedelta) -> None:
        self.move_to(datetime.fromisoformat((self.folder / "clock").read_text()) + by)

    def start(self) -> None:
        command = ("gunicorn", "--bind", f"127.0.0.1:{self._port}", "tests.browser.clocked:create_app()")
        log = self.folder / "log"
        log.touch()
        began = log.stat().st_size
        self._process = forks.start(command, self._environment, log)
        self._port = self._found_port(began)

    def stop(self) -> None:
        self._process.terminate()
        self._process.join(PATIENCE_SECONDS)

    def command(self, *words: str) -> subprocess.CompletedProcess:
        """What `flask ...` answers on the site's machine."""
        told = [sys.executable, "-m", "flask", "--app", "app", *words]
        return subprocess.run(told, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)

    def _found_port(self, began):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self._process.is_alive():
            # The port is free before the worker answers; the kernel keeps a first visitor waiting.
            if found := re.search(r"Doorstep is at http://127.0.0.1:(\d+)", self.log[began:]):
                return int(found[1])
            time.sleep(0.05)
        raise AssertionError(f"the site did not start:\n{self.log}")


@contextmanager
def serve(
    folder: Path, database_url: str, uploads: Path, secret_key: str, moment: datetime, environment: dict[str, str]
) -> Iterator[Site]:
    """The site at a free port until the block ends. What the server logged as an error fails the test."""
    folder.mkdir(parents=True, exist_ok=True)
    templates = databases.folder() / "templates"
    templates.mkdir(exist_ok=True)
    site = Site(
        folder,
        {
            # Nothing else of the developer's environment reaches the site.
            "PATH": os.environ["PATH"],
            "CLOCK_FILE": str(folder / "clock"),
            "INSTANCE_DIR": str(folder / "instance"),
            "DATABASE_URL": database_url,
            "UPLOAD_DIR": str(uploads),
            "SECRET_KEY": secret_key,
            "RATELIMIT_ENABLED": "0",
            "TEMPLATES_FOLDER": str(templates),
            **environment,
        },
    )
    site.move_to(moment)
    try:
        site.start()
        yield site
    finally:
        site.stop()
    assert "Traceback" not in site.log, site.log
