"""The four numbers of thirty days: what counts, what does not, and the arithmetic."""

from datetime import timedelta

import pytest

from domain import bookings, clock, measures, no_shows, proposals, reviews, scorecards, sick_days
from domain.measures import Measure
from extensions import db
from models import BookingOffer, OfferStatus, Status
from tests import factories

MINUTE, HOUR, DAY, SECOND = timedelta(minutes=1), timedelta(hours=1), timedelta(1), timedelta(seconds=1)


@pytest.fixture
def count(professional):
    """count("acceptance") is (good, of) and what each item was, the oldest first."""

    def count(measure, person=professional):
        db.session.expire_all()
        found = scorecards.card(person.professional)[Measure(measure)]
        return found.good, found.of, [item.what for item in reversed(found.items)]

    return count


@pytest.fixture
def asked(customer, professional):
    """asked(days=2) is a request for a day from today, at 11:00."""

    def asked(days=1, hour=11, **values):
        return factories.booking(customer, professional, starts_at=factories.at(hour, days=days), **values)

    return asked


@pytest.fixture
def agreed(asked, professional):
    """agreed(days=2) is a job that the professional accepted just now."""

    def agreed(days=1, **values):
        booking = asked(days, **values)
        bookings.accept(booking, professional)
        return booking

    return agreed


@pytest.fixture
def done(agreed, professional, frozen):
    """done(booking, late=20) is a job that was begun so many minutes late, and completed an hour on."""

    def done(booking=None, late=0, knock=None):
        booking = booking or agreed()
        if knock is not None:
            frozen.move_to(booking.starts_at + knock * MINUTE)
            no_shows.knock(booking, professional)
        frozen.move_to(booking.starts_at + late * MINUTE)
        bookings.start(booking, professional, bookings.start_code(booking, booking.customer))
        frozen.shift(HOUR)
        bookings.complete(booking, professional)
        return booking

    return done


# -- Acceptance -------------------------------------------------------------------------------


def test_answers_and_silence_count(asked, professional, frozen, count):
    bookings.accept(asked(2), professional)
    frozen.shift(MINUTE)
    bookings.reject(asked(3), professional, "Away")
    silent = asked(4)
    assert count("acceptance") == (1, 2, ["accepted", "declined"])
    frozen.move_to(silent.respond_by)
    assert count("acceptance") == (1, 3, ["accepted", "declined", "expired"])
    bookings.expire_due()
    assert count("acceptance") == (1, 3, ["accepted", "declined", "expired"])


def test_a_request_that_still_waits_or_that_the_customer_took_back_does_not_count(asked, customer, frozen, count):
    asked(2)
    frozen.shift(MINUTE)
    bookings.cancel(asked(3), customer)
    assert count("acceptance") == (0, 0, [])


def test_what_was_accepted_stays_so_when_the_customer_cancels(agreed, customer, count):
    bookings.cancel(agreed(), customer)
    assert count("acceptance") == (1, 1, ["accepted"])
    assert count("completion") == (0, 0, [])


def test_an_offer_to_several_counts_for_who_answers(customer, professional, other_professional, frozen, count):
    booking = factories.booking(customer, None)
    factories.offered(booking, professional, other_professional)
    bookings.reject(booking, other_professional, "Away")
    assert count("acceptance", other_professional) == (0, 1, ["declined"])
    assert count("acceptance") == (0, 0, [])
    frozen.shift(MINUTE)
    bookings.accept(booking, professional)
    assert count("acceptance") == (1, 1, ["accepted"])
    assert count("acceptance", other_professional) == (0, 1, ["declined"])


def test_who_was_second_is_not_blamed(customer, professional, other_professional, count):
    booking = factories.booking(customer, None)
    factories.offered(booking, professional, other_professional)
    bookings.accept(booking, professional)
    assert count("acceptance", other_professional) == (0, 0, [])


def test_silence_to_an_offer_counts_for_each(customer, professional, other_professional, frozen, count):
    booking = factories.booking(customer, None)
    factories.offered(booking, professional, other_professional)
    frozen.move_to(booking.respond_by)
    assert count("acceptance") == (0, 1, ["expired"])
    bookings.expire_due()
    db.session.commit()
    assert count("acceptance") == (0, 1, ["expired"])
    assert count("acceptance", other_professional) == (0, 1, ["expired"])


