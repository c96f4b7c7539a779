"""Every form with everything that people and machines type into forms: never a 500, and nothing of
another person's comes back."""

import itertools
import re
from datetime import timedelta

import html5lib
import pytest

from domain import (
    channels,
    clock,
    comments,
    conversations,
    coupons,
    disputes,
    extras,
    feeds,
    guides,
    message_reports,
    no_shows,
    outbox,
    outside_calendars,
    payments,
    proposals,
)
from extensions import db
from models import BookingOffer, Delivery, OutboxMessage, Status, TimeOff, User
from models_guides import CommentState
from models_lifecycle import Appeal, SickDay
from tests import databases, factories

MEGABYTE = 1024 * 1024
SECRET = "Whispering Bamboo Lane 77"
NASTY = {
    "nothing": "",
    "huge": "x" * MEGABYTE,
    "a tag": "<script>alert(1)</script>\"'>",
    "quotes": "Robert'); DROP TABLE users;--",
    "emoji": "👩🏽‍🔧" * 20,
    "right to left": "שלום \u202e عليكم",
    "a null byte": "a\x00b",
    "half a pair": "\ud800",
    "a negative number": "-1",
    "a number beyond all": "9" * 400,
    "not a number": "NaN",
    "an early date": "0001-01-01T00:00:00+00:00",
    "a past day": "2001-01-01",
    "a list": "1,2,3",
    "a path": "../../../etc/passwd",
    "a template": "{{7*7}}%s%n${7*7}",
}
CAST = ("customer", "professional", "other_professional", "unapproved_professional", "other_customer")
# Pages with forms for each role; the braces are filled with what `things` made.
PAGES = {
    "anonymous": (
        *("/login", "/signup", "/signup/professional", "/reset", "/search", "/assistant", "/help"),
        *("/", "/guides", "/unsubscribe/{unsubscribe}"),
    ),
    "customer": (
        "/profile",
        "/account/messages",
        "/guides/a-guide",
        "/guides/a-guide/comments/{remark}/report",
        "/account/data",
        "/account/keys",
        "/account/keys/new",
        "/account/calendar",
        "/account/addresses/new",
        "/account/addresses/{address}",
        "/account/security",
        "/change-password",
        "/two-factor",
        "/recovery-codes",
        "/notifications",
        "/book?professional_id={professional}&service_id={service}",
        "/book?professional_id=any&service_id={service}",
        "/bookings",
        "/bookings/{pending}",
        "/bookings/{pending}/edit",
        "/bookings/{pending}/move",
        "/bookings/{agreed}/propose",
        "/bookings/{proposed}",
        "/bookings/{pending}/cancel",
        "/bookings/{closed}/review",
        "/favourites",
        "/waits",
        "/suggestions",
        "/series/{series}",
        "/bookings/{visit}/cancel-from",
        "/blocked",
        "/professionals/{professional}",
        "/bookings/{absent}/no-show",
        "/bookings/{on_the_way}",
        "/bookings/{completed}/dispute",
        "/conversations/{completed}",
        "/conversations/{completed}/messages/{said}/report",
        "/bookings/{completed}/pay",
        "/bookings/{closed}",
        "/bookings/{working}",
    ),
    "professional": (
        "/profile",
        "/account/messages",
        "/profile/services",
        "/professional-dashboard",
        "/professional/hours",
        "/professional/earnings",
        "/professional/history",
        "/professional/reviews",
        "/professional/series/{series}",
        "/professional/jobs/{pending}",
        "/conversations/{completed}",
        "/professional/jobs/{offered}",
        "/professional/jobs/{accepted}",
        "/professional/jobs/{completed}",
        "/professional/blocked",
        "/professional/calendars",
        "/account/calendar",
        "/professional/jobs/{agreed}/propose",
        "/professional/jobs/{wished}",
        "/professional/jobs/{absent}",
        "/professional/jobs/{absent}/no-show",
        "/professional/jobs/{disputed}/answer",
        "/professional/jobs/{on_the_way}",
        "/professional/jobs/{claimed}",
        "/professional/jobs/{claimed}/payments/{claim}/refuse",
        "/professional/scorecard/appeal",
        "/my-guides/new",
        "/my-guides/{guide}",
        "/my-guides/{guide}/edit",
        "/professional/jobs/{working}",
        "/professional/jobs/{working}/extras",
        "/professional/rate-card",
        "/professional/rate-card/{item}",
        "/professional/payouts",
        "/professional/payouts/account",
        "/professional/calculator",
    ),
    "admin": (
        "/profile",
        "/account/messages",
        "/admin-dashboard",
        "/admin/search",
        "/admin/summary",
        "/admin/approvals/{unapproved}",
        "/admin/approvals/{unapproved}/reject",
        "/admin/people",
        "/admin/people/{customer}",
        "/admin/people/{customer}/block",
        "/admin/people/{customer}/anonymise",
        "/admin/bookings",
        "/admin/bookings/{accepted}",
        "/admin/bookings/{accepted}/ledger",
        "/admin/bookings/{accepted}/cancel",
        "/admin/bookings/{accepted}/reassign",
        "/admin/bookings/{accepted}/override-code",
        "/admin/reviews",
        "/admin/audit",
        "/admin/reports/cancellations",
        "/admin/reports/customers",
        "/admin/reports/most-booked",
        "/admin/reports/places",
        "/admin/reports/searches",
        "/admin/revenue",
        "/admin/forecast",
        "/admin/ledger",
        "/admin/payouts/new",
        "/admin/payouts/{batch}",
        "/admin/payouts/{batch}/{payout}/failed",
        "/admin/professionals/{professional}/commission",
        "/service-list/categories/{category}",
        "/admin/exports",
        "/admin/coupons/new",
        "/my-guides/{guide}",
        "/my-guides/{sent}",
        "/admin/guides/{sent}/send-back",
        "/admin/guides/{read}/unpublish",
        "/admin/comments?show=decided",
        "/admin/comments/{remark}/hide",
        "/admin/coupons/{coupon}",
        "/admin/disputes",
        "/admin/reported-messages/{report}",
        "/admin/reported-messages/{report}/hide",
        "/admin/appeals/{appeal}",
        "/admin/professionals/{professional}/scorecard",
        "/admin/professionals/{unapproved}/end-pause",
        "/admin/disputes/{answered}/rework",
        "/admin/disputes/{answered}/refund",
        "/admin/disputes/{answered}/dismiss",
        "/admin/payments",
        "/admin/questions",
        "/admin/payments/{denied}",
        "/admin/payments/{denied}/keep",
        "/admin/payments/{denied}/take-back",
        "/admin/payments/{noted}/refund",
        "/admin/payments/{to_bank}",
        "/admin/payments/{to_bank}/refuse",
        "/admin/payments/{refunded}",
        "/admin/reconciliation",
        "/admin/jobs",
        "/admin/outbox?state=failed",
        "/admin/outbox/{failed}",
        "/admin/jobs/tomorrow",
        "/account/keys/new",
        "/account/erase",
        "/admin/webhooks/new",
        "/admin/webhooks/{webhook}",
        "/service-list/categories/new",
        "/service-list/services/new",
        "/service-list/services/{service}",
    ),
}
ROLE_PAGES = [pytest.param(role, page, id=f"{role} {page}") for role, pages in PAGES.items() for page in pages]
# Leaving is not an input, and the language is asked everywhere.
SKIPPED = ("/logout", "/language")


