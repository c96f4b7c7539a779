"""The admin's pages of professionals' conduct: appeals and their answers, scorecards, sick days, ending a pause."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from auth import restrict_to
from domain import appeals, measures, pauses, professionals, scorecards, sick_days
from extensions import db, settings
from forms import ReasonForm, refusals
from forms_lifecycle import AnswerAppealForm, SickDayForm, SickDaysForm
from models import Role

bp = Blueprint("admin_conduct", __name__)
restrict_to(bp, Role.ADMIN)

PROFESSIONAL = "/admin/professionals/<int:professional_id>"


# -- Appeals ----------------------------------------------------------------------------------


@bp.get("/admin/appeals", endpoint="appeals")
def appeals_list():
    answered = request.args.get("show") == "answered"
    page = appeals.page(answered, request.args.get("after"))
    return render_template("admin/appeals.html", page=page, answered=answered, measures=measures)


@bp.get("/admin/appeals/<int:appeal_id>")
def appeal(appeal_id):
    return _appeal_page(appeals.get(appeal_id))


@bp.post("/admin/appeals/<int:appeal_id>/grant")
def grant(appeal_id):
    done = _("Granted: nothing stands against them, and what was before counts no more.")
    return _answer(appeals.get(appeal_id), appeals.grant, done)


@bp.post("/admin/appeals/<int:appeal_id>/refuse")
def refuse(appeal_id):
    return _answer(appeals.get(appeal_id), appeals.refuse, _("Not granted: they read your answer."))


def _answer(appeal, verb, done):
    g.page_now = lambda: _appeal_page(appeals.get(appeal.id))
    appeals.check_unanswered(appeal)
    form = AnswerAppealForm()
    if form.validate_on_submit():
        with refusals(form):
            verb(appeal, current_user, form.answer.data or "")
            db.session.commit()
            flash(done, "success")
            return redirect(url_for("admin_conduct.appeals"))
    return _appeal_page(appeal, form), 422


def _appeal_page(appeal, form=None):
    return render_template(
        "admin/appeal.html",
        appeal=appeal,
        professional=appeal.professional,
        form=form or AnswerAppealForm(formdata=None),
        rules=appeals,
        **_card_of(appeal.professional),
    )


# -- One professional -------------------------------------------------------------------------


@bp.get(f"{PROFESSIONAL}/scorecard")
def scorecard(professional_id):
    return _scorecard_page(professionals.get(professional_id))


@bp.post(f"{PROFESSIONAL}/sick-days")
def mark_sick(professional_id):
    professional = professionals.get(professional_id)
    form = SickDaysForm()
    if form.validate_on_submit():
        with refusals(form):
            marked = sick_days.mark(professional, current_user, form.first.data, form.last.data)
            db.session.commit()
            flash(ngettext("%(num)s day is left out.", "%(num)s days are left out.", marked), "success")
            return _to_scorecard(professional_id)
    return _scorecard_page(professional, form), 422


@bp.post(f"{PROFESSIONAL}/sick-days/remove")
def unmark_sick(professional_id):
    professional = professionals.get(professional_id)
    form = SickDayForm()
    if not form.validate_on_submit():
        return _scorecard_page(professional), 422
    sick_days.unmark(professional, current_user, form.day.data)
    db.session.commit()
    flash(_("The day counts again."), "success")
    return _to_scorecard(professional_id)


@bp.route(f"{PROFESSIONAL}/end-pause", methods=["GET", "POST"])
def end_pause(professional_id):
    professional = professionals.get(professional_id)
    name = professional.user.name
    g.page_now = lambda: _scorecard_page(professional)
    appeals.check_paused(professional)
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            appeals.end_pause(professional, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("%(name)s can get new requests again.", name=name), "success")
            return _to_scorecard(professional_id)
    page = render_template(
        "admin/reason.html",
        form=form,
        back=url_for("admin_conduct.scorecard", professional_id=professional_id),
        title=_("End the pause of %(name)s", name=name),
        consequence=_("What was before counts no more, and an appeal that waits is granted. They read the reason."),
        yes=_("End the pause"),
        active="admin.people",
    )
    return page, 422 if form.is_submitted() else 200


def _scorecard_page(professional, form=None):
    return render_template(
        "admin/scorecard.html",
        professional=professional,
        form=form or SickDaysForm(formdata=None),
        appeals=appeals.of(professional.id),
        **_card_of(professional),
    )


# -- Small print ------------------------------------------------------------------------------


def _card_of(professional):
    return {
        "card": scorecards.card(professional),
        "measures": measures,
        "policy": settings.policy,
        "pauses_at": pauses.pauses_at(professional),
    }


def _to_scorecard(professional_id):
    return redirect(url_for("admin_conduct.scorecard", professional_id=professional_id))
