"""Few requests are worked on at once; nobody who waits, sends or reads slowly keeps the others from their turn."""

import socket
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from flask import request
from flask_security import recoverable

from app import AT_ONCE, HASHING_ENDPOINTS
from extensions import db, security
from tests import databases, factories
from tests.processes import Process

MANY = 3 * AT_ONCE
SECOND_PASSWORD = "an entirely new kettle"


@pytest.fixture
def served(app, worker_name, tmp_path):
    """The address of the site, served by a process of its own."""
    factories.customer(email="asha@example.com")
    db.session.remove()
    db.engine.dispose()
    process = Process(tmp_path / "process", databases.url(worker_name), SCHEDULER="off")
    yield process.address
    assert process.stop() == 0
    assert "Traceback" not in process.log, process.log


def seconds(address):
    began = time.perf_counter()
    with urlopen(f"{address}/services", timeout=30) as answer:
        answer.read()
    return time.perf_counter() - began


def begun(address, text):
    parts = urlsplit(address)
    client = socket.create_connection((parts.hostname, parts.port))
    client.sendall(text.replace("\n", "\r\n").encode())
    return client


@contextmanager
def many(address, text):
    with ExitStack() as clients:
        for _ in range(MANY):
            clients.enter_context(begun(address, text))
        time.sleep(0.5)
        yield


@pytest.mark.slow
@pytest.mark.realtime
def test_who_sends_or_reads_slowly_keeps_nobody_waiting(served):
    form = "Content-Type: application/x-www-form-urlencoded\nContent-Length: 1000\n\nemail="
    slow = {
        "a form": f"POST /login HTTP/1.1\nHost: x\n{form}",
        "a call": f"POST /api/auth/login HTTP/1.1\nHost: x\n{form.replace('x-www-form-urlencoded', 'json')}",
        "half a request": "GET /services HTTP/1.1\nHost: x\n",
        "an answer": "GET /services HTTP/1.1\nHost: x\n\n" * 50,
    }
    seconds(served)
    for what, text in slow.items():
        with many(served, text):
            assert seconds(served) < 5, what


@pytest.mark.slow
@pytest.mark.realtime
def test_pages_come_while_many_wait_for_their_password_to_be_checked(served):
    over = threading.Event()
    body = "password=wrong&email=asha@example.com"
    sent = "POST /api/auth/login HTTP/1.1\nHost: x\nContent-Type: application/json\nConnection: close\n"
    body = '{"email": "asha@example.com", "password": "not a kettle"}'

    def knock():
        answers = 0
        while not over.is_set():
            with begun(served, f"{sent}Content-Length: {len(body)}\n\n{body}") as client:
                assert b" 401 " in client.recv(4096)
            answers += 1
        return answers

    with ThreadPoolExecutor(MANY) as pool:
        knocking = [pool.submit(knock) for _ in range(MANY)]
        time.sleep(1)
        try:
            taken = [seconds(served) for _ in range(15)]
        finally:
            over.set()
        assert sum(one.result() for one in knocking) > 0
    assert statistics.median(taken) < 0.5, taken


@pytest.mark.race
def test_turns_and_the_lock_for_writing_never_wait_for_each_other(app, as_):
    people = [factories.customer() for _ in range(MANY)]
    clients = [as_(person) for person in people]
    strangers = [app.test_client() for _ in people]
    db.session.remove()
    gate = threading.Barrier(2 * MANY)

    emails = [person.email for person in people]

    def one(number):
        client = (clients if number % 2 else strangers)[number // 2]
        client.audit = False
        wrong = {"email": emails[number // 2], "password": "not a kettle"}
        gate.wait()
        answers = []
        with app.app_context():
            for _ in range(5):
                if number % 2:
                    answers += [client.post("/notifications/read"), client.get("/notifications")]
                else:
                    answers += [client.post("/login", data=wrong), client.get("/services")]
        return {answer.status_code for answer in answers}

    with ThreadPoolExecutor(2 * MANY) as pool:
        found = pool.map(one, range(2 * MANY), timeout=60)
        assert set().union(*found) <= {200, 302}


def test_who_makes_the_server_hash_waits_for_that_before_they_have_a_turn(
    app, as_, client, customer, other_customer, monkeypatch
):
    hashing = set()
    for verb in ("hash", "verify"):
        real = getattr(security.pwd_context, verb)

        def noted(*args, real=real, **kwargs):
            hashing.add(request.endpoint)
            return real(*args, **kwargs)

        monkeypatch.setattr(security.pwd_context, verb, noted)
    with app.test_request_context():
        token = recoverable.generate_reset_password_token(other_customer)
    hashing.clear()
    new = {"password": SECOND_PASSWORD, "password_confirm": SECOND_PASSWORD}
    changed = {"new_password": SECOND_PASSWORD, "new_password_confirm": SECOND_PASSWORD}
    person = {"name": "Hari Das", "email": "hari@example.com", "phone": "98765 43210", "password": "nine blue kettles"}
    work = {"pincode": factories.CITY_PIN, "radius_km": "12", "experience_years": "4"}
    mine = as_(customer)
    client.post("/signup", data=person)
    client.post("/signup/professional", data={**person, **work, "email": "another@example.com"})
    client.post("/api/auth/register", json={**person, "email": "third@example.com", "role": "customer"})
    client.post("/api/auth/login", json={"email": customer.email, "password": factories.PASSWORD})
    mine.post("/verify", data={"password": factories.PASSWORD})
    mine.post("/change-password", data={"password": factories.PASSWORD, **changed})
    client.post("/login", data={"email": "nobody@example.com", "password": "x"})
    client.post("/reset", data={"email": customer.email})
    client.post(f"/reset/{token}", data=new)
    mine.post("/account/erase", data={"password": SECOND_PASSWORD, "words": "erase my account"})
    assert hashing == HASHING_ENDPOINTS
