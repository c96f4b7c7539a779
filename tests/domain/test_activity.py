"""A month of a customer and of a professional: what counts in it, at the edges too, and who is sent it."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from domain import activity, bookings, earnings, no_shows
from domain.errors import NotFound
from extensions import db
from models import BookingEvent, OutboxMessage, Status
from tests import factories

NOVEMBER, OCTOBER = date(2026, 11, 1), date(2026, 10, 1)
KOLKATA = ZoneInfo("Asia/Kolkata")


def at(month, day, hour=12, minute=0, second=0):
    """A moment on the site's clock in 2026."""
    return datetime(2026, month, day, hour, minute, second, tzinfo=KOLKATA)


def closed(customer, professional, moment, **values):
    """A booking asked for, done and closed within some hours."""
    moments = {"created_at": moment - timedelta(hours=5), "starts_at": moment - timedelta(hours=3)}
    done = {"completed_at": moment - timedelta(hours=1), "closed_at": moment}
    return factories.booking(customer, professional, status=Status.CLOSED, **{**moments, **done, **values})


def cancelled(customer, professional, moment, fee=0, **values):
    values = {"created_at": moment - timedelta(days=1), "starts_at": moment + timedelta(hours=1), **values}
    one = factories.booking(customer, professional, status=Status.CANCELLED, total=fee, **values)
    event = {"verb": "cancel", "from_status": "accepted", "to_status": "cancelled", "at": moment}
    db.session.add(BookingEvent(booking_id=one.id, **event))
    db.session.commit()
    return one


def people(kind):
    wanted = select(OutboxMessage.user_id).where(OutboxMessage.kind == kind).order_by(OutboxMessage.user_id)
    return list(db.session.scalars(wanted))


# -- Months -----------------------------------------------------------------------------------


def test_a_job_reports_on_the_month_before(app):
    assert activity.month_of("2026-11") == OCTOBER
    assert activity.month_of("2027-01") == date(2026, 12, 1)


def test_only_months_that_have_begun_have_a_report(app):
    assert activity.checked(NOVEMBER) == NOVEMBER
    assert activity.neighbours(NOVEMBER) == {"before": OCTOBER, "after": None}
    assert activity.neighbours(OCTOBER)["after"] == NOVEMBER
    for month in (date(2026, 12, 1), date(1999, 12, 1), date(1, 1, 1), date(9999, 12, 1)):
        with pytest.raises(NotFound):
            activity.checked(month)


# -- Customers --------------------------------------------------------------------------------


def test_a_month_counts_what_was_asked_closed_and_called_off_in_it(customer, professional):
    tap = factories.service("Tap repair")
    cleaning = closed(customer, professional, at(10, 10))
    repair = closed(customer, professional, at(10, 12), service=tap)
    cancelled(customer, professional, at(10, 20), fee=10_000, service=tap)
    cancelled(customer, professional, at(10, 21))
    report = activity.report(customer.id, OCTOBER)
    spent = cleaning.total + repair.total + 10_000
    assert report.total == activity.Count(4, 2, 2, spent)
    assert report.fees == 10_000
    assert dict(report.services) == {
        cleaning.service.name: activity.Count(2, 1, 1, cleaning.total),
        "Tap repair": activity.Count(2, 1, 1, repair.total + 10_000),
    }
    assert sum(count.spent for _name, count in report.services) == report.total.spent


def test_the_edges_of_a_month_are_those_of_the_sites_clock(customer, professional):
    closed(customer, professional, at(11, 1, 0, 0))
    closed(customer, professional, at(10, 31, 23, 59, 59), starts_at=at(10, 31, 15))
    assert activity.report(customer.id, OCTOBER).total.closed == 1
    november = activity.report(customer.id, NOVEMBER).total
    assert (november.requested, november.closed) == (0, 1)


def test_what_was_asked_in_one_month_may_be_closed_in_the_next(customer, professional):
    closed(customer, professional, at(11, 2), created_at=at(10, 30))
    assert activity.report(customer.id, OCTOBER).total == activity.Count(requested=1)
    november = activity.report(customer.id, NOVEMBER)
    assert (november.total.requested, november.total.closed) == (0, 1)
    assert [(month.month, count.closed) for month, count in november.months][-2:] == [(10, 0), (11, 1)]


