"""The operator's commands."""

import pytest

from domain import users
from extensions import db
from models import Role
from tests import factories

PASSWORD = "four brass kettles"


@pytest.fixture
def run(app):
    return app.test_cli_runner().invoke


def test_the_first_admin_is_made_from_the_environment(run, client):
    done = run(args=["create-admin"], env={"ADMIN_EMAIL": "Boss@Example.com ", "ADMIN_PASSWORD": PASSWORD})
    assert done.exit_code == 0, done.output
    admin = users.find("boss@example.com")
    assert (admin.role, admin.demo) == (Role.ADMIN, False)
    assert client.post("/login", data={"email": "boss@example.com", "password": PASSWORD}).status_code == 302


def test_the_first_admin_is_asked_for_address_and_password(run):
    done = run(args=["create-admin"], input=f"boss@example.com\n{PASSWORD}\n{PASSWORD}\n")
    assert "boss@example.com can log in as admin now." in done.output
    assert PASSWORD not in done.output
    assert users.find("boss@example.com").is_admin


@pytest.mark.parametrize(
    "email, password, said",
    [
        ("boss@example.com", "short", "at least 8 characters"),
        ("boss@example.com", "password123", "Choose another"),
        ("nobody", PASSWORD, "Enter an e-mail address"),
        ("asha@example.com", PASSWORD, "has an account already"),
    ],
)
def test_an_admin_is_not_made_of_bad_input(run, customer, email, password, said):
    done = run(args=["create-admin", "--email", email], env={"ADMIN_PASSWORD": password})
    assert done.exit_code == 1
    assert said in done.output
    assert customer.role is Role.CUSTOMER
    assert users.find("boss@example.com") is None


def test_ratings_are_checked_and_made_right(run, customer, professional):
    assert run(args=["check-ratings"]).exit_code == 0
    factories.review(factories.booking(customer, professional))
    assert run(args=["check-ratings"]).exit_code == 1
    assert str(professional.id) in run(args=["recompute-ratings"]).output
    assert run(args=["check-ratings"]).exit_code == 0


def test_timers_are_run_by_hand(run, customer, professional, frozen):
    booking = factories.booking(customer, professional)
    frozen.move_to(booking.respond_by)
    db.session.commit()
    assert run(args=["run-timers"]).output == "1 expired, 0 closed.\n"
