"""The tables of what connects the site to other programs: the API, webhooks and calendars."""

from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models import Id, OutboxMessage, Professional, User, UTCDateTime


class ApiSession(db.Model):
    """One log-in through the API. Every token of it names this row, and ends with it.

    `session` is the person's fs_uniquifier of then: where that is replaced, because of a new
    password or a block, the tokens are worth nothing. `refresh_jti` names the one refresh token
    that may still be used.
    """

    __tablename__ = "api_sessions"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    session: Mapped[str] = mapped_column(String(64))
    refresh_jti: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    user: Mapped[User] = relationship()


class ApiKey(db.Model):
    """A key for a person's own scripts. Only its hash is kept; `hint` is how it begins."""

    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    hint: Mapped[str] = mapped_column(String(12))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    user: Mapped[User] = relationship()


class ApiResult(db.Model):
    """What a call with an Idempotency-Key answered, for whoever sends it again.

    `caller` is the person, or for those who are not logged in yet the place they call from. The
    answer may hold tokens, so it is kept encrypted.
    """

    __tablename__ = "api_results"
    caller: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class Webhook(db.Model):
    """An address of the operator's that is told of events. `secret` signs, and is kept encrypted."""

    __tablename__ = "webhooks"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(String(200))
    # The verbs of bookings it is told of (see domain.webhooks); empty for all.
    verbs: Mapped[list] = mapped_column(JSON)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_by: Mapped[User] = relationship()

    @property
    def host(self) -> str:
        """Where it is; the rest of an address may be a secret of the other side's."""
        return urlsplit(self.url).netloc


# Here, because models.py does not know this module.
OutboxMessage.webhook = relationship(Webhook)


class OutsideCalendar(db.Model):
    """A calendar that a professional keeps elsewhere, whose busy times are time off here.

    Its address is often a secret in itself and is kept encrypted. `due_at` is when it is read next;
    who reads it holds it by `lease` until `leased_until`.
    """

    __tablename__ = "outside_calendars"
    __table_args__ = (Index("ix_outside_calendars_due_at", "due_at"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    url: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lease: Mapped[str | None] = mapped_column(String(36))
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(300), default="")
    professional: Mapped[Professional] = relationship()
