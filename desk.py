"""What every page of a professional stands on: who may open it, and how many requests wait."""

from flask import Blueprint, g, redirect, request, url_for
from flask_babel import gettext as _
from flask_login import current_user
from sqlalchemy import select

from auth import restrict_to
from domain import places, proposals, schedules
from domain.errors import NotAllowed
from extensions import db
from models import Professional, Role


def open_to_professionals(blueprint: Blueprint, approved: bool = True) -> None:
    """Open a blueprint to professionals, the approved alone or all of them, with what its pages show
    around their content."""
    restrict_to(blueprint, Role.PROFESSIONAL)
    blueprint.before_request(_load_professional)
    if approved:
        blueprint.before_request(_keep_to_the_approved)
    blueprint.context_processor(_navigation)


def _load_professional():
    """The professional, and how much waits for their answer."""
    g.professional, waiting = db.session.execute(
        select(Professional, proposals.waiting_number(current_user)).where(Professional.id == current_user.id)
    ).one()
    g.nav_counts = {"professional.requests": waiting}


def _keep_to_the_approved():
    """Who is not approved has one page only."""
    if g.professional.approved or request.endpoint == "professional.dashboard":
        return None
    if request.method == "GET":
        return redirect(url_for("professional.dashboard"))
    raise NotAllowed(_("You can do this once your profile is approved."))


def _navigation():
    return {
        "professional": g.get("professional"),
        "distance_to": _distance_to,
        "whole_days": schedules.whole_days,
    }


def _distance_to(booking):
    return places.distance_km(g.professional.lat, g.professional.lon, booking.pin.lat, booking.pin.lon)
