"""What each message says, made from what is true at the moment of sending; nothing when it no longer is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit

from flask import current_app, render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

import monthly
import templating
from blocks import Button, Entry, Facts, Heading, Paragraph
from domain import (
    activity,
    bookings,
    clock,
    commissions,
    conversations,
    notifications,
    outbox,
    recommendations,
    reminders,
    schedules,
    series,
    waits,
)
from domain.outbox import Topic
from domain.transitions import offer_of, open_proposal
from extensions import settings
from models import Booking, Channel, LineKind, OfferStatus, OutboxMessage, Role, Status, User
from subjects import SUBJECTS

LONGEST_SUBJECT = 150


@dataclass(frozen=True)
class Letter:
    """A message before it has a form: HTML, plain text and chat are rendered from the same blocks."""

    subject: str
    blocks: tuple = ()


def compose(message: OutboxMessage) -> Letter | None:
    """The letter of a message in the language of the moment; None when what it tells is no longer true."""
    letter = WRITERS.get(message.kind, _of_a_move)(message)
    if letter is None:
        return None
    # A subject is one line of a mail's head.
    subject = " ".join(letter.subject.split())
    return Letter(subject if len(subject) <= LONGEST_SUBJECT else f"{subject[:LONGEST_SUBJECT]}…", letter.blocks)


def render(letter: Letter, message: OutboxMessage, unsubscribe: str | None = None) -> tuple[str, str | None]:
    """A letter as plain text and as HTML; `unsubscribe` is the address that switches its topic off.

    What was sealed is a text already and has no HTML.
    """
    if message.kind == "sealed":
        return "\n\n".join(block.text for block in letter.blocks), None
    known = {
        "letter": letter,
        "person": message.user,
        "why": str(WHY[outbox.TOPIC_OF[message.kind]]) % {"site": settings.site_name},
        "unsubscribe": unsubscribe,
        "choices": address("account.messages") if "account.messages" in current_app.view_functions else None,
        "address": address,
    }
    plain = render_template("emails/letter.txt", **known)
    return plain.strip() + "\n", render_template("emails/letter.html", **known)


def brief(letter: Letter, channel: Channel = Channel.SMS) -> str:
    """A letter without its frame: by chat all that it says, by SMS what it is about and where to go."""
    if channel is Channel.CHAT:
        told = render_template("emails/blocks.txt", letter=letter, address=address)
        return f"{letter.subject}\n\n{told.strip()}"
    button = next((block for block in letter.blocks if isinstance(block, Button)), None)
    return f"{letter.subject}\n{address(button.endpoint, button.values)}" if button else letter.subject


def address(endpoint: str, values: dict | None = None) -> str:
    """The whole address of a page, whether or not a request is being answered."""
    site = urlsplit(settings.site_url)
    urls = current_app.url_map.bind(site.netloc, script_name=site.path or "/", url_scheme=site.scheme)
    return urls.build(endpoint, values or {}, force_external=True)


# -- What happened to a booking, or to an account ---------------------------------------------

OF_CONDUCT = frozenset({"conduct_warned", "conduct_paused", "conduct_cleared", "conduct_resumed"})
OF_CONDUCT |= {"appeal_granted", "appeal_refused", "pause_ended"}
OF_GUIDES = frozenset({"guide_approved", "guide_sent_back", "guide_unpublished"})
OF_PRIVACY = frozenset({"copy_ready", "copy_failed", "leaving", "stayed"})


def _of_a_move(message):
    """What people are told of a move, as the notification in the app says it, with the facts."""
    booking, person = message.booking, message.user
    holds = HOLDS.get(message.kind)
    if holds and not holds(message):
        return None
    text = notifications.message(message, templating.dated)
    data = {"service": "", **message.data}
    for name in notifications.MOMENTS:
        moment = data.get(name)
        data[name] = templating.dated(datetime.fromisoformat(moment)) if moment else ""
    if booking is None:
        return Letter(str(SUBJECTS[message.kind]) % data, (Paragraph(text), _way_on(message.kind, person)))
    blocks = [Paragraph(text), Facts(_facts(booking, person, message.kind))]
    if message.kind == "series_requested" and booking.series_id:
        blocks.append(Button(_("Answer all visits"), "professional_series.show", {"series_id": booking.series_id}))
    elif message.kind == "message":
        blocks.append(Button(_("Read it and answer"), "conversations.show", {"booking_id": booking.id}))
    elif message.kind != "taken_away":
        blocks.append(booking_button(booking.id, person))
    return Letter(str(SUBJECTS[message.kind]) % data, tuple(blocks))


def booking_button(booking_id: int, person: User) -> Button:
    if person.role is Role.PROFESSIONAL:
        return Button(_("Open the job"), "professional.job", {"booking_id": booking_id})
    return Button(_("Open the booking"), "customer.booking", {"booking_id": booking_id})


def _way_on(kind, person):
    """Where a message leads that is about no booking."""
    if kind in ("slot_held", "hold_lapsed"):
        return Button(_("Open your waiting list"), "customer_waits.waits")
    if kind in ("paid_out", "payout_failed", "payout_account"):
        return Button(_("Open your payouts"), "professional_payouts.payouts")
    if kind in OF_CONDUCT:
        return Button(_("Open your scorecard"), "professional_conduct.scorecard")
    if kind in OF_PRIVACY:
        return Button(_("Open your data"), "account_privacy.overview")
    if kind in OF_GUIDES:
        return Button(_("Open your guides"), "guides_writing.mine")
    return _to_the_dashboard(person)


def _to_the_dashboard(person):
    endpoint = "professional.dashboard" if person.role is Role.PROFESSIONAL else "customer.dashboard"
    return Button(_("Open your page"), endpoint)


def _is_answerable(message):
    """Whether this professional can still accept or decline."""
    booking, person = message.booking, message.user
    if booking is None or booking.shown_status is not Status.PENDING:
        return False
    return booking.professional_id == person.id or offer_of(booking, person) is OfferStatus.OPEN


def _is_answerable_somewhere(message):
    """Whether a visit of the series still waits for this professional; the first may be over already."""
    booking, person = message.booking, message.user
    if booking is None or booking.series_id is None:
        return _is_answerable(message)
    visits = series.visits(booking.series, person)
    return any(one.shown_status is Status.PENDING and one.professional_id == person.id for one in visits)


def _is_proposed(message):
    """Whether the other side still waits for this person's answer to the time that they were told of."""
    proposal = message.booking and open_proposal(message.booking)
    if not proposal or proposal.by_id == message.user_id:
        return False
    return proposal.starts_at == datetime.fromisoformat(message.data["new_time"])


