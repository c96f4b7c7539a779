"""People, places and bookings for tests, made straight through the models and committed.

Every function takes the attributes that matter to its test by name; the rest is plausible. The
places are the real ones around Bengaluru, with a few of Mumbai, Delhi, Kolkata and Guwahati.
"""

import csv
import functools
import itertools
import secrets
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flask_security import hash_password

from config import ROOT
from domain import (
    api_keys,
    articles,
    availability,
    billing,
    clock,
    guides,
    ledger,
    listings,
    open_questions,
    payout_accounts,
    payouts,
    places,
    pricing,
    start_codes,
    webhooks,
)
from extensions import db, settings
from init_db import load_catalogue
from models import (
    Address,
    Approval,
    Booking,
    BookingEvent,
    BookingLine,
    BookingOffer,
    Category,
    City,
    CityName,
    Every,
    Export,
    ExportKind,
    LineKind,
    Offering,
    PaymentMethod,
    PinCode,
    Professional,
    Review,
    Role,
    Series,
    Service,
    Status,
    User,
    Wait,
    WorkingHours,
)
from models_assistant import OpenQuestion
from models_forecast import Demand, DemandSeries, Forecast, Shortage
from models_guides import Guide, GuideState
from models_integrations import ApiKey, Webhook
from models_lifecycle import Dispute, Refund, RefundState
from models_money import Checkout, CheckoutStatus, Payment, PaymentStatus, Payout, PayoutWay

PASSWORD = "a kettle on the stove"
CITY_PIN = "560001"
NEAR_PIN = "560034"
FAR_PIN = "781001"
SHIPPED_PINS = ("5600", "4000", "11000", "70000", "78100")
HOLDING = frozenset({Status.PENDING, Status.ACCEPTED, Status.EN_ROUTE, Status.IN_PROGRESS})

_numbers = itertools.count(1)


def customer(**values) -> User:
    """A customer with one address in Bengaluru; `pincode` puts it elsewhere."""
    pincode = values.pop("pincode", CITY_PIN)
    person = _user(Role.CUSTOMER, **values)
    address(person, pincode=pincode)
    return person


def admin(**values) -> User:
    return _user(Role.ADMIN, **values)


def professional(*, services=(), approved=True, hours=((9 * 60, 18 * 60),), pincode=CITY_PIN, **values) -> User:
    """A professional working Monday to Saturday, 9 to 18, who offers the given services or else the
    first of the catalogue. Attributes of the person and of the professional may be mixed."""
    person = _user(Role.PROFESSIONAL, **{name: values.pop(name) for name in list(values) if _is_of_user(name)})
    pin = db.session.get_one(PinCode, pincode)
    db.session.add(
        Professional(
            id=person.id,
            base_pincode=pincode,
            lat=pin.lat,
            lon=pin.lon,
            approval=Approval.APPROVED if approved else Approval.PENDING,
            approved_at=clock.now() if approved else None,
            applied_at=clock.now(),
            **{"radius_km": 15, "experience_years": 5, "rank": 4.0, **values},
        )
    )
    for weekday, (starts, ends) in itertools.product(range(6), hours):
        db.session.add(
            WorkingHours(professional_id=person.id, weekday=weekday, starts_minute=starts, ends_minute=ends)
        )
    for one in services or [service()]:
        offer(person, one)
    db.session.commit()
    return person


def offer(person: User, one: Service, own_price: int | None = None) -> Offering:
    """Have a professional offer one more service."""
    offering = Offering(
        professional_id=person.id, service_id=one.id, own_price=own_price, lat=0, lon=0, radius_km=1
    )
    db.session.add(offering)
    db.session.flush()
    listings.refresh(person.id)
    db.session.commit()
    return offering


def guide(author: User | None = None, *, publish=True, **values) -> Guide:
    """A guide, read by everybody unless it is to be a draft of its author's; without one it is the site's."""
    words = {"title": "How to mend a tap", "summary": "With a washer and ten minutes.", "text": "## Begin\n\nClose it."}
    draft = articles.Draft(**{**words, "tags": ("plumbing",), "service_ids": (service().id,), **values})
    one = guides.write(author, draft) if author else guides.publish_for_site(draft)
    if author and publish:
        one.state, one.published_at = GuideState.PUBLISHED, clock.now()
    return _saved(one)


def address(person: User, *, pincode=CITY_PIN, line="12, 3rd Cross", label="Home") -> Address:
    one = Address(customer_id=person.id, pincode=pincode, line=line, label=label, created_at=clock.now())
    return _saved(one)


