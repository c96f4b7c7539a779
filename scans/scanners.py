"""The two scanners: how each is started, for how long it may look, and what it found."""

import csv
import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import config
from scans import site

PROGRAMS = config.ROOT / ".venv-scan" / "bin"
TIMES = int(os.environ.get("SCAN_TIMES") or 1)
# For one role: wapiti looks around, tries each of its modules, and sqlmap follows.
SECONDS_TO_LOOK, SECONDS_A_MODULE, SECONDS_OF_SQLMAP = 20 * TIMES, 5 * TIMES, 75 * TIMES
GRACE_SECONDS = 60
# All that judge by the answers of the site. The others look for certain products, or need a server on the
# internet; ldap takes any answer that changes for a leak; and of SQL that waits, sqlmap knows more.
MODULES = ("csp", "http_headers", "crlf", "csrf", "exec", "file", "htaccess", "methods", "redirect", "sql", "upload",
           "xss", "permanentxss")  # fmt: skip
# Nobody listens there: what a scanner has the site fetch is fetched from nowhere.
NOWHERE = "http://127.0.0.1:9/"
# The token comes with the form and lives as long as the session: it is sent along and not attacked.
KEPT = "csrf_token"
# With what wapiti writes into a field by itself a form may be refused before anything is looked for.
VALUES = {"near": "560001", "pincode": "560001", "price": "", "q": "cleaning", "cursor": "", "status": ""}


@dataclass(frozen=True, order=True)
class Finding:
    """What a scanner says of a page: its method and pattern, and the field."""

    tool: str
    kind: str
    method: str
    pattern: str
    parameter: str = ""
    said: str = field(default="", compare=False)


def look(folder: Path, start: str, seeds: list[str], *who: str) -> list[tuple[str, str]]:
    """Have wapiti look around, and keep one page of each pattern to attack: the one that takes most."""
    seeds = [word for seed in seeds for word in ("--start", site.ADDRESS + seed)]
    left_out = site.LEFT_OUT if start == "/" else ()
    left_out = [word for path in left_out for word in ("--exclude", f"{site.ADDRESS}{path}*")]
    limits = ["--depth", "1", "--max-scan-time", str(SECONDS_TO_LOOK), "--flush-session", "--module", ""]
    _wapiti(folder, start, [*limits, *left_out, *seeds, *who], SECONDS_TO_LOOK + GRACE_SECONDS)
    with _memory(folder) as memory:
        chosen = _chosen(memory)
        memory.execute(f"DELETE FROM paths WHERE path_id NOT IN ({','.join(str(one) for one in chosen.values())})")
        memory.executemany("UPDATE params SET value1 = ? WHERE name = ?", [(v, name) for name, v in VALUES.items()])
    return sorted(chosen)


def wapiti(folder: Path, start: str, *who: str) -> Iterator[Finding]:
    """Attack what was chosen."""
    modules = ["--skip-crawl", "--module", ",".join(MODULES), "--max-attack-time", str(SECONDS_A_MODULE)]
    _wapiti(folder, start, [*modules, "--skip", KEPT, *who], len(MODULES) * SECONDS_A_MODULE + GRACE_SECONDS)
    told = json.loads((folder / "wapiti.json").read_text())
    for group in ("vulnerabilities", "anomalies"):
        for kind, found in told[group].items():
            for one in found:
                pattern = site.pattern(one["path"], one["method"])
                yield Finding("wapiti", kind, one["method"], pattern, one["parameter"] or "", one["info"])


