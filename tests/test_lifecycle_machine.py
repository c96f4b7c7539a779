"""Random verbs by random people against the real database, and after each step what must always hold.

`make check` takes 2,000 steps on both databases; the quick tests take the same short walk each time.
"""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select

from domain import (
    amendments,
    availability,
    blocked_pairs,
    bookings,
    clock,
    coupons,
    deadlines,
    disputes,
    extras,
    no_shows,
    professionals,
    proposals,
    ratings,
    refunds,
    requests,
    reviews,
    series,
    standings,
    start_codes,
    transitions,
    travel,
    waits,
)
from domain.errors import DomainError
from extensions import begin_write, db, end_refused
from models import Booking, Every, PaymentMethod, Professional, Review, User, Wait, WaitStatus
from models_lifecycle import BlockedPair
from tests import databases, factories
from tests.conftest import MONDAY
from tests.invariants import Answers, Look, faults

STEPS, MANY_STEPS, STEPS_OF_A_WALK = 600, 2000, 100
QUARTER = timedelta(minutes=15)
# People have to do with this many bookings at a time: with those, a walk gets far.
LATEST = 6
WORDS = "The tap still drips."
# Of what somebody can do, what leads on is done more often than what ends it all.
LEADS_ON = {
    **dict.fromkeys(("start", "knock", "no_show"), 16),
    **dict.fromkeys(("accept", "agree", "complete", "resolve"), 8),
    **dict.fromkeys(("move", "propose", "depart", "dispute", "answer_dispute", "close", "review"), 4),
}
ALL_VERBS = sorted({one.verb for one in transitions.RULES if one.by is not transitions.Party.CLOCK})
# What happens in any two thousand steps.
OFTEN = {
    *("request", "accept", "reject", "expire", "propose", "agree", "cancel", "cascade", "start"),
    *("complete", "record_payment", "dispute", "resolve", "review"),
}
TIMERS = (bookings.expire_due, proposals.lapse_due, bookings.close_due, waits.lapse_due)


class Walk:
    """Counts the steps of all machines of a test, and gives each a database of its own."""

    def __init__(self, renew, frozen):
        self.renew, self.frozen = renew, frozen
        self.steps, self.happened, self.refused = 0, Counter(), Counter()


