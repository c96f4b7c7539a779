"""The customer's pages of what happens when plans change: nobody came, or the work was not right."""

import io
from datetime import timedelta

import pytest
from PIL import Image
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from domain import disputes, files, no_shows
from extensions import db
from models import Booking, Status, StoredFile
from models_lifecycle import Dispute
from tests import factories

WORDS = "The tap still drips, and the tile is broken."


@pytest.fixture
def late(customer, professional, frozen):
    """Agreed for 11:00, and it is 11:30."""
    booking = factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11))
    frozen.move_to(booking.starts_at + timedelta(minutes=30))
    return booking


@pytest.fixture
def done(customer, professional):
    return factories.booking(customer, professional, status=Status.COMPLETED, starts_at=factories.at(8))


def picture(kind="JPEG", size=(640, 480), **options):
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()


def send(client, booking, *photos, words=WORDS, field="evidence"):
    sent = [FileStorage(io.BytesIO(content), f"{number}.jpg") for number, content in enumerate(photos)]
    return post(client, f"/bookings/{booking.id}/dispute", {"words": words, field: sent})


def post(client, path, values):
    """Encoded in memory: the client's own way leaves an open file behind for what is large."""
    boundary, body = encode_multipart(values)
    return client.post(path, data=body, content_type=f'multipart/form-data; boundary="{boundary}"')


def kept_files(settings):
    return [path for path in settings.upload_dir.rglob("*") if path.is_file()]


# -- Nobody came ------------------------------------------------------------------------------


def test_nobody_came(as_, customer, late):
    client = as_(customer)
    assert "Nobody came" in client.get(f"/bookings/{late.id}").text
    page = client.get(f"/bookings/{late.id}/no-show").text
    assert "You owe nothing" in page
    answer = client.post(f"/bookings/{late.id}/no-show", data={"note": "I called twice."}, follow_redirects=True)
    assert "you owe nothing" in answer.text
    assert "No-show" in answer.text
    assert db.session.get(Booking, late.id).total == 0


def test_somebody_else_is_offered_for_another_time(as_, customer, other_professional, late):
    client = as_(customer)
    client.post(f"/bookings/{late.id}/no-show")
    text = client.get(f"/bookings/{late.id}").text
    assert "did not come. You owe nothing." in text
    assert "Somebody near you is free at these times" in text


def test_it_is_too_early_to_say_so(as_, customer, late, frozen):
    frozen.shift(timedelta(minutes=-1))
    client = as_(customer)
    assert "Nobody came" not in client.get(f"/bookings/{late.id}").text
    for method in ("get", "post"):
        answer = getattr(client, method)(f"/bookings/{late.id}/no-show")
        assert answer.status_code == 409
        assert "too early" in answer.text
    assert db.session.get(Booking, late.id).status is Status.ACCEPTED


def test_who_is_at_the_door_is_seen_at_once(as_, customer, professional, late):
    no_shows.knock(late, professional)
    db.session.commit()
    text = as_(customer).get(f"/bookings/{late.id}").text
    assert "is at your door since" in text
    assert "costs ₹100" in text
    assert "At the door" in text


def test_what_a_no_show_costs_is_said(as_, customer, professional, late):
    no_shows.knock(late, professional)
    no_shows.report(late, professional, "Rang twice.")
    db.session.commit()
    text = as_(customer).get(f"/bookings/{late.id}").text
    assert "No-show fee" in text
    assert "is due, because nobody was there" in text
    assert "Rang twice." in text


# -- Something was wrong ----------------------------------------------------------------------


def test_words_and_photos_start_a_dispute(as_, customer, done, settings):
    client = as_(customer)
    text = client.get(f"/bookings/{done.id}").text
    assert "Something was wrong" in text
    assert "until Monday 30 November" in text
    page = client.get(f"/bookings/{done.id}/dispute").text
    assert "48 hours to answer" in page
    answer = send(client, done, picture(), picture("PNG"), picture("WEBP"))
    assert answer.status_code == 303
    dispute = db.session.scalars(select(Dispute)).one()
    assert (dispute.words, len(dispute.photos)) == (WORDS, 3)
    assert {photo.file.content_type for photo in dispute.photos} == {"image/jpeg"}
    shown = client.get(f"/bookings/{done.id}").text
    assert WORDS in shown
    assert "can answer until Wednesday 25 November" in shown
    for photo in dispute.photos:
        assert f"/files/{photo.file_id}" in shown
        with client.get(f"/files/{photo.file_id}") as file:
            assert file.mimetype == "image/jpeg"
            assert file.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_words_are_enough(as_, customer, done):
    assert send(as_(customer), done).status_code == 303
    assert db.session.scalars(select(Dispute)).one().photos == []


@pytest.mark.parametrize("words", ["", "short", "x" * 2001])
def test_words_that_do_not_do_are_kept_in_the_form(as_, customer, done, words):
    answer = send(as_(customer), done, picture(), words=words)
    assert answer.status_code == 422
    assert "Write 10 to 2000 characters." in answer.text
    assert words in answer.text
    assert db.session.query(StoredFile).count() == 0


