"""What a professional says against a warning or a pause, and how an admin decides."""

from flask_babel import gettext as _
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from domain import audit, clock, news, notifications, pauses
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from domain.paging import Page, keyset
from extensions import db
from models import Professional, Role, User
from models_lifecycle import Appeal

FEWEST, MOST = 10, 2000
MOST_ANSWER = 500
MOST_SHOWN = 10
MOST_COUNTED = 1000


def begin(professional: Professional, by: User, words: str) -> Appeal:
    """Ask an admin to look at it, once at a time."""
    check(professional, by)
    words = words.strip()
    if not FEWEST <= len(words) <= MOST:
        raise Invalid(_("Write %(fewest)s to %(most)s characters.", fewest=FEWEST, most=MOST), "words")
    appeal = Appeal(professional_id=professional.id, words=words, created_at=clock.now())
    db.session.add(appeal)
    try:
        db.session.flush()
    except IntegrityError as twice:
        raise _is_open() from twice
    news.tell_admins(news.COUNTERS)
    return appeal


def check(professional: Professional, by: User) -> None:
    """Raises what stands in the way of an appeal."""
    if by.id != professional.id:
        raise NotAllowed(_("You can only appeal for yourself."))
    if professional.warned_at is None:
        raise InvalidTransition(_("There is no warning or pause to appeal against."))
    if open_of(professional.id) is not None:
        raise _is_open()


def grant(appeal: Appeal, by: User, answer: str) -> None:
    """They are right: the warning or the pause ends, and what was before counts no more."""
    _decide(appeal, by, answer, True)
    pauses.forgive(appeal.professional)
    notifications.notify(appeal.professional_id, "appeal_granted", reason=appeal.answer)


def refuse(appeal: Appeal, by: User, answer: str) -> None:
    """The warning or the pause stays."""
    _decide(appeal, by, answer, False)
    notifications.notify(appeal.professional_id, "appeal_refused", reason=appeal.answer)


def end_pause(professional: Professional, by: User, reason: str) -> None:
    """Take new requests again at once, without an appeal or as the answer to it."""
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
    check_paused(professional)
    if appeal := open_of(professional.id):
        grant(appeal, by, reason)
        return
    reason = _checked(reason, "reason")
    pauses.forgive(professional)
    audit.record(by, "end_pause", "user", professional.id, reason=reason)
    notifications.notify(professional.id, "pause_ended", reason=reason)


def check_paused(professional: Professional) -> None:
    """Raises InvalidTransition unless there is a pause to end."""
    if professional.suspended_at is None:
        raise InvalidTransition(_("The site has not paused this professional, or not any more."))


def check_unanswered(appeal: Appeal) -> None:
    """Raises Conflict when it was decided."""
    if appeal.answered_at is not None:
        raise Conflict(_("This appeal was answered already."))


# -- What there is to see ----------------------------------------------------------------------


def page(answered: bool = False, after: str | None = None) -> Page:
    """A page of appeals: those that wait, the oldest first, or those answered, the newest first."""
    found = select(Appeal).where(Appeal.answered_at.is_not(None) if answered else Appeal.answered_at.is_(None))
    found = found.options(joinedload(Appeal.professional).joinedload(Professional.user))
    return keyset(found, [(Appeal.id, "desc" if answered else "asc")], after)


def get(appeal_id: int) -> Appeal:
    """One appeal with its professional. Raises NotFound."""
    wanted = select(Appeal).where(Appeal.id == appeal_id)
    found = db.session.scalar(wanted.options(joinedload(Appeal.professional).joinedload(Professional.user)))
    if found is None:
        raise NotFound(_("There is no such appeal."))
    return found


def of(professional_id: int) -> list[Appeal]:
    """The latest appeals of a professional, the newest first."""
    theirs = select(Appeal).where(Appeal.professional_id == professional_id).order_by(Appeal.id.desc())
    return list(db.session.scalars(theirs.limit(MOST_SHOWN)))


def open_of(professional_id: int) -> Appeal | None:
    """The one that waits for an answer."""
    waits = select(Appeal).where(Appeal.professional_id == professional_id, Appeal.answered_at.is_(None))
    return db.session.scalar(waits)


def waiting_number():
    """How many appeals wait, counted up to 1,001, as a column of a query."""
    found = select(Appeal.id).where(Appeal.answered_at.is_(None)).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(found).scalar_subquery()


def forget(user: User) -> None:
    """Of somebody who is erased no words are left, and nothing waits for an answer."""
    theirs = update(Appeal).where(Appeal.professional_id == user.id)
    quiet = {"synchronize_session": False}
    db.session.execute(theirs.values(words="", answer="").execution_options(**quiet))
    waits = theirs.where(Appeal.answered_at.is_(None))
    db.session.execute(waits.values(granted=False, answered_at=clock.now()).execution_options(**quiet))


# -- Small print ------------------------------------------------------------------------------


def _decide(appeal, by, answer, granted):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
    answer = _checked(answer, "answer")
    decided = db.session.execute(
        update(Appeal)
        .where(Appeal.id == appeal.id, Appeal.answered_at.is_(None))
        .values(granted=granted, answer=answer, answered_by_id=by.id, answered_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if not decided.rowcount:
        raise Conflict(_("This appeal was answered already. Reload the page to see how."))
    db.session.refresh(appeal)
    action = "grant_appeal" if granted else "refuse_appeal"
    audit.record(by, action, "user", appeal.professional_id, reason=answer)
    news.tell_admins(news.COUNTERS)


def _checked(text, field):
    text = text.strip()
    if not text:
        raise Invalid(_("Say why: the professional will read it."), field)
    if len(text) > MOST_ANSWER:
        raise Invalid(_("Keep it under %(most)s characters.", most=MOST_ANSWER), field)
    return text


def _is_open():
    return Conflict(_("Your appeal is with us already. Wait for the answer."))
