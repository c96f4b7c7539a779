"""A map of dots that needs nobody's server: the points of PIN codes, with those of the whole directory behind them
to show where land and towns are."""

import math
from typing import NamedTuple

from sqlalchemy import Integer, cast, func, select

from domain.analytics import Spot
from extensions import db
from models import PinCode

# The drawing's own units.
WIDTH, LARGEST, SMALLEST = 600, 18.0, 3.0
# The ground is drawn in squares, so many along the wider side.
SQUARES = 90
# In degrees: a single dot shows the town around it, and no map is a strip.
LEAST_SPAN, MARGIN, FLATTEST = 0.4, 0.08, 0.5


class Dot(NamedTuple):
    x: float
    y: float
    radius: float
    spot: Spot


class Map(NamedTuple):
    """`ground` is a path of points, and `square` how wide each of them is."""

    width: int
    height: int
    ground: str
    square: float
    dots: list[Dot]


def draw(spots: list[Spot]) -> Map | None:
    """Where the spots are, their areas as their numbers of requests, the large ones below the small ones."""
    spots = [spot for spot in spots if spot.requests.now]
    if not spots:
        return None
    south, north, west, east = _frame(spots)
    # A degree to the east is shorter than one to the north, as it is halfway up the drawing.
    narrow = math.cos(math.radians((south + north) / 2))
    scale = WIDTH / ((east - west) * narrow)
    height = round((north - south) * scale)
    most = max(spot.requests.now for spot in spots)
    dots = [
        Dot(
            round((spot.lon - west) * narrow * scale, 1),
            round((north - spot.lat) * scale, 1),
            round(max(LARGEST * math.sqrt(spot.requests.now / most), SMALLEST), 1),
            spot,
        )
        for spot in spots
    ]
    square = max(WIDTH, height) / SQUARES
    ground = _ground(south, north, west, east, square / scale, narrow, square)
    return Map(WIDTH, height, ground, round(square * 0.7, 1), dots)


def _frame(spots):
    """The sides of the drawing, in degrees: around all spots, and not too narrow for their neighbourhood."""
    lats, lons = [spot.lat for spot in spots], [spot.lon for spot in spots]
    span = max(max(lats) - min(lats), max(lons) - min(lons), LEAST_SPAN)
    sides = []
    for values in (lats, lons):
        middle = (min(values) + max(values)) / 2
        half = max(max(values) - min(values), span * FLATTEST) / 2 + span * MARGIN
        sides += [middle - half, middle + half]
    return sides


def _ground(south, north, west, east, degrees, narrow, square):
    """The squares in which there is a PIN code, as a path of dots."""
    column = cast(func.round((PinCode.lon - west) * narrow / degrees - 0.5), Integer)
    row = cast(func.round((north - PinCode.lat) / degrees - 0.5), Integer)
    found = select(column, row).where(PinCode.lat.between(south, north), PinCode.lon.between(west, east)).distinct()
    points = sorted((down, across) for across, down in db.session.execute(found))
    return "".join(f"M{(across + 0.5) * square:.0f} {(down + 0.5) * square:.0f}h0" for down, across in points)
