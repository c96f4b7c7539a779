"""How secrets are kept that have to be read again: encrypted under the site's SECRET_KEY."""

import base64
import hashlib

from cryptography.fernet import Fernet

from extensions import settings


def sealed(text: str) -> str:
    """A text that neither a copy of the database nor an admin can read."""
    return _cipher().encrypt(text.encode()).decode()


def unsealed(text: str) -> str:
    """What was sealed. Raises cryptography.fernet.InvalidToken under another SECRET_KEY."""
    return _cipher().decrypt(text.encode()).decode()


def _cipher():
    # Named after the first that used it: another name would be another key.
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"outbox" + settings.secret_key.encode()).digest()))
