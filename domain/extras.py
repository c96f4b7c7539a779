"""What is added to the bill on site: the professional proposes it, and it counts once the customer approves.

Professionals keep a rate card of what they often add.
"""

from collections.abc import Collection

from flask_babel import gettext as _
from sqlalchemy import func, select, update

from domain import clock, pricing
from domain.deadlines import open_extras
from domain.errors import Conflict, Invalid, NotFound
from domain.transitions import move, rule_for, tell
from extensions import db, settings
from models import Booking, BookingLine, User
from models_money import Extra, ExtraStatus, RateItem

LONGEST_LABEL = 100
MOST_OF_ONE = 99
MOST_ITEMS = 50


# -- On site ----------------------------------------------------------------------------------


def propose(booking: Booking, by: User, label: str, price: int, quantity: int = 1) -> Extra:
    """Ask the customer whether this may be added, `quantity` times at `price`."""
    rule = rule_for("propose_extra", booking, by)
    label = _checked_label(label)
    if not 1 <= quantity <= MOST_OF_ONE:
        raise Invalid(_("Enter a number from 1 to %(most)s.", most=MOST_OF_ONE), "quantity")
    _check_price(price, settings.extra_limit // quantity)
    extra = Extra(booking_id=booking.id, label=label, price=price, quantity=quantity, proposed_at=clock.now())
    move(booking, rule, by, extra.title)
    db.session.add(extra)
    db.session.flush()
    db.session.expire(booking, ["extras"])
    tell([booking.customer_id], "extra_proposed", booking, by.name, extra=extra.title)
    return extra


def approve(booking: Booking, by: User, extra_ids: Collection[int]) -> None:
    """The customer agrees to some of what is proposed: it is on the bill now, with its tax."""
    rule = rule_for("approve_extra", booking, by)
    chosen = _chosen(booking, extra_ids)
    added = pricing.quote_extras((extra.title, extra.amount) for extra in chosen)
    sums = {"total": booking.total + added.total, "subtotal": booking.subtotal + added.subtotal}
    move(booking, rule, by, _titles(chosen), where=(Booking.total == booking.total,), **sums)
    _answer(chosen, ExtraStatus.APPROVED)
    db.session.add_all(BookingLine(booking_id=booking.id, **line._asdict()) for line in added.lines)
    db.session.flush()
    db.session.expire(booking, ["lines"])
    tell([booking.professional_id], "extra_approved", booking, by.name, extra=_titles(chosen))


def decline(booking: Booking, by: User, extra_ids: Collection[int]) -> None:
    """The customer does not want some of what is proposed."""
    rule = rule_for("decline_extra", booking, by)
    chosen = _chosen(booking, extra_ids)
    move(booking, rule, by, _titles(chosen))
    _answer(chosen, ExtraStatus.DECLINED)
    tell([booking.professional_id], "extra_declined", booking, by.name, extra=_titles(chosen))


def withdraw(booking: Booking, by: User, extra_id: int) -> None:
    """The professional takes back what the customer has not answered."""
    rule = rule_for("withdraw_extra", booking, by)
    chosen = _chosen(booking, [extra_id])
    move(booking, rule, by, _titles(chosen))
    _answer(chosen, ExtraStatus.WITHDRAWN)
    tell([booking.customer_id], "extra_withdrawn", booking, by.name, extra=_titles(chosen))


def price_of_open(booking: Booking) -> pricing.Quote:
    """What approving all that is proposed would add to the bill."""
    return pricing.quote_extras((extra.title, extra.amount) for extra in open_extras(booking))


def drop(booking: Booking) -> None:
    """Nothing more is added to a booking that is called off."""
    db.session.execute(
        update(Extra)
        .where(Extra.booking_id == booking.id, Extra.status == ExtraStatus.OPEN)
        .values(status=ExtraStatus.WITHDRAWN, answered_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def _chosen(booking, extra_ids):
    """Those of what is proposed. Raises Conflict when one of them was answered, or taken back, meanwhile."""
    chosen = [extra for extra in booking.extras if extra.id in set(extra_ids)]
    if not chosen:
        raise Invalid(_("Choose what you mean."), "extra_ids")
    if any(extra.status is not ExtraStatus.OPEN for extra in chosen):
        raise _gone()
    return chosen


def _answer(chosen, status):
    ids = [extra.id for extra in chosen]
    answered = db.session.execute(
        update(Extra)
        .where(Extra.id.in_(ids), Extra.status == ExtraStatus.OPEN)
        .values(status=status, answered_at=clock.now())
    )
    if answered.rowcount != len(ids):
        raise _gone()


def _titles(chosen):
    return ", ".join(extra.title for extra in chosen)


def _gone():
    return Conflict(_("That was answered or taken back already. Look again."))


# -- The rate card ----------------------------------------------------------------------------


def rate_card(professional_id: int) -> list[RateItem]:
    """What a professional often adds, by name."""
    items = select(RateItem).where(RateItem.professional_id == professional_id)
    return list(db.session.scalars(items.order_by(RateItem.label, RateItem.id)))


def item(item_id: int, by: User) -> RateItem:
    """One item of one's own card. Raises NotFound for another's."""
    found = db.session.get(RateItem, item_id)
    if found is None or found.professional_id != by.id:
        raise NotFound(_("There is no such item on your rate card."))
    return found


def add_item(by: User, label: str, price: int) -> RateItem:
    label = _checked_label(label)
    _check_price(price, settings.extra_limit)
    kept = select(func.count()).where(RateItem.professional_id == by.id)
    if db.session.scalar(kept) >= MOST_ITEMS:
        raise Invalid(_("A rate card has %(most)s items at most. Remove one first.", most=MOST_ITEMS), "label")
    made = RateItem(professional_id=by.id, label=label, price=price)
    db.session.add(made)
    db.session.flush()
    return made


def change_item(one: RateItem, label: str, price: int) -> None:
    """What was proposed with it keeps its price."""
    label = _checked_label(label)
    _check_price(price, settings.extra_limit)
    one.label, one.price = label, price
    db.session.flush()


def remove_item(one: RateItem) -> None:
    db.session.delete(one)
    db.session.flush()


def _checked_label(label):
    label = " ".join(label.split())
    if not 2 <= len(label) <= LONGEST_LABEL:
        raise Invalid(_("Say what it is, in 2 to %(most)s characters.", most=LONGEST_LABEL), "label")
    return label


def _check_price(price, most):
    if price <= 0:
        raise Invalid(_("Enter an amount above zero."), "price")
    if price > most:
        raise Invalid(_("That is more than can be added on site. Book it as a service of its own."), "price")
