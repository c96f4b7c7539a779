"""What is kept for how long: the rules, and the job that goes through them."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from config import ROOT
from domain import clock, consents, conversations, files, notifications, retention, users
from extensions import db
from models import Export, FileKind, Notification, Status, StoredFile, User
from models_live import Message
from models_privacy import Consent
from tests import factories


def whole_night():
    cursor, count = 0, 0
    while cursor is not None:
        step = retention.run(clock.today().isoformat(), cursor)
        db.session.commit()
        count, cursor = count + step.count, step.cursor
    return count


@pytest.fixture
def said(customer, professional):
    """A message with a photo about a booking that is over."""
    booking = factories.booking(customer, professional, status=Status.ACCEPTED)
    photo = files.Checked(FileKind.PICTURE, files.JPEG, b"a tap")
    message = conversations.send(booking, customer, "The key is under the pot.", photo)
    booking.status = Status.CLOSED
    db.session.commit()
    return message


def test_words_and_photos_of_chats_go_after_a_year(said, frozen):
    frozen.shift(timedelta(days=365))
    whole_night()
    assert said.text == "The key is under the pot."
    frozen.shift(timedelta(days=1))
    whole_night()
    db.session.expire_all()
    assert (said.text, said.file_id) == ("", None)
    assert db.session.scalar(select(StoredFile)) is None


def test_what_is_said_about_a_dispute_stays(said, frozen):
    said.booking.status = Status.DISPUTED
    db.session.commit()
    frozen.shift(timedelta(days=1000))
    whole_night()
    assert said.text


def test_notifications_go_after_half_a_year(customer, frozen):
    notifications.notify(customer.id, "approved")
    frozen.shift(timedelta(days=100))
    notifications.notify(customer.id, "approved")
    frozen.shift(timedelta(days=81))
    whole_night()
    assert db.session.scalar(select(func.count()).select_from(Notification)) == 1


def test_an_operator_says_for_how_long(customer, frozen, set_up, app):
    set_up(keep_days=type(app.config["SETTINGS"].keep_days)(notifications=1))
    notifications.notify(customer.id, "approved")
    frozen.shift(timedelta(days=2))
    whole_night()
    assert db.session.scalar(select(Notification)) is None


def test_files_of_exports_go_too(admin, settings, frozen):
    settings.export_dir.mkdir(parents=True, exist_ok=True)
    export = factories.export(admin, status="done", file_name="9-x.zip", expires_at=clock.now())
    path = settings.export_dir / "9-x.zip"
    path.write_bytes(b"PK")
    whole_night()
    assert not path.exists()
    assert db.session.get(Export, export.id).file_name is None


def test_the_empty_account_of_somebody_who_never_booked_goes_in_the_end(customer, other_customer, professional, frozen):
    factories.booking(other_customer, professional, status=Status.CLOSED)
    for person in (customer, other_customer):
        consents.agree(person)
        users.erase(person)
    db.session.commit()
    gone, stays = customer.id, other_customer.id
    frozen.shift(timedelta(days=2921))
    whole_night()
    assert db.session.scalars(select(User.id).where(User.id.in_([gone, stays]))).all() == [stays]
    assert db.session.scalar(select(Consent.id).where(Consent.user_id == gone)) is None


def test_to_whom_something_still_leads_stays(admin, customer, frozen):
    other = factories.admin()
    users.block(customer, by=other, reason="Spam")
    users.erase(other)
    db.session.commit()
    frozen.shift(timedelta(days=3000))
    whole_night()
    assert db.session.get(User, other.id) is not None


def test_a_rule_goes_on_where_it_stopped(customer, frozen, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        notifications.notify(customer.id, "approved")
    db.session.commit()
    frozen.shift(timedelta(days=200))
    assert whole_night() >= 5
    assert db.session.scalar(select(Notification)) is None


def test_the_paper_says_what_the_rules_say(app):
    paper = (ROOT / "docs" / "privacy.md").read_text()
    for rule in retention.RULES:
        days = f"{rule.days()} days" if rule.days else str(rule.until)
        assert f"| `{rule.name}` | {rule.what} | {days} |" in paper


def test_every_message_that_was_emptied_is_still_counted(said, frozen):
    frozen.shift(timedelta(days=400))
    whole_night()
    assert db.session.scalar(select(func.count()).select_from(Message)) == 1
