"""A backup is the database at one moment with every upload that it names; it is made while people write."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import create_engine

import archives
import copying
import storage
from domain import backups, files, timetable, tombstones, users
from domain.errors import Conflict
from extensions import db
from models import FileKind, User
from tests import factories


def upload(owner, content=b"a photo"):
    file = files.store(files.Checked(FileKind.PHOTO, files.JPEG, content), owner)
    db.session.commit()
    return file.id


@pytest.fixture
def taken(app, settings):
    """taken() makes a backup and answers it with its manifest."""

    def take():
        made = backups.take()
        return made, archives.check(made.path)

    return take


@pytest.fixture
def content(tmp_path):
    """content(archive) is a connection to the database in an archive."""
    opened = []

    def connect(path):
        archives.extract_database(path, tmp_path / f"{len(opened)}.db")
        opened.append(sqlite3.connect(tmp_path / f"{len(opened)}.db"))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def test_a_backup_has_every_row_and_every_upload(taken, content, customer):
    name = upload(customer)
    made, manifest = taken()
    assert list(archives.uploads(made.path)) == [(name, b"a photo")]
    assert manifest["rows"] == copying.counts(db.engine)
    assert manifest["migration"] == copying.newest()
    assert (manifest["uploads"], manifest["lost"], made.lost) == (1, [], ())
    assert manifest["moment"] == "2026-11-23T03:30:00+00:00"
    assert content(made.path).execute("SELECT email FROM users").fetchall() == [(customer.email,)]


def test_a_backup_is_its_owners_and_holds_no_secret_of_the_site(taken, settings, customer, content):
    made, manifest = taken()
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert settings.backup_dir.stat().st_mode & 0o777 == 0o700
    assert set(manifest["files"]) == {"database.db"}
    secret = settings.secret_key.encode()
    assert not any(secret in row[0].encode() for row in content(made.path).execute("SELECT email FROM users"))
    assert settings.secret_key not in str(manifest)
    assert sorted(path.name for path in settings.backup_dir.iterdir()) == [".lock", made.path.name]


def test_what_was_deleted_before_is_in_no_page_of_the_backup(taken, content, customer, tmp_path):
    factories.customer(name="Somebody Forgotten", email="forgotten@example.com")
    db.session.commit()
    db.session.query(User).filter_by(email="forgotten@example.com").update({"email": "x", "name": "x", "name_key": "x"})
    db.session.commit()
    made, _manifest = taken()
    archives.extract_database(made.path, tmp_path / "look.db")
    assert b"forgotten@example.com" not in (tmp_path / "look.db").read_bytes()


def test_an_upload_that_is_deleted_meanwhile_makes_the_database_be_looked_at_anew(
    taken, content, customer, monkeypatch
):
    kept, gone = upload(customer), upload(customer)
    real, asked = backups._add_upload, []

    def add(archive, name):
        if not asked:
            files.forget(gone)
            db.session.commit()
        asked.append(name)
        return real(archive, name)

    monkeypatch.setattr(backups, "_add_upload", add)
    made, manifest = taken()
    assert content(made.path).execute("SELECT id FROM stored_files").fetchall() == [(kept,)]
    assert manifest["lost"] == []
    assert sorted(set(asked)) == sorted({kept, gone})


def test_an_upload_that_nobody_has_any_more_is_said_to_be_lost(taken, settings, customer):
    kept, lost = upload(customer), upload(customer)
    (settings.upload_dir / storage.place_of(lost)).unlink()
    made, manifest = taken()
    assert (made.lost, manifest["lost"], manifest["uploads"]) == ((lost,), [lost], 1)
    assert [name for name, _content in archives.uploads(made.path)] == [kept]


def test_what_a_crash_left_goes_with_the_next_backup(taken, settings):
    left = settings.backup_dir / ".taking-before"
    left.mkdir(parents=True)
    (left / "0.db").write_bytes(b"half")
    (settings.backup_dir / "doorstep-20261122-033000.tar.gz.part").write_bytes(b"half")
    made, _manifest = taken()
    assert sorted(path.name for path in settings.backup_dir.iterdir()) == [".lock", made.path.name]


def test_a_backup_that_fails_leaves_nothing(app, settings, monkeypatch):
    def fail(self, about):
        raise OSError("no space left")

    monkeypatch.setattr(archives.Writer, "finish", fail)
    with pytest.raises(OSError, match="no space left"):
        backups.take()
    assert [path.name for path in settings.backup_dir.iterdir()] == [".lock"]


def test_two_backups_are_not_made_at_once(app, settings):
    settings.backup_dir.mkdir(parents=True)
    with backups._alone(settings.backup_dir), pytest.raises(Conflict, match="already"):
        backups.take()


def test_old_backups_are_thrown_away_here_and_elsewhere(taken, set_up, frozen, tmp_path):
    set_up(backup_url=(tmp_path / "elsewhere").as_uri(), backup_daily=2, backup_weekly=0)
    names = []
    for _night in range(4):
        made, _manifest = taken()
        names.append(made.path.name)
        frozen.shift(24 * 60 * 60)
    assert [shelf.names() for shelf in archives.shelves()] == [names[2:]] * 2
    assert made.thrown_away == (names[1],)


def test_the_job_of_a_night_makes_one_and_none_where_none_is_kept(app, set_up):
    job = timetable.find("backup")
    assert job.verb("2026-11-23", 0, job.ahead("2026-11-23", 0)()).count == 1
    set_up(backup_daily=0, backup_weekly=0)
    assert job.ahead("2026-11-23", 0) is None
    assert job.verb("2026-11-23", 0, None).count == 0


# -- Who was erased ---------------------------------------------------------------------------


def test_who_is_erased_is_noted_beside_the_backups_within_the_minute(app, set_up, customer, admin, tmp_path):
    set_up(backup_url=(tmp_path / "elsewhere").as_uri())
    assert tombstones.ahead("2026-11-23", 0) is None
    users.anonymise(customer, by=admin, reason="They asked")
    db.session.commit()
    assert tombstones.ahead("2026-11-23", 0)() == 1
    assert tombstones.ahead("2026-11-23", 0) is None
    entry = (customer.id, customer.created_at.isoformat(), customer.anonymised_at.isoformat())
    assert [list(map(tuple, tombstones.of(shelf))) for shelf in archives.shelves()] == [[entry]] * 2
    assert tombstones.kept() == {entry}


def test_as_long_as_the_place_elsewhere_is_away_there_is_work_to_do(app, set_up, customer, admin, tmp_path):
    (tmp_path / "elsewhere").write_text("a file where a folder should be")
    set_up(backup_url=(tmp_path / "elsewhere").as_uri())
    users.anonymise(customer, by=admin, reason="They asked")
    db.session.commit()
    with pytest.raises(OSError):
        tombstones.ahead("2026-11-23", 0)()
    (tmp_path / "elsewhere").unlink()
    assert tombstones.ahead("2026-11-23", 0)() == 1


def test_an_erasure_is_kept_though_the_database_forgets_it(app, customer, admin):
    users.anonymise(customer, by=admin, reason="They asked")
    db.session.commit()
    tombstones.keep(tombstones.here())
    other = tombstones.Erased(99, "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00")
    tombstones.keep({other})
    assert tombstones.kept() == tombstones.here() | {other}


def test_only_the_person_who_was_erased_is_erased_again(app, customer, other_customer):
    """A restored site gives the numbers of people a second time."""
    erased = {
        tombstones.Erased(customer.id, customer.created_at.isoformat(), "2026-11-23T04:00:00+00:00"),
        tombstones.Erased(other_customer.id, "2025-01-01T00:00:00+00:00", "2026-11-23T04:00:00+00:00"),
        tombstones.Erased(4711, "2025-01-01T00:00:00+00:00", "2026-11-23T04:00:00+00:00"),
    }
    assert tombstones.erase_again(erased) == [customer.id]
    assert tombstones.erase_again(erased) == []
    assert (customer.email, other_customer.name) == (f"former-{customer.id}@invalid", "Bilal Khan")


def test_somebody_with_a_booking_under_way_is_erased_again(app, customer, professional):
    factories.booking(customer, professional)
    erased = {tombstones.Erased(customer.id, customer.created_at.isoformat(), "2026-11-23T04:00:00+00:00")}
    assert tombstones.erase_again(erased) == [customer.id]
    assert customer.anonymised_at is not None


# -- From database to database ----------------------------------------------------------------


@pytest.fixture
def file_of_sqlite(app, tmp_path):
    """An empty database in a file, at the newest migration."""
    engine = create_engine(f"sqlite:///{tmp_path / 'target.db'}")
    copying.upgrade(engine)
    yield engine
    engine.dispose()


def test_a_copy_is_the_same_row_by_row(file_of_sqlite, customer, professional):
    factories.review(factories.booking(customer, professional))
    factories.paid_job(customer, professional)
    told = []
    copied = copying.copy(db.engine, file_of_sqlite, told.append)
    assert told == copied
    assert {seen.table: seen.rows for seen in copied} == copying.counts(db.engine)
    with closing(file_of_sqlite.raw_connection()) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_database_with_rows_is_no_target(file_of_sqlite, customer):
    copying.copy(db.engine, file_of_sqlite)
    before = copying.counts(file_of_sqlite)
    with pytest.raises(copying.NotPossible, match="not empty"):
        copying.copy(db.engine, file_of_sqlite)
    assert copying.counts(file_of_sqlite) == before


def test_a_database_at_another_migration_is_no_target(app, tmp_path):
    bare = create_engine(f"sqlite:///{tmp_path / 'bare.db'}")
    with pytest.raises(copying.NotPossible, match="run flask db upgrade"):
        copying.copy(db.engine, bare)
    bare.dispose()


def test_a_copy_that_is_not_the_same_stays_away(file_of_sqlite, customer, monkeypatch):
    real = copying._write

    def lose_one(connection, table, rows):
        real(connection, table, rows[:-1] if table.name == "cities" else rows)

    monkeypatch.setattr(copying, "_write", lose_one)
    with pytest.raises(copying.NotPossible, match="cities"):
        copying.copy(db.engine, file_of_sqlite)
    assert set(copying.counts(file_of_sqlite).values()) == {0}
