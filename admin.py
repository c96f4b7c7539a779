"""The admin's pages: the overview, approvals, people, bookings and reviews."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

import forms
from auth import restrict_to
from domain import audit, bookings, lookups, people, professionals, reports, reviews, users
from extensions import db
from models import Approval, Role, Status

bp = Blueprint("admin", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin-dashboard")
def dashboard():
    week = reports.last_days()
    return render_template(
        "admin/dashboard.html",
        overview=reports.overview(),
        requests=reports.requests_by_day(week),
        median=reports.time_to_accept(reports.this_week()),
        waiting=people.first_applications(),
    )


# -- Approvals --------------------------------------------------------------------------------


@bp.get("/admin/approvals")
def approvals():
    state = request.args.get("state", Approval.PENDING)
    approval = Approval(state) if state in list(Approval) else Approval.PENDING
    page = people.applications(approval, request.args.get("after"))
    return render_template("admin/approvals.html", page=page, approval=approval)


@bp.get("/admin/approvals/<int:professional_id>")
def approval(professional_id):
    return _approval_page(professional_id)


@bp.post("/admin/approvals/<int:professional_id>/approve")
def approve(professional_id):
    professional = professionals.get(professional_id)
    g.page_now = lambda: _approval_page(professional_id)
    professionals.approve(professional, by=current_user)
    db.session.commit()
    flash(_("%(name)s is approved and can be found and booked now.", name=professional.user.name), "success")
    return redirect(url_for("admin.approvals"))


@bp.route("/admin/approvals/<int:professional_id>/reject", methods=["GET", "POST"])
def reject(professional_id):
    professional = professionals.get(professional_id)
    name = professional.user.name
    return _ask_reason(
        lambda reason: professionals.reject(professional, by=current_user, reason=reason),
        back=url_for("admin.approval", professional_id=professional_id),
        after=url_for("admin.approvals"),
        title=_("Reject %(name)s", name=name),
        consequence=_("They read the reason, receive no requests and can apply again. Bookings already made stand."),
        yes=_("Reject"),
        done=_("%(name)s is rejected and reads your reason.", name=name),
        active="admin.approvals",
    )


def _approval_page(professional_id):
    person = people.professional(professional_id)
    return render_template(
        "admin/approval.html",
        person=person,
        professional=person.professional,
        missing=professionals.missing(person.professional),
        languages_spoken=[professionals.LANGUAGES[code] for code in person.professional.languages],
        entries=audit.of("user", professional_id),
    )


# -- People -----------------------------------------------------------------------------------


@bp.get("/admin/people", endpoint="people")
def people_list():
    form = forms.PeopleForm(request.args)
    page = None
    if form.validate():
        role = Role(form.role.data) if form.role.data else None
        state = people.State(form.state.data) if form.state.data else None
        page = people.page(role, state, form.q.data or "", request.args.get("after"))
    return render_template("admin/people.html", form=form, page=page), 422 if form.errors else 200


@bp.get("/admin/people/<int:user_id>")
def person(user_id):
    return _person_page(user_id)


@bp.route("/admin/people/<int:user_id>/block", methods=["GET", "POST"])
def block(user_id):
    person = people.get(user_id)
    return _ask_reason(
        lambda reason: users.block(person, by=current_user, reason=reason),
        back=url_for("admin.person", user_id=user_id),
        title=_("Block %(name)s", name=person.name),
        consequence=_("They are shut out from their next click on. Their bookings stand until you change them."),
        yes=_("Block"),
        done=_("%(name)s is blocked.", name=person.name),
        active="admin.people",
    )


@bp.post("/admin/people/<int:user_id>/unblock")
def unblock(user_id):
    person = people.get(user_id)
    g.page_now = lambda: _person_page(user_id)
    users.unblock(person, by=current_user)
    db.session.commit()
    flash(_("%(name)s can log in again.", name=person.name), "success")
    return redirect(url_for("admin.person", user_id=user_id))


@bp.route("/admin/people/<int:user_id>/anonymise", methods=["GET", "POST"])
def anonymise(user_id):
    person = people.get(user_id)
    return _ask_reason(
        lambda reason: users.anonymise(person, by=current_user, reason=reason),
        back=url_for("admin.person", user_id=user_id),
        title=_("Anonymise %(name)s", name=person.name),
        consequence=_(
            "Name, mail, phone, photo, documents and addresses are erased for good and the account stays closed. "
            "Bookings, payments and stars stay without them. This cannot be undone."
        ),
        yes=_("Erase for good"),
        done=_("The account is anonymised."),
        active="admin.people",
    )


def _person_page(user_id):
    person = people.get(user_id)
    return render_template(
        "admin/person.html",
        person=person,
        bookings=lookups.bookings_of(person, by=current_user),
        entries=audit.of("user", user_id),
    )


# -- Bookings ---------------------------------------------------------------------------------


@bp.get("/admin/bookings", endpoint="bookings")
def bookings_list():
    form = forms.BookingsForm(request.args)
    form.service.choices = forms.one_of(((one.id, one.name) for one in lookups.services()), _("All services"))
    page = None
    if form.validate():
        page = lookups.booking_page(_wanted(form), by=current_user, after=request.args.get("after"))
    return render_template("admin/bookings.html", form=form, page=page), 422 if form.errors else 200


@bp.get("/admin/bookings/<int:booking_id>")
def booking(booking_id):
    return _booking_page(booking_id)


@bp.route("/admin/bookings/<int:booking_id>/cancel", methods=["GET", "POST"])
def cancel(booking_id):
    booking = bookings.get(booking_id, current_user)
    g.page_now = lambda: _booking_page(booking_id)
    form = forms.CancelBookingForm()
    return _ask_reason(
        lambda reason: bookings.cancel(booking, current_user, reason, form.cause.data),
        form=form,
        back=url_for("admin.booking", booking_id=booking_id),
        title=_("Cancel %(reference)s", reference=booking.reference),
        consequence=_("Both sides read the reason. The customer pays nothing and the time is free again."),
        yes=_("Cancel the booking"),
        done=_("%(reference)s is cancelled.", reference=booking.reference),
        active="admin.bookings",
    )


@bp.route("/admin/bookings/<int:booking_id>/override-code", methods=["GET", "POST"])
def override_code(booking_id):
    booking = bookings.get(booking_id, current_user)
    g.page_now = lambda: _booking_page(booking_id)
    return _ask_reason(
        lambda reason: bookings.override_code(booking, by=current_user, reason=reason),
        back=url_for("admin.booking", booking_id=booking_id),
        title=_("Start %(reference)s without the code", reference=booking.reference),
        consequence=_("Make sure that both are there: the work counts as begun, and both are told."),
        yes=_("Start the work"),
        done=_("%(reference)s is in progress.", reference=booking.reference),
        active="admin.bookings",
    )


@bp.route("/admin/bookings/<int:booking_id>/reassign", methods=["GET", "POST"])
def reassign(booking_id):
    booking = bookings.get(booking_id, current_user)
    if booking.status is not Status.ACCEPTED and request.method == "GET":
        return redirect(url_for("admin.booking", booking_id=booking_id))
    g.page_now = lambda: _booking_page(booking_id)
    form = forms.ReassignForm()
    free = bookings.replacements(booking)[: lookups.MOST_FOUND]
    named = lookups.professionals_of([one.professional_id for one in free])
    form.professional_id.choices = forms.one_of((number, one.user.name) for number, one in named.items())
    # Whether the chosen one is free is for the domain to say: the list may be older than that.
    form.professional_id.validate_choice = False
    if form.validate_on_submit():
        with forms.refusals(form):
            bookings.reassign(booking, current_user, form.professional_id.data, form.reason.data or "")
            db.session.commit()
            flash(_("%(reference)s is reassigned.", reference=booking.reference), "success")
            return redirect(url_for("admin.booking", booking_id=booking_id))
    page = render_template("admin/reassign.html", form=form, booking=booking, free=free, people=named)
    return page, 422 if form.is_submitted() else 200


def _booking_page(booking_id):
    booking = lookups.booking(booking_id, by=current_user)
    entries = audit.of("booking", booking_id)
    return render_template(
        "admin/booking.html",
        booking=booking,
        offers=lookups.offers_of(booking),
        entries=entries,
        names=audit.names_in(entries),
        actions=bookings.available_actions(booking, current_user),
    )


def _wanted(form):
    return lookups.Wanted(
        status=Status(form.status.data) if form.status.data else None,
        first=form.first.data,
        last=form.last.data,
        place=form.place.data or "",
        professional=form.professional.data or "",
        service_id=form.service.data,
        customer_id=form.customer.data,
        reference=form.reference.data or "",
        late=form.late.data,
        locked=form.locked.data,
    )


# -- Reviews ----------------------------------------------------------------------------------


@bp.get("/admin/reviews", endpoint="reviews")
def reviews_list():
    form = forms.ReviewsForm(request.args)
    page = None
    if form.validate():
        hidden = {"yes": False, "no": True}.get(form.shown.data)
        stars = int(form.stars.data) if form.stars.data else None
        page = lookups.review_page(hidden, stars, form.review.data, request.args.get("after"))
    return render_template("admin/reviews.html", form=form, page=page), 422 if form.errors else 200


@bp.route("/admin/reviews/<int:review_id>/hide", methods=["GET", "POST"])
def hide_review(review_id):
    review = lookups.review(review_id)
    return _ask_reason(
        lambda reason: reviews.hide(review, by=current_user, reason=reason),
        back=url_for("admin.reviews", review=review_id),
        title=_("Hide the review of %(name)s", name=review.professional.user.name),
        consequence=_("Nobody sees it any more and its stars count in no average. You can show it again."),
        yes=_("Hide the review"),
        done=_("The review is hidden."),
        quoted=review.comment,
        active="admin.reviews",
    )


@bp.post("/admin/reviews/<int:review_id>/show")
def show_review(review_id):
    review = lookups.review(review_id)
    reviews.show(review, by=current_user)
    db.session.commit()
    flash(_("The review is visible again and counts."), "success")
    return redirect(url_for("admin.reviews", review=review_id))


def _ask_reason(act, *, back, done, after=None, form=None, **words):
    """The page on which an admin says why, and the act when they have."""
    form = form or forms.ReasonForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            act(form.reason.data or "")
            db.session.commit()
            flash(done, "success")
            return redirect(after or back)
    return render_template("admin/reason.html", form=form, back=back, **words), 422 if form.is_submitted() else 200
