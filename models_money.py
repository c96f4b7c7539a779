"""The tables of money: the ledger, payments, and what is asked of gateways."""

import enum
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, backref, mapped_column, relationship

from extensions import db
from models import Booking, Id, PaymentMethod, User, UTCDateTime, enum_column
from models_lifecycle import Refund


class LedgerEntry(db.Model):
    """One event of money: append only, which the database itself sees to. `key` names the event, so it is
    written once."""

    __tablename__ = "ledger_entries"
    __table_args__ = (Index("ix_ledger_entries_booking_id", "booking_id", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(80), unique=True)
    kind: Mapped[str] = mapped_column(String(30))
    booking_id: Mapped[int | None] = mapped_column(ForeignKey("bookings.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    lines: Mapped[list["LedgerLine"]] = relationship(back_populates="entry", order_by="LedgerLine.position")


class LedgerLine(db.Model):
    """What an entry does to one account, in minor units: above zero is a debit, below it a credit. Those of
    an entry add up to nothing."""

    __tablename__ = "ledger_lines"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        Index("ix_ledger_lines_account", "account", "entry_id"),
    )
    entry_id: Mapped[int] = mapped_column(ForeignKey("ledger_entries.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    account: Mapped[str] = mapped_column(String(40))
    amount: Mapped[int] = mapped_column(BigInteger)
    entry: Mapped[LedgerEntry] = relationship(back_populates="lines")


class PaymentStatus(enum.StrEnum):
    """Claimed by who says that they paid; verified by who has the money; or refused by them."""

    CLAIMED = "claimed"
    VERIFIED = "verified"
    REFUSED = "refused"


class CheckoutStatus(enum.StrEnum):
    OPEN = "open"
    PAID = "paid"
    ENDED = "ended"


class Payment(db.Model):
    """What a customer paid, in minor units. Only what is verified counts; `holder` is the account in the
    ledger of whoever has the money. `reference` is the UTR of UPI, or the gateway's id.

    Of what a professional noted, the customer says by `confirmed_at` or `denied_at` whether it is so; what
    was denied an admin decides.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        # What was refused may have been typed wrong by one and right by another.
        Index(
            "uq_payments_reference",
            "method",
            "reference",
            unique=True,
            sqlite_where=text("status <> 'refused'"),
            postgresql_where=text("status <> 'refused'"),
        ),
        Index("ix_payments_recorded_at_id", "recorded_at", "id"),
        Index(
            "ix_payments_claimed",
            "id",
            sqlite_where=text("status = 'claimed'"),
            postgresql_where=text("status = 'claimed'"),
        ),
        Index(
            "ix_payments_denied",
            "id",
            sqlite_where=text("denied_at IS NOT NULL AND decided_at IS NULL"),
            postgresql_where=text("denied_at IS NOT NULL AND decided_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), index=True)
    method: Mapped[PaymentMethod] = mapped_column(enum_column(PaymentMethod, "payment_method"))
    status: Mapped[PaymentStatus] = mapped_column(enum_column(PaymentStatus, "payment_status"))
    amount: Mapped[int] = mapped_column(BigInteger)
    reference: Mapped[str | None] = mapped_column(String(120))
    holder: Mapped[str] = mapped_column(String(40))
    recorded_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    recorded_at: Mapped[datetime] = mapped_column(UTCDateTime)
    verified_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    denied_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Why it was refused.
    reason: Mapped[str] = mapped_column(String(500), default="")
    booking: Mapped[Booking] = relationship(backref=backref("payments", order_by=id))
    recorded_by: Mapped[User] = relationship(foreign_keys=recorded_by_id)
    verified_by: Mapped[User | None] = relationship(foreign_keys=verified_by_id)
    refunds: Mapped[list[Refund]] = relationship(order_by=Refund.id, backref="payment")

    @property
    def disputed(self) -> bool:
        """Whether the customer denies it and no admin has decided."""
        return self.denied_at is not None and self.decided_at is None


class Checkout(db.Model):
    """A payment that was begun at a gateway, which knows it by `key`; we know it there by `reference`.

    The gateway is asked about it again at `due_at`, in case its message is lost.
    """

    __tablename__ = "checkouts"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        UniqueConstraint("method", "reference"),
        Index(
            "ix_checkouts_open",
            "due_at",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), index=True)
    method: Mapped[PaymentMethod] = mapped_column(enum_column(PaymentMethod, "payment_method"))
    status: Mapped[CheckoutStatus] = mapped_column(enum_column(CheckoutStatus, "checkout_status"))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    key: Mapped[str] = mapped_column(String(40), unique=True)
    reference: Mapped[str | None] = mapped_column(String(120))
    url: Mapped[str | None] = mapped_column(String(2000))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    booking: Mapped[Booking] = relationship()


class GatewayEvent(db.Model):
    """A message of a gateway, taken once: by its signed id, or the digest of its signed text. `fault` says
    what about it an admin has to look at."""

    __tablename__ = "gateway_events"
    __table_args__ = (
        UniqueConstraint("method", "event"),
        Index(
            "ix_gateway_events_fault", "id", sqlite_where=text("fault <> ''"), postgresql_where=text("fault <> ''")
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    method: Mapped[PaymentMethod] = mapped_column(enum_column(PaymentMethod, "payment_method"))
    event: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(30))
    checkout_id: Mapped[int | None] = mapped_column(ForeignKey("checkouts.id"))
    fault: Mapped[str] = mapped_column(String(300), default="")
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    checkout: Mapped[Checkout | None] = relationship()