def _is_held(message):
    return waits.is_held(message.data["wait_id"])


def _is_at_the_door(message):
    return message.booking is not None and message.booking.status in (Status.ACCEPTED, Status.EN_ROUTE)


def _is_unread(message):
    return message.booking_id in conversations.unread_of(message.user)


# Of what asks somebody to do something: whether they still can.
HOLDS = {
    "message": _is_unread,
    "requested": _is_answerable,
    "offered": _is_answerable,
    "series_requested": _is_answerable_somewhere,
    "proposed": _is_proposed,
    "slot_held": _is_held,
    "knocked": _is_at_the_door,
}


def _facts(booking: Booking, person: User, kind: str) -> tuple:
    """What somebody may know of a booking, in the order in which it is wanted."""
    rows = [(_("Service"), _services(booking)), (_("When"), _when(booking))]
    if person.id == booking.customer_id:
        rows += _facts_for_customer(booking, kind)
    elif kind != "taken_away":
        rows += _facts_for_professional(booking, person, kind)
    return (*rows, (_("Reference"), booking.reference))


def _facts_for_customer(booking, kind):
    yield _("Where"), place_for(booking, booking.customer)
    if booking.shown_status in (Status.REJECTED, Status.EXPIRED):
        return
    if booking.professional:
        yield _("Professional"), booking.professional.user.name
    if booking.status is Status.CANCELLED:
        if booking.total:
            yield _("Late cancellation fee"), templating.money(booking.total)
        return
    yield _("Price"), templating.money(booking.total)
    free_until = bookings.cancellation_terms(booking).free_until
    if booking.status is Status.ACCEPTED and free_until > clock.now():
        yield _("Free to cancel until"), templating.dated(free_until)
    if kind == "completed" and booking.completed_at:
        closes = booking.completed_at + timedelta(hours=settings.policy.auto_close_hours)
        yield _("Closes by itself"), templating.dated(closes)


