"""What programs ask that look after the site: /healthz, /readyz and /metrics."""

import os
import urllib.request
from datetime import timedelta
from ipaddress import ip_network
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import app as application
import checks
from domain import bookings, errors, leases, outbox, requests, users
from extensions import db
from tests import databases, factories
from tests.processes import Process

STATES = ("database", "migrations", "disk", "uploads", "scheduler", "outbox")


@pytest.fixture
def led(app):
    leases.take_over("house, process 7, abcdef", None)
    db.session.commit()


@pytest.fixture
def roomy(monkeypatch):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda folder: SimpleNamespace(free=5 * checks.LOW))


@pytest.fixture
def ready(client, led, roomy):
    """What /readyz answers: the status, and the state of each thing that is not in order."""

    def ask():
        answer = client.get("/readyz")
        states = answer.json["checks"]
        assert set(states) == set(STATES)
        return answer.status_code, answer.json["status"], {name: one for name, one in states.items() if one != "ok"}

    return ask


def scrape(client):
    """{"name{labels}": value} of what Prometheus reads."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def no_database(*_arguments, **_options):
    raise OperationalError("SELECT 1", {}, OSError("the server is away"))


# -- Alive and ready --------------------------------------------------------------------------


def test_a_process_that_lives_says_so_and_asks_nobody(client, count_queries):
    with count_queries() as seen:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert seen.count == 0


def test_a_process_lives_while_all_turns_are_taken(app, client):
    held = [app._turns.acquire(timeout=1) for _ in range(application.AT_ONCE)]
    try:
        assert client.get("/healthz").status_code == 200
    finally:
        for _ in held:
            app._turns.release()


def test_a_site_that_stands_on_firm_ground_is_ready_and_asks_little(ready, count_queries):
    with count_queries() as seen:
        assert ready() == (200, "ok", {})
    assert seen.count <= 3


def test_without_a_database_the_site_is_not_ready(client, roomy, monkeypatch):
    monkeypatch.setattr(db.session, "execute", no_database)
    monkeypatch.setattr(db.session, "scalar", no_database)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "failed")
    assert (answer.json["checks"]["database"], answer.json["checks"]["disk"]) == ("failed", "ok")
    assert "away" not in answer.text


def test_a_database_that_goes_away_meanwhile_is_no_fault_of_the_page(client, roomy, monkeypatch):
    monkeypatch.setattr(db.session, "execute", no_database)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["checks"]["outbox"]) == (200, "degraded")


def test_a_database_of_another_version_is_not_ready(ready):
    db.session.execute(text("UPDATE alembic_version SET version_num = 'another'"))
    assert ready() == (503, "failed", {"migrations": "failed", "scheduler": "degraded", "outbox": "degraded"})


@pytest.mark.parametrize(
    "free, answer",
    [
        (checks.LOW, (200, "ok", {})),
        (checks.LOW - 1, (200, "degraded", {"disk": "degraded"})),
        (checks.LEAST_FREE, (200, "degraded", {"disk": "degraded"})),
        (checks.LEAST_FREE - 1, (503, "failed", {"disk": "failed"})),
    ],
)
def test_the_room_on_the_disk_counts(ready, monkeypatch, free, answer):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    assert ready() == answer


def test_the_fullest_of_several_disks_counts(app, settings, monkeypatch):
    free = {settings.instance: 9, settings.upload_dir: 2, settings.export_dir: 5}
    for folder in free:
        folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    assert checks.free_bytes() == 2


def test_uploads_that_cannot_be_kept_make_the_site_not_ready(ready, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: False)
    assert ready() == (503, "failed", {"uploads": "failed"})


def test_a_timetable_that_nobody_runs_degrades(ready, frozen):
    frozen.shift(timedelta(seconds=61))
    assert ready() == (200, "degraded", {"scheduler": "degraded"})


def test_a_message_that_waits_too_long_degrades(ready, frozen, customer):
    outbox.publish([customer.id], "approved", "test")
    db.session.commit()
    frozen.shift(checks.LATE)
    leases.beat("house, process 7, abcdef")
    assert ready() == (200, "ok", {})
    frozen.shift(timedelta(seconds=1))
    assert ready() == (200, "degraded", {"outbox": "degraded"})


def test_programs_on_the_machine_need_not_know_the_name_of_the_site(app, client, monkeypatch):
    monkeypatch.setitem(app.config, "TRUSTED_HOSTS", ["127.0.0.1"])
    assert client.get("/healthz", base_url="http://10.0.0.7:5000").status_code == 200
    client.audit = False
    assert client.get("/services", base_url="http://10.0.0.7:5000").status_code == 400


# -- Numbers ----------------------------------------------------------------------------------


def test_requests_are_counted_by_the_pattern_of_their_address(client):
    client.get("/services/made-up-by-asha")
    client.get("/no-such-page-of-asha")
    found = scrape(client)
    assert found['doorstep_request_seconds_count{method="GET",route="/services/<category_slug>",status="404"}'] >= 1
    assert found['doorstep_request_seconds_count{method="GET",route="none",status="404"}'] >= 1
    assert "asha" not in "".join(found)


def test_an_invented_method_makes_no_label(client):
    client.csrf = False
    client.open("/", method="ASHA")
    found = "".join(scrape(client))
    assert "ASHA" not in found
    assert 'method="other"' in found


def test_what_is_done_with_bookings_is_counted_and_what_is_refused(client, customer, professional):
    before = scrape(client)
    booking = factories.booking(customer, professional)
    bookings.accept(booking, by=professional)
    with pytest.raises(errors.InvalidTransition):
        bookings.accept(booking, by=professional)
    db.session.commit()
    after = scrape(client)

    def more(outcome, verb="accept"):
        name = f'doorstep_bookings_total{{outcome="{outcome}",verb="{verb}"}}'
        return after.get(name, 0) - before.get(name, 0)

    assert (more("done"), more("refused")) == (1, 1)


def test_a_booking_that_is_rolled_back_was_not_done(client, customer, professional):
    booking = factories.booking(customer, professional)
    db.session.commit()
    before = scrape(client)
    bookings.accept(booking, by=professional)
    db.session.rollback()
    name = 'doorstep_bookings_total{outcome="done",verb="accept"}'
    assert scrape(client).get(name, 0) == before.get(name, 0)


def test_a_request_for_a_slot_is_counted_like_the_other_verbs(client, customer, professional):
    before = scrape(client)
    wish = factories.service().id, professional.id, factories.at(11, days=1), users.addresses_of(customer)[0].id
    requests.request(customer, *wish)
    with pytest.raises(errors.DomainError):
        requests.request(customer, *wish)
    db.session.commit()
    after = scrape(client)
    for outcome in ("done", "refused"):
        name = f'doorstep_bookings_total{{outcome="{outcome}",verb="request"}}'
        assert after[name] == before.get(name, 0) + 1


def test_the_outbox_the_jobs_and_the_disk_are_read_at_the_moment(client, customer, frozen, led):
    outbox.publish([customer.id], "approved", "test")
    db.session.commit()
    frozen.shift(timedelta(minutes=3))
    found = scrape(client)
    assert found["doorstep_outbox_oldest_seconds"] == 180
    assert found['doorstep_outbox_messages{state="waiting"}'] == 1
    assert found["doorstep_timetable_led"] == 0
    assert found["doorstep_disk_free_bytes"] > 0
    assert found["doorstep_database_up"] == 1


def test_without_a_database_there_are_still_the_numbers_of_the_process(client, monkeypatch):
    monkeypatch.setattr(db.session, "execute", no_database)
    found = scrape(client)
    assert found["doorstep_database_up"] == 0
    assert "doorstep_outbox_oldest_seconds" not in found
    assert any(name.startswith("doorstep_write_lock_wait_seconds_count") for name in found)


@pytest.mark.parametrize(
    "peer, headers, status",
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("203.0.113.9", {}, 404),
        ("", {}, 404),
        # A stranger whom the proxy on this machine lets through, whatever they say of themselves.
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 404),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 404),
        ("203.0.113.9", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("203.0.113.9", {"X-Forwarded-For": "127.0.0.1, 127.0.0.1", "X-Real-IP": "127.0.0.1"}, 404),
    ],
)
@pytest.mark.parametrize("proxies", [0, 1])
def test_only_a_neighbour_reads_the_numbers_and_only_itself(app, proxies, peer, headers, status):
    site = application.ProxyFix(app.wsgi_app, x_for=1) if proxies else app.wsgi_app
    asked = app.test_request_context("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": peer})
    answers = []
    b"".join(site(asked.request.environ, lambda line, *_: answers.append(line[:3])))
    assert answers == [str(status)]


def test_the_operator_says_who_reads_the_numbers(client, set_up):
    set_up(metrics_allow=(ip_network("10.1.0.0/16"),))
    assert client.get("/metrics").status_code == 404
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "10.1.2.3"}).status_code == 200


# -- Several processes ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.realtime
def test_each_process_tells_the_numbers_of_all(app, worker_name, tmp_path):
    db.session.remove()
    db.engine.dispose()
    folder = tmp_path / "numbers"
    folder.mkdir()
    several = {"WEB_CONCURRENCY": "2", "PROMETHEUS_MULTIPROC_DIR": str(folder), "SCHEDULER": "off"}
    process = Process(tmp_path / "process", databases.url(worker_name), **several)
    try:
        for _ in range(20):
            assert _read(f"{process.address}/services")
        counted = {_count(_read(f"{process.address}/metrics")) for _ in range(10)}
        assert counted == {20}
        assert len({path.stem.rpartition("_")[2] for path in folder.glob("histogram_*.db")}) == 2
    finally:
        assert process.stop() == 0
    assert not folder.exists()


def _read(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read().decode()


def _count(page):
    name = 'doorstep_request_seconds_count{method="GET",route="/services",status="200"} '
    return sum(float(line.removeprefix(name)) for line in page.splitlines() if line.startswith(name))
