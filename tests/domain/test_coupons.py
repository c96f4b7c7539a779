"""Coupons: what they take off, who may use them, and that a use is counted once."""

from datetime import date, timedelta

import pytest

from domain import activity, billing, bookings, coupons, disputes, ledger, no_shows, requests
from domain.errors import Conflict, Invalid, NotAllowed
from extensions import db
from models import Booking, Category, LineKind, Status
from models_money import Coupon, CouponUse
from tests import factories


@pytest.fixture
def coupon(admin):
    """coupon(...) makes the code WELCOME."""

    def made(code="WELCOME", **values):
        return coupons.create(admin, **{"code": code, "amount": 5_000, **values})

    return made


@pytest.fixture
def book(customer, professional):
    """book(code, ...) asks for tomorrow at 11, or hours later."""

    def asked(code="WELCOME", by=customer, hours=0, **values):
        starts_at = factories.at(11, days=1) + timedelta(hours=hours)
        wish = {"professional_id": professional.id, "address_id": by.addresses[0].id, **values}
        booking_id = requests.request(by, factories.service().id, starts_at=starts_at, coupon=code, **wish)
        return db.session.get(Booking, booking_id)

    return asked


def used(code="WELCOME"):
    return db.session.query(Coupon).filter_by(code=code).one().uses


def test_a_code_takes_its_amount_off(coupon, book, customer):
    coupon()
    booking = book(" welcome ")
    assert [(line.label, line.amount, line.tax) for line in booking.lines if line.kind is LineKind.DISCOUNT] == [
        ("WELCOME", -5_000, 0)
    ]
    assert booking.total == sum(line.amount for line in booking.lines)
    assert booking.subtotal == 44_900
    use = db.session.get(CouponUse, booking.id)
    assert (use.customer_id, use.amount, used()) == (customer.id, 5_000, 1)


@pytest.mark.parametrize(
    "worth, off",
    [
        ({"percent": 10}, 4_490),
        ({"percent": 15}, 6_735),
        ({"percent": 50, "most": 10_000}, 10_000),
        ({"percent": 100}, 44_900),
        ({"amount": 99_999_99}, 54_752),
    ],
)
def test_a_percentage_is_of_the_services_and_nobody_pays_less_than_nothing(coupon, book, worth, off):
    coupon(**{"amount": None, **worth})
    booking = book()
    assert booking.total == 54_752 - off >= 0


@pytest.mark.parametrize("code", ["", "   ", "NOSUCH", "'; --", "x" * 400, "WELCOME1"])
def test_a_code_that_is_none_is_refused_beside_its_field(coupon, book, code):
    coupon()
    if not code.strip():
        assert book("").total == 54_752
        return
    with pytest.raises(Invalid) as refusal:
        book(code)
    assert refusal.value.field == "coupon"


@pytest.mark.parametrize(
    "values",
    [
        {"first": date(2026, 11, 24)},
        {"first": date(2026, 11, 1), "last": date(2026, 11, 22)},
        {"least_total": 54_753},
    ],
)
def test_what_does_not_fit_says_the_same_as_what_is_wrong(coupon, book, values):
    coupon(**values)
    with pytest.raises(Invalid) as refusal:
        book()
    with pytest.raises(Invalid) as wrong:
        book("NOSUCH")
    assert str(refusal.value) == str(wrong.value)
    assert used() == 0


def test_the_last_day_is_a_day_of_it(coupon, book):
    coupon(first=date(2026, 11, 23), last=date(2026, 11, 23), least_total=54_752)
    assert book().total == 49_752


def test_a_coupon_for_one_service_is_for_no_other(coupon, book):
    other = factories.service("Chimney", base_price=50_000)
    coupon(service_id=other.id)
    with pytest.raises(Invalid):
        book()
    coupon("MINE", service_id=factories.service().id)
    assert book("MINE").total == 49_752


def test_a_coupon_for_a_category_takes_its_share_of_the_services_of_it(coupon, book, professional, customer):
    first = factories.service()
    category = factories.service("Chimney", base_price=50_000, category=_other_category(first))
    factories.offer(professional, category)
    coupon(amount=None, percent=10, category_id=first.category_id)
    booking = book(more=(category.id,))
    assert booking.total == 54_752 + 59_000 - 4_490


def _other_category(service):
    return db.session.query(Category).filter(Category.id != service.category_id).first()


def test_a_coupon_is_used_up(coupon, book, other_customer):
    coupon(limit_all=1)
    book()
    with pytest.raises(Invalid):
        book(by=other_customer, hours=3)
    assert used() == 1


def test_each_customer_has_their_own_limit(coupon, book, other_customer):
    coupon(limit_each=1)
    book()
    with pytest.raises(Invalid):
        book(hours=3)
    db.session.rollback()


def test_another_customer_still_has_theirs(coupon, book, other_customer):
    coupon(limit_each=1)
    book()
    assert book(by=other_customer, hours=3).total == 49_752


