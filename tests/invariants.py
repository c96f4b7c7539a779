"""What must hold of all bookings after whatever anybody did, read from the database itself.

`faults(before, after)` compares two looks at it and says in words what is wrong; nothing is wrong
when it says nothing. `Answers` counts again what the professionals' records say they answered.
"""

from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import select

from domain import availability, billing, calendars, clock, documents, ledger, outbox, ratings, travel
from domain.transitions import BLOCKING, CHANGEABLE, RULES, Party
from extensions import db, settings
from models import (
    Booking,
    BookingEvent,
    BookingLine,
    BookingOffer,
    LineKind,
    Notification,
    OfferStatus,
    OutboxMessage,
    PinCode,
    Professional,
    Role,
    Service,
    SlotClaim,
    Status,
    User,
    Wait,
    WaitStatus,
)
from models_lifecycle import BlockedPair, BookingService, Dispute, Proposal, ProposalStatus, Refund
from models_money import Coupon, CouponUse, Document, LedgerEntry, LedgerLine, Payment, PaymentStatus

# What is in the story of a booking beside the verbs of the table: (verb, before, after, by).
BESIDE_THE_TABLE = {
    ("request", None, "pending", Party.CUSTOMER),
    ("rework", None, "accepted", Party.ADMIN),
    ("decline_offer", "pending", "pending", Party.PROFESSIONAL),
    *(("refund", status.value, status.value, Party.ADMIN) for status in Status),
}
AS_PARTY = {Role.CUSTOMER: Party.CUSTOMER, Role.PROFESSIONAL: Party.PROFESSIONAL, Role.ADMIN: Party.ADMIN}
NEXT_OR_NOBODY = {"cascaded", "cascaded_to_several"}
DECIDED = {"dispute_rework", "dispute_refund", "dispute_dismissed"}
# Who is told of which event, by one of which kinds of message.
TOLD = {
    ("request", Party.CUSTOMER): {"asked": {"requested", "offered", "series_requested"}},
    ("accept", Party.PROFESSIONAL): {"customer": {"accepted"}},
    ("reject", Party.PROFESSIONAL): {"customer": {"rejected", "nobody"} | NEXT_OR_NOBODY},
    ("expire", Party.CLOCK): {
        "customer": {"expired", "nobody"} | NEXT_OR_NOBODY,
        "professional": {"expired"},
        "offered": {"expired"},
    },
    ("edit", Party.CUSTOMER): {"professional": {"edited"}},
    ("move", Party.CUSTOMER): {"asked": {"moved"}},
    ("propose", Party.CUSTOMER): {"professional": {"proposed"}},
    ("propose", Party.PROFESSIONAL): {"customer": {"proposed"}},
    ("agree", Party.CUSTOMER): {"professional": {"time_agreed"}},
    ("agree", Party.PROFESSIONAL): {"customer": {"time_agreed"}},
    ("decline_time", Party.CUSTOMER): {"professional": {"time_declined"}},
    ("decline_time", Party.PROFESSIONAL): {"customer": {"time_declined"}},
    ("withdraw", Party.CUSTOMER): {"professional": {"time_withdrawn"}},
    ("withdraw", Party.PROFESSIONAL): {"customer": {"time_withdrawn"}},
    ("lapse", Party.CLOCK): {"customer": {"time_lapsed"}, "professional": {"time_lapsed"}},
    ("cancel", Party.CUSTOMER): {"professional": {"cancelled"}, "offered": {"cancelled"}},
    ("cancel", Party.PROFESSIONAL): {"customer": {"cancelled", "cancelled_nobody"} | NEXT_OR_NOBODY},
    ("cancel", Party.ADMIN): {
        "customer": {"cancelled_by_admin"},
        "professional": {"cancelled_by_admin"},
        "offered": {"cancelled_by_admin"},
    },
    ("cascade", Party.CLOCK): {"customer": NEXT_OR_NOBODY, "asked": {"requested", "offered"}},
    ("reassign", Party.ADMIN): {
        "customer": {"reassigned"},
        "professional": {"taken_away"},
        "asked": {"given"},
    },
    ("renew_code", Party.CUSTOMER): {"professional": {"code_renewed"}},
    ("depart", Party.PROFESSIONAL): {"customer": {"departed"}},
    ("start", Party.PROFESSIONAL): {"customer": {"started"}},
    ("override_code", Party.ADMIN): {"customer": {"started"}, "professional": {"started"}},
    ("knock", Party.PROFESSIONAL): {"customer": {"knocked"}},
    ("no_show", Party.PROFESSIONAL): {
        "customer": {"customer_absent", "customer_absent_free"},
        "professional": {"absence_noted"},
    },
    ("no_show", Party.CUSTOMER): {"professional": {"professional_absent"}, "customer": {"absence_noted"}},
    ("propose_extra", Party.PROFESSIONAL): {"customer": {"extra_proposed"}},
    ("approve_extra", Party.CUSTOMER): {"professional": {"extra_approved"}},
    ("decline_extra", Party.CUSTOMER): {"professional": {"extra_declined"}},
    ("withdraw_extra", Party.PROFESSIONAL): {"customer": {"extra_withdrawn"}},
    ("complete", Party.PROFESSIONAL): {"customer": {"completed"}},
    ("record_payment", Party.PROFESSIONAL): {"customer": {"paid"}},
    ("close", Party.CUSTOMER): {"professional": {"closed"}},
    ("close", Party.CLOCK): {"customer": {"auto_closed"}, "professional": {"auto_closed"}},
    ("dispute", Party.CUSTOMER): {"professional": {"disputed"}},
    ("answer_dispute", Party.PROFESSIONAL): {"customer": {"dispute_answered"}},
    ("resolve", Party.ADMIN): {"customer": DECIDED, "professional": DECIDED},
    ("review", Party.CUSTOMER): {"professional": {"reviewed"}},
}


