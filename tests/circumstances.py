"""For every verb and whoever may use it: a booking for which nothing but its state can be in the way.

The hour is right, the deadline has not passed, the other side's proposal is open, somebody knocked. What is left
is the state, and that can be set to any.
"""

from datetime import timedelta

from sqlalchemy import delete

from domain import availability, clock
from domain.transitions import BLOCKING
from extensions import db
from models import Booking, BookingEvent, BookingOffer, SlotClaim, Status
from models_lifecycle import Dispute, Proposal
from models_money import Extra
from tests import factories

# When it is tried, counted from the start of the booking.
HALF_AN_HOUR_BEFORE = timedelta(minutes=-30)
WHEN = {
    "propose": timedelta(hours=-3),
    "agree": timedelta(hours=-3),
    "decline_time": timedelta(hours=-3),
    "withdraw": timedelta(hours=-3),
    "lapse": timedelta(hours=-1),
    "cascade": timedelta(hours=-4),
    "knock": timedelta(0),
    "no_show": timedelta(minutes=30),
}
OTHER_SIDE = {"customer": "professional", "professional": "customer"}
# Who brought a booking to its end, when it is one that may go on to somebody else.
ENDED_BY = {Status.REJECTED: "professional", Status.CANCELLED: "professional", Status.NO_SHOW: "customer"}
# Nobody has to have taken it in these.
NOBODYS = frozenset({Status.PENDING, Status.REJECTED, Status.EXPIRED, Status.CANCELLED})


class Circumstances:
    """One booking, what is around it, and the moment; `cast` maps parties to people."""

    def __init__(self, verb, party, cast, frozen):
        self.verb, self.party, self.cast = verb, party, cast
        starts_at = factories.at(11, days=1)
        self.for_any = party == "offered"
        holder = None if self.for_any else cast["professional"]
        self.booking = factories.booking(
            cast["customer"],
            holder,
            starts_at=starts_at,
            accepted_at=clock.now(),
            cascade=verb == "cascade",
        )
        frozen.move_to(starts_at + WHEN.get(verb, HALF_AN_HOUR_BEFORE))
        self._set_deadlines()
        self._add_offer()
        self._add_proposal()
        if verb in ("answer_dispute", "resolve"):
            self._add_dispute()
        if verb in ("approve_extra", "decline_extra", "withdraw_extra"):
            extra = Extra(booking_id=self.booking.id, label="Filter", price=12_000, quantity=1)
            extra.proposed_at = clock.now()
            db.session.add(extra)
        if (verb, party) == ("no_show", "professional"):
            self._add_event("knock", None, cast["professional"])
        db.session.commit()

    def become(self, status: Status) -> Booking:
        """Put the booking into a state, with the claims that it has there."""
        booking = self.booking
        with db.session.no_autoflush:
            self._add_event("test", status, self.cast.get(ENDED_BY.get(status)))
            booking.status = status
            if self.for_any:
                booking.professional_id = None if status in NOBODYS else self.cast["professional"].id
        if status is Status.DISPUTED and booking.dispute is None:
            self._add_dispute()
        db.session.execute(delete(SlotClaim).where(SlotClaim.booking_id == booking.id))
        if booking.professional_id and status in BLOCKING:
            minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
            availability.claim(booking.professional_id, booking.id, booking.starts_at, minutes)
        db.session.commit()
        db.session.refresh(booking)
        return booking

    @property
    def proposal_id(self) -> int:
        """The open proposal's id; without one, an id that there is not."""
        return self.booking.proposals[0].id if self.booking.proposals else 0

    @property
    def extra_id(self) -> int:
        """The open extra's id; without one, an id that there is not."""
        return self.booking.extras[0].id if self.booking.extras else 0

    def _set_deadlines(self):
        now = clock.now()
        overdue = self.verb == "expire"
        self.booking.respond_by = now if overdue else now + timedelta(hours=1)
        self.booking.completed_at = now - timedelta(hours=24 if self.party == "clock" else 1)
        self.booking.closed_at = now

    def _add_offer(self):
        if self.for_any:
            offered = BookingOffer(booking_id=self.booking.id, professional_id=self.cast["offered"].id)
            offered.position, offered.created_at = 1, clock.now()
            db.session.add(offered)

    def _add_proposal(self):
        proposer = {"lapse": "customer", "withdraw": self.party}.get(self.verb)
        if self.verb in ("agree", "decline_time"):
            proposer = OTHER_SIDE.get(self.party, "customer")
        if proposer is None or self.cast.get(proposer) is None:
            return
        now = clock.now()
        proposal = Proposal(booking_id=self.booking.id, by_id=self.cast[proposer].id, created_at=now)
        proposal.starts_at = self.booking.starts_at + timedelta(hours=4)
        proposal.lapses_at = now if self.verb == "lapse" else now + timedelta(hours=1)
        db.session.add(proposal)

    def _add_dispute(self):
        dispute = Dispute(booking_id=self.booking.id, words="The tap still drips.", opened_at=clock.now())
        if self.verb == "resolve":
            dispute.answer, dispute.answered_at = "It did not when I left.", clock.now()
        db.session.add(dispute)

    def _add_event(self, verb, status, actor):
        event = BookingEvent(booking_id=self.booking.id, verb=verb, actor_id=actor and actor.id, at=clock.now())
        event.from_status = self.booking.status
        event.to_status = status or self.booking.status
        db.session.add(event)
