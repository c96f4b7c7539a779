"""When the scorecard warns a professional, when it pauses them, and when either ends.

Below a limit there is a warning first. Only when the same number is still below it after the days of
grace are new requests paused, and not while an appeal made in those days waits for its answer. Better
numbers end both by themselves; an admin ends them for good, and what was before is forgiven.
"""

from datetime import datetime, timedelta

from sqlalchemy import exists, select, true, update

from domain import clock, listings, notifications, scorecards, waits
from domain.job_runs import Step
from domain.scorecards import Count
from extensions import db, settings
from models import Approval, Professional, User
from models_lifecycle import Appeal

BATCH = 50


def judge(period: str, cursor: int) -> Step:
    """Once a day: look at the scorecards of some professionals, and warn, pause or clear them."""
    working = (
        select(Professional)
        .join(User, User.id == Professional.id)
        .where(Professional.id > cursor, Professional.approval == Approval.APPROVED, User.active.is_(true()))
        .order_by(Professional.id)
        .limit(BATCH)
        .execution_options(populate_existing=True)
    )
    batch = db.session.scalars(working).all()
    cards = scorecards.cards(batch)
    changed = sum(_judge(professional, cards[professional.id].below) for professional in batch)
    return Step(changed, batch[-1].id if len(batch) == BATCH else None)


def pauses_at(professional: Professional) -> datetime | None:
    """From when on a warned professional is paused if nothing gets better."""
    if professional.warned_at is None:
        return None
    return professional.warned_at + timedelta(days=settings.policy.warning_days)


def forgive(professional: Professional) -> None:
    """End a warning or a pause for good: what was before counts no more."""
    professional.warned_at = professional.warned_of = professional.suspended_at = None
    professional.counts_from = clock.now()
    listings.refresh(professional.id)
    waits.opened(professional.id)


def _judge(professional, below: list[Count]) -> bool:
    """Whether anything changed."""
    if professional.warned_at is None:
        return bool(below) and _warn(professional, below)
    still = [count for count in below if count.measure in professional.warned_of]
    if not still and (professional.suspended_at or not below):
        # What else is below its limit has a warning of its own before it counts.
        return _clear(professional) and (not below or _warn(professional, below))
    if not still:
        return _warn(professional, below)
    if professional.suspended_at is None and clock.now() >= pauses_at(professional):
        return _pause(professional, still)
    return False


def _warn(professional, below):
    now = clock.now()
    if not _set(professional, warned_at=now, warned_of=[count.measure.value for count in below]):
        return False
    until = pauses_at(professional).isoformat()
    notifications.notify(professional.id, "conduct_warned", numbers=_figures(below), until=until)
    return True


def _pause(professional, still):
    in_time = Appeal.created_at <= pauses_at(professional)
    waits = exists().where(Appeal.professional_id == professional.id, Appeal.answered_at.is_(None), in_time)
    if not _set(professional, ~waits, suspended_at=clock.now()):
        return False
    notifications.notify(professional.id, "conduct_paused", numbers=_figures(still))
    return True


def _clear(professional):
    kind = "conduct_resumed" if professional.suspended_at else "conduct_cleared"
    if not _set(professional, warned_at=None, warned_of=None, suspended_at=None):
        return False
    waits.opened(professional.id)
    notifications.notify(professional.id, kind)
    return True


def _set(professional, *where, **values):
    """Compare and set: what an admin decides at the same moment holds."""
    done = db.session.execute(
        update(Professional)
        .where(
            Professional.id == professional.id,
            Professional.warned_at.is_not_distinct_from(professional.warned_at),
            Professional.suspended_at.is_not_distinct_from(professional.suspended_at),
            *where,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.expire(professional)
    if "suspended_at" in values:
        listings.refresh(professional.id)
    return bool(done.rowcount)


def _figures(counts):
    return [count.figures for count in counts]
