"""The professional's pages of another time: propose, answer, take back, and what shows where."""

from datetime import timedelta

import pytest

from domain import bookings, proposals
from extensions import db
from models import BookingOffer, Status
from models_lifecycle import ProposalStatus
from tests import factories


@pytest.fixture
def browser(as_, professional):
    return as_(professional)


@pytest.fixture
def job(customer, professional):
    """An accepted job of tomorrow, Tuesday, at 11:00."""
    return factories.booking(customer, professional, status=Status.ACCEPTED)


@pytest.fixture
def request_(customer, professional):
    """A request of Wednesday at 11:00."""
    return factories.booking(customer, professional, starts_at=factories.at(11, days=2))


@pytest.fixture
def wished(job, customer):
    """What the customer proposes: tomorrow at 15:00."""
    made = proposals.propose(job, customer, factories.at(15, days=1), "I am held up at work.")
    db.session.commit()
    return made


def page_of(booking, tail=""):
    return f"/professional/jobs/{booking.id}{tail}"


def answer(browser, proposal, verb, **form):
    return browser.post(f"/professional/jobs/{proposal.booking_id}/proposals/{proposal.id}/{verb}", data=form)


def text_of(page):
    return page.text.replace("\u202f", " ")


@pytest.mark.parametrize("which", ["job", "request_"])
def test_a_job_and_a_request_lead_to_the_free_times(browser, request, which, count_queries):
    booking = request.getfixturevalue(which)
    assert f'href="/professional/jobs/{booking.id}/propose"' in browser.get(page_of(booking)).text
    with count_queries() as seen:
        page = browser.get(page_of(booking, "/propose"))
    assert page.status_code == 200
    assert "until Asha Rao agrees to another" in page.text
    assert seen.count <= 8


def test_proposing_on_a_request_makes_it_wait_for_the_customer(browser, request_):
    sent = {"starts_at": factories.at(15, days=2).isoformat(), "note": "I am far away in the morning."}
    response = browser.post(page_of(request_, "/propose"), data=sent)
    assert response.status_code == 303
    page = text_of(browser.get(response.location))
    assert "Proposed. The time stays as it is until the customer agrees." in page
    assert "You proposed another time" in page
    assert "Accept, and the time stays as it is: Wed 25 Nov, 11:00 am." in page
    listed = text_of(browser.get("/professional/requests"))
    assert "You proposed Wed 25 Nov, 3:00 pm" in listed
    # It is not the professional's turn.
    assert 'class="count"' not in listed


@pytest.mark.parametrize(("hour", "words"), [(11, "the time it has now"), (20, "does not work")])
def test_a_refused_proposal_keeps_what_was_typed(browser, job, hour, words):
    sent = {"starts_at": factories.at(hour, days=1).isoformat(), "note": "Kept"}
    response = browser.post(page_of(job, "/propose"), data=sent)
    assert response.status_code == 422
    assert words in response.text
    assert "Kept" in response.text


def test_a_time_at_which_the_customer_is_busy_is_refused(browser, job, customer, other_professional):
    factories.booking(customer, other_professional, starts_at=factories.at(15, days=1))
    response = browser.post(page_of(job, "/propose"), data={"starts_at": factories.at(15, days=1).isoformat()})
    assert response.status_code == 422
    assert "The customer has another booking at that time." in response.text


def test_what_is_on_offer_to_several_has_no_other_time(browser, customer, professional):
    offered = factories.booking(customer, None)
    db.session.add(
        BookingOffer(
            booking_id=offered.id, professional_id=professional.id, position=1, created_at=offered.created_at
        )
    )
    db.session.commit()
    assert "Propose another time" not in browser.get(page_of(offered)).text
    assert browser.get(page_of(offered, "/propose")).status_code == 403


