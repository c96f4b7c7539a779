"""What the site holds about a signed-in person: a copy of it, what they agreed to, and the end of their account."""

from flask import Blueprint, abort, flash, g, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _
from flask_login import current_user, logout_user
from flask_security import verify_password

import forms
import forms_privacy
from auth import count_try, forget_tries, proved_lately, restrict_to
from domain import channels, consents, exports, leaving, passwords, recommendations, retention
from domain.outbox import Topic
from extensions import begin_write, begins_late, db, limiter, settings
from models import Role, User

bp = Blueprint("account_privacy", __name__)
restrict_to(bp, *Role)


@bp.get("/account/data")
def overview():
    return _overview()


# -- A copy of all that is held ---------------------------------------------------------------


@bp.post("/account/data/copies")
@limiter.limit("10 per day", key_func=lambda: f"user {current_user.get_id()}")
def ask_for_copy():
    exports.request_own(current_user)
    db.session.commit()
    flash(_("Your copy is being made. You are told when it is ready."), "success")
    return redirect(url_for("account_privacy.overview"))


@bp.get("/account/data/copies/<int:copy_id>")
@proved_lately
def download_copy(copy_id):
    """Only for whoever has given the password a short while ago: the file has everything in it."""
    g.page_now = _overview
    export, path = exports.download_own(copy_id, by=current_user)
    name = exports.download_name(export)
    answer = send_file(path, "application/zip", as_attachment=True, download_name=name, conditional=False, etag=False)
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


# -- What they agreed to ----------------------------------------------------------------------


@bp.post("/account/data/agree")
def agree():
    user = current_user._get_current_object()
    consents.agree(user)
    db.session.commit()
    flash(_("Thank you. It is written down that you agreed."), "success")
    return redirect(url_for("account_privacy.overview"))


@bp.post("/account/data/consents/<about>")
def change_consent(about):
    """Give it or take it back, by the same button."""
    user, on = current_user._get_current_object(), request.form.get("on") == "1"
    if about == consents.SUGGESTIONS and user.is_customer:
        recommendations.switch(user, on)
    elif about == consents.REPORTS and not user.is_admin:
        channels.set_reports(user, user, on)
    else:
        abort(404)
    db.session.commit()
    flash(_("Your choice is saved."), "success")
    return redirect(url_for("account_privacy.overview"))


def _choices():
    """What can be switched on and off here: its name, and whether it is on."""
    if current_user.is_admin:
        return {}
    found = {consents.REPORTS: bool(channels.chosen(current_user)[Topic.REPORTS])}
    if current_user.is_customer:
        found[consents.SUGGESTIONS] = not recommendations.is_off(current_user)
    return found


def _overview():
    copies = exports.own(current_user)
    return render_template(
        "account/data.html",
        exports=exports,
        copies=copies,
        choices=_choices(),
        consents=consents,
        agreements=consents.of(current_user),
        days=settings.erase_after_days,
        rules=retention.RULES,
    )


# -- The end of an account --------------------------------------------------------------------


@bp.route("/account/erase", methods=["GET", "POST"])
@begins_late
def erase():
    """The password is looked at before the transaction begins, and counted as at the log-in."""
    form = forms_privacy.EraseForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            leaving.check_words(form.words.data or "")
            if _is_password(form):
                begin_write()
                user = db.session.get(User, current_user.id)
                leaving.ask(user, by=user)
                db.session.commit()
                return _gone(user)
    page = render_template(
        "account/erase.html",
        form=form,
        obstacles=leaving.obstacles(current_user),
        words=leaving.confirmation(),
        days=settings.erase_after_days,
        stays=retention.STAYS,
    )
    return page, forms.status_of(form)


@bp.get("/account/leaving", endpoint="leaving")
def leaving_page():
    if current_user.erase_at is None:
        return redirect(url_for("account_privacy.overview"))
    return render_template("account/leaving.html", erase_at=current_user.erase_at)


@bp.post("/account/keep")
def keep():
    user = current_user._get_current_object()
    leaving.keep(user, by=user)
    db.session.commit()
    flash(_("Your account stays. Nothing was erased."), "success")
    if user.is_professional:
        flash(_("You are still paused: open your page to be found again."), "info")
    return redirect(url_for("auth.home"))


def _is_password(form):
    known = current_user.password
    tried = count_try("security.verify")
    if verify_password(passwords.normalised(form.password.data or ""), known):
        forget_tries(tried)
        return True
    form.password.errors = [_("This is not your password.")]
    return False


def _gone(user):
    logout_user()
    if user.anonymised_at is not None:
        flash(_("Your account is erased."), "success")
    else:
        flash(_("Your account is closed and will be erased. Log in before that if you want to keep it."), "success")
    return redirect(url_for("public.home"))
