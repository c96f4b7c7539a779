"""All that a program of the site imports and does once, for tests.forks: what is forked from here need not do it."""

import tempfile

import gunicorn.app.wsgiapp
import gunicorn.workers.gthread  # noqa: F401
import time_machine  # noqa: F401

import app as application
import config
import jobs  # noqa: F401
import live  # noqa: F401
import mail  # noqa: F401

# A first application costs five times what a second does. Nothing is asked of its database.
with tempfile.TemporaryDirectory() as folder:
    application.create_app(config.load({"APP_ENV": "testing", "SECRET_KEY": "0" * 32, "INSTANCE_DIR": folder}))
