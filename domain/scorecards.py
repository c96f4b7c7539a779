"""What a professional's record says: beside the stars in short, and the four numbers of the last 30 days.

Acceptance counts the requests that they answered or let expire, unless another time of theirs waited for
the customer until the end. Punctuality counts the jobs to which they came: begun, or at the door, within
15 minutes of the agreed start. Completion counts the jobs that they completed against those that they
cancelled or did not come to. Rating is the mean of the visible reviews. What a customer or an admin
cancelled, customers who were not there, and sick days count in none of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from statistics import median

from sqlalchemy import and_, bindparam, select, union

from domain import clock, measures
from domain.measures import Measure
from extensions import db, settings
from models import Booking, BookingEvent, BookingOffer, OfferStatus, Professional, Review, Service, Status
from models_lifecycle import SickDay

# The pace of the last so many accepted requests; older ones say little about today.
RECENT = 50

_ANSWERS = (
    select(Booking.created_at, Booking.accepted_at)
    .where(Booking.professional_id == bindparam("professional"), Booking.accepted_at.is_not(None))
    .order_by(Booking.starts_at.desc(), Booking.id.desc())
    .limit(RECENT)
)
_ENDS_PROPOSAL = frozenset({"decline_time", "withdraw", "lapse"})
_COMES = frozenset({"knock", "start", "override_code", "no_show"})
_COUNTED = ("accept", "agree", "reject", "decline_offer", "expire", "propose", *_ENDS_PROPOSAL, "reassign")
_COUNTED += ("cascade", "rework", "knock", "start", "override_code", "complete", "cancel", "no_show")


@dataclass(frozen=True)
class Scorecard:
    """Each is None while there is nothing to say."""

    acceptance_percent: int | None
    answer_minutes: int | None


@dataclass(frozen=True)
class Item:
    """One answer, job or review that counts, and how: `figure` is how many minutes late, or how many stars."""

    booking_id: int
    service: str
    at: datetime
    what: str
    good: bool
    figure: int | None = None


@dataclass(frozen=True)
class Count:
    """One of the four numbers with what it is made of, the newest first."""

    measure: Measure
    items: tuple[Item, ...]

    @property
    def of(self) -> int:
        return len(self.items)

    @property
    def good(self) -> int:
        """How many of them are good; of reviews, how many stars they are together."""
        if self.measure is Measure.RATING:
            return sum(item.figure for item in self.items)
        return sum(item.good for item in self.items)

    @property
    def value(self) -> float | None:
        """Percent, or stars; None while there is nothing."""
        return measures.scale(self.measure) * self.good / self.of if self.items else None

    @property
    def judged(self) -> bool:
        """Whether there are enough to say anything."""
        return self.of >= settings.policy.scorecard_sample

    @property
    def below(self) -> bool:
        return self.judged and measures.scale(self.measure) * self.good < measures.limit(self.measure) * self.of

    @property
    def figures(self) -> list:
        """The arithmetic for a notification (see measures.reported)."""
        return [self.measure.value, self.good, self.of, measures.limit(self.measure)]


@dataclass(frozen=True)
class Card:
    """The four numbers of what happened after `since`; `sick_days` are left out."""

    since: datetime
    counts: tuple[Count, ...]
    sick_days: tuple[date, ...]

    def __getitem__(self, measure: Measure) -> Count:
        return next(count for count in self.counts if count.measure is measure)

    @property
    def below(self) -> list[Count]:
        return [count for count in self.counts if count.below]


def of(professional: Professional) -> Scorecard:
    """What everybody may know, in one query."""
    answered = professional.offers_answered
    percent = round(100 * professional.offers_accepted / answered) if answered else None
    waits = [accepted - asked for asked, accepted in db.session.execute(_ANSWERS, {"professional": professional.id})]
    return Scorecard(percent, median(waits) // timedelta(minutes=1) if waits else None)


def card(professional: Professional) -> Card:
    """The four numbers of one professional, in three queries."""
    return cards([professional])[professional.id]


def cards(professionals: Iterable[Professional]) -> dict[int, Card]:
    """The four numbers of some professionals, in three queries."""
    first = clock.now() - timedelta(days=settings.policy.scorecard_days)
    since = {one.id: max(first, one.counts_from or first) for one in professionals}
    sick = _sick_days(since, first)
    found = {one: {measure: [] for measure in Measure} for one in since}
    for whose, measure, starts_at, item in (*_worked(since, first), *_reviewed(since, first)):
        days = {clock.local(item.at).date(), clock.local(starts_at).date()}
        if since[whose] < item.at <= clock.now() and not days & sick[whose]:
            found[whose][measure].append(item)
    return {one: Card(since[one], _counts(found[one]), tuple(sorted(sick[one]))) for one in since}


def _counts(items):
    newest = {measure: sorted(some, key=lambda item: item.at, reverse=True) for measure, some in items.items()}
    return tuple(Count(measure, tuple(some)) for measure, some in newest.items())


# -- What was asked of them, and what became of it ----------------------------------------------


@dataclass(frozen=True)
class _Story:
    """A booking as far as one professional had to do with it: from when they were asked until somebody
    else was. `booking` is a row with the booking's columns and those of their offer, if they had one."""

    whose: int
    booking: object
    events: list

    @property
    def answer(self) -> Item | None:
        """What they said to the request, if it was for them to say something."""
        booking, proposer = self.booking, None
        silent_is_theirs = booking.professional_id == self.whose or booking.offer is OfferStatus.EXPIRED
        for event in self.events:
            if event.verb == "propose":
                proposer = event.actor_id
            elif event.verb in _ENDS_PROPOSAL:
                proposer = None
            elif self._accepts(event, proposer):
                return self._item(event.at, "accepted", True)
            elif event.verb in ("reject", "decline_offer") and event.actor_id == self.whose:
                return self._item(event.at, "declined", False)
            elif event.verb == "expire" and silent_is_theirs and proposer != self.whose:
                return self._item(event.at, "expired", False)
        open_to_them = booking.professional_id == self.whose or booking.offer is OfferStatus.OPEN
        overdue = booking.status is Status.PENDING and booking.respond_by <= clock.now()
        if overdue and open_to_them and proposer != self.whose:
            return self._item(booking.respond_by, "expired", False)
        return None

    @property
    def outcome(self) -> Item | None:
        """How a job that they had agreed to ended, if that was up to them."""
        for event in self._while_theirs():
            at = min(event.at, self.booking.starts_at)
            if event.verb == "complete":
                return self._item(at, "completed", True)
            if event.verb == "cancel" and event.actor_id == self.whose:
                return self._item(at, "cancelled", False)
            if event.verb == "no_show" and event.actor_id == self.booking.customer_id:
                return self._item(at, "absent", False)
        return None

    @property
    def arrival(self) -> Item | None:
        """When they came to a job. Where an admin began it without the code, nobody knows, unless they
        had knocked or it was early enough."""
        policy, starts_at = settings.policy, self.booking.starts_at
        events = [event for event in self._while_theirs() if event.verb in _COMES]
        came = [event for event in events if event.verb != "knock"]
        if not came or (came[0].verb == "no_show" and came[0].actor_id != self.whose):
            return None
        opens = starts_at - timedelta(minutes=policy.knock_before_minutes)
        at = min(event.at for event in events if event.verb != "knock" or event.at >= opens)
        on_time = at <= starts_at + timedelta(minutes=policy.punctual_minutes)
        if came[0].verb == "override_code" and came[0].at == at and not on_time:
            return None
        late = max((at - starts_at) // timedelta(minutes=1), 0)
        return self._item(min(at, starts_at), "on_time" if on_time else "late", on_time, late)

    def _while_theirs(self) -> Iterator:
        """What happened while they had agreed to come."""
        theirs, proposer = False, None
        given = [event.event_id for event in self.events if event.verb in ("reassign", "rework")]
        for event in self.events:
            if event.verb == "propose":
                proposer = event.actor_id
            elif self._accepts(event, proposer):
                theirs = True
            elif event.verb in ("reassign", "rework"):
                # The last to whom an admin gave it has it now.
                theirs = event.event_id == given[-1] and self.booking.professional_id == self.whose
            elif theirs or event.actor_id == self.whose:
                yield event

    def _accepts(self, event, proposer):
        if event.verb == "agree" and event.from_status == Status.PENDING:
            return self.whose in (event.actor_id, proposer)
        return event.verb == "accept" and event.actor_id == self.whose

    def _item(self, at, what, good, figure=None):
        return Item(self.booking.id, self.booking.service, at, what, good, figure)


def _worked(since, first):
    for story in _stories(since, first):
        starts_at = story.booking.starts_at
        for measure, item in (
            (Measure.ACCEPTANCE, story.answer),
            (Measure.PUNCTUALITY, story.arrival),
            (Measure.COMPLETION, story.outcome),
        ):
            if item:
                yield story.whose, measure, starts_at, item


def _stories(since, first):
    # Everything that counts happened before the agreed start or became of a job that began since then.
    own = select(Booking.professional_id.label("whose"), Booking.id.label("booking_id")).where(
        Booking.professional_id.in_(since), Booking.starts_at > first
    )
    offered = (
        select(BookingOffer.professional_id, BookingOffer.booking_id)
        .join(Booking, Booking.id == BookingOffer.booking_id)
        .where(BookingOffer.professional_id.in_(since), Booking.starts_at > first)
    )
    theirs = union(own, offered).subquery()
    rows = db.session.execute(
        select(
            theirs.c.whose,
            *(Booking.id, Booking.customer_id, Booking.professional_id, Booking.status),
            *(Booking.starts_at, Booking.respond_by, Service.name.label("service")),
            *(BookingOffer.status.label("offer"), BookingOffer.created_at.label("offered_at")),
            BookingEvent.id.label("event_id"),
            *(BookingEvent.verb, BookingEvent.from_status, BookingEvent.actor_id, BookingEvent.at),
        )
        .join(Booking, Booking.id == theirs.c.booking_id)
        .join(Service, Service.id == Booking.service_id)
        .outerjoin(
            BookingOffer,
            and_(BookingOffer.booking_id == Booking.id, BookingOffer.professional_id == theirs.c.whose),
        )
        .outerjoin(BookingEvent, and_(BookingEvent.booking_id == Booking.id, BookingEvent.verb.in_(_COUNTED)))
        .order_by(theirs.c.whose, Booking.id, BookingEvent.id)
    )
    for (whose, _booking_id), events in groupby(rows, lambda row: (row.whose, row.id)):
        events = list(events)
        yield _Story(whose, events[0], _theirs(events))


def _theirs(events):
    """The events from when somebody was asked until somebody else was."""
    booking, steps = events[0], [n for n, event in enumerate(events) if event.verb == "cascade"]
    begins = [n for n in steps if booking.offered_at is None or events[n].at <= booking.offered_at]
    ends = [n for n in steps if n not in begins and booking.professional_id != booking.whose]
    chosen = events[begins[-1] if begins else 0 : ends[0] if ends else None]
    return [event for event in chosen if event.event_id]


def _reviewed(since, first):
    rows = db.session.execute(
        select(Review.professional_id, Review.rating, Review.created_at, Booking.id, Booking.starts_at, Service.name)
        .join(Booking, Booking.id == Review.booking_id)
        .join(Service, Service.id == Booking.service_id)
        .where(Review.professional_id.in_(since), Review.hidden_at.is_(None), Review.created_at > first)
        .order_by(Review.id)
    )
    for whose, stars, at, booking_id, starts_at, service in rows:
        good = stars >= measures.limit(Measure.RATING)
        yield whose, Measure.RATING, starts_at, Item(booking_id, service, at, "reviewed", good, stars)


def _sick_days(since, first):
    found = {one: set() for one in since}
    rows = select(SickDay.professional_id, SickDay.day).where(
        SickDay.professional_id.in_(since), SickDay.day >= clock.local(first).date()
    )
    for professional_id, day in db.session.execute(rows):
        found[professional_id].add(day)
    return found
