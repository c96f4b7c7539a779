"""Which place a person means, and how far apart two places are.

Distances are flat ones: with the cosine of the middle latitude, taken from the tangent at the first
place, they are within 0.1 % of the great circle up to 200 km in India (a test holds them to that)
and need no trigonometry in SQL, so SQLite and PostgreSQL agree to the last bit.
"""

import csv
import math
import re
import unicodedata
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, bindparam, insert, select

from config import ROOT
from extensions import db
from models import City, CityName, PinCode

KM_PER_DEGREE = math.pi / 180 * 6371.0088
# No professional travels farther (see models.Professional), so no box needs to be wider.
MAX_RADIUS = 200
MAX_NAME = 120
SHORTEST_BEGINNING = 3
LAST_CHARACTER = "\U0010ffff"
# How many rows one INSERT carries while the directory is loaded.
BATCH = 5000

_PIN = re.compile(r"(?<!\d)[1-9]\d{2}\s?\d{3}(?!\d)")
_DEVANAGARI_NASAL = re.compile("(?:[ङञणनम]्(?=[क-ह])|ँ)")
_DEVANAGARI_LENGTH = str.maketrans("ीू", "िु")

_FIND_PIN = select(PinCode).where(PinCode.pincode == bindparam("pincode"))
_PLACE_OF_PIN = select(PinCode.place, PinCode.lat, PinCode.lon, PinCode.pincode, PinCode.geo).where(
    PinCode.pincode == bindparam("pincode")
)
# A name that is exactly what was asked for comes before one that only begins so.
_CITY = (
    select(CityName.key, City.name, City.lat, City.lon, City.pincode)
    .join(City, City.id == CityName.city_id)
    .where(CityName.key >= bindparam("key"), CityName.key < bindparam("beyond"))
    .order_by((CityName.key == bindparam("key")).desc(), City.population.desc(), City.id)
    .limit(1)
)


@dataclass(frozen=True)
class Place:
    """A point people can search around; `pincode` is the nearest one when a city was asked for."""

    name: str
    lat: float
    lon: float
    pincode: str
    approximate: bool


def resolve(text: str) -> Place | None:
    """The place of a PIN code or a city in any spelling; of several cities the most populous.

    A name that is the beginning of a city's name will do. None when nothing fits.
    """
    pin = pin_in(text)
    if pin is not None:
        row = db.session.execute(_PLACE_OF_PIN, {"pincode": pin}).one_or_none()
        return row and Place(row.place, row.lat, row.lon, row.pincode, row.geo == "C")
    # "Pune, Maharashtra" says the same as "Pune".
    key = fold(text[:MAX_NAME].split(",")[0])
    if not key:
        return None
    row = db.session.execute(_CITY, {"key": key, "beyond": key + LAST_CHARACTER}).one_or_none()
    if row is None or (row.key != key and len(key) < SHORTEST_BEGINNING):
        return None
    return Place(row.name, row.lat, row.lon, row.pincode, False)


def find_pin(pincode: str) -> PinCode | None:
    """The directory's entry of a PIN code, however its digits are written."""
    pin = pin_in(pincode)
    return pin and db.session.scalar(_FIND_PIN, {"pincode": pin})


def pin_in(text: str) -> str | None:
    """The PIN code that stands in a text: "560 001" and "५६०००१" are 560001."""
    digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text[:MAX_NAME])
    found = _PIN.search(digits)
    return found and re.sub(r"\s", "", found.group())


def fold(text: str) -> str:
    """A name as it is compared: without case, accents, punctuation and spaces.

    In Devanagari the vowel signs stay, but long and short i and u, and the ways of writing a nasal
    before a consonant, count as the same: बेङ्गलूरु and बेंगलुरु are one city.
    """
    text = _DEVANAGARI_NASAL.sub("ं", unicodedata.normalize("NFC", text)).translate(_DEVANAGARI_LENGTH)
    # What combines with Latin letters has a combining class; vowel signs have none, viramas have 9.
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(
        c
        for c in decomposed
        if c.isalnum() or (unicodedata.category(c) in ("Mn", "Mc") and unicodedata.combining(c) in (0, 9))
    )


