"""The admin's /service-list: categories and services come, change, retire and return."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

import forms
from auth import restrict_to
from domain import audit, services
from extensions import db
from models import Role

bp = Blueprint("admin_catalogue", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/service-list")
def service_list():
    return _list()


# -- Categories -------------------------------------------------------------------------------


@bp.route("/service-list/categories/new", methods=["GET", "POST"])
def new_category():
    form = forms.CategoryForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            made = services.create_category(by=current_user, **_category_values(form))
            return _saved(_("%(name)s is in the catalogue.", name=made.name))
    return render_template("admin/category.html", form=form, category=None), forms.status_of(form)


@bp.route("/service-list/categories/<int:category_id>", methods=["GET", "POST"])
def edit_category(category_id):
    category = services.category(category_id)
    form = forms.CategoryForm(obj=category)
    if form.validate_on_submit():
        with forms.refusals(form):
            services.edit_category(category, by=current_user, **_category_values(form))
            return _saved(_("%(name)s is saved.", name=category.name))
    entries = audit.of("category", category_id)
    return render_template("admin/category.html", form=form, category=category, entries=entries), forms.status_of(form)


@bp.post("/service-list/categories/<int:category_id>/retire")
def retire_category(category_id):
    return _act(services.retire_category, services.category(category_id), _("The category is retired."))


@bp.post("/service-list/categories/<int:category_id>/restore")
def restore_category(category_id):
    return _act(services.restore_category, services.category(category_id), _("The category is back."))


@bp.post("/service-list/categories/<int:category_id>/delete")
def delete_category(category_id):
    return _act(services.delete_category, services.category(category_id), _("The category is deleted."))


# -- Services ---------------------------------------------------------------------------------


@bp.route("/service-list/services/new", methods=["GET", "POST"])
def new_service():
    form = forms.ServiceForm()
    form.category_id.choices = _categories()
    if form.validate_on_submit():
        with forms.refusals(form):
            made = services.create_service(by=current_user, **_service_values(form))
            return _saved(_("%(name)s is in the catalogue.", name=made.name))
    return render_template("admin/service.html", form=form, service=None), forms.status_of(form)


@bp.route("/service-list/services/<int:service_id>", methods=["GET", "POST"])
def edit_service(service_id):
    service = services.service(service_id)
    form = forms.ServiceForm(obj=service)
    form.category_id.choices = _categories()
    if form.validate_on_submit():
        with forms.refusals(form):
            services.edit_service(service, by=current_user, **_service_values(form))
            return _saved(_("%(name)s is saved.", name=service.name))
    entries = audit.of("service", service_id)
    return render_template("admin/service.html", form=form, service=service, entries=entries), forms.status_of(form)


@bp.post("/service-list/services/<int:service_id>/retire")
def retire_service(service_id):
    return _act(services.retire_service, services.service(service_id), _("The service is retired."))


@bp.post("/service-list/services/<int:service_id>/restore")
def restore_service(service_id):
    return _act(services.restore_service, services.service(service_id), _("The service is back."))


@bp.post("/service-list/services/<int:service_id>/delete")
def delete_service(service_id):
    return _act(services.delete_service, services.service(service_id), _("The service is deleted."))


# -- Small print ------------------------------------------------------------------------------


def _act(verb, one, done):
    g.page_now = _list
    verb(one, by=current_user)
    return _saved(done)


def _saved(done):
    db.session.commit()
    flash(done, "success")
    return redirect(url_for("admin_catalogue.service_list"))


def _list():
    return render_template("admin/service_list.html", categories=services.catalogue(), offered=services.offered())


def _categories():
    return forms.one_of((one.id, one.name) for one in services.catalogue())


def _category_values(form):
    return {
        "name": form.name.data,
        "slug": form.slug.data or "",
        "position": form.position.data,
        "commission": form.commission.data,
    }


def _service_values(form):
    return {
        "category_id": form.category_id.data,
        "name": form.name.data,
        "slug": form.slug.data or "",
        "description": form.description.data or "",
        "base_price": form.base_price.data,
        "duration_minutes": form.duration_minutes.data,
    }
