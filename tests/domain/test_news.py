"""What is told to whom: every verb by everybody who may use it, as the open pages of all people hear it."""

from collections import defaultdict
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain import (
    amendments,
    appeals,
    bookings,
    cascades,
    disputes,
    extras,
    news,
    no_shows,
    notifications,
    outside_calendars,
    professionals,
    proposals,
    requests,
    reviews,
    schedules,
    start_codes,
    users,
    waits,
)
from domain.errors import DomainError
from extensions import db
from models import PaymentMethod, SlotClaim, Status
from tests import factories
from tests.circumstances import Circumstances
from tests.domain.test_transitions import WRITTEN

WORDS = "The tap still drips."
LATER = timedelta(hours=4)
# How each verb is done in its circumstances; those of the clock look for what is due.
DO = {
    "accept": lambda booking, by, its: bookings.accept(booking, by),
    "reject": lambda booking, by, its: bookings.reject(booking, by, WORDS),
    "expire": lambda booking, by, its: bookings.expire_due(),
    "edit": lambda booking, by, its: amendments.edit(booking, by, WORDS),
    "move": lambda booking, by, its: amendments.shift(booking, by, booking.starts_at + LATER),
    "propose": lambda booking, by, its: proposals.propose(booking, by, booking.starts_at + LATER),
    "agree": lambda booking, by, its: proposals.agree(booking, by, its.proposal_id),
    "decline_time": lambda booking, by, its: proposals.decline(booking, by, its.proposal_id),
    "withdraw": lambda booking, by, its: proposals.withdraw(booking, by, its.proposal_id),
    "lapse": lambda booking, by, its: proposals.lapse_due(),
    "cancel": lambda booking, by, its: bookings.cancel(booking, by, WORDS),
    "reassign": lambda booking, by, its: bookings.reassign(booking, by, its.cast["colleague"].id, WORDS),
    "renew_code": lambda booking, by, its: bookings.renew_code(booking, by),
    "depart": lambda booking, by, its: bookings.depart(booking, by),
    "start": lambda booking, by, its: bookings.start(booking, by, start_codes.code_of(booking)),
    "override_code": lambda booking, by, its: bookings.override_code(booking, by, WORDS),
    "knock": lambda booking, by, its: no_shows.knock(booking, by),
    "no_show": lambda booking, by, its: no_shows.report(booking, by),
    "cascade": lambda booking, by, its: cascades.follow(booking),
    "complete": lambda booking, by, its: bookings.complete(booking, by),
    "record_payment": lambda booking, by, its: bookings.record_payment(booking, by, PaymentMethod.CASH),
    "close": lambda booking, by, its: bookings.close(booking, by) if by else bookings.close_due(),
    "dispute": lambda booking, by, its: disputes.begin(booking, by, WORDS),
    "answer_dispute": lambda booking, by, its: disputes.answer(booking, by, WORDS),
    "resolve": lambda booking, by, its: disputes.dismiss(booking, by, WORDS),
    "propose_extra": lambda booking, by, its: extras.propose(booking, by, "Filter", 12_000),
    "approve_extra": lambda booking, by, its: extras.approve(booking, by, [its.extra_id]),
    "decline_extra": lambda booking, by, its: extras.decline(booking, by, [its.extra_id]),
    "withdraw_extra": lambda booking, by, its: extras.withdraw(booking, by, its.extra_id),
    "review": lambda booking, by, its: reviews.write(booking, by, 5, WORDS),
}
# Whoever gets the booking by it hears of it too.
GOES_ON = ("reassign", "cascade")


class Ears:
    """An open page of each of these people, and one that shows a professional's slots."""

    def __init__(self, app, people, professional):
        self.hub = app.extensions["live"].hub
        channels = {name: [news.person(one.id)] for name, one in people.items() if one}
        channels["admin"].append(news.ADMINS)
        channels["passer-by"] = [news.slots(professional.id)]
        last = self.hub.last
        self.streams = {name: self.hub.open(name, heard, last, last) for name, heard in channels.items()}

    def heard(self) -> dict[str, set[str]]:
        """Who heard which names since the last time."""
        told = {name: set(stream.take(0)[1]) for name, stream in self.streams.items()}
        return {name: names for name, names in told.items() if names}

    def close(self):
        for stream in self.streams.values():
            self.hub.close(stream)


@pytest.fixture
def cast(customer, other_customer, professional, other_professional, admin):
    return {
        "customer": customer,
        "professional": professional,
        "offered": other_professional,
        "colleague": other_professional,
        "admin": admin,
        "clock": None,
        "stranger": other_customer,
    }


@pytest.fixture
def ears(app, cast):
    """Hears nothing of what was before the test."""
    listening = Ears(app, cast, cast["professional"])
    yield listening
    listening.close()


def names_of(heard) -> dict[str, set[str]]:
    """By name, who heard it."""
    who = defaultdict(set)
    for person, names in heard.items():
        for name in names:
            who[name].add(person)
    return who


# -- The verbs of the table -------------------------------------------------------------------


@pytest.mark.parametrize("pair", [pytest.param(pair, id=" by ".join(pair)) for pair in WRITTEN])
def test_a_verb_tells_those_concerned_and_nobody_else(cast, ears, frozen, pair):
    verb, party = pair
    its = Circumstances(verb, party, cast, frozen)
    booking = its.become(next(status for status in Status if status.value in WRITTEN[pair][0]))
    ears.heard()
    claims = slots_taken(cast["professional"])
    DO[verb](booking, cast[party], its)
    db.session.commit()

    heard = names_of(ears.heard())
    concerned = {"customer", "admin"}
    concerned |= {"offered", "colleague"} if its.for_any or verb in GOES_ON else {"professional"}
    if verb in GOES_ON:
        concerned.add("professional")
    assert heard[f"booking-{booking.id}"] == heard["bookings"] == concerned
    assert heard["counters"] == {"admin"}
    assert heard["bell"] <= concerned
    if slots_taken(cast["professional"]) != claims:
        assert heard[news.slots(cast["professional"].id)] == {"passer-by"}


