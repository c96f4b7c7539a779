"""What is kept for how long, and why: the rules that a job goes through each night, and what stays by law.

The page about privacy and docs/privacy.md say the same; a test compares them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete, exists, select, update
from sqlalchemy.exc import IntegrityError

from domain import (
    api_results,
    api_sessions,
    clock,
    deliveries,
    documents,
    exports,
    files,
    open_questions,
    search_misses,
    tracking,
    users,
)
from domain.job_runs import Step
from extensions import db, settings
from models import Address, Booking, Notification, User
from models_live import Message
from models_privacy import Consent

BATCH = 500
# The cursor of the job says which rule it is at, and where in it.
STRIDE = 10**12


@dataclass(frozen=True)
class Rule:
    """`days` is None where the time is not counted in days; then `until` says when it ends."""

    name: str
    what: str
    why: str
    forget: Callable[[str, int], Step]
    days: Callable[[], int] | None = None
    until: str = ""


def run(period: str, cursor: int) -> Step:
    """A step of one rule, then of the next."""
    number, within = divmod(cursor, STRIDE)
    step = RULES[number].forget(period, within)
    if step.cursor is not None:
        return Step(step.count, number * STRIDE + step.cursor)
    return Step(step.count, (number + 1) * STRIDE if number + 1 < len(RULES) else None)


def chats(period: str, cursor: int) -> Step:
    """Take the words and pictures out of conversations about bookings that are long over."""
    old = Message.created_at < _before(settings.keep_days.chats)
    over = exists().where(Booking.id == Message.booking_id, Booking.status.in_(users.OVER))
    said = (Message.text != "") | Message.file_id.is_not(None)
    found = select(Message.id, Message.file_id).where(Message.id > cursor, old, over, said)
    rows = db.session.execute(found.order_by(Message.id).limit(BATCH)).all()
    ids = [row.id for row in rows]
    _execute(update(Message).where(Message.id.in_(ids)).values(text="", file_id=None))
    for row in rows:
        files.forget(row.file_id)
    return Step(len(ids), ids[-1] if len(ids) == BATCH else None)


def notifications(period: str, cursor: int) -> Step:
    """Forget what people were told long ago."""
    old = Notification.created_at < _before(settings.keep_days.notifications)
    ids = db.session.scalars(select(Notification.id).where(old).order_by(Notification.id).limit(BATCH)).all()
    _execute(delete(Notification).where(Notification.id.in_(ids)))
    return Step(len(ids), cursor + 1 if len(ids) == BATCH else None)


def tombstones(period: str, cursor: int) -> Step:
    """Delete the empty accounts of people who were erased long ago and to whom nothing leads any more."""
    booked = exists().where((Booking.customer_id == User.id) | (Booking.professional_id == User.id))
    gone = User.anonymised_at < _before(settings.keep_days.tombstones)
    found = select(User.id).where(User.id > cursor, gone, ~booked).order_by(User.id).limit(BATCH)
    ids = db.session.scalars(found).all()
    deleted = sum(map(_delete_account, ids))
    return Step(deleted, ids[-1] if len(ids) == BATCH else None)


def _delete_account(user_id):
    try:
        with db.session.begin_nested():
            _execute(delete(Consent).where(Consent.user_id == user_id))
            _execute(delete(Address).where(Address.customer_id == user_id))
            _execute(delete(User).where(User.id == user_id))
    except IntegrityError:
        # Something still leads to it, such as an act of an admin's in the audit trail.
        return False
    return True


def _before(days):
    return clock.now() - timedelta(days=days)


def _execute(statement):
    return db.session.execute(statement.execution_options(synchronize_session=False)).rowcount


RULES = (
    Rule(
        "chats",
        _l("What a customer and a professional write to each other, and the photos they show"),
        _l("Until a booking is over for good, and for a dispute about it. Then the words and photos are taken out."),
        chats,
        lambda: settings.keep_days.chats,
    ),
    Rule(
        "notifications",
        _l("Notifications in the app"),
        _l("So that you can look up what you were told."),
        notifications,
        lambda: settings.keep_days.notifications,
    ),
    Rule(
        "outbox",
        _l("That a mail, chat message or SMS was sent to you; its text is not kept"),
        _l("To find out why a message did not come. Failed ones stay at least 90 days."),
        deliveries.purge,
        lambda: settings.outbox_days,
    ),
    Rule(
        "searches",
        _l("Words that were searched for in vain, counted by day and district; not who searched"),
        _l("To see which services are missing where."),
        search_misses.forget_old,
        lambda: settings.keep_days.searches,
    ),
    Rule(
        "questions",
        _l("Questions that the help assistant could not answer, without numbers and addresses; not who asked"),
        _l("To write the answers that are missing."),
        open_questions.forget,
        lambda: settings.keep_days.questions,
    ),
    Rule(
        "positions",
        _l("Where a professional on the way is, if they share it"),
        _l("For the customer of that booking alone."),
        tracking.purge,
        until=_l("until the work starts, 6 hours at most"),
    ),
    Rule(
        "exports",
        _l("Files with a copy of your data, and exports of admins"),
        _l("So that there is time to download them."),
        exports.purge,
        lambda: settings.keep_days.exports,
    ),
    Rule(
        "sign_ins",
        _l("Log-ins through the API"),
        _l("So that you can end them."),
        api_sessions.forget_expired,
        until=_l("until their tokens have run out"),
    ),
    Rule(
        "answers",
        _l("What a program was answered, encrypted"),
        _l("So that the same call, sent twice, does a thing once."),
        api_results.forget_old,
        until=_l("a day"),
    ),
    Rule(
        "invoices",
        _l("Name and address of somebody who was erased, on their invoices, credit notes and receipts"),
        _l("The tax law wants these as they were issued. Then the names are taken out and the numbers stay."),
        documents.forget_names,
        lambda: settings.keep_days.invoices,
    ),
    Rule(
        "tombstones",
        _l("The empty account of somebody who was erased, once nothing leads to it"),
        _l("As proof of what was agreed and that it was erased."),
        tombstones,
        lambda: settings.keep_days.tombstones,
    ),
)
# What no job takes away.
STAYS = (
    (
        _l("Bookings, bills, payments and payouts"),
        _l("without name, address and words once you are erased; they are the site's books"),
    ),
    (
        _l("Invoices, credit notes and receipts"),
        _l("as they were issued: nobody can change one. Names leave them as the table says"),
    ),
    (_l("Reviews"), _l("with their stars and words, but without the name of who is erased")),
    (_l("What admins did"), _l("nobody can change or delete a line of the audit trail")),
    (
        _l("Your profile, addresses, documents, guides and comments"),
        _l("until you remove them or have your account erased"),
    ),
)
