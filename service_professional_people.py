"""The customers whom a professional does not want to meet again."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

from desk import open_to_professionals
from domain import blocked_pairs, bookings
from extensions import db

bp = Blueprint("professional_people", __name__)
open_to_professionals(bp)


@bp.post("/professional/jobs/<int:booking_id>/block")
def block(booking_id):
    g.page_now = lambda: current_app.view_functions["professional.job"](booking_id=booking_id)
    booking = bookings.get(booking_id, current_user)
    blocked_pairs.block(booking, current_user)
    db.session.commit()
    flash(_("You won't be matched with %(name)s again.", name=booking.customer.name), "success")
    return redirect(url_for("professional.job", booking_id=booking_id))


@bp.get("/professional/blocked")
def blocked():
    return render_template("service_professional/blocked.html", people=blocked_pairs.blocked_by(current_user))


@bp.post("/professional/blocked/<int:blocked_id>/remove")
def unblock(blocked_id):
    blocked_pairs.unblock(blocked_id, current_user)
    db.session.commit()
    flash(_("Taken back. You can be matched again, unless they said the same."), "success")
    return redirect(url_for("professional_people.blocked"))
