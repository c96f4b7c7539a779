"""What a backup is: the database at one moment with every upload that it names, in one archive, kept for a while.

The archive holds a file of SQLite, whichever database the site runs on: so one way leads back from it.
"""

import fcntl
import hashlib
import hmac
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask_babel import gettext as _
from sqlalchemy import Engine, create_engine, select

import archives
import copying
from domain import clock, files, tombstones
from domain.errors import Conflict
from domain.job_runs import Step
from extensions import db, settings
from models import StoredFile
from storage import place_of

# Uploads that are deleted while they are copied make the database's copy a stale one; that is taken anew.
MOST_LOOKS = 5
AT_WORK = ".taking-"


@dataclass(frozen=True)
class Taken:
    """A backup that was made. `lost` are uploads that the database names and nobody has any more."""

    path: Path
    size: int
    rows: int
    uploads: int
    lost: tuple[str, ...]
    thrown_away: tuple[str, ...]


def take() -> Taken:
    """Make a backup now, here and where BACKUP_URL says, and throw old ones away; people go on writing meanwhile.

    Raises Conflict when another one is being made.
    """
    folder = settings.backup_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder), tempfile.TemporaryDirectory(prefix=AT_WORK, dir=folder) as scratch:
        path = folder / archives.name_at(clock.now())
        if path.exists():
            raise Conflict(_("There is a backup of this very second."))
        rows, uploads, lost = _write(path, Path(scratch))
        tombstones.keep(tombstones.here())
        db.session.rollback()
        for shelf in archives.shelves()[1:]:
            shelf.put(path)
        thrown_away = [name for shelf in archives.shelves() for name in _tidy(shelf)]
    return Taken(path, path.stat().st_size, rows, uploads, tuple(lost), tuple(dict.fromkeys(thrown_away)))


def ahead(period: str, cursor: int) -> Callable[[], Taken] | None:
    """The work of a night, which takes long: none on a site that keeps no backups."""
    return take if settings.backup_daily or settings.backup_weekly else None


def step(period: str, cursor: int, taken: Taken | None) -> Step:
    return Step(int(taken is not None))


def fingerprint() -> str:
    """Tells one SECRET_KEY from another without saying anything of it."""
    return hmac.digest(settings.secret_key.encode(), b"doorstep backup", hashlib.sha256).hex()[:16]


def _write(path, scratch):
    with archives.writing(path) as archive:
        for look in range(MOST_LOOKS):
            snapshot = scratch / f"{look}.db"
            moment = clock.now()
            _snapshot(snapshot)
            names = _named_in(snapshot)
            missing = [name for name in names if not _add_upload(archive, name)]
            lost = _still_named(missing)
            if len(lost) == len(missing):
                break
        else:
            raise Conflict(_("Uploads were deleted again and again while the backup was made. Try again later."))
        with snapshot.open("rb") as content:
            archive.add(archives.DATABASE, content)
        with _engine(snapshot) as engine:
            counts, migration = copying.counts(engine), copying.head_of(engine)
        archive.finish(
            {
                "moment": moment.isoformat(),
                "migration": migration,
                "site": settings.site_name,
                "database": db.engine.dialect.name,
                "secret_key": fingerprint(),
                "rows": counts,
                "uploads": len(names) - len(lost),
                "lost": lost,
            }
        )
    return sum(counts.values()), len(names) - len(lost), lost


def _snapshot(path: Path) -> None:
    """The database as it is at one moment. Writers wait for none of it."""
    path.touch(mode=0o600)
    if db.engine.dialect.name == "sqlite":
        # Unlike a copy of the pages it leaves behind what was deleted.
        with closing(db.engine.raw_connection()) as connection:
            connection.execute("VACUUM INTO ?", (str(path),)).close()
        return
    with _engine(path) as target:
        copying.upgrade(target)
        copying.copy(db.engine, target)


def _named_in(snapshot):
    with _engine(snapshot) as engine, engine.connect() as connection:
        return list(connection.scalars(select(StoredFile.id).order_by(StoredFile.id)))


@contextmanager
def _engine(path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


def _add_upload(archive, name):
    member = f"{archives.UPLOADS}/{place_of(name)}"
    if archive.has(member):
        return True
    try:
        with files.kept().open(name) as content:
            archive.add(member, content)
    except FileNotFoundError:
        return False
    return True


def _still_named(names):
    """Of files that are gone, those whose rows are not."""
    found = db.session.scalars(select(StoredFile.id).where(StoredFile.id.in_(names))).all() if names else []
    db.session.rollback()
    return sorted(found)


def _tidy(shelf):
    old = archives.unwanted(shelf.names(), settings.backup_daily, settings.backup_weekly)
    for name in old:
        shelf.delete(name)
    return old


@contextmanager
def _alone(folder):
    """One at a time on this machine; what a crash left of another one goes."""
    with open(folder / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(_("A backup is being made already.")) from None
        for left in folder.glob(f"{AT_WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        for left in folder.glob("*.part"):
            left.unlink()
        yield