def test_the_six_months_up_to_it_stand_beside_it(customer, professional):
    older = closed(customer, professional, at(6, 15))
    closed(customer, professional, at(5, 15))
    months = activity.report(customer.id, NOVEMBER).months
    assert [month.month for month, _count in months] == [6, 7, 8, 9, 10, 11]
    assert months[0][1].spent == older.total
    assert len(activity.report(customer.id, NOVEMBER, months=12).months) == 12


def test_reviews_are_due_while_they_can_be_written(customer, professional, frozen):
    due = closed(customer, professional, at(11, 20))
    factories.review(closed(customer, professional, at(11, 21)))
    closed(customer, professional, at(10, 20))
    frozen.move_to(at(11, 23, 12))
    report = activity.report(customer.id, NOVEMBER)
    assert list(report.to_review) == [due]
    assert list(activity.report(customer.id, OCTOBER).to_review) == []


def test_a_month_without_anything_is_empty(customer, other_customer, professional):
    closed(other_customer, professional, at(10, 10))
    report = activity.report(customer.id, OCTOBER)
    assert report.is_empty
    assert report.total == activity.Count()
    assert report.services == ()


def test_a_cancellation_through_its_verb_counts_with_its_fee(customer, professional, frozen):
    one = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    frozen.shift(timedelta(minutes=30))
    bookings.cancel(one, customer)
    report = activity.report(customer.id, NOVEMBER)
    assert report.total.cancelled == 1
    assert report.fees == one.total > 0


def test_what_went_from_one_professional_to_the_next_is_called_off_once(customer, professional, other_professional):
    one = factories.booking(customer, professional, status=Status.ACCEPTED, cascade=True)
    bookings.cancel(one, professional)
    bookings.accept(one, other_professional)
    bookings.cancel(one, other_professional)
    assert activity.report(customer.id, NOVEMBER).total == activity.Count(requested=1, cancelled=1)


def test_what_a_customer_owes_who_was_not_there_is_spent(customer, professional, frozen):
    one = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    frozen.move_to(one.starts_at)
    no_shows.knock(one, professional)
    frozen.shift(timedelta(minutes=30))
    no_shows.report(one, professional)
    report = activity.report(customer.id, NOVEMBER)
    assert report.total == activity.Count(requested=1, spent=one.total)
    assert report.fees == one.total > 0
    frozen.move_to(at(12, 1, 6))
    activity.activity_reports("2026-12", 0)
    assert people("activity_report") == [customer.id]


def test_the_list_of_months_begins_with_this_one(customer, professional):
    closed(customer, professional, at(8, 10))
    months = activity.months_of_customer(customer.id)
    assert [month for month, _count in months] == [NOVEMBER, date(2026, 8, 1)]
    assert [count.closed for _month, count in months] == [0, 1]


# -- Professionals ----------------------------------------------------------------------------


def test_a_statement_counts_the_jobs_that_began_in_the_month(customer, professional):
    tap = factories.service("Tap repair")
    cleaning = closed(customer, professional, at(10, 5))
    repair = closed(customer, professional, at(10, 6), service=tap)
    repair.paid = repair.total
    db.session.commit()
    cancelled(customer, professional, at(10, 20))
    factories.booking(customer, professional, status=Status.DISPUTED, starts_at=at(10, 25))
    statement = activity.statement(professional.id, OCTOBER)
    assert statement.total == activity.Earned(
        2, cleaning.subtotal + repair.subtotal, cleaning.total + repair.total - statement.total.earned, cleaning.total
    )
    assert dict(statement.services)["Tap repair"].earned == repair.subtotal
    assert statement.cancelled == 1


