"""What a call with a one-time key answered, so that the same call again changes nothing."""

import hashlib
import json
from datetime import timedelta

from cryptography.fernet import InvalidToken
from flask_babel import gettext as _
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from domain import clock, sealing
from domain.errors import Conflict, Invalid
from domain.job_runs import Step
from extensions import db
from models_integrations import ApiResult

KEPT = timedelta(days=1)
LONGEST_KEY = 64
BATCH = 500


def fingerprint(*call: str | bytes) -> str:
    """What tells one call from another: its method, path and body."""
    parts = (part if isinstance(part, bytes) else part.encode() for part in call)
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def find(caller: str, key: str, wanted: str) -> dict | None:
    """The answer that this key got before. Raises Conflict when it was used for something else."""
    if not (key.isascii() and key.isprintable() and 1 <= len(key) <= LONGEST_KEY):
        raise Invalid(_("Use 1 to 64 printable ASCII characters for the key."), "Idempotency-Key")
    found = db.session.scalar(select(ApiResult).where(ApiResult.caller == caller, ApiResult.key == key))
    if found is None:
        return None
    if found.fingerprint != wanted:
        raise Conflict(_("This Idempotency-Key was used for another call. Use a new one."))
    try:
        return json.loads(sealing.unsealed(found.sealed))
    except InvalidToken:
        raise Conflict(_("What this key was answered can no longer be read. Use a new one.")) from None


def keep(caller: str, key: str, call: str, answer: dict) -> None:
    """Keep an answer, in the transaction of what it tells. Raises Conflict when another was faster."""
    sealed = sealing.sealed(json.dumps(answer))
    kept = ApiResult(caller=caller, key=key, fingerprint=call, sealed=sealed, created_at=clock.now())
    db.session.add(kept)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        raise Conflict(_("The same call is being answered at this moment. Send it again.")) from None


def forget_old(period: str, cursor: int) -> Step:
    """Throw away the answers of more than a day ago."""
    which = ApiResult.caller, ApiResult.key
    old = select(*which).where(ApiResult.created_at < clock.now() - KEPT).order_by(ApiResult.created_at)
    rows = db.session.execute(old.limit(BATCH)).all()
    for caller, key in rows:
        db.session.execute(
            delete(ApiResult).where(which[0] == caller, which[1] == key).execution_options(synchronize_session=False)
        )
    return Step(len(rows), cursor + len(rows) if len(rows) == BATCH else None)
