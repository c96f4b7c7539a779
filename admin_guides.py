"""The admin's pages of guides: which there are, what waits to be read, and what is said about them."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import comments, guides
from extensions import db
from forms import ReasonForm, refusals, status_of
from forms_guides import ApproveForm
from models import Role
from models_guides import GuideState

bp = Blueprint("admin_guides", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/guides", endpoint="guides")
def list_guides():
    asked = request.args.get("state", "")
    state = GuideState(asked) if asked in list(GuideState) else None
    page = guides.listed(state, request.args.get("after"))
    return render_template("admin/guides.html", page=page, state=state, states=GuideState)


@bp.post("/admin/guides/<int:guide_id>/approve")
def approve(guide_id):
    guide = _guide(guide_id)
    form = ApproveForm()
    form.validate_on_submit()
    guides.approve(guide, current_user, form.seen.data)
    db.session.commit()
    scheduled = guide.state is GuideState.SCHEDULED
    flash(_("Approved: it is published at its time.") if scheduled else _("The guide is published."), "success")
    return redirect(url_for("guides_writing.show", guide_id=guide_id), 303)


@bp.route("/admin/guides/<int:guide_id>/send-back", methods=["GET", "POST"])
def send_back(guide_id):
    guide = _guide(guide_id)
    return _return(
        guide,
        guides.send_back,
        title=_("Send “%(title)s” back", title=guide.title),
        consequence=_("It is a draft again, and its author reads your reason."),
        yes=_("Send it back"),
    )


@bp.route("/admin/guides/<int:guide_id>/unpublish", methods=["GET", "POST"])
def unpublish(guide_id):
    guide = _guide(guide_id)
    return _return(
        guide,
        guides.unpublish,
        title=_("Unpublish “%(title)s”", title=guide.title),
        consequence=_("Nobody else reads it any more. It is a draft again, and its author reads your reason."),
        yes=_("Unpublish it"),
    )


@bp.get("/admin/comments", endpoint="comments")
def list_comments():
    decided = request.args.get("show") == "decided"
    page = comments.to_decide(decided, request.args.get("after"))
    return render_template("admin/comments.html", page=page, decided=decided)


@bp.post("/admin/comments/<int:comment_id>/show")
def show_comment(comment_id):
    g.page_now = list_comments
    comments.show(comments.any_of(comment_id), current_user)
    db.session.commit()
    flash(_("The comment is shown."), "success")
    return redirect(url_for("admin_guides.comments"), 303)


@bp.route("/admin/comments/<int:comment_id>/hide", methods=["GET", "POST"])
def hide_comment(comment_id):
    comment = comments.any_of(comment_id)
    g.page_now = list_comments
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            comments.hide(comment, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("The comment is hidden."), "success")
            return redirect(url_for("admin_guides.comments"), 303)
    return _reason_page(
        form,
        title=_("Hide a comment on “%(title)s”", title=comment.guide.title),
        consequence=_("Nobody reads it below the guide any more."),
        yes=_("Hide the comment"),
        quoted=comment.text,
        back=url_for("admin_guides.comments"),
        active="admin_guides.comments",
    )


def _guide(guide_id):
    g.page_now = lambda: render_template(
        "guides/manage.html", guide=guides.get(guide_id, current_user), GuideState=GuideState
    )
    return guides.get(guide_id, current_user)


def _return(guide, verb, **words):
    form = ReasonForm()
    if form.validate_on_submit():
        with refusals(form):
            verb(guide, current_user, form.reason.data or "")
            db.session.commit()
            flash(_("It is a draft again, and its author was told."), "success")
            return redirect(url_for("admin_guides.guides"), 303)
    back = url_for("guides_writing.show", guide_id=guide.id)
    return _reason_page(form, back=back, active="admin_guides.guides", quoted=None, **words)


def _reason_page(form, **words):
    return render_template("admin/reason.html", form=form, **words), status_of(form)
