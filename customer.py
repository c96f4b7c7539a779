"""The customer's pages: find the next step, book, follow, change, confirm, review."""

import secrets
from datetime import timedelta

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import current_user
from sqlalchemy import and_, or_
from sqlalchemy.orm import joinedload

import templating
from auth import restrict_to
from domain import (
    amendments,
    bookings,
    cascades,
    catalogue,
    choices,
    clock,
    deadlines,
    disputes,
    extras,
    favourites,
    lookups,
    payments,
    presence,
    proposals,
    recommendations,
    requests,
    reviews,
    tracking,
    users,
)
from domain.paging import keyset
from domain.transitions import IN_TOUCH, rule_for
from extensions import db, limiter, settings
from forms import BookForm, CancelForm, EditForm, MoveForm, ReviewForm, refusals, status_of
from forms_lifecycle import EVERY
from models import Booking, Professional, Role, Status, reference_of

bp = Blueprint("customer", __name__)
restrict_to(bp, Role.CUSTOMER)

MOST_ON_DASHBOARD = 20
FAVOURITES_ON_DASHBOARD = 4
SUGGESTED, SUGGESTED_PEOPLE = 3, 3
# After these a customer may think of the next thing.
THINKS_AHEAD = (Status.PENDING, Status.ACCEPTED, Status.CLOSED)
_CARD = (joinedload(Booking.service), joinedload(Booking.professional).joinedload(Professional.user))
# What the timeline says of each event, and of the steps that are still to come.
PASSED = {
    "request": _l("Requested"),
    "accept": _l("Accepted"),
    "reject": _l("Declined"),
    "expire": _l("Expired without an answer"),
    "edit": _l("Details changed"),
    "move": _l("Time changed"),
    "propose": _l("Another time proposed"),
    "agree": _l("Another time agreed"),
    "decline_time": _l("Another time declined"),
    "withdraw": _l("Proposal taken back"),
    "lapse": _l("Proposal lapsed"),
    "cancel": _l("Cancelled"),
    "cascade": _l("Asked other professionals"),
    "reassign": _l("Given to another professional"),
    "renew_code": _l("Start code renewed"),
    "depart": _l("On the way"),
    "knock": _l("At the door"),
    "no_show": _l("No-show"),
    "start": _l("Work started"),
    "override_code": _l("Work started"),
    "propose_extra": _l("An extra proposed"),
    "approve_extra": _l("An extra approved"),
    "decline_extra": _l("An extra declined"),
    "withdraw_extra": _l("An extra taken back"),
    "complete": _l("Work completed"),
    "record_payment": _l("Payment noted"),
    "claim_payment": _l("You paid by UPI, to be confirmed"),
    "refuse_payment": _l("Payment not found"),
    "confirm_payment": _l("Payment confirmed"),
    "deny_payment": _l("You denied the payment"),
    "close": _l("Closed"),
    "dispute": _l("You told us that something was wrong"),
    "answer_dispute": _l("Answered by the professional"),
    "resolve": _l("Dispute decided"),
    "rework": _l("Booked again, for nothing"),
    "refund": _l("Refund recorded"),
    "review": _l("Reviewed"),
}
AHEAD = (
    (Status.PENDING, _l("Accepted")),
    (Status.ACCEPTED, _l("On the way")),
    (Status.EN_ROUTE, _l("Work started")),
    (Status.IN_PROGRESS, _l("Work completed")),
    (Status.COMPLETED, _l("Confirmed and closed")),
)
HARM = ("reject", "expire", "cancel", "no_show")


# -- Overviews --------------------------------------------------------------------------------


