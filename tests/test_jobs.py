"""What the site does by itself: each period once, whatever the clocks do and however often a process ends."""

import dataclasses
import itertools
import threading
import time
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy import select

import jobs
from domain import clock, job_runs, leases, timetable
from domain.job_runs import Step
from domain.timetable import Daily, Job, Minutely, Monthly
from extensions import begin_write, db
from models import Booking, BookingEvent, JobRun, Lease, Notification, RunStatus, Status
from tests import factories

INDIA = ZoneInfo("Asia/Kolkata")


class Process:
    """A process that runs the timetable, on a clock and a stopwatch that the test turns."""

    def __init__(self, app, frozen):
        self.app, self.frozen, self.seconds = app, frozen, 1000.0
        self.start()

    def start(self):
        self.timetable = jobs.Timetable(self.app, lambda: self.seconds)
        self.look()

    def stop(self):
        self.timetable.leadership.resign()

    def look(self):
        """What the engine does every few seconds."""
        self.timetable.turn()
        self.timetable.work()

    def live(self, duration, tick=timedelta(minutes=30)):
        """Let time pass, on the clock and on the stopwatch."""
        for _ in range(duration // tick):
            self.frozen.shift(tick)
            self.seconds += tick.total_seconds()
            self.look()

    def set_clock(self, moment):
        """The clock is set, while the stopwatch hardly moves."""
        self.frozen.move_to(moment)
        self.seconds += 5
        self.look()


def test_a_job_that_thinks_for_long_holds_up_no_other(app, frozen, monkeypatch):
    done = []
    slow = Job("slow", Daily(3), lambda period, cursor, thought: done.append(thought) or Step(1), "", "")
    slow = dataclasses.replace(slow, ahead=lambda period, cursor: lambda: done.append("thinks") or "thought")
    quick = Job("quick", Daily(3), lambda period, cursor: done.append("quick") or Step(1), "", "")
    monkeypatch.setattr(timetable, "TIMETABLE", (slow, quick))
    process = Process(app, frozen)
    assert done == ["quick"]
    process.timetable.think()
    assert done == ["quick", "thinks", "thought"]


class Diary(dict):
    """Jobs that write down for which periods they were run."""

    def job(self, name, schedule, verb=None):
        self[name] = []

        def note(period, cursor):
            self[name].append(period)
            return Step(1)

        return Job(name, schedule, verb or note, name, name)


@pytest.fixture
def diary(monkeypatch):
    diary = Diary()
    schedules = {"evening": Daily(18), "two": Daily(2), "midnight": Daily(0), "late": Daily(23), "month": Monthly(6)}
    monkeypatch.setattr(timetable, "TIMETABLE", tuple(diary.job(*one) for one in schedules.items()))
    return diary


@pytest.fixture
def process(app, frozen, diary):
    return Process(app, frozen)


@pytest.fixture
def zone(app, monkeypatch):
    def use(name):
        changed = dataclasses.replace(app.config["SETTINGS"], timezone=name)
        monkeypatch.setitem(app.config, "SETTINGS", changed)
        return ZoneInfo(name)

    return use


def days(first, last):
    """The dates from one to another, as periods are called."""
    first, last = date.fromisoformat(first), date.fromisoformat(last)
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def at(hour, minute=0, day="2026-11-23", zone=INDIA):
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), zone).replace(hour=hour, minute=minute)


# -- Periods ----------------------------------------------------------------------------------


def test_at_its_start_a_process_catches_up_with_the_latest_period_of_each_job(process, diary):
    # It is Monday, 9:00.
    assert diary == {
        "evening": ["2026-11-22"],
        "two": ["2026-11-23"],
        "midnight": ["2026-11-23"],
        "late": ["2026-11-22"],
        "month": ["2026-11"],
    }


