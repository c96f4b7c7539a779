"""Professionals: their profile and prices, and the decision about their application."""

import pytest
from sqlalchemy import select

from domain import professionals, ratings, users
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import Approval, AuditEntry, Notification, Offering, Professional
from tests import factories

PROFILE = {
    "bio": "Taps, tanks and pipes.",
    "experience_years": 12,
    "hourly_rate": 45_000,
    "pincode": factories.NEAR_PIN,
    "radius_km": 25,
    "speed_kmh": 30,
    "languages": ["kn", "en"],
}


def work_of(person) -> Professional:
    return professionals.get(person.id)


def offerings_of(person) -> list[Offering]:
    db.session.expire_all()
    return list(db.session.scalars(select(Offering).where(Offering.professional_id == person.id)))


def told(person) -> list[str]:
    return list(db.session.scalars(select(Notification.kind).where(Notification.user_id == person.id)))


def test_a_profile_is_changed_and_search_follows(professional):
    work = work_of(professional)
    professionals.change_profile(work, by=professional, **PROFILE)
    assert (work.bio, work.hourly_rate, work.languages) == ("Taps, tanks and pipes.", 45_000, ["en", "kn"])
    (offering,) = offerings_of(professional)
    assert (offering.radius_km, offering.experience_years, offering.lat) == (25, 12, work.lat)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pincode", "999999"),
        ("bio", "x" * 2001),
        ("experience_years", 71),
        ("experience_years", -1),
        ("radius_km", 0),
        ("radius_km", 201),
        ("speed_kmh", 4),
        ("speed_kmh", 101),
        ("hourly_rate", -1),
        ("hourly_rate", 10**12),
        ("languages", ["klingon"]),
        ("upi_id", "dev"),
        ("upi_id", "dev@ok bank"),
        ("upi_id", "dev@okbank?am=1"),
    ],
)
def test_a_profile_beyond_its_bounds_is_refused(professional, field, value):
    with pytest.raises(Invalid) as refused:
        professionals.change_profile(work_of(professional), by=professional, **{**PROFILE, field: value})
    assert refused.value.field == field


def test_a_upi_id_is_kept_and_taken_away(professional):
    for said, kept in (("dev.menon-1@okbank", "dev.menon-1@okbank"), ("", None)):
        professionals.change_profile(work_of(professional), by=professional, **{**PROFILE, "upi_id": said})
        assert work_of(professional).upi_id == kept


def test_a_profile_is_its_owners(professional, other_professional, admin):
    work = work_of(professional)
    for stranger in (other_professional, admin):
        with pytest.raises(NotAllowed):
            professionals.change_profile(work, by=stranger, **PROFILE)
        with pytest.raises(NotAllowed):
            professionals.set_offerings(work, by=stranger, prices={})
        with pytest.raises(NotAllowed):
            professionals.set_pause(work, by=stranger, paused=True)
        with pytest.raises(NotAllowed):
            professionals.apply_again(work, by=stranger)


def test_offerings_are_exactly_what_was_chosen(professional):
    work = work_of(professional)
    first = work.offerings[0].service_id
    second = factories.service("Deep clean", base_price=100_000)
    professionals.set_offerings(work, by=professional, prices={first: 55_500, second.id: None})
    assert {(one.service_id, one.own_price, one.listed) for one in offerings_of(professional)} == {
        (first, 55_500, True),
        (second.id, None, True),
    }
    professionals.set_offerings(work_of(professional), by=professional, prices={second.id: 0})
    assert [(one.service_id, one.own_price) for one in offerings_of(professional)] == [(second.id, 0)]
    professionals.set_offerings(work_of(professional), by=professional, prices={})
    assert offerings_of(professional) == []


