"""The ground every test stands on: a fresh database, a clock that stands still, and the cast."""

import dataclasses
import os
import shutil
from datetime import UTC, datetime

import flask_migrate
import pytest
import time_machine

import app as application
import config
from extensions import cache, db, limiter
from models import User
from tests import client as browser
from tests import databases, factories

# A Monday, 9:00 in the morning at the site.
MONDAY = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


def pytest_configure(config):
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        databases.start()


def pytest_unconfigure(config):
    databases.let_go()
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        databases.stop()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What is marked slow may take longer than the others, unless it says how long itself; and what may
    take longest comes first, so that no worker is left with it while the others have nothing to do."""
    items.sort(key=_patience, reverse=True)
    for item in items:
        long = any(item.get_closest_marker(name) for name in ("slow", "browser"))
        if long and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


def _patience(item):
    timeout = item.get_closest_marker("timeout")
    return timeout.args[0] if timeout else 0


@pytest.fixture(scope="session")
def settings(worker_name) -> config.Settings:
    """Settings of the site under test, whatever the developer's environment says."""
    instance = databases.folder() / worker_name
    return config.load(
        {
            "APP_ENV": "testing",
            "SECRET_KEY": "only for tests: 0123456789abcdefghij",
            "INSTANCE_DIR": str(instance),
            "DATABASE_URL": databases.empty(worker_name),
            "MAIL_SENDER": "Doorstep <no-reply@example.com>",
        }
    )


@pytest.fixture(scope="session")
def worker_name() -> str:
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session")
def site(settings):
    """The application, made once, for the tests that need no database."""
    site = application.create_app(settings)
    browser.watch_sessions(site)
    return site


@pytest.fixture(scope="session")
def template(settings) -> str:
    """The name of the database that every test starts from: migrated, with places and services."""
    with databases.only_once("template") as first:
        if first:
            ready = application.create_app(
                dataclasses.replace(settings, database_url=databases.empty("template"))
            )
            with ready.app_context(), time_machine.travel(MONDAY, tick=False):
                flask_migrate.upgrade()
                factories.load_reference_data()
                db.session.commit()
                db.session.remove()
                db.engine.dispose()
    return "template"


@pytest.fixture
def app(request, site, template, worker_name, settings):
    """The application on a database of this test's own, with its context pushed."""
    with site.app_context():
        db.engine.dispose()
        databases.fresh(worker_name, template)
        shutil.rmtree(settings.upload_dir, ignore_errors=True)
        shutil.rmtree(settings.export_dir, ignore_errors=True)
        shutil.rmtree(settings.backup_dir, ignore_errors=True)
        limiter.enabled = False
        cache.clear()
        yield site
        db.session.remove()
        db.engine.dispose()
        if request.node.get_closest_marker("race"):
            databases.spoil(worker_name)  # some race tests drop a constraint


@pytest.fixture(autouse=True)
def frozen(request):
    """The clock stands at Monday 23 November 2026, 9:00 am in India; move it with move_to, shift."""
    if request.node.get_closest_marker("realtime"):
        yield None
        return
    with time_machine.travel(MONDAY, tick=False) as clock:
        yield clock


@pytest.fixture
def set_up(app, monkeypatch):
    """set_up(upi_id="...") changes settings of the site for a test."""

    def change(**values):
        monkeypatch.setitem(app.config, "SETTINGS", dataclasses.replace(app.config["SETTINGS"], **values))

    return change


@pytest.fixture
def gateways(set_up):
    """Both gateways take payments for the site."""
    set_up(
        stripe_secret_key="sk_test_doorstep",
        stripe_webhook_secret="whsec_doorstep",
        razorpay_key_id="rzp_test_doorstep",
        razorpay_key_secret="doorstep",
        razorpay_webhook_secret="rzp_whsec_doorstep",
    )


@pytest.fixture
def client(app):
    """A browser in which nobody is logged in."""
    return app.test_client()


@pytest.fixture
def as_(app):
    """as_(customer) is a browser in which the customer is logged in, without the slow hash."""

    def logged_in(user):
        client = app.test_client()
        with client.session_transaction() as session:
            session["_user_id"] = User.name_of_session(user)
            session["_fresh"] = True
            session["fs_paa"] = datetime.now(UTC).timestamp()
        return client

    return logged_in


@pytest.fixture
def rate_limited(app):
    """Switches the rate limits on, which other tests would only run into."""
    limiter.reset()
    limiter.enabled = True
    yield limiter
    limiter.enabled = False


@pytest.fixture
def count_queries():
    return browser.count_queries


@pytest.fixture
def customer(app):
    return factories.customer(name="Asha Rao", email="asha@example.com")


@pytest.fixture
def other_customer(app):
    return factories.customer(name="Bilal Khan", email="bilal@example.com")


@pytest.fixture
def blocked_customer(app):
    return factories.customer(name="Charu Sen", email="charu@example.com", active=False)


@pytest.fixture
def professional(app):
    return factories.professional(name="Dev Menon", email="dev@example.com")


@pytest.fixture
def other_professional(app):
    return factories.professional(name="Esha Nair", email="esha@example.com")


@pytest.fixture
def unapproved_professional(app):
    return factories.professional(name="Farid Ali", email="farid@example.com", approved=False)


@pytest.fixture
def admin(app):
    return factories.admin(name="Gita Iyer", email="gita@example.com")
