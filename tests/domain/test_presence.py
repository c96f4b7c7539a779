"""When somebody was last here, in words that are never more exact than what is known."""

from datetime import timedelta

import pytest

from domain import clock
from domain.presence import last_active

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "ago, words",
    [
        (0 * HOUR, "Active in the last hour"),
        (0.99 * HOUR, "Active in the last hour"),
        (1 * HOUR, "Active today"),
        (8.9 * HOUR, "Active today"),
        (9.1 * HOUR, "Active in the last week"),
        (167 * HOUR, "Active in the last week"),
        (168 * HOUR, "Active in the last month"),
        (719 * HOUR, "Active in the last month"),
        (720 * HOUR, "Not active lately"),
    ],
)
def test_it_grows_coarser_with_time(customer, ago, words):
    # It is nine in the morning.
    customer.last_seen_at = clock.now() - ago
    assert last_active(customer) == words


def test_nothing_is_said_of_who_never_came(customer):
    assert last_active(customer) is None


def test_nothing_is_said_of_who_is_gone(blocked_customer):
    blocked_customer.last_seen_at = clock.now()
    assert last_active(blocked_customer) is None
