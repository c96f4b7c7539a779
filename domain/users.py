"""Who may have an account, what a person may change about it, and how it ends."""

import secrets

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from flask_babel import gettext as _
from sqlalchemy import bindparam, exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from domain import api_keys, audit, channels, clock, erasures, files, listings, news, places
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db, settings
from models import Address, Approval, Booking, Channel, Professional, Role, Status, User

LONGEST_NAME = 120
MOST_ADDRESSES = 20
OVER = (Status.CLOSED, Status.REJECTED, Status.EXPIRED, Status.CANCELLED, Status.NO_SHOW)

_BY_EMAIL = select(User).where(User.email == bindparam("email"))
_BY_SESSION = select(User).where(User.fs_uniquifier == bindparam("session"))


def find(email: str) -> User | None:
    """The person with this address, however it is written."""
    try:
        return db.session.scalar(_BY_EMAIL, {"email": normalise_email(email)})
    except Invalid:
        return None


def of_session(name: str) -> User | None:
    """The person whose sessions carry this name."""
    return db.session.scalar(_BY_SESSION, {"session": name})


def sign_up_customer(
    *, email: str, name: str, password_hash: str, phone: str = "", locale: str | None = None, demo: bool = False
) -> User | None:
    """A new customer; None when the address has an account already, which nobody else may learn."""
    return _new_user(Role.CUSTOMER, email, name, password_hash, phone=phone, locale=locale, demo=demo)


def sign_up_professional(
    *,
    email: str,
    name: str,
    password_hash: str,
    phone: str,
    pincode: str,
    radius_km: int = 10,
    experience_years: int = 0,
    locale: str | None = None,
    demo: bool = False,
) -> User | None:
    """A new professional, who waits for approval; None when the address has an account already."""
    pin = _pin(pincode)
    if not phone:
        raise Invalid(_("Enter a phone number, so that we can reach you about your application."), field="phone")
    person = _new_user(Role.PROFESSIONAL, email, name, password_hash, phone=phone, locale=locale, demo=demo)
    if person is None:
        return None
    db.session.add(
        Professional(
            id=person.id,
            base_pincode=pin.pincode,
            lat=pin.lat,
            lon=pin.lon,
            radius_km=radius_km,
            experience_years=experience_years,
            languages=[],
            approval=Approval.PENDING,
            applied_at=clock.now(),
        )
    )
    _follow_up(person)
    return person


def add_admin(*, email: str, name: str, password_hash: str, demo: bool = False) -> User | None:
    """A new admin, made by the operator; None when the address has an account already."""
    return _new_user(Role.ADMIN, email, name, password_hash, demo=demo, confirmed=True)


def demo_accounts_exist() -> bool:
    return db.session.scalar(select(exists().where(User.demo.is_(True))))


def normalise_email(text: str) -> str:
    """One spelling for each address: lower case, without space around, and in the letters that every
    mail server takes, so that no two look alike."""
    try:
        found = validate_email(text.strip()[:320], check_deliverability=False, allow_smtputf8=False)
        return found.ascii_email.lower()[:254]
    except (EmailNotValidError, UnicodeError):
        raise Invalid(_("Enter an e-mail address such as name@example.com."), field="email") from None


