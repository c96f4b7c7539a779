"""The professional on the way shows the customer where they are: begins, goes on and stops."""

from flask import Blueprint, current_app, flash, g, redirect, url_for
from flask_babel import gettext as _
from flask_login import current_user

from desk import open_to_professionals
from domain import bookings, tracking
from extensions import db
from forms_lifecycle import PositionForm

bp = Blueprint("professional_tracking", __name__)
open_to_professionals(bp)


@bp.post("/professional/jobs/<int:booking_id>/sharing")
def begin(booking_id):
    tracking.begin(_job(booking_id), by=current_user)
    db.session.commit()
    return _to_job(booking_id)


@bp.post("/professional/jobs/<int:booking_id>/position")
def share(booking_id):
    """For a script, which reads only the status: anything but 204 says to stop."""
    booking = bookings.get(booking_id, current_user)
    form = PositionForm()
    if not form.validate_on_submit():
        return "", 422
    tracking.share(booking, current_user, form.lat.data, form.lon.data, form.accuracy.data)
    db.session.commit()
    return "", 204


@bp.post("/professional/jobs/<int:booking_id>/sharing/stop")
def stop(booking_id):
    tracking.stop(_job(booking_id), by=current_user)
    db.session.commit()
    flash(_("You no longer share your position. It is deleted."), "success")
    return _to_job(booking_id)


# -- Small print ------------------------------------------------------------------------------


def _job(booking_id):
    """The booking; a refusal shows its page as it is then."""
    g.page_now = lambda: current_app.view_functions["professional.job"](booking_id=booking_id)
    return bookings.get(booking_id, current_user)


def _to_job(booking_id):
    return redirect(url_for("professional.job", booking_id=booking_id))
