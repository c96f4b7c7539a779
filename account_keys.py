"""The keys that a signed-in person gives to scripts of their own."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

import forms
import forms_integrations
from auth import proved_lately, restrict_to
from domain import api_keys, clock
from extensions import db
from models import Role

bp = Blueprint("account_keys", __name__)
restrict_to(bp, *Role)


@bp.get("/account/keys")
def keys():
    return _keys()


@bp.route("/account/keys/new", methods=["GET", "POST"])
@proved_lately
def add():
    """The answer to the form shows the key, this once; no browser keeps it."""
    user = current_user._get_current_object()
    form = forms_integrations.key_form(user.role)
    if form.validate_on_submit():
        with forms.refusals(form):
            key, text = api_keys.make(user, form.name.data, form.scopes.data, form.lasts)
            db.session.commit()
            return render_template("account/key_made.html", key=key, text=text), {"Cache-Control": "no-store"}
    return render_template("account/key.html", form=form), forms.status_of(form)


@bp.post("/account/keys/<int:key_id>/revoke")
def revoke(key_id):
    g.page_now = _keys
    api_keys.revoke(key_id, by=current_user)
    db.session.commit()
    flash(_("The key is revoked: it opens nothing any more."), "success")
    return redirect(url_for("account_keys.keys"))


def _keys():
    return render_template(
        "account/keys.html",
        keys=api_keys.of(current_user),
        words=api_keys.WORDS,
        is_over=api_keys.is_over,
        moment=clock.now(),
    )
