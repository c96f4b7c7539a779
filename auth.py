"""Accounts: how Flask-Security is wired, signing up, and who may open which blueprint.

An unknown address and a known one get the same answer after the same work, everywhere.
"""

import base64
import hashlib
import os
import threading
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_limiter.util import get_remote_address
from flask_login import current_user
from flask_security import MailUtil, PasswordUtil, hash_password
from flask_security.confirmable import send_confirmation_instructions
from flask_security.datastore import SQLAlchemyDatastore, UserDatastore
from flask_security.mail_util import EmailValidateException
from limits import parse
from sqlalchemy import inspect, update
from werkzeug.datastructures import ImmutableMultiDict, MultiDict

import delivery
import forms
import templating
from config import Settings
from domain import clock, errors, passwords, users
from extensions import begin_write, db, limiter, security, settings
from models import Role, User

bp = Blueprint("auth", __name__)

DASHBOARDS = {
    Role.CUSTOMER: "customer.dashboard",
    Role.PROFESSIONAL: "professional.dashboard",
    Role.ADMIN: "admin.dashboard",
}
# What Flask-Security has and this site does not use.
UNUSED = ("security.two_factor_rescue", "security.tf_select")
SECOND_STEP = frozenset(
    {
        "security.two_factor_setup",
        "security.two_factor_setup_validate",
        "security.verify",
        "security.logout",
        "auth.set_language",
        "static",
    }
)


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


def init_app(app: Flask) -> None:
    delivery.init_app(app)
    security.init_app(
        app,
        People(db),
        login_form=forms.LogInForm,
        forgot_password_form=forms.ResetRequestForm,
        two_factor_setup_form=forms.TwoFactorForm,
        two_factor_rescue_form=forms.RescueForm,
    )
    security._mail_util = Letters(app)
    security._password_util = Passwords(app)
    security.pwd_context = FewAtOnce(security.pwd_context)
    security.unauthn_handler(lambda *_args, **_kwargs: to_login())
    # Sessions only: no token in a header or an address logs anybody in.
    security.login_manager.request_loader(lambda _request: None)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith("security."):
            app.view_functions[endpoint] = _kept_in_house(endpoint, view)
    app.jinja_env.globals["site_url"] = app.config["SETTINGS"].site_url
    app.before_request(_count_try)
    app.before_request(_lead_to_second_step)
    app.after_request(_wipe_slate)
    app.register_blueprint(bp)


def restrict_to(blueprint: Blueprint, *roles: Role) -> None:
    """Open a blueprint to people of these roles only: others get 403, strangers the log-in page."""

    @blueprint.before_request
    def gate():
        if not current_user.is_authenticated:
            return to_login()
        if current_user.role not in roles:
            abort(403)
        return None


def to_login():
    """Send a stranger to the log-in page, and back here afterwards."""
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    address = url_for("security.login", next=back)
    if request.headers.get("HX-Request"):
        return "", 401, {"HX-Redirect": url_for("security.login")}
    return redirect(address)


def within_site(target: str | None) -> str | None:
    """A path of this site made from what somebody sent, or None when it may lead elsewhere.

    Browsers read more into an address than urlsplit does (/\\evil, ///evil, https:evil), so
    only what is surely a path is taken, and the answer is built from its parts.
    """
    if not target or any(c <= " " or c in "\\\x7f" for c in target):
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.scheme in ("http", "https") and parts.netloc == request.host:
        parts = parts._replace(scheme="", netloc="")
    elif parts.scheme or parts.netloc or target.startswith("//"):
        return None
    if not parts.path.startswith("/"):
        return None
    return urlunsplit(("", "", "/" + parts.path.lstrip("/"), parts.query, ""))


# -- Signing up -----------------------------------------------------------------------------


@bp.route("/signup", methods=["GET", "POST"])
def signup_customer():
    form = forms.SignUpForm()
    return _sign_up(form, "auth/signup.html", users.sign_up_customer)


