"""A professional's profile, what they offer at what price, and whether they may work here."""

from collections.abc import Collection

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from domain import audit, clock, files, listings, notifications, places, ratings, waits
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from environment import UPI_ID
from extensions import db
from models import Approval, Category, FileKind, Offering, Professional, Role, Service, User

LONGEST_BIO = 2000
MOST_YEARS = 70
WIDEST_RADIUS = 200
SLOWEST, FASTEST = 5, 100
MOST_OFFERINGS = 60
# Amounts are in minor units: ₹10,00,000.00 is more than any job at home.
HIGHEST_PRICE = 1_000_000_00
LANGUAGES = {
    "as": _l("Assamese"),
    "bn": _l("Bengali"),
    "en": _l("English"),
    "gu": _l("Gujarati"),
    "hi": _l("Hindi"),
    "kn": _l("Kannada"),
    "ml": _l("Malayalam"),
    "mr": _l("Marathi"),
    "or": _l("Odia"),
    "pa": _l("Punjabi"),
    "ta": _l("Tamil"),
    "te": _l("Telugu"),
    "ur": _l("Urdu"),
}


def get(professional_id: int) -> Professional:
    """A professional with the person behind, whatever their approval."""
    found = db.session.scalar(
        select(Professional).where(Professional.id == professional_id).options(joinedload(Professional.user))
    )
    if found is None:
        raise NotFound(_("There is no such professional."))
    return found


def missing(professional: Professional) -> list[str]:
    """What an application still lacks, in the words of the profile."""
    lacking = (
        (not professional.offerings, _("the services you offer")),
        (professional.identity_id is None, _("an identity document")),
        (not professional.bio, _("a few words about your work")),
        (professional.user.phone is None, _("your phone number")),
    )
    return [words for lacks, words in lacking if lacks]


def change_profile(
    professional: Professional,
    by: User,
    *,
    bio: str,
    experience_years: int,
    hourly_rate: int | None,
    pincode: str,
    radius_km: int,
    speed_kmh: int,
    languages: list[str],
    upi_id: str = "",
    resume: files.Checked | None = None,
    identity: files.Checked | None = None,
) -> None:
    """Change the working side of a profile; search and new requests follow at once."""
    _must_be(professional, by)
    pin = places.find_pin(pincode.strip())
    if pin is None:
        raise Invalid(_("We do not know this PIN code. Check its six digits."), field="pincode")
    if len(bio) > LONGEST_BIO:
        raise Invalid(_("Use at most %(count)s characters.", count=LONGEST_BIO), field="bio")
    if not 0 <= experience_years <= MOST_YEARS:
        raise Invalid(_("Enter your years of experience, 0 to 70."), field="experience_years")
    if not 1 <= radius_km <= WIDEST_RADIUS:
        raise Invalid(_("Enter how far you travel, 1 to 200 km."), field="radius_km")
    if not SLOWEST <= speed_kmh <= FASTEST:
        raise Invalid(_("Enter your speed, 5 to 100 km/h."), field="speed_kmh")
    if not set(languages) <= LANGUAGES.keys():
        raise Invalid(_("Choose languages from the list."), field="languages")
    if upi_id and not UPI_ID.fullmatch(upi_id):
        raise Invalid(_("Enter a UPI ID such as name@bank, or leave it empty."), field="upi_id")
    professional.bio = bio.strip()
    professional.upi_id = upi_id or None
    professional.experience_years = experience_years
    professional.hourly_rate = _price(hourly_rate, "hourly_rate")
    professional.base_pincode, professional.lat, professional.lon = pin.pincode, pin.lat, pin.lon
    professional.radius_km = radius_km
    professional.speed_kmh = speed_kmh
    professional.languages = sorted(languages)
    if resume is not None:
        professional.resume_id = _replaced(professional, professional.resume_id, resume)
    if identity is not None:
        professional.identity_id = _replaced(professional, professional.identity_id, identity)
    listings.refresh(professional.id)


def catalogue() -> list[Category]:
    """The categories with the services that can be offered."""
    return list(
        db.session.scalars(
            select(Category)
            .where(Category.retired_at.is_(None))
            .options(joinedload(Category.services.and_(Service.retired_at.is_(None))))
            .order_by(Category.position, Category.id)
        ).unique()
    )


