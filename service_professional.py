"""What a professional opens: the day, requests, jobs, calendar, earnings, reviews and working hours."""

from datetime import timedelta

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from sqlalchemy import select

from desk import open_to_professionals
from domain import (
    blocked_pairs,
    bookings,
    clock,
    deadlines,
    disputes,
    earnings,
    lookups,
    outlook,
    payments,
    payouts,
    presence,
    professionals,
    proposals,
    reviews,
    schedules,
    scorecards,
    tracking,
)
from domain.errors import NotFound
from domain.paging import keyset
from domain.transitions import LABELS
from extensions import db
from forms import (
    AcceptForm,
    CancelJobForm,
    DeclineForm,
    EarningsForm,
    HoursForm,
    PaymentForm,
    ReplyForm,
    StartForm,
    TimeOffForm,
    refusals,
)
from models import Booking, Review, Status

bp = Blueprint("professional", __name__)
open_to_professionals(bp)

REQUESTS_ON_DASHBOARD = 5
UPCOMING_ON_DASHBOARD = 5
CALENDAR_DAYS = 14
MOST_OTHER_TIMES = 20


# -- The day ----------------------------------------------------------------------------------


@bp.get("/professional-dashboard")
def dashboard():
    if not g.professional.approved:
        missing = professionals.missing(g.professional)
        return render_template("service_professional/waiting.html", missing=missing)
    tomorrow = clock.start_of(clock.today() + timedelta(1))
    today = clock.start_of(clock.today())
    jobs = schedules.jobs(current_user.id, today)
    requests = _requests(size=REQUESTS_ON_DASHBOARD)
    return render_template(
        "service_professional/dashboard.html",
        greeting=_greeting(current_user.name),
        requests=requests,
        other_times=proposals.open_of([*requests.items, *jobs]),
        jobs=jobs,
        late=[job for job in jobs if job.starts_at < today],
        today=[job for job in jobs if today <= job.starts_at < tomorrow],
        left=sum(job.status in schedules.OPEN for job in jobs if today <= job.starts_at < tomorrow),
        upcoming=[job for job in jobs if job.starts_at >= tomorrow][:UPCOMING_ON_DASHBOARD],
        earned=earnings.summary(current_user.id),
        card=scorecards.of(g.professional),
    )


@bp.get("/professional/requests")
def requests():
    page = _requests(request.args.get("after"))
    jobs = [] if request.args.get("after") else _jobs_to_move()
    other_times = proposals.open_of([*page.items, *jobs])
    return render_template("service_professional/requests.html", page=page, jobs=jobs, other_times=other_times)


@bp.get("/professional/calendar")
def calendar():
    days = schedules.calendar(g.professional, clock.today(), CALENDAR_DAYS)
    busy = {one.day: one for one in outlook.busy_days(g.professional) if one.level == "busy"}
    return render_template("service_professional/calendar.html", days=days, busy=busy)


@bp.get("/professional/history")
def history():
    status = _status(request.args.get("status"))
    page = keyset(
        schedules.history(current_user.id, status),
        [(Booking.starts_at, "desc"), (Booking.id, "desc")],
        request.args.get("after"),
    )
    return render_template(
        "service_professional/history.html", page=page, status=status, statuses=schedules.OVER, labels=LABELS
    )


# -- One job ----------------------------------------------------------------------------------


@bp.get("/professional/jobs/<int:booking_id>")
def job(booking_id):
    return _job_page(booking_id)


@bp.post("/professional/jobs/<int:booking_id>/accept")
def accept(booking_id):
    booking = _job(booking_id)
    form = AcceptForm()
    if not form.validate_on_submit():
        return _job_page(booking_id), 422
    bookings.accept(booking, by=current_user, seen=form.seen.data, commission=form.commission.data)
    db.session.commit()
    flash(_("The job is yours. The address and the customer's phone number are below."), "success")
    return _to_job(booking_id)


@bp.post("/professional/jobs/<int:booking_id>/reject")
def reject(booking_id):
    booking = _job(booking_id)
    form = DeclineForm()
    if form.validate_on_submit():
        with refusals(form):
            bookings.reject(booking, by=current_user, reason=form.reason.data)
            db.session.commit()
            flash(_("You declined the request."), "success")
            return redirect(url_for("professional.dashboard"))
    return _job_page(booking_id, decline=form), 422


@bp.post("/professional/jobs/<int:booking_id>/cancel")
def cancel(booking_id):
    booking = _job(booking_id)
    form = CancelJobForm()
    if form.validate_on_submit():
        with refusals(form):
            bookings.cancel(booking, current_user, form.reason.data or "", form.cause.data)
            db.session.commit()
            flash(_("You cancelled the job. The customer pays nothing and has been told."), "success")
            return _to_job(booking_id)
    return _job_page(booking_id, cancel=form), 422