def test_who_proposes_another_time_has_answered(asked, professional, frozen, count):
    booking = asked(2)
    proposals.propose(booking, professional, factories.at(15, days=2))
    frozen.move_to(booking.respond_by)
    assert count("acceptance") == (0, 0, [])
    bookings.expire_due()
    assert booking.status is Status.EXPIRED
    assert count("acceptance") == (0, 0, [])


def test_a_declined_proposal_leaves_the_request_to_be_answered(asked, professional, customer, frozen, count):
    booking = asked(2)
    proposal = proposals.propose(booking, professional, factories.at(15, days=2))
    proposals.decline(booking, customer, proposal.id)
    frozen.move_to(booking.respond_by)
    assert count("acceptance") == (0, 1, ["expired"])


@pytest.mark.parametrize("by_professional", [True, False])
def test_agreeing_to_a_time_of_a_request_accepts_it(asked, professional, customer, count, by_professional):
    booking = asked(2)
    proposer, other = (professional, customer) if by_professional else (customer, professional)
    proposal = proposals.propose(booking, proposer, factories.at(15, days=2))
    proposals.agree(booking, other, proposal.id)
    assert booking.status is Status.ACCEPTED
    assert count("acceptance") == (1, 1, ["accepted"])


def test_each_of_a_cascade_answers_for_himself(customer, professional, other_professional, frozen, count):
    booking = factories.booking(customer, professional, cascade=True)
    frozen.shift(MINUTE)
    bookings.reject(booking, professional, "Away")
    assert booking.professional_id == other_professional.id
    assert count("acceptance") == (0, 1, ["declined"])
    assert count("acceptance", other_professional) == (0, 0, [])
    frozen.shift(MINUTE)
    bookings.accept(booking, other_professional)
    assert count("acceptance") == (0, 1, ["declined"])
    assert count("acceptance", other_professional) == (1, 1, ["accepted"])


def test_silence_before_and_after_a_cascade(customer, professional, other_professional, frozen, count):
    starts_at = factories.at(11, days=3)
    booking = factories.booking(
        customer, professional, cascade=True, starts_at=starts_at, respond_by=starts_at - 2 * DAY
    )
    frozen.move_to(booking.respond_by)
    bookings.expire_due()
    assert booking.professional_id == other_professional.id
    assert count("acceptance") == (0, 1, ["expired"])
    assert count("acceptance", other_professional) == (0, 0, [])
    frozen.move_to(booking.respond_by)
    bookings.expire_due()
    assert booking.status is Status.EXPIRED
    assert count("acceptance") == (0, 1, ["expired"])
    assert count("acceptance", other_professional) == (0, 1, ["expired"])


# -- Completion -------------------------------------------------------------------------------


def test_completed_cancelled_and_absent(agreed, done, professional, customer, frozen, count):
    later, missed = agreed(3), agreed(2)
    done(agreed(1))
    bookings.cancel(later, professional, "Ill")
    assert count("completion") == (1, 2, ["completed", "cancelled"])
    frozen.move_to(missed.starts_at + 30 * MINUTE)
    no_shows.report(missed, customer)
    assert count("completion") == (1, 3, ["completed", "cancelled", "absent"])


def test_a_cancelled_job_counts_from_when_it_was_cancelled(agreed, professional, frozen, count):
    bookings.cancel(agreed(20), professional, "Ill")
    assert count("completion") == (0, 1, ["cancelled"])
    frozen.shift(30 * DAY)
    assert count("completion") == (0, 0, [])


def test_what_customers_and_admins_end_counts_nowhere(agreed, customer, admin, professional, frozen, count):
    bookings.cancel(agreed(1), customer)
    bookings.cancel(agreed(2), admin, "The house is closed")
    nobody = agreed(3)
    frozen.move_to(nobody.starts_at)
    no_shows.knock(nobody, professional)
    frozen.shift(30 * MINUTE)
    no_shows.report(nobody, professional)
    assert count("completion") == (0, 0, [])


def test_a_job_that_is_not_over_does_not_count(agreed, professional, frozen, count):
    booking = agreed()
    frozen.move_to(booking.starts_at)
    bookings.start(booking, professional, bookings.start_code(booking, booking.customer))
    assert count("completion") == (0, 0, [])


