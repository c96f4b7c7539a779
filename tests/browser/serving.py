"""A site that runs: gunicorn in a process of its own, on a database of its own."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config import ROOT

PATIENCE_SECONDS = 60


@dataclass
class Site:
    address: str
    folder: Path

    def move_to(self, moment: datetime) -> None:
        """Set the site's clock; it stands there until it is moved again."""
        # Replaced and not rewritten, so that no request reads half a moment.
        new = self.folder / "clock.new"
        new.write_text(moment.isoformat())
        new.replace(self.folder / "clock")

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextmanager
def serve(
    folder: Path, database_url: str, uploads: Path, secret_key: str, moment: datetime, environment=()
) -> Iterator[Site]:
    """The site at a free port until the block ends. What the server logged as an error fails the test."""
    folder.mkdir(parents=True, exist_ok=True)
    site = Site("", folder)
    site.move_to(moment)
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "tests.browser.clocked:create_app()"],
            cwd=ROOT,
            env={
                # Nothing else of the developer's environment reaches the site.
                "PATH": os.environ["PATH"],
                "CLOCK_FILE": str(folder / "clock"),
                "INSTANCE_DIR": str(folder / "instance"),
                "DATABASE_URL": database_url,
                "UPLOAD_DIR": str(uploads),
                "SECRET_KEY": secret_key,
                "RATELIMIT_ENABLED": "0",
                **dict(environment),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            site.address = _address(process, site)
            yield site
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)
    assert "Traceback" not in site.log, site.log


def _address(process, site):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        # The port is free before the worker answers; the kernel keeps a first visitor waiting.
        if found := re.search(r"Doorstep is at (http://\S+)", site.log):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the site did not start:\n{site.log}")
