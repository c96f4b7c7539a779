"""Static files: texts go out compressed to those who take it, everything else as it is."""

import gzip

import brotli
import pytest
from werkzeug.test import Client

import templating
from assets import Assets, version

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
    """fetch(name) asks a site that has just started for a static file."""

    def ask(name, accept="gzip", **options):
        site = Assets(None, tmp_path / "instance" / "assets", root=str(static), prefix="static/", **options)
        response = Client(site).get(f"/static/{name}", headers={"Accept-Encoding": accept}, buffered=True)
        assert response.status_code == 200
        return response

    return ask


@pytest.mark.parametrize(
    "accept, way, expand",
    [("gzip", "gzip", gzip.decompress), ("gzip, deflate, br, zstd", "br", brotli.decompress)],
)
def test_a_style_sheet_goes_out_in_the_smallest_way_that_is_taken(fetch, accept, way, expand):
    response = fetch("style.css", accept)
    assert response.headers["Content-Encoding"] == way
    assert response.headers["Vary"] == "Accept-Encoding"
    assert int(response.headers["Content-Length"]) == len(response.data) < len(STYLE) / 10
    assert expand(response.data) == STYLE


def test_who_takes_neither_gets_it_plain(fetch):
    response = fetch("style.css", "identity")
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


@pytest.mark.parametrize("name", ["style.css", "letters.woff2"])
def test_what_is_asked_for_by_its_digest_may_be_kept_forever(fetch, static, name):
    digest = version(static / name)
    options = {"max_age": 3600, "immutable_file_test": lambda _path, url: "?v=" in url}
    exact = fetch(f"{name}?v={digest}", **options)
    assert "immutable" in exact.headers["Cache-Control"]
    for query in ("", "?v=", f"?v={digest[:-1]}", f"?v={digest}&x=1"):
        other = fetch(name + query, **options)
        assert other.headers["Cache-Control"] == "max-age=3600, public"
        assert other.data == exact.data


def test_the_addresses_in_pages_name_digests(site):
    with site.test_request_context():
        address = templating.asset("css/base.css")
    response = Client(site.wsgi_app).get(address)
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["Content-Security-Policy"]
    response.close()