def test_a_month_end_brings_each_day_and_each_month_once(process, diary):
    process.live(timedelta(days=40))
    assert diary["evening"] == days("2026-11-22", "2027-01-01")
    assert diary["midnight"] == days("2026-11-23", "2027-01-02")
    assert diary["month"] == ["2026-11", "2026-12", "2027-01"]


def test_a_period_comes_with_its_hour(process, diary, frozen):
    frozen.move_to(at(17, 59))
    process.look()
    assert diary["evening"] == ["2026-11-22"]
    frozen.move_to(at(18))
    process.look()
    assert diary["evening"] == ["2026-11-22", "2026-11-23"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Europe/Berlin", ("2026-03-29", "2026-10-25")),
        ("America/New_York", ("2026-03-08", "2026-11-01")),
        ("Australia/Lord_Howe", ("2026-04-05", "2026-10-04")),  # by half an hour
        ("America/Santiago", ("2026-04-04", "2026-09-06")),  # at midnight
    ],
)
def test_where_clocks_change_for_the_summer_each_period_comes_once(app, frozen, diary, zone, name, changes):
    here = zone(name)
    for day in changes:
        before = date.fromisoformat(day) - timedelta(days=1)
        frozen.move_to(datetime.combine(before, datetime.min.time(), here))
        process = Process(app, frozen)
        for noted in diary.values():
            noted.clear()
        process.live(timedelta(days=3))
        after = date.fromisoformat(day) + timedelta(days=1)
        assert diary["two"] == diary["evening"] == days(before.isoformat(), after.isoformat())
        assert diary["midnight"][: len(days(day, after.isoformat()))] == days(day, after.isoformat())
        assert len(set(diary["late"])) == len(diary["late"]) == 3
        assert diary["month"] == ([day[:7]] if day.endswith("-01") else [])
        process.stop()


def test_a_clock_that_is_set_back_two_hours_repeats_nothing(process, diary):
    process.set_clock(at(18, 5))
    process.set_clock(at(16, 5))
    process.live(timedelta(hours=5))
    assert diary["evening"] == ["2026-11-22", "2026-11-23"]


def test_a_clock_that_is_set_back_over_midnight_repeats_no_day_and_no_month(process, diary):
    process.set_clock(at(6, 5, "2026-12-01"))
    process.set_clock(at(4, 5, "2026-12-01"))
    process.set_clock(at(22, 5, "2026-11-30"))
    process.live(timedelta(hours=12))
    assert diary["month"] == ["2026-11", "2026-12"]
    assert diary["midnight"] == ["2026-11-23", "2026-12-01"]
    assert all(len(set(noted)) == len(noted) for noted in diary.values())


def test_a_clock_that_runs_ahead_for_a_while_skips_nothing_afterwards(process, diary):
    process.set_clock(at(12, day="2027-06-15"))
    process.set_clock(at(9, 1))
    process.live(timedelta(days=9))
    assert all(len(set(noted)) == len(noted) for noted in diary.values())
    assert [day for day in diary["evening"] if day < "2027"] == days("2026-11-22", "2026-12-01")
    assert diary["month"] == ["2026-11", "2027-06", "2026-12"]


def test_after_a_day_of_downtime_the_missed_evening_comes_once_and_late(process, diary, frozen):
    process.stop()
    frozen.move_to(at(10, day="2026-11-24"))
    process.start()
    process.live(timedelta(hours=1))
    assert diary["evening"] == days("2026-11-22", "2026-11-23")
    assert diary["midnight"] == days("2026-11-23", "2026-11-24")


def test_of_a_week_of_downtime_only_the_latest_day_is_made_up_for(process, diary, frozen):
    process.stop()
    frozen.move_to(at(10, day="2026-11-30"))
    process.start()
    assert diary["evening"] == ["2026-11-22", "2026-11-29"]
    process.set_clock(at(17, day="2026-11-29"))
    process.live(timedelta(days=1))
    assert diary["evening"] == ["2026-11-22", "2026-11-29"]
    passed_over = job_runs.find("evening", "2026-11-28")
    assert (passed_over.status, passed_over.runs, passed_over.count) == (RunStatus.DONE, 0, 0)


