"""Backups in a storm of bookings: what comes back is the site as it was at one moment."""

import multiprocessing
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select

import app as application
import archives
import config
import recovery
from domain import availability, backups, billing, bookings, files, ledger, payments, requests
from extensions import db
from models import Booking, BookingEvent, FileKind, PaymentMethod, SlotClaim, Status, StoredFile
from tests import factories
from tests.races.conftest import attempt

pytestmark = [pytest.mark.race, pytest.mark.timeout(600)]
STORM = 3
BACKUPS = 3
# So much is acknowledged before each of them begins.
BEFORE = 15
# During one at most this much more, or the storm would be over before a slow machine has made them all.
DURING = 60
CUSTOMERS_EACH, REQUESTS_EACH = 18, 5
SECONDS_BETWEEN = 0.05


class Hand:
    """A professional with ninety requests that customers will make, and jobs that are to be completed."""

    def __init__(self):
        professional = factories.professional()
        self.professional_id = professional.id
        # On Sundays nobody works.
        self._days = [days for days in range(2, 29) if factories.at(12, days=days).weekday() < 6]
        self.customers = [factories.customer().id for _one in range(CUSTOMERS_EACH)]
        customer = factories.person(self.customers[0])
        self.jobs = [
            factories.booking(customer, professional, status=Status.IN_PROGRESS, starts_at=self._slot(number, -1)).id
            for number in range(CUSTOMERS_EACH * REQUESTS_EACH // 3)
        ]

    def turns(self):
        """What is done one after the other: a request with a photo, and at every third a job is done and paid."""
        for number in range(len(self.customers) * REQUESTS_EACH):
            yield lambda number=number: self._turn(number)

    def _turn(self, number):
        customer, professional = (
            factories.person(one) for one in (self.customers[number // REQUESTS_EACH], self.professional_id)
        )
        if number % 3 == 0:
            job = db.session.get(Booking, self.jobs[number // 3])
            bookings.complete(job, professional)
            bookings.record_payment(job, professional, PaymentMethod.CASH)
        photo = files.store(files.Checked(FileKind.PHOTO, files.JPEG, b"photo %d" % number), customer)
        customer.photo_id = photo.id
        service_id, address_id = factories.service().id, customer.addresses[0].id
        made = requests.request(customer, service_id, professional.id, self._slot(number), address_id)
        return made, photo.id

    def _slot(self, number, direction=1):
        return factories.at(9 + number % 4 * 2, days=direction * self._days[number // 4])


@contextmanager
def storm(app, hands):
    """Processes that book, and what they acknowledge: the numbers of bookings and of photos that are committed."""
    db.session.remove()
    db.engine.dispose()
    fork = multiprocessing.get_context("fork")
    acknowledged, stop = fork.Queue(DURING), fork.Event()
    crowd = [fork.Process(target=_work, args=(app, hand, acknowledged, stop)) for hand in hands]
    for process in crowd:
        process.start()
    try:
        yield acknowledged
    finally:
        stop.set()
        for process in crowd:
            # It ends when all that it acknowledged is taken.
            while process.is_alive():
                _all_of(acknowledged)
                process.join(0.1)
    assert not any(process.exitcode for process in crowd)


def _work(app, hand, acknowledged, stop):
    for act in hand.turns():
        if stop.is_set():
            break
        made = attempt(app, act)
        assert isinstance(made, tuple), made
        acknowledged.put(made)
        time.sleep(SECONDS_BETWEEN)


def _all_of(acknowledged, least=0):
    found = []
    while len(found) < least or not acknowledged.empty():
        found.append(acknowledged.get(timeout=60))
    return found


@pytest.mark.realtime
def test_a_backup_in_a_storm_of_bookings_is_the_site_at_one_moment(app, tmp_path, settings):
    hands = [Hand() for _one in range(STORM)]
    known, taken = [], []
    with storm(app, hands) as acknowledged:
        for number in range(BACKUPS):
            known += _all_of(acknowledged, BEFORE)
            # Of a day only the last would stay where it is.
            taken.append((backups.take().path.rename(tmp_path / f"{number}.tar.gz"), list(known)))
            meanwhile = _all_of(acknowledged)
            assert meanwhile, "nobody could book while the backup was made"
            known += meanwhile
    for number, (archive, before) in enumerate(taken):
        _prove(archive, before, tmp_path / str(number), settings)


def _prove(archive, before, folder, settings):
    folder.mkdir()
    there = {"upload_dir": folder / "uploads"}
    site = recovery.rehearse(application.create_app, archive, folder, set(), lambda *_said: None, **there)
    url = f"sqlite:///{site.database}"
    with application.create_app(config.quarantined(settings, database_url=url, **there)).app_context():
        made, photos = (set(db.session.scalars(select(kind.id))) for kind in (Booking, StoredFile))
        assert {booking for booking, _photo in before} <= made
        assert {photo for _booking, photo in before} <= photos
        # Each is there whole or not at all: with its story, its claims, its money and its photo.
        assert set(db.session.scalars(select(BookingEvent.booking_id))) == made
        for booking in db.session.scalars(select(Booking).where(Booking.status == Status.PENDING)):
            claims = select(func.count()).select_from(SlotClaim).where(SlotClaim.booking_id == booking.id)
            minutes = factories.service().duration_minutes
            assert db.session.scalar(claims) == len(availability.claimed_buckets(booking.starts_at, minutes))
        assert [*ledger.faults(), *billing.faults(), *payments.faults()] == []
        assert {name for name, _content in archives.uploads(archive)} >= photos
        assert all(files.content_of(photo).startswith(b"photo ") for photo in db.session.scalars(select(StoredFile)))
        db.session.remove()
        db.engine.dispose()
