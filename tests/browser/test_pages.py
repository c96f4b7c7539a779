"""Every page that links lead to, as each kind of person, on a phone and on a desk, by day and by night.

On a desk axe looks for everything but the contrast of colours, which are those of the phone; there it is looked at
in the stories of the other tests, and on every page in make soak.
"""

import re
from collections import Counter, deque
from urllib.parse import parse_qs, urldefrag, urlsplit

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]

STARTS = {
    "anonymous": ["/"],
    "customer": ["/customer-dashboard"],
    "professional": ["/professional-dashboard"],
    "admin": ["/admin-dashboard", "/admin/bookings?status=accepted"],
}
# Pages of one kind look alike; what differs with a booking's state is looked at several times,
# and not only as one list has it.
ALIKE, DIFFERENT, FROM_ONE_PAGE = 1, 9, 3
OF_BOOKINGS = re.compile(r"/(bookings|professional/jobs|admin/bookings)/#")
DOWNLOADS = re.compile(r"/(files|photos|static|evidence|tables)/|/(pdf|csv)(\?|$)|\.(json|xml)$")
MOST_PAGES = 150
# Whose links lead to the pages of a blueprint.
PAGES_OF = {
    "anonymous": (
        "api_docs",
        "assistant",
        "auth",
        "guides",
        "public",
    ),
    "customer": (
        "account_keys",
        "customer",
        "customer_proposals",
        "customer_reports",
        "customer_tastes",
    ),
    "professional": (
        "guides_writing",
        "professional",
        "professional_forecast",
        "professional_proposals",
        "professional_reports",
    ),
    "admin": (
        "admin",
        "admin_analytics",
        "admin_catalogue",
        "admin_forecast",
        "admin_guides",
        "admin_questions",
        "admin_reports",
    ),
}
# Parts of pages, files, ways through that show nothing of their own, and what only mails lead to.
NO_PAGES = {"public.slots", "public.pincode", "public.photo", "auth.home", "public.unsubscribe"}
NO_PAGES |= {"guides.feed", "guides.picture", "guides.reaction_bar"}
NO_PAGES |= {"api_docs.openapi", "public.feed", "customer_reports.paper", "professional_reports.paper"}
NO_PAGES |= {"professional_reports.earnings_on_paper"}
NO_PAGES |= {"admin_analytics.table", "admin_forecast.table", "admin_forecast.short_table"}
# A review can be changed for two days; the town has none so young.
NOT_IN_TOWN = {"customer.review"}
# Its guides are all published, by the admin; tests/browser/test_guides.py writes others.
NOT_IN_TOWN |= {"guides_writing.edit", "guides_writing.show", "admin_guides.send_back"}
# A comment to be hidden: visited there too.
NOT_IN_TOWN |= {"admin_guides.hide_comment"}


LOOKS = [(390, "light"), (1280, "light"), (390, "dark"), (1280, "dark")]


def marked(role, width, scheme):
    """A customer's pages are looked at by night in make check, on a phone; those of the others in make soak."""
    again = scheme == "dark" and (role, width) != ("customer", 390)
    return pytest.param(role, width, scheme, marks=pytest.mark.soak if again else ())


@pytest.mark.parametrize("role, width, scheme", [marked(role, *looks) for role in STARTS for looks in LOOKS])
def test_every_page_is_sound(site, town, visit, states, role, width, scheme):
    visitor = visit(town, width=width, scheme=scheme, state=states(role), colours=width == 390)
    whole = (width, scheme) == (390, "light")
    seen = crawl(visitor, STARTS[role], DIFFERENT if whole else ALIKE)
    if whole:
        assert pages_of(site, role) - endpoints(site, seen) == set(), "no link leads there"


@pytest.mark.soak
@pytest.mark.parametrize("role", STARTS)
def test_a_booking_is_sound_on_a_desk_in_every_state(town, visit, states, role):
    crawl(visit(town, width=1280, state=states(role)), STARTS[role], DIFFERENT)


@pytest.mark.parametrize("width", [390, 1280])
def test_every_help_article_is_sound(town, visit, width):
    """The crawl counts them as one kind of page; text and headings are the same to axe on a desk as on a phone."""
    visitor = visit(town, width=width, axe=width == 390)
    visitor.open("/help")
    articles = [path for path in links(visitor, each=MOST_PAGES) if path.startswith("/help/")]
    assert len(articles) > 30
    for path in articles:
        visitor.open(path)


def crawl(visitor, starts, different):
    """Follow links within the site until there is no new kind of page; answers the addresses visited."""
    waiting, times, seen = deque(starts), Counter(), []
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


def pages_of(site, role):
    """The endpoints of a role's pages that are answered to a GET."""
    known = {rule.endpoint for rule in site.url_map.iter_rules() if "GET" in rule.methods}
    return {one for one in known if one.split(".")[0] in PAGES_OF[role]} - NO_PAGES - NOT_IN_TOWN


def endpoints(site, paths):
    adapter = site.url_map.bind("localhost")
    return {adapter.match(urlsplit(path).path)[0] for path in paths}


def links(visitor, each=FROM_ONE_PAGE):
    found = visitor.page.eval_on_selector_all("a[href]", "(all) => all.map((a) => a.href)")
    within = (urldefrag(one)[0].removeprefix(visitor.address) for one in found if one.startswith(visitor.address))
    times = Counter()
    for path in dict.fromkeys(within):
        times[kind(path)] += 1
        if times[kind(path)] <= each and not DOWNLOADS.search(path):
            yield path or "/"


def kind(path):
    """What pages of one template have in common: the path without numbers and names, and what is asked."""
    parts = urlsplit(path)
    shape = re.sub(r"\d+", "#", re.sub(r"^(/services|/admin/jobs|/guides/tags|/guides|/help)/.*", r"\1/*", parts.path))
    return "?".join([shape, *sorted(parse_qs(parts.query))])
