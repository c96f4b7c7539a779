"""The help assistant's page, which is also the panel on every other, and the help articles."""

from dataclasses import asdict, replace

from flask import Blueprint, current_app, render_template, request
from flask_babel import force_locale
from flask_limiter.util import get_remote_address
from flask_login import current_user
from itsdangerous import BadSignature, URLSafeTimedSerializer
from markupsafe import Markup

import help_pages
import phrasing
from domain import assistant, help_articles, open_questions
from domain.guided import Plan
from extensions import begins_late, db, limiter, out_of_turn, settings, written
from forms_assistant import QuestionForm

bp = Blueprint("assistant", __name__)

# A page that is open for longer begins its booking anew.
PLAN_SECONDS = 24 * 60 * 60
STEPS = ("service", "near", "day", "part")


def _of_whom():
    """Who asks: a person, or an address."""
    return f"user {current_user.get_id()}" if current_user.is_authenticated else f"address {get_remote_address()}"


@bp.get("/assistant", endpoint="page")
def show():
    return _page(QuestionForm(formdata=None))


@bp.post("/assistant")
@limiter.limit("30 per minute; 300 per hour", key_func=_of_whom)
@begins_late
def ask():
    form = QuestionForm()
    chosen = any(form[name].data for name in ("about", *STEPS))
    if not form.validate() and (not chosen or set(form.errors) - {"question"}):
        return _answered(form, None), 422
    answer = _answer(form)
    if answer.kind == "nothing":
        language = _language(answer)
        db.session.rollback()
        written(open_questions.note, form.question.data, language)
    return _answered(form, answer)


@bp.get("/help/<slug>")
def article(slug):
    found = help_articles.article(slug)
    topics = help_articles.by_topic()
    text = help_pages.html(help_pages.text(found))
    beside = next(several for _name, several in topics if found in several)
    return render_template(
        "public/help_article.html", article=found, text=text, beside=beside, language=help_pages.language()
    )


# -- Answers ----------------------------------------------------------------------------------


def _answer(form):
    by = current_user._get_current_object() if current_user.is_authenticated else None
    text, hindi = form.question.data or "", form.language.data == "hi"
    # What the log-in has read is from before the catalogue's version is looked at.
    db.session.rollback()
    if form.about.data and (answer := assistant.about(form.about.data, text, by, hindi)):
        return answer
    plan = _plan(form.plan.data)
    steps = {name: form[name].data for name in STEPS if form[name].data}
    if steps:
        return assistant.go_on(replace(plan or Plan(), **steps), by, hindi)
    return assistant.ask(text, by, plan)


def _language(answer):
    """A question in neither language's words is answered in that of the page."""
    return "hi" if answer.hindi else "en"


def _answered(form, answer):
    said, plan = Markup(), _signed(answer.step.plan) if answer and answer.step else ""
    if answer:
        with force_locale(f"{_language(answer)}_{settings.country}"):
            # A template made it.
            said = Markup(_said(form, answer, plan))  # noqa: S704
    turn = {"answer": answer, "said": said, "plan": plan, "spoken": answer and _language(answer)}
    if "HX-Request" in request.headers:
        return render_template("assistant/turn.html", form=form, **turn)
    return _page(form, **turn)


def _said(form, answer, plan):
    """What is answered, in its language: that of the context."""
    article, words = answer.article, None
    if article:
        words = help_pages.lead(article)
    elif answer.passage:
        words = answer.passage.text
    worded = _worded(form.question.data, words) if words and settings.llm_url and form.question.data else None
    return render_template(
        "assistant/answer.html",
        answer=answer,
        articles=help_articles.articles(),
        code=help_pages.language(),
        text=help_pages.html(words) if article else words,
        worded=worded,
        plan=plan,
        contact=help_pages.contact,
        asked=form.question.data or "",
    )


def _worded(question, passage):
    """A language model's words for a passage of the site. It learns no number and no mail address of the asker."""
    language = help_pages.language()
    # Nothing is held open while it thinks.
    db.session.rollback()
    with out_of_turn():
        return phrasing.worded(open_questions.masked(question), passage, language)


def _page(form, **turn):
    return render_template("assistant/page.html", form=form, **turn)


# -- Plans ------------------------------------------------------------------------------------


def _signed(plan):
    return _signer().dumps(asdict(plan))


def _plan(text):
    """The plan that a form carries; none if it was made up, or is too old."""
    try:
        return Plan(**_signer().loads(text, max_age=PLAN_SECONDS)) if text else None
    except (BadSignature, TypeError):
        return None


def _signer():
    return URLSafeTimedSerializer(current_app.secret_key, salt="assistant-plan")
