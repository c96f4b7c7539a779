"""The first run: places, services and invented people, all of it consistent, and a second run that does nothing."""

import dataclasses
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

import demo
import init_db
from config import ROOT
from demo import people
from domain import availability, clock, places, ratings, users
from domain.transitions import BLOCKING
from extensions import db
from models import (
    Approval,
    Booking,
    BookingEvent,
    BookingLine,
    Category,
    Notification,
    OutboxMessage,
    Professional,
    Review,
    Role,
    Service,
    SlotClaim,
    Status,
    User,
)
from models_lifecycle import Refund
from models_money import Payment
from tests import databases

SMALL = demo.Size(cities=1, professionals=14, customers=12, bookings=84)
# Every state that has a verb leading to it.
STATES = set(Status)
# At ten past three, and when those who begin at nine could be on their way to their first job.
AT_NIGHT, BEFORE_WORK = datetime(2026, 11, 24, 21, 40, tzinfo=UTC), datetime(2026, 11, 22, 1, 15, tzinfo=UTC)


@pytest.fixture
def loaded(app, worker_name):
    """The demonstration. On SQLite it is made once, and each test has a copy."""
    if databases.on_postgresql():
        init_db.prepare(SMALL)
        return
    with databases.only_once("demonstration") as first:
        if first:
            init_db.prepare(SMALL)
        db.session.remove()
        db.engine.dispose()
        databases.fresh(*(("demonstration", worker_name) if first else (worker_name, "demonstration")))


def test_the_demonstration_is_whole_and_consistent(loaded):
    assert _count(Booking) == SMALL.bookings
    assert set(db.session.scalars(select(Booking.status).distinct())) == STATES
    _assert_consistent()


def test_nobody_is_written_to_about_invented_bookings(loaded):
    assert _count(OutboxMessage) == 0
    assert _count(Notification) > 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", [AT_NIGHT, BEFORE_WORK])
def test_it_is_whole_while_nobody_works_too(app, frozen, moment):
    frozen.move_to(moment)
    init_db.prepare(SMALL)
    assert _count(Booking) == SMALL.bookings
    # So small a town has one professional who is awake.
    assert set(db.session.scalars(select(Booking.status).distinct())) >= STATES - {Status.EN_ROUTE}
    _assert_consistent()


@pytest.mark.soak
@pytest.mark.slow
def test_the_whole_demonstration_has_everybody_in_six_cities(app):
    places.load_directory()
    db.session.commit()
    init_db.prepare()
    by_role = dict(db.session.execute(select(User.role, func.count()).group_by(User.role)).all())
    assert by_role == {Role.ADMIN: 1, Role.PROFESSIONAL: 120, Role.CUSTOMER: 60}
    assert _count(Booking) == 600
    assert set(db.session.scalars(select(Booking.status).distinct())) == STATES
    assert _count(Booking, Booking.starts_at < clock.now() - timedelta(days=90)) == 0
    assert _count(Booking, Booking.starts_at > clock.now()) > 50
    _assert_consistent()


def test_a_second_run_changes_nothing(loaded, capsys):
    tables = (User, Professional, Booking, BookingEvent, Review, Payment, Notification, Category, Service)
    before = [_count(table) for table in tables]
    init_db.prepare(SMALL)
    assert [_count(table) for table in tables] == before


@pytest.mark.slow
def test_the_same_moment_gives_the_same_people_and_bookings(loaded, template, worker_name):
    first = _story()
    db.session.remove()
    db.engine.dispose()
    databases.fresh(worker_name, template)
    init_db.prepare(SMALL)
    assert _story() == first


def test_the_three_guests_can_log_in_and_are_told_to_the_developer(loaded, client, capsys):
    init_db.prepare(SMALL)
    said = capsys.readouterr().out
    for role in Role:
        assert f"{role.value}@example.com" in said
        answer = client.post("/login", data={"email": f"{role.value}@example.com", "password": init_db.PASSWORD})
        assert answer.status_code == 302
        client.post("/logout")
    assert init_db.PASSWORD in said


def test_all_invented_people_are_marked(loaded):
    assert _count(User, User.demo.is_(False)) == 0
    assert users.demo_accounts_exist()


def test_the_customer_finds_bookings_in_several_states_and_one_soon(loaded):
    mine = Booking.customer_id == users.find("customer@example.com").id
    states = set(db.session.scalars(select(Booking.status).where(mine)))
    assert states >= {Status.PENDING, Status.ACCEPTED, Status.COMPLETED, Status.CLOSED, Status.CANCELLED}
    soon = clock.now() + timedelta(days=2)
    assert _count(Booking, mine, Booking.status == Status.ACCEPTED, Booking.starts_at < soon)


