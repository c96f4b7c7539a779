"""The professional's pages of their scorecard: the arithmetic, how they stand, and an appeal."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import appeals, clock, pauses
from extensions import db
from models import Status
from models_lifecycle import Appeal, SickDay
from tests import factories

WORDS = "I was in hospital, and told every customer."
PAGE = "/professional/scorecard"
DAY = timedelta(1)


@pytest.fixture
def silent(customer, professional):
    """Of six requests one was accepted."""
    for n, verb in enumerate(["accept", *["reject"] * 5]):
        booking = factories.booking(
            customer, professional, status=Status.CLOSED, starts_at=factories.at(9, days=20 + n)
        )
        factories.happened(booking, verb, professional, clock.now() - n * timedelta(hours=1))
    return professional.professional


@pytest.fixture
def judge():
    def judge():
        pauses.judge("2026-11-23", 0)
        db.session.commit()

    return judge


@pytest.fixture
def warned(silent, judge):
    judge()
    return silent


@pytest.fixture
def paused(warned, judge, frozen):
    frozen.shift(7 * DAY)
    judge()
    return warned


@pytest.fixture
def browser(as_, professional):
    return as_(professional)


def kept():
    return db.session.scalars(select(Appeal).order_by(Appeal.id)).all()


def test_without_any_work_nothing_is_judged(browser, professional):
    text = browser.get(PAGE).text
    assert text.count("Too few to judge") == 4
    assert "Nothing stands against you" in text
    assert "No reviews in these days." in text


def test_the_numbers_with_their_arithmetic_and_limits(browser, silent, customer):
    text = browser.get(PAGE).text
    assert "16%" in text
    assert "1 of 6 requests accepted" in text
    assert "At least 50% is needed. It is judged from 5 on." in text
    assert "Below the limit" in text
    assert "A number is below its limit: you are warned before anything happens." in text
    assert text.count("Declined") == 5
    assert "DS-10001" in text
    assert "within 15 minutes of the agreed start" in text


def test_each_booking_named_leads_to_its_page(browser, silent):
    assert 'href="/professional/jobs/1"' in browser.get(PAGE).text
    assert browser.get("/professional/jobs/1").status_code == 200


def test_sick_days_are_named(browser, silent, admin):
    db.session.add(SickDay(professional_id=silent.id, day=clock.today(), marked_by_id=admin.id, marked_at=clock.now()))
    db.session.commit()
    text = browser.get(PAGE).text
    assert "Sick days are left out:" in text
    assert "Mon 23 Nov" in text
    assert "0 of 0" not in text


def test_fifty_are_listed_and_the_rest_counted(browser, professional, customer):
    for n in range(53):
        booking = factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(9, days=20))
        factories.happened(booking, "accept" if n else "reject", professional, clock.now())
    text = browser.get(PAGE).text
    assert "And 3 more." in text
    assert "52 of 53 requests accepted" in text
    # What counts against them is never among the rest.
    assert "Declined" in text


def test_a_warning_says_why_until_when_and_what_to_do(browser, warned):
    text = browser.get(PAGE).text
    assert "You were warned on Monday 23 November, 9:00 am" in text
    assert "If it is still below the limit on Monday 30 November, 9:00 am" in text
    assert "Answer each request in time" in text
    assert "An appeal made by then holds the pause off until it is answered." in text
    assert "Your scorecard is below a limit." in browser.get("/professional-dashboard").text


def test_a_pause_says_since_when_and_how_it_ends(browser, paused):
    text = browser.get(PAGE).text
    assert "You get no new requests since Monday 30 November, 9:00 am" in text
    assert "This is because of: Acceptance." in text
    assert "holds the pause off" not in text
    assert "You get no new requests for now." in browser.get("/professional-dashboard").text
    assert "Paused by the site" in browser.get("/professional/hours").text


def test_the_notification_has_the_arithmetic(browser, warned):
    assert "You accepted 1 of 6 requests: 16%, and at least 50% is needed." in browser.get("/notifications").text


def test_it_is_in_the_navigation_and_on_the_dashboard(browser, professional):
    assert browser.get("/professional-dashboard").text.count(f'href="{PAGE}"') >= 2


def test_an_appeal_is_sent_and_shown(browser, warned):
    assert "Appeal against the warning" in browser.get(f"{PAGE}/appeal").text
    text = browser.post(f"{PAGE}/appeal", data={"words": WORDS}, follow_redirects=True).text
    assert "Your appeal is with us. You read the answer here." in text
    assert "Until then there is no pause." in text
    assert WORDS in text
    assert [one.words for one in kept()] == [WORDS]


def test_against_a_pause_too(browser, paused):
    assert "Appeal against the pause" in browser.get(f"{PAGE}/appeal").text
    text = browser.post(f"{PAGE}/appeal", data={"words": WORDS}, follow_redirects=True).text
    assert "Until then there is no pause." not in text


def test_a_second_appeal_waits_for_the_first(browser, warned, professional):
    appeals.begin(warned, professional, WORDS)
    db.session.commit()
    for answer in (browser.get(f"{PAGE}/appeal"), browser.post(f"{PAGE}/appeal", data={"words": WORDS})):
        assert answer.status_code == 409
        assert "Your appeal is with us already." in answer.text
    assert len(kept()) == 1


def test_without_a_warning_there_is_nothing_to_appeal_against(browser, professional):
    for answer in (browser.get(f"{PAGE}/appeal"), browser.post(f"{PAGE}/appeal", data={"words": WORDS})):
        assert answer.status_code == 409
        assert "There is no warning or pause to appeal against." in answer.text
    assert kept() == []


@pytest.mark.parametrize("words", ["", "too short", "x" * 2001])
def test_words_that_do_not_do_stay_in_the_form(browser, warned, words):
    answer = browser.post(f"{PAGE}/appeal", data={"words": words})
    assert answer.status_code == 422
    assert "Write 10 to 2000 characters." in answer.text
    assert words in answer.text
    assert kept() == []


def test_the_answer_is_read_there(browser, warned, professional, admin):
    appeals.refuse(appeals.begin(warned, professional, WORDS), admin, "Nobody was told <b>that</b>.")
    db.session.commit()
    text = browser.get(PAGE).text
    assert "Not granted" in text
    assert "Nobody was told &lt;b&gt;that&lt;/b&gt;." in text
    assert 'href="/professional/scorecard/appeal"' in text
    assert "Your appeal is not granted: Nobody was told" in browser.get("/notifications").text


def test_nobody_sees_the_scorecard_of_another(as_, other_professional, warned):
    text = as_(other_professional).get(PAGE).text
    assert "DS-10001" not in text
    assert "Nothing stands against you" in text


@pytest.mark.parametrize("who", ["customer", "admin"])
def test_only_professionals_have_one(request, as_, who):
    browser = as_(request.getfixturevalue(who))
    assert browser.get(PAGE).status_code == 403
    assert browser.post(f"{PAGE}/appeal", data={"words": WORDS}).status_code == 403


def test_who_is_not_approved_has_none_yet(as_, unapproved_professional):
    assert as_(unapproved_professional).get(PAGE).location == "/professional-dashboard"


def test_the_page_asks_at_most_eight_questions(browser, paused, count_queries):
    with count_queries() as seen:
        browser.get(PAGE)
    assert seen.count <= 8
