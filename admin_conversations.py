"""The admin's pages of reported messages: which wait, what was said around them, and the decision."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

import visits
from auth import restrict_to
from domain import audit, bookings, message_reports
from extensions import db
from fields import row_id
from forms import ReasonForm, refusals, status_of
from models import Role

bp = Blueprint("admin_conversations", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/reported-messages", endpoint="reported")
def reported_messages():
    decided = request.args.get("show") == "decided"
    page = message_reports.page(decided, request.args.get("after"))
    return render_template("admin/reported_messages.html", page=page, decided=decided)


@bp.get("/admin/reported-messages/<int:report_id>")
def report(report_id):
    return _report_page(report_id)


@bp.route("/admin/reported-messages/<int:report_id>/hide", methods=["GET", "POST"])
def hide(report_id):
    report = message_reports.get(report_id)
    g.page_now = lambda: _report_page(report_id)
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            message_reports.hide(report, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("Hidden from both sides."), "success")
            return redirect(url_for("admin_conversations.report", report_id=report_id))
    page = render_template(
        "admin/reason.html",
        form=form,
        back=url_for("admin_conversations.report", report_id=report_id),
        title=_("Hide a message about %(reference)s", reference=report.message.booking.reference),
        consequence=_("Nobody of the two reads it any more, and both read your reason."),
        yes=_("Hide the message"),
        quoted=report.message.text,
        active="admin_conversations.reported",
    )
    return page, status_of(form)


@bp.post("/admin/reported-messages/<int:report_id>/dismiss")
def dismiss(report_id):
    g.page_now = lambda: _report_page(report_id)
    message_reports.dismiss(message_reports.get(report_id), current_user)
    db.session.commit()
    flash(_("The message stays as it is."), "success")
    return redirect(url_for("admin_conversations.report", report_id=report_id))


@bp.get("/admin/conversations/<int:booking_id>")
def conversation(booking_id):
    booking = bookings.get(booking_id, current_user)
    excerpt = message_reports.read(booking, request.args.get("before", type=row_id))
    visits.note_later(audit.sight(current_user, "read_conversation", "booking", booking_id))
    return render_template("admin/conversation.html", booking=booking, excerpt=excerpt, report=None)


def _report_page(report_id):
    report = message_reports.get(report_id)
    return render_template(
        "admin/conversation.html",
        booking=report.message.booking,
        excerpt=message_reports.around(report.message),
        report=report,
    )