@bp.get("/customer-dashboard")
def dashboard():
    mine = bookings.visible_to(current_user).options(*_CARD, joinedload(Booking.pin))
    live = db.session.scalars(
        mine.where(bookings.is_live()).order_by(Booking.starts_at, Booking.id).limit(MOST_ON_DASHBOARD)
    ).all()
    accepted = [one for one in live if one.status is Status.ACCEPTED]
    to_finish = db.session.scalars(
        mine.where(_is_to_finish()).order_by(Booking.completed_at.desc(), Booking.id.desc()).limit(5)
    ).all()
    return render_template(
        "customer/dashboard.html",
        next_booking=accepted[0] if accepted else None,
        later=accepted[1:],
        ongoing=[one for one in live if one.status in (Status.EN_ROUTE, Status.IN_PROGRESS)],
        waiting=[one for one in live if one.status is Status.PENDING],
        to_finish=to_finish,
        categories=catalogue.categories(),
        favourites=favourites.latest(current_user, FAVOURITES_ON_DASHBOARD),
        # Without any booking the question goes to the address for the suggestions: eight in all, either way.
        other_times=proposals.open_of(live) if live or to_finish else {},
        suggested=_suggested([*live, *to_finish]),
    )


def _suggested(known):
    """Where a booking is known already, its place is asked for no more."""
    if known:
        return recommendations.suggestions(current_user.id, known[0].pin, SUGGESTED, SUGGESTED_PEOPLE)
    return recommendations.at_home(current_user.id, SUGGESTED, SUGGESTED_PEOPLE)


@bp.get("/bookings", endpoint="bookings")
def my_bookings():
    shown = request.args.get("show")
    shown = shown if shown in ("past", "all") else "upcoming"
    mine = bookings.visible_to(current_user).options(*_CARD)
    direction = "asc" if shown == "upcoming" else "desc"
    if shown != "all":
        mine = mine.where(bookings.is_live() if shown == "upcoming" else ~bookings.is_live())
    page = keyset(mine, [(Booking.starts_at, direction), (Booking.id, direction)], request.args.get("after"))
    other_times = proposals.open_of(page.items)
    return render_template("customer/bookings.html", page=page, shown=shown, other_times=other_times)


def _is_to_finish():
    """Waits for the customer's word: to be confirmed, or to be reviewed while that is possible."""
    since = clock.now() - timedelta(days=settings.policy.review_window_days)
    unreviewed = and_(Booking.status == Status.CLOSED, Booking.closed_at > since, ~Booking.review.has())
    return or_(Booking.status == Status.COMPLETED, unreviewed)


# -- Book -------------------------------------------------------------------------------------


# Who has typed so many wrong codes in an hour is guessing.
few_guesses = limiter.shared_limit(
    "20 per hour",
    scope="coupons",
    key_func=lambda: f"user {current_user.get_id()}",
    exempt_when=lambda: not request.values.get("coupon"),
    deduct_when=lambda _answer: g.get("wrong_code", False),
)


@bp.get("/book")
@few_guesses
def book():
    form = BookForm(request.args)
    form.key.data = secrets.token_urlsafe(24)
    return _book_page(form)


@bp.post("/book")
@few_guesses
def request_booking():
    form = BookForm()
    if "check" in request.form:
        page, _status = _book_page(form)
        return page, 422 if form.coupon.errors else 200
    if form.validate():
        with refusals(form):
            booking_id = requests.request(
                current_user,
                form.service_id.data,
                form.professional_id.data,
                form.starts_at.data,
                _address_id(form),
                form.remarks.data or "",
                form.key.data or None,
                form.cascade.data,
                _more(form),
                coupon=form.coupon.data or "",
                shown=form.total.data,
            )
            db.session.commit()
            flash(_("Requested. Your reference is %(reference)s.", reference=reference_of(booking_id)), "success")
            return _to(booking_id)
    return _book_page(form)


def _book_page(form):
    offered = choices.before_booking(
        current_user,
        form.professional_id.data,
        form.service_id.data,
        form.day.data,
        form.starts_at.data,
        form.address_id.data,
        form.pincode.data or "",
        form.line.data or "",
        _more(form),
    )
    if form.address_id.data is None and offered.address_id is not None:
        # An address that a link writes out is one of the customer's own.
        form.address_id.data, form.line.data, form.pincode.data = offered.address_id, None, None
    quote, wrong = choices.price(offered, current_user, form.coupon.data or "")
    if wrong:
        form.coupon.errors, g.wrong_code = [wrong], True
    page = render_template(
        "customer/book.html",
        form=form,
        choices=offered,
        quote=quote,
        policy=settings.policy,
        late_fee=settings.late_fee,
        every=EVERY,
    )
    return page, status_of(form)


