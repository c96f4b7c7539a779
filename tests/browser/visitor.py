"""One person's browser. It looks at every page it comes to as a strict reviewer would.

A page fails when it logs to the console, breaks the content security policy, asks another host for
anything, answers with an error that was not expected, scrolls sideways, lacks a title or its one
h1, or when axe finds a violation. Axe is a script: without scripts it looks, when told to, at the same
HTML where they run. What it has found sound once it does not look at again, in whatever test.
"""

import hashlib
import itertools
import os
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Locator, Page

from config import ROOT
from tests import databases

HEIGHT = 800
# How long something that comes by itself may take, in milliseconds: the machine may be busy with other tests, and how
# fast it is belongs to benchmarks/live.py.
PATIENCE = 20_000
# How a story is lived through: on a phone without scripts, and on a desk with them.
WAYS = pytest.mark.parametrize("width, javascript", [(390, False), (1280, True)], ids=["390-no-script", "1280-script"])
AXE = next((ROOT / "tests" / "vendor").glob("axe-core@*/axe.min.js"))
AXE_OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
# By night only the colours are others.
AXE_BY_NIGHT = {"resultTypes": ["violations"], "runOnly": ["color-contrast"]}
WITHOUT_COLOURS = {"rules": {**AXE_OPTIONS["rules"], "color-contrast": {"enabled": False}}}
# The rest of what it has to say takes longer to hand over than to find.
AXE_RUN = "(options) => axe.run(options).then((found) => found.violations)"
# What is another in every page that is the same: tokens, and which site it comes from.
DIFFERS = re.compile(r'(?<=value=")[\w.-]{40,}|(?<=content=")[\w.-]{40,}|data-known="\d+"|127\.0\.0\.1:\d+')
# htmx complains so of what a page asked for and did not wait for, because it was left.
LEFT_UNANSWERED = ("htmx:sendAbort", "htmx:afterRequest")
# A folder for a picture of every page that is visited, for people to look at.
PICTURES = os.environ.get("BROWSER_PICTURES")
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""

_pictures = itertools.count()


