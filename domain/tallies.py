"""How often each verb of a booking is done and refused, for whoever watches the site."""

from collections.abc import Iterator
from contextlib import contextmanager

import metrics
from domain.errors import DomainError
from extensions import db, when_committed

MARK = "verbs"


def did(verb: str) -> None:
    """Count a verb once its transaction is committed."""
    db.session.info.setdefault(MARK, []).append(verb)


@contextmanager
def refusals(verb: str) -> Iterator[None]:
    """Count a verb that is refused within."""
    try:
        yield
    except DomainError:
        metrics.refused(verb)
        raise


def _count(verbs):
    for verb in verbs:
        metrics.did(verb)


when_committed(MARK, _count)