@bp.route("/signup/professional", methods=["GET", "POST"])
def signup_professional():
    form = forms.ProfessionalSignUpForm()
    more = {name: form[name].data for name in ("pincode", "radius_km", "experience_years")}
    return _sign_up(form, "auth/signup_professional.html", users.sign_up_professional, **more)


@bp.route("/home")
def home():
    """Where somebody lands after logging in."""
    if not current_user.is_authenticated:
        return redirect(url_for("public.home"))
    return redirect(url_for(DASHBOARDS[current_user.role]))


@bp.post("/language")
def set_language():
    language = request.form.get("language")
    if language in templating.LANGUAGES:
        session["locale"] = language
        if current_user.is_authenticated:
            person = current_user.id
            begin_write()
            user = db.session.get(User, person)
            users.set_language(user, by=user, language=language)
            db.session.commit()
    return redirect(within_site(request.form.get("next")) or url_for("auth.home"))


def _sign_up(form, template, verb, **more):
    if current_user.is_authenticated:
        return redirect(url_for("auth.home"))
    if form.validate_on_submit():
        # The same work for every address, and none of it while others wait to write.
        password_hash = hash_password(passwords.normalised(form.password.data))
        with forms.refusals(form):
            begin_write()
            person = verb(
                email=form.email.data,
                name=form.name.data,
                phone=form.phone.data or "",
                password_hash=password_hash,
                locale=session.get("locale"),
                **more,
            )
            db.session.commit()
            _welcome(person, form.email.data)
            flash(_sign_up_answer(), "success")
            return redirect(url_for("security.login"))
    return render_template(template, form=form), 422 if form.is_submitted() else 200


def _welcome(person, email):
    """A mail to the owner of the address, whether the account is new or not."""
    if person is None:
        _write_to(users.find(email), _("You have an account already"), "emails/known.txt")
    elif settings.confirm_email:
        send_confirmation_instructions(person)
    else:
        _write_to(person, _("Welcome to %(site)s", site=settings.site_name), "emails/welcome.txt")


def _sign_up_answer():
    if settings.confirm_email:
        return _("Thank you. Open the link in the mail that we have sent to you, then log in.")
    return _("Thank you. We have sent you a mail, and you can log in now.")


def _write_to(person, subject, template):
    delivery.post(person.email, subject, render_template(template, user=person))


# -- Between Flask-Security and the house ---------------------------------------------------


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

    def commit(self):
        """Write what changed about people, in a transaction that begins now.

        Flask-Security reads, hashes for a third of a second and then writes; on SQLite that
        write would fail when somebody else wrote in between. Its views run without autoflush,
        so everything they changed is still here.
        """
        changes = [_changes(user) for user in db.session.dirty if isinstance(user, User)]
        db.session.rollback()
        if not any(changed for _, _, changed in changes):
            return
        begin_write()
        for user_id, session_name, changed in changes:
            if changed and not _write(user_id, session_name, changed):
                db.session.rollback()
                raise errors.Conflict(_("Your account changed in the meantime. Start again."))
        db.session.commit()


def _changes(user):
    """A person's id, the session name that was read, and the attributes with new values."""
    attributes = inspect(user).attrs
    changed = {one.key: one.value for one in attributes if one.history.has_changes()}
    before = attributes.fs_uniquifier.history.deleted or [user.fs_uniquifier]
    return user.id, before[0], changed


def _write(user_id, session_name, changed) -> bool:
    """Only if no other request replaced the session: so that a mailed link works once."""
    same = (User.id == user_id, User.fs_uniquifier == session_name)
    return bool(db.session.execute(update(User).where(*same).values(changed)).rowcount)


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

    def send_mail(self, template, subject, recipient, sender, body, html, **kwargs):
        delivery.post(recipient, str(subject), body)


