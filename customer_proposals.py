"""The customer's side of another time by agreement: propose, agree, decline, take back."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import bookings, choices, proposals
from domain.transitions import rule_for
from extensions import db
from forms import refusals, status_of
from forms_lifecycle import AnswerTimeForm, ProposeForm
from models import Role

bp = Blueprint("customer_proposals", __name__)
restrict_to(bp, Role.CUSTOMER)


@bp.route("/bookings/<int:booking_id>/propose", methods=["GET", "POST"])
def propose(booking_id):
    booking = _booking(booking_id)
    rule_for("propose", booking, current_user)
    form = ProposeForm() if request.method == "POST" else ProposeForm(request.args)
    if form.validate_on_submit():
        with refusals(form):
            proposals.propose(booking, current_user, form.starts_at.data, form.note.data or "")
            db.session.commit()
            flash(_("Proposed. The time stays as it is until %(name)s agrees.", name=_other(booking)), "success")
            return _to(booking_id)
    times = choices.before_moving(booking, form.day.data, form.starts_at.data)
    page = render_template("customer/propose.html", booking=booking, form=form, times=times)
    return page, status_of(form)


@bp.post("/bookings/<int:booking_id>/proposals/<int:proposal_id>/agree")
def agree(booking_id, proposal_id):
    proposals.agree(_booking(booking_id), current_user, proposal_id)
    db.session.commit()
    flash(_("Agreed. This is the time of your booking now."), "success")
    return _to(booking_id)


@bp.post("/bookings/<int:booking_id>/proposals/<int:proposal_id>/decline")
def decline(booking_id, proposal_id):
    booking = _booking(booking_id)
    proposals.decline(booking, current_user, proposal_id, AnswerTimeForm().note.data or "")
    db.session.commit()
    flash(_("Declined. The time stays as it was; %(name)s has been told.", name=_other(booking)), "success")
    return _to(booking_id)


@bp.post("/bookings/<int:booking_id>/proposals/<int:proposal_id>/withdraw")
def withdraw(booking_id, proposal_id):
    proposals.withdraw(_booking(booking_id), current_user, proposal_id)
    db.session.commit()
    flash(_("Taken back. The time stays as it was."), "success")
    return _to(booking_id)


# -- Small print ------------------------------------------------------------------------------


def _booking(booking_id):
    """The customer's booking; a refusal shows its page as it is then."""
    g.page_now = lambda: current_app.view_functions["customer.booking"](booking_id=booking_id)
    return bookings.get(booking_id, current_user)


def _other(booking):
    return booking.professional.user.name


def _to(booking_id):
    return redirect(url_for("customer.booking", booking_id=booking_id), 303)
