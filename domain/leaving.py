"""How somebody has their own account erased: what stands in the way, the days to think better of it, the end.

An account that waits for its end is closed: every session and key ended with the request, and whoever logs in
again is asked first whether they keep it.
"""

from datetime import timedelta

from flask_babel import gettext as _
from sqlalchemy import exists, or_, select

from domain import api_keys, clock, ledger, listings, notifications, outbox, users
from domain.errors import Conflict, DomainError, Invalid, NotAllowed
from domain.job_runs import Step
from extensions import db, settings
from models import Booking, Role, User
from models_lifecycle import Refund, RefundState
from models_money import Checkout, CheckoutStatus, Payment, PaymentStatus, Payout, PayoutStatus

IN_A_STEP = 20


def obstacles(user: User) -> list[str]:
    """Why somebody cannot leave yet, in words that say what to do; nothing when they can."""
    if user.is_admin:
        last = _("You are the last admin of this site. Have another one made first.")
        return [last] if _is_last_admin(user) else []
    account = ledger.professional(user.id) if user.is_professional else ledger.customer(user.id)
    found = {
        _("Bookings are under way. Finish or cancel them first."): users.has_live_bookings(user),
        _("Money is still due for a job. Settle it first, or write to us if it was paid."): ledger.balance(account),
        _("A payment or a refund is still on its way. Wait until it has come."): _money_moves(user),
        _("A payout to you is on its way. Wait until it has come."): _is_paid_out(user),
    }
    return [words for words, there in found.items() if there]


def ask(user: User, by: User) -> None:
    """Close an account, to be erased after the days to think better of it; at once where there are none.

    Raises Conflict while something stands in the way.
    """
    if user.id != by.id:
        raise NotAllowed(_("You can only change your own account."))
    if user.erase_at is not None:
        raise Conflict(_("Your account is being erased already."))
    if in_the_way := obstacles(user):
        raise Conflict(" ".join(in_the_way))
    if not settings.erase_after_days:
        _erase(user)
        return
    user.erase_at = clock.now() + timedelta(days=settings.erase_after_days)
    users.end_sessions(user, by=user)
    api_keys.end_all(user)
    user.feed_salt = None
    if user.professional is not None:
        user.professional.paused = True
        listings.refresh(user.id)
    notifications.notify(user.id, "leaving", until=user.erase_at.isoformat())


def keep(user: User, by: User) -> None:
    """Think better of it. Raises Conflict when there is nothing to take back."""
    if user.id != by.id:
        raise NotAllowed(_("You can only change your own account."))
    if user.erase_at is None:
        raise Conflict(_("Your account is not being erased."))
    user.erase_at = None
    notifications.notify(user.id, "stayed", cause=f"stayed:{clock.now().isoformat()}")


def erase_due(period: str, cursor: int) -> Step:
    """Erase the accounts whose days are over. One that something stands in the way of waits for the next night."""
    due = select(User).where(User.id > cursor, User.erase_at <= clock.now()).order_by(User.id).limit(IN_A_STEP)
    people, erased = db.session.scalars(due).all(), 0
    for person in people:
        try:
            with db.session.begin_nested():
                if not obstacles(person):
                    _erase(person)
                    erased += 1
        except DomainError:
            # Something came in between, such as a payout that was made at this moment.
            continue
    return Step(erased, people[-1].id if len(people) == IN_A_STEP else None)


def check_words(words: str) -> None:
    """Whoever erases an account says so by hand. Raises Invalid."""
    if words.strip().casefold() != confirmation().casefold():
        raise Invalid(_("Write “%(words)s” to confirm.", words=confirmation()), field="words")


def confirmation() -> str:
    """What somebody has to write who wants to be erased."""
    return _("erase my account")


def _erase(user):
    email = user.email
    users.erase(user)
    # By mail alone, to an address that is not theirs here any more.
    outbox.publish_sealed(email, _("Your account is erased"), _farewell())


def _farewell():
    return _(
        "Your account at %(site)s is erased, with all that was personal in it. Invoices and receipts stay as long as "
        "the law wants them. This is the last mail to this address.",
        site=settings.site_name,
    )


def _is_last_admin(user):
    others = exists().where(User.role == Role.ADMIN, User.id != user.id, User.active.is_(True), User.erase_at.is_(None))
    return not db.session.scalar(select(others))


def _money_moves(user):
    side = Booking.professional_id if user.is_professional else Booking.customer_id
    theirs = select(Booking.id).where(side == user.id)
    claimed = exists().where(
        Payment.booking_id.in_(theirs),
        or_(
            Payment.status == PaymentStatus.CLAIMED,
            Payment.denied_at.is_not(None) & Payment.decided_at.is_(None),
        ),
    )
    back = exists().where(Refund.booking_id.in_(theirs), Refund.state != RefundState.DONE)
    begun = exists().where(Checkout.booking_id.in_(theirs), Checkout.status == CheckoutStatus.OPEN)
    return db.session.scalar(select(or_(claimed, back, begun)))


def _is_paid_out(user):
    return db.session.scalar(
        select(exists().where(Payout.professional_id == user.id, Payout.status == PayoutStatus.MADE))
    )
