"""Brings a site back from an archive: first beside the one there is and in quarantine, and then in its place.

Whatever is wrong is found before anything of the site is touched.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from sqlalchemy import Engine, create_engine, exists, func, inspect, select, update
from sqlalchemy.exc import DatabaseError

import archives
import config
import copying
from domain import backups, billing, clock, deliveries, files, leases, ledger, payments, payouts, timetable, tombstones
from domain.tombstones import Erased
from extensions import db, settings, written
from models import StoredFile, User

Boot = Callable[[config.Settings], Flask]
Tell = Callable[[str, float | None], None]


class Refused(Exception):
    """A site that was not restored; the message says why, and nothing of it was changed but added uploads."""


class Site(NamedTuple):
    """A site of an archive that has proved itself: its database, and what the archive says of it."""

    database: Path
    manifest: dict[str, Any]


def find(where: str, folder: Path) -> tuple[Path, archives.Shelf]:
    """The archive at a path or URL, or of this name among the backups, or the `latest` of them, and where it was.

    One from elsewhere is fetched into the folder. Raises Refused.
    """
    if Path(where).is_file():
        return Path(where), archives.Shelf(Path(where).absolute().parent)
    if "://" in where:
        place, _slash, where = where.rpartition("/")
        shelves = [archives.Shelf(place)]
    else:
        shelves = archives.shelves()
    for shelf in shelves:
        names = shelf.names()
        name = max(names, default="") if where == "latest" else where
        if name in names:
            shelf.fetch(name, folder / name)
            return folder / name, shelf
    raise Refused(f"There is no backup {where}.")


def erasures(beside: archives.Shelf) -> set[Erased]:
    """Who is erased by all that can be known: the lists beside the backups, and the site as it is."""
    found = tombstones.kept() | tombstones.of(beside)
    # Where there is no database, or one that nobody can read, that is why this is done.
    with suppress(DatabaseError):
        found |= tombstones.here()
    db.session.rollback()
    return found


def rehearse(boot: Boot, archive: Path, folder: Path, erased: set[Erased], tell: Tell, **places) -> Site:
    """Start the site of an archive in quarantine, with its database in a folder, and have it prove itself.

    `places` are settings that say where its uploads go. Raises Refused.
    """
    database = folder / archives.DATABASE
    with _timed(tell) as done:
        manifest = _extracted(archive, database)
        done(f"{len(manifest['files'])} files are as they were put in on {_spoken(manifest)}.")
    if manifest["secret_key"] != backups.fingerprint():
        tell("SECRET_KEY is not that of the backup: passwords, authenticator apps and start codes are void.", None)
    if not copying.is_known(manifest["migration"]):
        raise Refused(f"The backup is of a newer version of Doorstep: there is no migration {manifest['migration']}.")
    with _timed(tell) as done, _engine(database) as engine:
        _prove_whole(database)
        if manifest["rows"] != copying.counts(engine):
            raise Refused("The database has not as many rows as the backup says.")
        done(f"The database is whole and has {sum(manifest['rows'].values())} rows.")
    with _timed(tell) as done, _engine(database) as engine:
        copying.upgrade(engine)
        done(f"It is at migration {copying.head_of(engine)}.")
    with _timed(tell) as done:
        site = boot(config.quarantined(_real_settings(), database_url=f"sqlite:///{database}", **places))
        done("The site starts in quarantine.")
    with site.app_context():
        try:
            _put_in_order(archive, manifest, erased, tell)
        finally:
            db.session.remove()
            db.engine.dispose()
    with _timed(tell) as done:
        _prove_served(site)
        done("The home page is served.")
    with site.app_context():
        db.engine.dispose()
    return Site(database, manifest)


def prove_free(force: bool) -> None:
    """Raises Refused where a site runs, or where there is one and nobody said that it may go."""
    try:
        people, led = _is_a_site() and _has_people(), _is_a_site() and timetable.is_led(leases.find())
    except DatabaseError:
        people, led = True, False
    db.session.rollback()
    if led:
        raise Refused("The site is running. Stop it first, and after a crash wait a minute.")
    if people and db.engine.dialect.name == "postgresql":
        raise Refused("There is a site in this database. Make an empty one and name it in DATABASE_URL.")
    if people and not force:
        raise Refused("There is a site here already. --force puts the backup in its place.")
    if db.engine.dialect.name == "sqlite":
        _prove_alone()


def take_its_place(site: Site) -> Path | None:
    """Make the database of an archive that of the site; answer where the one before it is now."""
    if db.engine.dialect.name == "postgresql":
        if copying.head_of(db.engine) is None:
            copying.upgrade(db.engine)
        with _engine(site.database) as source:
            copying.copy(source, db.engine)
        return None
    with closing(sqlite3.connect(site.database)) as connection:
        # All of it is in one file then.
        connection.execute("PRAGMA journal_mode=DELETE")
    path, worth_keeping = Path(db.engine.url.database), _is_worth_keeping()
    # All that was proved took a while, in which the site may have been started.
    _prove_alone()
    before = path.with_name(f"{path.name}.before-{clock.now():%Y%m%d-%H%M%S}")
    # The log comes first: the new database must never be beside the log of the old one.
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists() and worth_keeping:
            part.rename(f"{before}{suffix}")
        part.unlink(missing_ok=True)
    with site.database.open("rb") as file:
        os.fsync(file.fileno())
    site.database.rename(path)
    _settle(path.parent)
    return before if before.exists() else None


def _prove_alone():
    """Raises Refused while another process has the database open, whether it runs the timetable or not: only who is
    alone with a database can fold its log into it."""
    db.session.remove()
    db.engine.dispose()
    try:
        with closing(sqlite3.connect(db.engine.url.database, timeout=1)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.DatabaseError as fault:
        # One that nobody can read is no site.
        if fault.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise Refused("Another process has the database open: the site is running. Stop it first.") from fault


def _is_worth_keeping():
    """Whether what is there is more than the empty file that looking for a database makes."""
    try:
        return _is_a_site()
    except DatabaseError:
        return True


def _is_a_site():
    return inspect(db.engine).has_table(User.__tablename__)


def _has_people():
    return db.session.scalar(select(exists().where(User.id.is_not(None))))


def _extracted(archive, database):
    try:
        return archives.extract_database(archive, database)
    except archives.Damaged as fault:
        raise Refused(str(fault)) from fault


def _prove_whole(database):
    try:
        with closing(sqlite3.connect(database)) as connection:
            said = [text for (text,) in connection.execute("PRAGMA integrity_check(5)")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchone()
    except sqlite3.DatabaseError as fault:
        raise Refused(f"The database is damaged: {fault}") from fault
    if said != ["ok"]:
        raise Refused(f"The database is damaged: {'; '.join(said)}")
    if orphans:
        raise Refused(f"A row of {orphans[0]} refers to one that is not there.")


def _put_in_order(archive, manifest, erased, tell):
    """What a restored site needs before anybody may see it, and the proof that its books balance."""
    with _timed(tell) as done:
        brought = _put_back(archive)
        named = set(db.session.scalars(select(StoredFile.id)))
        db.session.rollback()
        if gone := named - brought - set(manifest["lost"]):
            raise Refused(f"Uploads that the database names are not in the backup: {', '.join(sorted(gone)[:5])}")
        done(f"{len(brought)} uploads are there.")
    with _timed(tell) as done:
        again = written(tombstones.erase_again, erased)
        done(f"{len(again)} people who were erased since are erased again.")
    with _timed(tell) as done:
        dropped = written(deliveries.drop_waiting, "restored")
        written(_end_log_ins)
        done(f"{dropped} messages that waited are dropped, and everybody logs in anew.")
    with _timed(tell) as done:
        faults = [*ledger.faults(), *billing.faults(), *payments.faults(), *payouts.faults()]
        db.session.rollback()
        if faults:
            raise Refused("The books do not balance: " + " ".join(faults[:5]))
        done("The books balance.")


def _put_back(archive):
    """Add the uploads that are not there, or not as they were: a name never has another content."""
    kept, brought = files.kept(), set()
    for name, content in archives.uploads(archive):
        if not _has(kept, name, content):
            kept.delete(name)
            kept.put(name, content)
        brought.add(name)
    return brought


def _has(kept, name, content):
    try:
        with kept.open(name) as there:
            return there.read() == content
    except FileNotFoundError:
        return False


def _end_log_ins():
    """A log-in that was ended after the backup must not be good again."""
    another = func.lower(func.hex(func.randomblob(16)))
    db.session.execute(update(User).values(fs_uniquifier=another).execution_options(synchronize_session=False))


def _prove_served(site):
    answer = site.test_client().get("/", base_url=site.config["SETTINGS"].site_url)
    if answer.status_code != 200:
        raise Refused(f"The home page answers {answer.status_code}.")


def _spoken(manifest):
    return f"{datetime.fromisoformat(manifest['moment']):%d %B %Y at %H:%M} UTC"


def _real_settings() -> config.Settings:
    return settings._get_current_object()


def _settle(folder):
    """A name is only sure to be on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _engine(database: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{database}")
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _timed(tell: Tell):
    """Gives a function that says what was done, and how long that took."""
    began = time.monotonic()
    yield lambda words: tell(words, time.monotonic() - began)
