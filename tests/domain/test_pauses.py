"""From a number below its limit to a warning, a pause, and the end of both."""

import itertools
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from domain import (
    appeals,
    catalogue,
    choices,
    clock,
    matching,
    measures,
    notifications,
    pauses,
    requests,
    scorecards,
    users,
    waits,
)
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from domain.job_runs import Step
from extensions import db
from models import AuditEntry, Notification, Offering, OutboxMessage, PinCode, Professional, Status
from models_lifecycle import Appeal
from tests import factories

DAY, SECOND = timedelta(1), timedelta(seconds=1)
PERIOD = "2026-11-23"
WORDS = "I was in hospital, and told every customer."


@pytest.fixture
def work(professional):
    return professional.professional


@pytest.fixture
def record(customer, professional):
    """record("accept", "reject", ...) is answered requests just now; "cancel" is a job given back."""
    hours = itertools.count()

    def record(*verbs, person=professional):
        for verb in verbs:
            starts_at = factories.at(9, days=20) + next(hours) * timedelta(hours=2)
            booking = factories.booking(customer, person, status=Status.CLOSED, starts_at=starts_at)
            if verb == "cancel":
                factories.happened(booking, "accept", person, clock.now())
            factories.happened(booking, verb, person, clock.now())

    return record


@pytest.fixture
def judge():
    """The daily look at everybody; answers how many things changed."""

    def judge():
        count, cursor = 0, 0
        while cursor is not None:
            step = pauses.judge(PERIOD, cursor)
            count, cursor = count + step.count, step.cursor
        db.session.commit()
        db.session.expire_all()
        return count

    return judge


@pytest.fixture
def warned(record, judge, work):
    record("accept", "reject", "reject", "reject", "reject", "reject")
    judge()
    return work


@pytest.fixture
def paused(warned, judge, frozen):
    frozen.shift(7 * DAY)
    judge()
    assert warned.suspended_at
    return warned


def told(person):
    return list(db.session.scalars(select(Notification.kind).where(Notification.user_id == person.id)))


def last_words(person):
    latest = select(Notification).where(Notification.user_id == person.id).order_by(Notification.id.desc())
    return notifications.message(db.session.scalars(latest).first(), lambda moment: f"{moment:%d %b %H:%M}")


def is_listed(work):
    return db.session.scalars(select(Offering.listed).where(Offering.professional_id == work.id)).all() == [True]


# -- The warning ------------------------------------------------------------------------------


def test_nobody_is_judged_by_a_few(record, judge, professional, work):
    record("reject", "reject", "reject", "reject")
    assert judge() == 0
    assert work.warned_at is None
    assert told(professional) == []


def test_below_a_limit_there_is_a_warning_with_the_arithmetic(warned, professional):
    assert warned.warned_at == clock.now()
    assert warned.warned_of == ["acceptance"]
    assert warned.suspended_at is None
    assert told(professional) == ["conduct_warned"]
    assert last_words(professional).startswith(
        "A warning: You accepted 1 of 6 requests: 16%, and at least 50% is needed. "
        "Answer each request in time, and pause new requests when you need a break. "
        "If this is not better by 30 Nov 03:30, you get no new requests."
    )
    assert is_listed(warned)


def test_a_mail_goes_out_and_cannot_be_switched_off(record, judge, professional):
    professional.message_choices = {topic: [] for topic in ("account", "bookings", "progress")}
    record(*["reject"] * 5)
    judge()
    sent = db.session.scalars(select(OutboxMessage).where(OutboxMessage.user_id == professional.id)).all()
    assert [(message.kind, message.channel) for message in sent] == [("conduct_warned", "mail")]


def test_a_second_look_changes_nothing(warned, judge, professional, frozen):
    assert judge() == 0
    frozen.shift(7 * DAY - SECOND)
    assert judge() == 0
    assert warned.suspended_at is None
    assert told(professional) == ["conduct_warned"]


def test_better_numbers_withdraw_the_warning(warned, judge, record, professional, frozen):
    frozen.shift(2 * DAY)
    record(*["accept"] * 4)
    assert judge() == 1
    assert (warned.warned_at, warned.warned_of, warned.suspended_at) == (None, None, None)
    assert told(professional) == ["conduct_warned", "conduct_cleared"]
    assert judge() == 0


def test_a_new_fall_is_a_new_warning_with_days_of_its_own(warned, judge, record, frozen):
    frozen.shift(6 * DAY)
    record(*["accept"] * 4)
    judge()
    record(*["reject"] * 2)
    judge()
    assert warned.warned_at == clock.now()
    frozen.shift(7 * DAY - SECOND)
    judge()
    assert warned.suspended_at is None


