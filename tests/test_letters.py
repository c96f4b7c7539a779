"""What messages say: every kind in both languages, as sound HTML with all of its words in the plain part."""

import re
from datetime import timedelta

import html5lib
import pytest
from flask_babel import force_locale

import letters
import templating
from domain import bookings, clock, conversations, outbox, proposals
from extensions import db
from models import BookingEvent, BookingOffer, Channel, OfferStatus, OutboxMessage, Status, WaitStatus
from tests import factories

UNSUBSCRIBE = "https://example.com/unsubscribe/made-up"
REVIEWABLE = ("completed", "closed", "auto_closed", "paid", "reviewed", "replied")
TO_PROFESSIONAL = ("requested", "offered", "given", "taken_away", "code_renewed", "closed", "reviewed", "approved")
TO_PROFESSIONAL += ("guide_approved", "guide_sent_back", "guide_unpublished")
TO_PROFESSIONAL += ("payment_claimed", "payment_denied", "paid_online")
TO_PROFESSIONAL += ("paid_out", "payout_failed", "payout_account")
TO_PROFESSIONAL += ("series_requested", "not_approved", "requests_waiting", "tomorrow", "earnings_statement")
# What mail programs and validators know; all else is a slip.
TAGS = {"html", "head", "meta", "title", "style", "body", "div", "table", "thead", "tbody", "tr", "th", "td"}
TAGS |= {"h1", "h2", "p", "a", "br"}
ATTRIBUTES = {"lang", "charset", "name", "content", "class", "style", "role", "scope", "href", "aria-hidden"}
PHRASES = {"p", "a", "h1", "h2", "title"}


@pytest.fixture
def write(app, customer, professional, admin):
    """write("accepted") is a message of the kind in the situation in which it is sent."""

    def written(kind, person=None, booking=None, **data):
        person = person or _reader(kind)
        booking = booking or _situation(kind)
        known = {"service": "Bathroom deep cleaning", "time": factories.at(11, days=1).isoformat(), "name": "Dev"}
        known |= {"reason": "I am ill", "day": "2026-11-24", "month": "2026-11", "export_id": 1, "rows": 12_345}
        known |= {"new_time": factories.at(15, days=2).isoformat(), "until": factories.at(18).isoformat()}
        if kind == "slot_held":
            known["wait_id"] = held().id
        known |= {"count": 4, "hours": 48, "former": "Esha Nair", "extra": "Filter", "amount": 49_900, "title": "Taps"}
        known |= {"account": "•••• 7890", "numbers": [["rating", 2.4, 7, 3.0]], "reference": "412345678901", **data}
        if kind in ("day_before", "hours_before"):
            known["time"] = booking.starts_at.isoformat()
        return message(kind, person, booking, **known)

    def _reader(kind):
        if kind.startswith("export"):
            return admin
        return professional if kind in TO_PROFESSIONAL else customer

    def held():
        wait = factories.wait(customer, professional)
        wait.status, wait.held_until = WaitStatus.HELD, clock.now() + timedelta(minutes=15)
        db.session.commit()
        return wait

    def proposed():
        booking = factories.booking(customer, professional, status=Status.ACCEPTED)
        proposals.propose(booking, professional, factories.at(15, days=2))
        db.session.commit()
        return booking

    def written_about():
        booking = factories.booking(customer, professional, status=Status.ACCEPTED)
        conversations.send(booking, professional, "I come at nine.")
        db.session.commit()
        return booking

    def _situation(kind):
        if outbox.TOPIC_OF[kind] in ("account", "site"):
            return None
        if kind == "offered":
            booking = factories.booking(customer, None)
            db.session.add(BookingOffer(**offer(booking, professional)))
            db.session.commit()
            return booking
        if kind == "proposed":
            return proposed()
        if kind == "message":
            return written_about()
        if kind in ("requested", "series_requested", "requests_waiting"):
            return factories.booking(customer, professional)
        if kind in ("activity_report", "earnings_statement", "review_prompt"):
            return factories.booking(
                customer, professional, status=Status.CLOSED, starts_at=clock.now() - timedelta(days=1)
            )
        if kind in REVIEWABLE:
            return factories.booking(customer, professional, status=Status.COMPLETED)
        cancelled = kind.startswith("cancelled")
        return factories.booking(customer, professional, status=Status.CANCELLED if cancelled else Status.ACCEPTED)

    return written


