"""`make scan`: every role in turn, then the API; ends with 1 when something is found that nobody has explained."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import requests

import config
from scans import scanners, site
from scans.explained import reason
from scans.scanners import Finding

# What the scanners and the server wrote stays there until the next scan.
FOLDER = config.ROOT / "test-results" / "scan"


def main() -> int:
    began, unexplained = time.monotonic(), []
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    site.prepare(FOLDER / "prepared")
    for role in site.ROLES:
        unexplained += _scanned(pages, role)
    for role in site.ROLES[1:]:
        unexplained += _scanned(calls, role)
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes; {len(unexplained)} findings without an explanation")
    return 1 if unexplained else 0


def _scanned(scan, role):
    own = FOLDER / f"{scan.__name__}-{role}"
    own.mkdir()
    print(f"\n== {scan.__name__} as {role}", flush=True)
    with site.served(FOLDER / "prepared", own) as running:
        found = sorted({*scan(own, role), *(Finding("server", "fault", *one) for one in running.faults)})
    print(f"requests: {running.statuses.total()}, by status {dict(sorted(running.statuses.items()))}")
    print(f"sqlmap came to {scanners.reach_of_sqlmap(own)} of its targets")
    for one in found:
        print(f"{one.tool}: {one.kind}, {one.method} {one.pattern} {one.parameter} ({one.said})")
        print(f"    {reason(one) or 'NOT EXPLAINED'}")
    if running.faults:
        print(running.log[-8000:])
    return [one for one in found if not reason(one)]


def pages(folder: Path, role: str) -> Iterator[Finding]:
    """What links and forms lead to, with the cookie of a demo person."""
    browser = site.log_in(role)
    cookie = "; ".join(f"{one.name}={one.value}" for one in browser.cookies)
    who = ("--cookie-value", cookie)
    chosen = scanners.look(folder, "/", site.walk(browser), *who)
    for method in ("GET", "POST"):
        known = site.endpoints(method)
        reached = known & {pattern for how, pattern in chosen if how == method}
        print(f"{method}: {len(reached)} of {len(known)} patterns")
    yield from scanners.wapiti(folder, "/", *who)
    yield from scanners.sqlmap(folder, "-l", scanners.targets(folder, cookie))
    if not site.is_still(browser, role):
        yield Finding("scan", "logged out", "GET", "/home")


def calls(folder: Path, role: str) -> Iterator[Finding]:
    """What the API says it has, with the token of a demo person."""
    token, described = site.bearer(role), folder / "openapi.json"
    described.write_text(json.dumps(_open_to(role)))
    who = ("--header", f"Authorization: Bearer {token}")
    chosen = scanners.look(folder, "/api/", [], "--swagger", str(described), *who)
    print(f"{len(chosen)} patterns")
    yield from scanners.wapiti(folder, "/api/", *who)
    yield from scanners.sqlmap(folder, "--openapi", described, "--openapi-base", site.ADDRESS, *who)
    if not site.is_known(token, role):
        yield Finding("scan", "logged out", "GET", "/api/")


def _open_to(role):
    """The description of the API without what ends the token or is the admins', and with values that find something."""
    told = requests.get(f"{site.ADDRESS}/api/openapi.json", timeout=30).json()
    left_out = ("/api/auth/logout", "/api/auth/refresh", *(() if role == "admin" else ("/api/admin/",)))
    for path in [path for path in told["paths"] if path.startswith(left_out)]:
        del told["paths"][path]
    for operations in told["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                _give_values(operation.get("parameters", []))
    return told


def _give_values(parameters):
    """A cursor that the API did not make is refused before anything is looked for: it is tried in tests/api."""
    parameters[:] = [one for one in parameters if one.get("name") != "cursor"]
    for one in parameters:
        if one.get("name") in scanners.VALUES:
            one["example"] = scanners.VALUES[one["name"]]


if __name__ == "__main__":
    sys.exit(main())
