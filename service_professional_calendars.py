"""The calendars that a professional keeps elsewhere, whose busy times nobody can book."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

from desk import open_to_professionals
from domain import outside_calendars
from extensions import db, limiter
from forms import OutsideCalendarForm, refusals

bp = Blueprint("professional_calendars", __name__)
open_to_professionals(bp)


@bp.get("/professional/calendars")
def calendars():
    return _page(OutsideCalendarForm(formdata=None))


@bp.post("/professional/calendars")
def add():
    form = OutsideCalendarForm()
    if form.validate_on_submit():
        with refusals(form):
            outside_calendars.add(g.professional, current_user, form.name.data, form.url.data)
            db.session.commit()
            flash(_("The calendar is added. It is read in a few seconds."), "success")
            return redirect(url_for("professional_calendars.calendars"))
    return _page(form), 422


@bp.post("/professional/calendars/<int:calendar_id>/read")
@limiter.limit("30 per hour", key_func=lambda: f"user {current_user.get_id()}")
def read(calendar_id):
    g.page_now = calendars
    outside_calendars.read_soon(g.professional, current_user, calendar_id)
    db.session.commit()
    flash(_("It is read in a few seconds."), "success")
    return redirect(url_for("professional_calendars.calendars"))


@bp.post("/professional/calendars/<int:calendar_id>/remove")
def remove(calendar_id):
    outside_calendars.remove(g.professional, current_user, calendar_id)
    db.session.commit()
    flash(_("The calendar is removed, and you can be booked at its busy times again."), "success")
    return redirect(url_for("professional_calendars.calendars"))


def _page(form):
    return render_template(
        "service_professional/calendars.html",
        form=form,
        calendars=outside_calendars.of(g.professional),
        faults=outside_calendars.FAULTS,
        most=outside_calendars.MOST_CALENDARS,
    )
