"""The admin's webhooks: which programs are told of bookings, and what became of each delivery."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

import forms
from auth import restrict_to
from domain import audit, deliveries, webhooks
from extensions import begin_write, begins_late, db
from forms_integrations import WebhookForm
from models import Role

bp = Blueprint("admin_webhooks", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/webhooks", endpoint="webhooks")
def webhooks_list():
    return render_template("admin/webhooks.html", hooks=webhooks.listed(), all=len(webhooks.EVENTS))


@bp.route("/admin/webhooks/new", methods=["GET", "POST"])
@begins_late
def add():
    """The address is looked up before the transaction begins."""
    form = WebhookForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            url = webhooks.checked_url(form.url.data)
            begin_write()
            hook, secret = webhooks.add(current_user, url, form.verbs.data)
            db.session.commit()
            return _secret(hook, secret)
    return render_template("admin/webhook_new.html", form=form), forms.status_of(form)


@bp.route("/admin/webhooks/<int:webhook_id>", methods=["GET", "POST"])
@begins_late
def webhook(webhook_id):
    """As for a new one; an address that stays is not looked up."""
    hook = webhooks.get(webhook_id)
    form = WebhookForm(obj=hook)
    if form.validate_on_submit():
        with forms.refusals(form):
            url = hook.url if form.url.data == hook.url else webhooks.checked_url(form.url.data)
            begin_write()
            webhooks.change(webhooks.get(webhook_id), current_user, url, form.verbs.data)
            db.session.commit()
            flash(_("The webhook is saved."), "success")
            return redirect(url_for("admin_webhooks.webhook", webhook_id=webhook_id))
    return _page(webhook_id, form), forms.status_of(form)


@bp.post("/admin/webhooks/<int:webhook_id>/secret")
def replace_secret(webhook_id):
    hook = webhooks.get(webhook_id)
    secret = webhooks.replace_secret(hook, by=current_user)
    db.session.commit()
    return _secret(hook, secret)


@bp.post("/admin/webhooks/<int:webhook_id>/pause")
def pause(webhook_id):
    return _changed(webhook_id, webhooks.pause, _("The webhook is paused."))


@bp.post("/admin/webhooks/<int:webhook_id>/resume")
def resume(webhook_id):
    return _changed(webhook_id, webhooks.resume, _("The webhook is told of what happens from now on."))


@bp.post("/admin/webhooks/<int:webhook_id>/test")
def send_test(webhook_id):
    said = _("A test event is on its way. Reload the page to see what became of it.")
    return _changed(webhook_id, webhooks.send_test, said)


@bp.post("/admin/webhooks/<int:webhook_id>/remove")
def remove(webhook_id):
    webhooks.remove(webhooks.get(webhook_id), by=current_user)
    db.session.commit()
    flash(_("The webhook is removed."), "success")
    return redirect(url_for("admin_webhooks.webhooks"))


def _changed(webhook_id, verb, said):
    g.page_now = lambda: _page(webhook_id)
    verb(webhooks.get(webhook_id), by=current_user)
    db.session.commit()
    flash(said, "success")
    return redirect(url_for("admin_webhooks.webhook", webhook_id=webhook_id))


def _page(webhook_id, form=None):
    hook = webhooks.get(webhook_id)
    return render_template(
        "admin/webhook.html",
        hook=hook,
        form=form or WebhookForm(formdata=None, obj=hook),
        page=webhooks.deliveries_of(hook, request.args.get("after")),
        reasons=deliveries.REASONS,
        entries=audit.of("webhook", hook.id),
    )


def _secret(hook, secret):
    """Shown this once; no browser keeps it."""
    return render_template("admin/webhook_secret.html", hook=hook, secret=secret), {"Cache-Control": "no-store"}
