"""What a professional says of payments that a customer claims to have made to them."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

from desk import open_to_professionals
from domain import bookings, payments
from extensions import db
from forms import ReasonForm, refusals, status_of

bp = Blueprint("professional_payments", __name__)
open_to_professionals(bp)


@bp.post("/professional/jobs/<int:booking_id>/payments/<int:payment_id>/verify")
def verify(booking_id, payment_id):
    payments.verify(_ready(booking_id, payment_id), current_user)
    db.session.commit()
    flash(_("The payment is confirmed. The customer sees it too."), "success")
    return _to_job(booking_id)


@bp.route("/professional/jobs/<int:booking_id>/payments/<int:payment_id>/refuse", methods=["GET", "POST"])
def refuse(booking_id, payment_id):
    payment = _ready(booking_id, payment_id)
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            payments.refuse(payment, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("The customer reads your reason, and can pay again."), "success")
            return _to_job(booking_id)
    page = render_template("service_professional/refuse_payment.html", payment=payment, form=form)
    return page, status_of(form)


def _ready(booking_id, payment_id):
    """The claimed payment; a refusal shows the job as it is then."""
    g.page_now = lambda: current_app.view_functions["professional.job"](booking_id=booking_id)
    payment = payments.of(bookings.get(booking_id, current_user), payment_id)
    payments.check_claimed(payment, current_user)
    return payment


def _to_job(booking_id):
    return redirect(url_for("professional.job", booking_id=booking_id), 303)
