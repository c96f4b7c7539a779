"""What an operator types to bring a site back, to try that out, and to move it to another database."""

import dataclasses
import shutil
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

import app as application
import archives
import config
import copying
import mail
import recovery
import storage
from domain import backups, consents, editions, files, leases, outbox, tombstones, users
from extensions import begin_write, db
from jobs import Leadership, Timetable
from models import Delivery, FileKind, OutboxMessage, StoredFile, User
from models_money import LedgerLine
from tests import databases, factories
from tests.mailbox import Mailbox, serving
from tests.processes import Process

on_sqlite = pytest.mark.skipif("databases.on_postgresql()", reason="there a backup goes into an empty database")


@pytest.fixture
def run(app):
    """run("restore", ...) types a command; answers its result."""

    def typed(*arguments):
        db.session.remove()
        return app.test_cli_runner().invoke(args=[str(argument) for argument in arguments])

    return typed


@pytest.fixture
def uploaded(customer):
    file = files.store(files.Checked(FileKind.PHOTO, files.JPEG, b"a photo"), customer)
    db.session.commit()
    return file.id


@pytest.fixture
def saved(app, customer, professional, uploaded):
    """The backup of a site with people, a job that was paid, an upload and a message that waits."""
    factories.paid_job(customer, professional)
    outbox.publish([customer.id], "approved", "test")
    db.session.commit()
    return backups.take().path


def people():
    db.session.rollback()
    return set(db.session.scalars(db.select(User.email)))


def rows_now():
    db.session.rollback()
    return copying.counts(db.engine)


def test_a_drill_says_what_holds_and_how_long_each_step_took(run, saved, settings):
    before, files_before = rows_now(), sorted(settings.instance.rglob("*"))
    drill = run("restore", "--drill", "latest")
    assert drill.exit_code == 0, drill.output
    for said in (
        "2 files are as they were put in on 23 November 2026 at 03:30 UTC.",
        "The database is whole and has",
        f"It is at migration {copying.newest()}.",
        "The site starts in quarantine.",
        "1 uploads are there.",
        "0 people who were erased since are erased again.",
        "messages that waited are dropped, and everybody logs in anew.",
        "The books balance.",
        "The home page is served.",
        "This backup brings the site back.",
    ):
        assert said in drill.output
    assert drill.output.count(" s  ") == 9
    assert (rows_now(), sorted(settings.instance.rglob("*"))) == (before, files_before)


@on_sqlite
def test_a_site_comes_back_as_it_was(run, saved, settings, customer, uploaded):
    before, money = rows_now(), db.session.query(db.func.sum(LedgerLine.amount)).scalar()
    factories.customer(name="Came Later", email="later@example.com")
    db.session.commit()
    shutil.rmtree(settings.upload_dir)
    refused = run("restore", saved)
    assert (refused.exit_code, "--force" in refused.output) == (1, True)
    assert "later@example.com" in people()
    restored = run("restore", "--force", saved)
    assert restored.exit_code == 0, restored.output
    assert "later@example.com" not in people()
    assert (rows_now(), db.session.query(db.func.sum(LedgerLine.amount)).scalar()) == (before, money)
    assert files.content_of(db.session.get(StoredFile, uploaded)) == b"a photo"
    path = Path(db.engine.url.database)
    kept = [one for one in path.parent.iterdir() if one.name.startswith(f"{path.name}.before-")]
    assert str(kept[0]) in restored.output
    assert not list(path.parent.glob(".restoring-*"))
    with closing(sqlite3.connect(kept[0])) as old:
        assert ("later@example.com",) in old.execute("SELECT email FROM users").fetchall()
    assert path.stat().st_mode & 0o777 == 0o600
    for one in kept:
        one.unlink()


