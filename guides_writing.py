"""The desk of those who write guides: admins, and professionals who are approved."""

from flask import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import articles, catalogue, files, guides, markdown
from extensions import begin_write, begins_late, db, limiter
from forms import one_of, refusals, status_of
from forms_guides import GuideForm, PreviewForm
from models import FileKind, Role
from models_guides import GuideState

bp = Blueprint("guides_writing", __name__)
restrict_to(bp, Role.ADMIN, Role.PROFESSIONAL)

PREVIEW, SEND = "preview", "send"


@bp.before_request
def only_writers():
    if guides.may_write(current_user):
        return None
    return redirect(url_for("professional.dashboard")) if request.method == "GET" else abort(403)


# -- Reading ----------------------------------------------------------------------------------


@bp.get("/my-guides")
def mine():
    return render_template("guides/mine.html", page=guides.mine(current_user, request.args.get("after")))


@bp.get("/my-guides/<int:guide_id>")
def show(guide_id):
    """A guide as it will be read, and what can be done with it."""
    return _show(guide_id)


# -- Writing ----------------------------------------------------------------------------------


@bp.route("/my-guides/new", methods=["GET", "POST"])
@begins_late
def new():
    form = _form()
    if form.validate_on_submit() and not _only_looks():
        with refusals(form):
            picture = _picture(form)
            begin_write()
            guide = guides.write(current_user, form.draft, picture)
            return _saved(guide)
    return _editor(form)


@bp.route("/my-guides/<int:guide_id>/edit", methods=["GET", "POST"])
@begins_late
def edit(guide_id):
    form = _form()
    guide = guides.get(guide_id, current_user)
    g.page_now = lambda: _show(guide_id)
    guides.check_editable(guide, current_user)
    if form.validate_on_submit() and not _only_looks():
        with refusals(form):
            picture = _picture(form)
            begin_write()
            guide = guides.get(guide_id, current_user)
            guides.edit(guide, current_user, form.draft, picture, form.seen.data)
            return _saved(guide)
        guide = guides.get(guide_id, current_user)
    return _editor(form.of(guide), guide)


@bp.post("/my-guides/preview")
@begins_late
@limiter.limit("120 per minute", key_func=lambda: f"user {current_user.get_id()}")
def preview():
    """What a script shows beside the text while it is written."""
    form = PreviewForm()
    if not form.validate_on_submit():
        abort(400)
    return render_template("guides/preview.html", words=_shown(form.text.data or ""))


@bp.post("/my-guides/<int:guide_id>/submit")
def submit(guide_id):
    guide = _mine(guide_id)
    guides.submit(guide, current_user)
    db.session.commit()
    _tell(guide)
    return redirect(url_for("guides_writing.show", guide_id=guide_id), 303)


@bp.post("/my-guides/<int:guide_id>/take-back")
def take_back(guide_id):
    guides.take_back(_mine(guide_id), current_user)
    db.session.commit()
    flash(_("It is a draft again, which only you and admins read."), "success")
    return redirect(url_for("guides_writing.show", guide_id=guide_id), 303)


@bp.post("/my-guides/<int:guide_id>/remove")
def remove(guide_id):
    guides.remove(_mine(guide_id), current_user)
    db.session.commit()
    flash(_("The guide is deleted."), "success")
    return redirect(url_for("guides_writing.mine"), 303)


# -- Small print ------------------------------------------------------------------------------


def _form():
    services = [one for category in catalogue.categories() for one in category.services]
    form = GuideForm()
    form.services.choices = one_of((one.id, one.name) for one in services)
    return form


def _only_looks():
    return request.form.get("act") == PREVIEW


def _picture(form):
    """A picture is painted anew before the transaction begins."""
    sent = form.picture.data
    return files.check(FileKind.PICTURE, sent.stream) if sent else None


def _saved(guide):
    sent_on = request.form.get("act") == SEND and guide.state is GuideState.DRAFT
    if sent_on:
        guides.submit(guide, current_user)
    db.session.commit()
    if sent_on:
        _tell(guide)
    else:
        flash(_("The guide is saved."), "success")
    return redirect(url_for("guides_writing.show", guide_id=guide.id), 303)


def _tell(guide):
    told = {
        GuideState.WAITING: _("Sent. We read it, and tell you when it is published or what is missing."),
        GuideState.SCHEDULED: _("The guide is scheduled."),
        GuideState.PUBLISHED: _("The guide is published."),
    }
    flash(told[guide.state], "success")


def _mine(guide_id):
    g.page_now = lambda: _show(guide_id)
    return guides.get(guide_id, current_user)


def _show(guide_id):
    return render_template("guides/manage.html", guide=guides.get(guide_id, current_user), GuideState=GuideState)


def _editor(form, guide=None):
    words = _shown(form.text.data or "") if _only_looks() else None
    page = render_template("guides/edit.html", form=form, guide=guide, rules=articles, words=words)
    return page, 200 if _only_looks() else status_of(form)


def _shown(text):
    return markdown.html(text[: articles.LONGEST_TEXT])
