"""What bills brought, by day, service and city, as the ledger says."""

import csv
import io
from datetime import date, timedelta

import pytest

from domain import bookings, clock, disputes, ledger, reports, revenue
from domain.revenue import Parts
from models import Status
from tests import factories

TODAY = date(2026, 11, 23)


@pytest.fixture
def done(customer, professional):
    """done() is a job of one service and place that was finished now, at a commission of 10 %."""

    def made(**values):
        job = factories.booking(customer, professional, status=Status.IN_PROGRESS, commission=1000, **values)
        bookings.complete(job, professional)
        return job

    return made


def parts_of(job):
    share = (job.subtotal * 1000 + 5000) // 10_000
    tax = next(line.amount for line in job.lines if line.kind == "tax")
    return Parts(job.total, job.subtotal - share, job.total - job.subtotal - tax + share, tax)


def added(*all_parts):
    return Parts(*map(sum, zip(*all_parts, strict=True)))


def test_a_bill_is_parted_on_the_day_on_which_it_was_due(done, frozen):
    first = done()
    frozen.shift(timedelta(days=1))
    second = done(starts_at=factories.at(15))
    asked = reports.period(TODAY - timedelta(1), clock.today())
    assert revenue.of(asked).bars == [
        (TODAY - timedelta(1), Parts()),
        (TODAY, parts_of(first)),
        (TODAY + timedelta(1), parts_of(second)),
    ]


def test_services_and_cities_add_up_to_the_same_and_to_the_ledger(done):
    jobs = [
        done(service=factories.service("Kettle repair", base_price=20_000)),
        done(service=factories.service("Roof repair", base_price=90_000), starts_at=factories.at(15), pincode="400001"),
    ]
    asked = reports.period()
    whole = added(*map(parts_of, jobs))
    assert [name for _id, name, _parts in revenue.of(asked).services] == ["Roof repair", "Kettle repair"]
    assert [city for city, _parts in revenue.of(asked).cities] == ["Mumbai", "Bengaluru Urban"]
    for rows in (revenue.of(asked).bars, revenue.of(asked).services, revenue.of(asked).cities):
        assert added(*(row[-1] for row in rows)) == whole
    assert (whole.site, whole.tax) == (-ledger.balance(ledger.PLATFORM), -ledger.balance(ledger.TAX))


def test_what_is_taken_back_counts_on_its_own_day(done, customer, professional, admin, frozen):
    job = done()
    frozen.shift(timedelta(days=1))
    disputes.begin(job, customer, "The tap drips again.")
    disputes.answer(job, professional, "It was dry when I left.")
    disputes.refund(job, admin, "It does", 10_000)
    [(_day, back)] = revenue.of(reports.period(clock.today(), clock.today())).bars
    assert back == Parts(billed=-10_000, professionals=-9_000, site=-1_000, tax=0)


def test_a_long_range_is_drawn_by_the_week_and_written_by_the_day(done):
    done()
    asked = reports.period(TODAY - timedelta(300), TODAY)
    assert len(revenue.of(asked).bars) == 43
    [row] = csv.DictReader(io.StringIO(revenue.table(asked)))
    assert row["day"] == "2026-11-23"
    assert row["city"] == "Bengaluru Urban"


def test_no_cell_of_the_table_runs(done):
    done(service=factories.service('=HYPERLINK("x")', base_price=20_000))
    [row] = csv.DictReader(io.StringIO(revenue.table(reports.period())))
    assert row["service"] == "'=HYPERLINK(\"x\")"
    assert row["professionals"] == "180.00"


def test_nothing_brings_nothing(app):
    asked = reports.period()
    assert {parts for _day, parts in revenue.of(asked).bars} == {Parts()}
    assert revenue.of(asked).services == revenue.of(asked).cities == []
    assert revenue.table(asked).count("\n") == 1


def test_a_range_is_four_queries(done, count_queries):
    done()
    asked = reports.period()
    with count_queries() as seen:
        revenue.of(asked)
    assert seen.count == 4


# -- Sums of days that are over ---------------------------------------------------------------


def sum_up(day):
    """What the job does on a date, step by step; answers how many days each step had."""
    steps, cursor = [], 0
    while cursor is not None:
        count, cursor = revenue.sum_days(day.isoformat(), cursor)
        steps.append(count)
    return steps


def test_sums_say_what_the_ledger_says(done, frozen):
    done(service=factories.service("Kettle repair", base_price=20_000))
    frozen.shift(timedelta(days=40))
    done(service=factories.service("Roof repair", base_price=90_000), starts_at=factories.at(15), pincode="400001")
    frozen.shift(timedelta(days=1))
    done(starts_at=factories.at(15))
    ranges = [reports.last_days(days) for days in (1, 2, 30, 90)]
    before = [revenue.of(asked) for asked in ranges]
    assert sum_up(clock.today()) == [31, 10]
    assert [revenue.of(asked) for asked in ranges] == before
    assert before[-1].total != Parts()
    assert before[0].before == before[1].bars[0][1] != Parts()


def test_a_day_is_summed_up_once_and_only_when_it_is_over(done, frozen):
    job = done()
    assert sum_up(clock.today()) == [0]
    frozen.shift(timedelta(days=1))
    assert sum_up(clock.today()) == [1]
    assert sum_up(clock.today()) == [0]
    assert sum_up(TODAY) == [0]
    assert revenue.of(reports.last_days(2)).total == parts_of(job)


def test_without_bills_there_is_nothing_to_sum_up(app):
    assert sum_up(TODAY) == [0]


def test_what_comes_after_the_sums_is_read_from_the_ledger(done, customer, professional, admin, frozen):
    job = done()
    frozen.shift(timedelta(days=1))
    sum_up(clock.today())
    disputes.begin(job, customer, "The tap drips again.")
    disputes.answer(job, professional, "It was dry when I left.")
    disputes.refund(job, admin, "It does", 10_000)
    assert revenue.of(reports.last_days(2)).total.billed == job.total
