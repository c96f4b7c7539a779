"""What a monthly report says, for a letter or on paper."""

from datetime import date, timedelta

from flask_babel import gettext as _
from flask_babel import ngettext

import templating
from blocks import Bars, Entry, Facts, Heading, Paragraph, Table
from domain import activity, earnings, payouts
from domain.recommendations import Suggestions
from extensions import settings

# Services and professionals that a report suggests.
SUGGESTED = 3, 2


def report_title(month: date) -> str:
    return _("Your activity in %(month)s", month=templating.month(month))


def statement_title(month: date) -> str:
    return _("Your earnings in %(month)s", month=templating.month(month))


def range_title(first: date, last: date) -> str:
    days = {"first": templating.full_date(first), "last": templating.full_date(last)}
    return _("Your earnings from %(first)s to %(last)s", **days)


def report_blocks(report: activity.Report) -> tuple:
    """A customer's month, for a letter or on paper."""
    total = report.total
    blocks = [
        Facts(
            (
                (_("Requested"), str(total.requested)),
                (_("Closed"), str(total.closed)),
                (_("Cancelled"), str(total.cancelled)),
                (_("Spent"), templating.money(total.spent)),
            )
        )
    ]
    if report.fees:
        fees = _("%(amount)s of it is for cancelling late or not being there.", amount=templating.money(report.fees))
        blocks.append(Paragraph(fees, quiet=True))
    if report.services:
        head = (_("Service"), _("Requested"), _("Closed"), _("Cancelled"), _("Spent"))
        rows = tuple((name, *_counted(count)) for name, count in report.services)
        blocks += [Heading(_("By service")), Table(head, rows)]
    if any(count.spent for _month, count in report.months):
        bars = (
            (templating.short_month(one), count.spent, templating.money(count.spent)) for one, count in report.months
        )
        blocks += [Heading(_("Spent by month")), Bars(tuple(bars))]
    if report.to_review:
        blocks.append(Heading(_("Reviews due")))
        blocks += [_due_review(booking) for booking in report.to_review]
    return tuple(blocks)


def suggestion_blocks(found: Suggestions) -> tuple:
    """What a customer may want next, for a letter or on paper; nothing when there is nothing."""
    if not found:
        return ()
    near = {"near": found.pincode} if found.pincode else {}
    services = (
        Entry(one.service, (one.reason,), "public.search", {"service": one.slug, **near}) for one in found.services
    )
    people = (
        Entry(
            _("%(service)s with %(name)s", service=one.service, name=one.name),
            (one.reason,),
            "public.professional",
            {"professional_id": one.professional_id},
        )
        for one in found.people
    )
    return (Heading(_("What you may need next")), *services, *people)


def statement_blocks(statement: activity.Statement) -> tuple:
    """A professional's month, for a letter or on paper."""
    total = statement.total
    facts = [
        (_("Jobs done"), str(total.jobs)),
        (_("You earned"), templating.money(total.earned)),
        *_parts(total.commission, total.late_fees),
        (_("Platform fee and tax, paid on top by customers"), templating.money(total.fees)),
    ]
    if total.due:
        facts.append((_("Not paid by customers yet"), templating.money(total.due)))
    facts.append((_("Cancelled jobs"), str(statement.cancelled)))
    if statement.reviews:
        stars = templating.decimal(round(statement.rating, 1))
        given = ngettext(
            "%(stars)s from %(num)s review", "%(stars)s from %(num)s reviews", statement.reviews, stars=stars
        )
        facts.append((_("Rating in this month"), given))
    if statement.overall:
        facts.append((_("Rating overall"), templating.decimal(round(statement.overall, 1))))
    blocks = [Facts(tuple(facts))]
    if statement.services:
        head = (_("Service"), _("Jobs"), _("You earned"), _("Fee and tax"))
        rows = tuple((name, *_earned(one)) for name, one in statement.services)
        weeks = (
            (templating.short_day(one), sums.earned, templating.money(sums.earned)) for one, sums in statement.weeks
        )
        blocks += [Heading(_("By service")), Table(head, rows)]
        blocks += [Heading(_("By week, from Monday on")), Bars(tuple(weeks))]
    return tuple(blocks)


def range_blocks(services: dict[str, earnings.Total], paid: int, standing: payouts.Standing) -> tuple:
    """What any days earned, on paper; `paid` is what was paid out in them, and `standing` how it is now."""
    total = sum(services.values(), earnings.Total())
    facts = [
        (_("Jobs done"), str(total.jobs)),
        (_("Worth of the work"), templating.money(total.worth)),
        (_("Commission of the site"), templating.money(-total.commission)),
        (_("Late fees"), templating.money(total.fees)),
        (_("You earned"), templating.money(total.earned)),
    ]
    if total.disputed:
        facts.append((_("In dispute, not counted"), templating.money(total.disputed)))
    facts += [
        (_("Not paid by customers yet"), templating.money(total.due)),
        (_("Paid out to you in these days"), templating.money(paid)),
        (_("To be paid out as of today"), templating.money(standing.owed)),
    ]
    head = (_("Service"), _("Jobs"), _("Worth"), _("Commission"), _("Late fees"), _("You earned"))
    rows = tuple((name, str(one.jobs), *map(templating.money, _columns(one))) for name, one in services.items())
    return (Facts(tuple(facts)), *((Heading(_("By service")), Table(head, rows)) if rows else ()))


def _columns(one):
    return one.worth, one.commission, one.fees, one.earned


def _parts(commission, late_fees):
    """What is already in an amount that was earned, as far as there is any."""
    if commission:
        yield _("Commission of the site, taken off already"), templating.money(commission)
    if late_fees:
        yield _("Late fees in it"), templating.money(late_fees)


def _counted(count):
    return str(count.requested), str(count.closed), str(count.cancelled), templating.money(count.spent)


def _earned(one):
    return str(one.jobs), templating.money(one.earned), templating.money(one.fees)


def _due_review(booking):
    until = booking.closed_at + timedelta(days=settings.policy.review_window_days)
    title = _("%(service)s with %(name)s", service=booking.title, name=booking.professional.user.name)
    line = _("Open until %(day)s", day=templating.day(until))
    return Entry(title, (line,), "customer.review", {"booking_id": booking.id})
