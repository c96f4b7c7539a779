"""The admin's pages and verbs: who may, what is refused, what is written down."""

import re

import pytest

from domain import clock
from extensions import db
from models import Approval, AuditEntry, Booking, Category, FileKind, Professional, Review, Role, Service, Status, StoredFile, User
from tests import factories

PAGES = (
    "/admin-dashboard",
    "/admin/search",
    "/admin/search?q=asha",
    "/admin/summary",
    "/admin/approvals",
    "/admin/people",
    "/admin/bookings",
    "/admin/reviews",
    "/admin/audit",
    "/service-list",
    "/service-list/services/new",
    "/service-list/categories/new",
)


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_an_empty_site_says_so(browser, address):
    assert browser.get(address).status_code == 200
