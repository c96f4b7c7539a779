"""What admins change about the catalogue: categories and services come, change, retire and return.

What was ever booked or offered is retired, never deleted, so that bookings keep their words.
"""

import re
import unicodedata

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import contains_eager, joinedload

from domain import audit, clock, commissions, editions
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import Booking, Category, Offering, Role, Service, User

LONGEST_NAME = {Category: 80, Service: 120}
LONGEST_SLUG = 70
LONGEST_DESCRIPTION = 1000
SHORTEST, LONGEST = 15, 720
# In minor units; see domain.professionals for the same bound on own prices.
HIGHEST_PRICE = 1_000_000_00


def catalogue() -> list[Category]:
    """Every category with every service, retired ones too, as the admin's list shows them."""
    found = (
        select(Category)
        .outerjoin(Category.services)
        .options(contains_eager(Category.services))
        .order_by(Category.position, Category.id, Service.name, Service.id)
    )
    return list(db.session.scalars(found).unique())


def offered() -> dict[int, int]:
    """How many professionals offer each service, by its id."""
    found = select(Offering.service_id, func.count()).group_by(Offering.service_id)
    return dict(db.session.execute(found).all())


def category(category_id: int) -> Category:
    found = db.session.get(Category, category_id)
    if found is None:
        raise NotFound(_("There is no such category."))
    return found


def service(service_id: int) -> Service:
    found = db.session.scalar(select(Service).where(Service.id == service_id).options(joinedload(Service.category)))
    if found is None:
        raise NotFound(_("There is no such service."))
    return found


def category_named(text: str) -> Category:
    """A category by its name or by its word in addresses. Raises Invalid."""
    text = " ".join(text.split()).lower()
    found = db.session.scalar(select(Category).where(or_(func.lower(Category.name) == text, Category.slug == text)))
    if found is None:
        raise Invalid(_("Choose a category of the list."), "category_id")
    return found


# -- Categories -------------------------------------------------------------------------------


def create_category(
    by: User, *, name: str, slug: str = "", position: int | None = None, commission: int | None = None
) -> Category:
    _must_be_admin(by)
    made = Category(name=_name(Category, name), slug=_slug(slug or name), commission=commissions.checked(commission))
    made.position = _last_position() + 1 if position is None else position
    _save(made)
    _record(by, "create_category", "category", made.id, name=made.name)
    return made


def edit_category(
    one: Category,
    by: User,
    *,
    name: str,
    slug: str = "",
    position: int | None = None,
    commission: int | None = None,
) -> None:
    """Without a commission of its own the site's holds; jobs already taken on keep theirs."""
    _must_be_admin(by)
    values = {"name": _name(Category, name), "slug": _slug(slug or one.slug)}
    values["commission"] = commissions.checked(commission)
    if position is not None:
        values["position"] = position
    _change(one, values, by, "edit_category", "category")


def retire_category(one: Category, by: User) -> None:
    """Take a category off the site, and with it the services that are still in it."""
    _must_be_admin(by)
    if one.retired_at is not None:
        raise Conflict(_("This category is retired already."))
    one.retired_at = clock.now()
    db.session.flush()
    taken = db.session.execute(
        update(Service)
        .where(Service.category_id == one.id, Service.retired_at.is_(None))
        .values(retired_at=one.retired_at)
    )
    _record(by, "retire_category", "category", one.id, name=one.name, services=taken.rowcount)


def restore_category(one: Category, by: User) -> None:
    """Put a category back with the services that were retired together with it."""
    _must_be_admin(by)
    if one.retired_at is None:
        raise Conflict(_("This category is not retired."))
    returned = db.session.execute(
        update(Service)
        .where(Service.category_id == one.id, Service.retired_at == one.retired_at)
        .values(retired_at=None)
    )
    one.retired_at = None
    db.session.flush()
    _record(by, "restore_category", "category", one.id, name=one.name, services=returned.rowcount)


def delete_category(one: Category, by: User) -> None:
    """Only an empty one: its services would have nowhere to go."""
    _must_be_admin(by)
    number = db.session.scalar(select(func.count()).where(Service.category_id == one.id))
    if number:
        raise Conflict(
            ngettext(
                "%(num)s service is in this category. Retire the category instead, or delete the service first.",
                "%(num)s services are in this category. Retire the category instead, or delete them first.",
                number,
            )
        )
    _delete(one, by, "delete_category", "category")


# -- Services ---------------------------------------------------------------------------------


def create_service(
    by: User,
    *,
    category_id: int,
    name: str,
    base_price: int,
    duration_minutes: int,
    slug: str = "",
    description: str = "",
) -> Service:
    _must_be_admin(by)
    values = _service_values(category_id, name, base_price, duration_minutes, slug or name, description)
    made = Service(**values, created_at=clock.now())
    _save(made)
    _record(by, "create_service", "service", made.id, name=made.name, base_price=made.base_price)
    return made


def edit_service(
    one: Service,
    by: User,
    *,
    category_id: int,
    name: str,
    base_price: int,
    duration_minutes: int,
    slug: str = "",
    description: str = "",
) -> None:
    """Bookings already made keep their price and their time; what is booked next has the new ones."""
    _must_be_admin(by)
    values = _service_values(category_id, name, base_price, duration_minutes, slug or one.slug, description)
    _change(one, values, by, "edit_service", "service")


