"""Accounts: signing up, profiles, addresses, and what admins may do to them."""

import pytest
from sqlalchemy import select

from domain import files, notifications, users
from domain.errors import Conflict, Invalid, NotAllowed, NotFound
from extensions import db
from models import Address, AuditEntry, Booking, FileKind, Notification, Offering, Role, Status, StoredFile, User
from tests import factories
from tests.domain.test_files import check, pdf, picture

NEW = {"email": "Hari.Das@Example.com", "name": "  Hari   Das ", "password_hash": "x"}


def audit_trail():
    return [(row.action, row.subject_id) for row in db.session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_a_customer_is_kept_under_one_spelling(app):
    person = users.sign_up_customer(**NEW, phone="098765 43210")
    assert (person.email, person.name, person.name_key) == ("hari.das@example.com", "Hari Das", "hari das")
    assert (person.role, person.phone, person.demo) == (Role.CUSTOMER, "+919876543210", False)
    assert users.find(" HARI.das@example.COM ") is person


def test_an_address_has_one_account_and_the_transaction_lives_on(app, customer):
    assert users.sign_up_customer(**{**NEW, "email": customer.email.upper()}) is None
    assert users.sign_up_customer(**NEW) is not None


@pytest.mark.parametrize(
    "email", ["", "x", "a@b@c.de", "a b@example.com", "x" * 300 + "@example.com", "a@b..c", "\ud800@x.com"]
)
def test_an_address_that_is_none_is_refused(app, email):
    with pytest.raises(Invalid) as refused:
        users.normalise_email(email)
    assert refused.value.field == "email"
    assert users.find(email) is None


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("98765 43210", "+919876543210"),
        ("+91-98765-43210", "+919876543210"),
        ("+1 212 555 2368", "+12125552368"),
        ("९८७६५४३२१०", "+919876543210"),
        ("  ", None),
    ],
)
def test_phones_are_kept_in_their_international_form(app, written, kept):
    assert users.normalise_phone(written) == kept


@pytest.mark.parametrize("text", ["12345", "phone", "9" * 1000, "+", "🙂🙂🙂", "'; --"])
def test_a_phone_that_cannot_ring_is_refused(app, text):
    with pytest.raises(Invalid) as refused:
        users.normalise_phone(text)
    assert refused.value.field == "phone"


def test_only_the_operator_makes_admins_and_demo_people(app):
    assert users.demo_accounts_exist() is False
    admin = users.add_admin(email="a@example.com", name="A", password_hash="x", demo=True)
    assert (admin.role, admin.confirmed_at is not None) == (Role.ADMIN, True)
    assert users.demo_accounts_exist() is True


def test_a_profile_is_its_owners(customer, other_customer, admin):
    users.change_profile(customer, by=customer, name="Asha R", phone="")
    assert (customer.name, customer.phone) == ("Asha R", None)
    for stranger in (other_customer, admin):
        with pytest.raises(NotAllowed):
            users.change_profile(customer, by=stranger, name="X", phone="")
    for name in ("", " \t ", "x" * 121):
        with pytest.raises(Invalid):
            users.change_profile(customer, by=customer, name=name, phone="")


def test_a_professional_cannot_be_without_phone(professional):
    with pytest.raises(Invalid):
        users.change_profile(professional, by=professional, name="Dev", phone=" ")


def test_addresses_take_their_place_from_the_directory(customer):
    added = users.add_address(customer, line=" 4,  Lake Road ", pincode="560 034", label="Office")
    assert (added.line, added.pincode, added.pin.state.title()) == ("4, Lake Road", "560034", "Karnataka")
    assert users.addresses_of(customer)[0] is added
    users.edit_address(added, by=customer, line="5, Lake Road", pincode="560001")
    assert (added.line, added.pincode, added.label) == ("5, Lake Road", "560001", "")
    users.remove_address(added, by=customer)
    assert added not in users.addresses_of(customer)
    assert db.session.get(Address, added.id).archived_at is not None
    with pytest.raises(NotFound):
        users.edit_address(added, by=customer, line="x", pincode="560001")


@pytest.mark.parametrize(("field", "wrong"), [("pincode", "999999"), ("line", "  "), ("line", "x" * 201)])
def test_an_address_that_cannot_be_found_is_refused(customer, field, wrong):
    with pytest.raises(Invalid) as refused:
        users.add_address(customer, **{"line": "4, Lake Road", "pincode": "560034", field: wrong})
    assert refused.value.field == field