@on_sqlite
def test_on_a_fresh_machine_a_site_comes_back_from_elsewhere(saved, settings, tmp_path, customer):
    shelf = archives.Shelf((tmp_path / "elsewhere").as_uri())
    shelf.put(saved)
    there = dataclasses.replace(
        settings,
        database_url=f"sqlite:///{tmp_path / 'new' / 'doorstep.db'}",
        upload_dir=tmp_path / "new" / "uploads",
        backup_dir=tmp_path / "new" / "backups",
        backup_url=(tmp_path / "elsewhere").as_uri(),
    )
    (tmp_path / "new").mkdir()
    fresh = application.create_app(there)
    with fresh.app_context():
        restored = fresh.test_cli_runner().invoke(args=["restore", "latest"])
        assert restored.exit_code == 0, restored.output
        assert db.session.get(User, customer.id).email == customer.email
        assert [path.name for path in there.upload_dir.rglob("*") if path.is_file()]
        db.session.remove()
        db.engine.dispose()
    assert not list((tmp_path / "new").glob("*.before-*"))


@on_sqlite
def test_a_site_comes_back_in_the_place_of_a_database_that_nobody_can_read(run, saved, customer):
    path, email = Path(db.engine.url.database), customer.email
    db.session.remove()
    db.engine.dispose()
    path.write_bytes(b"no database at all" * 1000)
    refused = run("restore", saved)
    assert (refused.exit_code, "--force" in refused.output) == (1, True), refused.output
    restored = run("restore", "--force", saved)
    assert restored.exit_code == 0, restored.output
    assert email in people()
    (kept,) = path.parent.glob(f"{path.name}.before-*")
    assert kept.read_bytes().startswith(b"no database at all")
    kept.unlink()


@pytest.mark.skipif("not databases.on_postgresql()", reason="on SQLite a file takes the place of another")
def test_on_postgresql_a_site_comes_back_in_an_empty_database(saved, settings, worker_name, customer, tmp_path):
    before, email = rows_now(), customer.email
    url = databases.empty(f"{worker_name}_restored")
    there = application.create_app(dataclasses.replace(settings, database_url=url, upload_dir=tmp_path / "uploads"))
    with there.app_context():
        restored, again = (there.test_cli_runner().invoke(args=["restore", str(saved)]) for _time in range(2))
        assert restored.exit_code == 0, restored.output
        assert "Make an empty one" in again.output
        assert (rows_now(), email in people()) == (before, True)
        db.session.remove()
        db.engine.dispose()


@pytest.mark.parametrize("running", [False, True])
def test_a_site_that_runs_is_not_touched(run, app, saved, running):
    if running:
        Leadership(app).turn()
    said = "The site is running." if running else "There is a site"
    for command in (("restore", saved), *([("restore", "--force", saved)] if running else [])):
        refused = run(*command)
        assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    if running:
        refused = run("db", "copy", "--to", "sqlite:///elsewhere.db")
        assert (refused.exit_code, said in refused.output) == (1, True)
    db.session.rollback()
    assert (leases.find() is not None) == running


@on_sqlite
@pytest.mark.parametrize("opened", ["before", "while the backup proves itself"])
def test_a_site_without_a_timetable_that_runs_is_not_touched_either(run, saved, monkeypatch, opened):
    path, prove_served = Path(db.engine.url.database), recovery._prove_served
    factories.customer(name="Came Later", email="later@example.com")
    db.session.commit()
    db.session.remove()
    with closing(sqlite3.connect(path, check_same_thread=False)) as another:
        if opened == "before":
            another.execute("SELECT count(*) FROM users").fetchone()
        else:

            def open_it(site):
                another.execute("SELECT count(*) FROM users").fetchone()
                prove_served(site)

            monkeypatch.setattr(recovery, "_prove_served", open_it)
        refused = run("restore", "--force", saved)
        assert (refused.exit_code, "Another process has the database open" in refused.output) == (1, True)
        assert "later@example.com" in people()
    db.session.remove()
    monkeypatch.setattr(recovery, "_prove_served", prove_served)
    assert run("restore", "--force", saved).exit_code == 0
    assert "later@example.com" not in people()


