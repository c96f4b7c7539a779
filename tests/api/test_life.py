"""The whole life of a booking through the API alone, over the network, against the site as it is served."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
import requests

from extensions import db
from models import WorkingHours
from tests import databases, factories
from tests.processes import PATIENCE_SECONDS, Process, set_ahead, wait_for

PLACE = {"line1": "12, 3rd Cross", "pincode": factories.CITY_PIN}


class Site:
    """The site as programs know it: by its address, and on a clock that can be set ahead."""

    def __init__(self, process, ahead):
        self.process, self._ahead, self._seconds = process, ahead, 0

    def move_on(self, seconds):
        self._seconds += int(seconds)
        set_ahead(self._ahead, self._seconds)

    @property
    def now(self):
        return datetime.now(UTC) + timedelta(seconds=self._seconds)


class Program:
    def __init__(self, site, email, password=factories.PASSWORD):
        self._root, self._session = f"{site.process.address}/api", requests.Session()
        tokens = self.call("POST", "/auth/login", {"email": email, "password": password})
        self._session.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def call(self, method, path, sent=None, status=200, key=None, **query):
        headers = {"Idempotency-Key": key} if key else {}
        address = self._root + path.removeprefix("/api")
        answer = self._session.request(
            method, address, json=sent, params=query, headers=headers, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == status, (method, path, answer.text)
        assert not self._session.cookies
        return answer.json() if answer.headers["Content-Type"] == "application/json" else answer.text


@pytest.fixture
def site(admin, worker_name, tmp_path):
    db.session.remove()
    db.engine.dispose()
    ahead = tmp_path / "ahead"
    set_ahead(ahead, 0)
    process = Process(tmp_path / "process", databases.url(worker_name), SCHEDULER="web", AHEAD=str(ahead))
    yield Site(process, ahead)
    assert process.stop() == 0
    assert "Traceback" not in process.log


def register(site, **person):
    sent = {"password": factories.PASSWORD, "phone": "98765 43210", **person}
    answer = requests.post(f"{site.process.address}/api/auth/register", json=sent, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 201, answer.text
    return Program(site, person["email"])


@pytest.mark.slow
@pytest.mark.realtime
def test_a_booking_lives_through_the_api_alone(site, admin):
    service = requests.get(f"{site.process.address}/api/services", timeout=PATIENCE_SECONDS).json()["items"][0]
    customer = register(site, email="zoya@example.com", name="Zoya Shah", role="customer")
    work = {"pincode": factories.CITY_PIN, "service_ids": [service["id"]], "experience_years": 4}
    professional = register(site, email="yash@example.com", name="Yash Pal", role="professional", **work)
    professional_id = approve(Program(site, admin.email))
    # The one step that has no call: working hours are set on the site.
    work_all_day(professional_id)

    slot = find_slot(customer, service["id"], professional_id)
    wish = {"service_id": service["id"], "professional_id": professional_id, "starts_at": slot, "address": PLACE}
    booked = customer.call("POST", "/service-requests", wish, 201, key="once")
    assert customer.call("POST", "/service-requests", wish, 201, key="once") == booked
    [ahead] = customer.call("GET", "/customer/ongoing-services")["items"]
    assert (ahead["id"], ahead["status"]) == (booked["id"], "pending")

    path = f"/service-requests/{booked['id']}"
    assert professional.call("PUT", f"{path}/accept")["address"] == PLACE
    site.move_on((datetime.fromisoformat(slot) - site.now).total_seconds() + 60)
    assert professional.call("PUT", f"{path}/depart")["status"] == "en_route"
    code = customer.call("GET", path)["start_code"]
    assert professional.call("PUT", f"{path}/start", {"code": code})["status"] == "in_progress"
    assert professional.call("PUT", f"{path}/complete")["status"] == "completed"
    assert customer.call("PUT", f"{path}/close")["status"] == "closed"
    assert customer.call("POST", f"{path}/review", {"rating": 5, "comment": "Quick."}, 201)["rating"] == 5

    day = professional.call("GET", "/professional/dashboard")
    assert day["earnings"]["today"]["amount"] > 0
    assert (day["rating"], day["rating_count"]) == (5.0, 1)
    assert exported(Program(site, admin.email)) == [booked["reference"]]


def approve(admin):
    """Let the one who applied work here; answer their id."""
    [applicant] = admin.call("GET", "/admin/users", role="professional")["items"]
    assert admin.call("PUT", f"/admin/professionals/{applicant['id']}/approve")["approval"] == "approved"
    return applicant["id"]


def work_all_day(professional_id):
    hours = {"professional_id": professional_id, "starts_minute": 0, "ends_minute": 24 * 60}
    db.session.add_all(WorkingHours(weekday=weekday, **hours) for weekday in range(7))
    db.session.commit()
    db.session.remove()
    db.engine.dispose()


def find_slot(program, service_id, professional_id):
    """The first free start of the professional whom a search finds."""
    [found] = program.call("GET", "/professionals", service_id=service_id, pincode=PLACE["pincode"])["items"]
    assert found["id"] == professional_id
    days = program.call("GET", f"/professionals/{professional_id}/slots", service_id=service_id)["days"]
    free = [slot for day in days for slot in day["slots"]]
    assert found["next_slot"] == free[0]
    return free[0]


def exported(admin):
    """The references in a CSV file of all that is closed."""
    asked = admin.call("POST", "/admin/export-csv", {"filters": {"statuses": ["closed"]}}, 202)
    wait_for(lambda: admin.call("GET", asked["status_url"])["download_url"])
    done = admin.call("GET", asked["status_url"])
    rows = list(csv.DictReader(io.StringIO(admin.call("GET", done["download_url"]))))
    assert done["rows"] == len(rows)
    return [row["reference"] for row in rows]
