"""Exports: who may ask and for what, how a file comes to be whatever happens meanwhile, and how it goes."""

import errno
import itertools
import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import select

import exporting
from domain import clock, errors, exports, extracts
from extensions import db
from models import (
    AuditEntry,
    Channel,
    ExportKind,
    ExportStatus,
    Notification,
    OutboxMessage,
    Status,
)
from tests import factories
from tests.csv_files import files_left, read

GO_ON = threading.Event()


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Two rows a step, each noted, so that a handful of bookings take several."""
    monkeypatch.setattr(extracts, "ROWS_IN_A_PIECE", 2)
    monkeypatch.setattr(exporting, "SECONDS_BETWEEN_NOTES", 0)
    monkeypatch.setattr(exporting, "REST", 0)


@pytest.fixture
def bookings(customer, professional):
    return [
        factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(11, days=-n))
        for n in range(7)
    ]


def ask(admin, key="key", wanted=None, **values):
    asked = exports.request(admin, key, wanted or exports.Wanted(), **values)
    db.session.commit()
    return asked


def drain(app, holder="leader", stop=GO_ON):
    db.session.commit()
    written = exporting.drain(app, stop, holder)
    db.session.expire_all()
    return written


def in_the_middle(monkeypatch, app, act, after=2):
    """Has something happen while a file is written, after so many of its pieces."""
    pieces, done = extracts.Part.pieces, []

    def interrupted(part):
        for number, piece in enumerate(pieces(part), 1):
            yield piece
            if number == after and not done:
                done.append(number)
                with app.app_context():
                    act()
                    db.session.commit()

    monkeypatch.setattr(extracts.Part, "pieces", interrupted)


# -- Asking -----------------------------------------------------------------------------------


def test_only_admins_ask(customer, professional):
    for person in (customer, professional):
        with pytest.raises(errors.NotAllowed):
            exports.request(person, "key", exports.Wanted())


def test_a_request_waits_with_its_filters_and_is_audited(admin, professional):
    service = factories.service()
    wanted = exports.Wanted(
        (Status.CLOSED, Status.CANCELLED), date(2026, 11, 1), date(2026, 11, 30), "dev@example.com", service.id
    )
    asked = ask(admin, wanted=wanted, excel=True)

    assert (asked.status, asked.kind, asked.excel) == (ExportStatus.WAITING, ExportKind.BOOKINGS, True)
    assert asked.filters == {
        "statuses": ["closed", "cancelled"],
        "first": "2026-11-01",
        "last": "2026-11-30",
        "professional_id": professional.id,
        "service_id": service.id,
    }
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.subject_id) == ("request_export", asked.id)
    assert entry.detail["filters"] == asked.filters


def test_the_same_key_asks_once(admin):
    first = ask(admin)

    assert ask(admin).id == first.id
    assert ask(admin, key="another").id != first.id


def test_a_key_that_was_used_for_something_else_is_refused(admin):
    ask(admin)

    with pytest.raises(errors.Conflict):
        ask(admin, wanted=exports.Wanted(statuses=(Status.CLOSED,)))


@pytest.mark.parametrize(
    "wanted, field",
    [
        (exports.Wanted(first=date(2026, 11, 2), last=date(2026, 11, 1)), "last"),
        (exports.Wanted(professional="nobody@example.com"), "professional"),
        (exports.Wanted(professional="999999"), "professional"),
        (exports.Wanted(professional="Asha Rao"), "professional"),
        (exports.Wanted(service_id=999_999), "service"),
    ],
)
def test_filters_that_mean_nothing_are_refused(admin, customer, wanted, field):
    with pytest.raises(errors.Invalid) as refusal:
        exports.request(admin, "key", wanted)
    assert refusal.value.field == field


def test_a_professional_is_found_by_mail_name_or_number_but_never_guessed(admin, professional):
    for n, text in enumerate(("dev@example.com", " DEV  Menon ", str(professional.id))):
        asked = ask(admin, key=f"key {n}", wanted=exports.Wanted(professional=text))
        assert asked.filters == {"professional_id": professional.id}
    factories.professional(name="Dev Menon")
    with pytest.raises(errors.Invalid, match="Several"):
        exports.request(admin, "key", exports.Wanted(professional="Dev Menon"))


def test_not_too_many_wait_at_a_time(admin):
    for n in range(exports.MOST_UNFINISHED):
        ask(admin, key=f"key {n}")

    with pytest.raises(errors.Conflict):
        ask(admin)


# -- Writing ----------------------------------------------------------------------------------


def test_a_file_is_written_and_its_admin_told(app, admin, bookings):
    asked = ask(admin)

    assert drain(app) == 1
    assert (asked.status, asked.done, asked.total) == (ExportStatus.DONE, 7, 7)
    assert asked.expires_at == clock.now() + timedelta(days=7)
    path = exports.download(asked, admin)
    assert path.stat().st_size == asked.size
    assert [row["booking_id"] for row in read(path)] == [str(booking.id) for booking in bookings]
    assert files_left() == [asked.file_name]
    note = db.session.scalars(select(Notification)).one()
    assert (note.user_id, note.kind, note.data) == (admin.id, "export_ready", {"export_id": asked.id, "rows": 7})
    message = db.session.scalars(select(OutboxMessage)).one()
    assert (message.user_id, message.kind, message.channel) == (admin.id, "export_ready", Channel.MAIL)
    assert message.data == note.data


def test_the_file_is_for_its_owner_alone(app, admin, bookings):
    asked = ask(admin)
    drain(app)

    path = exports.folder() / asked.file_name
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_an_export_of_nothing_is_a_heading(app, admin):
    asked = ask(admin)

    assert drain(app) == 1
    assert read(exports.download(asked, admin)) == []
    assert asked.done == 0


def test_filters_narrow_what_is_written(app, admin, customer, professional, other_professional):
    service = factories.service("Bathroom deep cleaning")
    other = factories.service(name="Something else", base_price=100)
    factories.offer(professional, other)
    tomorrow = clock.today() + timedelta(days=1)
    edge = clock.start_of(tomorrow)
    made = {
        "right": factories.booking(customer, professional, status=Status.CLOSED, service=service, starts_at=edge),
        "state": factories.booking(customer, professional, status=Status.CANCELLED, service=service, starts_at=edge),
        "person": factories.booking(
            customer, other_professional, status=Status.CLOSED, service=service, starts_at=edge
        ),
        "service": factories.booking(customer, professional, status=Status.CLOSED, service=other, starts_at=edge),
        "before": factories.booking(
            customer, professional, status=Status.CLOSED, service=service, starts_at=edge - timedelta(seconds=1)
        ),
        "after": factories.booking(
            customer,
            professional,
            status=Status.CLOSED,
            service=service,
            starts_at=clock.start_of(tomorrow + timedelta(days=1)),
        ),
    }
    everything = exports.Wanted((Status.CLOSED,), tomorrow, tomorrow, "dev@example.com", service.id)
    left_out = {
        "state": exports.Wanted((), tomorrow, tomorrow, "dev@example.com", service.id),
        "person": exports.Wanted((Status.CLOSED,), tomorrow, tomorrow, "", service.id),
        "service": exports.Wanted((Status.CLOSED,), tomorrow, tomorrow, "dev@example.com"),
        "before": exports.Wanted((Status.CLOSED,), None, tomorrow, "dev@example.com", service.id),
        "after": exports.Wanted((Status.CLOSED,), tomorrow, None, "dev@example.com", service.id),
    }

    numbers = itertools.count()

    def found(wanted):
        asked = ask(admin, key=str(next(numbers)), wanted=wanted)
        drain(app)
        assert asked.done == asked.total
        return {int(row["booking_id"]) for row in read(exports.download(asked, admin))}

    assert found(everything) == {made["right"].id}
    for name, wanted in left_out.items():
        assert found(wanted) == {made["right"].id, made[name].id}, name


def test_several_wait_their_turn(app, admin, bookings):
    first, second = ask(admin, key="1"), ask(admin, key="2")

    assert drain(app) == 2
    assert first.status is second.status is ExportStatus.DONE
    assert len(files_left()) == 2
    assert drain(app) == 0


def test_bookings_that_come_meanwhile_do_no_harm(app, admin, customer, professional, bookings, monkeypatch):
    asked = ask(admin)
    in_the_middle(monkeypatch, app, lambda: factories.booking(customer, professional, status=Status.CLOSED))

    assert drain(app) == 1
    assert asked.done == asked.total == len(read(exports.download(asked, admin))) == 8


# -- What happens meanwhile -------------------------------------------------------------------


def test_progress_moves(app, admin, bookings, monkeypatch):
    asked = ask(admin)
    seen = []
    in_the_middle(monkeypatch, app, lambda: seen.append(exports.get(asked.id)), after=3)
    drain(app)

    (then,) = seen
    assert (then.status, then.done, then.total, exports.percent(then)) == (ExportStatus.RUNNING, 6, 7, 85)


def test_a_cancelled_export_stops_and_leaves_nothing(app, admin, bookings, monkeypatch):
    asked, other = ask(admin, key="1"), ask(admin, key="2")
    in_the_middle(monkeypatch, app, lambda: exports.cancel(exports.get(asked.id), admin))

    assert drain(app) == 1
    assert asked.status is ExportStatus.CANCELLED
    assert asked.done < 7
    assert other.status is ExportStatus.DONE
    assert files_left() == [other.file_name]


def test_one_that_is_cancelled_while_it_waits_is_never_begun(app, admin, bookings):
    asked = ask(admin)
    exports.cancel(asked, admin)

    assert drain(app) == 0
    assert asked.status is ExportStatus.CANCELLED
    assert files_left() == []


def test_cancelling_at_the_last_moment_leaves_no_file(app, admin, bookings, monkeypatch):
    asked = ask(admin)
    in_the_middle(monkeypatch, app, lambda: exports.cancel(exports.get(asked.id), admin), after=4)
    monkeypatch.setattr(exporting._Log, "add", lambda log, rows: None)

    assert drain(app) == 0
    assert asked.status is ExportStatus.CANCELLED
    assert files_left() == []


def test_what_is_finished_cannot_be_cancelled(app, admin, bookings):
    asked = ask(admin)
    drain(app)

    with pytest.raises(errors.InvalidTransition):
        exports.cancel(asked, admin)


def test_a_writer_that_was_replaced_stops_and_the_file_of_the_other_stays(app, admin, bookings, monkeypatch):
    asked = ask(admin)

    def replace():
        # Without the lock, which is another process's own.
        assert exporting._drain(app, GO_ON, "another leader") == 1

    in_the_middle(monkeypatch, app, replace)

    assert drain(app, "leader") == 0
    assert (asked.status, asked.holder) == (ExportStatus.DONE, "another leader")
    assert files_left() == [asked.file_name]
    assert len(read(exports.download(asked, admin))) == 7
    assert len(db.session.scalars(select(Notification)).all()) == 1


def test_a_writer_does_not_take_back_what_another_is_writing(app, admin, bookings, monkeypatch):
    asked = ask(admin)

    def take():
        assert exports.claim("another leader").id == asked.id

    in_the_middle(monkeypatch, app, take)

    assert drain(app, "leader") == 0
    assert (asked.status, asked.holder) == (ExportStatus.RUNNING, "another leader")


def test_two_drains_of_a_process_make_one_file(app, admin, bookings, monkeypatch):
    asked = ask(admin)
    counts = []
    in_the_middle(monkeypatch, app, lambda: counts.append(exporting.drain(app, GO_ON, "leader")))

    assert drain(app) == 1
    assert counts == [0]
    assert files_left() == [asked.file_name]


def test_the_next_leader_begins_anew_what_a_dead_one_left(app, admin, bookings):
    asked = ask(admin)
    task = exports.claim("dead leader")
    exports.progress(task, 4, 7)
    left = exports.folder() / f"{exports.new_file_name(task)}.part"
    left.write_text("half a fi")

    assert drain(app, "leader") == 1
    assert (asked.status, asked.holder, asked.done) == (ExportStatus.DONE, "leader", 7)
    assert files_left() == [asked.file_name]
    assert not exports.finish(task, 4, "its file", 9)


def test_a_process_that_ends_leaves_its_export_to_the_next(app, admin, bookings, monkeypatch):
    asked, stop = ask(admin), threading.Event()
    in_the_middle(monkeypatch, app, stop.set)

    assert drain(app, stop=stop) == 0
    assert (asked.status, asked.holder, asked.done) == (ExportStatus.WAITING, None, 0)
    assert files_left() == []
    assert drain(app, "next leader") == 1


@pytest.mark.parametrize(
    "error, fault",
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (PermissionError(errno.EACCES, "Permission denied"), "unwritable"),
        (RuntimeError("a bug"), "broken"),
    ],
)
def test_an_export_that_fails_says_why_and_the_next_goes_on(app, admin, bookings, monkeypatch, caplog, error, fault):
    first, second = ask(admin, key="1"), ask(admin, key="2")
    sync, failed = exporting.os.fsync, []

    def full(descriptor):
        if not failed:
            failed.append(descriptor)
            raise error
        sync(descriptor)

    monkeypatch.setattr(exporting.os, "fsync", full)

    assert drain(app) == 1
    assert (first.status, first.error) == (ExportStatus.FAILED, fault)
    assert exports.FAULTS[fault]
    assert second.status is ExportStatus.DONE
    assert files_left() == [second.file_name]
    kinds = [note.kind for note in db.session.scalars(select(Notification).order_by(Notification.id))]
    assert kinds == ["export_failed", "export_ready"]
    assert "failed" in caplog.text


# -- Downloading and keeping ------------------------------------------------------------------


def test_only_admins_download_and_it_is_audited(app, admin, customer, bookings):
    asked = ask(admin)
    with pytest.raises(errors.InvalidTransition):
        exports.download(asked, admin)
    drain(app)

    with pytest.raises(errors.NotAllowed):
        exports.download(asked, customer)
    exports.download(asked, admin)
    acts = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert acts == ["request_export", "download_export"]


def test_a_file_is_kept_seven_days(app, admin, bookings, frozen):
    asked = ask(admin)
    drain(app)
    frozen.shift(timedelta(days=7) - timedelta(seconds=1))
    assert exports.purge("2026-11-30", 0).count == 0
    assert exports.download(asked, admin)
    frozen.shift(timedelta(seconds=1))

    with pytest.raises(errors.NotFound):
        exports.download(asked, admin)
    assert exports.purge("2026-11-30", 0) == (1, None)
    assert files_left() == []
    assert exports.purge("2026-12-01", 0) == (0, None)


def test_the_purge_goes_on_where_it_was(app, admin, bookings, frozen, monkeypatch):
    asked = [ask(admin, key=f"key {n}") for n in range(3)]
    drain(app)
    frozen.shift(timedelta(days=7))
    monkeypatch.setattr(exports, "PURGED_IN_A_STEP", 2)

    assert exports.purge("2026-11-30", 0) == (2, asked[1].id)
    assert exports.purge("2026-11-30", asked[1].id) == (1, None)
    assert files_left() == []


def test_the_purge_removes_files_that_no_export_knows_but_none_that_is_being_written(app, admin, bookings):
    done = ask(admin, key="1")
    drain(app)
    ask(admin, key="2")
    task = exports.claim("leader")
    written = f"{exports.new_file_name(task)}.part"
    for name in (written, "999-stray.csv", f"{done.id}-older.csv"):
        (exports.folder() / name).touch()

    assert exports.purge("2026-11-30", 0).count == 2
    assert files_left() == sorted([done.file_name, written])


def test_a_file_that_somebody_removed_by_hand_is_gone(app, admin, bookings):
    asked = ask(admin)
    drain(app)
    (exports.folder() / asked.file_name).unlink()

    with pytest.raises(errors.NotFound):
        exports.download(asked, admin)


def test_what_never_was_is_not_found(app):
    with pytest.raises(errors.NotFound):
        exports.get(999)
