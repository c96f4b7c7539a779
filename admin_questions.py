"""The admin's page of what the assistant could not answer."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user

from auth import restrict_to
from domain import open_questions
from extensions import db
from models import Role

bp = Blueprint("admin_questions", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/questions", endpoint="questions")
def questions_list():
    answered = request.args.get("show") == "answered"
    page = open_questions.page(answered, request.args.get("after"))
    return render_template("admin/questions.html", page=page, answered=answered)


@bp.post("/admin/questions/<int:question_id>/answered")
def answer(question_id):
    open_questions.answer(question_id, current_user)
    db.session.commit()
    flash(_("Marked as answered. If somebody asks it again without an answer, it comes back."), "success")
    return redirect(url_for("admin_questions.questions"))


@bp.post("/admin/questions/<int:question_id>/open")
def reopen(question_id):
    open_questions.answer(question_id, current_user, answered=False)
    db.session.commit()
    flash(_("Open again."), "success")
    return redirect(url_for("admin_questions.questions", show="answered"))
