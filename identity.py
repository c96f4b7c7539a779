"""How Flask-Security is set up for this site: its settings and words, and how it finds people,
checks passwords, hashes, and writes what it changed.
"""

import base64
import hashlib
import json
import time
from datetime import timedelta

from flask import g, session
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_security import MailUtil, PasswordUtil, Totp, hash_password, verify_password
from flask_security.datastore import SQLAlchemyDatastore, UserDatastore
from flask_security.mail_util import EmailValidateException
from flask_security.utils import set_request_attr
from sqlalchemy import Text, cast, inspect, update

from config import Settings
from domain import clock, errors, news, outbox, passwords, users
from extensions import begin_write, db, security, settings
from models import Role, User

MESSAGES = {
    "GENERIC_AUTHN_FAILED": (_l("This address and password do not belong together. Check both."), "error"),
    "UNAUTHENTICATED": (_l("Log in to see this page."), "info"),
    "REAUTHENTICATION_REQUIRED": (_l("This is about your security: enter your password once more."), "info"),
    "REAUTHENTICATION_SUCCESSFUL": (_l("Thank you."), "success"),
    "EMAIL_NOT_PROVIDED": (_l("Enter your e-mail address."), "error"),
    "INVALID_EMAIL_ADDRESS": (_l("Enter an e-mail address such as name@example.com."), "error"),
    "PASSWORD_NOT_PROVIDED": (_l("Enter the password."), "error"),
    "INVALID_PASSWORD": (_l("This is not your password."), "error"),
    "RETYPE_PASSWORD_MISMATCH": (_l("The two passwords differ. Type the same one twice."), "error"),
    "PASSWORD_IS_THE_SAME": (_l("This is the password you have. Choose another."), "error"),
    "PASSWORD_CHANGE": (_l("Your password is changed. Everywhere else you are logged out."), "success"),
    "PASSWORD_RESET_NO_LOGIN": (_l("Your password is changed. Log in with the new one."), "success"),
    "PASSWORD_RESET_REQUEST": (
        _l("If this address has an account, a link to set a new password is on its way to it."),
        "success",
    ),
    "PASSWORD_RESET_EXPIRED": (_l("This link was for %(within)s and is too old now. Ask for a new one."), "error"),
    "INVALID_RESET_PASSWORD_TOKEN": (_l("This link was used already or is not complete. Ask for a new one."), "error"),
    "CONFIRMATION_REQUEST": (
        _l("If this address waits for confirmation, a new link is on its way to it."),
        "success",
    ),
    "CONFIRMATION_EXPIRED": (_l("This link was for %(within)s and is too old now. Ask for a new one."), "error"),
    "INVALID_CONFIRMATION_TOKEN": (_l("This link is not complete. Ask for a new one."), "error"),
    "ALREADY_CONFIRMED": (_l("Your address is confirmed already. Log in."), "info"),
    "EMAIL_CONFIRMED": (_l("Thank you, your address is confirmed. Log in now."), "success"),
    "TWO_FACTOR_INVALID_TOKEN": (_l("This is not the code of the moment. Enter the one you see now."), "error"),
    "TWO_FACTOR_LOGIN_SUCCESSFUL": (_l("You are logged in."), "success"),
    "TWO_FACTOR_CHANGE_METHOD_SUCCESSFUL": (
        _l("Two-step log-in is on. Make recovery codes now, in case you lose your phone."),
        "success",
    ),
    "TWO_FACTOR_DISABLED": (_l("Two-step log-in is off."), "success"),
    "TWO_FACTOR_PERMISSION_DENIED": (_l("That took too long. Log in again."), "error"),
    "TWO_FACTOR_SETUP_EXPIRED": (_l("That took longer than %(within)s. Start again."), "error"),
    "TWO_FACTOR_METHOD_NOT_AVAILABLE": (_l("Choose one of the ways shown."), "error"),
    "INVALID_RECOVERY_CODE": (_l("This is not one of your recovery codes, or it was used."), "error"),
    "NO_RECOVERY_CODES_SETUP": (_l("You have no recovery codes yet."), "info"),
    "API_ERROR": (_l("This cannot be used. Enter it again."), "error"),
}
# What a person has that is replaced when it is used.
ONCE = ("fs_uniquifier", "tf_last_counter", "mf_recovery_codes")


