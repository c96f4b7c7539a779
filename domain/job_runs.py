"""What the timetable has done: one row for a job and a period, written with its effect.

A row is unique and is only moved on from where it was seen, so however many processes think that
they run the timetable, each step of a period counts once.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from domain import clock
from domain.paging import Page, keyset
from extensions import db
from models import JobRun, RunStatus

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
# Kept of each job. A number and not an age: a clock that runs ahead for a moment must not make the
# timetable forget what it has done.
KEPT = 400
LONGEST_ERROR = 500


class Step(NamedTuple):
    """What one transaction of a job did: how many things, and where the next goes on; None when the
    period is complete."""

    count: int
    cursor: int | None = None


class Overtaken(Exception):
    """Another process has moved the run on meanwhile: what was done here must be rolled back."""


def find(job: str, period: str) -> JobRun | None:
    return db.session.scalar(_run(job, period))


def latest() -> dict[str, JobRun]:
    """The run of each job that began last, by the job's name."""
    newest = select(func.max(JobRun.id)).where(JobRun.runs + JobRun.tries + JobRun.cursor > 0).group_by(JobRun.job)
    return {run.job: run for run in db.session.scalars(select(JobRun).where(JobRun.id.in_(newest)))}


def history(job: str, after: str | None = None) -> Page:
    """A page of the runs of one job, the newest first."""
    return keyset(select(JobRun).where(JobRun.job == job), [(JobRun.id, "desc")], after)


def known(periods: Iterable[tuple[str, str]]) -> dict[tuple[str, str], JobRun]:
    """The runs there are of these jobs and periods, and all that have begun and not ended."""
    wanted = or_(tuple_(JobRun.job, JobRun.period).in_(list(periods)), JobRun.status == RunStatus.RUNNING)
    found = db.session.scalars(select(JobRun).where(wanted).execution_options(populate_existing=True))
    return {(run.job, run.period): run for run in found}


def may_begin(run: JobRun) -> bool:
    """Whether an unfinished run need not wait any longer before it is tried again."""
    now = clock.now()
    # A moment that no pause reaches was written by a clock that has been set back since.
    return run.retry_at is None or not now < run.retry_at <= now + LONGEST_PAUSE


def begin(job: str, period: str, passed_over: str | None = None) -> JobRun:
    """The run of a period, made if need be, and locked until the transaction ends.

    With a new one, older ones that failed are not tried any more. `passed_over` is the period before it, which
    will not run any more: written down, so that a clock that is set back does not bring it up again.
    """
    if passed_over is not None:
        _add(job, passed_over, status=RunStatus.DONE)
    if _add(job, period) and passed_over is not None:
        older = update(JobRun).where(JobRun.job == job, JobRun.period < period, JobRun.status == RunStatus.FAILED)
        db.session.execute(older.values(retry_at=None))
    return db.session.scalars(_run(job, period).with_for_update()).one()


def go_on(job: str, period: str) -> JobRun:
    """The same for a job without an end: the first run of a day goes on where the last one stopped."""
    if _add(job, period):
        last = select(JobRun.cursor).where(JobRun.job == job, JobRun.period != period)
        last = last.order_by(JobRun.id.desc()).limit(1)
        goes_on = func.coalesce(last.scalar_subquery(), 0)
        db.session.execute(update(JobRun).where(*_is(job, period)).values(cursor=goes_on))
    return db.session.scalars(_run(job, period).with_for_update()).one()


def advance(run: JobRun, step: Step, seconds: float) -> None:
    """Write down a step of a period. Raises Overtaken unless the run still stands where it began."""
    done = step.cursor is None
    _move(
        run,
        JobRun.status != RunStatus.DONE,
        status=RunStatus.DONE if done else RunStatus.RUNNING,
        cursor=run.cursor if done else step.cursor,
        runs=JobRun.runs + int(done),
        count=JobRun.count + step.count,
        seconds=JobRun.seconds + seconds,
        finished_at=clock.now() if done else None,
    )


def repeat(run: JobRun, step: Step, seconds: float) -> None:
    """The same for a job without an end: its day has been run once more."""
    _move(
        run,
        status=RunStatus.DONE,
        cursor=run.cursor if step.cursor is None else step.cursor,
        runs=JobRun.runs + 1,
        count=JobRun.count + step.count,
        seconds=seconds,
        finished_at=clock.now(),
    )


def fail(run: JobRun, error: Exception, again: bool) -> None:
    """Write down that a step failed, and with `again` when it is tried anew: later each time."""
    pause = min(FIRST_PAUSE * 2 ** min(run.tries, 10), LONGEST_PAUSE)
    _move(
        run,
        status=RunStatus.FAILED,
        tries=JobRun.tries + 1,
        error=f"{type(error).__name__}: {error}"[:LONGEST_ERROR],
        retry_at=clock.now() + pause if again else None,
    )


def ask(run: JobRun) -> None:
    """Have a run begin as soon as the timetable looks."""
    run.retry_at = clock.now()
    db.session.flush()
    # Whoever runs the timetable in this process looks at once when this is committed (see jobs.py).
    db.session.info["asked"] = True


def reopen(run: JobRun) -> None:
    """Have a run that was passed over done after all."""
    run.status = RunStatus.RUNNING
    db.session.flush()


def purge(period: str, cursor: int) -> Step:
    """Forget all but the last runs of each job."""
    rank = func.row_number().over(partition_by=JobRun.job, order_by=JobRun.id.desc())
    ranked = select(JobRun.id, rank.label("rank")).subquery()
    old = delete(JobRun).where(JobRun.id.in_(select(ranked.c.id).where(ranked.c.rank > KEPT)))
    return Step(db.session.execute(old.execution_options(synchronize_session=False)).rowcount)


def _run(job, period):
    return select(JobRun).where(*_is(job, period)).execution_options(populate_existing=True)


def _is(job, period):
    return JobRun.job == job, JobRun.period == period


def _add(job, period, status=RunStatus.RUNNING):
    insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[db.session.connection().dialect.name]
    row = {"cursor": 0, "count": 0, "runs": 0, "tries": 0, "seconds": 0.0, "error": "", "started_at": clock.now()}
    new = insert(JobRun.__table__).values(job=job, period=period, status=status, **row)
    new = new.on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    return db.session.execute(new).rowcount == 1


def _move(run: JobRun, *conditions, retry_at: datetime | None = None, **values):
    seen = update(JobRun).where(JobRun.id == run.id, JobRun.cursor == run.cursor, *conditions)
    moved = db.session.execute(
        seen.values(retry_at=retry_at, **values).execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:
        raise Overtaken