def _facts_for_professional(booking, person, kind):
    agreed = _is_agreed(booking, person)
    yield _("Where"), place_for(booking, person)
    if not agreed and booking.shown_status is not Status.PENDING:
        return
    yield _("You earn"), templating.money(commissions.net(booking, person.professional))
    if agreed:
        yield _("The customer pays"), templating.money(booking.total)
    if kind in ("requested", "offered"):
        yield _("Accept or decline by"), templating.dated(booking.respond_by)


def place_for(booking: Booking, person: User) -> str:
    """Where it is, to the door for its customer and for whoever has agreed to come."""
    to_the_door = person.id == booking.customer_id or _is_agreed(booking, person)
    return f"{booking.address_line}, {_place(booking)}" if to_the_door else _place(booking)


def _is_agreed(booking, person):
    return booking.professional_id == person.id and booking.status in schedules.AGREED


def _when(booking):
    return f"{templating.day(booking.starts_at)}, {templating.span(booking.starts_at, booking.ends_at)}"


def _services(booking):
    """All that a visit is for."""
    if not booking.extra_services:
        return booking.service.name
    return ", ".join(line.label for line in booking.lines if line.kind is LineKind.SERVICE)


def _place(booking):
    return f"{booking.pin.place} {booking.pincode}"


# -- Reminders --------------------------------------------------------------------------------


def _requests_waiting(message):
    waiting, missed = reminders.requests_of(message.user_id), reminders.missed_by(message.user_id)
    if not waiting and not missed:
        return None
    blocks = []
    if waiting:
        blocks.append(Paragraph(_("Answer each request before its time is over; after that it expires.")))
        blocks += [_request(booking, message.user.professional) for booking in waiting]
        blocks.append(Button(_("Answer your requests"), "professional.requests"))
        subject = ngettext(
            "%(num)s request waits for your answer", "%(num)s requests wait for your answer", len(waiting)
        )
    else:
        subject = ngettext("You missed %(num)s request", "You missed %(num)s requests", len(missed))
    if missed:
        blocks.append(Heading(_("Expired while you were away")))
        blocks.append(Paragraph(_("These asked for you and got no answer. If you need a break, pause new requests.")))
        blocks += [_job_entry(booking, (_when(booking), _place(booking))) for booking in missed]
        if not waiting:
            blocks.append(Button(_("Look at your working hours"), "professional.hours"))
    return Letter(subject, tuple(blocks))


def _request(booking, professional):
    deadline = _("Accept or decline by %(time)s", time=templating.dated(booking.respond_by))
    earns = _("You earn %(amount)s", amount=templating.money(commissions.net(booking, professional)))
    return _job_entry(booking, (_when(booking), f"{_place(booking)} · {earns}", deadline))


def _job_entry(booking, lines):
    return Entry(booking.title, lines, "professional.job", {"booking_id": booking.id})


def _tomorrow(message):
    day = date.fromisoformat(message.data["day"])
    jobs = reminders.jobs_on(message.user_id, day)
    if not jobs:
        return None
    entries = [
        Entry(
            f"{templating.span(job.starts_at, job.ends_at)} · {job.title}",
            (job.customer.name, place_for(job, message.user)),
            "professional.job",
            {"booking_id": job.id},
        )
        for job in jobs
    ]
    number = ngettext("%(num)s job", "%(num)s jobs", len(jobs))
    subject = _("%(day)s: %(jobs)s", day=templating.day(day), jobs=number)
    text = _("This is what you agreed to. Ask each customer for the start code before you begin.")
    return Letter(subject, (Paragraph(text), *entries, Button(_("Open your calendar"), "professional.calendar")))


