"""Who lives in the demonstration: admins, professionals and customers around six cities."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select

from demo import papers
from demo.timeline import Script, Timeline
from demo.words import Words, read
from domain import clock, notifications, places, professionals, schedules, users
from extensions import db
from models import PinCode, Service, User

CITY_RADIUS_KM = 11
DOMAIN = "example.com"
# Rupees in minor units; own prices are round.
ROUND_TO = 1000
GUESTS = {"admin": "Anjana Pillai", "professional": "Ravi Shetty", "customer": "Meera Krishnan"}
# In each city one professional of one of these works around the clock.
NIGHT_TRADES = ("AC & Cooling", "Plumbing", "Electrical")


@dataclass
class Worker:
    """A professional: the account, what can be booked of them, and how good they are."""

    user: User
    trades: tuple[str, ...]
    lat: float
    lon: float
    radius_km: int
    services: list[int]
    city: str
    popularity: int
    skill: float
    only_booked_by_name: bool = False


@dataclass
class Home:
    id: int
    lat: float
    lon: float


@dataclass
class Client:
    user: User
    city: str
    homes: list[Home]


@dataclass
class Cast:
    """Who is there at a moment; people join as the timeline reaches them."""

    rng: Random
    words: Words
    password_hash: str
    until: datetime
    texts: dict = field(default_factory=lambda: read("people.toml"))
    admin: User | None = None
    workers: dict[int, Worker] = field(default_factory=dict)
    clients: dict[int, Client] = field(default_factory=dict)
    trades: dict[str, list] = field(default_factory=dict)
    pins: dict[str, list[PinCode]] = field(default_factory=dict)
    guests: dict[str, int] = field(default_factory=dict)
    _names: set = field(default_factory=lambda: set(GUESTS.values()))

    @property
    def cities(self) -> list[dict]:
        return self.texts["cities"]

    def find_places(self, cities: int) -> None:
        """Read the services, and the exact PIN codes around the first so many cities."""
        for service in db.session.scalars(select(Service).order_by(Service.id)):
            self.trades.setdefault(service.category.name, []).append(service)
        del self.cities[cities:]
        for city in self.cities:
            center = places.resolve(city["name"])
            near, square = places.within(center.lat, center.lon, PinCode.lat, PinCode.lon, CITY_RADIUS_KM)
            exact = select(PinCode).where(near, PinCode.geo != "C").order_by(square, PinCode.pincode)
            self.pins[city["name"]] = list(db.session.scalars(exact))

    def name(self, city: dict, woman: bool) -> str:
        """A name of the region that nobody has yet."""
        region = self.texts["regions"][city["region"]]
        while True:
            name = f"{self.rng.choice(region['women' if woman else 'men'])} {self.rng.choice(region['families'])}"
            if name not in self._names:
                self._names.add(name)
                return name


def invite(cast: Cast, timeline: Timeline, workers: int, clients: int) -> None:
    """Put everybody's arrival on the timeline: so many per city, the demonstration's own three first."""
    start = timeline.until - timedelta(days=130)
    timeline.add(start, _admin(cast))
    home = cast.cities[0]
    timeline.add(start + timedelta(hours=1), _demo_professional(cast, home))
    timeline.add(start + timedelta(hours=2), _demo_customer(cast, home))
    number = 0
    for city, awake in zip(cast.cities, itertools.cycle(NIGHT_TRADES), strict=False):
        staff = _trades_of(cast, workers - (city is home))
        for place, trade in enumerate(staff):
            number += 1
            arrives = _arrival(cast.rng, timeline.until, late=place % 7 == 6 and place > 10)
            if city is home and place == len(staff) - 1:
                timeline.add(timeline.until - timedelta(hours=20), _applicant(cast, city, trade, number))
            else:
                night = trade == awake and staff.index(trade) == place
                timeline.add(arrives, _professional(cast, city, trade, number, night))
    for number in range(1, len(cast.cities) * clients):
        city = cast.cities[number % len(cast.cities)]
        timeline.add(_arrival(cast.rng, timeline.until, late=number % 9 == 8), _customer(cast, city, number))


def everybody_reads(cast: Cast) -> Script:
    """All look at their bell, so that only what comes later is unread."""
    for person in (cast.admin, *(one.user for one in (*cast.workers.values(), *cast.clients.values()))):
        notifications.read_all(person)
    yield from ()


def _admin(cast) -> Script:
    cast.admin = users.add_admin(
        email=f"admin@{DOMAIN}", name=GUESTS["admin"], password_hash=cast.password_hash, demo=True
    )
    yield from ()


def _demo_professional(cast, city) -> Script:
    trades = ("Electrical", "Plumbing")
    name, email, pin = GUESTS["professional"], f"professional@{DOMAIN}", cast.pins[city["name"]][0]
    worker = _signed_up(cast, city, trades, name, email, 0, pin, 15)
    _describe(cast, worker, city, 11, papers_too=True)
    _set_week(cast, worker, "long")
    worker.popularity, worker.skill, worker.only_booked_by_name = 1, 4.7, True
    yield clock.now() + timedelta(days=1)
    _approve(cast, worker)
    cast.guests["professional"] = worker.user.id


def _demo_customer(cast, city) -> Script:
    person = users.sign_up_customer(
        email=f"customer@{DOMAIN}",
        name=GUESTS["customer"],
        password_hash=cast.password_hash,
        phone=_phone(1),
        demo=True,
    )
    pins = cast.pins[city["name"]]
    homes = [_home(person, "Flat 302, Lotus Residency, 3rd Cross", pins[2], "Home")]
    homes.append(_home(person, "4th floor, Garden Street 18", pins[4], "Office"))
    cast.clients[person.id] = Client(person, city["name"], homes)
    cast.guests["customer"] = person.id
    yield from ()


def _professional(cast, city, trade, number, night) -> Script:
    worker = _newcomer(cast, city, trade, number)
    _describe(cast, worker, city, cast.rng.randint(1, 22))
    weeks = cast.texts["weeks"]
    week = cast.rng.choices([week["name"] for week in weeks], [week["weight"] for week in weeks])[0]
    _set_week(cast, worker, "around the clock" if night else week)
    yield clock.now() + timedelta(hours=cast.rng.randint(3, 50))
    _approve(cast, worker)
    if number % 8 == 5:
        yield clock.now() + timedelta(days=cast.rng.randint(1, 40))
        _leave(cast, worker)


def _applicant(cast, city, trade, number) -> Script:
    """Somebody who waits for approval, with all the papers."""
    worker = _newcomer(cast, city, trade, number)
    _describe(cast, worker, city, 6, papers_too=True)
    _set_week(cast, worker, "office")
    yield from ()


def _customer(cast, city, number) -> Script:
    name = cast.name(city, cast.rng.random() < 0.5)
    person = users.sign_up_customer(
        email=_email(name), name=name, password_hash=cast.password_hash, phone=_phone(500 + number), demo=True
    )
    streets = cast.texts["streets"]
    homes = []
    for label in ["Home", cast.rng.choice(streets["labels"][3:])][: cast.rng.choice((1, 1, 2))]:
        line = f"{cast.rng.choice(streets['houses'])}, {cast.rng.choice(streets['roads'])}"
        homes.append(_home(person, line, cast.rng.choice(cast.pins[city["name"]]), label))
    cast.clients[person.id] = Client(person, city["name"], homes)
    yield from ()


def _newcomer(cast, city, trade, number):
    name = cast.name(city, cast.rng.random() < cast.texts["trades"][trade]["women"])
    pin = cast.rng.choice(cast.pins[city["name"]])
    return _signed_up(cast, city, (trade,), name, _email(name), number, pin, cast.rng.choice((8, 10, 12, 15, 20)))


def _signed_up(cast, city, trades, name, email, number, pin, radius_km):
    person = users.sign_up_professional(
        email=email,
        name=name,
        password_hash=cast.password_hash,
        phone=_phone(100 + number),
        pincode=pin.pincode,
        radius_km=radius_km,
        demo=True,
    )
    rng = cast.rng
    skill = min(max(rng.gauss(4.6, 0.35), 3.3), 5)
    return Worker(
        person, trades, pin.lat, pin.lon, radius_km, [], city["name"], rng.choice((1, 1, 2, 2, 3, 5)), skill
    )


def _describe(cast, worker, city, years, papers_too=False):
    """Fill in the profile and choose services, some at an own price."""
    rng, trade = cast.rng, worker.trades[0]
    profile = professionals.get(worker.user.id)
    languages = cast.texts["regions"][city["region"]]["languages"]
    name = worker.user.name
    professionals.change_profile(
        profile,
        worker.user,
        bio=f"{rng.choice(cast.texts['trades'][trade]['bios'])} {rng.choice(cast.texts['closing']['lines'])}",
        experience_years=years,
        hourly_rate=rng.choice((None, 25_000, 30_000, 40_000, 50_000)),
        pincode=profile.base_pincode,
        radius_km=worker.radius_km,
        speed_kmh=20,
        languages=languages[: rng.randint(1, len(languages))],
        resume=papers.resume(name, trade, years, city["name"]) if papers_too else None,
        identity=papers.identity_card(name, city["name"]) if papers_too else None,
    )
    known = [service for name in worker.trades for service in cast.trades[name]]
    chosen = rng.sample(known, max(min(len(known), 2), round(len(known) * rng.uniform(0.6, 1))))
    prices = {service.id: _own_price(rng, service) for service in sorted(chosen, key=lambda one: one.id)}
    professionals.set_offerings(profile, worker.user, prices)
    worker.services = list(prices)


def _own_price(rng, service):
    if rng.random() < 0.6:
        return None
    return max(round(service.base_price * rng.uniform(0.85, 1.3) / ROUND_TO), 1) * ROUND_TO


def _set_week(cast, worker, name):
    days = next(week["days"] for week in cast.texts["weeks"] if week["name"] == name)
    hours = {}
    for weekdays, ranges in zip(days[::2], days[1::2], strict=True):
        for weekday in weekdays:
            hours[weekday] = [tuple(_minute(end) for end in one.split("-")) for one in ranges]
    schedules.set_hours(professionals.get(worker.user.id), worker.user, hours)


def _minute(wall):
    hour, minute = wall.split(":")
    return int(hour) * 60 + int(minute)


def _approve(cast, worker):
    professionals.approve(professionals.get(worker.user.id), cast.admin)
    cast.workers[worker.user.id] = worker


def _leave(cast, worker):
    """Some days off, one to three weeks ahead."""
    first = clock.today() + timedelta(days=cast.rng.randint(7, 21))
    opens, closes = clock.start_of(first), clock.start_of(first + timedelta(days=cast.rng.randint(1, 4)))
    profile = professionals.get(worker.user.id)
    schedules.add_time_off(profile, worker.user, opens, closes, cast.words.reason("time_off"))


def _trades_of(cast, workers) -> list[str]:
    """Every trade once, and what customers want most several times."""
    trades = cast.texts["trades"]
    wanted = list(trades)[:workers]
    while len(wanted) < workers:
        wanted.append(max(trades, key=lambda trade: trades[trade]["weight"] / (wanted.count(trade) + 1)))
    return wanted


def _arrival(rng, until, late) -> datetime:
    days = rng.uniform(3, 80) if late else rng.uniform(96, 125)
    return until - timedelta(days=days)


def _home(person, line, pin, label):
    address = users.add_address(person, line=line, pincode=pin.pincode, label=label)
    return Home(address.id, pin.lat, pin.lon)


def _email(name):
    return f"{name.lower().replace(' ', '.')}@{DOMAIN}"


def _phone(number):
    return f"+9199999{number:05}"
