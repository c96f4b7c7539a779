"""The application as gunicorn serves it to the browser tests: its clock stands where a file says.

A journey takes hours of the site's time and a test has seconds, so the test moves the clock.
"""

import os
from datetime import datetime
from pathlib import Path

import time_machine
from flask import Flask
from jinja2 import FileSystemBytecodeCache

import app as application


def create_app() -> Flask:
    clock = time_machine.travel(_moment(), tick=False).start()
    site = application.create_app()
    # Each test has a site of its own, whose pages would all be compiled anew.
    site.jinja_env.bytecode_cache = FileSystemBytecodeCache(os.environ["TEMPLATES_FOLDER"])
    serve = site.wsgi_app

    def serve_then(environ, start_response):
        clock.move_to(_moment())
        return serve(environ, start_response)

    site.wsgi_app = serve_then
    return site


def _moment() -> float:
    """Seconds and not a datetime: for one with a zone, time-machine changes TZ, which no two threads may."""
    return datetime.fromisoformat(Path(os.environ["CLOCK_FILE"]).read_text()).timestamp()
