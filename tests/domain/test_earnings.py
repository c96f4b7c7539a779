"""What a professional earned, and what their record says."""

from datetime import date, timedelta

import pytest

from domain import bookings, clock, disputes, earnings, ledger, no_shows, scorecards
from domain.earnings import Reckoning, Total
from extensions import db
from models import Status
from tests import factories

TODAY = date(2026, 11, 23)


@pytest.fixture
def finish(customer, professional):
    """finish(days, hour) is a closed job of so many days from today that earned 499.00."""
    service = factories.service("Tap repair", base_price=49_900)

    def finish(days=0, hour=8, **values):
        return factories.booking(
            customer,
            professional,
            **{
                "status": Status.CLOSED,
                "service": service,
                "starts_at": factories.at(hour, days=days),
                **values,
            },
        )

    return finish


def test_without_jobs_nothing_is_earned(professional, count_queries):
    with count_queries() as seen:
        summary = earnings.summary(professional.id)
    assert seen.count == 1
    assert (summary.today, summary.week, summary.month) == (0, 0, 0)
    assert summary.days == tuple((TODAY - timedelta(n), 0) for n in range(6, -1, -1))


def test_the_day_the_week_and_the_month_are_those_of_the_site(finish, professional):
    finish(0, hour=0)
    finish(-1, hour=23)
    finish(-6)
    finish(-7)
    finish(-22, hour=0)
    finish(-23, hour=23)
    summary = earnings.summary(professional.id)
    assert summary.today == 49_900
    assert summary.week == 49_900, "today is a Monday"
    assert summary.month == 5 * 49_900
    assert [amount for _day, amount in summary.days] == [0 if n not in (0, 5, 6) else 49_900 for n in range(7)]


def test_a_week_that_began_in_another_month_counts_whole(finish, professional, frozen):
    frozen.move_to(factories.at(9, days=8))
    assert clock.today() == date(2026, 12, 1)
    finish(-1)
    finish(0)
    summary = earnings.summary(professional.id)
    assert (summary.week, summary.month) == (2 * 49_900, 49_900)


@pytest.mark.parametrize("status", [one for one in Status if one not in (Status.COMPLETED, Status.CLOSED)])
def test_only_finished_jobs_earn(finish, professional, status):
    finish(status=status)
    assert earnings.summary(professional.id).month == 0
    assert earnings.total(professional.id, TODAY, TODAY).jobs == 0


def test_a_total_says_what_is_still_owed(finish, professional):
    paid, owed = finish(0), finish(0, hour=7)
    paid.paid = paid.total
    db.session.commit()
    total = earnings.total(professional.id, TODAY, TODAY)
    assert (total.jobs, total.earned, total.due) == (2, 2 * 49_900, owed.total)


def test_both_ends_of_a_range_are_included(finish, professional):
    for days in (-3, -2, -1, 0):
        finish(days)
    first, last = TODAY - timedelta(2), TODAY - timedelta(1)
    assert earnings.total(professional.id, first, last).jobs == 2
    assert len(list(db.session.scalars(earnings.jobs(professional.id, first, last)))) == 2


def test_what_others_earn_is_theirs(finish, other_professional):
    finish()
    assert earnings.total(other_professional.id, TODAY, TODAY).earned == 0


def test_a_new_professional_has_no_record(professional):
    assert scorecards.of(professional.professional) == scorecards.Scorecard(None, None)


def test_the_record_says_how_often_and_how_fast(finish, professional):
    worker = professional.professional
    worker.offers_answered, worker.offers_accepted = 3, 2
    asked = clock.now() - timedelta(days=1)
    for hour, minutes in ((7, 2), (8, 4), (9, 600)):
        finish(hour=hour, created_at=asked, accepted_at=asked + timedelta(minutes=minutes))
    assert scorecards.of(worker) == scorecards.Scorecard(acceptance_percent=67, answer_minutes=4)


def test_commission_and_late_fees_are_told_apart_by_service(finish, customer, professional, frozen):
    finish(0, commission=1000)
    roof = factories.service("Roof repair", base_price=90_000)
    finish(0, hour=6, service=roof, commission=1250)
    late = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11), service=roof)
    frozen.shift(timedelta(minutes=6))
    bookings.cancel(late, customer)
    services = earnings.by_service(professional.id, TODAY, TODAY)
    assert list(services) == ["Roof repair", "Tap repair"]
    assert services["Roof repair"].earned == 90_000 - 11_250 + late.total
    total = earnings.total(professional.id, TODAY, TODAY)
    assert (total.jobs, total.worth, total.commission, total.fees) == (2, 139_900, 4_990 + 11_250, late.total)
    assert earnings.summary(professional.id).today == total.earned


def test_all_that_was_earned_is_what_the_ledger_credited(finish, customer, professional, admin, frozen):
    """To the paisa: odd prices, refunds beyond the work, late fees, no-shows and disputes."""
    odd = (33_333, 1250, 0), (10_001, 777, 3_333), (49_900, 1, 49_900), (7, 5000, 1), (99_999, 0, 0)
    for price, rate, back in odd:
        job = finish(status=Status.IN_PROGRESS, service=factories.service(base_price=price), commission=rate)
        bookings.complete(job, professional)
        if back:
            disputes.begin(job, customer, "The tap drips again.")
            disputes.answer(job, professional, "It was dry when I left.")
            disputes.refund(job, admin, "It does", back)
    disputes.begin(job, customer, "The tap drips again.")
    agreed = {"status": Status.ACCEPTED, "commission": 900}
    late = factories.booking(customer, professional, starts_at=factories.at(11), **agreed)
    absent = factories.booking(customer, professional, starts_at=factories.at(8), **agreed)
    no_shows.knock(absent, professional)
    no_shows.report(absent, professional)
    frozen.shift(timedelta(minutes=6))
    bookings.cancel(late, customer)
    total = earnings.total(professional.id, date(2026, 1, 1), TODAY)
    assert total.disputed == 99_999
    assert total.fees == late.total + absent.total
    assert total.earned + total.disputed == -ledger.balance(ledger.professional(professional.id))


def test_what_is_in_dispute_is_not_counted_as_earned(finish, professional):
    finish(status=Status.DISPUTED, commission=1000)
    assert earnings.total(professional.id, TODAY, TODAY) == Total(disputed=44_910, due=60_652)


def test_a_range_takes_one_query_however_long(finish, professional, count_queries):
    finish(0)
    finish(-300)
    with count_queries() as seen:
        assert earnings.total(professional.id, date(2020, 1, 1), TODAY).jobs == 2
    assert seen.count == 1


def test_the_calculator_rounds_half_up_and_begins_with_their_hours(professional):
    assert earnings.weekly_minutes(professional.id) == 6 * 9 * 60
    assert earnings.reckon(30_000, 40 * 60, 1250) == Reckoning(1_200_000, 5_200_000, 1_050_000, 4_550_000)
    assert earnings.reckon(1, 30, 0) == Reckoning(week=1, month=2, week_net=1, month_net=2)
    assert earnings.reckon(0, 0, 10_000) == Reckoning(0, 0, 0, 0)


def test_who_has_no_hours_works_none(customer):
    assert earnings.weekly_minutes(customer.id) == 0
