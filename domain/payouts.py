"""What the site pays out to professionals: who is owed how much, and batches of payouts that go out once.

Owed is what customers have paid to the site for them, less what they owe it for jobs paid in cash, less what
went out before. What a customer still owes or disputes waits. A payout takes its amount off the
professional's account into transit; from there it goes to the bank when it was paid, or back.
"""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta

from flask_babel import gettext as _
from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from domain import audit, cells, clock, ledger, notifications, payout_accounts
from domain.errors import Conflict, Invalid, InvalidTransition, NotAllowed, NotFound
from domain.paging import Page, keyset
from extensions import db, settings
from models import Booking, Professional, Status, User
from models_money import LedgerEntry, LedgerLine, Payout, PayoutAccount, PayoutBatch, PayoutStatus

# More would make a transaction for which everybody else waits.
MOST_IN_A_BATCH = 500
MOST_REASON = 500
COLUMNS = ("reference", "name", "account_number", "bank_code", "upi_id", "amount", "currency")
_PREFIX = ledger.professional("")


@dataclass(frozen=True)
class Standing:
    """How a professional stands with the site, in minor units.

    `ready` is theirs of what was paid, `fees` what they owe of jobs paid to themselves, `sent` what was paid
    out or is on its way, and `waits` theirs of jobs that customers still owe or dispute.
    """

    ready: int
    fees: int
    sent: int
    waits: int

    @property
    def owed(self) -> int:
        """What the next payout would be; below zero they owe the site."""
        return self.ready - self.fees - self.sent


@dataclass(frozen=True)
class Owed:
    """Somebody to be paid. Without a `hint` they have not said where to, and who is blocked is not `active`."""

    professional_id: int
    name: str
    amount: int
    hint: str | None
    active: bool

    @property
    def payable(self) -> bool:
        return self.active and self.hint is not None


@dataclass(frozen=True)
class Preview:
    """A batch before it is made: who is paid by it, and who is owed as much but cannot be paid."""

    until: date
    payable: list[Owed]
    left_out: list[Owed]

    @property
    def total(self) -> int:
        return sum(one.amount for one in self.payable)

    @property
    def mark(self) -> str:
        """What an admin has seen and agrees to, in short."""
        seen = [(one.professional_id, one.amount) for one in self.payable]
        return hashlib.sha256(repr((self.until, seen)).encode()).hexdigest()[:32]


# -- Who is owed what -------------------------------------------------------------------------


def standing(professional_id: int) -> Standing:
    jobs = _by_job().where(LedgerLine.account == ledger.professional(professional_id)).subquery()
    has_job, amount = jobs.c.booking_id.is_not(None), jobs.c.amount
    sums = db.session.execute(
        select(
            _sum(and_(has_job, amount < 0, ~jobs.c.waits), -amount),
            _sum(and_(has_job, amount > 0), amount),
            _sum(~has_job, amount),
            _sum(and_(has_job, amount < 0, jobs.c.waits), -amount),
        )
    ).one()
    return Standing(*map(int, sums))


def preview(until: date) -> Preview:
    """Everybody who is owed enough by the end of a date. What they came to owe later is set off already.

    Raises Invalid for a date that is not over the present one.
    """
    if not date(2000, 1, 1) <= until <= clock.today():
        raise Invalid(_("Choose today or an earlier day."), "until")
    amounts = _owed(until)
    found = db.session.execute(
        select(User.id, User.name, User.active, PayoutAccount.hint)
        .outerjoin(PayoutAccount, PayoutAccount.professional_id == User.id)
        .where(User.id.in_(amounts))
        .order_by(User.id)
    )
    owed = [Owed(row.id, row.name, amounts[row.id], row.hint, row.active) for row in found]
    payable = [one for one in owed if one.payable]
    return Preview(until, payable[:MOST_IN_A_BATCH], [one for one in owed if not one.payable])


def _owed(until):
    counts = or_(LedgerEntry.at < clock.start_of(until + timedelta(days=1)), LedgerLine.amount > 0)
    jobs = _by_job().where(LedgerLine.account.startswith(_PREFIX), counts).subquery()
    waits = and_(jobs.c.waits, jobs.c.amount < 0)
    owed = -func.sum(case((waits, 0), else_=jobs.c.amount))
    rows = db.session.execute(
        select(jobs.c.account, owed).group_by(jobs.c.account).having(owed >= max(settings.min_payout, 1))
    )
    return {int(account.removeprefix(_PREFIX)): int(amount) for account, amount in rows}