class Look:
    """All of the database that the rules are about, as it is now."""

    def __init__(self):
        self.now = clock.now()
        self.bookings = {row.id: row for row in _rows(Booking)}
        self.events = _rows(BookingEvent)
        self.offers, self.proposals = _rows(BookingOffer), _rows(Proposal)
        self.claims = _rows(SlotClaim)
        self.waits = _rows(Wait)
        self.notifications = _rows(Notification)
        self.apart = {(row.customer_id, row.professional_id) for row in _rows(BlockedPair)}
        self._offered, self._open_proposals = defaultdict(set), defaultdict(list)
        for offer in self.offers:
            if offer.status is OfferStatus.OPEN:
                self._offered[offer.booking_id].add(offer.professional_id)
        for proposal in self.proposals:
            if proposal.status is ProposalStatus.OPEN:
                self._open_proposals[proposal.booking_id].append(proposal)

    def offered(self, booking_id: int) -> set[int]:
        """To whom a booking is on offer."""
        return self._offered.get(booking_id, set())

    def asked(self, booking_id: int) -> set[int]:
        """Who has a booking, or can take it."""
        holder = self.bookings[booking_id].professional_id
        return {holder} if holder else self.offered(booking_id)

    def open_proposals(self, booking_id: int) -> list:
        return self._open_proposals.get(booking_id, [])


def faults(before: Look, after: Look) -> list[str]:
    """What is wrong now, and what should not have become of what was before."""
    roles = dict(db.session.execute(select(User.id, User.role)).all())
    new = after.events[len(before.events) :]
    return [
        *_of_claims(after),
        *_of_days(after),
        *_of_ways(after),
        *_of_stories(after, roles),
        *_of_offers(after),
        *_of_proposals(after),
        *_of_money(after),
        *_of_books(after),
        *ledger.faults(),
        *_of_ratings(),
        *_of_pairs(before, after),
        *_of_messages(before, after, new, roles),
    ]


