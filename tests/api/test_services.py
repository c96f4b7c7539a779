"""The catalogue as JSON is kept between calls, and never older than the catalogue."""

from extensions import db
from tests import factories


def test_a_change_of_the_catalogue_is_in_the_next_answer(client):
    first = client.get("/api/services")
    service = factories.service()
    service.base_price += 100
    db.session.commit()
    second = client.get("/api/services", headers={"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200
    prices = {one["id"]: one["base_price"]["amount"] for one in second.json["items"]}
    assert prices[service.id] == service.base_price


def test_an_answer_that_is_given_again_is_the_same(client):
    first, second = client.get("/api/services?limit=3"), client.get("/api/services?limit=3")
    assert first.data == second.data
    assert len(second.json["items"]) == 3
    again = client.get("/api/services?limit=3", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_who_takes_gzip_gets_it_under_a_tag_of_its_own(client):
    plain = client.get("/api/services")
    packed = client.get("/api/services", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < len(plain.data)
    assert packed.headers["ETag"] != plain.headers["ETag"]
