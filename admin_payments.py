"""The admin's pages of payments: the list, one of them, refunds, and what has to be reconciled."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

import forms
from auth import restrict_to
from domain import audit, checkouts, payments, reconciling, refunds
from domain.errors import Invalid
from domain.reconciling import Fit, Wanted
from extensions import db
from forms_money import (
    METHODS,
    STATES,
    MatchedForm,
    PaymentsForm,
    RefundPaymentForm,
    SentForm,
    StatementForm,
    VerifyForm,
)
from models import PaymentMethod, Role
from models_money import PaymentStatus

bp = Blueprint("admin_payments", __name__)
restrict_to(bp, Role.ADMIN)


# -- Payments ---------------------------------------------------------------------------------


@bp.get("/admin/payments", endpoint="payments")
def payments_list():
    form = PaymentsForm(request.args)
    page = None
    if form.validate():
        wanted = Wanted(
            PaymentMethod(form.method.data) if form.method.data else None,
            PaymentStatus(form.status.data) if form.status.data else None,
            form.first.data,
            form.last.data,
            form.reference.data or "",
        )
        page = reconciling.page(wanted, request.args.get("after"))
    answer = render_template("admin/payments.html", form=form, page=page, methods=METHODS)
    return answer, 422 if form.errors else 200


@bp.get("/admin/payments/<int:payment_id>")
def payment(payment_id):
    return _payment_page(payment_id)


@bp.post("/admin/payments/<int:payment_id>/verify")
def verify(payment_id):
    payment = _ready(payment_id)
    form = VerifyForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            payments.verify(payment, current_user, form.amount.data)
            db.session.commit()
            flash(_("The payment is verified, and the customer has been told."), "success")
            return _to(payment_id)
    return _payment_page(payment_id, verifying=form), forms.status_of(form)


@bp.route("/admin/payments/<int:payment_id>/refuse", methods=["GET", "POST"])
def refuse(payment_id):
    payment = _ready(payment_id)
    payments.check_claimed(payment, current_user)
    return _ask_reason(
        payment,
        payments.refuse,
        title=_("Refuse the payment?"),
        consequence=_("The customer reads your reason and can pay again."),
        yes=_("Refuse it"),
        done=_("The payment is refused, and the customer reads your reason."),
    )


@bp.route("/admin/payments/<int:payment_id>/keep", methods=["GET", "POST"])
def keep(payment_id):
    payment = _ready(payment_id)
    payments.check_disputed(payment)
    return _ask_reason(
        payment,
        payments.keep,
        title=_("Was it paid all the same?"),
        consequence=_("The payment stands. Both sides read your reason."),
        yes=_("It was paid"),
        done=_("The payment stands, and both have been told."),
    )


@bp.route("/admin/payments/<int:payment_id>/take-back", methods=["GET", "POST"])
def take_back(payment_id):
    payment = _ready(payment_id)
    payments.check_disputed(payment)
    return _ask_reason(
        payment,
        payments.take_back,
        title=_("Was it never paid?"),
        consequence=_("The amount is due again. Both sides read your reason."),
        yes=_("It was not paid"),
        done=_("The payment is taken back, and both have been told."),
    )


@bp.route("/admin/payments/<int:payment_id>/refund", methods=["GET", "POST"])
def refund(payment_id):
    payment = _ready(payment_id)
    form = RefundPaymentForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            payments.give_back(payment, current_user, form.amount.data, form.reason.data or "")
            db.session.commit()
            flash(_("The refund is on its way, and the customer has been told."), "success")
            return _to(payment_id)
    left = refunds.left_of(payment)
    page = render_template("admin/refund_payment.html", payment=payment, form=form, left=left, methods=METHODS)
    return page, forms.status_of(form)


# -- Refunds ----------------------------------------------------------------------------------


@bp.post("/admin/refunds/<int:refund_id>/again")
def ask_again(refund_id):
    refund = checkouts.get_refund(refund_id)
    _ready(refund.payment_id)
    checkouts.ask_again(refund, current_user)
    db.session.commit()
    flash(_("The gateway is asked once more."), "success")
    return _to(refund.payment_id)


@bp.post("/admin/refunds/<int:refund_id>/sent")
def send_by_hand(refund_id):
    refund = checkouts.get_refund(refund_id)
    _ready(refund.payment_id)
    form = SentForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            checkouts.send_by_hand(refund, current_user, form.reference.data)
            db.session.commit()
            flash(_("It is noted as sent."), "success")
            return _to(refund.payment_id)
    return _payment_page(refund.payment_id, sending=(refund_id, form)), forms.status_of(form)


# -- Reconciliation ---------------------------------------------------------------------------


@bp.get("/admin/reconciliation")
def reconciliation():
    return _reconciliation_page()


@bp.post("/admin/reconciliation/statement")
def read_statement():
    """Show what the statement says before anything is written."""
    form = StatementForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            if not form.statement.data:
                raise Invalid(_("Choose the file of the bank."), "statement")
            matches = reconciling.match(reconciling.read(form.statement.data.read()))
            return _statement_page(matches)
    return _reconciliation_page(form), 422


@bp.post("/admin/reconciliation/verify")
def verify_matched():
    g.page_now = _reconciliation_page
    form = MatchedForm()
    if not form.validate_on_submit():
        return _reconciliation_page(), 422
    count = reconciling.verify(reconciling.unpack(form.matched.data or ""), current_user)
    db.session.commit()
    flash(ngettext("%(num)s payment is verified.", "%(num)s payments are verified.", count), "success")
    return redirect(url_for("admin_payments.reconciliation"), 303)


def _statement_page(matches):
    return render_template(
        "admin/statement.html",
        matches=sorted(matches, key=lambda one: [*Fit].index(one.fit)),
        matched=sum(one.fit is Fit.MATCHED for one in matches),
        packed=reconciling.pack(matches),
    )


def _reconciliation_page(form=None):
    return render_template(
        "admin/reconciliation.html",
        waiting=reconciling.waiting(),
        form=form or StatementForm(formdata=None),
        methods=METHODS,
        by_hand=checkouts.is_by_hand,
    )


# -- Small print ------------------------------------------------------------------------------


def _ready(payment_id):
    """The payment; a refusal shows its page as it is then."""
    g.page_now = lambda: _payment_page(payment_id)
    return payments.get(payment_id)


def _payment_page(payment_id, verifying=None, sending=(None, None)):
    payment = reconciling.payment(payment_id)
    return render_template(
        "admin/payment.html",
        payment=payment,
        booking=payment.booking,
        methods=METHODS,
        states=STATES,
        may_verify=payments.may_verify(payment, current_user),
        left=refunds.left_of(payment),
        by_hand=checkouts.is_by_hand,
        verifying=verifying or VerifyForm(formdata=None, obj=payment),
        sending=sending,
        blank=SentForm(formdata=None),
        entries=audit.of("payment", payment_id),
    )


def _ask_reason(payment, act, *, done, **words):
    """The page on which an admin says why, and the act when they have."""
    form, back = forms.ReasonForm(), url_for("admin_payments.payment", payment_id=payment.id)
    if form.validate_on_submit():
        with forms.refusals(form):
            act(payment, current_user, form.reason.data or "")
            db.session.commit()
            flash(done, "success")
            return redirect(back)
    page = render_template("admin/reason.html", form=form, back=back, active="admin_payments.payments", **words)
    return page, forms.status_of(form)


def _to(payment_id):
    return redirect(url_for("admin_payments.payment", payment_id=payment_id))
