"""Series, several services in one visit, and the same visit again."""

from datetime import timedelta

import pytest

import letters
from blocks import Facts
from domain import bookings, choices, clock, requests, series
from domain.errors import Conflict, Invalid, NotFound
from extensions import db
from models import Booking, Every, LineKind, Notification, OutboxMessage, Series, SlotClaim, Status
from models_lifecycle import BookingService
from tests import factories


@pytest.fixture
def services(app):
    return [factories.service(name=name, duration_minutes=minutes, base_price=price) for name, minutes, price in TRADES]


TRADES = (("Tap", 45, 30_000), ("Tank", 60, 50_000), ("Pipe", 90, 70_000))


@pytest.fixture
def plumber(services):
    return factories.professional(name="Dev Menon", services=services)


def wish(person, plumber, service, **changes):
    values = {
        "professional_id": plumber.id,
        "service_id": service.id,
        "more": (),
        "starts_at": factories.at(11, days=1),
        "address_id": person.addresses[0].id,
        "every": Every.WEEK,
        "count": 4,
        **changes,
    }
    return series.Wish(**values)


def book(person, asked, chosen=None, key=None):
    chosen = chosen or {visit.starts_at for visit in series.plan(person, asked) if visit.clash is None}
    made = series.request(person, asked, chosen, key=key)
    db.session.commit()
    return made


# -- Several services ---------------------------------------------------------------------------


def test_times_and_prices_of_a_visit_are_added(customer, plumber, services):
    tap, tank, pipe = services
    starts_at = factories.at(11, days=1)
    booking_id = requests.request(
        customer, tap.id, plumber.id, starts_at, customer.addresses[0].id, more=(tank.id, pipe.id)
    )
    booking = db.session.get(Booking, booking_id)
    assert booking.ends_at - booking.starts_at == timedelta(minutes=45 + 60 + 90)
    assert booking.subtotal == 150_000
    assert [line.label for line in booking.lines if line.kind is LineKind.SERVICE] == ["Tap", "Tank", "Pipe"]
    assert booking.total == sum(line.amount for line in booking.lines)
    # Thirteen quarters of work and one of buffer.
    assert db.session.query(SlotClaim).filter_by(booking_id=booking_id).count() == 14
    rows = db.session.query(BookingService).filter_by(booking_id=booking_id).order_by(BookingService.position)
    assert [(row.service_id, row.price, row.duration_minutes) for row in rows] == [
        (tap.id, 30_000, 45),
        (tank.id, 50_000, 60),
        (pipe.id, 70_000, 90),
    ]


def test_a_visit_says_that_it_is_for_more_than_its_first_service(customer, plumber, services, as_, admin):
    tap, tank, pipe = services
    wish = tap.id, plumber.id, factories.at(11, days=1), customer.addresses[0].id
    booking = db.session.get(Booking, requests.request(customer, *wish, more=(tank.id, pipe.id)))
    bookings.accept(booking, plumber)
    db.session.commit()
    assert booking.title == "Tap + 2"
    assert factories.booking(customer, plumber, starts_at=factories.at(11, days=2)).title == "Tap"
    for person, pages in {
        customer: ("/customer-dashboard", "/bookings", f"/bookings/{booking.id}"),
        plumber: ("/professional/calendar", f"/professional/jobs/{booking.id}"),
        admin: ("/admin/bookings", f"/admin/bookings/{booking.id}"),
    }.items():
        for page in pages:
            assert "Tap + 2" in as_(person).get(page).text, page
    told = db.session.query(Notification).filter_by(user_id=customer.id).one()
    assert told.data["service"] == "Tap + 2"
    message = db.session.query(OutboxMessage).filter_by(user_id=customer.id).one()
    facts = next(block for block in letters.compose(message).blocks if isinstance(block, Facts))
    assert facts.rows[0] == ("Service", "Tap, Tank, Pipe")


@pytest.mark.parametrize("case", ["foreign", "twice", "itself", "anybody", "too many"])
def test_what_cannot_be_one_visit_is_refused(customer, plumber, services, case):
    tap, tank, _pipe = services
    other = factories.service(name="Wiring", duration_minutes=60)
    more = {
        "foreign": (other.id,),
        "twice": (tank.id, tank.id),
        "itself": (tap.id,),
        "anybody": (tank.id,),
        "too many": tuple(range(1000, 1006)),
    }[case]
    who = None if case == "anybody" else plumber.id
    with pytest.raises(Invalid) as refused:
        requests.request(customer, tap.id, who, factories.at(11, days=1), customer.addresses[0].id, more=more)
    assert refused.value.field == "service_id"


def test_a_visit_of_more_than_twelve_hours_is_refused(customer):
    long = [factories.service(name=f"Long {n}", duration_minutes=400) for n in range(2)]
    person = factories.professional(services=long, hours=((0, 1440),))
    with pytest.raises(Invalid, match="twelve hours"):
        requests.request(
            customer, long[0].id, person.id, factories.at(1, days=1), customer.addresses[0].id, more=(long[1].id,)
        )


