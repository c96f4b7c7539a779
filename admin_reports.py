"""What an admin looks up and looks back on: search, the summary and the audit trail."""

from flask import Blueprint, render_template, request
from flask_login import current_user

import forms
from auth import restrict_to
from domain import audit, lookups, reports
from models import Role

bp = Blueprint("admin_reports", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/search")
def search():
    form = forms.SearchForm(request.args)
    found = lookups.search(form.q.data or "", by=current_user) if form.validate() else None
    return render_template("admin/search.html", form=form, found=found), 422 if form.errors else 200


@bp.get("/admin/summary")
def summary():
    form = forms.PeriodForm(request.args)
    if form.validate():
        with forms.refusals(form):
            asked = reports.period(form.first.data, form.last.data)
            return render_template(
                "admin/summary.html",
                form=form,
                period=asked,
                requests=reports.requests_beside(asked),
                waits=reports.time_to_accept_beside(asked),
                stars=reports.stars(asked),
            )
    return render_template("admin/summary.html", form=form, period=None), 422


@bp.get("/admin/audit", endpoint="audit")
def trail():
    form = forms.AuditForm(request.args)
    page, names = None, {}
    if form.validate():
        page = audit.page(form.action.data, form.admin.data, request.args.get("after"))
        names = audit.names_in(page.items)
    return render_template("admin/audit.html", form=form, page=page, names=names), 422 if form.errors else 200
