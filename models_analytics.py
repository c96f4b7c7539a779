"""The tables of the admin's reports: sums of days that are over, and what was searched for in vain."""

from datetime import date

from sqlalchemy import BigInteger, Date, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import db
from models import BookingEvent


class RevenueDay(db.Model):
    """What the bills of a day came to, once for each service and once for each district (`kind` says which, and
    `name` is the service's id or the district), in minor units. A day that is over never changes: the ledger
    only grows (see domain.revenue)."""

    __tablename__ = "revenue_days"
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    billed: Mapped[int] = mapped_column(BigInteger)
    professionals: Mapped[int] = mapped_column(BigInteger)
    site: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)


class SearchMiss(db.Model):
    """How often on a day some words found nothing: no service (`kind` unknown), or nobody who does it there
    (`kind` nobody). `district` is that of the place that was asked for, or empty; of the person nothing is kept."""

    __tablename__ = "search_misses"
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    words: Mapped[str] = mapped_column(String(60), primary_key=True)
    district: Mapped[str] = mapped_column(String(120), primary_key=True)
    number: Mapped[int] = mapped_column(Integer)


# Cancellations of some days are found without looking at all that happened in them.
Index(
    "ix_booking_events_cancelled",
    BookingEvent.at,
    BookingEvent.actor_id,
    BookingEvent.cause,
    sqlite_where=text("verb = 'cancel'"),
    postgresql_where=text("verb = 'cancel'"),
)