class Answers:
    """How many requests each professional answered, and accepted, counted from what happened."""

    def __init__(self):
        self.answered, self.accepted = Counter(), Counter()

    def count(self, before: Look, after: Look) -> None:
        for event in after.events[len(before.events) :]:
            was_pending = event.from_status == Status.PENDING
            if event.verb in ("accept", "reject", "decline_offer"):
                self.answered[event.actor_id] += 1
                self.accepted[event.actor_id] += event.verb == "accept"
            elif event.verb == "agree" and was_pending:
                holder = before.bookings[event.booking_id].professional_id
                self.answered[holder] += 1
                self.accepted[holder] += 1
            elif event.verb == "expire" and event.booking_id not in before.bookings:
                # A visit of a series whose deadline was now: the next visit found it overdue.
                self.answered[after.bookings[event.booking_id].professional_id] += 1
            elif event.verb == "expire" and not _waited_for_the_customer(before, event.booking_id):
                self.answered.update(before.asked(event.booking_id))

    def faults(self) -> list[str]:
        kept = db.session.execute(select(Professional.id, Professional.offers_answered, Professional.offers_accepted))
        return [
            f"professional {one}: {answered} answered and {accepted} accepted,"
            f" not {self.answered[one]} and {self.accepted[one]}"
            for one, answered, accepted in kept
            if (answered, accepted) != (self.answered[one], self.accepted[one])
        ]


def _waited_for_the_customer(before, booking_id):
    """Whether the professional of a request had answered it with another time, until it expired."""
    booking = before.bookings[booking_id]
    theirs = [one for one in before.proposals if one.booking_id == booking_id]
    return (
        bool(theirs)
        and theirs[-1].by_id == booking.professional_id
        and theirs[-1].status in (ProposalStatus.OPEN, ProposalStatus.LAPSED)
        and theirs[-1].lapses_at >= booking.respond_by
    )


def _rows(kind):
    key = kind.__table__.primary_key.columns
    return db.session.execute(select(kind.__table__).order_by(*key)).all()


# -- Claims, days and ways --------------------------------------------------------------------


def _of_claims(look):
    """Claims are exactly those of the bookings that block and of the holds that have not run out."""
    due, may_be = set(), set()
    for one in look.bookings.values():
        if one.status in BLOCKING and one.professional_id:
            due.update((one.professional_id, bucket, one.id, None) for bucket in _buckets(one))
    minutes = dict(db.session.execute(select(Service.id, Service.duration_minutes)).all())
    for wait in look.waits:
        if wait.status is not WaitStatus.HELD:
            continue
        buckets = availability.claimed_buckets(wait.starts_at, minutes[wait.service_id])
        live = wait.held_until > look.now
        (due if live else may_be).update((wait.professional_id, bucket, None, wait.id) for bucket in buckets)
    there = {(one.professional_id, one.bucket, one.booking_id, one.wait_id) for one in look.claims}
    for missing in sorted(due - there, key=str):
        yield f"the claim {missing} is missing"
    for left in sorted(there - due - may_be, key=str):
        yield f"the claim {left} is nobody's"


def _of_days(look):
    """Nobody is at two places at once."""
    for side in ("customer_id", "professional_id"):
        days = defaultdict(list)
        for one in look.bookings.values():
            if one.status in BLOCKING and getattr(one, side):
                days[getattr(one, side)].append(one)
        for person, theirs in days.items():
            for first, second in pairwise(sorted(theirs, key=lambda one: one.starts_at)):
                if second.starts_at < first.ends_at:
                    yield f"{side} {person} has {first.id} and {second.id} at once"


def _of_ways(look):
    """Every professional gets from each job to the next."""
    pins = {row.pincode: row for row in db.session.execute(select(PinCode.__table__))} if look.bookings else {}
    speeds = dict(db.session.execute(select(Professional.id, Professional.speed_kmh)).all())
    jobs = defaultdict(list)
    for one in look.bookings.values():
        if one.status in BLOCKING and one.professional_id:
            jobs[one.professional_id].append(one)
    for person, theirs in jobs.items():
        for first, second in pairwise(sorted(theirs, key=lambda one: one.starts_at)):
            way = travel.buckets(pins[first.pincode], pins[second.pincode], speeds[person])
            blocked = travel.stretched(_buckets(first).start, _buckets(first).stop, way, calendars.buffer())
            if _buckets(second).start < blocked.stop:
                yield f"professional {person} can't get from {first.id} to {second.id}"


