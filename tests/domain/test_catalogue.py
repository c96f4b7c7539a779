"""What can be booked, and what words mean."""

import pytest

from domain import catalogue, clock
from domain.errors import NotFound
from extensions import db
from models import Category
from tests import factories


def names(words):
    return [service.name for service in catalogue.matching(words)]


@pytest.mark.parametrize(
    ("words", "best"),
    [
        ("Tap repair", "Tap repair"),
        ("tap repair", "Tap repair"),
        ("TAP  REPAIR!", "Tap repair"),
        ("tap repar", "Tap repair"),
        ("i need a tap repair please", "Tap repair"),
        ("repairing taps", "Tap repair"),
        ("electrician", "Electrician visit"),
        ("haircut", "Haircut for women"),
        ("washing machne", "Washing machine check-up"),
        ("refridgerator", "Refrigerator cleaning"),
        ("termites", "Termite treatment (1 BHK)"),
        ("mattres", "Mattress cleaning (queen size)"),
        ("ac gas", "AC gas refill"),
        ("fridge", "Refrigerator cleaning"),
    ],
)
def test_words_find_the_service(app, words, best):
    assert names(words)[0] == best


def test_the_name_of_a_trade_finds_its_whole_category(app):
    plumbing = {service.name for service in catalogue.category("plumbing").services}
    assert set(names("plumber")) == plumbing
    assert set(names("Plumbing")) == plumbing


def test_an_exact_name_comes_first_and_then_its_category(app):
    found = names("Tap repair")
    assert found[0] == "Tap repair"
    assert "Flush tank repair" in found[1:]


@pytest.mark.parametrize(
    "words", ["", "  ", "xyzzy", "😀", "\u200fمرحبا", "a", "the", "<script>", "'; DROP TABLE x; --", "\x00"]
)
def test_other_words_find_nothing(app, words):
    assert names(words) == []


def test_a_megabyte_of_words_is_cut_short(app):
    assert names("tap " * 250_000)[0] == "Tap repair"


def test_a_service_of_any_script_is_found(app):
    factories.service("नल मरम्मत", slug="nal")
    assert names("नल मरम्मत")[0] == "नल मरम्मत"
    assert names("मरम्मत")[0] == "नल मरम्मत"


def test_a_retired_service_is_not_found(app):
    factories.service("Tap repair").retired_at = clock.now()
    db.session.commit()
    assert "Tap repair" not in names("tap repair")
    assert catalogue.with_siblings("tap-repair") == []


def test_a_retired_category_hides_its_services(app):
    db.session.query(Category).filter_by(slug="plumbing").one().retired_at = clock.now()
    db.session.commit()
    assert "Tap repair" not in names("tap repair")
    with pytest.raises(NotFound):
        catalogue.category("plumbing")


def test_categories_carry_their_services_and_lowest_price(app, count_queries):
    with count_queries() as seen:
        groups = catalogue.categories()
    assert seen.count == 1
    assert len(groups) == 11
    assert sum(len(group.services) for group in groups) == 50
    assert groups[0].name == "Home Cleaning"
    assert groups[0].lowest_price == 39_900


def test_a_service_comes_with_the_others_of_its_category(app):
    found = catalogue.with_siblings("flush-tank-repair")
    assert found[0].name == "Flush tank repair"
    assert {one.category for one in found} == {"Plumbing"}
    assert len(found) == 6


def test_an_unknown_slug_finds_nothing(app):
    assert catalogue.with_siblings("no-such") == []


def test_offers_carry_the_own_price(app, professional):
    own = factories.service("Tap repair")
    factories.offer(professional, own, own_price=12_300)
    prices = {offer.name: offer.price for offer in catalogue.offers_of(professional.id)}
    assert prices["Tap repair"] == 12_300
    assert len(prices) == 2


def test_only_a_listed_professional_has_a_page(app, professional, unapproved_professional):
    assert catalogue.listed(professional.id).user.name == "Dev Menon"
    paused = factories.professional(paused=True)
    blocked = factories.professional(active=False)
    for hidden in (unapproved_professional.id, paused.id, blocked.id, 999_999):
        with pytest.raises(NotFound):
            catalogue.listed(hidden)
