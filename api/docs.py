"""What the API says of itself: an OpenAPI 3.1 document made from the code, and the same as a page."""

import hashlib

from apispec import APISpec
from flask import Blueprint, Flask, Response, current_app, render_template, request

from api import calls, examples, reference

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
    spec = described.spec.to_dict()
    spec["servers"] = [{"url": app.config["SETTINGS"].site_url}]
    _name_tags(spec)
    _add_examples(spec)
    content = app.json.dumps(spec).encode()
    app.extensions["openapi"] = spec
    app.extensions["openapi_file"] = content, hashlib.sha256(content).hexdigest()[:32]
    app.extensions["api_reference"] = reference.read(spec)
    app.register_blueprint(bp)


@bp.get("/openapi.json")
def openapi():
    content, tag = current_app.extensions["openapi_file"]
    response = Response(content, content_type="application/json")
    response.set_etag(tag)
    return response.make_conditional(request)


@bp.get("/docs")
def page():
    shown = current_app.extensions["api_reference"]
    return render_template("public/api.html", groups=shown.groups, refusals=calls.REFUSALS, problem=shown.problem)


def _name_tags(spec):
    """In words: Service requests, and not api_service_requests."""
    for operation in _operations(spec):
        operation["tags"] = [_words(tag) for tag in operation["tags"]]
    for tag in spec["tags"]:
        tag["name"] = _words(tag["name"])


def _words(tag):
    return tag.removeprefix("api_").replace("_", " ").capitalize()


def _add_examples(spec):
    """To every body that is taken or given and has none of its own."""
    components = spec["components"]["schemas"]
    for operation in _operations(spec):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (one for body in bodies for one in body.get("content", {}).values()):
            if "$ref" in content["schema"] and "problem" not in content["schema"]["$ref"].lower():
                content.setdefault("example", examples.of(content["schema"], components))
    components["Problem"]["example"] = examples.of(components["Problem"], components)


def _operations(spec):
    return [one for path in spec["paths"].values() for name, one in path.items() if name != "parameters"]
