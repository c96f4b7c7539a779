"""The customer's series: plan visits at a distance, book them together, cancel from one on."""

import secrets

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from auth import restrict_to
from domain import bookings, series, users
from domain.errors import Conflict
from domain.transitions import rule_for
from extensions import db
from forms import CancelForm, refusals
from forms_lifecycle import EVERY, SeriesForm
from models import Every, Role

bp = Blueprint("customer_series", __name__)
restrict_to(bp, Role.CUSTOMER)


@bp.post("/series/plan")
def plan():
    """The times of a series and what is in the way of each, before anything is booked."""
    form = SeriesForm()
    visits = []
    if form.validate():
        with refusals(form):
            if form.address_id.data is None:
                place = users.add_address(current_user, line=form.line.data or "", pincode=form.pincode.data or "")
                form.address_id.data = place.id
                db.session.commit()
            visits = series.plan(current_user, _wish(form))
            form.chosen.data = {visit.starts_at for visit in visits if visit.clash is None}
            form.key.data = secrets.token_urlsafe(24)
    return _plan_page(form, visits)


@bp.post("/series")
def book():
    form = SeriesForm()
    visits = []
    if form.validate():
        with refusals(form):
            made = series.request(
                current_user, _wish(form), form.chosen.data, form.remarks.data or "", form.key.data or None
            )
            db.session.commit()
            flash(_("Requested. The professional answers for all visits."), "success")
            return redirect(url_for("customer_series.show", series_id=made.id), 303)
        with refusals(form):
            visits = series.plan(current_user, _wish(form))
    return _plan_page(form, visits)


@bp.get("/series/<int:series_id>")
def show(series_id):
    found = series.get(series_id, current_user)
    visits = series.visits(found, current_user)
    return render_template("customer/series.html", series=found, visits=visits, every=EVERY)


@bp.get("/bookings/<int:booking_id>/again")
def again(booking_id):
    """The booking page with everything filled in as it was, on the same weekday at the same time."""
    booking = bookings.get(booking_id, current_user)
    return redirect(url_for("customer.book", **series.again(booking, current_user)))


@bp.route("/bookings/<int:booking_id>/cancel-from", methods=["GET", "POST"])
def cancel_from(booking_id):
    g.page_now = lambda: current_app.view_functions["customer.booking"](booking_id=booking_id)
    booking = bookings.get(booking_id, current_user)
    rule_for("cancel", booking, current_user)
    form = CancelForm()
    if form.validate_on_submit():
        with refusals(form):
            number = series.cancel_from(booking, current_user, form.reason.data or "", form.cause.data)
            db.session.commit()
            flash(ngettext("%(num)s visit is cancelled.", "%(num)s visits are cancelled.", number), "success")
            return redirect(url_for("customer_series.show", series_id=booking.series_id), 303)
    later = series.cancellable_from(booking, current_user)
    fee = sum(bookings.cancellation_terms(one).fee for one in later)
    page = render_template("customer/cancel_from.html", booking=booking, form=form, later=later, fee=fee)
    return page, 422 if form.is_submitted() else 200


def _wish(form):
    return series.Wish(
        form.professional_id.data,
        form.service_id.data,
        tuple(one for one in form.more.data or () if one != form.service_id.data),
        form.starts_at.data,
        form.address_id.data,
        Every(form.every.data),
        form.count.data,
    )


def _plan_page(form, visits):
    refused = getattr(form, "refusal", None)
    page = render_template("customer/series_plan.html", form=form, visits=visits)
    if isinstance(refused, Conflict):
        return page, 409
    return page, 422 if form.errors or refused else 200
