"""What a professional adds to a bill on site, and the rate card of what they often add."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

import templating
from desk import open_to_professionals
from domain import bookings, extras
from domain.transitions import rule_for
from extensions import db
from forms import one_of, refusals, status_of
from forms_bills import ExtraForm, RateItemForm

bp = Blueprint("professional_extras", __name__)
open_to_professionals(bp)


# -- On site ----------------------------------------------------------------------------------


@bp.route("/professional/jobs/<int:booking_id>/extras", methods=["GET", "POST"])
def propose(booking_id):
    booking = _job(booking_id)
    rule_for("propose_extra", booking, current_user)
    card = extras.rate_card(current_user.id)
    form = ExtraForm()
    form.item_id.choices = one_of([(0, _("Write it yourself")), *((one.id, _named(one)) for one in card)])
    if form.validate_on_submit():
        with refusals(form):
            extras.propose(booking, current_user, *_what(form), form.quantity.data)
            db.session.commit()
            flash(_("The customer is asked. It counts once they approve."), "success")
            return _to_job(booking_id)
    return render_template("service_professional/extra.html", booking=booking, form=form, card=card), status_of(form)


@bp.post("/professional/jobs/<int:booking_id>/extras/<int:extra_id>/withdraw")
def withdraw(booking_id, extra_id):
    extras.withdraw(_job(booking_id), current_user, extra_id)
    db.session.commit()
    flash(_("Taken back. The bill stays as it was."), "success")
    return _to_job(booking_id)


def _what(form):
    """The label and the price: those of the item chosen, or what was typed."""
    if form.item_id.data:
        chosen = extras.item(form.item_id.data, current_user)
        return chosen.label, chosen.price
    return form.label.data or "", form.price.data or 0


def _named(item):
    return f"{item.label}, {templating.price(item.price)}"


# -- The rate card ----------------------------------------------------------------------------


@bp.route("/professional/rate-card", methods=["GET", "POST"])
def rate_card():
    form = RateItemForm()
    if form.validate_on_submit():
        with refusals(form):
            extras.add_item(current_user, form.label.data or "", form.price.data)
            return _saved(_("Added to your rate card."))
    card = extras.rate_card(current_user.id)
    return render_template("service_professional/rate_card.html", form=form, card=card), status_of(form)


@bp.route("/professional/rate-card/<int:item_id>", methods=["GET", "POST"])
def item(item_id):
    one = extras.item(item_id, current_user)
    form = RateItemForm(obj=one)
    if form.validate_on_submit():
        with refusals(form):
            extras.change_item(one, form.label.data or "", form.price.data)
            return _saved(_("Changed. What you proposed before keeps its price."))
    return render_template("service_professional/rate_item.html", form=form, item_id=item_id), status_of(form)


@bp.post("/professional/rate-card/<int:item_id>/remove")
def remove_item(item_id):
    extras.remove_item(extras.item(item_id, current_user))
    return _saved(_("Removed from your rate card."))


# -- Small print ------------------------------------------------------------------------------


def _job(booking_id):
    """The booking that a verb is about; a refusal shows its page as it is then."""
    g.page_now = lambda: current_app.view_functions["professional.job"](booking_id=booking_id)
    return bookings.get(booking_id, current_user)


def _to_job(booking_id):
    return redirect(url_for("professional.job", booking_id=booking_id), 303)


def _saved(said):
    db.session.commit()
    flash(said, "success")
    return redirect(url_for("professional_extras.rate_card"))
