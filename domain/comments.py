"""What people say about a guide: by the site's setting at once, after an admin has read it, or not at all."""

import hashlib
import secrets

from flask_babel import gettext as _
from sqlalchemy import delete, func, literal_column, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from domain import articles, audit, clock, news
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from domain.paging import Page, keyset
from extensions import db, settings
from models import Role, User
from models_guides import Comment, CommentState, Guide

OPEN, MODERATED, OFF = "open", "moderated", "off"
LONGEST, LONGEST_REPORT = 2000, 500
MOST_COUNTED = 1000
SEEN = (CommentState.SHOWN, CommentState.REPORTED)
# As a literal: SQLite chooses a partial index only for what it can read.
_TO_DECIDE = literal_column("guide_comments.state IN ('waiting', 'reported')")


# -- Readers ----------------------------------------------------------------------------------


def page(guide: Guide, reader: User | None, after: str | None = None) -> Page:
    """A page of what was said about a guide, the newest first; one's own also while it waits."""
    seen = Comment.state.in_(SEEN)
    if reader is not None:
        seen = or_(seen, (Comment.author_id == reader.id) & (Comment.state == CommentState.WAITING))
    found = select(Comment).where(Comment.guide_id == guide.id, seen).options(joinedload(Comment.author))
    return keyset(found, [(Comment.id, "desc")], after)


def write(guide: Guide, by: User, text: str, key: str | None = None) -> Comment:
    """Say something about a guide; the same words under the same one-time key are said once."""
    if settings.guide_comments == OFF:
        raise NotAllowed(_("Comments are closed."))
    text = _checked(text, "text", LONGEST, _("Write something."))
    mark = hashlib.sha256(f"{key or secrets.token_hex()}\n{text}".encode()).hexdigest()
    at_once = settings.guide_comments == OPEN or by.role is Role.ADMIN
    comment = Comment(
        guide_id=guide.id,
        author_id=by.id,
        mark=mark,
        text=text,
        state=CommentState.SHOWN if at_once else CommentState.WAITING,
        created_at=clock.now(),
    )
    try:
        with db.session.begin_nested():
            db.session.add(comment)
    except IntegrityError:
        again = Comment.guide_id == guide.id, Comment.author_id == by.id, Comment.mark == mark
        return db.session.scalars(select(Comment).where(*again)).one()
    _tell(comment)
    return comment


def get(guide: Guide, comment_id: int, reader: User) -> Comment:
    """A comment that somebody sees below a guide. Raises NotFound."""
    found = db.session.get(Comment, comment_id, options=[joinedload(Comment.author)])
    own = found and found.author_id == reader.id and found.state is CommentState.WAITING
    if found is None or found.guide_id != guide.id or not (found.state in SEEN or own):
        raise _unknown()
    return found


def report(comment: Comment, by: User, reason: str) -> None:
    """Have an admin look at what somebody else said; it is shown until then."""
    if comment.author_id == by.id:
        raise NotAllowed(_("This comment is your own."))
    reason = _checked(reason, "reason", LONGEST_REPORT, _("Say what is wrong with it."))
    if comment.decided_at is not None:
        raise Conflict(_("An admin has looked at this comment already, and it stays."))
    _move(
        comment,
        (CommentState.SHOWN,),
        _("This comment is reported already."),
        state=CommentState.REPORTED,
        report=reason,
        reported_by_id=by.id,
    )


def remove(comment: Comment, by: User) -> None:
    """Take back what one has said oneself."""
    if comment.author_id != by.id:
        raise NotAllowed(_("This comment is not yours."))
    db.session.delete(comment)
    db.session.flush()
    _tell(comment)


# -- Admins -----------------------------------------------------------------------------------


def to_decide(decided: bool = False, after: str | None = None) -> Page:
    """A page of comments for admins: what waits or was reported, the oldest first, or all others, the newest first."""
    found = select(Comment).where(~_TO_DECIDE if decided else _TO_DECIDE)
    found = found.options(joinedload(Comment.guide), joinedload(Comment.author), joinedload(Comment.reported_by))
    return keyset(found, [(Comment.id, "desc" if decided else "asc")], after)


def any_of(comment_id: int) -> Comment:
    """A comment as admins read it. Raises NotFound."""
    found = db.session.get(Comment, comment_id, options=[joinedload(Comment.guide), joinedload(Comment.author)])
    if found is None:
        raise _unknown()
    return found


def waiting_number():
    """How many comments wait for an admin, counted up to 1,001, as a column of a query."""
    found = select(Comment.id).where(_TO_DECIDE).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(found).scalar_subquery()


def show(comment: Comment, by: User) -> None:
    """What waits, was reported or was hidden is shown from now on."""
    _decide(comment, by, "show_comment", CommentState.SHOWN, "")


def hide(comment: Comment, by: User, reason: str) -> None:
    """Nobody reads it any more."""
    _decide(comment, by, "hide_comment", CommentState.HIDDEN, articles.reason(reason))


def forget(user: User) -> None:
    """Of somebody who is erased no word is left."""
    quiet = {"synchronize_session": False}
    db.session.execute(delete(Comment).where(Comment.author_id == user.id).execution_options(**quiet))
    reported = update(Comment).where(Comment.reported_by_id == user.id).values(report="", reported_by_id=None)
    db.session.execute(reported.execution_options(**quiet))


# -- Small print ------------------------------------------------------------------------------


def _decide(comment, by, action, state, reason):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
    others = [one for one in CommentState if one is not state]
    late = _("Another admin has decided about this already.")
    _move(comment, others, late, state=state, reason=reason, decided_at=clock.now())
    audit.record(by, action, "comment", comment.id, reason=reason)


def _move(comment, sources, late, **values):
    """Compare and set, so that of two at once one is too late."""
    moved = db.session.execute(
        update(Comment)
        .where(Comment.id == comment.id, Comment.state.in_(sources))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if not moved.rowcount:
        raise Conflict(late)
    db.session.refresh(comment)
    _tell(comment)


def _tell(comment):
    if comment.state is not CommentState.WAITING:
        news.of_guide(comment.guide_id, news.comments(comment.guide_id))
    news.tell_admins(news.COUNTERS)


def _checked(text, field, most, missing):
    text = text.strip()
    if not text:
        raise Invalid(missing, field)
    if len(text) > most:
        raise Invalid(_("Use at most %(max)d characters.", max=most), field)
    return text


def _unknown():
    return NotFound(_("There is no such comment."))
