"""How values are shown: money, days, times and distances in the reader's language and the site's zone."""

import functools
import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal
from flask import Flask, g, has_request_context, request, session, url_for
from flask_babel import get_locale, gettext, ngettext
from flask_login import current_user
from flask_wtf.csrf import generate_csrf
from markupsafe import Markup
from werkzeug.local import LocalProxy

from assets import version
from config import ROOT
from domain import (
    audit,
    causes,
    clock,
    commissions,
    consents,
    conversations,
    favourites,
    markdown,
    masking,
    notifications,
    proposals,
    refunds,
    reports,
    transitions,
)
from extensions import settings
from models import Approval, LineKind, Role, Status, User, reference_of
from models_money import DocumentKind

_WEB_ADDRESS = re.compile(r"""(\bhttps?://[^\s<>"]+)""", re.IGNORECASE)
LANGUAGES = {"en": "English", "hi": "हिन्दी"}


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        money=money,
        price=price,
        day=day,
        short_day=short_day,
        date=full_date,
        month=month,
        short_month=short_month,
        period=period,
        clock=time_of_day,
        daytime=daytime,
        when=when,
        ago=ago,
        km=km,
        line_label=line_label,
        document_title=document_title,
        decimal=decimal,
        initials=initials,
        linked=linked,
        article=markdown.html,
        percent=percent,
    )
    app.jinja_env.globals.update(
        asset=asset,
        csrf_field=csrf_field,
        notification_text=notification_text,
        act_name=act_name,
        as_shown=as_shown,
        said=said,
        report_presets=reports.presets,
        must_agree=consents.must_ask,
        open_proposal=transitions.open_proposal,
        proposed_until_the_end=transitions.proposed_until_the_end,
        moves_left=proposals.moves_left,
        proposal_steps=proposal_steps,
        reference_of=reference_of,
        commission_of=commissions.of,
        net=commissions.net,
        languages=LANGUAGES,
        Role=Role,
        Status=Status,
        Approval=Approval,
        now=clock.now,
        site_name=app.config["SETTINGS"].site_name,
        currency=app.config["SETTINGS"].currency,
        timezone_name=app.config["SETTINGS"].timezone,
        bell=LocalProxy(_bell),
        unread_talks=LocalProxy(_unread_talks),
        looks_again=LocalProxy(_looks_again),
        nav_counts=LocalProxy(_nav_counts),
        get_locale=get_locale,
        ngettext=ngettext,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def select_locale() -> str:
    """The language a person chose, or the browser prefers, with the site's country."""
    if not has_request_context():
        return f"{settings.default_locale}_{settings.country}"
    language = session.get("locale")
    # A page about a broken server asks nobody's row.
    if language not in LANGUAGES and "broken" not in g and current_user and current_user.is_authenticated:
        language = current_user.locale
    if language not in LANGUAGES:
        language = request.accept_languages.best_match(LANGUAGES, default=settings.default_locale)
    return f"{language}_{settings.country}"


def locale_of(person: User | None) -> str:
    """The language in which a person is written to, who is not there to be asked."""
    language = person.locale if person and person.locale in LANGUAGES else settings.default_locale
    return f"{language}_{settings.country}"


def money(amount: int) -> str:
    """An amount in minor units with all its decimals: ₹1,24,999.00."""
    return _currency(amount, settings.currency, settings.minor_units, str(get_locale()), False)


def price(amount: int) -> str:
    """An amount in minor units, short when it is whole: ₹349."""
    return _currency(amount, settings.currency, settings.minor_units, str(get_locale()), True)


def line_label(line) -> str:
    """A price line's name in the reader's language; services and taxes have names of their own."""
    if line.kind is LineKind.PLATFORM_FEE:
        return gettext("Platform fee")
    if line.kind is LineKind.LATE_FEE:
        return gettext("No-show fee") if line.label in refunds.NO_SHOW else gettext("Late cancellation fee")
    if line.kind is LineKind.REVERSAL:
        return gettext("No-show") if line.label in refunds.NO_SHOW else gettext("Cancelled")
    if line.kind is LineKind.DISCOUNT:
        if not line.label:
            return gettext("Discount taken back")
        return gettext("Discount with %(code)s", code=line.label)
    if line.kind is LineKind.REFUND:
        return gettext("Refund")
    return line.label


def document_title(document) -> str:
    """An issued document by its kind and number."""
    titles = {
        DocumentKind.INVOICE: gettext("Invoice %(number)s", number=document.number),
        DocumentKind.CREDIT_NOTE: gettext("Credit note %(number)s", number=document.number),
        DocumentKind.RECEIPT: gettext("Receipt %(number)s", number=document.number),
    }
    return titles[document.kind]


def payment_method(method: str) -> str:
    """How somebody paid, by the value of a PaymentMethod."""
    return {"cash": gettext("Cash"), "upi": gettext("UPI")}.get(method, method)


def day(value: datetime | date) -> str:
    """Sunday 22 November."""
    return _date(_local_date(value), "EEEE d MMMM", str(get_locale()))


def short_day(value: datetime | date) -> str:
    """Sun 22 Nov."""
    return _date(_local_date(value), "EEE d MMM", str(get_locale()))


def full_date(value: datetime | date) -> str:
    """22 Nov 2026."""
    return _date(_local_date(value), "d MMM yyyy", str(get_locale()))


def month(value: date) -> str:
    """November 2026."""
    return _date(value, "LLLL yyyy", str(get_locale()))


def period(value: str) -> str:
    """A date or a month as the timetable names it: 22 Nov 2026, or November 2026."""
    if len(value) > len("2026-11"):
        return full_date(date.fromisoformat(value))
    return month(date.fromisoformat(f"{value}-01"))


def short_month(value: date) -> str:
    """Nov 2026."""
    return _date(value, "LLL yyyy", str(get_locale()))


def time_of_day(value: datetime) -> str:
    """11:30 am."""
    return _time(clock.local(value), "h:mm a", str(get_locale()))


def daytime(value: datetime) -> str:
    """Sunday 22 November, 11:30 am."""
    return f"{day(value)}, {time_of_day(value)}"


def span(starts_at: datetime, ends_at: datetime) -> str:
    """11:30 am – 12:30 pm."""
    return f"{time_of_day(starts_at)} – {time_of_day(ends_at)}"


def when(value: datetime) -> str:
    """Today, 11:30 am; tomorrow, 11:30 am; or Sun 22 Nov, 11:30 am."""
    distance = (clock.local(value).date() - clock.today()).days
    if distance == 0:
        return gettext("today, %(time)s", time=time_of_day(value))
    if distance == 1:
        return gettext("tomorrow, %(time)s", time=time_of_day(value))
    return dated(value)


def dated(value: datetime) -> str:
    """Sun 22 Nov, 11:30 am, even if that is today: for sentences that say "on"."""
    return f"{short_day(value)}, {time_of_day(value)}"


def full_moment(value: datetime) -> str:
    """22 Nov 2026, 11:30 am: for what is read years later."""
    return f"{full_date(value)}, {time_of_day(value)}"


def ago(value: datetime) -> str:
    """2 hours ago; in 38 minutes."""
    delta = value - clock.now()
    if abs(delta) < timedelta(minutes=1):
        return gettext("just now")
    return format_timedelta(delta, add_direction=True, threshold=1.2, locale=get_locale())


def km(distance: float, approximate: bool = False) -> str:
    """3.2 km; about 3 km when the point is an estimate."""
    if approximate:
        return gettext("about %(distance)s km", distance=decimal(round(distance)))
    return gettext("%(distance)s km", distance=decimal(round(distance, 1)))


def decimal(value: float) -> str:
    return _decimal(value, str(get_locale()))


def percent(basis_points: int) -> str:
    """12.5 %."""
    return f"{decimal(Decimal(basis_points) / 100)} %"


def notification_text(notification) -> str:
    return notifications.message(notification, dated)


def act_name(entry) -> str:
    """What an admin did, as a line of the audit trail."""
    return str(audit.ACTIONS[entry.action])


def proposal_steps(booking) -> dict[int, str]:
    """What the events of a booking say that tell of another time, to whoever reads it; by the event's id."""
    told = proposals.told_by(booking)
    return {event.id: _proposal_step(event, told[event.id]) for event in booking.events if event.id in told}


def _proposal_step(event, proposal):
    time = dated(proposal.starts_at)
    if event.actor_id is None:
        return gettext("Nobody answered in time: %(time)s", time=time)
    mine, others = {
        "propose": (gettext("You proposed %(time)s"), gettext("%(name)s proposed %(time)s")),
        "agree": (gettext("You agreed to %(time)s"), gettext("%(name)s agreed to %(time)s")),
        "decline_time": (gettext("You declined %(time)s"), gettext("%(name)s declined %(time)s")),
        "withdraw": (gettext("You took back %(time)s"), gettext("%(name)s took back %(time)s")),
    }[event.verb]
    return (mine if event.actor_id == current_user.id else others) % {"time": time, "name": event.actor.name}


def said(event) -> str:
    """Why somebody did something, as they said it: the reason they chose from the list, and their own words."""
    return ": ".join(filter(None, (event.cause and str(causes.LABELS[event.cause]), event.reason)))


def as_shown(text: str, booking, writer_id: int | None) -> str:
    """What somebody wrote about a booking, as the reader may see it."""
    return masking.shown(text, booking, writer_id, current_user)


def initials(name: str) -> str:
    """The first letters of the first and the last word of a name."""
    words = name.split()
    return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else "?"


def linked(text: str) -> Markup:
    """What somebody wrote, with its web addresses as links that lead out of the site with nothing in hand."""
    parts = _WEB_ADDRESS.split(text)
    return Markup().join(_link(part) if number % 2 else part for number, part in enumerate(parts))


def _link(address):
    # What ends the sentence is not the address's, nor is a bracket that was opened before it.
    end = len(address.rstrip(".,;:!?'*_"))
    if address[:end].endswith(")") and "(" not in address[:end]:
        end -= 1
    if "@" in address.split("/")[2]:
        # A name before the host looks like the host itself.
        return address
    link = Markup('<a href="{0}" rel="nofollow ugc noopener noreferrer" target="_blank">{0}</a>')
    return link.format(address[:end]) + address[end:]


def asset(path: str) -> str:
    """The address of a file under static/, changing whenever its content does."""
    return url_for("static", filename=path, v=_digest(path))


def csrf_field() -> Markup:
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


def marks() -> favourites.Marks:
    """What a signed-in customer chose about people; read together with their unread notifications, so
    a view that shows it asks before it renders."""
    if "marks" not in g:
        g.marks = favourites.Marks()
        if current_user.is_authenticated and current_user.is_customer:
            g.marks = favourites.marks(current_user)
            g.bell = g.marks.bell
    return g.marks


def _looks_again() -> bool:
    """Whether a page asks for itself once more because something on it has changed (see live.js)."""
    return "Doorstep-Look" in request.headers


def _bell() -> notifications.Bell:
    if "bell" not in g:
        _count_for_the_reader()
    return g.bell


# The lists of what admins have to decide, in the order of reports.to_decide().
TO_DECIDE = ("admin.approvals", "admin_disputes.disputes", "admin_conduct.appeals", "admin_conversations.reported")
TO_DECIDE += ("admin_guides.guides", "admin_guides.comments")


def _nav_counts() -> dict[str, int]:
    """The numbers in somebody's navigation, by the endpoint of the list that they lead to."""
    if "nav_counts" not in g:
        g.nav_counts = {}
        if current_user.role is Role.ADMIN:
            g.nav_counts = dict(zip(TO_DECIDE, reports.to_decide(), strict=True))
        elif current_user.is_professional:
            g.nav_counts = {"professional.requests": proposals.waiting_for(current_user)}
    return g.nav_counts


def _unread_talks() -> dict[int, int]:
    """How many messages of which bookings the reader has not read."""
    if "unread_talks" not in g:
        _count_for_the_reader()
    return g.unread_talks


def _count_for_the_reader():
    g.bell, g.unread_talks = notifications.QUIET, {}
    if current_user.is_authenticated:
        g.bell, g.unread_talks = conversations.bell_and_unread_of(current_user)


def _local_date(value: datetime | date) -> date:
    return clock.local(value).date() if isinstance(value, datetime) else value


# Babel takes some 50 microseconds a value, and the same few values recur on every page.


@functools.lru_cache(maxsize=4096)
def _currency(amount, currency, units, locale, short):
    value = Decimal(amount) / units
    if short and value == value.to_integral_value():
        return format_currency(value, currency, locale=locale, currency_digits=False, format=_whole_pattern(locale))
    return format_currency(value, currency, locale=locale)


@functools.cache
def _whole_pattern(locale):
    return Locale.parse(locale).currency_formats["standard"].pattern.replace(".00", "")


@functools.lru_cache(maxsize=4096)
def _date(value, pattern, locale):
    return format_date(value, pattern, locale=locale)


@functools.lru_cache(maxsize=4096)
def _time(value, pattern, locale):
    return format_datetime(value, pattern, locale=locale)


@functools.lru_cache(maxsize=4096)
def _decimal(value, locale):
    return format_decimal(value, locale=locale)


@functools.cache
def _digest(path):
    return version(ROOT / "static" / path)