@pytest.mark.parametrize("number", [6, 40])
def test_five_photos_are_the_most(as_, customer, done, settings, monkeypatch, number):
    monkeypatch.setattr(files, "check", lambda *_: pytest.fail("looked into before they were counted"))
    answer = send(as_(customer), done, *[picture(size=(8, 8))] * number)
    assert answer.status_code == 422
    assert "at most 5 photos" in answer.text
    assert kept_files(settings) == []


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"%PDF-1.4 a document",
        b"MZ" + bytes(100),
        picture("GIF"),
        picture()[:200],
    ],
)
def test_one_bad_photo_among_good_ones_keeps_none(as_, customer, done, settings, content):
    answer = send(as_(customer), done, picture(), content, picture())
    assert answer.status_code == 422
    assert "not a picture we can read" in answer.text
    assert WORDS in answer.text
    assert kept_files(settings) == []
    assert db.session.query(Dispute).count() == 0


def test_nothing_but_the_pixels_of_a_photo_is_kept(as_, customer, done, settings):
    exif = Image.Exif()
    exif[0x010E] = "12 Secret Lane"
    content = picture(exif=exif, comment=b"12 Secret Lane") + b"<script>alert(1)</script>"
    send(as_(customer), done, content)
    (path,) = kept_files(settings)
    kept = path.read_bytes()
    assert b"Secret" not in kept
    assert b"script" not in kept


def test_five_large_photos_pass_and_more_do_not(as_, customer, done):
    large = picture() + bytes(files.LARGEST - 20_000)
    client = as_(customer)
    assert send(client, done, *[large] * 6).status_code == 413
    assert send(client, done, *[large] * 5).status_code == 303


def test_one_photo_beyond_five_megabytes_is_refused(as_, customer, done):
    answer = send(as_(customer), done, picture() + bytes(files.LARGEST))
    assert answer.status_code == 422
    assert "at most 5 MB" in answer.text


def test_only_this_form_and_only_of_somebody_known_may_be_so_large(client, as_, customer, done):
    large = bytes(13 * files.MEGABYTE)
    for browser, path in ((client, f"/bookings/{done.id}/dispute"), (as_(customer), "/profile")):
        assert post(browser, path, {"evidence": FileStorage(io.BytesIO(large), "a.jpg")}).status_code == 413


def test_a_file_of_another_name_is_no_photo(as_, customer, done):
    assert send(as_(customer), done, picture(), field="words_too").status_code == 400


def test_a_dispute_is_sent_once(as_, customer, done, settings):
    client = as_(customer)
    send(client, done, picture())
    answer = send(client, done, picture())
    assert answer.status_code == 409
    assert "In dispute" in answer.text
    assert len(kept_files(settings)) == 1


def test_a_week_later_it_is_too_late(as_, customer, done, frozen):
    frozen.shift(timedelta(days=7, seconds=1))
    client = as_(customer)
    assert "Something was wrong" not in client.get(f"/bookings/{done.id}").text
    answer = send(client, done)
    assert answer.status_code == 409
    assert "too late" in answer.text


def test_a_stranger_finds_nothing(as_, other_customer, done):
    client = as_(other_customer)
    assert client.get(f"/bookings/{done.id}/dispute").status_code == 404
    assert send(client, done, picture()).status_code == 404
    assert client.post(f"/bookings/{done.id}/no-show").status_code == 404


def test_the_end_of_it_is_read_on_the_booking(as_, customer, professional, admin, done):
    disputes.begin(done, customer, WORDS)
    disputes.answer(done, professional, "It was dry when I left.")
    disputes.refund(done, admin, "A third of it is missing.", 10_000)
    db.session.commit()
    text = as_(customer).get(f"/bookings/{done.id}").text
    for words in ("It was dry when I left.", "A refund of ₹100.00.", "A third of it is missing.", "Refund", "-₹100.00"):
        assert words in text, words


def test_work_that_is_done_again_leads_from_one_to_the_other(as_, customer, professional, admin, done):
    disputes.begin(done, customer, WORDS)
    disputes.answer(done, professional, "It was dry when I left.")
    again = disputes.rework(done, admin, "Do it again.", factories.at(11, days=1))
    db.session.commit()
    client = as_(customer)
    assert f"/bookings/{again.id}" in client.get(f"/bookings/{done.id}").text
    text = client.get(f"/bookings/{again.id}").text
    assert "it costs nothing" in text
    assert f"/bookings/{done.id}" in text


def test_words_are_shown_as_words(as_, customer, professional, done):
    disputes.begin(done, customer, "<script>alert(1)</script> {{7*7}}")
    disputes.answer(done, professional, "<img src=x onerror=alert(1)>")
    db.session.commit()
    text = as_(customer).get(f"/bookings/{done.id}").text
    assert "<script>alert(1)" not in text
    assert "<img src=x" not in text
