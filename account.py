"""What any signed-in person has: profile, addresses, security, messages, notifications and their files."""

import io
from functools import wraps
from itertools import groupby

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, send_file, session, url_for
from flask_babel import gettext as _
from flask_login import current_user
from flask_security import login_user

import forms
import letters
import templating
import visits
from auth import restrict_to
from domain import audit, channels, deadlines, evidence, feeds, files, notifications, professionals, users
from domain.errors import NotFound
from extensions import begin_write, begins_late, db, limiter
from models import FileKind, Role, User

bp = Blueprint("account", __name__)
restrict_to(bp, *Role)

SANDBOX = "default-src 'none'; sandbox"
BOOKING_PAGES = {
    Role.CUSTOMER: "customer.booking",
    Role.PROFESSIONAL: "professional.job",
    Role.ADMIN: "admin.booking",
}


def only(*roles: Role):
    """For a view that not every role has."""

    def decorated(view):
        @wraps(view)
        def kept(**arguments):
            if current_user.role not in roles:
                abort(403)
            return view(**arguments)

        return kept

    return decorated


# -- Profile --------------------------------------------------------------------------------


@bp.route("/profile", methods=["GET", "POST"])
@begins_late
def profile():
    """Uploads are looked into before the transaction begins."""
    professional = professionals.get(current_user.id) if current_user.is_professional else None
    form = _profile_form(professional)
    if form.validate_on_submit():
        with forms.refusals(form):
            uploads = {kind: _upload(form, kind) for kind in FileKind}
            begin_write()
            _save_profile(form, uploads)
            db.session.commit()
            flash(_("Your profile is saved."), "success")
            return redirect(url_for("account.profile"))
        professional = professionals.get(current_user.id) if current_user.is_professional else None
    return render_template("account/profile.html", form=form, professional=professional), forms.status_of(form)


@bp.route("/profile/services", methods=["GET", "POST"])
@only(Role.PROFESSIONAL)
def services():
    professional = professionals.get(current_user.id)
    categories = professionals.catalogue()
    offered = {offering.service_id: offering.own_price for offering in professional.offerings}
    form = forms.offerings_form([one for category in categories for one in category.services], offered)
    if form.validate_on_submit():
        with forms.refusals(form):
            professionals.set_offerings(professional, by=current_user, prices=form.prices())
            db.session.commit()
            flash(_("Your services are saved."), "success")
            return redirect(url_for("account.services"))
    return render_template("account/services.html", form=form, categories=categories), forms.status_of(form)


@bp.post("/profile/apply-again")
@only(Role.PROFESSIONAL)
def apply_again():
    professionals.apply_again(professionals.get(current_user.id), by=current_user)
    db.session.commit()
    flash(_("Your application is with us again."), "success")
    return redirect(url_for("professional.dashboard"))


@bp.get("/files/<file_id>")
def file(file_id):
    """Pictures are shown; a document only ever arrives as a download."""
    stored, content = files.open_file(file_id, current_user)
    if current_user.is_admin and stored.kind in files.DOCUMENTS:
        seen = audit.sight(current_user, "see_document", "user", stored.owner_id, kind=stored.kind.value)
        visits.note_later(seen)
    document = stored.content_type == files.PDF
    name = f"{stored.kind.value}.{'pdf' if document else 'jpg'}"
    answer = send_file(content, stored.content_type, as_attachment=document, download_name=name, etag=stored.id)
    return _kept_apart(answer)


@bp.get("/evidence/<int:booking_id>")
def evidence_bundle(booking_id):
    """A page that is never shown here: it is kept, printed, and shown to others without this site."""
    bundle = evidence.bundle(booking_id, by=current_user)
    if current_user.is_admin:
        visits.note_later(audit.sight(current_user, "see_evidence", "booking", booking_id))
    page = render_template(
        "downloads/evidence.html",
        bundle=bundle,
        booking=bundle.booking,
        deadlines=deadlines,
        moment=templating.full_moment,
    )
    name = f"{bundle.booking.reference}.html"
    return _kept_apart(send_file(io.BytesIO(page.encode()), "text/html", as_attachment=True, download_name=name))


