"""The admin's pages of disputes: which wait, what each side says, and the decision."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import disputes
from extensions import db
from models import Booking, Status
from models_lifecycle import Outcome, Refund
from tests import factories

WORDS = "The tap still drips, and the tile is broken."
ANSWER = "It was dry when I left, I tried it."


@pytest.fixture
def disputed(customer, professional):
    booking = factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))
    booking.paid = 0
    disputes.begin(booking, customer, WORDS)
    db.session.commit()
    return booking


@pytest.fixture
def answered(disputed, professional):
    disputes.answer(disputed, professional, ANSWER)
    db.session.commit()
    return disputed


def path(booking, verb=""):
    return f"/admin/disputes/{booking.id}{verb}"


def outcome(booking):
    db.session.refresh(booking)
    return booking.status, booking.dispute.outcome


def test_the_list_shows_who_waits_for_whom(as_, admin, disputed, frozen, professional):
    client = as_(admin)
    text = client.get("/admin/disputes").text
    assert disputed.reference in text
    assert "Waits for the professional" in text
    frozen.shift(timedelta(hours=49))
    text = client.get("/admin/disputes").text
    assert "Waits for the professional" not in text
    assert "by Mon 30 Nov" in text
    frozen.shift(timedelta(days=6))
    assert "Late" in client.get("/admin/disputes").text


def test_twenty_are_on_a_page_the_oldest_first(as_, admin, customer, professional):
    made = [factories.booking(customer, professional, status=Status.DISPUTED) for _ in range(21)]
    client = as_(admin)
    first = client.get("/admin/disputes").text
    assert made[0].reference in first
    assert made[20].reference not in first
    following = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert made[20].reference in client.get(following).text


def test_an_empty_list_says_what_will_be_there(as_, admin):
    client = as_(admin)
    assert "No open disputes" in client.get("/admin/disputes").text
    assert "Nothing decided yet" in client.get("/admin/disputes?show=decided").text
    assert client.get("/admin/disputes?after=nonsense").status_code == 422


def test_the_navigation_counts_open_disputes(as_, admin, disputed):
    text = as_(admin).get("/admin-dashboard").text
    assert 'Disputes<span data-count="admin_disputes.disputes"> <span class="count">1</span></span>' in text


def test_a_page_says_everything(as_, admin, answered, customer, professional):
    text = as_(admin).get(path(answered)).text
    for words in (WORDS, ANSWER, customer.name, professional.name, customer.phone, professional.phone, "is due"):
        assert words in text
    for verb in ("rework", "refund", "dismiss"):
        assert path(answered, f"/{verb}") in text


def test_until_the_answer_there_is_nothing_to_decide(as_, admin, disputed):
    client = as_(admin)
    text = client.get(path(disputed)).text
    assert "can answer until" in text
    assert path(disputed, "/refund") not in text
    for verb in ("rework", "refund", "dismiss"):
        for method in ("get", "post"):
            answer = getattr(client, method)(path(disputed, f"/{verb}"))
            assert answer.status_code == 409
            assert "wait until" in answer.text


@pytest.mark.parametrize("verb", ["", "/rework", "/refund", "/dismiss"])
def test_a_booking_without_a_dispute_has_no_such_page(as_, admin, customer, professional, verb):
    booking = factories.booking(customer, professional, status=Status.CLOSED)
    assert as_(admin).get(path(booking, verb)).status_code == 404


def test_a_part_is_refunded(as_, admin, answered):
    client = as_(admin)
    total = answered.total
    assert "a professional gives it back by hand" in client.get(path(answered, "/refund")).text
    data = {"amount": "100.50", "reason": "A part of it is missing."}
    text = client.post(path(answered, "/refund"), data=data, follow_redirects=True).text
    assert "A refund of ₹100.50." in text
    assert "A part of it is missing." in text
    assert "Decided by Gita Iyer." in text
    assert outcome(answered) == (Status.CLOSED, Outcome.REFUND)
    assert answered.total == total - 10_050
    assert "a refund of ₹100.50" in client.get(f"/admin/bookings/{answered.id}").text
    assert answered.reference in client.get("/admin/disputes?show=decided").text
    assert client.get("/admin/audit").status_code == 200


@pytest.mark.parametrize(
    ("amount", "words"),
    [("", "Enter an amount."), ("0", "up to what"), ("-5", "such as"), ("999999", "up to what"), ("NaN", "such as")],
)
def test_an_amount_that_does_not_do_is_refused(as_, admin, answered, amount, words):
    answer = as_(admin).post(path(answered, "/refund"), data={"amount": amount, "reason": "It is broken."})
    assert answer.status_code == 422
    assert words in answer.text
    assert outcome(answered) == (Status.DISPUTED, None)
    assert db.session.query(Refund).count() == 0


@pytest.mark.parametrize("verb", ["rework", "refund", "dismiss"])
def test_a_decision_without_a_reason_is_refused(as_, admin, answered, verb):
    data = {"amount": "10", "starts_at": factories.at(11, days=1).isoformat(), "reason": " "}
    answer = as_(admin).post(path(answered, f"/{verb}"), data=data)
    assert answer.status_code == 422
    assert "Give a reason" in answer.text
    assert outcome(answered) == (Status.DISPUTED, None)


def test_a_dispute_is_dismissed(as_, admin, answered):
    client = as_(admin)
    assert WORDS in client.get(path(answered, "/dismiss")).text
    data = {"reason": "The photos show another tap."}
    text = client.post(path(answered, "/dismiss"), data=data, follow_redirects=True).text
    assert "No refund." in text
    assert outcome(answered) == (Status.CLOSED, Outcome.DISMISSED)


def test_work_is_booked_again_at_a_free_time(as_, admin, answered):
    client = as_(admin)
    tomorrow = factories.at(11, days=1)
    page = client.get(path(answered, "/rework"), query_string={"day": tomorrow.date().isoformat()}).text
    assert tomorrow.isoformat() in page
    data = {"starts_at": tomorrow.isoformat(), "reason": "Do the joint again."}
    text = client.post(path(answered, "/rework"), data=data, follow_redirects=True).text
    again = db.session.scalars(select(Booking).where(Booking.rework_of_id == answered.id)).one()
    assert again.reference in text
    assert "Decided: the work is done again" in text
    assert again.starts_at == tomorrow
    assert f"/admin/bookings/{again.id}" in text
    assert "Booked again, for nothing" in client.get(f"/admin/bookings/{again.id}").text


def test_a_time_that_was_just_taken_is_refused(as_, admin, answered, other_customer, professional):
    tomorrow = factories.at(11, days=1)
    factories.booking(other_customer, professional, status=Status.ACCEPTED, starts_at=tomorrow)
    data = {"starts_at": tomorrow.isoformat(), "reason": "Do the joint again."}
    answer = as_(admin).post(path(answered, "/rework"), data=data)
    assert answer.status_code == 409
    assert outcome(answered) == (Status.DISPUTED, None)


def test_two_admins_decide_once(as_, admin, answered):
    first, second = as_(admin), as_(factories.admin())
    assert first.post(path(answered, "/dismiss"), data={"reason": "It is fine."}).status_code == 302
    answer = second.post(path(answered, "/refund"), data={"amount": "10", "reason": "Some of it."})
    assert answer.status_code == 409
    assert outcome(answered) == (Status.CLOSED, Outcome.DISMISSED)
