"""The site that is scanned: served from a copy of a folder with demo people, and what one of them sees of it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect, Rule

import config
from app import create_app
from init_db import PASSWORD

PORT = int(os.environ.get("SCAN_PORT") or 5057)
ADDRESS = f"http://127.0.0.1:{PORT}"
SECONDS_TO_START, SECONDS_TO_WALK, PAGES_TO_WALK = 60, 60, 400
# What ends the session that looks, answers without end, or is the same file for everybody.
LEFT_OUT = ("/logout", "/api/", "/account/security/sessions", "/account/erase", "/change-password", "/live", "/static/",
            "/bootstrap/static/")
ROLES = ("visitor", "customer", "professional", "admin")
_RULES = create_app().url_map.bind("127.0.0.1")


def prepare(folder: Path) -> None:
    """The database of a first run, with its demo people."""
    environment = os.environ | {"INSTANCE_DIR": str(folder)}
    subprocess.run([sys.executable, "init_db.py"], cwd=config.ROOT, env=environment, check=True)


class Site:
    """A server that runs, and what its log says of the requests that came."""

    def __init__(self, folder: Path):
        self._answers, self._log = folder / "answers", folder / "log"

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for status, _method, _path in self._answered())

    @property
    def faults(self) -> set[tuple[str, str]]:
        """Method and pattern of what was answered with a fault of the server."""
        return {(method, pattern(path, method)) for status, method, path in self._answered() if status >= 500}

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _answered(self):
        for line in self._answers.read_text(errors="replace").splitlines():
            status, method, path = line.split(" ", 2)
            yield int(status), method, path


@contextmanager
def served(prepared: Path, folder: Path) -> Iterator[Site]:
    """What `make run` serves, on a copy of a prepared folder, until the block ends."""
    shutil.copytree(prepared, folder / "instance")
    environment = os.environ | {
        "INSTANCE_DIR": str(folder / "instance"),
        "PORT": str(PORT),
        # Nothing that a scanner types into a form is sent anywhere.
        "QUARANTINE": "1",
        "RATELIMIT_ENABLED": "0",
    }
    command = [sys.executable, "-m", "gunicorn", "--access-logfile", str(folder / "answers"),
               "--access-logformat", "%(s)s %(m)s %(U)s"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, cwd=config.ROOT, env=environment, stdout=log, stderr=log)
    try:
        _wait(server)
        yield Site(folder)
    finally:
        server.terminate()
        server.wait()


def _wait(server):
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            requests.get(f"{ADDRESS}/healthz", timeout=5).raise_for_status()
            return
        except requests.RequestException:
            time.sleep(0.2)
    raise RuntimeError(f"no server at {ADDRESS}")


def log_in(role: str) -> requests.Session:
    """A browser of a demo person; of a visitor it has a session as well, for the forms."""
    browser = requests.Session()
    page = browser.get(f"{ADDRESS}/login", timeout=30)
    if role != "visitor":
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[1]
        form = {"csrf_token": token, "email": f"{role}@example.com", "password": PASSWORD}
        browser.post(f"{ADDRESS}/login", data=form, headers={"Referer": f"{ADDRESS}/login"}, timeout=30)
        assert is_still(browser, role), f"{role} could not log in"
    return browser


def is_still(browser: requests.Session, role: str) -> bool:
    """Whether the site knows them: a scan that was logged out has seen what visitors see."""
    landed = urlsplit(browser.get(f"{ADDRESS}/home", timeout=30).url).path
    return landed == ("/" if role == "visitor" else f"/{role}-dashboard")


def bearer(role: str) -> str:
    """What proves at the API who somebody is."""
    account = {"email": f"{role}@example.com", "password": PASSWORD}
    answer = requests.post(f"{ADDRESS}/api/auth/login", json=account, timeout=30)
    return answer.json()["access_token"]


def is_known(token: str, role: str) -> bool:
    """Whether the API still knows whose token it is."""
    path = {"admin": "admin/users", "customer": "customer/ongoing-services", "professional": "professional/dashboard"}
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{ADDRESS}/api/{path[role]}", headers=headers, timeout=30).status_code == 200


def walk(browser: requests.Session) -> list[str]:
    """An address of each page that can be reached by links, once for every set of things that are asked of it."""
    found, deadline = {}, time.monotonic() + SECONDS_TO_WALK
    waiting = ["/", "/home"]
    for address in waiting:
        if len(found) == PAGES_TO_WALK or time.monotonic() > deadline:
            break
        shape = (pattern(urlsplit(address).path, "GET"), frozenset(parse_qs(urlsplit(address).query)))
        if shape in found or address.startswith(LEFT_OUT):
            continue
        answer = browser.get(ADDRESS + address, timeout=30)
        if not answer.history:
            found[shape] = address
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            links = re.findall(r'(?:href|hx-get)="(/[^"#]*)', answer.text)
            waiting += [unescape(link) for link in links if not link.startswith("//")]
    return list(found.values())


def rule_of(path: str, method: str) -> Rule | None:
    """The rule of the site that an address belongs to."""
    try:
        return _RULES.match(path, method=method, return_rule=True)[0]
    except (MethodNotAllowed, RequestRedirect, HTTPException):
        return None


def pattern(path: str, method: str) -> str:
    """The pattern of an address: the same for all bookings, or the address itself where the site has none."""
    rule = rule_of(path, method)
    return rule.rule if rule else path


def endpoints(method: str) -> set[str]:
    """The patterns of all pages that take a method; calls of the API are not among them."""
    rules = [rule for rule in _RULES.map.iter_rules() if method in rule.methods]
    return {rule.rule for rule in rules if not rule.rule.startswith(LEFT_OUT)}