def test_the_free_times_are_those_of_the_whole_visit(customer, plumber, services):
    tap, tank, pipe = services
    alone = choices.before_booking(customer, plumber.id, tap.id, factories.at(9, days=1).date())
    together = choices.before_booking(
        customer, plumber.id, tap.id, factories.at(9, days=1).date(), more=(tank.id, pipe.id)
    )
    assert alone.times.day.slots[-1].starts_at == factories.at(17, days=1)
    assert together.times.day.slots[-1].starts_at == factories.at(14, 30, days=1)
    assert together.quote.subtotal == 150_000


def test_the_same_key_with_other_services_is_refused(customer, plumber, services):
    tap, tank, _pipe = services
    place, starts_at = customer.addresses[0].id, factories.at(11, days=1)
    requests.request(customer, tap.id, plumber.id, starts_at, place, key="k", more=(tank.id,))
    db.session.commit()
    with pytest.raises(Conflict):
        requests.request(customer, tap.id, plumber.id, starts_at, place, key="k")


# -- A series -----------------------------------------------------------------------------------


def test_a_series_is_single_bookings_at_the_same_time_of_day(customer, plumber, services):
    made = book(customer, wish(customer, plumber, services[0]))
    visits = series.visits(made, customer)
    assert [visit.starts_at for visit in visits] == [factories.at(11, days=1 + 7 * n) for n in range(4)]
    assert {visit.status for visit in visits} == {Status.PENDING}
    assert {visit.series_id for visit in visits} == {made.id}


@pytest.mark.parametrize(
    ("every", "days"), [(Every.WEEK, 7), (Every.FORTNIGHT, 14), (Every.THREE_WEEKS, 21)]
)
def test_the_rhythms(customer, plumber, services, every, days):
    plan = series.plan(customer, wish(customer, plumber, services[0], every=every, count=3))
    assert [visit.starts_at for visit in plan] == [factories.at(11, days=1 + days * n) for n in range(3)]


def test_each_month_on_the_same_date_or_the_last_of_a_short_one(customer, plumber, services, frozen):
    frozen.move_to(factories.at(9, days=67))
    starts_at = clock.at_wall(clock.today().replace(month=1, day=30), clock.local(factories.at(11)).time())
    plan = series.plan(customer, wish(customer, plumber, services[0], starts_at=starts_at, every=Every.MONTH))
    dates = [clock.local(visit.starts_at).date().isoformat() for visit in plan]
    assert dates == ["2027-01-30", "2027-02-28", "2027-03-30", "2027-04-30"]


def test_clashes_are_shown_before_anything_is_booked(customer, other_customer, plumber, services):
    tap = services[0]
    factories.booking(other_customer, plumber, service=tap, starts_at=factories.at(11, days=8))
    elsewhere = factories.professional(name="Esha Nair", services=[tap])
    factories.booking(customer, elsewhere, service=tap, starts_at=factories.at(11, days=15))
    plan = series.plan(customer, wish(customer, plumber, tap))
    assert [visit.clash for visit in plan] == [
        None,
        "The professional is not free then.",
        "You have another booking then.",
        None,
    ]
    assert db.session.query(Series).count() == 0


def test_what_clashes_is_left_out(customer, other_customer, plumber, services):
    factories.booking(other_customer, plumber, service=services[0], starts_at=factories.at(11, days=8))
    made = book(customer, wish(customer, plumber, services[0]))
    assert len(series.visits(made, customer)) == 3


def test_all_or_none_when_a_time_is_taken_meanwhile(customer, other_customer, plumber, services):
    asked = wish(customer, plumber, services[0])
    chosen = {visit.starts_at for visit in series.plan(customer, asked)}
    factories.booking(other_customer, plumber, service=services[0], starts_at=factories.at(11, days=15))
    with pytest.raises(Conflict, match="8 Dec"):
        series.request(customer, asked, chosen)
    db.session.rollback()
    assert db.session.query(Booking).filter_by(customer_id=customer.id).count() == 0
    assert db.session.query(Series).count() == 0


def test_the_same_key_answers_the_first_series(customer, plumber, services):
    asked = wish(customer, plumber, services[0])
    first = book(customer, asked, key="one click")
    assert book(customer, asked, first_times(first), key="one click").id == first.id
    assert db.session.query(Booking).count() == 4