def service(name: str | None = None, **values) -> Service:
    """A service of the catalogue by name; an unknown name, or any value, makes a new one."""
    if not values:
        known = db.session.query(Service).order_by(Service.id)
        found = known.filter_by(name=name).first() if name else known.first()
        if found:
            return found
    number = next(_numbers)
    return _saved(
        Service(
            **{
                "name": name or f"Service {number}",
                "slug": f"service-{number}",
                "base_price": 49_900,
                "duration_minutes": 60,
                "created_at": clock.now(),
                "category": db.session.query(Category).order_by(Category.id).first(),
                **values,
            }
        )
    )


def booking(customer: User, professional: User | None, **values) -> Booking:
    """A booking in any status, as its verbs would have left it: with lines, an event and claims.

    It starts tomorrow at 11:00 on the site's clock unless `starts_at` says otherwise.
    """
    status = values.pop("status", Status.PENDING)
    one = values.pop("service", None) or _first_offered(professional)
    starts_at = values.pop("starts_at", None) or at(11, days=1)
    quote = pricing.quote(one.name, one.base_price)
    moment = clock.now()
    done = status in (Status.COMPLETED, Status.CLOSED, Status.DISPUTED)
    made = _saved(
        Booking(
            **{
                "customer_id": customer.id,
                "professional_id": professional and professional.id,
                "service_id": one.id,
                "status": status,
                "starts_at": starts_at,
                "ends_at": starts_at + timedelta(minutes=one.duration_minutes),
                "address_line": "12, 3rd Cross",
                "pincode": CITY_PIN,
                "currency": settings.currency,
                "subtotal": quote.subtotal,
                "total": quote.total,
                "respond_by": starts_at - timedelta(hours=1),
                "created_at": moment,
                "accepted_at": None if status in (Status.PENDING, Status.REJECTED, Status.EXPIRED) else moment,
                "completed_at": moment if done else None,
                "closed_at": moment if status is Status.CLOSED else None,
                "code_salt": start_codes.new_salt(),
                **values,
            }
        )
    )
    for line in quote.lines:
        db.session.add(BookingLine(booking_id=made.id, **line._asdict()))
    db.session.add(
        BookingEvent(
            booking_id=made.id,
            verb="request",
            from_status=None,
            to_status=status,
            actor_id=customer.id,
            at=moment,
        )
    )
    if status is Status.DISPUTED:
        dispute(made)
    if professional and status in HOLDING:
        availability.claim(professional.id, made.id, starts_at, one.duration_minutes)
    db.session.commit()
    return made


def dispute(booking: Booking) -> Dispute:
    return _saved(Dispute(booking_id=booking.id, words="The tap still drips.", opened_at=clock.now()))


def paid_job(customer: User, professional: User, price: int = 49_900, paid: bool = True, **values) -> Booking:
    """A job that was done at a price without fee and tax, and paid to the site unless it is not."""
    job = booking(customer, professional, status=Status.CLOSED, starts_at=clock.now() - timedelta(hours=2), **values)
    db.session.query(BookingLine).filter(BookingLine.booking_id == job.id).delete()
    db.session.add(BookingLine(booking_id=job.id, kind=LineKind.SERVICE, label="Work", amount=price))
    job.subtotal = job.total = price
    billing.settle(job)
    if paid:
        billing.paid(payment(job, method=PaymentMethod.STRIPE, holder=ledger.gateway("stripe")))
    db.session.commit()
    return job


def payout(professional: User, admin: User, amount: int = 49_900) -> Payout:
    """A payout on its way in a batch of its own, of what a customer paid to the site."""
    paid_job(customer(), professional, amount)
    if payout_accounts.get(professional.id) is None:
        payout_accounts.save(professional, PayoutWay.UPI, holder="Dev Menon", upi="dev.menon@okbank")
    today = clock.today()
    batch = payouts.make(admin, today, payouts.preview(today).mark)
    db.session.commit()
    return db.session.query(Payout).filter_by(batch_id=batch.id, professional_id=professional.id).one()


def demand(days: int, number=3, one: Service | None = None, district="Bengaluru Urban", hour=10) -> None:
    """So many visits on each of the days before today, as the job would have counted them; `number` may be
    a function of the date."""
    one, today = one or service(), clock.today()
    dates = [today - timedelta(days=n) for n in range(1, days + 1)]
    for where in ("", district):
        for day in dates:
            much = number(day) if callable(number) else number
            row = {"district": where, "service_id": one.id, "day": day, "hour": hour}
            db.session.merge(Demand(**row, number=much))
    db.session.commit()