def test_only_what_was_warned_of_leads_to_a_pause(warned, judge, record, professional, frozen):
    frozen.shift(6 * DAY)
    record(*["accept"] * 6, *["cancel"] * 5)
    frozen.shift(DAY)
    assert judge() == 1
    assert warned.suspended_at is None
    assert (warned.warned_at, warned.warned_of) == (clock.now(), ["completion"])
    assert told(professional) == ["conduct_warned", "conduct_warned"]


def test_a_second_number_does_not_shorten_or_lengthen_the_days(warned, judge, record, professional, frozen):
    first = warned.warned_at
    frozen.shift(6 * DAY)
    record(*["cancel"] * 5, *["reject"] * 5)
    judge()
    assert (warned.warned_at, warned.warned_of) == (first, ["acceptance"])
    frozen.shift(DAY)
    judge()
    assert "You accepted 6 of 16 requests: 37%" in last_words(professional)
    assert "completed" not in last_words(professional)


# -- The pause --------------------------------------------------------------------------------


def test_still_below_after_seven_days_is_a_pause(paused, judge, professional):
    assert paused.suspended_at == paused.warned_at + 7 * DAY
    assert paused.paused is False
    assert told(professional) == ["conduct_warned", "conduct_paused"]
    assert "You accepted 1 of 6 requests: 16%" in last_words(professional)
    assert judge() == 0


def test_a_clock_that_stood_still_for_weeks_pauses_once(record, judge, frozen, professional, work):
    record(*["reject"] * 6)
    judge()
    frozen.shift(20 * DAY)
    assert judge() == 1
    assert judge() == 0
    assert told(professional) == ["conduct_warned", "conduct_paused"]


def test_a_pause_never_comes_first(record, judge, frozen, work):
    record(*["reject"] * 6)
    frozen.shift(20 * DAY)
    judge()
    assert work.warned_at == clock.now()
    assert work.suspended_at is None


def test_who_is_paused_is_found_by_nobody(paused, customer, other_customer):
    service, pin = factories.service(), db.session.get(PinCode, factories.CITY_PIN)
    asked = {"service_id": service.id, "professional_id": paused.id, "starts_at": factories.at(11, days=1)}
    address = {"address_id": customer.addresses[0].id}
    assert not is_listed(paused)
    with pytest.raises(NotFound):
        catalogue.listed(paused.id)
    assert choices.before_booking(customer, paused.id, service.id).closed
    start = factories.at(11, days=1)
    assert matching.candidates(service.id, pin, start, start + timedelta(hours=1), customer_id=customer.id) == []
    with pytest.raises(Invalid, match="takes no bookings now"):
        requests.request(customer, **asked, **address)
    with pytest.raises(Invalid, match="takes no bookings"):
        waits.join(other_customer, paused.id, service.id, other_customer.addresses[0].id, factories.at(11).date())


def test_their_own_switch_is_theirs(paused, judge, record, professional, frozen):
    paused.paused = True
    db.session.commit()
    record(*["accept"] * 4)
    judge()
    assert paused.suspended_at is None
    assert paused.paused
    assert not is_listed(paused)


def test_better_numbers_end_a_pause(paused, judge, record, professional):
    record(*["accept"] * 4)
    assert judge() == 1
    assert (paused.warned_at, paused.suspended_at) == (None, None)
    assert is_listed(paused)
    assert told(professional)[-1] == "conduct_resumed"


def test_what_grows_old_ends_a_pause(paused, judge, frozen):
    frozen.shift(23 * DAY - SECOND)
    assert judge() == 0
    frozen.shift(SECOND)
    assert judge() == 1
    assert paused.suspended_at is None


def test_after_a_pause_another_number_gets_a_warning_of_its_own(paused, judge, record, professional):
    record(*["accept"] * 6, *["cancel"] * 5)
    assert judge() == 1
    assert paused.suspended_at is None
    assert paused.warned_of == ["completion"]
    assert told(professional)[-2:] == ["conduct_resumed", "conduct_warned"]
    assert is_listed(paused)


@pytest.mark.parametrize("kind", ["blocked", "rejected"])
def test_only_who_works_here_is_judged(record, judge, work, professional, kind):
    record(*["reject"] * 6)
    if kind == "blocked":
        professional.active = False
    else:
        work.approval = "rejected"
    db.session.commit()
    assert judge() == 0


