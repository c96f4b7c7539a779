"""What was booked in the demonstration: plans with a fate each, lived through the domain's verbs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from random import Random

from sqlalchemy import select

from demo.people import Cast, Worker
from demo.timeline import Script, Timeline
from domain import amendments, availability, bookings, clock, disputes, no_shows, places, proposals, requests, reviews
from domain.errors import Conflict, Invalid
from extensions import db, settings
from models import Booking, OfferStatus, PaymentMethod, Review, Status

PAST_DAYS = 90
# How often another customer or professional is tried before a plan is given up.
TRIES = 60
HOURS = (8, 9, 10, 10, 11, 12, 14, 15, 16, 17, 18)
LEADS = (0, 0, 1, 1, 1, 2, 2, 3, 4, 6)
# Of 600 bookings; the rest are done, paid and closed.
FATES = {
    "pending": 22,
    "accepted": 54,
    "en_route": 3,
    "in_progress": 3,
    "completed": 10,
    "rejected": 32,
    "expired": 24,
    "cancelled by customer": 30,
    "cancelled late": 8,
    "cancelled by professional": 14,
    "cancelled by admin": 3,
    "reassigned": 3,
    "started without code": 2,
    "moved": 8,
    "another time": 5,
    "other time agreed": 6,
    "customer absent": 4,
    "professional absent": 2,
    "disputed": 4,
    "settled": 5,
    "for anyone": 48,
}
# What is going on at the end; all others take their time, and what has not happened by then is to come.
UNDER_WAY = ("en_route", "in_progress")
# What the three guests find: fate, customer, professional, first start in hours from now or days before.
WITH_EACH_OTHER = (("closed", -12), ("soon", 0), ("pending", 2))
OF_THE_CUSTOMER = (
    *(("closed", -day) for day in (74, 51, 33, 20, 3)),
    ("unreviewed", -4),
    ("completed", 0),
    ("cancelled by customer", -8),
    ("rejected", -16),
    ("expired", -27),
    ("pending", 3),
    ("another time", 6),
)
OF_THE_PROFESSIONAL = (
    *(("closed", -day) for day in (86, 80, 77, 69, 64, 60, 55, 49, 46, 41, 38, 35, 30, 26, 23, 19, 17, 14, 11)),
    *(("closed", -day) for day in (9, 8, 7, 6, 5, 4, 3, 2, 1)),
    ("cancelled by customer", -21),
    ("rejected", -44),
    ("paid today", 0),
    ("later today", 0),
    ("asked just now", 0),
    *(("pending", day) for day in (1, 4)),
    *(("accepted", day) for day in (1, 2, 3, 5)),
    ("another time", 8),
)


@dataclass
class Plan:
    """One booking to come: when it is asked for, within what it starts, and how it ends."""

    fate: str
    asked_at: datetime
    opens: datetime
    closes: datetime
    rng: Random
    customer: str | None = None
    professional: str | None = None


def book(cast: Cast, timeline: Timeline, total: int) -> None:
    """Put so many bookings on the timeline, the guests' own among them."""
    plans = list(_plans(Random("bookings"), timeline.until, total))
    for plan in plans:
        timeline.add(plan.asked_at, _life(cast, plan))
    timeline.add(timeline.until - timedelta(hours=2), _hide_one(cast))


# -- What is planned --------------------------------------------------------------------------


def _plans(rng: Random, now: datetime, total: int) -> Iterator[Plan]:
    guests = [
        *((*one, "customer", "professional") for one in WITH_EACH_OTHER),
        *((*one, "customer", None) for one in OF_THE_CUSTOMER),
        *((*one, None, "professional") for one in OF_THE_PROFESSIONAL),
    ]
    for fate, day, customer, professional in guests:
        own = Random(rng.random())
        yield Plan(fate, *_window(own, now, fate, day), own, customer, professional)
    rest = total - len(guests)
    fates = [fate for fate, share in FATES.items() for _ in range(max(1, round(share * rest / 600)))]
    fates += ["closed"] * (rest - len(fates))
    for fate in fates:
        own = Random(rng.random())
        yield Plan(fate, *_window(own, now, fate, None), own)


