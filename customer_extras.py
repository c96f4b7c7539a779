"""What a professional would like to add to the bill on site: the customer approves it or not."""

from flask import Blueprint, current_app, flash, g, redirect, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import bookings, extras
from extensions import db
from forms_bills import ExtrasForm
from models import Role

bp = Blueprint("customer_extras", __name__)
restrict_to(bp, Role.CUSTOMER)


@bp.post("/bookings/<int:booking_id>/extras/approve")
def approve(booking_id):
    extras.approve(_booking(booking_id), current_user, ExtrasForm().extra_ids.data)
    return _done(booking_id, _("Approved. It is on your bill now."))


@bp.post("/bookings/<int:booking_id>/extras/decline")
def decline(booking_id):
    extras.decline(_booking(booking_id), current_user, ExtrasForm().extra_ids.data)
    return _done(booking_id, _("Declined. Your bill stays as it was."))


def _booking(booking_id):
    """The customer's booking; a refusal shows its page as it is then."""
    g.page_now = lambda: current_app.view_functions["customer.booking"](booking_id=booking_id)
    return bookings.get(booking_id, current_user)


def _done(booking_id, said):
    db.session.commit()
    flash(said, "success")
    return redirect(url_for("customer.booking", booking_id=booking_id), 303)
