"""The table of what people agreed to, and of what they took back."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import db
from models import Id, UTCDateTime


class Consent(db.Model):
    """Somebody said yes or no to something (see domain.consents): a row for each time, and the last one holds.

    `version` is that of the texts which they agreed to, and `place` the network that they came from, never
    their address in it.
    """

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_user_id", "user_id", "about", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    about: Mapped[str] = mapped_column(String(20))
    version: Mapped[str] = mapped_column(String(20), default="")
    given: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    place: Mapped[str] = mapped_column(String(50), default="")
