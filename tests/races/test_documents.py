"""Many jobs are completed at the same moment, and some of that comes to nothing: the numbers of their invoices
have no gap and no double. The last use of a coupon goes to one."""

from collections import Counter

import pytest
from sqlalchemy import func, select, text

from domain import bookings, coupons, documents, requests
from extensions import begin_write, db
from models import Booking, Status, User
from models_money import Coupon, CouponUse, Document, DocumentKind
from tests import factories
from tests.races.conftest import CROWD, ROUNDS

pytestmark = [pytest.mark.race, pytest.mark.timeout(600)]
WRITERS = 6


class ChangedTheirMind(Exception):
    """Something else in the transaction fails after the number was taken."""


@pytest.fixture
def completing(customer):
    """One act for each of some professionals: to complete a job; every third comes to nothing."""
    rounds = ROUNDS // 10

    def act_of(number, professional_id, job_ids):
        left = iter(job_ids)

        def complete():
            bookings.complete(db.session.get(Booking, next(left)), db.session.get(User, professional_id))
            if number % 3 == 0:
                raise ChangedTheirMind

        return complete

    acts = []
    for number in range(WRITERS):
        person = factories.professional()
        jobs = [
            factories.booking(customer, person, status=Status.IN_PROGRESS, starts_at=factories.at(11, days=2 + day))
            for day in range(rounds)
        ]
        acts.append(act_of(number, person.id, [job.id for job in jobs]))
    return acts, rounds


def serials():
    db.session.rollback()
    found = select(Document.serial).where(Document.kind == DocumentKind.INVOICE).order_by(Document.id)
    return list(db.session.scalars(found))


def test_processes_leave_no_gap_and_no_double(processes, completing):
    acts, rounds = completing
    outcomes = Counter()
    processes(acts, rounds, lambda _number, results: outcomes.update(results))
    assert outcomes == {None: rounds * WRITERS * 2 // 3, "ChangedTheirMind": rounds * WRITERS // 3}
    assert sorted(serials()) == list(range(1, outcomes[None] + 1))


def test_control_a_number_taken_without_the_counters_row_is_given_twice(at_once, completing, monkeypatch):
    """Were the next number the highest plus one, it would be that of somebody else too."""

    def highest_plus_one(kind, year):
        db.session.commit()  # what was read before does not keep anybody waiting
        highest = select(func.max(Document.serial)).where(Document.kind == kind, Document.year == year)
        serial = (db.session.scalar(highest) or 0) + 1
        db.session.commit()
        begin_write()
        return serial

    monkeypatch.setattr(documents, "_next_serial", highest_plus_one)
    acts, rounds = completing
    refused = 0
    for _ in range(min(rounds, 5)):
        refused += sum(isinstance(result, Exception) and "UNIQUE" in str(result).upper() for result in at_once(acts))
    assert refused


def test_the_last_use_of_a_coupon_goes_to_one(at_once, admin):
    coupons.create(admin, code="LAST", amount=5_000, limit_all=1)
    db.session.commit()
    service_id = factories.service().id

    def act_of(customer_id, address_id, professional_id):
        def ask():
            by = db.session.get(User, customer_id)
            return requests.request(
                by, service_id, professional_id, factories.at(11, days=2), address_id, coupon="LAST"
            )

        return ask

    crowd = [(factories.customer(), factories.professional()) for _ in range(CROWD)]
    acts = [act_of(one.id, one.addresses[0].id, other.id) for one, other in crowd]
    for _ in range(max(ROUNDS // 20, 2)):
        results = at_once(acts)
        assert Counter(type(result).__name__ for result in results) == {"int": 1, "Invalid": CROWD - 1}, results
        winner = next(result for result in results if isinstance(result, int))
        db.session.rollback()
        assert db.session.scalar(select(Coupon.uses)) == 1
        begin_write()
        booking = db.session.get(Booking, winner)
        bookings.cancel(booking, booking.customer)
        db.session.commit()
        assert db.session.scalar(select(Coupon.uses)) == 0
        db.session.rollback()


def test_control_without_the_guard_many_have_the_last_use(at_once, admin, monkeypatch):
    """The limit is checked where the price is shown too; that alone lets many through."""
    coupons.create(admin, code="LAST", amount=5_000, limit_all=1)
    db.session.execute(text("UPDATE coupons SET limit_all = NULL"))
    db.session.commit()
    monkeypatch.setattr(coupons, "_UNUSED", ())
    service_id = factories.service().id
    crowd = [(factories.customer(), factories.professional()) for _ in range(5)]

    def act_of(customer_id, address_id, professional_id):
        return lambda: requests.request(
            db.session.get(User, customer_id),
            service_id,
            professional_id,
            factories.at(11, days=2),
            address_id,
            coupon="LAST",
        )

    at_once([act_of(one.id, one.addresses[0].id, other.id) for one, other in crowd])
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(CouponUse)) > 1
