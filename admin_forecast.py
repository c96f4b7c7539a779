"""What the next 14 days bring, for admins: the forecast, how good it was, and where professionals are short."""

from flask import Blueprint, Response, render_template, request
from flask_babel import gettext as _

import forms
from auth import restrict_to
from domain import forecasts, outlook
from forms_forecast import ForecastForm
from models import Role

bp = Blueprint("admin_forecast", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/forecast", endpoint="forecast")
def show():
    form = _form()
    if form.validate():
        return _page(form, found=outlook.read(*_asked(form)), short=outlook.short(*_asked(form)))
    return _page(form), 422


@bp.get("/admin/forecast/csv")
def table():
    form = _form()
    if form.validate():
        return _csv(outlook.table(outlook.read(*_asked(form))), "forecast.csv")
    return _page(form), 422


@bp.get("/admin/forecast/short/csv")
def short_table():
    form = _form()
    if form.validate():
        return _csv(outlook.short_table(outlook.short(*_asked(form))), "short-of-professionals.csv")
    return _page(form), 422


def _form():
    form = ForecastForm(request.args)
    form.city.choices = forms.one_of(((name, name) for name in outlook.districts()), _("All cities"))
    form.service.choices = forms.one_of(((one.id, one.name) for one in outlook.services()), _("All services"))
    return form


def _asked(form):
    return form.city.data or "", form.service.data


def _page(form, found=None, short=()):
    """`found` is None where nothing is forecast, or nothing was asked that can be."""
    return render_template(
        "admin/forecast.html",
        form=form,
        found=found,
        short=short,
        spans=outlook.spans,
        least_days=forecasts.LEAST_DAYS,
        least_visits=forecasts.LEAST_VISITS,
        most=outlook.MOST_SHORT,
    )


def _csv(text, name):
    """A file that the browser saves, and nothing on the way keeps."""
    headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "private, no-store"}
    return Response(text, content_type="text/csv; charset=utf-8", headers=headers)