def forecast(district="Bengaluru Urban", one: Service | None = None, expected=8.0, **values) -> DemandSeries:
    """A series with four weeks that came as they were expected but for one visit, and 14 days to come."""
    today = clock.today()
    key = f"{one.id if one else ''}|{district}"
    hours = [0.1 if 9 <= hour % 24 < 17 else 0.2 if hour % 24 == 18 else 0.0 for hour in range(48)]
    series = DemandSeries(
        **{"key": key, "district": district, "service_id": one and one.id, "made_on": today, "hours": hours}
        | {"model": "blend", "error": 0.8, **values}
    )
    db.session.add(series)
    db.session.flush()
    ranges = {"low80": expected - 2.5, "high80": expected + 2.5, "low95": expected - 4.5, "high95": expected + 4.5}
    for number in range(-28, 14):
        over = number < 0
        row = {"series_id": series.id, "day": today + timedelta(days=number), "expected": expected, **ranges}
        db.session.add(Forecast(**row, kept=over, booked=0 if over else 2, came=int(expected) + 1 if over else None))
    db.session.commit()
    return series


def shortage(series: DemandSeries, days=1, **values) -> Shortage:
    """Professionals are short of three hours on a day ahead."""
    usual = {"expected": 8.0, "needed": 600, "offered": 420, "missing": 180, "hours": [[18, 20, 120], [9, 10, 60]]}
    return _saved(Shortage(series_id=series.id, day=clock.today() + timedelta(days=days), **{**usual, **values}))


def person(user_id: int) -> User:
    return db.session.get_one(User, user_id)


def happened(booking: Booking, verb: str, by: User | None, moment: datetime, source: Status | None = None) -> None:
    """A step of a booking as its verb would have written it down."""
    event = BookingEvent(
        booking_id=booking.id, verb=verb, actor_id=by and by.id, at=moment, from_status=source, to_status=booking.status
    )
    _saved(event)


def offered(booking: Booking, *people: User) -> None:
    """Offer a booking for any professional to some, best first."""
    for position, person in enumerate(people, 1):
        _saved(
            BookingOffer(
                booking_id=booking.id, professional_id=person.id, position=position, created_at=booking.created_at
            )
        )
    db.session.commit()


def series(*visits: Booking) -> Series:
    """A weekly series of bookings that are there."""
    first = visits[0]
    made = _saved(
        Series(
            customer_id=first.customer_id,
            professional_id=first.professional_id,
            service_id=first.service_id,
            every=Every.WEEK,
            created_at=clock.now(),
        )
    )
    for visit in visits:
        visit.series_id = made.id
    db.session.commit()
    return made


def wait(customer: User, professional: User) -> Wait:
    """A place in the line for tomorrow."""
    return _saved(
        Wait(
            customer_id=customer.id,
            professional_id=professional.id,
            service_id=_first_offered(professional).id,
            address_id=customer.addresses[0].id,
            day=clock.today() + timedelta(days=1),
            created_at=clock.now(),
        )
    )


def payment(of: Booking, **values) -> Payment:
    """All that is due, paid to the professional by UPI and verified, without what the ledger says of it."""
    known = {
        "method": PaymentMethod.UPI,
        "status": PaymentStatus.VERIFIED,
        "amount": of.due,
        "holder": ledger.professional(of.professional_id),
        "recorded_by_id": of.professional_id,
        "recorded_at": of.created_at,
    }
    made = Payment(booking_id=of.id, **{**known, **values})
    if made.status is PaymentStatus.VERIFIED:
        of.paid += made.amount
    return _saved(made)


def refund(of: Payment, **values) -> Refund:
    """A part of a payment that a gateway said no to, without what the ledger says of it."""
    known = {"amount": 1_000, "reason": "A scratch", "holder": of.holder, "state": RefundState.FAILED}
    known |= {"key": secrets.token_hex(8), "due_at": clock.now(), "recorded_at": clock.now()}
    made = Refund(booking_id=of.booking_id, payment_id=of.id, **{**known, **values})
    of.booking.paid -= made.amount
    return _saved(made)