def test_many_are_judged_in_batches(record, judge, customer, monkeypatch, count_queries):
    people = [factories.professional() for _ in range(5)]
    for person in people[1:4:2]:
        record(*["reject"] * 5, person=person)
    monkeypatch.setattr(pauses, "BATCH", 2)
    ids = [person.id for person in people]
    assert pauses.judge(PERIOD, ids[0] - 1) == Step(1, ids[1])
    assert pauses.judge(PERIOD, ids[1]) == Step(1, ids[3])
    assert pauses.judge(PERIOD, ids[3]) == Step(0, None)
    assert pauses.judge(PERIOD, ids[-1]) == Step(0, None)
    with count_queries() as seen:
        pauses.judge(PERIOD, ids[0] - 1)
    assert seen.count == 4


# -- Appeals ----------------------------------------------------------------------------------


def test_an_appeal_holds_the_pause_off_until_it_is_answered(warned, judge, professional, admin, frozen):
    frozen.shift(7 * DAY)
    appeal = appeals.begin(warned, professional, WORDS)
    frozen.shift(3 * DAY)
    assert judge() == 0
    appeals.refuse(appeal, admin, "Nobody was told.")
    assert told(professional)[-1] == "appeal_refused"
    assert last_words(professional) == "Your appeal is not granted: Nobody was told."
    assert judge() == 1
    assert warned.suspended_at == clock.now()


def test_an_appeal_after_the_days_of_grace_holds_nothing_off(warned, judge, professional, frozen):
    frozen.shift(7 * DAY + SECOND)
    appeals.begin(warned, professional, WORDS)
    assert judge() == 1
    assert warned.suspended_at


def test_a_granted_appeal_ends_the_warning_and_forgives(warned, judge, professional, admin, record, frozen):
    appeal = appeals.begin(warned, professional, f"  {WORDS}  ")
    assert appeal.words == WORDS
    appeals.grant(appeal, admin, "We saw the letter.")
    assert (warned.warned_at, warned.warned_of, warned.suspended_at) == (None, None, None)
    assert warned.counts_from == clock.now()
    assert told(professional)[-1] == "appeal_granted"
    assert "We saw the letter." in last_words(professional)
    frozen.shift(10 * DAY)
    assert judge() == 0
    record(*["reject"] * 5)
    assert judge() == 1


def test_the_whole_course(record, judge, work, professional, customer, admin, frozen):
    record(*["reject"] * 6)
    judge()
    frozen.shift(7 * DAY)
    judge()
    assert work.suspended_at
    assert not is_listed(work)
    appeal = appeals.begin(work, professional, WORDS)
    appeals.refuse(appeal, admin, "Show us the letter.")
    frozen.shift(DAY)
    judge()
    assert work.suspended_at
    appeals.grant(appeals.begin(work, professional, WORDS), admin, "Thank you.")
    assert work.suspended_at is None
    assert is_listed(work)
    frozen.shift(DAY)
    assert judge() == 0
    assert told(professional) == [
        "conduct_warned",
        "conduct_paused",
        "appeal_refused",
        "appeal_granted",
    ]
    acts = db.session.execute(select(AuditEntry.action, AuditEntry.actor_id, AuditEntry.subject_id)).all()
    assert acts == [("refuse_appeal", admin.id, work.id), ("grant_appeal", admin.id, work.id)]


@pytest.mark.parametrize("words", ["", " " * 20, "too short", "x" * 2001])
def test_an_appeal_says_something(warned, professional, words):
    with pytest.raises(Invalid, match="10 to 2000") as refusal:
        appeals.begin(warned, professional, words)
    assert refusal.value.field == "words"


def test_ten_characters_and_two_thousand_are_enough(warned, professional, admin):
    appeals.refuse(appeals.begin(warned, professional, "x" * 10), admin, "No.")
    appeals.begin(warned, professional, "x" * 2000)


def test_there_is_nothing_to_appeal_against_without_a_warning(work, professional):
    with pytest.raises(InvalidTransition, match="no warning or pause"):
        appeals.begin(work, professional, WORDS)


def test_one_appeal_at_a_time(warned, professional):
    appeals.begin(warned, professional, WORDS)
    with pytest.raises(Conflict, match="with us already"):
        appeals.begin(warned, professional, WORDS)


def test_two_appeals_at_once_are_one(warned, professional, monkeypatch):
    appeals.begin(warned, professional, WORDS)
    db.session.commit()
    monkeypatch.setattr(appeals, "open_of", lambda _id: None)
    with pytest.raises(Conflict, match="with us already"):
        appeals.begin(warned, professional, WORDS)


