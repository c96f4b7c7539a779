"""The admin's money: what the site earned, how its accounts stand, what professionals leave of their work,
and what is paid out to them."""

from flask import Blueprint, Response, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

import forms
from auth import restrict_to
from domain import audit, bookings, clock, commissions, ledger, payouts, professionals, reports, revenue
from extensions import db, settings
from forms_payouts import BatchForm, CommissionForm, MakeBatchForm
from models import Role
from models_money import PayoutStatus

bp = Blueprint("admin_money", __name__)
restrict_to(bp, Role.ADMIN)


# -- Revenue ----------------------------------------------------------------------------------


@bp.get("/admin/revenue", endpoint="revenue")
def show_revenue():
    form = forms.PeriodForm(request.args)
    if asked := _period(form):
        return _revenue_page(form, asked, revenue=revenue.of(asked))
    return _revenue_page(form), 422


@bp.get("/admin/revenue/csv")
def revenue_table():
    form = forms.PeriodForm(request.args)
    if asked := _period(form):
        return _csv(revenue.table(asked), f"revenue-{asked.first}-{asked.last}.csv")
    return _revenue_page(form), 422


def _period(form):
    """The days that were asked for; None when they are none, which the form says then."""
    if form.validate():
        with forms.refusals(form):
            return reports.period(form.first.data, form.last.data)
    return None


def _revenue_page(form, period=None, **found):
    return render_template("admin/revenue.html", form=form, period=period, **found)


# -- The ledger -------------------------------------------------------------------------------


@bp.get("/admin/ledger", endpoint="ledger")
def accounts():
    return render_template("admin/ledger.html", standings=ledger.standings())


@bp.get("/admin/ledger/<account>")
def account(account):
    balance, page = ledger.balance(account), ledger.page(account, request.args.get("after"))
    return render_template("admin/account.html", account=account, balance=balance, page=page)


@bp.get("/admin/bookings/<int:booking_id>/ledger")
def booking_ledger(booking_id):
    booking = bookings.get(booking_id, current_user)
    return render_template("admin/booking_ledger.html", booking=booking, entries=ledger.entries_of(booking_id))


# -- Commission -------------------------------------------------------------------------------


@bp.route("/admin/professionals/<int:professional_id>/commission", methods=["GET", "POST"])
def commission(professional_id):
    professional = professionals.get(professional_id)
    form = CommissionForm(obj=professional)
    if form.validate_on_submit():
        with forms.refusals(form):
            commissions.set_own(professional, current_user, form.commission.data)
            db.session.commit()
            flash(_("Saved. It holds for what they take on from now on."), "success")
            return redirect(url_for("admin.person", user_id=professional_id))
    usual = settings.commission_basis_points
    page = render_template("admin/commission.html", professional=professional, form=form, usual=usual)
    return page, forms.status_of(form)


# -- Payouts ----------------------------------------------------------------------------------


@bp.get("/admin/payouts", endpoint="payouts")
def batches():
    page, sums = payouts.batches(request.args.get("after"))
    return render_template("admin/payouts.html", page=page, sums=sums, states=PayoutStatus)


@bp.get("/admin/payouts/new")
def new_batch():
    form = BatchForm(request.args)
    return _preview_page(form), 422 if form.errors else 200


@bp.post("/admin/payouts/new")
def make_batch():
    """What was seen is made, or the list is shown as it is now."""
    form = MakeBatchForm()
    if not form.validate():
        return _preview_page(BatchForm(request.form)), 422
    g.page_now = lambda: _preview_page(BatchForm(request.form))
    batch = payouts.make(current_user, form.until.data, form.mark.data or "")
    db.session.commit()
    flash(_("Batch %(number)s is made. Download the file for the bank.", number=batch.id), "success")
    return _to_batch(batch.id)


@bp.get("/admin/payouts/<int:batch_id>")
def batch(batch_id):
    return _batch_page(batch_id)


@bp.post("/admin/payouts/<int:batch_id>/file")
def bank_file(batch_id):
    """A POST, because it is written down who downloaded it."""
    text = payouts.bank_file(_batch(batch_id), by=current_user)
    db.session.commit()
    return _csv(text, f"payouts-{batch_id}.csv")


@bp.post("/admin/payouts/<int:batch_id>/paid")
def pay(batch_id):
    number = payouts.pay(_batch(batch_id), by=current_user)
    db.session.commit()
    flash(ngettext("%(num)s payout is marked as paid.", "%(num)s payouts are marked as paid.", number), "success")
    return _to_batch(batch_id)


@bp.post("/admin/payouts/<int:batch_id>/<int:payout_id>/paid")
def pay_one(batch_id, payout_id):
    _batch(batch_id)
    payouts.pay_one(payouts.get(batch_id, payout_id), by=current_user)
    db.session.commit()
    flash(_("The payout is marked as paid."), "success")
    return _to_batch(batch_id)


@bp.route("/admin/payouts/<int:batch_id>/<int:payout_id>/failed", methods=["GET", "POST"])
def fail(batch_id, payout_id):
    payout = payouts.get(batch_id, payout_id)
    g.page_now = lambda: _batch_page(batch_id)
    form = forms.ReasonForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            payouts.fail(payout, by=current_user, reason=form.reason.data or "")
            db.session.commit()
            flash(_("Marked as failed: they are owed it again."), "success")
            return _to_batch(batch_id)
    page = render_template(
        "admin/reason.html",
        form=form,
        back=url_for("admin_money.batch", batch_id=batch_id),
        title=_("The payout to %(name)s failed", name=payout.professional.user.name),
        consequence=_("They read the reason and are owed the amount again, so the next batch pays it."),
        yes=_("Mark as failed"),
        active="admin_money.payouts",
    )
    return page, forms.status_of(form)


def _batch(batch_id):
    """The batch that a verb is about; a refusal shows its page as it is then."""
    g.page_now = lambda: _batch_page(batch_id)
    return payouts.get_batch(batch_id)


def _to_batch(batch_id):
    return redirect(url_for("admin_money.batch", batch_id=batch_id))


def _preview_page(form):
    preview = None
    if form.validate():
        with forms.refusals(form):
            preview = payouts.preview(form.until.data or clock.today())
    return render_template(
        "admin/payouts_new.html", form=form, preview=preview, least=settings.min_payout, most=payouts.MOST_IN_A_BATCH
    )


def _batch_page(batch_id):
    return render_template(
        "admin/payout_batch.html",
        batch=payouts.get_batch(batch_id),
        sums=payouts.sums([batch_id])[batch_id],
        page=payouts.page(batch_id, request.args.get("after")),
        reference=payouts.reference,
        entries=audit.of("payouts", batch_id),
        states=PayoutStatus,
    )


def _csv(text, name):
    """A file that the browser saves, and nothing on the way keeps."""
    headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "private, no-store"}
    return Response(text, content_type="text/csv; charset=utf-8", headers=headers)
