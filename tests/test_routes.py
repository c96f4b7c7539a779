"""What anybody can open: home, services, search, a professional, help."""

from datetime import timedelta

import pytest

from domain import clock
from extensions import cache, db
from models import Category, Professional
from tests import factories, html
from tests.factories import CITY_PIN

SERVICE = "Tap repair"


@pytest.fixture
def plumber(app):
    return factories.professional(name="Dev Menon", services=[factories.service(SERVICE)], languages=["en", "hi"])


def links(page):
    return [one.get("href") for one in html.parse(page.text).iter("a") if one.get("href")]


# -- Home, services, words --------------------------------------------------------------------


def test_the_home_page_shows_what_the_database_knows(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "Home Cleaning" in page.text
    assert "from ₹399" in page.text
    assert "come to you" not in page.text


def test_the_home_page_counts_who_comes_to_a_customer(as_, customer, plumber):
    page = as_(customer).get("/")
    assert "1</strong> professional within 10 km of Bengaluru GPO comes to you" in page.text
    assert f'value="{CITY_PIN}"' in page.text


def test_the_home_page_of_an_empty_catalogue_says_so(client):
    for category in db.session.query(Category):
        category.retired_at = clock.now()
    db.session.commit()
    assert "No services yet" in client.get("/").text
    assert "No services yet" in client.get("/services").text
    assert client.get("/search").status_code == 200


def test_all_services_are_listed_with_price_and_duration(client):
    page = client.get("/services")
    assert page.text.count("list-group-item-action") == 50
    assert "₹79" in page.text
    assert "20 min" in page.text


def test_a_category_lists_its_services(client):
    page = client.get("/services/plumbing")
    assert page.text.count("list-group-item-action") == 6
    assert "/search?service=tap-repair" in links(page)


@pytest.mark.parametrize("slug", ["no-such", "%00", "😀", "x" * 5000, "'"])
def test_an_unknown_category_is_not_found(client, slug):
    assert client.get(f"/services/{slug}").status_code == 404


@pytest.mark.parametrize("path", ["/about", "/help"])
def test_words_for_reading(client, path):
    assert client.get(path).status_code == 200


def test_about_names_where_the_data_comes_from(client):
    text = client.get("/about").text
    for owed in ("Department of Posts", "Government Open Data License - India", "GeoNames", "CC BY 4.0", "MIT"):
        assert owed in text


def test_help_says_the_numbers_of_the_policy(client, app):
    assert "60 minutes to 30 days ahead" in client.get("/help/how-far-ahead").text
    assert "late fee of ₹100" in client.get("/help/cancelling").text


@pytest.mark.parametrize("language", ["en", "hi"])
@pytest.mark.parametrize(
    "path", ["/", "/services", "/search", "/search?service=tap-repair&near=560001", "/help", "/about"]
)
def test_public_pages_open_in_every_language(client, plumber, path, language):
    assert client.get(path, headers={"Accept-Language": language}).status_code == 200


# -- Search -----------------------------------------------------------------------------------


def test_a_result_shows_rating_distance_price_and_the_next_slot(client, plumber):
    row = db.session.get(Professional, plumber.id)
    row.rating_sum, row.rating_count = 9, 2
    db.session.commit()
    page = client.get(f"/search?q=tap+repar&near={CITY_PIN}")
    for shown in ("Dev Menon", "4.5", "(2)", "0 km", "₹79", "today, 10:00 am", "Tap repair near Bengaluru GPO"):
        assert shown in page.text
    assert f"/professionals/{plumber.id}?service=tap-repair&near={CITY_PIN}" in links(page)


def test_nobody_is_called_unrated_by_an_empty_dial(client, plumber):
    assert "No reviews yet" in client.get("/search?q=tap+repair").text


def test_an_approximate_distance_says_so(client, plumber):
    row = db.session.get(Professional, plumber.id)
    row.base.geo = "C"
    db.session.commit()
    assert "about 0 km" in client.get(f"/search?service=tap-repair&near={CITY_PIN}").text


def test_every_filter_stays_in_the_address_of_the_next_page(client):
    for number in range(21):
        factories.professional(name=f"P{number}", services=[factories.service(SERVICE)])
    day = clock.today() + timedelta(days=1)
    asked = f"service=tap-repair&near=Bangalore&radius=25&price=500&day={day}&time=morning&sort=price"
    first = client.get(f"/search?{asked}")
    following = next(link for link in links(first) if "after=" in link)
    for part in asked.split("&"):
        assert part in following
    second = client.get(following)
    assert second.status_code == 200
    assert [first.text.count("stretched-link"), second.text.count("stretched-link")] == [20, 1]


def test_a_search_for_nothing_offers_the_categories(client):
    assert "/services/plumbing" in links(client.get("/search"))


def test_words_that_mean_nothing_say_what_to_do(client):
    page = client.get("/search?q=xyzzy")
    assert page.status_code == 200
    assert "We know no such service" in page.text
    assert 'value="xyzzy"' in page.text


def test_a_search_that_finds_nobody_offers_a_wider_one(client):
    page = client.get("/search?service=tap-repair&near=781001")
    assert "Nobody offers this within 10 km" in page.text
    assert any("radius=50" in link for link in links(page))


def test_filters_that_leave_nobody_can_be_dropped(client, plumber):
    page = client.get(f"/search?service=tap-repair&near={CITY_PIN}&rating=4.5")
    assert "Nobody fits all of this" in page.text
    assert f"/search?service=tap-repair&near={CITY_PIN}" in links(page)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("near=000000", "We do not know that PIN code or city"),
        ("near=%F0%9F%98%80", "We do not know that PIN code or city"),
        ("near=%D9%85%D9%83%D8%A7%D9%86", "We do not know that PIN code or city"),
        ("radius=-1", "from 1 to 200 km"),
        ("radius=NaN", "from 1 to 200 km"),
        ("rating=9", "from 1 to 5"),
        ("price=abc", "as a number"),
        ("day=2020-01-01", "That day has passed"),
        ("day=x", "Choose a day from the list"),
        ("time=morning", "Choose a day for that time"),
        ("sort=distance", "to sort by distance"),
        ("sort=x", "ways to sort"),
        ("after=x", "Start again from the first page"),
        ("after=%F0%9F%98%80", "Start again from the first page"),
    ],
)
def test_a_bad_filter_gets_a_clear_message(client, plumber, asked, message):
    page = client.get(f"/search?service=tap-repair&{asked}")
    assert page.status_code == 422
    assert message in page.text


