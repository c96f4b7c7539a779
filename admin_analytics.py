"""The admin's reports beside those of requests and revenue: cancellations, customers, what was booked most, where,
and what was searched for in vain; and all of them as files."""

from flask import Blueprint, Response, g, render_template, request
from flask_babel import gettext as _

import forms
from auth import restrict_to
from domain import analytics, causes, dot_map, report_tables, reports, search_misses
from domain.errors import Invalid, NotFound
from extensions import settings
from models import Role

bp = Blueprint("admin_analytics", __name__)
restrict_to(bp, Role.ADMIN)

# Beside the map; the file has all places.
LISTED = 25


@bp.get("/admin/reports/cancellations")
def cancellations():
    return _page(
        "admin/report_cancellations.html",
        lambda asked: {"found": analytics.cancellations(asked), "labels": causes.LABELS, "not_said": causes.NOT_SAID},
    )


@bp.get("/admin/reports/customers")
def customers():
    return _page(
        "admin/report_customers.html",
        lambda asked: {"returning": analytics.returning(asked), "cohorts": analytics.cohorts(asked)},
    )


@bp.get("/admin/reports/most-booked")
def most_booked():
    return _page(
        "admin/report_most_booked.html",
        lambda asked: {
            "services": analytics.top_services(asked),
            "professionals": analytics.top_professionals(asked),
        },
    )


@bp.get("/admin/reports/places", endpoint="places")
def where():
    if settings.map_tiles_url:
        g.needs = {"map"}

    def drawn(asked):
        spots = analytics.spots(asked)
        return {
            "spots": spots[:LISTED],
            "map": dot_map.draw(spots),
            "whole": sum(one.requests.now for one in spots),
            "tiles": settings.map_tiles_url,
            "attribution": settings.map_attribution,
        }

    return _page("admin/report_places.html", drawn)


@bp.get("/admin/reports/searches")
def searches():
    return _page(
        "admin/report_searches.html",
        lambda asked: {
            "totals": search_misses.totals(asked),
            "missed": search_misses.top(asked),
            "kinds": {search_misses.UNKNOWN: _("No such service"), search_misses.NOBODY: _("Nobody there")},
            "least": search_misses.SHOWN_FROM,
        },
    )


@bp.get("/admin/reports/tables/<table_name>")
def table(table_name):
    """A file that the browser saves, and nothing on the way keeps."""
    if table_name not in report_tables.TABLES:
        raise NotFound(_("There is no such table."))
    form = forms.PeriodForm(request.args)
    if not form.validate():
        raise Invalid(_("Choose the days of the table on the page of its report."))
    asked = reports.period(form.first.data, form.last.data)
    headers = {
        "Content-Disposition": f"attachment; filename={table_name}-{asked.first}-{asked.last}.csv",
        "Cache-Control": "private, no-store",
    }
    text = report_tables.TABLES[table_name](asked)
    return Response(text, content_type="text/csv; charset=utf-8", headers=headers)


def _page(template, find):
    """The page of a report: its days, and for them what `find` finds."""
    form = forms.PeriodForm(request.args)
    if form.validate():
        with forms.refusals(form):
            asked = reports.period(form.first.data, form.last.data)
            return render_template(template, form=form, period=asked, **find(asked))
    return render_template(template, form=form, period=None), 422
