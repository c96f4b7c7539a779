"""The admin's view of what the site does by itself: the timetable, what leaves the site, and how it stands."""

import json
from datetime import datetime

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask_babel import force_locale, ngettext
from flask_babel import gettext as _
from flask_login import current_user

import checks
import letters
import logs
import templating
from auth import restrict_to
from domain import channels, deliveries, job_runs, leases, timetable
from extensions import db, settings
from models import Channel, Delivery, Role

bp = Blueprint("admin_operations", __name__)
restrict_to(bp, Role.ADMIN)


# -- Jobs -------------------------------------------------------------------------------------


@bp.get("/admin/jobs")
def jobs():
    return _jobs()


@bp.get("/admin/jobs/<job_name>")
def job(job_name):
    found = timetable.find(job_name)
    page = job_runs.history(found.name, request.args.get("after"))
    return render_template("admin/job.html", job=found, page=page)


@bp.post("/admin/jobs/<job_name>/run")
def run_job(job_name):
    g.page_now = _jobs
    found = timetable.find(job_name)
    timetable.run_now(found, by=current_user)
    db.session.commit()
    flash(_("%(job)s: this begins within seconds.", job=found.title), "success")
    return redirect(url_for("admin_operations.jobs"))


def _jobs():
    lease = leases.find()
    return render_template(
        "admin/jobs.html",
        entries=timetable.overview(),
        lease=lease,
        led=timetable.is_led(lease),
        served=settings.scheduler == "web",
        messages=deliveries.health(),
    )


# -- The site itself --------------------------------------------------------------------------


@bp.get("/admin/status")
def status():
    runs = job_runs.latest()
    return render_template(
        "admin/status.html",
        look=checks.look(),
        versions=checks.versions(),
        schema=checks.newest_schema(),
        free=checks.free_bytes(),
        size=checks.database_bytes(),
        streams=len(current_app.extensions["live"].hub),
        jobs=[(job, runs.get(job.name)) for job in timetable.TIMETABLE],
        faults=[{**fault, "at": datetime.fromisoformat(fault["at"])} for fault in reversed(logs.recent)],
    )


# -- Messages ---------------------------------------------------------------------------------


@bp.get("/admin/outbox")
def outbox():
    asked = request.args.get("state", Delivery.WAITING)
    state = Delivery(asked) if asked in list(Delivery) else Delivery.WAITING
    page = deliveries.page(state, request.args.get("after"))
    return render_template("admin/outbox.html", state=state, page=page, **_about_messages())


@bp.get("/admin/outbox/<int:message_id>")
def message(message_id):
    found = deliveries.get(message_id)
    return render_template(
        "admin/message.html",
        message=found,
        preview=_preview(found),
        message_id=deliveries.message_id(found),
        file_name=deliveries.file_name(found),
        **_about_messages(),
    )


@bp.post("/admin/outbox/<int:message_id>/resend")
def resend(message_id):
    if deliveries.resend(deliveries.get(message_id), by=current_user):
        flash(_("The message is tried again, from the start."), "success")
    else:
        flash(_("This message has not failed, or is tried again already."), "info")
    db.session.commit()
    return redirect(url_for("admin_operations.message", message_id=message_id))


@bp.post("/admin/outbox/resend")
def resend_all():
    count = deliveries.resend_all(by=current_user)
    db.session.commit()
    flash(ngettext("%(num)s message is tried again.", "%(num)s messages are tried again.", count), "success")
    return redirect(url_for("admin_operations.outbox"))


def _about_messages():
    return {
        "health": deliveries.health(),
        "has_server": bool(settings.mail_server),
        "topic_of": deliveries.topic_name,
        "reasons": deliveries.REASONS,
        "ways": {**channels.LABELS, Channel.WEBHOOK: _("Webhook")},
    }


def _preview(found):
    """A message that is still to be sent, as it would be now; None when it would not, or is a secret."""
    if found.kind == "sealed" or found.status not in (Delivery.WAITING, Delivery.FAILED):
        return None
    if found.channel is Channel.WEBHOOK:
        return {"subject": found.subject, "text": json.dumps(found.data, indent=2, ensure_ascii=False)}
    with force_locale(templating.locale_of(found.user)):
        try:
            letter = letters.compose(found)
            if letter is None:
                return None
            text = (
                letters.render(letter, found)[0]
                if found.channel is Channel.MAIL
                else letters.brief(letter, found.channel)
            )
            return {"subject": letter.subject, "text": text}
        except Exception:
            # What keeps a message from being sent must not keep the admin from seeing that.
            current_app.logger.exception("message %s cannot be written", found.id)
            return None
