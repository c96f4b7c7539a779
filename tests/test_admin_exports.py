"""The Exports page: asking once, watching, cancelling, downloading, and what each says when it can't."""

import re
import threading
from datetime import date, timedelta

import pytest
from sqlalchemy import select

import exporting
from domain import clock, exports
from extensions import db
from models import AuditEntry, Export, ExportKind, ExportStatus, Status
from tests import factories
from tests.csv_files import rows_of

PAGE = "/admin/exports"
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def no_rest(monkeypatch):
    monkeypatch.setattr(exporting, "REST", 0)


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def ready(app, admin, customer, professional):
    """An export of one booking whose file is there."""
    factories.booking(customer, professional, status=Status.CLOSED, remarks="=cmd")
    made = factories.export(admin)
    _drain(app)
    return made


def _drain(app):
    db.session.commit()
    exporting.drain(app, threading.Event(), "leader")
    db.session.expire_all()


def _key(page, action=PAGE):
    form = page.text[page.text.index(f'action="{action}"') :]
    return re.search(r'name="key" value="([^"]+)"', form)[1]


def _all():
    return db.session.scalars(select(Export).order_by(Export.id)).all()


# -- Asking -----------------------------------------------------------------------------------


def test_without_exports_the_page_says_what_they_are_for(browser):
    page = browser.get(PAGE)

    assert "No exports yet" in page.text
    assert "hx-trigger" not in page.text.partition("<main")[2]


def test_an_admin_asks_with_filters(browser, professional):
    service = factories.service()
    sent = {
        "statuses": ["closed", "cancelled"],
        "first": "2026-11-01",
        "last": "2026-11-30",
        "professional": "dev@example.com",
        "service": service.id,
        "excel": "y",
        "key": _key(browser.get(PAGE)),
    }
    answer = browser.post(PAGE, data=sent, follow_redirects=True)

    assert "The export is under way" in answer.text
    for words in ("Closed, Cancelled", "from 1 Nov 2026", "until 30 Nov 2026", "Dev Menon", service.name, "for Excel"):
        assert words in answer.text.partition(">Files<")[2]
    (made,) = _all()
    assert made.excel
    assert set(made.filters) == {"statuses", "first", "last", "professional_id", "service_id"}


def test_a_double_click_asks_once(browser):
    sent = {"statuses": ["closed"], "key": _key(browser.get(PAGE))}

    for _ in range(2):
        assert browser.post(PAGE, data=sent).status_code == 302
    assert len(_all()) == 1
    everything = {"key": _key(browser.get(PAGE), f"{PAGE}/everything")}
    for _ in range(2):
        assert browser.post(f"{PAGE}/everything", data=everything).status_code == 302
    assert [one.kind for one in _all()] == [ExportKind.BOOKINGS, ExportKind.EVERYTHING]


def test_an_old_form_that_asks_for_something_else_is_refused(browser):
    key = _key(browser.get(PAGE))
    browser.post(PAGE, data={"key": key})
    answer = browser.post(PAGE, data={"key": key, "statuses": ["closed"]})

    assert answer.status_code == 422
    assert "This form was sent already" in answer.text
    assert len(_all()) == 1


@pytest.mark.parametrize(
    "typed, said",
    [
        ({"first": "2026-11-30", "last": "2026-11-01"}, "The last day must not be before the first."),
        ({"first": "1066-10-14"}, "Enter a date of this century."),
        ({"first": "yesterday"}, "Enter a date such as"),
        ({"professional": "Nobody at all"}, "No professional has this mail address"),
        ({"statuses": ["nonsense"]}, "Choose one of the list."),
        ({"service": "999999"}, "Choose one of the list."),
    ],
)
def test_bad_filters_are_said_and_what_was_typed_stays(browser, typed, said):
    sent = {"professional": "Asha <b>", "key": "once", "excel": "y", **typed}
    answer = browser.post(PAGE, data=sent)

    assert answer.status_code == 422
    assert said in answer.text
    for name in typed.keys() - {"statuses", "service"}:
        assert f'value="{typed[name]}"' in answer.text
    assert re.search(r'name="excel"[^>]*checked|checked[^>]*name="excel"', answer.text)
    assert 'value="once"' in answer.text
    assert _all() == []


