"""The admin's pages of disputes: which wait, what each side says, and the decision."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import bookings, choices, deadlines, disputes, lookups
from domain.transitions import rule_for
from extensions import db
from forms import ReasonForm, refusals, status_of
from forms_lifecycle import RefundForm, ReworkForm
from models import Role

bp = Blueprint("admin_disputes", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/disputes", endpoint="disputes")
def disputes_list():
    decided = request.args.get("show") == "decided"
    page = disputes.page(decided, request.args.get("after"))
    return render_template("admin/disputes.html", page=page, decided=decided, deadlines=deadlines)


@bp.get("/admin/disputes/<int:booking_id>")
def dispute(booking_id):
    return _dispute_page(booking_id)


@bp.route("/admin/disputes/<int:booking_id>/rework", methods=["GET", "POST"])
def rework(booking_id):
    booking = _ready(booking_id)
    form = ReworkForm() if request.method == "POST" else ReworkForm(request.args)
    if form.validate_on_submit():
        with refusals(form):
            again = disputes.rework(booking, current_user, form.reason.data or "", form.starts_at.data)
            db.session.commit()
            flash(_("Decided: the work is done again as %(reference)s.", reference=again.reference), "success")
            return _to(booking_id)
    times = choices.before_moving(booking, form.day.data, form.starts_at.data)
    return render_template("admin/rework.html", booking=booking, form=form, times=times), status_of(form)


@bp.route("/admin/disputes/<int:booking_id>/refund", methods=["GET", "POST"])
def refund(booking_id):
    booking = _ready(booking_id)
    form = RefundForm()
    if form.validate_on_submit():
        with refusals(form):
            disputes.refund(booking, current_user, form.reason.data or "", form.amount.data)
            db.session.commit()
            flash(_("Decided: the refund is recorded, and both have been told."), "success")
            return _to(booking_id)
    charged = disputes.charged_for(booking)
    return render_template("admin/refund.html", booking=booking, form=form, charged=charged), status_of(form)


@bp.route("/admin/disputes/<int:booking_id>/dismiss", methods=["GET", "POST"])
def dismiss(booking_id):
    booking = _ready(booking_id)
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            disputes.dismiss(booking, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("Decided: nothing changes, and both have been told."), "success")
            return _to(booking_id)
    page = render_template(
        "admin/reason.html",
        form=form,
        back=url_for("admin_disputes.dispute", booking_id=booking_id),
        title=_("Dismiss the dispute about %(reference)s", reference=booking.reference),
        consequence=_("Nothing is refunded and nothing is done again. Both sides read your reason."),
        yes=_("Dismiss the dispute"),
        quoted=booking.dispute.words,
        active="admin_disputes.disputes",
    )
    return page, status_of(form)


def _ready(booking_id):
    """The booking if its dispute can be decided; or else its page as it is now says why not."""
    g.page_now = lambda: _dispute_page(booking_id)
    booking = bookings.get(booking_id, current_user)
    disputes.of(booking)
    rule_for("resolve", booking, current_user)
    return booking


def _dispute_page(booking_id):
    booking = lookups.booking(booking_id, by=current_user)
    return render_template(
        "admin/dispute.html",
        booking=booking,
        dispute=disputes.of(booking),
        deadlines=deadlines,
        rework_id=disputes.rework_of(booking),
        actions=bookings.available_actions(booking, current_user),
    )


def _to(booking_id):
    return redirect(url_for("admin_disputes.dispute", booking_id=booking_id))
