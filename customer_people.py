"""Whom a customer wants to find again, and whom not to meet again."""

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to, within_site
from domain import blocked_pairs, bookings, favourites
from extensions import db
from models import Role, User

bp = Blueprint("customer_people", __name__)
restrict_to(bp, Role.CUSTOMER)


# -- Favourites -------------------------------------------------------------------------------


@bp.get("/favourites", endpoint="favourites")
def show_favourites():
    page = favourites.page_of(current_user, request.args.get("after"))
    return render_template("customer/favourites.html", page=page)


@bp.post("/favourites/<int:professional_id>")
def keep(professional_id):
    favourites.add(professional_id, current_user)
    return _heart(professional_id, kept=True)


@bp.post("/favourites/<int:professional_id>/remove")
def drop(professional_id):
    favourites.remove(professional_id, current_user)
    return _heart(professional_id, kept=False)


def _heart(professional_id, kept):
    """The heart alone for a script; for anybody else the page it was pressed on."""
    person = db.session.get(User, professional_id)
    db.session.commit()
    back = within_site(request.form.get("next"))
    if "HX-Request" in request.headers:
        name = person.name if person else ""
        return render_template("customer/heart.html", professional_id=professional_id, name=name, kept=kept, back=back)
    flash(_("Kept among your favourites.") if kept else _("Removed from your favourites."), "success")
    return redirect(back or url_for("customer_people.favourites"))


# -- Not again --------------------------------------------------------------------------------


@bp.post("/bookings/<int:booking_id>/block")
def block(booking_id):
    g.page_now = lambda: current_app.view_functions["customer.booking"](booking_id=booking_id)
    booking = bookings.get(booking_id, current_user)
    blocked_pairs.block(booking, current_user)
    db.session.commit()
    flash(_("You won't be matched with %(name)s again.", name=booking.professional.user.name), "success")
    return redirect(url_for("customer.booking", booking_id=booking_id), 303)


@bp.get("/blocked")
def blocked():
    return render_template("customer/blocked.html", people=blocked_pairs.blocked_by(current_user))


@bp.post("/blocked/<int:pair_id>/remove")
def unblock(pair_id):
    blocked_pairs.unblock(pair_id, current_user)
    db.session.commit()
    flash(_("Taken back. You can be matched again, unless they said the same."), "success")
    return redirect(url_for("customer_people.blocked"))