def test_the_professional_finds_requests_to_answer_and_jobs_to_do(loaded):
    mine = Booking.professional_id == users.find("professional@example.com").id
    assert _count(Booking, mine, Booking.status == Status.PENDING, Booking.respond_by > clock.now()) >= 3
    tomorrow = clock.start_of(clock.today() + timedelta(days=2))
    assert _count(Booking, mine, Booking.status == Status.ACCEPTED, Booking.starts_at < tomorrow) >= 2


def test_one_application_waits_with_its_papers(loaded):
    applicant = db.session.scalars(select(Professional).where(Professional.approval == Approval.PENDING)).one()
    assert applicant.resume_id
    assert applicant.identity_id


def test_reviews_are_varied(loaded):
    comments = list(db.session.scalars(select(Review.comment).where(Review.comment != "")))
    assert len(comments) > 15
    assert len(set(comments)) > 0.9 * len(comments)


def test_the_catalogue_has_eleven_categories_with_icons_and_fifty_services(app):
    db.session.execute(Service.__table__.delete())
    db.session.execute(Category.__table__.delete())
    init_db.load_catalogue()
    categories = list(db.session.scalars(select(Category)))
    assert len(categories) == 11
    assert {one.name: one.icon for one in categories} == init_db.ICONS
    assert all(one.slug for one in categories)
    assert _count(Service) == 50


def test_production_gets_places_and_services_and_nobody_else(app, monkeypatch):
    _in_production(app, monkeypatch)
    init_db.prepare(SMALL)
    assert _count(User) == 0
    assert _count(Service) == 50


def test_the_clock_of_production_is_never_held(app, monkeypatch):
    _in_production(app, monkeypatch)
    with pytest.raises(RuntimeError), clock.at(clock.now()):
        pass


def test_a_held_clock_runs_again_afterwards(app):
    before = clock.now()
    with clock.at(before - timedelta(days=1)):
        assert clock.now() == before - timedelta(days=1)
    assert clock.now() == before


def test_the_clock_is_not_held_at_a_naive_moment(app):
    with pytest.raises(ValueError), clock.at(datetime(2026, 1, 1)):
        pass


def test_every_city_of_the_demonstration_is_one_of_the_directory():
    assert len(people.read("people.toml")["cities"]) == demo.FULL.cities


def _assert_consistent():
    assert ratings.disagreements() == []
    _assert_claims_are_those_of_blocking_bookings()
    sums = select(BookingLine.booking_id, func.sum(BookingLine.amount)).group_by(BookingLine.booking_id)
    totals = dict(db.session.execute(select(Booking.id, Booking.total)).all())
    assert dict(db.session.execute(sums).all()) == totals
    paid = select(Payment.booking_id, func.sum(Payment.amount)).group_by(Payment.booking_id)
    paid = dict(db.session.execute(paid).all())
    for refund in db.session.scalars(select(Refund)):
        paid[refund.booking_id] -= refund.amount
    kept = select(Booking.id, Booking.paid).where(Booking.paid > 0)
    assert paid == dict(db.session.execute(kept).all())
    assert _count(BookingEvent, BookingEvent.at > clock.now()) == 0
    assert _count(Booking, Booking.status == Status.PENDING, Booking.respond_by <= clock.now()) == 0


def _assert_claims_are_those_of_blocking_bookings():
    held = {(one.professional_id, one.bucket, one.booking_id) for one in db.session.scalars(select(SlotClaim))}
    wanted = {
        (booking.professional_id, bucket, booking.id)
        for booking in db.session.scalars(select(Booking).where(Booking.status.in_(BLOCKING)))
        if booking.professional_id
        for bucket in availability.claimed_buckets(
            booking.starts_at, (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
        )
    }
    assert held == wanted


def _story():
    names = db.session.execute(select(User.name, User.email, User.created_at).order_by(User.email)).all()
    booked = (Booking.status, Booking.starts_at, Booking.total, Booking.address_line, Booking.remarks)
    return names, db.session.execute(select(*booked).order_by(Booking.starts_at, *booked)).all()


def _count(table, *where):
    return db.session.scalar(select(func.count()).select_from(table).where(*where))


def _in_production(app, monkeypatch):
    monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(app.config["SETTINGS"], env="production"))


@pytest.mark.slow
@pytest.mark.parametrize("module", ["init_db", "app", "jobs", "mail", "commands", "exporting"])
def test_a_module_can_be_the_first_that_a_program_imports(module):
    """What works only because a test imported something else before does not work for `make run`."""
    code = f"import {module}; from sqlalchemy.orm import configure_mappers; configure_mappers()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
