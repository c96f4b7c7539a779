"""Streams of a real server: those who leave, those who never read, and the server's own leaving."""

import re
import signal
import socket
import time
from contextlib import ExitStack
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from extensions import db
from tests import databases
from tests.listening import Ear
from tests.processes import Process, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.realtime, pytest.mark.timeout(300)]


@pytest.fixture
def served(app, professional, worker_name, tmp_path):
    """A process that serves the site to so many streams, of which one may have 20."""
    query = f"?slots={professional.id}"
    db.session.remove()
    db.engine.dispose()
    process = Process(tmp_path / "process", databases.url(worker_name), SCHEDULER="off", LIVE_STREAMS="60")
    process.query = query
    yield process
    assert process.stop() == 0
    assert "Traceback" not in process.log, process.log


def opened(served, query=None, version="1.1", method="GET", room=None):
    """A connection on which the stream was asked for, and the head of the answer."""
    parts = urlsplit(served.address)
    client = socket.socket()
    if room:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    client.settimeout(20)
    client.connect((parts.hostname, parts.port))
    asked = f"{method} /live{query or served.query} HTTP/{version}\r\nHost: {parts.netloc}\r\nContent-Length: 0\r\n\r\n"
    client.sendall(asked.encode())
    return client


def head(client):
    text = b""
    while b"\r\n\r\n" not in text:
        more = client.recv(4096)
        assert more, text
        text += more
    return text.decode()


def status(served, query=None):
    with opened(served, query) as client:
        return int(head(client).split()[1])


def test_who_goes_from_page_to_page_has_one_stream_at_a_time(served):
    for _ in range(60):
        assert status(served) == 200


def test_windows_of_one_address_beyond_the_most_are_refused_until_one_closes(served):
    with ExitStack() as windows:
        clients = [windows.enter_context(opened(served)) for _ in range(20)]
        assert all(" 200 " in head(client) for client in clients)
        assert status(served) == 503
        clients[0].close()
        wait_for(lambda: status(served) == 200, 5)


def test_who_speaks_the_old_protocol_or_asks_in_an_odd_way_gets_a_sane_answer(served):
    with opened(served, version="1.0") as client:
        assert re.match(r"HTTP/1\.[01] 200 ", head(client))
    with opened(served, method="HEAD") as client:
        answer = head(client)
        assert " 200 " in answer
        assert "text/event-stream" in answer
    with opened(served, method="POST") as client:
        assert " 405 " in head(client)
    with opened(served, query="?slots=") as client:
        assert " 204 " in head(client)
    for _ in range(25):
        assert status(served) == 200


def test_who_never_reads_keeps_nobody_waiting_and_is_let_go_with_the_server(served):
    with ExitStack() as clients:
        for _ in range(10):
            clients.enter_context(opened(served, room=2_048))
        ear = Ear(served.address, "", served.query)
        ear.wait_until_open()
        began = time.monotonic()
        with urlopen(f"{served.address}/services") as page:
            assert page.status == 200
        assert time.monotonic() - began < 5
        ear.close()
        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 12


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_with_open_streams_the_server_leaves_in_time_and_without_a_word(served, number):
    with ExitStack() as clients:
        streams = [clients.enter_context(opened(served)) for _ in range(20)]
        for stream in streams:
            head(stream)
        # Ctrl-C while gunicorn takes in a connection is left to its timeout: its handler and that share a lock.
        time.sleep(1)
        began = time.monotonic()
        if number == signal.SIGINT:
            served.interrupt()
            assert served.end() == 0
        else:
            assert served.stop() == 0
        assert time.monotonic() - began < 12
        assert "Worker exiting" in served.log
        for stream in streams:
            while stream.recv(4096):
                pass
