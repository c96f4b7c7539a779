"""A professional's months: the list of them, one month's statement, and the same on paper."""

from datetime import date

from flask import Blueprint, g, render_template
from flask_login import current_user
from sqlalchemy import func

import monthly
from auth import restrict_to
from domain import activity, schedules
from extensions import db
from models import Role

bp = Blueprint("professional_reports", __name__)
restrict_to(bp, Role.PROFESSIONAL)


@bp.context_processor
def navigation():
    """How many requests wait, for the place of the requests in the navigation."""
    if "waiting" not in g:
        g.waiting = db.session.scalar(schedules.waiting(current_user).with_only_columns(func.count()))
    return {"nav_counts": {"professional.requests": g.waiting}}


@bp.get("/professional/statements")
def statements():
    months = activity.months_of_professional(current_user.id)
    return render_template("service_professional/statements.html", months=months)


@bp.get("/professional/statements/<month:month>")
def statement(month: date):
    months = activity.neighbours(month)
    return render_template("service_professional/statement.html", statement=_statement(month), **months)


@bp.get("/professional/statements/<month:month>/pdf", endpoint="paper")
def statement_on_paper(month: date):
    import papers  # 20 MB that most processes never need

    blocks = monthly.statement_blocks(_statement(month))
    return papers.download(monthly.statement_title(month), current_user.name, blocks, f"statement-{month:%Y-%m}.pdf")


def _statement(month):
    return activity.statement(current_user.id, activity.checked(month))