def set_offerings(professional: Professional, by: User, prices: dict[int, int | None]) -> None:
    """Offer exactly these services, each at an own price in minor units or else at the base price.

    Bookings already made keep their service and their price.
    """
    _must_be(professional, by)
    if len(prices) > MOST_OFFERINGS:
        raise Invalid(_("Choose at most %(count)s services.", count=MOST_OFFERINGS))
    offerings = {offering.service_id: offering for offering in professional.offerings}
    check_offerable(prices.keys() - offerings.keys())
    for service_id in offerings.keys() - prices.keys():
        professional.offerings.remove(offerings[service_id])
    for service_id, price in prices.items():
        offering = offerings.get(service_id)
        if offering is None:
            offering = Offering(
                service_id=service_id, lat=professional.lat, lon=professional.lon, radius_km=professional.radius_km
            )
            professional.offerings.append(offering)
        offering.own_price = _price(price, f"price-{service_id}")
    listings.refresh(professional.id)


def check_offerable(service_ids: Collection[int]) -> None:
    """Raises Invalid unless all of these services can be offered."""
    if set(service_ids) - _offerable(service_ids):
        raise Invalid(_("One of these services is no longer offered here. Reload the page."), "service_ids")


def set_pause(professional: Professional, by: User, paused: bool) -> None:
    """Take no new requests for a while; bookings already made stand."""
    _must_be(professional, by)
    professional.paused = paused
    listings.refresh(professional.id)
    if not paused:
        waits.opened(professional.id)


def apply_again(professional: Professional, by: User) -> None:
    """Ask for approval once more after a refusal."""
    _must_be(professional, by)
    _decide(professional, (Approval.REJECTED,), approval=Approval.PENDING, applied_at=clock.now())


def approve(professional: Professional, by: User) -> None:
    """Let a professional work here: from now on they are found and asked."""
    _must_be_admin(by)
    _decide(
        professional,
        (Approval.PENDING, Approval.REJECTED),
        approval=Approval.APPROVED,
        approval_reason=None,
        approved_at=clock.now(),
        rank=ratings.rank(professional.rating_sum, professional.rating_count, ratings.prior_mean()),
    )
    notifications.notify(professional.id, "approved")
    audit.record(by, "approve", "user", professional.id)


def reject(professional: Professional, by: User, reason: str) -> None:
    """Refuse an application, or take an approval back; the reason is shown to the professional."""
    _must_be_admin(by)
    reason = reason.strip()[:500]
    if not reason:
        raise Invalid(_("Say why, so that they know what to change."), field="reason")
    _decide(
        professional,
        (Approval.PENDING, Approval.APPROVED),
        approval=Approval.REJECTED,
        approval_reason=reason,
        approved_at=None,
    )
    notifications.notify(professional.id, "not_approved", reason=reason)
    audit.record(by, "reject", "user", professional.id, reason=reason)


def _decide(professional, sources, **values):
    """Change the approval only from where it still is: of two who decide at once, one is told."""
    db.session.flush()
    done = db.session.execute(
        update(Professional)
        .where(Professional.id == professional.id, Professional.approval.in_(sources))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if not done.rowcount:
        raise Conflict(_("This was decided already. Reload the page to see how it stands."))
    db.session.expire(professional)
    listings.refresh(professional.id)


def _offerable(service_ids):
    if not service_ids:
        return set()
    return set(
        db.session.scalars(
            select(Service.id)
            .join(Category)
            .where(Service.id.in_(service_ids), Service.retired_at.is_(None), Category.retired_at.is_(None))
        )
    )


def _price(amount, field):
    if amount is not None and not 0 <= amount <= HIGHEST_PRICE:
        raise Invalid(_("Enter a price of at most 10 lakh."), field=field)
    return amount


def _replaced(professional, old_id, checked):
    if checked.kind not in (FileKind.RESUME, FileKind.IDENTITY):
        raise ValueError(checked.kind)
    files.forget(old_id)
    return files.store(checked, professional.user).id


def _must_be(professional, by):
    if professional.id != by.id:
        raise NotAllowed(_("You can only change your own profile."))


def _must_be_admin(by):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
