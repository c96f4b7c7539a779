"""Questions that the assistant could not answer, for the admins: each once, counted, without what is personal."""

import hashlib
import re
from datetime import timedelta

from flask_babel import gettext as _
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from domain import clock
from domain.errors import NotFound
from domain.job_runs import Step
from domain.paging import Page, keyset
from domain.wordings import split
from extensions import db, settings
from models import User
from models_assistant import OpenQuestion

LONGEST = 200
BATCH = 500
_MAIL = re.compile(r"\S*@\S*")
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S*", re.IGNORECASE)


def masked(text: str) -> str:
    """A text without its digits, mail and web addresses."""
    text = _MAIL.sub("…@…", _ADDRESS.sub("…", text))
    return " ".join("".join("#" if letter.isdecimal() else letter for letter in text).split())


def note(text: str, language: str) -> None:
    """Count a question that had no answer. One that was answered meanwhile, and is asked again, is open again."""
    text = masked(text)[:LONGEST]
    words = " ".join(split(text))
    if not words:
        return
    key, now = hashlib.sha256(words.encode()).hexdigest(), clock.now()
    again = (
        update(OpenQuestion)
        .where(OpenQuestion.key == key)
        .values(count=OpenQuestion.count + 1, last_at=now, answered_at=None)
        .execution_options(synchronize_session=False)
    )
    if db.session.execute(again).rowcount:
        return
    try:
        with db.session.begin_nested():
            db.session.add(OpenQuestion(key=key, text=text, language=language, first_at=now, last_at=now))
    except IntegrityError:
        # Somebody asks the same at this moment.
        db.session.execute(again)


def page(answered: bool, after: str | None = None) -> Page:
    """A page of them, the last asked first."""
    found = select(OpenQuestion)
    found = found.where(OpenQuestion.answered_at.is_not(None) if answered else OpenQuestion.answered_at.is_(None))
    return keyset(found, [(OpenQuestion.last_at, "desc"), (OpenQuestion.id, "desc")], after)


def answer(question_id: int, by: User, answered: bool = True) -> OpenQuestion:
    """Note that the site has an answer now, or that it has none after all."""
    found = db.session.get(OpenQuestion, question_id)
    if found is None:
        raise NotFound(_("There is no such question."))
    found.answered_at = clock.now() if answered else None
    db.session.flush()
    return found


def forget(period: str, cursor: int) -> Step:
    """Throw away what nobody has asked for long."""
    before = clock.now() - timedelta(days=settings.keep_days.questions)
    ids = db.session.scalars(select(OpenQuestion.id).where(OpenQuestion.last_at < before).limit(BATCH)).all()
    if ids:
        db.session.execute(delete(OpenQuestion).where(OpenQuestion.id.in_(ids)))
    return Step(len(ids), cursor + len(ids) if len(ids) == BATCH else None)
