"""The professional's side of another time by agreement: propose, agree, decline, take back."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from desk import open_to_professionals
from domain import bookings, choices, proposals
from domain.transitions import rule_for
from extensions import db
from forms import refusals, status_of
from forms_lifecycle import AnswerTimeForm, ProposeForm

bp = Blueprint("professional_proposals", __name__)
open_to_professionals(bp)


@bp.route("/professional/jobs/<int:booking_id>/propose", methods=["GET", "POST"])
def propose(booking_id):
    booking = _job(booking_id)
    rule_for("propose", booking, current_user)
    form = ProposeForm() if request.method == "POST" else ProposeForm(request.args)
    if form.validate_on_submit():
        with refusals(form):
            proposals.propose(booking, current_user, form.starts_at.data, form.note.data or "")
            db.session.commit()
            flash(_("Proposed. The time stays as it is until the customer agrees."), "success")
            return _to_job(booking_id)
    times = choices.before_moving(booking, form.day.data, form.starts_at.data)
    page = render_template("service_professional/propose.html", booking=booking, form=form, times=times)
    return page, status_of(form)


@bp.post("/professional/jobs/<int:booking_id>/proposals/<int:proposal_id>/agree")
def agree(booking_id, proposal_id):
    proposals.agree(_job(booking_id), current_user, proposal_id)
    db.session.commit()
    flash(_("Agreed. The job is at the new time now."), "success")
    return _to_job(booking_id)


@bp.post("/professional/jobs/<int:booking_id>/proposals/<int:proposal_id>/decline")
def decline(booking_id, proposal_id):
    proposals.decline(_job(booking_id), current_user, proposal_id, AnswerTimeForm().note.data or "")
    db.session.commit()
    flash(_("Declined. The time stays as it was; the customer has been told."), "success")
    return _to_job(booking_id)


@bp.post("/professional/jobs/<int:booking_id>/proposals/<int:proposal_id>/withdraw")
def withdraw(booking_id, proposal_id):
    proposals.withdraw(_job(booking_id), current_user, proposal_id)
    db.session.commit()
    flash(_("Taken back. The time stays as it was."), "success")
    return _to_job(booking_id)


# -- Small print ------------------------------------------------------------------------------


def _job(booking_id):
    """The booking that a verb is about; a refusal shows its page as it is then."""
    g.page_now = lambda: current_app.view_functions["professional.job"](booking_id=booking_id)
    return bookings.get(booking_id, current_user)


def _to_job(booking_id):
    return redirect(url_for("professional.job", booking_id=booking_id), 303)
