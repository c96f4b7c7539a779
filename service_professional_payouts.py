"""A professional's money that the site holds: how they stand, what was paid out and where to, and what
their rate would bring."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

import forms
from auth import proved_lately
from desk import open_to_professionals
from domain import commissions, earnings, payout_accounts, payouts
from extensions import db, settings
from forms_payouts import CalculatorForm, PayoutAccountForm

bp = Blueprint("professional_payouts", __name__)
# Whose approval was taken back is still owed what they earned.
open_to_professionals(bp, approved=False)


@bp.get("/professional/payouts", endpoint="payouts")
def payouts_list():
    return _payouts()


@bp.route("/professional/payouts/account", methods=["GET", "POST"])
@proved_lately
def account():
    """What was saved before is not shown again; only its end is."""
    form = PayoutAccountForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            payout_accounts.save(
                current_user,
                form.way.data,
                holder=form.holder.data or "",
                number=form.number.data or "",
                code=form.code.data or "",
                upi=form.upi.data or "",
            )
            db.session.commit()
            flash(_("Saved. The next payout goes there."), "success")
            return redirect(url_for("professional_payouts.payouts"))
    known = payout_accounts.get(current_user.id)
    page = render_template(
        "service_professional/payout_account.html", form=form, account=known, upi=payout_accounts.takes_upi()
    )
    return page, forms.status_of(form)


@bp.post("/professional/payouts/account/remove")
@proved_lately
def remove_account():
    g.page_now = _payouts
    payout_accounts.remove(current_user)
    db.session.commit()
    flash(_("Removed. You are not paid out until you say where to."), "success")
    return redirect(url_for("professional_payouts.payouts"))


@bp.get("/professional/calculator")
def calculator():
    """It begins with their own rate and working hours."""
    rate = commissions.usual(g.professional)
    if not request.args.keys() & {"rate", "hours"}:
        minutes = earnings.weekly_minutes(current_user.id)
        form = CalculatorForm(None, rate=g.professional.hourly_rate, hours=CalculatorForm.hours_of(minutes))
        complete = g.professional.hourly_rate is not None
    else:
        form = CalculatorForm(request.args)
        complete = form.validate()
    result = earnings.reckon(form.rate.data, form.minutes, rate) if complete else None
    page = render_template("service_professional/calculator.html", form=form, result=result, rate=rate)
    return page, 422 if form.errors else 200


def _payouts():
    return render_template(
        "service_professional/payouts.html",
        page=payouts.of_professional(current_user.id, request.args.get("after")),
        standing=payouts.standing(current_user.id),
        account=payout_accounts.get(current_user.id),
        least=settings.min_payout,
    )