def message(kind, person, booking=None, subject="", **data):
    return OutboxMessage(
        key=f"test:{kind}",
        kind=kind,
        channel=Channel.MAIL,
        user=person,
        user_id=person.id,
        booking=booking,
        booking_id=booking and booking.id,
        data=data,
        subject=subject,
        created_at=clock.now(),
    )


def offer(booking, professional, status=OfferStatus.OPEN):
    known = {"booking_id": booking.id, "professional_id": professional.id, "status": status}
    return {**known, "position": 1, "created_at": clock.now()}


def read(one, language="en"):
    """(subject, plain text, HTML) of a message that is still true."""
    with force_locale(f"{language}_IN"):
        letter = letters.compose(one)
        return letter.subject, *letters.render(letter, one, UNSUBSCRIBE)


def squeezed(text):
    return " ".join(text.split())


KINDS = sorted(set(outbox.TOPIC_OF) - {"sealed"})


@pytest.mark.parametrize("language", templating.LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_message_has_a_subject_a_text_and_sound_html(write, kind, language):
    subject, plain, html = read(write(kind), language)
    assert 5 < len(subject) <= 200
    assert "\n" not in subject
    assert "%(" not in subject + plain + html
    assert squeezed(subject) in squeezed(plain)
    assert "http://127.0.0.1" in plain or kind == "taken_away"
    check(html, language)
    for words in words_of(html):
        assert words in squeezed(plain), f"{words!r} is not in the plain part"
    for address in re.findall(r'href="([^"]+)"', html):
        assert address.replace("&amp;", "&") in plain


def check(html, language):
    """Strictly parsed, in known elements and attributes, soundly nested, and with nothing from elsewhere."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree = parser.parse(html)
    assert tree.get("lang") == language
    assert len(list(tree.iter("h1"))) == 1
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue
        assert element.tag in TAGS
        assert set(element.attrib) <= ATTRIBUTES
        if element.tag in PHRASES:
            assert {child.tag for child in element.iter()} - {element.tag} <= {"a", "br"}
        if element.tag == "table":
            assert len({len(row) for row in element.find("tbody")}) == 1
    assert "url(" not in html
    # Closed where it was opened, not by the parser's mercy.
    for tag in ("table", "tr", "td", "th", "p", "div", "a", "h1", "h2"):
        assert len(re.findall(rf"<{tag}[ >]", without_comments(html))) == html.count(f"</{tag}>") - mso(html, tag), tag


def without_comments(html):
    return re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)


def mso(html, tag):
    return html.count(f"</{tag}>") - without_comments(html).count(f"</{tag}>")


def words_of(html):
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    for element in tree.iter():
        if not isinstance(element.tag, str):
            continue
        texts = [] if element.tag == "style" else [element.text]
        for text in (*texts, element.tail):
            if text and text.strip():
                yield squeezed(text)


def test_what_was_sealed_stays_as_it_was_written(app, customer):
    outbox.publish_sealed(customer.email, "Set a new password", "Hello,\n\nopen this link.\n", customer.id)
    one = db.session.query(OutboxMessage).one()
    letter = letters.compose(one)
    assert letter.subject == "Set a new password"
    assert letters.render(letter, one) == ("Hello,\n\nopen this link.\n", None)


def test_what_people_typed_is_text_and_not_html(write, customer):
    customer.name = "<b>Asha</b> & Co"
    _subject, plain, html = read(write("rejected", reason="<script>alert(1)</script>\r\nBcc: all@example.com"))
    assert "<script>" not in html
    assert "&lt;b&gt;Asha&lt;/b&gt; &amp; Co" in html
    assert "<b>Asha</b> & Co" in plain


def test_a_subject_is_one_line_of_bearable_length(write):
    subject, *_rest = read(write("accepted", service="Cleaning\r\nBcc: all@example.com " + "very " * 100))
    assert "\n" not in subject
    assert "\r" not in subject
    assert len(subject) <= 200


def test_a_letter_without_unsubscribing_names_none(write):
    one = write("accepted")
    plain, html = letters.render(letters.compose(one), one)
    assert "Unsubscribe" not in plain + html
    assert "/account/messages" in plain


def test_a_short_message_says_what_it_is_about_and_where_to_go(write):
    letter = letters.compose(write("accepted"))
    subject, address = letters.brief(letter).split("\n")
    assert subject == letter.subject
    assert address.startswith("http://127.0.0.1:5000/bookings/")


def test_a_chat_says_all_but_the_frame(write):
    one = write("requests_waiting", booking=write("requested").booking)
    told = letters.brief(letters.compose(one), Channel.CHAT)
    assert told.startswith("1 request waits for your answer\n\n")
    assert "Accept or decline by Tue 24 Nov, 10:00 am" in told
    assert f"/professional/jobs/{one.booking.id}" in told
    assert "Hello" not in told


@pytest.mark.parametrize("kind", ["cancelled", "cancelled_by_admin", "expired"])
def test_nothing_is_earned_where_no_job_is(write, professional, kind):
    one = write(kind, person=professional)
    one.booking.status = Status.EXPIRED if kind == "expired" else Status.CANCELLED
    plain = read(one)[1]
    assert "You earn" not in plain
    assert "₹" not in plain


def test_addresses_are_whole_under_a_path_too(app, settings):
    assert letters.address("customer.booking", {"booking_id": 7}) == f"{settings.site_url}/bookings/7"


# -- What is no longer true -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["requested", "offered"])
def test_a_request_is_told_only_while_it_can_be_answered(write, frozen, kind):
    one = write(kind)
    assert letters.compose(one) is not None
    frozen.move_to(one.booking.respond_by)
    assert letters.compose(one) is None


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.CANCELLED, Status.REJECTED])
def test_a_request_that_was_settled_is_not_told(write, status):
    one = write("requested")
    one.booking.status = status
    assert letters.compose(one) is None


def test_an_offer_that_went_to_somebody_else_is_not_told(write):
    one = write("offered")
    one.booking.offers[0].status = OfferStatus.LOST
    db.session.flush()
    assert letters.compose(one) is None


def test_a_series_is_told_while_one_of_its_visits_can_be_answered(write, customer, professional):
    first = factories.booking(customer, professional)
    second = factories.booking(customer, professional, starts_at=factories.at(11, days=8))
    factories.series(first, second)
    one = write("series_requested", booking=first)
    bookings.cancel(first, customer)
    assert f"/professional/series/{first.series_id}" in read(one)[1]
    bookings.cancel(second, customer)
    assert letters.compose(one) is None


def test_another_time_is_told_only_while_it_waits_for_an_answer(write, professional):
    one = write("proposed")
    assert letters.compose(one) is not None
    assert letters.compose(write("proposed", person=professional, booking=one.booking)) is None
    [proposal] = one.booking.proposals
    proposals.withdraw(one.booking, professional, proposal.id)
    assert letters.compose(one) is None


def test_a_slot_is_told_only_while_it_is_held(write, frozen):
    one = write("slot_held")
    assert letters.compose(one) is not None
    frozen.shift(timedelta(minutes=15))
    assert letters.compose(one) is None


def test_nobody_is_at_the_door_of_a_job_that_has_begun(write):
    one = write("knocked")
    assert letters.compose(one) is not None
    one.booking.status = Status.IN_PROGRESS
    assert letters.compose(one) is None


@pytest.mark.parametrize("kind", ["day_before", "hours_before"])
def test_a_reminder_is_told_only_of_the_visit_as_it_was_agreed(write, frozen, kind):
    one = write(kind)
    assert letters.compose(one) is not None
    one.booking.starts_at += timedelta(hours=1)
    assert letters.compose(one) is None
    one.booking.starts_at -= timedelta(hours=1)
    one.booking.status = Status.CANCELLED
    assert letters.compose(one) is None
    one.booking.status = Status.ACCEPTED
    frozen.move_to(one.booking.starts_at)
    assert letters.compose(one) is None


def test_a_review_is_asked_for_only_while_it_can_be_written(write, frozen):
    one = write("review_prompt")
    assert letters.compose(one) is not None
    frozen.shift(timedelta(days=31))
    assert letters.compose(one) is None
    frozen.shift(timedelta(days=-31))
    factories.review(one.booking)
    db.session.expire(one.booking)
    assert letters.compose(one) is None


def test_lists_with_nothing_left_are_not_sent(write, professional, customer):
    for kind in ("requests_waiting", "tomorrow", "activity_report", "earnings_statement"):
        person = customer if kind == "activity_report" else professional
        assert letters.compose(message(kind, person, day="2026-11-24", month="2026-11")) is None, kind


# -- What they say ----------------------------------------------------------------------------


def test_a_request_names_the_deadline_the_earnings_and_no_address(write):
    one = write("requested")
    subject, plain, _html = read(one)
    assert subject == "New request: Bathroom deep cleaning, Tue 24 Nov, 11:00 am"
    assert "Accept or decline by: Tue 24 Nov, 10:00 am" in plain
    assert f"You earn: {templating.money(one.booking.subtotal)}" in plain
    assert one.booking.address_line not in plain
    assert "Bengaluru GPO 560001" in plain
    assert f"/professional/jobs/{one.booking.id}" in plain


@pytest.mark.parametrize("kind", ["dispute_refund", "dispute_dismissed"])
def test_the_end_of_a_dispute_is_not_called_the_readers_own(write, professional, kind):
    """Both sides read it, and only one of them began it."""
    subject, plain, _html = read(write(kind, person=professional))
    assert subject.startswith("Decided: ")
    assert "our dispute" not in plain


def test_who_lost_a_job_is_not_led_to_it(write, other_professional):
    one = write("taken_away", person=other_professional)
    _subject, plain, _html = read(one)
    assert one.booking.address_line not in plain
    assert templating.money(one.booking.total) not in plain
    assert "/professional/jobs/" not in plain


def test_an_accepted_booking_says_until_when_it_is_free_to_cancel(write):
    _subject, plain, _html = read(write("accepted"))
    assert "Free to cancel until: Tue 24 Nov, 8:00 am" in plain
    assert "Where: 12, 3rd Cross, Bengaluru GPO 560001" in plain


def test_a_late_cancellation_says_what_it_costs(write, customer):
    one = write("cancelled")
    one.booking.total = 10_000
    assert "Late cancellation fee: ₹100.00" in read(one)[1]
    one.booking.total = 0
    assert "fee" not in read(one)[1]


def test_waiting_requests_are_listed_by_their_deadlines(write, customer, professional):
    late = factories.booking(customer, professional, starts_at=factories.at(15, days=2))
    write("requests_waiting")
    subject, plain, _html = read(message("requests_waiting", professional))
    assert subject == "2 requests wait for your answer"
    assert plain.index("by Tue 24 Nov, 10:00 am") < plain.index("by Wed 25 Nov, 2:00 pm")
    assert f"/professional/jobs/{late.id}" in plain


def test_the_next_days_jobs_are_listed_in_order(write, customer, professional):
    for hour in (15, 10):
        factories.booking(customer, professional, status=Status.ACCEPTED, starts_at=factories.at(hour, days=1))
    subject, plain, _html = read(message("tomorrow", professional, day="2026-11-24"))
    assert subject == "Tuesday 24 November: 2 jobs"
    assert plain.index("10:00 am") < plain.index("3:00 pm")
    assert "Asha Rao" in plain
    assert "12, 3rd Cross, Bengaluru GPO 560001" in plain


def test_a_monthly_report_draws_its_bars_with_letters(write, customer, professional):
    write("activity_report")
    last = clock.now() - timedelta(days=40)
    older = factories.booking(customer, professional, status=Status.CLOSED, starts_at=last, closed_at=last)
    older.total //= 2
    cancelled = factories.booking(customer, professional, status=Status.CANCELLED, total=10_000)
    db.session.add(BookingEvent(booking_id=cancelled.id, verb="cancel", to_status="cancelled", at=clock.now()))
    db.session.commit()
    subject, plain, html = read(message("activity_report", customer, month="2026-11"))
    assert subject == "Your activity in November 2026"
    assert re.search(r"Nov 2026\s+█{20} ", plain)
    assert re.search(r"Oct 2026\s+█{8,9} ", plain)
    assert "₹100.00 of it is for cancelling late or not being there." in plain
    assert "/review" in plain
    assert "/reports/2026-11" in html
