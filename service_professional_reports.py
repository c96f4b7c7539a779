"""A professional's months: the list of them, one month's statement, and the same on paper."""

from datetime import date

from flask import Blueprint, render_template
from flask_login import current_user

import monthly
from auth import restrict_to
from domain import activity
from models import Role

bp = Blueprint("professional_reports", __name__)
restrict_to(bp, Role.PROFESSIONAL)


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