def _before_the_visit(message):
    booking = message.booking
    if not reminders.is_still_ahead(booking, datetime.fromisoformat(message.data["time"])):
        return None
    known = {"service": booking.title, "time": templating.dated(booking.starts_at)}
    name = booking.professional.user.name
    blocks = (
        Paragraph(_("%(name)s comes on %(time)s: %(service)s.", name=name, **known)),
        Facts(_facts(booking, message.user, message.kind)),
        Paragraph(_("When the work begins, read out the start code that the booking's page shows.")),
        booking_button(booking.id, message.user),
    )
    return Letter(_("Reminder: %(service)s, %(time)s", **known), blocks)


def _review_prompt(message):
    booking = message.booking
    if not reminders.can_be_reviewed(booking):
        return None
    known = {"service": booking.title, "name": booking.professional.user.name}
    until = booking.closed_at + timedelta(days=settings.policy.review_window_days)
    text = _("Your stars and a few words help others to choose, and %(name)s to be found.", name=known["name"])
    blocks = (
        Paragraph(text),
        Facts(
            ((_("Service"), known["service"]), (_("When"), _when(booking)), (_("Open until"), templating.day(until)))
        ),
        Button(_("Write the review"), "customer.review", {"booking_id": booking.id}),
    )
    return Letter(_("How was %(service)s with %(name)s?", **known), blocks)


# -- Reports ----------------------------------------------------------------------------------


def _activity_report(message):
    month = _month(message)
    report = activity.report(message.user_id, month)
    if report.is_empty:
        return None
    button = Button(_("Open the report"), "customer_reports.report", {"month": month})
    ideas = monthly.suggestion_blocks(recommendations.at_home(message.user_id, *monthly.SUGGESTED))
    return Letter(monthly.report_title(month), (*monthly.report_blocks(report), *ideas, button))


def _earnings_statement(message):
    month = _month(message)
    statement = activity.statement(message.user_id, month)
    if statement.is_empty:
        return None
    button = Button(_("Open the statement"), "professional_reports.statement", {"month": month})
    return Letter(monthly.statement_title(month), (*monthly.statement_blocks(statement), button))


def _month(message):
    return date.fromisoformat(f"{message.data['month']}-01")


# -- The site ---------------------------------------------------------------------------------


def _sealed(message):
    return Letter(message.subject, (Paragraph(outbox.unsealed(message)),))


def _test_message(message):
    text = _("If you can read this, messages reach you this way.")
    return Letter(_("A test message from %(site)s", site=settings.site_name), (Paragraph(text),))


def _export_ready(message):
    text = _("The file that you asked for is ready.")
    rows = (_("Rows"), templating.decimal(message.data["rows"])) if message.data.get("rows") is not None else None
    button = Button(_("Open the exports"), "admin_exports.exports")
    return Letter(_("Your export is ready"), (Paragraph(text), *([Facts((rows,))] if rows else ()), button))


def _export_failed(message):
    text = _("The file that you asked for could not be written. Its page says why; you can ask for it again.")
    return Letter(_("Your export failed"), (Paragraph(text), Button(_("Open the exports"), "admin_exports.exports")))


# Why somebody gets a message, by its topic.
WHY = {
    Topic.ACCOUNT: _l("You get this because you have an account at %(site)s."),
    Topic.BOOKINGS: _l("You get this because you have a part in this booking at %(site)s."),
    Topic.PROGRESS: _l("You get this because you asked %(site)s to tell you how bookings get on."),
    Topic.MESSAGES: _l("You get this because somebody with whom you have a booking at %(site)s wrote to you."),
    Topic.REMINDERS: _l("You get this because %(site)s reminds people of what is ahead."),
    Topic.REVIEWS: _l("You get this because %(site)s tells people of their reviews."),
    Topic.REPORTS: _l("You get this because %(site)s sends a report after each month with something in it."),
    Topic.SITE: _l("You get this because you are an admin of %(site)s."),
}
WRITERS: dict[str, Callable[[OutboxMessage], Letter | None]] = {
    "sealed": _sealed,
    "requests_waiting": _requests_waiting,
    "tomorrow": _tomorrow,
    "day_before": _before_the_visit,
    "hours_before": _before_the_visit,
    "review_prompt": _review_prompt,
    "activity_report": _activity_report,
    "earnings_statement": _earnings_statement,
    "export_ready": _export_ready,
    "export_failed": _export_failed,
    "test_message": _test_message,
}
