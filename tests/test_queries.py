"""Every page asks the database the same number of questions on a small site and on a big one."""

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from domain import clock
from extensions import cache, db
from models import (
    Address,
    Approval,
    AuditEntry,
    Booking,
    BookingEvent,
    Notification,
    Offering,
    OutboxMessage,
    Professional,
    Review,
    Role,
    Service,
    Status,
    TimeOff,
    User,
    WorkingHours,
)
from models_assistant import OpenQuestion
from models_guides import Comment, Guide, GuideTag, GuideWord, Reaction
from models_lifecycle import Appeal, BlockedPair, Dispute, Favourite, Refund
from models_live import Message, MessageReport, TalkSide
from models_money import Checkout, GatewayEvent, LedgerEntry, LedgerLine, Payment, Payout, PayoutBatch
from models_taste import AreaProfessional, Recommendation
from tests import client as browser
from tests import factories, test_access

FEW = 100
# Who looks at the pages of a blueprint; the public ones are looked at by everybody alike.
READERS = {
    "customer": ["customer"],
    "professional": ["pro"],
    "admin": ["admin"],
    "account": ["customer", "pro", "admin"],
    "conversations": ["customer", "pro"],
    "guides": [None, "customer", "pro", "admin"],
}
# Pages with parts that are kept (see caching.py), and some more.
PARTLY_KEPT = ("/?", "/services", "/professionals/", "/search")
# Pages that need a state of log-in or a mailed link of their own.
SKIPPED = ("static", "bootstrap.static", "security.", "auth.")


