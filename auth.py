"""Accounts: how Flask-Security is wired, signing up, and who may open which blueprint.

An unknown address and a known one get the same answer after the same work, everywhere.
"""

import hashlib
import math
import time
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
from flask_limiter.util import get_remote_address
from flask_login import current_user
from flask_security import auth_required, hash_password
from flask_security.confirmable import send_confirmation_instructions
from limits import parse
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import TooManyRequests

import forms
import identity
import templating
import visits
from domain import errors, passwords, users
from extensions import begin_write, db, limiter, security, settings
from identity import Codes, Letters, Passwords, People
from models import Role, User

bp = Blueprint("auth", __name__)

DASHBOARDS = {
    Role.CUSTOMER: "customer.dashboard",
    Role.PROFESSIONAL: "professional.dashboard",
    Role.ADMIN: "admin.dashboard",
}
# What Flask-Security has and this site does not use.
UNUSED = ("security.two_factor_rescue", "security.tf_select")
# Pages that write to an address if it has an account, and take as long if it has none.
ASKS_FOR_LETTER = ("security.forgot_password", "security.send_confirmation")
# All that somebody gets to of their own pages whose account waits to be erased.
LEAVING = frozenset({"account_privacy.leaving", "account_privacy.keep"})
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


def init_app(app: Flask) -> None:
    security._totp_cls = Codes
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
    security.want_json(lambda _request: False)
    security.unauthn_handler(lambda *_args, **_kwargs: to_login())
    security.login_manager.id_attribute = "name_of_session"
    security.login_manager.user_loader(identity.of_session)
    # Sessions only: no token in a header or an address logs anybody in.
    security.login_manager.request_loader(lambda _request: None)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith("security."):
            app.view_functions[endpoint] = _kept_in_house(endpoint, view)
    app.jinja_env.globals["site_url"] = app.config["SETTINGS"].site_url
    app.before_request(_count_post)
    app.before_request(_lead_to_second_step)
    app.after_request(_wipe_slate)
    visits.init_app(app)
    app.register_blueprint(bp)


def restrict_to(blueprint: Blueprint, *roles: Role) -> None:
    """Open a blueprint to people of these roles only: others get 403, strangers the log-in page."""

    @blueprint.before_request
    def gate():
        if not current_user.is_authenticated:
            return to_login()
        if current_user.erase_at is not None and request.endpoint not in LEAVING:
            return _to_whoever_leaves()
        if current_user.role not in roles:
            abort(403)
        return None


def proved_lately(view):
    """For a view that asks for the password again when that was given some time ago."""
    return auth_required(
        "session",
        within=lambda: current_app.config["SECURITY_FRESHNESS"],
        grace=lambda: current_app.config["SECURITY_FRESHNESS_GRACE_PERIOD"],
    )(view)


def to_login(back: str | None = None):
    """Send a stranger to the log-in page, and back here afterwards, or to the page that a form stands on."""
    if request.headers.get("Doorstep-Look"):
        # Nobody asked for it: the page stays as it is, and says that they are logged out.
        return "", 401
    if request.headers.get("HX-Request"):
        return "", 401, {"HX-Redirect": url_for("security.login", next=back)}
    if request.method == "GET":
        back = request.full_path.rstrip("?")
    return redirect(url_for("security.login", next=back))


def _to_whoever_leaves():
    """Ask first whether they keep their account; what a page looks at by itself gets nothing."""
    return ("", 204) if "HX-Request" in request.headers else redirect(url_for("account_privacy.leaving"))


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
            add_person(
                verb,
                email=form.email.data,
                name=form.name.data,
                phone=form.phone.data or "",
                password_hash=password_hash,
                locale=session.get("locale"),
                **more,
            )
            db.session.commit()
            flash(_sign_up_answer(), "success")
            return redirect(url_for("security.login"))
    return render_template(template, form=form), 422 if form.is_submitted() else 200


def add_person(verb, *, email: str, **values) -> User | None:
    """Sign somebody up by a verb of domain.users, with a letter to the owner of the address.

    None when the address has an account already, which only its owner learns, from the letter.
    """
    person = verb(email=email, **values)
    _welcome(person, email)
    identity.write_letters(identity.take_letters())
    return person