def test_nobody_appeals_for_another(warned, other_professional, customer, admin):
    for stranger in (other_professional, customer, admin):
        with pytest.raises(NotAllowed):
            appeals.begin(warned, stranger, WORDS)


@pytest.mark.parametrize("verb", [appeals.grant, appeals.refuse])
def test_only_admins_answer_and_only_once(warned, professional, other_professional, admin, customer, verb):
    appeal = appeals.begin(warned, professional, WORDS)
    for stranger in (professional, other_professional, customer):
        with pytest.raises(NotAllowed):
            verb(appeal, stranger, "Yes")
    for empty in ("", "  "):
        with pytest.raises(Invalid):
            verb(appeal, admin, empty)
    with pytest.raises(Invalid):
        verb(appeal, admin, "x" * 501)
    verb(appeal, admin, "We looked at it.")
    db.session.commit()
    for again in (appeals.grant, appeals.refuse):
        with pytest.raises(Conflict):
            again(appeal, admin, "Once more")
    with pytest.raises(Conflict):
        appeals.check_unanswered(appeal)
    assert told(professional).count("appeal_granted") + told(professional).count("appeal_refused") == 1


def test_what_an_admin_forgives_at_the_same_moment_holds(warned, professional, frozen, monkeypatch):
    frozen.shift(7 * DAY)
    cards = pauses.scorecards.cards

    def then_an_admin_was_faster(batch):
        found = cards(batch)
        # What the batch knows of the warning is old from here on.
        forgiven = update(Professional).values(warned_at=None, warned_of=None)
        db.session.execute(forgiven.execution_options(synchronize_session=False))
        return found

    monkeypatch.setattr(scorecards, "cards", then_an_admin_was_faster)
    assert pauses.judge(PERIOD, 0) == Step(0, None)
    db.session.refresh(warned)
    assert warned.suspended_at is None
    assert "conduct_paused" not in told(professional)


def test_lists_of_appeals(warned, professional, admin, frozen):
    old = appeals.begin(warned, professional, WORDS)
    appeals.refuse(old, admin, "No.")
    frozen.shift(SECOND)
    new = appeals.begin(warned, professional, WORDS)
    assert [one.id for one in appeals.page()] == [new.id]
    assert [one.id for one in appeals.page(answered=True)] == [old.id]
    assert [one.id for one in appeals.of(professional.id)] == [new.id, old.id]
    assert appeals.get(new.id).professional is warned
    with pytest.raises(NotFound):
        appeals.get(999)


# -- The admin --------------------------------------------------------------------------------


def test_an_admin_ends_a_pause(paused, judge, professional, admin, frozen):
    appeals.end_pause(paused, admin, "We talked on the phone.")
    assert paused.suspended_at is None
    assert paused.warned_at is None
    assert is_listed(paused)
    assert told(professional)[-1] == "pause_ended"
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.detail) == ("end_pause", {"reason": "We talked on the phone."})
    frozen.shift(DAY)
    assert judge() == 0
    with pytest.raises(InvalidTransition):
        appeals.end_pause(paused, admin, "Twice")


def test_ending_a_pause_answers_the_appeal(paused, professional, admin):
    appeal = appeals.begin(paused, professional, WORDS)
    appeals.end_pause(paused, admin, "You are right.")
    assert appeal.granted
    assert appeal.answer == "You are right."
    assert paused.suspended_at is None
    assert told(professional)[-1] == "appeal_granted"


def test_who_may_not_end_a_pause(paused, professional, customer, admin, other_professional):
    for stranger in (professional, other_professional, customer):
        with pytest.raises(NotAllowed):
            appeals.end_pause(paused, stranger, "Please")
    with pytest.raises(Invalid):
        appeals.end_pause(paused, admin, " ")
    with pytest.raises(InvalidTransition):
        appeals.end_pause(other_professional.professional, admin, "Not paused")


def test_of_somebody_who_is_erased_no_words_are_left(warned, professional, admin, customer):
    appeals.refuse(appeals.begin(warned, professional, WORDS), admin, "No letter came.")
    appeals.begin(warned, professional, WORDS)
    db.session.commit()
    users.anonymise(professional, admin, "They asked for it")
    db.session.expire_all()
    kept = db.session.scalars(select(Appeal)).all()
    assert [(one.words, one.answer, one.answered_at is None) for one in kept] == [("", "", False)] * 2


def test_every_measure_has_words():
    assert set(measures.LABELS) == set(measures.Measure)
