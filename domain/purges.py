"""What is thrown away by night, and when it has served its purpose."""

from datetime import timedelta

from sqlalchemy import delete, select, union_all

from domain import availability, clock, files
from domain.job_runs import Step
from domain.transitions import BLOCKING
from extensions import db
from models import Booking, IdempotencyKey, Professional, SlotClaim, StoredFile

BATCH = 500
# Whoever uploads a file has saved the form by then, or never will.
UPLOADED_BEFORE = timedelta(days=1)
KEYS_KEPT = timedelta(days=7)
FOLDERS = 256
FOLDERS_AT_ONCE = 32


def claims(period: str, cursor: int) -> Step:
    """Forget the claims of days that are past, but never one that a booking still needs."""
    people = select(Professional.id).where(Professional.id > cursor).order_by(Professional.id).limit(BATCH)
    ids = db.session.scalars(people).all()
    if not ids:
        return Step(0)
    today = availability.bucket_of(clock.start_of(clock.today()))
    # The state says more than the time does: with a clock that runs ahead, tomorrow looks past.
    over = select(Booking.id).where(Booking.id == SlotClaim.booking_id, Booking.status.not_in(BLOCKING)).exists()
    old = SlotClaim.professional_id.between(ids[0], ids[-1]), SlotClaim.bucket < today
    forgotten = db.session.execute(_delete(SlotClaim).where(*old, over)).rowcount
    return Step(forgotten, ids[-1] if len(ids) == BATCH else None)


def idempotency_keys(period: str, cursor: int) -> Step:
    """Forget the one-time keys of forms that nobody can still have open."""
    before = clock.now() - KEYS_KEPT
    key = IdempotencyKey.user_id, IdempotencyKey.key
    oldest = select(*key).where(IdempotencyKey.created_at < before).order_by(IdempotencyKey.created_at).limit(BATCH)
    rows = db.session.execute(oldest).all()
    for user_id, text in rows:
        db.session.execute(_delete(IdempotencyKey).where(key[0] == user_id, key[1] == text))
    return Step(len(rows), cursor + len(rows) if len(rows) == BATCH else None)


def uploads(period: str, cursor: int) -> Step:
    """Delete uploads that nothing refers to, and files without a row, folder after folder."""
    before = clock.now() - UPLOADED_BEFORE
    # Their bytes go with the commit, so until then they would be found once more.
    if cursor == 0 and (forgotten := _unused_rows(before)):
        return Step(forgotten, 0)
    following = cursor + FOLDERS_AT_ONCE
    names = [name for number in range(cursor, following) for name in files.names_in(f"{number:02x}", before)]
    forgotten = files.forget_strays(names)
    return Step(forgotten, following if following < FOLDERS else None)


def _unused_rows(before):
    used = union_all(*(select(column).where(column.is_not(None)) for column in _references()))
    unused = select(StoredFile.id).where(StoredFile.created_at < before, StoredFile.id.not_in(used)).limit(BATCH)
    names = db.session.scalars(unused).all()
    for name in names:
        files.forget(name)
    return len(names)


def _references():
    """Every column that points at a file, so that no table can be forgotten here."""
    file = StoredFile.__table__.c.id
    return [column for table in db.metadata.sorted_tables for column in table.c if column.references(file)]


def _delete(table):
    return delete(table).execution_options(synchronize_session=False)