def spoiled(saved, tmp_path, change):
    """The backup with its database changed, packed anew so that all sums are right."""
    database, path = tmp_path / "spoiled.db", tmp_path / saved.name
    manifest = archives.extract_database(saved, database)
    with closing(sqlite3.connect(database)) as connection:
        change(connection, manifest)
        connection.commit()
    with archives.writing(path) as archive:
        for name, content in archives.uploads(saved):
            source = tmp_path / name
            source.write_bytes(content)
            with source.open("rb") as file:
                archive.add(f"uploads/{storage.place_of(name)}", file)
        with database.open("rb") as file:
            archive.add(archives.DATABASE, file)
        archive.finish({key: value for key, value in manifest.items() if key not in ("files", "format")})
    return path


def lose_an_upload(connection, manifest):
    row = connection.execute("SELECT owner_id, kind, content_type, size, created_at FROM stored_files").fetchone()
    connection.execute("INSERT INTO stored_files VALUES (?, ?, ?, ?, ?, ?)", ("f" * 32, *row))
    manifest["rows"]["stored_files"] += 1


def lose_a_parent(connection, manifest):
    connection.execute("UPDATE bookings SET service_id = 999999")


def lose_a_row(connection, manifest):
    manifest["rows"]["users"] += 1


def spoil_the_books(connection, manifest):
    connection.execute("DROP TRIGGER ledger_lines_no_update")
    connection.execute("UPDATE ledger_lines SET amount = amount + 1 WHERE amount > 0")


def come_from_the_future(connection, manifest):
    manifest["migration"] = "20990101_01"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lose_an_upload, "Uploads that the database names are not in the backup"),
        (lose_a_parent, "A row of bookings refers to one that is not there"),
        (lose_a_row, "not as many rows"),
        (spoil_the_books, "The books do not balance"),
        (come_from_the_future, "a newer version of Doorstep"),
    ],
)
def test_a_backup_that_does_not_hold_is_found_out_before_anything_is_touched(
    run, saved, tmp_path, settings, change, said
):
    bad, before = spoiled(saved, tmp_path, change), rows_now()
    for options in (("--drill",), *([] if databases.on_postgresql() else [("--force",)])):
        refused = run("restore", *options, bad)
        assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    assert rows_now() == before