def _kept_apart(answer):
    """A file that can do nothing, should a browser show it all the same."""
    answer.headers["Content-Security-Policy"] = SANDBOX
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _profile_form(professional):
    if professional is None:
        return forms.ProfileForm(obj=current_user)
    form = forms.ProfessionalProfileForm(obj=professional)
    if not form.is_submitted():
        form.name.data, form.phone.data = current_user.name, current_user.phone
        form.pincode.data = professional.base_pincode
    return form


def _upload(form, kind):
    sent = form[kind.value].data if kind.value in form else None
    return files.check(kind, sent.stream) if sent else None


def _save_profile(form, uploads):
    user = db.session.get(User, current_user.id)
    users.change_profile(
        user,
        by=user,
        name=form.name.data,
        phone=form.phone.data or "",
        photo=uploads[FileKind.PHOTO],
        drop_photo=form.drop_photo.data,
    )
    if user.is_professional:
        professionals.change_profile(
            professionals.get(user.id),
            by=user,
            resume=uploads[FileKind.RESUME],
            identity=uploads[FileKind.IDENTITY],
            upi_id=form.upi_id.data or "",
            **{name: form[name].data for name in PROFESSIONAL_FIELDS},
        )


PROFESSIONAL_FIELDS = (
    "bio",
    "experience_years",
    "hourly_rate",
    "pincode",
    "radius_km",
    "speed_kmh",
    "languages",
)


# -- Addresses ------------------------------------------------------------------------------


@bp.get("/account/addresses")
@only(Role.CUSTOMER)
def addresses():
    return render_template("account/addresses.html", addresses=users.addresses_of(current_user))


@bp.route("/account/addresses/new", methods=["GET", "POST"])
@only(Role.CUSTOMER)
def add_address():
    form = forms.AddressForm()
    if form.validate_on_submit():
        with forms.refusals(form):
            users.add_address(current_user, **_address(form))
            db.session.commit()
            flash(_("The address is saved."), "success")
            return redirect(url_for("account.addresses"))
    return render_template("account/address.html", form=form, address=None), forms.status_of(form)


@bp.route("/account/addresses/<int:address_id>", methods=["GET", "POST"])
@only(Role.CUSTOMER)
def edit_address(address_id):
    address = users.address(address_id, by=current_user)
    form = forms.AddressForm(obj=address)
    if form.validate_on_submit():
        with forms.refusals(form):
            users.edit_address(address, by=current_user, **_address(form))
            db.session.commit()
            flash(_("The address is saved."), "success")
            return redirect(url_for("account.addresses"))
    return render_template("account/address.html", form=form, address=address), forms.status_of(form)


@bp.post("/account/addresses/<int:address_id>/remove")
@only(Role.CUSTOMER)
def remove_address(address_id):
    users.remove_address(users.address(address_id, by=current_user), by=current_user)
    db.session.commit()
    flash(_("The address is removed."), "success")
    return redirect(url_for("account.addresses"))


def _address(form):
    return {"label": form.label.data or "", "line": form.line.data, "pincode": form.pincode.data}


# -- Security -------------------------------------------------------------------------------


@bp.get("/account/security")
def security():
    return render_template("account/security.html")


@bp.post("/account/security/sessions")
def end_sessions():
    """Log out everywhere else; this browser gets a cookie with the new session name."""
    user = current_user._get_current_object()
    users.end_sessions(user, by=user)
    db.session.commit()
    remembered = current_app.config["REMEMBER_COOKIE_NAME"] in request.cookies
    proved_at = session.get("fs_paa", 0)
    login_user(user, remember=remembered, authn_via=["session"])
    # Nobody gave a password, so what asks for one after a while still does.
    session["fs_paa"] = proved_at
    flash(_("Everywhere else you are logged out."), "success")
    return redirect(url_for("account.security"))


# -- Messages -------------------------------------------------------------------------------


@bp.route("/account/messages", methods=["GET", "POST"])
def messages():
    """By which channels one gets which messages."""
    user = current_user._get_current_object()
    topics = dict(channels.TOPICS[user.role])
    fixed = topics.pop(channels.FIXED)
    names = [(channel, channels.LABELS[channel]) for channel in channels.offered()]
    form = forms.messages_form(topics, names, channels.chosen(user), user.chat_url or "")
    if form.validate_on_submit():
        with forms.refusals(form):
            channels.choose(user, user, {topic: form[topic].data for topic in topics}, form.chat_url.data)
            db.session.commit()
            flash(_("Your choice is saved."), "success")
            return redirect(url_for("account.messages"))
    shown = {"topics": topics, "fixed": fixed, "channels": dict(names)}
    return render_template("account/messages.html", form=form, **shown), forms.status_of(form)


