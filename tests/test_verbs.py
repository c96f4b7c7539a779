"""Every verb on the pages and by direct POST, in every state and by everybody, against the table.

What the table refuses is not offered on the page, answers 409 to who sees the booking (403 or 404 to
others, the login page to nobody in particular), and changes nothing.
"""

from datetime import timedelta

import html5lib
import pytest
from sqlalchemy import delete, select, update

from domain import bookings, start_codes
from domain.transitions import RULES, Party
from extensions import db
from models import (
    AuditEntry,
    Booking,
    BookingEvent,
    BookingLine,
    BookingOffer,
    Notification,
    OutboxMessage,
    Review,
    Role,
    SlotClaim,
    Status,
)
from models_lifecycle import Dispute, Proposal, Refund
from models_money import Document, Extra, LedgerEntry, Payment
from tests.circumstances import Circumstances
from tests.conftest import MONDAY
from tests.domain.test_transitions import WRITTEN
from tests.test_access import is_call

WORDS = "The tap still drips."
# The routes of each verb by whoever uses it. `decline_time` and the like need the proposal's id.
ROUTES = {
    ("edit", "customer"): ["/bookings/{id}/edit"],
    ("move", "customer"): ["/bookings/{id}/move"],
    ("propose", "customer"): ["/bookings/{id}/propose"],
    ("agree", "customer"): ["/bookings/{id}/proposals/{proposal}/agree"],
    ("decline_time", "customer"): ["/bookings/{id}/proposals/{proposal}/decline"],
    ("withdraw", "customer"): ["/bookings/{id}/proposals/{proposal}/withdraw"],
    ("cancel", "customer"): ["/bookings/{id}/cancel"],
    ("renew_code", "customer"): ["/bookings/{id}/renew-code"],
    ("no_show", "customer"): ["/bookings/{id}/no-show"],
    ("approve_extra", "customer"): ["/bookings/{id}/extras/approve"],
    ("decline_extra", "customer"): ["/bookings/{id}/extras/decline"],
    ("propose_extra", "professional"): ["/professional/jobs/{id}/extras"],
    ("withdraw_extra", "professional"): ["/professional/jobs/{id}/extras/{extra}/withdraw"],
    ("close", "customer"): ["/bookings/{id}/close"],
    ("dispute", "customer"): ["/bookings/{id}/dispute"],
    ("review", "customer"): ["/bookings/{id}/review"],
    ("accept", "professional"): ["/professional/jobs/{id}/accept"],
    ("accept", "offered"): ["/professional/jobs/{id}/accept"],
    ("reject", "professional"): ["/professional/jobs/{id}/reject"],
    ("reject", "offered"): ["/professional/jobs/{id}/reject"],
    ("propose", "professional"): ["/professional/jobs/{id}/propose"],
    ("agree", "professional"): ["/professional/jobs/{id}/proposals/{proposal}/agree"],
    ("decline_time", "professional"): ["/professional/jobs/{id}/proposals/{proposal}/decline"],
    ("withdraw", "professional"): ["/professional/jobs/{id}/proposals/{proposal}/withdraw"],
    ("cancel", "professional"): ["/professional/jobs/{id}/cancel"],
    ("depart", "professional"): ["/professional/jobs/{id}/depart"],
    ("start", "professional"): ["/professional/jobs/{id}/start"],
    ("knock", "professional"): ["/professional/jobs/{id}/knock"],
    ("no_show", "professional"): ["/professional/jobs/{id}/no-show"],
    ("complete", "professional"): ["/professional/jobs/{id}/complete"],
    ("record_payment", "professional"): ["/professional/jobs/{id}/payment"],
    ("answer_dispute", "professional"): ["/professional/jobs/{id}/answer"],
    ("cancel", "admin"): ["/admin/bookings/{id}/cancel"],
    ("reassign", "admin"): ["/admin/bookings/{id}/reassign"],
    ("override_code", "admin"): ["/admin/bookings/{id}/override-code"],
    ("resolve", "admin"): [
        "/admin/disputes/{id}/dismiss",
        "/admin/disputes/{id}/refund",
        "/admin/disputes/{id}/rework",
    ],
}
# Forms about a booking that are no verb of it, or use one on several bookings at once.
BESIDE = {
    # Payments have states of their own, and drive no booking's.
    "/bookings/{id}/pay/online",
    "/bookings/{id}/pay/upi",
    "/bookings/{id}/payments/<int:payment_id>/confirm",
    "/bookings/{id}/payments/<int:payment_id>/deny",
    "/professional/jobs/{id}/payments/<int:payment_id>/refuse",
    "/professional/jobs/{id}/payments/<int:payment_id>/verify",
    "/bookings/{id}/block",
    "/bookings/{id}/cancel-from",
    "/professional/jobs/{id}/block",
    "/professional/jobs/{id}/position",
    "/conversations/{id}",
    "/conversations/{id}/messages/<int:said_id>/report",
    "/conversations/{id}/seen",
    "/conversations/{id}/typing",
    "/professional/jobs/{id}/sharing",
    "/professional/jobs/{id}/sharing/stop",
}
PAGES = {
    Role.CUSTOMER: ["/bookings/{id}"],
    Role.PROFESSIONAL: ["/professional/jobs/{id}"],
    Role.ADMIN: ["/admin/bookings/{id}", "/admin/disputes/{id}"],
}
ROLES = {"offered": Role.PROFESSIONAL, **{role.value: role for role in Role}}
# Each of these sets another scene: another hour, another proposal, a knock, a dispute.
SCENES = [
    ("cancel", "customer"),
    ("accept", "offered"),
    ("propose", "customer"),
    ("propose_extra", "professional"),
    ("approve_extra", "customer"),
    ("agree", "customer"),
    ("agree", "professional"),
    ("knock", "professional"),
    ("no_show", "professional"),
    ("answer_dispute", "professional"),
    ("resolve", "admin"),
]
KEPT = (
    *(Booking, BookingEvent, BookingLine, BookingOffer, SlotClaim, Proposal, Dispute, Payment, Refund, Review),
    *(Notification, OutboxMessage, AuditEntry, Extra, Document, LedgerEntry),
)


