"""When a professional's services are likely wanted in the next days, in the city where they are based."""

from flask import Blueprint, g, render_template

from desk import open_to_professionals
from domain import outlook

bp = Blueprint("professional_forecast", __name__)
open_to_professionals(bp)


@bp.get("/professional/busy-hours", endpoint="busy")
def busy_hours():
    days = outlook.busy_days(g.professional)
    return render_template("service_professional/busy_hours.html", days=days, city=g.professional.base.district)
