"""A customer's months: the list of them, one month, and the same on paper."""

from datetime import date

from flask import Blueprint, render_template
from flask_login import current_user

import monthly
from auth import restrict_to
from domain import activity, recommendations
from models import Role

bp = Blueprint("customer_reports", __name__)
restrict_to(bp, Role.CUSTOMER)


@bp.get("/reports")
def reports():
    return render_template("customer/reports.html", months=activity.months_of_customer(current_user.id))


@bp.get("/reports/<month:month>")
def report(month: date):
    months = activity.neighbours(month)
    return render_template("customer/report.html", report=_report(month), suggested=_suggested(month), **months)


@bp.get("/reports/<month:month>/pdf", endpoint="paper")
def report_on_paper(month: date):
    import papers  # 20 MB that most processes never need

    blocks = (*monthly.report_blocks(_report(month)), *monthly.suggestion_blocks(_suggested(month)))
    return papers.download(monthly.report_title(month), current_user.name, blocks, f"report-{month:%Y-%m}.pdf")


def _suggested(month):
    """For the months that people look at to see what is next: this one and the last."""
    if month < activity.shifted(activity.this_month(), -1):
        return recommendations.Suggestions()
    return recommendations.at_home(current_user.id, *monthly.SUGGESTED)


def _report(month):
    return activity.report(current_user.id, activity.checked(month))
