"""Public pages, and register_routes()."""

from flask import Blueprint, Flask

bp = Blueprint("public", __name__)


def register_routes(app: Flask) -> None:
    import account
    import admin
    import customer
    import service_professional

    for blueprint in (bp, account.bp, admin.bp, customer.bp, service_professional.bp):
        app.register_blueprint(blueprint)
