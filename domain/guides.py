"""Articles: who writes them, how they come before readers, and how readers find them.

An admin publishes; what a professional writes waits for an admin. What is published is never changed by
its writer alone: a professional takes it back, and it waits again.
"""

from datetime import datetime
from typing import BinaryIO

from flask_babel import gettext as _
from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import joinedload, selectinload

from domain import articles, audit, clock, comments, files, news, notifications, reactions
from domain.errors import Conflict, InvalidTransition, NotAllowed, NotFound
from domain.job_runs import Step
from domain.paging import Page, keyset
from extensions import db
from models import Approval, Role, StoredFile, User
from models_guides import Guide, GuidePicture, GuideState, GuideTag, GuideWord
from storage import is_name

MOST_TAGS_SHOWN = 30
MOST_COUNTED = 1000
MOST_WORDS_ASKED = 8
AT_ONCE = 100
_SHOWN = Guide.state == GuideState.PUBLISHED


# -- Reading ----------------------------------------------------------------------------------


def page(words: str = "", tag: str | None = None, after: str | None = None) -> Page:
    """A page of published guides, the newest first: those with all these words, or with a tag."""
    found = select(Guide).where(_SHOWN, *(_has_word(one) for one in articles.asked_words(words)[:MOST_WORDS_ASKED]))
    if tag is not None:
        found = found.where(exists().where(GuideTag.guide_id == Guide.id, GuideTag.tag == tag))
    return _newest_first(found.options(joinedload(Guide.author), selectinload(Guide.tags)), after)


def latest(most: int) -> list[Guide]:
    """The guides that were published last."""
    newest = select(Guide).where(_SHOWN).order_by(Guide.published_at.desc(), Guide.id.desc())
    return list(db.session.scalars(newest.options(joinedload(Guide.author)).limit(most)))


def published(slug: str) -> Guide:
    """A guide as everybody reads it, with its tags and services. Raises NotFound."""
    found = db.session.scalar(_whole().where(Guide.slug == slug, _SHOWN))
    if found is None:
        raise _unknown()
    return found


def tags() -> list[str]:
    """The tags of published guides, the most used first."""
    counted = (
        select(GuideTag.tag)
        .join(Guide, Guide.id == GuideTag.guide_id)
        .where(_SHOWN)
        .group_by(GuideTag.tag)
        .order_by(func.count().desc(), GuideTag.tag)
    )
    return list(db.session.scalars(counted.limit(MOST_TAGS_SHOWN)))


def picture(file_id: str, reader: User | None) -> tuple[Guide, StoredFile, BinaryIO]:
    """A picture of a published guide, and of any other for who may read that. Raises NotFound."""
    found = None
    if is_name(file_id):
        shown = select(StoredFile, Guide).join(GuidePicture, GuidePicture.file_id == StoredFile.id)
        shown = shown.join(Guide, Guide.id == GuidePicture.guide_id).where(StoredFile.id == file_id)
        found = db.session.execute(shown).one_or_none()
    if found is None or not (found.Guide.state is GuideState.PUBLISHED or (reader and may_edit(found.Guide, reader))):
        raise NotFound(_("There is no such picture."))
    return found.Guide, found.StoredFile, files.opened(found.StoredFile)


# -- Those who write --------------------------------------------------------------------------


def may_write(person: User) -> bool:
    """Admins, and professionals whom customers can find."""
    if person.role is Role.ADMIN:
        return True
    return person.is_professional and person.professional.approval is Approval.APPROVED


def may_edit(guide: Guide, person: User) -> bool:
    return person.role is Role.ADMIN or guide.author_id == person.id


def get(guide_id: int, by: User) -> Guide:
    """A guide for its author or an admin; for everybody else there is none."""
    found = db.session.scalar(_whole().where(Guide.id == guide_id))
    if found is None or not may_edit(found, by):
        raise _unknown()
    return found


