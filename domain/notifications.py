"""What people are told: a row for each move, put into words when it is read."""

from datetime import datetime
from typing import NamedTuple

from flask_babel import lazy_gettext as _l
from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from domain import clock, measures, news, outbox, pricing
from domain.paging import Page, keyset
from extensions import Prepared, db
from models import Notification, User

# Counting stops here: a bell that says "99+" needs no more.
MOST_COUNTED = 100

# More at once are told as one.
MOST_TOASTS = 3

# What in the data of a notification is a moment.
MOMENTS = frozenset({"time", "new_time", "until"})

# What each kind says. Every notification of a booking carries the service, the other person's
# name and the start.
TEXTS = {
    "requested": _l("%(name)s asks for %(service)s on %(time)s. Answer before the request expires."),
    "series_requested": _l("%(name)s asks for %(service)s %(count)s times, from %(time)s on. Answer them together."),
    "offered": _l("%(service)s on %(time)s is on offer: the first to accept gets it."),
    "accepted": _l("%(name)s accepted %(service)s on %(time)s."),
    "rejected": _l("%(name)s declined %(service)s on %(time)s: %(reason)s"),
    "nobody": _l("Nobody could take %(service)s on %(time)s. Choose another time."),
    "cascaded": _l("%(former)s could not take %(service)s on %(time)s, so we asked %(name)s for the same price."),
    "cascaded_to_several": _l("We asked more professionals for %(service)s on %(time)s. The first to accept comes."),
    "cancelled_nobody": _l("%(name)s cancelled %(service)s on %(time)s, and nobody else is free then."),
    "expired": _l("The request for %(service)s on %(time)s expired without an answer."),
    "edited": _l("%(name)s changed the details of %(service)s on %(time)s."),
    "moved": _l("%(name)s moved %(service)s to %(time)s."),
    "proposed": _l(
        "%(name)s would like %(service)s on %(new_time)s instead of %(time)s. Answer by %(until)s. %(reason)s"
    ),
    "time_agreed": _l("%(name)s agreed to the new time: %(service)s is on %(new_time)s."),
    "time_declined": _l("%(name)s declined %(new_time)s: %(service)s stays on %(time)s. %(reason)s"),
    "time_withdrawn": _l("%(name)s took back the proposal of %(new_time)s: %(service)s stays on %(time)s."),
    "time_lapsed": _l("Nobody answered the proposal of %(new_time)s: %(service)s stays on %(time)s."),
    "cancelled": _l("%(name)s cancelled %(service)s on %(time)s."),
    "cancelled_by_admin": _l("%(service)s on %(time)s was cancelled by the site: %(reason)s"),
    "departed": _l("%(name)s is on the way for %(service)s."),
    "started": _l("%(name)s has started %(service)s."),
    "code_renewed": _l("The start code of %(service)s on %(time)s was renewed. Ask the customer for it."),
    "extra_proposed": _l("%(name)s would like to add to %(service)s: %(extra)s. Approve or decline it."),
    "extra_approved": _l("%(name)s approved for %(service)s: %(extra)s."),
    "extra_declined": _l("%(name)s declined for %(service)s: %(extra)s."),
    "extra_withdrawn": _l("%(name)s took back for %(service)s: %(extra)s. You need not answer."),
    "completed": _l("%(name)s has finished %(service)s. Confirm it and leave a review."),
    "closed": _l("%(name)s confirmed that %(service)s is done."),
    "auto_closed": _l("%(service)s on %(time)s was closed."),
    "reassigned": _l("%(service)s on %(time)s is now done by %(name)s."),
    "given": _l("The site gave you %(service)s on %(time)s with %(name)s."),
    "taken_away": _l("The site gave %(service)s on %(time)s to somebody else: %(reason)s"),
    "knocked": _l("%(name)s is at your door for %(service)s, agreed for %(time)s."),
    "customer_absent": _l("%(name)s did not find you for %(service)s on %(time)s. The late fee is due."),
    "customer_absent_free": _l("%(name)s did not find you for %(service)s on %(time)s. You owe nothing."),
    "professional_absent": _l("%(name)s says that you did not come for %(service)s on %(time)s."),
    "absence_noted": _l("It is noted that %(name)s was not there for %(service)s on %(time)s."),
    "disputed": _l("%(name)s says that %(service)s on %(time)s was not right. Answer within %(hours)s hours."),
    "dispute_answered": _l("%(name)s answered what you said about %(service)s on %(time)s. The site decides now."),
    "dispute_rework": _l("The work is done again: %(service)s on %(time)s, and it costs nothing. %(reason)s"),
    "dispute_refund": _l("The dispute about %(service)s on %(time)s ended with a refund: %(reason)s"),
    "dispute_dismissed": _l("The dispute about %(service)s on %(time)s ended without a refund: %(reason)s"),
    "message": _l("%(name)s wrote to you about %(service)s on %(time)s."),
    "paid": _l("%(name)s noted your payment for %(service)s."),
    "payment_claimed": _l(
        "%(name)s says that they paid for %(service)s by UPI, UTR %(reference)s. Confirm it once you have the money."
    ),
    "payment_verified": _l("Your payment for %(service)s has come."),
    "payment_refused": _l("Your payment for %(service)s was not found: %(reason)s"),
    "payment_denied": _l("%(name)s says that they did not pay you for %(service)s. The site decides."),
    "payment_decided": _l("The site has looked at the payment for %(service)s: %(reason)s"),
    "paid_online": _l("%(name)s has paid for %(service)s online."),
    "overpaid": _l("You paid more for %(service)s than was due. The rest goes back to you."),
    "money_back": _l("Money goes back to you for %(service)s: %(reason)s"),
    "reviewed": _l("%(name)s reviewed %(service)s."),
    "replied": _l("%(name)s replied to your review of %(service)s."),
    "slot_held": _l("A time with %(name)s is free: %(service)s on %(time)s is held for you for a few minutes."),
    "hold_lapsed": _l("The time held for you on %(time)s with %(name)s went to the next in line."),
    "approved": _l("You are approved. Customers can find and book you now."),
    "not_approved": _l("Your application was not approved: %(reason)s"),
    "export_ready": _l("Your export is ready. You can download it for 7 days."),
    "export_failed": _l("Your export failed. The page of the exports says why."),
    "copy_ready": _l("The copy of your data is ready. Download it before it is deleted again."),
    "copy_failed": _l("The copy of your data failed. The page about your data says why."),
    "leaving": _l("Your account is erased on %(until)s. Until then you can log in and keep it."),
    "stayed": _l("Your account stays. Nothing was erased."),
    "conduct_warned": _l(
        "A warning: %(numbers)s If this is not better by %(until)s, you get no new requests. "
        "Your scorecard shows which bookings count, and there you can appeal."
    ),
    "conduct_paused": _l(
        "You get no new requests for now: %(numbers)s What you have agreed to stands. "
        "Your scorecard shows how this ends, and there you can appeal."
    ),
    "conduct_cleared": _l("Your scorecard is better: the warning is withdrawn."),
    "conduct_resumed": _l("Your scorecard is better: the pause is over, and you can get new requests."),
    "appeal_granted": _l(
        "Your appeal is granted: nothing stands against you, and what was before counts no more. %(reason)s"
    ),
    "appeal_refused": _l("Your appeal is not granted: %(reason)s"),
    "pause_ended": _l("The site ended your pause, and you can get new requests. %(reason)s"),
    "guide_approved": _l("Your guide “%(title)s” is approved."),
    "guide_sent_back": _l("Your guide “%(title)s” came back to you: %(reason)s"),
    "guide_unpublished": _l("Your guide “%(title)s” is no longer published: %(reason)s"),
    "paid_out": _l("%(amount)s was paid out to your account %(account)s."),
    "payout_failed": _l("The payout of %(amount)s to your account %(account)s failed: %(reason)s"),
    "payout_account": _l("Where you are paid out was changed: %(account)s. If that was not you, tell us at once."),
}