def test_a_statement_and_the_earnings_page_agree(customer, professional):
    for day in (1, 15, 31):
        closed(customer, professional, at(10, day))
    closed(customer, professional, at(11, 1, 2), starts_at=at(11, 1, 0))
    statement = activity.statement(professional.id, OCTOBER)
    total = earnings.total(professional.id, OCTOBER, date(2026, 10, 31))
    assert (statement.total.jobs, statement.total.earned, statement.total.due) == (total.jobs, total.earned, total.due)
    assert sum(amount for _day, amount in statement.days) == statement.total.earned
    assert sum(week.earned for _monday, week in statement.weeks) == statement.total.earned
    assert len(statement.days) == 31
    assert statement.weeks[0][0] == date(2026, 9, 28)


def test_ratings_are_those_of_the_month_and_of_all_time(customer, professional):
    for rating, moment, hidden in (
        (5, at(10, 3), None),
        (2, at(10, 4), None),
        (1, at(9, 4), None),
        (1, at(10, 5), at(10, 6)),
    ):
        one = closed(customer, professional, moment)
        review = factories.review(one, rating, hidden_at=hidden)
        review.created_at = moment
    professional.professional.rating_sum, professional.professional.rating_count = 8, 3
    db.session.commit()
    statement = activity.statement(professional.id, OCTOBER)
    assert (statement.reviews, statement.rating) == (2, 3.5)
    assert statement.overall == pytest.approx(8 / 3)


def test_a_month_off_is_an_empty_statement(professional):
    statement = activity.statement(professional.id, OCTOBER)
    assert statement.is_empty
    assert statement.rating is statement.overall is None


def test_months_of_a_professional_are_listed(customer, professional):
    closed(customer, professional, at(9, 10))
    months = activity.months_of_professional(professional.id)
    assert [(month.month, sums.jobs) for month, sums in months] == [(11, 0), (9, 1)]


# -- Who is sent one --------------------------------------------------------------------------


def test_everybody_who_was_active_in_the_month_gets_one_report(app, professional, other_professional):
    asked, did, called_off, idle, later = (factories.customer() for _ in range(5))
    blocked = factories.customer(active=False)
    factories.booking(asked, professional, status=Status.EXPIRED, created_at=at(10, 2), starts_at=at(10, 3))
    closed(did, professional, at(10, 1, 5), created_at=at(9, 29), starts_at=at(9, 30))
    cancelled(called_off, professional, at(10, 31), created_at=at(9, 29))
    closed(idle, professional, at(9, 29))
    closed(later, professional, at(11, 2))
    closed(blocked, professional, at(10, 12))
    assert activity.activity_reports("2026-11", 0) == (3, None)
    assert people("activity_report") == [asked.id, did.id, called_off.id]
    assert db.session.scalars(select(OutboxMessage.data)).all() == [{"month": "2026-10"}] * 3
    activity.activity_reports("2026-11", 0)
    assert len(people("activity_report")) == 3


def test_every_professional_with_jobs_in_the_month_gets_a_statement(customer):
    busy, unlucky, idle = (factories.professional() for _ in range(3))
    closed(customer, busy, at(10, 10))
    cancelled(customer, unlucky, at(10, 10))
    closed(customer, idle, at(9, 10))
    assert activity.earnings_statements("2026-11", 0) == (2, None)
    assert people("earnings_statement") == [busy.id, unlucky.id]


def test_reports_are_put_out_batch_by_batch(app, professional, monkeypatch, count_queries):
    monkeypatch.setattr(activity, "BATCH", 2)
    for day in range(5):
        closed(factories.customer(), professional, at(10, 10 + day))
    cursor, counts = 0, []
    while cursor is not None:
        with count_queries() as seen:
            step = activity.activity_reports("2026-11", cursor)
        assert seen.count <= 3
        counts.append(step.count)
        cursor = step.cursor
    assert counts == [2, 2, 1]
    assert len(set(people("activity_report"))) == 5


def test_a_report_takes_few_queries_however_much_there_was(customer, professional, count_queries):
    def queries():
        with count_queries() as seen:
            activity.report(customer.id, OCTOBER)
            activity.statement(professional.id, OCTOBER)
        return seen.count

    closed(customer, professional, at(10, 10))
    few = queries()
    for day in range(11, 25):
        closed(customer, professional, at(10, day))
    assert queries() == few <= 4
