"""Twenty people ask for one slot at the same moment: one gets it, nineteen are told, none is lost."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from sqlalchemy import func, select, text

from domain import availability, bookings, requests
from domain.errors import Conflict
from extensions import begin_write, db
from models import Booking, SlotClaim, Status, User
from tests import factories
from tests.races.conftest import CROWD, ROUNDS

pytestmark = [pytest.mark.race, pytest.mark.timeout(600)]


@pytest.fixture
def asking(professional):
    """One act for each of twenty customers: to ask for the same slot."""
    starts_at = factories.at(11, days=2)
    service_id, professional_id = factories.service().id, professional.id

    def act_of(customer_id, address_id):
        def ask():
            by = db.session.get(User, customer_id)
            return requests.request(by, service_id, professional_id, starts_at, address_id)

        return ask

    crowd = [factories.customer() for _ in range(CROWD)]
    return [act_of(person.id, person.addresses[0].id) for person in crowd]


def _settle(professional_id):
    """After a round: who holds the slot; then it is given back for the next round."""
    begin_write()
    winners = db.session.scalars(select(Booking).where(Booking.status == Status.PENDING)).all()
    claims = db.session.scalar(select(func.count()).select_from(SlotClaim))
    length = len(availability.claimed_buckets(winners[0].starts_at, factories.service().duration_minutes))
    professional = db.session.get(User, professional_id)
    for booking in winners:
        bookings.reject(booking, professional, "Next round")
    db.session.commit()
    return len(winners), claims == length


def test_threads_get_one_booking_each_round(at_once, asking, professional):
    for _ in range(ROUNDS):
        results = at_once(asking)
        outcome = Counter(type(result) for result in results)
        assert outcome == {int: 1, Conflict: CROWD - 1}, results
        assert _settle(professional.id) == (1, True)
    made = db.session.scalar(select(func.count()).select_from(Booking))
    assert made == ROUNDS


def test_processes_get_one_booking_each_round(processes, asking, professional, app):
    professional_id = professional.id

    def between(_number, results):
        outcome = Counter("booked" if isinstance(result, int) else result for result in results)
        assert outcome == {"booked": 1, "Conflict": CROWD - 1}
        assert _settle(professional_id) == (1, True)
        db.session.remove()

    processes(asking, ROUNDS, between)
    assert db.session.scalar(select(func.count()).select_from(Booking)) == ROUNDS


def test_browsers_get_one_booking_each_round_and_never_an_error(app, as_, professional):
    """The same through the web: whole requests with log-in, form and page."""
    crowd = [factories.customer() for _ in range(CROWD)]
    wishes = [
        (
            person.fs_uniquifier,
            {
                "service_id": factories.service().id,
                "professional_id": professional.id,
                "starts_at": factories.at(11, days=2).isoformat(),
                "address_id": person.addresses[0].id,
            },
        )
        for person in crowd
    ]
    professional_id = professional.id

    def post(wish, gate):
        uniquifier, form = wish
        with app.app_context():
            client = as_(SimpleNamespace(fs_uniquifier=uniquifier))
            client.audit = False
            gate.wait(60)
            status = client.post("/book", data=form).status_code
            db.session.remove()
            return status

    with ThreadPoolExecutor(CROWD) as pool:
        for _ in range(ROUNDS // 10):
            gate = threading.Barrier(CROWD)
            statuses = Counter(pool.map(post, wishes, [gate] * CROWD))
            assert statuses == {303: 1, 409: CROWD - 1}
            assert _settle(professional_id) == (1, True)
            db.session.remove()


def test_control_without_the_primary_key_one_slot_is_given_to_many(at_once, asking):
    """The same race with the constraint removed: were it not for the key, all would get the slot."""
    db.session.execute(text("DROP TABLE slot_claims"))
    db.session.execute(
        text("CREATE TABLE slot_claims (professional_id BIGINT, bucket INTEGER, booking_id BIGINT, wait_id BIGINT)")
    )
    db.session.commit()
    results = at_once(asking)
    assert sum(isinstance(result, int) for result in results) > 1