def _window(rng, now, fate, day):
    """When it is asked for, and from and until when a start is looked for."""
    hour = timedelta(hours=1)
    if fate == "pending":
        opens = max(_at(now, day or rng.randint(1, 6), rng.choice(HOURS)), now + 3 * hour)
        return now - timedelta(minutes=rng.randint(4, 900)), opens, opens + 72 * hour
    if fate in ("accepted", "another time", "later today", "soon"):
        soonest = timedelta(minutes=20) if fate == "soon" else 3 * hour
        opens = max(_at(now, rng.randint(0, 13) if day is None else day, rng.choice(HOURS)), now + soonest)
        opens = now + soonest if fate in ("later today", "soon") else opens
        return now - rng.uniform(20, 80) * hour, opens, opens + 72 * hour
    if fate == "asked just now":
        return now - hour / 3, now + 4 * hour, now + 72 * hour
    if fate == "en_route":
        return now - 7 * hour, now + hour / 6, now + hour * 1.3
    if fate == "in_progress":
        return now - 8 * hour, now - hour * 0.6, now - hour / 30
    if fate in ("completed", "disputed"):
        opens = now - rng.uniform(5, 20) * hour
        return opens - 24 * hour, opens, now - 4 * hour
    if fate == "paid today":
        opens = max(clock.start_of(clock.local(now).date()), now - 9 * hour)
        return opens - 30 * hour, min(opens, now - 4 * hour), now - 3 * hour
    return _past_window(rng, now, fate, day)


def _past_window(rng, now, fate, day):
    latest = 4 if fate in ("rejected", "expired", "cancelled by customer") else -3
    opens = _at(now, rng.randint(-PAST_DAYS + 1, latest) if day is None else day, rng.choice(HOURS))
    lead = rng.choice(LEADS[2:] if fate == "cancelled late" else LEADS)
    asked = clock.start_of(clock.local(opens).date() - timedelta(days=lead)) + timedelta(hours=rng.uniform(7, 22))
    asked = min(asked, opens - timedelta(hours=rng.uniform(1.5, 5)), now - timedelta(hours=27))
    return asked, opens, opens + timedelta(hours=40)


def _at(now, days, hour):
    day = clock.local(now).date() + timedelta(days=days)
    return datetime.combine(day, time(hour), settings.zone)


# -- How a booking lives ----------------------------------------------------------------------


def _life(cast: Cast, plan: Plan) -> Script:
    booking_id = _request(cast, plan)
    if booking_id is None:
        # Nobody was free: then it is an ordinary job of the days after.
        plan = replace(plan, fate="closed", closes=plan.closes + timedelta(days=6))
        booking_id = _request(cast, plan)
    if booking_id is None or plan.fate in ("pending", "asked just now"):
        return
    booking = db.session.get_one(Booking, booking_id)
    if plan.fate == "expired":
        yield booking.respond_by + timedelta(seconds=30)
        bookings.expire_due()
        return
    if plan.fate == "moved":
        yield clock.now() + timedelta(minutes=2)
        _move(cast, plan, booking)
    yield from _answer(cast, plan, booking)
    if booking.status is not Status.ACCEPTED or plan.fate in ("accepted", "soon", "later today"):
        return
    if plan.fate.startswith("cancelled"):
        yield from _cancellation(cast, plan, booking)
        return
    if plan.fate.endswith("absent"):
        yield from _absence(cast, plan, booking)
        return
    if plan.fate in ("another time", "other time agreed"):
        yield from _propose(cast, plan, booking)
        if plan.fate == "another time":
            return
    if plan.fate == "reassigned":
        yield clock.now() + timedelta(minutes=30)
        _reassign(cast, booking)
    yield from _work(cast, plan, booking)
    if booking.status is Status.COMPLETED:
        yield from _aftermath(cast, plan, booking)


def _answer(cast, plan, booking):
    rng = plan.rng
    delay = timedelta(minutes=min(3 + rng.expovariate(1 / 25), 240))
    yield min(clock.now() + delay, booking.respond_by - timedelta(minutes=2))
    if plan.fate == "rejected":
        bookings.reject(booking, _worker(cast, booking), cast.words.reason("decline"))
        return
    if booking.professional_id:
        bookings.accept(booking, _worker(cast, booking))
        return
    for worker in _asked(cast, booking):
        if rng.random() < 0.2:
            bookings.reject(booking, worker, cast.words.reason("decline"))
        elif _is_free(worker.id, booking):
            bookings.accept(booking, worker)
            return
    if booking.status is Status.PENDING:
        yield booking.respond_by + timedelta(seconds=30)
        bookings.expire_due()


def _cancellation(cast, plan, booking):
    rng = plan.rng
    now, last = clock.now(), booking.starts_at - timedelta(minutes=10)
    soon = now + timedelta(minutes=rng.randint(10, 120))
    late = max(booking.starts_at - timedelta(minutes=rng.randint(20, 170)), now + timedelta(minutes=6))
    yield min(last, late if plan.fate in ("cancelled late", "cancelled by professional") else soon)
    who = {"professional": _worker(cast, booking), "admin": cast.admin}
    by = who.get(plan.fate.split()[-1], cast.clients[booking.customer_id].user)
    bookings.cancel(booking, by, cast.words.reason(by.role.value))


