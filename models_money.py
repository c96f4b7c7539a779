"""The tables of money: the ledger, and what is paid out to professionals."""

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
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models import Id, Professional, User, UTCDateTime, enum_column


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
        # With the amount, so that a balance is summed up in the index alone.
        Index("ix_ledger_lines_account", "account", "entry_id", "amount"),
    )
    entry_id: Mapped[int] = mapped_column(ForeignKey("ledger_entries.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    account: Mapped[str] = mapped_column(String(40))
    amount: Mapped[int] = mapped_column(BigInteger)
    entry: Mapped[LedgerEntry] = relationship(back_populates="lines")


class PayoutWay(enum.StrEnum):
    BANK = "bank"
    UPI = "upi"


class PayoutStatus(enum.StrEnum):
    """On its way, at the professional's, or back on their account here."""

    MADE = "made"
    PAID = "paid"
    FAILED = "failed"


class PayoutAccount(db.Model):
    """Where a professional gets their money. The whole of it is in `sealed` (see domain.payout_accounts);
    `hint` is as much as may be shown."""

    __tablename__ = "payout_accounts"
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), primary_key=True, autoincrement=False)
    way: Mapped[PayoutWay] = mapped_column(enum_column(PayoutWay, "payout_way"))
    hint: Mapped[str] = mapped_column(String(80))
    sealed: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime)


class PayoutBatch(db.Model):
    """Payouts that an admin made together. They are numbered without gaps by whoever makes them: of two made
    at the same moment the second finds its number taken."""

    __tablename__ = "payout_batches"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    until: Mapped[date] = mapped_column(Date)
    made_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    made_by: Mapped[User] = relationship()


class Payout(db.Model):
    """What one professional gets, and where it went: a copy of their account at that time, which is
    emptied when they are erased."""

    __tablename__ = "payouts"
    __table_args__ = (
        UniqueConstraint("batch_id", "professional_id"),
        CheckConstraint("amount > 0", name="amount"),
        Index("ix_payouts_professional_id", "professional_id", "id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("payout_batches.id"))
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[PayoutStatus] = mapped_column(
        enum_column(PayoutStatus, "payout_status"), default=PayoutStatus.MADE
    )
    hint: Mapped[str] = mapped_column(String(80))
    sealed: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(500), default="")
    batch: Mapped[PayoutBatch] = relationship()
    professional: Mapped[Professional] = relationship()