@bp.post("/professional/jobs/<int:booking_id>/depart")
def depart(booking_id):
    bookings.depart(_job(booking_id), by=current_user)
    db.session.commit()
    flash(_("The customer knows that you are on the way."), "success")
    return _to_job(booking_id)


@bp.post("/professional/jobs/<int:booking_id>/start")
def start(booking_id):
    booking = _job(booking_id)
    form = StartForm()
    if form.validate_on_submit():
        with refusals(form):
            bookings.start(booking, by=current_user, code=form.code.data)
            db.session.commit()
            flash(_("The code is right. You can begin."), "success")
            return _to_job(booking_id)
    return _job_page(booking_id, start=form), 422


@bp.post("/professional/jobs/<int:booking_id>/complete")
def complete(booking_id):
    bookings.complete(_job(booking_id), by=current_user)
    db.session.commit()
    flash(_("Well done. Note the payment as soon as you have it."), "success")
    return _to_job(booking_id)


@bp.post("/professional/jobs/<int:booking_id>/payment")
def payment(booking_id):
    booking = _job(booking_id)
    form = PaymentForm()
    if form.validate_on_submit():
        with refusals(form):
            bookings.record_payment(booking, current_user, form.method.data, form.amount.data)
            db.session.commit()
            flash(_("The payment is noted. The customer sees it too."), "success")
            return _to_job(booking_id)
    return _job_page(booking_id, payment=form), 422


# -- Earnings and reviews ---------------------------------------------------------------------


@bp.get("/professional/earnings", endpoint="earnings")
def show_earnings():
    form = EarningsForm(request.args)
    good = form.validate()
    first, last = form.days if good else (clock.today().replace(day=1), clock.today())
    services = earnings.by_service(current_user.id, first, last)
    page = keyset(
        earnings.jobs(current_user.id, first, last),
        [(Booking.starts_at, "desc"), (Booking.id, "desc")],
        request.args.get("after"),
    )
    answer = render_template(
        "service_professional/earnings.html",
        form=form,
        first=first,
        last=last,
        page=page,
        services=services,
        total=sum(services.values(), earnings.Total()),
        standing=payouts.standing(current_user.id),
        summary=earnings.summary(current_user.id),
    )
    return answer, 200 if good else 422


@bp.get("/professional/reviews", endpoint="reviews")
def show_reviews():
    return _reviews_page()


@bp.post("/professional/reviews/<int:review_id>/reply")
def reply(review_id):
    review = db.session.scalar(
        select(Review).where(
            Review.id == review_id, Review.professional_id == current_user.id, Review.hidden_at.is_(None)
        )
    )
    if review is None:
        raise NotFound(_("There is no such review, or it is not about you."))
    g.page_now = _reviews_page
    form = ReplyForm()
    if form.validate_on_submit():
        with refusals(form):
            reviews.reply(review, by=current_user, text=form.reply.data)
            db.session.commit()
            flash(_("Your reply is public now."), "success")
            return redirect(url_for("professional.reviews"))
    return _reviews_page(review_id, form), 422


# -- Working hours ----------------------------------------------------------------------------


@bp.get("/professional/hours")
def hours():
    return _hours_page()


@bp.post("/professional/hours")
def set_hours():
    form = HoursForm()
    if form.validate_on_submit():
        with refusals(form):
            touched = schedules.touched_by_hours(g.professional, form.hours)
            if not _known(touched):
                return _ask_about(touched, _("Change your working hours?"), _("Save the new hours"))
            schedules.set_hours(g.professional, by=current_user, hours=form.hours)
            db.session.commit()
            return _saved(_("Your working hours are saved."), touched)
    return _hours_page(hours_form=form), 422


@bp.post("/professional/time-off")
def add_time_off():
    form = TimeOffForm()
    if form.validate_on_submit():
        with refusals(form):
            away = form.starts_at, form.ends_at
            touched = schedules.touched_by_time_off(g.professional, *away)
            if not _known(touched):
                return _ask_about(touched, _("Take this time off?"), _("Take the time off"))
            schedules.add_time_off(g.professional, current_user, *away, note=form.note.data or "")
            db.session.commit()
            return _saved(_("Your time off is saved."), touched)
    return _hours_page(time_off_form=form), 422


@bp.post("/professional/time-off/<int:time_off_id>/remove")
def remove_time_off(time_off_id):
    schedules.remove_time_off(g.professional, by=current_user, time_off_id=time_off_id)
    db.session.commit()
    return _saved(_("You can be booked at that time again."))