class Visitor:
    """`visitor.page` is Playwright's page; open, press and following look at the page that comes."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        *,
        width=1280,
        javascript=True,
        scheme="light",
        state=None,
        axe=None,
        colours=True,
        asks=(),
    ):
        self.address = address
        self.javascript = javascript
        # Only these may be asked for anything.
        self._hosts = tuple(f"{host}/" for host in (address, *asks))
        self._axe = javascript if axe is None else axe
        by_day = AXE_OPTIONS if colours else AXE_OPTIONS | WITHOUT_COLOURS
        self._axe_options = by_day if scheme == "light" else AXE_BY_NIGHT
        self.name = f"{width}-{scheme}{'' if javascript else '-no-script'}"
        self._faults: list[str] = []
        self._expected: set[int] = set()
        self._looks = {
            "viewport": {"width": width, "height": HEIGHT},
            "color_scheme": scheme,
            "reduced_motion": "reduce",
            "locale": "en-IN",
            "base_url": address,
        }
        self._browser = browser
        self._context = browser.new_context(java_script_enabled=javascript, storage_state=state, **self._looks)
        self._context.add_init_script(REPORT_VIOLATIONS)
        self._context.on("console", self._on_console)
        self._context.on("weberror", lambda error: self._faults.append(f"error in a script: {error.error}"))
        self._context.on("request", self._on_request)
        self._context.on("response", self._on_response)
        self._twin: Page | None = None
        self.page = self._context.new_page()

    def open(self, path: str) -> None:
        self.page.goto(path)
        self.look()

    def press(self, what: str | Locator) -> None:
        """Click a button or a link, by its name or itself, and look at the page it leads to."""
        with self.following():
            (self.named(what) if isinstance(what, str) else what).click()

    def named(self, name: str) -> Locator:
        exact = re.compile(rf"^\s*{re.escape(name)}\s*$")
        return self.page.get_by_role("button", name=exact).or_(self.page.get_by_role("link", name=exact)).first

    def fill(self, **values: str) -> None:
        """Type into the fields of these names."""
        for name, value in values.items():
            self.page.locator(f"main [name='{name}']:not([type=hidden])").fill(value)

    @contextmanager
    def following(self):
        """What happens within the block leads to another page; look at that one."""
        with self.page.expect_navigation():
            yield
        self.look()

    @contextmanager
    def expecting(self, status: int):
        """Within the block the site may answer with this error, and must."""
        self._expected, self._met = {status}, False
        yield
        assert self._met, f"{self.page.url} did not answer {status}"
        self._expected = set()

    def look(self) -> None:
        self.page.wait_for_load_state("load")
        self.picture()
        try:
            faults = [*self._faults_of_page(), *self._faults_by_axe()]
        except Error as error:
            if "context was destroyed" not in error.message:
                raise
            # On a busy machine the page that answers a form may only come now.
            self.page.wait_for_load_state("load")
            faults = [*self._faults_of_page(), *self._faults_by_axe()]
        faults = [*self._faults, *faults]
        self._faults.clear()
        assert not faults, f"{self.page.url} at {self.name}:\n- " + "\n- ".join(faults)

    def picture(self) -> None:
        if PICTURES:
            slug = re.sub(r"\W+", "-", self.page.url.removeprefix(self.address)).strip("-")[:60] or "home"
            path = Path(PICTURES) / f"{self.name}-{os.getpid()}-{next(_pictures):03}-{slug}.png"
            self.page.screenshot(path=path, full_page=True)

    def text(self) -> str:
        return self.page.locator("main").inner_text()

    def state(self):
        """The cookies, for another visitor who is the same person."""
        return self._context.storage_state()

    def leave(self) -> None:
        if self._twin:
            self._twin.context.close()
        self._context.close()

    # -- What is wrong ------------------------------------------------------------------------

    def _faults_of_page(self):
        found = self.page.evaluate(
            """() => ({
                 title: document.title.trim(),
                 headings: [...document.querySelectorAll("h1")].filter((h) => h.checkVisibility()).length,
                 wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
               })"""
        )
        if not found["title"]:
            yield "no title"
        if found["headings"] != 1:
            yield f"{found['headings']} visible h1 headings"
        if found["wide"] > 0:
            yield f"scrolls {found['wide']} px sideways"

    def _faults_by_axe(self):
        if not self._axe:
            return
        sound = self._sound()
        if sound.exists():
            return
        found = list(self._violations())
        if not found:
            sound.touch()
        yield from found

    def _sound(self) -> Path:
        """The file that is there once axe, asked for the same, has found nothing in this HTML at this width."""
        html = self.page.evaluate("() => document.documentElement.outerHTML")
        seen = f"{self.name} {self._axe_options} {DIFFERS.sub('', html)}"
        folder = databases.folder() / "sound"
        folder.mkdir(exist_ok=True)
        return folder / hashlib.sha256(seen.encode()).hexdigest()

    def _violations(self):
        page = self.page if self.javascript else self._scripted_twin()
        page.evaluate(AXE.read_text())
        for violation in page.evaluate(AXE_RUN, self._axe_options):
            for node in violation["nodes"]:
                yield f"axe {violation['id']}: {node['html'][:200]} ({node['failureSummary']})"

    def _scripted_twin(self) -> Page:
        """The same page where axe can run: its HTML as a browser without scripts has built it."""
        self._twin = self._twin or self._browser.new_context(**self._looks).new_page()
        html = re.sub(r"<script\b.*?</script>", "", self.page.content(), flags=re.DOTALL)
        html = re.sub(r"<(/?)noscript>", r"<\1div>", html)
        self._twin.route(
            self.page.url, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"), times=1
        )
        self._twin.goto(self.page.url)
        return self._twin

    def _on_console(self, message):
        # What a request was answered with is judged by its status.
        harmless = message.text.startswith(("Failed to load resource", *LEFT_UNANSWERED))
        if message.type in ("error", "warning") and not harmless:
            self._faults.append(f"console {message.type}: {message.text}")

    def _on_request(self, request):
        if not request.url.startswith((*self._hosts, "data:")):
            self._faults.append(f"asks another host: {request.url}")

    def _on_response(self, response):
        if response.status in self._expected:
            self._met = True
        elif response.status >= 400:
            self._faults.append(f"{response.request.method} {response.url} was answered {response.status}")
