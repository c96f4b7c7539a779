"""Log-ins through the API: which tokens are still good, and how one refresh token becomes the next."""

from datetime import timedelta

from flask_babel import gettext as _
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import joinedload

from domain import clock
from domain.errors import NotAuthenticated
from domain.job_runs import Step
from extensions import db, settings
from models import User
from models_integrations import ApiSession

ACCESS = timedelta(minutes=15)
REFRESH = timedelta(days=30)
BATCH = 500

_CALLER = (
    select(User)
    .join(ApiSession, ApiSession.user_id == User.id)
    .where(
        ApiSession.id == bindparam("session_id"),
        ApiSession.expires_at > bindparam("now"),
        # However often its tokens are renewed.
        ApiSession.created_at > bindparam("oldest"),
        ApiSession.session == User.fs_uniquifier,
        User.id == bindparam("user_id"),
        User.active.is_(True),
    )
    .options(joinedload(User.professional))
)


def caller(session_id: int, user_id: int) -> User | None:
    """Whose tokens these are; None when the log-in has ended, by whatever means."""
    now = clock.now()
    asked = {"session_id": session_id, "user_id": user_id, "now": now, "oldest": now - settings.session_lifetime}
    return db.session.scalar(_CALLER, asked)


def begin(user: User, refresh_jti: str) -> ApiSession:
    """A log-in of somebody who has shown who they are."""
    now = clock.now()
    begun = ApiSession(
        user_id=user.id,
        session=user.fs_uniquifier,
        refresh_jti=refresh_jti,
        created_at=now,
        expires_at=now + REFRESH,
    )
    db.session.add(begun)
    db.session.flush()
    return begun


def rotate(session_id: int, user_id: int, used_jti: str, next_jti: str) -> None:
    """Let the next refresh token take the place of the one that was used.

    A token that was used before has been copied: the log-in ends for whoever has either of them,
    which is recorded. Raises NotAuthenticated, also where the log-in has ended.
    """
    if caller(session_id, user_id) is None:
        raise NotAuthenticated(_("This log-in has ended. Log in again."))
    rotated = db.session.execute(
        update(ApiSession)
        .where(ApiSession.id == session_id, ApiSession.refresh_jti == used_jti)
        .values(refresh_jti=next_jti, expires_at=clock.now() + REFRESH)
        .execution_options(synchronize_session=False)
    )
    if not rotated.rowcount:
        end(session_id)
        raise TokenUsedTwice(_("This refresh token was used already. Log in again."))


def end(session_id: int) -> None:
    """Log out: the tokens of this log-in are worth nothing from now on."""
    db.session.execute(_delete(ApiSession.id == session_id))


def forget(user: User) -> None:
    """Erase the log-ins of somebody who is anonymised."""
    db.session.execute(_delete(ApiSession.user_id == user.id))


def forget_expired(period: str, cursor: int) -> Step:
    """Throw away the log-ins whose last token has run out."""
    oldest = select(ApiSession.id).where(ApiSession.expires_at <= clock.now()).order_by(ApiSession.expires_at)
    ids = db.session.scalars(oldest.limit(BATCH)).all()
    db.session.execute(_delete(ApiSession.id.in_(ids)))
    return Step(len(ids), cursor + len(ids) if len(ids) == BATCH else None)


class TokenUsedTwice(NotAuthenticated):
    recorded = True


def _delete(condition):
    return delete(ApiSession).where(condition).execution_options(synchronize_session=False)
