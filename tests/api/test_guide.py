"""docs/api.md is true: its commands, run from top to bottom against a running site, print what it says."""

import os
import re
import subprocess
from dataclasses import replace

import pytest

import app as application
from config import ROOT
from domain import api_keys
from extensions import db
from tests import databases, factories
from tests.processes import Process

pytestmark = [pytest.mark.slow, pytest.mark.realtime]

GUIDE = (ROOT / "docs" / "api.md").read_text()
BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
END = "-- the end of a block --"


@pytest.fixture
def place(settings, template, worker_name, tmp_path):
    """What the guide finds around it: a site with a professional and an admin, and a key that only reads."""
    name = f"{worker_name}-guide"
    databases.fresh(name, template)
    app = application.create_app(replace(settings, database_url=databases.url(name)))
    with app.app_context():
        hours = ((0, 24 * 60),)
        tap_repair = factories.service("Tap repair")
        factories.professional(name="Dev Menon", email="dev@example.com", hours=hours, services=[tap_repair])
        admin = factories.admin(name="Gita Iyer", email="gita@example.com")
        _key, text = api_keys.make(admin, "Reads bookings", ["bookings:read"])
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    server = Process(tmp_path / "site", databases.url(name))
    yield {"PATH": os.environ["PATH"], "SITE": server.address, "API_KEY": text}
    server.stop()
    assert "Traceback" not in server.log, server.log


def test_the_commands_of_the_guide_print_what_it_says(place, tmp_path):
    blocks = BLOCK.findall(GUIDE)
    assert len(blocks) > 10
    script = f"\necho '{END}'\n".join(commands for commands, _printed in blocks)
    done = subprocess.run(["bash", "-c", script], env=place, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    printed = [part.strip() for part in done.stdout.replace("\r", "").split(END)]
    wrong = [(is_, told) for is_, (_commands, told) in zip(printed, blocks, strict=True) if is_ != told.strip()]
    assert not wrong, done.stderr
