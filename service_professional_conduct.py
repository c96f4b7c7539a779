"""The professional's pages of their scorecard: the four numbers, and an appeal."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user

from desk import open_to_professionals
from domain import appeals, measures, pauses, scorecards
from extensions import db, settings
from forms import refusals
from forms_lifecycle import AppealForm

bp = Blueprint("professional_conduct", __name__)
open_to_professionals(bp)


@bp.get("/professional/scorecard")
def scorecard():
    return _scorecard_page()


@bp.route("/professional/scorecard/appeal", methods=["GET", "POST"])
def appeal():
    g.page_now = _scorecard_page
    appeals.check(g.professional, by=current_user)
    form = AppealForm()
    if form.validate_on_submit():
        with refusals(form):
            appeals.begin(g.professional, current_user, form.words.data or "")
            db.session.commit()
            flash(_("Your appeal is with us. You read the answer here."), "success")
            return redirect(url_for("professional_conduct.scorecard"))
    page = render_template(
        "service_professional/appeal.html", form=form, measures=measures, rules=appeals, pauses_at=_pauses_at()
    )
    return page, 422 if form.is_submitted() else 200


def _scorecard_page():
    return render_template(
        "service_professional/scorecard.html",
        card=scorecards.card(g.professional),
        measures=measures,
        policy=settings.policy,
        pauses_at=_pauses_at(),
        appeals=appeals.of(g.professional.id),
    )


def _pauses_at():
    return pauses.pauses_at(g.professional)
