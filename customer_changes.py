"""The customer's pages of what happens when plans change: nobody came, or the work was not right."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import bookings, deadlines, disputes, files, no_shows
from domain.transitions import rule_for
from extensions import begin_write, begins_late, db, settings, takes_up_to
from forms import refusals, status_of
from forms_lifecycle import DisputeForm, NoShowForm
from models import FileKind, Role

bp = Blueprint("customer_changes", __name__)
restrict_to(bp, Role.CUSTOMER)

# Five photos of the largest size, and the words.
DISPUTE_MEGABYTES = disputes.MOST_PHOTOS * files.LARGEST // files.MEGABYTE + 1


@bp.route("/bookings/<int:booking_id>/no-show", methods=["GET", "POST"])
def no_show(booking_id):
    booking = _ready("no_show", booking_id)
    form = NoShowForm()
    if form.validate_on_submit():
        with refusals(form):
            no_shows.report(booking, current_user, form.note.data or "")
            db.session.commit()
            flash(_("It is noted, and you owe nothing."), "success")
            return _to(booking_id)
    return render_template("customer/no_show.html", booking=booking, form=form), status_of(form)


@bp.route("/bookings/<int:booking_id>/dispute", methods=["GET", "POST"])
@takes_up_to(DISPUTE_MEGABYTES)
@begins_late
def dispute(booking_id):
    """Photos are looked into before the transaction begins."""
    booking = _ready("dispute", booking_id)
    form = DisputeForm()
    if form.validate_on_submit():
        with refusals(form):
            sent = form.evidence.data or []
            disputes.check_number(sent)
            photos = [files.check(FileKind.EVIDENCE, one.stream) for one in sent]
            begin_write()
            booking = bookings.get(booking_id, current_user)
            disputes.begin(booking, current_user, form.words.data or "", photos)
            db.session.commit()
            flash(_("We have told the professional, and will decide about it."), "success")
            return _to(booking_id)
        booking = bookings.get(booking_id, current_user)
    page = render_template(
        "customer/dispute.html",
        booking=booking,
        form=form,
        by=deadlines.dispute_by(booking),
        rules=disputes,
        policy=settings.policy,
    )
    return page, status_of(form)


# -- Small print ------------------------------------------------------------------------------


def _ready(verb, booking_id):
    """The customer's booking if the verb can be used on it; or else its page as it is now says why not."""
    g.page_now = lambda: current_app.view_functions["customer.booking"](booking_id=booking_id)
    booking = bookings.get(booking_id, current_user)
    rule_for(verb, booking, current_user)
    return booking


def _to(booking_id):
    return redirect(url_for("customer.booking", booking_id=booking_id), 303)