def security_config(settings: Settings) -> dict:
    """Flask-Security's part of the configuration."""
    key = hashlib.sha256(b"second step" + settings.secret_key.encode()).digest()
    config = {
        "PASSWORD_SALT": hashlib.sha256(b"passwords" + settings.secret_key.encode()).hexdigest(),
        "PASSWORD_HASH": "bcrypt",
        "PASSWORD_SCHEMES": ["bcrypt"],
        "PASSWORD_HASH_PASSLIB_OPTIONS": {"bcrypt__rounds": 4 if settings.env == "testing" else 12},
        # What a mailed token says of a password or an address; the token itself is signed.
        "HASHING_SCHEMES": ["hex_sha256"],
        "DEPRECATED_HASHING_SCHEMES": [],
        "DATETIME_FACTORY": clock.now,
        "RETURN_GENERIC_RESPONSES": True,
        "API_ENABLED_METHODS": ["session"],
        "CACHE_CONTROL": {"private": None, "no-store": None},
        "JOIN_USER_ROLES": False,
        "STATIC_FOLDER": None,
        "CLI_USERS_NAME": None,
        "CLI_ROLES_NAME": None,
        "CHANGEABLE": True,
        "RECOVERABLE": True,
        "CONFIRMABLE": settings.confirm_email,
        "CHANGE_URL": "/change-password",
        "POST_LOGIN_VIEW": "auth.home",
        "POST_LOGOUT_VIEW": "public.home",
        "POST_CHANGE_VIEW": "account.security",
        "RESET_PASSWORD_WITHIN": timedelta(hours=2),
        "FRESHNESS": timedelta(hours=1),
        "FRESHNESS_GRACE_PERIOD": timedelta(minutes=30),
        "TWO_FACTOR": True,
        "TWO_FACTOR_ENABLED_METHODS": ["authenticator"],
        "TWO_FACTOR_AUTHENTICATOR_VALIDITY": 30,
        "TWO_FACTOR_RESCUE_EMAIL": False,
        "TWO_FACTOR_SETUP_URL": "/two-factor",
        "TWO_FACTOR_TOKEN_VALIDATION_URL": "/two-factor/code",
        "TWO_FACTOR_RESCUE_URL": "/two-factor/rescue",
        "TWO_FACTOR_SELECT_URL": "/two-factor/select",
        "TWO_FACTOR_POST_SETUP_VIEW": "account.security",
        "TOTP_SECRETS": {"1": key.hex()},
        "TOTP_ISSUER": settings.site_name,
        "MULTI_FACTOR_RECOVERY_CODES": True,
        "MULTI_FACTOR_RECOVERY_CODES_N": 8,
        "MULTI_FACTOR_RECOVERY_CODES_URL": "/recovery-codes",
        "MULTI_FACTOR_RECOVERY_URL": "/recovery-code",
        "MULTI_FACTOR_RECOVERY_CODES_KEYS": [base64.urlsafe_b64encode(key)],
        "EMAIL_HTML": False,
        "EMAIL_TEMPLATE_CONFIRM": "emails/confirm",
        "EMAIL_TEMPLATE_PASSWORD_RESET": "emails/reset",
        "EMAIL_TEMPLATE_PASSWORD_RESET_NOTICE": "emails/password_changed",
        "EMAIL_TEMPLATE_PASSWORD_CHANGE_NOTICE": "emails/password_changed",
        "EMAIL_SUBJECT_CONFIRM": _l("Confirm your address"),
        "EMAIL_SUBJECT_PASSWORD_RESET": _l("Set a new password"),
        "EMAIL_SUBJECT_PASSWORD_NOTICE": _l("Your password was changed"),
        "EMAIL_SUBJECT_PASSWORD_CHANGE_NOTICE": _l("Your password was changed"),
    }
    config.update({f"MSG_{name}": message for name, message in MESSAGES.items()})
    return {f"SECURITY_{name}": value for name, value in config.items()}


def of_session(name: str) -> User | None:
    """Who logged in, by what the cookie of a session or of "remember me" carries.

    However often a session is used or copied, it ends a while after its log-in.
    """
    uniquifier, _dot, began = name.rpartition(".")
    if not began.isdecimal() or time.time() - int(began) >= settings.session_lifetime.total_seconds():
        return None
    person = users.of_session(uniquifier)
    if person is None or not person.active:
        return None
    set_request_attr("fs_authn_via", "session")
    set_request_attr("fs_paa", session.get("fs_paa", 0))
    return person


class People(SQLAlchemyDatastore, UserDatastore):
    """Finds people for Flask-Security and writes what it changes about them."""

    def __init__(self, db):
        SQLAlchemyDatastore.__init__(self, db)
        UserDatastore.__init__(self, User, Role)

    def find_user(self, case_insensitive=False, **by):
        if "email" in by:
            return users.find(by["email"])
        return users.of_session(by["fs_uniquifier"])

    def put(self, model):
        return model

    def tf_reset(self, user):
        super().tf_reset(user)
        user.mf_recovery_codes = None

    def mf_delete_recovery_code(self, user, idx):
        # A new list, so that the one that was read is known when it is written.
        user.mf_recovery_codes = [code for n, code in enumerate(user.mf_recovery_codes) if n != idx]
        return True

    def commit(self):
        """Write what changed about people, in a transaction that begins now.

        Flask-Security reads, hashes for a third of a second and then writes; on SQLite that
        write would fail when somebody else wrote in between. Its views run without autoflush,
        so everything they changed is still here. The letters about it are written beside it.
        """
        changes = [_changes(user) for user in db.session.dirty if isinstance(user, User)]
        letters = take_letters()
        db.session.rollback()
        if not letters and not any(changed for _, _, changed in changes):
            return
        begin_write()
        for user_id, before, changed in changes:
            if changed and not _write(user_id, before, changed):
                db.session.rollback()
                raise errors.Conflict(_("Your account changed in the meantime. Start again."))
        write_letters(letters)
        db.session.commit()