def _more(form):
    """The further services of the visit; the first one may be ticked among them too."""
    return tuple(one for one in form.more.data or () if one != form.service_id.data)


def _address_id(form):
    """The address chosen; a new one is kept with the booking or not at all."""
    if form.address_id.data is not None:
        return form.address_id.data
    return users.add_address(current_user, line=form.line.data or "", pincode=form.pincode.data or "").id


# -- One booking ------------------------------------------------------------------------------


@bp.get("/bookings/<int:booking_id>")
def booking(booking_id):
    return _booking_page(booking_id)


@bp.route("/bookings/<int:booking_id>/edit", methods=["GET", "POST"])
def edit(booking_id):
    booking = _ready("edit", booking_id)
    addresses = users.addresses_of(current_user)
    kept = next((one.id for one in addresses if _is_there(one, booking)), None)
    form = EditForm(address_id=kept, remarks=booking.remarks)
    if form.validate_on_submit():
        with refusals(form):
            amendments.edit(booking, current_user, form.remarks.data or "", _address_id(form))
            db.session.commit()
            flash(_("Changed."), "success")
            return _to(booking_id)
    return render_template("customer/edit.html", booking=booking, form=form, addresses=addresses), status_of(form)


@bp.route("/bookings/<int:booking_id>/move", methods=["GET", "POST"])
def move(booking_id):
    booking = _ready("move", booking_id)
    form = MoveForm() if request.method == "POST" else MoveForm(request.args)
    if form.validate_on_submit():
        with refusals(form):
            amendments.shift(booking, current_user, form.starts_at.data)
            db.session.commit()
            flash(_("Moved. The professional has been told."), "success")
            return _to(booking_id)
    times = choices.before_moving(booking, form.day.data, form.starts_at.data)
    return render_template("customer/move.html", booking=booking, form=form, times=times), status_of(form)


@bp.route("/bookings/<int:booking_id>/cancel", methods=["GET", "POST"])
def cancel(booking_id):
    booking = _ready("cancel", booking_id)
    form = CancelForm()
    if form.validate_on_submit():
        with refusals(form):
            bookings.cancel(booking, current_user, form.reason.data or "", form.cause.data)
            db.session.commit()
            flash(_("Cancelled."), "success")
            return _to(booking_id)
    terms = bookings.cancellation_terms(booking)
    return render_template("customer/cancel.html", booking=booking, form=form, terms=terms), status_of(form)


@bp.post("/bookings/<int:booking_id>/renew-code")
def renew_code(booking_id):
    bookings.renew_code(_ready("renew_code", booking_id), current_user)
    db.session.commit()
    flash(_("The start code is new. The old one no longer works."), "success")
    return _to(booking_id)


@bp.post("/bookings/<int:booking_id>/close")
def close(booking_id):
    bookings.close(_ready("close", booking_id), current_user)
    db.session.commit()
    flash(_("Confirmed. Thank you."), "success")
    return _to(booking_id)


@bp.route("/bookings/<int:booking_id>/review", methods=["GET", "POST"])
def review(booking_id):
    """Write the review, or change it while that is allowed."""
    booking = bookings.get(booking_id, current_user)
    written = booking.review
    if written is None or not reviews.editable(written):
        booking = _ready("review", booking_id)
    form = ReviewForm(obj=written)
    if form.validate_on_submit():
        with refusals(form):
            if written is None:
                reviews.write(booking, current_user, form.rating.data, form.comment.data or "")
            else:
                reviews.edit(written, current_user, form.rating.data, form.comment.data or "")
            db.session.commit()
            flash(_("Your review is published. Thank you."), "success")
            return _to(booking_id)
    return render_template("customer/review.html", booking=booking, form=form), status_of(form)