def mine(by: User, after: str | None = None) -> Page:
    """A page of one's own guides, the latest begun first."""
    return keyset(select(Guide).where(Guide.author_id == by.id), [(Guide.id, "desc")], after)


def listed(state: GuideState | None, after: str | None = None) -> Page:
    """A page of all guides for admins; those that wait with the oldest first."""
    found = select(Guide).options(joinedload(Guide.author))
    if state is not None:
        found = found.where(Guide.state == state)
    return keyset(found, [(Guide.id, "asc" if state is GuideState.WAITING else "desc")], after)


def waiting_number():
    """How many guides wait for an admin, counted up to 1,001, as a column of a query."""
    found = select(Guide.id).where(Guide.state == GuideState.WAITING).limit(MOST_COUNTED + 1).subquery()
    return select(func.count()).select_from(found).scalar_subquery()


def write(by: User, draft: articles.Draft, picture: files.Checked | None = None) -> Guide:
    """A new draft."""
    if not may_write(by):
        raise NotAllowed(_("Guides are written by admins and by approved professionals."))
    now = clock.now()
    guide = Guide(author_id=by.id, state=GuideState.DRAFT, created_at=now)
    articles.fill(guide, draft, picture, by)
    return guide


def publish_for_site(draft: articles.Draft) -> Guide:
    """A guide of the site's own, read by everybody at once."""
    guide = Guide(state=GuideState.DRAFT, created_at=clock.now())
    articles.fill(guide, draft, None, None)
    _publish(guide, (GuideState.DRAFT,))
    return guide


def edit(
    guide: Guide, by: User, draft: articles.Draft, picture: files.Checked | None, seen: datetime | None
) -> None:
    """Change a guide: its author while it is a draft, an admin always. `seen` is the version that was on the page."""
    check_editable(guide, by)
    _check_seen(guide, seen)
    articles.fill(guide, draft, picture, by)
    if guide.state is GuideState.PUBLISHED:
        news.of_guide(guide.id, news.article(guide.id))


def check_editable(guide: Guide, by: User) -> None:
    """Raises what stands in the way of changing a guide."""
    if by.role is not Role.ADMIN and guide.state is not GuideState.DRAFT:
        raise InvalidTransition(_("Take the guide back first: what you change is looked at again."))


def submit(guide: Guide, by: User) -> None:
    """Send a draft on: an admin's is published, at its time; a professional's waits for an admin."""
    if not may_write(by):
        raise NotAllowed(_("Guides are written by admins and by approved professionals."))
    if by.role is Role.ADMIN:
        _publish(guide, (GuideState.DRAFT,))
        return
    _move(guide, (GuideState.DRAFT,), state=GuideState.WAITING, reason="")
    news.tell_admins(news.COUNTERS)


def take_back(guide: Guide, by: User) -> None:
    """Make one's own guide a draft again, published or not."""
    if guide.author_id != by.id:
        raise NotAllowed(_("Only its author can take a guide back."))
    _move(guide, (GuideState.WAITING, GuideState.SCHEDULED, GuideState.PUBLISHED), state=GuideState.DRAFT)
    news.tell_admins(news.COUNTERS)


def remove(guide: Guide, by: User) -> None:
    """Delete a draft of one's own for good, with what was said about it when it was published."""
    if guide.author_id != by.id:
        raise NotAllowed(_("Only its author can delete a guide."))
    if guide.state is not GuideState.DRAFT:
        raise InvalidTransition(_("Take the guide back first. Then you can delete it."))
    _delete(guide)


# -- Admins -----------------------------------------------------------------------------------


def approve(guide: Guide, by: User, seen: datetime | None) -> None:
    """Publish what waits, at the time that its author asked for. `seen` is the version that was read."""
    _check_admin(by)
    _check_seen(guide, seen)
    _publish(guide, (GuideState.WAITING,))
    audit.record(by, "approve_guide", "guide", guide.id, title=guide.title)
    _tell_author(guide, "guide_approved")