def _by_job():
    """What each job did to an account, and whether it still waits for its customer; payouts are of no job."""
    waits = func.coalesce(or_(Booking.paid < Booking.total, Booking.status == Status.DISPUTED), False)
    amount = func.sum(LedgerLine.amount)
    return (
        select(LedgerLine.account, LedgerEntry.booking_id, waits.label("waits"), amount.label("amount"))
        .join(LedgerEntry, LedgerEntry.id == LedgerLine.entry_id)
        .outerjoin(Booking, Booking.id == LedgerEntry.booking_id)
        .group_by(LedgerLine.account, LedgerEntry.booking_id, Booking.id)
    )


def _sum(condition, amount):
    return func.coalesce(func.sum(case((condition, amount), else_=0)), 0)


# -- What an admin does -----------------------------------------------------------------------


def make(by: User, until: date, mark: str) -> PayoutBatch:
    """Take what is owed off the accounts and onto its way, as a preview with this mark has shown it.

    Raises Conflict when it is another sum by now, or another admin makes a batch at this moment.
    """
    _must_be_admin(by)
    # The number comes first: whoever makes a batch meanwhile waits here, and is refused.
    batch = _numbered(PayoutBatch(until=until, made_by_id=by.id, made_at=clock.now()))
    seen = preview(until)
    accounts = _held(one.professional_id for one in seen.payable)
    if mark != seen.mark or len(accounts) < len(seen.payable):
        raise Conflict(_("What is owed has changed. Look at the list again."))
    if not seen.payable:
        raise Conflict(_("Nobody can be paid out by that day."))
    for one in seen.payable:
        account = accounts[one.professional_id]
        payout = Payout(
            batch_id=batch.id,
            professional_id=one.professional_id,
            amount=one.amount,
            hint=account.hint,
            sealed=account.sealed,
        )
        db.session.add(payout)
        db.session.flush()
        _post(payout, "payout", ledger.professional(one.professional_id), ledger.TRANSIT)
    audit.record(by, "make_payouts", "payouts", batch.id, count=len(seen.payable), amount=seen.total)
    return batch


def bank_file(batch: PayoutBatch, by: User) -> str:
    """What the bank is told, as CSV: those on their way to people who are not blocked."""
    _must_be_admin(by)
    lines = []
    for payout in _on_the_way(batch):
        details = payout_accounts.unseal(payout.sealed)
        if details is None:
            name = payout.professional.user.name
            raise Conflict(_("The account of %(name)s can't be read. Ask them to enter it again.", name=name))
        where = details.holder, details.number, details.code, details.upi
        lines.append(cells.line(reference(payout), *where, cells.decimal(payout.amount), settings.currency))
    if not lines:
        raise Conflict(_("Nothing of this batch is on its way any more."))
    audit.record(by, "download_payouts", "payouts", batch.id, count=len(lines))
    return cells.heading(list(COLUMNS)) + "".join(lines)


def pay(batch: PayoutBatch, by: User) -> int:
    """The bank has paid what its file said; answer how many. Those to people who are blocked stay on their way."""
    _must_be_admin(by)
    paid = [payout for payout in _on_the_way(batch) if _has_paid(payout)]
    if not paid:
        raise InvalidTransition(_("Nothing of this batch is on its way any more."))
    audit.record(by, "settle_payouts", "payouts", batch.id, count=len(paid))
    return len(paid)


def pay_one(payout: Payout, by: User) -> None:
    """The bank has paid this one."""
    _must_be_admin(by)
    if not _has_paid(payout):
        raise InvalidTransition(_("This payout is not on its way any more."))
    audit.record(by, "settle_payouts", "payouts", payout.batch_id, count=1)


def fail(payout: Payout, by: User, reason: str) -> None:
    """The bank has not paid it, or sent it back: the professional is owed it again."""
    _must_be_admin(by)
    reason = reason.strip()
    if not reason or len(reason) > MOST_REASON:
        raise Invalid(_("Say why, in a few words: the professional reads it."), "reason")
    held_by = ledger.BANK if payout.status is PayoutStatus.PAID else ledger.TRANSIT
    if payout.status is PayoutStatus.FAILED or not _move(payout, PayoutStatus.FAILED, reason=reason):
        raise InvalidTransition(_("This payout is not on its way any more."))
    _post(payout, "payout_failed", held_by, ledger.professional(payout.professional_id))
    _tell(payout, "payout_failed", reason=reason)
    audit.record(by, "fail_payout", "payouts", payout.batch_id, reason=reason, amount=payout.amount)


def _has_paid(payout):
    if payout.status is not PayoutStatus.MADE or not _move(payout, PayoutStatus.PAID):
        return False
    _post(payout, "payout_paid", ledger.TRANSIT, ledger.BANK)
    _tell(payout, "paid_out")
    return True


def _numbered(batch):
    batch.id = (db.session.scalar(select(func.max(PayoutBatch.id))) or 0) + 1
    try:
        with db.session.begin_nested():
            db.session.add(batch)
    except IntegrityError as first:
        raise Conflict(_("Another admin has just made a batch. Look at the list again.")) from first
    return batch


