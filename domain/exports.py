"""Exports: who may ask for one and for what, what becomes of it, and how long its file is kept."""

import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from domain import audit, clock, notifications
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from domain.job_runs import Step
from domain.paging import Page, keyset
from extensions import db, settings
from models import Export, ExportKind, ExportStatus, Professional, Role, Service, Status, User

UNFINISHED = (ExportStatus.WAITING, ExportStatus.RUNNING)
# More at a time would only wait, and fill the disk together.
MOST_UNFINISHED = 5
PURGED_IN_A_STEP = 500
MOST_OWN_SHOWN = 10
# What an export may fail of, as the page says it.
FAULTS = {
    "disk_full": _l("The disk is full. Make room, then ask again."),
    "unwritable": _l("The file could not be written. Check the folder of the exports, then ask again."),
    "broken": _l("Something went wrong, and the log of the server says what. Ask again."),
}


@dataclass(frozen=True)
class Wanted:
    """What an export of bookings is narrowed to; everything may be left out. Days are those of the start."""

    statuses: tuple[Status, ...] = ()
    first: date | None = None
    last: date | None = None
    professional: str = ""
    service_id: int | None = None


@dataclass(frozen=True)
class Task:
    """An export as whoever writes its file knows it."""

    id: int
    kind: ExportKind
    filters: dict
    excel: bool
    holder: str
    by_id: int


# -- What an admin does -----------------------------------------------------------------------


def request(by: User, key: str, wanted: Wanted | None = None, excel: bool = False) -> Export:
    """Ask for a file of bookings, or without `wanted` for one of everything.

    The same key asks once. It is written down here and not at each look what an export holds.
    """
    _must_be_admin(by)
    kind = ExportKind.EVERYTHING if wanted is None else ExportKind.BOOKINGS
    filters = _filters(wanted) if wanted else {}
    if earlier := _earlier(by, key):
        return _same(earlier, kind, filters, excel)
    if _unfinished() >= MOST_UNFINISHED:
        raise Conflict(_("Enough exports are under way. Wait until one is finished, or cancel one."))
    export = Export(
        admin_id=by.id, key=key, kind=kind, filters=filters, excel=excel, created_at=clock.now(), admin=by
    )
    try:
        with db.session.begin_nested():
            db.session.add(export)
    except IntegrityError:
        return _same(_earlier(by, key), kind, filters, excel)
    audit.record(by, "request_export", "export", export.id, kind=kind.value, filters=filters)
    return export


def request_own(by: User) -> Export:
    """Ask for a copy of all that the site holds about oneself; the one under way if there is one."""
    waiting = _own(by).where(Export.status.in_(UNFINISHED))
    if (earlier := db.session.scalar(waiting)) is not None:
        return earlier
    export = Export(admin_id=by.id, key=secrets.token_hex(16), kind=ExportKind.PERSON, created_at=clock.now())
    db.session.add(export)
    db.session.flush()
    return export


def cancel(export: Export, by: User) -> None:
    """Do without a file; whoever writes it stops within a second or two and leaves nothing."""
    _must_be_admin(by)
    if not _move(export.id, UNFINISHED, status=ExportStatus.CANCELLED, finished_at=clock.now()):
        raise InvalidTransition(_("This export is finished already."))
    audit.record(by, "cancel_export", "export", export.id)
    db.session.expire(export)


def download(export: Export, by: User) -> Path:
    """The file, for an admin who gets it now; that is written down."""
    _must_be_admin(by)
    path = _file(export)
    audit.record(by, "download_export", "export", export.id, kind=export.kind.value, rows=export.done)
    return path


def download_own(export_id: int, by: User) -> tuple[Export, Path]:
    """The copy that somebody asked for of what is held about them. Raises NotFound for anybody else."""
    export = db.session.scalar(_own(by).where(Export.id == export_id))
    if export is None:
        raise NotFound(_("There is no such copy, or it is not yours."))
    return export, _file(export)


def forget(user: User) -> None:
    """Delete the copies that somebody who is erased asked for, and the files with them."""
    for export in db.session.scalars(_own(user)).all():
        clear(export.id)
        db.session.delete(export)
    db.session.flush()


# -- What is shown ----------------------------------------------------------------------------


def page(after: str | None = None) -> Page:
    """A page of all exports of admins, newest first."""
    return keyset(_of_admins().options(joinedload(Export.admin)), [(Export.id, "desc")], after)


