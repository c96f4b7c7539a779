"""Fifty people click at once, twenty times each: everybody feels a kind once, and the numbers are the rows."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.schema import CreateTable

from domain import reactions
from extensions import begin_write, db
from models import User
from models_guides import Guide, Reaction
from tests import factories
from tests.races.conftest import attempt

pytestmark = [pytest.mark.race, pytest.mark.timeout(600)]
PEOPLE, CLICKS = 50, 20
KINDS = ("happy", "surprised", "confused")


@pytest.fixture
def storm(app):
    """storm(act) has fifty people do act(guide, person, number of the click) twenty times each, all let go
    together; answers what went wrong and the numbers that the page then shows."""
    guide_id = factories.guide().id
    people = [factories.customer().id for _ in range(PEOPLE)]
    db.session.remove()
    gate = threading.Barrier(PEOPLE)

    def clicks(person_id, act):
        gate.wait()
        for number in range(CLICKS):
            yield attempt(app, lambda n=number: act(*_read(guide_id, person_id), n))

    def run(act):
        with ThreadPoolExecutor(PEOPLE) as pool:
            found = pool.map(lambda one: [*clicks(one, act)], people)
            faults = [result for results in found for result in results if isinstance(result, Exception)]
        guide, reader = _read(guide_id, people[0])
        return faults, {one.kind: one.number for one in reactions.of(guide, reader)}

    return run


def _read(guide_id, person_id):
    return db.session.get(Guide, guide_id), db.session.get(User, person_id)


def rows():
    counted = select(Reaction.kind, func.count()).group_by(Reaction.kind)
    each = select(Reaction.kind, Reaction.user_id)
    found = Counter(map(tuple, db.session.execute(each)))
    return dict(db.session.execute(counted).all()), max(found.values(), default=0)


def test_everybody_clicks_the_same_again_and_again(storm):
    faults, numbers = storm(lambda guide, person, _number: reactions.put(guide, person, "happy"))
    assert not faults
    assert numbers["happy"] == PEOPLE
    assert rows() == ({"happy": PEOPLE}, 1)


def test_everybody_clicks_on_and_off(storm):
    """The last click of each is known, so it is known what must be left."""

    def click(guide, person, number):
        (reactions.put if number % 2 else reactions.take)(guide, person, KINDS[person.id % 3])

    faults, numbers = storm(click)
    assert not faults
    counted, most = rows()
    assert most == 1
    assert {kind: number for kind, number in numbers.items() if number} == counted
    assert sum(numbers.values()) == PEOPLE


def test_everybody_clicks_whatever_they_like(storm):
    def click(guide, person, _number):
        random.choice((reactions.put, reactions.take))(guide, person, random.choice(KINDS))

    faults, numbers = storm(click)
    assert not faults
    counted, most = rows()
    assert most <= 1
    assert {kind: number for kind, number in numbers.items() if number} == counted


def test_control_looking_first_and_no_key_counts_twice(storm, monkeypatch):
    """Were there no key, and the row written by whoever sees none, one person would be counted several times."""
    with_key = str(CreateTable(Reaction.__table__).compile(db.engine))
    without = "".join(line for line in with_key.splitlines(True) if "PRIMARY KEY" not in line)
    db.session.execute(text("DROP TABLE guide_reactions"))
    db.session.execute(text(without))
    db.session.commit()
    meet = threading.Barrier(2)

    def look_and_write(guide, by, kind):
        mine = Reaction.guide_id == guide.id, Reaction.kind == kind, Reaction.user_id == by.id
        there = db.session.scalar(select(func.count()).select_from(Reaction).where(*mine))
        guide_id, user_id = guide.id, by.id
        db.session.commit()
        try:
            meet.wait(1)
        except threading.BrokenBarrierError:
            meet.reset()
        begin_write()
        if not there:
            row = {"guide_id": guide_id, "kind": kind, "user_id": user_id}
            db.session.execute(Reaction.__table__.insert().values(row))

    monkeypatch.setattr(reactions, "put", look_and_write)
    one = db.session.scalar(select(func.min(User.id)))
    db.session.remove()
    storm(lambda guide, _person, _number: reactions.put(guide, db.session.get(User, one), "happy"))
    assert rows()[1] > 1
