"""Tables of the guides: articles, what readers feel about them, and what they say."""

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models import Id, Service, User, UTCDateTime, enum_column


class GuideState(enum.StrEnum):
    DRAFT = "draft"
    WAITING = "waiting"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"


class CommentState(enum.StrEnum):
    WAITING = "waiting"
    SHOWN = "shown"
    REPORTED = "reported"
    HIDDEN = "hidden"


class Guide(db.Model):
    """An article. Without an author it is the site's own.

    `publish_at` is when its author would like it to appear, and `published_at` when it first did; the
    words of `reason` are what an admin said when it came back. `edited_at` tells one version from the next.
    """

    __tablename__ = "guides"
    __table_args__ = (
        Index("ix_guides_state_published_at", "state", "published_at", "id"),
        Index("ix_guides_author_id", "author_id", "id"),
        CheckConstraint("state <> 'published' OR published_at IS NOT NULL", name="published_at"),
        CheckConstraint("state <> 'scheduled' OR publish_at IS NOT NULL", name="publish_at"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    state: Mapped[GuideState] = mapped_column(enum_column(GuideState, "guide_state"), default=GuideState.DRAFT)
    language: Mapped[str] = mapped_column(String(2), default="en")
    title: Mapped[str] = mapped_column(String(120))
    summary: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    edited_at: Mapped[datetime] = mapped_column(UTCDateTime)
    publish_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    author: Mapped[User | None] = relationship()
    tags: Mapped[list["GuideTag"]] = relationship(
        order_by="GuideTag.tag", cascade="all, delete-orphan", passive_deletes=True
    )
    services: Mapped[list[Service]] = relationship(
        secondary="guide_services", order_by="GuideService.position", viewonly=True
    )

    @property
    def names_of_tags(self) -> list[str]:
        return [one.tag for one in self.tags]


class GuideTag(db.Model):
    __tablename__ = "guide_tags"
    __table_args__ = (Index("ix_guide_tags_tag", "tag", "guide_id"),)
    guide_id: Mapped[int] = mapped_column(ForeignKey("guides.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(40), primary_key=True)


class GuideService(db.Model):
    """A service that a guide leads to at its end."""

    __tablename__ = "guide_services"
    guide_id: Mapped[int] = mapped_column(ForeignKey("guides.id", ondelete="CASCADE"), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)


class GuidePicture(db.Model):
    __tablename__ = "guide_pictures"
    __table_args__ = (Index("ix_guide_pictures_guide_id", "guide_id"),)
    file_id: Mapped[str] = mapped_column(ForeignKey("stored_files.id"), primary_key=True)
    guide_id: Mapped[int] = mapped_column(ForeignKey("guides.id", ondelete="CASCADE"))


class GuideWord(db.Model):
    """A word of a guide, folded, by which it is found."""

    __tablename__ = "guide_words"
    __table_args__ = (Index("ix_guide_words_guide_id", "guide_id"),)
    word: Mapped[str] = mapped_column(String(40), primary_key=True)
    guide_id: Mapped[int] = mapped_column(ForeignKey("guides.id", ondelete="CASCADE"), primary_key=True)


class Reaction(db.Model):
    """What somebody felt about a guide: each kind once. Counts are counts of these rows."""

    __tablename__ = "guide_reactions"
    __table_args__ = (Index("ix_guide_reactions_user_id", "user_id"),)
    guide_id: Mapped[int] = mapped_column(ForeignKey("guides.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)


class Comment(db.Model):
    """What somebody says about a guide. `mark` tells the same one sent twice.

    A reported one is shown until an admin has looked at it; `decided_at` is when one did, after which
    it cannot be reported again.
    """

    __tablename__ = "guide_comments"
    __table_args__ = (
        UniqueConstraint("guide_id", "author_id", "mark"),
        Index("ix_guide_comments_guide_id", "guide_id", "id"),
        Index("ix_guide_comments_author_id", "author_id"),
        Index(
            "ix_guide_comments_to_decide",
            "id",
            sqlite_where=text("state IN ('waiting', 'reported')"),
            postgresql_where=text("state IN ('waiting', 'reported')"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    guide_id: Mapped[int] = mapped_column(ForeignKey("guides.id", ondelete="CASCADE"))
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    mark: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[CommentState] = mapped_column(enum_column(CommentState, "comment_state"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    reported_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    report: Mapped[str] = mapped_column(String(500), default="")
    reason: Mapped[str] = mapped_column(String(500), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    guide: Mapped[Guide] = relationship()
    author: Mapped[User] = relationship(foreign_keys=author_id)
    reported_by: Mapped[User | None] = relationship(foreign_keys=reported_by_id)
