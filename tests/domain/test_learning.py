"""The job behind suggestions: what it counts, that it counts once, and that it can stop anywhere."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

import jobs
from domain import clock, learning, recommendations, tastes, timetable, users
from extensions import db
from models import Status
from models_taste import AreaProfessional, AreaService, Recommendation, ServicePair, Why
from tests import factories

BEFORE_MONDAY, MONDAY, TUESDAY = "2026-11-22", "2026-11-23", "2026-11-24"


def closed(customer, professional, service=None, days=10, **values):
    """A booking that was closed so many days ago."""
    then = clock.now() - timedelta(days=days)
    values = {"service": service or factories.service(), "closed_at": then, "completed_at": then, **values}
    return factories.booking(customer, professional, status=Status.CLOSED, starts_at=then, **values)


def learn(app, period=MONDAY):
    return jobs.run(app, timetable.find("suggestions"), period)


def pairs():
    table = ServicePair.__table__.c
    return {(row.service_id, row.other_id): row.households for row in db.session.execute(select(*table))}


def ideas(customer):
    mine = select(Recommendation).where(Recommendation.customer_id == customer.id).order_by(Recommendation.position)
    return db.session.scalars(mine.execution_options(populate_existing=True)).all()


def total(model):
    return db.session.scalar(select(func.sum(model.households)))


@pytest.fixture
def services(app):
    return [factories.service(name) for name in ("Tap repair", "AC jet service", "Refrigerator cleaning")]


def test_households_are_counted_once_however_often_they_book(app, customer, other_customer, professional, services):
    tap, cooling, _cold = (one.id for one in services)
    for days in (40, 30, 20):
        closed(customer, professional, services[0], days)
    closed(customer, professional, services[1])
    closed(other_customer, professional, services[1])
    learn(app)
    assert pairs() == {(tap, tap): 1, (cooling, cooling): 2, (tap, cooling): 1, (cooling, tap): 1}
    here = db.session.scalars(select(AreaProfessional.households).order_by(AreaProfessional.service_id)).all()
    assert sorted(here) == [1, 2]


def test_only_what_is_new_is_counted_the_next_night(app, customer, professional, services, frozen):
    closed(customer, professional, services[0])
    learn(app)
    before = pairs(), total(AreaService), total(AreaProfessional)
    learn(app)
    assert (pairs(), total(AreaService), total(AreaProfessional)) == before
    closed(customer, professional, services[1], days=0)
    frozen.shift(timedelta(days=1))
    assert learn(app, TUESDAY) == 2  # one household counted, and its ideas written
    tap, cooling = services[0].id, services[1].id
    assert pairs() == {(tap, tap): 1, (cooling, cooling): 1, (tap, cooling): 1, (cooling, tap): 1}


def test_what_closes_on_the_day_itself_waits_for_the_next_night(app, customer, professional):
    closed(customer, professional, days=0)
    assert learn(app) == 0
    assert pairs() == {}


def test_many_small_steps_do_the_same_as_one(app, monkeypatch, professional, services):
    people = [factories.customer() for _ in range(4)]
    for number, person in enumerate(people):
        for day, service in enumerate(services[: number % 3 + 1]):
            closed(person, professional, service, days=10 + 3 * day + number)
    monkeypatch.setattr(learning, "BATCH", 1)
    learn(app)
    in_small_steps = pairs(), total(AreaService), total(AreaProfessional), [len(ideas(one)) for one in people]
    assert pairs()[services[0].id, services[0].id] == 4
    assert pairs()[services[0].id, services[1].id] == 2
    for model in (ServicePair, AreaService, AreaProfessional, Recommendation):
        db.session.query(model).delete()
    db.session.execute(learning.Tally.__table__.delete())
    monkeypatch.undo()
    for step in range(3):
        learning.learn(MONDAY, step)
    in_one = pairs(), total(AreaService), total(AreaProfessional), [len(ideas(one)) for one in people]
    assert in_one == in_small_steps


def test_a_step_that_fails_leaves_nothing_and_is_done_again(app, customer, professional, monkeypatch, caplog):
    closed(customer, professional)
    written = learning._write_ideas
    monkeypatch.setattr(learning, "_write_ideas", lambda *_: 1 / 0)
    learn(app)
    assert "suggestions failed" in caplog.text
    caplog.clear()
    counted = pairs()
    monkeypatch.setattr(learning, "_write_ideas", written)
    learn(app)
    assert pairs() == counted != {}


def test_an_old_period_run_by_hand_counts_nothing_twice(app, customer, professional):
    closed(customer, professional)
    learn(app)
    before = pairs()
    learn(app, BEFORE_MONDAY)
    assert pairs() == before


def test_work_that_is_done_again_is_not_wanted_twice(app, customer, professional):
    first = closed(customer, professional)
    closed(customer, professional, rework_of_id=first.id)
    learn(app)
    assert [(one.why, one.number) for one in ideas(customer)] == [(Why.AGAIN, 1)]


def test_ideas_follow_the_bookings(app, customer, professional, services):
    for days in (270, 180, 90):
        closed(customer, professional, services[0], days)
    closed(customer, professional, services[1], 200)
    factories.review(closed(customer, professional, services[1], 50), rating=5)
    learn(app)
    assert [(one.why, one.number, one.service_id) for one in ideas(customer)] == [
        (Why.RHYTHM, 90, services[0].id),
        (Why.AGAIN, 2, services[1].id),
        (Why.STARS, 5, services[1].id),
    ]


def test_of_who_does_not_want_it_nothing_is_counted_or_written(app, customer, professional, services):
    for days in (270, 180, 90):
        closed(customer, professional, services[0], days)
    recommendations.switch(customer, on=False)
    db.session.commit()
    learn(app)
    assert (pairs(), ideas(customer)) == ({}, [])


def test_who_wants_it_again_has_ideas_after_the_next_night(app, customer, professional, services, frozen):
    for days in (270, 180, 90):
        closed(customer, professional, services[0], days)
    learn(app)
    recommendations.switch(customer, on=False)
    db.session.commit()
    assert ideas(customer) == []
    recommendations.switch(customer, on=True)
    db.session.commit()
    frozen.shift(timedelta(days=1))
    learn(app, TUESDAY)
    assert next(one.why for one in ideas(customer)) is Why.RHYTHM
    assert not recommendations.is_off(customer)


def test_of_who_was_erased_the_night_writes_nothing_again(app, customer, professional, other_customer, admin):
    factories.review(closed(customer, professional), rating=5)
    factories.review(closed(other_customer, professional), rating=5)
    users.anonymise(professional, admin, "Asked for it")
    users.anonymise(customer, admin, "Asked for it")
    db.session.commit()
    learn(app)
    assert (ideas(customer), total(AreaProfessional)) == ([], None)
    assert [(one.why, one.professional_id) for one in ideas(other_customer)] == [(Why.AGAIN, None)]


def test_seasons_of_long_ago_are_forgotten(app, customer, professional):
    closed(customer, professional, days=1500)
    closed(customer, professional, days=10)
    learn(app)
    kept = set(db.session.scalars(select(AreaService.season)))
    assert kept == {tastes.season_of(clock.today() - timedelta(days=10))}
