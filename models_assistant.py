"""The table of the help assistant: what it was asked and could not answer."""

from datetime import datetime

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from extensions import db
from models import Id, UTCDateTime


class OpenQuestion(db.Model):
    """A question without an answer, however often it was asked; nothing in it says by whom."""

    __tablename__ = "open_questions"
    __table_args__ = (Index("ix_open_questions_last_at", "answered_at", "last_at", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(2))
    count: Mapped[int] = mapped_column(Integer, default=1)
    first_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
