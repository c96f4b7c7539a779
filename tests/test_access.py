"""Who may open what: every route by every kind of person, against a table."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from domain import (
    clock,
    comments,
    conversations,
    coupons,
    documents,
    exports,
    extras,
    feeds,
    files,
    message_reports,
    outbox,
)
from extensions import db
from models import ExportKind, ExportStatus, FileKind, Notification, OutboxMessage, Status, TimeOff
from models_guides import CommentState
from models_integrations import OutsideCalendar
from models_lifecycle import Appeal, BlockedPair, Dispute, Outcome
from tests import factories

# In this order things are tried, so that strangers come before those whose click changes something.
PEOPLE = ("anonymous", "blocked", "other_customer", "other_pro", "unapproved", "customer", "pro", "admin")


# The answers in the order of PEOPLE: anonymous, blocked, other customer, other professional,
# unapproved professional, its customer, its professional, admin.
TABLE = {
    "login login 403 403 403 403 403 in": """
        GET /admin-dashboard
        GET /admin/appeals
        GET /admin/appeals/<int:appeal_id>
        POST /admin/appeals/<int:appeal_id>/grant
        POST /admin/appeals/<int:appeal_id>/refuse
        GET /admin/guides
        POST /admin/guides/<int:guide_id>/approve
        GET /admin/guides/<int:guide_id>/send-back
        POST /admin/guides/<int:guide_id>/send-back
        GET /admin/guides/<int:guide_id>/unpublish
        POST /admin/guides/<int:guide_id>/unpublish
        GET /admin/comments
        POST /admin/comments/<int:comment_id>/show
        GET /admin/comments/<int:comment_id>/hide
        POST /admin/comments/<int:comment_id>/hide
        GET /admin/coupons
        GET /admin/coupons/<int:coupon_id>
        POST /admin/coupons/<int:coupon_id>/off
        GET /admin/coupons/new
        POST /admin/coupons/new
        GET /admin/approvals
        GET /admin/approvals/<int:professional_id>
        POST /admin/approvals/<int:professional_id>/approve
        GET /admin/approvals/<int:professional_id>/reject
        POST /admin/approvals/<int:professional_id>/reject
        GET /admin/audit
        GET /admin/bookings
        GET /admin/bookings/<int:booking_id>
        GET /admin/bookings/<int:booking_id>/cancel
        GET /admin/bookings/<int:booking_id>/ledger
        POST /admin/bookings/<int:booking_id>/cancel
        GET /admin/bookings/<int:booking_id>/override-code
        POST /admin/bookings/<int:booking_id>/override-code
        POST /admin/bookings/<int:booking_id>/reassign
        GET /admin/forecast
        GET /admin/forecast/csv
        GET /admin/forecast/short/csv
        GET /admin/exports
        POST /admin/exports
        POST /admin/exports/<int:export_id>/cancel
        POST /admin/exports/<int:export_id>/download
        POST /admin/exports/everything
        GET /admin/conversations/<int:booking_id>
        GET /admin/disputes
        GET /admin/disputes/<int:booking_id>
        GET /admin/disputes/<int:booking_id>/dismiss
        POST /admin/disputes/<int:booking_id>/dismiss
        GET /admin/disputes/<int:booking_id>/refund
        POST /admin/disputes/<int:booking_id>/refund
        GET /admin/disputes/<int:booking_id>/rework
        POST /admin/disputes/<int:booking_id>/rework
        GET /admin/ledger
        GET /admin/ledger/<account>
        GET /admin/payouts
        GET /admin/payouts/<int:batch_id>
        POST /admin/payouts/<int:batch_id>/<int:payout_id>/paid
        GET /admin/payouts/<int:batch_id>/<int:payout_id>/failed
        POST /admin/payouts/<int:batch_id>/<int:payout_id>/failed
        POST /admin/payouts/<int:batch_id>/file
        POST /admin/payouts/<int:batch_id>/paid
        GET /admin/payouts/new
        POST /admin/payouts/new
        GET /admin/professionals/<int:professional_id>/commission
        POST /admin/professionals/<int:professional_id>/commission
        GET /admin/reports/cancellations
        GET /admin/reports/customers
        GET /admin/reports/most-booked
        GET /admin/reports/places
        GET /admin/reports/searches
        GET /admin/reports/tables/<table_name>
        GET /admin/revenue
        GET /admin/revenue/csv
        GET /admin/jobs
        GET /admin/jobs/<job_name>
        POST /admin/jobs/<job_name>/run
        GET /admin/outbox
        GET /admin/outbox/<int:message_id>
        POST /admin/outbox/<int:message_id>/resend
        POST /admin/outbox/resend
        GET /admin/payments
        GET /admin/payments/<int:payment_id>
        GET /admin/payments/<int:payment_id>/keep
        POST /admin/payments/<int:payment_id>/keep
        GET /admin/payments/<int:payment_id>/refund
        POST /admin/payments/<int:payment_id>/refund
        GET /admin/payments/<int:payment_id>/refuse
        POST /admin/payments/<int:payment_id>/refuse
        GET /admin/payments/<int:payment_id>/take-back
        POST /admin/payments/<int:payment_id>/take-back
        POST /admin/payments/<int:payment_id>/verify
        GET /admin/questions
        POST /admin/questions/<int:question_id>/answered
        POST /admin/questions/<int:question_id>/open
        GET /admin/reconciliation
        POST /admin/reconciliation/statement
        POST /admin/reconciliation/verify
        POST /admin/refunds/<int:refund_id>/again
        POST /admin/refunds/<int:refund_id>/sent
        GET /admin/people
        GET /admin/people/<int:user_id>
        GET /admin/people/<int:user_id>/anonymise
        POST /admin/people/<int:user_id>/anonymise
        GET /admin/people/<int:user_id>/block
        POST /admin/people/<int:user_id>/block
        POST /admin/people/<int:user_id>/unblock
        GET /admin/professionals/<int:professional_id>/end-pause
        POST /admin/professionals/<int:professional_id>/end-pause
        GET /admin/professionals/<int:professional_id>/scorecard
        POST /admin/professionals/<int:professional_id>/sick-days
        POST /admin/professionals/<int:professional_id>/sick-days/remove
        GET /admin/reported-messages
        GET /admin/reported-messages/<int:report_id>
        POST /admin/reported-messages/<int:report_id>/dismiss
        GET /admin/reported-messages/<int:report_id>/hide
        POST /admin/reported-messages/<int:report_id>/hide
        GET /admin/reviews
        GET /admin/reviews/<int:review_id>/hide
        POST /admin/reviews/<int:review_id>/hide
        POST /admin/reviews/<int:review_id>/show
        GET /admin/search
        GET /admin/status
        GET /admin/webhooks
        GET /admin/webhooks/<int:webhook_id>
        POST /admin/webhooks/<int:webhook_id>
        POST /admin/webhooks/<int:webhook_id>/pause
        POST /admin/webhooks/<int:webhook_id>/remove
        POST /admin/webhooks/<int:webhook_id>/resume
        POST /admin/webhooks/<int:webhook_id>/secret
        POST /admin/webhooks/<int:webhook_id>/test
        GET /admin/webhooks/new
        POST /admin/webhooks/new
        GET /admin/summary
        GET /service-list
        GET /service-list/categories/<int:category_id>
        POST /service-list/categories/<int:category_id>
        POST /service-list/categories/<int:category_id>/delete
        POST /service-list/categories/<int:category_id>/restore
        POST /service-list/categories/<int:category_id>/retire
        GET /service-list/categories/new
        POST /service-list/categories/new
        GET /service-list/services/<int:service_id>
        POST /service-list/services/<int:service_id>
        POST /service-list/services/<int:service_id>/delete
        POST /service-list/services/<int:service_id>/restore
        POST /service-list/services/<int:service_id>/retire
        GET /service-list/services/new
        POST /service-list/services/new
    """,
    "in in in in in in in in": """
        GET /
        GET /about
        GET /privacy
        GET /terms
        GET /guides
        GET /guides/<guide_slug>
        GET /guides/feed.xml
        GET /guides/tags/<tag>
        GET /api/docs
        GET /api/openapi.json
        GET /healthz
        GET /readyz
        GET /metrics
        GET /assistant
        POST /assistant
        GET /help
        GET /help/<slug>
        POST /language
        GET /live
        POST /login
        POST /logout
        GET /pincodes/<pincode>
        GET /professionals/<int:professional_id>
        GET /reset
        POST /reset
        POST /reset/<token>
        GET /search
        GET /services
        GET /services/<category_slug>
        POST /signup
        POST /signup/professional
        GET /static/<path:filename>
    """,
    "login login in in in in in in": """
        POST /guides/<guide_slug>/reactions/<kind>
        POST /guides/<guide_slug>/comments
        GET /guides/<guide_slug>/comments/<int:comment_id>/report
        POST /guides/<guide_slug>/comments/<int:comment_id>/report
        GET /documents
        GET /account/data
        POST /account/data/agree
        POST /account/data/copies
        GET /account/erase
        POST /account/erase
        POST /account/keep
        GET /account/keys
        GET /account/keys/new
        POST /account/keys/new
        GET /account/messages
        POST /account/messages
        POST /account/messages/test
        GET /account/security
        POST /account/security/sessions
        GET /change-password
        POST /change-password
        GET /notifications
        GET /notifications/bell
        POST /notifications/read
        GET /profile
        POST /profile
        POST /recovery-code
        GET /recovery-codes
        POST /recovery-codes
        GET /two-factor
        POST /two-factor
        POST /two-factor/<token>
        GET /verify
        POST /verify
    """,
    "login login 403 403 403 in 404 404": """
        POST /guides/<guide_slug>/comments/<int:comment_id>/remove
    """,
    "login login 403 in away 403 in in": """
        GET /my-guides
        GET /my-guides/new
    """,
    "login login 403 in 403 403 in in": """
        POST /my-guides/new
        POST /my-guides/preview
    """,
    "login login 403 404 away 403 in in": """
        GET /my-guides/<int:guide_id>
        GET /my-guides/<int:guide_id>/edit
    """,
    "login login 403 404 403 403 in 404": """
        POST /my-guides/<int:guide_id>/remove
    """,
    "login login 403 404 403 403 in in": """
        POST /my-guides/<int:guide_id>/edit
        POST /my-guides/<int:guide_id>/submit
    """,
    "login login in in in in in 403": """
        GET /account/calendar
        GET /conversations
        POST /account/calendar
        POST /account/calendar/off
    """,
    "login login 404 403 403 in 403 403": """
        GET /account/addresses/<int:address_id>
        POST /account/addresses/<int:address_id>
        POST /account/addresses/<int:address_id>/remove
        GET /bookings/<int:booking_id>
        GET /bookings/<int:booking_id>/cancel
        POST /bookings/<int:booking_id>/cancel
        POST /bookings/<int:booking_id>/close
        GET /bookings/<int:booking_id>/dispute
        POST /bookings/<int:booking_id>/dispute
        POST /bookings/<int:booking_id>/extras/approve
        POST /bookings/<int:booking_id>/extras/decline
        GET /bookings/<int:booking_id>/edit
        POST /bookings/<int:booking_id>/edit
        GET /bookings/<int:booking_id>/move
        POST /bookings/<int:booking_id>/move
        GET /bookings/<int:booking_id>/no-show
        POST /bookings/<int:booking_id>/no-show
        GET /bookings/<int:booking_id>/checkouts/<int:checkout_id>
        GET /bookings/<int:booking_id>/pay
        POST /bookings/<int:booking_id>/pay/online
        POST /bookings/<int:booking_id>/pay/upi
        POST /bookings/<int:booking_id>/payments/<int:payment_id>/confirm
        POST /bookings/<int:booking_id>/payments/<int:payment_id>/deny
        GET /bookings/<int:booking_id>/propose
        POST /bookings/<int:booking_id>/propose
        POST /bookings/<int:booking_id>/proposals/<int:proposal_id>/agree
        POST /bookings/<int:booking_id>/proposals/<int:proposal_id>/decline
        POST /bookings/<int:booking_id>/proposals/<int:proposal_id>/withdraw
        POST /blocked/<int:pair_id>/remove
        POST /bookings/<int:booking_id>/block
        GET /bookings/<int:booking_id>/cancel-from
        POST /bookings/<int:booking_id>/cancel-from
        GET /series/<int:series_id>
        POST /waits/<int:wait_id>/leave
        POST /bookings/<int:booking_id>/renew-code
        GET /bookings/<int:booking_id>/review
        POST /bookings/<int:booking_id>/review
    """,
    "login login 403 404 403 403 in 403": """
        POST /my-guides/<int:guide_id>/take-back
        POST /professional/jobs/<int:booking_id>/accept
        POST /professional/jobs/<int:booking_id>/answer
        POST /professional/jobs/<int:booking_id>/cancel
        POST /professional/jobs/<int:booking_id>/complete
        POST /professional/jobs/<int:booking_id>/depart
        POST /professional/jobs/<int:booking_id>/knock
        POST /professional/jobs/<int:booking_id>/extras
        POST /professional/jobs/<int:booking_id>/extras/<int:extra_id>/withdraw
        POST /professional/rate-card/<int:item_id>
        POST /professional/rate-card/<int:item_id>/remove
        POST /professional/jobs/<int:booking_id>/no-show
        POST /professional/jobs/<int:booking_id>/payment
        POST /professional/jobs/<int:booking_id>/position
        POST /professional/jobs/<int:booking_id>/sharing
        POST /professional/jobs/<int:booking_id>/sharing/stop
        POST /professional/jobs/<int:booking_id>/payments/<int:payment_id>/refuse
        POST /professional/jobs/<int:booking_id>/payments/<int:payment_id>/verify
        POST /professional/jobs/<int:booking_id>/propose
        POST /professional/jobs/<int:booking_id>/proposals/<int:proposal_id>/agree
        POST /professional/jobs/<int:booking_id>/proposals/<int:proposal_id>/decline
        POST /professional/jobs/<int:booking_id>/proposals/<int:proposal_id>/withdraw
        POST /professional/blocked/<int:blocked_id>/remove
        POST /professional/jobs/<int:booking_id>/block
        POST /professional/jobs/<int:booking_id>/reject
        POST /professional/jobs/<int:booking_id>/start
        POST /professional/reviews/<int:review_id>/reply
        POST /professional/series/<int:series_id>/accept
        POST /professional/series/<int:series_id>/reject
        POST /professional/calendars/<int:calendar_id>/read
        POST /professional/calendars/<int:calendar_id>/remove
        POST /professional/time-off/<int:time_off_id>/remove
    """,
    "login login in 403 403 in 403 403": """
        GET /account/addresses
        GET /account/addresses/new
        POST /account/addresses/new
        GET /book
        POST /book
        GET /blocked
        GET /bookings
        GET /customer-dashboard
        GET /reports
        GET /reports/<month:month>
        GET /reports/<month:month>/pdf
        GET /favourites
        POST /favourites/<int:professional_id>
        POST /favourites/<int:professional_id>/remove
        POST /series
        POST /series/plan
        GET /suggestions
        POST /suggestions/do-not-use
        POST /suggestions/use
        GET /waits
        POST /waits
    """,
    "login login 404 403 403 away 403 403": """
        GET /bookings/<int:booking_id>/again
    """,
    "404 404 404 404 404 404 404 404": """
        GET /bootstrap/static/<path:filename>
        GET /calendar/<token>.ics
        GET /photos/<file_id>
        GET /guides/pictures/<file_id>
        GET /unsubscribe/<token>
        POST /unsubscribe/<token>
        POST /webhooks/<gateway>
        GET /two-factor/rescue
        POST /two-factor/rescue
        GET /two-factor/select
        POST /two-factor/select
    """,
    "login login 403 in away 403 in 403": """
        GET /professional/blocked
        GET /professional/rate-card
        GET /professional/busy-hours
        GET /professional/calendar
        GET /professional/calendars
        GET /professional/earnings
        GET /professional/history
        GET /professional/hours
        GET /professional/requests
        GET /professional/reviews
        GET /professional/scorecard
        GET /professional/scorecard/appeal
    """,
    "login login 403 in in 403 in 403": """
        GET /professional-dashboard
        GET /professional/calculator
        GET /professional/earnings/pdf
        GET /professional/payouts
        GET /professional/payouts/account
        POST /professional/payouts/account
        POST /professional/payouts/account/remove
        GET /professional/statements
        GET /professional/statements/<month:month>
        GET /professional/statements/<month:month>/pdf
        POST /profile/apply-again
        GET /profile/services
        POST /profile/services
    """,
    "in in away away away away away away": """
        GET /login
        GET /signup
        GET /signup/professional
    """,
    "login login 403 in 403 403 in 403": """
        POST /professional/calendars
        POST /professional/rate-card
        POST /professional/hours
        POST /professional/pause
        POST /professional/scorecard/appeal
        POST /professional/time-off
    """,
    "away away away away away away away away": """
        GET /professionals/<int:professional_id>/slots
        GET /guides/<guide_slug>/reactions
        GET /home
        GET /reset/<token>
    """,
    "login login login login login login login login": """
        GET /two-factor/code
        POST /two-factor/code
    """,
    "login login 403 403 403 403 403 away": """
        GET /admin/bookings/<int:booking_id>/reassign
        GET /admin/exports/<int:export_id>/progress
    """,
    "login login 403 404 away 403 in 403": """
        GET /professional/series/<int:series_id>
        GET /professional/jobs/<int:booking_id>/extras
        GET /professional/rate-card/<int:item_id>
        GET /professional/jobs/<int:booking_id>
        GET /professional/jobs/<int:booking_id>/answer
        GET /professional/jobs/<int:booking_id>/no-show
        GET /professional/jobs/<int:booking_id>/payments/<int:payment_id>/refuse
        GET /professional/jobs/<int:booking_id>/propose
    """,
    "login login 404 404 404 404 in in": """
        GET /files/<file_id>
    """,
    "login login 404 404 404 in in 403": """
        GET /conversations/<int:booking_id>
        POST /conversations/<int:booking_id>
        GET /conversations/<int:booking_id>/messages/<int:said_id>/report
        POST /conversations/<int:booking_id>/messages/<int:said_id>/report
        GET /conversations/<int:booking_id>/new
        POST /conversations/<int:booking_id>/seen
        POST /conversations/<int:booking_id>/typing
    """,
    "login login 404 404 404 in in in": """
        GET /evidence/<int:booking_id>
        GET /documents/<int:document_id>
        GET /documents/<int:document_id>/pdf
    """,
    "login login 404 404 404 in 404 404": """
        GET /account/data/copies/<int:copy_id>
        POST /account/keys/<int:key_id>/revoke
        POST /notifications/<int:notification_id>/read
    """,
    "login login in in in in in 404": """
        POST /account/data/consents/<about>
    """,
    "login login away away away away away away": """
        GET /account/leaving
        GET /recovery-code
    """,
}


def routes(app):
    """(method, endpoint, rule) of each page that the house answers itself; tests/api has the calls."""
    return sorted(
        (method, rule.endpoint, rule.rule)
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not is_call(app, rule)
    )


def is_call(app, rule):
    """Whether a route is a call of the API, which says itself to whom it answers."""
    return hasattr(app.view_functions[rule.endpoint], "terms")


def make_cast():
    """One of every kind; the customer's and the professional's things are made by make_things."""
    return {
        "anonymous": None,
        "blocked": factories.customer(name="Blocked", active=False),
        "other_customer": factories.customer(name="Other customer"),
        "other_pro": factories.professional(name="Other professional"),
        "unapproved": factories.professional(name="Unapproved", approved=False),
        "customer": factories.customer(name="Customer"),
        "pro": factories.professional(name="Professional"),
        "admin": factories.admin(name="Admin"),
    }


def make_things(cast):
    """What the variable parts of the rules stand for: the customer's and the professional's own."""
    customer, pro = cast["customer"], cast["pro"]
    booking = factories.booking(customer, pro, status=Status.CLOSED)
    feeds.renew(customer, by=customer)
    review = factories.review(booking)
    series, wait = factories.series(booking), factories.wait(customer, pro)
    note = Notification(user_id=customer.id, kind="approved", created_at=clock.now())
    away = TimeOff(professional_id=pro.id, starts_at=clock.now(), ends_at=clock.now() + timedelta(hours=1))
    elsewhere = OutsideCalendar(
        professional_id=pro.id, name="Family", url="", created_at=clock.now(), due_at=clock.now()
    )
    db.session.add_all([note, away, elsewhere])
    outbox.publish([customer.id], "approved", "test")
    paid = factories.payment(booking, amount=10_000)
    back = factories.refund(paid, amount=100)
    begun = factories.checkout(booking)
    decided = {"outcome": Outcome.DISMISSED, "resolved_at": clock.now(), "reason": "Nothing was wrong."}
    db.session.add(Dispute(booking_id=booking.id, words="It drips.", opened_at=clock.now(), **decided))
    appeal = Appeal(professional_id=pro.id, words="I was in hospital.", created_at=clock.now())
    pro.professional.warned_at, pro.professional.warned_of = clock.now(), ["acceptance"]
    db.session.add(appeal)
    said = conversations.send(booking, customer, "Ring twice.")
    complaint = message_reports.report(said, pro, "Too loud.")
    documents.receipt(paid)
    item = extras.add_item(pro, "Filter", 12_000)
    draft, read = factories.guide(pro, publish=False), factories.guide(slug="a-guide")
    remark = comments.write(read, customer, "Thank you")
    remark.state = CommentState.SHOWN
    coupon = coupons.create(cast["admin"], code="WELCOME", amount=5_000)
    resume = files.store(files.Checked(FileKind.RESUME, "application/pdf", b"%PDF-1.4"), pro)
    db.session.commit()
    # Each has blocked somebody else than the other: they go on meeting.
    pairs = [
        BlockedPair(customer_id=customer.id, professional_id=cast["other_pro"].id, by_id=customer.id),
        BlockedPair(customer_id=cast["blocked"].id, professional_id=pro.id, by_id=pro.id),
    ]
    for pair in pairs:
        pair.created_at = clock.now()
        db.session.add(pair)
    db.session.commit()
    return {
        "appeal_id": appeal.id,
        "guide_id": draft.id,
        "guide_slug": read.slug,
        "kind": "happy",
        "tag": "plumbing",
        "comment_id": remark.id,
        "document_id": booking.documents[0].id,
        "item_id": item.id,
        "coupon_id": coupon.id,
        "extra_id": 1,
        "pair_id": pairs[0].id,
        "blocked_id": pairs[1].id,
        "booking_id": booking.id,
        "payment_id": paid.id,
        "refund_id": back.id,
        "checkout_id": begun.id,
        "gateway": "stripe",
        "review_id": review.id,
        "proposal_id": 1,
        "series_id": series.id,
        "wait_id": wait.id,
        "notification_id": note.id,
        "time_off_id": away.id,
        "calendar_id": elsewhere.id,
        "feed": feeds.token(customer),
        "address_id": customer.addresses[0].id,
        "file_id": resume.id,
        "professional_id": pro.id,
        "user_id": customer.id,
        "service_id": booking.service_id,
        "category_id": booking.service.category_id,
        "category_slug": booking.service.category.slug,
        "slug": "cancelling",
        "question_id": factories.question().id,
        "pincode": factories.CITY_PIN,
        "said_id": said.id,
        "report_id": complaint.id,
        "token": "made-up",
        "job_name": "expire",
        "key_id": factories.key(customer).id,
        "webhook_id": factories.webhook(cast["admin"]).id,
        "message_id": db.session.scalar(select(func.max(OutboxMessage.id))),
        "export_id": factories.export(cast["admin"], filters={"professional_id": pro.id}).id,
        "about": "reports",
        "copy_id": _copy(customer),
        "account": "platform",
        "table_name": "requests",
        **_payout(pro, cast["admin"]),
        "filename": "favicon.svg",
        "month": f"{clock.today():%Y-%m}",
    }


def _copy(person):
    """A copy of their data that they asked for and can download."""
    path = exports.folder() / "copy.zip"
    path.write_bytes(b"PK")
    ends = {"finished_at": clock.now(), "expires_at": clock.now() + timedelta(days=1), "size": 2, "done": 1, "total": 1}
    ready = {"kind": ExportKind.PERSON, "status": ExportStatus.DONE, "file_name": path.name, **ends}
    return factories.export(person, **ready).id


def _payout(pro, admin):
    payout = factories.payout(pro, admin)
    return {"batch_id": payout.batch_id, "payout_id": payout.id}


def fill(rule, ids):
    """A rule with its variable parts filled in."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: str(ids[found[1]]), rule)


