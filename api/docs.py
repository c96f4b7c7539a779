"""What the API says of itself: an OpenAPI 3.1 document made from the code, and the same as a page."""

from apispec import APISpec
from flask import Blueprint, Flask, current_app, jsonify, render_template

PAGE = "/api/docs"

bp = Blueprint("api_docs", __name__, url_prefix="/api")

INTRODUCTION = """\
The verbs of the site as JSON, for apps and scripts. Send a token as `Authorization: Bearer`: the
access token of a log-in, which lasts 15 minutes, or a key that you made on the site. Amounts are
whole numbers in the currency's minor unit. Times are ISO 8601 with an offset. What is not named here
is refused. Errors are RFC 9457 problems; where a field is at fault, `errors` says which and why.
"""


def describe(spec: APISpec) -> None:
    """What all calls have in common."""
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    spec.components.security_scheme("token", {**bearer, "description": "An access token, or a key."})
    spec.components.security_scheme("refresh", {**bearer, "description": "A refresh token."})


def init_app(app: Flask, described) -> None:
    """Once every call is registered: they do not change while the site runs."""
    app.extensions["openapi"] = described.spec.to_dict()
    app.register_blueprint(bp)


@bp.get("/openapi.json")
def openapi():
    return jsonify(current_app.extensions["openapi"])


@bp.get("/docs")
def page():
    return render_template("public/api.html", api=current_app.extensions["openapi"])
