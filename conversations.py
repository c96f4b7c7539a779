"""The conversation of a booking, on the pages of both sides: what was said, writing, and reporting it."""

import secrets

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import conversations, files, message_reports
from extensions import begin_write, begins_late, db, limiter
from fields import row_id
from forms import ReasonForm, refusals, status_of
from forms_live import MessageForm, SeenForm
from models import FileKind, Role

bp = Blueprint("conversations", __name__)
restrict_to(bp, Role.CUSTOMER, Role.PROFESSIONAL)

BOOKING_PAGES = {Role.CUSTOMER: "customer.booking", Role.PROFESSIONAL: "professional.job"}


def _of_the_person():
    return f"user {current_user.get_id()}"


# -- Reading ----------------------------------------------------------------------------------


@bp.get("/conversations", endpoint="list")
def list_conversations():
    page = conversations.page_of(current_user, request.args.get("after"))
    return render_template("conversation/list.html", page=page)


@bp.get("/conversations/<int:booking_id>")
def show(booking_id):
    return _page(conversations.get(booking_id, current_user))


@bp.get("/conversations/<int:booking_id>/new")
def new(booking_id):
    """What came after the last message of an open page, with the marks as they are now."""
    booking = conversations.get(booking_id, current_user)
    last = request.args.get("after", 0, row_id)
    messages, more = conversations.after(booking, last)
    messages = [*conversations.hidden(booking, last), *messages]
    sides = conversations.sides(booking, current_user)
    return render_template("conversation/messages.html", messages=messages, more=more, sides=sides)


# -- Writing ----------------------------------------------------------------------------------


@bp.post("/conversations/<int:booking_id>")
@begins_late
@limiter.limit("60 per minute", key_func=_of_the_person)
def send(booking_id):
    """A photo is looked into before the transaction begins."""
    booking = conversations.get(booking_id, current_user)
    g.page_now = lambda: _page(conversations.get(booking_id, current_user))
    conversations.check_open(booking)
    form = MessageForm()
    if form.validate_on_submit():
        with refusals(form):
            sent = form.picture.data
            photo = files.check(FileKind.PICTURE, sent.stream) if sent else None
            begin_write()
            booking = conversations.get(booking_id, current_user)
            conversations.send(booking, current_user, form.text.data or "", photo, form.key.data)
            if form.seen.data:
                conversations.seen(booking, current_user, form.seen.data, read=True)
            db.session.commit()
            return _done(booking_id)
        booking = conversations.get(booking_id, current_user)
    return _page(booking, form), status_of(form)


@bp.post("/conversations/<int:booking_id>/seen")
def seen(booking_id):
    booking = conversations.get(booking_id, current_user)
    form = SeenForm()
    if form.validate_on_submit():
        conversations.seen(booking, current_user, form.upto.data, read=form.read.data)
        db.session.commit()
    return _done(booking_id)


@bp.post("/conversations/<int:booking_id>/typing")
@begins_late
@limiter.limit("30 per minute", key_func=_of_the_person)
def typing(booking_id):
    """Nothing is written, so nobody waits for it."""
    conversations.typing(conversations.get(booking_id, current_user), current_user)
    db.session.commit()
    return "", 204


@bp.route("/conversations/<int:booking_id>/messages/<int:said_id>/report", methods=["GET", "POST"])
def report(booking_id, said_id):
    booking = conversations.get(booking_id, current_user)
    message = conversations.message(booking, said_id)
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            message_reports.report(message, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("Reported. We look at it, and at what was said around it."), "success")
            return redirect(url_for("conversations.show", booking_id=booking_id), 303)
    page = render_template("conversation/report.html", booking=booking, message=message, form=form)
    return page, status_of(form)


# -- Small print ------------------------------------------------------------------------------


def _page(booking, form=None):
    before = request.args.get("before", type=row_id)
    messages, older = conversations.latest(booking, before)
    form = form or MessageForm(formdata=None)
    form.key.data = form.key.data or secrets.token_urlsafe(24)
    form.seen.data = max((one.id for one in messages if one.sender_id != current_user.id), default=None)
    return render_template(
        "conversation/show.html",
        booking=booking,
        messages=messages,
        older=older,
        before=before,
        sides=conversations.sides(booking, current_user),
        closes=conversations.closes_at(booking),
        form=form,
        back=url_for(BOOKING_PAGES[current_user.role], booking_id=booking.id),
    )


def _done(booking_id):
    """Nothing for a script, which asks for what is new; for anybody else the page as it is now."""
    if "HX-Request" in request.headers:
        return "", 204
    return redirect(url_for("conversations.show", booking_id=booking_id, _anchor="write"), 303)