def sqlmap(folder: Path, *asked: str) -> Iterator[Finding]:
    """Try what the options name as targets with all of level 1 for SQLite."""
    command = [
        PROGRAMS / "sqlmap", "--batch", "--disable-coloring", "--output-dir", folder / "sqlmap",
        "--results-file", folder / "sqlmap.csv", "--dbms", "SQLite", "--level", "1", "--risk", "1",
        "--timeout", "10", "--retries", "0", "--param-exclude", f"^{KEPT}$", "--drop-set-cookie",
        "--ignore-redirects", *asked,
    ]  # fmt: skip
    _run(command, folder / "sqlmap.log", SECONDS_OF_SQLMAP)
    if not (folder / "sqlmap.csv").exists():
        return
    with open(folder / "sqlmap.csv", newline="") as file:
        for row in csv.DictReader(file):
            method = "POST" if "POST" in row["Place"] else "GET"
            pattern = site.pattern(urlsplit(row["Target URL"]).path, method)
            yield Finding("sqlmap", "SQL injection", method, pattern, row["Parameter"], row["Technique(s)"])


def reach_of_sqlmap(folder: Path) -> str:
    """How many of its targets it came to before its time was over."""
    came_to = re.findall(r"^\[(\d+)/(\d+)\] URL", (folder / "sqlmap.log").read_text(), re.M)
    return " of ".join(came_to[-1]) if came_to else "none"


def targets(folder: Path, cookie: str) -> Path:
    """What was chosen and takes something, as sqlmap reads it from the log of a proxy."""
    log, line = folder / "targets", "=" * 54
    with _memory(folder) as memory:
        requests = []
        for path_id, url, method in memory.execute("SELECT path_id, path, method FROM paths WHERE NOT evil"):
            fields = "SELECT name, coalesce(value1, '') FROM params WHERE path_id = ? AND type = ? ORDER BY position"
            given, sent = (memory.execute(fields, (path_id, kind)).fetchall() for kind in ("GET", "POST"))
            if any(name != KEPT for name, _value in given + sent):
                requests.append(_request(method, urlsplit(url).path, given, sent, cookie))
    log.write_text("\n".join(f"{line}\n{request}\n{line}" for request in requests))
    return log


def _request(method, path, given, sent, cookie):
    query = f"?{urlencode(given)}" if given else ""
    lines = [f"{method} {path}{query} HTTP/1.1", f"Host: {urlsplit(site.ADDRESS).netloc}", f"Cookie: {cookie}"]
    if method == "POST":
        lines += ["Content-Type: application/x-www-form-urlencoded", "", urlencode(sent)]
    return "\n".join([*lines, ""])


def _chosen(memory):
    """The number of a page for each method and pattern; not of one that only leads elsewhere, such as to the log-in."""
    found = memory.execute("""
        SELECT path_id, path, method FROM paths LEFT JOIN responses USING (response_id)
        WHERE coalesce(status_code, 200) NOT BETWEEN 300 AND 399
        ORDER BY (SELECT count(DISTINCT name) FROM params WHERE params.path_id = paths.path_id) DESC
    """)
    chosen = {}
    for path_id, url, method in found:
        chosen.setdefault((method, site.pattern(urlsplit(url).path, method)), path_id)
    return chosen


def _memory(folder):
    """What wapiti keeps of what it saw."""
    [database] = (folder / "seen").glob("*.db")
    return sqlite3.connect(database)


def _wapiti(folder, start, options, seconds):
    command = [
        PROGRAMS / "wapiti", "--url", f"{site.ADDRESS}{start}", "--scope", "folder", "--timeout", "10",
        "--external-endpoint", NOWHERE, "--dns-endpoint", "localhost", "--no-bugreport", "--verbose", "1",
        "--store-session", folder / "seen", "--store-config", folder / "wapiti", "--format", "json",
        "--output", folder / "wapiti.json", *options,
    ]  # fmt: skip
    _run(command, folder / "wapiti.log", seconds)


def _run(command, log, seconds):
    """Let a scanner look until it is done or its time is over."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(log.parent)}
    with open(log, "a") as file:
        scanner = subprocess.Popen(
            command, cwd=log.parent, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            scanner.wait(seconds)
        except subprocess.TimeoutExpired:
            scanner.terminate()
            scanner.wait()
