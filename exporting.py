"""Writes the files of exports: one at a time, in small steps between which the pages have their turn."""

import errno
import os
import threading
import time
from zipfile import ZIP_DEFLATED, ZipFile

from flask import Flask

from domain import exports, extracts, personal
from extensions import begin_write, db
from models import ExportKind

# How long to rest after each step, as a share of the time it took.
REST = 0.5
SECONDS_BETWEEN_NOTES = 1.0
BYTE_ORDER_MARK = "\ufeff"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_one_at_a_time = threading.Lock()


class Stopped(Exception):
    """This process is to end; the next leader begins the file anew."""


class Lost(Exception):
    """The export was cancelled, or another process writes it now."""


def drain(app: Flask, stop: threading.Event, holder: str) -> int:
    """Write every file that was asked for and answer how many. Only the leader of the timetable calls
    it; it returns soon after `stop` is set."""
    if not _one_at_a_time.acquire(blocking=False):
        return 0
    try:
        with app.app_context():
            return _drain(app, stop, holder)
    finally:
        _one_at_a_time.release()


def _drain(app, stop, holder):
    written = 0
    while not stop.is_set() and (task := _commit(exports.claim, holder)):
        try:
            _export(task, stop)
            written += 1
        except Lost:
            if exports.is_taken_over(task):
                break
        except Stopped:
            _commit(exports.put_back, task)
        except Exception as error:
            db.session.rollback()
            app.logger.exception("the export %s failed", task.id)
            _commit(exports.fail, task, _fault(error))
    return written


def _export(task, stop):
    """Write one file, and say so when it is whole. Whatever goes wrong, nothing of it stays."""
    exports.clear(task.id)
    path = exports.folder() / exports.new_file_name(task)
    unfinished = path.with_name(f"{path.name}.part")
    try:
        rows = _write(unfinished, task, stop)
        unfinished.rename(path)
        if not _commit(exports.finish, task, rows, path.name, path.stat().st_size):
            raise Lost
    except BaseException:
        unfinished.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise


def _write(path, task, stop):
    """All rows of an export into a new file; how many they are."""
    own = task.kind is ExportKind.PERSON
    parts = personal.parts(task.by_id) if own else extracts.parts(task.kind, task.filters)
    log = _Log(task, stop, total=sum(part.count() for part in parts))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if task.kind is ExportKind.BOOKINGS:
            _copy(parts[0], file, log, BYTE_ORDER_MARK if task.excel else "")
        else:
            _pack(parts, file, log, own)
        file.flush()
        os.fsync(file.fileno())
    return log.done


def _pack(parts, file, log, own):
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        if own:
            archive.writestr("about.json", personal.about(log.task.by_id))
            for name, content in personal.uploads(log.task.by_id):
                archive.writestr(name, content)
        for part in parts:
            with archive.open(part.name, "w", force_zip64=True) as member:
                _copy(part, member, log)


def _copy(part, file, log, mark=""):
    file.write((mark + part.heading).encode())
    began = time.monotonic()
    for lines, rows in part.pieces():
        # A transaction for each piece: one that grew old would keep SQLite from tidying up.
        db.session.commit()
        file.write(lines.encode())
        log.add(rows)
        log.stop.wait(REST * (time.monotonic() - began))
        began = time.monotonic()


class _Log:
    """How far a file is, noted once a second, and whether to go on."""

    def __init__(self, task, stop, total):
        self.task, self.stop, self.total, self.done = task, stop, total, 0
        self._note()

    def add(self, rows):
        self.done += rows
        if self.stop.is_set():
            raise Stopped
        if time.monotonic() - self._noted_at >= SECONDS_BETWEEN_NOTES:
            self._note()

    def _note(self):
        if not _commit(exports.progress, self.task, self.done, self.total):
            raise Lost
        self._noted_at = time.monotonic()


def _commit(verb, *values):
    """Do one verb in a transaction of its own."""
    begin_write()
    try:
        answer = verb(*values)
        db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    return answer


def _fault(error):
    if isinstance(error, OSError):
        return "disk_full" if error.errno in NO_ROOM else "unwritable"
    return "broken"
