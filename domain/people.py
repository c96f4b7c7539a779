"""How an admin finds people: by the beginning of any of their names, mail or phone, by PIN code, role and state.

Every lookup reads an index and stops after a fixed number of rows, however large the site is.
"""

from enum import StrEnum

import phonenumbers
from flask_babel import gettext as _
from sqlalchemy import and_, false, or_, select, true, union_all
from sqlalchemy.orm import joinedload, selectinload

from domain.errors import NotFound
from domain.paging import SIZE, Page, keyset
from extensions import db, settings
from models import Address, Approval, LaterName, Offering, Professional, Role, User

FEWEST_PHONE_DIGITS = 4


class State(StrEnum):
    """How an account stands, for filtering."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    ANONYMISED = "anonymised"


def like(text: str, most: int) -> list[User]:
    """People one of whose names, whose mail or phone begins like this, or who live or work at this PIN code.

    The text is in lower case."""
    # One select for each index, each of them cut short: a common name costs no more than a rare one.
    asked = [
        select(User.id).where(begins(User.name_key, text)),
        select(LaterName.user_id).where(begins(LaterName.key, text)),
        select(User.id).where(begins(User.email, text)),
        *(select(User.id).where(begins(User.phone, number)) for number in _as_phone(text)),
    ]
    if is_pin(text):
        asked += [
            select(Address.customer_id).where(Address.pincode == text, Address.archived_at.is_(None)),
            select(Professional.id).where(Professional.base_pincode == text),
        ]
    ids = union_all(*(select(one.limit(most).subquery()) for one in asked))
    return list(
        db.session.scalars(
            select(User)
            .where(User.id.in_(ids))
            .options(joinedload(User.professional))
            .order_by(User.name_key, User.id)
            .limit(most)
        )
    )


def page(
    role: Role | None = None,
    state: State | None = None,
    text: str = "",
    after: str | None = None,
    size: int = SIZE,
) -> Page:
    """A page of accounts, newest first."""
    found = select(User).options(joinedload(User.professional))
    if role:
        found = found.where(User.role == role)
    if state is State.ACTIVE:
        found = found.where(User.active.is_(true()))
    elif state is State.BLOCKED:
        found = found.where(User.active.is_(false()), User.anonymised_at.is_(None))
    elif state is State.ANONYMISED:
        found = found.where(User.anonymised_at.is_not(None))
    text = " ".join(text.lower().split())
    if text:
        numbers = [begins(User.phone, number) for number in _as_phone(text)]
        found = found.where(or_(named(text), begins(User.email, text), *numbers))
    return keyset(found, [(User.id, "desc")], after, size)


def get(user_id: int) -> User:
    """One account with its professional side. Raises NotFound."""
    found = db.session.scalar(
        select(User)
        .where(User.id == user_id)
        .options(
            joinedload(User.professional).joinedload(Professional.base),
            joinedload(User.professional).selectinload(Professional.offerings).joinedload(Offering.service),
            selectinload(User.addresses).joinedload(Address.pin),
        )
    )
    if found is None:
        raise NotFound(_("There is no such person."))
    return found


def professional(professional_id: int) -> User:
    """One account that has a professional side. Raises NotFound."""
    found = get(professional_id)
    if found.professional is None:
        raise NotFound(_("There is no such professional."))
    return found


def applications(approval: Approval, after: str | None = None) -> Page:
    """A page of professionals in a state of approval, the longest waiting first."""
    return keyset(_applications(approval), [(Professional.applied_at, "asc"), (Professional.id, "asc")], after)


def first_applications(most: int = 5) -> list[Professional]:
    """Those who have waited longest for an answer."""
    waiting = _applications(Approval.PENDING).order_by(Professional.applied_at, Professional.id)
    return list(db.session.scalars(waiting.limit(most)))


def _applications(approval):
    return (
        select(Professional)
        .join(User, User.id == Professional.id)
        .where(Professional.approval == approval, User.active.is_(true()))
        .options(
            joinedload(Professional.user),
            selectinload(Professional.offerings).joinedload(Offering.service),
        )
    )


# -- Small print ------------------------------------------------------------------------------


def named(text):
    """A user one of whose names begins like this."""
    later = select(LaterName.user_id).where(begins(LaterName.key, text))
    return or_(begins(User.name_key, text), User.id.in_(later))


def begins(column, text):
    """A prefix as SQLite's and PostgreSQL's indexes can read it."""
    if db.engine.dialect.name == "sqlite":
        return and_(column >= text, column < text + "\U0010ffff")
    return column.startswith(text, autoescape=True)


def is_pin(text):
    return len(text) == 6 and text.isascii() and text.isdecimal()


def _as_phone(text):
    """The international beginnings that a typed number may stand for."""
    digits = "".join(character for character in text if character.isdecimal() and character.isascii())
    if len(digits) < FEWEST_PHONE_DIGITS or set(text) - set("0123456789 +-()."):
        return []
    if text.startswith("+"):
        return [f"+{digits}"]
    country = phonenumbers.country_code_for_region(settings.country)
    return [f"+{country}{digits.lstrip('0')}", f"+{digits}"]
