"""Chromium, and sites of their own for it to visit."""

import dataclasses
import shutil
from contextlib import ExitStack, contextmanager

import pytest
import time_machine
from playwright.sync_api import expect, sync_playwright

import app as application
import demo
import init_db
from demo import people
from extensions import db
from tests import databases
from tests.browser.serving import serve
from tests.browser.visitor import PATIENCE, Visitor
from tests.conftest import MONDAY

expect.set_options(timeout=PATIENCE)

# A town: enough that every list has rows and every state is there.
TOWN = demo.Size(cities=1, professionals=14, customers=12, bookings=84)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-quic",
)


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        # The shell is Chromium without a window: a page costs a tenth of the processor's time.
        executable = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def new_site(settings, template, worker_name):
    """new_site(people) is a site of the test's own, with places, services and whoever people() makes;
    further settings go by their names in the environment.

    It is Monday, nine in the morning, until the test moves the clock.
    """
    name = f"{worker_name}-browser"
    uploads = databases.folder() / f"{name}-uploads"
    with ExitStack() as running:

        def start(people, **environment):
            shutil.rmtree(uploads, ignore_errors=True)
            databases.fresh(name, template)
            with _prepared(settings, name, uploads), time_machine.travel(MONDAY, tick=False):
                people()
            return running.enter_context(_serving(settings, name, uploads, environment))

        yield start


@pytest.fixture(scope="session")
def town(settings, template, worker_name):
    """A site with the people and bookings of a first look; tests only look at it."""
    uploads = databases.folder() / "browser-town-uploads"
    with databases.only_once("browser-town") as first:
        if first:
            databases.fresh("browser-town", template)
            with _prepared(settings, "browser-town", uploads), time_machine.travel(MONDAY, tick=False):
                init_db.prepare(TOWN)
    name = f"{worker_name}-town"
    databases.fresh(name, "browser-town")
    with _serving(settings, name, uploads) as site:
        yield site


@pytest.fixture
def visit(chromium):
    """visit(site, width=390, ...) is one person's browser."""
    visitors = []

    def come(site, **looks):
        visitors.append(Visitor(chromium, site.address, **looks))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.leave()


@pytest.fixture(scope="session")
def states(chromium, town):
    """states("admin") is what the browser of somebody keeps who has logged in to the town."""
    known = {"anonymous": None}

    def of(role):
        if role not in known:
            visitor = Visitor(chromium, town.address)
            log_in(visitor, f"{role}@{people.DOMAIN}", init_db.PASSWORD)
            known[role] = visitor.state()
            visitor.leave()
        return known[role]

    return of


def log_in(visitor, email, password):
    visitor.open("/login")
    visitor.fill(email=email, password=password)
    visitor.press(visitor.page.locator("main").get_by_role("button", name="Log in"))


@contextmanager
def _prepared(settings, name, uploads):
    """An application on the database of this name, before it is served."""
    app = application.create_app(dataclasses.replace(settings, database_url=databases.url(name), upload_dir=uploads))
    with app.app_context():
        yield
        db.session.remove()
        db.engine.dispose()


def _serving(settings, name, uploads, environment=None):
    folder = databases.folder() / f"{name}-site"
    shutil.rmtree(folder, ignore_errors=True)
    return serve(folder, databases.url(name), uploads, settings.secret_key, MONDAY, environment or {})
