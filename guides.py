"""The guides as everybody reads them: the list, one guide, its pictures, and the feed."""

import secrets
from email.utils import format_datetime

from flask import Blueprint, Response, redirect, render_template, request, send_file, url_for
from flask_login import current_user

from domain import articles, comments, guides, reactions
from extensions import settings
from forms_guides import CommentForm
from models_guides import GuideState

bp = Blueprint("guides", __name__)

IN_FEED = 20
LONGEST_QUESTION = 100


@bp.get("/guides", endpoint="guides")
def list_guides():
    asked = request.args.get("q", "")[:LONGEST_QUESTION].strip()
    return _list(guides.page(asked, after=request.args.get("after")), asked=asked)


@bp.get("/guides/tags/<tag>")
def tagged(tag):
    # Some other writing of a tag is the same tag.
    kept = articles.tag_of(tag)
    if kept and kept != tag:
        return redirect(url_for("guides.tagged", tag=kept))
    return _list(guides.page(tag=tag, after=request.args.get("after")), tag=tag)


@bp.get("/guides/feed.xml")
def feed():
    newest = guides.latest(IN_FEED)
    page = render_template("guides/feed.xml", guides=newest, stamp=lambda moment: format_datetime(moment, usegmt=True))
    answer = Response(page, content_type="application/rss+xml; charset=utf-8")
    answer.add_etag()
    answer.headers["Cache-Control"] = "public, max-age=600"
    return answer.make_conditional(request)


@bp.get("/guides/pictures/<file_id>")
def picture(file_id):
    guide, stored, content = guides.picture(file_id, reader())
    answer = send_file(content, stored.content_type, max_age=3600, etag=stored.id)
    if guide.state is not GuideState.PUBLISHED:
        answer.headers["Cache-Control"] = "private, no-store"
    return answer


@bp.get("/guides/<guide_slug>")
def guide(guide_slug):
    return guide_page(guides.published(guide_slug))


@bp.get("/guides/<guide_slug>/reactions")
def reaction_bar(guide_slug):
    """Only the numbers, for a script; anybody else is sent to the page they are part of."""
    if "HX-Request" not in request.headers:
        return redirect(url_for("guides.guide", guide_slug=guide_slug, _anchor="reactions"))
    return reactions_of(guides.published(guide_slug))


def reader():
    return current_user if current_user.is_authenticated else None


def reactions_of(guide):
    return render_template("guides/reactions.html", guide=guide, felt=reactions.of(guide, reader()))


def guide_page(guide, form=None):
    """A guide with what readers feel and say about it, as everybody reads it."""
    after = request.args.get("after")
    closed = settings.guide_comments == comments.OFF
    form = form or CommentForm(formdata=None)
    form.key.data = form.key.data or secrets.token_urlsafe(24)
    return render_template(
        "guides/guide.html",
        guide=guide,
        felt=reactions.of(guide, reader()),
        page=None if closed else comments.page(guide, reader(), after),
        moderated=settings.guide_comments == comments.MODERATED,
        form=form,
    )


def _list(page, asked="", tag=None):
    return render_template("guides/list.html", page=page, asked=asked, tag=tag, tags=guides.tags())