class FewAtOnce:
    """Hashing that leaves a core to the pages, however many people log in."""

    def __init__(self, context):
        self._context = context
        self._turn = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) - 1))

    def hash(self, *args, **kwargs):
        with self._turn:
            return self._context.hash(*args, **kwargs)

    def verify(self, *args, **kwargs):
        with self._turn:
            return self._context.verify(*args, **kwargs)

    def __getattr__(self, name):
        return getattr(self._context, name)


def _kept_in_house(endpoint, view):
    """One of Flask-Security's views under the rules of this house."""

    def kept(**arguments):
        if endpoint in UNUSED:
            abort(404)
        if request.is_json:
            abort(415)
        if endpoint == "security.confirm_email" and request.method == "GET":
            # A GET changes nothing, and programs that look into mails follow links.
            return render_template("auth/confirm.html", token=arguments["token"])
        if endpoint == "security.logout" and current_user.is_authenticated:
            # Copies of the cookie end with it.
            security.datastore.set_uniquifier(current_user)
        _drop_foreign_next()
        with db.session.no_autoflush:
            answer = current_app.make_response(view(**arguments))
            security.datastore.commit()
        if answer.location:
            answer.location = within_site(answer.location) or url_for("auth.home")
        return answer

    kept.__name__ = view.__name__
    return kept


def _drop_foreign_next():
    """Flask-Security follows `next`; before it looks, only a path of this site is left of it."""
    for name in ("args", "form"):
        sent = getattr(request, name)
        if "next" in sent:
            kept = MultiDict(sent)
            kept["next"] = within_site(sent["next"]) or ""
            setattr(request, name, ImmutableMultiDict(kept))


# -- Against guessing -----------------------------------------------------------------------


def _submitted_account() -> str:
    """The address that was sent, by its hash, so that a long one costs no memory."""
    return hashlib.sha256(request.form.get("email", "").strip().lower().encode("utf-8", "replace")).hexdigest()


def _session_account() -> str:
    """The person who is logged in, or who has given the password but not the code yet."""
    return session.get("_user_id") or session.get("tf_user_id") or get_remote_address()


GUESSES = (parse("10 per 15 minutes"), parse("100 per 15 minutes"))
REQUESTS = (parse("5 per hour"), parse("50 per hour"))
# For each endpoint: what names the account, how often for one account and from one place (whole
# towns share an address of the network), and whether success wipes the account's slate.
COUNTED = {
    "security.login": (_submitted_account, *GUESSES, True),
    "security.verify": (_session_account, *GUESSES, True),
    "security.change_password": (_session_account, *GUESSES, True),
    "security.two_factor_token_validation": (_session_account, *GUESSES, True),
    "security.two_factor_setup_validate": (_session_account, *GUESSES, True),
    "security.mf_recovery": (_session_account, *GUESSES, True),
    "security.forgot_password": (_submitted_account, *REQUESTS, False),
    "security.send_confirmation": (_submitted_account, *REQUESTS, False),
    "auth.signup_customer": (_submitted_account, *REQUESTS, False),
    "auth.signup_professional": (_submitted_account, *REQUESTS, False),
}


def _count_try():
    if request.method != "POST" or request.endpoint not in COUNTED or not limiter.enabled:
        return
    account, for_account, for_place, _wiped = COUNTED[request.endpoint]
    g.tried = (for_account, request.endpoint, account())
    for limit, *names in (g.tried, (for_place, request.endpoint, "from", get_remote_address())):
        if not limiter.limiter.hit(limit, *names):
            abort(429)


def _wipe_slate(response):
    tried = g.pop("tried", None)
    if tried and response.status_code == 302 and COUNTED[request.endpoint][-1]:
        limiter.limiter.clear(*tried)
    return response


def _lead_to_second_step():
    """Where admins need a second step, one without it gets no further than setting it up."""
    if not settings.admin_two_factor or request.endpoint in SECOND_STEP:
        return None
    if not current_user.is_authenticated or not current_user.is_admin or current_user.tf_primary_method:
        return None
    flash(_("Admins of this site log in with a second step. Set it up to go on."), "info")
    return redirect(url_for("security.two_factor_setup"))
