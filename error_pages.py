"""What people and programs are answered when a request is refused or fails: a page, a problem or a few words.

A refusal is shown on the page as it is now. When the server itself is in trouble, nothing more is asked of it.
"""

from flask import Flask, flash, g, make_response, render_template, request
from flask_babel import gettext as _
from flask_login import AnonymousUserMixin
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, SecurityError

import api
import logs
import outages
from api import problems
from domain import errors
from extensions import db, end_refused

UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def register(app: Flask) -> None:
    @app.errorhandler(errors.DomainError)
    def refuse(error):
        """Show the page as it is now with the refusal on it, or else a page that says it."""
        if request.method in UNSAFE_METHODS:
            end_refused(error)
        if api.is_called():
            return problems.of_refusal(error)
        status = problems.status_of(error)
        page_now = g.pop("page_now", None)
        if page_now is None or status == 404:
            return _error_page(status, error.message)
        flash(error.message, "danger")
        try:
            return page_now(), status
        except errors.DomainError:
            # Meanwhile the page is no longer theirs either.
            return _error_page(status, error.message)

    @app.errorhandler(CSRFError)
    def refuse_forgery(error):
        return _error_page(400, None)

    @app.errorhandler(SecurityError)
    def refuse_host(error):
        if api.is_called():
            return problems.of_http_error(error)
        # A page is full of addresses, which cannot be made under a name that is not the site's.
        return error

    @app.errorhandler(HTTPException)
    def http_error(error):
        if outages.is_one(fault := getattr(error, "original_exception", None)):
            return wait(fault)
        if error.code is None or error.code < 400:
            return error
        if api.is_called():
            return problems.of_http_error(error)
        response = error.get_response()
        page, status = _error_page(error.code, None)
        response.set_data(page)
        response.content_type = "text/html; charset=utf-8"
        return response, status

    @app.errorhandler(Exception)
    def unexpected(error):
        if outages.is_one(error):
            return wait(error)
        # An address may be a secret; its pattern never is.
        app.logger.exception("unhandled error on %s %s", request.method, request.url_rule)
        let_go()
        return problems.problem(500) if api.is_called() else _error_page(500, None)

    def wait(outage):
        """Nothing is kept by halves, and whoever asked comes back in a moment."""
        app.logger.error("%s %s cannot be answered now: %s", request.method, request.url_rule, outages.words(outage))
        let_go()
        response = make_response(_outage())
        response.headers["Retry-After"] = str(outages.SECONDS_TO_COME_BACK)
        response.headers["Cache-Control"] = "no-store"
        return response

    def let_go():
        """Keep nothing, and ask for nobody: neither their language nor whether they are logged in."""
        db.session.rollback()
        g._login_user = AnonymousUserMixin()


def _outage():
    if api.is_called():
        return problems.problem(503, _("This cannot be done just now. Try again in a few seconds."))
    if "HX-Request" in request.headers:
        # The script says it, and the page stays as it is.
        return "", 503
    if request.method in UNSAFE_METHODS:
        return _error_page(503, _("What you sent was most likely not kept. Look before you send it again."))
    return _error_page(503, None)


def _error_page(status: int, message: str | None):
    reference = logs.request_id.get() if status >= 500 else None
    return render_template("errors/error.html", status=status, message=message, reference=reference), status
