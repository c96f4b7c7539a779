"""The admin's pages of conduct: appeals, scorecards, sick days, and the end of a pause."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import appeals, clock, pauses
from extensions import db
from models import AuditEntry, Professional, Status
from models_lifecycle import Appeal, SickDay
from tests import factories

WORDS = "I was in hospital, and told every customer."
DAY = timedelta(1)


@pytest.fixture
def warned(customer, professional):
    for n in range(6):
        booking = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(9, days=20))
        factories.happened(booking, "reject", professional, clock.now() - n * timedelta(hours=1))
    pauses.judge("2026-11-23", 0)
    db.session.commit()
    return professional.professional


@pytest.fixture
def paused(warned, frozen):
    frozen.shift(7 * DAY)
    pauses.judge("2026-11-30", 0)
    db.session.commit()
    return warned


@pytest.fixture
def appeal(warned, professional):
    appeal = appeals.begin(warned, professional, WORDS)
    db.session.commit()
    return appeal


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


def standing(work):
    db.session.expire_all()
    found = db.session.get(Professional, work.id)
    return bool(found.warned_at), bool(found.suspended_at)


def acts():
    return [entry.action for entry in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def marked():
    return sorted(day.isoformat() for day in db.session.scalars(select(SickDay.day)))


def page_of(work, verb="scorecard"):
    return f"/admin/professionals/{work.id}/{verb}"


# -- Appeals ----------------------------------------------------------------------------------


def test_without_appeals_there_is_nothing_to_answer(browser):
    assert "Nothing to answer" in browser.get("/admin/appeals").text
    assert "No appeals" in browser.get("/admin/appeals?show=answered").text


def test_what_waits_is_listed_and_counted_in_the_navigation(browser, appeal):
    text = browser.get("/admin/appeals").text
    assert "Dev Menon" in text
    assert "Acceptance" in text
    assert f'href="/admin/appeals/{appeal.id}"' in text
    assert "Dev Menon" not in browser.get("/admin/appeals?show=answered").text


def test_twenty_are_on_a_page_the_oldest_first(browser):
    people = [factories.professional(name=f"Person No{n:02}") for n in range(21)]
    for person in people:
        db.session.add(Appeal(professional_id=person.id, words=WORDS, created_at=clock.now()))
    db.session.commit()
    text = browser.get("/admin/appeals").text
    assert "Person No00" in text
    assert "Person No20" not in text
    after = text.partition("after=")[2].partition('"')[0]
    assert "Person No20" in browser.get(f"/admin/appeals?after={after}").text


def test_the_scorecard_stands_beside_the_words(browser, appeal):
    text = browser.get(f"/admin/appeals/{appeal.id}").text
    assert WORDS in text
    assert "0 of 6 requests accepted" in text
    assert 'href="/admin/bookings/1"' in text
    assert "paused from Monday 30 November, 9:00 am on if it gets no better" in text


def test_granting_ends_the_warning(browser, appeal, warned, as_, professional):
    text = browser.post(
        f"/admin/appeals/{appeal.id}/grant", data={"answer": "We saw the letter."}, follow_redirects=True
    ).text
    assert "Granted: nothing stands against them" in text
    assert standing(warned) == (False, False)
    assert acts() == ["grant_appeal"]
    text = browser.get("/admin/appeals?show=answered").text
    assert "Dev Menon" in text
    assert "Granted" in text
    assert "We saw the letter." in as_(professional).get("/professional/scorecard").text
    assert "Granted an appeal" in browser.get(f"/admin/people/{professional.id}").text


def test_refusing_leaves_it(browser, appeal, warned):
    browser.post(f"/admin/appeals/{appeal.id}/refuse", data={"answer": "Nobody was told."})
    assert standing(warned) == (True, False)
    assert acts() == ["refuse_appeal"]
    assert "Nobody was told." in browser.get(f"/admin/appeals/{appeal.id}").text


@pytest.mark.parametrize("verb", ["grant", "refuse"])
@pytest.mark.parametrize("answer", ["", "   ", "x" * 501])
def test_an_answer_is_needed_and_stays_in_the_form(browser, appeal, warned, verb, answer):
    page = browser.post(f"/admin/appeals/{appeal.id}/{verb}", data={"answer": answer})
    assert page.status_code == 422
    assert "Please check the form" in page.text
    assert answer.strip() in page.text
    assert standing(warned) == (True, False)


@pytest.mark.parametrize("verb", ["grant", "refuse"])
def test_what_was_answered_is_not_answered_again(browser, appeal, warned, verb):
    browser.post(f"/admin/appeals/{appeal.id}/refuse", data={"answer": "No."})
    page = browser.post(f"/admin/appeals/{appeal.id}/{verb}", data={"answer": "Yes."})
    assert page.status_code == 409
    assert "This appeal was answered already." in page.text
    assert acts() == ["refuse_appeal"]


def test_an_unknown_appeal(browser):
    assert browser.get("/admin/appeals/99").status_code == 404
    assert browser.post("/admin/appeals/99/grant", data={"answer": "Yes."}).status_code == 404


@pytest.mark.parametrize("who", ["customer", "professional", "other_professional"])
def test_only_admins_come_here(request, as_, appeal, warned, who):
    browser = as_(request.getfixturevalue(who))
    for path in ("/admin/appeals", f"/admin/appeals/{appeal.id}", page_of(warned)):
        assert browser.get(path).status_code == 403
    assert browser.post(f"/admin/appeals/{appeal.id}/grant", data={"answer": "Yes."}).status_code == 403
    assert browser.post(page_of(warned, "sick-days"), data={"first": "2026-11-23"}).status_code == 403
    assert browser.post(page_of(warned, "end-pause"), data={"reason": "Please"}).status_code == 403
    assert standing(warned) == (True, False)
    assert marked() == []


# -- One professional -------------------------------------------------------------------------


def test_the_person_page_leads_to_the_scorecard(browser, warned, professional):
    text = browser.get(f"/admin/people/{professional.id}").text
    assert f'href="{page_of(warned)}"' in text
    assert "Warned" in text


def test_the_scorecard_of_a_professional(browser, warned):
    text = browser.get(page_of(warned)).text
    assert "Scorecard of Dev Menon" in text
    assert "0 of 6 requests accepted" in text
    assert "Because of: Acceptance." in text
    assert "End the pause" not in text


def test_nobody_else_has_a_scorecard(browser, customer):
    assert browser.get(f"/admin/professionals/{customer.id}/scorecard").status_code == 404
    data = {"first": "2026-11-23"}
    assert browser.post(f"/admin/professionals/{customer.id}/sick-days", data=data).status_code == 404


def test_sick_days_are_marked_and_taken_back(browser, warned, professional):
    days = {"first": "2026-11-22", "last": "2026-11-23"}
    text = browser.post(page_of(warned, "sick-days"), data=days, follow_redirects=True).text
    assert "2 days are left out." in text
    assert "Sunday 22 November" in text
    assert "No requests to answer in these days." in text
    assert marked() == ["2026-11-22", "2026-11-23"]
    data = {"day": "2026-11-23"}
    text = browser.post(page_of(warned, "sick-days/remove"), data=data, follow_redirects=True).text
    assert "The day counts again." in text
    assert marked() == ["2026-11-22"]
    assert acts() == ["mark_sick", "unmark_sick"]
    trail = browser.get(f"/admin/people/{professional.id}").text
    assert "22 Nov 2026 – 23 Nov 2026" in " ".join(trail.split())


@pytest.mark.parametrize(
    "days, words",
    [
        ({}, "Choose a day."),
        ({"first": "yesterday"}, "Please check the form"),
        ({"first": "2026-11-23", "last": "2026-11-22"}, "The last day is before the first."),
        ({"first": "2026-10-01"}, "Choose a day of the last 30 days"),
        ({"first": "2027-11-23"}, "Choose days up to 30 days ahead."),
    ],
)
def test_days_that_cannot_be_marked(browser, warned, days, words):
    answer = browser.post(page_of(warned, "sick-days"), data=days)
    assert answer.status_code == 422
    assert words in answer.text
    assert marked() == []


def test_twice_is_refused(browser, warned):
    data = {"first": "2026-11-23"}
    assert browser.post(page_of(warned, "sick-days"), data=data).status_code == 302
    answer = browser.post(page_of(warned, "sick-days"), data=data)
    assert answer.status_code == 422
    assert "These days are marked already." in answer.text
    assert browser.post(page_of(warned, "sick-days/remove"), data={"day": "2026-11-23"}).status_code == 302
    assert browser.post(page_of(warned, "sick-days/remove"), data={"day": "2026-11-23"}).status_code == 404
    assert browser.post(page_of(warned, "sick-days/remove"), data={"day": "nonsense"}).status_code == 422


def test_a_pause_is_ended_with_a_reason(browser, paused, professional):
    assert "Paused by the site" in browser.get(f"/admin/people/{professional.id}").text
    assert "End the pause" in browser.get(page_of(paused)).text
    assert "End the pause of Dev Menon" in browser.get(page_of(paused, "end-pause")).text
    assert browser.post(page_of(paused, "end-pause"), data={"reason": ""}).status_code == 422
    assert standing(paused) == (True, True)
    text = browser.post(page_of(paused, "end-pause"), data={"reason": "We talked."}, follow_redirects=True).text
    assert "Dev Menon can get new requests again." in text
    assert standing(paused) == (False, False)
    assert acts() == ["end_pause"]


def test_what_is_not_paused_is_not_ended(browser, warned):
    for answer in (
        browser.get(page_of(warned, "end-pause")),
        browser.post(page_of(warned, "end-pause"), data={"reason": "We talked."}),
    ):
        assert answer.status_code == 409
        assert "The site has not paused this professional" in answer.text
    assert standing(warned) == (True, False)


def test_the_pages_ask_at_most_eight_questions(browser, paused, professional, count_queries):
    appeal = appeals.begin(paused, professional, WORDS)
    db.session.commit()
    for path in ("/admin/appeals", f"/admin/appeals/{appeal.id}", page_of(paused), f"/admin/people/{paused.id}"):
        with count_queries() as seen:
            browser.get(path)
        assert seen.count <= 8, path
