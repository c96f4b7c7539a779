"""What people agreed to and took back: which version of the texts, what else, when, and roughly from where."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from flask_babel import lazy_gettext as _l
from sqlalchemy import select

from domain import audit, clock
from extensions import db, settings
from models import User
from models_privacy import Consent

TEXTS, POSITION, SUGGESTIONS, REPORTS = "texts", "position", "suggestions", "reports"
# Everything there is to agree to, as its owner reads it.
LABELS = {
    TEXTS: _l("Terms and privacy notice"),
    POSITION: _l("Showing a customer where you are, on the way to a job"),
    SUGGESTIONS: _l("Suggestions from your own bookings"),
    REPORTS: _l("A report by mail each month"),
}
# How much of an address is its network: a town or a provider, not a house.
COARSE = {4: 16, 6: 32}
MOST_SHOWN = 50


@dataclass(frozen=True)
class Agreement:
    """One line of the record, in words."""

    label: str
    consent: Consent


def agree(user: User) -> None:
    """Somebody agreed to the texts as they are now."""
    if user.agreed_version == settings.texts_version:
        return
    user.agreed_version = settings.texts_version
    db.session.flush()
    note(user, TEXTS, given=True)


def must_ask(user: User) -> bool:
    """Whether the texts have changed since somebody agreed to them. Admins keep the texts themselves."""
    return not user.is_admin and user.agreed_version != settings.texts_version


def note(user: User, about: str, *, given: bool) -> None:
    """Write down that somebody gave their consent, or took it back."""
    assert about in LABELS, about
    version = settings.texts_version if about == TEXTS else ""
    db.session.add(
        Consent(user_id=user.id, about=about, version=version, given=given, at=clock.now(), place=came_from())
    )
    db.session.flush()


def of(user: User) -> list[Agreement]:
    """The record of one person, the newest first."""
    found = select(Consent).where(Consent.user_id == user.id).order_by(Consent.id.desc()).limit(MOST_SHOWN)
    return [Agreement(str(LABELS[one.about]), one) for one in db.session.scalars(found)]


def forget(user: User) -> None:
    """That somebody agreed stays, as the site has to be able to show; from where does not."""
    for one in db.session.scalars(select(Consent).where(Consent.user_id == user.id)):
        one.place = ""
    db.session.flush()


def came_from() -> str:
    """The network from which the request of the moment came; empty where nobody knows."""
    try:
        address = ip_address(audit.came_from.get())
    except ValueError:
        return ""
    return str(ip_network((address, COARSE[address.version]), strict=False))
