"""Tables of what happens when plans change: proposals, disputes, waiting, series, records of conduct."""

import enum
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, backref, column_property, mapped_column, relationship

from extensions import db
from models import Booking, Id, Professional, Service, StoredFile, User, UTCDateTime, enum_column


class ProposalStatus(enum.StrEnum):
    OPEN = "open"
    AGREED = "agreed"
    DECLINED = "declined"
    COUNTERED = "countered"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class Outcome(enum.StrEnum):
    """How a dispute ended."""

    REWORK = "rework"
    REFUND = "refund"
    DISMISSED = "dismissed"


class RefundState(enum.StrEnum):
    """Asked of a gateway, or of an admin for what lies at the bank; sent; or refused by the gateway."""

    ASKED = "asked"
    DONE = "done"
    FAILED = "failed"


class Proposal(db.Model):
    """Another time for a booking, proposed by one side. The old slot is held until it is agreed."""

    __tablename__ = "proposals"
    __table_args__ = (
        Index(
            "uq_proposals_open",
            "booking_id",
            unique=True,
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        Index(
            "ix_proposals_lapsing",
            "lapses_at",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), index=True)
    by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    note: Mapped[str] = mapped_column(String(500), default="")
    status: Mapped[ProposalStatus] = mapped_column(
        enum_column(ProposalStatus, "proposal_status"), default=ProposalStatus.OPEN
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lapses_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    by: Mapped[User] = relationship()
    booking: Mapped[Booking] = relationship(backref=backref("proposals", order_by=id))


class Dispute(db.Model):
    """What a customer says was wrong, what the professional answers, and what an admin decided."""

    __tablename__ = "disputes"
    __table_args__ = (
        Index(
            "ix_disputes_open",
            "id",
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), unique=True)
    words: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answer: Mapped[str] = mapped_column(Text, default="")
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    outcome: Mapped[Outcome | None] = mapped_column(enum_column(Outcome, "outcome"))
    refund: Mapped[int] = mapped_column(BigInteger, default=0)
    reason: Mapped[str] = mapped_column(Text, default="")
    resolved_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    resolved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # backref, because models.py does not know this module.
    booking: Mapped[Booking] = relationship(backref=backref("dispute", uselist=False))
    photos: Mapped[list["DisputePhoto"]] = relationship(order_by="DisputePhoto.position")
    resolved_by: Mapped[User | None] = relationship()


class DisputePhoto(db.Model):
    __tablename__ = "dispute_photos"
    dispute_id: Mapped[int] = mapped_column(ForeignKey("disputes.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    file_id: Mapped[str] = mapped_column(ForeignKey("stored_files.id"), unique=True)
    file: Mapped[StoredFile] = relationship()


class Refund(db.Model):
    """Money that goes back to a customer, in minor units, from the account that held it.

    `key` has a gateway give it back once, however often it is asked; it is asked again at `due_at`. Nobody
    recorded what goes back by itself.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        Index(
            "ix_refunds_open",
            "state",
            "id",
            sqlite_where=text("state <> 'done'"),
            postgresql_where=text("state <> 'done'"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), index=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(500))
    holder: Mapped[str] = mapped_column(String(40))
    state: Mapped[RefundState] = mapped_column(enum_column(RefundState, "refund_state"))
    key: Mapped[str] = mapped_column(String(40), unique=True)
    reference: Mapped[str | None] = mapped_column(String(120))
    tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    error: Mapped[str] = mapped_column(String(200), default="")
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    recorded_at: Mapped[datetime] = mapped_column(UTCDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    booking: Mapped[Booking] = relationship(backref=backref("refunds", order_by=id))


class BookingService(db.Model):
    """One of the services of a visit, in the order in which they were chosen."""

    __tablename__ = "booking_services"
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    price: Mapped[int] = mapped_column(BigInteger)
    duration_minutes: Mapped[int] = mapped_column(SmallInteger)
    service: Mapped[Service] = relationship()


# Read with each booking, because lists name what a visit is for.
Booking.extra_services = column_property(
    select(func.count())
    .where(BookingService.booking_id == Booking.id, BookingService.service_id != Booking.service_id)
    .correlate_except(BookingService)
    .scalar_subquery()
)


class SickDay(db.Model):
    """A day of a professional that an admin left out of the scorecard."""

    __tablename__ = "sick_days"
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    marked_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    marked_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Appeal(db.Model):
    """What a professional says against a warning or a pause, and what an admin answered."""

    __tablename__ = "appeals"
    __table_args__ = (
        Index(
            "uq_appeals_open",
            "professional_id",
            unique=True,
            sqlite_where=text("answered_at IS NULL"),
            postgresql_where=text("answered_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), index=True)
    words: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    granted: Mapped[bool | None]
    answer: Mapped[str] = mapped_column(Text, default="")
    answered_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    professional: Mapped[Professional] = relationship()


class Favourite(db.Model):
    """A professional whom a customer wants to find again."""

    __tablename__ = "favourites"
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    professional: Mapped[Professional] = relationship()


class BlockedPair(db.Model):
    """A customer and a professional of whom one does not want to meet the other again."""

    __tablename__ = "blocked_pairs"
    __table_args__ = (UniqueConstraint("customer_id", "professional_id", "by_id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), index=True)
    by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


# Those with whom a professional does not meet again, read once for all that is on offer to them.
Professional.apart = relationship(BlockedPair, viewonly=True)