def normalise_phone(text: str) -> str | None:
    """A phone number in its international form, read as one of the site's country; None for nothing."""
    if not text.strip():
        return None
    try:
        number = phonenumbers.parse(text[:40], settings.country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise Invalid(_("Enter a phone number with all its digits, such as 98765 43210."), field="phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def change_profile(
    user: User, by: User, *, name: str, phone: str, photo: files.Checked | None = None, drop_photo: bool = False
) -> None:
    """Change what others see of a person."""
    _must_be(user, by)
    number = normalise_phone(phone)
    if user.is_professional and number is None:
        raise Invalid(_("Enter a phone number, so that customers can reach you."), field="phone")
    user.name = _name(name)
    user.phone = number
    if number is None:
        channels.forget(user, Channel.SMS)
    if photo is not None or drop_photo:
        files.forget(user.photo_id)
        user.photo_id = files.store(photo, user).id if photo is not None else None
    db.session.flush()


def set_language(user: User, by: User, language: str) -> None:
    _must_be(user, by)
    user.locale = language
    db.session.flush()


def end_sessions(user: User, by: User) -> None:
    """Log a person out everywhere: every cookie names the session that this replaces."""
    _must_be(user, by)
    user.fs_uniquifier = secrets.token_hex(16)
    news.end(user.id)
    db.session.flush()


# -- Addresses ------------------------------------------------------------------------------


def addresses_of(user: User) -> list[Address]:
    """A customer's addresses, the newest first."""
    mine = _own_addresses(user).order_by(Address.id.desc()).limit(MOST_ADDRESSES)
    return list(db.session.scalars(mine.options(joinedload(Address.pin))))


def address(address_id: int, by: User) -> Address:
    found = db.session.scalar(_own_addresses(by).where(Address.id == address_id))
    if found is None:
        raise NotFound(_("There is no such address."))
    return found


def add_address(by: User, *, line: str, pincode: str, label: str = "") -> Address:
    """A new address; the one they have when the same place is given again."""
    if not by.is_customer:
        raise NotAllowed(_("Only customers keep addresses here."))
    line, pin = _line(line), _pin(pincode)
    known = addresses_of(by)
    for one in known:
        if (one.line, one.pincode) == (line, pin.pincode):
            return one
    if len(known) >= MOST_ADDRESSES:
        raise Invalid(_("You have 20 addresses. Remove one that you no longer need first."))
    added = Address(
        customer_id=by.id,
        label=label.strip()[:40],
        line=line,
        pincode=pin.pincode,
        created_at=clock.now(),
    )
    db.session.add(added)
    db.session.flush()
    return added


def edit_address(one: Address, by: User, *, line: str, pincode: str, label: str = "") -> None:
    """Bookings keep the address as it was when they were made."""
    _must_own(one, by)
    one.label, one.line, one.pincode = label.strip()[:40], _line(line), _pin(pincode).pincode
    db.session.flush()


def remove_address(one: Address, by: User) -> None:
    _must_own(one, by)
    one.archived_at = clock.now()
    db.session.flush()


# -- What admins do -------------------------------------------------------------------------


def block(user: User, by: User, reason: str) -> None:
    """Shut a person out from their next request on."""
    _must_be_another(user, by)
    if not user.active:
        raise Conflict(_("This account is blocked already."))
    user.active, user.blocked_reason = False, _reason(reason)
    # Should they come back one day, a cookie of before does not.
    user.fs_uniquifier = secrets.token_hex(16)
    news.end(user.id)
    api_keys.end_all(user)
    _follow_up(user)
    audit.record(by, "block", "user", user.id, reason=user.blocked_reason)


def unblock(user: User, by: User) -> None:
    _must_be_another(user, by)
    if user.anonymised_at is not None:
        raise Invalid(_("This account was anonymised. It stays closed."))
    if user.active:
        raise Conflict(_("This account is not blocked."))
    user.active, user.blocked_reason = True, None
    _follow_up(user)
    audit.record(by, "unblock", "user", user.id)


def anonymise(user: User, by: User, reason: str) -> None:
    """Erase who somebody was; their bookings stay, without name, place and words."""
    _must_be_another(user, by)
    if user.anonymised_at is not None:
        raise Conflict(_("This account was anonymised already."))
    if _has_live_bookings(user):
        raise Invalid(_("There are bookings under way. Cancel or finish them first."))
    erase_again(user)
    audit.record(by, "anonymise", "user", user.id, reason=_reason(reason))


def erase_again(user: User) -> None:
    """The same, whatever is under way: for somebody who was erased after the backup that a site comes from."""
    former_name = user.name
    user.name = _("Former professional") if user.is_professional else _("Former user")
    user.email = f"former-{user.id}@invalid"
    user.phone = user.password = user.locale = user.photo_id = user.blocked_reason = None
    user.chat_url = user.message_choices = user.feed_salt = None
    user.tf_primary_method = user.tf_totp_secret = user.mf_recovery_codes = None
    user.active, user.anonymised_at = False, clock.now()
    user.fs_uniquifier = secrets.token_hex(16)
    news.end(user.id)
    if user.professional is not None:
        _empty_professional(user.professional)
    erasures.erase_traces(user, former_name)
    _follow_up(user)


def _empty_professional(professional):
    professional.bio, professional.languages, professional.paused = "", [], True
    professional.resume_id = professional.identity_id = professional.approval_reason = professional.upi_id = None


def _follow_up(user):
    db.session.flush()
    if user.is_professional:
        listings.refresh(user.id)


def _has_live_bookings(user):
    side = Booking.professional_id if user.is_professional else Booking.customer_id
    return db.session.scalar(select(exists().where(side == user.id, Booking.status.not_in(OVER))))


# -- Checks ---------------------------------------------------------------------------------


def _new_user(role, email, name, password_hash, *, phone="", locale=None, demo=False, confirmed=False):
    person = User(
        role=role,
        email=normalise_email(email),
        name=_name(name),
        phone=normalise_phone(phone),
        password=password_hash,
        locale=locale,
        demo=demo,
        created_at=clock.now(),
        confirmed_at=clock.now() if confirmed or demo or not settings.confirm_email else None,
        fs_uniquifier=secrets.token_hex(16),
    )
    try:
        with db.session.begin_nested():
            db.session.add(person)
    except IntegrityError:
        return None
    return person


def _name(text):
    name = " ".join(text.split())
    if not name:
        raise Invalid(_("Enter your name."), field="name")
    if len(name) > LONGEST_NAME:
        raise Invalid(_("Use at most %(count)s characters for your name.", count=LONGEST_NAME), field="name")
    return name


def _line(text):
    line = " ".join(text.split())
    if not line:
        raise Invalid(_("Enter the house, street and area."), field="line")
    if len(line) > 200:
        raise Invalid(_("Use at most 200 characters for the address."), field="line")
    return line


def _reason(text):
    reason = text.strip()
    if not reason:
        raise Invalid(_("Say why, in a few words."), field="reason")
    return reason[:500]


def _pin(pincode):
    pin = places.find_pin(pincode.strip())
    if pin is None:
        raise Invalid(_("We do not know this PIN code. Check its six digits."), field="pincode")
    return pin


def _own_addresses(user):
    return select(Address).where(Address.customer_id == user.id, Address.archived_at.is_(None))


def _must_be(user, by):
    if user.id != by.id:
        raise NotAllowed(_("You can only change your own account."))


def _must_own(one, by):
    if one.customer_id != by.id or one.archived_at is not None:
        raise NotFound(_("There is no such address."))


def _must_be_another(user, by):
    if not by.is_admin:
        raise NotAllowed(_("Only admins may do this."))
    if user.id == by.id:
        raise NotAllowed(_("You cannot do this to your own account."))