def test_what_is_retired_or_unknown_cannot_be_offered_anew(professional, frozen):
    work = work_of(professional)
    retired = factories.service("Typewriter repair", retired_at=work.applied_at)
    for service_id in (retired.id, 999_999):
        with pytest.raises(Invalid):
            professionals.set_offerings(work, by=professional, prices={service_id: None})
    for price in (-1, 10**12):
        with pytest.raises(Invalid):
            professionals.set_offerings(work, by=professional, prices={work.offerings[0].service_id: price})


def test_retired_services_are_not_shown_for_choosing(app):
    retired = factories.service("Typewriter repair", retired_at=factories.at(9))
    shown = [one.id for category in professionals.catalogue() for one in category.services]
    assert retired.id not in shown
    assert len(shown) >= 50


def test_a_pause_takes_a_professional_out_of_search(professional):
    professionals.set_pause(work_of(professional), by=professional, paused=True)
    assert not offerings_of(professional)[0].listed
    professionals.set_pause(work_of(professional), by=professional, paused=False)
    assert offerings_of(professional)[0].listed


def test_a_new_professional_waits_and_is_not_found(app):
    person = users.sign_up_professional(
        email="n@example.com", name="N", password_hash="x", phone="98765 43210", pincode=factories.CITY_PIN
    )
    work = work_of(person)
    professionals.set_offerings(work, by=person, prices={factories.service().id: None})
    assert work.approval is Approval.PENDING
    assert not offerings_of(person)[0].listed
    assert professionals.missing(work_of(person)) == ["an identity document", "a few words about your work"]


def test_approving_lists_ranks_tells_and_is_audited(unapproved_professional, admin):
    work = work_of(unapproved_professional)
    professionals.approve(work, by=admin)
    assert work.approval is Approval.APPROVED
    assert work.approved_at is not None
    assert work.rank == pytest.approx(ratings.prior_mean())
    (offering,) = offerings_of(unapproved_professional)
    assert (offering.listed, offering.rank) == (True, work.rank)
    assert told(unapproved_professional) == ["approved"]
    assert [(row.action, row.actor_id) for row in db.session.scalars(select(AuditEntry))] == [("approve", admin.id)]


def test_a_refusal_needs_a_reason_and_leaves_a_way_back(unapproved_professional, admin):
    work = work_of(unapproved_professional)
    with pytest.raises(Invalid):
        professionals.reject(work, by=admin, reason=" ")
    professionals.reject(work, by=admin, reason="The document cannot be read.")
    assert (work.approval, work.approval_reason) == (Approval.REJECTED, "The document cannot be read.")
    assert told(unapproved_professional) == ["not_approved"]
    professionals.apply_again(work, by=unapproved_professional)
    assert work.approval is Approval.PENDING
    professionals.approve(work, by=admin)
    assert (work.approval, work.approval_reason) == (Approval.APPROVED, None)


def test_an_approval_can_be_taken_back(professional, admin):
    professionals.reject(work_of(professional), by=admin, reason="False documents.")
    assert not offerings_of(professional)[0].listed


def test_who_decides_second_is_told(unapproved_professional, professional, admin):
    work = work_of(unapproved_professional)
    professionals.approve(work, by=admin)
    with pytest.raises(Conflict):
        professionals.approve(work, by=admin)
    with pytest.raises(Conflict):
        professionals.apply_again(work_of(professional), by=professional)


def test_only_admins_decide(unapproved_professional, customer, other_professional):
    work = work_of(unapproved_professional)
    for person in (customer, other_professional, unapproved_professional):
        with pytest.raises(NotAllowed):
            professionals.approve(work, by=person)
        with pytest.raises(NotAllowed):
            professionals.reject(work, by=person, reason="x")
    assert work.approval is Approval.PENDING


def test_a_blocked_professional_stays_unlisted_when_approved(unapproved_professional, admin):
    users.block(unapproved_professional, by=admin, reason="x")
    professionals.approve(work_of(unapproved_professional), by=admin)
    assert not offerings_of(unapproved_professional)[0].listed


def test_there_is_no_professional_behind_a_customer(customer):
    with pytest.raises(NotFound):
        professionals.get(customer.id)
