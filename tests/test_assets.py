"""Static files: texts go out gzipped to those who take it, everything else as it is."""

import gzip

import pytest
from werkzeug.test import Client

from assets import Assets

STYLE = b"body { color: teal; }\n" * 100


@pytest.fixture
def static(tmp_path):
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "style.css").write_bytes(STYLE)
    (folder / "letters.woff2").write_bytes(STYLE)
    (folder / "tiny.svg").write_bytes(b"<svg/>")
    return folder


@pytest.fixture
def fetch(static, tmp_path):
    """fetch(name) asks a site that has just started for a static file; the caller accepts gzip."""

    def ask(name, **options):
        site = Assets(None, tmp_path / "instance" / "assets", root=str(static), prefix="static/", **options)
        response = Client(site).get(f"/static/{name}", headers={"Accept-Encoding": "gzip, br"}, buffered=True)
        assert response.status_code == 200
        return response

    return ask


def test_a_style_sheet_goes_out_gzipped(fetch):
    response = fetch("style.css")
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert int(response.headers["Content-Length"]) == len(response.data) < len(STYLE) / 10
    assert gzip.decompress(response.data) == STYLE


def test_who_does_not_take_gzip_gets_it_plain(static, tmp_path):
    site = Assets(None, tmp_path / "copies", root=str(static), prefix="static/")
    response = Client(site).get("/static/style.css", buffered=True)
    assert "Content-Encoding" not in response.headers
    assert response.data == STYLE


def test_an_edited_file_goes_out_as_it_is_now(fetch, static):
    fetch("style.css")
    (static / "style.css").write_bytes(STYLE * 2)
    assert gzip.decompress(fetch("style.css").data) == STYLE * 2


def test_while_debugging_an_edit_shows_at_once(fetch, static):
    assert gzip.decompress(fetch("style.css", autorefresh=True).data) == STYLE
    assert fetch("tiny.svg", autorefresh=True).data == b"<svg/>"


@pytest.mark.parametrize("name", ["letters.woff2", "tiny.svg"])
def test_what_would_not_shrink_goes_out_as_it_is(fetch, name):
    assert "Content-Encoding" not in fetch(name).headers


def test_a_file_has_the_headers_that_the_site_gives(fetch):
    def add(headers, _path, _url):
        headers["X-Content-Type-Options"] = "nosniff"

    response = fetch("style.css", add_headers_function=add, max_age=3600)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "max-age=3600, public"
    assert response.headers["Content-Type"] == 'text/css; charset="utf-8"'
