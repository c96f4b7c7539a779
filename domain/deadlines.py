"""From when and until when the verbs of a booking can be used, and what has to come first, where the table of
states cannot say it.

The guards have the shape that domain.transitions calls: the rule, the booking, and who acts.
"""

from datetime import datetime, timedelta

from flask_babel import gettext as _

from domain import clock
from domain.errors import InvalidTransition
from extensions import settings
from models import Booking, Role
from models_lifecycle import Dispute
from models_money import Extra, ExtraStatus

MOST_EXTRAS = 20


def openings(booking: Booking) -> dict[str, datetime]:
    """From when on the verbs of an agreed job can be used."""
    policy = settings.policy
    return {
        "depart": booking.starts_at - timedelta(hours=policy.depart_before_hours),
        "start": booking.starts_at - timedelta(minutes=policy.start_before_minutes),
        "knock": booking.starts_at - timedelta(minutes=policy.knock_before_minutes),
        "no_show": booking.starts_at + timedelta(minutes=policy.no_show_minutes),
    }


def horizon_days(booking: Booking) -> int:
    """How far ahead a booking may be moved: a visit of a series as far as a series may reach."""
    policy = settings.policy
    return policy.series_days if booking.series_id else policy.horizon_days


def last_knock(booking: Booking) -> datetime | None:
    """When the professional who is to come last said to be at the door for the time it has now."""
    knocks = (one.at for one in booking.events if (one.verb, one.actor_id) == ("knock", booking.professional_id))
    return max((at for at in knocks if at >= openings(booking)["knock"]), default=None)


def dispute_by(booking: Booking) -> datetime:
    """Until when the customer can say that finished work is not as it should be."""
    return booking.completed_at + timedelta(days=settings.policy.dispute_days)


def answer_dispute_by(dispute: Dispute) -> datetime:
    return dispute.opened_at + timedelta(hours=settings.policy.answer_dispute_hours)


def resolve_dispute_by(dispute: Dispute) -> datetime:
    """When an admin should have decided. Nothing happens by itself then: their list says it is late."""
    return dispute.opened_at + timedelta(days=settings.policy.resolve_dispute_days)


def open_extras(booking: Booking) -> list[Extra]:
    """What the professional would like to add to the bill and the customer has not answered."""
    return [extra for extra in booking.extras if extra.status is ExtraStatus.OPEN]


def not_before(moment: datetime) -> None:
    """Raises InvalidTransition until a moment has come."""
    if clock.now() < moment:
        raise InvalidTransition(_("It is too early for that: wait until %(time)s.", time=clock.spoken(moment)))


def check_knock(_rule, booking, _user):
    not_before(openings(booking)["knock"])
    if knocked := last_knock(booking):
        not_before(knocked + timedelta(minutes=settings.policy.knock_pause_minutes))


def check_no_show(_rule, booking, user):
    not_before(openings(booking)["no_show"])
    if user.role is Role.PROFESSIONAL and last_knock(booking) is None:
        raise InvalidTransition(_("Tell the customer first that you are at the door, and give them a moment."))


def check_dispute(_rule, booking, _user):
    latest = dispute_by(booking)
    if clock.now() > latest:
        until = clock.spoken(latest)
        raise InvalidTransition(_("It is too late for that: it was possible until %(time)s.", time=until))
    if booking.dispute is not None:
        raise InvalidTransition(_("The site has decided about this booking already."))


def check_answer_dispute(_rule, booking, _user):
    if booking.dispute.answered_at:
        raise InvalidTransition(_("You have answered already. The site decides now."))
    if clock.now() > answer_dispute_by(booking.dispute):
        raise InvalidTransition(_("The time to answer is over. The site decides now."))


def check_resolve(_rule, booking, _user):
    """The professional has the time to answer that they were promised."""
    if booking.dispute.answered_at is None:
        not_before(answer_dispute_by(booking.dispute))


def check_propose_extra(_rule, booking, _user):
    if len(booking.extras) >= MOST_EXTRAS:
        raise InvalidTransition(_("You can propose at most %(most)s extras for a booking.", most=MOST_EXTRAS))


def check_open_extra(_rule, booking, _user):
    if not open_extras(booking):
        raise InvalidTransition(_("There is no extra to answer. It may have been answered already."))


def check_complete(_rule, booking, _user):
    if open_extras(booking):
        raise InvalidTransition(
            _("An extra charge is still unapproved. Wait for the customer’s answer, or take it back.")
        )


def check_review(_rule, booking, _user):
    if booking.review is not None:
        raise InvalidTransition(_("You have already reviewed this booking."))
    closed = booking.closed_at or clock.now()
    if clock.now() > closed + timedelta(days=settings.policy.review_window_days):
        raise InvalidTransition(
            _("Reviews are open for %(days)s days after closing.", days=settings.policy.review_window_days)
        )
