"""The customer's pages of another time: propose, answer, take back, and what shows where."""

from datetime import timedelta

import pytest

from domain import clock, proposals, transitions
from extensions import db
from models import Status
from models_lifecycle import ProposalStatus
from tests import factories

NOTE = "The lift is out of order <b>until</b> noon."


@pytest.fixture
def browser(as_, customer):
    return as_(customer)


@pytest.fixture
def booking(customer, professional):
    """An accepted booking of tomorrow, Tuesday, at 11:00."""
    return factories.booking(customer, professional, status=Status.ACCEPTED)


@pytest.fixture
def proposed(booking, professional):
    """What the professional proposes: tomorrow at 15:00."""
    made = proposals.propose(booking, professional, factories.at(15, days=1), NOTE)
    db.session.commit()
    return made


def page_of(booking, tail=""):
    return f"/bookings/{booking.id}{tail}"


def answer(browser, proposal, verb, **form):
    return browser.post(f"/bookings/{proposal.booking_id}/proposals/{proposal.id}/{verb}", data=form)


# -- Proposing --------------------------------------------------------------------------------


def test_the_booking_links_to_the_free_times(browser, booking):
    assert f'href="/bookings/{booking.id}/propose"' in browser.get(page_of(booking)).text
    page = browser.get(page_of(booking, "/propose"))
    assert page.status_code == 200
    assert "Now: Tuesday 24 November, 11:00" in page.text
    assert "2 more changes of time are possible." in page.text


def test_ones_own_slot_is_not_in_the_way(browser, booking, other_customer, professional):
    factories.booking(other_customer, professional, starts_at=factories.at(14, days=1))
    page = browser.get(page_of(booking, "/propose")).text
    slots = page[page.index('id="slots"') :].replace("\u202f", " ")
    assert '11:30 am<span class="visually-hidden"> taken' not in slots
    assert '2:00 pm<span class="visually-hidden"> taken' in slots


def test_a_chosen_time_is_said_back(browser, booking):
    page = browser.get(page_of(booking, "/propose"), query_string={"starts_at": factories.at(15, days=1).isoformat()})
    assert "New time: Tuesday 24 November, 3:00" in page.text


def test_proposing_leads_back_to_the_booking(browser, booking, customer):
    sent = {"starts_at": factories.at(15, days=1).isoformat(), "note": f" {NOTE} "}
    response = browser.post(page_of(booking, "/propose"), data=sent)
    assert response.status_code == 303
    page = browser.get(response.location).text
    assert "Proposed. The time stays as it is until Dev Menon agrees." in page
    assert "You proposed another time" in page
    assert "The lift is out of order &lt;b&gt;until&lt;/b&gt; noon." in page
    assert "Dev Menon can answer until today, 9:00" in page.replace("\u202f", " ")
    assert "Take it back" in page
    assert "Agree to the new time" not in page
    assert f'href="/bookings/{booking.id}/propose"' not in page


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({}, "Choose a time."),
        ({"starts_at": "soon"}, "Reload the page"),
        ({"hour": 11}, "the time it has now"),
        ({"hour": 20}, "does not work"),
        ({"hour": 15, "note": "x" * 501}, "characters"),
    ],
)
def test_a_refused_proposal_keeps_what_was_typed(browser, booking, form, words):
    form = dict(form)
    if "hour" in form:
        form["starts_at"] = factories.at(form.pop("hour"), days=1).isoformat()
    response = browser.post(page_of(booking, "/propose"), data={"note": "Kept", **form})
    assert response.status_code == 422
    assert words in response.text
    assert form.get("note", "Kept")[:5] in response.text
    assert booking.proposals == []


def test_a_request_is_moved_alone_unless_the_professional_proposed(browser, customer, professional):
    request_ = factories.booking(customer, professional)
    page = browser.get(page_of(request_)).text
    assert "Change the time" in page
    assert "Propose another time" not in page
    proposals.propose(request_, professional, factories.at(15, days=1))
    db.session.commit()
    page = browser.get(page_of(request_)).text
    assert "Agree, and the booking is accepted at the new time." in page
    assert "Propose another time" in page
    assert "The slot is kept for you until then" not in page


def test_what_cannot_move_says_why_on_its_page(browser, customer, professional):
    gone = factories.booking(customer, professional, status=Status.COMPLETED)
    for response in (browser.get(page_of(gone, "/propose")), browser.post(page_of(gone, "/propose"))):
        assert response.status_code == 409
        assert "the booking is now “Completed”" in response.text
        assert "Is everything done?" in response.text


def test_after_two_moves_nothing_is_offered(browser, booking):
    booking.moves = 2
    db.session.commit()
    assert "Propose another time" not in browser.get(page_of(booking)).text
    assert browser.get(page_of(booking, "/propose")).status_code == 409


# -- Answering --------------------------------------------------------------------------------


def test_both_times_stand_side_by_side(browser, booking, proposed, count_queries):
    with count_queries() as seen:
        page = browser.get(page_of(booking)).text.replace("\u202f", " ")
    assert "Dev Menon proposes another time" in page
    assert "Waits for your answer" in page
    assert "Tuesday 24 November<br>11:00 am – 12:15 pm" in page
    assert "Tuesday 24 November<br>3:00 pm – 4:15 pm" in page
    assert "Answer by today, 9:00 pm." in page
    assert "2 more changes of time are possible." in page
    assert seen.count <= 8
    for verb in ("Agree to the new time", "Propose another time", "Decline the new time"):
        assert verb in page


