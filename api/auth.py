"""Accounts and tokens."""

import hashlib
import hmac

from flask_babel import gettext as _
from flask_security import hash_password
from marshmallow import fields, validate

import auth
import identity
from api import schemas, tokens
from api.calls import Calls, claims, session_id
from domain import api_sessions, passwords, professionals, users
from domain.errors import Invalid, NotAllowed
from extensions import begin_write, settings
from models import Role

bp = Calls("api_auth", __name__, description="Accounts and tokens")


class Registration(schemas.Strict):
    """A new account. A professional says where they work from, and waits for approval."""

    email = schemas.Text(254, 3, required=True)
    password = schemas.Secret(passwords.LONGEST, 1, required=True)
    name = schemas.Text(users.LONGEST_NAME, 1, required=True)
    role = fields.String(required=True, validate=validate.OneOf([Role.CUSTOMER.value, Role.PROFESSIONAL.value]))
    phone = schemas.Text(40)
    pincode = schemas.Text(12)
    service_ids = fields.List(schemas.RowId(), validate=validate.Length(max=100))
    experience_years = schemas.Whole(validate=validate.Range(0, 60))


class Registered(schemas.Schema):
    """`id` names the registration, not the person: it is the same for an address that has an account."""

    id = fields.String(required=True, metadata={"example": "reg_5f0c2ab19d3e47718c6d90fa"})
    email = fields.String(required=True)
    role = fields.String(required=True)


class LogIn(schemas.Strict):
    email = schemas.Text(320, required=True)
    password = schemas.Secret(1000, required=True)
    totp = schemas.Text(20)


@bp.call(
    "POST",
    "/auth/register",
    takes=Registration,
    gives=Registered,
    status=201,
    late=True,
    example={
        "takes": {
            "email": "asha@example.com",
            "password": "a long one of your own",
            "name": "Asha Rao",
            "role": "customer",
        }
    },
)
def register(sent):
    """Open an account.

    Whoever opens it agrees to the terms (`/terms`) and the privacy notice (`/privacy`) as they are now: show both
    beforehand. That they did is written down, with the version and the network the call came from.

    An address that has an account already gets the same answer, and its owner a letter: nobody
    learns here who has an account.
    """
    auth.count_try("auth.signup_customer", auth.account_name(sent["email"]))
    if fault := passwords.fault(sent["password"]):
        raise Invalid(fault, "password")
    password_hash = hash_password(passwords.normalised(sent["password"]))
    begin_write()
    values = {"name": sent["name"], "phone": sent.get("phone", ""), "password_hash": password_hash}
    if sent["role"] == Role.CUSTOMER:
        _only_for_professionals(sent)
        auth.add_person(users.sign_up_customer, email=sent["email"], **values)
    else:
        values |= {"pincode": sent.get("pincode", ""), "experience_years": sent.get("experience_years", 0)}
        person = auth.add_person(users.sign_up_professional, email=sent["email"], **values)
        wanted = dict.fromkeys(sent.get("service_ids", []))
        professionals.check_offerable(wanted)
        if person is not None and wanted:
            professionals.set_offerings(person.professional, person, wanted)
    email = users.normalise_email(sent["email"])
    return {"id": _registration(email), "email": email, "role": sent["role"]}


@bp.call(
    "POST",
    "/auth/login",
    takes=LogIn,
    gives=schemas.Tokens,
    late=True,
    example={"takes": {"email": "asha@example.com", "password": "a long one of your own"}},
)
def login(sent):
    """Log in.

    `totp` is the code of the second step, for those who have one.
    """
    tried = auth.count_try("security.login", auth.account_name(sent["email"]))
    user = identity.authenticate(sent["email"], sent["password"], sent.get("totp"))
    auth.forget_tries(tried)
    refresh_jti = tokens.new_jti()
    begun = api_sessions.begin(user, refresh_jti)
    return tokens.issue(user.id, begun.id, refresh_jti)


@bp.call("POST", "/auth/refresh", gives=schemas.Tokens, refreshes=True)
def refresh():
    """Get a new pair of tokens for a refresh token.

    The refresh token goes where the access token goes in other calls, and is used up. One that
    comes a second time has been copied: it ends the log-in.
    """
    said, refresh_jti = claims(), tokens.new_jti()
    api_sessions.rotate(said.session_id, said.user_id, said.jti, refresh_jti)
    return tokens.issue(said.user_id, said.session_id, refresh_jti)


@bp.call("POST", "/auth/logout", *Role, status=204)
def logout():
    """Log out: the tokens of this log-in end at once."""
    begun = session_id()
    if begun is None:
        raise NotAllowed(_("A key is not logged in. Revoke it on the site."))
    api_sessions.end(begun)


def _only_for_professionals(sent):
    for name in ("pincode", "service_ids", "experience_years"):
        if sent.get(name):
            raise Invalid(_("Only professionals give this."), name)


def _registration(email):
    key = hashlib.sha256(b"registrations" + settings.secret_key.encode()).digest()
    return "reg_" + hmac.new(key, email.encode(), hashlib.sha256).hexdigest()[:24]
