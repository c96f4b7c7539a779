"""Categories and services come, change, retire and return; what is used is never deleted."""

import pytest
from sqlalchemy import select

from domain import catalogue, requests, services
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import AuditEntry, Booking, Category, Offering, Service, Status
from tests import factories

NEW = {"name": "Chimney sweep", "base_price": 100_000, "duration_minutes": 90}


@pytest.fixture
def category(app):
    return db.session.query(Category).order_by(Category.id).first()


@pytest.fixture
def made(admin, category):
    return services.create_service(admin, category_id=category.id, **NEW)


def acts():
    return [one.action for one in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_a_new_service_is_in_the_public_catalogue(made, category):
    assert made.slug == "chimney-sweep"
    assert "Chimney sweep" in [one.name for one in catalogue.category(category.slug).services]
    assert acts() == ["create_service"]


@pytest.mark.parametrize("verb", [services.retire_service, services.restore_service, services.delete_service])
def test_only_admins_change_services(made, customer, professional, verb):
    for person in (customer, professional):
        with pytest.raises(NotAllowed):
            verb(made, by=person)


def test_only_admins_create_and_change(made, category, customer):
    with pytest.raises(NotAllowed):
        services.create_category(customer, name="Mine")
    with pytest.raises(NotAllowed):
        services.edit_category(category, customer, name="Mine")
    with pytest.raises(NotAllowed):
        services.create_service(customer, category_id=category.id, **NEW)
    with pytest.raises(NotAllowed):
        services.edit_service(made, customer, category_id=category.id, **NEW)


def test_names_and_addresses_are_used_once(admin, category, made):
    with pytest.raises(Invalid) as refused:
        services.create_service(admin, category_id=category.id, **NEW)
    assert refused.value.field == "name"
    with pytest.raises(Invalid) as refused:
        services.create_service(admin, category_id=category.id, **NEW | {"name": "Chimney Sweep!"})
    assert refused.value.field == "slug"
    with pytest.raises(Invalid) as refused:
        services.create_category(admin, name=category.name)
    assert refused.value.field == "name"


def test_two_who_save_the_same_at_once_are_told_apart_by_the_database(admin, category, made, monkeypatch):
    monkeypatch.setattr(services, "_refuse_taken", lambda one, values: None)
    with pytest.raises(Conflict):
        services.create_service(admin, category_id=category.id, **NEW)


def test_the_same_name_may_stand_in_two_categories(admin, made):
    other = services.create_category(admin, name="Roofs")
    again = services.create_service(admin, category_id=other.id, slug="roof-sweep", **NEW)
    assert again.name == made.name


@pytest.mark.parametrize(("name", "slug"), [("Café & Crème", "cafe-creme"), ("  A   b  ", "a-b"), ("x" * 80, "x" * 70)])
def test_an_address_is_made_of_the_name(admin, name, slug):
    assert services.create_category(admin, name=name).slug == slug


def test_a_name_without_latin_letters_needs_an_address(admin):
    with pytest.raises(Invalid) as refused:
        services.create_category(admin, name="सफ़ाई")
    assert refused.value.field == "slug"
    assert services.create_category(admin, name="सफ़ाई", slug="safai").slug == "safai"


def test_a_new_price_is_for_new_bookings(admin, customer, professional):
    one = factories.service()
    booked = factories.booking(customer, professional)
    total = booked.total
    values = {"category_id": one.category_id, "name": one.name, "duration_minutes": one.duration_minutes}
    services.edit_service(one, admin, base_price=one.base_price + 10_000, **values)
    db.session.commit()
    assert db.session.get(Booking, booked.id).total == total
    assert requests.quote(one.id, professional.id).subtotal == one.base_price
    entry = db.session.scalar(select(AuditEntry))
    assert entry.detail["changes"]["base_price"] == [one.base_price - 10_000, one.base_price]


def test_saving_what_is_there_already_writes_nothing(admin, made, category):
    services.edit_service(made, admin, category_id=category.id, **NEW)
    assert acts() == ["create_service"]


def test_a_retired_service_can_t_be_booked_but_keeps_its_bookings(admin, customer, professional):
    one = factories.service()
    booked = factories.booking(customer, professional, status=Status.ACCEPTED)
    services.retire_service(one, by=admin)
    db.session.commit()
    assert one.name not in [known.name for known in catalogue.services()]
    with pytest.raises((Invalid, Conflict, NotFound)):
        requests.quote(one.id, professional.id)
    assert db.session.get(Booking, booked.id).service.name == one.name
    with pytest.raises(Conflict):
        services.retire_service(one, by=admin)
    services.restore_service(one, by=admin)
    assert one.name in [known.name for known in catalogue.services()]


def test_a_service_with_bookings_or_offerings_is_not_deleted(admin, customer, professional, made):
    with pytest.raises(Conflict, match="bookings"):
        one = factories.service()
        factories.booking(customer, professional)
        services.delete_service(one, by=admin)
    factories.offer(professional, made)
    with pytest.raises(Conflict, match="1 professional offers"):
        services.delete_service(made, by=admin)
    db.session.query(Offering).filter_by(service_id=made.id).delete()
    services.delete_service(made, by=admin)
    assert db.session.get(Service, made.id) is None


def test_what_was_ever_used_is_retired_when_it_is_removed(admin, customer, professional, made):
    booked = factories.service()
    factories.booking(customer, professional)
    db.session.query(Offering).delete()
    services.remove_service(booked, by=admin)
    assert booked.retired_at is not None
    services.remove_service(made, by=admin)
    assert db.session.get(Service, made.id) is None
    with pytest.raises(NotAllowed):
        services.remove_service(booked, by=customer)


def test_a_category_is_known_by_its_name_and_its_word(admin, category):
    for text in (category.name, f" {category.name.upper()} ", category.slug):
        assert services.category_named(text).id == category.id
    with pytest.raises(Invalid) as refusal:
        services.category_named("Alchemy")
    assert refusal.value.field == "category_id"


def test_a_service_that_somebody_begins_to_offer_meanwhile_stays(admin, professional, made, monkeypatch):
    factories.offer(professional, made)
    monkeypatch.setattr(services.db.session, "scalar", lambda *args, **kwargs: None)
    with pytest.raises(Conflict, match="just begun"):
        services.delete_service(made, by=admin)


def test_a_category_takes_its_services_along_and_brings_them_back(admin, category, frozen):
    first, second, *_rest = category.services
    services.retire_service(first, by=admin)
    db.session.commit()
    frozen.shift(60)
    services.retire_category(category, by=admin)
    db.session.commit()
    assert category.name not in [group.name for group in catalogue.categories()]
    assert second.retired_at is not None
    with pytest.raises(Conflict):
        services.retire_category(category, by=admin)
    with pytest.raises(Conflict, match="category"):
        services.restore_service(second, by=admin)
    services.restore_category(category, by=admin)
    db.session.commit()
    db.session.expire_all()
    assert second.retired_at is None
    assert first.retired_at is not None
    with pytest.raises(Conflict):
        services.restore_category(category, by=admin)


def test_only_an_empty_category_is_deleted(admin, category):
    with pytest.raises(Conflict, match="services are in this category"):
        services.delete_category(category, by=admin)
    empty = services.create_category(admin, name="Roofs")
    services.delete_category(empty, by=admin)
    assert acts() == ["create_category", "delete_category"]


def test_the_admin_sees_what_is_retired_and_who_offers_what(admin, category, professional):
    one = category.services[0]
    services.retire_service(one, by=admin)
    listed = {known.id for group in services.catalogue() for known in group.services}
    assert one.id in listed
    assert services.offered() == {factories.service().id: 1}