@pytest.fixture
def cast(customer, other_customer, professional, other_professional, admin):
    return {
        "customer": customer,
        "professional": professional,
        "offered": other_professional,
        "admin": admin,
        "clock": None,
        "other customer": other_customer,
        "other professional": other_professional,
        "anonymous": None,
    }


@pytest.fixture
def scene(cast, frozen):
    """scene(verb, party) is the circumstances of one more booking; those before are out of the way."""

    def make(verb, party):
        frozen.move_to(MONDAY)
        db.session.execute(update(Booking).values(status=Status.CANCELLED))
        db.session.execute(delete(SlotClaim))
        db.session.commit()
        return Circumstances(verb, party, cast, frozen)

    return make


@pytest.fixture
def browsers(app, as_, cast):
    """Who tries everything, strangers first: {name: (person, browser)}."""
    names = ("anonymous", "other customer", "other professional", "customer", "professional", "admin")
    return {name: (cast[name], as_(cast[name]) if cast[name] else app.test_client()) for name in names}


def filled(route, scene):
    return route.format(id=scene.booking.id, proposal=scene.proposal_id, extra=scene.extra_id)


def form_of(verb, scene):
    """What a person would send, such that nothing of it is at fault."""
    later = (scene.booking.starts_at + timedelta(hours=4)).isoformat()
    return {
        "propose_extra": {"label": "Filter", "price": "120", "quantity": "2"},
        **{verb: {"extra_ids": scene.extra_id} for verb in ("approve_extra", "decline_extra")},
        "edit": {"address_id": scene.booking.customer.addresses[0].id},
        "move": {"starts_at": later},
        "propose": {"starts_at": later},
        "dispute": {"words": WORDS},
        "review": {"rating": 5},
        "accept": {"seen": scene.booking.starts_at.isoformat()},
        "reject": {"reason": WORDS},
        "start": {"code": start_codes.code_of(scene.booking)},
        "record_payment": {"method": "cash"},
        "answer_dispute": {"answer": WORDS},
        "cancel": {"reason": WORDS},
        "override_code": {"reason": WORDS},
        "reassign": {"reason": WORDS, "professional_id": scene.cast["other professional"].id},
        "resolve": {"reason": WORDS, "amount": "100", "starts_at": later},
    }.get(verb, {})


def written(verb, party):
    return WRITTEN.get((verb, party), (frozenset(), None))


def quality(scene, person):
    """In what quality a person meets a booking that they see; None for a stranger."""
    if person.role is Role.ADMIN:
        return "admin"
    if person.id == scene.booking.customer_id:
        return "customer"
    if person.id == scene.booking.professional_id:
        return "professional"
    return "offered" if scene.for_any and person.id == scene.cast["offered"].id else None


