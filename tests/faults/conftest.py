"""A site that runs as `make run` starts it, on a database of its own, with people who are logged in."""

import itertools

import pytest

from domain import clock
from extensions import db
from models import Status
from tests import factories
from tests.faults.asking import Visitor
from tests.processes import Process


@pytest.fixture
def run(tmp_path):
    """run(url, **environment) starts a site; all that were started are stopped in the end, and wrote no traceback."""
    running, numbers = [], itertools.count()

    def start(url: str, **environment) -> Process:
        db.session.remove()
        db.engine.dispose()
        shared = {"UPLOAD_DIR": str(tmp_path / "uploads"), "SCHEDULER": "off", **environment}
        running.append(Process(tmp_path / f"process{next(numbers)}", url, **shared))
        return running[-1]

    yield start
    for one in running:
        one.stop()
        assert "Traceback" not in one.log, one.log


@pytest.fixture
def jobs(customer, professional):
    """The numbers of two bookings of tomorrow: one is asked for; the other is agreed, so that the two can talk."""
    asked = factories.booking(customer, professional)
    agreed = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(15, days=1))
    return asked.id, agreed.id


@pytest.fixture
def visitors(customer, professional):
    """visitors(site) are a customer and a professional in their browsers."""
    return lambda site: [Visitor(site, person) for person in ("asha@example.com", "dev@example.com")]


@pytest.fixture
def wishes(professional):
    """What a customer can ask for in the next four weeks, for a program: four times a day, but not on Sundays."""
    days = [day for day in range(2, 29) if factories.at(12, days=day).weekday() < 6]
    return [
        {
            "service_id": factories.service().id,
            "professional_id": professional.id,
            "starts_at": clock.local(factories.at(hour, days=day)).isoformat(),
            "address": {"line1": "12, 3rd Cross", "pincode": factories.CITY_PIN},
        }
        for day in days
        for hour in (9, 11, 13, 15)
    ]
