"""The tables of money: the ledger, payments, extras, coupons, what was issued, and what is paid out."""

import enum
from datetime import date, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, backref, mapped_column, relationship

from extensions import db
from models import Booking, Category, Id, PaymentMethod, Professional, Service, User, UTCDateTime, enum_column
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
        # With the amount, so that a balance is summed up in the index alone.
        Index("ix_ledger_lines_account", "account", "entry_id", "amount"),
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


class ExtraStatus(enum.StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class RateItem(db.Model):
    """Something that a professional often adds on site, at a price for one of it."""

    __tablename__ = "rate_items"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    price: Mapped[int] = mapped_column(BigInteger)


class Extra(db.Model):
    """What a professional would like to add to the bill on site. `price` is for one, in minor units."""

    __tablename__ = "extras"
    __table_args__ = (CheckConstraint("price > 0 AND quantity > 0", name="amount"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    price: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[ExtraStatus] = mapped_column(enum_column(ExtraStatus, "extra_status"), default=ExtraStatus.OPEN)
    proposed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    booking: Mapped[Booking] = relationship(backref=backref("extras", order_by=id))

    @property
    def amount(self) -> int:
        return self.price * self.quantity

    @property
    def title(self) -> str:
        return f"{self.quantity} × {self.label}" if self.quantity > 1 else self.label


class Coupon(db.Model):
    """A code that makes bookings cheaper, by an amount or by a percentage with a most, in minor units.

    Empty limits are none; `uses` counts the bookings that have it now. It holds from `starts_at` until
    before `ends_at`, for everything or for one category or service.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        CheckConstraint("(amount IS NULL) <> (percent IS NULL)", name="worth"),
        CheckConstraint("amount > 0 AND percent BETWEEN 1 AND 100", name="size"),
        CheckConstraint("uses >= 0 AND uses <= limit_all", name="uses"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code: Mapped[str] = mapped_column(String(30), unique=True)
    amount: Mapped[int | None] = mapped_column(BigInteger)
    percent: Mapped[int | None] = mapped_column(SmallInteger)
    most: Mapped[int | None] = mapped_column(BigInteger)
    least_total: Mapped[int] = mapped_column(BigInteger, default=0)
    limit_all: Mapped[int | None] = mapped_column(Integer)
    limit_each: Mapped[int | None] = mapped_column(Integer)
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))
    service_id: Mapped[int | None] = mapped_column(ForeignKey("services.id"))
    uses: Mapped[int] = mapped_column(Integer, default=0)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    off_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    category: Mapped[Category | None] = relationship()
    service: Mapped[Service | None] = relationship()


class CouponUse(db.Model):
    """A booking that was made with a coupon; given back when it ended without work."""

    __tablename__ = "coupon_uses"
    __table_args__ = (
        Index("ix_coupon_uses_coupon_id", "coupon_id", "booking_id"),
        Index("ix_coupon_uses_customer_id", "customer_id", "coupon_id"),
    )
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), primary_key=True)
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    given_back_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    booking: Mapped[Booking] = relationship()
    customer: Mapped[User] = relationship()


class DocumentKind(enum.StrEnum):
    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"
    RECEIPT = "receipt"


class DocumentCounter(db.Model):
    """The last serial number of a kind of document in a financial year."""

    __tablename__ = "document_counters"
    kind: Mapped[DocumentKind] = mapped_column(enum_column(DocumentKind, "document_kind"), primary_key=True)
    year: Mapped[str] = mapped_column(String(7), primary_key=True)
    last: Mapped[int] = mapped_column(Integer)


class Document(db.Model):
    """What was issued about a booking, as it was then: `content` is all that it says. Nobody can change it
    or take it away, which the database itself sees to, but for the names of people and where the work was: those
    may be emptied. `amount` is below zero on a credit note."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("kind", "year", "serial"),
        Index("ix_documents_booking_id", "booking_id", "id"),
        Index("ix_documents_customer_id", "customer_id", "id"),
        Index("ix_documents_professional_id", "professional_id", "id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[DocumentKind] = mapped_column(enum_column(DocumentKind, "document_kind"))
    year: Mapped[str] = mapped_column(String(7))
    serial: Mapped[int] = mapped_column(Integer)
    number: Mapped[str] = mapped_column(String(20), unique=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"))
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    professional_id: Mapped[int | None] = mapped_column(ForeignKey("professionals.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    content: Mapped[dict] = mapped_column(JSON)
    issued_at: Mapped[datetime] = mapped_column(UTCDateTime)
    booking: Mapped[Booking] = relationship(backref=backref("documents", order_by=id))


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
