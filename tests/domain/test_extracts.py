"""What is in the files of an export: each column of the bookings, and every table without its secrets."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

import exporting
from domain import clock, exports, extracts, outbox
from domain.tables import DERIVED, SHOWN, WITHHELD
from extensions import db
from models import (
    BookingEvent,
    BookingLine,
    BookingOffer,
    IdempotencyKey,
    LineKind,
    Status,
    User,
    reference_of,
)
from tests import factories
from tests.csv_files import read, read_zip
from tests.domain.test_cells import HARMFUL, HARMLESS

FIRST_FIVE = ["service_id", "customer_id", "professional_id", "date_of_request", "remarks"]
SECRET = "keep this to yourself"


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(exporting, "REST", 0)


def written(app, admin, wanted, key="key", **values):
    """The path of the file of a finished export."""
    asked = exports.request(admin, key, wanted, **values)
    db.session.commit()
    assert exporting.drain(app, threading.Event(), "leader") == 1
    db.session.expire_all()
    return exports.download(asked, admin)


# -- Bookings ---------------------------------------------------------------------------------


def test_a_line_says_all_of_a_booking(app, admin, customer, professional):
    booking = factories.booking(customer, professional, status=Status.CLOSED, remarks='Ring, then "wait"', paid=10_000)
    started = booking.starts_at + timedelta(minutes=3)
    db.session.add(
        BookingEvent(booking_id=booking.id, verb="start", to_status=Status.IN_PROGRESS.value, at=started)
    )
    db.session.add(BookingLine(booking_id=booking.id, kind=LineKind.REVERSAL, label="Half back", amount=-12_345))
    factories.review(booking, rating=4, comment="@home, good")

    path = written(app, admin, exports.Wanted())
    (row,) = read(path)

    assert list(row)[:5] == FIRST_FIVE
    service, pin = booking.service, booking.pin
    lines = {line.kind: line.amount for line in booking.lines}
    assert row == {
        "service_id": str(service.id),
        "customer_id": str(customer.id),
        "professional_id": str(professional.id),
        "date_of_request": "2026-11-23T09:00:00+05:30",
        "remarks": 'Ring, then "wait"',
        "booking_id": str(booking.id),
        "reference": reference_of(booking.id),
        "status": "closed",
        "service": service.name,
        "category": service.category.name,
        "customer": "Asha Rao",
        "professional": "Dev Menon",
        "pin_code": pin.pincode,
        "place": pin.place,
        "district": pin.district,
        "state": pin.state,
        "starts_at": "2026-11-24T11:00:00+05:30",
        "ends_at": clock.local(booking.ends_at).isoformat(),
        "accepted_at": "2026-11-23T09:00:00+05:30",
        "started_at": "2026-11-24T11:03:00+05:30",
        "completed_at": "2026-11-23T09:00:00+05:30",
        "closed_at": "2026-11-23T09:00:00+05:30",
        "price_service": f"{lines[LineKind.SERVICE] / 100:.2f}",
        "price_platform_fee": "15.00",
        "price_tax": f"{lines[LineKind.TAX] / 100:.2f}",
        "price_late_fee": "0.00",
        "price_extra": "0.00",
        "price_discount": "0.00",
        "price_reversal": "-123.45",
        "price_refund": "0.00",
        "currency": "INR",
        "total": f"{booking.total / 100:.2f}",
        "paid": "100.00",
        "rating": "4",
        "review": "'@home, good",
    }


def test_a_booking_that_nobody_took_has_empty_cells(app, admin, customer):
    factories.booking(customer, None)

    (row,) = read(written(app, admin, exports.Wanted()))
    empty = {name for name, cell in row.items() if cell == ""}
    times = {"accepted_at", "started_at", "completed_at", "closed_at"}
    assert empty == {"professional_id", "professional", "remarks", "rating", "review", *times}


def test_texts_that_could_run_come_out_harmless(app, admin, customer, professional, monkeypatch):
    monkeypatch.setattr(extracts, "ROWS_IN_A_PIECE", 5)
    payloads = [*HARMFUL, *(text for text in HARMLESS if len(text) < 1_000)]
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    for text in payloads[1:]:
        _copy(booking, text)
    booking.remarks = payloads[0]
    db.session.commit()

    rows = read(written(app, admin, exports.Wanted()))
    harmless = {text: text for text in HARMLESS} | {text: f"'{text}" for text in HARMFUL}
    assert [row["remarks"] for row in rows] == [harmless[text] for text in payloads]


def test_the_mark_for_excel_is_there_when_asked_for(app, admin, customer, professional):
    factories.booking(customer, professional)

    plain = written(app, admin, exports.Wanted())
    marked = written(app, admin, exports.Wanted(), key="2", excel=True)
    assert marked.read_bytes() == b"\xef\xbb\xbf" + plain.read_bytes()
    assert read(marked, "utf-8-sig") == read(plain)


def _copy(booking, remarks):
    names = [column.name for column in booking.__table__.columns if column.name != "id"]
    made = type(booking)(**{**{name: getattr(booking, name) for name in names}, "remarks": remarks})
    db.session.add(made)
    db.session.flush()


# -- Everything -------------------------------------------------------------------------------


def test_of_every_column_of_every_table_is_decided_whether_it_leaves():
    decided = {}
    for decision in (SHOWN, WITHHELD, DERIVED):
        for table, names in decision.items():
            for name in names.split():
                assert name not in decided.setdefault(table, set()), f"{table}.{name} is decided twice"
                decided[table].add(name)
    there = {name: {column.name for column in table.columns} for name, table in db.metadata.tables.items()}
    assert there == decided


def test_what_sounds_like_a_secret_is_withheld():
    sounds = ("password", "secret", "salt", "token", "uniquifier", "codes", "chat_url", "fingerprint")
    shown = {name for names in SHOWN.values() for name in names.split()}
    assert {name for name in shown if any(word in name for word in sounds)} == set()


def test_everything_has_a_file_of_each_table_with_all_its_rows(app, admin, customer, professional, monkeypatch):
    monkeypatch.setattr(extracts, "ROWS_IN_A_PIECE", 3)
    booking = factories.booking(customer, professional, status=Status.ACCEPTED, remarks="=cmd")
    for n in range(4):
        offer = {"professional_id": factories.professional().id, "position": n, "created_at": clock.now()}
        db.session.add(BookingOffer(booking_id=booking.id, **offer))
    db.session.commit()
    path = written(app, admin, None)

    files = read_zip(path)
    assert set(files) == {f"{name}.csv" for name in SHOWN}
    for name in set(SHOWN) - {"exports", "notifications", "outbox", "audit_entries"}:
        number = db.session.scalar(select(func.count()).select_from(db.metadata.tables[name]))
        assert len(files[f"{name}.csv"]) == number, name
    (row,) = files["bookings.csv"]
    assert row["remarks"] == "'=cmd"
    assert row["starts_at"] == "2026-11-24T05:30:00.000000Z"
    assert row["total"] == str(booking.total)
    claimed = [(row["professional_id"], row["bucket"]) for row in files["slot_claims.csv"]]
    assert len(set(claimed)) == len(claimed) > 3


def test_no_secret_is_in_everything(app, admin, customer, professional):
    booking = factories.booking(customer, professional, code_salt=SECRET)
    db.session.add(
        IdempotencyKey(
            user_id=customer.id, key=SECRET, fingerprint=SECRET, booking_id=booking.id, created_at=clock.now()
        )
    )
    person = db.session.get_one(User, customer.id)
    person.password = person.tf_totp_secret = person.chat_url = SECRET
    person.fs_uniquifier, person.mf_recovery_codes = SECRET, [SECRET]
    outbox.publish(user_ids=[customer.id], kind="expired", cause="x", booking_id=booking.id, link=SECRET)
    outbox.publish_sealed("asha@example.com", "Set a new password", SECRET)
    db.session.commit()
    path = written(app, admin, None, key=SECRET)

    for name, rows in read_zip(path).items():
        assert SECRET not in repr(rows), name
    sealed = [row for row in read_zip(path)["outbox.csv"] if row["kind"] == "sealed"]
    assert len(sealed) == 1