@bp.post("/professional/pause")
def pause():
    paused = request.form.get("paused") == "1"
    touched = schedules.upcoming(current_user.id) if paused else []
    if not _known(touched):
        return _ask_about(touched, _("Pause new requests?"), _("Pause"))
    professionals.set_pause(g.professional, by=current_user, paused=paused)
    db.session.commit()
    if paused:
        return _saved(_("You are paused: nobody can book you until you switch it off."), touched)
    return _saved(_("You are accepting jobs again."))


# -- Pages that several answers show ----------------------------------------------------------


def _job(booking_id):
    """The booking that a verb is about; a refusal shows its page as it is then."""
    g.page_now = lambda: _job_page(booking_id)
    return bookings.get(booking_id, current_user)


def _to_job(booking_id):
    return redirect(url_for("professional.job", booking_id=booking_id))


def _job_page(booking_id, **submitted):
    booking = lookups.booking(booking_id, by=current_user)
    blank = {"decline": DeclineForm, "cancel": CancelJobForm, "start": StartForm, "payment": PaymentForm}
    mine = booking.professional_id == current_user.id
    may_share = mine and booking.status in tracking.TO_COME
    if may_share:
        g.needs = {"position"}
    return render_template(
        "service_professional/job.html",
        booking=booking,
        mine=mine,
        story=schedules.story(booking),
        last_of_mine=next((one.verb for one in reversed(booking.events) if one.actor_id == current_user.id), None),
        blocked=mine and blocked_pairs.is_blocked(booking, current_user),
        agreed=mine and booking.status in schedules.AGREED,
        actions=bookings.available_actions(booking, current_user),
        deadlines=deadlines,
        may_share=may_share,
        sharing_since=tracking.sharing_since(booking, current_user),
        last_active=presence.last_active(booking.customer),
        openings=deadlines.openings(booking),
        rework_id=disputes.rework_of(booking),
        may_verify=payments.may_verify,
        forms={name: submitted.get(name) or form(formdata=None, amount=booking.due) for name, form in blank.items()},
    )


def _requests(after=None, size=20):
    return keyset(
        schedules.waiting(current_user).options(*schedules.DETAILS),
        [(Booking.respond_by, "asc"), (Booking.id, "asc")],
        after,
        size,
    )


def _reviews_page(review_id=None, form=None):
    return render_template(
        "service_professional/reviews.html",
        page=reviews.of_professional(current_user.id, request.args.get("after")),
        answered=review_id,
        form=form or ReplyForm(formdata=None),
    )


def _jobs_to_move():
    """The agreed jobs for which the customer would like another time."""
    asked = proposals.to_answer(current_user).where(Booking.status == Status.ACCEPTED)
    return db.session.scalars(
        asked.options(*schedules.DETAILS).order_by(Booking.starts_at, Booking.id).limit(MOST_OTHER_TIMES)
    ).all()


def _hours_page(hours_form=None, time_off_form=None):
    ranges = {schedules.WEEKDAYS[weekday]: day for weekday, day in schedules.hours_of(g.professional).items()}
    time_off = schedules.time_off_of(current_user.id)
    ahead = schedules.upcoming(current_user.id)
    return render_template(
        "service_professional/hours.html",
        hours_form=hours_form or HoursForm(formdata=None, data=ranges),
        time_off_form=time_off_form or TimeOffForm(formdata=None),
        time_off=schedules.own(time_off),
        ahead=ahead,
        outside=schedules.outside(g.professional, ahead, time_off),
    )


def _known(touched):
    """Whether the professional was shown every booking that a change touches."""
    shown = request.form.get("known", "").split(",")
    return all(str(booking.id) in shown for booking in touched)


def _ask_about(touched, question, yes):
    sent = [pair for pair in request.form.items(multi=True) if pair[0] not in ("known", "csrf_token")]
    return render_template(
        "service_professional/changes.html", touched=touched, question=question, yes=yes, sent=sent
    )


def _saved(message, touched=()):
    if touched:
        message += " " + ngettext(
            "%(num)s booking stands as it was made.", "%(num)s bookings stand as they were made.", len(touched)
        )
    flash(message, "success")
    return redirect(url_for("professional.hours"))


# -- Small print ------------------------------------------------------------------------------


def _greeting(name):
    hour = clock.local(clock.now()).hour
    first = name.split()[0]
    if hour < 12:
        return _("Good morning, %(name)s", name=first)
    if hour < 17:
        return _("Good afternoon, %(name)s", name=first)
    return _("Good evening, %(name)s", name=first)


def _status(text):
    return next((status for status in schedules.OVER if status.value == text), None)
