"""The tables of demand: what was asked for, what is expected, what came of it, and where hands are short."""

from datetime import date

from sqlalchemy import JSON, Date, Float, ForeignKey, Index, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from extensions import db
from models import Id, Service


class Demand(db.Model):
    """How many visits of a service in a city were wanted at an hour of a day, on the site's clock.

    Rows of the district "" are the sums of all cities. Nothing of a customer is in it.
    """

    __tablename__ = "demand"
    __table_args__ = (Index("ix_demand_day", "day"), {"sqlite_with_rowid": False})
    district: Mapped[str] = mapped_column(String(120), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("services.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    number: Mapped[int] = mapped_column(Integer)


class DemandSeries(db.Model):
    """A service in a city, all services of a city (no service), or the whole site (the district "").

    `key` says which. `model` is how it was forecast last, and `error` what the model was off by in the
    backtest beside the seasonal naive one. `hours` are the shares of the hours of a working day, and
    then of a day of the weekend.
    """

    __tablename__ = "demand_series"
    __table_args__ = (Index("ix_demand_series_district", "district"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(140), unique=True)
    service_id: Mapped[int | None] = mapped_column(ForeignKey("services.id"), index=True)
    district: Mapped[str] = mapped_column(String(120))
    made_on: Mapped[date] = mapped_column(Date, index=True)
    model: Mapped[str] = mapped_column(String(40))
    error: Mapped[float | None] = mapped_column(Float)
    hours: Mapped[list] = mapped_column(JSON)
    service: Mapped[Service | None] = relationship()


class Forecast(db.Model):
    """What is expected of a series on a day to come, in visits; `booked` of them were known already.

    What is expected a week ahead stays, and `came` says later what became of it.
    """

    __tablename__ = "forecasts"
    __table_args__ = (Index("ix_forecasts_day", "day"), {"sqlite_with_rowid": False})
    series_id: Mapped[int] = mapped_column(ForeignKey("demand_series.id", ondelete="CASCADE"), primary_key=True)
    # True: as it was said a week before, and never changed since.
    kept: Mapped[bool] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    expected: Mapped[float] = mapped_column(Float)
    low80: Mapped[float] = mapped_column(Float)
    high80: Mapped[float] = mapped_column(Float)
    low95: Mapped[float] = mapped_column(Float)
    high95: Mapped[float] = mapped_column(Float)
    booked: Mapped[int] = mapped_column(Integer)
    came: Mapped[int | None] = mapped_column(Integer)


class Shortage(db.Model):
    """A day on which a service in a city needs more time than its professionals offer, in minutes.

    `hours` are those to open: [first, last, missing minutes], the worst first.
    """

    __tablename__ = "shortages"
    __table_args__ = (Index("ix_shortages_missing", "missing"),)
    series_id: Mapped[int] = mapped_column(ForeignKey("demand_series.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    expected: Mapped[float] = mapped_column(Float)
    needed: Mapped[int] = mapped_column(Integer)
    offered: Mapped[int] = mapped_column(Integer)
    missing: Mapped[int] = mapped_column(Integer)
    hours: Mapped[list] = mapped_column(JSON)
    series: Mapped[DemandSeries] = relationship()
