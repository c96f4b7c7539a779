"""Every page that links lead to, as each kind of person, on a phone and on a desk, by day and by night."""

import re
from collections import Counter, deque
from urllib.parse import parse_qs, urldefrag, urlsplit

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

HOMES = {
    "anonymous": "/",
    "customer": "/customer-dashboard",
    "professional": "/professional-dashboard",
    "admin": "/admin-dashboard",
}
# Pages of one kind look alike; what differs with a booking's state is looked at several times.
ALIKE, DIFFERENT = 1, 7
OF_BOOKINGS = re.compile(r"/(bookings|professional/jobs|admin/bookings)/#")
DOWNLOADS = re.compile(r"/(files|photos|static)/")
MOST_PAGES = 80


@pytest.mark.parametrize("width, scheme", [(390, "light"), (1280, "light"), (390, "dark")])
@pytest.mark.parametrize("role", HOMES)
def test_every_page_is_sound(town, visit, states, role, width, scheme):
    visitor = visit(town, width=width, scheme=scheme, state=states(role))
    seen = crawl(visitor, HOMES[role], DIFFERENT if scheme == "light" else ALIKE)
    print(len(seen), sorted({kind(one) for one in seen}))


def crawl(visitor, start, different):
    """Follow links within the site until there is no new kind of page; answers the addresses visited."""
    waiting, times, seen = deque([start]), Counter(), []
    while waiting:
        path = waiting.popleft()
        times[kind(path)] += 1
        if path in seen or times[kind(path)] > (different if OF_BOOKINGS.fullmatch(kind(path)) else ALIKE):
            continue
        visitor.open(path)
        seen.append(path)
        assert len(seen) <= MOST_PAGES, f"too many kinds of pages: {sorted(map(kind, seen))}"
        waiting.extend(links(visitor))
    return seen


def links(visitor):
    found = visitor.page.eval_on_selector_all("a[href]", "(all) => all.map((a) => a.href)")
    within = (urldefrag(one)[0].removeprefix(visitor.address) for one in found if one.startswith(visitor.address))
    return [path or "/" for path in dict.fromkeys(within) if not DOWNLOADS.search(path)]


def kind(path):
    """What pages of one template have in common: the path without numbers and names, and what is asked."""
    parts = urlsplit(path)
    shape = re.sub(r"\d+", "#", re.sub(r"^/services/.*", "/services/*", parts.path))
    return "?".join([shape, *sorted(parse_qs(parts.query))])
