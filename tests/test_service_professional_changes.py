"""The professional's pages of what happens when plans change: nobody is at home, or the customer complains."""

from datetime import timedelta

import pytest

from domain import disputes
from extensions import db
from models import Booking, Status
from tests import factories

WORDS = "The tap still drips, and the tile is broken."
ANSWER = "It was dry when I left, I tried it."


@pytest.fixture
def job(customer, professional):
    return factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))


@pytest.fixture
def disputed(customer, professional):
    booking = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))
    disputes.begin(booking, customer, WORDS)
    db.session.commit()
    return booking


def path(booking, verb=""):
    return f"/professional/jobs/{booking.id}{verb}"


# -- Nobody is at home ------------------------------------------------------------------------


def test_a_knock_and_half_an_hour_make_a_no_show(as_, professional, job, frozen):
    client = as_(professional)
    assert "I am at your door" not in client.get(path(job)).text
    frozen.move_to(job.starts_at - timedelta(minutes=15))
    text = client.get(path(job)).text
    assert "I am at your door" in text
    assert "If nobody is there by 11:30 am" in text
    text = client.post(path(job, "/knock"), follow_redirects=True).text
    assert "The customer knows that you are at the door." in text
    assert "was told at 10:45 am" in text
    assert "Nobody is at home" not in text
    frozen.move_to(job.starts_at + timedelta(minutes=30))
    assert "Nobody is at home" in client.get(path(job)).text
    assert "owes ₹100.00" in client.get(path(job, "/no-show")).text
    text = client.post(path(job, "/no-show"), data={"note": "Rang twice."}, follow_redirects=True).text
    assert "the customer has been told" in text
    assert "No-show fee" in text
    assert "You earn" not in text
    assert db.session.get(Booking, job.id).status is Status.NO_SHOW


@pytest.mark.parametrize(("minutes", "words"), [(-20, "too early"), (2, "wait until")])
def test_a_knock_too_early_or_too_soon_after_another_is_refused(as_, professional, job, frozen, minutes, words):
    client = as_(professional)
    frozen.move_to(job.starts_at)
    if minutes > 0:
        client.post(path(job, "/knock"))
    frozen.move_to(job.starts_at + timedelta(minutes=minutes))
    answer = client.post(path(job, "/knock"))
    assert answer.status_code == 409
    assert words in answer.text


def test_without_a_knock_nobody_was_absent(as_, professional, job, frozen):
    frozen.move_to(job.starts_at + timedelta(minutes=30))
    client = as_(professional)
    assert "Nobody is at home" not in client.get(path(job)).text
    for method in ("get", "post"):
        answer = getattr(client, method)(path(job, "/no-show"))
        assert answer.status_code == 409
        assert "Tell the customer first" in answer.text


def test_a_stranger_finds_no_door(as_, other_professional, job):
    client = as_(other_professional)
    for verb in ("/knock", "/no-show", "/answer"):
        assert client.post(path(job, verb)).status_code == 404


# -- The customer complains -------------------------------------------------------------------


def test_a_professional_answers(as_, professional, disputed):
    client = as_(professional)
    text = client.get(path(disputed)).text
    assert WORDS in text
    assert "Answer by Wednesday 25 November, 9:00 am" in text
    assert WORDS in client.get(path(disputed, "/answer")).text
    text = client.post(path(disputed, "/answer"), data={"answer": ANSWER}, follow_redirects=True).text
    assert ANSWER in text
    assert "The site decides by Monday 30 November" in text
    assert "/answer" not in text


@pytest.mark.parametrize("words", ["", "No.", "x" * 2001])
def test_an_answer_that_does_not_do_is_kept_in_the_form(as_, professional, disputed, words):
    answer = as_(professional).post(path(disputed, "/answer"), data={"answer": words})
    assert answer.status_code == 422
    assert "Write 10 to 2000 characters." in answer.text


def test_after_two_days_it_is_too_late_to_answer(as_, professional, disputed, frozen):
    frozen.shift(timedelta(hours=48, seconds=1))
    client = as_(professional)
    text = client.get(path(disputed)).text
    assert "did not answer by" in text
    answer = client.post(path(disputed, "/answer"), data={"answer": ANSWER})
    assert answer.status_code == 409
    assert "time to answer is over" in answer.text


def test_an_answer_is_given_once(as_, professional, disputed):
    client = as_(professional)
    client.post(path(disputed, "/answer"), data={"answer": ANSWER})
    answer = client.post(path(disputed, "/answer"), data={"answer": "And another thing, too."})
    assert answer.status_code == 409
    assert "answered already" in answer.text


def test_a_refund_comes_out_of_what_was_earned(as_, professional, admin, disputed):
    disputes.answer(disputed, professional, ANSWER)
    disputes.refund(disputed, admin, "A third of it is missing.", 10_000)
    db.session.commit()
    client = as_(professional)
    earned = disputed.subtotal - 10_000
    text = client.get(path(disputed)).text
    assert f"You earn ₹{earned // 100}.00" in text
    assert "A third of it is missing." in text
    assert f"₹{earned // 100}.00" in client.get("/professional/earnings").text
    assert f"₹{earned // 100}" in client.get("/professional/history").text


def test_work_that_is_done_again_says_so(as_, professional, admin, disputed):
    disputes.answer(disputed, professional, ANSWER)
    again = disputes.rework(disputed, admin, "Do it again.", factories.at(11, days=1))
    db.session.commit()
    text = as_(professional).get(path(again)).text
    assert f"You do the work of {disputed.reference} again." in text
