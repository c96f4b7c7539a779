"""Tables of what happens while people look: conversations, where somebody on the way is, and what pages show anew."""

from datetime import date, datetime

from sqlalchemy import (
    CheckConstraint,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models import Booking, Id, StoredFile, User, UTCDateTime


class Message(db.Model):
    """What one side of a booking wrote to the other or showed them.

    `professional_id` is with whom: one who gets the job from another begins with an empty page.
    `mark` tells the same message sent twice.
    """

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("booking_id", "sender_id", "mark"),
        Index("ix_messages_conversation", "booking_id", "professional_id", "id"),
        Index("ix_messages_sender_id", "sender_id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"))
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"))
    sender_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    mark: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text, default="")
    file_id: Mapped[str | None] = mapped_column(ForeignKey("stored_files.id"), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    hidden_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    hidden_reason: Mapped[str] = mapped_column(String(500), default="")
    booking: Mapped[Booking] = relationship()
    sender: Mapped[User] = relationship()
    file: Mapped[StoredFile | None] = relationship()


class TalkSide(db.Model):
    """One person's side of a conversation: the newest message of it, up to which one theirs reached them
    and was read, and how many are unread. It begins with the first message."""

    __tablename__ = "talk_sides"
    __table_args__ = (
        Index("ix_talk_sides_newest", "user_id", "newest_id"),
        Index(
            "ix_talk_sides_unread",
            "user_id",
            sqlite_where=text("unread > 0"),
            postgresql_where=text("unread > 0"),
        ),
    )
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    newest_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    unread: Mapped[int] = mapped_column(Integer, default=0)
    received_id: Mapped[int] = mapped_column(Id, default=0)
    received_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    read_id: Mapped[int] = mapped_column(Id, default=0)
    read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    booking: Mapped[Booking] = relationship()
    newest: Mapped[Message] = relationship()


class MessageReport(db.Model):
    """What somebody says against a message that they got, and when an admin decided about it."""

    __tablename__ = "message_reports"
    __table_args__ = (
        Index(
            "ix_message_reports_open",
            "id",
            sqlite_where=text("decided_at IS NULL"),
            postgresql_where=text("decided_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), unique=True)
    by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    message: Mapped[Message] = relationship()
    by: Mapped[User] = relationship(foreign_keys=by_id)


class Position(db.Model):
    """Where a professional on the way to a booking is: the newest, never a trail.

    The row begins with their consent, before any position, and goes when they are no longer on the way.
    `set_off_at` and `set_off_km` are when and how far from the place the first position was.
    """

    __tablename__ = "positions"
    __table_args__ = (
        CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name="point"),
        CheckConstraint("accuracy >= 0", name="accuracy"),
    )
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(UTCDateTime)
    lat: Mapped[float | None] = mapped_column(Float)
    lon: Mapped[float | None] = mapped_column(Float)
    # Metres within which the phone believes itself to be.
    accuracy: Mapped[int | None] = mapped_column(Integer)
    at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    set_off_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    set_off_km: Mapped[float | None] = mapped_column(Float)


class Trip(db.Model):
    """How long it took somebody to come so far as the crow flies, to learn arrival times from; whose it was
    and for which booking is not kept.

    `area` is the beginning of the place's PIN code and `hour` that of the site's clock when it began.
    """

    __tablename__ = "trips"
    __table_args__ = (Index("ix_trips_area_id", "area", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    area: Mapped[str] = mapped_column(String(3))
    hour: Mapped[int] = mapped_column(SmallInteger)
    km: Mapped[float] = mapped_column(Float)
    minutes: Mapped[float] = mapped_column(Float)
    day: Mapped[date] = mapped_column(Date, index=True)


# Read with all that a page shows of a booking.
Booking.position = relationship(Position, viewonly=True, uselist=False)


class Edition(db.Model):
    """The present edition of what pages keep texts of; one that was never changed has no row (see domain.editions)."""

    __tablename__ = "editions"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    mark: Mapped[str] = mapped_column(String(16))
