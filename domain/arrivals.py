"""How long somebody on the way still takes: learnt from the trips of others, and guessed at a speed without them.

    minutes = km x pace

The km are those of domain.places, as the crow flies from the phone to the middle of the PIN code, because an
address has no point of its own. The pace is the median of minutes per km of the newest trips: of those in the same
area (the first three digits of the PIN code) and part of the day, or else in the area, or else anywhere. Fewer
than five are nobody's habit, and the next wider group is asked. What a trip took was measured in the same way, so
detours and traffic are in it. Where there are no trips yet,

    minutes = km x 1.3 x 60 / 18 + 3

Roads are about 1.3 times as long as the crow flies, a usual figure for cities. 18 km/h is what the slowest Indian
cities drive: 10 km took 34 min 33 s in Kolkata, 34:10 in Bengaluru and 33:22 in Pune (TomTom Traffic Index 2024).
The 3 minutes are for setting off and finding the door.
"""

from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import delete, select, union

from domain import clock
from domain.places import MAX_RADIUS
from extensions import db
from models_live import Trip

ROAD_FACTOR = 1.3
KMH = 18
EXTRA_MINUTES = 3
FEWEST_TRIPS = 5
NEWEST = 200
# The hours at which the morning's rush, the day, the evening's rush and the night begin.
PARTS_OF_THE_DAY = (7, 11, 16, 21)
# Shorter ways say more about where in its PIN code a house is; and nobody comes so fast or so slowly
# who sent a position when they set off and pressed the button when they were there.
SHORTEST_KM = 1
SLOWEST_KMH, FASTEST_KMH = 2, 100
KEPT = timedelta(days=365)
BATCH = 500


def keep(pincode: str, set_off_at: datetime, km: float, arrived_at: datetime) -> None:
    """Learn from a trip, if it can be one."""
    minutes = (arrived_at - set_off_at) / timedelta(minutes=1)
    if km < SHORTEST_KM or not km * 60 / FASTEST_KMH <= minutes <= km * 60 / SLOWEST_KMH:
        return
    began = clock.local(set_off_at)
    db.session.add(Trip(area=area(pincode), hour=began.hour, km=km, minutes=minutes, day=began.date()))


def minutes(km: float, pincode: str, at: datetime) -> float | None:
    """How long it takes to come so far from a moment on; nobody can say when it is farther than anybody travels."""
    if km > MAX_RADIUS:
        return None
    pace = _pace(area(pincode), clock.local(at).hour)
    return km * ROAD_FACTOR * 60 / KMH + EXTRA_MINUTES if pace is None else km * pace


def area(pincode: str) -> str:
    return pincode[:3]


def forget_old() -> int:
    """Forget some trips of more than a year ago: the roads are not as they were."""
    old = select(Trip.id).where(Trip.day < clock.today() - KEPT).order_by(Trip.id).limit(BATCH)
    gone = delete(Trip).where(Trip.id.in_(old)).execution_options(synchronize_session=False)
    return db.session.execute(gone).rowcount


def _pace(here, hour):
    """Minutes per km, or nothing when there are too few trips anywhere."""
    newest = select(Trip.id, Trip.area, Trip.hour, Trip.km, Trip.minutes).order_by(Trip.id.desc()).limit(NEWEST)
    groups = union(select(newest.where(Trip.area == here).subquery()), select(newest.subquery()))
    trips = db.session.execute(groups).all()
    in_the_area = [trip for trip in trips if trip.area == here]
    then = [trip for trip in in_the_area if _part_of_the_day(trip.hour) == _part_of_the_day(hour)]
    enough = next((group for group in (then, in_the_area, trips) if len(group) >= FEWEST_TRIPS), None)
    return enough and median(trip.minutes / trip.km for trip in enough)


def _part_of_the_day(hour):
    """Late evening and early morning are one night."""
    return sum(begins <= hour for begins in PARTS_OF_THE_DAY) % len(PARTS_OF_THE_DAY)