@pytest.mark.parametrize("name", ["q", "service", "near", "radius", "rating", "price", "day", "time", "sort", "after"])
@pytest.mark.parametrize(
    "value", ["x" * 4_000, "\x00", "'\"><script>alert(1)</script>", "\u202eمرحبا", "😀" * 50, "%", "-0"]
)
def test_no_filter_breaks_the_page(client, name, value):
    page = client.get("/search", query_string={"service": "tap-repair", "near": CITY_PIN, name: value})
    assert page.status_code in (200, 422)
    assert "<script>alert" not in page.text
    assert len(page.text) < 60_000


def test_a_filter_given_twice_counts_once(client, plumber):
    assert client.get("/search?service=tap-repair&near=560001&near=x").status_code == 200


# -- A professional ---------------------------------------------------------------------------


def test_a_professional_shows_services_slots_and_reviews(client, plumber, customer):
    factories.review(factories.booking(customer, plumber, status="closed"), 4, "Quick and tidy.")
    page = client.get(f"/professionals/{plumber.id}?near={CITY_PIN}")
    for shown in ("Dev Menon", SERVICE, "₹79", "10:00 am", "Quick and tidy.", "Asha", "0 km away", "हिन्दी"):
        assert shown in page.text
    assert "Asha Rao" not in page.text
    assert page.text.count('class="day"') == 14


def test_a_hidden_review_is_not_shown(client, plumber, customer):
    factories.review(factories.booking(customer, plumber, status="closed"), 1, "Rude words.", hidden_at=clock.now())
    assert "Rude words." not in client.get(f"/professionals/{plumber.id}").text


def test_a_free_slot_leads_to_its_booking(as_, customer, plumber):
    day = clock.today() + timedelta(days=1)
    page = as_(customer).get(f"/professionals/{plumber.id}?day={day}")
    slot = next(link for link in links(page) if link.startswith("/book?"))
    assert f"professional_id={plumber.id}" in slot
    assert as_(customer).get(slot).status_code == 200


def test_a_taken_slot_is_no_link(client, plumber, customer):
    factories.booking(customer, plumber, starts_at=factories.at(11, days=1))
    page = client.get(f"/professionals/{plumber.id}?day={clock.today() + timedelta(days=1)}")
    assert "taken" in page.text
    assert not any("T05%3A30" in link for link in links(page) if link.startswith("/book"))