def _absence(cast, plan, booking):
    """Nobody opens, or nobody comes."""
    patience = timedelta(minutes=settings.policy.no_show_minutes + plan.rng.randint(2, 15))
    absent = plan.fate.split()[0]
    by = cast.clients[booking.customer_id].user if absent == "professional" else _worker(cast, booking)
    if absent == "customer":
        yield booking.starts_at + timedelta(minutes=plan.rng.randint(-3, 10))
        no_shows.knock(booking, by)
    yield booking.starts_at + patience
    no_shows.report(booking, by, cast.words.reason(f"{absent}_absent"))


def _work(cast, plan, booking):
    """On the way, there, done and paid, as far as the fate goes."""
    rng = plan.rng
    starts_at = booking.starts_at
    latest = cast.until if plan.fate in UNDER_WAY else booking.ends_at
    yield min(starts_at - timedelta(minutes=rng.randint(15, 40)), latest - timedelta(minutes=5))
    bookings.depart(booking, _worker(cast, booking))
    if plan.fate == "en_route":
        return
    yield min(starts_at + timedelta(minutes=rng.randint(-5, 8)), latest - timedelta(minutes=1))
    if plan.fate == "started without code":
        bookings.override_code(booking, cast.admin, cast.words.reason("override"))
    else:
        code = bookings.start_code(booking, cast.clients[booking.customer_id].user)
        bookings.start(booking, _worker(cast, booking), code)
    if plan.fate == "in_progress":
        return
    yield clock.now() + (booking.ends_at - booking.starts_at) * rng.uniform(0.75, 1.1)
    bookings.complete(booking, _worker(cast, booking))


def _aftermath(cast, plan, booking):
    rng = plan.rng
    if rng.random() < 0.95:
        yield clock.now() + timedelta(minutes=rng.randint(2, 12))
        bookings.record_payment(booking, _worker(cast, booking), rng.choice((PaymentMethod.CASH, PaymentMethod.UPI)))
    if plan.fate == "completed":
        return
    if plan.fate in ("disputed", "settled"):
        yield from _dispute(cast, plan, booking)
        return
    if plan.fate == "paid today" or rng.random() < 0.6:
        yield clock.now() + timedelta(minutes=10 if plan.fate == "paid today" else rng.randint(10, 700))
        bookings.close(booking, cast.clients[booking.customer_id].user)
    else:
        yield booking.completed_at + timedelta(hours=settings.policy.auto_close_hours, seconds=30)
        bookings.close_due()
    guest = plan.customer or plan.professional
    if plan.fate != "unreviewed" and rng.random() < (0.9 if guest else 0.75):
        yield from _review(cast, plan, booking)


def _dispute(cast, plan, booking):
    """Something was wrong; what is older is answered and decided."""
    rng = plan.rng
    yield clock.now() + timedelta(minutes=rng.randint(20, 120))
    disputes.begin(booking, cast.clients[booking.customer_id].user, cast.words.dispute("customer"))
    if plan.fate == "settled" or rng.random() < 0.5:
        yield clock.now() + timedelta(minutes=rng.randint(15, 60))
        disputes.answer(booking, _worker(cast, booking), cast.words.dispute("professional"))
    if plan.fate == "disputed":
        return
    yield clock.now() + timedelta(hours=rng.uniform(2, 20))
    if rng.random() < 0.3:
        disputes.dismiss(booking, cast.admin, cast.words.dispute("dismissed"))
    else:
        # In whole rupees, a fifth to a half of it.
        part = booking.total * rng.randint(20, 50) // 100
        disputes.refund(booking, cast.admin, cast.words.dispute("refund"), max(part - part % 100, 100))


def _review(cast, plan, booking):
    rng = plan.rng
    yield clock.now() + timedelta(minutes=5 + rng.expovariate(1 / 900))
    worker = cast.workers[booking.professional_id]
    rating = rng.choice((1, 1, 2)) if rng.random() < 0.05 else min(max(round(rng.gauss(worker.skill, 0.8)), 1), 5)
    words = cast.words.review(booking.service.name, rating)
    review = reviews.write(booking, cast.clients[booking.customer_id].user, rating, words)
    if rng.random() < (0.8 if rating < 3 else 0.35):
        yield clock.now() + timedelta(hours=rng.uniform(1, 40))
        reviews.reply(review, worker.user, cast.words.reply(rating))


def _later(booking):
    """When the professional is free again, most of a day after the booking or more."""
    minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    opens = booking.starts_at + timedelta(hours=20)
    found = availability.free_between({booking.professional_id: minutes}, opens, opens + timedelta(days=4), booking.pin)
    return found.get(booking.professional_id)


def _move(cast, plan, booking):
    start = _later(booking)
    if start is not None:
        try:
            amendments.shift(booking, cast.clients[booking.customer_id].user, start)
        except Invalid:
            return  # they are busy themselves then, and leave it as it is