def answer(app, as_, person, method, rule, ids):
    """in, login, 403 or 404; a GET that leads elsewhere is `away`."""
    client = as_(person) if person else app.test_client()
    client.audit = False
    response = client.open(fill(rule, ids), method=method)
    response.close()
    if response.status_code in (403, 404):
        return str(response.status_code)
    assert response.status_code in (200, 204, 302, 303, 400, 409, 422), (method, rule, response.status)
    if response.status_code not in (302, 303):
        return "in"
    if "/login" in response.location:
        return "login"
    return "away" if method == "GET" else "in"


def expected():
    """{(method, rule): answers in the order of PEOPLE}."""
    table = {}
    for answers, rows in TABLE.items():
        for row in rows.split("\n"):
            if row.strip():
                method, rule = row.split()
                table[method, rule] = tuple(answers.split())
    return table


def test_every_route_is_in_the_table_and_none_is_gone(site):
    assert {(method, rule) for method, _endpoint, rule in routes(site)} == set(expected())


@pytest.mark.parametrize("method, rule", [pytest.param(*route, id=" ".join(route)) for route in sorted(expected())])
def test_everybody_gets_in_exactly_where_the_table_says(app, as_, method, rule):
    cast = make_cast()
    ids = make_things(cast)
    answers = tuple(answer(app, as_, cast[who], method, rule, ids) for who in PEOPLE)
    assert dict(zip(PEOPLE, answers, strict=True)) == dict(zip(PEOPLE, expected()[method, rule], strict=True))