class Bell(NamedTuple):
    """The number of a person's unread notifications, counted up to 100, and the id of the newest of all."""

    unread: int = 0
    newest: int = 0


QUIET = Bell()

_insert = Prepared(insert(Notification.__table__), "user_id", "kind", "booking_id", "data", "created_at")
# Both of the parameter `user`, in a query of their own or another's.
UNREAD = (
    select(func.count())
    .select_from(
        select(Notification.id)
        .where(Notification.user_id == bindparam("user"), Notification.read_at.is_(None))
        .limit(MOST_COUNTED)
        .subquery()
    )
    .scalar_subquery()
)
NEWEST = (
    select(func.coalesce(func.max(Notification.id), 0))
    .where(Notification.user_id == bindparam("user"))
    .scalar_subquery()
)


def notify(user_id: int, kind: str, booking_id: int | None = None, **data) -> None:
    """Tell one person; `data` fills the words of the kind and is JSON."""
    notify_all([user_id], kind, booking_id, **data)


def notify_all(
    user_ids: list[int],
    kind: str,
    booking_id: int | None = None,
    *,
    usual=False,
    cause: str | None = None,
    due_at: datetime | None = None,
    **data,
) -> None:
    """Tell several people the same, in the app at once and by the channels of their choice, from `due_at` on.

    `usual` says that none of them chose channels of their own. `cause` names what happened; without
    one it is the kind of move, the booking and the moment.
    """
    assert kind in TEXTS, kind
    now = clock.now()
    rows = [
        {"user_id": user_id, "kind": kind, "booking_id": booking_id, "data": data, "created_at": now}
        for user_id in user_ids
    ]
    if rows:
        _insert(db.session.connection(), rows)
        cause = cause or f"{kind}:{booking_id}:{now.isoformat()}"
        news.tell(user_ids, news.BELL)
        outbox.publish(user_ids, kind, cause, booking_id, usual=usual, due_at=due_at, **data)


