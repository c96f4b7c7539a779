"""The pages of the forecast: an admin's with its tables, and a professional's busy hours."""

import csv
import io
from datetime import timedelta

import pytest

from tests import factories

PAGE, CITY = "/admin/forecast", "Bengaluru Urban"


@pytest.fixture
def browser(as_, admin):
    return as_(admin)


@pytest.fixture
def one(app):
    one = factories.service("Kettle repair", base_price=20_000)
    for district, service in (("", None), ("", one), (CITY, None)):
        factories.forecast(district, service)
    factories.shortage(factories.forecast(CITY, one))
    return one


def test_the_whole_site_is_shown_first(browser, one):
    page = browser.get(PAGE).text
    assert "All services, all cities" in page
    assert "Expected in the next 14 days" in page
    assert "28 of them are booked already" in page
    assert "a week ahead, on the last 28 days" in page
    assert "it was off by 80 % of what" in page


def test_a_shortage_says_which_hours_to_open(browser, one):
    page = browser.get(PAGE).text
    assert "9:00 am – 10:00 am</span>, <span class=\"text-nowrap\">6:00 pm – 8:00 pm" in page
    assert "10 h" in page
    assert "7 h" in page


def test_a_service_of_a_city_is_chosen(browser, one):
    page = browser.get(f"{PAGE}?city=Bengaluru+Urban&service={one.id}")
    assert "Kettle repair, Bengaluru Urban" in page.text
    assert f"{PAGE}/csv?city=Bengaluru+Urban&amp;service={one.id}" in page.text


@pytest.mark.parametrize("path", ["", "/csv", "/short/csv"])
def test_what_nobody_offered_to_choose_is_refused(browser, one, path):
    assert browser.get(f"{PAGE}{path}?city=Atlantis").status_code == 422
    assert browser.get(f"{PAGE}{path}?service=x").status_code == 422


def test_tables_are_downloaded(browser, one):
    days = browser.get(f"{PAGE}/csv?city=Bengaluru+Urban&service={one.id}")
    assert days.headers["Content-Disposition"] == "attachment; filename=forecast.csv"
    assert len(list(csv.DictReader(io.StringIO(days.text)))) == 42
    [row] = csv.DictReader(io.StringIO(browser.get(f"{PAGE}/short/csv").text))
    assert (row["service"], row["city"]) == ("Kettle repair", CITY)


def test_a_new_site_reads_what_a_forecast_needs(browser):
    page = browser.get(PAGE)
    assert page.status_code == 200
    assert "A forecast needs 28 days of bookings and 30 visits" in page.text


def test_enough_professionals_are_said_to_be_enough(browser, app):
    factories.forecast("")
    assert "Nowhere: the working hours of your professionals are enough" in browser.get(PAGE).text


def test_accuracy_is_unknown_at_first(browser, app):
    series = factories.forecast("")
    factories.db.session.query(factories.Forecast).filter_by(series_id=series.id, kept=True).delete()
    factories.db.session.commit()
    assert "known once the first week that was forecast is over" in browser.get(PAGE).text


def test_a_professional_sees_busy_hours(as_, one):
    dev = factories.professional(services=[one])
    page = as_(dev).get("/professional/busy-hours").text
    assert "Visits expected in Bengaluru Urban" in page
    assert "6:00 pm – 7:00 pm" in page
    assert "/professional/busy-hours" in as_(dev).get("/professional/calendar").text


def test_a_busy_day_is_marked_in_the_calendar(as_, one):
    dev = factories.professional(services=[one])
    assert "Likely a busy day" not in as_(dev).get("/professional/calendar").text
    saturday = factories.clock.today() + timedelta(days=5)
    factories.db.session.query(factories.Forecast).filter_by(day=saturday).update({"expected": 20})
    factories.db.session.commit()
    page = as_(dev).get("/professional/calendar").text
    assert page.count("Likely a busy day in your city, most of all at 6:00 pm – 7:00 pm") == 1


def test_a_professional_without_customers_yet_is_told_so(as_, professional):
    assert "Too few visits of what you offer" in as_(professional).get("/professional/busy-hours").text


def test_pages_ask_few_questions(browser, as_, one, count_queries):
    dev = as_(factories.professional(services=[one]))
    theirs = ("/professional/busy-hours", "/professional/calendar")
    for client, page in ((browser, PAGE), (browser, f"{PAGE}/csv"), *((dev, page) for page in theirs)):
        client.get(page)
        with count_queries() as seen:
            assert client.get(page).status_code == 200
        assert seen.count <= 8, page