def test_a_restart_repeats_nothing(process, diary):
    for _ in range(3):
        process.stop()
        process.start()
    assert [len(noted) for noted in diary.values()] == [1] * 5


# -- Every minute -----------------------------------------------------------------------------


def test_what_is_done_every_minute_goes_by_the_stopwatch(app, frozen, diary, monkeypatch):
    job = diary.job("minute", Minutely())
    monkeypatch.setattr(timetable, "TIMETABLE", (job,))
    process = Process(app, frozen)
    for _ in range(12):  # two minutes
        process.live(timedelta(seconds=10), tick=timedelta(seconds=10))
        frozen.shift(timedelta(hours=-1))
        process.look()
    assert len(diary["minute"]) == 3


def test_a_day_of_minutes_is_one_row_and_hands_its_mark_on(app, frozen, monkeypatch):
    seen = []

    def verb(period, cursor):
        seen.append(cursor)
        return Step(2, cursor + 1)

    monkeypatch.setattr(timetable, "TIMETABLE", (Job("minute", Minutely(), verb, "", ""),))
    frozen.move_to(at(23, 58))
    process = Process(app, frozen)
    process.live(timedelta(minutes=3), tick=timedelta(minutes=1))
    assert seen == [0, 1, 2, 3]
    runs = db.session.scalars(select(JobRun).order_by(JobRun.period)).all()
    assert [(run.period, run.runs, run.count, run.cursor) for run in runs] == [
        ("2026-11-23", 2, 4, 2),
        ("2026-11-24", 2, 4, 4),
    ]


def test_much_to_do_in_a_minute_is_done_in_that_minute(app, frozen, monkeypatch):
    left = [jobs.MANY, jobs.MANY, 3]
    verb = lambda period, cursor: Step(left.pop(0))  # noqa: E731
    monkeypatch.setattr(timetable, "TIMETABLE", (Job("minute", Minutely(), verb, "", ""),))
    Process(app, frozen)
    assert left == []
    assert job_runs.latest()["minute"].count == 2 * jobs.MANY + 3


# -- Steps ------------------------------------------------------------------------------------


def test_a_long_job_goes_step_by_step_and_the_others_have_their_turn(app, frozen, diary, monkeypatch):
    order = []

    def long(period, cursor):
        order.append(("long", cursor))
        return Step(500, cursor + 500 if cursor < 1000 else None)

    def short(period, cursor):
        order.append(("short", cursor))
        return Step(0)

    table = (Job("long", Daily(3), long, "", ""), Job("short", Minutely(), short, "", ""))
    monkeypatch.setattr(timetable, "TIMETABLE", table)
    Process(app, frozen)
    assert order == [("short", 0), ("long", 0), ("long", 500), ("long", 1000)]
    run = job_runs.find("long", "2026-11-23")
    assert (run.status, run.count, run.runs) == (RunStatus.DONE, 1500, 1)


def test_a_run_goes_on_where_a_dead_process_left_it(app, frozen, monkeypatch):
    seen = []

    def verb(period, cursor):
        seen.append(cursor)
        return Step(1, cursor + 1 if cursor < 3 else None)

    job = Job("long", Daily(3), verb, "", "")
    monkeypatch.setattr(timetable, "TIMETABLE", (job,))
    assert jobs.take_step(app, job, "2026-11-23") == Step(1, 1)
    assert jobs.take_step(app, job, "2026-11-23") == Step(1, 2)
    Process(app, frozen)
    assert seen == [0, 1, 2, 3]