def _held(ids):
    """The accounts of some professionals, which nobody changes or erases until the transaction ends."""
    held = select(PayoutAccount).where(PayoutAccount.professional_id.in_(list(ids))).with_for_update()
    return {one.professional_id: one for one in db.session.scalars(held)}


def _move(payout, target, **values):
    """Compare and set; whether the payout still was as it was read."""
    moved = db.session.execute(
        update(Payout)
        .where(Payout.id == payout.id, Payout.status == payout.status)
        .values(status=target, ended_at=clock.now(), **values)
        .execution_options(synchronize_session=False)
    )
    db.session.expire(payout, ["status", "ended_at", "reason"])
    return bool(moved.rowcount)


def _post(payout, kind, taken_from, given_to):
    ledger.post(f"{kind}:{payout.id}", kind, {taken_from: payout.amount, given_to: -payout.amount})


def _tell(payout, kind, **data):
    known = {"amount": payout.amount, "account": payout.hint, **data}
    notifications.notify_all([payout.professional_id], kind, cause=f"{kind}:{payout.id}", **known)


# -- What is shown ----------------------------------------------------------------------------


def reference(payout: Payout) -> str:
    """What stands on the bank's statement."""
    return f"PO-{payout.batch_id}-{payout.id}"


def get_batch(batch_id: int) -> PayoutBatch:
    found = db.session.scalar(
        select(PayoutBatch).where(PayoutBatch.id == batch_id).options(joinedload(PayoutBatch.made_by))
    )
    if found is None:
        raise NotFound(_("There is no such batch."))
    return found


def get(batch_id: int, payout_id: int) -> Payout:
    found = db.session.scalar(
        _with_people(select(Payout)).where(Payout.id == payout_id, Payout.batch_id == batch_id)
    )
    if found is None:
        raise NotFound(_("There is no such payout."))
    return found


def batches(after: str | None = None) -> tuple[Page, dict[int, dict[PayoutStatus, tuple[int, int]]]]:
    """A page of batches, the newest first; and how many of each state they have, and their sum."""
    found = select(PayoutBatch).options(joinedload(PayoutBatch.made_by))
    page = keyset(found, [(PayoutBatch.id, "desc")], after)
    return page, sums([batch.id for batch in page])


def sums(batch_ids: list[int]) -> dict[int, dict[PayoutStatus, tuple[int, int]]]:
    """How many payouts of each state some batches have, and their sum, by the batch's id."""
    rows = db.session.execute(
        select(Payout.batch_id, Payout.status, func.count(), func.sum(Payout.amount))
        .where(Payout.batch_id.in_(batch_ids))
        .group_by(Payout.batch_id, Payout.status)
    )
    found = {batch_id: {} for batch_id in batch_ids}
    for batch_id, status, number, amount in rows:
        found[batch_id][status] = number, int(amount)
    return found


def page(batch_id: int, after: str | None = None) -> Page:
    """A page of the payouts of a batch, as they were made."""
    return keyset(_with_people(select(Payout)).where(Payout.batch_id == batch_id), [(Payout.id, "asc")], after)


def of_professional(professional_id: int, after: str | None = None) -> Page:
    """A page of what one professional was paid out, the newest first."""
    mine = select(Payout).where(Payout.professional_id == professional_id).options(joinedload(Payout.batch))
    return keyset(mine, [(Payout.id, "desc")], after)


def paid_between(professional_id: int, first: date, last: date) -> int:
    """What reached a professional in some dates, both included."""
    paid = db.session.scalar(
        select(func.coalesce(func.sum(Payout.amount), 0)).where(
            Payout.professional_id == professional_id,
            Payout.status == PayoutStatus.PAID,
            Payout.ended_at >= clock.start_of(first),
            Payout.ended_at < clock.start_of(last + timedelta(days=1)),
        )
    )
    return int(paid)


def faults() -> list[str]:
    """Where the ledger has something else on its way than the payouts say: a sentence."""
    made = select(func.coalesce(func.sum(Payout.amount), 0)).where(Payout.status == PayoutStatus.MADE)
    on_the_way, booked = int(db.session.scalar(made)), -ledger.balance(ledger.TRANSIT)
    return [f"Payouts on their way are {on_the_way}, and the ledger says {booked}."] if on_the_way != booked else []


def _on_the_way(batch):
    found = _with_people(select(Payout)).where(
        Payout.batch_id == batch.id, Payout.status == PayoutStatus.MADE, Payout.professional.has(_active())
    )
    return db.session.scalars(found.order_by(Payout.id)).all()


def _active():
    return Professional.user.has(User.active.is_(True))


def _with_people(found):
    return found.options(joinedload(Payout.professional).joinedload(Professional.user))


def _must_be_admin(by):
    if not by.is_admin:
        raise NotAllowed(_("Only admins may do this."))