def test_a_damaged_archive_and_one_that_is_not_there_are_refused(run, saved):
    refused = run("restore", "--drill", "doorstep-20200101-000000.tar.gz")
    assert (refused.exit_code, "There is no backup" in refused.output) == (1, True)
    whole = saved.read_bytes()
    saved.write_bytes(whole[: len(whole) // 2])
    refused = run("restore", "--drill", saved)
    assert (refused.exit_code, "The archive" in refused.output) == (1, True)


def test_a_backup_of_an_older_version_is_brought_to_this_one(run, saved, tmp_path, app):
    database = tmp_path / "older.db"
    older = create_engine(f"sqlite:///{database}")
    copying.upgrade(older)
    known = [script.revision for script in copying._scripts().walk_revisions()]
    settings = copying.migrate.get_config()
    settings.attributes["engine"] = older
    copying.alembic.command.downgrade(settings, known[1])
    rows = copying.counts(older)
    older.dispose()
    path = tmp_path / archives.name_at(archives.moment_of(saved.name))
    manifest = archives.check(saved)
    with archives.writing(path) as archive, database.open("rb") as file:
        archive.add(archives.DATABASE, file)
        archive.finish(
            {key: manifest[key] for key in ("moment", "secret_key")}
            | {"migration": known[1], "rows": rows, "uploads": 0, "lost": []}
        )
    drill = run("restore", "--drill", path)
    assert f"It is at migration {known[0]}." in drill.output, drill.output
    assert drill.exit_code == 0


def test_another_secret_key_is_said(run, saved, set_up):
    set_up(secret_key="another one: 0123456789abcdefghijkl")
    drill = run("restore", "--drill", saved)
    assert (drill.exit_code, "SECRET_KEY is not that of the backup" in drill.output) == (0, True), drill.output


@on_sqlite
def test_who_was_erased_since_is_erased_again_with_what_they_uploaded(run, saved, customer, admin, uploaded, settings):
    for booking in db.session.scalars(db.select(factories.Booking)):
        booking.status = factories.Status.CLOSED
    users.anonymise(customer, by=admin, reason="They asked")
    db.session.commit()
    customer_id = customer.id
    assert not (settings.upload_dir / storage.place_of(uploaded)).exists()
    tombstones.keep(tombstones.here())
    db.session.rollback()
    # The disk is lost, and the list beside the backups is all there is.
    begin_write()
    db.session.execute(text("UPDATE users SET anonymised_at = NULL"))
    db.session.commit()
    restored = run("restore", "--force", saved)
    assert restored.exit_code == 0, restored.output
    assert "1 people who were erased since are erased again." in restored.output
    again = db.session.get(User, customer_id, populate_existing=True)
    assert (again.email, again.photo_id) == (f"former-{customer_id}@invalid", None)
    assert not (settings.upload_dir / storage.place_of(uploaded)).exists()


@on_sqlite
def test_messages_that_waited_do_not_leave_twice_and_old_log_ins_are_no_good(run, saved, customer):
    before = customer.fs_uniquifier
    assert run("restore", "--force", saved).exit_code == 0
    db.session.expire_all()
    states = set(db.session.scalars(db.select(OutboxMessage.status)))
    assert states == {Delivery.DROPPED}
    assert set(db.session.scalars(db.select(OutboxMessage.error))) == {"restored"}
    found = db.session.get(User, customer.id, populate_existing=True).fs_uniquifier
    assert (len(found), found != before) == (32, True)


# -- Quarantine -------------------------------------------------------------------------------


def test_nothing_leaves_a_site_in_quarantine(app, set_up, customer, professional):
    outbox.publish([customer.id], "approved", "test")
    db.session.commit()
    mailbox = Mailbox()
    with serving(mailbox) as port:
        set_up(mail_server="127.0.0.1", mail_port=port, mail_use_tls=False, quarantine=True)
        assert mail.deliver_due(app) == 0
        table = Timetable(app)
        table.turn()
        assert not table.leadership.leads
    assert mailbox.letters == []
    assert db.session.query(OutboxMessage).filter_by(status=Delivery.WAITING).count() > 0


def test_quarantine_takes_every_way_out_of_the_settings(tmp_path):
    out = {
        "MAIL_SERVER": "mail.example.com",
        "SMS_URL": "msg91://template@key/{phone}",
        "STRIPE_SECRET_KEY": "sk_live_1",
        "STRIPE_WEBHOOK_SECRET": "whsec_1",
        "RAZORPAY_KEY_ID": "rzp_live_1",
        "RAZORPAY_KEY_SECRET": "2",
        "RAZORPAY_WEBHOOK_SECRET": "3",
        "LLM_URL": "https://llm.example.com/v1",
        "LLM_MODEL": "one",
        "REDIS_URL": "redis://cache.example.com",
        "BACKUP_URL": "s3://bucket/backups",
    }
    open_site = config.load({"INSTANCE_DIR": str(tmp_path), **out})
    assert (open_site.quarantine, open_site.gateways) == (False, ("stripe", "razorpay"))
    shut = config.load({"INSTANCE_DIR": str(tmp_path), "QUARANTINE": "1", **out})
    assert (shut.quarantine, shut.gateways, shut.scheduler, shut.chat_hosts) == (True, (), "off", ())
    assert not any((shut.mail_server, shut.sms_url, shut.llm_url, shut.redis_url, shut.backup_url))


@pytest.mark.slow
@pytest.mark.realtime
@on_sqlite
def test_a_restored_copy_is_served_in_quarantine(app, saved, settings, tmp_path):
    """What an operator does to look at a copy: its own process, with the messages of the backup waiting in it."""
    folder = tmp_path / "instance"
    folder.mkdir()
    archives.extract_database(saved, folder / "doorstep.db")
    mailbox = Mailbox()
    with serving(mailbox) as port:
        served = Process(
            tmp_path / "copy",
            f"sqlite:///{folder / 'doorstep.db'}",
            MAIL_SERVER="127.0.0.1",
            MAIL_PORT=str(port),
            MAIL_USE_TLS="0",
            QUARANTINE="1",
        )
        try:
            with urllib.request.urlopen(served.address) as answer:
                assert answer.status == 200
        finally:
            served.stop()
    assert mailbox.letters == []
    with closing(sqlite3.connect(folder / "doorstep.db")) as connection:
        assert connection.execute("SELECT count(*) FROM outbox WHERE status <> 'waiting'").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM leases").fetchone() == (0,)


# -- What is typed otherwise ------------------------------------------------------------------


def test_backups_are_made_and_listed(run, set_up, tmp_path, uploaded):
    set_up(backup_url=(tmp_path / "elsewhere").as_uri())
    made = run("backup")
    assert made.exit_code == 0, made.output
    assert "rows and 1 uploads" in made.output
    assert "It is elsewhere too." in made.output
    listed = run("backup", "--list").output
    assert listed == "doorstep-20261123-033000.tar.gz  here\ndoorstep-20261123-033000.tar.gz  elsewhere\n"
    again = run("backup")
    assert (again.exit_code, "There is a backup of this very second." in again.output) == (1, True)


def test_a_backup_with_a_lost_upload_is_made_and_says_so(run, settings, uploaded):
    shutil.rmtree(settings.upload_dir)
    made = run("backup")
    assert (made.exit_code, f"are gone: {uploaded}" in made.output) == (1, True)
    assert archives.shelves()[0].names()


@pytest.fixture
def elsewhere(worker_name):
    """An empty database of the kind that is tested, at the newest migration."""
    url = databases.empty(f"{worker_name}_elsewhere")
    engine = create_engine(url)
    copying.upgrade(engine)
    yield engine
    engine.dispose()


def numbered_below_what_is_there(engine):
    """The tables whose next row would get a number that one has already; SQLite looks by itself."""
    if engine.dialect.name == "sqlite":
        return []
    owned = text(
        "SELECT d.refobjid::regclass::text, quote_ident(a.attname), d.objid::regclass::text FROM pg_depend d"
        " JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
        " JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
    )
    with engine.connect() as connection:
        found = connection.execute(owned).all()
        assert len(found) > 30
        return [
            table
            for table, column, counter in found
            if connection.execute(text(f"SELECT nextval('{counter}') <= max({column}) FROM {table}")).scalar()
        ]


def test_a_site_moves_to_another_database(saved, elsewhere, settings, tmp_path, customer, admin):
    """By way of a file of SQLite, so on PostgreSQL it goes both ways between them."""
    consents.note(customer, consents.REPORTS, given=True)
    users.block(factories.customer(), by=factories.person(admin.id), reason="Spam")
    editions.changed(editions.CATALOGUE)
    db.session.commit()
    middle = dataclasses.replace(settings, database_url=f"sqlite:///{tmp_path / 'middle.db'}")
    engine = create_engine(middle.database_url)
    copying.upgrade(engine)
    copying.copy(db.engine, engine)
    engine.dispose()
    url, before = elsewhere.url.render_as_string(hide_password=False), rows_now()
    site = application.create_app(middle)
    with site.app_context():
        moved, again = (site.test_cli_runner().invoke(args=["db", "copy", "--to", url]) for _time in range(2))
        db.engine.dispose()
    assert moved.exit_code == 0, moved.output
    assert "are the same in both" in moved.output
    assert copying.counts(elsewhere) == before
    filled = {"consents", "audit_entries", "editions", "ledger_lines", "documents"}
    assert filled <= {name for name, rows in before.items() if rows}
    assert numbered_below_what_is_there(elsewhere) == []
    assert (again.exit_code, "not empty" in again.output) == (1, True)
    with application.create_app(dataclasses.replace(settings, database_url=url)).app_context():
        # New rows are numbered after those that came, and the ledger still only grows.
        factories.customer()
        db.session.commit()
        with pytest.raises(DatabaseError):
            db.session.execute(text("UPDATE ledger_lines SET amount = 0"))
        db.session.remove()
        db.engine.dispose()
