"""A professional's months: the list of them, one month's statement, and the same on paper."""

from datetime import date

from flask import Blueprint, redirect, render_template, request, url_for
from flask_login import current_user

import monthly
from desk import open_to_professionals
from domain import activity, earnings, payouts
from forms import EarningsForm

bp = Blueprint("professional_reports", __name__)
open_to_professionals(bp, approved=False)


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


@bp.get("/professional/earnings/pdf")
def earnings_on_paper():
    """Any days on paper; the page of the earnings says what is wrong with them."""
    import papers

    form = EarningsForm(request.args)
    if not form.validate():
        return redirect(url_for("professional.earnings", **{name: request.args.get(name) for name in ("from", "to")}))
    first, last = form.days
    services = earnings.by_service(current_user.id, first, last)
    paid = payouts.paid_between(current_user.id, first, last)
    blocks = monthly.range_blocks(services, paid, payouts.standing(current_user.id))
    title = monthly.range_title(first, last)
    return papers.download(title, current_user.name, blocks, f"earnings-{first}-{last}.pdf")


def _statement(month):
    return activity.statement(current_user.id, activity.checked(month))
