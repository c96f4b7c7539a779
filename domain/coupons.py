"""Coupons: codes that make a booking cheaper, at the site's cost.

A percentage is of the prices of the services that the coupon is for. Whatever it is worth, nobody pays less than
nothing. A use is counted in the transaction of the booking, and given back when that ends without work.
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from flask_babel import gettext as _
from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from domain import audit, clock, pricing
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from domain.paging import Page, keyset
from extensions import db
from models import Category, Role, Service, User
from models_money import Coupon, CouponUse

MOST_USES = 1_000_000
_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{3,29}")
_UNUSED = Coupon.off_at.is_(None), or_(Coupon.limit_all.is_(None), Coupon.uses < Coupon.limit_all)


@dataclass(frozen=True)
class Discount:
    """What a coupon takes off a booking, in minor units."""

    coupon_id: int
    code: str
    limit_each: int | None
    amount: int


# -- Using ------------------------------------------------------------------------------------


def discount(code: str, by: User, services: list[tuple[int, int]], total: int) -> Discount:
    """What a code takes off a booking of services, each with its price, that costs `total`.

    Raises Invalid with the same words whatever is wrong, so that nobody learns which codes there are.
    """
    now = clock.now()
    coupon = db.session.scalar(
        select(Coupon).where(
            Coupon.code == _tidy(code),
            *_UNUSED,
            Coupon.starts_at <= now,
            or_(Coupon.ends_at.is_(None), Coupon.ends_at > now),
            Coupon.least_total <= total,
        )
    )
    if coupon is None or not _has_left(coupon.limit_each, coupon.id, by):
        raise _refusal()
    price = _price_of_those_it_is_for(coupon, services)
    worth = coupon.amount if coupon.percent is None else pricing.share(price, coupon.percent, 100)
    worth = min(worth, total, worth if coupon.most is None else coupon.most)
    # A percentage of next to nothing is not worth a use.
    if not price or not worth:
        raise _refusal()
    return Discount(coupon.id, coupon.code, coupon.limit_each, worth)


def use(found: Discount, by: User, booking_id: int) -> None:
    """Count a use of it by a booking. Raises Invalid when others have used it up meanwhile."""
    counted = db.session.execute(
        update(Coupon)
        .where(Coupon.id == found.coupon_id, *_UNUSED)
        .values(uses=Coupon.uses + 1)
        .execution_options(synchronize_session=False)
    )
    # Who was counted holds the row: nobody else counts a use of it until this booking is made or not.
    if not counted.rowcount or not _has_left(found.limit_each, found.coupon_id, by):
        raise _refusal()
    made = CouponUse(booking_id=booking_id, coupon_id=found.coupon_id, customer_id=by.id)
    made.amount, made.used_at = found.amount, clock.now()
    db.session.add(made)
    db.session.flush()


def give_back(booking_id: int) -> None:
    """A booking ended without work: its use does not count any more."""
    _count_again(booking_id, CouponUse.given_back_at.is_(None), clock.now(), -1)


def take_again(booking_id: int) -> None:
    """A booking goes on with somebody else in the transaction in which it had ended."""
    _count_again(booking_id, CouponUse.given_back_at.is_not(None), None, 1)


def _count_again(booking_id, still, given_back_at, number):
    coupon_id = db.session.scalar(
        update(CouponUse)
        .where(CouponUse.booking_id == booking_id, still)
        .values(given_back_at=given_back_at)
        .returning(CouponUse.coupon_id)
        .execution_options(synchronize_session=False)
    )
    if coupon_id is not None:
        db.session.execute(
            update(Coupon)
            .where(Coupon.id == coupon_id)
            .values(uses=Coupon.uses + number)
            .execution_options(synchronize_session=False)
        )


def _has_left(limit_each, coupon_id, by):
    if limit_each is None:
        return True
    used = select(func.count()).where(
        CouponUse.customer_id == by.id, CouponUse.coupon_id == coupon_id, CouponUse.given_back_at.is_(None)
    )
    return db.session.scalar(used) < limit_each


def _price_of_those_it_is_for(coupon, services):
    if coupon.service_id is not None:
        chosen = {coupon.service_id}
    elif coupon.category_id is not None:
        chosen = set(db.session.scalars(select(Service.id).where(Service.category_id == coupon.category_id)))
    else:
        chosen = {service_id for service_id, _price in services}
    return sum(price for service_id, price in services if service_id in chosen)


def _refusal():
    return Invalid(_("This code can’t be used for this booking. Check it, or book without it."), "coupon")


def _tidy(code):
    return code.strip().upper()


# -- The admin --------------------------------------------------------------------------------


def create(
    by: User,
    *,
    code: str,
    amount: int | None = None,
    percent: int | None = None,
    most: int | None = None,
    least_total: int | None = None,
    limit_all: int | None = None,
    limit_each: int | None = None,
    first: date | None = None,
    last: date | None = None,
    category_id: int | None = None,
    service_id: int | None = None,
) -> Coupon:
    """A new code, from the first day to the last. Raises Invalid with the field at fault."""
    _must_be_admin(by)
    first = first or clock.today()
    _check_worth(amount, percent, most)
    if last is not None and last < first:
        raise Invalid(_("The last day is before the first."), "last")
    if category_id and service_id:
        raise Invalid(_("Choose a category or a service, not both."), "service_id")
    for kind, one_id, field in ((Category, category_id, "category_id"), (Service, service_id, "service_id")):
        if one_id and db.session.get(kind, one_id) is None:
            raise Invalid(_("Choose one of the list."), field)
    made = Coupon(
        code=_checked(code),
        amount=amount,
        percent=percent,
        most=most if percent else None,
        least_total=least_total or 0,
        limit_all=limit_all,
        limit_each=limit_each,
        starts_at=clock.start_of(first),
        ends_at=clock.start_of(last + timedelta(days=1)) if last else None,
        category_id=category_id,
        service_id=service_id,
        created_by_id=by.id,
        created_at=clock.now(),
    )
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError:
        raise Invalid(_("There is a coupon with this code. Choose another."), "code") from None
    audit.record(by, "create_coupon", "coupon", made.id, name=made.code)
    return made


def switch_off(coupon: Coupon, by: User) -> None:
    """Nobody uses it any more; bookings made with it keep their price."""
    _must_be_admin(by)
    if coupon.off_at is not None:
        raise Conflict(_("This coupon is off already."))
    coupon.off_at = clock.now()
    db.session.flush()
    audit.record(by, "switch_off_coupon", "coupon", coupon.id, name=coupon.code)


def page(after: str | None = None) -> Page:
    """A page of coupons, the newest first."""
    found = select(Coupon).options(joinedload(Coupon.category), joinedload(Coupon.service))
    return keyset(found, [(Coupon.id, "desc")], after)


def get(coupon_id: int) -> Coupon:
    found = db.session.scalar(
        select(Coupon).where(Coupon.id == coupon_id).options(joinedload(Coupon.category), joinedload(Coupon.service))
    )
    if found is None:
        raise NotFound(_("There is no such coupon."))
    return found


def uses(coupon: Coupon, after: str | None = None) -> Page:
    """A page of who used a coupon for what, the newest booking first."""
    found = select(CouponUse).where(CouponUse.coupon_id == coupon.id)
    found = found.options(joinedload(CouponUse.booking), joinedload(CouponUse.customer))
    return keyset(found, [(CouponUse.booking_id, "desc")], after)


def _check_worth(amount, percent, most):
    if (amount is None) == (percent is None):
        raise Invalid(_("Enter an amount or a percentage, and not both."), "amount")
    if amount is not None and not amount:
        raise Invalid(_("Enter an amount above zero."), "amount")
    if percent is not None and not 1 <= percent <= 100:
        raise Invalid(_("Enter a percentage from 1 to 100."), "percent")
    if most is not None and not most:
        raise Invalid(_("Enter an amount above zero."), "most")


def _checked(code):
    code = _tidy(code)
    if not _CODE.fullmatch(code):
        raise Invalid(_("Use 4 to 30 letters, digits and hyphens."), "code")
    return code


def _must_be_admin(by):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