def test_what_has_begun_is_brought_to_its_end_even_if_the_next_day_came_meanwhile(app, frozen, monkeypatch):
    seen = []

    def verb(period, cursor):
        seen.append((period, cursor))
        return Step(1, cursor + 1 if cursor < 2 else None)

    job = Job("long", Daily(3), verb, "", "")
    monkeypatch.setattr(timetable, "TIMETABLE", (job,))
    jobs.take_step(app, job, "2026-11-23")
    frozen.move_to(at(9, day="2026-11-30"))
    Process(app, frozen)
    assert sorted(seen) == [(day, step) for day in ("2026-11-23", "2026-11-30") for step in range(3)]


def test_what_failed_is_tried_no_more_when_the_next_day_has_come(app, frozen, monkeypatch):
    tried = []

    def verb(period, cursor):
        tried.append(period)
        if period == "2026-11-23":
            raise OSError("no")
        return Step(1)

    monkeypatch.setattr(timetable, "TIMETABLE", (Job("failing", Daily(3), verb, "", ""),))
    process = Process(app, frozen)
    process.set_clock(at(3, day="2026-11-24"))
    process.live(timedelta(hours=3))
    assert tried == ["2026-11-23", "2026-11-24"]


def test_to_stop_is_heard_between_two_steps(app, frozen, monkeypatch):
    def verb(period, cursor):
        process.timetable.stop(0)
        return Step(1, cursor + 1)

    process = Process(app, frozen)
    monkeypatch.setattr(timetable, "TIMETABLE", (Job("long", Daily(3), verb, "", ""),))
    process.look()
    assert job_runs.find("long", "2026-11-23").cursor == 1
    assert process.timetable.stop()
    db.session.rollback()
    assert leases.find().holder is None


def test_what_fails_leaves_only_its_error_and_the_others_go_on(app, frozen, diary, monkeypatch, customer, caplog):
    def half_done(period, cursor):
        db.session.add(Notification(user_id=customer.id, kind="approved", created_at=clock.now()))
        db.session.flush()
        raise OSError("the disk is full")

    failing = Job("failing", Daily(3), half_done, "", "")
    monkeypatch.setattr(timetable, "TIMETABLE", (failing, diary.job("fine", Daily(3))))
    Process(app, frozen)
    assert "the job failing failed" in caplog.text
    run = job_runs.find("failing", "2026-11-23")
    assert (run.status, run.tries, run.error) == (RunStatus.FAILED, 1, "OSError: the disk is full")
    assert db.session.scalars(select(Notification)).all() == []
    assert diary["fine"] == ["2026-11-23"]


def test_what_failed_is_tried_again_later_each_time(app, frozen, monkeypatch):
    tried = []

    def verb(period, cursor):
        tried.append(clock.now())
        if len(tried) < 4:
            raise OSError("not yet")
        return Step(7)

    monkeypatch.setattr(timetable, "TIMETABLE", (Job("failing", Daily(3), verb, "", ""),))
    process = Process(app, frozen)
    process.live(timedelta(minutes=10), tick=timedelta(seconds=15))
    assert [(b - a).total_seconds() for a, b in itertools.pairwise(tried)] == [60, 120, 240]
    run = job_runs.find("failing", "2026-11-23")
    assert (run.status, run.count, run.tries, run.retry_at) == (RunStatus.DONE, 7, 3, None)


def test_a_clock_that_is_set_back_keeps_nothing_from_being_tried_again(app, frozen, monkeypatch):
    tried = []

    def verb(period, cursor):
        tried.append(period)
        raise OSError("not yet")

    monkeypatch.setattr(timetable, "TIMETABLE", (Job("failing", Daily(3), verb, "", ""),))
    process = Process(app, frozen)
    process.set_clock(clock.now() - timedelta(hours=2))
    assert len(tried) == 2


def test_what_fails_every_minute_is_tried_every_minute(app, frozen, monkeypatch):
    def verb(period, cursor):
        raise OSError("not yet")

    monkeypatch.setattr(timetable, "TIMETABLE", (Job("minute", Minutely(), verb, "", ""),))
    process = Process(app, frozen)
    process.live(timedelta(minutes=2), tick=timedelta(seconds=15))
    run = job_runs.find("minute", "2026-11-23")
    assert (run.status, run.tries, run.retry_at) == (RunStatus.FAILED, 3, None)