@pytest.mark.parametrize("for_any", [True, False])
def test_a_cancelled_job_that_went_on_to_another(customer, professional, other_professional, frozen, count, for_any):
    booking = factories.booking(
        customer, None if for_any else professional, cascade=True, starts_at=factories.at(11, days=3)
    )
    if for_any:
        factories.offered(booking, professional)
    frozen.shift(MINUTE)
    bookings.accept(booking, professional)
    frozen.shift(MINUTE)
    bookings.cancel(booking, professional, "Ill")
    assert booking.status is Status.PENDING
    frozen.shift(MINUTE)
    bookings.accept(booking, other_professional)
    db.session.commit()
    assert count("acceptance") == (1, 1, ["accepted"])
    assert count("completion") == (0, 1, ["cancelled"])
    assert count("acceptance", other_professional) == (1, 1, ["accepted"])
    assert count("completion", other_professional) == (0, 0, [])


def test_an_absence_after_which_somebody_else_was_asked(customer, professional, other_professional, frozen, count):
    booking = factories.booking(customer, professional, starts_at=factories.at(11, days=1), cascade=True)
    bookings.accept(booking, professional)
    frozen.move_to(booking.starts_at + 30 * MINUTE)
    no_shows.report(booking, customer)
    assert count("completion") == (0, 1, ["absent"])
    # As a cascade leaves it.
    db.session.add(
        BookingOffer(
            booking_id=booking.id,
            professional_id=professional.id,
            position=1,
            status=OfferStatus.ACCEPTED,
            created_at=booking.created_at,
        )
    )
    factories.happened(booking, "cascade", None, clock.now(), Status.NO_SHOW)
    booking.professional_id = other_professional.id
    db.session.commit()
    assert count("completion") == (0, 1, ["absent"])
    assert count("completion", other_professional) == (0, 0, [])


def test_a_job_that_an_admin_gave_to_somebody_else(
    agreed, professional, other_professional, admin, customer, frozen, count
):
    booking = agreed(2)
    bookings.reassign(booking, admin, other_professional.id, "Nearer")
    assert count("completion") == (0, 0, [])
    frozen.move_to(booking.starts_at + 30 * MINUTE)
    no_shows.report(booking, customer)
    assert count("completion") == (0, 0, [])
    assert count("completion", other_professional) == (0, 1, ["absent"])
    assert count("acceptance", other_professional) == (0, 0, [])


# -- Punctuality ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "late, knock, expected",
    [
        (-30, None, (1, 1, ["on_time"])),
        (15, None, (1, 1, ["on_time"])),
        (16, None, (0, 1, ["late"])),
        (45, 15, (1, 1, ["on_time"])),
        (45, 16, (0, 1, ["late"])),
        (45, -15, (1, 1, ["on_time"])),
    ],
)
def test_within_fifteen_minutes_of_the_agreed_start(done, count, late, knock, expected):
    done(late=late, knock=knock)
    assert count("punctuality") == expected


def test_a_second_too_late_is_late(agreed, professional, frozen, count):
    booking = agreed()
    frozen.move_to(booking.starts_at + 15 * MINUTE + SECOND)
    bookings.start(booking, professional, bookings.start_code(booking, booking.customer))
    assert count("punctuality") == (0, 1, ["late"])
    late = scorecards.card(professional.professional)[Measure.PUNCTUALITY].items[0]
    assert late.figure == 15


def test_setting_off_is_not_being_there(agreed, professional, frozen, done, count):
    booking = agreed()
    frozen.move_to(booking.starts_at - HOUR)
    bookings.depart(booking, professional)
    done(booking, late=40)
    assert count("punctuality") == (0, 1, ["late"])


def test_waiting_at_the_door_of_nobody_is_punctual(agreed, professional, frozen, count):
    booking = agreed()
    frozen.move_to(booking.starts_at)
    no_shows.knock(booking, professional)
    assert count("punctuality") == (0, 0, [])
    frozen.shift(30 * MINUTE)
    no_shows.report(booking, professional)
    assert count("punctuality") == (1, 1, ["on_time"])


def test_who_did_not_come_at_all_counts_once(agreed, customer, frozen, count):
    booking = agreed()
    frozen.move_to(booking.starts_at + 30 * MINUTE)
    no_shows.report(booking, customer)
    assert count("punctuality") == (0, 0, [])
    assert count("completion") == (0, 1, ["absent"])