@pytest.mark.parametrize("pair", [pytest.param(pair, id=" by ".join(pair)) for pair in WRITTEN if pair[1] != "clock"])
def test_a_verb_that_is_refused_tells_nobody(cast, ears, frozen, pair):
    verb, party = pair
    its = Circumstances(verb, party, cast, frozen)
    refused = next(status for status in Status if status.value not in WRITTEN[pair][0])
    booking = its.become(refused)
    ears.heard()
    for person in (cast[party], cast["stranger"]):
        with pytest.raises(DomainError):
            DO[verb](booking, person, its)
        db.session.rollback()
        db.session.refresh(booking)
    assert ears.heard() == {}


def test_a_request_tells_both_sides_and_takes_a_slot(cast, ears):
    customer, professional = cast["customer"], cast["professional"]
    address = users.addresses_of(customer)[0].id
    service = professional.professional.offerings[0].service_id
    made = requests.request(customer, service, professional.id, factories.at(15, days=1), address)
    db.session.commit()
    heard = names_of(ears.heard())
    assert heard[f"booking-{made}"] == heard["bookings"] == {"customer", "professional", "admin"}
    assert heard["bell"] == {"professional"}
    assert heard[news.slots(professional.id)] == {"passer-by"}


# -- When it is told --------------------------------------------------------------------------


def test_what_is_rolled_back_was_never_told(cast, ears):
    booking = factories.booking(cast["customer"], cast["professional"])
    ears.heard()
    bookings.accept(booking, cast["professional"])
    db.session.rollback()
    db.session.commit()
    assert ears.heard() == {}


def test_nothing_is_told_before_the_commit_nor_at_the_end_of_a_savepoint(cast, ears):
    booking = factories.booking(cast["customer"], cast["professional"])
    ears.heard()
    with db.session.begin_nested():
        bookings.accept(booking, cast["professional"])
    assert ears.heard() == {}
    db.session.commit()
    assert ears.heard()["customer"] == {f"booking-{booking.id}", "bookings", "bell"}
    db.session.commit()
    assert ears.heard() == {}


# -- What else moves --------------------------------------------------------------------------


def test_slots_move_with_whatever_opens_or_closes_them(cast, ears, admin):
    user, slots = cast["professional"], news.slots(cast["professional"].id)
    one = user.professional

    def moves(verb, *arguments, **named):
        made = verb(*arguments, **named)
        db.session.commit()
        assert names_of(ears.heard())[slots] == {"passer-by"}, verb.__name__
        return made

    moves(schedules.set_hours, one, user, {0: [(540, 600)]})
    off = moves(schedules.add_time_off, one, user, factories.at(9, days=2), factories.at(12, days=2))
    moves(schedules.remove_time_off, one, user, off.id)
    moves(professionals.set_pause, one, user, True)
    moves(professionals.set_pause, one, user, False)
    outside = outside_calendars.add(one, user, "Family", "https://calendar.example.com/a.ics")
    db.session.commit()
    ears.heard()
    [calendar_id] = outside_calendars.claim("ours", 1)
    moves(outside_calendars.replace, calendar_id, "ours", [(factories.at(9, days=2), factories.at(10, days=2))])
    moves(outside_calendars.remove, one, user, outside.id)
    moves(users.block, user, admin, WORDS)


def test_a_calendar_elsewhere_that_is_as_it_was_moves_nothing(cast, ears):
    user = cast["professional"]
    outside_calendars.add(user.professional, user, "Family", "https://calendar.example.com/a.ics")
    [calendar_id] = outside_calendars.claim("ours", 1)
    db.session.commit()
    outside_calendars.replace(calendar_id, "ours", [])
    db.session.commit()
    assert ears.heard() == {}


def test_a_place_in_a_line_moves_for_who_waits(cast, ears):
    wait = factories.wait(cast["customer"], cast["professional"])
    waits.opened(cast["professional"].id)
    db.session.commit()
    heard = names_of(ears.heard())
    assert heard["waits"] == heard["bell"] == {"customer"}
    assert heard[news.slots(cast["professional"].id)] == {"passer-by"}
    waits.leave(wait, cast["customer"])
    db.session.commit()
    assert names_of(ears.heard())["waits"] == {"customer"}


def test_the_numbers_of_admins_move_with_what_waits_for_them(cast, ears, unapproved_professional, admin):
    ears.heard()
    professionals.approve(unapproved_professional.professional, admin)
    db.session.commit()
    assert ears.heard()["admin"] >= {"counters"}
    one = cast["professional"].professional
    one.warned_at, one.warned_of = factories.at(9), ["acceptance"]
    appeal = appeals.begin(one, cast["professional"], WORDS)
    db.session.commit()
    assert ears.heard() == {"admin": {"counters"}}
    appeals.refuse(appeal, admin, WORDS)
    db.session.commit()
    assert ears.heard() == {"admin": {"counters"}, "professional": {"bell"}}


def test_what_is_read_in_one_window_is_read_in_all(cast, ears):
    notifications.notify(cast["customer"].id, "approved")
    db.session.commit()
    ears.heard()
    notifications.read_all(cast["customer"])
    db.session.commit()
    assert ears.heard() == {"customer": {"bell"}}


def slots_taken(professional):
    theirs = select(SlotClaim.bucket).where(SlotClaim.professional_id == professional.id)
    return set(db.session.scalars(theirs))