def _ready(verb, booking_id):
    """The customer's booking if the verb can be used on it; or else its page as it is now says why not."""
    g.page_now = lambda: _booking_page(booking_id)
    booking = bookings.get(booking_id, current_user)
    rule_for(verb, booking, current_user)
    return booking


def _booking_page(booking_id):
    marks = templating.marks()
    booking = lookups.booking(booking_id, by=current_user)
    actions = bookings.available_actions(booking, current_user)
    to_come = booking.status in tracking.TO_COME
    if to_come and settings.map_tiles_url:
        g.needs = {"map"}
    return render_template(
        "customer/booking.html",
        booking=booking,
        actions=actions,
        ways=payments.ways(booking),
        payments=payments,
        steps=_steps(booking),
        marks=marks,
        goes_on=cascades.will_follow(booking),
        proposed_extras=extras.price_of_open(booking) if "approve_extra" in actions else None,
        other_starts=cascades.alternatives(booking),
        code=bookings.start_code(booking, current_user),
        code_locked=booking.code_tries >= settings.policy.code_tries,
        terms=bookings.cancellation_terms(booking) if "cancel" in actions else None,
        in_touch=booking.status in IN_TOUCH,
        absence_fee=bookings.late_fee(booking),
        deadlines=deadlines,
        whereabouts=tracking.whereabouts(booking, current_user),
        to_come=to_come,
        settings=settings,
        last_active=booking.professional and presence.last_active(booking.professional.user),
        rework_id=disputes.rework_of(booking),
        closes_by=booking.completed_at and booking.completed_at + timedelta(hours=settings.policy.auto_close_hours),
        suggested=_suggested([booking]) if booking.status in THINKS_AHEAD else None,
        review_form=ReviewForm(formdata=None) if "review" in actions else None,
        review_editable=booking.review is not None and reviews.editable(booking.review),
    )


def _steps(booking):
    """The timeline: what happened, and what is still to come."""
    events = [event for event in booking.events if event.verb in PASSED]
    titles = templating.proposal_steps(booking) | _cascade_steps(booking)
    reasons = [templating.as_shown(templating.said(event), booking, event.actor_id) for event in events]
    steps = [
        _step(titles.get(event.id, PASSED[event.verb]), event.at, event.verb, reason)
        for event, reason in zip(events, reasons, strict=True)
    ]
    if booking.shown_status is not booking.status:
        return [*steps, _step(PASSED["expire"], booking.respond_by, "expire")]
    ahead = [status for status, _title in AHEAD]
    if booking.status not in ahead:
        return steps
    changed = max(n for n, event in enumerate(events) if event.from_status != event.to_status)
    steps[changed]["state"] = "now"
    return [*steps, *({"title": title} for _status, title in AHEAD[ahead.index(booking.status) :])]


def _cascade_steps(booking):
    """In a story with several professionals the titles say who is meant: {id of the event: title}."""
    if not any(event.verb == "cascade" for event in booking.events):
        return {}
    titles = {}
    for event in booking.events:
        if event.verb == "cascade" and event.reason:
            titles[event.id] = _("Asked %(name)s", name=event.reason)
        elif event.verb == "reject":
            titles[event.id] = _("Declined by %(name)s", name=event.actor.name)
        elif event.verb == "cancel" and event.actor_id != booking.customer_id:
            titles[event.id] = _("Cancelled by %(name)s", name=event.actor.name)
    return titles


def _step(title, at, verb, reason=""):
    note = templating.when(at)
    state = "harm" if verb in HARM else "done"
    # Whom a cascade asked is said in its title.
    told = reason and verb != "cascade"
    return {"title": title, "note": f"{note}: {reason}" if told else note, "state": state}


def _is_there(address, booking):
    return (address.line, address.pincode) == (booking.address_line, booking.pincode)


def _to(booking_id):
    return redirect(url_for("customer.booking", booking_id=booking_id), 303)