def test_a_start_without_the_code_says_nothing_of_when_they_came(agreed, admin, professional, frozen, count):
    booking = agreed()
    frozen.move_to(booking.starts_at + 40 * MINUTE)
    bookings.override_code(booking, admin, "The customer's phone is broken")
    assert count("punctuality") == (0, 0, [])


def test_a_start_without_the_code_in_time_or_after_a_knock_is_punctual(agreed, admin, professional, frozen, count):
    booking, second = agreed(1), agreed(2)
    frozen.move_to(booking.starts_at + 5 * MINUTE)
    bookings.override_code(booking, admin, "The customer's phone is broken")
    frozen.move_to(second.starts_at)
    no_shows.knock(second, professional)
    frozen.shift(40 * MINUTE)
    bookings.override_code(second, admin, "The customer's phone is broken")
    assert count("punctuality") == (2, 2, ["on_time", "on_time"])


def test_a_moved_job_is_measured_by_its_new_time(agreed, professional, customer, done, count):
    booking = agreed(2)
    proposal = proposals.propose(booking, customer, factories.at(15, days=2))
    proposals.agree(booking, professional, proposal.id)
    done(booking, late=10)
    assert count("punctuality") == (1, 1, ["on_time"])


# -- Rating -----------------------------------------------------------------------------------


def test_the_mean_of_the_visible_reviews(done, agreed, customer, admin, professional, count):
    jobs = [agreed(day) for day in (1, 2, 3)]
    written = [reviews.write(done(job), customer, stars, "So so") for job, stars in zip(jobs, (5, 2, 1), strict=True)]
    assert count("rating") == (8, 3, ["reviewed"] * 3)
    reviews.hide(written[2], admin, "Rude")
    assert count("rating") == (7, 2, ["reviewed"] * 2)
    assert scorecards.card(professional.professional)[Measure.RATING].value == 3.5


# -- Thirty days ------------------------------------------------------------------------------


def test_thirty_days_to_the_second(agreed, done, customer, frozen, professional, count):
    made = clock.now()
    booking = done(agreed(1), late=20)
    reviews.write(booking, customer, 4, "Good")
    written = clock.now()
    frozen.move_to(made + 30 * DAY - SECOND)
    assert count("acceptance")[1] == 1
    frozen.move_to(made + 30 * DAY)
    assert count("acceptance")[1] == 0
    assert count("completion")[1] == count("punctuality")[1] == 1
    frozen.move_to(booking.starts_at + 30 * DAY - SECOND)
    assert count("completion")[1] == count("punctuality")[1] == 1
    frozen.move_to(booking.starts_at + 30 * DAY)
    assert count("completion")[1] == count("punctuality")[1] == 0
    frozen.move_to(written + 30 * DAY - SECOND)
    assert count("rating")[1] == 1
    frozen.move_to(written + 30 * DAY)
    assert count("rating")[1] == 0


def test_what_is_forgiven_counts_no_more(agreed, professional, frozen, count):
    bookings.cancel(agreed(1), professional, "Ill")
    professional.professional.counts_from = clock.now()
    db.session.commit()
    assert count("completion") == (0, 0, [])
    frozen.shift(SECOND)
    bookings.cancel(agreed(2), professional, "Ill again")
    assert count("completion") == (0, 1, ["cancelled"])


# -- Sick days --------------------------------------------------------------------------------


def test_a_job_of_a_sick_day_does_not_count(agreed, professional, admin, count):
    booking = agreed(2)
    bookings.cancel(booking, professional, "Ill")
    assert count("completion") == (0, 1, ["cancelled"])
    sick_days.mark(professional.professional, admin, clock.local(booking.starts_at).date())
    assert count("completion") == (0, 0, [])
    # It was accepted for the sick day, on a day that was none: the day of the job decides.
    assert count("acceptance") == (0, 0, [])


def test_what_was_not_answered_on_a_sick_day_does_not_count(asked, professional, admin, frozen, count):
    booking = asked(9)
    frozen.move_to(booking.respond_by)
    assert count("acceptance") == (0, 1, ["expired"])
    sick_days.mark(professional.professional, admin, clock.today())
    assert count("acceptance") == (0, 0, [])
    sick_days.unmark(professional.professional, admin, clock.today())
    assert count("acceptance") == (0, 1, ["expired"])