def grow(size, cast, ids):
    """Bring the site to `size` professionals and as many customers, bookings and all the rest."""
    start = db.session.scalar(select(func.max(User.id))) + 1
    count = size - db.session.scalar(select(func.count()).select_from(Professional))
    people = range(start, start + count)
    now, pin = clock.now(), factories.CITY_PIN
    home = cast["pro"].professional
    one = {"service_id": ids["service_id"], "customer_id": cast["customer"].id, "professional_id": cast["pro"].id}
    put = db.session.execute
    put(insert(User), [_person(n, Role.PROFESSIONAL, now) for n in people])
    put(insert(User), [_person(n + count, Role.CUSTOMER, now) for n in people])
    put(insert(Professional), [_professional(n, home, now) for n in people])
    put(
        insert(Offering),
        [
            {
                "professional_id": n,
                "service_id": ids["service_id"],
                "listed": True,
                "lat": home.lat,
                "lon": home.lon,
                "radius_km": 15,
                "rank": 4.0 + n % 7 / 10,
            }
            for n in people
        ],
    )
    hours = {"weekday": 1, "starts_minute": 540, "ends_minute": 1080}
    put(insert(WorkingHours), [{"professional_id": n, **hours} for n in people])
    address = {"line": "1, Main Road", "pincode": pin, "created_at": now}
    put(insert(Address), [{"customer_id": cast["customer"].id, **address} for _ in range(count // 50)])
    states = [Status.CLOSED, Status.PENDING, Status.CANCELLED, Status.COMPLETED]
    first = db.session.scalar(select(func.max(Booking.id))) + 1
    put(
        insert(Booking),
        [_booking(first + n, one, states[n % len(states)], now + timedelta(hours=n % 500 - 100)) for n in range(count)],
    )
    event = {"verb": "request", "to_status": "pending", "at": now, "actor_id": one["customer_id"]}
    put(insert(BookingEvent), [{"booking_id": first + n, **event} for n in range(count)])
    for verb in ("accept", "start", "complete"):
        step = {"verb": verb, "to_status": verb, "at": now, "actor_id": one["professional_id"]}
        put(insert(BookingEvent), [{"booking_id": first + n, **step} for n in range(count)])
    appeal = {"professional_id": one["professional_id"], "words": "I was ill.", "created_at": now}
    decided = {"granted": False, "answer": "No.", "answered_at": now, "answered_by_id": cast["admin"].id}
    put(insert(Appeal), [{**appeal, **decided} for _ in range(count // 50)])
    busy = {"calendar_id": ids["calendar_id"], "professional_id": one["professional_id"], "note": ""}
    meetings = [now + timedelta(hours=8 * n) for n in range(count // 10)]
    put(insert(TimeOff), [{**busy, "starts_at": at, "ends_at": at + timedelta(hours=1)} for at in meetings])
    paid = {"kind": "bill", "at": now, "booking_id": first}
    entries = range(10**6 + start, 10**6 + start + count)
    put(insert(LedgerEntry), [{"id": n, "key": f"crowd:{n}", **paid} for n in entries])
    sides = (f"professional:{one['professional_id']}", -90_000), ("platform", -10_000), ("customer:1", 100_000)
    for position, (account, amount) in enumerate(sides, 1):
        line = {"account": account, "amount": amount, "position": position}
        put(insert(LedgerLine), [{"entry_id": n, **line} for n in entries])
    batches = range(10**6 + start, 10**6 + start + count // 50)
    made = {"until": clock.today(), "made_by_id": cast["admin"].id, "made_at": now}
    put(insert(PayoutBatch), [{"id": n, **made} for n in batches])
    payout = {"amount": 100, "hint": "", "sealed": "", "reason": ""}
    own = {"professional_id": one["professional_id"], "status": "paid", **payout}
    put(insert(Payout), [{"batch_id": n, **own} for n in batches])
    others = {"batch_id": ids["batch_id"], "status": "made", **payout}
    put(insert(Payout), [{"professional_id": n, **others} for n in people[:200]])
    review = {"rating": 4, "created_at": now, "customer_id": one["customer_id"], "comment": "Good"}
    closed = range(first, first + count, len(states))
    put(insert(Review), [{"booking_id": n, "professional_id": one["professional_id"], **review} for n in closed])
    said = {"words": "It drips.", "opened_at": now, "answer": "", "reason": "", "refund": 0}
    put(insert(Dispute), [{"booking_id": n, **said} for n in closed])
    told = [cast[who].id for who in ("customer", "pro", "admin")]
    note = {"kind": "closed", "data": {"service": "Work", "time": now.isoformat(), "name": "A"}, "created_at": now}
    put(insert(Notification), [{"user_id": n, "booking_id": first, **note} for n in told for _ in range(count // 10)])
    sent = {"kind": "closed", "channel": "mail", "user_id": told[0], "booking_id": first, "data": note["data"]}
    sent |= {"status": "waiting", "tries": 0, "due_at": now, "subject": "", "error": "", "created_at": now}
    put(insert(OutboxMessage), [{"key": f"crowd{n}", **sent} for n in people])
    told = {"kind": "webhook", "channel": "webhook", "webhook_id": ids["webhook_id"], "status": "sent", "tries": 0}
    told |= {"due_at": now, "sent_at": now, "subject": "test", "error": "", "created_at": now, "data": {}}
    put(insert(OutboxMessage), [{"key": f"webhook{n}", **told} for n in people])
    paid = {"method": "upi", "status": "claimed", "amount": 100, "holder": "bank", "reason": "", "recorded_at": now}
    paid |= {"booking_id": first, "recorded_by_id": one["customer_id"]}
    put(insert(Payment), [{"reference": f"{n:012}", **paid} for n in people])
    latest = db.session.scalar(select(func.max(Payment.id)))
    back = {"booking_id": first, "payment_id": latest, "amount": 1, "reason": "", "holder": "bank", "state": "asked"}
    back |= {"tries": 0, "due_at": now, "error": "", "recorded_at": now}
    put(insert(Refund), [{"key": f"crowd{n}", **back} for n in people])
    begun = {"booking_id": first, "method": "stripe", "status": "open", "amount": 1, "currency": "INR", "tries": 0}
    begun |= {"created_at": now, "expires_at": now, "due_at": now}
    put(insert(Checkout), [{"key": f"crowd{n}", **begun} for n in people])
    said = {"method": "stripe", "kind": "paid", "fault": "It does not fit.", "at": now}
    put(insert(GatewayEvent), [{"event": f"crowd{n}", **said} for n in people])
    open_question = {"text": "Do you repair watches?", "language": "en", "count": 1, "first_at": now, "last_at": now}
    put(insert(OpenQuestion), [{"key": f"crowd{n}", **open_question} for n in people])
    act = {"actor_id": cast["admin"].id, "action": "approve", "subject_type": "professional", "at": now}
    put(insert(AuditEntry), [{"subject_id": n, "detail": {}, **act} for n in people])
    kept = {"customer_id": one["customer_id"], "created_at": now}
    put(insert(Favourite), [{"professional_id": n, **kept} for n in people[:90]])
    put(insert(BlockedPair), [{"professional_id": n, "by_id": kept["customer_id"], **kept} for n in people[90:95]])
    place = {"state": home.base.state, "district": home.base.district, "service_id": ids["service_id"]}
    put(insert(AreaProfessional), [{"professional_id": n, "households": n % 50, **place} for n in people])
    had = {"customer_id": one["customer_id"], "service_id": ids["service_id"], "number": 5, "score": 4.5}
    liked = [{"professional_id": n, "position": n, "why": "stars", **had} for n in people[:8]]
    put(insert(Recommendation), liked)
    _talk(count, first, cast, ids["booking_id"], now)
    _write_guides(count, people, cast, now)
    _forecasts(size, ids)
    db.session.commit()
    db.session.expire_all()


def _talk(count, first, cast, booking_id, now):
    """One long conversation, many short ones, and reports of them."""
    put, customer, pro = db.session.execute, cast["customer"].id, cast["pro"].id
    said = {"professional_id": pro, "created_at": now, "text": "Hello", "hidden_reason": ""}
    last = db.session.scalar(select(func.max(Message.id)))
    bookings = [*range(first, first + count), *[booking_id] * count]
    sent = [
        {"id": last + n, "booking_id": one, "sender_id": (customer, pro)[n % 2], "mark": f"crowd{last + n}", **said}
        for n, one in enumerate(bookings, 1)
    ]
    put(insert(Message), sent)
    side = {"professional_id": pro, "unread": 1, "received_id": 0, "read_id": 0}
    for who in (customer, pro):
        put(
            insert(TalkSide),
            [{"booking_id": first + n, "user_id": who, "newest_id": last + 1 + n, **side} for n in range(count)],
        )
    put(update(Booking).where(Booking.id >= first).values(accepted_at=now))
    wrong = {"reason": "Rude", "created_at": now}
    reported = range(last + 1, last + 100)
    put(insert(MessageReport), [{"message_id": n, "by_id": (pro, customer)[n % 2], **wrong} for n in reported])


def _write_guides(count, people, cast, now):
    """Many guides that all have the same words and tag, many of them the professional's, and one that everybody
    likes and talks about."""
    put = db.session.execute
    first = db.session.scalar(select(func.max(Guide.id))) + 1
    written = range(first, first + count // 10)
    words = {"title": "Tap", "summary": "Tap", "text": "Tap", "language": "en", "reason": "", "created_at": now}
    words |= {"edited_at": now, "published_at": now, "author_id": cast["pro"].id}
    states = ["published", "published", "published", "waiting"]
    put(insert(Guide), [{"id": n, "slug": f"crowd-{n}", "state": states[n % 4], **words} for n in written])
    put(insert(GuideWord), [{"guide_id": n, "word": "tap"} for n in written])
    put(insert(GuideTag), [{"guide_id": n, "tag": "plumbing"} for n in written])
    liked = db.session.scalar(select(Guide.id).where(Guide.slug == "a-guide"))
    put(insert(Reaction), [{"guide_id": liked, "kind": "happy", "user_id": n} for n in people])
    said = {"guide_id": liked, "text": "Hello", "report": "", "reason": "", "created_at": now}
    states = ["shown", "waiting", "reported", "hidden"]
    put(insert(Comment), [{"author_id": n, "mark": f"crowd{n}", "state": states[n % 4], **said} for n in people])


def _forecasts(size, ids):
    """Many cities, each with its forecast, and more shortages than a page shows."""
    one = db.session.get_one(Service, ids["service_id"])
    factories.forecast(f"City {size}")
    series = factories.forecast(f"City {size}", one)
    whole = [("", None), ("", one), ("Bengaluru Urban", one)] if size == FEW else []
    for district, service in whole:
        factories.forecast(district, service)
    for days in range(min(size // 50, 14)):
        factories.shortage(series, days)


def _person(number, role, now):
    return {
        "id": number,
        "role": role,
        "email": f"crowd{number}@example.com",
        "name": f"Crowd {number}",
        "name_key": f"crowd {number}",
        "active": True,
        "demo": False,
        "created_at": now,
        "fs_uniquifier": f"{number:032}",
    }


def _professional(number, home, now):
    waiting = number % 10 == 0
    return {
        "id": number,
        "base_pincode": home.base_pincode,
        "lat": home.lat,
        "lon": home.lon,
        "radius_km": 15,
        "languages": [],
        "approval": Approval.PENDING if waiting else Approval.APPROVED,
        "applied_at": now,
        "rank": 4.0,
    }


def _booking(number, one, status, starts_at):
    done = status in (Status.CLOSED, Status.COMPLETED)
    return {
        "id": number,
        **one,
        "status": status,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=1),
        "address_line": "1, Main Road",
        "pincode": factories.CITY_PIN,
        "remarks": "",
        "currency": "INR",
        "subtotal": 100,
        "total": 100,
        "paid": 0,
        "respond_by": starts_at - timedelta(hours=1),
        "created_at": starts_at - timedelta(days=1),
        "completed_at": starts_at if done else None,
        "closed_at": starts_at if status is Status.CLOSED else None,
        "code_salt": "0" * 32,
        "code_tries": 0,
    }


def _pages(app, ids):
    """(reader, path) of every page that can be fetched."""
    for method, endpoint, rule in test_access.routes(app):
        if method == "GET" and not endpoint.startswith(SKIPPED):
            blueprint = endpoint.split(".")[0].split("_")[0]
            for reader in READERS.get(blueprint, [None]):
                yield reader, test_access.fill(rule, ids)
    yield None, f"/calendar/{ids['feed']}.ics"
    near = f"near={factories.CITY_PIN}"
    for sort in ("best", "rating", "distance", "experience", "price"):
        yield None, f"/search?q=cleaning&{near}&sort={sort}"
    yield None, f"/search?q=cleaning&{near}&day={clock.today() + timedelta(days=1)}&time=morning"
    yield "admin", "/admin/search?q=crowd"
    for state in ("failed", "kept", "sent", "dropped"):
        yield "admin", f"/admin/outbox?state={state}"
    yield "admin", "/admin/appeals?show=answered"
    yield "admin", "/admin/comments?show=decided"
    yield "admin", "/admin/guides?state=waiting"
    yield None, f"/?where={factories.CITY_PIN}"
    yield None, "/guides?q=tap"
    yield None, "/guides/tags/plumbing"
    yield "admin", f"/admin/forecast?service={ids['service_id']}"
    yield "admin", "/admin/questions?show=answered"
    yield "admin", "/admin/payments?method=upi&status=claimed&from=2026-11-01&reference=000000000123"
    yield "customer", f"/book?professional_id=any&service_id={ids['service_id']}"
    yield "customer", f"/search?q=cleaning&{near}"
    yield "customer", f"/professionals/{ids['professional_id']}?{near}"


def _questions(app, as_, cast, ids):
    """Of each page, with nothing kept and, where anything may be, once more."""
    counts = {}
    for reader, path in _pages(app, ids):
        client = as_(cast[reader]) if reader else app.test_client()
        cache.clear()
        counts[reader, path] = _asked(client, path)
        if path.startswith(PARTLY_KEPT):
            counts[reader, path, "kept"] = _asked(client, path)
    return counts


def _asked(client, path):
    with browser.count_queries() as seen:
        response = client.get(path)
    assert response.status_code in (200, 204, 302, 303, 403, 404, 409), (path, response.status)
    response.close()
    return seen.count


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("many", [2_000, pytest.param(10_000, marks=pytest.mark.soak)])
def test_pages_ask_as_much_of_thousands_of_professionals_as_of_a_hundred(app, as_, many):
    cast = test_access.make_cast()
    ids = test_access.make_things(cast)
    grow(FEW, cast, ids)
    on_a_small_site = _questions(app, as_, cast, ids)
    grow(many, cast, ids)
    on_a_big_site = _questions(app, as_, cast, ids)
    assert on_a_big_site == on_a_small_site
    assert {page: count for page, count in on_a_big_site.items() if count > browser.MOST_QUERIES} == {}
    assert len(on_a_big_site) > 60
