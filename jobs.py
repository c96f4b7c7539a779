"""The engine of the timetable: APScheduler in one process of all, and each step in a transaction of its own.

No clock is trusted with more than the name of a period: what waits waits by a stopwatch, and what
has been done is a row. Whatever a job does is also evaluated on read, so a site whose timetable
stood still shows nothing wrong.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from weakref import WeakSet

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import STATE_STOPPED
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

import calendar_reading
import exporting
import outages
import settling
from domain import clock, job_runs, leases, timetable
from domain.job_runs import Step
from domain.timetable import Job
from extensions import begin_write, db, when_committed, written

# How often a process looks who leads, how often the leader shows that it lives, and how long the
# others wait for that: at most 5 + 40 + 5 seconds pass until another leads.
SECONDS_A_TURN = 5
SECONDS_A_BEAT = 10
SECONDS_OF_SILENCE = 40
# Whoever could not show that it lives stops before another begins.
SECONDS_WITHOUT_BEAT = 30
SECONDS_BETWEEN_LOOKS = 15
LONGEST_SLEEP = 5.0
MINUTE = 60
# A step of an endless job that did so much leaves more to do at once.
MANY = 100

_running = WeakSet()
# It warns whenever a look at the timetable takes longer than the time to the next.
logging.getLogger("apscheduler").setLevel(logging.ERROR)


class Scheduler(BackgroundScheduler):
    """APScheduler by a stopwatch: a clock that is set, or stands still, neither stops it nor drives it on."""

    def __init__(self, stopwatch: Callable[[], float] = time.monotonic, **options):
        super().__init__(**options)
        self._stopwatch = stopwatch
        self._plans = {}

    def _process_jobs(self):
        self._plan_anew()
        seconds = super()._process_jobs()
        return LONGEST_SLEEP if seconds is None else min(seconds, LONGEST_SLEEP)

    def _plan_anew(self):
        """Have what waited for its interval run now, and what another clock than that of now has planned."""
        if self.state == STATE_STOPPED:
            return
        now, seconds = datetime.now(UTC), self._stopwatch()
        for job in self.get_jobs():
            plan, since = self._plans.get(job.id, (None, seconds))
            if plan not in (None, job.next_run_time):
                since = seconds
            plan = job.next_run_time
            waited = seconds - since >= job.trigger.interval_length
            if waited or abs(plan - now) > job.trigger.interval:
                job.modify(next_run_time=now)
                plan, since = None, seconds
            self._plans[job.id] = plan, since


class Leadership:
    """Whether this process runs the timetable."""

    def __init__(self, app: Flask, stopwatch: Callable[[], float] = time.monotonic):
        self.app = app
        self.holder = f"{socket.gethostname()[:40]}, process {os.getpid()}, {secrets.token_hex(4)}"
        self._stopwatch = stopwatch
        self._leads = False
        self._beaten = 0.0
        self._seen, self._seen_at = None, 0.0

    @property
    def leads(self) -> bool:
        return self._leads and self._stopwatch() - self._beaten < SECONDS_WITHOUT_BEAT

    def turn(self) -> bool:
        """Show that this leader lives, or take over from one who no longer does; True when it just began."""
        if self._leads and self._stopwatch() - self._beaten < SECONDS_A_BEAT:
            return False
        began, led = self._stopwatch(), self._leads
        with self.app.app_context():
            self._leads = self._beat() if led else self._take_over()
        if self._leads:
            self._beaten = began
        return self._leads and not led

    def resign(self) -> None:
        """Let another begin at once."""
        if self._leads:
            self._leads = False
            with self.app.app_context():
                written(leases.release, self.holder)

    def _beat(self):
        return written(leases.beat, self.holder)

    def _take_over(self):
        lease = leases.find()
        seen = lease and (lease.holder, lease.beats)
        if self._seen is None or seen != self._seen:
            self._seen, self._seen_at = seen, self._stopwatch()
        free = lease is None or lease.holder is None
        silent = self._stopwatch() - self._seen_at >= SECONDS_OF_SILENCE
        db.session.rollback()
        return (free or silent) and written(leases.take_over, self.holder, lease)


class Timetable:
    """The timetable as one process knows it: at work while it leads, and otherwise watching who does."""

    def __init__(self, app: Flask, stopwatch: Callable[[], float] = time.monotonic):
        self.app = app
        self.leadership = Leadership(app, stopwatch)
        self._stopwatch = stopwatch
        self._stopping, self._led_no_more = threading.Event(), threading.Event()
        self._last_run = {}
        self._scheduler = Scheduler(timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None})

    def start(self) -> None:
        self._every(SECONDS_A_TURN, self.turn)
        self._every(SECONDS_BETWEEN_LOOKS, self.work)
        self._every(SECONDS_BETWEEN_LOOKS, self.think)
        self._every(SECONDS_A_TURN, self.export)
        self._every(SECONDS_A_TURN, self.read_calendars)
        self._every(SECONDS_A_TURN, self.settle)
        self._scheduler.start()
        _running.add(self)

    def nudge(self) -> None:
        """Look at once what is to be done."""
        if self._scheduler.running:
            for name in ("work", "think"):
                self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the step in hand and let another process lead; answer whether there was time for it."""
        self._stopping.set()
        self._led_no_more.set()
        if timeout == 0:
            return False
        _running.discard(self)
        ending = threading.Thread(target=self._end, name="end of the timetable")
        ending.start()
        ending.join(timeout)
        return not ending.is_alive()

    def turn(self) -> None:
        """Look who leads. A site in quarantine does nothing by itself."""
        if self.app.config["SETTINGS"].quarantine:
            return
        try:
            if self.leadership.turn():
                self._last_run.clear()
                self.nudge()
        except Exception as fault:
            # Such as a database that is away.
            outages.note(self.app.logger, "who runs the timetable could not be seen", fault)
        if self._may_work():
            self._led_no_more.clear()
        if not self._may_work():
            self._led_no_more.set()

    def work(self) -> None:
        """Do what is due, a step of each job in turn, so that a long one holds up none of the others."""
        self._work_on(lambda job: job.ahead is None)

    def think(self) -> None:
        """The same for jobs whose steps take long to work out; they hold up none of the others."""
        self._work_on(lambda job: job.ahead is not None)

    def export(self) -> None:
        """Write the files that admins asked for; a long one holds up no job."""
        try:
            if self._may_work():
                exporting.drain(self.app, self._led_no_more, self.leadership.holder)
        except Exception as fault:
            outages.note(self.app.logger, "the exports stumbled", fault)

    def read_calendars(self) -> None:
        """Read the calendars that professionals keep elsewhere; a slow server holds up no job."""
        try:
            if self._may_work():
                calendar_reading.drain(self.app, self._led_no_more)
        except Exception as fault:
            outages.note(self.app.logger, "the calendars stumbled", fault)

    def settle(self) -> None:
        """Ask the gateways about payments and for refunds; a slow one holds up no job."""
        try:
            if self._may_work():
                settling.drain(self.app, self._led_no_more)
        except Exception as fault:
            outages.note(self.app.logger, "the payments stumbled", fault)

    def _work_on(self, ours):
        try:
            while self._may_work() and self._round(ours):
                pass
        except Exception as fault:
            outages.note(self.app.logger, "the timetable stumbled", fault)

    def _round(self, ours):
        with self.app.app_context():
            now = clock.now()
            endless = [(job, job.schedule.due(now)) for job in timetable.TIMETABLE if self._a_minute_passed(job)]
            due = dict.fromkeys([*endless, *timetable.due()])
        did_something = False
        for job, period in filter(lambda one: ours(one[0]), due):
            if not self._may_work():
                return False
            step = take_step(self.app, job, period)
            did_something |= step is not None
            if job.endless and (step is None or step.count < MANY):
                self._last_run[job.name] = self._stopwatch()
        return did_something

    def _a_minute_passed(self, job):
        if not job.endless:
            return False
        last = self._last_run.get(job.name)
        return last is None or self._stopwatch() - last >= MINUTE

    def _may_work(self):
        return self.leadership.leads and not self._stopping.is_set()

    def _every(self, seconds, act):
        trigger = IntervalTrigger(seconds=seconds, timezone=UTC)
        self._scheduler.add_job(act, trigger, id=act.__name__, next_run_time=datetime.now(UTC))

    def _end(self):
        try:
            if self._scheduler.running:
                self._scheduler.shutdown()
            self.leadership.resign()
        except Exception as fault:
            outages.note(self.app.logger, "the timetable did not end well", fault)


