"""Tables, relationships, enums, constraints and one-line predicates. The rules are in domain/."""

import enum
import time
from datetime import UTC, date, datetime

from flask_security import UserMixin
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from extensions import db

# The number that a person sees starts above zero, so that nobody is booking number 1.
FIRST_REFERENCE = 10_000


def reference_of(booking_id: int) -> str:
    """What people read out on the telephone, such as DS-10042."""
    return f"DS-{FIRST_REFERENCE + booking_id}"


# BIGINT on PostgreSQL; SQLite only counts an INTEGER PRIMARY KEY up by itself.
Id = BigInteger().with_variant(Integer, "sqlite")


# The letters of "2026-11-21 09:00:00.000000".
_WITHOUT_OFFSET = 26


class UTCDateTime(TypeDecorator):
    """An aware datetime, stored in UTC. A naive one is a bug and raises ValueError."""

    impl = DateTime(timezone=True)
    cache_ok = True
    python_type = datetime

    def bind_processor(self, dialect):
        """As SQLite's own type writes it, at a fifth of the cost: a request binds twenty moments."""
        if dialect.name != "sqlite":
            return super().bind_processor(dialect)

        def process(value):
            moment = self.process_bind_param(value, dialect)
            return moment and moment.isoformat(" ", "microseconds")[:_WITHOUT_OFFSET]

        return process

    def process_bind_param(self, value: datetime | None, dialect):
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect):
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def enum_column(kind: type[enum.Enum], name: str) -> Enum:
    """A string column with a CHECK, the same on SQLite and PostgreSQL."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        length=20,
        create_constraint=True,
        values_callable=lambda members: [member.value for member in members],
    )


class Role(enum.StrEnum):
    CUSTOMER = "customer"
    PROFESSIONAL = "professional"
    ADMIN = "admin"

    def get_permissions(self) -> set[str]:
        """Flask-Security asks; here a blueprint is open to a role or it is not."""
        return set()


class Approval(enum.StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class Status(enum.StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CLOSED = "closed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    DISPUTED = "disputed"


class LineKind(enum.StrEnum):
    SERVICE = "service"
    EXTRA = "extra"
    PLATFORM_FEE = "platform_fee"
    TAX = "tax"
    DISCOUNT = "discount"
    LATE_FEE = "late_fee"
    REVERSAL = "reversal"
    REFUND = "refund"


class OfferStatus(enum.StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    LOST = "lost"
    EXPIRED = "expired"


class Channel(enum.StrEnum):
    MAIL = "mail"
    CHAT = "chat"
    SMS = "sms"
    WEBHOOK = "webhook"


class Delivery(enum.StrEnum):
    """What became of a message. Kept: there is no mail server, so it can only be read here."""

    WAITING = "waiting"
    SENT = "sent"
    KEPT = "kept"
    FAILED = "failed"
    DROPPED = "dropped"


class RunStatus(enum.StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ExportKind(enum.StrEnum):
    BOOKINGS = "bookings"
    EVERYTHING = "everything"
    # All about the person who asks, for them alone.
    PERSON = "person"


class ExportStatus(enum.StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class WaitStatus(enum.StrEnum):
    """Waiting for a free slot, a slot is held for them, they took it, they let it lapse, or they left."""

    WAITING = "waiting"
    HELD = "held"
    TAKEN = "taken"
    LAPSED = "lapsed"
    LEFT = "left"


class Every(enum.StrEnum):
    WEEK = "week"
    FORTNIGHT = "fortnight"
    THREE_WEEKS = "three_weeks"
    MONTH = "month"


class PaymentMethod(enum.StrEnum):
    CASH = "cash"
    UPI = "upi"
    STRIPE = "stripe"
    RAZORPAY = "razorpay"


class FileKind(enum.StrEnum):
    PHOTO = "photo"
    RESUME = "resume"
    IDENTITY = "identity"
    EVIDENCE = "evidence"
    # Shown to the other side of a conversation.
    PICTURE = "picture"


# -- Places ---------------------------------------------------------------------------------


class PinCode(db.Model):
    """A postal code with its place and point (WGS 84 degrees); `geo` C means estimated."""

    __tablename__ = "pin_codes"
    pincode: Mapped[str] = mapped_column(String(10), primary_key=True)
    place: Mapped[str] = mapped_column(String(120))
    district: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(120))
    lat: Mapped[float] = mapped_column(Float)
    lon: Mapped[float] = mapped_column(Float)
    geo: Mapped[str] = mapped_column(String(1))

    @property
    def approximate(self) -> bool:
        return self.geo == "C"


class City(db.Model):
    __tablename__ = "cities"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(120))
    lat: Mapped[float] = mapped_column(Float)
    lon: Mapped[float] = mapped_column(Float)
    population: Mapped[int] = mapped_column(Integer)
    pincode: Mapped[str] = mapped_column(ForeignKey("pin_codes.pincode"))


class CityName(db.Model):
    """Every name a city is known by, folded for comparison (see domain.places.fold)."""

    __tablename__ = "city_names"
    # In the order of code points, so that the index finds the beginning of a name.
    key: Mapped[str] = mapped_column(String(160, collation="C").with_variant(String(160), "sqlite"), primary_key=True)
    city_id: Mapped[int] = mapped_column(
        ForeignKey("cities.id", ondelete="CASCADE"), primary_key=True, index=True
    )


# -- Catalogue ------------------------------------------------------------------------------


class Category(db.Model):
    __tablename__ = "categories"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    slug: Mapped[str] = mapped_column(String(80), unique=True)
    icon: Mapped[str] = mapped_column(String(40), default="tools")
    position: Mapped[int] = mapped_column(Integer, default=0)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # As those of a professional and a booking, in basis points (see domain.commissions).
    commission: Mapped[int | None] = mapped_column(SmallInteger)
    services: Mapped[list["Service"]] = relationship(back_populates="category")


class Service(db.Model):
    """One thing that can be booked. `base_price` is in minor units, `duration_minutes` of work."""

    __tablename__ = "services"
    __table_args__ = (
        UniqueConstraint("category_id", "name"),
        CheckConstraint("base_price >= 0", name="base_price"),
        CheckConstraint("duration_minutes BETWEEN 15 AND 720", name="duration"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    slug: Mapped[str] = mapped_column(String(140), unique=True)
    description: Mapped[str] = mapped_column(Text, default="")
    base_price: Mapped[int] = mapped_column(BigInteger)
    duration_minutes: Mapped[int] = mapped_column(Integer)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    category: Mapped[Category] = relationship(back_populates="services")


# -- People ---------------------------------------------------------------------------------


class User(db.Model, UserMixin):
    __tablename__ = "users"
    __table_args__ = (
        Index("ix_users_role_id", "role", "id"),
        Index("ix_users_phone", "phone", postgresql_ops={"phone": "text_pattern_ops"}),
        Index("ix_users_name_key", "name_key", postgresql_ops={"name_key": "text_pattern_ops"}),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    role: Mapped[Role] = mapped_column(enum_column(Role, "role"))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    # Lower case, for searching by the beginning of a name through an index.
    name_key: Mapped[str] = mapped_column(String(120), default="")
    phone: Mapped[str | None] = mapped_column(String(20))
    locale: Mapped[str | None] = mapped_column(String(10))
    photo_id: Mapped[str | None] = mapped_column(ForeignKey("stored_files.id", ondelete="SET NULL"))
    # Topic to list of channels, where they differ from the usual ones (see domain.outbox).
    message_choices: Mapped[dict | None] = mapped_column(JSON)
    # The Google Chat webhook that a person gave for their messages.
    chat_url: Mapped[str | None] = mapped_column(String(500))
    # Of the secret address of their calendar; None while they have none.
    feed_salt: Mapped[str | None] = mapped_column(String(32))
    last_seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    demo: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    # When the account is erased, as its owner wishes; and which version of the texts they agreed to last.
    erase_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    agreed_version: Mapped[str | None] = mapped_column(String(20))
    anonymised_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    blocked_reason: Mapped[str | None] = mapped_column(String(500))
    # The names of these are Flask-Security's. `active` False is a blocked person.
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    password: Mapped[str | None] = mapped_column(String(255))
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    tf_primary_method: Mapped[str | None] = mapped_column(String(64))
    tf_totp_secret: Mapped[str | None] = mapped_column(String(255))
    # The half minute of the last code that was used: it and those before it are used up.
    tf_last_counter: Mapped[int | None] = mapped_column(Integer)
    mf_recovery_codes: Mapped[list | None] = mapped_column(MutableList.as_mutable(JSON()))

    professional: Mapped["Professional | None"] = relationship(back_populates="user")
    addresses: Mapped[list["Address"]] = relationship(back_populates="customer")
    later_names: Mapped[list["LaterName"]] = relationship(cascade="all, delete-orphan")

    @validates("name")
    def _keep_keys(self, _attribute, name: str) -> str:
        self.name_key = name.lower()[:120]
        words = self.name_key.split()
        keys = {" ".join(words[first:]) for first in range(1, len(words))}
        self.later_names = [LaterName(key=key) for key in sorted(keys)]
        return name

    @property
    def roles(self) -> list[Role]:
        """Flask-Security asks for a list of objects with a name; a person has one role."""
        return [self.role]

    def name_of_session(self) -> str:
        """What the cookies of a log-in carry: who it is, and when it was, by the clock that signs them."""
        return f"{self.fs_uniquifier}.{int(time.time())}"

    def has_role(self, role) -> bool:
        return self.role == getattr(role, "value", role)

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def is_customer(self) -> bool:
        return self.role is Role.CUSTOMER

    @property
    def is_professional(self) -> bool:
        return self.role is Role.PROFESSIONAL


class LaterName(db.Model):
    """A name from its second, third ... word on, so that "rao" finds Asha Rao through an index."""

    __tablename__ = "later_names"
    __table_args__ = (Index("ix_later_names_key", "key", postgresql_ops={"key": "text_pattern_ops"}),)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(120), primary_key=True)


class Address(db.Model):
    """Where a customer wants work done. One that was used is archived, never deleted."""

    __tablename__ = "addresses"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    label: Mapped[str] = mapped_column(String(40), default="")
    line: Mapped[str] = mapped_column(String(200))
    pincode: Mapped[str] = mapped_column(ForeignKey("pin_codes.pincode"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    archived_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    customer: Mapped[User] = relationship(back_populates="addresses")
    pin: Mapped[PinCode] = relationship()


class Professional(db.Model):
    """The working side of a user with role professional; both share one id.

    `lat` and `lon` are those of `base_pincode`. `rating_sum` and `rating_count` count visible
    reviews; `rank` is their Bayesian mean (see domain.reviews).
    """

    __tablename__ = "professionals"
    __table_args__ = (
        CheckConstraint("radius_km BETWEEN 1 AND 200", name="radius"),
        CheckConstraint("experience_years BETWEEN 0 AND 70", name="experience"),
        CheckConstraint("speed_kmh BETWEEN 5 AND 100", name="speed"),
        Index("ix_professionals_approval_applied_at", "approval", "applied_at", "id"),
        Index("ix_professionals_rating", "rating_count", "rank"),
    )
    id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, autoincrement=False)
    bio: Mapped[str] = mapped_column(Text, default="")
    experience_years: Mapped[int] = mapped_column(SmallInteger, default=0)
    hourly_rate: Mapped[int | None] = mapped_column(BigInteger)
    # Where customers pay them by UPI, if the site has no account of its own for that.
    upi_id: Mapped[str | None] = mapped_column(String(100))
    commission: Mapped[int | None] = mapped_column(SmallInteger)
    base_pincode: Mapped[str] = mapped_column(ForeignKey("pin_codes.pincode"), index=True)
    lat: Mapped[float] = mapped_column(Float)
    lon: Mapped[float] = mapped_column(Float)
    radius_km: Mapped[int] = mapped_column(SmallInteger, default=10)
    languages: Mapped[list[str]] = mapped_column(JSON, default=list)
    resume_id: Mapped[str | None] = mapped_column(ForeignKey("stored_files.id", ondelete="SET NULL"))
    identity_id: Mapped[str | None] = mapped_column(ForeignKey("stored_files.id", ondelete="SET NULL"))
    approval: Mapped[Approval] = mapped_column(enum_column(Approval, "approval"), default=Approval.PENDING)
    approval_reason: Mapped[str | None] = mapped_column(String(500))
    applied_at: Mapped[datetime] = mapped_column(UTCDateTime)
    approved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    paused: Mapped[bool] = mapped_column(Boolean, default=False)
    # How fast they get from one job to the next, on the way as the crow flies.
    speed_kmh: Mapped[int] = mapped_column(SmallInteger, default=20)
    # When the scorecard warned them and of which numbers, and from when on it pauses them; what was
    # before `counts_from` is forgiven (see domain.scorecards and domain.pauses).
    warned_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    warned_of: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    suspended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    counts_from: Mapped[datetime | None] = mapped_column(UTCDateTime)
    rating_sum: Mapped[int] = mapped_column(Integer, default=0)
    rating_count: Mapped[int] = mapped_column(Integer, default=0)
    rank: Mapped[float] = mapped_column(Float, default=0.0)
    offers_answered: Mapped[int] = mapped_column(Integer, default=0)
    offers_accepted: Mapped[int] = mapped_column(Integer, default=0)
    last_job_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    user: Mapped[User] = relationship(back_populates="professional")
    base: Mapped[PinCode] = relationship()
    offerings: Mapped[list["Offering"]] = relationship(back_populates="professional", cascade="all, delete-orphan")
    hours: Mapped[list["WorkingHours"]] = relationship(
        back_populates="professional",
        cascade="all, delete-orphan",
        order_by="WorkingHours.weekday, WorkingHours.starts_minute",
    )
    time_off: Mapped[list["TimeOff"]] = relationship(
        back_populates="professional", cascade="all, delete-orphan", order_by="TimeOff.starts_at"
    )

    @property
    def approved(self) -> bool:
        return self.approval is Approval.APPROVED

    @property
    def closed(self) -> bool:
        """Whether nobody can find and book them now: by their own switch, or by the scorecard."""
        return self.paused or self.suspended_at is not None

    @property
    def rating(self) -> float | None:
        return self.rating_sum / self.rating_count if self.rating_count else None


class Offering(db.Model):
    """A service that a professional offers; without `own_price` the service's base price holds.

    The columns from `listed` on are copies of the professional's, kept by
    domain.professionals.refresh_listing, so that a search reads one index and no join.
    """

    __tablename__ = "offerings"
    __table_args__ = (
        CheckConstraint("own_price >= 0", name="own_price"),
        # Everything that a search near a place compares or sorts by, so that it reads the index alone.
        Index(
            "ix_offerings_near",
            "service_id",
            "listed",
            "lat",
            "lon",
            "rating",
            "radius_km",
            "rank",
            "experience_years",
            "own_price",
            "professional_id",
        ),
        Index("ix_offerings_best", "service_id", "listed", "rank", "professional_id"),
    )
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id", ondelete="CASCADE"), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    own_price: Mapped[int | None] = mapped_column(BigInteger)
    listed: Mapped[bool] = mapped_column(Boolean, default=False)
    lat: Mapped[float] = mapped_column(Float)
    lon: Mapped[float] = mapped_column(Float)
    radius_km: Mapped[int] = mapped_column(SmallInteger)
    rating: Mapped[float | None] = mapped_column(Float)
    rank: Mapped[float] = mapped_column(Float, default=0.0)
    experience_years: Mapped[int] = mapped_column(SmallInteger, default=0)
    professional: Mapped[Professional] = relationship(back_populates="offerings")
    service: Mapped[Service] = relationship()


class StoredFile(db.Model):
    """An upload after checking. `id` is the random name under which storage keeps it."""

    __tablename__ = "stored_files"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", use_alter=True), index=True)
    kind: Mapped[FileKind] = mapped_column(enum_column(FileKind, "file_kind"))
    content_type: Mapped[str] = mapped_column(String(60))
    size: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


# -- Time -----------------------------------------------------------------------------------


class WorkingHours(db.Model):
    """A range of one weekday (Monday is 0) on the site's clock, in minutes after midnight."""

    __tablename__ = "working_hours"
    __table_args__ = (
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440", name="range"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    professional_id: Mapped[int] = mapped_column(
        ForeignKey("professionals.id", ondelete="CASCADE"), index=True
    )
    weekday: Mapped[int] = mapped_column(SmallInteger)
    starts_minute: Mapped[int] = mapped_column(SmallInteger)
    ends_minute: Mapped[int] = mapped_column(SmallInteger)
    professional: Mapped[Professional] = relationship(back_populates="hours")


