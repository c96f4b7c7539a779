"""Programs of the site, each the fork of a process that has imported the site already (tests/warm.py)."""

import multiprocessing
import os
import runpy
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

from config import ROOT

# A library is loaded before all else, and how numbers are counted is settled when metrics.py is imported.
NOT_AFTERWARDS = {"LD_PRELOAD", "PROMETHEUS_MULTIPROC_DIR"}
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.warm"])


def start(words: tuple[str, ...], environment: dict[str, str], log: Path) -> BaseProcess:
    """What `python -m` does of these words, with no other environment than this; it writes to the log."""
    process = _forks.Process(target=_run, args=(words, environment, log), daemon=True)
    process.start()
    return process


def _run(words, environment, log):
    # Processes that it forks in its turn can be ended with it.
    os.setsid()
    os.chdir(ROOT)
    with open(log, "a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    if NOT_AFTERWARDS & environment.keys():
        os.execve(sys.executable, [sys.executable, "-m", *words], environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
