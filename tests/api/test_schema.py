"""The running server keeps what its OpenAPI document promises, to each kind of person, whatever is sent."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

import app as application
from config import ROOT
from domain import api_keys, clock
from extensions import db
from models import Role, Status
from tests import databases, factories
from tests.processes import Process

pytestmark = [pytest.mark.slow, pytest.mark.realtime, pytest.mark.timeout(600)]

EXAMPLES, SEED = "5", "5"


@pytest.fixture
def server(settings, template, worker_name, tmp_path):
    """A site that serves, and {role: the key of a person who has something of every kind}."""
    name = f"{worker_name}-schema"
    databases.fresh(name, template)
    app = application.create_app(replace(settings, database_url=databases.url(name)))
    with app.app_context():
        keys = a_town()
        db.session.remove()
        db.engine.dispose()
    server = Process(tmp_path / "site", databases.url(name))
    yield server, keys
    server.stop()
    assert "Traceback" not in server.log, server.log


def a_town():
    customer, admin = factories.customer(), factories.admin()
    professional = factories.professional()
    factories.professional(approved=False)
    free = clock.now().replace(hour=4, minute=30, second=0, microsecond=0) + timedelta(days=1)
    for number, status in enumerate(Status):
        booking = factories.booking(customer, professional, status=status, starts_at=free + timedelta(days=number))
        if status is Status.CLOSED:
            factories.review(booking)
    factories.export(admin)
    return {person.role: key_of(person) for person in (customer, professional, admin)}


def key_of(person):
    _key, text = api_keys.make(person, "Looks at everything", list(api_keys.SCOPES_OF[person.role]))
    db.session.commit()
    return text


# What a stranger may ask the others ask too; that the rest is refused is in test_access.py.
@pytest.mark.parametrize(
    "role", [pytest.param(None, marks=pytest.mark.soak), *Role], ids=lambda role: role or "nobody"
)
def test_the_server_does_what_its_document_says(server, role, tmp_path):
    site, keys = server
    command = [shutil.which("schemathesis", path=os.path.dirname(sys.executable)), "run"]
    command += [f"{site.address}/api/openapi.json", "--url", site.address]
    command += ["--max-examples", EXAMPLES, "--seed", SEED, "--report-dir", str(tmp_path)]
    if role is not None:
        command += ["--header", f"Authorization: Bearer {keys[role]}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
