"""The site's share: whose rate holds, and that the one that was shown is kept."""

from datetime import timedelta

import pytest

from domain import billing, bookings, commissions, ledger, proposals, services
from domain.errors import Invalid, InvalidTransition, NotAllowed
from extensions import db
from models import AuditEntry, BookingLine, LineKind, Status
from tests import factories


@pytest.fixture
def request_of(customer, professional):
    """A request for one hour at 499.00."""
    one = factories.service("Kettle repair", base_price=49_900)

    def made(**values):
        return factories.booking(customer, professional, **{"service": one, "starts_at": factories.at(11), **values})

    return made


def set_rates(professional, own=None, category=None):
    professional.professional.commission = own
    factories.service("Kettle repair").category.commission = category
    db.session.commit()


@pytest.mark.parametrize(
    "own, category, rate", [(None, None, 0), (None, 1500, 1500), (1000, 1500, 1000), (0, 1500, 0), (0, None, 0)]
)
def test_the_most_special_rate_holds(request_of, professional, own, category, rate):
    booking = request_of()
    set_rates(professional, own, category)
    assert commissions.current(booking, professional.professional) == rate
    bookings.accept(booking, professional)
    assert booking.commission == rate


def test_a_request_shows_what_it_would_bring_and_a_job_what_was_agreed(request_of, professional):
    booking = request_of()
    set_rates(professional, own=1250)
    assert commissions.net(booking, professional.professional) == 49_900 - 6_238
    bookings.accept(booking, professional)
    set_rates(professional, own=5000)
    assert commissions.net(booking, professional.professional) == 49_900 - 6_238


def test_who_was_shown_another_rate_is_asked_to_look_again(request_of, professional):
    booking = request_of()
    set_rates(professional, own=2000)
    with pytest.raises(InvalidTransition, match=r"399\.20"):
        bookings.accept(booking, professional, commission=1000)
    assert booking.status is Status.PENDING
    bookings.accept(booking, professional, commission=2000)
    assert booking.commission == 2000


def test_another_rate_changes_no_old_job(request_of, professional):
    booking = request_of(status=Status.IN_PROGRESS, commission=1000)
    bookings.complete(booking, professional)
    set_rates(professional, own=9000)
    billing.settle(booking)
    assert -ledger.balance(ledger.professional(professional.id)) == 49_900 - 4_990
    assert billing.faults() == []


def test_who_agrees_to_another_time_of_a_request_agrees_to_the_rate(request_of, customer, professional):
    booking = request_of(starts_at=factories.at(11, days=2))
    set_rates(professional, own=700)
    proposal = proposals.propose(booking, professional, factories.at(15, days=2))
    proposals.agree(booking, customer, proposal.id)
    assert (booking.status, booking.commission) == (Status.ACCEPTED, 700)


def test_who_is_given_a_job_has_their_own_rate(request_of, professional, other_professional, admin):
    booking = request_of(starts_at=factories.at(11, days=1))
    set_rates(professional, own=1000)
    bookings.accept(booking, professional)
    factories.offer(other_professional, booking.service)
    other_professional.professional.commission = 300
    db.session.commit()
    bookings.reassign(booking, admin, other_professional.id, "Ill")
    assert booking.commission == 300


def test_a_late_fee_has_no_commission(request_of, customer, professional, frozen):
    booking = request_of(status=Status.ACCEPTED, commission=5000)
    frozen.shift(timedelta(minutes=6))
    bookings.cancel(booking, customer)
    fee = db.session.query(BookingLine.amount).filter_by(booking_id=booking.id, kind=LineKind.LATE_FEE).scalar()
    assert -ledger.balance(ledger.professional(professional.id)) == fee > 0


def test_an_admin_sets_a_rate_and_it_is_written_down(professional, admin):
    commissions.set_own(professional.professional, admin, 1250)
    commissions.set_own(professional.professional, admin, 1250)
    commissions.set_own(professional.professional, admin, None)
    entries = db.session.query(AuditEntry).filter_by(action="set_commission").order_by(AuditEntry.id).all()
    assert [entry.detail["changes"]["commission"] for entry in entries] == [[None, 1250], [1250, None]]
    assert professional.professional.commission is None


def test_nobody_else_sets_it_and_nothing_beyond_a_whole(professional, customer, admin):
    for person in (professional, customer):
        with pytest.raises(NotAllowed):
            commissions.set_own(professional.professional, person, 0)
    for rate in (-1, 10_001):
        with pytest.raises(Invalid) as refused:
            commissions.set_own(professional.professional, admin, rate)
        assert refused.value.field == "commission"


def test_a_category_has_a_rate_of_its_own_until_it_is_taken_away(admin):
    category = factories.service().category
    services.edit_category(category, admin, name=category.name, commission=1500)
    assert category.commission == 1500
    services.edit_category(category, admin, name=category.name)
    assert category.commission is None
    with pytest.raises(Invalid):
        services.edit_category(category, admin, name=category.name, commission=10_001)