def expected(verb, party, scene, person):
    """How a POST has to be answered: login, 403, 404, 409 or done."""
    if person is None:
        return "login"
    if person.role is not ROLES[party]:
        return "403"
    if (theirs := quality(scene, person)) is None:
        return "404"
    return "done" if scene.booking.status.value in written(verb, theirs)[0] else "409"


def answered(response):
    if response.status_code in (302, 303):
        return "login" if "/login" in response.location else "done"
    return str(response.status_code)


def everything():
    """Every row that a verb could touch."""
    db.session.rollback()
    return {kind.__tablename__: db.session.execute(select(kind.__table__)).all() for kind in KEPT}


# -- The tables of this test ------------------------------------------------------------------


def test_every_verb_of_a_person_has_a_route():
    persons = {(rule.verb, rule.by.value) for rule in RULES if rule.by is not Party.CLOCK}
    assert persons == set(ROUTES)


def test_every_form_of_a_booking_is_a_verb(site):
    forms = {
        rule.rule.replace("<int:booking_id>", "{id}")
        .replace("<int:proposal_id>", "{proposal}")
        .replace("<int:extra_id>", "{extra}")
        for rule in site.url_map.iter_rules()
        if "POST" in rule.methods and "booking_id" in rule.arguments and not is_call(site, rule)
    }
    assert forms == {route for routes in ROUTES.values() for route in routes} | BESIDE


# -- By direct POST ---------------------------------------------------------------------------

CASES = [
    pytest.param(verb, party, route, id=f"{verb} by {party}" + (route.rpartition("/")[2] if len(routes) > 1 else ""))
    for (verb, party), routes in ROUTES.items()
    for route in routes
]


@pytest.mark.parametrize("verb, party, route", CASES)
def test_what_the_table_refuses_changes_nothing(scene, browsers, verb, party, route):
    here = scene(verb, party)
    url, form = filled(route, here), form_of(verb, here)
    for status in Status:
        here.become(status)
        before = everything()
        for name, (person, browser) in browsers.items():
            answer = expected(verb, party, here, person)
            if answer != "done":
                assert answered(browser.post(url, data=form)) == answer, (status, name)
                assert everything() == before, (status, name)


@pytest.mark.parametrize("verb, party, route", CASES)
def test_what_the_table_allows_is_done(scene, as_, cast, verb, party, route):
    browser = as_(cast[party])
    sources, target = written(verb, party)
    for status in filter(lambda status: status.value in sources, Status):
        here = scene(verb, party)
        booking = here.become(status)
        known = len(booking.events)
        response = browser.post(filled(route, here), data=form_of(verb, here))
        assert answered(response) == "done", (status, response.text)
        booking = db.session.get(Booking, booking.id)
        assert booking.status == (target or status)
        new = [event for event in booking.events[known:] if event.verb == verb]
        assert [(one.from_status, one.to_status) for one in new] == [(status, target or status)]


# -- On the pages -----------------------------------------------------------------------------


def buttons(page):
    """Where the links and forms of a page lead to."""
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    return {one.get("href") or one.get("action") for one in tree.iter() if one.tag in ("a", "form")}


def shown(verb, available, scene):
    """Whether a page offers what the table allows."""
    if verb == "propose" and "move" in available and not scene.booking.proposals:
        # While nobody has answered, the customer changes the time alone.
        return False
    return verb in available


@pytest.mark.slow
@pytest.mark.parametrize("verb, party", [pytest.param(*pair, id=" by ".join(pair)) for pair in SCENES])
def test_a_button_is_there_exactly_when_its_verb_can_be_used(scene, as_, cast, verb, party):
    here = scene(verb, party)
    browsers = [(cast[name], as_(cast[name])) for name in ("customer", "professional", "offered", "admin")]
    for status in Status:
        here.become(status)
        for person, browser in browsers:
            theirs = quality(here, person)
            answers = [browser.get(filled(page, here)) for page in PAGES[person.role]]
            found = set().union(*(buttons(one.text) for one in answers if one.status_code == 200))
            if theirs is None:
                assert [one.status_code for one in answers] == [404]
                continue
            available = bookings.available_actions(here.booking, person)
            for (one, by), routes in ROUTES.items():
                if by == theirs:
                    there = {filled(route, here) in found for route in routes}
                    assert there == {shown(one, available, here)}, (status, person.name, one)