def _propose(cast, plan, booking):
    """One side asks for another time, most often the one that the guests are not; it may be agreed."""
    rng = plan.rng
    both = [_worker(cast, booking), cast.clients[booking.customer_id].user]
    by, other = both if plan.customer else reversed(both) if plan.professional else rng.sample(both, 2)
    # What is open at the end was asked for shortly before.
    lately = cast.until - timedelta(minutes=rng.randint(20, 300))
    yield lately if plan.fate == "another time" else clock.now() + timedelta(minutes=rng.randint(5, 40))
    start = _later(booking)
    if start is None or "propose" not in bookings.available_actions(booking, by):
        return
    try:
        proposal = proposals.propose(booking, by, start, cast.words.reason(f"{by.role.value}_moves"))
    except Invalid:
        return  # the customer is busy then, and it stays as it is
    if plan.fate == "other time agreed":
        yield clock.now() + timedelta(minutes=rng.randint(5, 50))
        if "agree" in bookings.available_actions(booking, other) and _is_free(booking.professional_id, booking, start):
            try:
                proposals.agree(booking, other, proposal.id)
            except Conflict:
                return  # the customer has become busy: nobody answers


def _reassign(cast, booking):
    for candidate in bookings.replacements(booking):
        if candidate.professional_id in cast.workers:
            bookings.reassign(booking, cast.admin, candidate.professional_id, cast.words.reason("reassign"))
            return


def _hide_one(cast) -> Script:
    """An admin has taken one bad review off the site."""
    bad = select(Review).where(Review.rating <= 2).order_by(Review.rating, Review.id.desc())
    review = db.session.scalars(bad).first()
    if review:
        reviews.hide(review, cast.admin, cast.words.reason("hide"))
    yield from ()


# -- Asking -----------------------------------------------------------------------------------


def _request(cast: Cast, plan: Plan) -> int | None:
    """Ask for the first slot that somebody suitable has; other customers are tried when none fits."""
    rng = plan.rng
    if plan.customer:
        clients = [cast.clients[cast.guests[plan.customer]]] * TRIES
    else:
        others = [one for one in cast.clients.values() if one.user.id != cast.guests["customer"]]
        clients = rng.choices(others, k=TRIES)
    for client in clients:
        home = rng.choice(client.homes)
        service, workers = _wanted(cast, plan, client, home)
        if not workers:
            continue
        person, starts_at = _slot(plan, service, workers)
        if starts_at is None:
            continue
        try:
            return requests.request(client.user, service.id, person, starts_at, home.id, cast.words.remarks())
        except Invalid:
            continue  # this customer is busy then, or has asked too often
    return None


def _wanted(cast, plan, client, home):
    """A service that somebody who reaches the home offers, and up to four of those who do."""
    rng = plan.rng
    near = [worker for worker in cast.workers.values() if _may_come(cast, plan, worker, client, home)]
    if not near:
        return None, []
    trades = sorted({trade for worker in near for trade in worker.trades})
    trade = rng.choices(trades, [cast.texts["trades"][trade]["weight"] for trade in trades])[0]
    offered = {service for worker in near for service in worker.services}
    services = [service for service in cast.trades[trade] if service.id in offered]
    if not services:
        return None, []
    service = rng.choice(services)
    able = [worker for worker in near if service.id in worker.services]
    able.sort(key=lambda worker: rng.random() ** (1 / worker.popularity), reverse=True)
    return service, able[:4]


def _may_come(cast, plan, worker: Worker, client, home):
    if plan.professional:
        if worker.user.id != cast.guests[plan.professional]:
            return False
    elif worker.only_booked_by_name:
        return False
    if worker.city != client.city:
        return False
    return places.distance_km(worker.lat, worker.lon, home.lat, home.lon) <= worker.radius_km


def _slot(plan, service, workers):
    """The professional and the start to ask for; nobody in particular when it is for anyone."""
    if plan.fate == "for anyone":
        return None, plan.opens
    durations = {worker.user.id: service.duration_minutes for worker in workers}
    closes = plan.closes
    if plan.fate in ("completed", "paid today"):
        closes -= timedelta(minutes=service.duration_minutes)
    if plan.fate == "in_progress" and service.duration_minutes < 30:
        return None, None
    found = availability.free_between(durations, plan.opens, closes)
    person = next((person for person in durations if person in found), None)
    return person, found.get(person)


def _asked(cast, booking):
    return [cast.workers[offer.professional_id].user for offer in booking.offers if offer.status is OfferStatus.OPEN]


def _is_free(professional_id, booking, starts_at=None):
    minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    starts_at = starts_at or booking.starts_at
    return availability.free_between({professional_id: minutes}, starts_at, starts_at + timedelta(minutes=1))


def _worker(cast, booking):
    return cast.workers[booking.professional_id].user
