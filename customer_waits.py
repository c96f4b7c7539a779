"""The customer's places in the lines for full days."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

import templating
from auth import restrict_to
from domain import waits
from extensions import db, settings
from forms import refusals
from forms_lifecycle import WaitForm
from models import Role

bp = Blueprint("customer_waits", __name__)
restrict_to(bp, Role.CUSTOMER)


@bp.get("/waits", endpoint="waits")
def show():
    return _page(WaitForm(formdata=None))


@bp.post("/waits")
def join():
    form = WaitForm()
    if form.validate():
        with refusals(form):
            wait = waits.join(
                current_user, form.professional_id.data, form.service_id.data, form.address_id.data, form.day.data
            )
            db.session.commit()
            flash(_("We tell you when a time on %(day)s frees.", day=templating.day(wait.day)), "success")
            return redirect(url_for("customer_waits.waits"), 303)
    return _page(form)


@bp.post("/waits/<int:wait_id>/leave")
def leave(wait_id):
    waits.leave(waits.get(wait_id, current_user), current_user)
    db.session.commit()
    flash(_("You no longer wait for that day."), "success")
    return redirect(url_for("customer_waits.waits"), 303)


def _page(form):
    mine = waits.open_ones(current_user)
    page = render_template("customer/waits.html", waits=mine, form=form, policy=settings.policy)
    return page, 422 if form.errors else 200
