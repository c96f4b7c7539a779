"""The line for a full day: who is told when a slot frees, and for whom it is held.

A freed slot is held for the first in line, for 15 minutes, by claims of its own; then for the next.
"""

from datetime import date, datetime, timedelta

from flask_babel import gettext as _
from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import contains_eager, joinedload

from domain import availability, blocked_pairs, clock, news, notifications
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db, settings
from models import (
    Address,
    Approval,
    Offering,
    Professional,
    Role,
    Service,
    SlotClaim,
    User,
    Wait,
    WaitStatus,
)

OPEN = (WaitStatus.WAITING, WaitStatus.HELD)
MOST_WAITING = 10
# How many of a line are looked at when something frees.
MOST_SERVED = 20


def join(by: User, professional_id: int, service_id: int, address_id: int, day: date) -> Wait:
    """Take a place in the line for a day; who has it already keeps it.

    Raises Invalid when the day is past, too far, not full, or the professional can't be waited for.
    """
    if by.role is not Role.CUSTOMER:
        raise NotAllowed(_("Only customers can book."))
    address = _address(address_id, by)
    service = _offered(by, professional_id, service_id)
    if not clock.today() <= day <= clock.today() + timedelta(days=settings.policy.horizon_days):
        raise Invalid(_("Choose one of the days shown."), "day")
    # One at a time per customer, so that two clicks at once make one place in the line.
    db.session.execute(select(User.id).where(User.id == by.id).with_for_update(key_share=True))
    mine = open_ones(by)
    for wait in mine:
        if (wait.professional_id, wait.service_id, wait.day) == (professional_id, service_id, day):
            return wait
    if len(mine) >= MOST_WAITING:
        raise Invalid(_("You are in %(most)s lines already. Leave one first.", most=MOST_WAITING))
    if any(slot for slot in _free(professional_id, service, day, address.pin)):
        raise Invalid(_("That day has free times: choose one of them."), "day")
    wait = Wait(
        customer_id=by.id,
        professional_id=professional_id,
        service_id=service_id,
        address_id=address.id,
        day=day,
        status=WaitStatus.WAITING,
        created_at=clock.now(),
    )
    db.session.add(wait)
    db.session.flush()
    return wait


def get(wait_id: int, by: User) -> Wait:
    """One of a customer's own places in a line. Raises NotFound for a stranger too."""
    wait = db.session.scalar(_of(by).where(Wait.id == wait_id))
    if wait is None:
        raise NotFound(_("There is no such place in a line, or it is not yours."))
    return wait


def open_ones(by: User) -> list[Wait]:
    """Where a customer waits, or has a slot held; the held ones first, then by day."""
    found = db.session.scalars(_of(by).where(Wait.status.in_(OPEN)).order_by(Wait.held_until, Wait.day, Wait.id)).all()
    return sorted(found, key=lambda wait: wait.status is not WaitStatus.HELD)


def held(customer, professional, now):
    """The id of the slot that is held for a customer with a professional, as a part of a statement."""
    mine = select(Wait.id).where(Wait.customer_id == customer, Wait.professional_id == professional)
    still = mine.where(Wait.status == WaitStatus.HELD, Wait.held_until > now)
    return still.order_by(Wait.id).limit(1).scalar_subquery()


def is_held(wait_id: int) -> bool:
    """Whether the slot that somebody was told of is still theirs to book."""
    wait = db.session.get(Wait, wait_id)
    return wait is not None and wait.status is WaitStatus.HELD and wait.held_until > clock.now()


def leave(wait: Wait, by: User) -> None:
    """Give the place up; a slot that was held goes to the next. Leaving twice is leaving once."""
    if wait.customer_id != by.id:
        raise NotAllowed(_("This is somebody else's place in the line."))
    if wait.status in OPEN:
        _end(wait, WaitStatus.LEFT)
        serve(wait.professional_id, wait.day)


def take(by: User, professional_id: int) -> set[date]:
    """A customer books with the professional who holds a slot for them: the hold makes way.

    Answers the days; what the booking leaves of them is the next one's (see serve).
    """
    held = select(Wait).where(
        Wait.customer_id == by.id, Wait.professional_id == professional_id, Wait.status == WaitStatus.HELD
    )
    waits = db.session.scalars(held).all()
    for wait in waits:
        _end(wait, WaitStatus.TAKEN)
    return {wait.day for wait in waits}


def slot_freed(professional_id: int | None, starts_at: datetime) -> None:
    """Something ended or moved: hold its time for whoever waits for that day."""
    if professional_id is not None and starts_at > clock.now():
        serve(professional_id, clock.local(starts_at).date())


def opened(professional_id: int) -> None:
    """Somebody takes bookings again, or at more times: hold what is free for whoever waits for them."""
    days = select(Wait.day).where(
        Wait.professional_id == professional_id, Wait.day >= clock.today(), Wait.status == WaitStatus.WAITING
    )
    for day in db.session.scalars(days.distinct().order_by(Wait.day)).all():
        serve(professional_id, day)


