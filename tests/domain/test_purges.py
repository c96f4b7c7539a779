"""What is thrown away by night, and what never is."""

import os
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import availability, clock, disputes, files, purges
from extensions import db, settings
from models import FileKind, IdempotencyKey, SlotClaim, Status, StoredFile
from storage import LocalStorage, new_name
from tests import factories

PERIOD = "2026-11-23"


def all_of(verb):
    """Run a purge to its end, as the timetable does; answer how much it did."""
    cursor, count = 0, 0
    while cursor is not None:
        step = verb(PERIOD, cursor)
        db.session.commit()
        count, cursor = count + step.count, step.cursor
    return count


def claims():
    return db.session.scalar(select(func.count()).select_from(SlotClaim))


def stored(owner, name="resume"):
    file = files.store(files.Checked(FileKind.RESUME, "application/pdf", b"%PDF-1.4"), owner)
    db.session.commit()
    return file


def on_disk(app):
    return {path.name for path in settings.upload_dir.rglob("*") if path.is_file()}


def test_claims_of_past_days_go_when_no_booking_needs_them(customer, professional, frozen):
    over = factories.booking(customer, professional, status=Status.CLOSED)
    availability.claim(professional.id, over.id, factories.at(9), 30)
    db.session.commit()
    left_over = claims()
    assert left_over
    assert all_of(purges.claims) == 0
    frozen.shift(timedelta(days=1))
    assert all_of(purges.claims) == left_over
    assert claims() == 0


def test_the_claims_of_a_booking_that_is_still_on_stay_even_if_the_clock_runs_ahead(customer, professional, frozen):
    factories.booking(customer, professional, starts_at=factories.at(11, days=2), status=Status.ACCEPTED)
    held = claims()
    assert held
    frozen.shift(timedelta(days=400))
    assert all_of(purges.claims) == 0
    assert claims() == held


def test_used_keys_of_forms_go_after_a_week(customer, professional, monkeypatch):
    monkeypatch.setattr(purges, "BATCH", 2)
    booking = factories.booking(customer, professional)
    for number, days in enumerate((6, 8, 9, 10)):
        made = clock.now() - timedelta(days=days)
        key = {"user_id": customer.id, "key": f"key {number}", "fingerprint": "", "booking_id": booking.id}
        db.session.add(IdempotencyKey(**key, created_at=made))
    db.session.commit()
    assert all_of(purges.idempotency_keys) == 3
    assert db.session.scalars(select(IdempotencyKey.key)).all() == ["key 0"]


def test_uploads_that_nothing_refers_to_go_after_a_day_with_their_bytes(app, professional, frozen, monkeypatch):
    monkeypatch.setattr(purges, "BATCH", 2)
    used = stored(professional)
    professional.professional.resume_id = used.id
    unused = [stored(professional) for _ in range(3)]
    db.session.commit()
    assert all_of(purges.uploads) == 0
    frozen.shift(timedelta(days=1, minutes=1))
    assert all_of(purges.uploads) == len(unused)
    assert db.session.scalars(select(StoredFile.id)).all() == [used.id]
    assert on_disk(app) == {used.id}


def test_the_photos_of_a_dispute_stay(app, customer, professional, frozen):
    done = factories.booking(customer, professional, status=Status.COMPLETED)
    photo = files.Checked(FileKind.EVIDENCE, "image/webp", b"a photo")
    shown = disputes.begin(done, customer, "The tap drips as before.", [photo]).photos[0].file_id
    db.session.commit()
    frozen.shift(timedelta(days=30))
    assert all_of(purges.uploads) == 0
    assert on_disk(app) == {shown}


def test_files_without_a_row_go_after_a_day_half_written_ones_too(app, professional):
    storage = LocalStorage(settings.upload_dir)
    stray, fresh, half = new_name(), new_name(), new_name()
    known = stored(professional)
    professional.professional.resume_id = known.id
    db.session.commit()
    for name in (stray, fresh, half):
        storage.put(name, b"bytes")
    path = settings.upload_dir / half[:2] / half
    path.rename(path.with_suffix(".part"))
    for file in settings.upload_dir.rglob("*"):
        if file.is_file():
            age = timedelta(minutes=5) if file.name == fresh else timedelta(days=2)
            moment = (clock.now() - age).timestamp()
            os.utime(file, (moment, moment))
    assert all_of(purges.uploads) == 2
    assert on_disk(app) == {known.id, fresh}


@pytest.mark.usefixtures("app")
def test_a_site_without_uploads_has_nothing_to_delete():
    assert all_of(purges.uploads) == 0