def distance_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Kilometres between two points, by the formula that searches use."""
    at = area(lat1, lon1, 1)
    up, across = lat2 - lat1, lon2 - lon1
    return math.sqrt(max(up * up * at["tall"] + across * across * (at["wide"] - at["narrowing"] * up), 0.0))


def within(
    lat: float, lon: float, lat_column, lon_column, radius_km
) -> tuple[ColumnElement[bool], ColumnElement[float]]:
    """The condition that a row is within a number, or a column, of kilometres of a point, and the
    square of its distance in km. The box in the condition lets an index find the rows."""
    bounded = isinstance(radius_km, int | float)
    values = area(lat, lon, radius_km if bounded else MAX_RADIUS)
    box, square = near(lat_column, lon_column, {name: bindparam(None, value) for name, value in values.items()})
    return and_(box, square <= radius_km * radius_km), square


def near(lat_column, lon_column, binds: dict | None = None):
    """For statements built once: the box around a point and the square of the distance in km, whose
    parameters area() gives."""
    bind = binds or {name: bindparam(name) for name in area(0, 0, 1)}
    up, across = lat_column - bind["at_lat"], lon_column - bind["at_lon"]
    square = up * up * bind["tall"] + across * across * (bind["wide"] - bind["narrowing"] * up)
    box = and_(
        lat_column >= bind["south"],
        lat_column <= bind["north"],
        lon_column >= bind["west"],
        lon_column <= bind["east"],
    )
    return box, square


def area(lat: float, lon: float, radius_km: float) -> dict[str, float]:
    """The parameters of near() for a point and a radius.

    `tall` and `wide` are the squares of a degree's length in km, north and east; `narrowing` is how
    much `wide` loses halfway to a place one degree north.
    """
    angle, high = math.radians(lat), radius_km / KM_PER_DEGREE
    narrowest = max(math.cos(math.radians(min(abs(lat) + high, 89))), 0.01)
    # A little more than the radius, so that rounding never cuts off its edge.
    high, broad = high * 1.001, high * 1.001 / narrowest
    return {
        "at_lat": lat,
        "at_lon": lon,
        "tall": KM_PER_DEGREE**2,
        "wide": (KM_PER_DEGREE * math.cos(angle)) ** 2,
        "narrowing": KM_PER_DEGREE**2 * math.sin(2 * angle) * math.pi / 360,
        "south": lat - high,
        "north": lat + high,
        "west": lon - broad,
        "east": lon + broad,
    }


def load_directory() -> None:
    """Put the PIN codes, the cities and their names into the database; what is there stays."""
    _load_pins()
    _load_cities()


def _load_pins():
    known = set(db.session.scalars(select(PinCode.pincode)))
    _insert(
        PinCode,
        (
            {**row, "lat": float(row["lat"]), "lon": float(row["lon"])}
            for row in _rows("pincodes.csv")
            if row["pincode"] not in known
        ),
    )


def _load_cities():
    known = set(db.session.scalars(select(City.id)))
    spelt = {tuple(row) for row in db.session.execute(select(CityName.key, CityName.city_id))}
    extra = {}
    for row in _rows("city_names_extra.csv"):
        extra.setdefault(int(row["geonameid"]), []).extend(row["names"].split("|"))
    cities, names = [], {}
    for row in _rows("cities.csv"):
        city = int(row["geonameid"])
        if city not in known:
            cities.append(
                {
                    "id": city,
                    "name": row["name"],
                    "state": row["state"],
                    "lat": float(row["lat"]),
                    "lon": float(row["lon"]),
                    "population": int(row["population"]),
                    "pincode": row["nearest_pincode"],
                }
            )
        for name in (row["name"], *row["alternate_names"].split("|"), *extra.get(city, ())):
            key = fold(name)
            if key and (key, city) not in spelt:
                names[key, city] = {"key": key, "city_id": city}
    _insert(City, cities)
    _insert(CityName, names.values())


def _insert(model, rows):
    rows = list(rows)
    for start in range(0, len(rows), BATCH):
        db.session.execute(insert(model.__table__), rows[start : start + BATCH])


def _rows(name):
    with open(ROOT / "data" / name, encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
