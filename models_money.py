"""The tables of money: the ledger."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models import Id, UTCDateTime


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
