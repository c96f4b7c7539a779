"""The professional's answer to a series of visits, all of them together."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_babel import ngettext
from flask_login import current_user

from desk import open_to_professionals
from domain import series
from extensions import db
from forms import DeclineForm, refusals, status_of
from forms_lifecycle import EVERY

bp = Blueprint("professional_series", __name__)
open_to_professionals(bp)


@bp.get("/professional/series/<int:series_id>")
def show(series_id):
    return _page(series_id, DeclineForm(formdata=None))


@bp.post("/professional/series/<int:series_id>/accept")
def accept(series_id):
    g.page_now = lambda: _page(series_id, DeclineForm(formdata=None))
    number = series.accept(series.get(series_id, current_user), current_user)
    db.session.commit()
    flash(ngettext("%(num)s visit is accepted.", "%(num)s visits are accepted.", number), "success")
    return redirect(url_for("professional_series.show", series_id=series_id), 303)


@bp.post("/professional/series/<int:series_id>/reject")
def reject(series_id):
    g.page_now = lambda: _page(series_id, DeclineForm(formdata=None))
    form = DeclineForm()
    if form.validate():
        with refusals(form):
            number = series.reject(series.get(series_id, current_user), current_user, form.reason.data)
            db.session.commit()
            flash(ngettext("%(num)s visit is declined.", "%(num)s visits are declined.", number), "success")
            return redirect(url_for("professional_series.show", series_id=series_id), 303)
    return _page(series_id, form), status_of(form)


def _page(series_id, form):
    found = series.get(series_id, current_user)
    visits = series.visits(found, current_user)
    waiting = any(visit.shown_status == "pending" for visit in visits)
    return render_template(
        "service_professional/series.html", series=found, visits=visits, every=EVERY, form=form, waiting=waiting
    )