class LifecycleMachine(RuleBasedStateMachine):
    """Three customers, three professionals and an admin; each step is one of them, or the clock."""

    def __init__(self, walk):
        super().__init__()
        self.walk, self.frozen = walk, walk.frozen
        self.frozen.move_to(MONDAY)
        walk.renew()
        self._invite()
        self.answers, self.before = Answers(), Look()

    def _invite(self):
        # They work mornings, so that people get into each other's way; one day of the third is full
        # with one job, so that they are waited for.
        tap = factories.service("Tap", duration_minutes=45)
        sink = factories.service("Sink", duration_minutes=30)
        mornings = {"hours": ((9 * 60, 12 * 60),)}
        self.pro_ids = [
            factories.professional(services=[tap, sink], speed_kmh=5, **mornings).id,
            factories.professional(services=[tap], pincode=factories.NEAR_PIN, **mornings).id,
            factories.professional(services=[tap, sink], hours=((9 * 60, 10 * 60 + 30),)).id,
        ]
        self.customer_ids = [
            factories.customer().id,
            factories.customer(pincode=factories.NEAR_PIN).id,
            factories.customer().id,
        ]
        for person_id in self.customer_ids:
            factories.address(self._person(person_id), pincode=factories.NEAR_PIN, label="Work")
        admin = factories.admin()
        coupons.create(admin, code="HALF", percent=50, limit_all=3)
        self.admin_id, self.tap_id, self.sink_id = admin.id, tap.id, sink.id
        db.session.commit()

    @rule(chance=st.randoms(use_true_random=True))
    def something_happens(self, chance):
        chance.choice(WHAT_HAPPENS)(self, chance)

    @invariant()
    def all_is_well(self):
        after = Look()
        self.walk.happened.update(event.verb for event in after.events[len(self.before.events) :])
        self.walk.happened["hold"] += len(_held(after) - _held(self.before))
        self.answers.count(self.before, after)
        wrong = [*faults(self.before, after), *self.answers.faults()]
        self.before = after
        db.session.rollback()
        assert not wrong, wrong

    def teardown(self):
        db.session.remove()

    # -- What people do --------------------------------------------------------------------------

    def customer_asks(self, chance):
        by = self._customer(chance)
        pro = chance.choice([None, *self.pro_ids, *self.pro_ids])
        wish = {
            "starts_at": self._slot(chance),
            "address_id": chance.choice(by.addresses).id,
            "key": chance.choice([None, None, f"key {chance.randrange(10)}"]),
            "cascade": chance.random() < 0.5,
            "coupon": chance.choice([*[""] * 5, "HALF"]),
            "more": (self.sink_id,) if pro and chance.random() < 0.3 else (),
        }
        self._try(f"{by.id} asks {pro}", lambda: requests.request(by, self.tap_id, pro, **wish))

    def customer_repeats(self, chance):
        """A series of all its visits without a clash."""
        by, pro = self._customer(chance), chance.choice(self.pro_ids)
        every, count = chance.choice([Every.WEEK, Every.MONTH]), chance.choice([2, 3])
        wish = series.Wish(pro, self.tap_id, (), self._slot(chance), by.addresses[0].id, every, count)

        def book():
            free = {visit.starts_at for visit in series.plan(by, wish) if not visit.clash}
            series.request(by, wish, free)

        self._try(f"{by.id} asks {pro} for a series", book)

    def somebody_acts(self, chance):
        """One of all the things that people's pages offer them."""
        choices, weights = [], []
        for booking in self._latest():
            for by in self._everybody():
                for verb in bookings.available_actions(booking, by):
                    choices.append((verb, booking, by))
                    weights.append(LEADS_ON.get(verb, 1))
        if choices:
            [(verb, booking, by)] = chance.choices(choices, weights)
            self._try(f"{by.id} does {verb} with {booking.id}", lambda: self._do(verb, booking, by, chance))

    def anybody_tries_anything(self, chance):
        by, verb, booking = chance.choice(self._everybody()), chance.choice(ALL_VERBS), self._any(Booking, chance)
        if booking:
            self._try(f"{by.id} tries {verb} with {booking.id}", lambda: self._do(verb, booking, by, chance))

    def customer_waits(self, chance):
        by, pro = self._customer(chance), chance.choice(self.pro_ids)
        day = clock.local(self._slot(chance)).date()
        self._try(f"{by.id} waits for {pro}", lambda: waits.join(by, pro, self.tap_id, by.addresses[0].id, day))

    def customer_leaves_the_line(self, chance):
        if wait := self._any(Wait, chance):
            self._try(f"{wait.customer_id} leaves the line", lambda: waits.leave(wait, wait.customer))

    def customer_takes_what_is_held(self, chance):
        if wait := self._any(Wait, chance, Wait.status == WaitStatus.HELD):
            by, start = wait.customer, wait.starts_at if chance.random() < 0.7 else self._slot(chance)
            wish = wait.service_id, wait.professional_id, start, wait.address_id
            self._try(f"{by.id} takes what is held", lambda: requests.request(by, *wish))

    def somebody_wants_not_to_meet_again(self, chance):
        booking = self._any(Booking, chance, Booking.professional_id.is_not(None))
        if booking and chance.random() < 0.5:
            by = chance.choice([booking.customer, booking.professional.user])
            self._try(f"{by.id} is done with {booking.id}", lambda: blocked_pairs.block(booking, by))
        elif pair := self._any(BlockedPair, chance):
            self._try("a pair meets again", lambda: blocked_pairs.unblock(pair.id, self._person(pair.by_id)))

    def professional_pauses(self, chance):
        by, paused = self._person(chance.choice(self.pro_ids)), chance.random() < 0.3
        professional = db.session.get(Professional, by.id)
        self._try(f"{by.id} pauses: {paused}", lambda: professionals.set_pause(professional, by, paused))

    def something_about_a_review(self, chance):
        if not (review := self._any(Review, chance)):
            return
        admin, stars = self._person(self.admin_id), chance.randint(1, 5)
        does = {
            "edit": lambda: reviews.edit(review, review.customer, stars, WORDS),
            "hide": lambda: reviews.hide(review, admin, WORDS),
            "show": lambda: reviews.show(review, admin),
            "reply": lambda: reviews.reply(review, review.professional.user, WORDS),
        }
        what = chance.choice(sorted(does))
        self._try(f"{what} a review", does[what])

    # -- What time does --------------------------------------------------------------------------

    def time_passes(self, chance):
        self._go_on_to(clock.now() + timedelta(minutes=chance.choice([5, 20, 60, 6 * 60, 24 * 60])))

    def a_moment_comes(self, chance):
        """One from which on something can be done, or is too late."""
        moments = sorted(moment for moment in self._moments() if moment > clock.now())
        if moments:
            self._go_on_to(moments[min(chance.choice([0, 0, 0, 1, 3]), len(moments) - 1)])

    def the_jobs_run(self, _chance):
        for timer in TIMERS:
            self._try(f"the clock does {timer.__qualname__}", timer)

    # -- Small print -----------------------------------------------------------------------------

    def _try(self, what, act):
        """Do it in a transaction of its own; a refusal leaves nothing behind."""
        self.walk.steps += 1
        begin_write()
        try:
            act()
        except DomainError as refusal:
            end_refused(refusal)
            self.walk.refused[refusal.message] += 1
            what += f": {refusal.message}"
        else:
            db.session.commit()
        finally:
            db.session.expire_all()
        note(f"{clock.now():%a %H:%M} {what}")

    def _go_on_to(self, moment):
        db.session.rollback()
        self.frozen.move_to(moment)
        self.walk.steps += 1
        note(f"it is {moment:%a %H:%M}")

    def _moments(self):
        for booking in self._latest():
            yield from (booking.respond_by, booking.starts_at, *deadlines.openings(booking).values())
            yield from (one.lapses_at for one in booking.proposals)
            if booking.completed_at:
                yield from (booking.completed_at + timedelta(days=1), deadlines.dispute_by(booking))
            if booking.dispute:
                yield deadlines.answer_dispute_by(booking.dispute)
        yield from db.session.scalars(select(Wait.held_until).where(Wait.held_until.is_not(None)))

    def _do(self, verb, booking, by, chance):
        if verb in ("move", "propose"):
            act = amendments.shift if verb == "move" else proposals.propose
            return act(booking, by, self._slot(chance))
        if verb in ("agree", "decline_time", "withdraw"):
            act = {"agree": proposals.agree, "decline_time": proposals.decline, "withdraw": proposals.withdraw}[verb]
            seen = transitions.open_proposal(booking)
            return act(booking, by, seen.id if seen else 0)
        if verb == "start":
            return bookings.start(booking, by, chance.choice([start_codes.code_of(booking)] * 3 + ["0000"]))
        if verb == "edit":
            return amendments.edit(booking, by, "", chance.choice([one.id for one in by.addresses] or [0]))
        if verb == "reassign":
            free = bookings.replacements(booking)
            return bookings.reassign(booking, by, free[0].professional_id if free else 0, WORDS)
        if verb == "record_payment":
            return bookings.record_payment(booking, by, PaymentMethod.CASH, chance.choice([None, 10_000]))
        if verb == "resolve":
            return self._resolve(booking, by, chance)
        does = {
            "accept": lambda: bookings.accept(booking, by),
            "reject": lambda: bookings.reject(booking, by, WORDS),
            "cancel": lambda: bookings.cancel(booking, by, WORDS),
            "renew_code": lambda: bookings.renew_code(booking, by),
            "depart": lambda: bookings.depart(booking, by),
            "override_code": lambda: bookings.override_code(booking, by, WORDS),
            "knock": lambda: no_shows.knock(booking, by),
            "no_show": lambda: no_shows.report(booking, by),
            "propose_extra": lambda: extras.propose(booking, by, "Filter", chance.choice([1, 12_000]), 2),
            "approve_extra": lambda: extras.approve(booking, by, [one.id for one in booking.extras][-2:]),
            "decline_extra": lambda: extras.decline(booking, by, [one.id for one in booking.extras][-1:]),
            "withdraw_extra": lambda: extras.withdraw(booking, by, max((one.id for one in booking.extras), default=0)),
            "complete": lambda: bookings.complete(booking, by),
            "close": lambda: bookings.close(booking, by),
            "dispute": lambda: disputes.begin(booking, by, WORDS),
            "answer_dispute": lambda: disputes.answer(booking, by, WORDS),
            "review": lambda: reviews.write(booking, by, chance.randint(1, 5), WORDS),
        }
        return does[verb]()

    def _resolve(self, booking, by, chance):
        outcome = chance.choice(["dismiss", "part", "whole", "rework", "rework"])
        if outcome == "dismiss":
            return disputes.dismiss(booking, by, WORDS)
        if outcome == "rework":
            return disputes.rework(booking, by, WORDS, self._slot(chance))
        charged = disputes.charged_for(booking)
        return disputes.refund(booking, by, WORDS, charged.total if outcome == "whole" else charged.total // 2)

    def _latest(self):
        return db.session.scalars(select(Booking).order_by(Booking.id.desc()).limit(LATEST)).all()

    def _any(self, kind, chance, *where):
        found = db.session.scalars(select(kind).where(*where).order_by(kind.id.desc()).limit(20)).all()
        return chance.choice(found) if found else None

    def _slot(self, chance):
        """A time of the next mornings, more often than not at or right after that of another booking."""
        beside = [start for one in self._latest() for start in (one.starts_at, one.ends_at + QUARTER)]
        if beside and chance.random() < 0.6:
            return chance.choice(beside)
        return factories.at(chance.choice([9, 10, 10, 11]), chance.choice([0, 30]), days=chance.choice([0, 1, 1, 2]))

    def _customer(self, chance):
        return self._person(chance.choice(self.customer_ids))

    def _everybody(self):
        return [self._person(one) for one in (*self.customer_ids, *self.pro_ids, self.admin_id)]

    def _person(self, person_id):
        return db.session.get(User, person_id)


def _held(look):
    return {wait.id for wait in look.waits if wait.status is WaitStatus.HELD}


WHAT_HAPPENS = [
    *[LifecycleMachine.customer_asks] * 8,
    *[LifecycleMachine.somebody_acts] * 20,
    *[LifecycleMachine.a_moment_comes] * 6,
    *[LifecycleMachine.customer_waits] * 2,
    *[LifecycleMachine.customer_takes_what_is_held] * 2,
    *[LifecycleMachine.anybody_tries_anything] * 2,
    LifecycleMachine.time_passes,
    LifecycleMachine.the_jobs_run,
    LifecycleMachine.customer_repeats,
    LifecycleMachine.customer_leaves_the_line,
    LifecycleMachine.somebody_wants_not_to_meet_again,
    LifecycleMachine.professional_pauses,
    LifecycleMachine.something_about_a_review,
]


@pytest.fixture
def walk(app, frozen, worker_name, template):
    def renew():
        db.session.remove()
        db.engine.dispose()
        databases.fresh(worker_name, template)

    return Walk(renew, frozen)


def go(walk, walks, steps, **how):
    chosen = hypothesis_settings(
        max_examples=walks,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        # A walk that fails is printed as it was: to make it shorter would take many minutes.
        phases=[Phase.generate],
        **how,
    )
    run_state_machine_as_test(lambda: LifecycleMachine(walk), settings=chosen)


def test_a_short_walk(walk):
    go(walk, walks=2, steps=40, derandomize=True)


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(1800)
def test_walks(walk):
    while walk.steps < STEPS:
        go(walk, walks=3, steps=STEPS_OF_A_WALK)


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(1800)
def test_long_walks(walk):
    while walk.steps < MANY_STEPS:
        go(walk, walks=10, steps=STEPS_OF_A_WALK)
    # Or else the walks do not lead where they should.
    missing = OFTEN - (+walk.happened).keys()
    assert not missing, missing


commitments, NEVER = standings._commitment_parameters, MONDAY + timedelta(days=999)
# What keeps a walk well, taken away: (module, name, what stands there instead, what goes wrong).
GUARDS = [
    (availability, "release", lambda _booking_id: None, "nobody's"),
    (transitions, "_drop_proposals", lambda *_args: None, "open proposal"),
    (bookings, "count_answer", lambda *_args, **_named: None, "answered"),
    (bookings, "tell", lambda *_args, **_named: None, "was not told"),
    (refunds, "reverse", lambda *_args: {"total": 0, "paid": 0}, "its lines come to"),
    (ratings, "add", lambda *_args: None, "ratings"),
    (standings, "_commitment_parameters", lambda *args: commitments(*args) | {"not_before": NEVER}, "at once"),
    (travel, "_hindered", lambda *_args: set(), "can't get from"),
]


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.parametrize("module, name, instead, wrong", GUARDS, ids=[name for _module, name, *_ in GUARDS])
def test_control_a_walk_goes_wrong_without_its_guards(walk, monkeypatch, module, name, instead, wrong):
    monkeypatch.setattr(module, name, instead)
    with pytest.raises(AssertionError, match=wrong):
        go(walk, walks=100, steps=STEPS_OF_A_WALK, derandomize=True)