def get(export_id: int) -> Export:
    """One export, for admins. Raises NotFound, also for what somebody asked for about themselves."""
    found = db.session.scalar(_of_admins().where(Export.id == export_id).options(joinedload(Export.admin)))
    if found is None:
        raise NotFound(_("There is no such export."))
    return found


def own(by: User) -> list[Export]:
    """The copies of their own data that somebody asked for, the newest first."""
    return list(db.session.scalars(_own(by).order_by(Export.id.desc()).limit(MOST_OWN_SHOWN)))


def is_unfinished(export: Export) -> bool:
    return export.status in UNFINISHED


def is_ready(export: Export) -> bool:
    """Whether there is a file to download."""
    return export.status is ExportStatus.DONE and bool(export.file_name) and export.expires_at > clock.now()


def percent(export: Export) -> int:
    """How much of the rows is written, at most 99 while it is not all."""
    return min(100 * export.done // export.total, 99) if export.total else 0


def download_name(export: Export) -> str:
    day = clock.local(export.created_at).date()
    return f"{export.kind.value}-{day}-{export.id}{suffix(export.kind)}"


def suffix(kind: ExportKind) -> str:
    return ".csv" if kind is ExportKind.BOOKINGS else ".zip"


def names_in(exports: list[Export]) -> dict[int, str]:
    """The names of the professionals that exports are narrowed to, by id."""
    ids = {export.filters["professional_id"] for export in exports if export.filters.get("professional_id")}
    return dict(db.session.execute(select(User.id, User.name).where(User.id.in_(ids))).all()) if ids else {}


# -- What the writer of the files does --------------------------------------------------------


def claim(holder: str) -> Task | None:
    """The next export to write. Only the leader of the timetable calls it, so one that is being written
    is a dead leader's, whose file is begun anew."""
    found = db.session.execute(
        select(Export.id, Export.kind, Export.filters, Export.excel, Export.status, Export.holder, Export.admin_id)
        .where(Export.status.in_(UNFINISHED))
        .order_by(Export.id)
        .limit(1)
    ).first()
    if found is None:
        return None
    task = Task(found.id, found.kind, found.filters, found.excel, holder, found.admin_id)
    unmoved = Export.holder.is_not_distinct_from(found.holder)
    begun = {"holder": holder, "started_at": clock.now(), "done": 0, "total": None}
    return task if _move(task.id, (found.status,), unmoved, status=ExportStatus.RUNNING, **begun) else None


def progress(task: Task, done: int, total: int) -> bool:
    """Note how far the file is; False when it was cancelled, or another writes it now."""
    return _move_on(task, done=done, total=total)


def finish(task: Task, rows: int, file_name: str, size: int) -> bool:
    """The file is there: who asked is told, in the app and otherwise; False when nobody waits for it."""
    now = clock.now()
    expires_at = now + timedelta(days=settings.keep_days.exports)
    ended = {"status": ExportStatus.DONE, "finished_at": now, "expires_at": expires_at}
    if not _move_on(task, done=rows, total=rows, file_name=file_name, size=size, **ended):
        return False
    _tell(task, "ready", rows=rows)
    return True


def fail(task: Task, fault: str) -> bool:
    """There will be no file, for a reason of FAULTS, which is told to who asked."""
    if not _move_on(task, status=ExportStatus.FAILED, finished_at=clock.now(), error=fault):
        return False
    _tell(task, "failed")
    return True


def put_back(task: Task) -> bool:
    """Leave it to the next leader, from the beginning."""
    return _move_on(task, status=ExportStatus.WAITING, holder=None, started_at=None, done=0, total=None)


def is_taken_over(task: Task) -> bool:
    """Whether an export that was lost is written by another process, rather than cancelled."""
    return db.session.scalar(select(exists().where(Export.id == task.id, Export.status.in_(UNFINISHED))))


def folder() -> Path:
    """Where the files are, for nobody else on this machine to read."""
    settings.export_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings.export_dir


def new_file_name(task: Task) -> str:
    """A name that no other writer of the same export has."""
    return f"{task.id}-{secrets.token_hex(8)}{suffix(task.kind)}"


def clear(export_id: int) -> None:
    """Remove what an earlier writer left of an export."""
    for path in folder().glob(f"{export_id}-*"):
        path.unlink(missing_ok=True)


# -- What the clock does ----------------------------------------------------------------------


def purge(period: str, cursor: int) -> Step:
    """Remove the files that were kept long enough, and those that no export knows."""
    due = db.session.scalars(
        select(Export)
        .where(Export.id > cursor, Export.file_name.is_not(None), Export.expires_at <= clock.now())
        .order_by(Export.id)
        .limit(PURGED_IN_A_STEP)
    ).all()
    for export in due:
        (folder() / export.file_name).unlink(missing_ok=True)
        export.file_name = None
    db.session.flush()
    if len(due) == PURGED_IN_A_STEP:
        return Step(len(due), due[-1].id)
    return Step(len(due) + _purge_strays())


def _purge_strays():
    """A process that died between renaming a file and saying so leaves one that nobody can ask for."""
    known = set(db.session.scalars(select(Export.file_name).where(Export.file_name.is_not(None))))
    running = set(map(str, db.session.scalars(select(Export.id).where(Export.status == ExportStatus.RUNNING))))
    strays = [
        path for path in folder().iterdir() if path.name not in known and path.name.partition("-")[0] not in running
    ]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


# -- Small print ------------------------------------------------------------------------------


def _filters(wanted):
    if wanted.first and wanted.last and wanted.last < wanted.first:
        raise Invalid(_("The last day must not be before the first."), field="last")
    if wanted.service_id and not db.session.scalar(select(exists().where(Service.id == wanted.service_id))):
        raise Invalid(_("There is no such service."), field="service")
    filters = {
        "statuses": [status.value for status in wanted.statuses],
        "first": wanted.first and wanted.first.isoformat(),
        "last": wanted.last and wanted.last.isoformat(),
        "professional_id": _professional(wanted.professional),
        "service_id": wanted.service_id,
    }
    return {name: value for name, value in filters.items() if value}


def _professional(text):
    """The one professional who is meant by a mail address, a whole name or a number."""
    text = " ".join(text.lower().split())
    if not text:
        return None
    same = [User.email == text, User.name_key == text]
    if text.isascii() and text.isdecimal() and len(text) < 16:
        same.append(User.id == int(text))
    people = select(User.id).join(Professional, Professional.id == User.id).where(or_(*same))
    ids = db.session.scalars(people.limit(2)).all()
    if not ids:
        raise Invalid(_("No professional has this mail address or whole name."), field="professional")
    if len(ids) > 1:
        raise Invalid(_("Several professionals have this name. Enter the mail address."), field="professional")
    return ids[0]


def _of_admins():
    return select(Export).where(Export.kind != ExportKind.PERSON)


def _own(by):
    return select(Export).where(Export.admin_id == by.id, Export.kind == ExportKind.PERSON)


def _file(export):
    if export.status in UNFINISHED:
        raise InvalidTransition(_("This export is not ready yet."))
    path = export.file_name and folder() / export.file_name
    if not is_ready(export) or not path.is_file():
        raise NotFound(_("The file of this export is gone. Ask for a new one."))
    return path


def _earlier(by, key):
    return db.session.scalar(select(Export).where(Export.admin_id == by.id, Export.key == key))


def _same(export, kind, filters, excel):
    if (export.kind, export.filters, export.excel) != (kind, filters, excel):
        raise Conflict(_("This form was sent already. Reload the page and ask again."))
    return export


def _unfinished():
    of_admins = Export.status.in_(UNFINISHED), Export.kind != ExportKind.PERSON
    return db.session.scalar(select(func.count()).where(*of_admins))


def _move(export_id, sources, *conditions, **changes):
    """Change an export unless somebody else did; whether it was so."""
    changed = db.session.execute(
        update(Export).where(Export.id == export_id, Export.status.in_(sources), *conditions).values(**changes),
        execution_options={"synchronize_session": False},
    )
    return changed.rowcount == 1


def _move_on(task, **changes):
    return _move(task.id, (ExportStatus.RUNNING,), Export.holder == task.holder, **changes)


def _tell(task, what, **data):
    kind = f"copy_{what}" if task.kind is ExportKind.PERSON else f"export_{what}"
    notifications.notify_all([task.by_id], kind, cause=f"{kind}:{task.id}", export_id=task.id, **data)


def _must_be_admin(by):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