def retire_service(one: Service, by: User) -> None:
    """Nobody can book it any more; bookings already made stand."""
    _must_be_admin(by)
    if one.retired_at is not None:
        raise Conflict(_("This service is retired already."))
    one.retired_at = clock.now()
    db.session.flush()
    _record(by, "retire_service", "service", one.id, name=one.name)


def restore_service(one: Service, by: User) -> None:
    _must_be_admin(by)
    if one.retired_at is None:
        raise Conflict(_("This service is not retired."))
    if one.category.retired_at is not None:
        raise Conflict(_("Its category is retired. Restore the category first."))
    one.retired_at = None
    db.session.flush()
    _record(by, "restore_service", "service", one.id, name=one.name)


def delete_service(one: Service, by: User) -> None:
    """Only one that was never booked and that nobody offers."""
    _must_be_admin(by)
    booked = db.session.scalar(select(Booking.id).where(Booking.service_id == one.id).limit(1))
    if booked:
        raise Conflict(_("This service has bookings, which must keep it. Retire it instead."))
    offered = db.session.scalar(select(func.count()).where(Offering.service_id == one.id))
    if offered:
        raise Conflict(
            ngettext(
                "%(num)s professional offers this service. Retire it instead.",
                "%(num)s professionals offer this service. Retire it instead.",
                offered,
            )
        )
    _delete(one, by, "delete_service", "service")


def remove_service(one: Service, by: User) -> None:
    """Take a service off the site: deleted if nobody ever used it, and else retired."""
    used = or_(exists().where(Booking.service_id == one.id), exists().where(Offering.service_id == one.id))
    remove = retire_service if db.session.scalar(select(used)) else delete_service
    remove(one, by)


# -- Small print ------------------------------------------------------------------------------


def _service_values(category_id, name, base_price, duration_minutes, slug, description):
    if db.session.get(Category, category_id) is None:
        raise Invalid(_("Choose a category of the list."), "category_id")
    if not 0 <= base_price <= HIGHEST_PRICE:
        raise Invalid(_("Enter a price of at most 10 lakh."), "base_price")
    if not SHORTEST <= duration_minutes <= LONGEST:
        raise Invalid(_("Enter a duration, 15 to 720 minutes."), "duration_minutes")
    if len(description) > LONGEST_DESCRIPTION:
        raise Invalid(_("Use at most %(count)s characters.", count=LONGEST_DESCRIPTION), "description")
    return {
        "category_id": category_id,
        "name": _name(Service, name),
        "slug": _slug(slug),
        "description": description.strip(),
        "base_price": base_price,
        "duration_minutes": duration_minutes,
    }


def _name(kind, text):
    name = " ".join(text.split())
    if not name:
        raise Invalid(_("Enter a name."), "name")
    if len(name) > LONGEST_NAME[kind]:
        raise Invalid(_("Use at most %(count)s characters.", count=LONGEST_NAME[kind]), "name")
    return name


def _slug(text):
    """The part of an address that a name or a wish makes: home-cleaning."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-")
    if not slug:
        raise Invalid(_("Write the address in Latin letters, such as home-cleaning."), "slug")
    return slug


def _change(one, values, by, action, subject_type):
    """Write what differs, and into the trail what it was and is."""
    changes = {name: [getattr(one, name), value] for name, value in values.items() if getattr(one, name) != value}
    if not changes:
        return
    _refuse_taken(one, values)
    for name, (_before, value) in changes.items():
        setattr(one, name, value)
    _flush(one)
    told = {name: [_in_words(name, value) for value in pair] for name, pair in changes.items()}
    _record(by, action, subject_type, one.id, name=one.name, changes=told)


def _in_words(name, value):
    return db.session.get(Category, value).name if name == "category_id" else value


def _save(made):
    _refuse_taken(made, {"name": made.name, "slug": made.slug, "category_id": getattr(made, "category_id", None)})
    db.session.add(made)
    _flush(made)


def _flush(one):
    try:
        db.session.flush()
    except IntegrityError as twice:
        raise Conflict(_("Somebody else has just used this name or address. Choose another.")) from twice


def _refuse_taken(one, values):
    """Say which of the two is taken; two who save at once are told apart by the database."""
    kind = type(one)
    own = {"category_id": values["category_id"]} if kind is Service else {}
    others = {
        "name": (select(kind.id).filter_by(name=values["name"], **own), _("There is one of this name already.")),
        "slug": (select(kind.id).filter_by(slug=values["slug"]), _("This address is taken. Choose another.")),
    }
    with db.session.no_autoflush:
        for field, (taken, message) in others.items():
            if db.session.scalar(taken.where(kind.id != (one.id or 0)).limit(1)):
                raise Invalid(message, field)


def _record(by, action, subject_type, number, **details):
    """Whatever is changed here is written down, and shown from then on."""
    editions.changed(editions.CATALOGUE)
    audit.record(by, action, subject_type, number, **details)


def _delete(one, by, action, subject_type):
    number, name = one.id, one.name
    db.session.delete(one)
    try:
        db.session.flush()
    except IntegrityError as used:
        raise Conflict(_("Somebody has just begun to use this. Retire it instead.")) from used
    _record(by, action, subject_type, number, name=name)


def _last_position():
    return db.session.scalar(select(func.max(Category.position))) or 0


def _must_be_admin(by):
    if by.role is not Role.ADMIN:
        raise NotAllowed(_("Only admins may do this."))
