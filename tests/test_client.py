"""The test client sees what it claims to see: every rule it keeps is broken here once."""

import pytest
from flask import Flask, abort, redirect, request

from extensions import db
from models import Category
from tests import client as browser
from tests import databases

PAGE = '<!doctype html><html lang="en"><head><title>T</title></head><body><h1>H</h1>{}</body></html>'


@pytest.fixture
def visit(template, worker_name):
    """visit(view, method) opens a page that does what the view does."""
    app = Flask("naughty")
    databases.fresh(worker_name, template)
    app.config.update(
        SQLALCHEMY_DATABASE_URI=databases.url(worker_name), SECRET_KEY="only for tests", TESTING=True
    )
    db.init_app(app)
    browser.watch_sessions(app)
    views = []
    app.add_url_rule("/", view_func=lambda: views[-1](), methods=["GET", "POST"], endpoint="page")

    def visit(view, method="GET", **values):
        views.append(view)
        return app.test_client().open("/", method=method, **values)

    with app.app_context():
        yield visit
        db.session.remove()
        db.engine.dispose()


def _rename():
    db.session.query(Category).first().name = "Changed"


def test_a_quiet_page_passes(visit):
    assert visit(lambda: PAGE.format("<p>hello</p>")).status_code == 200


def test_a_get_that_commits_is_noticed(visit):
    def view():
        _rename()
        db.session.commit()
        return PAGE.format("")

    with pytest.raises(AssertionError, match="changed the database"):
        visit(view)


def test_a_get_that_commits_and_refuses_is_noticed(visit):
    def view():
        _rename()
        db.session.commit()
        abort(404)

    with pytest.raises(AssertionError, match="changed the database"):
        visit(view)


@pytest.mark.parametrize("flushed", [True, False])
def test_a_change_that_nobody_commits_is_noticed(visit, flushed):
    def view():
        _rename()
        if flushed:
            db.session.flush()
        return redirect("/elsewhere")

    with pytest.raises(AssertionError, match="uncommitted"):
        visit(view, "POST")


def test_a_refusal_may_leave_things_undone(visit):
    def view():
        _rename()
        db.session.flush()
        abort(409)

    assert visit(view, "POST").status_code == 409


def test_a_post_that_commits_passes(visit):
    def view():
        _rename()
        db.session.commit()
        return redirect("/elsewhere")

    assert visit(view, "POST").status_code == 302
    assert db.session.query(Category).filter_by(name="Changed").count() == 1


def test_a_page_that_asks_too_often_is_noticed(visit):
    def view():
        for _ in range(browser.MOST_QUERIES + 1):
            db.session.query(Category).all()
        return PAGE.format("")

    with pytest.raises(AssertionError, match="9 queries"):
        visit(view)


def test_queries_of_a_request_and_of_the_test_are_counted(visit):
    def view():
        db.session.query(Category).all()
        return PAGE.format("")

    with browser.count_queries() as seen:
        visit(view)
        db.session.query(Category).all()

    assert seen.count == 2


def test_a_request_has_a_session_of_its_own(visit):
    mine = db.session.query(Category).first()
    theirs = []

    def view():
        theirs.append(db.session.query(Category).first())
        return PAGE.format("")

    visit(view)

    assert theirs[0] is not mine


def test_what_a_request_changed_is_seen_afterwards(visit):
    category = db.session.query(Category).first()

    def view():
        db.session.get(Category, int(request.args["id"])).name = "Changed"
        db.session.commit()
        return redirect("/elsewhere")

    visit(view, "POST", query_string={"id": category.id})

    assert category.name == "Changed"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>alert(1)</script>", "inline script"),
        ('<p style="color: red">x</p>', "inline style"),
        ("<style>p {}</style>", "inline style"),
        ('<a href="#" onclick="x()">x</a>', "inline handler onclick"),
        ('<a href="javascript:x()">x</a>', "javascript: link"),
        ('<p id="a"></p><p id="a"></p>', "'a' is there 2 times"),
        ('<label for="b">x</label>', "refers to nothing"),
        ('<form method="post"></form>', "no csrf_token"),
        ("<h1>Two</h1>", "2 h1"),
        ('<img src="/x.png">', "without alt"),
    ],
)
def test_a_fault_of_a_page_is_noticed(visit, body, fault):
    with pytest.raises(AssertionError, match=fault):
        visit(lambda: PAGE.format(body))


def test_data_for_scripts_is_no_inline_script(visit):
    visit(lambda: PAGE.format('<script type="application/json">{"a": 1}</script><script src="/x.js"></script>'))


def test_a_page_without_title_or_language_is_noticed(visit):
    with pytest.raises(AssertionError, match=r"no title.*no language"):
        visit(lambda: "<!doctype html><h1>H</h1>")


def test_a_fragment_needs_no_title(visit):
    visit(lambda: "<ul><li>one</li></ul>")