def test_ticked_states_stay_ticked(browser):
    answer = browser.post(PAGE, data={"statuses": ["closed", "no_show"], "last": "never"})

    assert re.findall(r'value="(\w+)" id="statuses-\w+" checked', answer.text) == ["closed", "no_show"]


def test_too_many_at_a_time_are_refused(browser, admin):
    for _ in range(exports.MOST_UNFINISHED):
        factories.export(admin)

    answer = browser.post(f"{PAGE}/everything", data={"key": "one more"})
    assert answer.status_code == 422
    assert "Enough exports are under way" in answer.text


# -- Watching ---------------------------------------------------------------------------------


def test_what_runs_is_asked_after_every_two_seconds(browser, admin):
    export = factories.export(admin, status=ExportStatus.RUNNING, done=250, total=1_000)
    page = browser.get(PAGE).text

    assert f'hx-get="{PAGE}/{export.id}/progress" hx-trigger="every 2s"' in page
    assert re.search(r'<progress[^>]* max="100" value="25"', page)
    assert "250 of 1,000 rows" in page
    assert ">Refresh</a>" in page
    part = browser.get(f"{PAGE}/{export.id}/progress", headers=HTMX)
    assert 'value="25"' in part.text
    assert f"Export {export.id}: 20 % written." in part.text
    assert "HX-Retarget" not in part.headers


def test_the_last_answer_takes_the_place_of_the_row_and_ends_the_asking(browser, ready):
    answer = browser.get(f"{PAGE}/{ready.id}/progress", headers=HTMX)

    assert answer.headers["HX-Retarget"] == f"#export-{ready.id}"
    assert answer.headers["HX-Reswap"] == "outerHTML"
    assert answer.text.strip().startswith("<li") or "<li" in answer.text
    assert "hx-trigger" not in answer.text
    assert "Download" in answer.text
    assert f"Export {ready.id} is ready." in answer.text


def test_without_a_script_progress_is_on_the_page(browser, admin):
    export = factories.export(admin)
    answer = browser.get(f"{PAGE}/{export.id}/progress")

    assert (answer.status_code, answer.location) == (302, PAGE)


def test_nothing_is_asked_after_when_all_is_over(browser, admin, ready):
    factories.export(admin, status=ExportStatus.FAILED, error="disk_full", finished_at=clock.now())
    factories.export(admin, status=ExportStatus.CANCELLED, finished_at=clock.now())
    page = browser.get(PAGE).text.partition("<main")[2]

    assert "hx-trigger" not in page
    assert ">Refresh</a>" not in page
    for words in ("Ready", "1 row", "kept until", "The disk is full", "Cancelled"):
        assert words in page


def test_an_export_of_an_hour_ago_by_another_admin_is_seen_too(browser):
    other = factories.admin(name="Hari Das")
    factories.export(other)

    assert "Hari Das" in browser.get(PAGE).text


def test_a_long_list_has_pages(browser, admin):
    for _ in range(23):
        factories.export(admin, status=ExportStatus.CANCELLED)
    page = browser.get(PAGE)
    following = re.search(r'href="([^"]+)" rel="next"|rel="next" href="([^"]+)"', page.text)

    assert len(re.findall(r'id="export-\d+"', page.text)) == 20
    assert browser.get(following[1] or following[2]).status_code == 200


# -- Cancelling -------------------------------------------------------------------------------


def test_what_waits_can_be_cancelled(browser, admin):
    export = factories.export(admin)
    answer = browser.post(f"{PAGE}/{export.id}/cancel", follow_redirects=True)

    assert "The export is cancelled." in answer.text
    assert db.session.get(Export, export.id).status is ExportStatus.CANCELLED


def test_what_is_finished_cannot_be_cancelled_and_the_page_says_so(browser, ready):
    answer = browser.post(f"{PAGE}/{ready.id}/cancel")

    assert answer.status_code == 409
    assert "finished already" in answer.text
    assert "Download" in answer.text


