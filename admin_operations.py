"""The admin's view of what the site does by itself: the timetable and what leaves the site."""

from flask import Blueprint, render_template

from auth import restrict_to
from models import Role

bp = Blueprint("admin_operations", __name__)
restrict_to(bp, Role.ADMIN)


@bp.get("/admin/jobs", endpoint="jobs")
def timetable():
    return render_template("admin/jobs.html")
