"""The days that an admin leaves out of a scorecard."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import clock, sick_days
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import AuditEntry
from models_lifecycle import SickDay

DAY = timedelta(1)


@pytest.fixture
def work(professional):
    return professional.professional


def marked(work):
    return sorted(db.session.scalars(select(SickDay.day).where(SickDay.professional_id == work.id)))


def acts():
    return [(one.action, one.detail) for one in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_one_day_or_several(work, admin):
    today = clock.today()
    assert sick_days.mark(work, admin, today) == 1
    assert sick_days.mark(work, admin, today - DAY, today + DAY) == 2
    assert marked(work) == [today - DAY, today, today + DAY]
    assert acts() == [
        ("mark_sick", {"first": "2026-11-23", "last": "2026-11-23"}),
        ("mark_sick", {"first": "2026-11-22", "last": "2026-11-24"}),
    ]


def test_who_marked_it_and_when_is_kept(work, admin):
    sick_days.mark(work, admin, clock.today())
    kept = db.session.scalars(select(SickDay)).one()
    assert (kept.marked_by_id, kept.marked_at) == (admin.id, clock.now())


def test_the_same_days_are_marked_once(work, admin):
    sick_days.mark(work, admin, clock.today())
    with pytest.raises(Conflict):
        sick_days.mark(work, admin, clock.today())


def test_days_of_another_are_his_own(work, admin, other_professional):
    sick_days.mark(work, admin, clock.today())
    assert sick_days.mark(other_professional.professional, admin, clock.today()) == 1


@pytest.mark.parametrize(
    "first, last, field", [(0, -1, "last"), (-31, None, "first"), (31, None, "last"), (0, 31, "last")]
)
def test_days_that_cannot_be(work, admin, first, last, field):
    today = clock.today()
    with pytest.raises(Invalid) as refusal:
        sick_days.mark(work, admin, today + first * DAY, None if last is None else today + last * DAY)
    assert refusal.value.field == field
    assert marked(work) == []


def test_the_first_and_the_last_day_that_can_be(work, admin):
    sick_days.mark(work, admin, clock.today() - 30 * DAY, clock.today() + 30 * DAY)
    assert len(marked(work)) == 61


def test_a_day_is_taken_back_once(work, admin):
    sick_days.mark(work, admin, clock.today())
    sick_days.unmark(work, admin, clock.today())
    assert marked(work) == []
    assert acts()[-1] == ("unmark_sick", {"first": "2026-11-23", "last": "2026-11-23"})
    with pytest.raises(NotFound):
        sick_days.unmark(work, admin, clock.today())


def test_only_admins_mark_days(work, professional, other_professional, customer, admin):
    sick_days.mark(work, admin, clock.today())
    for stranger in (professional, other_professional, customer):
        with pytest.raises(NotAllowed):
            sick_days.mark(work, stranger, clock.today())
        with pytest.raises(NotAllowed):
            sick_days.unmark(work, stranger, clock.today())
