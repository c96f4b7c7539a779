"""Which process runs the timetable: who holds the lease, and when another may take it.

No clock decides that. The holder counts beats up, and who sees them stand still for long enough by
its own stopwatch takes over, if by then they still stand where it saw them.
"""

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from domain import clock
from extensions import db
from models import Lease

TIMETABLE = "timetable"


def find(name: str = TIMETABLE) -> Lease | None:
    """The lease as it stands; None while nobody ever held it."""
    return db.session.scalar(select(Lease).where(Lease.name == name).execution_options(populate_existing=True))


def beat(holder: str, name: str = TIMETABLE) -> bool:
    """Show that the holder lives; False when it has lost the lease."""
    return _set(name, Lease.holder == holder, beats=Lease.beats + 1)


def take_over(holder: str, seen: Lease | None, name: str = TIMETABLE) -> bool:
    """Become the holder, unless anybody else moved since the lease was seen."""
    now = clock.now()
    if seen is None:
        first = _insert()(Lease.__table__).values(name=name, holder=holder, beats=0, taken_at=now, beaten_at=now)
        first = first.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        return db.session.execute(first).rowcount == 1
    unmoved = (Lease.holder.is_not_distinct_from(seen.holder), Lease.beats == seen.beats)
    return _set(name, *unmoved, holder=holder, beats=Lease.beats + 1, taken_at=now)


def release(holder: str, name: str = TIMETABLE) -> bool:
    """Let go, so that the next process need not wait."""
    return _set(name, Lease.holder == holder, holder=None, beats=Lease.beats + 1)


def _set(name, *conditions, **values):
    changed = update(Lease).where(Lease.name == name, *conditions).values(beaten_at=clock.now(), **values)
    return db.session.execute(changed.execution_options(synchronize_session=False)).rowcount == 1


def _insert():
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[db.session.connection().dialect.name]
