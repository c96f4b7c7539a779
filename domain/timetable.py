"""What the site does by itself, and when: the jobs, their periods, and which of them are due.

A period is a date or a month of the site's clock. It is due from an hour on, and the latest due one
is run however late that is; with a row for each, no step of any clock runs one twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from domain import (
    activity,
    audit,
    backups,
    bookings,
    clock,
    forecasts,
    guides,
    job_runs,
    learning,
    leaving,
    pauses,
    proposals,
    purges,
    reminders,
    retention,
    revenue,
    tombstones,
    waits,
)
from domain.errors import Conflict, Invalid, NotFound
from domain.job_runs import Step
from domain.periods import Daily, Minutely, Monthly
from models import JobRun, Lease, RunStatus, User

# A process that runs the timetable and was not heard of for so long runs it no more.
SILENCE = timedelta(seconds=60)
AT_NIGHT, IN_THE_MORNING = 3, 6


@dataclass(frozen=True)
class Job:
    """`verb` does a step of a period: some hundred things, from a cursor on, in one transaction.

    What a step takes long for, `ahead` reads; the callable that it answers is called outside of any
    transaction, and the verb gets what comes of it, or None.
    """

    name: str
    schedule: Minutely | Daily | Monthly
    verb: Callable[..., Step]
    title: str
    what: str
    ahead: Callable[[str, int], Callable | None] | None = None

    @property
    def endless(self) -> bool:
        """Whether a period is run again and again and is never complete."""
        return isinstance(self.schedule, Minutely)


def _expire(period: str, cursor: int) -> Step:
    return Step(bookings.expire_due())


def _close(period: str, cursor: int) -> Step:
    return Step(bookings.close_due())


def _lapse(period: str, cursor: int) -> Step:
    return Step(proposals.lapse_due() + waits.lapse_due())


TIMETABLE = (
    Job(
        "expire",
        Minutely(),
        _expire,
        _l("Expire requests"),
        _l("A request that nobody answered in time expires, and the customer is told."),
    ),
    Job(
        "auto_close",
        Minutely(),
        _close,
        _l("Close finished jobs"),
        _l("A job whose customer has not confirmed it closes by itself."),
    ),
    Job(
        "lapse",
        Minutely(),
        _lapse,
        _l("End what was not taken up"),
        _l("Proposals of another time lapse, and held slots go to the next in line."),
    ),
    Job(
        "publish_guides",
        Minutely(),
        guides.publish_due,
        *(_l("Publish guides"), _l("A guide that is scheduled is published when its time has come.")),
    ),
    Job(
        "day_before",
        Minutely(),
        reminders.day_before,
        _l("Remind of tomorrow's visit"),
        _l("A customer hears of an agreed visit 24 hours before it."),
    ),
    Job(
        "hours_before",
        Minutely(),
        reminders.hours_before,
        _l("Remind of the visit today"),
        _l("A customer hears of an agreed visit 2 hours before it."),
    ),
    Job(
        "review_prompts",
        Minutely(),
        reminders.review_prompts,
        _l("Ask for reviews"),
        _l("A customer who has not reviewed is asked to, 24 hours after the job closed."),
    ),
    Job(
        "requests_waiting",
        Daily(),
        reminders.requests_waiting,
        _l("Remind of waiting requests"),
        _l("A professional with requests to answer gets one message that lists them."),
    ),
    Job(
        "tomorrow",
        Daily(),
        reminders.tomorrow,
        _l("Send tomorrow's list"),
        _l("A professional with jobs on the next day gets one message that lists them."),
    ),
    Job(
        "activity_reports",
        Monthly(IN_THE_MORNING),
        activity.activity_reports,
        _l("Send activity reports"),
        _l("A customer who was active in the month before gets a report of it."),
    ),
    Job(
        "earnings_statements",
        Monthly(IN_THE_MORNING),
        activity.earnings_statements,
        _l("Send earnings statements"),
        _l("A professional with jobs in the month before gets a statement of it."),
    ),
    Job(
        "scorecards",
        Daily(IN_THE_MORNING),
        pauses.judge,
        _l("Look at the scorecards"),
        _l("A professional below a limit is warned, and paused a week later if nothing is better."),
    ),
    Job("sum_revenue", Daily(AT_NIGHT), revenue.sum_days, _l("Sum up the revenue"),
        _l("What bills brought is summed up by day, so that the report of a year is read quickly.")),
    Job(
        forecasts.JOB,
        Daily(AT_NIGHT),
        forecasts.step,
        _l("Forecast demand"),
        _l("What the next 14 days bring is worked out for each service and city, and where professionals are short."),
        ahead=forecasts.ahead,
    ),
    Job(
        "purge_claims",
        Daily(AT_NIGHT),
        purges.claims,
        _l("Forget old slots"),
        _l("Slots of past days that no booking needs are forgotten."),
    ),
    Job(
        "purge_files",
        Daily(AT_NIGHT),
        purges.uploads,
        _l("Delete unused files"),
        _l("Photos and documents that nothing refers to are deleted after a day."),
    ),
    Job(
        "purge_idempotency_keys",
        Daily(AT_NIGHT),
        purges.idempotency_keys,
        _l("Forget used form keys"),
        _l("The keys that keep a form from being sent twice are forgotten after a week."),
    ),
    Job(
        "suggestions", Daily(AT_NIGHT), learning.learn, _l("Work out suggestions"),
        _l("What is booked together, where and when is learnt from what closed, for what customers are shown next."),
    ),
    Job(
        "erase_accounts",
        Daily(AT_NIGHT),
        leaving.erase_due,
        _l("Erase accounts"),
        _l("The accounts of people who wanted that are erased when their days to think better of it are over."),
    ),
    Job(
        "retention",
        Daily(AT_NIGHT),
        retention.run,
        _l("Forget what was kept long enough"),
        _l("Old words of chats, notifications, sent messages, searches, files of exports and the like are deleted."),
    ),
    Job(
        "purge_job_runs",
        Daily(AT_NIGHT),
        job_runs.purge,
        _l("Forget old runs"),
        _l("Of each job the last 400 runs are kept for this page."),
    ),
    Job("note_erasures", Minutely(), tombstones.step, _l("Remember erasures"),
        _l("Whose account was erased is noted beside the backups, so that no restored site brings them back."),
        ahead=tombstones.ahead),
    Job("backup", Daily(AT_NIGHT), backups.step, _l("Back up"),
        _l("The database and all uploads are put into an archive, and archives that are too old are deleted."),
        ahead=backups.ahead),
)


@dataclass(frozen=True)
class Entry:
    """A line of the Jobs page: a job, its last run, and when the next one comes.

    `next_at` is None where that is within the minute.
    """

    job: Job
    last: JobRun | None
    next_at: datetime | None
    asked: bool


def find(name: str) -> Job:
    for job in TIMETABLE:
        if job.name == name:
            return job
    raise NotFound(_("There is no such job."))


def due() -> list[tuple[Job, str]]:
    """The periods to be run now, in the order of the timetable; of endless jobs those asked for."""
    runs = _present()
    return [
        (job, period)
        for job in TIMETABLE
        for period in sorted({*_within_reach(job), *_begun(job, runs)})
        if _may_run(job, period, runs.get((job.name, period)))
    ]


def run_now(job: Job, by: User) -> str:
    """Have the next period of a job run at once; answer the period.

    Raises Conflict when it has run already or is being run.
    """
    period = next_period(job)
    run = begin(job, period)
    if run.status is RunStatus.RUNNING and run.cursor:
        raise Conflict(_("This job is running already."))
    job_runs.ask(run)
    audit.record(by, "run_job", "job", run.id, name=job.name, period=period)
    return period


def next_period(job: Job) -> str:
    """The period that is run next: the due one, or today's or this month's before its hour.

    Raises Conflict when both have been run.
    """
    reach = _within_reach(job)
    for period in reach:
        run = job_runs.find(job.name, period)
        if run is None or not is_over(job, run):
            return period
    again = clock.spoken(job.schedule.begins(job.schedule.after(reach[-1])))
    raise Conflict(_("This job has done its work for now. It runs again on %(moment)s.", moment=again))


def reopen(job: Job, text: str) -> str:
    """The period that somebody wrote, ready to be run now. Raises Invalid or Conflict."""
    now = job.schedule.due(clock.now())
    try:
        period = job.schedule.read(text)
    except ValueError:
        raise Invalid(_("Write the period of this job as %(example)s.", example=now)) from None
    if period > max(_within_reach(job)):
        raise Invalid(_("This period has not begun yet."))
    if job.endless and period != now:
        raise Invalid(_("This job only knows the present date."))
    run = job_runs.find(job.name, period)
    if run is not None and is_over(job, run):
        if run.runs:
            raise Conflict(_("This job has done its work for %(period)s.", period=period))
        job_runs.reopen(run)
    return period


def begin(job: Job, period: str) -> JobRun:
    """The run of a period, locked until the transaction ends."""
    if job.endless:
        return job_runs.go_on(job.name, period)
    # Who runs an old period by hand says nothing about the one before it.
    current = period in _within_reach(job)
    return job_runs.begin(job.name, period, passed_over=job.schedule.before(period) if current else None)


def is_over(job: Job, run: JobRun) -> bool:
    """Whether a run has nothing left to do."""
    return run.status is RunStatus.DONE and not job.endless


def overview() -> list[Entry]:
    """Every job with its last run and its next."""
    runs, latest = _present(), job_runs.latest()
    return [_entry(job, runs, latest.get(job.name)) for job in TIMETABLE]


def is_led(lease: Lease | None) -> bool:
    """Whether some process runs the timetable, by all that can be seen from here."""
    return lease is not None and lease.holder is not None and clock.now() - lease.beaten_at <= SILENCE


def _within_reach(job):
    """The period that is due, and today's or this month's if its hour is still to come."""
    period = job.schedule.due(clock.now())
    if job.endless:
        return [period]
    following = job.schedule.after(period)
    return [period, following] if following <= clock.today().isoformat() else [period]


def _present():
    pairs = [(job.name, period) for job in TIMETABLE for period in _within_reach(job)]
    return job_runs.known(pairs)


def _begun(job, runs):
    """What has begun is brought to its end, even if the next period came meanwhile."""
    if job.endless:
        return []
    return [period for (name, period), run in runs.items() if name == job.name and run.status is RunStatus.RUNNING]


def _may_run(job, period, run):
    if job.endless:
        return run is not None and run.retry_at is not None
    if run is None:
        # Before its hour only what somebody asked for.
        return period == job.schedule.due(clock.now())
    return run.status is not RunStatus.DONE and job_runs.may_begin(run)


def _entry(job, runs, last):
    reach = _within_reach(job)
    within = [runs.get((job.name, period)) for period in reach]
    asked = any(run and run.retry_at and run.status is not RunStatus.FAILED for run in within)
    if job.endless:
        return Entry(job, last, None, asked)
    for period, run in zip(reach, within, strict=True):
        if run is None or run.status is not RunStatus.DONE:
            waits = run.retry_at if run and run.status is RunStatus.FAILED else job.schedule.begins(period)
            return Entry(job, last, waits if waits and waits > clock.now() else None, asked)
    return Entry(job, last, job.schedule.begins(job.schedule.after(reach[-1])), asked)