def test_the_same_key_uses_it_once(coupon, book):
    coupon(limit_each=1)
    first = book(key="once")
    assert book(key="once").id == first.id
    assert used() == 1
    with pytest.raises(Conflict):
        book("", key="once")


@pytest.mark.parametrize("end", ["reject", "cancel", "expire", "no_show"])
def test_a_use_is_given_back_when_the_booking_ends_without_work(coupon, book, customer, professional, frozen, end):
    coupon(limit_all=1)
    booking = book()
    if end == "reject":
        bookings.reject(booking, professional, "Away")
    elif end == "cancel":
        bookings.cancel(booking, customer)
    elif end == "expire":
        frozen.move_to(booking.respond_by)
        bookings.expire_due()
    else:
        bookings.accept(booking, professional)
        frozen.move_to(booking.starts_at + timedelta(minutes=30))
        no_shows.report(booking, customer)
    assert used() == 0
    assert db.session.get(CouponUse, booking.id, populate_existing=True).given_back_at is not None


def test_who_is_asked_next_comes_for_the_same_price(coupon, book, professional, other_professional):
    coupon(limit_all=1)
    booking = book(cascade=True)
    total = booking.total
    bookings.reject(booking, professional, "Away")
    assert (booking.status, booking.professional_id) == (Status.PENDING, other_professional.id)
    assert (booking.total, used()) == (total, 1)
    assert db.session.get(CouponUse, booking.id, populate_existing=True).given_back_at is None


# -- Whose money it is ------------------------------------------------------------------------


def _done(booking, customer, professional):
    booking.status = Status.IN_PROGRESS
    db.session.flush()
    bookings.complete(booking, professional)
    people = ledger.customer(customer.id), ledger.professional(professional.id)
    return [*ledger.balances([*people, ledger.PLATFORM, ledger.TAX]).values()]


@pytest.mark.parametrize("off, total", [(5_000, 49_752), (99_999_99, 0)])
def test_the_site_pays_for_it_and_not_the_professional(coupon, book, customer, professional, off, total):
    coupon(amount=off)
    booking = book()
    least = min(off, 54_752)
    assert _done(booking, customer, professional) == [total, -44_900, least - 1_500, -8_352]
    assert ledger.faults() + billing.faults() == []


def test_the_statement_of_the_professional_is_the_same_with_it(coupon, book, customer, professional):
    coupon(amount=99_999_99)
    _done(book(), customer, professional)
    total = activity.statement(professional.id, date(2026, 11, 1)).total
    assert (total.earned, total.fees, total.due) == (44_900, 1_500 + 8_352, 0)


@pytest.mark.parametrize("share", ["all", "half"])
def test_a_refund_takes_its_part_of_the_discount_back(coupon, book, customer, professional, admin, share):
    coupon(amount=10_000)
    booking = book()
    _done(booking, customer, professional)
    amount = {"all": 44_752, "half": 22_376}[share]
    disputes.begin(booking, customer, "The tap drips again.")
    disputes.answer(booking, professional, "It was dry when I left.")
    disputes.refund(booking, admin, "It does", amount)
    books = ledger.balances([ledger.professional(professional.id), ledger.PLATFORM, ledger.TAX])
    left = {"all": [0, 0, 0], "half": [-(44_900 - 27_376), 5_000 - 1_500, -8_352]}[share]
    assert [*books.values()] == left
    assert booking.total == sum(line.amount for line in booking.lines) == 44_752 - amount
    assert booking.earned == -left[0]
    assert ledger.faults() + billing.faults() == []


# -- The admin --------------------------------------------------------------------------------


def test_a_coupon_that_is_off_is_not_used(coupon, book, admin):
    one = coupon()
    coupons.switch_off(one, admin)
    with pytest.raises(Invalid):
        book()
    with pytest.raises(Conflict):
        coupons.switch_off(one, admin)


@pytest.mark.parametrize(
    "values, field",
    [
        ({"code": "abc"}, "code"),
        ({"code": "two words"}, "code"),
        ({"code": "WELCOME"}, "code"),
        ({"amount": None}, "amount"),
        ({"percent": 10}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": None, "percent": 101}, "percent"),
        ({"amount": None, "percent": 10, "most": 0}, "most"),
        ({"first": date(2026, 12, 2), "last": date(2026, 12, 1)}, "last"),
        ({"service_id": 9_999_999}, "service_id"),
        ({"category_id": 9_999_999}, "category_id"),
        ({"category_id": 1, "service_id": 1}, "service_id"),
    ],
)
def test_a_coupon_makes_sense_or_is_not_made(coupon, values, field):
    coupon()
    with pytest.raises(Invalid) as refusal:
        coupon(**{"code": "ANOTHER", **values})
    assert refusal.value.field == field


def test_only_admins_make_them(customer):
    with pytest.raises(NotAllowed):
        coupons.create(customer, code="WELCOME", amount=5_000)
