"""Tables of suggestions: what goes with what, what is booked where and when, and what each customer is shown."""

import enum
from datetime import date

from sqlalchemy import Boolean, Date, Float, ForeignKey, Index, Integer, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from extensions import db
from models import enum_column


class Why(enum.StrEnum):
    """Why a customer is shown something. Avoid: it is never shown to them."""

    RHYTHM = "rhythm"
    AGAIN = "again"
    STARS = "stars"
    BESIDE = "beside"
    AVOID = "avoid"


class ServicePair(db.Model):
    """How many households had both services; of a service and itself, how many had it."""

    __tablename__ = "service_pairs"
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    households: Mapped[int] = mapped_column(Integer)


class AreaService(db.Model):
    """How many households of a district had a service in one season of one year; an empty district is
    the whole site. `season` counts seasons, see domain.tastes."""

    __tablename__ = "area_services"
    state: Mapped[str] = mapped_column(String(120), primary_key=True)
    district: Mapped[str] = mapped_column(String(120), primary_key=True)
    season: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    households: Mapped[int] = mapped_column(Integer)


class AreaProfessional(db.Model):
    """How many households of a district had a professional for a service."""

    __tablename__ = "area_professionals"
    __table_args__ = (
        Index("ix_area_professionals_most", "state", "district", "households"),
        Index("ix_area_professionals_professional_id", "professional_id"),
    )
    state: Mapped[str] = mapped_column(String(120), primary_key=True)
    district: Mapped[str] = mapped_column(String(120), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    professional_id: Mapped[int] = mapped_column(ForeignKey("professionals.id"), primary_key=True)
    households: Mapped[int] = mapped_column(Integer)


class Recommendation(db.Model):
    """A service for a customer, or a professional for it, from the customer's own bookings.

    `number` is the days of a rhythm, how often, how many stars, or how many households; `about_id` the
    service that it goes with. What is due by a rhythm is shown from `since` until `until`.
    """

    __tablename__ = "recommendations"
    __table_args__ = (
        Index(
            "ix_recommendations_professional_id",
            "professional_id",
            sqlite_where=text("professional_id IS NOT NULL"),
            postgresql_where=text("professional_id IS NOT NULL"),
        ),
    )
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"))
    professional_id: Mapped[int | None] = mapped_column(ForeignKey("professionals.id"))
    why: Mapped[Why] = mapped_column(enum_column(Why, "why"))
    about_id: Mapped[int | None] = mapped_column(ForeignKey("services.id"))
    number: Mapped[int] = mapped_column(Integer)
    score: Mapped[float] = mapped_column(Float)
    since: Mapped[date | None] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)


class TasteChoice(db.Model):
    """Of who wants no suggestions from their bookings; with `off` False, who wants them again and has none yet."""

    __tablename__ = "taste_choices"
    customer_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, autoincrement=False)
    off: Mapped[bool] = mapped_column(Boolean)