def test_nobody_touches_the_address_of_another(customer, other_customer, professional):
    theirs = users.addresses_of(other_customer)[0]
    with pytest.raises(NotFound):
        users.address(theirs.id, by=customer)
    with pytest.raises(NotFound):
        users.edit_address(theirs, by=customer, line="x", pincode="560001")
    with pytest.raises(NotFound):
        users.remove_address(theirs, by=customer)
    with pytest.raises(NotAllowed):
        users.add_address(professional, line="x", pincode="560001")


def test_addresses_are_bounded(customer):
    for number in range(users.MOST_ADDRESSES - 1):
        users.add_address(customer, line=f"{number}, Lake Road", pincode="560034")
    with pytest.raises(Invalid):
        users.add_address(customer, line="One more", pincode="560034")


def test_blocking_shuts_a_professional_out_of_search_and_is_audited(professional, admin):
    offering = db.session.scalar(select(Offering).where(Offering.professional_id == professional.id))
    users.block(professional, by=admin, reason=" Never came ")
    db.session.refresh(offering)
    assert (professional.active, professional.blocked_reason, offering.listed) == (False, "Never came", False)
    users.unblock(professional, by=admin)
    db.session.refresh(offering)
    assert (professional.active, professional.blocked_reason, offering.listed) == (True, None, True)
    assert audit_trail() == [("block", professional.id), ("unblock", professional.id)]


def test_only_admins_block_and_never_themselves(customer, other_customer, admin):
    for verb in (users.block, users.anonymise):
        with pytest.raises(NotAllowed):
            verb(customer, by=other_customer, reason="x")
        with pytest.raises(NotAllowed):
            verb(admin, by=admin, reason="x")
    with pytest.raises(NotAllowed):
        users.unblock(customer, by=other_customer)
    with pytest.raises(Invalid):
        users.block(customer, by=admin, reason="  ")
    assert audit_trail() == []


def test_blocking_twice_or_unblocking_the_unblocked_is_a_conflict(customer, blocked_customer, admin):
    with pytest.raises(Conflict):
        users.block(blocked_customer, by=admin, reason="x")
    with pytest.raises(Conflict):
        users.unblock(customer, by=admin)


def test_an_anonymised_customer_leaves_bookings_without_a_name(customer, professional, admin):
    booking = factories.booking(customer, professional, status=Status.CLOSED, remarks="Ring twice, Asha")
    notifications.notify(professional.id, "closed", booking.id, name="Asha")
    db.session.commit()
    old_session = customer.fs_uniquifier
    users.anonymise(customer, by=admin, reason="Asked for it")
    db.session.commit()
    db.session.expire_all()
    assert (customer.name, customer.phone, customer.password, customer.active) == ("Former customer", None, None, False)
    assert "asha" not in customer.email
    assert customer.fs_uniquifier != old_session
    assert users.addresses_of(customer) == []
    assert [one.line for one in db.session.scalars(select(Address))] == [""]
    kept = db.session.get(Booking, booking.id)
    assert (kept.total, kept.address_line, kept.remarks) == (booking.total, "", "")
    assert db.session.scalars(select(Notification)).all() == []
    assert audit_trail() == [("anonymise", customer.id)]
    with pytest.raises(Conflict):
        users.anonymise(customer, by=admin, reason="again")
    with pytest.raises(Invalid):
        users.unblock(customer, by=admin)


def test_an_anonymised_professional_leaves_search_and_documents_go(professional, admin, settings):
    professional.photo_id = files.store(check(FileKind.PHOTO, picture()), professional).id
    professional.professional.identity_id = files.store(check(FileKind.IDENTITY, pdf()), professional).id
    db.session.commit()
    users.anonymise(professional, by=admin, reason="Left")
    db.session.commit()
    assert db.session.scalars(select(StoredFile)).all() == []
    assert not [path for path in settings.upload_dir.rglob("*") if path.is_file()]
    assert not db.session.scalar(select(Offering.listed).where(Offering.professional_id == professional.id))
    assert db.session.get(User, professional.id).photo_id is None


@pytest.mark.parametrize(
    "status", [Status.PENDING, Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS, Status.COMPLETED]
)
def test_nobody_is_anonymised_while_a_booking_is_under_way(customer, professional, admin, status):
    factories.booking(customer, professional, status=status)
    for person in (customer, professional):
        with pytest.raises(Invalid):
            users.anonymise(person, by=admin, reason="x")
    assert customer.name == "Asha Rao"
