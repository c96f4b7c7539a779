"""News cross from one process to another, and what a broken line between them loses is made up for."""

import psycopg
import pytest

from extensions import db
from hub import EVERYTHING
from tests import databases, factories
from tests.listening import Ear, Person
from tests.processes import Process, wait_for
from tests.redises import Redis

pytestmark = [pytest.mark.slow, pytest.mark.realtime, pytest.mark.timeout(300)]
DOWN, UP = "the line to the other processes is down", "the line to the other processes is up again"


@pytest.fixture
def redis_server(tmp_path):
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def two(customer, professional, admin, worker_name, tmp_path):
    """two(**environment) are two processes that serve one database, each with a browser that is logged in."""
    factories.booking(customer, professional)
    factories.booking(customer, professional, starts_at=factories.at(15, days=2))
    db.session.remove()
    db.engine.dispose()
    running = []

    def start(**environment):
        for number in range(2):
            folder, url = tmp_path / f"process{number}", databases.url(worker_name)
            secrets = {"UPLOAD_DIR": str(tmp_path / "uploads"), "SCHEDULER": "off", **environment}
            running.append(Process(folder, url, **secrets))
        return running

    yield start
    for one in running:
        assert one.stop() == 0
        assert "Traceback" not in one.log, one.log


@pytest.fixture
def ears():
    opened = []

    def listen(address, person):
        ear = Ear(address, person.cookies)
        opened.append(ear)
        ear.wait_until_open()
        wait_for(lambda: EVERYTHING in ear.heard)
        ear.heard.clear()
        return ear

    yield listen
    for ear in opened:
        ear.close()


def people(address):
    """The customer and the professional, logged in; a cookie is good for both processes."""
    return [Person(email, factories.PASSWORD).log_in(address) for email in ("asha@example.com", "dev@example.com")]


def accept(professional, site, booking=1):
    professional.post(site.address, f"/professional/jobs/{booking}/accept")


def test_news_cross_by_redis_and_those_that_were_lost_are_made_up_for(two, redis_server, ears):
    here, there = two(REDIS_URL=redis_server.url)
    customer, professional = people(here.address)
    own, other = ears(here.address, customer), ears(there.address, customer)
    accept(professional, here)
    for ear in (own, other):
        ear.wait_for("booking-1")
        assert ear.heard.count("booking-1") == 1

    redis_server.stop()
    wait_for(lambda: DOWN in here.log and DOWN in there.log)
    for ear in (own, other):
        ear.heard.clear()
    accept(professional, here, booking=2)
    assert own.wait_for("booking-2") < 2
    assert "booking-2" not in other.heard
    assert "Asha" in customer.get(f"{there.address}/profile")

    redis_server.start()
    wait_for(lambda: UP in here.log and UP in there.log)
    other.wait_for(EVERYTHING)
    for ear in (own, other):
        ear.wait_until_open(2)
        ear.heard.clear()
    professional.post(there.address, "/professional/jobs/1/cancel", "reason=I+am+ill")
    for ear in (own, other):
        ear.wait_for("booking-1")
    for site in (here, there):
        assert (site.log.count(DOWN), site.log.count(UP)) == (1, 1)


def test_who_logs_out_here_is_cut_off_there(two, redis_server, ears):
    here, there = two(REDIS_URL=redis_server.url)
    customer, _professional = people(here.address)
    ear = ears(there.address, customer)
    customer.post(here.address, "/logout")
    wait_for(lambda: 204 in ear.statuses, 10)


@pytest.mark.postgres
@pytest.mark.skipif("not databases.on_postgresql()", reason="LISTEN and NOTIFY are PostgreSQL's")
def test_news_cross_by_postgresql_and_those_that_were_lost_are_made_up_for(two, ears, worker_name):
    here, there = two()
    customer, professional = people(here.address)
    own, other = ears(here.address, customer), ears(there.address, customer)
    accept(professional, here)
    for ear in (own, other):
        ear.wait_for("booking-1")
        assert ear.heard.count("booking-1") == 1
        ear.heard.clear()

    cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    with psycopg.connect(databases.url(worker_name).replace("+psycopg", ""), autocommit=True) as server:
        assert server.execute(cut).fetchone()[0] == 2
    accept(professional, here, booking=2)
    wait_for(lambda: UP in here.log and UP in there.log)
    for ear in (own, other):
        ear.wait_for(EVERYTHING)
        ear.wait_until_open(2)
        ear.heard.clear()
    professional.post(there.address, "/professional/jobs/1/cancel", "reason=I+am+ill")
    for ear in (own, other):
        ear.wait_for("booking-1")
    for site in (here, there):
        assert (site.log.count(DOWN), site.log.count(UP)) == (1, 1)