# -- Downloading ------------------------------------------------------------------------------


def test_a_file_is_downloaded_whole_as_an_attachment_and_kept_nowhere(browser, admin, ready):
    answer = browser.post(f"{PAGE}/{ready.id}/download", headers={"Range": "bytes=0-9"})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f"attachment; filename=bookings-2026-11-23-{ready.id}.csv"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Content-Encoding" not in answer.headers
    assert int(answer.headers["Content-Length"]) == ready.size
    (row,) = rows_of(answer.data)
    assert row["remarks"] == "'=cmd"
    answer.close()
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor_id, entry.subject_id) == ("download_export", admin.id, ready.id)
    assert entry.detail == {"kind": "bookings", "rows": 1}


def test_everything_is_a_zip(app, browser, admin):
    export = factories.export(admin, kind=ExportKind.EVERYTHING)
    _drain(app)
    answer = browser.post(f"{PAGE}/{export.id}/download")

    assert answer.headers["Content-Type"] == "application/zip"
    assert f"everything-2026-11-23-{export.id}.zip" in answer.headers["Content-Disposition"]
    assert answer.data.startswith(b"PK")
    answer.close()


def test_a_link_downloads_nothing(browser, ready):
    assert browser.get(f"{PAGE}/{ready.id}/download").status_code == 405


def test_a_download_needs_the_token(browser, ready):
    browser.csrf = False
    assert browser.post(f"{PAGE}/{ready.id}/download").status_code == 400


@pytest.mark.parametrize("person", ["customer", "professional", "unapproved_professional"])
def test_nobody_else_gets_a_file(request, as_, ready, person):
    client = as_(request.getfixturevalue(person))

    assert client.post(f"{PAGE}/{ready.id}/download").status_code == 403
    assert client.get(PAGE).status_code == 403


def test_a_stranger_is_asked_to_log_in(client, ready):
    answer = client.post(f"{PAGE}/{ready.id}/download")

    assert answer.status_code == 302
    assert "/login" in answer.location


def test_what_is_not_ready_cannot_be_downloaded(browser, admin):
    export = factories.export(admin)
    answer = browser.post(f"{PAGE}/{export.id}/download")

    assert answer.status_code == 409
    assert "not ready yet" in answer.text


def test_what_was_kept_for_seven_days_is_gone(browser, ready, frozen):
    frozen.shift(timedelta(days=7))
    with_page = browser.get(PAGE)
    answer = browser.post(f"{PAGE}/{ready.id}/download")

    assert "File removed" in with_page.text
    assert f"{PAGE}/{ready.id}/download" not in with_page.text
    assert answer.status_code == 404
    assert "Ask for a new one" in answer.text


def test_an_unknown_export_is_not_found(browser):
    for method, path in (("GET", "progress"), ("POST", "cancel"), ("POST", "download")):
        assert browser.open(f"{PAGE}/999/{path}", method=method, headers=HTMX).status_code == 404


# -- Around it --------------------------------------------------------------------------------


def test_the_audit_page_names_what_was_done(browser, ready):
    browser.post(f"{PAGE}/{ready.id}/download").close()
    page = browser.get("/admin/audit").text

    assert "Downloaded an export" in page
    assert f"export {ready.id}" in page


def test_the_admin_reads_of_it_among_the_notifications(browser, ready):
    page = browser.get("/notifications").text

    assert "Your export is ready" in page


def test_the_days_of_the_filter_are_those_of_the_site(app, browser, customer, professional):
    edge = clock.start_of(date(2026, 11, 25))
    factories.booking(customer, professional, status=Status.CLOSED, starts_at=edge, remarks="inside")
    factories.booking(
        customer, professional, status=Status.CLOSED, starts_at=edge - timedelta(minutes=1), remarks="outside"
    )
    browser.post(PAGE, data={"first": "2026-11-25", "last": "2026-11-25", "key": "k"})
    _drain(app)
    answer = browser.post(f"{PAGE}/{_all()[0].id}/download")

    assert [row["remarks"] for row in rows_of(answer.data)] == ["inside"]
    answer.close()
