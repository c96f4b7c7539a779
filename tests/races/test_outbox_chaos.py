"""Couriers that are killed in the middle, a server that refuses and breaks off: no message is lost."""

import json
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from sqlalchemy import insert, select, update

from config import ROOT
from domain import clock, outbox
from extensions import db
from models import Booking, Delivery, OutboxMessage, Role, Status, User
from tests import factories, mailbox

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.realtime, pytest.mark.timeout(600)]

PEOPLE = 200
KILLS = 16
FAILING = 0.3
SECONDS = 240


class Unreliable(mailbox.Mailbox):
    """A server of which 30 % of the replies to RCPT and DATA are refusals or silence."""

    def __init__(self, seed):
        super().__init__(self._refusal_of)
        self._random = random.Random(seed)
        self.replies = Counter()
        self.arrived = defaultdict(list)

    def _refusal_of(self, stage):
        # Slow enough to be killed in the middle of it.
        time.sleep(0.01)
        failing = self._random.random() < FAILING
        answer = self._random.choice(["451 later", "452 full", "550 no", mailbox.DROP]) if failing else None
        self.replies["refused" if failing else "taken"] += 1
        return answer

    async def handle_DATA(self, server, session, envelope):
        answer = await super().handle_DATA(server, session, envelope)
        if answer.startswith("250"):
            self.arrived[envelope.rcpt_tos[0]].append((self.letters[-1]["Message-ID"], time.monotonic()))
        return answer

    @property
    def people(self):
        return len(self.arrived)


@pytest.fixture
def addresses(app):
    """Two hundred people, who are to be reminded of a visit; their addresses."""
    booking = factories.booking(factories.customer(), factories.professional(), status=Status.ACCEPTED)
    db.session.execute(insert(User), [_person(number) for number in range(PEOPLE)])
    people = dict(db.session.execute(select(User.id, User.email).where(User.email.like("reminded%"))).all())
    starts_at = db.session.get(Booking, booking.id).starts_at
    outbox.publish(people, "day_before", "day_before:2026-11-24", booking.id, time=starts_at.isoformat())
    db.session.execute(update(User).where(User.id.not_in(people)).values(active=False))
    db.session.commit()
    return set(people.values())


def _person(number):
    return {
        "role": Role.CUSTOMER,
        "email": f"reminded{number}@example.com",
        "name": f"Person {number}",
        "name_key": f"person {number}",
        "active": True,
        "demo": False,
        "created_at": clock.now(),
        "fs_uniquifier": f"{number:032}",
    }


@pytest.fixture
def begin(settings):
    """begin(way, port) starts a process that sends; those that still live at the end are killed."""
    begun = []
    known = {
        "APP_ENV": "testing",
        "SECRET_KEY": settings.secret_key,
        "INSTANCE_DIR": str(settings.instance),
        "DATABASE_URL": settings.database_url,
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_USE_TLS": "0",
    }

    def start(way, port):
        command = [sys.executable, "-m", "tests.races.couriering", way, json.dumps({**known, "MAIL_PORT": str(port)})]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def wait_until(true, seconds=SECONDS):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.005)


def states():
    db.session.commit()
    return Counter(db.session.scalars(select(OutboxMessage.status)))


def leave_in_peace(processes):
    for process in processes:
        process.stdin.close()
    for process in processes:
        assert process.wait(30) == 0


def test_sixteen_kills_and_a_third_of_all_replies_failing_lose_nobody(addresses, begin):
    box, kills = Unreliable(seed=4), []
    with mailbox.serving(box) as port:
        couriers = [begin("outbox", port) for _ in range(2)]
        while len(kills) < KILLS:
            # One of the two, alternately, when it has had time to begin and both are at work.
            victim = len(kills) % 2
            couriers[victim].stdout.readline()
            seen = sum(map(len, box.arrived.values()))
            wait_until(lambda seen=seen: sum(map(len, box.arrived.values())) >= seen + 3 or states()["waiting"] < 10)
            time.sleep(random.choice([0, 0.001, 0.01, 0.03]))
            couriers[victim].kill()
            couriers[victim].wait()
            kills.append(time.monotonic())
            couriers[victim] = begin("outbox", port)
        assert states()[Delivery.WAITING] > 0, "the kills came too late to be in the middle"
        wait_until(lambda: states()[Delivery.WAITING] == 0)
        leave_in_peace(couriers)
    assert states() == {Delivery.SENT: PEOPLE}
    assert len(set(db.session.scalars(select(OutboxMessage.user_id)))) == PEOPLE
    assert set(box.arrived) == addresses
    twice, share = _repeated(box, kills), box.replies["refused"] / sum(box.replies.values())
    sys.stdout.write(f"{PEOPLE} sent, {len(kills)} kills, {share:.0%} of replies failed, {twice} came twice\n")
    assert 0.2 < share < 0.4


def _repeated(box, kills):
    """How many letters came again: only ever under their one name, and only about a kill."""
    count = 0
    for letters in box.arrived.values():
        assert len({name for name, _moment in letters}) == 1
        for (_name, before), (_same, after) in pairwise(letters):
            assert any(before - 1 < kill < after for kill in kills), "sent twice without a kill"
            count += 1
    assert len({letters[0][0] for letters in box.arrived.values()}) == PEOPLE
    assert count <= len(kills)
    return count


def test_while_the_server_is_down_everything_waits_and_then_arrives(addresses, begin):
    box = mailbox.Mailbox()
    with mailbox.serving(box) as port:
        pass
    couriers = [begin("outbox", port) for _ in range(2)]
    for courier in couriers:
        courier.stdout.readline()
    time.sleep(5)
    assert states() == {Delivery.WAITING: PEOPLE}
    assert set(db.session.scalars(select(OutboxMessage.tries))) == {0}
    with mailbox.serving(box, port=port):
        wait_until(lambda: states()[Delivery.WAITING] == 0)
        leave_in_peace(couriers)
    assert states() == {Delivery.SENT: PEOPLE}
    assert Counter(address for _sender, (address,), _tls in box.envelopes) == dict.fromkeys(addresses, 1)


def test_control_without_the_outbox_people_are_lost(addresses, begin):
    """The same server and one kill, for a process that sends in a loop as the job runs."""
    box = Unreliable(seed=2)
    with mailbox.serving(box) as port:
        process = begin("directly", port)
        wait_until(lambda: box.people >= 60 or process.poll() is not None)
        process.kill()
        process.wait()
    lost = addresses - set(box.arrived)
    sys.stdout.write(f"{len(lost)} of {PEOPLE} were lost\n")
    assert len(lost) > PEOPLE / 4
