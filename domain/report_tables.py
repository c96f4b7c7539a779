"""The admin's reports as CSV: what each chart and table shows, and of long lists all of it."""

from domain import analytics, causes, cells, reports, search_misses
from domain.reports import Period

_SIDE_BY_SIDE = ("requests", "requests_before", "done", "done_before")


def requests(asked: Period) -> str:
    found, _before = reports.requests_beside(asked)
    names = [name for name, _states in reports.GROUPS]
    return _file(["from", *names], ((day.isoformat(), *numbers) for day, numbers in found.bars))


def waits(asked: Period) -> str:
    now, before = (dict(one.minutes) for one in reports.time_to_accept_beside(asked))
    rows = ((minutes, now.get(minutes, 0), before.get(minutes, 0)) for minutes in sorted(now.keys() | before.keys()))
    return _file(["minutes", "accepted", "accepted_before"], rows)


def stars(asked: Period) -> str:
    return _file(["stars", "reviews"], enumerate(reports.stars(asked).numbers, 1))


def cancellations(asked: Period) -> str:
    rows = (
        (role.value, cause or "", str(causes.LABELS[cause] if cause else causes.NOT_SAID), *numbers)
        for role, cause, numbers in analytics.cancellations(asked).causes
    )
    return _file(["by", "code", "reason", "cancelled", "cancelled_before"], rows)


def cancelled_days(asked: Period) -> str:
    rows = ((day.isoformat(), *numbers) for day, numbers in analytics.cancellations(asked).bars)
    return _file(["from", *(role.value for role in analytics.BY)], rows)


def cohorts(asked: Period) -> str:
    later = [f"month_{n}" for n in range(1, analytics.COHORT_MONTHS)]
    rows = (
        (f"{one.month:%Y-%m}", one.customers, *("" if n is None else n for n in one.again))
        for one in analytics.cohorts(asked)
    )
    return _file(["month", "customers", *later], rows)


def services(asked: Period) -> str:
    rows = ((one.id, one.name, *one.requests, *one.done) for one in analytics.top_services(asked, None))
    return _file(["service_id", "service", *_SIDE_BY_SIDE], rows)


def professionals(asked: Period) -> str:
    rows = ((one.id, one.name, *one.requests, *one.done) for one in analytics.top_professionals(asked, None))
    return _file(["professional_id", "professional", *_SIDE_BY_SIDE], rows)


def places(asked: Period) -> str:
    rows = (
        (one.pincode, one.place, one.district, f"{one.lat:.5f}", f"{one.lon:.5f}", *one.requests, *one.done)
        for one in analytics.spots(asked, None)
    )
    return _file(["pincode", "place", "district", "latitude", "longitude", *_SIDE_BY_SIDE], rows)


def searches(asked: Period) -> str:
    rows = ((one.kind, one.words, one.district, *one.searches) for one in search_misses.top(asked, None))
    return _file(["found", "words", "most_in", "searches", "searches_before"], rows)


TABLES = {
    "requests": requests,
    "time-to-accept": waits,
    "ratings": stars,
    "cancellations": cancellations,
    "cancellations-by-day": cancelled_days,
    "cohorts": cohorts,
    "services": services,
    "professionals": professionals,
    "places": places,
    "searches": searches,
}


def _file(columns, rows):
    return cells.heading(columns) + "".join(cells.line(*map(str, row)) for row in rows)