def test_a_professional_looking_is_offered_no_booking(as_, plumber, professional):
    page = as_(professional).get(f"/professionals/{plumber.id}")
    assert not any(link.startswith("/book") for link in links(page))


def test_an_unlisted_professional_has_no_page(client, unapproved_professional):
    hidden = [
        unapproved_professional.id,
        factories.professional(paused=True).id,
        factories.professional(active=False).id,
        factories.customer().id,
        0,
        2**63 - 1,
        2**63,
        10**30,
    ]
    for one in hidden:
        assert client.get(f"/professionals/{one}").status_code == 404
        assert client.get(f"/professionals/{one}/slots", headers={"HX-Request": "true"}).status_code == 404


def test_the_slots_alone_are_for_scripts(client, plumber):
    day = clock.today() + timedelta(days=2)
    fragment = client.get(f"/professionals/{plumber.id}/slots?day={day}", headers={"HX-Request": "true"})
    assert not html.is_page(fragment.text)
    assert "Wednesday 25 November" in fragment.text
    plain = client.get(f"/professionals/{plumber.id}/slots?day={day}&service=tap-repair")
    assert plain.status_code == 302
    assert plain.location == f"/professionals/{plumber.id}?day={day}&service=tap-repair#slots"
    assert client.get(plain.location).status_code == 200


@pytest.mark.parametrize(
    "asked", ["day=x", "day=2020-01-01", "service=no", "service=%00", "near=%00", "near=" + "x" * 5000, "after="]
)
def test_odd_wishes_show_the_page_as_it_is(client, plumber, asked):
    assert client.get(f"/professionals/{plumber.id}?{asked}").status_code == 200


def test_a_made_up_cursor_of_reviews_is_refused(client, plumber):
    assert client.get(f"/professionals/{plumber.id}?after=xyz").status_code == 422


def test_a_professional_without_services_says_so(client, plumber):
    for offering in db.session.get(Professional, plumber.id).offerings:
        db.session.delete(offering)
    db.session.commit()
    assert "offers nothing that can be booked now" in client.get(f"/professionals/{plumber.id}").text


def test_odd_names_and_words_are_shown_as_text(client, customer):
    person = factories.professional(
        name="<b>\u202eمرحبا</b> 😀", services=[factories.service(SERVICE)], bio="<script>x</script>"
    )
    page = client.get(f"/professionals/{person.id}")
    assert "<b>\u202e" not in page.text
    assert "&lt;script&gt;" in page.text
    assert client.get("/search?q=tap+repair").status_code == 200


# -- Small things -----------------------------------------------------------------------------


def test_a_pin_code_names_its_place(client):
    assert "Bengaluru GPO, " in client.get("/pincodes/560001").text


@pytest.mark.parametrize("pin", ["000000", "999999", "x", "😀", "5600", "%00"])
def test_an_unknown_pin_code_says_so(client, pin):
    assert "We do not know that PIN code" in client.get(f"/pincodes/{pin}").text


@pytest.mark.parametrize("file_id", ["nope", "..", "%2e%2e%2fetc%2fpasswd", "%00", "😀"])
def test_an_unknown_photo_is_not_found(client, file_id):
    assert client.get(f"/photos/{file_id}").status_code == 404


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    "path", ["/", "/services", "/search?service=tap-repair&near=560001", "/professionals/{id}?near=Bangalore"]
)
def test_a_page_needs_as_many_queries_for_many_as_for_few(as_, customer, plumber, count_queries, path, kept):
    path = path.format(id=plumber.id)
    browser = as_(customer)

    def questions():
        cache.clear()
        if kept:
            browser.get(path)
        with count_queries() as seen:
            browser.get(path)
        return seen.count

    few = questions()
    for number in range(25):
        factories.professional(name=f"P{number}", services=[factories.service(SERVICE)])
    assert few == questions() <= 8


def test_even_the_fullest_search_page_needs_eight_queries(as_, customer, count_queries):
    """Nobody is free within three days, so that the next slots take a second look."""
    for number in range(3):
        person = factories.professional(name=f"P{number}", services=[factories.service(SERVICE)])
        for hours in db.session.get(Professional, person.id).hours:
            if hours.weekday != 5:
                db.session.delete(hours)
    db.session.commit()
    with count_queries() as seen:
        page = as_(customer).get("/search?q=tap+repair&near=Bangalore&radius=25&sort=distance")
    assert "Sat 28 Nov" in page.text
    assert seen.count <= 8
