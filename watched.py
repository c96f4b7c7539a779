"""Every request but those for static files: its id, how long it took, and one line about it.

It stands around the application, so it sees the answers that no view made, too.
"""

import time

import logs
import metrics

# Asked by programs on this machine or beside it, by whatever name they know it.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
ID = "doorstep.request_id"


class Watched:
    """A WSGI application whose answers carry the id of their request, and are counted."""

    def __init__(self, app, host: str):
        self._app = app
        self._host = host

    def __call__(self, environ, start_response):
        began, status, route = time.perf_counter(), 500, None
        name = logs.name_request(environ.get("HTTP_X_REQUEST_ID"))
        token = logs.request_id.set(name)
        is_probe = environ["PATH_INFO"] in PROBES
        if is_probe:
            environ["HTTP_HOST"] = self._host

        def start(line, headers, *error):
            nonlocal status, route
            status, route = int(line[:3]), _route(environ)
            return start_response(line, [*headers, ("X-Request-ID", name)], *error)

        try:
            return self._app(environ, start)
        finally:
            if not is_probe:
                seen = environ["REQUEST_METHOD"], route, status, time.perf_counter() - began
                metrics.answered(*seen)
                logs.note_request(*seen)
            logs.request_id.reset(token)


def _route(environ):
    """The pattern of the address; the request is there until its answer has begun."""
    request = environ.get("werkzeug.request")
    return request.url_rule.rule if request is not None and request.url_rule is not None else None