def forget(user: User) -> None:
    """Somebody who is erased waits for nothing, and nobody waits for them."""
    theirs = select(Wait).where(or_(Wait.customer_id == user.id, Wait.professional_id == user.id))
    ended = db.session.scalars(theirs.where(Wait.status.in_(OPEN))).all()
    for wait in ended:
        _end(wait, WaitStatus.LEFT)
    for professional_id, day in {(wait.professional_id, wait.day) for wait in ended}:
        serve(professional_id, day)


def serve(professional_id: int, day: date) -> None:
    """Hold what is free on a day for those in line for it, first come first."""
    line = db.session.scalars(
        select(Wait)
        .join(Wait.customer)
        .join(Wait.service)
        .where(
            Wait.professional_id == professional_id,
            Wait.day == day,
            Wait.status == WaitStatus.WAITING,
            # Whoever cannot book what is held keeps it from the others for nothing.
            User.active.is_(True),
            Service.retired_at.is_(None),
            ~blocked_pairs.are_apart(Wait.customer_id, Wait.professional_id),
            # Who takes no bookings now is not waited for until they do.
            exists().where(
                Offering.professional_id == Wait.professional_id,
                Offering.service_id == Wait.service_id,
                Offering.listed,
            ),
        )
        .options(contains_eager(Wait.service), joinedload(Wait.professional).joinedload(Professional.user))
        .order_by(Wait.id)
        .limit(MOST_SERVED)
    ).all()
    for wait in line:
        _hold_for(wait)


def lapse_due(limit: int = 100) -> int:
    """End the holds that nobody used in time and go on with the next in line; answer how many."""
    now = clock.now()
    due = select(Wait).where(Wait.status == WaitStatus.HELD, Wait.held_until <= now)
    lapsed = db.session.scalars(due.order_by(Wait.held_until).limit(limit).with_for_update(skip_locked=True)).all()
    for wait in lapsed:
        _end(wait, WaitStatus.LAPSED)
        _tell(wait, "hold_lapsed")
        serve(wait.professional_id, wait.day)
    db.session.execute(
        update(Wait).where(Wait.status == WaitStatus.WAITING, Wait.day < clock.today()).values(status=WaitStatus.LAPSED)
    )
    return len(lapsed)


def _hold_for(wait):
    address = wait.address
    start = next(_free(wait.professional_id, wait.service, wait.day, address.pin), None)
    if start is None:
        return
    try:
        with db.session.begin_nested():
            availability.hold(wait.professional_id, wait.id, start, wait.service.duration_minutes)
    except Conflict:
        # Somebody books it at this moment. That is no reason to refuse what has freed it.
        return
    wait.status = WaitStatus.HELD
    wait.starts_at = start
    wait.held_until = clock.now() + timedelta(minutes=settings.policy.hold_minutes)
    db.session.flush()
    news.tell([wait.customer_id], news.WAITS)
    _tell(wait, "slot_held")


def _free(professional_id, service, day, pin):
    """The free starts of a day for work at a place, in order."""
    [only] = availability.free_slots(professional_id, service.duration_minutes, day, 1, pin)
    return (slot.starts_at for slot in only.slots if not slot.taken)


def _end(wait, status):
    wait.status = status
    db.session.execute(delete(SlotClaim).where(SlotClaim.wait_id == wait.id))
    db.session.flush()
    news.of_slots(wait.professional_id)
    news.tell([wait.customer_id], news.WAITS)


def _tell(wait, kind):
    notifications.notify(
        wait.customer_id,
        kind,
        service=wait.service.name,
        name=wait.professional.user.name,
        time=wait.starts_at.isoformat(),
        wait_id=wait.id,
    )


def _of(by):
    return (
        select(Wait)
        .where(Wait.customer_id == by.id)
        .join(Wait.professional)
        .join(Professional.user)
        .options(
            joinedload(Wait.service),
            joinedload(Wait.address),
            contains_eager(Wait.professional).contains_eager(Professional.user),
        )
    )


def _address(address_id, by):
    mine = select(Address).where(Address.customer_id == by.id, Address.archived_at.is_(None))
    found = db.session.scalar(mine.where(Address.id == address_id).options(joinedload(Address.pin)))
    if found is None:
        raise NotFound(_("There is no such address."))
    return found


def _offered(by, professional_id, service_id):
    """The service, if the customer can book the professional for it."""
    service = db.session.scalar(
        select(Service)
        .join(Offering, Offering.service_id == Service.id)
        .join(Professional, Professional.id == Offering.professional_id)
        .join(User, User.id == Professional.id)
        .where(
            Offering.professional_id == professional_id,
            Service.id == service_id,
            Service.retired_at.is_(None),
            Professional.approval == Approval.APPROVED,
            Professional.paused.is_(False),
            Professional.suspended_at.is_(None),
            User.active.is_(True),
            ~blocked_pairs.are_apart(by.id, Offering.professional_id),
        )
    )
    if service is None:
        raise Invalid(_("This professional takes no bookings for that now. Choose another."), "service_id")
    return service