def start(app: Flask) -> Timetable:
    """Begin to run the timetable in this process, which forks no more, or to watch who does."""
    begun = Timetable(app)
    begun.start()
    return begun


def run(app: Flask, job: Job, period: str) -> int:
    """Do all that a period of a job has to do, here and now; answer how much that was."""
    count = 0
    while step := take_step(app, job, period):
        count += step.count
        if step.count < MANY if job.endless else step.cursor is None:
            break
    return count


def take_step(app: Flask, job: Job, period: str) -> Step | None:
    """Do one step of a period, together with its row; None when it is complete already, or failed.

    What fails leaves nothing behind but its error, and is tried again later.
    """
    with app.app_context():
        began = time.monotonic()
        try:
            cursor, known = _ahead(job, period)
            begin_write()
            run = timetable.begin(job, period)
            if timetable.is_over(job, run):
                db.session.rollback()
                return None
            if known and run.cursor != cursor:
                raise job_runs.Overtaken
            step = job.verb(period, run.cursor, *known)
            write_down = job_runs.repeat if job.endless else job_runs.advance
            write_down(run, step, time.monotonic() - began)
            db.session.commit()
            return step
        except job_runs.Overtaken:
            db.session.rollback()
        except Exception as error:
            db.session.rollback()
            outages.note(app.logger, f"the job {job.name} failed", error)
            _note(job, period, error)
    return None


def _ahead(job, period):
    """What takes long, worked out before the transaction: where it is for, and as an argument for the verb."""
    if job.ahead is None:
        return 0, []
    run = job_runs.find(job.name, period)
    over, cursor = run is not None and timetable.is_over(job, run), run.cursor if run else 0
    work = None if over else job.ahead(period, cursor)
    db.session.rollback()
    return cursor, [work and work()]


def _note(job, period, error):
    begin_write()
    run = timetable.begin(job, period)
    if not timetable.is_over(job, run):
        job_runs.fail(run, error, again=not job.endless)
    db.session.commit()


def _nudge_all(_asked):
    for one in list(_running):
        one.nudge()


when_committed("asked", _nudge_all)
