"""The professional's pages of what happens when plans change: nobody is at home, or the customer complains."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

from desk import open_to_professionals
from domain import bookings, deadlines, disputes, no_shows
from domain.transitions import rule_for
from extensions import db
from forms import refusals, status_of
from forms_lifecycle import AnswerDisputeForm, NoShowForm

bp = Blueprint("professional_changes", __name__)
open_to_professionals(bp)


@bp.post("/professional/jobs/<int:booking_id>/knock")
def knock(booking_id):
    no_shows.knock(_ready("knock", booking_id), by=current_user)
    db.session.commit()
    flash(_("The customer knows that you are at the door."), "success")
    return _to_job(booking_id)


@bp.route("/professional/jobs/<int:booking_id>/no-show", methods=["GET", "POST"])
def no_show(booking_id):
    booking = _ready("no_show", booking_id)
    form = NoShowForm()
    if form.validate_on_submit():
        with refusals(form):
            no_shows.report(booking, current_user, form.note.data or "")
            db.session.commit()
            flash(_("It is noted, and the customer has been told."), "success")
            return _to_job(booking_id)
    page = render_template(
        "service_professional/no_show.html",
        booking=booking,
        form=form,
        knocked=deadlines.last_knock(booking),
        fee=bookings.late_fee(booking),
    )
    return page, status_of(form)


@bp.route("/professional/jobs/<int:booking_id>/answer", methods=["GET", "POST"])
def answer_dispute(booking_id):
    booking = _ready("answer_dispute", booking_id)
    form = AnswerDisputeForm()
    if form.validate_on_submit():
        with refusals(form):
            disputes.answer(booking, current_user, form.answer.data or "")
            db.session.commit()
            flash(_("Your answer is with the customer and with us. We decide now."), "success")
            return _to_job(booking_id)
    page = render_template(
        "service_professional/answer.html", booking=booking, form=form, deadlines=deadlines, rules=disputes
    )
    return page, status_of(form)


# -- Small print ------------------------------------------------------------------------------


def _ready(verb, booking_id):
    """The job if the verb can be used on it; or else its page as it is now says why not."""
    g.page_now = lambda: current_app.view_functions["professional.job"](booking_id=booking_id)
    booking = bookings.get(booking_id, current_user)
    rule_for(verb, booking, current_user)
    return booking


def _to_job(booking_id):
    return redirect(url_for("professional.job", booking_id=booking_id))