@pytest.mark.parametrize("hour, minute, counted", [(23, 59, 1), (0, 0, 0), (0, 1, 0)])
def test_a_sick_day_begins_at_midnight_of_the_site(asked, professional, admin, frozen, count, hour, minute, counted):
    # 23:59 at the site is 18:29 UTC of the same date, and 0:01 is 18:31 UTC of the date before.
    sick_days.mark(professional.professional, admin, clock.today() + DAY)
    booking = asked(5)
    frozen.move_to(factories.at(hour, minute, days=0 if hour else 1))
    bookings.reject(booking, professional, "Away")
    assert count("acceptance")[1] == counted


# -- Judging ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "good, bad, below",
    [(0, 4, False), (0, 5, True), (2, 3, True), (5, 5, False), (3, 3, False), (49, 51, True), (1, 3, False)],
)
def test_fifty_percent_of_at_least_five_requests(app, good, bad, below):
    items = [scorecards.Item(1, "Tap", clock.now(), "accepted", n < good) for n in range(good + bad)]
    assert scorecards.Count(Measure.ACCEPTANCE, tuple(items)).below is below


@pytest.mark.parametrize(
    "stars, below", [((3, 3, 3, 3, 3), False), ((3, 3, 3, 3, 2), True), ((1, 1, 1, 1), False), ((5, 5, 1, 1, 1), True)]
)
def test_three_stars_of_at_least_five_reviews(app, stars, below):
    items = [scorecards.Item(1, "Tap", clock.now(), "reviewed", n >= 3, n) for n in stars]
    assert scorecards.Count(Measure.RATING, tuple(items)).below is (below and len(stars) >= 5)


@pytest.mark.parametrize(
    "measure, figures, words",
    [
        ("acceptance", (2, 6, 50), "You accepted 2 of 6 requests: 33%, and at least 50% is needed."),
        ("punctuality", (139, 200, 70), "You were on time for 139 of 200 jobs: 69%, and at least 70% is needed."),
        ("completion", (4, 5, 80), "You completed 4 of 5 agreed jobs: 80%, and at least 80% is needed."),
        ("rating", (14, 5, 3.0), "5 reviews gave you 14 stars together: 2.8 on average, and at least 3 is needed."),
        ("rating", (299, 100, 3.0), "100 reviews gave you 299 stars together: 2.99 on average"),
    ],
)
def test_the_arithmetic_in_words(app, measure, figures, words):
    assert measures.arithmetic(Measure(measure), *figures).startswith(words)


# -- Many -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 40])
def test_three_queries_whatever_the_history(customer, professional, other_professional, count_queries, number):
    for n in range(number):
        job = factories.booking(
            customer, professional, status=Status.CLOSED, starts_at=factories.at(11, days=-20) + n * 2 * HOUR
        )
        for verb, by in (("accept", professional), ("start", professional), ("complete", professional)):
            factories.happened(job, verb, by, job.starts_at)
        factories.review(job)
    people = [professional.professional, other_professional.professional]
    with count_queries() as seen:
        cards = scorecards.cards(people)
    assert seen.count == 3
    assert [count.of for count in cards[professional.id].counts] == [number] * 4
    assert [count.of for count in cards[other_professional.id].counts] == [0] * 4


def test_the_cheap_one_still_costs_one(professional, count_queries):
    worker = professional.professional
    with count_queries() as seen:
        scorecards.of(worker)
    assert seen.count == 1


def test_the_numbers_of_everybody_agree_with_those_of_each(customer, professional, other_professional, frozen):
    for person in (professional, other_professional):
        bookings.reject(factories.booking(customer, person), person, "Away")
    both = scorecards.cards([professional.professional, other_professional.professional])
    assert both[professional.id] == scorecards.card(professional.professional)
    assert both[professional.id][Measure.ACCEPTANCE].of == both[other_professional.id][Measure.ACCEPTANCE].of == 1


def test_bookings_without_any_steps_say_nothing(customer, professional):
    factories.booking(customer, professional, status=Status.CLOSED, starts_at=factories.at(11, days=-1))
    assert [count.of for count in scorecards.card(professional.professional).counts] == [0, 0, 0, 0]
