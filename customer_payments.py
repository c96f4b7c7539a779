"""How a customer pays: by UPI to somebody, or on a gateway's page; and what they say of cash that was noted."""

import segno
from flask import Blueprint, current_app, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

import payment_gateways
import upi
from auth import restrict_to
from domain import bookings, checkouts, lookups, payments
from domain.errors import InvalidTransition
from extensions import begins_late, db, out_of_turn, settings, written
from forms import refusals, status_of
from forms_money import METHODS, ClaimForm, OnlineForm
from models import PaymentMethod, Role
from payment_gateways import Declined, Order, Unanswered

bp = Blueprint("customer_payments", __name__)
restrict_to(bp, Role.CUSTOMER)


@bp.get("/bookings/<int:booking_id>/pay")
def pay(booking_id):
    return _pay_page(booking_id)


@bp.post("/bookings/<int:booking_id>/pay/upi", endpoint="claim")
def claim(booking_id):
    booking = _ready(booking_id)
    form = ClaimForm()
    if form.validate_on_submit():
        with refusals(form):
            payments.claim(booking, current_user, form.reference.data)
            db.session.commit()
            flash(_("Thank you. It counts as paid once the other side has seen the money."), "success")
            return _to(booking_id)
    return _pay_page(booking_id, form), status_of(form)


@bp.post("/bookings/<int:booking_id>/pay/online")
@begins_late
def online(booking_id):
    """Two transactions, and the gateway is asked between them."""
    booking = _ready(booking_id)
    form = OnlineForm()
    if not form.validate_on_submit():
        return _pay_page(booking_id), 422
    checkout = written(_begun, booking_id, PaymentMethod(form.method.data))
    address = {"booking_id": booking_id, "checkout_id": checkout.id}
    if checkout.url is None and not _opened(booking, checkout, address):
        flash(_("This way of paying gives no answer now. Try again in a moment, or pay in another way."), "danger")
        return _pay_page(booking_id), 503
    return redirect(url_for("customer_payments.checkout", **address), 303)


@bp.get("/bookings/<int:booking_id>/checkouts/<int:checkout_id>")
def checkout(booking_id, checkout_id):
    """On the way to the gateway's page, and back from it. Nothing is paid by coming here."""
    booking = lookups.booking(booking_id, by=current_user)
    begun = checkouts.get(booking, checkout_id)
    return render_template(
        "customer/checkout.html",
        booking=booking,
        checkout=begun,
        payable=checkouts.is_payable(begun),
        name=METHODS[begun.method],
    )


@bp.post("/bookings/<int:booking_id>/payments/<int:payment_id>/confirm")
def confirm(booking_id, payment_id):
    payments.confirm(payments.of(_ready(booking_id), payment_id), current_user)
    db.session.commit()
    flash(_("Confirmed. Thank you."), "success")
    return _to(booking_id)


@bp.post("/bookings/<int:booking_id>/payments/<int:payment_id>/deny")
def deny(booking_id, payment_id):
    payments.deny(payments.of(_ready(booking_id), payment_id), current_user)
    db.session.commit()
    flash(_("Noted. We look at it, and tell you both."), "success")
    return _to(booking_id)


def _opened(booking, checkout, address):
    """Have the gateway ask for the money; answer whether it does."""
    gateway, back = payment_gateways.GATEWAYS[checkout.method], url_for("customer_payments.checkout", **address)
    title = _("%(service)s, %(reference)s", service=booking.title, reference=booking.reference)
    order = Order(
        checkout.key, checkout.amount, checkout.currency, title, settings.site_url + back, checkout.expires_at
    )
    # Nothing is held open while the gateway thinks.
    db.session.commit()
    try:
        with out_of_turn():
            opened = gateway.open(order)
    except (Declined, Unanswered) as fault:
        current_app.logger.warning("a gateway did not take a payment: %s", type(fault).__name__)
        written(checkouts.not_opened, checkout.id)
        return False
    written(checkouts.opened, checkout.id, *opened)
    return True


def _begun(booking_id, method):
    return checkouts.begin(bookings.get(booking_id, current_user), current_user, method)


def _ready(booking_id):
    """The customer's booking; a refusal shows its page as it is then."""
    g.page_now = lambda: current_app.view_functions["customer.booking"](booking_id=booking_id)
    return bookings.get(booking_id, current_user)


def _pay_page(booking_id, form=None):
    g.page_now = lambda: current_app.view_functions["customer.booking"](booking_id=booking_id)
    booking = lookups.booking(booking_id, by=current_user)
    ways = payments.ways(booking)
    if not ways:
        raise InvalidTransition(_("There is nothing to pay for this booking now."))
    amount, payee = payments.open_amount(booking), payments.payee(booking)
    link = upi.link(payee.upi_id, payee.name, amount, booking.reference) if payee else None
    return render_template(
        "customer/pay.html",
        booking=booking,
        amount=amount,
        ways=ways,
        payee=payee,
        link=link,
        code=link and segno.make(link, error="m", boost_error=False).svg_data_uri(scale=5, light="#fff"),
        names=METHODS,
        form=form or ClaimForm(formdata=None),
    )


def _to(booking_id):
    return redirect(url_for("customer.booking", booking_id=booking_id), 303)