_made = {}


@pytest.fixture
def things(app, request, worker_name):
    """What make_things made, in a database as it was then: a copy of that takes a tenth of the time."""
    copy = f"{worker_name}-things"
    if copy in _made:
        db.session.remove()
        db.engine.dispose()
        databases.fresh(worker_name, copy)
        return _made[copy]
    cast = {name: request.getfixturevalue(name) for name in CAST}
    made = make_things(**cast) | {name: person.id for name, person in cast.items()} | {"admin": factories.admin().id}
    db.session.commit()
    if not databases.on_postgresql():
        db.session.remove()
        db.engine.dispose()
        databases.fresh(copy, worker_name)
        _made[copy] = made
    return made


def make_things(customer, professional, other_professional, unapproved_professional, other_customer):
    """Bookings in the states that have forms, and a neighbour whose data must never show."""
    neighbour = factories.address(other_customer, line=SECRET)
    soon = factories.at(11)
    made = {
        "pending": factories.booking(customer, professional, starts_at=factories.at(11, days=1)),
        "accepted": factories.booking(customer, professional, starts_at=soon, status=Status.ACCEPTED),
        "completed": factories.booking(customer, professional, status=Status.COMPLETED),
        "closed": factories.booking(customer, professional, status=Status.CLOSED),
        "offered": factories.booking(customer, None, starts_at=factories.at(15, days=2)),
        "absent": factories.booking(customer, professional, starts_at=factories.at(7), status=Status.ACCEPTED),
        "on_the_way": factories.booking(customer, professional, starts_at=factories.at(14), status=Status.EN_ROUTE),
        "disputed": factories.booking(customer, professional, status=Status.DISPUTED),
        "answered": factories.booking(customer, professional, status=Status.DISPUTED),
        "working": factories.booking(customer, professional, status=Status.IN_PROGRESS, starts_at=factories.at(17)),
    }
    professional.professional.upi_id = "dev@okbank"
    made["claimed"] = factories.booking(customer, professional, status=Status.CLOSED)
    claim = payments.claim(made["claimed"], customer, "412345678901")
    noted, denied, refunded = (factories.payment(made["closed"], amount=n, method="cash") for n in (900, 800, 700))
    denied.denied_at = clock.now()
    factories.refund(refunded, amount=100)
    to_bank = factories.payment(made["claimed"], holder="bank", status="claimed", reference="412345678902")
    extras.propose(made["working"], professional, "Filter", 12_000)
    item = extras.add_item(professional, "Filter", 12_000)
    no_shows.knock(made["absent"], professional)
    disputes.answer(made["answered"], professional, "It was dry when I left.")
    for warned in (professional.professional, unapproved_professional.professional):
        warned.warned_at, warned.warned_of = clock.now(), ["rating"]
    # Who is paused can't be booked, and others below are to book the professional.
    unapproved_professional.professional.suspended_at = clock.now()
    appeal = Appeal(professional_id=other_professional.id, words="I was in hospital.", created_at=clock.now())
    sick = SickDay(professional_id=professional.id, day=clock.today(), marked_by_id=1, marked_at=clock.now())
    db.session.add_all([appeal, sick])
    reviewed = factories.booking(customer, professional, status=Status.CLOSED)
    factories.review(reviewed)
    theirs = factories.booking(other_customer, other_professional, address_line=SECRET)
    db.session.add(
        BookingOffer(
            booking_id=made["offered"].id,
            professional_id=professional.id,
            position=1,
            created_at=clock.now(),
        )
    )
    db.session.add(
        TimeOff(professional_id=professional.id, starts_at=clock.now(), ends_at=clock.now() + timedelta(hours=1))
    )
    factories.key(customer)
    outside_calendars.add(professional.professional, professional, "Family", "https://example.com/family.ics")
    feeds.renew(customer, by=customer)
    outbox.publish([customer.id], "approved", "test")
    failed = db.session.query(OutboxMessage).filter_by(kind="approved").one()
    failed.status = Delivery.FAILED
    made["visit"] = factories.booking(
        customer, professional, starts_at=factories.at(15, days=9), status=Status.ACCEPTED
    )
    weekly = factories.series(made["visit"])
    factories.wait(customer, other_professional)
    for name, person, days in (("proposed", professional, 4), ("wished", customer, 5), ("agreed", None, 8)):
        made[name] = factories.booking(
            customer, professional, starts_at=factories.at(11, days=days), status=Status.ACCEPTED
        )
        if person:
            proposals.propose(made[name], person, factories.at(15, days=days))
    said, answered = (
        conversations.send(made["completed"], by, "Thank you") for by in (professional, customer)
    )
    guide = factories.guide(professional, publish=False)
    sent = factories.guide(professional, publish=False)
    guides.submit(sent, professional)
    read = factories.guide(slug="a-guide")
    remark = comments.write(read, other_customer, "Thank you")
    remark.state = CommentState.SHOWN
    payout = factories.payout(professional, factories.admin())
    factories.paid_job(other_customer, professional)
    db.session.commit()
    return {
        "said": said.id,
        "guide": guide.id,
        "sent": sent.id,
        "read": read.id,
        "remark": remark.id,
        "report": message_reports.report(answered, professional, "Too loud").id,
        "batch": payout.batch_id,
        "payout": payout.id,
        "category": factories.service().category_id,
        "question": factories.question().id,
        "failed": failed.id,
        "claim": claim.id,
        "noted": noted.id,
        "denied": denied.id,
        "refunded": refunded.id,
        "to_bank": to_bank.id,
        "webhook": factories.webhook(factories.admin()).id,
        **{name: booking.id for name, booking in made.items()},
        "address": customer.addresses[0].id,
        "series": weekly.id,
        "item": item.id,
        "coupon": coupons.create(factories.admin(), code="WELCOME", amount=5_000).id,
        "appeal": appeal.id,
        "unapproved": unapproved_professional.id,
        "service": factories.service().id,
        "unsubscribe": channels.unsubscribe_token(customer.id, outbox.Topic.REMINDERS),
        "foreign": (theirs.id, neighbour.id, other_customer.id, 0, 10**12),
    }