def send_back(guide: Guide, by: User, reason: str) -> None:
    """What waits is its author's draft again, with the reason."""
    _return(guide, by, reason, (GuideState.WAITING,), "send_back_guide", "guide_sent_back")


def unpublish(guide: Guide, by: User, reason: str) -> None:
    """Nobody reads it any more; it is a draft again, with the reason."""
    out = GuideState.SCHEDULED, GuideState.PUBLISHED
    _return(guide, by, reason, out, "unpublish_guide", "guide_unpublished")


def publish_due(period: str, cursor: int) -> Step:
    """Publish what is scheduled and whose time has come."""
    due = select(Guide).where(Guide.state == GuideState.SCHEDULED, Guide.publish_at <= clock.now())
    guides = db.session.scalars(due.order_by(Guide.id).limit(AT_ONCE).with_for_update()).all()
    for guide in guides:
        _publish(guide, (GuideState.SCHEDULED,))
    return Step(len(guides))


def forget(user: User) -> None:
    """What a professional wrote goes with them, and what anybody felt and said about guides; what an admin
    wrote is the site's, and stays without their name."""
    for said in (comments, reactions):
        said.forget(user)
    theirs = Guide.author_id == user.id
    if user.role is Role.ADMIN:
        unsigned = update(Guide).where(theirs).values(author_id=None)
        db.session.execute(unsigned.execution_options(synchronize_session=False))
        return
    for guide in db.session.scalars(select(Guide).where(theirs)).all():
        _delete(guide)


# -- Small print ------------------------------------------------------------------------------


def _whole() -> Select:
    return select(Guide).options(joinedload(Guide.author), selectinload(Guide.tags), selectinload(Guide.services))


def _newest_first(found, after):
    return keyset(found, [(Guide.published_at, "desc"), (Guide.id, "desc")], after)


def _has_word(word):
    """Some word of the guide begins like this."""
    return exists().where(GuideWord.guide_id == Guide.id, GuideWord.word >= word, GuideWord.word < f"{word}\U0010ffff")


def _publish(guide, sources):
    now = clock.now()
    if guide.publish_at and guide.publish_at > now:
        _move(guide, sources, state=GuideState.SCHEDULED, reason="")
    else:
        _move(guide, sources, state=GuideState.PUBLISHED, published_at=guide.published_at or now, reason="")
    news.tell_admins(news.COUNTERS)


def _return(guide, by, reason, sources, action, kind):
    _check_admin(by)
    reason = articles.reason(reason)
    _move(guide, sources, state=GuideState.DRAFT, reason=reason)
    audit.record(by, action, "guide", guide.id, title=guide.title, reason=reason)
    _tell_author(guide, kind, reason=reason)
    news.tell_admins(news.COUNTERS)


def _move(guide, sources, **values):
    """Compare and set, so that of two at once one is too late."""
    moved = db.session.execute(
        update(Guide)
        .where(Guide.id == guide.id, Guide.state.in_(sources))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if not moved.rowcount:
        raise InvalidTransition(_("This guide is no longer as it was. Reload the page to see how it is."))
    db.session.refresh(guide)


def _tell_author(guide, kind, **data):
    if guide.author_id is not None:
        notifications.notify(guide.author_id, kind, cause=f"{kind}:{guide.id}:{clock.now()}", title=guide.title, **data)


def _delete(guide):
    kept = select(GuidePicture.file_id).where(GuidePicture.guide_id == guide.id)
    names = db.session.scalars(kept).all()
    db.session.execute(delete(Guide).where(Guide.id == guide.id).execution_options(synchronize_session=False))
    db.session.expunge(guide)
    for name in names:
        files.forget(name)


def _check_admin(by):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))


def _check_seen(guide, seen):
    if seen != guide.edited_at:
        raise Conflict(_("The guide was changed meanwhile. Reload the page and look at it again."))


def _unknown():
    return NotFound(_("There is no such guide, or it is not published."))
