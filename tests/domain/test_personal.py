"""Everything that is held about a person is in their copy or left out with a reason, and goes when they are erased."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import JSON, Boolean, Date, DateTime, Enum, Float, Integer, String, Text, insert, select, update
from sqlalchemy.exc import IntegrityError

from domain import clock, files, personal, users
from domain.personal import LEFT_OUT, LEFT_OUT_WHOLE, SHARES
from extensions import db
from models import FileKind, Status, UTCDateTime
from models_guides import GuidePicture
from tests import factories

CANARY, KEEPER = "zirpvogel", "dauergast"
# What is left of somebody who is erased, and why.
KEPT = {
    "audit_entries": {
        "action": "one of a list",
        "subject_type": "one of a list",
        "detail": "append only: what admins did, and the reasons they gave",
        "address": "an admin's",
    },
    "booking_lines": {"label": "what was billed"},
    "bookings": {"code_salt": "a random number"},
    "checkouts": {"key": "our name for a payment", "reference": "the gateway's name for it", "url": "a page of its"},
    "consents": {"about": "one of a list", "version": "proof of what was agreed"},
    "disputes": {"reason": "what the site decided, in its own words"},
    "documents": {"content": "the tax law wants invoices as they were", "number": "its number"},
    "extras": {"label": "what was billed"},
    "exports": {
        "filters": "what an admin wanted to see",
        "holder": "the process that wrote it",
        "file_name": "a random name",
        "error": "the site's own words",
        "key": "a random number",
    },
    "guides": dict.fromkeys(("slug", "title", "summary", "text", "reason"), "an admin's guides are the site's"),
    "guide_tags": {"tag": "a word of a guide of the site's"},
    "messages": {"mark": "a hash with a random number in it"},
    "payments": {"reference": "the bank's name for a payment", "reason": "why it was refused, for the books"},
    "payouts": {"reason": "why a payout failed, for the books"},
    "refunds": {
        "reason": "why money went back, for the books",
        "key": "our name for it",
        "reference": "the gateway's name for it",
        "error": "the gateway's words",
    },
    "reviews": {
        "comment": "a review stays, by a former customer",
        "reply": "the answer to a review",
        "hidden_reason": "the words of an admin",
    },
    "users": {"fs_uniquifier": "replaced by another random number", "email": "replaced by a number"},
    "area_professionals": {"state": "a place", "district": "a place"},
    "booking_events": dict.fromkeys(("verb", "cause", "from_status", "to_status"), "one of a list"),
    "guide_reactions": {"kind": "one of a list"},
    "webhooks": {"url": "an address of the site's", "secret": "encrypted", "verbs": "some of a list"},
}
HOLDERS = {"payments": "holder", "refunds": "holder"}


def test_of_every_table_and_column_is_decided_whether_it_is_in_the_copy():
    decided = {}
    for share in SHARES:
        decided.setdefault(share.table, set()).update(share.columns.split())
    for table, reasons in LEFT_OUT.items():
        for names, reason in reasons.items():
            assert reason
            assert not decided[table] & set(names.split()), f"{table}: {names} is shown and left out"
            decided[table].update(names.split())
    assert not decided.keys() & LEFT_OUT_WHOLE.keys()
    assert all(LEFT_OUT_WHOLE.values())
    there = {name: set(table.columns.keys()) for name, table in db.metadata.tables.items()}
    assert {name: columns for name, columns in there.items() if name not in LEFT_OUT_WHOLE} == decided
    assert LEFT_OUT_WHOLE.keys() <= there.keys()


def test_no_secret_is_in_the_copy():
    sounds = ("password", "secret", "salt", "token", "uniquifier", "codes", "chat_url", "sealed", "hash", "lease")
    shown = {name for share in SHARES for name in share.columns.split()}
    assert {name for name in shown if any(word in name for word in sounds)} == set()


def test_a_copy_has_ones_own_and_nobody_elses(customer, other_customer, professional):
    mine = factories.booking(customer, professional, status=Status.CLOSED, remarks="Ring twice")
    theirs = factories.booking(other_customer, professional, status=Status.CLOSED, remarks="Bilal's dog bites")
    factories.review(mine, comment="Well done")
    factories.review(theirs, comment="Too late")
    told = copy_of(customer.id)
    assert [row["remarks"] for row in told["bookings.json"]] == ["Ring twice"]
    assert [row["comment"] for row in told["reviews.json"]] == ["Well done"]
    assert told["addresses.json"][0]["line"] == "12, 3rd Cross"
    assert told["users.json"][0]["email"] == "asha@example.com"
    text = json.dumps(told)
    assert "Bilal" not in text
    assert "Too late" not in text


def test_a_professional_gets_reviews_and_jobs_without_the_addresses_of_customers(customer, professional):
    job = factories.booking(customer, professional, status=Status.CLOSED, remarks="The key is under the pot")
    factories.review(job, comment="Well done")
    told = copy_of(professional.id)
    assert [row["id"] for row in told["bookings_as_professional.json"]] == [job.id]
    assert [row["comment"] for row in told["reviews_about_you.json"]] == ["Well done"]
    assert told["bookings.json"] == []
    assert told["working_hours.json"]
    text = json.dumps(told)
    assert "under the pot" not in text
    assert "3rd Cross" not in text


def test_a_copy_goes_on_where_a_piece_ends(monkeypatch, customer, professional):
    monkeypatch.setattr(personal, "ROWS_IN_A_PIECE", 2)
    ids = [factories.booking(customer, professional, status=Status.CANCELLED).id for _ in range(5)]
    assert [row["id"] for row in copy_of(customer.id)["bookings.json"]] == ids
    part = next(part for part in personal.parts(customer.id) if part.name == "bookings.json")
    assert part.count() == 5


def test_uploads_are_in_the_copy(customer, other_customer):
    one = files.store(files.Checked(FileKind.PHOTO, files.JPEG, b"a face"), customer)
    files.store(files.Checked(FileKind.PHOTO, files.JPEG, b"another"), other_customer)
    db.session.commit()
    assert list(personal.uploads(customer.id)) == [(f"uploads/{one.id}.jpg", b"a face")]


def test_the_copy_says_whose_it_is_and_what_is_not_in_it(customer):
    about = json.loads(personal.about(customer.id))
    assert about["person"] == {"id": customer.id, "name": "Asha Rao", "email": "asha@example.com"}
    assert "password" in " ".join(about["left_out"]["columns"]["users"])


# -- Of who is erased nothing is left --------------------------------------------------------


@pytest.fixture
def everywhere(customer, professional, admin):
    """A row in every table that holds something of somebody, with the canary in every text: the ids of whom."""
    people = {"customer": customer, "professional": professional, "admin": admin}
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    for person in people.values():
        files.store(files.Checked(FileKind.PHOTO, files.JPEG, CANARY.encode()), person)
        _fill("users", person.id)
    _fill("professionals", professional.id)
    _fill("bookings", booking.id)
    rows = _Rows(people, booking)
    for name in dict.fromkeys(share.table for share in SHARES):
        if name not in ("users", "professionals", "bookings", "stored_files"):
            rows.add(name)
    db.session.commit()
    return [person.id for person in people.values()]


def test_who_is_erased_is_nowhere_in_the_database_and_the_uploads(everywhere, settings, app):
    wanted = {(column.table.name, column.name) for share in SHARES for column in _texts(share.table)}
    wanted -= {(table, column) for table, columns in KEPT.items() for column in columns}
    assert _found(CANARY) - {("users", "email")} == wanted - {("stored_files", "content_type")}
    before = [path for path in settings.upload_dir.rglob("*") if path.is_file()]
    assert len(before) == 3

    if db.engine.dialect.name == "sqlite":
        assert _is_in_the_file(CANARY)
    for user_id in everywhere:
        users.erase(factories.person(user_id))
    db.session.commit()

    assert sorted(_found(CANARY)) == []
    # The picture of a guide of the site's stays with the guide.
    left = {path.name for path in settings.upload_dir.rglob("*") if path.is_file()}
    assert left == set(db.session.scalars(select(GuidePicture.file_id)))
    if db.engine.dialect.name == "sqlite":
        assert not _is_in_the_file(CANARY)
    assert _found(KEEPER) <= {(table, column) for table, columns in KEPT.items() for column in columns}


def test_what_is_kept_is_said_with_its_reason():
    for table, columns in KEPT.items():
        assert columns.keys() <= set(db.metadata.tables[table].columns.keys())
        assert all(columns.values())


LISTS = frozenset({"languages", "scopes", "verbs", "warned_of", "mf_recovery_codes"})


def _texts(table):
    """The columns of a table that can hold words: no lists of states, nothing that leads elsewhere."""
    return [
        column
        for column in db.metadata.tables[table].columns
        if isinstance(column.type, (String, Text, JSON)) and not isinstance(column.type, Enum)
        if not column.foreign_keys and not column.primary_key
        if getattr(column.type, "length", None) is None or column.type.length >= len(CANARY)
        if column.name != HOLDERS.get(table)
    ]


def _word(column):
    word = KEEPER if column.name in KEPT.get(column.table.name, {}) else CANARY
    if isinstance(column.type, JSON):
        return [word] if column.name in LISTS else {"name": word}
    return word


def _fill(table, row_id):
    table = db.metadata.tables[table]
    words = {column.name: _word(column) for column in _texts(table.name)}
    if table.name == "users":
        words |= {"email": f"{CANARY}{row_id}@example.com", "fs_uniquifier": f"{KEEPER}{row_id}"}
    db.session.execute(update(table).where(table.c.id == row_id).values(**words))
    db.session.expire_all()


class _Rows:
    """Makes a row for a table, with those that it leads to."""

    # What an admin says about a booking are the words of the site.
    ROLES = {"booking_events": ("customer", "professional")}

    OVERRIDES = {
        "documents": {"amount": 100},
        "guides": {"state": "draft"},
        "payouts": {"status": "paid"},
        "payments": {"status": "verified"},
        "positions": {"lat": 1.0, "lon": 1.0},
        "refunds": {"state": "done"},
        "reviews": {"rating": 4},
        "checkouts": {"status": "ended"},
        "outbox": {"channel": "mail", "status": "sent"},
        "exports": {"kind": "person", "status": "done"},
        "coupons": {"amount": 100, "code": "WELCOME", "uses": 0},
    }

    def __init__(self, people, booking):
        self.people, self.booking, self.number = people, booking, 0

    def add(self, name):
        """Rows of each of the people, where the table does not say of which role they are."""
        table = db.metadata.tables[name]
        neutral = any(self._target(c) == "users" and c.name != "customer_id" for c in table.columns)
        made = 0
        for role in self.ROLES.get(name, self.people) if neutral else ("customer",):
            try:
                with db.session.begin_nested():
                    db.session.execute(insert(table).values(**self._values(table, role)))
                    made += 1
            except IntegrityError:
                # The second of what there can be one of.
                if not made:
                    raise
        assert made, name

    def _values(self, table, role):
        self.number += 1
        values = {}
        for column in table.columns:
            if column.name in self.OVERRIDES.get(table.name, {}):
                values[column.name] = self.OVERRIDES[table.name][column.name]
            elif column.foreign_keys:
                values[column.name] = self._foreign(column, role)
            elif column in _texts(table.name):
                values[column.name] = self._unique(column, _word(column))
            elif not column.nullable and not (column.primary_key and column is column.table.autoincrement_column):
                values[column.name] = self._plain(column)
        return values

    def _unique(self, column, word):
        alone = column.unique or column.name in ("key", "mark", "reference", "number", "hash", "name", "slug")
        return f"{word}{self.number}" if alone and isinstance(word, str) and (column.type.length or 99) > 15 else word

    def _plain(self, column):
        kind = column.type
        if isinstance(kind, Enum):
            return next(iter(kind.enum_class))
        if isinstance(kind, (UTCDateTime, DateTime)):
            return clock.now() + timedelta(hours=column.name in ("ends_at", "lapses_at", "expires_at"))
        if isinstance(kind, Date):
            return date(2026, 11, 23)
        if isinstance(kind, (String, Text)):
            return "en" if column.name == "language" else f"x{self.number}"[: kind.length]
        if isinstance(kind, Boolean):
            return False
        assert isinstance(kind, (Integer, Float)), column
        return {"ends_minute": 1000, "starts_minute": 900 + self.number, "weekday": 6}.get(column.name, self.number)

    def _target(self, column):
        return next(iter(column.foreign_keys)).column.table.name if column.foreign_keys else None

    def _foreign(self, column, role):
        target = self._target(column)
        if target == "bookings":
            return self.booking.id if column.name == "booking_id" else None
        if target == "professionals" or column.name == "professional_id":
            return self.people["professional"].id
        if target == "users":
            return self.people["customer" if column.name == "customer_id" else role].id
        (known,) = next(iter(column.foreign_keys)).column.table.primary_key
        query = select(known).order_by(known.desc()).limit(1)
        found = db.session.scalar(query)
        if found is None and not column.nullable:
            self.add(target)
            found = db.session.scalar(query)
        return found


def _found(word):
    """Where in the database a word is: (table, column)."""
    found = set()
    for name, table in db.metadata.tables.items():
        for column in table.columns:
            if isinstance(column.type, (String, Text, JSON)):
                values = db.session.execute(select(column).where(column.is_not(None))).scalars()
                if any(word in json.dumps(value, default=str) for value in values):
                    found.add((name, column.name))
    return found


def _is_in_the_file(word):
    path = db.engine.url.database
    db.session.remove()
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return any(word.encode() in Path(f"{path}{end}").read_bytes() for end in ("", "-wal"))


def copy_of(user_id):
    """The files of a copy, read again."""
    return {
        part.name: json.loads(part.heading + "".join(text for text, _rows in part.pieces()))
        for part in personal.parts(user_id)
    }