@pytest.fixture
def forms_of(app, as_, things):
    """forms_of(role, page) answers the browser of the role and the forms that the page has."""

    seen = set()

    def find(role, page):
        client = app.test_client() if role == "anonymous" else as_(db.session.get(User, things[role]))
        client.audit = False
        path = page.format(**things)
        response = client.get(path)
        if response.status_code == 409 or (response.status_code == 404 and path in seen):
            # An earlier value was good enough, and the booking has moved on or the webhook is gone.
            return client, []
        seen.add(path)
        assert response.status_code == 200, (path, response.status)
        tree = html5lib.parse(response.text, namespaceHTMLElements=False)
        forms = [_form(form, path) for form in tree.iter("form")]
        return client, [form for form in forms if not form["action"].startswith(SKIPPED)]

    return find


def _form(form, path):
    fields = {}
    for field in form.iter():
        if field.tag not in ("input", "select", "textarea") or not field.get("name"):
            continue
        value = field.get("value", "") if field.tag == "input" else (field.text or "")
        if field.tag == "select":
            chosen = [one.get("value", "") for one in field.iter("option") if one.get("selected") is not None]
            value = chosen[0] if chosen else ""
        if field.get("type") in ("radio", "checkbox") and field.get("checked") is None:
            fields.setdefault(field.get("name"), "")
        elif field.get("type") != "submit":
            fields[field.get("name")] = value
    fields.pop("csrf_token", None)
    return {
        "action": form.get("action") or path,
        "method": (form.get("method") or "get").upper(),
        "fields": fields,
    }


