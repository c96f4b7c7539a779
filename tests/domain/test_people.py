"""How an admin finds people by name."""

import pytest

from domain import people
from extensions import db
from models import LaterName
from tests import factories


@pytest.fixture
def asha(app):
    return factories.customer(name="Asha Devi Rao", email="asha@example.com")


@pytest.mark.parametrize("text", ["asha", "ash", "asha devi", "devi", "devi rao", "rao", "ra", "asha@"])
def test_a_person_is_found_by_any_of_their_names(asha, text):
    assert people.like(text, 5) == [asha]
    assert people.page(text=text).items == [asha]


@pytest.mark.parametrize("text", ["sha", "rao devi", "evi", "%", "_sha", "asha  x"])
def test_a_part_of_a_word_or_a_pattern_finds_nobody(asha, text):
    assert people.like(text, 5) == []
    assert people.page(text=text).items == []


def test_a_changed_name_is_found_and_the_old_one_is_not(asha):
    asha.name = "Asha Sen"
    db.session.commit()
    assert people.like("sen", 5) == [asha]
    assert people.like("rao", 5) == []


def test_a_name_of_one_word_has_no_later_names(app):
    factories.customer(name="Asha")
    assert db.session.query(LaterName).count() == 0
