"""An admin reads what the next days bring and who is missing; a professional when it is busy."""

import pytest

from domain import clock
from extensions import db
from models_forecast import Forecast
from tests import factories
from tests.browser.test_disputes import come
from tests.browser.visitor import WAYS

pytestmark = [pytest.mark.browser, pytest.mark.realtime, pytest.mark.timeout(300)]
WEEK = (-2, -2, -1, -1, 0, 5, 4)
CITY = "Bengaluru Urban"


def people():
    factories.admin(name="Gita Iyer", email="gita@example.com")
    one = factories.service()
    factories.professional(name="Dev Menon", email="dev@example.com", services=[one])
    for district, service, expected in (("", None, 40), ("", one, 12), (CITY, None, 22), (CITY, one, 7)):
        series = factories.forecast(district, service, expected)
        for row in db.session.query(Forecast).filter_by(series_id=series.id):
            more = WEEK[row.day.weekday()] * expected / 10
            row.expected, row.low80, row.high80 = row.expected + more, row.low80 + more, row.high80 + more
            row.low95, row.high95 = row.low95 + more, row.high95 + more
            if row.kept:
                row.came = round(row.expected + (row.day.toordinal() * 7 % 5 - 2) * 1.2)
    days = [(clock.today().weekday() + number) % 7 for number in range(14)]
    for number in (days.index(5), days.index(6)):
        factories.shortage(series, number, expected=10.5)
    db.session.commit()


@WAYS
def test_the_next_days_are_read(new_site, visit, width, javascript):
    site = new_site(people)
    looks = {"width": width, "javascript": javascript, "axe": True}
    professional, admin = (come(visit, site, name, **looks) for name in ("dev", "gita"))

    admin.open("/admin/forecast")
    assert "Where professionals are short" in admin.text()
    assert "6:00 pm – 8:00 pm" in admin.text()
    admin.page.locator("summary", has_text="Show as a table").click()
    admin.look()
    assert "Booked already" in admin.text()
    admin.open(f"/admin/forecast?city={CITY}")
    assert f"All services, {CITY}" in admin.text()
    with admin.page.expect_download() as download:
        admin.page.locator("a", has_text="Download as CSV").first.click()
    assert download.value.suggested_filename == "forecast.csv"
    with admin.expecting(422):
        admin.open("/admin/forecast?city=Atlantis")

    professional.open("/professional/calendar")
    professional.press("Busy hours")
    assert "Fullest hours" in professional.text()
