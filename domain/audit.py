"""What admins did, to whom, when and from where: written in the transaction of the act itself."""

from contextvars import ContextVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import Insert, insert, select
from sqlalchemy.orm import joinedload

from domain import clock
from domain.paging import Page, keyset
from extensions import db
from models import AuditEntry, User

# The address of the computer that asked, set for each request; empty for a command.
came_from: ContextVar[str] = ContextVar("came_from", default="")

# Every act there is, as the audit pages name it.
ACTIONS = {
    "approve": _l("Approved a professional"),
    "reject": _l("Rejected a professional"),
    "block": _l("Blocked a person"),
    "unblock": _l("Unblocked a person"),
    "anonymise": _l("Anonymised a person"),
    "see_document": _l("Opened a document of a person"),
    "read_conversation": _l("Read a conversation"),
    "see_evidence": _l("Downloaded all about a booking"),
    "cancel": _l("Cancelled a booking"),
    "reassign": _l("Reassigned a booking"),
    "override_code": _l("Started a booking without its code"),
    "resolve": _l("Decided a dispute"),
    "grant_appeal": _l("Granted an appeal"),
    "refuse_appeal": _l("Refused an appeal"),
    "end_pause": _l("Ended a pause"),
    "set_commission": _l("Changed the commission of a professional"),
    "make_payouts": _l("Made a batch of payouts"),
    "download_payouts": _l("Downloaded a bank file"),
    "settle_payouts": _l("Marked payouts as paid"),
    "fail_payout": _l("Marked a payout as failed"),
    "mark_sick": _l("Marked sick days"),
    "unmark_sick": _l("Took sick days back"),
    "hide_review": _l("Hid a review"),
    "show_review": _l("Showed a review again"),
    "hide_message": _l("Hid a message"),
    "dismiss_report": _l("Dismissed the report of a message"),
    "approve_guide": _l("Published a guide"),
    "send_back_guide": _l("Sent a guide back"),
    "unpublish_guide": _l("Unpublished a guide"),
    "show_comment": _l("Showed a comment"),
    "hide_comment": _l("Hid a comment"),
    "create_category": _l("Created a category"),
    "edit_category": _l("Changed a category"),
    "retire_category": _l("Retired a category"),
    "restore_category": _l("Restored a category"),
    "delete_category": _l("Deleted a category"),
    "create_service": _l("Created a service"),
    "edit_service": _l("Changed a service"),
    "retire_service": _l("Retired a service"),
    "restore_service": _l("Restored a service"),
    "run_job": _l("Ran a job at once"),
    "delete_service": _l("Deleted a service"),
    "create_coupon": _l("Created a coupon"),
    "switch_off_coupon": _l("Switched off a coupon"),
    "request_export": _l("Asked for an export"),
    "cancel_export": _l("Cancelled an export"),
    "download_export": _l("Downloaded an export"),
    "resend": _l("Had a message sent again"),
    "resend_all": _l("Had failed messages sent again"),
    "add_webhook": _l("Added a webhook"),
    "edit_webhook": _l("Changed a webhook"),
    "replace_webhook_secret": _l("Replaced the secret of a webhook"),
    "pause_webhook": _l("Paused a webhook"),
    "resume_webhook": _l("Resumed a webhook"),
    "remove_webhook": _l("Removed a webhook"),
    "verify_payment": _l("Verified a payment"),
    "refuse_payment": _l("Refused a payment"),
    "keep_payment": _l("Upheld a denied payment"),
    "take_back_payment": _l("Took a denied payment back"),
    "refund_payment": _l("Refunded a payment"),
    "repeat_refund": _l("Had a refund asked for again"),
    "send_refund": _l("Sent a refund by hand"),
}

_INSERT = insert(AuditEntry)


def record(by: User, action: str, subject_type: str, subject_id: int, **detail) -> None:
    """Write down one act of an admin; `detail` is JSON, such as the reason."""
    db.session.execute(_INSERT, _values(by, action, subject_type, subject_id, detail))


def sight(by: User, action: str, subject_type: str, subject_id: int, **detail) -> Insert:
    """What an admin only looks at: a statement for whoever has answered the request, which itself changes nothing."""
    return _INSERT.values(_values(by, action, subject_type, subject_id, detail))


def _values(by, action, subject_type, subject_id, detail):
    assert action in ACTIONS, action
    return {
        "actor_id": by.id,
        "action": action,
        "subject_type": subject_type,
        "subject_id": subject_id,
        "detail": detail,
        "address": came_from.get()[:45],
        "at": clock.now(),
    }


def page(action: str | None = None, actor_id: int | None = None, after: str | None = None) -> Page:
    """A page of the trail, newest first, of one kind of act or of one admin if asked."""
    entries = select(AuditEntry).options(joinedload(AuditEntry.actor))
    if action:
        entries = entries.where(AuditEntry.action == action)
    if actor_id:
        entries = entries.where(AuditEntry.actor_id == actor_id)
    return keyset(entries, [(AuditEntry.id, "desc")], after)


def names_in(entries: list[AuditEntry]) -> dict[int, str]:
    """The names of the people whom entries are about, by id."""
    ids = {entry.subject_id for entry in entries if entry.subject_type == "user"}
    ids |= {entry.detail[side] for entry in entries for side in ("former", "to") if side in entry.detail}
    return dict(db.session.execute(select(User.id, User.name).where(User.id.in_(ids))).all()) if ids else {}


def of(subject_type: str, subject_id: int, most: int | None = 20) -> list[AuditEntry]:
    """The last acts upon one person, booking, service, category or review, newest first."""
    return list(
        db.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.subject_type == subject_type, AuditEntry.subject_id == subject_id)
            .options(joinedload(AuditEntry.actor))
            .order_by(AuditEntry.id.desc())
            .limit(most)
        )
    )