def _buckets(booking):
    minutes = (booking.ends_at - booking.starts_at) // timedelta(minutes=1)
    return availability.claimed_buckets(booking.starts_at, minutes)


# -- Stories ----------------------------------------------------------------------------------


def _of_stories(look, roles):
    """Every state was reached by a path of the table, each step by somebody who may take it."""
    paths = BESIDE_THE_TABLE | {
        (rule.verb, source.value, (rule.target or source).value, _as_seen(rule.by))
        for rule in RULES
        for source in rule.sources
    }
    state = {}
    for event in look.events:
        by = _party(event, roles)
        step = (event.verb, event.from_status, event.to_status, by)
        if step not in paths:
            yield f"booking {event.booking_id}: {step} is no path of the table"
        if state.get(event.booking_id) != event.from_status:
            yield f"booking {event.booking_id}: {step} after {state.get(event.booking_id)}"
        state[event.booking_id] = event.to_status
    agreements = Counter(event.booking_id for event in look.events if event.verb == "agree")
    for one in look.bookings.values():
        if state.get(one.id) != one.status:
            yield f"booking {one.id} is {one.status}, and its story ends with {state.get(one.id)}"
        agreed = agreements[one.id]
        if not one.moves == agreed <= settings.policy.agreed_moves:
            yield f"booking {one.id} was moved {one.moves} times, and {agreed} times by agreement"


def _party(event, roles):
    return AS_PARTY[roles[event.actor_id]] if event.actor_id else Party.CLOCK


def _as_seen(party):
    """In a story, who was offered a booking is a professional like any other."""
    return Party.PROFESSIONAL if party is Party.OFFERED else party


def _of_offers(look):
    """What is on offer is a request that nobody has, and such a request is on offer to somebody."""
    for one in look.bookings.values():
        on_offer = look.offered(one.id)
        for_any = one.status is Status.PENDING and one.professional_id is None
        if bool(on_offer) != for_any:
            yield f"booking {one.id}, {one.status} with {one.professional_id}, is on offer to {on_offer or 'nobody'}"


def _of_proposals(look):
    for one in look.bookings.values():
        left = look.open_proposals(one.id)
        if len(left) > (one.status in CHANGEABLE):
            yield f"booking {one.id}, {one.status}, has {len(left)} open proposals"
        if any(proposal.by_id not in (one.customer_id, one.professional_id) for proposal in left):
            yield f"booking {one.id} has an open proposal of somebody who is not in it"


# -- Money, stars and people ------------------------------------------------------------------


def _of_money(look):
    lines, work_lines, service_lines, refund_lines = Counter(), Counter(), Counter(), Counter()
    for line in _rows(BookingLine):
        lines[line.booking_id] += line.amount
        work_lines[line.booking_id] += line.amount * (line.kind in (LineKind.SERVICE, LineKind.EXTRA))
        service_lines[line.booking_id] += line.amount * (line.kind is LineKind.SERVICE)
        refund_lines[line.booking_id] -= line.amount * (line.kind is LineKind.REFUND)
    paid, visit, minutes = Counter(), Counter(), Counter()
    for payment in (one for one in _rows(Payment) if one.status is PaymentStatus.VERIFIED):
        paid[payment.booking_id] += payment.amount
    for refund in _rows(Refund):
        paid[refund.booking_id] -= refund.amount
    for part in _rows(BookingService):
        visit[part.booking_id] += part.price
        minutes[part.booking_id] += part.duration_minutes
    for one in look.bookings.values():
        if one.total != lines[one.id]:
            yield f"booking {one.id} costs {one.total}, and its lines come to {lines[one.id]}"
        if one.paid != paid[one.id]:
            yield f"booking {one.id} is paid {one.paid}, and payments less refunds are {paid[one.id]}"
        if not 0 <= one.paid <= one.total:
            yield f"booking {one.id} is paid {one.paid} of {one.total}"
        if one.subtotal != work_lines[one.id]:
            yield f"booking {one.id}: the work is {one.subtotal}, and its lines come to {work_lines[one.id]}"
        if one.refunded != refund_lines[one.id]:
            yield f"booking {one.id}: {one.refunded} came off, and the lines say {refund_lines[one.id]}"
        if one.id in minutes and (visit[one.id], minutes[one.id]) != (service_lines[one.id], _length(one)):
            yield f"booking {one.id}: its services come to {visit[one.id]} and {minutes[one.id]} minutes"
        if one.status is Status.DISPUTED and not any(row.booking_id == one.id for row in _rows(Dispute)):
            yield f"booking {one.id} is disputed, and nobody said why"


