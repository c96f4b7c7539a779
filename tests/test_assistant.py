"""The help assistant as people meet it: questions in three spellings, steps of a booking, their own bookings."""

import re
from datetime import timedelta

import pytest

from domain import clock
from extensions import db
from models import Status
from models_assistant import OpenQuestion
from tests import factories


def asked(client, question="", **fields):
    answer = client.post("/assistant", data={"question": question, **fields})
    assert answer.status_code == 200, answer.text
    return answer.text


def said(page):
    """What was answered, as words."""
    part = re.search(r'<div class="said" lang="(\w+)">(.*?)</div>\s*</div>', page, re.DOTALL)
    return part[1], " ".join(re.sub(r"<[^>]+>", " ", part[2]).split())


def plan_in(page):
    return re.search(r'id="assistant-plan" name="plan" value="([^"]*)"', page)[1]


@pytest.mark.parametrize(
    ("question", "language", "words"),
    [
        ("how do I cancel my booking?", "en", "late fee of ₹100"),
        ("how do i cancle my bookng", "en", "late fee of ₹100"),
        ("booking cancel kaise karu", "hi", "₹100 का विलंब शुल्क"),
        ("मेरी बुकिंग कैसे रद्द करूँ?", "hi", "₹100 का विलंब शुल्क"),
        ("what is the start code", "en", "code of four digits"),
    ],
)
def test_a_question_is_answered_in_its_language_with_its_source(client, question, language, words):
    page = asked(client, question)
    assert said(page)[0] == language
    assert words in said(page)[1]
    assert 'href="/help/' in page


def test_what_it_does_not_know_it_says_and_the_admin_learns_it_once(client, as_, admin):
    first = "Who won the match on 12 March? Mail me at asha@example.com"
    for text in (first, "who won the match on 13 march? mail me at b@example.com"):
        assert "I do not guess" in asked(client, text)
    question = db.session.query(OpenQuestion).one()
    assert (question.text, question.count) == ("Who won the match on ## March? Mail me at …@…", 2)
    office = as_(admin)
    assert "Who won the match" in office.get("/admin/questions").text
    assert office.post(f"/admin/questions/{question.id}/answered").status_code == 302
    assert "Who won the match" not in office.get("/admin/questions").text
    assert "Who won the match" in office.get("/admin/questions?show=answered").text
    asked(client, "who won the match on 14 march? mail me at c@example.com")
    assert "Who won the match" in office.get("/admin/questions").text
    office.post(f"/admin/questions/{question.id}/answered")
    office.post(f"/admin/questions/{question.id}/open")
    assert "Who won the match" in office.get("/admin/questions").text


def test_prices_are_those_of_the_catalogue(client):
    assert "Tap repair : ₹79, 20 min" in said(asked(client, "what does a tap repair cost"))[1]
    factories.service("Tap repair").base_price = 123_00
    db.session.commit()
    assert "Tap repair : ₹123, 20" in said(asked(client, "nal theek karne ka kitna lagega"))[1]


def test_it_reaches_the_page_where_a_booking_is_confirmed(client, as_, customer, professional):
    page = asked(client, "I need cleaning of my bathroom")
    assert "Which of these do you need?" in said(page)[1]
    page = asked(client, plan=plan_in(page), service="bathroom-deep-cleaning")
    assert "Write your PIN code or city" in said(page)[1]
    page = asked(client, factories.CITY_PIN, plan=plan_in(page))
    assert "When?" in said(page)[1]
    page = asked(client, "tomorrow afternoon", plan=plan_in(page))
    assert professional.user.name if hasattr(professional, "user") else professional.name in said(page)[1]
    link = re.search(r'href="(/book\?[^"]*)"', page)[1].replace("&amp;", "&")
    booking = as_(customer).get(link)
    assert booking.status_code == 200
    assert "Tuesday 24 November, 12:00 pm" in booking.text


def test_one_sentence_can_say_it_all(client, professional):
    page = asked(client, f"bathroom deep cleaning tomorrow morning in {factories.CITY_PIN} please")
    assert "Free then" in said(page)[1] or "Which of these" in said(page)[1]