def test_both_times_stand_side_by_side(browser, job, wished):
    page = text_of(browser.get(page_of(job)))
    assert "Asha Rao proposes another time" in page
    assert "Tuesday 24 November<br>11:00 am – 12:15 pm" in page
    assert "Tuesday 24 November<br>3:00 pm – 4:15 pm" in page
    assert "I am held up at work." in page
    assert "Answer by today, 9:00 pm." in page
    for verb in ("Agree to the new time", "Propose another time", "Decline the new time"):
        assert verb in page


def test_agreeing_moves_the_job(browser, job, wished):
    response = answer(browser, wished, "agree")
    assert response.status_code == 303
    page = text_of(browser.get(response.location))
    assert "Agreed. The job is at the new time now." in page
    assert "Tomorrow, 3:00 pm – 4:15 pm" in page
    assert job.starts_at == factories.at(15, days=1)


def test_declining_and_taking_back(browser, job, wished, professional):
    page = browser.get(answer(browser, wished, "decline", note="Sorry.").location).text
    assert "Declined. The time stays as it was; the customer has been told." in page
    assert wished.status is ProposalStatus.DECLINED
    mine = proposals.propose(job, professional, factories.at(16, days=1))
    db.session.commit()
    page = browser.get(answer(browser, mine, "withdraw").location).text
    assert "Taken back. The time stays as it was." in page


@pytest.mark.parametrize("verb", ["agree", "decline"])
def test_a_late_click_shows_the_page_as_it_is_now(browser, job, wished, customer, verb):
    bookings.cancel(job, customer)
    db.session.commit()
    response = answer(browser, wished, verb)
    assert response.status_code == 409
    assert "the booking is now “Cancelled”" in response.text
    assert "proposes another time" not in response.text


def test_a_lapsed_wish_is_neither_shown_nor_counted(browser, job, wished, frozen):
    frozen.shift(timedelta(hours=12))
    for page in ("/professional-dashboard", "/professional/requests", page_of(job)):
        assert "another time" not in browser.get(page).text.replace("Propose another time", "")
    assert answer(browser, wished, "agree").status_code == 409


@pytest.mark.parametrize("page", ["/professional-dashboard", "/professional/requests"])
def test_what_waits_for_the_professional_is_on_top_and_counted(browser, job, wished, request_, page, count_queries):
    with count_queries() as seen:
        text = text_of(browser.get(page))
    assert "Customers who would like another time" in text
    assert "Asha Rao would like tomorrow, 3:00 pm" in text
    assert '<span class="count">2</span>' in text
    assert seen.count <= 8


def test_a_wish_on_a_request_shows_on_its_card(browser, request_, customer):
    proposals.propose(request_, customer, factories.at(15, days=2))
    db.session.commit()
    for page in ("/professional-dashboard", "/professional/requests"):
        assert "Wed 25 Nov, 3:00 pm is proposed: waits for your answer" in text_of(browser.get(page))


def test_a_request_that_waited_for_the_customer_does_not_blame_the_professional(
    browser, request_, professional, frozen
):
    request_.respond_by = factories.at(12)
    proposals.propose(request_, professional, factories.at(15, days=2))
    db.session.commit()
    frozen.move_to(request_.respond_by)
    for settle in (lambda: 0, bookings.expire_due):
        settle()
        db.session.commit()
        page = browser.get(page_of(request_)).text
        assert "The customer did not answer your proposal in time" in page


def test_the_story_names_the_times(browser, job, wished, professional):
    proposals.agree(job, professional, wished.id)
    db.session.commit()
    page = text_of(browser.get(page_of(job)))
    assert "Asha Rao proposed Tue 24 Nov, 3:00 pm" in page
    assert "today, 9:00 am · I am held up at work." in page
    assert "You agreed to Tue 24 Nov, 3:00 pm" in page


def test_others_find_nothing(as_, other_professional, job, wished):
    browser = as_(other_professional)
    assert browser.get(page_of(job, "/propose")).status_code == 404
    for verb in ("agree", "decline", "withdraw"):
        assert answer(browser, wished, verb).status_code == 404
