"""What readers feel and say about a guide. Who is not logged in is led to the log-in, and back to the guide."""

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import to_login
from domain import comments, guides, reactions
from domain.comments import CommentState
from extensions import db, limiter
from forms import ReasonForm, refusals, status_of
from forms_guides import CommentForm, ReactionForm
from guides import guide_page, reactions_of

bp = Blueprint("guides_talk", __name__)


@bp.before_request
def gate():
    if not current_user.is_authenticated:
        return to_login(url_for("guides.guide", guide_slug=request.view_args["guide_slug"]))
    return None


def _of_the_person():
    return f"user {current_user.get_id()}"


@bp.post("/guides/<guide_slug>/reactions/<kind>")
@limiter.limit("120 per minute", key_func=_of_the_person)
def react(guide_slug, kind):
    """The numbers as they are now for a script; for anybody else the page."""
    guide = guides.published(guide_slug)
    form = ReactionForm()
    if not form.validate_on_submit():
        abort(400)
    act = reactions.put if form.on.data == "1" else reactions.take
    act(guide, current_user, kind)
    db.session.commit()
    if "HX-Request" in request.headers:
        return reactions_of(guide)
    return redirect(url_for("guides.guide", guide_slug=guide_slug, _anchor="reactions"), 303)


@bp.post("/guides/<guide_slug>/comments")
@limiter.limit("10 per minute", key_func=_of_the_person)
def comment(guide_slug):
    guide = guides.published(guide_slug)
    g.page_now = lambda: guide_page(guides.published(guide_slug))
    form = CommentForm()
    if form.validate_on_submit():
        with refusals(form):
            said = comments.write(guide, current_user, form.text.data or "", form.key.data)
            db.session.commit()
            waits = said.state is CommentState.WAITING
            told = _("Thank you. Others see your comment once we have read it.") if waits else _("Thank you.")
            flash(told, "success")
            return redirect(_comments(guide_slug), 303)
        guide = guides.published(guide_slug)
    return guide_page(guide, form), status_of(form)


@bp.post("/guides/<guide_slug>/comments/<int:comment_id>/remove")
def remove(guide_slug, comment_id):
    guide = guides.published(guide_slug)
    comments.remove(comments.get(guide, comment_id, current_user), current_user)
    db.session.commit()
    flash(_("Your comment is deleted."), "success")
    return redirect(_comments(guide_slug), 303)


@bp.route("/guides/<guide_slug>/comments/<int:comment_id>/report", methods=["GET", "POST"])
def report(guide_slug, comment_id):
    guide = guides.published(guide_slug)
    said = comments.get(guide, comment_id, current_user)
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            comments.report(said, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("Reported. We look at it."), "success")
            return redirect(_comments(guide_slug), 303)
    page = render_template("guides/report.html", guide=guide, comment=said, form=form)
    return page, status_of(form)


def _comments(guide_slug):
    return url_for("guides.guide", guide_slug=guide_slug, _anchor="comments")