def authenticate(email: str, password: str, code: str | None = None) -> User:
    """The person whose password this is, with the code of the second step where they have one.

    It begins a write transaction, in which the code is used up. Raises NotAuthenticated, in the same
    words and after the same work for an address without an account.
    """
    refused = errors.NotAuthenticated(str(MESSAGES["GENERIC_AUTHN_FAILED"][0]))
    password = passwords.normalised(password)
    user = users.find(email)
    if user is None or not user.password:
        hash_password(password)
        raise refused
    known = user.password
    if not verify_password(password, known):
        raise refused
    begin_write()
    if not user.active or user.password != known or (settings.confirm_email and user.confirmed_at is None):
        raise refused
    if user.erase_at is not None:
        raise errors.NotAllowed(_("This account is going to be erased. Log in on the site if you want to keep it."))
    if user.tf_primary_method:
        _use_up(user, code)
    elif user.is_admin and settings.admin_two_factor:
        raise errors.NotAllowed(_("Admins of this site log in with a second step. Set it up on the site first."))
    return user


def _use_up(user, code):
    if not code:
        raise errors.NotAuthenticated(_("Send the code of your second step too, as totp."))
    if not security._totp_factory.verify_totp(code, user.tf_totp_secret, user, window=30):
        raise errors.NotAuthenticated(str(MESSAGES["TWO_FACTOR_INVALID_TOKEN"][0]))


def _changes(user):
    """A person's id, what was read of what works once, and the attributes with new values."""
    attributes = inspect(user).attrs
    changed = {one.key: one.value for one in attributes if one.history.has_changes()}
    before = {name: (*attributes[name].history.deleted, getattr(user, name))[0] for name in ONCE}
    return user.id, before, changed


def _write(user_id, before, changed) -> bool:
    """Only if no other request replaced the session or used the code: so that a mailed link, a code
    and a recovery code work once, even when they are sent several times at once."""
    same = [User.id == user_id, User.fs_uniquifier == before["fs_uniquifier"]]
    if "tf_last_counter" in changed:
        same.append(User.tf_last_counter.is_not_distinct_from(before["tf_last_counter"]))
    if "mf_recovery_codes" in changed and before["mf_recovery_codes"]:
        same.append(cast(User.mf_recovery_codes, Text) == json.dumps(before["mf_recovery_codes"]))
    if "fs_uniquifier" in changed:
        news.end(user_id)
    return bool(db.session.execute(update(User).where(*same).values(changed)).rowcount)


class Codes(Totp):
    """The codes of the second step, each of which works once."""

    def get_last_counter(self, user):
        return user.tf_last_counter

    def set_last_counter(self, user, tmatch):
        user.tf_last_counter = tmatch.counter


class Passwords(PasswordUtil):
    def normalize(self, password):
        return passwords.normalised(password)

    def validate(self, password, is_register, **kwargs):
        fault = passwords.fault(password)
        return ([fault] if fault else None), passwords.normalised(password)


class Letters(MailUtil):
    def normalize(self, email):
        try:
            return users.normalise_email(email)
        except errors.Invalid as refusal:
            raise EmailValidateException(refusal.message) from None

    validate = normalize

    def send_mail(self, template, subject, recipient, sender, body, html, *, user=None, **kwargs):
        add_letter(recipient, str(subject), body, user and user.id)


def add_letter(address: str, subject: str, body: str, user_id: int | None) -> None:
    """Keep a letter until the transaction of what it tells."""
    g.setdefault("letters", []).append({"address": address, "subject": subject, "body": body, "user_id": user_id})


def take_letters() -> list[dict]:
    """The letters of this request that are still to be written."""
    return g.pop("letters", [])


def write_letters(letters: list[dict]) -> None:
    """Put letters into the outbox, in the transaction of the moment."""
    for letter in letters:
        outbox.publish_sealed(**letter)


def pretend_to_write() -> None:
    """Take as long as writing a letter takes, where there is nobody to write to."""
    begin_write()
    outbox.pretend_sealed("nobody@example.com", "", "x" * 600)
    db.session.commit()