# -- Who leads --------------------------------------------------------------------------------


def test_one_of_several_leads_and_the_next_takes_over_when_it_falls_silent(app, frozen, diary):
    seconds = [0.0]
    first, second, third = (jobs.Leadership(app, lambda: seconds[0]) for _ in range(3))
    assert [one.turn() for one in (first, second, third)] == [True, False, False]
    for _ in range(20):
        seconds[0] += jobs.SECONDS_A_TURN
        assert not any(one.turn() for one in (first, second, third))
    silent_since = seconds[0]
    while not second.turn() and not third.turn():
        seconds[0] += jobs.SECONDS_A_TURN
    assert seconds[0] - silent_since <= 50
    assert second.leads is not third.leads
    assert not first.leads
    first.turn()
    assert not first.leads


def test_a_leader_that_goes_takes_leave_and_another_begins_at_once(app):
    first, second = jobs.Leadership(app, lambda: 0.0), jobs.Leadership(app, lambda: 0.0)
    assert first.turn()
    assert not second.turn()
    first.resign()
    assert second.turn()


def test_no_clock_decides_who_leads(app, frozen):
    seconds = [0.0]
    first, second = (jobs.Leadership(app, lambda: seconds[0]) for _ in range(2))
    first.turn()
    for moment in (at(9, day="2030-01-01"), at(9, day="2020-01-01")):
        frozen.move_to(moment)
        assert not second.turn()
        first.turn()
    assert first.leads


def test_a_leader_that_cannot_show_that_it_lives_stops_before_another_begins(app, monkeypatch, caplog):
    seconds = [0.0]
    process = jobs.Timetable(app, lambda: seconds[0])
    process.turn()
    assert process.leadership.leads
    monkeypatch.setattr(leases, "beat", lambda *_: (_ for _ in ()).throw(OSError("the database is away")))
    while process.leadership.leads:
        seconds[0] += jobs.SECONDS_A_TURN
        process.turn()
    assert seconds[0] <= jobs.SECONDS_OF_SILENCE - jobs.SECONDS_A_TURN
    assert "could not be seen" in caplog.text


def test_a_leader_that_was_overtaken_knows_it_by_its_next_beat(app):
    seconds = [0.0]
    first = jobs.Leadership(app, lambda: seconds[0])
    first.turn()
    leases.take_over("somebody else", leases.find())
    db.session.commit()
    seconds[0] += jobs.SECONDS_A_BEAT
    first.turn()
    assert not first.leads
    first.resign()
    assert leases.find().holder == "somebody else"


# -- The engine -------------------------------------------------------------------------------


@pytest.fixture
def engine(frozen):
    """The scheduler without its own thread, with one job of every 15 seconds, and how often that ran."""
    frozen.move_to(datetime(2026, 11, 23, 12, tzinfo=UTC))
    engine = SimpleNamespace(ran=[], seconds=0.0)
    scheduler = jobs.Scheduler(lambda: engine.seconds, timezone=UTC)
    engine.look = scheduler._process_jobs
    scheduler.add_job(lambda: engine.ran.append(1), "interval", seconds=15, id="one", misfire_grace_time=None)
    scheduler._event = threading.Event()
    BaseScheduler.start(scheduler)
    yield engine
    BaseScheduler.shutdown(scheduler)


def test_the_engine_runs_what_is_due_whenever_the_clock_is_set(engine, frozen):
    for number, hours in enumerate((-2, 5, -48, 9000), start=1):
        frozen.shift(timedelta(hours=hours))
        assert engine.look() <= jobs.LONGEST_SLEEP
        wait_for(lambda expected=number: len(engine.ran) == expected)
        assert engine.look() <= jobs.LONGEST_SLEEP
        assert len(engine.ran) == number


