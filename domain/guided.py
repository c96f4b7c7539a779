"""A booking step by step: what, where, when and whom, up to the page on which it is confirmed. It books nothing.

A plan is all that is known so far, and it travels with the forms: two windows have two plans.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

from domain import catalogue, clock, places, search, users
from domain.knowledge import Knowledge
from domain.search import Hit
from domain.wordings import UNKNOWN, Wording, stem
from extensions import settings
from models import User

DAYS_SHOWN = 7
MOST_SERVICES, MOST_PEOPLE = 12, 5
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS_AHEAD = {stem("today"): 0, stem("tomorrow"): 1, stem("overmorrow"): 2}
_WEEKDAYS = {stem(name): number for number, name in enumerate(WEEKDAYS)}
_PARTS = {stem(name): name for name in search.PARTS}


@dataclass(frozen=True)
class Plan:
    """The slug of a service, a PIN code or a city, a date as ISO writes it, and a part of the day or "any"."""

    service: str = ""
    near: str = ""
    day: str = ""
    part: str = ""


@dataclass(frozen=True)
class Step:
    """What is asked next, and between what. `service` and `place` are what the plan names, if it is known.

    `problem` says of which part of the plan nothing came: "near" is no place, "day" has nobody free.
    """

    asks: str
    plan: Plan
    service: object = None
    place: places.Place | None = None
    services: tuple = ()
    categories: tuple = ()
    pins: tuple[str, ...] = ()
    days: tuple[date, ...] = ()
    people: tuple[Hit, ...] = ()
    problem: str = ""


def filled(plan: Plan, known: Knowledge, wording: Wording, text: str) -> Plan:
    """A plan with what a sentence says of it."""
    meant = wording.meant
    services = known.services_in(wording)
    if len(services) == 1:
        plan = replace(plan, service=services[0].slug)
    elif services and plan.service not in {one.slug for one in services}:
        # Another is meant than before; which one is asked next.
        plan = replace(plan, service="")
    if place := _place_in(known, wording, text):
        plan = replace(plan, near=place)
    for word in meant:
        if word in _DAYS_AHEAD:
            plan = replace(plan, day=_ahead(_DAYS_AHEAD[word]))
        elif word in _WEEKDAYS:
            plan = replace(plan, day=_ahead((_WEEKDAYS[word] - clock.today().weekday()) % 7))
        elif word in _PARTS:
            plan = replace(plan, part=_PARTS[word])
    return plan


def next_step(plan: Plan, known: Knowledge, by: User | None, among: list | None = None) -> Step:
    """The first thing that is not known yet; `among` are services that were meant, but not one of them."""
    service = next((one for one in known.services if one.slug == plan.service), None)
    if service is None:
        plan = replace(plan, service="")
        if among and len(among) <= MOST_SERVICES:
            return Step("what", plan, services=tuple(among))
        return Step("what", plan, categories=tuple(catalogue.categories()))
    place = places.resolve(plan.near) if plan.near else None
    if place is None:
        return Step("where", replace(plan, near=""), service, pins=_pins(by), problem="near" if plan.near else "")
    if not _is_ahead(plan.day):
        return Step("when", replace(plan, day=""), service, place, days=_days())
    people = _free(plan, service, place)
    if not people:
        return Step("when", replace(plan, day="", part=""), service, place, days=_days(), problem="day")
    return Step("whom", plan, service, place, people=people)


def _free(plan, service, place):
    """Who is free then: those of the best match, each with the first time."""
    asked = search.Filters(service=plan.service, near=place.pincode, radius=search.RADII[-1])
    asked.day, asked.time = date.fromisoformat(plan.day), plan.part if plan.part in search.PARTS else ""
    return search.find(asked, service=service, size=MOST_PEOPLE).hits


def _place_in(known, wording, text):
    if pin := places.pin_in(text):
        return pin
    for word in wording.meant:
        city = known.cities.get(word.removeprefix(UNKNOWN))
        if city:
            return city
    return ""


def _pins(by):
    """Where a customer has lived, the newest first."""
    if by is None or not by.is_customer:
        return ()
    return tuple(dict.fromkeys(address.pincode for address in users.addresses_of(by)))[:3]


def _days():
    return tuple(clock.today() + timedelta(days=number) for number in range(DAYS_SHOWN))


def _ahead(days):
    return (clock.today() + timedelta(days=days)).isoformat()


def _is_ahead(day):
    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        return False
    return clock.today() <= wanted <= clock.today() + timedelta(days=settings.policy.horizon_days)
