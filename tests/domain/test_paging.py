"""Pages that stay right while rows come and go."""

import base64
import json
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from domain import paging
from domain.errors import Invalid
from extensions import db
from models import Service, Status
from tests import factories


def all_pages(statement, order, size=7):
    items, after = [], None
    while True:
        page = paging.keyset(statement, order, after, size)
        items.extend(page.items)
        after = page.next_cursor
        if after is None:
            return items
        assert len(page) == size


@pytest.mark.parametrize(
    "order",
    [
        [(Service.id, "asc")],
        [(Service.id, "desc")],
        [(Service.base_price, "asc"), (Service.id, "asc")],
        [(Service.base_price, "desc"), (Service.id, "desc")],
        [(Service.base_price, "desc"), (Service.id, "asc")],
        [(Service.duration_minutes, "asc"), (Service.base_price, "desc"), (Service.id, "asc")],
        [(Service.created_at, "desc"), (Service.name, "asc"), (Service.id, "asc")],
    ],
)
def test_the_pages_together_are_the_list(app, order):
    wanted = db.session.scalars(
        select(Service).order_by(*(getattr(column, direction)() for column, direction in order))
    ).all()
    assert all_pages(select(Service), order) == wanted


def test_a_page_has_twenty_rows_and_the_last_has_no_cursor(app):
    first = paging.keyset(select(Service), [(Service.id, "asc")])
    assert len(first) == 20
    second = paging.keyset(select(Service), [(Service.id, "asc")], first.next_cursor)
    third = paging.keyset(select(Service), [(Service.id, "asc")], second.next_cursor)
    assert [len(second), len(third), third.next_cursor] == [20, 10, None]


def test_rows_of_several_columns_stay_rows(app):
    page = paging.keyset(select(Service.name, Service.base_price), [(Service.id, "asc")], size=3)
    assert [row.name for row in page] == [row[0] for row in page.items]


def test_a_row_that_comes_on_an_earlier_page_moves_nothing(app):
    order = [(Service.base_price, "asc"), (Service.id, "asc")]
    first = paging.keyset(select(Service), order, size=5)
    rest = paging.keyset(select(Service), order, first.next_cursor, size=5)
    factories.service("The cheapest of all", base_price=0)
    assert paging.keyset(select(Service), order, first.next_cursor, size=5).items == rest.items


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ([1, 2.5, "x y ए"], [int, float, str]),
        ([0.1 + 0.2, -(2**62)], [float, int]),
        ([datetime(2026, 11, 23, 3, 30, 1, 5, UTC), date(2026, 1, 1)], [datetime, date]),
        ([Status.PENDING], [Status]),
    ],
)
def test_a_cursor_gives_back_what_went_in(app, values, types):
    assert paging.decode(paging.encode(values), types) == values


def cursor(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "made_up",
    [
        "x",
        "!!!",
        "é",
        "😀",
        "a" * 5000,
        cursor(5),
        cursor({}),
        cursor([]),
        cursor([1, 2]),
        cursor([None]),
        cursor(["1"]),
        cursor([True]),
        cursor([1.5]),
        cursor([2**63]),
        cursor([float("nan")]),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 700).decode(),
    ],
)
def test_a_made_up_cursor_is_refused(app, made_up):
    with pytest.raises(Invalid):
        paging.keyset(select(Service), [(Service.id, "asc")], made_up)


@pytest.mark.parametrize("value", ["a\x00b", "x" * 400, 5])
def test_a_made_up_text_is_refused(app, value):
    with pytest.raises(Invalid):
        paging.decode(cursor([value]), [str])


@pytest.mark.parametrize("value", ["2026-11-23T03:30:00", "tomorrow", "0001-01-01T00:00:00+00:00", 5])
def test_a_made_up_moment_is_refused(app, value):
    with pytest.raises(Invalid):
        paging.decode(cursor([value]), [datetime])
