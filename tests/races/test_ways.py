"""A professional who is given a job while they are asked for another far from it: they can't come to both.

No constraint keeps two places apart, so whoever plans a professional's day waits for whoever does so already.
"""

import threading

import pytest

from domain import amendments, bookings, requests
from domain.errors import Invalid
from extensions import begin_write, db
from models import Booking, Status, User
from tests import factories

pytestmark = pytest.mark.race
# On PostgreSQL the other has so long to get ahead; on SQLite it could not even begin.
SECONDS = 0.5


@pytest.fixture
def service(app):
    return factories.service("An hour", duration_minutes=60)


@pytest.fixture
def slow(service):
    """Somebody who needs an hour from one side of the city to the other."""
    return factories.professional(services=[service], speed_kmh=6)


@pytest.fixture
def asked_meanwhile(at_once, service, slow):
    """asked_meanwhile(pincode, verb, booking, by): what becomes of a verb while somebody at the PIN code asks
    for half past twelve."""
    somebody = factories.customer()

    def run(pincode, verb, booking, by):
        place, begun = factories.address(somebody, pincode=pincode).id, threading.Event()
        wanted, ids = factories.at(12, 30, days=1), (somebody.id, service.id, slow.id, booking.id, by.id)
        db.session.remove()

        def ask():
            requests.request(db.session.get(User, ids[0]), ids[1], ids[2], wanted, place)
            begun.set()
            threading.Event().wait(SECONDS)

        def act():
            db.session.rollback()
            begun.wait(60)
            begin_write()
            verb(db.session.get(Booking, ids[3]), db.session.get(User, ids[4]))

        return at_once([ask, act])[1]

    return run


def test_a_job_is_not_given_to_somebody_who_is_asked_for_another_far_away(
    asked_meanwhile, customer, admin, service, slow
):
    other = factories.professional(services=[service])
    day = {"service": service, "starts_at": factories.at(11, days=1)}
    job = factories.booking(customer, other, status=Status.ACCEPTED, **day)

    def reassign(one, by):
        bookings.reassign(one, by, slow.id, "The van broke down")

    assert isinstance(asked_meanwhile(factories.NEAR_PIN, reassign, job, admin), Invalid)


def test_a_request_does_not_move_far_away_from_another(asked_meanwhile, customer, service, slow):
    far = factories.address(customer, pincode=factories.NEAR_PIN).id
    request = factories.booking(customer, slow, service=service, starts_at=factories.at(11, days=1))

    def edit(one, by):
        amendments.edit(one, by, "", far)

    assert isinstance(asked_meanwhile(factories.CITY_PIN, edit, request, customer), Invalid)
