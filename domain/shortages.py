"""Where more time is wanted than professionals offer, and which hours would help.

The working hours of who is based in a city are shared out among what they offer there by what is wanted of
it, less their time off. Not every minute can be sold: some lie between jobs, on the way or too late.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select

from domain import clock
from domain.demand import is_weekend
from extensions import db, settings
from models import Offering, PinCode, Professional, Service, TimeOff, WorkingHours

# The part of working hours that can be work.
USABLE = 0.75
# What is missing on a day is worth a line from so many minutes and so large a part of what is needed on.
LEAST_MINUTES, LEAST_PART = 30, 0.1
MOST_RANGES = 3
# How often who offers several services is sent to where most is missing.
ROUNDS = 3


@dataclass
class Supply:
    """Who works in each city, what they offer, at which minutes of each hour, and how long a job takes them."""

    offers: dict[str, dict[int, list[int]]]
    open: dict[int, list[list[int]]]
    minutes: dict[int, int]


def read(districts: list[str], today: date, days: int) -> Supply:
    """What professionals who can be booked now offer on the days from today on."""
    offers = defaultdict(lambda: defaultdict(list))
    rows = db.session.execute(
        select(PinCode.district, Offering.professional_id, Offering.service_id)
        .join(Professional, Professional.id == Offering.professional_id)
        .join(PinCode, PinCode.pincode == Professional.base_pincode)
        .where(Offering.listed, PinCode.district.in_(districts))
    )
    for district, person, service_id in rows:
        offers[district][person].append(service_id)
    people = sorted({person for members in offers.values() for person in members})
    work = {person: [[0] * 24 for _ in range(days)] for person in people}
    for first in range(0, len(people), 500):
        _open(work, people[first : first + 500], today, days)
    buffer = settings.policy.buffer_minutes
    minutes = {one: length + buffer for one, length in db.session.execute(select(Service.id, Service.duration_minutes))}
    return Supply({district: dict(members) for district, members in offers.items()}, work, minutes)


def _open(work, people, today, days):
    weekly = defaultdict(list)
    hours = WorkingHours.professional_id, WorkingHours.weekday, WorkingHours.starts_minute, WorkingHours.ends_minute
    for person, weekday, starts, ends in db.session.execute(select(*hours).where(hours[0].in_(people))):
        weekly[person, weekday].append((starts, ends))
    for (person, weekday), ranges in weekly.items():
        for number in range(days):
            if (today + timedelta(days=number)).weekday() == weekday:
                for starts, ends in ranges:
                    _add(work[person][number], starts, ends, 1)
    off = TimeOff.professional_id, TimeOff.starts_at, TimeOff.ends_at
    within = TimeOff.ends_at > clock.start_of(today), TimeOff.starts_at < clock.start_of(today + timedelta(days=days))
    for person, starts_at, ends_at in db.session.execute(select(*off).where(off[0].in_(people), *within)):
        for number in range(days):
            begins = clock.start_of(today + timedelta(days=number))
            starts, ends = ((moment - begins) // timedelta(minutes=1) for moment in (starts_at, ends_at))
            _add(work[person][number], max(starts, 0), min(ends, 1440), -1)


def _add(hours, starts, ends, sign):
    """Add minutes to hours, or take them off as far as they are there."""
    for hour in range(starts // 60, -(-ends // 60)):
        minutes = min(ends, hour * 60 + 60) - max(starts, hour * 60)
        hours[hour] = max(hours[hour] + sign * minutes, 0)


def find(supply: Supply, today: date, expected: dict, hours: dict) -> list[dict]:
    """The days on which a service in a city falls short: `expected` and `hours` by district and service."""
    services = defaultdict(list)
    for district, service_id in expected:
        if service_id is not None:
            services[district].append(service_id)
    found = []
    for district, wanted in services.items():
        people = supply.offers.get(district, {})
        for number in range(len(expected[district, wanted[0]])):
            day = today + timedelta(days=number)
            part = slice(24, 48) if is_weekend(day) else slice(0, 24)
            need = {}
            for one in wanted:
                minutes = expected[district, one][number] * supply.minutes[one]
                need[one] = [minutes * share for share in hours[district, one][part]]
            offered = _offered(people, {person: supply.open[person][number] for person in people}, need)
            for one in wanted:
                row = _row(need[one], offered[one])
                if row:
                    visits = expected[district, one][number]
                    found.append({"key": (district, one), "day": day, "expected": visits, **row})
    return found


def _offered(people, open_then, need):
    """The minutes of each hour that each service can have, when everybody goes to where most is missing."""
    total = {one: sum(hours) for one, hours in need.items()}
    weight = dict(total)
    for _round in range(ROUNDS):
        offered = {one: [0.0] * 24 for one in need}
        for person, services in people.items():
            parts = {one: weight[one] for one in services if weight.get(one)}
            whole = sum(parts.values())
            for one, part in parts.items():
                for hour, minutes in enumerate(open_then[person]):
                    if minutes:
                        offered[one][hour] += USABLE * minutes * part / whole
        weight = {one: weight[one] * math.sqrt(total[one] / (sum(offered[one]) or total[one] or 1)) for one in need}
    return offered


def _row(need, offered):
    """What is missing of a service on a day, if it is worth a line."""
    needed, there = sum(need), sum(offered)
    missing = needed - there
    if missing < max(LEAST_MINUTES, LEAST_PART * needed):
        return None
    return {
        "needed": round(needed),
        "offered": round(there),
        "missing": round(missing),
        "hours": _to_open([want - have for want, have in zip(need, offered, strict=True)]),
    }


def _to_open(missing):
    """The hours on end in which something is missing, the worst first: [first, last, minutes]."""
    ranges, worth = [], LEAST_PART * sum(minutes for minutes in missing if minutes > 0)
    for hour, minutes in enumerate(missing):
        if minutes <= worth / 2:
            continue
        if ranges and ranges[-1][1] == hour:
            ranges[-1][1], ranges[-1][2] = hour + 1, ranges[-1][2] + minutes
        else:
            ranges.append([hour, hour + 1, minutes])
    worst = sorted(ranges, key=lambda one: -one[2])[:MOST_RANGES]
    return [[first, last, round(minutes)] for first, last, minutes in worst]