def _of_books(look):
    """What a customer owes by the ledger is what is due, and what was issued is what is charged."""
    owed, issued, uses = Counter(), Counter(), Counter()
    about = {entry.id: entry.booking_id for entry in _rows(LedgerEntry)}
    for line in _rows(LedgerLine):
        if line.account.startswith("customer:"):
            owed[about[line.entry_id]] += line.amount
    for document in _rows(Document):
        issued[document.booking_id] += document.amount * (document.kind in documents.OF_BILLS)
    for use in _rows(CouponUse):
        uses[use.coupon_id] += use.given_back_at is None
    for one in look.bookings.values():
        if one.status in billing.DUE and owed[one.id] != one.total - one.paid:
            yield f"booking {one.id}: {one.paid} of {one.total} is paid, and by the ledger {owed[one.id]} is owed"
        if one.status in billing.DUE and issued[one.id] != one.total:
            yield f"booking {one.id} costs {one.total}, and what was issued comes to {issued[one.id]}"
    for coupon in _rows(Coupon):
        if coupon.uses != uses[coupon.id]:
            yield f"{coupon.code} counts {coupon.uses} uses, and there are {uses[coupon.id]}"


def _length(booking):
    return (booking.ends_at - booking.starts_at) // timedelta(minutes=1)


def _of_ratings():
    wrong = ratings.disagreements()
    if wrong:
        yield f"the ratings of {wrong} are not what reviews say"


def _of_pairs(before, after):
    """Who does not want to meet somebody again gets nothing new with them."""
    for one in after.bookings.values():
        was = before.bookings.get(one.id)
        newly = after.asked(one.id) - (before.asked(one.id) if was else set())
        if was and was.professional_id is None and one.professional_id:
            newly.add(one.professional_id)
        for person in newly:
            if (one.customer_id, person) in before.apart and one.status is not Status.CANCELLED:
                yield f"booking {one.id} brings customer {one.customer_id} together with {person} again"


# -- What people are told ---------------------------------------------------------------------


def _of_messages(before, after, new, roles):
    """Of every event those are told whom it concerns, in the app and by mail where that is usual."""
    told = after.notifications[len(before.notifications) :]
    heard = {(one.booking_id, one.user_id, one.kind) for one in told}
    for event in new:
        key = (event.verb, _party(event, roles))
        for who, kinds in TOLD.get(key, {}).items():
            for person in _people(who, event.booking_id, before, after):
                ids = _its_ids(event, after)
                if person and not any((one, person, kind) in heard for one in ids for kind in kinds):
                    yield f"booking {event.booking_id}: {who} {person} was not told of {key}"
    sent = {(one.kind, one.user_id, one.booking_id) for one in _rows(OutboxMessage)} if told else set()
    for one in told:
        if outbox.USUAL[outbox.TOPIC_OF[one.kind]] and (one.kind, one.user_id, one.booking_id) not in sent:
            yield f"nothing was sent to {one.user_id} of {one.kind}"


def _people(who, booking_id, before, after):
    booking, was = after.bookings[booking_id], before.bookings.get(booking_id)
    if who == "customer":
        return [booking.customer_id]
    if who == "professional":
        return [was.professional_id if was else booking.professional_id]
    if who == "offered":
        return before.offered(booking_id) if was and was.professional_id is None else []
    # `asked`: whoever can answer it now.
    return after.asked(booking_id)


def _its_ids(event, after):
    """The booking, what is done again for it, and its series: one message may tell of them all."""
    booking = after.bookings[event.booking_id]
    again = {one.id for one in after.bookings.values() if one.rework_of_id == booking.id}
    series = {
        one.id for one in after.bookings.values() if booking.series_id and one.series_id == booking.series_id
    }
    return {booking.id} | again | series