def checkout(of: Booking, **values) -> Checkout:
    """All that is due, begun at Stripe."""
    known = {"method": PaymentMethod.STRIPE, "status": CheckoutStatus.OPEN, "amount": of.due, "currency": of.currency}
    known |= {"key": secrets.token_hex(16), "reference": f"cs_{next(_numbers)}", "url": "https://pay.example.com/"}
    known |= {"created_at": clock.now(), "due_at": clock.now(), "expires_at": clock.now() + timedelta(hours=1)}
    return _saved(Checkout(booking_id=of.id, **{**known, **values}))


def review(of: Booking, rating: int = 5, comment: str = "On time and thorough.", **values) -> Review:
    """A review row alone; the professional's sums are the business of domain.reviews."""
    return _saved(
        Review(
            booking_id=of.id,
            customer_id=of.customer_id,
            professional_id=of.professional_id,
            rating=rating,
            comment=comment,
            created_at=clock.now(),
            **values,
        )
    )


def export(admin: User, **values) -> Export:
    """An export of bookings that nobody has begun to write."""
    known = {"kind": ExportKind.BOOKINGS, "key": secrets.token_hex(8), "created_at": clock.now()}
    return _saved(Export(admin_id=admin.id, **{**known, **values}))


def key(person: User, **values) -> ApiKey:
    """A key for a script of somebody's, whose text nobody knows."""
    made, _text = api_keys.make(person, **{"name": "Laptop", "scopes": ["bookings:read"], "days": 30, **values})
    return _saved(made)


def webhook(admin: User, url: str = "https://hooks.example.com/doorstep", verbs: tuple = ()) -> Webhook:
    made, _secret = webhooks.add(admin, url, [*verbs])
    return _saved(made)


def question(text: str = "Do you repair watches?", **values) -> OpenQuestion:
    """A question that the assistant had no answer to."""
    open_questions.note(text, "en")
    one = db.session.query(OpenQuestion).order_by(OpenQuestion.id.desc()).first()
    for name, value in values.items():
        setattr(one, name, value)
    return _saved(one)


def at(hour: int, minute: int = 0, *, days: int = 0) -> datetime:
    """A time of day on the site's clock, today or so many days later, in UTC."""
    zone = ZoneInfo(settings.timezone)
    day = clock.today() + timedelta(days=days)
    return datetime.combine(day, time(hour, minute), zone).astimezone(UTC)


def load_reference_data() -> None:
    """A slice of the directory of places, and the whole catalogue."""
    pins = {row["pincode"]: row for row in _rows("pincodes.csv") if row["pincode"].startswith(SHIPPED_PINS)}
    db.session.add_all(
        PinCode(**{**row, "lat": float(row["lat"]), "lon": float(row["lon"])}) for row in pins.values()
    )
    db.session.flush()
    for row in _rows("cities.csv"):
        if row["nearest_pincode"] in pins:
            _add_city(row)
    load_catalogue()


def _user(role: Role, **values) -> User:
    number = next(_numbers)
    name = values.get("name") or f"Person {number}"
    password = values.pop("password", PASSWORD)
    return _saved(
        User(
            **{
                "role": role,
                "email": f"person{number}@example.com",
                "name": name,
                "phone": f"+9199999{number:05}",
                "created_at": clock.now(),
                "confirmed_at": clock.now(),
                "agreed_version": settings.texts_version,
                "fs_uniquifier": secrets.token_hex(16),
                "password": _hashed(password),
                **values,
            }
        )
    )


@functools.cache
def _hashed(password: str) -> str:
    return hash_password(password)


def _is_of_user(name: str) -> bool:
    return name == "password" or (hasattr(User, name) and not hasattr(Professional, name))


def _first_offered(professional: User | None) -> Service:
    if professional is None:
        return service()
    offered = db.session.query(Offering).filter_by(professional_id=professional.id)
    return offered.order_by(Offering.service_id).first().service


def _add_city(row: dict) -> None:
    city = City(
        id=int(row["geonameid"]),
        name=row["name"],
        state=row["state"],
        lat=float(row["lat"]),
        lon=float(row["lon"]),
        population=int(row["population"]),
        pincode=row["nearest_pincode"],
    )
    db.session.add(city)
    db.session.flush()
    names = [row["name"], *filter(None, row["alternate_names"].split("|"))]
    for key in {places.fold(name) for name in names}:
        db.session.add(CityName(key=key, city_id=city.id))


def _rows(name: str) -> list[dict]:
    with open(ROOT / "data" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _saved(row):
    db.session.add(row)
    db.session.commit()
    return row
