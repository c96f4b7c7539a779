"""Where the professional on the way is, through the API."""

import pytest
from sqlalchemy import func, select

from extensions import db
from models import Status
from models_live import Position
from tests import factories

HERE = {"lat": 13.05, "lon": 77.59, "accuracy": 8.4}


@pytest.fixture
def path(customer, professional, frozen):
    job = factories.booking(customer, professional, status=Status.EN_ROUTE, starts_at=factories.at(11))
    frozen.move_to(factories.at(10))
    return f"/service-requests/{job.id}/position"


def test_a_program_shares_and_the_customers_reads(api, customer, professional, path):
    assert api(professional).put(path, HERE).status_code == 204
    assert api(customer).get(path).json == {
        "lat": 13.05,
        "lon": 77.59,
        "accuracy": 9,
        "seen_at": "2026-11-23T10:00:00+05:30",
        "km": pytest.approx(7.7, abs=0.1),
        "minutes": 35,
        "arrives_at": "2026-11-23T10:35:00+05:30",
    }


def test_who_stops_is_seen_no_longer(api, customer, professional, path):
    api(professional).put(path, HERE)
    assert api(professional).delete(path).status_code == 204
    assert api(customer).get(path).status_code == 404
    assert db.session.scalar(select(func.count()).select_from(Position)) == 0


@pytest.mark.parametrize("change", [{"lat": 91}, {"lon": -181}, {"accuracy": -1}, {"lat": "north"}, {"at": "now"}])
def test_what_is_no_position_is_refused(api, professional, path, change):
    assert api(professional).put(path, HERE | change).status_code == 422


def test_who_is_not_on_the_way_shares_nothing(api, professional, customer):
    job = factories.booking(customer, professional, status=Status.ACCEPTED)
    assert api(professional).put(f"/service-requests/{job.id}/position", HERE).status_code == 409