def _welcome(person, email):
    """A letter to the owner of the address, whether the account is new or not, in its transaction."""
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
    identity.add_letter(person.email, subject, render_template(template, user=person), person.id)


# -- Between Flask-Security and the house ---------------------------------------------------


def _kept_in_house(endpoint, view):
    """One of Flask-Security's views under the rules of this house."""

    def kept(**arguments):
        if endpoint in UNUSED:
            abort(404)
        if endpoint == "security.confirm_email" and request.method == "GET":
            # A GET changes nothing, and programs that look into mails follow links.
            return render_template("auth/confirm.html", token=arguments["token"])
        if endpoint == "security.logout" and current_user.is_authenticated:
            # Copies of the cookie end with it.
            security.datastore.set_uniquifier(current_user)
        _drop_foreign_next()
        came_as = dict(session)
        with db.session.no_autoflush:
            answer = current_app.make_response(view(**arguments))
            nobody_to_write_to = endpoint in ASKS_FOR_LETTER and request.method == "POST" and "letters" not in g
            _keep_changes(came_as)
            if nobody_to_write_to:
                identity.pretend_to_write()
        if answer.location:
            answer.location = within_site(answer.location) or url_for("auth.home")
        return answer

    kept.__name__ = view.__name__
    return kept


def _keep_changes(came_as):
    """Write what the view changed; whoever was too late with it, or whose code could not be used up, is not
    logged in by it either."""
    try:
        security.datastore.commit()
    except Exception:
        session.clear()
        session.update(came_as)
        g.pop("_login_user", None)
        raise


def _drop_foreign_next():
    """Flask-Security follows `next`; before it looks, only a path of this site is left of it."""
    for name in ("args", "form"):
        sent = getattr(request, name)
        if "next" in sent:
            kept = MultiDict(sent)
            kept["next"] = within_site(sent["next"]) or ""
            setattr(request, name, ImmutableMultiDict(kept))


# -- Against guessing -----------------------------------------------------------------------


def account_name(email: str) -> str:
    """The account with this address, in any spelling, by a hash: a long one costs no memory."""
    try:
        email = users.normalise_email(email)
    except errors.Invalid:
        email = email.strip().lower()
    return hashlib.sha256(email.encode("utf-8", "replace")).hexdigest()


def _submitted_account() -> str:
    return account_name(request.form.get("email", ""))


def _session_account() -> str:
    """The person who is logged in, or who has given the password but not the code yet."""
    return current_user.get_id() or session.get("tf_user_id") or get_remote_address()


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


def count_try(endpoint: str, name: str | None = None) -> tuple | None:
    """Count a try for an account and for the place it comes from, and end the request when there
    were too many. Answers what forget_tries() takes; None where nothing is counted."""
    if not limiter.enabled:
        return None
    account, for_account, for_place, _wiped = COUNTED[endpoint]
    tried = (for_account, endpoint, name or account())
    for limit, *names in (tried, (for_place, endpoint, "from", get_remote_address())):
        if not limiter.limiter.hit(limit, *names):
            ends = limiter.limiter.get_window_stats(limit, *names).reset_time
            raise TooManyRequests(retry_after=max(1, math.ceil(ends - time.time())))
    return tried


def forget_tries(tried: tuple | None) -> None:
    """Whoever got in was not guessing."""
    if tried:
        limiter.limiter.clear(*tried)


def _count_post():
    if request.method != "POST" or request.endpoint not in COUNTED:
        return
    tried = count_try(request.endpoint)
    # Who is logged in is led away from the log-in page, whatever password they send.
    if COUNTED[request.endpoint][-1] and not (request.endpoint == "security.login" and current_user.is_authenticated):
        g.tried = tried


def _wipe_slate(response):
    tried = g.pop("tried", None)
    if response.status_code == 302:
        forget_tries(tried)
    return response


def _lead_to_second_step():
    """Where admins need a second step, one without it gets no further than setting it up."""
    if not settings.admin_two_factor or request.endpoint in SECOND_STEP:
        return None
    if not current_user.is_authenticated or not current_user.is_admin or current_user.tf_primary_method:
        return None
    flash(_("Admins of this site log in with a second step. Set it up to go on."), "info")
    return redirect(url_for("security.two_factor_setup"))
