"""The admin's pages of coupons: which there are, a new one, who used one, and switching it off."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import coupons, services
from extensions import db
from forms import one_of, refusals, status_of
from forms_bills import CouponForm
from models import Role

bp = Blueprint("admin_coupons", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/coupons", endpoint="coupons")
def coupons_list():
    return render_template("admin/coupons.html", page=coupons.page(request.args.get("after")))


@bp.route("/admin/coupons/new", methods=["GET", "POST"])
def new():
    form = CouponForm()
    catalogue = services.catalogue()
    form.category_id.choices = one_of([(0, _("All")), *((one.id, one.name) for one in catalogue)])
    offered = ((one.id, one.name) for category in catalogue for one in category.services)
    form.service_id.choices = one_of([(0, _("All")), *offered])
    if form.validate_on_submit():
        with refusals(form):
            values = {name: value or None for name, value in form.data.items() if name != "csrf_token"}
            made = coupons.create(current_user, **values)
            db.session.commit()
            flash(_("%(code)s can be used now, or from its first day.", code=made.code), "success")
            return redirect(url_for("admin_coupons.coupon", coupon_id=made.id))
    return render_template("admin/coupon_new.html", form=form), status_of(form)


@bp.get("/admin/coupons/<int:coupon_id>")
def coupon(coupon_id):
    return _coupon_page(coupon_id)


@bp.post("/admin/coupons/<int:coupon_id>/off")
def switch_off(coupon_id):
    g.page_now = lambda: _coupon_page(coupon_id)
    coupons.switch_off(coupons.get(coupon_id), current_user)
    db.session.commit()
    flash(_("Nobody can use it any more. Bookings made with it keep their price."), "success")
    return redirect(url_for("admin_coupons.coupon", coupon_id=coupon_id))


def _coupon_page(coupon_id):
    one = coupons.get(coupon_id)
    page = coupons.uses(one, request.args.get("after"))
    return render_template("admin/coupon.html", coupon=one, page=page)
