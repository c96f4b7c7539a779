"""Tables of what happens while people look: where somebody on the way is."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, Float, ForeignKey, Index, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models import Booking, Id, UTCDateTime


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