def test_the_engine_goes_on_while_the_clock_stands_still(engine):
    engine.look()
    for number in range(1, 5):
        for _ in range(3):
            assert len(engine.ran) == number - 1
            engine.seconds += 5
            engine.look()
        wait_for(lambda expected=number: len(engine.ran) == expected)


@pytest.mark.slow
@pytest.mark.realtime
def test_a_process_runs_the_timetable_until_it_is_stopped(app, customer, professional):
    booking = factories.booking(customer, professional, respond_by=clock.now() - timedelta(minutes=1))
    db.session.remove()
    first, second = jobs.start(app), jobs.start(app)
    try:
        wait_for(lambda: status(booking.id) is Status.EXPIRED)
        lead = [one.leadership.leads for one in (first, second)]
        assert sorted(lead) == [False, True]
        leader, follower = (first, second) if lead[0] else (second, first)
        assert leader.stop(10)
        wait_for(lambda: follower.leadership.leads)
    finally:
        assert first.stop(10)
        assert second.stop(10)
    db.session.rollback()
    assert db.session.scalar(select(Lease.holder)) is None


@pytest.mark.realtime
def test_what_an_admin_asks_for_begins_at_once(app, admin, monkeypatch, diary):
    monkeypatch.setattr(timetable, "TIMETABLE", (diary.job("minute", Minutely()),))
    admin_id = admin.id
    db.session.remove()
    process = jobs.start(app)
    try:
        wait_for(lambda: len(diary["minute"]) == 1)
        begin_write()
        timetable.run_now(timetable.TIMETABLE[0], by=db.session.get(type(admin), admin_id))
        db.session.commit()
        wait_for(lambda: len(diary["minute"]) == 2, seconds=5)
    finally:
        assert process.stop(10)


def test_an_application_alone_runs_no_jobs(app, monkeypatch):
    monkeypatch.setattr(jobs.BackgroundScheduler, "start", lambda *_: pytest.fail("a timetable was started"))
    app.test_client().get("/")
    app.test_cli_runner().invoke(args=["jobs", "list"])


# -- The jobs of the site ---------------------------------------------------------------------


def run(app, name):
    job = timetable.find(name)
    return jobs.run(app, job, job.schedule.due(clock.now()))


def test_an_overdue_request_expires(app, customer, professional, frozen):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by + timedelta(seconds=1))
    assert run(app, "expire") == 1
    assert status(booking.id) is Status.EXPIRED


def test_a_request_that_can_be_answered_stays(app, customer, professional):
    booking = factories.booking(customer, professional)
    assert run(app, "expire") == 0
    assert status(booking.id) is Status.PENDING


def test_a_finished_job_closes_after_a_day(app, customer, professional, frozen):
    booking = factories.booking(customer, professional, status=Status.COMPLETED)
    frozen.shift(timedelta(hours=23, minutes=59))
    run(app, "auto_close")
    assert status(booking.id) is Status.COMPLETED
    frozen.shift(timedelta(minutes=2))
    run(app, "auto_close")
    assert status(booking.id) is Status.CLOSED


def test_a_job_that_runs_twice_acts_once(app, customer, professional, frozen):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by)
    for _ in range(2):
        run(app, "expire")
    expired = select(BookingEvent).where(BookingEvent.booking_id == booking.id, BookingEvent.verb == "expire")
    assert len(db.session.scalars(expired).all()) == 1


def test_every_job_of_the_site_runs_on_an_empty_site_and_says_what_it_does(app):
    for job in timetable.TIMETABLE:
        assert run(app, job.name) == (job.name == "backup"), job.name
        assert job.title
        assert str(job.what).endswith(".")
        assert job.schedule.words
    assert {run.status for run in job_runs.latest().values()} == {RunStatus.DONE}


def status(booking_id):
    db.session.rollback()
    return db.session.scalar(select(Booking.status).where(Booking.id == booking_id))


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)