def unread_since(user: User, seen: int) -> tuple[list[Notification], int]:
    """A person's unread notifications that are newer than an id, at most so many of the newest, oldest
    first; and how many there are, counted up to 100."""
    mine = Notification.user_id == user.id, Notification.read_at.is_(None), Notification.id > seen
    counted = select(Notification.id).where(*mine).limit(MOST_COUNTED).subquery()
    count = db.session.scalar(select(func.count()).select_from(counted))
    newest = select(Notification).where(*mine).order_by(Notification.id.desc()).limit(MOST_TOASTS)
    return [*db.session.scalars(newest)][::-1], count


def page_for(user: User, after: str | None = None) -> Page:
    """A page of a person's notifications, newest first."""
    mine = select(Notification).where(Notification.user_id == user.id)
    return keyset(mine, [(Notification.id, "desc")], after)


def get(notification_id: int, user: User) -> Notification | None:
    """One of a person's own notifications."""
    mine = select(Notification).where(Notification.id == notification_id, Notification.user_id == user.id)
    return db.session.scalar(mine)


def read(notification: Notification) -> None:
    """It is read, and with it what came before about the same booking, which shows where that has led."""
    mine = update(Notification).where(Notification.user_id == notification.user_id, Notification.read_at.is_(None))
    before = and_(Notification.booking_id == notification.booking_id, Notification.id < notification.id)
    db.session.execute(mine.where(or_(Notification.id == notification.id, before)).values(read_at=clock.now()))
    news.tell([notification.user_id], news.BELL)


def read_about(user: User, kind: str, booking_id: int) -> None:
    """Mark as read what somebody was told, because they have looked at the thing itself."""
    told = Notification.user_id == user.id, Notification.kind == kind, Notification.booking_id == booking_id
    unread = update(Notification).where(*told, Notification.read_at.is_(None)).values(read_at=clock.now())
    if db.session.execute(unread.execution_options(synchronize_session=False)).rowcount:
        news.tell([user.id], news.BELL)


def read_all(user: User) -> None:
    news.tell([user.id], news.BELL)
    db.session.execute(
        update(Notification)
        .where(Notification.user_id == user.id, Notification.read_at.is_(None))
        .values(read_at=clock.now())
    )


def message(notification: Notification, show_time) -> str:
    """The words, in the reader's language; `show_time` puts a moment into words."""
    data = dict(notification.data)
    for name in MOMENTS & data.keys():
        data[name] = show_time(datetime.fromisoformat(data[name]))
    if "amount" in data:
        data["amount"] = pricing.spoken(data["amount"])
    if "numbers" in data:
        data["numbers"] = measures.reported(data["numbers"])
    return (str(TEXTS[notification.kind]) % {"reason": "", "name": "", **data}).rstrip()