@pytest.mark.parametrize("question, words", [("book", "Is it one of these?"), ("booking karna hai", "इनमें से")])
def test_one_word_that_may_mean_many_things_is_asked_back(client, question, words):
    page = asked(client, question)
    assert words in said(page)[1]
    page = asked(client, question, about="book")
    assert 'name="plan"' in page


def test_whoever_names_another_service_midway_gets_that_one(client):
    page = asked(client, service="tap-repair")
    page = asked(client, f"book an electrician tomorrow at 5 pm in {factories.CITY_PIN}", plan=plan_in(page))
    assert "Which of these do you need?" in said(page)[1]
    assert "Tap repair" not in said(page)[1]
    page = asked(client, plan=plan_in(page), service="ceiling-fan-installation")
    assert factories.CITY_PIN in said(page)[1], "where was said already"


def test_a_plan_that_was_made_up_is_no_plan(client):
    page = asked(client, "tomorrow", plan="eyJzZXJ2aWNlIjoidGFwLXJlcGFpciJ9.aaa.bbb")
    assert "What do you need?" in said(page)[1]


def test_two_windows_have_two_plans(client, professional):
    first = asked(client, service="bathroom-deep-cleaning")
    second = asked(client, service="tap-repair")
    page = asked(client, plan=plan_in(first), near=factories.CITY_PIN)
    assert "Bathroom deep cleaning" in said(page)[1]
    page = asked(client, plan=plan_in(second), near=factories.CITY_PIN)
    assert "Tap repair" in said(page)[1]


def test_people_hear_of_their_own_bookings_and_of_no_others(client, as_, customer, other_customer, professional, admin):
    factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=clock.now() + timedelta(days=1))
    db.session.commit()
    when = "Tuesday 24 November, 9:00 am"
    assert "Log in" in said(asked(client, "when does my cleaner come?"))[1]
    assert when in said(asked(as_(customer), "when does my cleaner come?"))[1]
    assert "24 नवंबर" in said(asked(as_(customer), "मेरी अगली बुकिंग कब है"))[1]
    assert when in said(asked(as_(professional), "when is my next booking?"))[1]
    for stranger in (other_customer, admin):
        assert "no booking ahead" in said(asked(as_(stranger), "when is my next booking?"))[1]


def test_what_is_owed_is_told_to_who_owes_it(as_, customer, other_customer, professional):
    one = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=clock.now() - timedelta(hours=3))
    db.session.commit()
    assert f"You owe ₹{one.total / 100:.2f}" in said(asked(as_(customer), "what do I owe"))[1].replace(",", "")
    assert "You owe nothing" in said(asked(as_(other_customer), "what do I owe"))[1]


def test_without_a_contact_it_says_where_to_look_and_with_one_how_to_reach_it(client, set_up):
    assert "see the page About" in said(asked(client, "i want to talk to a human"))[1]
    set_up(contact_email="help@example.com", contact_phone="+91 80 1234 5678")
    assert "help@example.com or +91 80 1234 5678" in said(asked(client, "i want to talk to a human"))[1]


def test_a_script_gets_the_answer_alone(client):
    answer = client.post("/assistant", data={"question": "how do I pay?"}, headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert 'hx-swap-oob="true"' in answer.text


@pytest.mark.parametrize("fields", [{}, {"question": "x" * 301}, {"about": "cancelling", "plan": "x" * 1001}])
def test_what_is_no_question_is_refused(client, fields):
    assert client.post("/assistant", data=fields).status_code == 422


def test_whoever_asks_too_much_waits(client, rate_limited):
    answers = [client.post("/assistant", data={"question": "hello"}).status_code for _ in range(31)]
    assert answers[:30] == [200] * 30
    assert answers[30] == 429


@pytest.mark.parametrize("language", ["en", "hi"])
def test_every_article_can_be_read_with_its_numbers(client, language):
    client.post("/language", data={"language": language, "next": "/help"})
    links = re.findall(r'href="(/help/[a-z-]+)"', client.get("/help").text)
    assert len(links) > 30
    for link in links:
        page = client.get(link)
        assert page.status_code == 200
        assert "{" not in page.text.split("<article")[1].split("</article>")[0]
        assert "[[" not in page.text


def test_an_article_that_there_is_not_is_not_found(client):
    assert client.get("/help/nothing").status_code == 404
