"""The file about one booking: who may have it, what it tells to whom, and that it needs nothing else."""

import base64
import io
import re
from datetime import timedelta

import html5lib
import pytest
from PIL import Image

from domain import bookings, conversations, disputes, evidence, files, message_reports, no_shows, proposals
from domain.errors import NotFound
from domain.transitions import add_event
from extensions import db
from models import FileKind, PaymentMethod, Status
from tests import factories

WORDS = "The tap still drips, and the tile is broken."
ANSWER = "It was dry when I left, I tried it."
NASTY = "</td><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture
def told(customer, professional, admin, frozen):
    """A booking to which much happened: moved, knocked at, done, paid, disputed, refunded in part."""
    booking = factories.booking(
        customer, professional, status=Status.ACCEPTED, starts_at=factories.at(11), address_line="12, 3rd Cross"
    )
    proposal = proposals.propose(booking, professional, factories.at(12), "The bus is late.")
    proposals.agree(booking, customer, proposal.id)
    frozen.move_to(booking.starts_at)
    no_shows.knock(booking, professional)
    bookings.override_code(booking, admin, "For admins: the customer lost her telephone.")
    bookings.complete(booking, professional)
    bookings.record_payment(booking, professional, PaymentMethod.UPI)
    frozen.shift(timedelta(hours=1))
    disputes.begin(booking, customer, WORDS, [photo()])
    disputes.answer(booking, professional, ANSWER)
    disputes.refund(booking, admin, "A third of it is missing.", 10_000)
    db.session.commit()
    return booking


def photo(kind=FileKind.EVIDENCE):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(out, "JPEG")
    return files.check(kind, io.BytesIO(out.getvalue()))


def download(client, booking):
    answer = client.get(f"/evidence/{booking.id}")
    assert answer.status_code == 200
    return answer


def test_it_is_a_file_and_no_page(as_, customer, told):
    answer = download(as_(customer), told)
    assert answer.headers["Content-Disposition"] == f"attachment; filename={told.reference}.html"
    assert answer.mimetype == "text/html"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer.headers["Cache-Control"]


def test_it_tells_the_whole_story_to_both(as_, customer, professional, told):
    for reader in (customer, professional):
        text = download(as_(reader), told).text
        for words in (
            *(told.reference, "Asha Rao", "Dev Menon", WORDS, ANSWER, "A third of it is missing."),
            *("The bus is late.", "agreed", "At the door", "Work finished", "Payment noted", "by UPI"),
            *("-₹100.00", "given back", "Deadlines", "is at your door for", "says that", "Nov 2026"),
        ):
            assert words in text, words


def test_it_needs_no_network_and_runs_nothing(as_, customer, told):
    text = download(as_(customer), told).text
    tree = html5lib.parse(text, namespaceHTMLElements=False)
    assert not list(tree.iter("script")) + list(tree.iter("link")) + list(tree.iter("a")) + list(tree.iter("form"))
    assert all(one.get("src").startswith("data:image/jpeg;base64,") for one in tree.iter("img"))
    assert not re.search(r"url\(|@import|https?:", text)
    policy = next(one for one in tree.iter("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.get("content").startswith("default-src 'none';")
    assert "@media print" in text


def test_its_photos_are_in_it(as_, customer, told):
    text = download(as_(customer), told).text
    (sent,) = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", text)
    image = Image.open(io.BytesIO(base64.b64decode(sent)))
    assert image.size == (64, 48)


def test_a_photo_whose_file_is_gone_is_missed_and_no_more(as_, customer, told, settings):
    for path in settings.upload_dir.rglob("*"):
        if path.is_file():
            path.unlink()
    text = download(as_(customer), told).text
    assert "this file is no longer there" in text
    assert "<img" not in text


def test_what_the_two_said_is_in_it_and_what_was_hidden_for_admins_alone(as_, customer, professional, admin, told):
    conversations.send(told, customer, "It drips again", photo(FileKind.PICTURE))
    insult = conversations.send(told, professional, "You fool")
    message_reports.hide(message_reports.report(insult, customer, "Rude"), admin, "Rude")
    db.session.commit()
    for person, reads in ((customer, False), (professional, False), (admin, True)):
        text = download(as_(person), told).text
        assert "It drips again" in text
        assert 'alt="Photo from' in text
        assert ("You fool" in text) is reads


def test_the_two_sides_do_not_read_what_admins_wrote_for_themselves(as_, customer, professional, admin, told):
    for reader in (customer, professional):
        text = download(as_(reader), told).text
        assert "lost her telephone" not in text
        assert "Audit trail" not in text
        assert f"<td>{admin.name}</td>" not in text
        assert "the site" in text
        assert "Messages that left the site" not in text
    text = download(as_(admin), told).text
    for words in ("lost her telephone", "Audit trail", admin.name, "Messages that left the site", "knocked · mail"):
        assert words in text, words


def test_each_side_sees_what_its_page_shows_of_the_other(as_, customer, professional, admin, told):
    text = download(as_(customer), told).text
    assert customer.phone in text
    assert professional.phone not in text
    text = download(as_(professional), told).text
    assert customer.phone in text
    assert "12, 3rd Cross" in text
    text = download(as_(admin), told).text
    assert customer.phone in text
    assert professional.phone in text


def test_the_two_sides_have_it_once_there_is_a_dispute(customer, professional, admin, other_customer):
    booking = factories.booking(customer, professional, status=Status.COMPLETED)
    for reader in (customer, professional):
        with pytest.raises(NotFound):
            evidence.bundle(booking.id, reader)
    assert evidence.bundle(booking.id, admin).booking is booking
    disputes.begin(booking, customer, WORDS)
    assert evidence.bundle(booking.id, professional).everything is False
    with pytest.raises(NotFound):
        evidence.bundle(booking.id, other_customer)


def test_other_professionals_are_nobody_by_name(as_, customer, professional, other_professional, told):
    add_event(told, "decline_offer", other_professional, "I know that house.")
    add_event(told, "accept", other_professional)
    db.session.commit()
    text = download(as_(customer), told).text
    assert other_professional.name not in text
    assert "I know that house." not in text
    assert "another professional" in text


def test_words_are_words(as_, customer, professional, admin, told):
    told.remarks = told.dispute.words = told.dispute.answer = told.dispute.reason = NASTY
    told.address_line = customer.name = NASTY[:120]
    told.events[-1].reason = told.proposals[0].note = told.refunds[0].reason = NASTY
    db.session.commit()
    for reader in (customer, professional, admin):
        text = download(as_(reader), told).text
        assert "<script>" not in text
        assert "<img src=x" not in text
        assert "{{7*7}}" in text


def test_an_unanswered_request_has_a_file_for_admins_too(as_, customer, admin):
    booking = factories.booking(customer, None)
    text = download(as_(admin), booking).text
    assert "nobody yet" in text
    assert "No payment noted yet." in text
