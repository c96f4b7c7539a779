"""Which place a person means, and how far it is."""

import math

import pytest
from sqlalchemy import func, select

from domain import places
from extensions import db
from models import City, CityName, Offering, PinCode
from tests import factories


def great_circle(lat1, lon1, lat2, lon2):
    lat1, lon1, lat2, lon2 = map(math.radians, (lat1, lon1, lat2, lon2))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0088 * math.asin(math.sqrt(half))


@pytest.mark.parametrize("text", ["560001", "560 001", " 560001 ", "५६०००१", "Bengaluru 560001", "560001, Bengaluru"])
def test_a_pin_code_is_a_place(app, text):
    place = places.resolve(text)
    assert (place.pincode, place.name) == ("560001", "Bengaluru GPO")


@pytest.mark.parametrize(
    "text",
    ["Bengaluru", "bangalore", "BANGALORE", "बेंगलुरु", "बंगलौर", "Bengaluru, Karnataka", "bengal", "  Ben-ga-lu-ru "],
)
def test_a_city_is_known_by_its_names(app, text):
    assert places.resolve(text).name == "Bengaluru"


@pytest.mark.parametrize(("text", "name"), [("Bombay", "Mumbai"), ("मुंबई", "Mumbai")])
def test_old_names_and_hindi_names_of_other_cities(app, text, name):
    assert places.resolve(text).name == name


@pytest.mark.parametrize(
    "text", ["", "  ", "nowhere at all", "999999", "012345", "5600011", "b", "😀", "%", "_", "\x00", "\u202e"]
)
def test_an_unknown_place_is_none(app, text):
    assert places.resolve(text) is None


def test_a_huge_text_is_no_place(app):
    assert places.resolve("x" * 1_000_000) is None


def test_of_several_cities_the_most_populous_is_meant(app):
    pin = db.session.get_one(PinCode, "560001")
    for number, population in ((1, 1000), (2, 5000), (3, 10)):
        db.session.add(
            City(
                id=number,
                name=f"Samepur {number}",
                state="Goa",
                lat=pin.lat,
                lon=pin.lon,
                population=population,
                pincode=pin.pincode,
            )
        )
        db.session.flush()
        db.session.add(CityName(key="samepur", city_id=number))
    db.session.flush()
    assert places.resolve("Samepur").name == "Samepur 2"
    assert places.resolve("same").name == "Samepur 2"


def test_find_pin_gives_the_entry_of_the_directory(app):
    assert places.find_pin("560034").place == db.session.get_one(PinCode, "560034").place
    assert places.find_pin("x") is None
    assert places.find_pin("999999") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [("Bhātpāra", "bhatpara"), ("बेङ्गलूरु", "बेंगलुरु"), ("मुम्बई", "मुंबई"), ("Ban'nkalor", "bannkalor"), ("ÅSA", "asa")],
)
def test_folding_leaves_what_is_compared(one, other):
    assert places.fold(one) == places.fold(other)


def test_folding_keeps_vowel_signs_apart():
    assert places.fold("पटना") != places.fold("पटनी")


@pytest.mark.parametrize("lat", [6.0, 13.0, 20.0, 28.6, 37.0])
@pytest.mark.parametrize("radius", [1, 10, 50, 200])
def test_distances_are_within_a_ten_thousandth_of_the_great_circle(lat, radius):
    for angle in range(0, 360, 15):
        up = radius / 111.2 * math.sin(math.radians(angle))
        across = radius / 111.2 * math.cos(math.radians(angle)) / math.cos(math.radians(lat))
        truth = great_circle(lat, 77.0, lat + up, 77.0 + across)
        assert places.distance_km(lat, 77.0, lat + up, 77.0 + across) == pytest.approx(truth, rel=1e-4)


def test_within_finds_what_the_distance_says(app):
    pin = db.session.get_one(PinCode, "560001")
    near, square = places.within(pin.lat, pin.lon, PinCode.lat, PinCode.lon, 7)
    found = dict(db.session.execute(select(PinCode.pincode, square).where(near)).all())
    for other in db.session.scalars(select(PinCode)):
        distance = places.distance_km(pin.lat, pin.lon, other.lat, other.lon)
        assert (other.pincode in found) == (distance <= 7)
        if other.pincode in found:
            assert found[other.pincode] ** 0.5 == pytest.approx(distance)


def test_within_takes_the_radius_from_a_column(app):
    pin = db.session.get_one(PinCode, factories.CITY_PIN)
    far = factories.professional(pincode=factories.NEAR_PIN, radius_km=50)
    factories.professional(pincode=factories.NEAR_PIN, radius_km=1)
    near, _square = places.within(pin.lat, pin.lon, Offering.lat, Offering.lon, Offering.radius_km)
    assert db.session.scalars(select(Offering.professional_id).where(near)).all() == [far.id]


def test_the_directory_loads_once(app):
    places.load_directory()
    db.session.commit()
    counted = [db.session.scalar(select(func.count()).select_from(one)) for one in (PinCode, City, CityName)]
    assert counted[0] == 19_584
    assert counted[1] == 3_779
    places.load_directory()
    assert counted == [db.session.scalar(select(func.count()).select_from(one)) for one in (PinCode, City, CityName)]


@pytest.mark.parametrize(
    ("text", "name"), [("ಬೆಂಗಳೂರು", "Bengaluru"), ("गुड़गांव", "Gurugram"), ("हावड़ा", "Howrah"), ("Vizag", "Visakhapatnam")]
)
def test_names_that_the_city_file_lacks_are_added(app, text, name):
    places.load_directory()
    assert places.resolve(text).name == name