class TimeOff(db.Model):
    __tablename__ = "time_off"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="range"),
        Index("ix_time_off_professional_id_ends_at", "professional_id", "ends_at"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)
    note: Mapped[str] = mapped_column(String(200), default="")
    # Of a busy time that was read from elsewhere, the calendar.
    calendar_id: Mapped[int | None] = mapped_column(ForeignKey("outside_calendars.id"), index=True)
    professional: Mapped[Professional] = relationship(back_populates="time_off")


class SlotClaim(db.Model):
    """One quarter of an hour of a professional, taken by a booking, or held for somebody who waits.

    The primary key is what makes a double booking impossible. `bucket` counts quarter-hours since
    1970-01-01 00:00 UTC.
    """

    __tablename__ = "slot_claims"
    __table_args__ = (
        CheckConstraint("(booking_id IS NULL) <> (wait_id IS NULL)", name="holder"),
        {"sqlite_with_rowid": False},
    )
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), primary_key=True)
    bucket: Mapped[int] = mapped_column(Integer, primary_key=True)
    booking_id: Mapped[int | None] = mapped_column(ForeignKey("bookings.id"), index=True)
    wait_id: Mapped[int | None] = mapped_column(ForeignKey("waits.id"), index=True)


class Wait(db.Model):
    """A customer's place in the line for a professional's full day. While a freed slot is held for
    them, `starts_at` and `held_until` say which and how long."""

    __tablename__ = "waits"
    __table_args__ = (
        Index("ix_waits_line", "professional_id", "day", "status", "id"),
        Index(
            "ix_waits_held",
            "held_until",
            sqlite_where=text("status = 'held'"),
            postgresql_where=text("status = 'held'"),
        ),
        Index(
            "uq_waits_once",
            "customer_id",
            "professional_id",
            "service_id",
            "day",
            unique=True,
            sqlite_where=text("status IN ('waiting', 'held')"),
            postgresql_where=text("status IN ('waiting', 'held')"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"))
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"))
    address_id: Mapped[int] = mapped_column(ForeignKey("addresses.id"))
    day: Mapped[date] = mapped_column(Date)
    status: Mapped[WaitStatus] = mapped_column(enum_column(WaitStatus, "wait_status"), default=WaitStatus.WAITING)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    starts_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    held_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    customer: Mapped[User] = relationship()
    professional: Mapped[Professional] = relationship()
    service: Mapped[Service] = relationship()
    address: Mapped[Address] = relationship()


# -- Bookings -------------------------------------------------------------------------------


class Booking(db.Model):
    """A customer's request and all that becomes of it.

    `professional_id` is empty while a booking for any professional is on offer. `subtotal` is the
    work without tax: services and approved extras. `total` is the sum of all lines, `paid` of all
    verified payments less what goes back of them, and `refunded` what the refund lines took off, in
    minor units.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="range"),
        CheckConstraint("paid >= 0 AND paid <= total", name="paid"),
        CheckConstraint(
            "professional_id IS NOT NULL OR status IN ('pending', 'rejected', 'expired', 'cancelled')",
            name="professional",
        ),
        Index("ix_bookings_customer_id_starts_at", "customer_id", "starts_at", "id", "created_at"),
        Index("ix_bookings_professional_id_starts_at", "professional_id", "starts_at", "id"),
        Index("ix_bookings_status_id", "status", "id"),
        Index("ix_bookings_service_id", "service_id", "id"),
        Index("ix_bookings_pincode_id", "pincode", "id"),
        Index("ix_bookings_starts_at_id", "starts_at", "id"),
        # With what the admin's reports count, so that they read the index alone.
        Index(
            "ix_bookings_created_at",
            *("created_at", "status", "accepted_at", "service_id", "professional_id", "pincode", "customer_id"),
        ),
        Index(
            "ix_bookings_unanswered",
            "status",
            "respond_by",
            sqlite_where=text("status = 'pending'"),
            postgresql_where=text("status = 'pending'"),
        ),
        Index(
            "ix_bookings_to_close",
            "status",
            "completed_at",
            sqlite_where=text("status = 'completed'"),
            postgresql_where=text("status = 'completed'"),
        ),
        Index(
            "ix_bookings_closed_at",
            "closed_at",
            sqlite_where=text("closed_at IS NOT NULL"),
            postgresql_where=text("closed_at IS NOT NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    professional_id: Mapped[int | None] = mapped_column(ForeignKey("professionals.id"))
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"))
    status: Mapped[Status] = mapped_column(enum_column(Status, "status"), default=Status.PENDING)
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)
    address_line: Mapped[str] = mapped_column(String(200))
    pincode: Mapped[str] = mapped_column(ForeignKey("pin_codes.pincode"))
    remarks: Mapped[str] = mapped_column(Text, default="")
    currency: Mapped[str] = mapped_column(String(3))
    subtotal: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    paid: Mapped[int] = mapped_column(BigInteger, default=0)
    # Named by no request: the database begins it.
    refunded: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # What the professional agreed to when they took it on; of a request it says nothing.
    commission: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    respond_by: Mapped[datetime] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Whether somebody else may be asked for the same time when the professional can't come.
    cascade: Mapped[bool] = mapped_column(Boolean, default=False)
    # How often both sides agreed to another time.
    moves: Mapped[int] = mapped_column(SmallInteger, default=0)
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"), index=True)
    # The booking whose work this one does again for nothing.
    rework_of_id: Mapped[int | None] = mapped_column(ForeignKey("bookings.id"), index=True)
    # The start code is derived from this (see domain.start_codes) and stored nowhere.
    code_salt: Mapped[str] = mapped_column(String(32))
    code_tries: Mapped[int] = mapped_column(SmallInteger, default=0)

    customer: Mapped[User] = relationship(foreign_keys=customer_id)
    professional: Mapped[Professional | None] = relationship()
    service: Mapped[Service] = relationship()
    pin: Mapped[PinCode] = relationship()
    lines: Mapped[list["BookingLine"]] = relationship(order_by="BookingLine.id")
    events: Mapped[list["BookingEvent"]] = relationship(order_by="BookingEvent.id")
    offers: Mapped[list["BookingOffer"]] = relationship(order_by="BookingOffer.position")
    review: Mapped["Review | None"] = relationship(back_populates="booking")
    series: Mapped["Series | None"] = relationship(back_populates="bookings")

    @property
    def reference(self) -> str:
        return reference_of(self.id)

    @property
    def title(self) -> str:
        """What a visit is for: its first service, and how many more there are (see models_lifecycle)."""
        return f"{self.service.name} + {self.extra_services}" if self.extra_services else self.service.name

    @property
    def shown_status(self) -> Status:
        """The state as the clock has it, even when no job has moved an overdue request yet."""
        overdue = self.status is Status.PENDING and self.respond_by <= datetime.now(UTC)
        return Status.EXPIRED if overdue else self.status

    @property
    def due(self) -> int:
        """What is still to be paid, in minor units."""
        return self.total - self.paid

    @property
    def earned(self) -> int:
        """What finished work is worth, commission included: a refund comes out of it."""
        return max(self.subtotal - self.refunded, 0)


class Series(db.Model):
    """Bookings of one customer with one professional that were made together, at a distance."""

    __tablename__ = "series"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), index=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"))
    every: Mapped[Every] = mapped_column(enum_column(Every, "every"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    bookings: Mapped[list["Booking"]] = relationship(order_by="Booking.starts_at", back_populates="series")
    customer: Mapped[User] = relationship()
    professional: Mapped[Professional] = relationship()
    service: Mapped[Service] = relationship()


class BookingLine(db.Model):
    """One line of the price, in minor units. `tax` is the tax that it stands for: that of a bill is their sum."""

    __tablename__ = "booking_lines"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), index=True)
    kind: Mapped[LineKind] = mapped_column(enum_column(LineKind, "line_kind"))
    label: Mapped[str] = mapped_column(String(140))
    amount: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class BookingEvent(db.Model):
    """What happened to a booking: append only. `actor_id` is empty when the clock acted."""

    __tablename__ = "booking_events"
    __table_args__ = (Index("ix_booking_events_booking_id", "booking_id", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"))
    verb: Mapped[str] = mapped_column(String(30))
    from_status: Mapped[str | None] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(Text, default="")
    # Of a cancellation, if it was said (see domain.causes).
    cause: Mapped[str | None] = mapped_column(String(20))
    actor: Mapped[User | None] = relationship()


class BookingOffer(db.Model):
    """A booking for any professional, offered to one of the best matches; or a booking that went on to
    another professional, and what became of it with this one (see domain.offers)."""

    __tablename__ = "booking_offers"
    __table_args__ = (Index("ix_booking_offers_professional_id", "professional_id", "status"),)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[OfferStatus] = mapped_column(enum_column(OfferStatus, "offer_status"), default=OfferStatus.OPEN)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    booking: Mapped[Booking] = relationship(back_populates="offers")


class IdempotencyKey(db.Model):
    """A one-time key of a form or an API call and the booking that its first use made."""

    __tablename__ = "idempotency_keys"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class Review(db.Model):
    """Stars (1 to 5) and words for one booking. A hidden one counts in no average."""

    __tablename__ = "reviews"
    __table_args__ = (
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
        Index("ix_reviews_professional_id", "professional_id", "id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    booking_id: Mapped[int] = mapped_column(ForeignKey("bookings.id"), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"))
    rating: Mapped[int] = mapped_column(SmallInteger)
    comment: Mapped[str] = mapped_column(Text, default="")
    reply: Mapped[str | None] = mapped_column(Text)
    replied_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    edited_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    hidden_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    hidden_reason: Mapped[str | None] = mapped_column(String(500))
    booking: Mapped[Booking] = relationship(back_populates="review")
    customer: Mapped[User] = relationship()
    professional: Mapped[Professional] = relationship()


# -- What people are told ---------------------------------------------------------------------


class Notification(db.Model):
    """Something a person should know. Its words are made when it is read, in their language."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_user_id", "user_id", "id"),
        Index(
            "ix_notifications_unread",
            "user_id",
            sqlite_where=text("read_at IS NULL"),
            postgresql_where=text("read_at IS NULL"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(String(40))
    booking_id: Mapped[int | None] = mapped_column(ForeignKey("bookings.id"))
    data: Mapped[dict] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class OutboxMessage(db.Model):
    """Something to be sent, written in the transaction of what it tells and sent after it.

    `key` names the cause and the recipient, so that nothing is told twice. `data` is what the words
    are made of at the time of sending. A worker holds a message by `lease` until `leased_until`.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_status_id", "status", "id"),
        Index("ix_outbox_created_at", "created_at"),
        Index("ix_outbox_webhook_id_id", "webhook_id", "id"),
        Index(
            "ix_outbox_waiting",
            "status",
            "due_at",
            "id",
            sqlite_where=text("status = 'waiting'"),
            postgresql_where=text("status = 'waiting'"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    channel: Mapped[Channel] = mapped_column(enum_column(Channel, "channel"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    # Where to, when that is not what the person has by then; empty otherwise.
    address: Mapped[str | None] = mapped_column(String(254))
    booking_id: Mapped[int | None] = mapped_column(ForeignKey("bookings.id"))
    webhook_id: Mapped[int | None] = mapped_column(ForeignKey("webhooks.id"))
    data: Mapped[dict] = mapped_column(JSON, default=dict)
    status: Mapped[Delivery] = mapped_column(enum_column(Delivery, "delivery"), default=Delivery.WAITING)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lease: Mapped[str | None] = mapped_column(String(36))
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    subject: Mapped[str] = mapped_column(String(200), default="")
    body: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    user: Mapped[User | None] = relationship()
    booking: Mapped[Booking | None] = relationship()


# -- What the clock does ----------------------------------------------------------------------


class JobRun(db.Model):
    """One run of a job for a period, which is a local date or month: written with its effect.

    A job that takes several transactions keeps in `cursor` where the next one goes on.
    """

    __tablename__ = "job_runs"
    __table_args__ = (UniqueConstraint("job", "period"), Index("ix_job_runs_job_id", "job", "id"))
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    job: Mapped[str] = mapped_column(String(40))
    period: Mapped[str] = mapped_column(String(10))
    status: Mapped[RunStatus] = mapped_column(enum_column(RunStatus, "run_status"), default=RunStatus.RUNNING)
    cursor: Mapped[int] = mapped_column(BigInteger, default=0)
    count: Mapped[int] = mapped_column(Integer, default=0)
    runs: Mapped[int] = mapped_column(Integer, default=0)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    seconds: Mapped[float] = mapped_column(Float, default=0.0)
    error: Mapped[str] = mapped_column(String(500), default="")
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    retry_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Lease(db.Model):
    """Who runs the timetable. `beats` counts up while the holder lives; who sees it stand still for
    long enough may take over, so no clock needs to agree with another."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str | None] = mapped_column(String(80))
    beats: Mapped[int] = mapped_column(BigInteger, default=0)
    taken_at: Mapped[datetime] = mapped_column(UTCDateTime)
    beaten_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Export(db.Model):
    """A file of bookings, or of everything, that an admin asked for, or of all about one person, who is then
    `admin`. `done` and `total` count rows."""

    __tablename__ = "exports"
    __table_args__ = (UniqueConstraint("admin_id", "key"), Index("ix_exports_status_id", "status", "id"))
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    admin_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    # The one-time key of the form, so that a double click asks once.
    key: Mapped[str] = mapped_column(String(64))
    kind: Mapped[ExportKind] = mapped_column(enum_column(ExportKind, "export_kind"))
    filters: Mapped[dict] = mapped_column(JSON, default=dict)
    excel: Mapped[bool] = mapped_column(Boolean, default=False)
    status: Mapped[ExportStatus] = mapped_column(
        enum_column(ExportStatus, "export_status"), default=ExportStatus.WAITING
    )
    # The process that writes the file; another one that runs the timetable begins it anew.
    holder: Mapped[str | None] = mapped_column(String(80))
    total: Mapped[int | None] = mapped_column(Integer)
    done: Mapped[int] = mapped_column(Integer, default=0)
    file_name: Mapped[str | None] = mapped_column(String(80))
    size: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    admin: Mapped[User] = relationship()


# -- What admins did, and running sums --------------------------------------------------------


class AuditEntry(db.Model):
    """Who of the admins did what to whom, when and from where: append only, which the database itself sees to."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_subject", "subject_type", "subject_id", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    actor_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    action: Mapped[str] = mapped_column(String(40))
    subject_type: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int] = mapped_column(BigInteger)
    detail: Mapped[dict] = mapped_column(JSON, default=dict)
    address: Mapped[str] = mapped_column(String(45), default="")
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor: Mapped[User] = relationship()


class Tally(db.Model):
    """A running sum kept in the transaction of what it counts: rating_sum, rating_count."""

    __tablename__ = "tallies"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, default=0)