def _send(client, form, values):
    # A lone surrogate cannot be sent as UTF-8; what a browser-less client would send is three bytes.
    values = {name: value.encode("utf-8", "surrogatepass") for name, value in values.items()}
    if form["method"] == "GET":
        values = {name: value[:2000] for name, value in values.items()}
        return client.get(form["action"], query_string=values)
    return client.post(form["action"], data=values)


def _check(role, form, values, response):
    said = (form["action"], form["method"], {name: value[:40] for name, value in values.items()})
    assert response.status_code < 500, (response.status, said)
    body = response.text
    if role != "admin":
        assert SECRET not in body, said
    assert "<script>alert(1)" not in body, said
    response.close()


@pytest.mark.parametrize(("role", "page"), ROLE_PAGES)
def test_forms_full_of_one_odd_value_are_answered(forms_of, role, page):
    for name in ("nothing", "a tag", "half a pair", "a number beyond all"):
        client, forms = forms_of(role, page)
        for form in forms:
            values = dict.fromkeys(form["fields"], NASTY[name])
            _check(role, form, values, _send(client, form, values))


@pytest.mark.slow
@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.soak), 5])
@pytest.mark.parametrize(("role", "page"), ROLE_PAGES)
def test_each_field_with_odd_values_is_answered(forms_of, things, role, page, step):
    """With a step of five each field gets a fifth of the values, the next field others of them."""
    client, forms = forms_of(role, page)
    odd = [*NASTY.values(), *map(str, things["foreign"])]
    tried = ((form, field, value) for form in forms for field in _one_of_a_kind(form["fields"]) for value in odd)
    for form, field, value in itertools.islice(tried, 0, None, step):
        values = {**form["fields"], field: value}
        _check(role, form, values, _send(client, form, values))


def _one_of_a_kind(fields):
    """The names of fields; of price-1, price-2 and so on the first, because all of them are read alike."""
    kinds = {}
    for field in fields:
        kinds.setdefault(re.sub(r"[-_]?\d+$", "", field), field)
    return kinds.values()
