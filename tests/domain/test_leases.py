"""Who holds the lease: one at a time, and nobody takes it from a holder who has moved."""

import pytest

from domain import leases
from extensions import db

pytestmark = pytest.mark.usefixtures("app")


def seen():
    lease = leases.find()
    db.session.expunge(lease)
    return lease


def test_the_first_to_come_holds_it():
    assert leases.find() is None
    assert leases.take_over("one", None)
    assert not leases.take_over("two", None)
    assert leases.find().holder == "one"


def test_who_beats_keeps_it():
    leases.take_over("one", None)
    before = seen()
    assert leases.beat("one")
    assert not leases.beat("two")
    assert not leases.take_over("two", before)
    assert leases.find().holder == "one"


def test_of_two_who_saw_it_stand_still_one_gets_it():
    leases.take_over("one", None)
    before = seen()
    assert leases.take_over("two", before)
    assert not leases.take_over("three", before)
    assert not leases.beat("one")
    assert leases.find().holder == "two"


def test_what_was_released_is_anybodys():
    leases.take_over("one", None)
    assert not leases.release("two")
    assert leases.release("one")
    free = seen()
    assert free.holder is None
    assert not leases.beat("one")
    assert leases.take_over("two", free)
    assert not leases.take_over("three", free)