def test_agreeing_moves_the_booking(browser, booking, proposed):
    response = answer(browser, proposed, "agree")
    assert response.status_code == 303
    page = browser.get(response.location).text.replace("\u202f", " ")
    assert "Agreed. This is the time of your booking now." in page
    assert "Tuesday 24 November, 3:00 pm – 4:15 pm" in page
    assert "proposes another time" not in page
    assert booking.starts_at == factories.at(15, days=1)


def test_declining_keeps_the_time(browser, booking, proposed):
    response = answer(browser, proposed, "decline", note="I work then.")
    page = browser.get(response.location).text
    assert "Declined. The time stays as it was; Dev Menon has been told." in page
    assert proposed.status is ProposalStatus.DECLINED
    assert booking.events[-1].reason == "I work then."


def test_a_note_beyond_all_length_changes_nothing(browser, proposed):
    response = answer(browser, proposed, "decline", note="x" * 501)
    assert response.status_code == 422
    assert "under 500 characters" in response.text
    assert proposed.status is ProposalStatus.OPEN


def test_answering_with_another_time(browser, booking, proposed):
    sent = {"starts_at": factories.at(16, days=1).isoformat()}
    assert browser.post(page_of(booking, "/propose"), data=sent).status_code == 303
    assert proposed.status is ProposalStatus.COUNTERED
    assert "You proposed another time" in browser.get(page_of(booking)).text


def test_taking_a_proposal_back(browser, booking, customer):
    mine = proposals.propose(booking, customer, factories.at(15, days=1))
    db.session.commit()
    response = answer(browser, mine, "withdraw")
    page = browser.get(response.location).text
    assert "Taken back. The time stays as it was." in page
    assert "Propose another time" in page


@pytest.mark.parametrize("verb", ["agree", "decline"])
def test_a_late_click_shows_the_page_as_it_is_now(browser, booking, proposed, professional, verb):
    proposals.withdraw(booking, professional, proposed.id)
    db.session.commit()
    response = answer(browser, proposed, verb)
    assert response.status_code == 409
    assert "There is no other time to answer" in response.text
    assert "proposes another time" not in response.text
    assert "Propose another time" in response.text


def test_a_lapsed_proposal_is_neither_shown_nor_answered(browser, booking, proposed, frozen):
    frozen.shift(timedelta(hours=12))
    assert "proposes another time" not in browser.get(page_of(booking)).text
    assert answer(browser, proposed, "agree").status_code == 409


def test_a_time_that_was_taken_meanwhile_is_a_conflict(browser, booking, proposed, other_customer, professional):
    factories.booking(other_customer, professional, starts_at=proposed.starts_at)
    response = answer(browser, proposed, "agree")
    assert response.status_code == 409
    assert "Somebody else has just taken that slot." in response.text
    assert "proposes another time" in response.text
    assert booking.starts_at == factories.at(11, days=1)


def test_another_bookings_proposal_answers_nothing(browser, booking, proposed, customer, professional):
    other = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=3))
    proposals.propose(other, professional, factories.at(15, days=3))
    db.session.commit()
    assert browser.post(f"/bookings/{other.id}/proposals/{proposed.id}/agree").status_code == 409
    assert transitions.open_proposal(booking) is proposed


def test_neighbours_find_nothing(as_, other_customer, booking, proposed):
    browser = as_(other_customer)
    assert browser.get(page_of(booking, "/propose")).status_code == 404
    for verb in ("agree", "decline", "withdraw"):
        assert answer(browser, proposed, verb).status_code == 404


# -- Lists and the timeline -------------------------------------------------------------------


def test_lists_say_what_waits_for_whom(browser, booking, proposed, customer, professional):
    later = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11, days=3))
    proposals.propose(later, customer, factories.at(15, days=3))
    db.session.commit()
    for page in ("/customer-dashboard", "/bookings"):
        text = browser.get(page).text.replace("\u202f", " ")
        assert "Tomorrow, 3:00 pm is proposed: waits for your answer" in text
        assert "You proposed Thu 26 Nov, 3:00 pm" in text
    assert "Another time is proposed" in browser.get("/customer-dashboard").text


def test_the_timeline_tells_the_whole_story(browser, booking, proposed, customer, professional, frozen):
    second = proposals.propose(booking, customer, factories.at(16, days=1), "After school.")
    proposals.decline(booking, professional, second.id)
    third = proposals.propose(booking, customer, factories.at(15, 30, days=1))
    proposals.withdraw(booking, customer, third.id)
    proposals.propose(booking, professional, factories.at(14, days=1))
    frozen.shift(timedelta(hours=12))
    assert proposals.lapse_due() == 1
    db.session.commit()
    page = browser.get(page_of(booking)).text.replace("\u202f", " ")
    story = [
        "Dev Menon proposed Tue 24 Nov, 3:00 pm",
        "You proposed Tue 24 Nov, 4:00 pm",
        "Dev Menon declined Tue 24 Nov, 4:00 pm",
        "You proposed Tue 24 Nov, 3:30 pm",
        "You took back Tue 24 Nov, 3:30 pm",
        "Dev Menon proposed Tue 24 Nov, 2:00 pm",
        "Nobody answered in time: Tue 24 Nov, 2:00 pm",
    ]
    places = [page.index(line) for line in story]
    assert places == sorted(places)
    assert "today, 9:00 am: After school." in page


def test_what_people_were_told_has_the_new_time(browser, booking, proposed):
    page = browser.get("/notifications").text.replace("\u202f", " ")
    assert f"Dev Menon would like {booking.service.name} on Tue 24 Nov, 3:00 pm" in page
    assert "instead of Tue 24 Nov, 11:00 am. Answer by Mon 23 Nov, 9:00 pm." in page
    assert clock.now() < proposed.lapses_at