@bp.post("/account/messages/test")
@limiter.limit("10 per hour", key_func=lambda: f"user {current_user.get_id()}")
def test_message():
    user = current_user._get_current_object()
    ways = channels.send_test(user, user)
    db.session.commit()
    names = ", ".join(str(channels.LABELS[way]) for way in ways)
    flash(_("A test message is on its way by %(channels)s.", channels=names), "success")
    return redirect(url_for("account.messages"))


# -- Calendar -------------------------------------------------------------------------------


@bp.get("/account/calendar")
@only(Role.CUSTOMER, Role.PROFESSIONAL)
def calendar():
    token = feeds.token(current_user)
    address = letters.address("public.feed", {"token": token}) if token else None
    return render_template("account/calendar.html", address=address)


@bp.post("/account/calendar")
@only(Role.CUSTOMER, Role.PROFESSIONAL)
def renew_calendar():
    user = current_user._get_current_object()
    had_one = user.feed_salt is not None
    feeds.renew(user, by=user)
    db.session.commit()
    told = _("Your calendar has a new address. The old one no longer works.")
    flash(told if had_one else _("Your calendar has an address now."), "success")
    return redirect(url_for("account.calendar"))


@bp.post("/account/calendar/off")
@only(Role.CUSTOMER, Role.PROFESSIONAL)
def switch_off_calendar():
    user = current_user._get_current_object()
    feeds.switch_off(user, by=user)
    db.session.commit()
    flash(_("The address no longer works. Remove the calendar from your programs, too."), "success")
    return redirect(url_for("account.calendar"))


# -- Notifications --------------------------------------------------------------------------


# What is not about a booking, and where it is looked into.
PAGES = dict.fromkeys(("slot_held", "hold_lapsed"), "customer_waits.waits")
PAGES |= dict.fromkeys(("export_ready", "export_failed"), "admin_exports.exports")
PAGES |= dict.fromkeys(("approved", "not_approved"), "professional.dashboard")
PAGES |= dict.fromkeys(letters.OF_CONDUCT, "professional_conduct.scorecard")
PAGES |= dict.fromkeys(letters.OF_PRIVACY, "account_privacy.overview")
PAGES |= dict.fromkeys(letters.OF_GUIDES, "guides_writing.mine")
# A job that was taken away is not theirs to look into any more.
GONE = "taken_away"
MESSAGE = "message"


@bp.get("/notifications", endpoint="notifications")
def notifications_list():
    """Consecutive ones about one booking stand together."""
    page = notifications.page_for(current_user, request.args.get("after"))
    groups = [list(group) for _about, group in groupby(page.items, key=_about)]
    return render_template("account/notifications.html", page=page, groups=groups, place_of=_place_of)


@bp.get("/notifications/bell")
def bell():
    """The number on the bell; with `after`, also what is unread and newer than that notification."""
    seen = request.args.get("after", type=int)
    toasts, count = notifications.unread_since(current_user, seen) if seen is not None else ([], 0)
    return render_template("components/bell.html", toasts=toasts, count=count, place_of=_place_of)


@bp.post("/notifications/<int:notification_id>/read")
def read_notification(notification_id):
    """Go to the booking, or the page, that it is about; with that it is read."""
    notification = notifications.get(notification_id, current_user)
    if notification is None:
        raise NotFound(_("There is no such notification."))
    notifications.read(notification)
    db.session.commit()
    return redirect(_place_of(notification) or url_for("account.notifications"))


@bp.post("/notifications/read")
def read_all_notifications():
    notifications.read_all(current_user)
    db.session.commit()
    return redirect(url_for("account.notifications", after=request.form.get("after")))


def _about(notification):
    """What those have in common that stand together."""
    return notification.booking_id if notification.kind != GONE and notification.booking_id else -notification.id


def _place_of(notification):
    """The address of what it is about, if there is something to look into."""
    if notification.kind == MESSAGE:
        return url_for("conversations.show", booking_id=notification.booking_id, _anchor="write")
    if notification.booking_id and notification.kind != GONE:
        return url_for(BOOKING_PAGES[current_user.role], booking_id=notification.booking_id)
    endpoint = PAGES.get(notification.kind)
    return endpoint and url_for(endpoint)
