"""The admin's exports: asking for a file, watching it being written, and downloading it."""

import secrets

from flask import Blueprint, flash, g, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from wtforms import BooleanField, DateField, HiddenField, SelectField, SelectMultipleField, StringField
from wtforms.validators import Length, Optional

import forms
from auth import restrict_to
from domain import exports, lookups
from domain.transitions import LABELS
from extensions import db
from models import ExportKind, Role, Status

bp = Blueprint("admin_exports", __name__)
restrict_to(bp, Role.ADMIN)

TYPES = {ExportKind.BOOKINGS: "text/csv", ExportKind.EVERYTHING: "application/zip"}


class EverythingForm(forms.Form):
    key = HiddenField(validators=[Length(max=64)], filters=[forms.tidy])


class BookingsForm(EverythingForm):
    statuses = SelectMultipleField(_l("States"), choices=forms.one_of((one.value, LABELS[one]) for one in Status))
    first = DateField(_l("First day"), [Optional(), forms.plausible_date])
    last = DateField(_l("Last day"), [Optional(), forms.plausible_date])
    professional = StringField(_l("Professional"), [Length(max=254)], filters=[forms.tidy])
    service = SelectField(_l("Service"), [Optional()], coerce=lambda value: int(value) if value else None)
    excel = BooleanField(_l("For Excel: begin with the mark by which it knows UTF-8"))

    @property
    def wanted(self) -> exports.Wanted:
        return exports.Wanted(
            statuses=tuple(status for status in Status if status in (self.statuses.data or ())),
            first=self.first.data,
            last=self.last.data,
            professional=self.professional.data or "",
            service_id=self.service.data,
        )


@bp.get("/admin/exports", endpoint="exports")
def exports_list():
    return _page(BookingsForm(), EverythingForm())


@bp.post("/admin/exports")
def request_bookings():
    services, form = lookups.services(), BookingsForm()
    form.service.choices = _choices(services)
    if form.validate():
        with forms.refusals(form):
            exports.request(current_user, _key(form), form.wanted, form.excel.data)
            db.session.commit()
            return _asked()
    return _page(form, EverythingForm(formdata=None), services), 422


@bp.post("/admin/exports/everything")
def request_everything():
    form = EverythingForm()
    if form.validate():
        with forms.refusals(form):
            exports.request(current_user, _key(form))
            db.session.commit()
            return _asked()
    return _page(BookingsForm(formdata=None), form), 422


@bp.get("/admin/exports/<int:export_id>/progress")
def progress(export_id):
    """For a script that looks every two seconds; the last answer takes the place of the whole row."""
    if "HX-Request" not in request.headers:
        return redirect(url_for("admin_exports.exports"))
    export = exports.get(export_id)
    if exports.is_unfinished(export):
        return render_template("admin/export_progress.html", export=export, exports=exports)
    row = render_template("admin/export_row.html", export=export, **_known([export], lookups.services()))
    return row, {"HX-Retarget": f"#export-{export_id}", "HX-Reswap": "outerHTML"}


@bp.post("/admin/exports/<int:export_id>/cancel")
def cancel(export_id):
    export = exports.get(export_id)
    g.page_now = _page_now
    exports.cancel(export, by=current_user)
    db.session.commit()
    flash(_("The export is cancelled."), "success")
    return redirect(url_for("admin_exports.exports"))


@bp.post("/admin/exports/<int:export_id>/download")
def download(export_id):
    """A POST, because it is written down who downloaded what."""
    export = exports.get(export_id)
    g.page_now = _page_now
    path = exports.download(export, by=current_user)
    db.session.commit()
    name = exports.download_name(export)
    answer = send_file(path, TYPES[export.kind], as_attachment=True, download_name=name, conditional=False, etag=False)
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _asked():
    flash(_("The export is under way. You are told when the file is ready."), "success")
    return redirect(url_for("admin_exports.exports"))


def _page_now():
    return _page(BookingsForm(formdata=None), EverythingForm(formdata=None))


def _page(bookings, everything, services=None):
    services = lookups.services() if services is None else services
    bookings.service.choices = _choices(services)
    for form in (bookings, everything):
        form.key.data = form.key.data or secrets.token_urlsafe(24)
    page = exports.page(request.args.get("after"))
    return render_template(
        "admin/exports.html",
        form=bookings,
        everything=everything,
        page=page,
        under_way=any(map(exports.is_unfinished, page.items)),
        **_known(page.items, services),
    )


def _known(shown, services):
    """What a row needs to say what an export is of."""
    return {
        "exports": exports,
        "labels": LABELS,
        "people": exports.names_in(shown),
        "services": {service.id: service.name for service in services},
    }


def _choices(services):
    return forms.one_of(((one.id, one.name) for one in services), _("All services"))


def _key(form):
    return form.key.data or secrets.token_urlsafe(24)