@pytest.mark.parametrize("changes", [{"chosen"}, {"service"}, {"remarks"}])
def test_the_same_key_with_another_series_is_refused(customer, plumber, services, changes):
    tap, tank, _pipe = services
    first = book(customer, wish(customer, plumber, tap), key="one click")
    times = first_times(first)
    other = wish(customer, plumber, tank if "service" in changes else tap)
    remarks = "Ring twice" if "remarks" in changes else ""
    with pytest.raises(Conflict, match="other details"):
        series.request(customer, other, times - {min(times)} if "chosen" in changes else times, remarks, "one click")
    assert db.session.query(Series).count() == 1


def first_times(made):
    return {visit.starts_at for visit in made.bookings}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"count": 1}, "count"),
        ({"count": 13}, "count"),
        ({"every": Every.MONTH, "count": 12}, "count"),
        ({"starts_at": factories.datetime(2026, 11, 1, tzinfo=factories.UTC)}, "starts_at"),
        ({"service_id": 999_999}, "service_id"),
        ({"address_id": 999_999}, "address_id"),
    ],
)
def test_what_cannot_be_planned_is_said(customer, plumber, services, changes, field):
    with pytest.raises(Invalid) as refused:
        series.plan(customer, wish(customer, plumber, services[0], **changes))
    assert refused.value.field == field


def test_times_that_are_not_of_the_plan_are_refused(customer, plumber, services):
    asked = wish(customer, plumber, services[0])
    foreign = {factories.at(11, days=1), factories.at(12, days=2)}
    for chosen in (foreign, {asked.starts_at}, set()):
        with pytest.raises(Invalid):
            series.request(customer, asked, chosen)


def test_a_plan_costs_as_many_queries_for_twelve_as_for_two(customer, plumber, services, count_queries):
    asked = [wish(customer, plumber, services[0], count=count) for count in (2, 12)]
    counts = []
    for one in asked:
        with count_queries() as watched:
            series.plan(customer, one)
        counts.append(watched.count)
    assert counts[0] == counts[1] <= 6


def test_the_professional_is_told_once_and_answers_once(customer, plumber, services):
    made = book(customer, wish(customer, plumber, services[0]))
    told = db.session.query(Notification).filter_by(user_id=plumber.id).all()
    assert [(one.kind, one.data["count"]) for one in told] == [("series_requested", 4)]
    assert series.accept(made, plumber) == 4
    assert {visit.status for visit in series.visits(made, customer)} == {Status.ACCEPTED}
    with pytest.raises(Conflict):
        series.accept(made, plumber)


def test_a_series_does_not_use_up_the_unanswered_requests(customer, plumber, services):
    book(customer, wish(customer, plumber, services[0], count=8))
    place = customer.addresses[0].id
    assert requests.request(customer, services[0].id, plumber.id, factories.at(15, days=1), place)


def test_declining_a_series_gives_its_times_back(customer, plumber, services):
    made = book(customer, wish(customer, plumber, services[0]))
    assert series.reject(made, plumber, "On leave this winter.") == 4
    assert db.session.query(SlotClaim).count() == 0


def test_one_visit_is_cancelled_alone(customer, plumber, services):
    made = book(customer, wish(customer, plumber, services[0]))
    bookings.cancel(series.visits(made, customer)[1], customer)
    states = [visit.status for visit in series.visits(made, customer)]
    assert states == [Status.PENDING, Status.CANCELLED, Status.PENDING, Status.PENDING]


def test_cancelling_from_one_on_leaves_those_before(customer, plumber, services):
    made = book(customer, wish(customer, plumber, services[0]))
    third = series.visits(made, customer)[2]
    assert series.cancel_from(third, customer) == 2
    states = [visit.status for visit in series.visits(made, customer)]
    assert states == [Status.PENDING, Status.PENDING, Status.CANCELLED, Status.CANCELLED]
    with pytest.raises(Conflict):
        series.cancel_from(third, customer)


def test_a_single_booking_has_no_later_visits(customer, plumber, services):
    booking = factories.booking(customer, plumber, service=services[0])
    with pytest.raises(Invalid):
        series.cancel_from(booking, customer)


def test_a_series_is_its_peoples(customer, other_customer, plumber, other_professional, services):
    made = book(customer, wish(customer, plumber, services[0]))
    assert series.get(made.id, plumber) is made
    for stranger in (other_customer, other_professional):
        with pytest.raises(NotFound):
            series.get(made.id, stranger)


# -- Again --------------------------------------------------------------------------------------


def test_again_is_the_same_weekday_and_time_at_the_same_place(customer, plumber, services, frozen):
    tap, tank, _pipe = services
    booking_id = requests.request(
        customer, tap.id, plumber.id, factories.at(11, days=1), customer.addresses[0].id, more=(tank.id,)
    )
    booking = db.session.get(Booking, booking_id)
    frozen.shift(timedelta(days=10))
    assert series.again(booking, customer) == {
        "professional_id": plumber.id,
        "service_id": tap.id,
        "more": [tank.id],
        "address_id": customer.addresses[0].id,
        "starts_at": factories.at(11, days=5).isoformat(),
    }
