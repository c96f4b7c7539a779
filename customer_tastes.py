"""What is suggested to a customer, and whether their bookings are used for it."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import recommendations
from extensions import db
from models import Role

bp = Blueprint("customer_tastes", __name__)
restrict_to(bp, Role.CUSTOMER)

# More than the other pages have room for.
SERVICES, PEOPLE = 10, 6


@bp.get("/suggestions")
def suggestions():
    return render_template(
        "customer/suggestions.html",
        found=recommendations.at_home(current_user.id, SERVICES, PEOPLE),
        off=recommendations.is_off(current_user),
    )


@bp.post("/suggestions/use")
def use():
    recommendations.switch(current_user, on=True)
    db.session.commit()
    flash(_("Your bookings are used again. Suggestions from them appear after the next night."), "success")
    return redirect(url_for("customer_tastes.suggestions"), 303)


@bp.post("/suggestions/do-not-use")
def do_not_use():
    recommendations.switch(current_user, on=False)
    db.session.commit()
    flash(_("Your bookings are not used any more, and what was worked out from them is deleted."), "success")
    return redirect(url_for("customer_tastes.suggestions"), 303)
